//! The seller deploys workers: another catalog, or another secret.

use std::rc::Rc;

use jiff::SignedDuration;
use rand::RngExt;
use tollgate_core::account_api::AccountApi;

use crate::run::Sim;
use crate::workers::{API_URL, reads_only};

impl Sim {
    /// A new version of the workers: another catalog, or another secret. The old ones go
    /// on for a while.
    pub(crate) fn deploy(&mut self, dice: &mut impl RngExt) -> Option<String> {
        if self.retires_at.is_some() || self.wrong.is_some() {
            return None;
        }
        if dice.random_bool(0.6) && !self.edition.is_last() {
            self.edition = self.edition.next();
        } else if self.secret < 2 {
            self.secret += 1;
        } else {
            return None;
        }
        self.roll_out(SignedDuration::from_secs(dice.random_range(1..180)));
        let (revision, secret) = (self.edition.revision, self.secret);
        Some(format!("catalog {revision} and secret {secret} are deployed"))
    }

    /// New workers, with everything as it is set now; the old ones go on for a while.
    pub(crate) fn roll_out(&mut self, for_a_while: SignedDuration) {
        self.api = AccountApi::new(reads_only(self.as_set()), API_URL);
        self.workers.push(Rc::new(self.as_set()));
        self.retires_at = Some(self.world.clock.time() + for_a_while);
    }

    /// Only the newest workers are left.
    pub(crate) fn retire(&mut self) {
        self.retires_at = None;
        self.settled_at = self.world.clock.time();
        self.workers.drain(..self.workers.len() - 1);
    }
}
