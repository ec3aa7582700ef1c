//! Reconciliation: it only tells until it is asked to mend, and deletes nothing that may be
//! somebody's.

use std::collections::BTreeMap;

use crate::ports::SqsPort;
use crate::world::World;
use jiff::SignedDuration;
use tollgate_core::account::{KeyId, MintIntent, Slot, Status};
use tollgate_core::key_name::key_name;
use tollgate_core::scan::{Progress, ScanStage};
use tollgate_core::sweep::{
    ACCOUNTS_AT_ONCE, Drift, DriftReport, DriftSweep, Finding, FindingAbout,
};
use tollgate_events::AccountId;
use tollgate_operator::{Excess, ExcessOf, Reconcile, Repaired, Word, excesses};
use tollgate_standin::api_gateway::NewApiKey;
use tollgate_standin::cognito::PoolConfig;
use tollgate_standin::stripe::When;
use tollgate_standin::world::BULK_QUEUE;

use super::blast::demoting;
use super::drift::Town;
use crate::executor::block_on;

impl Town {
    fn reconcile<T>(&self, act: impl AsyncFnOnce(&Reconcile<'_, World, SqsPort>) -> T) -> T {
        let sweep = DriftSweep {
            ports: &self.world,
            queue: &self.world.queue(),
            catalog: &self.worker.catalog,
            policy: &self.worker.policy,
            stack: &self.worker.stack,
            at_once: ACCOUNTS_AT_ONCE,
        };
        block_on(act(&Reconcile { sweep }))
    }

    fn look(&self) -> (DriftReport, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut told = |news| {
            if let Progress::Found(finding) = news {
                findings.push(finding);
            }
        };
        let report = self.reconcile(async |it| it.look(&mut told).await.unwrap());
        (report, findings)
    }

    fn repair(&self, accepted: bool) -> Repaired {
        self.repair_by(&Word { accepted, ..Word::default() })
    }

    /// A person has looked at some keys, and names them.
    fn repair_naming(&self, accepted: bool, keys: &[&str]) -> Repaired {
        let keys = keys.iter().map(|key| KeyId::parse(*key).unwrap()).collect();
        self.repair_by(&Word { accepted, keys })
    }

    fn repair_by(&self, word: &Word) -> Repaired {
        let mut repaired = Repaired::default();
        let done = async |it: &Reconcile<'_, _, _>| {
            it.repair(word, &mut repaired, &mut |_| ()).await.unwrap();
        };
        self.reconcile(done);
        repaired
    }

    /// Somebody's key is their second by now, and the first is still there: its id.
    fn replace_key(&self, person: usize) -> String {
        let owner = &self.people[person].account;
        self.edit(owner, |account| {
            account.access.keys.get_mut(&Slot::Primary).unwrap().generation = 2;
        });
        self.make_key(&key_name("sim", owner, Slot::Primary, 1))
    }

    fn make_key(&self, name: &str) -> String {
        let new = NewApiKey { name: Some(name.to_owned()), ..NewApiKey::default() };
        self.world.api_gateway.scene(|model, now| model.create_api_key(new, now).unwrap().id)
    }
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

#[test]
fn a_look_tells_everything_and_does_nothing() {
    let mut town = Town::new();
    town.grow(130, 13);
    let mut expected = town.meddle();
    town.world.gate.take_calls();
    let (report, findings) = town.look();
    expected.insert(Drift::Orphan, 1);
    expected.insert(Drift::StaleLedger, 1);
    assert_eq!(report.found, expected);
    assert_eq!(report.woken, BTreeMap::new());
    let mut heard = BTreeMap::new();
    for finding in findings {
        *heard.entry(finding.drift).or_insert(0) += 1;
    }
    assert_eq!(heard, expected);
    for (_, operation) in town.counted().into_keys() {
        assert!(!["SendMessageBatch", "UpdateItem"].contains(&operation), "{operation}");
    }
    assert_eq!(town.world.sqs.len(BULK_QUEUE), 0);
}

/// Who waits for it sees each listing grow to what there is, and each orphan looked at.
#[test]
fn it_tells_how_far_it_is() {
    let mut town = Town::new();
    town.grow(130, 13);
    town.make_key(&key_name("sim", &account("nobody"), Slot::Primary, 1));
    town.world.clock.advance(SignedDuration::from_mins(5));
    let mut through = BTreeMap::new();
    let mut told = |news| {
        if let Progress::Through(stage, number) = news {
            *through.entry(stage).or_insert(0) += number;
        }
    };
    let mut repaired = Repaired::default();
    town.reconcile(async |it| it.repair(&Word::default(), &mut repaired, &mut told).await.unwrap());
    let report = repaired.report;
    let whole = [
        (ScanStage::Keys, report.keys),
        (ScanStage::KeysOnPlans, report.keys - 1),
        (ScanStage::Accounts, report.accounts),
        (ScanStage::Subscriptions, report.subscriptions),
        (ScanStage::Disputes, report.disputes),
        (ScanStage::Users, report.users),
        (ScanStage::Orphans, 1),
    ];
    assert_eq!(through, whole.into());
}

#[test]
fn a_repair_wakes_what_differs_and_deletes_what_was_replaced() {
    let mut town = Town::new();
    town.grow(40, 5);
    let lost = town.people[7].key.clone();
    town.world.api_gateway.scene(|model, now| model.delete_api_key(&lost, now).unwrap());
    let replaced = town.replace_key(3);
    let orphan = town.make_key(&key_name("sim", &account("nobody"), Slot::Primary, 1));
    let by_hand = town.make_key("by-hand");
    let other = town.make_key(&key_name("sim2", &account("nobody"), Slot::Primary, 1));
    town.world.clock.advance(SignedDuration::from_mins(5));
    let repaired = town.repair(false);
    assert_eq!(repaired.report.woken, [(Drift::KeyGone, 1)].into());
    let ids = |repaired: &Repaired| -> Vec<_> {
        repaired.deleted.iter().map(|key| key.id.to_string()).collect()
    };
    assert_eq!(ids(&repaired), [replaced]);
    assert_eq!(repaired.left.len(), 1, "nobody has named it");
    assert_eq!(ids(&town.repair_naming(false, &[&orphan])), [orphan]);
    town.drain();
    assert_eq!(town.look().0.found, BTreeMap::new());
    let kept = |id: &str| town.world.api_gateway.scene(|model, _| model.get_api_key(id).is_ok());
    assert!(kept(&by_hand) && kept(&other));
}

/// What may be somebody's is left, and why is told. A person's word is enough for what no account
/// names, and not for what one does.
#[test]
fn what_may_be_somebodys_is_left() {
    let mut town = Town::new();
    town.grow(10, 0);
    let name = |town: &Town, person: usize, generation| {
        key_name("sim", &town.people[person].account, Slot::Primary, generation)
    };
    let newer = town.make_key(&name(&town, 0, 2));
    // A table from a backup does not know the key that was made, or made anew, since.
    let as_new = town.make_key(&name(&town, 5, 1));
    let unknown = town.people[6].key.clone();
    town.edit(&town.people[6].account, |account| {
        account.count_generations();
        account.access.status = Status::Disabled;
        account.access.keys.clear();
    });
    let older = town.replace_key(1);
    let at_work = town.make_key(&name(&town, 2, 1));
    town.edit(&town.people[2].account, |account| account.open = true);
    let intended = town.make_key(&name(&town, 3, 2));
    town.edit(&town.people[3].account, |account| {
        let (slot, secret_version, nonce) = (Slot::Primary, 1, String::new());
        account.intent = Some(MintIntent { slot, generation: 2, secret_version, nonce });
    });
    // Closed at the time of the backup, and opened since, they may have this one.
    let closed = town.make_key(&name(&town, 4, 3));
    town.edit(&town.people[4].account, |account| {
        account.count_generations();
        account.access.status = Status::Closed;
        account.access.keys.clear();
    });
    let strange = town.make_key("tollgate/sim/strange");
    let nobodys = town.make_key(&key_name("sim", &account("nobody-1"), Slot::Primary, 1));
    town.world.clock.advance(SignedDuration::from_mins(5));
    // Listed in its first minute: a comparison of so few keys takes no longer.
    let new = town.make_key(&key_name("sim", &account("nobody"), Slot::Primary, 1));
    let own = town.people[4].key.clone();
    let deleted = |repaired: &Repaired| -> Vec<_> {
        repaired.deleted.iter().map(|key| key.id.to_string()).collect()
    };
    let left = |repaired: &Repaired| -> BTreeMap<_, _> {
        repaired.left.iter().map(|(key, why)| (key.id.to_string(), *why)).collect()
    };
    let repaired = town.repair(false);
    assert_eq!(deleted(&repaired), [older]);
    let in_use = "it may be the one in use: the ledger names no newer one, and nobody this one";
    let unnamed = "the ledger knows nothing of its owner, and nobody has named it";
    let whatever_is_said = BTreeMap::from([
        (at_work.clone(), "its account is being worked on"),
        (strange.clone(), "its name is none that Tollgate gives"),
        (new.clone(), "it is new: it may be its account's by now"),
    ]);
    let mut expected = whatever_is_said.clone();
    expected.extend([&newer, &as_new, &unknown, &closed, &own].map(|key| (key.clone(), in_use)));
    expected.insert(nobodys.clone(), unnamed);
    assert_eq!(left(&repaired), expected);
    let may_go = [&newer, &as_new, &unknown, &closed, &nobodys];
    let named: Vec<_> = may_go.into_iter().chain([&at_work, &intended, &strange, &new]).collect();
    let named: Vec<_> = named.into_iter().map(String::as_str).collect();
    let repaired = town.repair_naming(false, &named);
    let mut expected = may_go.map(Clone::clone);
    expected.sort();
    assert_eq!(deleted(&repaired), expected);
    let mut expected = whatever_is_said;
    expected.insert(own, in_use);
    assert_eq!(left(&repaired), expected);
    assert!(town.world.api_gateway.scene(|model, _| model.get_api_key(&intended).is_ok()));
}

/// The table is lost, and the pool is another: every key is nobody's, and there are fewer than
/// the limit lets through.
#[test]
fn where_nobody_is_known_nothing_is_deleted() {
    let mut town = Town::new();
    town.grow(8, 2);
    town.world.clock.advance(SignedDuration::from_mins(5));
    town.world.ledger.lose_everything();
    town.world = town.world.with_pool(PoolConfig::tollgate("us-east-1_Elsewhere"));
    let (report, findings) = town.look();
    assert_eq!((report.orphans, report.known_owners), (8, 0));
    assert_eq!(excesses(&report), [Excess { of: ExcessOf::Unlinked, count: 8, limit: 0 }]);
    let orphans = findings.iter().filter_map(|finding| match &finding.about {
        FindingAbout::Key(key) => Some(key.id.to_string()),
        _ => None,
    });
    let orphans: Vec<_> = orphans.collect();
    let named: Vec<_> = orphans.iter().map(String::as_str).collect();
    for repaired in [town.repair(false), town.repair(true), town.repair_naming(false, &named)] {
        assert_eq!((repaired.deleted.len(), repaired.left.len()), (0, 8));
    }
    assert_eq!(town.world.api_gateway.scene(|model, _| model.keys().count()), 8);
    assert_eq!(town.repair_naming(true, &named[..1]).deleted.len(), 1, "a word for each");
}

/// Whoever the pool has and the ledger has forgotten keeps their key.
#[test]
fn a_key_whose_owner_the_ledger_has_forgotten_is_no_orphan() {
    let mut town = Town::new();
    town.grow(20, 3);
    town.world.ledger.lose_everything();
    let (report, _) = town.look();
    let expected =
        BTreeMap::from([(Drift::NoAccount, 20), (Drift::Unlinked, 3), (Drift::UnknownOwner, 20)]);
    assert_eq!(report.found, expected);
    let repaired = town.repair(true);
    assert_eq!((repaired.deleted, repaired.left), (vec![], vec![]));
    town.drain();
    assert_eq!(town.look().0.unknown_owners, 20);
    let keys = town.world.api_gateway.scene(|model, _| model.keys().count());
    assert_eq!(keys, 20, "none was made");
}

#[test]
fn more_than_the_limit_needs_a_word() {
    let mut town = Town::new();
    town.grow(60, 31);
    let exceeded = |town: &Town| excesses(&town.look().0);
    for payer in &town.people[..20] {
        let mut stripe = town.world.stripe.account();
        stripe.cancel(&payer.subscription, When::Now).unwrap();
    }
    let report = town.look().0;
    assert_eq!((report.would_lose, report.would_end), (0, 20), "their customers left");
    assert_eq!(excesses(&report), []);
    let right = std::mem::replace(&mut town.worker.catalog, demoting(&town.world));
    let losing = Excess { of: ExcessOf::Losing, count: 11, limit: 10 };
    assert_eq!(exceeded(&town), [losing], "a wrong catalog is nobody's doing");
    for person in 40..51 {
        town.replace_key(person);
    }
    town.world.clock.advance(SignedDuration::from_mins(5));
    let deleting = Excess { of: ExcessOf::Deleting, count: 11, limit: 10 };
    assert_eq!(exceeded(&town), [losing, deleting]);
    let repaired = town.repair(false);
    assert_eq!((repaired.deleted.len(), repaired.left.len()), (0, 11));
    let until = town.reconcile(async |it| it.accept().await.unwrap());
    assert_eq!(until, town.world.clock.time() + SignedDuration::from_hours(1));
    assert_eq!(town.repair(true).deleted.len(), 11);
    town.drain();
    assert_eq!(town.look().0.found, BTreeMap::new(), "all eleven are demoted");
    town.worker.catalog = right;
    town.worker.catalog.revision = 3;
    town.repair(true);
    town.drain();
    for person in &town.people[40..] {
        town.world.cognito.delete_user(&person.name).unwrap();
    }
    let closing = Excess { of: ExcessOf::Closing, count: 20, limit: 10 };
    assert_eq!(exceeded(&town), [closing]);
}

/// Something that the report names can be found.
#[test]
fn a_finding_names_what_it_is_about() {
    let mut town = Town::new();
    town.grow(3, 0);
    town.edit(&town.people[1].account, |account| account.access.usage_plan = None);
    let key = town.make_key("tollgate/sim/nobody/primary/1");
    let (_, findings) = town.look();
    assert_eq!(findings[0].about, FindingAbout::Account(town.people[1].account.clone()));
    let FindingAbout::Key(orphan) = &findings[1].about else { panic!("{findings:?}") };
    assert_eq!((orphan.id.as_str(), findings[1].drift), (key.as_str(), Drift::Orphan));
}
