//! What a fault on the wire is to each adapter: its class, and whether it took effect.
//!
//! On one face only: faults are the wire's. The clients' own retries are off, so that each
//! fault is seen.

use jiff::SignedDuration;
use tollgate_core::account::{Account, Attributes};
use tollgate_core::derive::KeyValue;
use tollgate_core::ledger::CommitResult;
use tollgate_core::ports::{
    ApiGateway as _, Class, Ledger as _, NewKey, PortResult, Ports as _, Queue as _, QueueName,
    Stripe as _, Users as _,
};
use tollgate_events::NamedAccount;
use tollgate_local::faults::{Fault, Faults};
use tollgate_standin::calls::Service;
use tollgate_standin::world::EVENTS_QUEUE;

use super::face::{self, OnTheWire, Stand};
use super::ledger::{account, at, closing};
use super::sqs::envelope;

const SERVICES: [Service; 5] =
    [Service::Stripe, Service::ApiGateway, Service::Cognito, Service::DynamoDb, Service::Sqs];

/// API Gateway and Stripe say for how long; the JSON protocols do not.
fn class(service: Service, fault: Fault) -> Class {
    match (fault, service) {
        (Fault::Throttled, Service::ApiGateway | Service::Stripe) => {
            Class::Throttled { after: Some(SignedDuration::from_secs(2)) }
        }
        (Fault::Throttled, _) => Class::Throttled { after: None },
        (Fault::Failed | Fault::Cut | Fault::Lost, _) => Class::Unavailable,
        (Fault::Conflict, _) => Class::Conflict,
    }
}

impl Stand<OnTheWire> {
    /// Changes something in a service, in the name of `who`.
    async fn change(&self, service: Service, who: &str) -> PortResult<()> {
        let id = account(who);
        match service {
            Service::Stripe => {
                let named = NamedAccount { id, proof: None, stack: None };
                self.ports.stripe().create_customer(&named, who).await.map(drop)
            }
            Service::ApiGateway => {
                let value = KeyValue::new(format!("{}{who}", "v".repeat(20)));
                let (name, description) = (who.to_owned(), String::new());
                let key = NewKey { name, value, customer_id: id, description };
                self.ports.api_gateway().create_key(&key).await.map(drop)
            }
            Service::Cognito => {
                let attributes = Attributes { api_id: None, plan: Some("pro".into()) };
                self.ports.users().write_attributes(who, &attributes).await
            }
            Service::DynamoDb => self.ports.ledger().claim(&id, at(0), at(60)).await.map(drop),
            Service::Sqs => self.queue.send(QueueName::Events, &envelope(who, "cus_1")).await,
            Service::SecretsManager | Service::CloudFormation => unreachable!("it is no port"),
        }
    }

    /// How often it was changed.
    async fn changes(&self, service: Service, who: &str) -> usize {
        let world = &self.world;
        match service {
            Service::Stripe => {
                let stripe = world.stripe.account();
                let named = |name: Option<&String>| name.is_some_and(|name| name == who);
                let mut customers = stripe.customers();
                usize::from(customers.any(|it| named(it.metadata.get("tollgate_account"))))
            }
            Service::ApiGateway => {
                let is = |name: Option<&str>| name == Some(who);
                world
                    .api_gateway
                    .scene(|model, _| model.keys().filter(|key| is(key.name.as_deref())).count())
            }
            Service::Cognito => {
                let users = world.cognito.users();
                let user = users.iter().find(|user| user.username == who);
                usize::from(user.is_some_and(|user| user.attribute("custom:plan").is_some()))
            }
            Service::DynamoDb => {
                let found = self.ports.ledger().account(&account(who)).await.unwrap();
                found.map_or(0, |account| usize::try_from(account.epoch).unwrap())
            }
            Service::Sqs => {
                let messages = world.sqs.receive(EVENTS_QUEUE, 10).unwrap();
                for message in &messages {
                    world.sqs.delete(EVENTS_QUEUE, &message.receipt).unwrap();
                }
                messages.iter().filter(|message| message.dedup == who).count()
            }
            Service::SecretsManager | Service::CloudFormation => unreachable!("it is no port"),
        }
    }
}

/// Which limit was met stands in the error, for whoever has to raise it.
#[tokio::test]
async fn a_throttle_of_stripes_says_which_limit_was_met() {
    let faults = Faults::default();
    let stand = face::under(&faults, face::world()).await;
    for limit in ["global-rate", "endpoint-rate"] {
        faults.order(Service::Stripe, &[Fault::Throttled]);
        let failed = stand.change(Service::Stripe, "ann").await.unwrap_err();
        assert!(failed.detail.contains(limit), "{failed}");
    }
}

/// Each fault comes twice: some services have two forms of it.
#[tokio::test]
async fn every_fault_has_its_class_and_only_a_lost_answer_leaves_an_effect() {
    let faults = Faults::default();
    let stand = face::under(&faults, face::world()).await;
    for service in SERVICES {
        for (fault, turn) in Fault::of(service).iter().flat_map(|it| [(*it, 1), (*it, 2)]) {
            let who = format!("{service:?}{fault:?}{turn}");
            stand.world.cognito.sign_up_confirmed(&who, "a@example.com").unwrap();
            faults.order(service, &[fault]);
            let failed = stand.change(service, &who).await.unwrap_err();
            assert_eq!(failed.class, class(service, fault), "{service} {who}: {failed}");
            let effects = usize::from(fault == Fault::Lost);
            assert_eq!(stand.changes(service, &who).await, effects, "{service} {who}");
        }
    }
    let met = faults.tally();
    assert!(met.values().all(|times| *times == 2) && met.len() == 21, "{met:?}");
}

/// Another transaction was on an item: nothing was written, and a commit says so rather
/// than that it was fenced.
#[tokio::test]
async fn a_transaction_in_conflict_is_no_verdict() {
    let faults = Faults::default();
    let stand = face::under(&faults, face::world()).await;
    stand.change(Service::DynamoDb, "ann").await.unwrap();
    let ledger = stand.ports.ledger();
    let claimed = ledger.account(&account("ann")).await.unwrap().unwrap();
    let commit = closing(&claimed, "commit-1");
    faults.order(Service::DynamoDb, &[Fault::Conflict]);
    assert_eq!(ledger.commit(&commit).await.unwrap_err().class, Class::Conflict);
    let unchanged = ledger.account(&account("ann")).await.unwrap().unwrap();
    assert_eq!(unchanged, claimed);
    assert_eq!(ledger.commit(&commit).await.unwrap(), CommitResult::Committed);
    let Account { open, .. } = ledger.account(&account("ann")).await.unwrap().unwrap();
    assert!(!open);
}
