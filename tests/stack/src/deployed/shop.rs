//! The Stripe stand-in, served on loopback for the functions to call, on real time: its
//! clock follows the machine's, and webhooks go out as they fall due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_standin::calls::Calls;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::stripe::{DeliveryAnswer, Settings, StripeStandin, router};

use super::http;

/// How often what is due is sent.
const PUMP: Duration = Duration::from_millis(100);

/// A seller's Stripe account.
pub struct Shop {
    /// The account.
    pub stripe: StripeStandin,
    /// Where its API and its pages are.
    pub url: String,
    http: reqwest::Client,
    down: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Shop {
    /// Opens it.
    ///
    /// # Errors
    /// No port on loopback.
    pub async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let now = SystemClock.now();
        // Ids differ from run to run, as Stripe's do.
        let settings = Settings {
            seed: now.as_millisecond().unsigned_abs(),
            base_url: url.clone(),
            ..Settings::default()
        };
        let stripe = StripeStandin::new(VirtualClock::starting_at(now), Calls::default(), settings);
        let http = http::client()?;
        let down = Arc::new(AtomicBool::new(false));
        let app = router(stripe.clone()).layer(from_fn({
            let down = Arc::clone(&down);
            move |request, next| answer(Arc::clone(&down), request, next)
        }));
        let serving = tokio::spawn(async move {
            // It ends with its task; an error would show at the next request.
            let _ = axum::serve(listener, app).await;
        });
        let sending = tokio::spawn(pump(stripe.clone(), http.clone()));
        Ok(Self { stripe, url, http, down, tasks: vec![serving, sending] })
    }

    /// Whether Stripe's API answers at all; webhooks go out all the same.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Sends an event once more; returns the status that answered it.
    ///
    /// # Errors
    /// No such event, or no answer.
    pub async fn send_again(&self, event: &str) -> anyhow::Result<u16> {
        let delivery = {
            let stripe = self.stripe.account();
            let endpoint = stripe.endpoints().next().context("no endpoint")?.id.clone();
            stripe.redeliver(event, &endpoint).context("no such event")?
        };
        match self.stripe.deliver(&self.http, &delivery).await {
            DeliveryAnswer::Status(status) => Ok(status),
            DeliveryAnswer::None => anyhow::bail!("the webhook endpoint did not answer"),
        }
    }

    /// The newest event of a type.
    pub fn newest(&self, kind: &str) -> Option<String> {
        let stripe = self.stripe.account();
        stripe.events().find(|event| event.kind == kind).map(|event| event.id.clone())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn answer(down: Arc<AtomicBool>, request: Request, next: Next) -> Response {
    if down.load(Ordering::SeqCst) && request.uri().path().starts_with("/v1/") {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

async fn pump(stripe: StripeStandin, http: reqwest::Client) {
    loop {
        stripe.advance_to(SystemClock.now());
        stripe.deliver_due(&http).await;
        tokio::time::sleep(PUMP).await;
    }
}
