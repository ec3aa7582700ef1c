//! Somebody clicks, after an act, and what clicks have come to is judged.

use rand::RngExt;

use crate::actors::ActContext;
use crate::run::Sim;
use crate::script::Stream;

impl Sim {
    /// After an act, in some seeds: somebody clicks.
    pub(crate) fn click(&mut self, act: usize) {
        let dice = self.script.now_and_then(Stream::Clicks, act, [0.2, 0.3]);
        let Some(mut dice) = dice else { return };
        let mut context = ActContext { world: &self.world, api: &self.api, rng: &mut dice };
        let told = match context.rng.random_range(0..10) {
            0..6 => self.actors.two_windows(&mut context),
            6..8 => self.actors.bank(&mut context),
            _ => self.actors.asks_in_a_loop(&mut context),
        };
        if let Some(told) = told {
            self.tell(&format!("[{act}] {told}"));
        }
        self.judge_clicks();
    }

    /// What clicks have come to that must not be. Nobody's clicks are judged once the account
    /// API has looked at another Stripe account: it did not see what they had.
    pub(crate) fn judge_clicks(&mut self) {
        let problems = std::mem::take(&mut self.actors.clicks.problems);
        if !self.was_wrong && self.recovery.is_none() {
            problems.into_iter().for_each(|problem| self.violate(11, problem));
        }
    }
}
