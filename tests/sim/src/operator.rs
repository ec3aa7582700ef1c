//! An operator's acts: holds, grants, disputes that are lifted. One that failed is done
//! again when the weather is fair, as a person would.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_billing::account::{DisputeMark, PlanId, Status};
use tollgate_billing::ops::{Act, OperatorAct};
use tollgate_events::{AccountId, DisputeId};

use crate::executor::block_on;
use crate::run::{Sim, WORKER_TIME};
use crate::tasks::{Done, Label};

/// What operators have done to an account, as far as it got through.
#[derive(Debug, Default)]
pub struct Operated {
    /// The account is held.
    pub held: bool,
    /// Plans that are granted, and until when.
    pub grants: BTreeMap<PlanId, Vec<Option<Timestamp>>>,
    /// Disputes that hold no more.
    pub lifted: BTreeSet<DisputeId>,
}

impl Operated {
    fn note(&mut self, act: &Act) {
        match act {
            Act::Hold => self.held = true,
            Act::Release => self.held = false,
            Act::Grant { plan, until } => {
                self.grants.entry(plan.clone()).or_default().push(*until);
            }
            Act::RevokeGrant { plan } => drop(self.grants.remove(plan)),
            Act::LiftDispute { dispute } => {
                self.lifted.insert(dispute.clone());
            }
        }
    }
}

impl Sim {
    /// An operator does something to an account.
    pub(crate) fn operate(&mut self, dice: &mut ChaCha8Rng) -> Option<String> {
        let accounts = self.world.ledger.accounts();
        let place = dice.random_range(0..accounts.len().max(1));
        let account = accounts.get(place).filter(|it| it.access.status != Status::Closed)?;
        let plan = PlanId::parse(["basic", "pro"][dice.random_range(0..2)]).expect("it is a name");
        let act = match dice.random_range(0..10) {
            0..2 => Act::Hold,
            2..5 => Act::Release,
            5..8 => {
                let hours = SignedDuration::from_hours(dice.random_range(1..400));
                let until = dice.random_bool(0.7).then(|| self.world.clock.time() + hours);
                Act::Grant { plan, until }
            }
            8 => Act::RevokeGrant { plan },
            _ => {
                let mut holding = account
                    .access
                    .disputes
                    .iter()
                    .filter(|(_, mark)| **mark == DisputeMark::Holding);
                Act::LiftDispute { dispute: holding.next()?.0.clone() }
            }
        };
        let told = format!("an operator acts on {}: {act:?}", account.id);
        let act = OperatorAct { act, by: "ops".into(), why: "a simulation".into() };
        self.begin_to_operate(account.id.clone(), act);
        Some(told)
    }

    fn begin_to_operate(&mut self, account: AccountId, act: OperatorAct) {
        let worker = self.workers.last().expect("there is always one").clone();
        let deadline = self.world.clock.time() + WORKER_TIME;
        let label = Label::Operator(Box::new((account.clone(), act.clone())));
        self.spawn(label, async move {
            Done::Operated(worker.operate(&account, &act, deadline).await.is_ok())
        });
    }

    /// An act has come to its end.
    pub(crate) fn operated(&mut self, done: bool, account: AccountId, act: OperatorAct) {
        if done {
            self.tell(&format!("the operator's {} on {account} is done", act.act.kind()));
            self.lives.operated.entry(account).or_default().note(&act.act);
        } else {
            self.undone.push((account, act));
        }
    }

    /// What failed is done again, in its order.
    pub(crate) fn finish_operating(&mut self) {
        let worker = self.workers.last().expect("there is always one").clone();
        for (account, act) in std::mem::take(&mut self.undone) {
            let deadline = self.world.clock.time() + WORKER_TIME;
            let done = block_on(worker.operate(&account, &act, deadline)).is_ok();
            if !done {
                self.violate(0, format!("{} on {account} fails in fair weather", act.act.kind()));
            }
            self.operated(done, account, act);
        }
    }
}
