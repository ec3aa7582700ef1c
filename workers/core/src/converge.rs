//! Convergence: brings one account to where its facts say it should be.
//!
//! # Expected flow
//! 1. **Claim**: one conditional write raises the account's epoch and takes a lease; it replaces
//!    the read. The first step opens the account, not the claim.
//! 2. **Link**: a customer that is new to the account is linked, in a commit of its own,
//!    before any fact is read; not one whom an operator has released.
//!    Of an account that the ledger has never decided anything about, API Gateway is asked for
//!    keys: a ledger that was lost must be rebuilt, not begun anew.
//! 3. **Facts**: first, once an hour, whether the Stripe account and the user pool are those
//!    that the stack belongs to. Then Stripe's subscriptions and disputes as they are now; the Cognito user
//!    where the events give a reason to look. What the ledger knows and a service denies stops
//!    it here: nothing is decided.
//! 4. **Decide** and **plan**: pure.
//! 5. **Apply**: step by step; a conflict is never a verdict, but a reason to observe. What the
//!    world contradicts is not done: the ledger may be older than it.
//! 6. **Commit**: state, history and event records in one transaction, if the epoch is
//!    still ours.
//!
//! # Guarantees
//! - Any number of copies of any events, in any order, end in the same access.
//! - At most one key for each (account, slot, generation): its value is derived from an
//!   intent that is committed first, and API Gateway refuses a second key with it.
//! - No commit rests on facts that were read before its own claim.
//! - No step starts after the lease.
//! - A run that stops gives its claim back, unless a step of its was begun and not answered: that
//!   may take effect until the lease ends, and meets no other claim.
//!
//! # Assumptions
//! - A call that has not answered within the client's timeout takes effect, if at all,
//!   before the lease is over. API Gateway has no conditional writes: what lands later
//!   is drift; and a key that it disables is told as a stale ledger.
//! - An account that a claim finds open may be anywhere between two plans: it is
//!   observed in full. One that is closed properly is as the ledger says.
//! - Every account whose convergence did not end is due some minutes after its lease, and is
//!   found by the sweep even if its events are lost.
//!
//! # Waiting
//! What takes its time (the control plane's budget, a throttled service, a credential, a
//! quota) is written into the account as `review_at`, with the events that wait, and the
//! messages are done with: no message becomes a dead letter by waiting.
//!
//! # Caveats
//! - Between Detach and Attach the key answers 403, so that comes before everything else: see
//!   `converge/between.rs`. A switch that a killed worker left is resumed by the redelivery of its
//!   event.
//!
//! # Errors
//! [`Stop`] tells why the events must stay on the queue. What can never succeed is no
//! error here: it is committed as parked.

mod apply;
mod between;
mod blast;
mod closing;
mod commit;
mod contradicted;
mod facts;
mod inbox;
mod lag;
mod linking;
mod lost;
mod namesake;
mod next_look;
mod observe;
mod pacing;
mod paid;
mod person;
mod preview;
mod refunds;
mod stale;
mod stop;
mod user;

use std::pin::Pin;

use jiff::{SignedDuration, Timestamp};
use tollgate_events::{AccountId, Envelope, EventRef};

use crate::account::{Access, Account, User};
use crate::accounts::{Accounts, Claimed};
use crate::binding::Binding;
use crate::catalog::Catalog;
use crate::decide::{Desired, Facts, decide, processing};
use crate::derive::Deriver;
use crate::error_policy::{Judgement, Verdict};
use crate::ledger::{Outcome, StackRecord, StepTaken};
use crate::person::VerifiedEmail;
use crate::policy::Policy;
use crate::ports::{Class, Clock, PortError, Ports, Service};
use crate::share::{Room, Share};
use crate::timing::LOOK_AGAIN_AFTER;

pub use between::Invocation;
use between::Turn;
use inbox::Inbox;
pub use preview::{Preview, Supposed};
pub use stop::Stop;
pub use tollgate_events::wakes::{BETWEEN_PLANS, DRIFT, DUE, OLD_KEY_BETWEEN_PLANS};

/// A worker: the ports, and what it decides by. Built once.
#[derive(Debug)]
pub struct Worker<P> {
    /// The world.
    pub ports: P,
    /// The plans.
    pub catalog: Catalog,
    /// The seller's choices.
    pub policy: Policy,
    /// Key values and proofs.
    pub deriver: Deriver,
    /// The deployment's name: keys are ours when named `tollgate/<stack>/…`.
    pub stack: String,
    /// Stripe's `livemode` of this deployment; other events are ignored.
    pub livemode: bool,
    /// This instance's share of API Gateway's control plane.
    pub share: Share,
    /// Whether the Stripe account and the pool are the stack's.
    pub binding: Binding,
}

/// What a convergence came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converged {
    /// What became of the events, but for strays and those that wait.
    pub outcome: Outcome,
    /// The account's version.
    pub version: u64,
    /// What was done.
    pub steps: Vec<StepTaken>,
    /// Events whose customer is another account's: look at that one.
    pub strays: Vec<(AccountId, Envelope)>,
    /// Events that wait for the customer's own account, on record.
    pub waits: Vec<EventRef>,
    /// It was put off for a reason that concerns everybody: a person must act.
    pub systemic: bool,
    /// The lease ended between two plans: by what it is to be woken at once, before everything
    /// else.
    pub between_plans: Option<&'static str>,
}

impl<P: Ports> Worker<P> {
    /// Brings an account to where its facts say it should be, on behalf of `events`.
    /// No step starts after the invocation's deadline, which is also the lease's end.
    ///
    /// # Errors
    /// [`Stop`]: the events must come again.
    pub async fn converge(
        &self,
        id: &AccountId,
        events: Vec<Envelope>,
        invocation: &Invocation,
    ) -> Result<Converged, Stop> {
        let now = self.ports.clock().now();
        if now >= invocation.deadline {
            return Err(Stop::OutOfTime);
        }
        let claim = self.accounts().claim(id, now, invocation.deadline).await?;
        let (account, claimed) = claim.map_err(|until| Stop::Leased { until })?;
        if account.catalog_revision > self.catalog.revision {
            // What an outdated catalog knows must not touch what a newer one has decided.
            claimed.give_back(account, now).await?;
            return Err(Stop::CatalogOutdated);
        }
        let mut run = Run::new(self, account, claimed, events, now, invocation);
        match run.go().await {
            Ok(outcome) => Ok(run.converged(outcome)),
            Err(stop) => {
                let outcome = run.stopped(stop).await?;
                Ok(run.converged(outcome))
            }
        }
    }

    fn accounts(&self) -> Accounts<'_, P::Ledger, P::Entropy> {
        Accounts { ledger: self.ports.ledger(), entropy: self.ports.entropy() }
    }

    /// Converges an account in the middle of another's convergence.
    fn converge_boxed<'a>(
        &'a self,
        id: &'a AccountId,
        events: Vec<Envelope>,
        invocation: &'a Invocation,
    ) -> Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>> {
        Box::pin(async move { self.converge(id, events, invocation).await.map(drop) })
    }
}

/// One convergence under way.
struct Run<'a, P: Ports> {
    worker: &'a Worker<P>,
    /// The account as it will be committed; changes with every step that is done.
    account: Account,
    /// The user as the claim found them in it.
    found_user: User,
    /// What it is committed by; a preview holds none.
    claimed: Claimed<'a, P::Ledger, P::Entropy>,
    /// What a preview counts by instead of the ledger's item: the stack as the previews before it
    /// would have left it.
    foretold: Option<StackRecord>,
    inbox: Inbox,
    steps: Vec<StepTaken>,
    systemic: bool,
    /// The lease ended between two plans: the type of the wake.
    between_plans: Option<&'static str>,
    /// A step was begun and not answered: it may take effect until the lease ends.
    in_doubt: bool,
    /// It was the making of a key.
    mint_in_doubt: bool,
    /// The account's key has been on a plan: its intent, where there is one still, has come that far.
    placed: bool,
    /// Whether the account's key is accepted, where this run has seen it or changed it: the ledger
    /// does not tell yet.
    key_enabled: Option<bool>,
    /// The key is between two plans, or about to be.
    turn: Option<Turn<'a>>,
    /// Room for the key that it may be about to get.
    room: Option<Room<'a>>,
    /// What tells whether the ledger is older than the world.
    evidence: stale::Evidence,
    /// The user turned out to be gone: look, whoever woke the account.
    look_at_user: bool,
    /// The attributes, when the user was read.
    attributes_read: Option<crate::account::Attributes>,
    /// The user's verified address, when the user was read.
    email: Option<VerifiedEmail>,
    /// When the facts were read (before that, when the claim was made): the one time that
    /// decisions go by.
    now: Timestamp,
    invocation: &'a Invocation,
}

impl<'a, P: Ports> Run<'a, P> {
    fn new(
        worker: &'a Worker<P>,
        account: Account,
        claimed: Claimed<'a, P::Ledger, P::Entropy>,
        events: Vec<Envelope>,
        now: Timestamp,
        invocation: &'a Invocation,
    ) -> Self {
        let mut inbox = Inbox::of(events);
        inbox.join(&account.deferred);
        let mut run = Self {
            worker,
            claimed,
            foretold: None,
            found_user: account.user.clone(),
            account,
            inbox,
            steps: Vec::new(),
            systemic: false,
            between_plans: None,
            in_doubt: false,
            mint_in_doubt: false,
            placed: false,
            key_enabled: None,
            turn: None,
            room: None,
            evidence: stale::Evidence::default(),
            look_at_user: false,
            attributes_read: None,
            email: None,
            now,
            invocation,
        };
        run.placed = run.account.key().is_some() && run.account.intent.is_none();
        run.note_place();
        run.keep_turn();
        run
    }

    /// The whole way, from the claim to the last commit. Whatever a killed worker leaves behind is what
    /// one of the commits on it wrote.
    async fn go(&mut self) -> Result<Outcome, Stop> {
        // A commit for each customer that is new.
        self.link().await?;
        if self.inbox.events.is_empty() && !self.claimed.found_open() {
            // All that woke it is another account's.
            return self.leave().await;
        }
        self.must_be_remembered().await?;
        loop {
            match self.round().await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                // A user whose deletion nobody told of yet: decide again, knowing it.
                Err(Stop::Port(error)) if user_is_gone(&error) && !self.look_at_user => {
                    self.look_at_user = true;
                }
                // Somebody is answered 403 meanwhile.
                Err(Stop::Port(error)) if self.is_refused_in_between(&error) => {
                    self.worker.share.heed(&error, self.clock_now());
                    self.until_next_try(&error).await?;
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// From the facts to what is committed of them; `None` where what was decided rests on something
    /// that is not there any more.
    async fn round(&mut self) -> Result<Option<Outcome>, Stop> {
        // Reads alone.
        let read = self.read().await?;
        // What landed on another's user is taken back, and that account is converged.
        self.see_to_namesakes(&read.namesakes).await?;
        // The stack's item, once.
        self.note_where_it_belongs(&read.user).await?;
        let facts = self.facts(read).await?;
        self.word_must_be_remembered().await?;
        // What the limits let through is committed.
        let (desired, lagging) = self.decide_within_limits(facts).await?;
        // Opens the account, keeps the intent of a key, and acts.
        self.apply(&desired).await?;
        if self.misses_one_of(&desired.retiring) {
            // A replaced key is not there any more.
            return Ok(None);
        }
        let lagging = lagging || self.may_have_a_hidden_key(&desired);
        self.finish(desired, lagging).await.map(Some)
    }

    /// What the facts come to, within the limits; and whether a read seems to lag.
    async fn decide_within_limits(&mut self, mut facts: Facts) -> Result<(Desired, bool), Stop> {
        // What was read is younger than the claim, and so is what follows from it.
        self.now = self.clock_now();
        let listed = facts.subscriptions.len();
        let mut desired = self.decide(&facts);
        // Boxed: what few need does not make every convergence's future larger.
        while !Box::pin(self.may_lose(&mut facts, &desired)).await? {
            desired = self.decide(&facts);
        }
        Box::pin(self.limit_cancellations(&mut desired)).await?;
        self.go_on_cancelling(&facts, &mut desired);
        desired.expire = Box::pin(self.open_sessions(&desired)).await?;
        // A subscription that is there and was not listed.
        let lagging = listed < facts.subscriptions.len() || self.read_seems_to_lag(&facts);
        self.account.user = desired.user.clone();
        self.account.subscription = desired.subscription(&facts, &self.worker.catalog);
        self.account.processing = processing(&facts, &self.worker.catalog);
        self.evidence.subscriptions = facts.subscriptions;
        Ok((desired, lagging))
    }

    fn decide(&self, facts: &Facts) -> Desired {
        decide(facts, &self.worker.catalog, &self.worker.policy, self.now)
    }

    /// What becomes of a run that did not get to its end.
    async fn stopped(&mut self, stop: Stop) -> Result<Outcome, Stop> {
        let stop = match stop {
            Stop::OutOfTime if self.is_between_plans() => Stop::BetweenPlans,
            stop => stop,
        };
        if let Stop::Port(error) = &stop
            && error.service == Service::Stripe
        {
            self.worker.share.heed(error, self.clock_now());
        }
        let Judgement { verdict, systemic } = stop.judge();
        if systemic && verdict != Verdict::Redeliver {
            self.systemic = true;
            tracing::error!(account = %self.account.id, error = %stop, "it concerns everybody");
        }
        match verdict {
            Verdict::Park => self.park(&stop).await,
            Verdict::Wait(after) => self.defer(after, stop).await,
            Verdict::GoOn => {
                let old_alone = self.is_between_plans() && !self.key_is_between_plans();
                self.between_plans =
                    Some(if old_alone { OLD_KEY_BETWEEN_PLANS } else { BETWEEN_PLANS });
                tracing::error!(account = %self.account.id, "left between two plans");
                self.defer(SignedDuration::ZERO, stop).await
            }
            Verdict::Redeliver => {
                self.let_go(&stop).await;
                Err(stop)
            }
        }
    }

    fn converged(self, outcome: Outcome) -> Converged {
        Converged {
            outcome,
            version: self.claimed.version(),
            steps: self.steps,
            strays: self.inbox.strays,
            waits: self.inbox.waits.iter().map(Envelope::event_ref).collect(),
            systemic: self.systemic,
            between_plans: self.between_plans,
        }
    }

    /// The access as last committed.
    fn committed(&self) -> &Access {
        self.claimed.committed()
    }

    fn ledger(&self) -> &'a P::Ledger {
        self.worker.ports.ledger()
    }

    fn clock_now(&self) -> Timestamp {
        self.worker.ports.clock().now()
    }

    /// Whether the ledger may not be trusted about API Gateway. That an account was left between
    /// two plans it tells rightly, and if not, the Attach that follows meets a conflict; whether its
    /// key is accepted it tells only where nobody was about to have it refused.
    fn must_observe(&self) -> bool {
        let goes_on =
            self.is_between_plans() && !self.worker.catalog.may_be_disabled(&self.account);
        (self.claimed.found_open() && !goes_on)
            || self.account.intent.is_some()
            || self.ledger_seems_stale()
            || self.inbox.asks_for_a_look()
    }

    /// A short, random wait that grows with the round.
    async fn pause(&self, round: u32) {
        let [random, ..] = crate::ports::Entropy::bytes(self.worker.ports.entropy());
        let millis = (LOOK_AGAIN_AFTER + i64::from(random)) << round.min(5);
        self.worker.ports.clock().sleep(SignedDuration::from_millis(millis)).await;
    }
}

fn user_is_gone(error: &PortError) -> bool {
    error.service == Service::Cognito && error.class == Class::NotFound
}
