//! How much one owner, and all together, may ask for.
//!
//! The account API's instances come and go with its traffic, and share nothing: so what each
//! owner has asked for, and what all have used of API Gateway's control plane, is counted in the
//! ledger, in rows of their own. Whoever asks too often is told so, and nobody else: what an
//! owner may ask for in a minute is a small part of what all may.

use jiff::{SignedDuration, Timestamp};
use tollgate_events::AccountId;

use super::{AccountApi, Refusal};
use crate::budget::Caller;
use crate::ports::{Clock, Counter, Ledger, PortResult, Ports, Request};

/// What an owner's requests are counted over.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What everybody's calls of the control plane are counted over. Twice as many can meet at the
/// end of one such time and the beginning of the next: far below the burst that AWS allows.
const SOME_SECONDS: SignedDuration = SignedDuration::from_secs(5);

impl Request {
    /// How often a minute an owner may ask for it.
    pub fn most(self) -> u32 {
        match self {
            // A page that looks every second while a payment is awaited.
            Self::Overview => 60,
            // Each is a call of Stripe's.
            Self::Purchase => 20,
            Self::History | Self::Keys => 30,
            // Each is a call of API Gateway's control plane.
            Self::Key => 10,
            // Each is one of Stripe's, or several.
            Self::Portal => 10,
            // Each is a message, and a convergence.
            Self::Refresh => 6,
        }
    }
}

impl<P: Ports> AccountApi<P> {
    /// Counts a request of an owner.
    ///
    /// # Errors
    /// There were too many in this minute; the ledger failed.
    pub(super) async fn admit(&self, id: &AccountId, request: Request) -> Result<(), Refusal> {
        let now = self.worker.ports.clock().now();
        let counter = Counter::Requests { account: id.clone(), request };
        let since = window(now, A_MINUTE);
        if self.worker.ports.ledger().count(&counter, since, request.most()).await? {
            return Ok(());
        }
        Err(Refusal::TooMany { after: (since + A_MINUTE).duration_since(now) })
    }

    /// Takes one call from the account API's share of API Gateway's control plane, if one is left
    /// in these seconds.
    pub(super) async fn may_call(&self) -> PortResult<bool> {
        let since = window(self.worker.ports.clock().now(), SOME_SECONDS);
        let most = Caller::AccountApi.calls_in(SOME_SECONDS, &self.worker.policy);
        self.worker.ports.ledger().count(&Counter::ControlPlane, since, most).await
    }
}

/// When the time of so long began in which `now` is.
fn window(now: Timestamp, length: SignedDuration) -> Timestamp {
    let seconds = now.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(length.as_secs()))
        .expect("it is less than a minute ago")
}
