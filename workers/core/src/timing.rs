//! Every duration that the engine decides by itself, once. What a seller may choose is
//! [`policy`](crate::policy)'s; how often a message comes again, and after how long, is the queue's
//! (`infra/template.yaml`).

use jiff::SignedDuration;

// After a call or a run that failed.

/// How long a throttled account waits when the service does not say.
pub const THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(10);

/// How long everybody waits for a person to mend a credential.
pub const DENIED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How long an account waits for a service's quota to have room again.
pub const FULL_FOR: SignedDuration = SignedDuration::from_mins(15);

/// How soon a message comes again whose work stopped for a moment.
pub const SOON: SignedDuration = SignedDuration::from_secs(2);

/// How long an account waits for the ledger to be rebuilt before API Gateway is asked again.
/// The rebuild itself ends the wait.
pub const LOST_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long an account waits for a person to mend a setting that contradicts the ledger.
pub const MISMATCH_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long an account that would lose something waits while the stack is frozen.
pub const FROZEN_FOR: SignedDuration = SignedDuration::from_mins(15);

/// How long to wait when other instances keep writing the same item first.
pub const OUTRUN_FOR: SignedDuration = SignedDuration::from_secs(5);

/// What is left of a lease when waiting for the control plane ends: enough for the steps
/// and the commit, and for the accounts behind this one to say that they wait.
pub const TIME_TO_ACT: SignedDuration = SignedDuration::from_secs(6);

/// How long a preview may wait for the control plane.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// The least and the most that lies between two tries while a key is between two plans, in
/// milliseconds.
pub const TRIES_APART: [i64; 2] = [300, 1_000];

/// The least before API Gateway is looked at again, in milliseconds; up to 255 more by chance, and
/// twice as many with each round.
pub const LOOK_AGAIN_AFTER: i64 = 50;

// When an account is looked at again.

/// How long until a parked account is looked at again without being asked: what was mended
/// in the meantime heals by itself.
pub const PARKED_REVIEW_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How long after its lease a convergence that nobody finished is due. Long enough for the
/// message to come again first (the template's visibility timeout is three minutes): it
/// knows what only the event tells, such as a dispute's id.
pub const UNFINISHED_REVIEW_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long to wait before a read that seemed to lag is looked at again.
pub const SECOND_LOOK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// How long until an account without a key for want of room looks again.
pub const ROOM_REVIEW_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// How far apart two not-founds must be to say that a user is gone: Cognito's reads
/// lag by seconds, and an hour outlasts any outage that answers "not found".
pub const MISSING_USER_CONFIRMED_AFTER: SignedDuration = SignedDuration::from_hours(1);

// For how long something read is believed, or may lag.

/// For how long after an event its object may still be read as it was before.
pub const LAG_AT_MOST: SignedDuration = SignedDuration::from_mins(10);

/// For how long a new API key may be not found.
pub const NEW_KEY_MAY_HIDE: SignedDuration = SignedDuration::from_secs(60);

/// For how long after an event what it names must be there, and is a contradiction if it is not:
/// as long as Stripe tries to deliver (<https://docs.stripe.com/webhooks#retries>).
pub const MISSING_CONTRADICTS_FOR: SignedDuration = SignedDuration::from_hours(72);

/// For how long a sign-up is news.
pub const JUST_NOW: SignedDuration = SignedDuration::from_hours(1);

/// For how long an instance believes what it has found.
pub const BELIEVED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// For how long the count of keys is believed before the ledger is asked again.
pub const COUNT_IS_FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);

/// How soon every worker knows that the stack was frozen, or is not any more.
pub const FREEZE_IS_SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// For how long it is believed which price a plan is sold at.
pub const PRICE_IS_FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How old what is shown may be before it is asked for again.
pub const USAGE_IS_FRESH_FOR: SignedDuration = SignedDuration::from_mins(1);

// How reading in bulk and counting are paced.

/// How long it may take to find out whose an event is: the others of the batch wait for that.
pub const SORTED_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// After how long without a refusal the price is halved.
pub const CHEAPER_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Between two calls of Stripe or Cognito. Stripe wants bulk work below 15/s; Cognito
/// allows 30/s of `ListUsers`.
pub const GAP: SignedDuration = SignedDuration::from_millis(100);

/// How far back disputes are listed. A bank decides within some months; cards can be disputed for
/// four, mostly. <https://docs.stripe.com/disputes/how-disputes-work>
pub const DISPUTES_OF: SignedDuration = SignedDuration::from_hours(180 * 24);

/// How long the blast limit counts.
pub const BLAST_WINDOW: SignedDuration = SignedDuration::from_hours(24);

// For how long something lasts, or is kept.

/// For how long an attempt goes on: Stripe remembers a key for 24 hours at least, and a session
/// is open for 24 hours at most.
pub const ATTEMPT_LASTS: SignedDuration = SignedDuration::from_hours(23);

/// For how long after the last click one of its sessions may be open: Stripe's day, and what was
/// under way then. <https://docs.stripe.com/api/checkout/sessions/create>
pub const OPEN_FOR: SignedDuration = SignedDuration::from_hours(25);

/// How long the row is kept after the last click.
pub const PURCHASE_KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How long the record of an event is kept that is somebody else's business: as long as Stripe
/// has the event itself. <https://docs.stripe.com/api/events>
pub const IGNORED_KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
