//! The client of Stripe's API: async-stripe's requests on hyper and rustls
//! (`docs/adr/0003-async-stripe.md`). HTTP and TLS are theirs; what the answer's headers
//! mean is here.
//!
//! *Expected flow.* One client for each process. The first call connects, later ones use
//! that connection again; calls at the same time have one each.
//!
//! *Guarantees.* A call is tried once here; who may try it again is the port's business. No call takes longer than [`TIMEOUT`]. The key is in
//! no `Debug` output and in no error.
//!
//! *Caveats.* A kept connection that the other end has closed costs no call: hyper notices
//! before the request is on its way, and sends it over a new one. Closed at that very
//! moment, it is a lost answer, [`CallError::Lost`]. HTTP/1.1 only: a function has few calls
//! at a time, and each fault stays with one of them.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, InvalidHeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::http::response::Parts;
use hyper::http::uri::InvalidUri;
use hyper::http::{HeaderValue, Method, Request, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{IdempotencyKey, RequestBuilder, StripeMethod, VERSION};

use super::answer::Reply;
use super::refusal::Refusal;
use crate::adapters::error::whole_seconds;
use crate::adapters::hindrance;
use crate::config::StripeEndpoint;

/// Stripe's own origin.
const ORIGIN: &str = "https://api.stripe.com";
/// How long one call may take, from connecting to the answer's last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept without a call: not as long as servers keep theirs, which
/// is a minute or more. <https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout>
const IDLE: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum StripeApiError {
    /// The key cannot go into a header.
    #[error("Stripe's secret key has characters that no key has")]
    Key(#[source] InvalidHeaderValue),
    /// No address can be made with the base.
    #[error("the base of Stripe's API is no URL")]
    Base(#[source] InvalidUri),
    /// A certificate is none to trust.
    #[error("the certificates to trust for Stripe cannot be used")]
    Roots(#[source] rustls::Error),
}

/// Why a call has no answer to read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Stripe says no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The answer is none of Stripe's.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
    /// The request cannot be sent as it is.
    #[error("the request could not be built")]
    Unsendable(#[from] hyper::http::Error),
    /// Not sent, or sent and not answered: the call may have taken effect.
    #[error("{0}")]
    Lost(String),
    /// The same, after [`TIMEOUT`].
    #[error("timed out")]
    TimedOut,
}

impl CallError {
    /// The connector's own words: host names and TLS alerts, no payload.
    fn lost(error: &(dyn Error + 'static)) -> Self {
        if let Some((_, text)) = hindrance::of(error) {
            return Self::Lost(text);
        }
        let causes = successors(Some(error), |&error| error.source());
        Self::Lost(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// The client; every clone has the same connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Everything before the path: the origin and `/v1`.
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(
        key: &SecretString,
        endpoint: &StripeEndpoint,
    ) -> Result<Self, StripeApiError> {
        let origin = endpoint.base.as_deref().unwrap_or(ORIGIN);
        let base = format!("{}/v1", origin.trim_end_matches('/'));
        base.parse::<Uri>().map_err(StripeApiError::Base)?;
        let bearer = format!("Bearer {}", key.expose_secret());
        let mut authorization = HeaderValue::try_from(bearer).map_err(StripeApiError::Key)?;
        authorization.set_sensitive(true);
        let tls = tls(endpoint.roots.as_deref()).map_err(StripeApiError::Roots)?;
        Ok(Self { http: http(tls), base, authorization, timeout: TIMEOUT })
    }

    fn request(
        &self,
        request: RequestBuilder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
        let mut builder = Request::builder()
            .method(method(request.method))
            .uri(format!("{}{}{query}", self.base, request.path))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, AGENT)
            .header("stripe-version", VERSION.as_str());
        if let Some(key) = key {
            builder = builder.header("idempotency-key", key.as_str());
        }
        if request.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        Ok(builder.body(Full::from(request.body.unwrap_or_default()))?)
    }

    /// Stripe's answer, after one try.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Reply, CallError> {
        let request = self.request(request, key)?;
        let answer = tokio::time::timeout(self.timeout, self.answer(request)).await;
        answer.unwrap_or(Err(CallError::TimedOut))
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Reply, CallError> {
        let answer = self.http.request(request).await;
        let (head, body) = answer.map_err(|error| CallError::lost(&error))?.into_parts();
        let body = body.collect().await.map_err(|error| CallError::lost(&error))?.to_bytes();
        let (replayed, request_id) = (replayed(&head), text(&head, "request-id"));
        tracing::debug!(status = head.status.as_u16(), request_id, replayed, "Stripe answered");
        if head.status.is_success() {
            Ok(Reply { body, replayed })
        } else {
            Err(refused(&head, &body))
        }
    }
}

/// Mozilla's authorities, or the given ones instead.
fn tls(roots: Option<&[CertificateDer<'static>]>) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let config = match roots {
        None => config.with_webpki_roots(),
        Some(roots) => {
            let mut trusted = RootCertStore::empty();
            roots.iter().try_for_each(|root| trusted.add(root.clone()))?;
            config.with_root_certificates(trusted)
        }
    };
    Ok(config.with_no_client_auth())
}

fn http(tls: ClientConfig) -> legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

fn method(method: StripeMethod) -> Method {
    match method {
        StripeMethod::Get => Method::GET,
        StripeMethod::Post => Method::POST,
        StripeMethod::Delete => Method::DELETE,
    }
}

/// <https://docs.stripe.com/error-low-level#idempotency>
fn replayed(head: &Parts) -> bool {
    text(head, "idempotent-replayed") == Some("true")
}

/// A page of a machine before Stripe's has no error in it, and its status says nothing of
/// what was asked for: a page not found is no customer not found. Only too many calls are
/// too many wherever they are counted.
fn refused(head: &Parts, body: &[u8]) -> CallError {
    let status = head.status.as_u16();
    let refusal = match (Refusal::read(body), status) {
        (Some(refusal), _) => refusal,
        (None, 429) => Refusal::default(),
        (None, _) => return CallError::Unreadable(format!("HTTP {status} without an error")),
    };
    CallError::Refused(Box::new(Refusal {
        status,
        after: text(head, RETRY_AFTER.as_str()).and_then(whole_seconds),
        limit: text(head, "stripe-rate-limited-reason").map(str::to_owned),
        replayed: replayed(head),
        ..refusal
    }))
}

fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
