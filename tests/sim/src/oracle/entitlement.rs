//! What Stripe's state entitles an account to: statuses, grace, disputes, grants, prices
//! that nobody knows. On purpose without `decide`.

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::{Access, Account, DisputeMark, Given, PlanId};
use tollgate_events::{CustomerId, DisputeId};
use tollgate_standin::stripe::{self, Stripe};

use super::paid::{Most, agrees, most_paid, refunded};
use super::{Entitled, Oracle};
use crate::actors::neighbours::is_other_stacks;
use crate::market::Edition;
use crate::operator::{Operated, Standing};
use crate::run::Sim;

/// The plans, by rank.
pub(super) const PLANS: [&str; 3] = ["free", "basic", "pro"];

/// How long a past-due subscription keeps its plan by default.
pub(crate) const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long a subscription keeps its plan by default whose price nobody knows any more.
const UNKNOWN_PRICE: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Oracle<'_> {
    /// The best live subscription of all linked customers; a dispute, then a disabled
    /// user, stand above it.
    pub(super) fn entitled(
        &self,
        account: &Account,
        user_enabled: bool,
        problems: &mut Vec<String>,
    ) -> Entitled {
        let stripe = self.sim.world.stripe.account();
        let links = self.sim.world.ledger.links();
        let customers: Vec<_> =
            links.iter().filter(|(_, owner)| **owner == account.id).map(|(id, _)| id).collect();
        let mut best = 0;
        for customer in &customers {
            if stripe.customer(customer.as_str()).is_ok_and(|row| row.deleted) {
                continue;
            }
            let neighbours = &self.sim.actors.neighbours.subscriptions;
            let rows = stripe.subscriptions_of(customer.as_str()).into_iter();
            for row in rows.filter(|row| !neighbours.contains(&row.id)) {
                if let Some(most) = self.counts(account, &stripe, row, problems) {
                    let rank = match rank(&stripe, row, self.sim.edition) {
                        0 => self.rank_of_unknown(account, &stripe, row),
                        known => known.min(most),
                    };
                    best = best.max(rank);
                }
            }
        }
        let operated = self.operated(account);
        for (plan, untils) in &operated.grants {
            let lasts = untils.iter().any(|until| until.is_none_or(|until| until > self.now));
            let rank = PLANS.iter().position(|it| *it == plan.as_str()).unwrap_or(0);
            best = best.max(if lasts { rank } else { 0 });
        }
        let plan = PLANS[best];
        let held = operated.held
            || self.held(&stripe, account, &customers)
            || self.is_carried_over(account, problems);
        let word = match (held, user_enabled) {
            (true, _) => "held",
            (false, false) => "disabled",
            (false, true) => plan,
        };
        let usage_plan = self.usage_plans[plan].clone();
        Entitled { plan, usage_plan, enabled: word == plan, word }
    }

    /// What operators' acts on an account come to.
    pub(super) fn operated(&self, account: &Account) -> Standing {
        self.sim.actors.operated.get(&account.id).map(Operated::standing).unwrap_or_default()
    }

    /// What a live subscription still gives that sells nothing known: the plan that it gave itself,
    /// for some days since that was first seen; to others nothing.
    fn rank_of_unknown(
        &self,
        account: &Account,
        stripe: &Stripe,
        row: &stripe::Subscription,
    ) -> usize {
        let by_row = |given: &&Given| given.by.as_str() == row.id;
        let rank =
            |given: &Given| PLANS.iter().position(|plan| *plan == given.plan.as_str()).unwrap_or(0);
        let given = account.access.given.as_ref().filter(by_row);
        if let Some((given, since)) = given.and_then(|it| Some((it, it.unknown_since?))) {
            return if since + UNKNOWN_PRICE > self.now { rank(given) } else { 0 };
        }
        // It was not seen yet, or is forgotten: where nothing else gave a plan since, it must not be.
        let since = unknown_since(stripe, row);
        let entries = self.sim.world.ledger.entries(&account.id);
        let before = entries.iter().rev().find(|entry| entry.at <= since);
        let given = before.and_then(|entry| entry.after.given.as_ref()).filter(by_row);
        let later = entries.iter().filter(|entry| entry.at > since);
        let alone = later
            .map(|entry| entry.after.given.as_ref())
            .all(|it| it.is_some_and(|it| by_row(&it)));
        given.filter(|_| alone && since + UNKNOWN_PRICE > self.now).map_or(0, rank)
    }

    /// Whether a dispute holds the account. One whose every event was lost for good cannot be
    /// known: disputes are not listed by customer.
    fn held(&self, stripe: &Stripe, account: &Account, customers: &[&CustomerId]) -> bool {
        let recorded = |id: &str| account.access.disputes.keys().any(|known| known.as_str() == id);
        // On whichever account it was lifted: it goes with its customer, and stays so.
        let standings = self.sim.actors.operated.values().map(Operated::standing);
        let lifted: Vec<_> = standings.flat_map(|standing| standing.lifted).collect();
        let elsewhere = &self.sim.actors.moves.lifted_elsewhere;
        let holding =
            |id: &DisputeId| account.access.disputes.get(id) == Some(&DisputeMark::Holding);
        let lifted = |id: &str| {
            lifted.iter().any(|lifted| lifted.as_str() == id)
                || elsewhere.iter().any(|it| it.as_str() == id && !holding(it))
        };
        self.sim.actors.disputes.iter().filter(|id| !lifted(id)).any(|id| {
            stripe.dispute(id).is_ok_and(|dispute| {
                let charge = stripe.charge(&dispute.charge);
                let ours = charge.is_ok_and(|charge| {
                    customers.iter().any(|customer| customer.as_str() == charge.customer)
                });
                let known = !self.sim.script.lossy || recorded(id);
                known
                    && ours
                    && matches!(dispute.status, "needs_response" | "under_review" | "lost")
            })
        })
    }

    /// The highest rank to which a subscription entitles now, whatever it sells; none if it does
    /// not at all.
    fn counts(
        &self,
        account: &Account,
        stripe: &Stripe,
        row: &stripe::Subscription,
        problems: &mut Vec<String>,
    ) -> Option<Most> {
        let ended = row.cancel_at.is_some_and(|at| at <= self.now);
        if ended || is_other_stacks(&row.metadata) || self.is_refunded(account, stripe, row) {
            return None;
        }
        match row.status.as_str() {
            "active" | "trialing" => Some(Most::MAX),
            "past_due" => {
                let (since, once) = self.past_due_since(account, stripe, row, problems)?;
                let most = self.graced(account, (stripe, row), once, problems)?;
                (since + GRACE > self.now).then_some(most)
            }
            _ => None,
        }
    }

    /// Whether a refund ends the plan. One whose event was lost for good cannot be known: charges
    /// are not listed by invoice.
    fn is_refunded(&self, account: &Account, stripe: &Stripe, row: &stripe::Subscription) -> bool {
        let Some(invoice) = refunded(stripe, row) else { return false };
        let recorded = account.access.refunded.iter();
        let recorded = recorded.filter(|(id, _)| id.as_str() == row.id);
        let known = recorded.map(|(_, known)| known.as_str()).any(|known| known == invoice);
        ends_with_refund(self.sim) && (known || !self.sim.script.lossy)
    }

    /// The most that a past-due subscription gives in its grace; none where it has none. Where
    /// payments failed more than once, it depends on when somebody looked.
    fn graced(
        &self,
        account: &Account,
        (stripe, row): (&Stripe, &stripe::Subscription),
        once: bool,
        problems: &mut Vec<String>,
    ) -> Option<Most> {
        let edition = self.sim.edition;
        let paid = most_paid(stripe, row, edition, self.now);
        let recorded = account.access.paid_for.iter().find(|(id, _)| id.as_str() == row.id);
        match recorded {
            Some((_, recorded)) if !once => {
                let agreed = agrees(stripe, row, edition, recorded);
                agreed.unwrap_or_else(|| {
                    problems.push(format!("{recorded:?} was never what was paid for {}", row.id));
                    paid
                })
            }
            None if rank(stripe, row, edition) > 0 => {
                problems.push(format!("{} is past due, and nobody knows what was paid", row.id));
                paid
            }
            _ => paid,
        }
    }

    /// Since when grace runs, and whether payment was late only once: since the only invoice that
    /// ever was late was to be paid; where several were, it depends on when somebody looked, and
    /// lies between the first and now.
    fn past_due_since(
        &self,
        account: &Account,
        stripe: &Stripe,
        row: &stripe::Subscription,
        problems: &mut Vec<String>,
    ) -> Option<(Timestamp, bool)> {
        let to_be_paid = |invoice: &stripe::Invoice| invoice.finalized_at.max(invoice.due_date);
        let failed = |id: &String| {
            let invoice = stripe.invoice(id).ok()?;
            let late = invoice.paid_at.is_none_or(|at| Some(at) > to_be_paid(invoice));
            let failed = invoice.attempt_count > 0 || invoice.due_date.is_some();
            to_be_paid(invoice).filter(|at| late && failed && *at <= self.now)
        };
        let failed: Vec<_> = row.invoices.iter().filter_map(failed).collect();
        let latest = row.latest_invoice.as_ref().and_then(|id| stripe.invoice(id).ok());
        let latest = latest.and_then(to_be_paid);
        let recorded = account.access.grace.iter().find(|(id, _)| id.as_str() == row.id);
        let recorded = recorded.map(|(_, since)| *since);
        match (failed.as_slice(), recorded) {
            ([only], _) if latest == Some(*only) => {
                if recorded != Some(*only) {
                    problems
                        .push(format!("grace of {} runs since {recorded:?}, not {only}", row.id));
                }
                Some((*only, true))
            }
            (_, Some(since)) => {
                let first = failed.iter().min();
                if since > self.now || first.is_some_and(|first| since < *first) {
                    problems.push(format!("grace of {} runs since {since}, of {failed:?}", row.id));
                }
                Some((since, false))
            }
            (_, None) => {
                problems.push(format!("{} is past due, and no grace runs", row.id));
                None
            }
        }
    }
}

/// Whether the seller lets a plan end when what it cost is given back.
pub(crate) fn ends_with_refund(sim: &Sim) -> bool {
    sim.world.plans_toml.contains("on_full_refund = \"end\"")
}

/// What a subscription sells: 0 nothing that the catalog knows, 1 basic, 2 pro.
pub(crate) fn rank(stripe: &Stripe, row: &stripe::Subscription, edition: Edition) -> usize {
    let sold = row.items.iter().filter(|item| item.quantity != Some(0));
    let keys = sold.filter_map(|item| stripe.price(&item.price).ok());
    let keys = keys.filter_map(|price| price.lookup_key.as_deref());
    keys.map(|key| edition.rank_of(key)).max().unwrap_or(0)
}

/// The rank of an access's plan; of none it is nothing.
pub(crate) fn rank_of_plan(access: &Access) -> usize {
    let plan = access.plan.as_ref();
    PLANS.iter().position(|it| plan.is_some_and(|plan| plan.as_str() == *it)).unwrap_or(0)
}

/// The rank of a plan.
pub(crate) fn rank_of(plan: &PlanId) -> Option<usize> {
    PLANS.iter().position(|it| *it == plan.as_str())
}

/// Since when a subscription has been as it is, by Stripe's events.
pub(crate) fn steady_since(stripe: &Stripe, row: &stripe::Subscription) -> Timestamp {
    since(stripe, row, |status| status == row.status.as_str())
}

/// Since when a live subscription sells nothing that the catalog knows, by Stripe's events,
/// the newest of which come first.
fn unknown_since(stripe: &Stripe, row: &stripe::Subscription) -> Timestamp {
    since(stripe, row, |status| matches!(status, "active" | "trialing" | "past_due"))
}

/// Since when a subscription has had its price, in one of some statuses.
fn since(
    stripe: &Stripe,
    row: &stripe::Subscription,
    in_status: impl Fn(&str) -> bool,
) -> Timestamp {
    let of_it: Vec<_> = stripe
        .events()
        .filter(|event| event.kind.starts_with("customer.subscription."))
        .filter(|event| event.object["id"].as_str() == Some(row.id.as_str()))
        .collect();
    let price = |object: &serde_json::Value| {
        let item = &object["items"]["data"][0];
        let price = item["price"]["id"].as_str().map(str::to_owned)?;
        Some((price, item["quantity"].as_u64() != Some(0)))
    };
    let now = row.items.first().map(|item| (item.price.clone(), item.quantity != Some(0)));
    let same = of_it.iter().take_while(|event| {
        price(&event.object) == now && event.object["status"].as_str().is_some_and(&in_status)
    });
    same.last().map_or(row.created, |event| event.created)
}
