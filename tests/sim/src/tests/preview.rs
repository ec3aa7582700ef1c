//! What a preview tells is what the convergence then does.

use tollgate_billing::account::PlanId;
use tollgate_billing::converge::Preview;
use tollgate_billing::ops::{Act, OperatorAct};
use tollgate_events::AccountId;

use crate::executor::block_on;
use crate::operator;
use crate::scene::Scene;

/// The operations that only read.
const READS: [&str; 6] = ["Get", "List", "Query", "Scan", "AdminGet", "BatchGet"];

/// Previews, and makes sure that nothing was written.
fn preview(scene: &Scene, account: &AccountId, act: Option<&OperatorAct>) -> Preview {
    scene.world.gate.take_calls();
    let preview = block_on(scene.worker.preview(account, Vec::new(), act)).unwrap();
    for call in scene.world.gate.take_calls() {
        let reads = READS.iter().any(|read| call.operation.starts_with(read))
            || call.operation.starts_with("GET ");
        assert!(reads, "a preview calls {}", call.operation);
    }
    preview
}

/// The steps of the account's newest history entry.
fn steps_taken(scene: &Scene, account: &AccountId) -> Vec<String> {
    let entries = scene.world.ledger.entries(account);
    entries.last().unwrap().steps.iter().map(|step| step.step.clone()).collect()
}

fn steps_of(preview: &Preview) -> Vec<String> {
    preview.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_change_of_plan_is_foreseen() {
    let scene = Scene::default();
    let bought = scene.paying("basic");
    let account = scene.world.ledger.accounts()[0].id.clone();
    assert!(!preview(&scene, &account, None).changes(), "at rest");
    scene.change(&bought, "pro");
    let foreseen = preview(&scene, &account, None);
    let pro = PlanId::parse("pro").unwrap();
    assert_eq!(foreseen.after.0, Some(pro));
    assert!(!foreseen.mints() && !foreseen.disables());
    scene.come_to_rest();
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));
}

#[test]
fn a_sign_up_and_a_hold_are_foreseen() {
    let scene = Scene::default();
    let account = scene.sign_up();
    let foreseen = preview(&scene, &account, None);
    assert!(foreseen.mints() && foreseen.changes());
    scene.come_to_rest();
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));

    let act = OperatorAct { act: Act::Hold, by: "ops".into(), why: "abuse".into() };
    let foreseen = preview(&scene, &account, Some(&act));
    assert!(foreseen.disables());
    block_on(operator::act(&scene.world, &account, &act)).unwrap();
    scene.come_to_rest();
    assert_eq!(steps_of(&foreseen), steps_taken(&scene, &account));
}
