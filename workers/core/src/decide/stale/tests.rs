use tollgate_events::AccountId;

use super::super::tests::*;
use super::*;
use crate::account::{Account, Attributes, Grant, KeyRecord, Slot, UsagePlanId, User};
use crate::decide::{Facts, UserFact, decide};
use crate::plan::{Observed, plan};
use crate::policy::Policy;

/// An account as the ledger has it, and what is there.
struct Stage {
    facts: Facts,
    /// Whether the key is accepted, and the plan that it is on; `None` where it is gone.
    key: Option<(bool, &'static str)>,
    word: &'static str,
    released: bool,
    /// Towards which words an interrupted convergence went.
    begun: &'static [&'static str],
    ended: Option<u32>,
}

impl Stage {
    /// The ledger has a plan, and the world agrees.
    fn on(id: &'static str, subscriptions: Vec<Subscription>) -> Self {
        let mut facts = facts(subscriptions);
        let username = "ann".to_owned();
        facts.last_seen = User::Present { username: username.clone(), enabled: true };
        facts.user = UserFact::Found { username, enabled: true };
        let access = &mut facts.access;
        access.plan = Some(plan_id(id));
        access.status = Status::Active;
        access.usage_plan = UsagePlanId::parse(format!("up-{id}")).ok();
        let key = KeyId::parse("key-1").unwrap();
        access.attributes = Attributes { api_id: Some(key.clone()), plan: Some(id.to_owned()) };
        let record = KeyRecord { id: key, generation: 1, minted_at: at(-DAY) };
        access.keys.insert(Slot::Primary, record);
        Self { facts, key: Some((true, id)), word: id, released: false, begun: &[], ended: None }
    }

    fn held(mut self) -> Self {
        let access = &mut self.facts.access;
        access.status = Status::Held;
        access.hold = Some("a story".into());
        access.reason = Reason::OperatorHold { why: "a story".into() };
        access.attributes.plan = Some("held".into());
        self
    }

    fn shows(self, enabled: bool, plan: &'static str, word: &'static str) -> Self {
        Self { key: Some((enabled, plan)), word, ..self }
    }

    fn granted(mut self, id: &str) -> Self {
        let grant = Grant { plan: plan_id(id), until: None, why: "a story".into() };
        self.facts.access.grants.push(grant);
        self
    }

    fn given_by(mut self, id: &str, plan: &str) -> Self {
        self.facts.access.given = Some(given(id, plan, &format!("price_{plan}")));
        self
    }

    fn stale(&self) -> Option<Stale> {
        let catalog = catalog();
        let ledger = &self.facts.access;
        let desired = decide(&self.facts, &catalog, &Policy::default(), now());
        let key = self.key.map(|(enabled, id)| ObservedKey {
            id: KeyId::parse("key-1").ok(),
            enabled,
            usage_plans: UsagePlanId::parse(format!("up-{id}")).into_iter().collect(),
        });
        let api_id = key.as_ref().and_then(|key| key.id.clone());
        let attributes = Attributes { api_id, plan: Some(self.word.to_owned()) };
        let observed = Observed { key, attributes, ..Observed::default() };
        let steps = plan(&desired, &observed);
        let mut account = Account::new(AccountId::parse("sub-1").unwrap());
        account.open = !self.begun.is_empty();
        account.begun = self.begun.iter().map(|word| (*word).to_owned()).collect();
        account.released = self.released;
        let sight = Sight {
            account: &account,
            ledger,
            desired: &desired,
            subscriptions: &self.facts.subscriptions,
            steps: &steps,
            key: observed.key.as_ref(),
            retiring: &[],
            accepted: &BTreeSet::new(),
            word: Some(self.word),
            ended: self.ended,
            catalog: &catalog,
        };
        sight.stale()
    }
}

fn live(id: &str, plan: &str) -> Vec<Subscription> {
    vec![subscription(id, "active", &format!("price_{plan}"))]
}

fn otherwise(plan: &str) -> Option<Stale> {
    Some(Stale::Otherwise(plan.into()))
}

#[test]
fn where_ledger_and_world_agree_nothing_is_stale() {
    for stage in [
        Stage::on("free", vec![]),
        Stage::on("free", live("sub_1", "pro")),
        Stage::on("pro", vec![]).given_by("sub_1", "pro"),
        Stage::on("pro", live("sub_1", "basic")).given_by("sub_1", "pro"),
        Stage::on("free", vec![]).held().shows(false, "free", "held"),
    ] {
        assert_eq!(stage.stale(), None);
    }
}

#[test]
fn one_that_differs_alone_is_healed() {
    for stage in [
        Stage::on("free", vec![]).shows(true, "pro", "free"),
        Stage::on("free", vec![]).shows(true, "free", "pro"),
        Stage::on("free", vec![]).shows(true, "free", "held"),
        Stage::on("free", vec![]).shows(true, "free", "anything"),
        Stage::on("free", vec![]).held().shows(true, "free", "held"),
        Stage::on("free", vec![]).held().shows(false, "free", "free"),
        Stage { key: None, ..Stage::on("free", vec![]) },
    ] {
        assert_eq!(stage.stale(), None);
    }
}

#[test]
fn nobody_is_given_access_whom_a_word_or_a_disabled_key_refuses() {
    let refused = |word: &'static str| Stage::on("free", vec![]).shows(false, "free", word);
    assert_eq!(refused("held").stale(), Some(Stale::Word("held".into())));
    assert_eq!(refused("free").stale(), Some(Stale::Disabled));
    let closed = Stage { key: None, word: "closed", ..Stage::on("free", vec![]) };
    assert_eq!(closed.stale(), Some(Stale::Word("closed".into())));
    // But by an operator's word of now.
    for stage in [refused("held"), refused("free"), closed] {
        assert_eq!(Stage { released: true, ..stage }.stale(), None);
    }
}

#[test]
fn what_key_and_word_agree_on_is_not_undone_without_a_reason() {
    let pro = || Stage::on("free", vec![]).shows(true, "pro", "pro");
    assert_eq!(pro().stale(), otherwise("pro"), "granted since");
    assert_eq!(
        Stage { ended: Some(u32::MAX), ..pro() }.stale(),
        None,
        "bought since, and cancelled"
    );
    assert_eq!(Stage { ended: Some(1), ..pro() }.stale(), otherwise("pro"), "what ended was basic");
    let unpaid = vec![subscription("sub_1", "unpaid", "price_pro")];
    let unpaid = Stage::on("free", unpaid).shows(true, "pro", "pro");
    assert_eq!(unpaid.stale(), None, "bought since, and not paid any more");

    let free = |stage: Stage| stage.shows(true, "free", "free");
    let revoked = free(Stage::on("pro", vec![]).granted("pro"));
    assert_eq!(revoked.stale(), otherwise("free"));
    let unlinked = free(Stage::on("pro", live("sub_1", "pro")).given_by("sub_1", "pro"));
    assert_eq!(unlinked.stale(), otherwise("free"));
    let bought = free(Stage::on("pro", live("sub_2", "basic")).given_by("sub_1", "pro"));
    assert_eq!(bought.stale(), None, "cancelled since, and bought anew");

    let released = Stage::on("free", vec![]).held().shows(true, "free", "free");
    assert_eq!(released.stale(), otherwise("free"));
    let mut held_anew = Stage::on("free", vec![]).held().shows(true, "free", "free");
    held_anew.facts.access.hold = Some("another story".into());
    assert_eq!(held_anew.stale(), None, "the hold is newer than the reason");
}

#[test]
fn what_was_begun_is_no_contradiction_and_what_was_not_is() {
    let refused = |word: &'static str| Stage::on("free", vec![]).shows(false, "free", word);
    let begun = |stage: Stage, begun| Stage { begun, ..stage }.stale();
    assert_eq!(begun(refused("held"), &["held"]), None);
    assert_eq!(begun(refused("free"), &["held"]), None, "disabled, and nobody told of it");
    assert_eq!(begun(refused("held"), &["pro"]), Some(Stale::Word("held".into())));
    assert_eq!(begun(refused("free"), &["pro"]), Some(Stale::Disabled));
    assert_eq!(begun(refused("closed"), &["held"]), Some(Stale::Word("closed".into())));
    assert_eq!(begun(refused("closed"), &["held", "closed"]), None, "twice interrupted");

    let pro = || Stage::on("free", vec![]).shows(true, "pro", "pro");
    assert_eq!(begun(pro(), &["pro"]), None, "a grant that was over before it was committed");
    assert_eq!(begun(pro(), &["basic"]), otherwise("pro"));
}
