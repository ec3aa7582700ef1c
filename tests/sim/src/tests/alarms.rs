//! What calls a person is logged in the words that the alarms look for.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tollgate_core::catalog::CatalogFile;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use super::blast::{demoting, drift, fourteen, look_at_all};
use super::scene::Scene;

/// The messages of what is logged as an error.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<BTreeSet<String>>>);

impl Visit for Errors {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().expect("nobody panics").insert(format!("{value:?}"));
        }
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn several_subscriptions(scene: &mut Scene) {
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "basic_monthly");
    scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
}

fn an_unknown_price(scene: &mut Scene) {
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
    let text = scene.world.plans_toml.replace("pro_monthly", "pro_someday");
    scene.worker.catalog = CatalogFile::parse(&text).expect("it is a catalog").catalog;
    scene.handle(&drift(scene, &[ann], "1"));
}

fn a_fraud_warning(scene: &mut Scene) {
    let ann = scene.sign_up("ann");
    scene.buy(&ann, "pro_monthly");
    scene.handle(&scene.events());
    let customer = scene.account(&ann).access.customers.first().expect("they bought").clone();
    scene.world.stripe.account().warn_of_fraud(customer.as_str()).expect("they have paid");
    scene.handle(&scene.events());
}

fn a_wrong_catalog(scene: &mut Scene) {
    let (ids, _) = fourteen(scene);
    scene.worker.catalog = demoting(&scene.world);
    look_at_all(scene, &drift(scene, &ids, "1"));
}

fn a_pool_that_is_emptied(scene: &mut Scene) {
    fourteen(scene);
    for number in 0..14 {
        scene.world.cognito.delete_user(&format!("u{number}")).expect("they are there");
    }
    look_at_all(scene, &scene.told_of_the_pool());
}

/// What happens to a scene.
type Story = fn(&mut Scene);

#[test]
fn what_calls_a_person_is_logged_as_the_alarms_look_for_it() {
    let template = include_str!("../../../../infra/template.yaml");
    let stories: [(&str, Story); 5] = [
        ("several subscriptions", several_subscriptions),
        ("unknown price", an_unknown_price),
        ("early fraud warning", a_fraud_warning),
        ("the blast limit holds", a_wrong_catalog),
        ("the cancellation limit holds", a_pool_that_is_emptied),
    ];
    // While only one listens, whoever logs for the first time on another thread, where nobody does,
    // is cached as not listened to by anybody. While two do, each of them is asked.
    let _another = Dispatch::new(Errors::default());
    for (message, happens) in stories {
        let errors = Errors::default();
        tracing::subscriber::with_default(errors.clone(), || happens(&mut Scene::new()));
        let told = errors.0.lock().expect("nobody panics").clone();
        assert!(told.contains(message), "{message}: {told:?}");
        assert!(template.contains(&format!("{{ $.message = \"{message}\" }}")), "{message}");
    }
}
