//! What an operator does to an account, and what it changes in the ledger.
//!
//! Pure: what is refused and what changes follows from the account alone. Nothing is applied
//! past the decision: a grant does not lift a hold, and a hold stays whatever is paid.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{
    Account, DisputeMark, Grant, Known, PlanId, Reason, RetiringKey, Slot, Status, User,
};
use tollgate_core::ledger::{CustomerLink, StackRecord};
use tollgate_core::ports::{Ledger, PortResult};
use tollgate_events::wakes::LINKED;
use tollgate_events::{AccountId, CustomerId, DisputeId};

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The key is refused until the account is released.
    Hold,
    /// The hold ends; or an account that was closed is open again, with the hold that it had.
    Release,
    /// The account has a plan that it need not pay for.
    Grant {
        /// Which one.
        plan: PlanId,
        /// When it ends, if it does.
        until: Option<Timestamp>,
    },
    /// Every grant of a plan ends.
    RevokeGrant {
        /// Which one.
        plan: PlanId,
    },
    /// A dispute holds the account no more, whatever becomes of it.
    LiftDispute {
        /// Which one.
        dispute: DisputeId,
    },
    /// The account gets a new key. No older key outlives the one that is replaced.
    RotateKey {
        /// For how long the old one still works: from now on, and until the new one stands.
        overlap: SignedDuration,
    },
    /// The key is deleted; what is paid for is cancelled as when the user is deleted.
    Close,
    /// What is remembered of the person behind a closed account is forgotten.
    Forget,
    /// A Stripe customer pays for the account, by the operator's word.
    Link {
        /// Which one.
        customer: CustomerId,
    },
    /// A Stripe customer pays for the account no more, and no event links them again.
    Unlink {
        /// Which one.
        customer: CustomerId,
    },
}

/// An act, and who answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAct {
    /// What is done.
    pub act: Act,
    /// Who does it.
    pub by: String,
    /// Why: history and the account's owner are told.
    pub why: String,
}

impl Act {
    /// The event's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hold => "operator.hold",
            Self::Release => RELEASED,
            Self::Grant { .. } => GRANTED,
            Self::RevokeGrant { .. } => "operator.revoke_grant",
            Self::LiftDispute { .. } => LIFTED,
            Self::RotateKey { .. } => "operator.rotate_key",
            Self::Close => "operator.close",
            Self::Forget => "operator.forget",
            Self::Link { .. } => LINKED,
            Self::Unlink { .. } => "operator.unlink",
        }
    }

    /// Whether it may be done to an account that the ledger has never seen.
    pub(super) fn makes_account(&self) -> bool {
        matches!(self, Self::Grant { .. } | Self::Link { .. })
    }

    /// Whether the account may have less by it.
    pub(super) fn takes(&self) -> bool {
        matches!(self, Self::Close | Self::Unlink { .. } | Self::RevokeGrant { .. })
    }

    /// Whether it ends what refuses a key.
    fn gives_back(&self) -> bool {
        matches!(self, Self::Release | Self::LiftDispute { .. })
    }

    /// The customer whom it links.
    pub fn links(&self) -> Option<&CustomerId> {
        match self {
            Self::Link { customer } => Some(customer),
            _ => None,
        }
    }

    /// The customer whom it releases.
    pub fn unlinks(&self) -> Option<&CustomerId> {
        match self {
            Self::Unlink { customer } => Some(customer),
            _ => None,
        }
    }
}

/// And that with which a grant does.
pub(crate) const GRANTED: &str = "operator.grant";

/// And those with which an act that ends what refuses a key does.
pub(crate) const RELEASED: &str = "operator.release";
pub(crate) const LIFTED: &str = "operator.lift_dispute";

/// As history tells it.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold => write!(f, "hold"),
            Self::Release => write!(f, "release"),
            Self::Grant { plan, until: None } => write!(f, "grant {plan}"),
            Self::Grant { plan, until: Some(until) } => write!(f, "grant {plan} until {until:.0}"),
            Self::RevokeGrant { plan } => write!(f, "revoke grant of {plan}"),
            Self::LiftDispute { dispute } => write!(f, "lift dispute {dispute}"),
            Self::RotateKey { overlap } => write!(f, "rotate key, overlap {overlap:#}"),
            Self::Close => write!(f, "close"),
            Self::Forget => write!(f, "forget the person"),
            Self::Link { customer } => write!(f, "link customer {customer}"),
            Self::Unlink { customer } => write!(f, "unlink customer {customer}"),
        }
    }
}

impl OperatorAct {
    /// Changes what the ledger holds, or tells why not and what to do. Doing it twice is doing
    /// it once.
    ///
    /// # Errors
    /// The refusal, for the operator; the account may be half changed and is not to be written.
    pub(crate) fn change(&self, account: &mut Account, now: Timestamp) -> Result<(), String> {
        self.is_possible(account)?;
        let access = &mut account.access;
        match &self.act {
            Act::Hold => access.hold = Some(self.why.clone()),
            Act::Release => release(account),
            Act::Close => {
                access.closed = Some(self.why.clone());
                access.hold = None;
                access.grants.clear();
            }
            Act::Forget => {
                let known = account.person.take();
                known.ok_or("nothing is remembered of the person behind this account")?;
            }
            Act::Grant { plan, until } => self.grant(account, plan, *until, now)?,
            Act::RevokeGrant { plan } => {
                if !access.grants.iter().any(|grant| grant.plan == *plan) {
                    return Err(format!("`{plan}` is not granted to this account"));
                }
                access.grants.retain(|grant| grant.plan != *plan);
            }
            Act::LiftDispute { dispute } => match access.disputes.get_mut(dispute) {
                Some(mark) if *mark != DisputeMark::Elsewhere => *mark = DisputeMark::Lifted,
                _ => return Err(format!("no dispute {dispute} holds this account")),
            },
            Act::RotateKey { overlap } => rotate(account, *overlap, now)?,
            Act::Link { customer } => {
                access.customers.insert(customer.clone());
                access.by_reference.remove(customer);
            }
            Act::Unlink { customer } => {
                if !access.customers.remove(customer) {
                    return Err(format!("{customer} is not linked to this account"));
                }
                access.by_reference.remove(customer);
            }
        }
        let refuses = matches!(self.act, Act::Hold | Act::Close);
        account.released = self.act.gives_back() || account.released && !refuses;
        Ok(())
    }

    /// What can be done to any account, to one that an operator closed, and to one whose user
    /// is gone.
    fn is_possible(&self, account: &Account) -> Result<(), String> {
        if account.known() == Known::Nothing && !self.act.makes_account() {
            return Err("the ledger has no such account".into());
        }
        let (id, act) = (&account.id, &self.act);
        match act {
            Act::Unlink { .. } | Act::Release => Ok(()),
            Act::Forget if account.is_closed() => Ok(()),
            Act::Forget => {
                Err(format!("{id} is not closed; what holds it is forgotten when it is released"))
            }
            // What nobody told of, an operator may: what is paid for ends with it.
            Act::Close if !account.access.to_cancel.is_empty() => Ok(()),
            _ if account.user == User::Deleted => Err(format!(
                "the user of {id} was deleted, and the account is closed; release it first if \
                 the user is there"
            )),
            Act::Close => Ok(()),
            _ if account.access.closed.is_some() => {
                Err(format!("an operator has closed {id}; release it first"))
            }
            _ => Ok(()),
        }
    }

    fn grant(
        &self,
        account: &mut Account,
        plan: &PlanId,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), String> {
        if let Some(until) = until.filter(|until| *until <= now) {
            return Err(format!("the grant would have ended at {until}, before it began"));
        }
        let grant = Grant { plan: plan.clone(), until, why: self.told() };
        if !account.access.grants.contains(&grant) {
            account.access.grants.push(grant);
        }
        Ok(())
    }

    /// Who and why, for the event's record: one line.
    pub(crate) fn told(&self) -> String {
        said(&self.by, &self.why)
    }
}

/// Who does something and why, as one line.
pub(super) fn said(by: &str, why: &str) -> String {
    format!("{}: {}", joined(by), joined(why))
}

/// What an operator wrote, its words joined by single spaces.
pub(super) fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A hold ends, or a closed account is open again, with the hold that it had: whoever was closed for
/// being absent comes back to what was theirs. That is one step: until a worker has looked, it may
/// be done again, and lifts nothing, but for a hold that was placed since.
fn release(account: &mut Account) {
    let gone = account.user == User::Deleted;
    // Whose closing has not come to its end is held as before.
    let comes_back = gone && account.access.status == Status::Closed;
    let is_told_again = account.is_just_opened() && account.released;
    if !comes_back && !is_told_again {
        account.access.hold = None;
    }
    if account.access.closed.take().is_some() || gone {
        // What a closed account does not do, this one does again.
        (account.access.status, account.access.reason) = (Status::New, Reason::New);
    }
    if gone {
        // The worker looks for them, and closes the account again if they are.
        account.user = User::Unseen;
    }
}

/// The key retires; the worker makes the next one. While that is not done, a second rotation is
/// the same one, and can only shorten the overlap.
fn rotate(account: &mut Account, overlap: SignedDuration, now: Timestamp) -> Result<(), String> {
    let until = now.checked_add(overlap).ok().filter(|until| *until >= now);
    let until = until.ok_or("the overlap is negative, or longer than time lasts")?;
    if account.open && until > now && account.key().is_some() {
        // What the key is on, and whether it is accepted, is not known then.
        return Err(
            "a change of the account is under way: try again later, or without overlap".into()
        );
    }
    // A key that is refused is not accepted again.
    let until = if account.access.status == Status::Active { until } else { now };
    account.count_generations();
    let usage_plan = account.access.usage_plan.clone();
    let access = &mut account.access;
    match access.keys.remove(&Slot::Primary) {
        Some(key) => {
            // An intent that has made this very key would be taken for its successor.
            account.intent.take_if(|intent| intent.generation <= key.generation);
            let (id, generation, minted_at) = (key.id, key.generation, Some(key.minted_at));
            if generation == 1 {
                account.first_key_at = minted_at;
            }
            access.retiring.push(RetiringKey { id, generation, minted_at, usage_plan, until });
        }
        None if access.retiring.is_empty() => {
            return Err("the account has no key to replace".into());
        }
        None => {}
    }
    for key in &mut access.retiring {
        key.until = key.until.min(until);
    }
    Ok(())
}

/// Why a customer cannot be linked to an account, by an operator either.
pub(super) fn refuse_link(account: &AccountId, link: CustomerLink) -> Option<String> {
    let owner = link.account().filter(|owner| owner != account)?;
    Some(format!("the customer is linked to {owner}; unlink it there first"))
}

/// An operator has found out why the blast limit holds, and accepts any number of
/// demotions until `until`. The accounts that were held back are parked: replay them, or
/// leave them to the next sweep.
///
/// # Errors
/// The ledger failed, or others kept writing first: try again.
pub async fn accept_blast<L: Ledger>(ledger: &L, until: Timestamp) -> PortResult<bool> {
    let stack: StackRecord = ledger.stack().await?;
    ledger.put_stack(&stack.accept(until)).await
}
