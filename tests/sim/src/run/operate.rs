//! An operator's acts in a run. One that failed, or whose end nobody saw, is done again when it is
//! calm, as a person would.

use jiff::SignedDuration;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account::{Account, DisputeMark, Grant, PlanId, Reason, Status};
use tollgate_core::ledger::Entry;
use tollgate_events::{AccountId, CustomerId, DisputeId, Source};
use tollgate_operator::{Act, ActError, ActReceipt, OperatorAct};

use crate::executor::block_on;
use crate::operator::{act, reopens};
use crate::run::Sim;
use crate::tasks::{Done, Label};

impl Sim {
    /// An operator does something to an account.
    pub(crate) fn operate(&mut self, dice: &mut ChaCha8Rng) -> Option<String> {
        let accounts = self.world.ledger.accounts();
        let account = accounts.get(dice.random_range(0..accounts.len().max(1)))?;
        let act = self.some_act(account, dice)?;
        let told = format!("an operator acts on {}: {act:?}", account.id);
        self.try_to_operate(&account.id, &act);
        let act = OperatorAct { act, by: "ops".into(), why: "a simulation".into() };
        self.begin_to_operate(account.id.clone(), act);
        Some(told)
    }

    fn some_act(&self, account: &Account, dice: &mut ChaCha8Rng) -> Option<Act> {
        let plan = PlanId::parse(["basic", "pro"][dice.random_range(0..2)]).expect("it is a name");
        let hours = |hours| SignedDuration::from_hours(hours);
        Some(match dice.random_range(0..20) {
            0..2 => Act::Hold,
            2..6 => Act::Release,
            6..9 => {
                let lasts = hours(dice.random_range(1..400));
                let until = dice.random_bool(0.7).then(|| self.world.clock.time() + lasts);
                Act::Grant { plan, until }
            }
            9 => Act::RevokeGrant { plan },
            10..12 => {
                let disputes = &account.access.disputes;
                let mut holding =
                    disputes.iter().filter(|(_, mark)| **mark == DisputeMark::Holding);
                Act::LiftDispute { dispute: holding.next()?.0.clone() }
            }
            12..15 => {
                // The last outlives most runs.
                let overlap = [hours(0), SignedDuration::from_mins(20), hours(30), hours(24 * 400)];
                Act::RotateKey { overlap: overlap[dice.random_range(0..overlap.len())] }
            }
            15 => Act::Close,
            16..18 => Act::Link { customer: self.some_customer(dice)? },
            _ => {
                let customers = &account.access.customers;
                let place = dice.random_range(0..customers.len().max(1));
                Act::Unlink { customer: customers.iter().nth(place)?.clone() }
            }
        })
    }

    /// Somebody whom an operator has released, or anybody who pays.
    fn some_customer(&self, dice: &mut ChaCha8Rng) -> Option<CustomerId> {
        let released: Vec<_> = self.world.ledger.released().into_keys().collect();
        if !released.is_empty() && dice.random_bool(0.8) {
            return Some(released[dice.random_range(0..released.len())].clone());
        }
        let place = dice.random_range(0..self.actors.pays_for.len().max(1));
        CustomerId::parse(self.actors.pays_for.keys().nth(place)?.clone()).ok()
    }

    /// From now on the act may stand.
    fn try_to_operate(&mut self, account: &AccountId, act: &Act) {
        self.tries(account, act);
        let operated = self.actors.operated.entry(account.clone()).or_default();
        operated.rotated |= matches!(act, Act::RotateKey { .. });
        operated.may_be_closed |= *act == Act::Close;
        let linked = act.links().map(|customer| (customer.clone(), account.clone()));
        self.actors.moves.linked.extend(linked);
        self.actors.moves.unlinked.extend(act.unlinks().cloned());
    }

    fn begin_to_operate(&mut self, account: AccountId, operator_act: OperatorAct) {
        let world = self.world.clone();
        let label = Label::Operator(Box::new((account.clone(), operator_act.clone())));
        self.spawn(
            label,
            async move { Done::Operated(act(&world, &account, &operator_act).await) },
        );
    }

    /// An act has come to its end.
    pub(crate) fn operated(
        &mut self,
        done: Result<ActReceipt, ActError>,
        account: AccountId,
        act: OperatorAct,
    ) {
        match done {
            Ok(acted) => {
                self.tell(&format!("the operator's {} on {account} is done", act.act.kind()));
                let entries = self.world.ledger.entries(&account);
                let entry = entries.iter().find(|entry| entry.version == acted.version);
                match &act.act {
                    // It brings back whom a wrong pool has closed, and what they had: a hold too.
                    Act::Release
                        if is_just_opened(&entries, acted.version)
                            && entry.is_none_or(|entry| entry.after.hold.is_some()) => {}
                    Act::LiftDispute { dispute } if !self.is_of(dispute, entry) => {
                        self.actors.moves.lifted_elsewhere.insert(dispute.clone());
                    }
                    _ => self.note(account, acted.version, act.act),
                }
            }
            Err(ActError::Refused(why)) => {
                self.tell(&format!("{} on {account} is refused: {why}", act.act.kind()));
            }
            Err(_) => self.undone.push((account, act)),
        }
    }

    /// Whether a dispute's customer was the account's when it was lifted there.
    fn is_of(&self, dispute: &DisputeId, entry: Option<&Entry>) -> bool {
        let stripe = self.world.stripe.account();
        let charge = stripe.dispute(dispute.as_str()).and_then(|it| stripe.charge(&it.charge));
        let customer = charge.map(|charge| charge.customer.as_str()).unwrap_or_default();
        entry.is_none_or(|it| it.after.customers.iter().any(|id| id.as_str() == customer))
    }

    fn note(&mut self, account: AccountId, version: u64, act: Act) {
        let version = self.version_of_all(version);
        self.actors.operated.entry(account).or_default().acts.push((version, act));
    }

    /// A release whose process died may stand, as history tells. Done again, it may open an account
    /// that a wrong pool has closed since, and that releases nothing.
    fn note_releases(&mut self, account: &AccountId) {
        let entries = self.world.ledger.entries(account).into_iter().filter(releases);
        for version in entries.map(|entry| entry.version).collect::<Vec<_>>() {
            let operated = self.actors.operated.get(account);
            if !operated.is_some_and(|it| it.acts.iter().any(|(known, _)| *known == version)) {
                self.note(account.clone(), version, Act::Release);
            }
        }
    }

    /// What failed is done again, in its order. What is refused then is so already: it stood the
    /// first time, or there is nothing left that it could change.
    pub(crate) fn finish_operating(&mut self) {
        for (account, operator_act) in std::mem::take(&mut self.undone) {
            if operator_act.act == Act::Release {
                self.note_releases(&account);
            }
            let done = block_on(act(&self.world, &account, &operator_act));
            match &done {
                Err(ActError::Refused(_)) => {
                    let stored = self.world.ledger.stored(&account);
                    if stored.as_ref().is_some_and(|stored| stands(&operator_act.act, stored)) {
                        let version = stored.map_or(0, |stored| stored.version);
                        self.note(account.clone(), version, operator_act.act.clone());
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let kind = operator_act.act.kind();
                    self.violate(0, format!("{kind} on {account} fails in the calm: {error}"));
                }
            }
            self.operated(done, account, operator_act);
        }
    }
}

/// Whether history has an operator's release of what was held, or closed by one.
fn releases(entry: &Entry) -> bool {
    let told = Act::Release.to_string();
    entry.steps.iter().any(|taken| taken.step == told)
        && entry.cause.iter().any(|event| event.source == Source::Operator)
        && !reopens(entry)
}

/// Whether an account of this version was opened again after its user's absence, and no worker has
/// looked since: what is done again then lifts nothing.
fn is_just_opened(entries: &[Entry], version: u64) -> bool {
    let newest_first = entries.iter().rev().skip_while(|entry| entry.version > version);
    let is_new =
        |entry: &&Entry| (entry.after.status, &entry.after.reason) == (Status::New, &Reason::New);
    newest_first.take_while(is_new).any(reopens)
}

/// Whether an act that is refused stands: there is nothing left that it could take away.
fn stands(act: &Act, account: &Account) -> bool {
    let marks = &account.access.disputes;
    match act {
        Act::RevokeGrant { .. } => true,
        // Nothing more may be done to an account whose user is gone; what was done before stays.
        Act::Hold => account.access.hold.is_some(),
        Act::Grant { plan, until } => {
            let granted = |grant: &Grant| grant.plan == *plan && grant.until == *until;
            account.access.grants.iter().any(granted)
        }
        Act::LiftDispute { dispute } => marks.get(dispute) == Some(&DisputeMark::Lifted),
        _ => false,
    }
}
