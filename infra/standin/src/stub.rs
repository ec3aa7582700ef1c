//! A server that knows no service: it gives prepared answers in order, and remembers what it was
//! asked. For tests of what a client makes of an answer that no stand-in gives.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::serve::{Listener, ListenerExt};
use tokio::net::TcpListener;

use crate::tls::Tls;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET /path?query`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as text.
    pub body: String,
}

/// One prepared answer.
#[derive(Debug)]
pub struct StubAnswer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

impl StubAnswer {
    /// An answer with this status and JSON.
    #[expect(clippy::needless_pass_by_value, reason = "tests pass literals")]
    pub fn new(status: u16, body: impl ToString) -> Self {
        Self { status, headers: vec![("content-type", "application/json")], body: body.to_string() }
    }

    /// The same, with one header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[derive(Default)]
struct Script {
    answers: VecDeque<StubAnswer>,
    asked: Vec<Asked>,
}

/// The server; it ends with the test's runtime.
pub struct Stub {
    /// Where it listens.
    pub url: String,
    script: Arc<Mutex<Script>>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// With these answers, each for one request; whoever asks for more is answered "not implemented".
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn answering(answers: impl IntoIterator<Item = StubAnswer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(listener, url, answers)
    }

    /// Over TLS, with a certificate that nobody vouches for; beside the stub it, as PEM.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn over_tls(answers: impl IntoIterator<Item = StubAnswer>) -> (Self, String) {
        let listener = Tls::bind("127.0.0.1").await;
        let (url, pem) = (listener.url(), listener.pem.clone());
        (Self::serve(listener, url, answers), pem)
    }

    fn serve<L: Listener<Addr: Debug>>(
        listener: L,
        url: String,
        answers: impl IntoIterator<Item = StubAnswer>,
    ) -> Self {
        let answers = answers.into_iter().collect();
        let script = Arc::new(Mutex::new(Script { answers, asked: vec![] }));
        let router = Router::new().fallback(answer).with_state(script.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let listener = listener.tap_io(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, script, connections }
    }

    /// How many connections were made; over TLS, how many handshakes were done.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Every request, in order.
    ///
    /// # Panics
    /// Where the server has panicked.
    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().expect("nobody panics with it").asked.clone()
    }

    /// `GET /path?query` of each request.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut script = script.lock().expect("nobody panics with it");
    script.asked.push(Asked { line: format!("{method} {uri}"), headers, body });
    let answer = script.answers.pop_front();
    let Some(answer) = answer else { return StatusCode::NOT_IMPLEMENTED.into_response() };
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
