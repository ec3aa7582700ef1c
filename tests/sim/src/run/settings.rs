//! What is set wrongly in a run, and how it is found and put right.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account::Status;
use tollgate_core::converge::DUE;
use tollgate_core::converge::Worker;
use tollgate_events::AccountId;
use tollgate_operator::{Act, OperatorAct, accept_blast};

use crate::comparison::compare;
use crate::executor::block_on;
use crate::market;
use crate::operator::{self, Operated};
use crate::oracle::deletion_is_told;
use crate::run::Sim;
use crate::settings::{Wrong, WrongSetting};
use crate::world::World;

impl Sim {
    /// The workers as everything is set now.
    pub(crate) fn as_set(&self) -> Worker<World> {
        let world = self.wrong.as_ref().map_or(&self.world, |wrong| &wrong.seen);
        market::worker(world, self.edition, self.secret)
    }

    /// Something is set wrongly, and deployed.
    pub(crate) fn set_wrongly(&mut self, dice: &mut ChaCha8Rng) -> Option<String> {
        if self.retires_at.is_some() || self.wrong.is_some() {
            return None;
        }
        let setting = WrongSetting::ALL[dice.random_range(0..WrongSetting::ALL.len())];
        let wrong = Wrong::new(&self.world, setting, dice);
        let told = format!("{setting:?} is set wrongly until {}", wrong.until);
        self.wrong = Some(wrong);
        self.was_wrong = true;
        self.pool_was_wrong |= setting == WrongSetting::UserPool;
        if setting.slip().is_some() {
            self.edition = self.edition.again(setting.slip());
        }
        self.roll_out(SignedDuration::from_secs(dice.random_range(1..180)));
        Some(told)
    }

    /// The wrong setting is the only one in force from now on.
    pub(crate) fn wrong_alone(&mut self) {
        if self.wrong.as_ref().is_some_and(|wrong| wrong.unbound) {
            self.world.ledger.change_stack(|stack| {
                (stack.stripe_account, stack.pool) = (None, None);
            });
        }
    }

    /// It is noticed, and put right.
    pub(crate) fn put_right(&mut self, until: Timestamp) {
        let Some(wrong) = self.wrong.take_if(|wrong| wrong.until <= until) else { return };
        if wrong.setting.slip().is_some() {
            self.edition = self.edition.again(None);
        }
        self.roll_out(SignedDuration::from_secs(5));
        self.tell(&format!("{:?} is put right", wrong.setting));
    }

    /// The hourly comparison, while something is set wrongly: it is what wakes everybody.
    pub(crate) fn compare_under_faults(&mut self) {
        if self.wrong.is_none() || !self.rng.random_bool(0.5) {
            return;
        }
        let worker = self.workers.last().expect("one is deployed").clone();
        if let Ok(report) = compare(&worker, 3) {
            self.tell(&format!("all systems are compared, and woken are {:?}", report.woken));
        }
    }

    /// The limit of cancellations holds, though nothing was ever set wrongly: somebody looks,
    /// finds that each was wanted, and accepts it.
    pub(crate) fn accept_cancellations(&mut self) {
        if self.was_wrong || !self.world.ledger.stored_stack().cancellations.stopped {
            return;
        }
        self.accept_for_a_day();
        let accounts = self.world.ledger.accounts().into_iter();
        let held = accounts.filter(|account| !account.access.to_cancel.is_empty());
        let held = held.map(|account| account.id).collect();
        self.wake(DUE, held);
    }

    fn accept_for_a_day(&mut self) {
        let until = self.world.clock.time() + SignedDuration::from_hours(24);
        let accepted = block_on(accept_blast(&self.world.ledger, until));
        if !accepted.is_ok_and(|written| written) {
            self.violate(0, "the limit cannot be accepted in the calm".into());
        }
    }

    /// What the runbook says is to be done when everything is set right again: what the limit
    /// held back is accepted, who was closed is released, with what came meanwhile, and all
    /// systems are compared.
    pub(crate) fn recover(&mut self) {
        if !self.was_wrong {
            return;
        }
        self.accept_for_a_day();
        for account in self.world.ledger.accounts() {
            let closed = account.access.status == Status::Closed;
            let user = self.world.cognito.user_by_id(&account.id).is_some();
            let operated = self.actors.operated.get(&account.id).map(Operated::standing);
            let wanted =
                operated.is_some_and(|it| it.closed) || deletion_is_told(self, &account.id);
            if closed && user && !wanted {
                let (by, why) = ("ops".into(), "a pool in which nobody was".into());
                let act = OperatorAct { act: Act::Release, by, why };
                let done = block_on(operator::act(&self.world, &account.id, &act));
                self.operated(done, account.id, act);
            }
        }
        self.come_to_rest();
        // Nobody was linked to a closed account.
        let ledger = &self.world.ledger;
        let is_open_again = |id: &AccountId| ledger.entries(id).iter().any(operator::reopens);
        let recorded = ledger.events().into_iter().map(|event| event.record);
        let theirs = recorded.filter(|it| it.account.as_ref().is_some_and(is_open_again));
        let theirs = theirs.filter_map(|record| record.envelope().cloned()).collect();
        self.replay(theirs, "reopened");
        self.reconcile();
    }
}
