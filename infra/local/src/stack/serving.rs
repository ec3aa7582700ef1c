//! Ports of this machine, and what listens there.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_http::cors::{Any, CorsLayer};

use crate::access::Access;

/// An endpoint of Stripe's API, whose callers are noted.
pub(super) fn noted(access: &Access, endpoint: Router) -> Router {
    let access = access.clone();
    endpoint.layer(from_fn(move |request: Request, next: Next| {
        access.note_stripe(request.headers(), request.method(), request.uri().path());
        next.run(request)
    }))
}

/// Serves it, for the pages of any website too: a seller develops one on another port.
pub(super) fn serve(listener: TcpListener, router: Router) -> JoinHandle<()> {
    let any = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let router = router.layer(any.expose_headers(Any));
    tokio::spawn(async move {
        // It ends with its task; an error would show at the next request.
        let _ = axum::serve(listener, router).await;
    })
}

pub(super) async fn listeners(first: Option<u16>) -> anyhow::Result<[TcpListener; 4]> {
    let port = |offset: u16| first.map(|first| first.saturating_add(offset));
    Ok([
        listen(port(0)).await?,
        listen(port(1)).await?,
        listen(port(2)).await?,
        listen(port(3)).await?,
    ])
}

pub(super) async fn listen(port: Option<u16>) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(0)));
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {} is taken: stop what listens there, or choose four other ports in a row \
             with `--port <first>`",
            address.port()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

pub(super) fn url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_says_what_to_do() {
        let taken = listen(None).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(Some(port)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} is taken")) && error.contains("--port"));
    }
}
