//! What the ports are beyond what the contract demands of both faces.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_core::account::Attributes;
use tollgate_core::derive::KeyValue;
use tollgate_core::ports::{ApiGateway, NewKey, Users};
use tollgate_events::AccountId;

use crate::executor::block_on;
use crate::gate::Calm;
use crate::world::World;

/// Whoever reads a log of calls learns neither a user's name nor a key's value.
#[test]
fn the_log_has_ids_alone() {
    let world = World::new(Timestamp::UNIX_EPOCH, 1, "https://stripe.invalid", Arc::new(Calm));
    let name = "ada@example.com";
    let ada = world.cognito.sign_up_confirmed(name, name).unwrap();
    let value = "a".repeat(40);
    block_on(async {
        world.cognito.user(name, &ada).await.unwrap();
        world.cognito.write_attributes(name, &Attributes::default()).await.unwrap();
        Users::find(&world.cognito, &ada).await.unwrap();
        let new = NewKey {
            name: "a key".into(),
            value: KeyValue::new(&*value),
            customer_id: AccountId::clone(&ada),
            description: "its description".into(),
        };
        world.api_gateway.create_key(&new).await.unwrap();
    });
    let calls = world.gate.calls();
    let operations: Vec<_> = calls.iter().map(|call| call.operation).collect();
    let expected = ["AdminGetUser", "AdminUpdateUserAttributes", "ListUsers", "CreateApiKey"];
    assert_eq!(operations, expected);
    assert!(calls[..3].iter().all(|call| call.subject == ada.as_str()), "{calls:?}");
    let log = format!("{calls:?}");
    assert!(!log.contains(name) && !log.contains(&value), "{log}");
}
