//! `cargo demo`: the whole life of a customer, played on the local stack.
//!
//! The script only acts, over HTTP wherever a person would: what it prints is read back
//! by the [`Timeline`]. It ends by checking the invariants.

use std::io::Write;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tollgate_events::AccountId;
use tollgate_standin::stripe::Card;
use tollgate_standin::world::POOL_ID;

use crate::customer::{Customer, HttpAnswer};
use crate::invariants::check;
use crate::stack::{Broken, Options, Stack};
use crate::timeline::Timeline;

/// Plays the demo; returns whether every invariant holds.
///
/// # Errors
/// The stack does not start, a request of the script is refused, or the output is closed.
pub async fn run(out: impl Write, broken: Option<Broken>) -> anyhow::Result<bool> {
    // A first of March, so that a month's quota begins with the demo.
    let start: Timestamp = "2026-03-01T09:00:00Z".parse()?;
    let stack = Stack::start(Options { start, broken, ..Options::default() }).await?;
    play(&stack, out).await
}

/// Plays it on a stack that nobody has used; returns whether every invariant holds.
///
/// # Errors
/// A request of the script is refused, or the output is closed.
pub async fn play(stack: &Stack, out: impl Write) -> anyhow::Result<bool> {
    let mut life = Life {
        stack,
        ann: Customer::new(stack, "ann"),
        timeline: Timeline::new(stack, out),
        id: None,
        key: None,
    };
    let played = life.play().await;
    if let Err(error) = &played {
        life.timeline.line(&format!("\nthe life ended early: {error:#}"))?;
    }
    Ok(life.prove().await? && played.is_ok())
}

/// A day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

struct Life<'a, W> {
    stack: &'a Stack,
    ann: Customer<'a>,
    timeline: Timeline<'a, W>,
    id: Option<AccountId>,
    key: Option<String>,
}

impl<W: Write> Life<'_, W> {
    async fn play(&mut self) -> anyhow::Result<()> {
        self.sign_up().await?;
        self.use_up_the_free_quota().await?;
        self.buy("basic").await?;
        self.switch_to("pro").await?;
        self.deliver_everything_again().await?;
        self.stop_paying().await?;
        self.pay_again().await?;
        self.cancel().await?;
        self.buy("pro").await?;
        self.dispute().await?;
        self.leave().await
    }

    /// 403 without a key; then an account, a key, and 200.
    async fn sign_up(&mut self) -> anyhow::Result<()> {
        self.timeline.clock()?;
        let answers = [self.ann.hello(None).await?];
        self.timeline.answers("api", &answers)?;
        let mut answers = self.ann.sign_up().await?;
        self.stack.settle().await?;
        answers.push(self.ann.sign_in().await?);
        self.stack.settle().await?;
        let id = self.ann.id()?;
        self.id = Some(id.clone());
        self.timeline.answers("customer", &hide_bodies(answers))?;
        self.timeline.happened(&id).await?;
        self.key = Some(self.ann.key().await?);
        self.look().await
    }

    /// A burst is throttled (429), and the month's quota ends (429).
    async fn use_up_the_free_quota(&mut self) -> anyhow::Result<()> {
        self.timeline.clock()?;
        for _ in 0..2 {
            self.hello().await?;
        }
        self.stack.advance(SignedDuration::from_secs(10)).await?;
        self.timeline.clock()?;
        for _ in 0..2 {
            self.hello().await?;
        }
        self.stack.advance(SignedDuration::from_secs(10)).await?;
        self.timeline.clock()?;
        for _ in 0..2 {
            self.hello().await?;
        }
        self.stack.world.calls.take();
        Ok(())
    }

    async fn buy(&mut self, plan: &str) -> anyhow::Result<()> {
        self.stack.advance(SignedDuration::from_mins(50)).await?;
        self.stack.world.calls.take();
        self.timeline.clock()?;
        self.ann.sign_in().await?;
        let mut answers = self.ann.buy(plan).await?;
        // Before Tollgate has heard of it, she clicks once more: she pays once.
        let again = Some(json!({ "plan": plan }));
        answers.push(self.ann.account("POST", "/account/plan", again).await?);
        self.timeline.answers("customer", &answers)?;
        self.stack.settle().await?;
        self.told().await?;
        self.look().await
    }

    /// A better plan: Stripe's page asks for its confirmation, and it is paid at once.
    async fn switch_to(&mut self, plan: &str) -> anyhow::Result<()> {
        self.stack.advance(5 * DAY).await?;
        self.stack.world.calls.take();
        self.timeline.clock()?;
        self.ann.sign_in().await?;
        let subscription = self.subscription()?;
        let answers = self.ann.choose(plan, "switch", &subscription).await?;
        self.timeline.answers("customer", &answers)?;
        self.stack.settle().await?;
        self.told().await?;
        self.look().await
    }

    /// Every webhook so far once more, the newest first: nothing changes.
    async fn deliver_everything_again(&mut self) -> anyhow::Result<()> {
        self.stack.advance(SignedDuration::from_hours(1)).await?;
        self.stack.world.calls.take();
        self.timeline.clock()?;
        let deliveries: Vec<_> = {
            let stripe = self.stack.world.stripe.account();
            let endpoint = stripe.endpoints().next().map(|endpoint| endpoint.id.clone());
            let endpoint = endpoint.context("no endpoint")?;
            let ids: Vec<_> = stripe.events().map(|event| event.id.clone()).collect();
            ids.iter().filter_map(|id| stripe.redeliver(id, &endpoint)).collect()
        };
        for delivery in &deliveries {
            self.stack.world.stripe.deliver(&self.stack.http, delivery).await;
        }
        self.stack.settle().await?;
        self.told().await?;
        self.look().await
    }

    /// The card fails at the renewal: grace, and when that is over, the free plan.
    async fn stop_paying(&mut self) -> anyhow::Result<()> {
        self.card(Card::Declines)?;
        self.stack.advance(26 * DAY).await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await?;
        self.stack.advance(7 * DAY).await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await
    }

    async fn pay_again(&mut self) -> anyhow::Result<()> {
        self.stack.world.calls.take();
        self.card(Card::Pays)?;
        let subscription = self.subscription()?;
        self.stack.world.stripe.account().pay_latest_invoice(&subscription)?;
        self.stack.settle().await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await
    }

    /// Cancelled in the portal: paid until the period ends, then the free plan.
    async fn cancel(&mut self) -> anyhow::Result<()> {
        self.stack.advance(DAY).await?;
        self.stack.world.calls.take();
        self.timeline.clock()?;
        self.ann.sign_in().await?;
        let subscription = self.subscription()?;
        let answers = self.ann.portal("cancel_later", &subscription, "").await?;
        self.timeline.answers("customer", &answers)?;
        self.stack.settle().await?;
        self.told().await?;
        self.look().await?;
        self.stack.advance(28 * DAY).await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await
    }

    /// A dispute holds the key until it is won.
    async fn dispute(&mut self) -> anyhow::Result<()> {
        self.stack.advance(3 * DAY).await?;
        self.stack.world.calls.take();
        let customer = self.payer()?;
        let dispute = self.stack.world.stripe.account().open_dispute(&customer)?;
        self.stack.settle().await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await?;
        self.stack.advance(2 * DAY).await?;
        self.stack.world.calls.take();
        self.stack.world.stripe.account().close_dispute(&dispute, true)?;
        self.stack.settle().await?;
        self.timeline.clock()?;
        self.told().await?;
        self.look().await
    }

    /// The user is deleted: the key is too, and nothing is charged any more.
    async fn leave(&mut self) -> anyhow::Result<()> {
        self.stack.advance(DAY).await?;
        self.stack.world.calls.take();
        self.timeline.clock()?;
        let user = json!({ "UserPoolId": POOL_ID, "Username": "ann" });
        let answers = [self.ann.cognito("AdminDeleteUser", user).await?];
        self.timeline.answers("seller", &answers)?;
        self.stack.settle().await?;
        self.told().await?;
        self.hello().await
    }

    /// What the customer sees: their account, and the protected API with their key.
    async fn look(&mut self) -> anyhow::Result<()> {
        self.ann.sign_in().await?;
        let answer = self.ann.account("GET", "/account", None).await?;
        let view = answer.json();
        let seen = format!("plan {}, {}", view["plan"], view["status"]);
        self.timeline.answers("customer", &[HttpAnswer { body: seen, ..answer }])?;
        self.stack.settle().await?;
        self.stack.world.calls.take();
        self.hello().await
    }

    async fn hello(&mut self) -> anyhow::Result<()> {
        let answers = [self.ann.hello(self.key.as_deref()).await?];
        self.timeline.answers("api", &answers)
    }

    async fn told(&mut self) -> anyhow::Result<()> {
        let id = self.id.clone().context("nobody signed up")?;
        self.timeline.happened(&id).await
    }

    fn card(&self, card: Card) -> anyhow::Result<()> {
        let customer = self.payer()?;
        self.stack.world.stripe.account().set_card(&customer, card)?;
        Ok(())
    }

    fn payer(&self) -> anyhow::Result<String> {
        let stripe = self.stack.world.stripe.account();
        let id = stripe.customers().next().map(|customer| customer.id.clone());
        id.context("nobody has bought anything")
    }

    fn subscription(&self) -> anyhow::Result<String> {
        let customer = self.payer()?;
        let stripe = self.stack.world.stripe.account();
        let live = stripe.subscriptions_of(&customer).into_iter();
        let live = live.filter(|subscription| !subscription.status.is_final());
        live.map(|row| row.id.clone()).next().context("there is no subscription")
    }

    /// Checks the invariants, and prints what was looked at.
    async fn prove(&mut self) -> anyhow::Result<bool> {
        let minted: Vec<_> = self.key.iter().cloned().collect();
        let checks = check(self.stack, &minted).await?;
        self.timeline.line("\ninvariants")?;
        for check in &checks {
            let verdict = if check.violations.is_empty() { "holds" } else { "BROKEN" };
            let line = format!("  {verdict:<9} {:<58} {}", check.name, check.looked_at);
            self.timeline.line(&line)?;
            for violation in &check.violations {
                self.timeline.line(&format!("            {violation}"))?;
            }
        }
        Ok(checks.iter().all(|check| check.violations.is_empty()))
    }
}

/// Cognito's answers hold tokens: their status says enough.
fn hide_bodies(answers: Vec<HttpAnswer>) -> Vec<HttpAnswer> {
    answers.into_iter().map(|answer| HttpAnswer { body: String::new(), ..answer }).collect()
}
