//! The account's settings.

use jiff::SignedDuration;

/// What happens when the last retry has failed.
/// <https://docs.stripe.com/billing/revenue-recovery/smart-retries>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenExhausted {
    /// Cancel the subscription.
    Cancel,
    /// Mark it as unpaid.
    MarkUnpaid,
    /// Leave it past due.
    LeavePastDue,
}

/// The account's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Makes ids differ between worlds.
    pub seed: u64,
    /// The account's id.
    pub account_id: String,
    /// The keys that are this account's, where several accounts share an endpoint; the first of
    /// them takes every other key.
    pub keys: Vec<String>,
    /// Keys that are taken no more: they were rolled, or have expired.
    /// <https://docs.stripe.com/keys#roll-keys>
    pub expired_keys: Vec<String>,
    /// Whether restricted keys may read the account.
    pub restricted_keys_read_account: bool,
    /// Live mode instead of test mode.
    pub livemode: bool,
    /// Whether a sandbox sends again as long as live mode does: for whoever wants to see what
    /// happens there.
    pub sends_again_as_live: bool,
    /// Where the hosted pages are, without a slash at the end.
    pub base_url: String,
    /// How long after the previous attempt each retry comes; at least one.
    pub retries: Vec<SignedDuration>,
    /// What follows the last one.
    pub when_exhausted: WhenExhausted,
    /// Whether lists can be filtered by a customer that is deleted, as Stripe documents it of
    /// canceled subscriptions; else such a customer is missing to them. Of other lists nothing is
    /// documented: whoever asks should do well with either.
    pub lists_deleted_customers: bool,
    /// What the business is called: without a name, Checkout opens for nobody.
    pub business_name: Option<String>,
    /// Whether the customer portal's settings were ever saved: before, it opens for nobody.
    /// <https://docs.stripe.com/customer-management/integrate-customer-portal>
    pub portal_is_saved: bool,
    /// How many requests a second each endpoint takes; `None` for any number. Stripe's default is
    /// 25. <https://docs.stripe.com/rate-limits>
    pub requests_per_second: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            account_id: "acct_1Tollgate0000000".into(),
            keys: Vec::new(),
            expired_keys: Vec::new(),
            restricted_keys_read_account: true,
            livemode: false,
            sends_again_as_live: false,
            base_url: "https://stripe.invalid".into(),
            retries: [3, 5, 7].map(|days| SignedDuration::from_hours(24 * days)).to_vec(),
            when_exhausted: WhenExhausted::Cancel,
            lists_deleted_customers: true,
            business_name: Some("Sample API".into()),
            portal_is_saved: true,
            requests_per_second: None,
        }
    }
}
