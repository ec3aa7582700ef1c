//! Checkout sessions in subscription mode.
//! <https://docs.stripe.com/api/checkout/sessions>,
//! <https://docs.stripe.com/payments/checkout/fulfill-orders>,
//! <https://docs.stripe.com/payment-links/url-parameters>

use jiff::{SignedDuration, Timestamp};

use super::customers::NewCustomer;
use super::error::{StripeError, StripeResult};
use super::model::{Card, Due, Metadata, Session, SessionStatus, SubscriptionData};
use super::state::Stripe;
use super::subscriptions::FirstPayment;

/// How long a session stays open. <https://docs.stripe.com/api/checkout/sessions/create>
pub const SESSION_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A Checkout session to be opened.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// Who pays; without one, completion makes a customer.
    pub customer: Option<String>,
    /// The address to be used for a new customer.
    pub customer_email: Option<String>,
    /// The creator's own reference.
    pub client_reference_id: Option<String>,
    /// The session's metadata.
    pub metadata: Metadata,
    /// What is bought: price, and quantity unless it is metered.
    pub line_items: Vec<(String, Option<i64>)>,
    /// What the subscription begins with.
    pub subscription_data: SubscriptionData,
    /// Asks for a card only when something is due now.
    pub card_if_required: bool,
    /// When it expires, if not after 24 hours.
    pub expires_at: Option<Timestamp>,
    /// Where the browser goes afterwards.
    pub success_url: Option<String>,
    /// Where it goes when the customer turns back.
    pub cancel_url: Option<String>,
}

impl NewSession {
    /// A session that sells one of a licensed price.
    pub fn for_price(price: &str) -> Self {
        Self { line_items: vec![(price.to_owned(), Some(1))], ..Self::default() }
    }
}

impl Stripe {
    /// `POST /v1/checkout/sessions`. No event.
    ///
    /// # Errors
    /// No such customer or price; a price out of sale; a reference longer than 200
    /// characters; a quantity, trial or expiry out of range.
    pub fn open_checkout(&mut self, new: NewSession) -> StripeResult<String> {
        self.open_session(new, None)
    }

    /// A visitor follows a payment link: a session without customer, whose reference
    /// the visitor chose. <https://docs.stripe.com/payment-links/url-parameters>
    ///
    /// # Errors
    /// As for [`open_checkout`](Self::open_checkout).
    pub fn follow_payment_link(
        &mut self,
        price: &str,
        client_reference_id: Option<&str>,
        email: &str,
    ) -> StripeResult<String> {
        let link = self.mint("plink_1");
        let new = NewSession {
            client_reference_id: client_reference_id.map(str::to_owned),
            customer_email: Some(email.to_owned()),
            line_items: vec![(price.to_owned(), self.one_of(price))],
            ..NewSession::default()
        };
        self.open_session(new, Some(link))
    }

    fn open_session(&mut self, new: NewSession, link: Option<String>) -> StripeResult<String> {
        self.check_session(&new)?;
        let prefix = if self.settings.livemode { "cs_live_a1" } else { "cs_test_a1" };
        let id = self.mint(prefix);
        let expires_at = new.expires_at.unwrap_or(self.now + SESSION_LIFETIME);
        if let Some(customer) = new.customer.as_ref().and_then(|c| self.customers.get_mut(c)) {
            customer.sessions.push(id.clone());
        }
        let session = Session {
            id: id.clone(),
            created: self.now,
            expires_at,
            status: SessionStatus::Open,
            payment_status: "unpaid",
            customer: new.customer,
            customer_email: new.customer_email,
            client_reference_id: new.client_reference_id,
            metadata: new.metadata,
            line_items: new.line_items,
            subscription_data: new.subscription_data,
            collect_always: !new.card_if_required,
            payment_link: link,
            success_url: new.success_url,
            cancel_url: new.cancel_url,
            subscription: None,
        };
        self.sessions.insert(&id, session);
        self.agenda.insert((expires_at, Due::SessionExpiry(id.clone())));
        Ok(id)
    }

    fn check_session(&self, new: &NewSession) -> StripeResult<()> {
        if self.settings.business_name.is_none() {
            let message = "In order to use Checkout, you must set an account or business name at \
                           https://dashboard.stripe.com/account.";
            return Err(StripeError::invalid(message));
        }
        if let Some(customer) = &new.customer {
            self.live_customer(customer)?;
        }
        if new.line_items.is_empty() {
            return Err(StripeError::missing_parameter("line_items"));
        }
        for (index, (price, _)) in new.line_items.iter().enumerate() {
            let param = format!("line_items[{index}][price]");
            let found = self.prices.get(price);
            let found = found.ok_or_else(|| StripeError::no_such("price", price, &param))?;
            if !found.active {
                let message =
                    "The price specified is inactive. This field only accepts active prices.";
                return Err(StripeError { param: Some(param), ..StripeError::invalid(message) });
            }
        }
        for (index, (price, quantity)) in new.line_items.iter().enumerate() {
            self.check_quantity(index, price, *quantity)?;
            new.customer.iter().try_for_each(|customer| self.check_currency(customer, price))?;
        }
        if !(0..=730).contains(&new.subscription_data.trial_period_days) {
            let param = "subscription_data[trial_period_days]";
            let message = "The maximum number of trial period days is 730 (2 years).";
            return Err(StripeError::bad_parameter(param, message));
        }
        let soonest = self.now + SignedDuration::from_mins(30);
        let window = soonest..=self.now + SESSION_LIFETIME;
        if new.expires_at.is_some_and(|time| !window.contains(&time)) {
            let message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.";
            return Err(StripeError::bad_parameter("expires_at", message));
        }
        if new.client_reference_id.as_ref().is_some_and(|id| id.chars().count() > 200) {
            let message = "Invalid string: must be at most 200 characters";
            return Err(StripeError::bad_parameter("client_reference_id", message));
        }
        Ok(())
    }

    /// <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-line_items-quantity>
    fn check_quantity(&self, index: usize, price: &str, quantity: Option<i64>) -> StripeResult<()> {
        let metered = self.price(price)?.meter.is_some();
        let message = match quantity {
            Some(_) if metered => format!(
                "Quantity should not be specified where usage_type is `metered`. Remove quantity \
                 from `line_items[{index}]`"
            ),
            None if !metered => {
                format!("Quantity is required. Add `quantity` to `line_items[{index}]`")
            }
            Some(quantity) if !(1..=999_999).contains(&quantity) => {
                let param = format!("line_items[{index}][quantity]");
                return Err(StripeError::bad_parameter(&param, "Invalid quantity"));
            }
            _ => return Ok(()),
        };
        Err(StripeError::invalid(message))
    }

    /// One customer pays in one currency at a time.
    /// <https://docs.stripe.com/billing/customer#currency>
    fn check_currency(&self, customer: &str, price: &str) -> StripeResult<()> {
        let currency = &self.price(price)?.currency;
        let live = self.live_customer(customer)?.subscriptions.iter();
        let live = live.filter(|id| self.subscription(id).is_ok_and(|it| !it.status.is_final()));
        match live.map(|id| self.currency_of(id)).find(|other| other != currency) {
            None => Ok(()),
            Some(other) => Err(StripeError::invalid(format!(
                "You cannot combine currencies on a single customer. This customer has an active \
                 subscription with currency {other}."
            ))),
        }
    }

    /// The quantity of one: none, of a metered price.
    pub(super) fn one_of(&self, price: &str) -> Option<i64> {
        let metered = self.price(price).is_ok_and(|price| price.meter.is_some());
        (!metered).then_some(1)
    }

    /// The customer pays on the hosted page. Events: `customer.created` for one without,
    /// `payment_method.attached`, then those of a new subscription
    /// (as listed in the module of subscriptions), and `checkout.session.completed`. With
    /// a card that does not pay, the session stays open: `charge.failed`.
    ///
    /// # Errors
    /// No such session; it is not open; `card_declined`, `authentication_required`.
    pub fn complete_checkout(&mut self, session: &str, card: Card) -> StripeResult<String> {
        self.open_session_only(session)?;
        let due_now = self.session(session)?.subscription_data.trial_period_days == 0;
        if due_now && card != Card::Pays {
            return Err(self.refuse_card(session, card));
        }
        let customer = self.session_customer(session)?;
        self.set_card(&customer, card)?;
        self.finish_session(session, &customer, FirstPayment::Now)
    }

    /// The customer completes a trial's checkout without a card, which takes
    /// `payment_method_collection=if_required`. Events as for
    /// [`complete_checkout`](Self::complete_checkout).
    ///
    /// # Errors
    /// No such session; it is not open; it asks for a card.
    pub fn complete_checkout_without_card(&mut self, session: &str) -> StripeResult<String> {
        self.open_session_only(session)?;
        let row = self.session(session)?;
        if row.collect_always || row.subscription_data.trial_period_days == 0 {
            return Err(StripeError::invalid("the session asks for a card"));
        }
        let customer = self.session_customer(session)?;
        self.finish_session(session, &customer, FirstPayment::Now)
    }

    /// The customer chooses a bank debit: `checkout.session.completed` comes with
    /// `payment_status` unpaid, and the subscription is incomplete until
    /// [`settle_delayed_payment`](Self::settle_delayed_payment).
    ///
    /// # Errors
    /// No such session; it is not open.
    pub fn complete_checkout_unpaid(&mut self, session: &str) -> StripeResult<String> {
        self.open_session_only(session)?;
        let customer = self.session_customer(session)?;
        self.set_card(&customer, Card::RequiresAction)?;
        self.finish_session(session, &customer, FirstPayment::Later)
    }

    /// The bank debit arrives, or does not. Events: those of the payment, then
    /// `checkout.session.async_payment_succeeded` or `…_failed`.
    ///
    /// # Errors
    /// No such session, or nothing is outstanding on it.
    pub fn settle_delayed_payment(&mut self, session: &str, arrives: bool) -> StripeResult<()> {
        let row = self.session(session)?;
        let (Some(subscription), Some(customer)) = (row.subscription.clone(), row.customer.clone())
        else {
            return Err(StripeError::invalid("nothing is outstanding on this session"));
        };
        let card = if arrives { Card::Pays } else { Card::Declines };
        self.set_card(&customer, card)?;
        let paid = self.pay_latest_invoice(&subscription).is_ok();
        if let Some(row) = self.sessions.get_mut(session).filter(|_| paid) {
            row.payment_status = "paid";
        }
        let kind = if paid {
            "checkout.session.async_payment_succeeded"
        } else {
            "checkout.session.async_payment_failed"
        };
        self.tell(kind, session);
        Ok(())
    }

    /// `POST /v1/checkout/sessions/{id}/expire`. Events: `checkout.session.expired`.
    /// <https://docs.stripe.com/api/checkout/sessions/expire>
    ///
    /// # Errors
    /// No such session; it is not open.
    pub fn expire_checkout(&mut self, session: &str) -> StripeResult<()> {
        let status = self.session(session)?.status;
        if status != SessionStatus::Open {
            return Err(StripeError::invalid(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout \
                 Session has a status of `{}`.",
                status.as_str()
            )));
        }
        if let Some(row) = self.sessions.get_mut(session) {
            row.status = SessionStatus::Expired;
        }
        self.tell("checkout.session.expired", session);
        Ok(())
    }

    fn open_session_only(&self, session: &str) -> StripeResult<()> {
        match self.session(session)?.status {
            SessionStatus::Open => Ok(()),
            SessionStatus::Complete => Err(StripeError::invalid("this session is complete")),
            SessionStatus::Expired => Err(StripeError::invalid("this session has expired")),
        }
    }

    /// The session's customer; makes one for a session that has none.
    fn session_customer(&mut self, session: &str) -> StripeResult<String> {
        let row = self.session(session)?;
        if let Some(customer) = row.customer.clone() {
            self.live_customer(&customer)?;
            return Ok(customer);
        }
        let email = row.customer_email.clone();
        let customer = self.create_customer(NewCustomer { email, ..NewCustomer::default() });
        if let Some(row) = self.customers.get_mut(&customer) {
            row.sessions.push(session.to_owned());
        }
        if let Some(row) = self.sessions.get_mut(session) {
            row.customer = Some(customer.clone());
        }
        Ok(customer)
    }

    fn finish_session(
        &mut self,
        session: &str,
        customer: &str,
        payment: FirstPayment,
    ) -> StripeResult<String> {
        let row = self.session(session)?;
        let (items, data) = (row.line_items.clone(), row.subscription_data.clone());
        let trial = data.trial_period_days > 0;
        let subscription = self.begin_subscription(customer, &items, data, payment)?;
        if let Some(row) = self.sessions.get_mut(session) {
            row.status = SessionStatus::Complete;
            row.subscription = Some(subscription.clone());
            row.payment_status = match payment {
                FirstPayment::Now if trial => "no_payment_required",
                FirstPayment::Now => "paid",
                FirstPayment::Later => "unpaid",
            };
        }
        self.tell("checkout.session.completed", session);
        Ok(subscription)
    }
}
