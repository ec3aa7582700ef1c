//! What the one user of a scene does: Ann signs up, buys, and changes her mind.

use jiff::SignedDuration;
use tollgate_events::AccountId;
use tollgate_standin::stripe::{
    Card, Metadata, NewCustomer, NewSession, Stripe, SubscriptionData, When,
};

use super::Scene;

/// What was bought.
#[derive(Debug, Clone)]
pub struct Bought {
    /// By which customer.
    pub customer: String,
    /// The subscription.
    pub subscription: String,
}

/// Why every act here succeeds.
const SCRIPTED: &str = "the script is fixed";

impl Scene {
    /// Ann signs up.
    pub fn sign_up(&self) -> AccountId {
        self.world.cognito.sign_up_confirmed("ann", "a@example.com").expect(SCRIPTED)
    }

    /// Ann is on the free plan, and everything is at rest.
    pub fn free(&self) -> AccountId {
        let ann = self.sign_up();
        self.come_to_rest();
        ann
    }

    /// Ann pays for a plan and has done so for an hour, and everything is at rest.
    pub fn paying(&self, plan: &str) -> Bought {
        let ann = self.free();
        let bought = self.buy(&ann, plan);
        self.come_to_rest();
        self.pass(SignedDuration::from_hours(1));
        self.come_to_rest();
        bought
    }

    /// An account buys a plan through a checkout of ours, as a new customer.
    pub fn buy(&self, account: &AccountId, plan: &str) -> Bought {
        let customer = self.world.stripe.account().create_customer(NewCustomer::default());
        self.buy_as(&customer, account, plan)
    }

    /// An account buys a plan through a checkout of ours, as a customer who is there already.
    pub fn buy_as(&self, customer: &str, account: &AccountId, plan: &str) -> Bought {
        let metadata = self.worker.deriver.name(account).to_metadata();
        let mut stripe = self.world.stripe.account();
        let session = NewSession {
            customer: Some(customer.to_owned()),
            subscription_data: data(&metadata),
            metadata,
            ..NewSession::for_price(&price(&stripe, plan))
        };
        let session = stripe.open_checkout(session).expect(SCRIPTED);
        let subscription = stripe.complete_checkout(&session, Card::Pays).expect(SCRIPTED);
        Bought { customer: customer.to_owned(), subscription }
    }

    /// Somebody pays through other code, and nothing names an account.
    pub fn stranger(&self, plan: &str) -> Bought {
        let mut stripe = self.world.stripe.account();
        let customer = stripe.create_customer(NewCustomer::default());
        stripe.set_card(&customer, Card::Pays).expect(SCRIPTED);
        let price = price(&stripe, plan);
        let data = SubscriptionData::default();
        let subscription = stripe.subscribe(&customer, &[&price], data).expect(SCRIPTED);
        Bought { customer, subscription }
    }

    /// A subscription changes to another plan's price.
    pub fn change(&self, bought: &Bought, plan: &str) {
        let mut stripe = self.world.stripe.account();
        let price = price(&stripe, plan);
        stripe.change_price(&bought.subscription, &price).expect(SCRIPTED);
    }

    /// A subscription is cancelled at once.
    pub fn cancel(&self, bought: &Bought) {
        self.world.stripe.account().cancel(&bought.subscription, When::Now).expect(SCRIPTED);
    }
}

fn price(stripe: &Stripe, plan: &str) -> String {
    let price = stripe.price_by_lookup_key(&format!("{plan}_monthly"));
    price.expect("the plan is sold").id.clone()
}

fn data(metadata: &Metadata) -> SubscriptionData {
    SubscriptionData { metadata: metadata.clone(), ..SubscriptionData::default() }
}
