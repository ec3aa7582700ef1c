//! A user name is free again after its user's deletion, and somebody else may have it.

use tollgate_core::ports::{NameHolder, Ports, Users};
use tollgate_events::cloudtrail;
use tollgate_standin::world::EVENTS_QUEUE;

use super::scene::Scene as Told;
use crate::executor::block_on;
use crate::scene::Scene;

/// A write that was begun for one user takes effect when the name is another's: the deletion,
/// whose turn comes later, sees to them as well. No drift sweep runs here.
#[test]
fn who_has_the_name_of_a_deleted_user_is_looked_at() {
    let scene = Scene::default();
    let cognito = &scene.world.cognito;
    let sign_in = || cognito.federated_sign_in("Google", "1", "a@example.com").unwrap();
    let gone = sign_in();
    scene.come_to_rest();
    cognito.delete_user("Google_1").unwrap();
    let records = cognito.take_cloudtrail();
    let namesake = sign_in();
    scene.come_to_rest();
    let attributes = || match block_on(scene.world.users().user("Google_1", &namesake)).unwrap() {
        NameHolder::Account(user) => user.attributes,
        other => panic!("the name is the namesake's, not {other:?}'s"),
    };
    let right = attributes();
    let key_of = |account| scene.world.ledger.stored(account).unwrap().key().unwrap().id.clone();
    assert_eq!(right.api_id, Some(key_of(&namesake)));

    let late = [("custom:apiid".to_owned(), key_of(&gone).to_string())].into();
    cognito.write("Google_1", late).unwrap();
    assert_ne!(attributes(), right);
    for record in records {
        let now = scene.world.clock.time();
        let read = cloudtrail::read(&record, now).unwrap().reading;
        let cloudtrail::Reading::Wake(wake) = read else { panic!("a deletion wakes") };
        scene.enqueue(EVENTS_QUEUE, &wake);
    }
    scene.come_to_rest();
    assert_eq!(attributes(), right);
}

/// Only the other account's end mends it, and the comparison sees that: a look a day would find the
/// same each time.
#[test]
fn whose_name_is_anothers_sub_is_parked_and_not_looked_at_day_by_day() {
    let scene = Told::new();
    let payer = scene.sign_up("ann");
    let cognito = &scene.world.cognito;
    let thief = cognito.sign_up_confirmed(payer.as_str(), "t@example.com").unwrap();
    assert_eq!(scene.handle(&scene.events()).failed, [""; 0]);
    let account = scene.account(&thief);
    assert_eq!((account.review_at, account.access.keys.len()), (None, 0));
}
