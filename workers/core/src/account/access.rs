//! What an account has: its plan, its keys, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_events::{CustomerId, DisputeId, PriceId, SubscriptionId};
use utoipa::ToSchema;

use super::ids::{KeyId, OfferId, PlanId, UsagePlanId};
use crate::stripe::{InvoiceId, Price};
use crate::text::one_line;

/// What a key is for. One today: the account's own long-lived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The account's long-lived key.
    Primary,
}

impl Slot {
    /// The name used in key names and in the key's derivation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
        }
    }
}

/// A key that the account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// API Gateway's id of the key.
    pub id: KeyId,
    /// Counts the keys that this slot has had, from 1. Survives every plan change.
    pub generation: u32,
    /// When it was made: API Gateway may not show a key in its first minute.
    pub minted_at: Timestamp,
}

/// A key that an operator has replaced: it is on the account's plan, whatever that comes to be,
/// until its time has come and its successor stands, and is deleted then; at once when the
/// account's key is to be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringKey {
    /// API Gateway's id of the key.
    pub id: KeyId,
    /// Its generation.
    pub generation: u32,
    /// When it was made: API Gateway may not show a key in its first minute. Not told in what was
    /// written before replaced keys were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted_at: Option<Timestamp>,
    /// The usage plan that it is on; none while it is between two.
    #[serde(default)]
    pub usage_plan: Option<UsagePlanId>,
    /// When it ends.
    pub until: Timestamp,
}

/// A key about to be made: committed before the call that makes it, so that
/// whoever comes after a crash derives the same value and cannot make a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintIntent {
    /// The slot it will fill.
    pub slot: Slot,
    /// The generation it will have.
    pub generation: u32,
    /// The version of the derivation secret.
    pub secret_version: u32,
    /// 128 random bits, in hexadecimal.
    pub nonce: String,
}

/// Where an account stands, in one word.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Seen, but nothing decided yet.
    #[default]
    New,
    /// The key works on its plan.
    Active,
    /// The key is disabled by a dispute or by an operator.
    Held,
    /// The key is disabled: the user is, or no plan is left and there is no default.
    Disabled,
    /// There is no key: those that are left are kept for those who pay.
    WaitingForKey,
    /// The user is gone, or an operator closed the account; the key is gone too.
    Closed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Held => "held",
            Self::Disabled => "disabled",
            Self::WaitingForKey => "waiting for a key",
            Self::Closed => "closed",
        })
    }
}

/// Why the account has the access that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing decided yet.
    #[default]
    New,
    /// No live subscription: the default plan.
    DefaultPlan,
    /// No live subscription, and the catalog has no default plan.
    NoPlan,
    /// A live subscription.
    Subscription {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// A subscription that ends at a known time.
    Ending {
        /// Which one.
        subscription: SubscriptionId,
        /// When.
        at: Timestamp,
    },
    /// A past-due subscription within its grace period.
    Grace {
        /// Which one.
        subscription: SubscriptionId,
        /// Until when.
        until: Timestamp,
    },
    /// The subscription that gave the plan is live, to a price that the catalog does not know:
    /// the plan stays, for some days.
    UnknownPrice {
        /// The price to add to the catalog.
        price: PriceId,
        /// Until when; not told in what was written before plans ended so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An operator's grant.
    Grant {
        /// Until when, if it ends.
        until: Option<Timestamp>,
    },
    /// A dispute is open or lost.
    Dispute {
        /// Which one.
        dispute: DisputeId,
    },
    /// An operator holds the account.
    OperatorHold {
        /// What the operator wrote.
        why: String,
    },
    /// An operator closed the account.
    ClosedByOperator {
        /// What the operator wrote.
        why: String,
    },
    /// Hardly any keys are left, and those are kept for those who pay.
    KeysRunOut,
    /// The user is disabled in Cognito.
    UserDisabled,
    /// The user was not found; the account stays as it is until that is certain.
    UserMissing,
    /// The user was deleted, or was not found twice, an hour apart.
    UserDeleted,
}

impl Reason {
    /// The subscription that gives the plan, where the reason names it.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::Subscription { subscription }
            | Self::Ending { subscription, .. }
            | Self::Grace { subscription, .. } => Some(subscription),
            _ => None,
        }
    }

    /// Whether the plan comes from a subscription.
    pub fn is_paid(&self) -> bool {
        match self {
            Self::Subscription { .. }
            | Self::Ending { .. }
            | Self::Grace { .. }
            | Self::UnknownPrice { .. } => true,
            Self::New
            | Self::DefaultPlan
            | Self::NoPlan
            | Self::Grant { .. }
            | Self::Dispute { .. }
            | Self::OperatorHold { .. }
            | Self::ClosedByOperator { .. }
            | Self::KeysRunOut
            | Self::UserDisabled
            | Self::UserMissing
            | Self::UserDeleted => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(f, "nothing decided yet"),
            Self::DefaultPlan => write!(f, "no live subscription to a plan"),
            Self::NoPlan => write!(f, "no live subscription to a plan, and no default plan"),
            Self::Subscription { subscription } => write!(f, "{subscription} is live"),
            Self::Ending { subscription, at } => write!(f, "{subscription} ends at {at:.0}"),
            Self::Grace { subscription, until } => {
                write!(f, "{subscription} is past due, grace until {until:.0}")
            }
            Self::UnknownPrice { price, until: None } => {
                write!(f, "{price} is not in the catalog, the last plan stays")
            }
            Self::UnknownPrice { price, until: Some(until) } => {
                write!(f, "{price} is not in the catalog, the last plan stays until {until:.0}")
            }
            Self::Grant { until: None } => write!(f, "granted by an operator"),
            Self::Grant { until: Some(until) } => {
                write!(f, "granted by an operator until {until:.0}")
            }
            Self::Dispute { dispute } => write!(f, "dispute {dispute}"),
            Self::OperatorHold { why } => write!(f, "held by an operator: {}", one_line(why)),
            Self::ClosedByOperator { why } => {
                write!(f, "closed by an operator: {}", one_line(why))
            }
            Self::KeysRunOut => write!(f, "hardly any API keys are left"),
            Self::UserDisabled => write!(f, "the user is disabled"),
            Self::UserMissing => write!(f, "the user was not found, looking again"),
            Self::UserDeleted => write!(f, "the user is not in the pool any more"),
        }
    }
}

/// What Tollgate keeps in the user's Cognito attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `custom:apiid`: the key's id, never its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<KeyId>,
    /// `custom:plan`: the plan's id, or one of [`crate::catalog::RESERVED_PLAN_IDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl Attributes {
    /// Whether the user is told that the account is closed.
    pub fn say_closed(&self) -> bool {
        self.plan.as_deref() == Some("closed")
    }
}

/// The Cognito user as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// Never looked up.
    #[default]
    Unseen,
    /// There, when last looked.
    Present {
        /// What admin calls take: the sub, or a federated user's name.
        username: String,
        /// Whether they may sign in.
        enabled: bool,
    },
    /// Not found, when last looked.
    Missing {
        /// When that was first seen; a second look an hour later makes it certain.
        since: Timestamp,
        /// The user name, for a last write.
        username: Option<String>,
        /// They were not allowed to sign in when they were last seen. Not told in what was written
        /// before that was remembered.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        disabled: bool,
    },
    /// Deleted for certain.
    Deleted,
}

impl User {
    /// The name by which admin calls have reached them, if one is known.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Present { username, .. } => Some(username),
            Self::Missing { username, .. } => username.as_deref(),
            Self::Unseen | Self::Deleted => None,
        }
    }
}

/// An operator's grant of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The plan granted.
    pub plan: PlanId,
    /// When it ends, if it does.
    pub until: Option<Timestamp>,
    /// Who granted it, and why.
    pub why: String,
}

impl Grant {
    /// Whether its time has come.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// How a dispute stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeMark {
    /// Open or lost: it holds the account.
    Holding,
    /// Lifted by an operator: it holds no more, whatever becomes of it.
    Lifted,
    /// Open or lost, and of a customer who is not linked to the account: it goes with them when
    /// an operator links them.
    Elsewhere,
}

/// The subscription that gave the account its plan, as it was when it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Which one.
    pub by: SubscriptionId,
    /// The plan that it gave.
    pub plan: PlanId,
    /// The prices of its items.
    pub prices: BTreeSet<PriceId>,
    /// Since when the catalog knows none of them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
}

/// The subscription that gives the plan, as its owner is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionSeen {
    /// The lookup key of the price that gives the plan, or the price's id where it has none; nothing
    /// where the catalog does not know the price any more.
    #[serde(default)]
    #[schema(required, value_type = Option<String>)]
    pub offer: Option<OfferId>,
    /// When it is paid for again; nothing, where it ends then.
    #[serde(default)]
    #[schema(required)]
    pub renews_at: Option<Timestamp>,
    /// When it ends, where that is known.
    #[serde(default)]
    #[schema(required)]
    pub ends_at: Option<Timestamp>,
    /// When its trial ends, where it is in one.
    #[serde(default)]
    #[schema(required)]
    pub trial_ends_at: Option<Timestamp>,
    /// What it changes to, where a change is scheduled.
    #[serde(default)]
    #[schema(required)]
    pub next: Option<NextOffer>,
    /// Who changes it.
    #[serde(default)]
    pub managed_by: ManagedBy,
}

/// What a subscription changes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextOffer {
    /// The offer, where the catalog knows it.
    #[serde(default)]
    #[schema(required, value_type = Option<String>)]
    pub offer: Option<OfferId>,
    /// Its plan.
    #[serde(default)]
    #[schema(required, value_type = Option<String>)]
    pub plan: Option<PlanId>,
    /// When, where that is known.
    #[serde(default)]
    #[schema(required)]
    pub at: Option<Timestamp>,
}

/// Who changes a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManagedBy {
    /// Its owner, in Stripe's portal.
    #[default]
    Customer,
    /// The seller: the portal can only end it.
    Seller,
}

/// The part of an account that history tells: each entry has it before and after.
///
/// No field is left out when it is empty: the ledger writes each for itself, so that one it is not
/// told of stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The plan that the account has.
    pub plan: Option<PlanId>,
    /// The usage plan that the key is on: what the plan was mapped to when it was attached.
    #[serde(default)]
    pub usage_plan: Option<UsagePlanId>,
    /// Where the account stands.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// What gave the plan, where a subscription did.
    #[serde(default)]
    pub given: Option<Given>,
    /// The keys, by slot.
    #[serde(default)]
    pub keys: BTreeMap<Slot, KeyRecord>,
    /// Keys that an operator has replaced, and that still work.
    #[serde(default)]
    pub retiring: Vec<RetiringKey>,
    /// The attributes as last written or seen.
    #[serde(default)]
    pub attributes: Attributes,
    /// The linked Stripe customers.
    #[serde(default)]
    pub customers: BTreeSet<CustomerId>,
    /// Those of them whom nothing but a payment link's reference has named: what they pay for
    /// counts, and they are shown to nobody while the account has a customer of its own. Not
    /// told in what was written before these were told apart.
    #[serde(default)]
    pub by_reference: BTreeSet<CustomerId>,
    /// Disputes that hold the account, or did until an operator lifted them.
    #[serde(default)]
    pub disputes: BTreeMap<DisputeId, DisputeMark>,
    /// When each past-due subscription was first seen so.
    #[serde(default)]
    pub grace: BTreeMap<SubscriptionId, Timestamp>,
    /// What was last paid for of each past-due subscription, when it was first seen so; nothing,
    /// where nothing ever was. Not told in what was written before grace went by it.
    #[serde(default)]
    pub paid_for: BTreeMap<SubscriptionId, Vec<Price>>,
    /// The newest paid invoice of each subscription whose plan has ended because all that was
    /// charged for that invoice was refunded.
    #[serde(default)]
    pub refunded: BTreeMap<SubscriptionId, InvoiceId>,
    /// An operator's hold, with its reason.
    #[serde(default)]
    pub hold: Option<String>,
    /// An operator has closed the account, and why.
    #[serde(default)]
    pub closed: Option<String>,
    /// An operator's grants.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Of a closed account: subscriptions that are to be cancelled and are not yet, because nobody
    /// has told of the user's deletion, or as many have been cancelled as may be in a day.
    #[serde(default)]
    pub to_cancel: BTreeSet<SubscriptionId>,
}

impl Access {
    /// The customers who are the account's own: by our proof or an operator's word, or, where
    /// there is none such, whoever has paid through a link.
    pub fn own_customers(&self) -> BTreeSet<CustomerId> {
        let own: BTreeSet<_> = self.customers.difference(&self.by_reference).cloned().collect();
        if own.is_empty() { self.customers.clone() } else { own }
    }
}
