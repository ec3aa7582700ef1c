//! What an owner is shown. The account API's JSON is these types, as they stand here.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::usage::UsageView;
use crate::account::{
    Access, Account, KeyId, KeyRecord, ManagedBy, OfferId, PlanId, Reason, Slot, Status,
    SubscriptionSeen,
};
use crate::derive::KeyValue;
use crate::ledger::Entry;
use crate::words::{OwnerReason, for_owner};

/// What the account's own key is called in the account API.
pub(super) const DEFAULT_SLOT: &str = "default";

/// How many keys an account can have.
pub(super) const MOST_KEYS: u32 = 1;

/// The most entries of one page of the history.
pub const MOST_ENTRIES: u32 = 100;

/// An account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountView {
    /// The newest change's version; 0 before the first.
    pub version: u64,
    /// Whether payments are real.
    pub mode: Mode,
    /// Where the account stands.
    pub status: Status,
    /// The plan, if there is one.
    #[schema(required, value_type = Option<String>)]
    pub plan: Option<PlanId>,
    /// Why.
    pub reason: OwnerReason,
    /// The subscription that gives the plan, if one does.
    #[schema(required)]
    pub subscription: Option<SubscriptionSeen>,
    /// What is bought and not here yet.
    #[schema(required)]
    pub purchase: Option<PurchaseView>,
    /// The use of the plan's quota in its current period.
    #[schema(required)]
    pub usage: Option<UsageView>,
    /// What the owner can do now.
    pub can: Abilities,
}

/// Whether payments are real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    Live,
    /// They are Stripe's tests.
    Test,
}

impl Mode {
    pub(super) fn of(livemode: bool) -> Self {
        if livemode { Self::Live } else { Self::Test }
    }
}

/// A purchase that is not over, or that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PurchaseView {
    /// What is bought.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// How it stands.
    pub state: PurchaseState,
}

/// How a purchase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseState {
    /// Its page is open, and nothing is paid.
    Open,
    /// It is made, and the payment is under way: days, with a bank debit.
    Processing,
    /// It is paid; the account shows it within seconds.
    Paid,
    /// The payment has failed.
    Failed,
    /// Its page is over, and nothing was bought.
    Expired,
}

/// Where what was chosen is had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chosen {
    /// By which way.
    pub via: Via,
    /// The page to go to. It is as good as a password for its time: it is not to be kept.
    pub url: String,
}

/// By which way a plan is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Stripe's Checkout: it is bought.
    Checkout,
    /// Stripe's portal: the subscription is changed.
    Change,
    /// Stripe's portal: the subscription is ended.
    Cancel,
}

/// What the owner can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Abilities {
    /// Buy a plan through Checkout.
    pub buy: bool,
    /// Change what they have subscribed to.
    pub change: bool,
    /// Open the billing portal: card, invoices, address.
    pub portal: bool,
}

impl Abilities {
    pub(super) fn of(account: &Account) -> Self {
        let access = &account.access;
        let is_shut = matches!(access.status, Status::Closed | Status::Held);
        let has_one = account.subscription.is_some() || !account.several.is_empty();
        Self {
            buy: !is_shut && !has_one && account.processing.is_none(),
            change: !is_shut && can_change(account),
            portal: !access.customers.is_empty(),
        }
    }
}

/// Whether the portal can change what the account pays for: where nothing is on its way already.
fn can_change(account: &Account) -> bool {
    let Some(subscription) = &account.subscription else { return false };
    let settled = subscription.next.is_none() && subscription.ends_at.is_none();
    let is_paid = !matches!(account.access.reason, Reason::Grace { .. });
    let alone = account.several.len() <= 1;
    settled && is_paid && alone && subscription.managed_by == ManagedBy::Customer
}

/// A page of what happened, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryView {
    /// The changes; what changed nothing that an owner can see is left out.
    pub items: Vec<HistoryItem>,
    /// What to ask for `before` to go on; nothing at the end.
    #[schema(required)]
    pub next: Option<u64>,
}

/// One change, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryItem {
    /// The account's version after it.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// The plan before.
    #[schema(required, value_type = Option<String>)]
    pub from: Option<PlanId>,
    /// The plan after.
    #[schema(required, value_type = Option<String>)]
    pub to: Option<PlanId>,
    /// Where the account stood after.
    pub status: Status,
    /// Why.
    pub reason: OwnerReason,
}

impl HistoryView {
    /// A page of at most `limit` entries.
    pub(super) fn of(entries: &[Entry], limit: usize) -> Self {
        let last = entries.last().map(|entry| entry.version);
        let items = entries.iter().filter(|entry| shows(entry)).map(HistoryItem::of).collect();
        Self { items, next: last.filter(|version| entries.len() >= limit && *version > 1) }
    }
}

/// Whether an entry changed anything that its owner can see; a link by itself does not.
fn shows(entry: &Entry) -> bool {
    let seen = |access: &Access| (access.plan.clone(), access.status);
    seen(&entry.before) != seen(&entry.after)
}

impl HistoryItem {
    fn of(entry: &Entry) -> Self {
        let Entry { version, at, before, after, .. } = entry;
        Self {
            version: *version,
            at: *at,
            from: before.plan.clone(),
            to: after.plan.clone(),
            status: after.status,
            reason: for_owner(after, None),
        }
    }
}

/// An account's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeysView {
    /// How many there can be.
    pub limit: u32,
    /// Those that there are.
    pub items: Vec<KeyView>,
}

/// A key, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    /// What it is for.
    pub slot: &'static str,
    /// API Gateway's id of it; nothing while it is being made.
    #[schema(required, value_type = Option<String>)]
    pub key_id: Option<KeyId>,
    /// Counts the keys that the slot has had, from 1.
    pub generation: u32,
    /// Whether it is accepted.
    pub status: KeyStatus,
    /// When it was made.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
    /// The key that it has replaced, where that still works.
    #[schema(required)]
    pub retiring: Option<RetiringView>,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It is being made.
    Making,
    /// It is; in its first minute API Gateway may not know it yet.
    Enabled,
    /// It is refused.
    Disabled,
}

/// A replaced key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RetiringView {
    /// API Gateway's id of it.
    #[schema(value_type = String)]
    pub key_id: KeyId,
    /// When it ends.
    pub until: Timestamp,
}

impl KeysView {
    pub(super) fn of(account: &Account) -> Self {
        let made = account.key().map(|key| KeyView::of(key, &account.access));
        let begun = account.intent.as_ref().filter(|intent| intent.slot == Slot::Primary);
        let begun = begun.map(|intent| KeyView {
            slot: DEFAULT_SLOT,
            key_id: None,
            generation: intent.generation,
            status: KeyStatus::Making,
            created_at: None,
            retiring: None,
        });
        Self { limit: MOST_KEYS, items: made.or(begun).into_iter().collect() }
    }
}

impl KeyView {
    fn of(key: &KeyRecord, access: &Access) -> Self {
        let old = access.retiring.iter().max_by_key(|old| old.generation);
        Self {
            slot: DEFAULT_SLOT,
            key_id: Some(key.id.clone()),
            generation: key.generation,
            status: match access.status {
                Status::Active => KeyStatus::Enabled,
                _ => KeyStatus::Disabled,
            },
            created_at: Some(key.minted_at),
            retiring: old.map(|old| RetiringView { key_id: old.id.clone(), until: old.until }),
        }
    }
}

/// A key with its value: for its owner, and kept nowhere.
#[derive(Debug, Clone)]
pub struct KeyShown {
    /// The value.
    pub value: KeyValue,
    /// Counts the keys that the slot has had, from 1.
    pub generation: u32,
}
