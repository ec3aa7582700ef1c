//! Where the local stack is reached, and what its parts are called.

/// The ledger's table.
pub const TABLE: &str = "tollgate-ledger";

/// The app client of the pool: the page's, and whoever else signs in.
pub(crate) const CLIENT_ID: &str = "tollgate-local";

/// Where the stack is reached.
#[derive(Debug, Clone)]
pub struct Urls {
    /// Tollgate's own endpoints: `/webhook`, `/account`, …
    pub tollgate: String,
    /// The protected API: `/prod/hello`.
    pub api: String,
    /// The Stripe stand-in: its API, its checkout and portal pages.
    pub stripe: String,
    /// All of AWS: `AWS_ENDPOINT_URL`.
    pub aws: String,
}

pub(crate) fn queue_url(urls: &Urls, queue: &str) -> String {
    format!("{}/000000000000/{queue}", urls.aws)
}
