//! Impatient owners: who clicks in two windows and pays in both, who pays by bank debit and
//! clicks again meanwhile, and who asks the account API in a loop.
//!
//! They have dice of their own, and come in a fifth of the seeds: the other seeds' stories are
//! what they were.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account_api::Refusal;
use tollgate_core::ports::Request;
use tollgate_events::AccountId;
use tollgate_standin::stripe::Card;

use crate::actors::{ActContext, Actors, PLANS};
use crate::executor::block_on;
use crate::owner::Owner;

/// How often an owner asks who asks in a loop.
const OFTEN: usize = 20;

/// What was bought by clicking in our checkout.
#[derive(Debug, Default)]
pub struct Clicks {
    /// The subscriptions, by account.
    bought: BTreeMap<AccountId, Vec<String>>,
    /// Sessions that wait for a bank.
    debits: Vec<String>,
    /// What must not be.
    pub(crate) problems: Vec<String>,
}

impl Actors {
    /// Somebody has two windows open, clicks in both at once, perhaps again a little later, and
    /// pays in all that were opened.
    pub(crate) fn two_windows(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let plans = [0, 1, 2].map(|_| PLANS[context.rng.random_range(0..PLANS.len())]);
        let (one, other) = {
            let (api, rng) = (context.api, &mut *context.rng);
            both(rng, api.checkout(&id, plans[0]), api.checkout(&id, plans[1]))
        };
        let mut pages = vec![one, other];
        if context.rng.random_bool(0.5) {
            self.pays(context, &id, &pages[0]);
            pages.push(block_on(context.api.checkout(&id, plans[2])));
        }
        let paid = pages.iter().filter(|page| self.pays(context, &id, page)).count();
        let opened = pages.iter().filter(|page| page.is_ok()).count();
        Some(format!("{name} clicks in {} windows, gets {opened} and pays in {paid}", pages.len()))
    }

    /// Pays on a page, by card or by bank debit; whether that went through.
    fn pays(
        &mut self,
        context: &mut ActContext<'_>,
        id: &AccountId,
        page: &Result<String, Refusal>,
    ) -> bool {
        let Ok(url) = page else { return false };
        let session = url.rsplit('/').next().unwrap_or_default().to_owned();
        let by_debit = context.rng.random_bool(0.3);
        let mut stripe = context.world.stripe.account();
        let bought = match by_debit {
            true => stripe.complete_checkout_unpaid(&session),
            false => stripe.complete_checkout(&session, Card::Pays),
        };
        let customer = stripe.session(&session).ok().and_then(|row| row.customer.clone());
        drop(stripe);
        let (Ok(subscription), Some(customer)) = (bought, customer) else { return false };
        if by_debit {
            self.clicks.debits.push(session);
        }
        let owners = self.pays_for.entry(customer).or_default();
        if !owners.contains(id) {
            owners.push(id.clone());
        }
        self.subscriptions.push(subscription.clone());
        self.clicked(context, id, subscription);
        true
    }

    /// Somebody has bought by clicking in our checkout: nothing that they have bought so before
    /// may be paid, or still become so. What is of a customer whom somebody has taken from the
    /// account is not told to it.
    pub(crate) fn clicked(
        &mut self,
        context: &ActContext<'_>,
        id: &AccountId,
        subscription: String,
    ) {
        let links = context.world.ledger.links();
        let stripe = context.world.stripe.account();
        let bought = self.clicks.bought.entry(id.clone()).or_default();
        let pays = |it: &&String| {
            let row = stripe.subscription(it).ok();
            row.is_some_and(|row| {
                let owner = links.iter().find(|(customer, _)| customer.as_str() == row.customer);
                let theirs = owner.is_none_or(|(_, owner)| owner == id);
                let taken = self.moves.touched(&row.customer);
                !row.status.is_final() && theirs && !taken
            })
        };
        if let Some(other) = bought.iter().find(pays) {
            let problem = format!("{id} has bought {subscription} by clicking, and pays {other}");
            self.clicks.problems.push(problem);
        }
        bought.push(subscription);
    }

    /// A bank debit arrives, or does not.
    pub(crate) fn bank(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let place = context.rng.random_range(0..self.clicks.debits.len().max(1));
        let session =
            (place < self.clicks.debits.len()).then(|| self.clicks.debits.remove(place))?;
        let arrives = context.rng.random_bool(0.7);
        let mut stripe = context.world.stripe.account();
        stripe.settle_delayed_payment(&session, arrives).ok()?;
        Some(format!("a bank debit {}", if arrives { "arrives" } else { "fails" }))
    }

    /// Somebody asks for their account and their key in a loop: that costs API Gateway next to
    /// nothing, and nobody else's page is shut by it.
    pub(crate) fn asks_in_a_loop(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (name, id) = self.somebody(context)?;
        let (_, other) = self.somebody(context)?;
        let before = context.world.gate.count();
        for _ in 0..OFTEN {
            let _ = block_on(context.api.overview(&id, None));
            let _ = block_on(context.api.key(&id, "default"));
        }
        let calls = context.world.gate.calls_since(before);
        let calls = calls.iter().filter(|call| matches!(call.operation, "GetUsage" | "GetApiKey"));
        let (calls, most) = (calls.count(), Request::Key.most() as usize + 1);
        if calls > most {
            let problem = format!("{id} asks in a loop, and costs {calls} calls of {most}");
            self.clicks.problems.push(problem);
        }
        let refused = block_on(context.api.overview(&other, None)).err();
        let shut = matches!(refused, Some(Refusal::TooMany { .. } | Refusal::Busy));
        if shut && other != id {
            self.clicks.problems.push(format!("{id} asks in a loop, and {other}'s page is shut"));
        }
        Some(format!("{name} asks in a loop"))
    }
}

/// Two requests at once, in an order that the dice choose at every await.
pub(crate) fn both<T>(
    rng: &mut ChaCha8Rng,
    one: impl Future<Output = T>,
    other: impl Future<Output = T>,
) -> (T, T) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    let context = &mut Context::from_waker(Waker::noop());
    loop {
        let turn = second.is_some() || first.is_none() && rng.random_bool(0.5);
        if turn && first.is_none() {
            first = ready(one.as_mut().poll(context));
        } else if second.is_none() {
            second = ready(other.as_mut().poll(context));
        }
        match (first, second) {
            (Some(first), Some(second)) => return (first, second),
            others => (first, second) = others,
        }
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
