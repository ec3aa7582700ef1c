//! Lambda's Runtime API; the AWS services and Stripe, behind TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use axum::extract::{Request, State};
use axum::middleware::map_request_with_state;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tollgate_local::secrets as local_secrets;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::lambda::{self, Event};
use tollgate_standin::secrets_manager;
use tollgate_standin::stripe;
use tollgate_standin::tls::Tls;
use tollgate_standin::world::World;
use tower::ServiceExt;

use super::events::WEBHOOK_SECRET;

/// The stubs; they end with this value.
pub(super) struct Stub {
    /// Host and port of the Runtime API.
    pub(super) runtime_api: String,
    /// All of AWS but Secrets Manager.
    pub(super) aws: String,
    /// Secrets Manager: a host of its own, as on AWS, and so a handshake of its own.
    pub(super) secrets: String,
    /// Stripe's API.
    pub(super) stripe: String,
    /// Whom the functions trust for AWS: the machine's authorities, and the stub's.
    pub(super) certificates: PathBuf,
    /// The stub's alone.
    pub(super) certificate: PathBuf,
    asked_stripe: Arc<AtomicUsize>,
    event: Event,
    answers: AsyncMutex<mpsc::UnboundedReceiver<Instant>>,
    servers: Vec<JoinHandle<()>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl Stub {
    /// # Errors
    /// A port or the certificate cannot be had.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let (answered, answers) = mpsc::unbounded_channel();
        let event = Event::default();
        let runtime = TcpListener::bind("127.0.0.1:0").await?;
        let tls = Tls::bind("localhost").await;
        let (secrets_tls, stripe_tls) = (tls.beside().await, tls.beside().await);
        let runtime_api = runtime.local_addr()?.to_string();
        let (aws, secrets, stripe) = (tls.url(), secrets_tls.url(), stripe_tls.url());
        let [certificates, certificate] =
            ["certificates.pem", "certificate.pem"].map(|it| dir.join(it));
        std::fs::write(&certificates, authorities() + &tls.pem)?;
        std::fs::write(&certificate, &tls.pem)?;
        let world = World::on(VirtualClock::starting_at("2026-03-01T09:00:00Z".parse()?), 1, &aws);
        let routes = lambda::router(event.clone(), move |_, _| {
            // Nobody listens when the measurement has ended.
            let _ = answered.send(Instant::now());
        });
        local_secrets::create(&world.secrets, WEBHOOK_SECRET);
        let services = Router::new().fallback(service).with_state(world.sqs.service());
        let asked_stripe = Arc::new(AtomicUsize::new(0));
        let counting = map_request_with_state(asked_stripe.clone(), count);
        let stripe_api = stripe::router(world.stripe.clone()).layer(counting);
        let servers = vec![
            serve(runtime, routes),
            serve(tls, services),
            serve(secrets_tls, secrets_manager::router(world.secrets.clone())),
            serve(stripe_tls, stripe_api),
        ];
        Ok(Self {
            runtime_api,
            aws,
            secrets,
            stripe,
            certificates,
            certificate,
            asked_stripe,
            event,
            answers: AsyncMutex::new(answers),
            servers,
        })
    }

    /// How many requests Stripe had since this was asked last.
    pub(super) fn asked_stripe(&self) -> usize {
        self.asked_stripe.swap(0, Ordering::Relaxed)
    }

    /// The event for whoever asks next.
    pub(super) fn offer(&self, event: Value) {
        self.event.offer(event);
    }

    /// When the event's answer came.
    pub(super) async fn answered(&self) -> anyhow::Result<Instant> {
        self.answers.lock().await.recv().await.context("the stub has ended")
    }
}

async fn count(State(asked): State<Arc<AtomicUsize>>, request: Request) -> Request {
    asked.fetch_add(1, Ordering::Relaxed);
    request
}

/// Takes messages; has no item.
async fn service(State(sqs): State<Router>, request: Request) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    match target.unwrap_or_default().split_once('.') {
        Some(("AmazonSQS", _)) => match sqs.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        _ => Json(json!({ "Items": [], "Count": 0 })).into_response(),
    }
}

/// The machine's certificate authorities, so that loading them costs what it costs.
fn authorities() -> String {
    const BUNDLES: [&str; 2] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    BUNDLES.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

/// Serves until the task is aborted.
fn serve<L>(listener: L, routes: Router) -> JoinHandle<()>
where
    L: Listener<Addr: std::fmt::Debug>,
{
    tokio::spawn(async { drop(axum::serve(listener, routes).await) })
}
