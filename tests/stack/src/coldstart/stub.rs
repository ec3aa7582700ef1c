//! Lambda's Runtime API; the AWS services and Stripe, behind TLS.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::map_request_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;
use tollgate_local::secrets as local_secrets;
use tollgate_standin::clock::VirtualClock;
use tollgate_standin::secrets_manager;
use tollgate_standin::stripe;
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
    lambda: Lambda,
    answers: AsyncMutex<mpsc::UnboundedReceiver<Instant>>,
    servers: Vec<JoinHandle<()>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

/// What the Runtime API hands out, and whom it tells of answers.
#[derive(Clone)]
struct Lambda {
    event: Arc<Mutex<Option<Value>>>,
    answered: mpsc::UnboundedSender<Instant>,
}

impl Stub {
    /// # Errors
    /// A port or the certificate cannot be had.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let (answered, answers) = mpsc::unbounded_channel();
        let lambda = Lambda { event: Arc::default(), answered };
        let runtime = TcpListener::bind("127.0.0.1:0").await?;
        let tls = Tls::bind().await?;
        let (secrets_tls, stripe_tls) = (tls.beside().await?, tls.beside().await?);
        let runtime_api = runtime.local_addr()?.to_string();
        let (aws, secrets, stripe) = (tls.url()?, secrets_tls.url()?, stripe_tls.url()?);
        let [certificates, certificate] =
            ["certificates.pem", "certificate.pem"].map(|it| dir.join(it));
        std::fs::write(&certificates, authorities() + &tls.pem)?;
        std::fs::write(&certificate, &tls.pem)?;
        let world = World::on(VirtualClock::starting_at("2026-03-01T09:00:00Z".parse()?), 1, &aws);
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request}/{kind}", post(answer))
            .with_state(lambda.clone());
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
            lambda,
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
        *self.lambda.event.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
    }

    /// When the event's answer came.
    pub(super) async fn answered(&self) -> anyhow::Result<Instant> {
        self.answers.lock().await.recv().await.context("the stub has ended")
    }
}

async fn next(State(lambda): State<Lambda>) -> Response {
    let event = lambda.event.lock().unwrap_or_else(PoisonError::into_inner).take();
    match event {
        Some(event) => {
            let headers = [
                ("lambda-runtime-aws-request-id", "request-1"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:0:function:f"),
            ];
            (headers, Json(event)).into_response()
        }
        // No second event: the function waits until it is stopped.
        None => std::future::pending().await,
    }
}

async fn answer(State(lambda): State<Lambda>) -> StatusCode {
    // Nobody listens when the measurement has ended.
    let _ = lambda.answered.send(Instant::now());
    StatusCode::ACCEPTED
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

/// A listener with a certificate for `localhost`.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    pem: String,
}

impl Tls {
    async fn bind() -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)), pem: cert.pem() })
    }

    /// Another port with the same certificate.
    async fn beside(&self) -> anyhow::Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { tcp, acceptor: self.acceptor.clone(), pem: self.pem.clone() })
    }

    fn url(&self) -> anyhow::Result<String> {
        Ok(format!("https://localhost:{}", self.tcp.local_addr()?.port()))
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            // Else the answer waits for the client's delayed acknowledgement of the handshake.
            let _ = stream.set_nodelay(true);
            // Who does not finish the handshake is not served.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
