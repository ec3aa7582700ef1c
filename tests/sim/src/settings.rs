//! Wrong settings: what a seller deploys by mistake in the middle of ordinary life, and takes
//! back when he notices, minutes or weeks later.

use crate::world::World;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_core::account::Status;
use tollgate_core::converge::DUE;
use tollgate_core::converge::Worker;
use tollgate_events::AccountId;
use tollgate_operator::{Act, OperatorAct, accept_blast};
use tollgate_standin::cognito::PoolConfig;
use tollgate_standin::stripe::Settings;

use crate::comparison::compare;
use crate::executor::block_on;
use crate::market::{self, Slip};
use crate::operator::{self, Operated};
use crate::oracle::deletion_is_told;
use crate::run::Sim;

/// A pool in which nobody is.
const OTHER_POOL: &str = "us-east-1_Elsewhere";

/// What somebody sets wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongSetting {
    /// A Stripe key of another account of the same mode.
    StripeKey,
    /// The same, restricted: it may not say whose it is.
    RestrictedKey,
    /// Another user pool.
    UserPool,
    /// What is sold as pro is not in the catalog.
    PricesLost,
    /// What is sold as pro is basic.
    Demoted,
}

impl WrongSetting {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::StripeKey, Self::RestrictedKey, Self::UserPool, Self::PricesLost, Self::Demoted];

    fn slip(self) -> Option<Slip> {
        match self {
            Self::PricesLost => Some(Slip::PricesLost),
            Self::Demoted => Some(Slip::Demoted),
            Self::StripeKey | Self::RestrictedKey | Self::UserPool => None,
        }
    }
}

/// A wrong setting that is in force.
#[derive(Clone)]
pub struct Wrong {
    /// What is set wrongly.
    pub setting: WrongSetting,
    /// When it is noticed.
    pub until: Timestamp,
    /// The stack does not say what it belongs to, as one that an older version has left.
    unbound: bool,
    /// The world as the workers have it.
    seen: World,
}

impl Wrong {
    fn new(sim: &Sim, setting: WrongSetting, dice: &mut ChaCha8Rng) -> Self {
        let minutes = match dice.random_range(0..3) {
            0 => dice.random_range(5..180),
            1 => dice.random_range(180..4 * 24 * 60),
            _ => dice.random_range(4 * 24 * 60..25 * 24 * 60),
        };
        let until = sim.world.clock.time() + SignedDuration::from_mins(minutes);
        let unbound = dice.random_bool(0.5);
        Self { setting, until, unbound, seen: seen_through(&sim.world, setting) }
    }
}

/// The world as it is seen through a wrong setting.
pub(crate) fn seen_through(world: &World, setting: WrongSetting) -> World {
    let seen = world.clone();
    match setting {
        WrongSetting::StripeKey | WrongSetting::RestrictedKey => seen.with_stripe(Settings {
            account_id: "acct_1Elsewhere".into(),
            restricted_keys_read_account: setting == WrongSetting::StripeKey,
            base_url: "https://stripe.invalid".into(),
            ..Settings::default()
        }),
        WrongSetting::UserPool => seen.with_pool(PoolConfig::tollgate(OTHER_POOL)),
        WrongSetting::PricesLost | WrongSetting::Demoted => seen,
    }
}

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
        let wrong = Wrong::new(self, setting, dice);
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
            let operated = self.lives.operated.get(&account.id).map(Operated::standing);
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
