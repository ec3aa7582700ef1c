//! A listener on loopback that speaks TLS, with a certificate that nobody vouches for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::server::TlsStream;

/// The listener.
pub struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    name: String,
    /// Its certificate.
    pub pem: String,
}

impl Tls {
    /// On a free port, with a certificate for this name.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn bind(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).expect("it is a name");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())
            .expect("the key is the certificate's");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { tcp: free_port().await, acceptor, name: name.to_owned(), pem: cert.pem() }
    }

    /// Another port with the same certificate.
    ///
    /// # Panics
    /// Where no port is free.
    #[must_use]
    pub async fn beside(&self) -> Self {
        let (acceptor, name) = (self.acceptor.clone(), self.name.clone());
        Self { tcp: free_port().await, acceptor, name, pem: self.pem.clone() }
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.name, self.tcp.local_addr().expect("it is bound").port())
    }
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port is free")
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// Who does not finish the handshake is not served.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            // Else the answer waits for the client's delayed acknowledgement of the handshake.
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
