//! `--local`: the command acts on a running `cargo local`, and on nothing else.
//!
//! Its endpoints are four ports in a row on this machine; it takes any credentials, and gets
//! made-up ones, so that neither a profile nor a key of the operator's is ever sent there.

use aws_config::SdkConfig;
use tokio::net::TcpStream;
use tollgate_functions::adapters::clients::made_up;

use super::exit::Failure;

/// A `cargo local` on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// The first of its four ports.
    pub port: u16,
}

impl Local {
    /// The stack's name.
    pub(super) const STACK: &str = "local";

    /// Where `cargo local` listens, if it was not told otherwise.
    pub(super) const PORT: u16 = 8700;

    /// The option, as it was given.
    pub(super) fn option(self) -> String {
        if self.port == Self::PORT { "--local".into() } else { format!("--local={}", self.port) }
    }

    /// The origin of Stripe's API.
    pub(super) fn stripe(self) -> String {
        self.origin(2)
    }

    /// Clients of its AWS.
    pub(super) fn sdk(self) -> SdkConfig {
        made_up(&self.origin(3), "operator")
    }

    /// Makes sure that something listens there.
    ///
    /// # Errors
    /// Nothing does.
    pub(super) async fn must_run(self) -> Result<(), Failure> {
        let address = ("127.0.0.1", self.port.saturating_add(3));
        TcpStream::connect(address).await.map(drop).map_err(|_| {
            let Self { port } = self;
            let start = match port {
                Self::PORT => "Start it with `cargo local`".to_owned(),
                port => format!("Start it with `cargo local --port {port}`"),
            };
            let mend = format!("{start}, or name its first port: --local=PORT.");
            Failure::usage(format!("no local stack runs at 127.0.0.1:{port}"), mend)
        })
    }

    fn origin(self, offset: u16) -> String {
        format!("http://127.0.0.1:{}", self.port.saturating_add(offset))
    }
}
