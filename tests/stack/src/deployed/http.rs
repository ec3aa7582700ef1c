//! HTTP to this machine alone: every name is 127.0.0.1.
//!
//! API Gateway's addresses are names (`<id>.execute-api.localhost`), which not every machine
//! resolves.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};

struct ThisMachine;

impl Resolve for ThisMachine {
    fn resolve(&self, _name: Name) -> Resolving {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let addresses: Addrs = Box::new(std::iter::once(address));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// A client that follows no redirect, as Stripe does when it sends webhooks.
///
/// # Errors
/// It cannot be built on this machine.
pub fn client() -> anyhow::Result<Client> {
    let client = Client::builder().redirect(redirect::Policy::none());
    client.dns_resolver(Arc::new(ThisMachine)).build().context("an HTTP client")
}
