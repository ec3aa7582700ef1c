//! What must be when a lost ledger is recovered. Of what was known to the ledger alone (grants,
//! lifted disputes, links by hand) some is gone: whoever has other than they should stands in the list
//! of the last comparison, or has what a rebuild has listed.

use crate::ports::PoolUser;
use tollgate_core::account::Access;
use tollgate_events::{AccountId, CustomerId};
use tollgate_operator::REBUILT_HOLD;
use tollgate_standin::api_gateway::Key;
use tollgate_standin::stripe;

use super::entitlement::PLANS;
use super::paid::refunded;
use super::{Oracle, Violation, ends_with_refund, named_as_sub, rank, rank_of};
use crate::actors::neighbours::is_other_stacks;
use crate::operator::Operated;
use crate::recovery::{RECOVERY, Recovery, SINCE_THE_LOSS, is_guessed};
use crate::run::Sim;

/// Compares a world whose ledger was recovered with what it should be.
pub fn judge_recovery(sim: &Sim) -> Vec<Violation> {
    let mut oracle = Oracle::new(sim);
    let Some(recovery) = sim.recovery.as_ref().filter(|_| !sim.actors.takes_subs) else {
        return oracle.found;
    };
    for user in sim.world.cognito.users() {
        if !named_as_sub(sim, &user.id) {
            oracle.recovered(recovery, &user);
        }
    }
    oracle.told_of_halts(recovery);
    oracle.found
}

/// What an account must have at least, and may have at most, as ranks of plans.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bounds {
    least: usize,
    most: usize,
    /// What gives the least.
    by: Option<String>,
}

/// A subscription as it would be with one of everything: whatever it once sold.
fn whole(row: &stripe::Subscription) -> stripe::Subscription {
    let mut whole = row.clone();
    whole.items.iter_mut().for_each(|item| item.quantity = Some(1));
    whole
}

impl Oracle<'_> {
    fn recovered(&mut self, recovery: &Recovery, user: &PoolUser) {
        let id = &user.id;
        let account = self.sim.world.ledger.stored(id);
        let access = account.as_ref().map(|account| account.access.clone()).unwrap_or_default();
        let open: Vec<_> =
            self.keys_of(id).filter(|key| crate::recovery::opens(key)).cloned().collect();
        let has = open.iter().map(|key| self.rank_of_key(key)).max();
        let mut problems = Vec::new();
        if self.is_shut(recovery, id) && has.is_some() {
            let told = self.sim.actors.operated.get(id).map(|it| &it.acts);
            problems.push(format!("an operator has held or closed it, and it is served: {told:?}"));
        }
        let listed = self.is_listed(recovery, id) || self.is_guess(&access);
        let bounds = self.bounds(recovery, id);
        if !listed && self.may_be_served(recovery, user, &access) {
            match has {
                None if bounds.least > 0 || self.was_served(recovery, id) => {
                    problems.push(format!("it is to have {bounds:?}, and is not served"));
                }
                Some(rank) if rank < bounds.least => {
                    problems.push(format!("it is to have {bounds:?}, and has {}", PLANS[rank]));
                }
                _ => {}
            }
        }
        if !listed && has > Some(bounds.most) {
            problems.push(format!("it is to have {bounds:?}, and has {has:?}"));
        }
        if !listed {
            let named = |key: &&Key| {
                let mut ids = access.keys.values().map(|record| &record.id);
                ids.any(|id| id.as_str() == key.id)
                    || access.retiring.iter().any(|it| it.id.as_str() == key.id)
            };
            problems.extend(
                open.iter().filter(|key| !named(key)).map(|key| {
                    format!("{:?} is accepted, and the ledger does not name it", key.name)
                }),
            );
        }
        for problem in problems {
            self.violate(RECOVERY, format!("{id}: {problem}; {access:?}"));
        }
    }

    /// Whether an operator wants somebody out, as far as that had come when the ledger was lost, or
    /// was said since.
    fn is_shut(&self, recovery: &Recovery, id: &AccountId) -> bool {
        let operated = self.sim.actors.operated.get(id);
        let since = operated.map(|it| it.standing_since(SINCE_THE_LOSS)).unwrap_or_default();
        recovery.shut.contains(id) || since.held || since.closed
    }

    fn rank_of_key(&self, key: &Key) -> usize {
        let on = |plan: &&str| self.usage_plans.get(*plan).is_some_and(|it| key.plans.contains(it));
        PLANS.iter().rposition(on).unwrap_or(0)
    }

    /// Whether the last comparison has told anything of an account.
    fn is_listed(&self, recovery: &Recovery, id: &AccountId) -> bool {
        let listed = &recovery.listed;
        let pays = |customer: &CustomerId| {
            let owners = self.sim.actors.pays_for.get(customer.as_str());
            owners.is_some_and(|owners| owners.contains(id))
        };
        listed.accounts.contains(id) || listed.customers.iter().any(pays)
    }

    /// Whether a rebuild has told of it, for a person to look at.
    fn is_guess(&self, access: &Access) -> bool {
        is_guessed(access) || access.hold.as_deref() == Some(REBUILT_HOLD)
    }

    /// Whether nothing stands against serving an account.
    fn may_be_served(&self, recovery: &Recovery, user: &PoolUser, access: &Access) -> bool {
        let operated = self.sim.actors.operated.get(&user.id);
        let shut = operated.is_some_and(|it| {
            let standing = it.standing();
            standing.held || standing.closed || it.may_be_closed
        });
        let before = recovery.before.get(&user.id).and_then(|it| it.access.hold.as_ref());
        let mut holds = access.hold.iter().chain(before);
        let carried_over = holds.any(|why| why.starts_with("as account "));
        let held_again = access.hold.is_some() && recovery.held_again.contains(&user.id);
        let disputed = self.sim.has_dispute(&user.id) || !access.disputes.is_empty();
        user.enabled && !shut && !carried_over && !held_again && !disputed
    }

    /// Whether an account was served when the ledger was lost.
    fn was_served(&self, recovery: &Recovery, id: &AccountId) -> bool {
        use tollgate_core::account::Status::Active;
        recovery.before.get(id).is_some_and(|it| it.access.status == Active && it.key().is_some())
    }

    fn bounds(&self, recovery: &Recovery, id: &AccountId) -> Bounds {
        let stripe = self.sim.world.stripe.account();
        let links = self.sim.world.ledger.links();
        let mut best_sold = 0;
        let mut bounds = Bounds { least: 0, most: 0, by: None };
        for (customer, owners) in &self.sim.actors.pays_for {
            let linked = links.iter().any(|(it, to)| it.as_str() == customer && to == id);
            let moved = self.sim.actors.moves.touched(customer);
            if !owners.contains(id) && !linked && !moved {
                continue;
            }
            let alone = owners.as_slice() == std::slice::from_ref(id) && !moved;
            let gone = stripe.customer(customer).is_ok_and(|row| row.deleted);
            for row in stripe.subscriptions_of(customer) {
                let (least, most) = self.sells(&stripe, row);
                best_sold = best_sold.max(rank(&stripe, &whole(row), self.sim.edition));
                bounds.most = bounds.most.max(most);
                if alone && !gone && least > bounds.least {
                    (bounds.least, bounds.by) = (least, Some(row.id.clone()));
                }
            }
        }
        let operated = self.sim.actors.operated.get(id);
        let had = recovery.had.get(id).copied();
        let sold = recovery.before.get(id).and_then(|it| rank_of(&it.access.given.as_ref()?.plan));
        best_sold = best_sold.max(sold.unwrap_or(0));
        let since = operated.map(|it| it.standing_since(SINCE_THE_LOSS)).unwrap_or_default();
        let all = operated.map(Operated::standing).unwrap_or_default();
        // One that was given since covers what there was.
        let given_since = !since.grants.is_empty();
        for (plan, untils) in if given_since { &since.grants } else { &all.grants } {
            let rank = rank_of(plan).unwrap_or(0);
            // What had not come about was known to the ledger alone; and what is sold as well, or was,
            // explains itself.
            let told =
                recovery.told.get(id).and_then(|word| PLANS.iter().position(|it| it == word));
            let came_about = had >= Some(rank) && told >= Some(rank) && best_sold < rank;
            if !came_about && !given_since {
                continue;
            }
            let lasts = |until: &Option<_>| until.is_none_or(|until| until > self.now);
            if untils.iter().any(lasts) && rank > bounds.least {
                (bounds.least, bounds.by) = (rank, Some(format!("a grant of {plan}")));
            }
        }
        // Whose end is not known stands in a rebuild's list.
        let ever = operated.into_iter().flat_map(Operated::granted);
        bounds.most = ever
            .filter_map(|plan| PLANS.iter().position(|it| *it == plan))
            .fold(bounds.most, usize::max);
        Bounds { most: bounds.most.max(bounds.least), ..bounds }
    }

    /// The rank to which a subscription entitles for sure, and the most that it may.
    fn sells(&self, stripe: &stripe::Stripe, row: &stripe::Subscription) -> (usize, usize) {
        use stripe::Status::{Active, Trialing};
        let sim = self.sim;
        let other = sim.actors.neighbours.subscriptions.contains(&row.id);
        if row.status.is_final() || other || is_other_stacks(&row.metadata) {
            return (0, 0);
        }
        let ranks = [sim.edition, sim.edition.before()].map(|it| rank(stripe, row, it));
        // What a price gave that nobody knows any more it gives for some days.
        let known = ranks.iter().all(|rank| *rank > 0);
        let most = if known { ranks[0].max(ranks[1]) } else { PLANS.len() - 1 };
        let ends = row.cancel_at.is_some_and(|at| at <= self.now)
            || ends_with_refund(sim) && refunded(stripe, row).is_some();
        let proven = row.metadata.contains_key("tollgate_proof");
        let sure = matches!(row.status, Active | Trialing) && !ends && proven;
        (if sure { ranks[0] } else { 0 }, most)
    }

    /// Where something holds losses back, the last comparison says so.
    fn told_of_halts(&mut self, recovery: &Recovery) {
        let halts = self.sim.world.ledger.stored_stack().halts();
        if !halts.is_empty() && recovery.listed.halts.is_empty() {
            self.violate(RECOVERY, format!("losses are held back, and nothing tells: {halts:?}"));
        }
    }
}
