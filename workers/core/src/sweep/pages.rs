//! Bulk reading: one page after another, each after a pause, so that nobody else is starved.

use jiff::SignedDuration;

use crate::ports::Clock;

/// Between two calls of Stripe or Cognito. Stripe wants bulk work below 15/s; Cognito
/// allows 30/s of `ListUsers`.
pub const GAP: SignedDuration = SignedDuration::from_millis(100);

/// The pages of a listing, each after a pause.
#[derive(Debug)]
pub struct Pages<'a, C> {
    clock: &'a C,
    gap: SignedDuration,
    next: Option<Option<String>>,
}

impl<'a, C: Clock> Pages<'a, C> {
    /// None was read yet.
    pub fn new(clock: &'a C, gap: SignedDuration) -> Self {
        Self { clock, gap, next: Some(None) }
    }

    /// Where the next page begins (`None` on the first); `None` after the last.
    pub async fn turn(&mut self) -> Option<Option<String>> {
        let page = self.next.take()?;
        self.clock.sleep(self.gap).await;
        Some(page)
    }

    /// Where the next page begins, if there is one.
    pub fn go_on(&mut self, next: Option<String>) {
        self.next = next.map(Some);
    }
}
