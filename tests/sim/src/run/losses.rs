//! What is taken from whom, looked at when it happens: nothing that is paid for without
//! evidence or beyond the limit, and nothing counted that Stripe itself explains.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Access, Account, RetiringKey, Status};
use tollgate_core::ledger::{Entry, blast_limit};
use tollgate_core::plan::Step;
use tollgate_events::{AccountId, Source};
use tollgate_standin::stripe::{Status as Subscribed, Stripe, Subscription};

use crate::oracle::{self, GRACE, steady_since};
use crate::run::Sim;

/// Longer than any convergence lasts, and than any read lags.
const A_CONVERGENCE: SignedDuration = SignedDuration::from_mins(10);

/// A key that was replaced, and that a change deleted before its time, though the account's own is
/// accepted before and after. Where more is to be done (the account stays open), it may be about to
/// be refused.
fn ends_early(entry: &Entry) -> Option<&RetiringKey> {
    let accepted = [&entry.before, &entry.after].iter().all(|it| it.status == Status::Active);
    let deleted = |key: &&RetiringKey| {
        let step = Step::RetireKey(key.id.clone()).to_string();
        entry.steps.iter().any(|taken| taken.step == step && taken.at < key.until)
    };
    entry.before.retiring.iter().find(deleted).filter(|_| accepted)
}

/// What is remembered of accounts, to see what changes.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    versions: BTreeMap<AccountId, u64>,
    /// Whether the limit has let an account through, as it stood last.
    let_through: BTreeMap<AccountId, bool>,
    /// How many it has let through, by the day that it counts.
    counted: BTreeMap<Option<Timestamp>, u64>,
}

impl Sim {
    /// Invariant 9, for an account that has just been written.
    pub(crate) fn check_losses(&mut self, id: &AccountId) {
        let Some(account) = self.world.ledger.stored(id) else { return };
        let is_through = account.let_through.is_some();
        let was_through = self.losses.let_through.insert(id.clone(), is_through) == Some(true);
        if is_through && !was_through {
            self.check_count(&account);
        }
        let last = self.losses.versions.insert(id.clone(), account.version);
        if last.unwrap_or(0) == account.version || was_through || is_through {
            return;
        }
        let entries = self.world.ledger.entries(id);
        for entry in entries.iter().filter(|entry| entry.version > last.unwrap_or(0)) {
            if let Some(key) = ends_early(entry).filter(|_| !account.open) {
                self.violate(1, format!("{id}: {key:?} is deleted before its time"));
            }
            if let Some(what) = self.takes_for_nothing(id, &entry.before, &entry.after) {
                let (before, after) = (&entry.before, &entry.after);
                self.violate(
                    9,
                    format!("{id} {what}, and nothing explains or counts it: {before:?} {after:?}"),
                );
            }
        }
    }

    /// The limit has let an account through: not too many, and none that need not be counted.
    fn check_count(&mut self, account: &Account) {
        let by_operator = account.deferred.iter().any(|event| event.source == Source::Operator);
        let stack = self.world.ledger.stored_stack();
        let now = self.world.clock.time();
        if by_operator || stack.blast.accepted_until.is_some_and(|until| until > now) {
            return;
        }
        let counted = self.losses.counted.entry(stack.blast.since).or_default();
        *counted += 1;
        let (counted, limit) = (*counted, blast_limit(stack.paying));
        if counted > limit {
            self.violate(9, format!("{counted} accounts lose in a day, and the limit is {limit}"));
        }
        if let Some(why) = self.is_explained(account) {
            self.violate(9, format!("{} is counted, though {why}", account.id));
        }
    }

    /// What was taken from an account whose user is there, and though the subscription that gave
    /// the plan goes on as it was.
    fn takes_for_nothing(
        &self,
        id: &AccountId,
        before: &Access,
        after: &Access,
    ) -> Option<&'static str> {
        let closes = before.status != Status::Closed && after.status == Status::Closed;
        let is_there = self.world.cognito.user_by_id(id).is_some();
        if closes {
            let has_nothing = before.status == Status::New && before.keys.is_empty();
            // An operator's word stands in the access itself.
            let taken = is_there && after.closed.is_none() && !has_nothing;
            return taken.then_some("is closed");
        }
        let (had, has) = (oracle::rank_of_plan(before), oracle::rank_of_plan(after));
        if has >= had || !is_there {
            return None;
        }
        let given = before.given.as_ref()?;
        let stripe = self.world.stripe.account();
        let row = stripe.subscription(given.by.as_str()).ok()?;
        let linked = self.links.iter().any(|(it, to)| it.as_str() == row.customer && to == id);
        let same =
            row.items.iter().all(|item| given.prices.iter().any(|it| it.as_str() == item.price));
        (linked && same && self.pays_steadily(&stripe, row, had)).then_some("has a lower plan")
    }

    fn pays_steadily(&self, stripe: &Stripe, row: &Subscription, rank: usize) -> bool {
        let now = self.world.clock.time();
        let live = matches!(row.status, Subscribed::Active | Subscribed::Trialing);
        // What was paid a moment ago the convergence did not see, and what was refunded before it did.
        let paid_at = row.invoices.iter().filter_map(|id| stripe.invoice(id).ok()?.paid_at).max();
        let just_paid = paid_at.is_some_and(|at| at + A_CONVERGENCE >= now);
        let refunded = oracle::ends_with_refund(self)
            && (just_paid || oracle::refunded(stripe, row).is_some());
        let gone = stripe.customer(&row.customer).is_ok_and(|customer| customer.deleted);
        let sold = |edition| oracle::rank(stripe, row, edition) >= rank;
        live && !gone
            && !refunded
            && row.cancel_at.is_none()
            && !crate::actors::neighbours::is_other_stacks(&row.metadata)
            && sold(self.edition)
            && sold(self.edition.before())
            && steady_since(stripe, row) + A_CONVERGENCE < now
    }

    /// Why a loss need not be counted: the subscription that gave the plan says so itself, and
    /// has for a while.
    fn is_explained(&self, account: &Account) -> Option<String> {
        let now = self.world.clock.time();
        let is_right = self.wrong.is_none()
            && self.retires_at.is_none()
            && self.settled_at + A_CONVERGENCE < now;
        let is_there = self.world.cognito.user_by_id(&account.id).is_some();
        if !is_right || !is_there {
            return None;
        }
        let given = account.access.given.as_ref()?;
        let stripe = self.world.stripe.account();
        let row = stripe.subscription(given.by.as_str()).ok()?;
        let grace = account.access.grace.get(&given.by);
        let says_so = match row.status {
            Subscribed::Canceled | Subscribed::Unpaid | Subscribed::Paused => true,
            Subscribed::PastDue => grace.is_some_and(|since| *since + GRACE < now),
            _ => false,
        };
        let steady = steady_since(&stripe, row) + A_CONVERGENCE < now;
        (says_so && steady).then(|| format!("{} is {}", row.id, row.status.as_str()))
    }
}
