//! A customer's walk through the page, in a real browser.
//!
//! The local stack in this process, Debian's Chromium by its driver. What the customer reads is what
//! the page shows; what comes of it is asked of the API that is sold. In the middle the webhook is
//! dead, and the customer does not notice; a month later the card is refused, and she gives a new
//! one. With `--axe`, every state of the page that is seen is looked through for what keeps people
//! out.

mod browser;

use std::collections::BTreeSet;
use std::io::{Write, sink, stdout};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_local::serve;
use tollgate_local::stack::Stack;
use tollgate_standin::stripe::{Card, EndpointUpdate};

use browser::Browser;
pub use browser::Window;

/// How to walk.
pub struct Options {
    /// Where to put a picture of each step.
    pub shots: Option<PathBuf>,
    /// axe-core's script.
    pub axe: Option<PathBuf>,
    /// The browser's window.
    pub window: Window,
}

/// How often it is looked whether something has appeared, and what lies between two looks.
const LOOKS: usize = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// What comes of trying until it works, or has not for too long.
async fn patiently<T>(attempt: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    for _ in 1..LOOKS {
        if let Ok(done) = attempt().await {
            return Ok(done);
        }
        tokio::time::sleep(PAUSE).await;
    }
    attempt().await
}

/// Real time, and the days that were skipped.
#[derive(Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_hours(24 * self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: SignedDuration) {
        SystemClock.sleep(duration).await;
    }
}

/// Walks through the page of a stack in this process, and writes each step.
///
/// # Errors
/// Something is not as a customer expects it; the driver or the browser is not there.
pub async fn walk(options: &Options) -> anyhow::Result<()> {
    let clock = Ahead::default();
    let stack = serve::start(None, &clock).await?;
    let browser = Browser::start(&options.window).await?;
    let axe = options.axe.as_ref().map(std::fs::read_to_string).transpose();
    let axe = axe.context("axe-core's script cannot be read")?;
    let shots = options.shots.clone();
    let page = Walk {
        browser,
        stack: &stack,
        clock: &clock,
        shots,
        axe,
        step: 0,
        called: BTreeSet::new(),
        checked: 0,
    };
    let mut nowhere = sink();
    tokio::select! {
        walked = page.walk() => walked,
        ended = serve::serve(&stack, &clock, &mut nowhere) => ended,
    }
}

struct Walk<'a> {
    browser: Browser,
    stack: &'a Stack,
    clock: &'a Ahead,
    shots: Option<PathBuf>,
    axe: Option<String>,
    step: usize,
    /// Whom the page has called.
    called: BTreeSet<&'static str>,
    /// States that axe-core has looked at.
    checked: usize,
}

impl Walk<'_> {
    async fn walk(mut self) -> anyhow::Result<()> {
        let told = self.story().await;
        if told.is_err() {
            self.shot("failed").await?;
            told.with_context(|| "see the picture of the last step, with --shots DIR")?;
        }
        let called: Vec<_> = self.called.iter().copied().collect();
        self.told(&format!("the page has called {}, and nobody else", called.join(" and ")));
        if self.axe.is_some() {
            self.told(&format!("axe-core found nothing in {} states of the page", self.checked));
        }
        self.browser.close().await?;
        Ok(())
    }

    async fn story(&mut self) -> anyhow::Result<()> {
        self.browser.open(&self.stack.urls.tollgate).await?;
        self.sees("a visitor reads what is sold", "49.00 USD a month").await?;
        self.click("Get a free key").await?;
        self.sees("and is at the login", "Forgot your password?").await?;
        self.click("Create an account").await?;
        self.write("username", "ann").await?;
        self.write("email", "ann@example.com").await?;
        self.write("password", "Correct-horse-7").await?;
        self.click("Sign up").await?;
        let code = self.stack.world.cognito.code("ann").context("a mail is sent")?;
        self.write("code", &code).await?;
        self.click("Confirm").await?;
        self.sees("she has a key", "curl -H").await?;
        self.sees("and knows why", "You have Free, which costs nothing.").await?;

        let key = self.key().await?;
        ensure!(self.calls(&key).await? == 200, "the key does not open the API");
        let mut status = 200;
        for _ in 0..10 {
            status = self.calls(&key).await?;
        }
        ensure!(status == 429, "the quota does not end: {status}");
        self.told("her quota ends: 429");

        self.webhook(false);
        self.click("Choose Pro – $49.00 a month").await?;
        self.sees("she is at the checkout, and the webhook is dead", "Checkout").await?;
        self.click("Subscribe").await?;
        self.sees("she has paid, and has it all the same", "You pay for Pro; it renews").await?;
        ensure!(self.key().await? == key, "the key was replaced");
        ensure!(self.calls(&key).await? == 200, "the key does not open the API after paying");
        self.webhook(true);

        self.click("Change to Basic – $9.00 a month").await?;
        self.sees("a lesser plan is to be confirmed", "From Pro").await?;
        self.click("Confirm").await?;
        self.sees("and comes with the period", ", then Basic.").await?;
        self.click("Take it back").await?;
        self.click("Do not change it").await?;
        self.click("Back").await?;
        self.sees("she has changed her mind", "You pay for Pro; it renews").await?;

        self.card(Card::Declines)?;
        self.skip(32).await;
        self.sign_in_again("a month later her card is refused", "Update your card").await?;
        self.sees("and she is told until when it stays", "Pay by ").await?;
        self.click("Update your card").await?;
        self.sees("she gives another", "Payment method").await?;
        self.click("Save").await?;
        self.sees("and knows what comes of it", "is charged at the next attempt").await?;
        self.skip(5).await;
        self.sign_in_again("and goes on as before", "You pay for Pro; it renews").await?;
        ensure!(self.key().await? == key, "the key was replaced");

        self.click("Cancel, and go on with Free").await?;
        self.click("Cancel").await?;
        self.sees("she cancels", "; then it ends.").await?;
        self.click("Sign out").await?;
        self.sees("and is signed out", "Get a free key").await?;

        // What was chosen before signing in leads to the checkout by one click.
        let wish = format!("{}/?offer=pro_yearly", self.stack.urls.tollgate);
        self.browser.open(&wish).await?;
        self.sees("who is signed out signs in first", "Forgot your password?").await?;
        let evil = format!("{}/?offer=%3Cscript%3Ealert(1)%3C/script%3E", self.stack.urls.tollgate);
        self.browser.open(&evil).await?;
        self.sees("whatever an address asks for", "Forgot your password?").await?;
        self.write("username", "ann").await?;
        self.write("password", "Correct-horse-7").await?;
        self.click("Sign in").await?;
        self.sees("is text", "There is no such plan.").await?;
        // A code that is not this tab's, with a state that is not ours.
        let forged = format!("{}/?code=forged&state=forged", self.stack.urls.tollgate);
        self.browser.open(&forged).await?;
        self.sees("a forged answer of the login is refused", "was not begun here").await
    }

    /// The card on file from now on: she has not touched it.
    fn card(&self, card: Card) -> anyhow::Result<()> {
        let mut stripe = self.stack.world.stripe.account();
        let customer = stripe.customers().next().map(|it| it.id.clone());
        Ok(stripe.set_card(&customer.context("a customer")?, card)?)
    }

    /// Days pass, and Stripe bills what is due.
    async fn skip(&self, days: i64) {
        self.clock.0.fetch_add(days, Ordering::Relaxed);
        let then = self.clock.now();
        while self.stack.clock().now() < then {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Days later: the session has ended, and the page says so.
    async fn sign_in_again(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        self.browser.reload().await?;
        self.sees("days later the session has ended", "Your session has ended.").await?;
        self.click("Sign in").await?;
        self.write("username", "ann").await?;
        self.write("password", "Correct-horse-7").await?;
        self.click("Sign in").await?;
        self.sees(what, text).await
    }

    /// Looks through what is shown, if it is ours: whom it has called, and WCAG 2.2 AA.
    async fn check(&mut self, what: &str) -> anyhow::Result<()> {
        let urls = &self.stack.urls;
        if !self.browser.address().await?.starts_with(&urls.tollgate) {
            return Ok(());
        }
        let loaded = "arguments[0](performance.getEntriesByType('resource').map(it => it.name))";
        for called in self.browser.ask(loaded).await?.as_array().into_iter().flatten() {
            let called = called.as_str().unwrap_or_default();
            let whom = [(&urls.tollgate, "its own host"), (&urls.aws, "the login")]
                .into_iter()
                .find(|(url, _)| called.starts_with(&format!("{url}/")));
            let (_, whom) = whom.with_context(|| format!("{what}: the page calls {called}"))?;
            self.called.insert(whom);
        }
        let Some(axe) = &self.axe else { return Ok(()) };
        self.browser.run(axe).await?;
        let run = "const done = arguments[arguments.length - 1];\
                   axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', \
                   'wcag22aa', 'best-practice'] }).then(it => done(it.violations.map(v => \
                   `${v.id}: ${v.nodes.map(n => `${n.html} (${n.failureSummary})`).join('; ')}`)), \
                   e => done([String(e)]));";
        let found = self.browser.ask(run).await?;
        let found: Vec<_> =
            found.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        ensure!(found.is_empty(), "{what}: axe-core finds {}", found.join("\n"));
        self.checked += 1;
        Ok(())
    }

    fn told(&self, what: &str) {
        let _ = writeln!(stdout(), "  {what}");
    }

    async fn sees(&mut self, what: &str, text: &str) -> anyhow::Result<()> {
        patiently(async || {
            let seen = self.text().await?;
            let address = self.browser.address().await?;
            ensure!(seen.contains(text), "{what}: `{text}` is not shown at {address}, but: {seen}");
            Ok(())
        })
        .await?;
        self.told(what);
        self.shot(what).await?;
        self.check(what).await
    }

    async fn text(&self) -> anyhow::Result<String> {
        self.browser.text("//body").await
    }

    /// Clicks a button or a link by its words, when it is there.
    async fn click(&self, label: &str) -> anyhow::Result<()> {
        let path = format!("//*[self::button or self::a][normalize-space(.)='{label}']");
        let clicked = patiently(async || self.browser.click(&path).await).await;
        let Err(error) = clicked else { return Ok(()) };
        let seen = self.text().await.unwrap_or_default();
        Err(error).with_context(|| format!("no `{label}` in: {seen}"))
    }

    async fn write(&self, field: &str, text: &str) -> anyhow::Result<()> {
        let path = format!("//input[@name='{field}']");
        patiently(async || self.browser.write(&path, text).await).await
    }

    /// The key's value, shown and hidden again.
    async fn key(&self) -> anyhow::Result<String> {
        self.click("Show").await?;
        let value = patiently(async || {
            let value = self.browser.text("//*[@id='value']").await?;
            ensure!(!value.contains('•'), "the key is not shown");
            Ok(value)
        });
        let value = value.await?;
        self.click("Hide").await?;
        Ok(value)
    }

    /// Calls the API that is sold: its status.
    async fn calls(&self, key: &str) -> anyhow::Result<u16> {
        let url = format!("{}/prod/hello", self.stack.urls.api);
        // A new key takes its time, and so does a plan's throttle.
        for _ in 0..40 {
            let answer = self.stack.http.get(&url).header("x-api-key", key).send().await?;
            let status = answer.status().as_u16();
            let told = answer.text().await?;
            if status != 403 && !told.contains("Too Many Requests") {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bail!("the API refuses the key")
    }

    /// Whether Stripe's events arrive.
    fn webhook(&self, on: bool) {
        let mut stripe = self.stack.world.stripe.account();
        let all: Vec<_> = stripe.endpoints().map(|it| it.id.clone()).collect();
        for id in all {
            let update = EndpointUpdate { disabled: Some(!on), ..EndpointUpdate::default() };
            let _ = stripe.update_endpoint(&id, update);
        }
    }

    async fn shot(&mut self, what: &str) -> anyhow::Result<()> {
        let Some(folder) = self.shots.clone() else { return Ok(()) };
        std::fs::create_dir_all(&folder)?;
        self.step += 1;
        let name = format!("{:02}-{}.png", self.step, what.replace([' ', ',', ':'], "-"));
        std::fs::write(folder.join(name), self.browser.picture().await?)?;
        Ok(())
    }
}
