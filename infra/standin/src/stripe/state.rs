//! The account: every object, the agenda of what time will do, and the outbox.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::{StripeError, StripeResult};
use super::model::{
    Charge, Customer, Dispute, Due, Endpoint, Event, Invoice, Oddities, Past, Portal,
    PortalConfiguration, Price, Product, Refund, RequestInfo, Session, Settings, Subscription,
    Table, TestClock, Warning,
};

/// One Stripe account, as pure synchronous state. Its methods are the scripting
/// interface; the API calls them too.
#[derive(Debug)]
pub struct Stripe {
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
    /// In which second each endpoint was asked last, and how often.
    asked: BTreeMap<&'static str, (i64, u32)>,
    pub(super) minted: u64,
    /// What the next customer, product or price is to be called.
    chosen: Option<String>,
    pub(super) customers: Table<Customer>,
    pub(super) products: Table<Product>,
    pub(super) prices: Table<Price>,
    pub(super) sessions: Table<Session>,
    pub(super) subscriptions: Table<Subscription>,
    pub(super) invoices: Table<Invoice>,
    pub(super) charges: Table<Charge>,
    pub(super) refunds: Table<Refund>,
    pub(super) disputes: Table<Dispute>,
    pub(super) warnings: Table<Warning>,
    pub(super) portals: Table<Portal>,
    pub(super) configurations: Table<PortalConfiguration>,
    pub(super) endpoints: Table<Endpoint>,
    pub(super) events: Table<Event>,
    /// Which event has which number.
    pub(super) by_number: HashMap<u64, String>,
    pub(super) test_clocks: Table<TestClock>,
    /// The account's own time, while something happens at the time of a test clock.
    pub(super) wall: Option<Timestamp>,
    pub(super) agenda: BTreeSet<(Timestamp, Due)>,
    pub(super) outbox: BTreeSet<(Timestamp, u64, String)>,
    pub(super) replies: HashMap<String, Reply>,
    /// How many requests with an idempotency key find another at work with it.
    keys_in_use: u32,
    pub(super) request: Option<RequestInfo>,
    /// How subscriptions were, for reads that lag.
    pub(super) past: Past,
    /// What tests make odd.
    pub(super) oddities: Oddities,
}

/// An answer kept under an idempotency key.
#[derive(Debug)]
pub(super) struct Reply {
    at: Timestamp,
    fingerprint: String,
    answer: StripeResult<Value>,
}

/// For how long an answer is kept for certain; Stripe may forget it afterwards, so the
/// stand-in does. <https://docs.stripe.com/api/idempotent_requests>
pub const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

impl Stripe {
    /// An empty account at `now`.
    pub fn new(now: Timestamp, settings: Settings) -> Self {
        Self {
            now: whole_seconds(now),
            settings,
            asked: BTreeMap::new(),
            minted: 0,
            chosen: None,
            customers: Table::default(),
            products: Table::default(),
            prices: Table::default(),
            sessions: Table::default(),
            subscriptions: Table::default(),
            invoices: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            disputes: Table::default(),
            warnings: Table::default(),
            portals: Table::default(),
            configurations: Table::default(),
            endpoints: Table::default(),
            events: Table::default(),
            by_number: HashMap::new(),
            test_clocks: Table::default(),
            wall: None,
            agenda: BTreeSet::new(),
            outbox: BTreeSet::new(),
            replies: HashMap::new(),
            keys_in_use: 0,
            request: None,
            past: Past::default(),
            oddities: Oddities::default(),
        }
    }

    /// The time up to which everything due has been done; whole seconds.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Counts a request to an endpoint, which takes only so many in one second.
    ///
    /// # Errors
    /// 429.
    pub fn admit(&mut self, endpoint: &'static str) -> StripeResult<()> {
        let Some(most) = self.settings.requests_per_second else { return Ok(()) };
        let second = self.now.as_second();
        let asked = self.asked.entry(endpoint).or_insert((second, 0));
        if asked.0 != second {
            *asked = (second, 0);
        }
        asked.1 += 1;
        if asked.1 > most { Err(StripeError::rate_limited()) } else { Ok(()) }
    }

    /// The account's settings, to be changed at will.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Makes a customer, product or price of this id. Sellers chose the ids of customers, plans
    /// and products as they liked until 2018-05-21; those stand for ever, and a plan is a price
    /// today.
    /// <https://docs.stripe.com/changelog/2018-05-21/valid-characters-ids-coupons-skus-customers-products-plans>
    ///
    /// Two objects never have one id here, of whatever kind they are.
    pub fn with_id<T>(&mut self, id: &str, make: impl FnOnce(&mut Self) -> T) -> T {
        assert!(self.object(id).is_none(), "there is a {id} already");
        self.chosen = Some(id.to_owned());
        let made = make(self);
        self.chosen = None;
        made
    }

    /// A new id: the same in every run with the same seed and the same acts, and no
    /// hint of the order in which objects were made. Or the one that was chosen.
    pub(super) fn mint(&mut self, prefix: &str) -> String {
        if CHOSEN.contains(&prefix)
            && let Some(chosen) = self.chosen.take()
        {
            return chosen;
        }
        self.minted += 1;
        let bits = scramble(self.minted ^ (self.settings.seed << 40));
        let tail = scramble(bits);
        format!("{prefix}{}{}", base62(bits), &base62(tail)[..3])
    }

    /// The next so many requests with an idempotency key find another request at work with the
    /// same one, as one does that is sent while the first is not answered yet.
    /// <https://docs.stripe.com/error-codes#idempotency-key-in-use>
    pub fn keys_are_in_use(&mut self, requests: u32) {
        self.keys_in_use = requests;
    }

    /// Whoever waits for a key and sends again does so as often as this at most.
    pub fn wait_for_key(&mut self, times: u32) {
        self.keys_in_use = self.keys_in_use.saturating_sub(times);
    }

    /// Runs a request under an idempotency key: the first answer is kept, errors
    /// included, and given again for a day; other parameters are refused.
    /// <https://docs.stripe.com/api/idempotent_requests>
    ///
    /// # Errors
    /// What `act` answers, or the key's refusal.
    pub fn idempotent(
        &mut self,
        key: &str,
        fingerprint: &str,
        act: impl FnOnce(&mut Self) -> StripeResult<Value>,
    ) -> (StripeResult<Value>, bool) {
        if key.len() > 255 {
            let message = "Idempotency keys can be at most 255 characters long.";
            return (Err(StripeError::bad_parameter("Idempotency-Key", message)), false);
        }
        if let Some(left) = self.keys_in_use.checked_sub(1) {
            self.keys_in_use = left;
            return (Err(StripeError::key_in_use()), false);
        }
        let oldest = self.now - KEY_LIFETIME;
        if let Some(reply) = self.replies.get(key).filter(|reply| reply.at >= oldest) {
            if reply.fingerprint != fingerprint {
                return (Err(StripeError::idempotency(key)), false);
            }
            return (reply.answer.clone(), true);
        }
        let answer = act(self);
        if !answer.as_ref().is_err_and(|error| error.before_execution) {
            let (at, fingerprint) = (self.now, fingerprint.to_owned());
            let reply = Reply { at, fingerprint, answer: answer.clone() };
            self.replies.insert(key.to_owned(), reply);
        }
        (answer, false)
    }

    /// A customer that is not deleted, named by a parameter.
    pub(super) fn live_customer(&self, id: &str) -> StripeResult<&Customer> {
        self.customers
            .get(id)
            .filter(|customer| !customer.deleted)
            .ok_or_else(|| StripeError::no_such("customer", id, "customer"))
    }

    /// A customer by whom a list is filtered. Of a deleted one the list has what is left of it:
    /// that canceled subscriptions "belonging to deleted customers" are listed is documented.
    /// <https://docs.stripe.com/api/subscriptions/list#list_subscriptions-status>
    ///
    /// # Errors
    /// No such customer.
    pub fn listed_customer(&self, id: &str) -> StripeResult<&Customer> {
        self.customers
            .get(id)
            .filter(|customer| !customer.deleted || self.settings.lists_deleted_customers)
            .ok_or_else(|| StripeError::no_such("customer", id, "customer"))
    }

    /// A subscription.
    ///
    /// # Errors
    /// No such subscription.
    pub fn subscription(&self, id: &str) -> StripeResult<&Subscription> {
        self.subscriptions.get(id).ok_or_else(|| StripeError::missing("subscription", id))
    }

    /// All subscriptions, newest first, whatever their status.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.newest_first()
    }

    /// All subscriptions of a customer, newest first, whatever their status.
    pub fn subscriptions_of(&self, customer: &str) -> Vec<&Subscription> {
        let ids = self.customers.get(customer).map_or(&[][..], |c| &c.subscriptions);
        ids.iter().rev().filter_map(|id| self.subscriptions.get(id)).collect()
    }

    /// An invoice.
    ///
    /// # Errors
    /// No such invoice.
    pub fn invoice(&self, id: &str) -> StripeResult<&Invoice> {
        self.invoices.get(id).ok_or_else(|| StripeError::missing("invoice", id))
    }

    /// All invoices, newest first.
    pub fn invoices(&self) -> impl Iterator<Item = &Invoice> {
        self.invoices.newest_first()
    }

    /// A customer, deleted ones too.
    ///
    /// # Errors
    /// No such customer.
    pub fn customer(&self, id: &str) -> StripeResult<&Customer> {
        self.customers.get(id).ok_or_else(|| StripeError::missing("customer", id))
    }

    /// All customers, newest first, deleted ones too.
    pub fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.newest_first()
    }

    /// A Checkout session.
    ///
    /// # Errors
    /// No such session.
    pub fn session(&self, id: &str) -> StripeResult<&Session> {
        self.sessions.get(id).ok_or_else(|| StripeError::missing("checkout.session", id))
    }

    /// A price.
    ///
    /// # Errors
    /// No such price.
    pub fn price(&self, id: &str) -> StripeResult<&Price> {
        self.prices.get(id).ok_or_else(|| StripeError::missing("price", id))
    }

    /// A dispute.
    ///
    /// # Errors
    /// No such dispute.
    pub fn dispute(&self, id: &str) -> StripeResult<&Dispute> {
        self.disputes.get(id).ok_or_else(|| StripeError::missing("dispute", id))
    }

    /// All disputes, newest first.
    pub fn disputes(&self) -> impl Iterator<Item = &Dispute> {
        self.disputes.newest_first()
    }

    /// A charge.
    ///
    /// # Errors
    /// No such charge.
    pub fn charge(&self, id: &str) -> StripeResult<&Charge> {
        self.charges.get(id).ok_or_else(|| StripeError::missing("charge", id))
    }

    /// A billing portal session (Stripe has no request for this; the hosted page has).
    ///
    /// # Errors
    /// No such session.
    pub fn portal(&self, id: &str) -> StripeResult<&Portal> {
        self.portals.get(id).ok_or_else(|| StripeError::missing("billing_portal.session", id))
    }
}

/// What the ids of objects begin with whose ids could be chosen.
const CHOSEN: [&str; 3] = ["cus_", "prod_", "price_1"];

/// Stripe's times are whole seconds.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).expect("a timestamp's own second is in range")
}

/// A bijection of 64 bits (SplitMix64's finalizer): distinct in, distinct out.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Eleven letters and digits.
fn base62(mut bits: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |bits: &mut u64| {
        let digit = DIGITS[usize::try_from(*bits % 62).expect("less than 62")];
        *bits /= 62;
        char::from(digit)
    };
    (0..11).map(|_| digit(&mut bits)).collect()
}
