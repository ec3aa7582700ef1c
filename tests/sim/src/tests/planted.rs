//! The simulation can fail: each planted bug is caught by the invariant that it breaks,
//! and a failing run shrinks to a story.

use crate::planted::Bug;

use crate::hunt::hunt;
use crate::run::run_script;
use crate::script::Script;
use crate::shrink::{Shrunk, shrink};
use crate::story::story;

/// How many seeds may go by without a catch.
pub(super) const LIMIT: u64 = 200;

/// The seed from which each bug is hunted: the one that `cargo sim bugs` finds first. A
/// seed that has come to tell of something else only makes the hunt longer.
pub(super) fn start(bug: Bug) -> u64 {
    match bug {
        Bug::BlastNotKept => 184,
        Bug::BetweenNotWoken => 1268,
        Bug::PersonForgotten => 322,
        Bug::OddRowStopsPage => 340,
        Bug::WordNotRead => 550,
        _ => 0,
    }
}

fn all_are_caught(invariant: u8) {
    let of_it: Vec<_> = Bug::ALL.into_iter().filter(|bug| bug.invariant() == invariant).collect();
    assert!(of_it.len() >= 2, "invariant {invariant} has {of_it:?}");
    for bug in of_it {
        assert!(hunt(bug, start(bug), LIMIT).is_some(), "{bug} goes unseen for {LIMIT} seeds");
    }
}

#[test]
fn wrong_access_is_caught() {
    all_are_caught(1);
}

#[test]
fn second_keys_are_caught() {
    all_are_caught(2);
}

#[test]
fn lost_events_are_caught() {
    all_are_caught(3);
}

#[test]
fn broken_history_is_caught() {
    all_are_caught(4);
}

#[test]
fn replays_that_change_something_are_caught() {
    all_are_caught(5);
}

#[test]
fn whoever_acts_without_a_claim_is_caught() {
    all_are_caught(6);
}

#[test]
fn leaks_are_caught() {
    all_are_caught(7);
}

#[test]
fn moved_links_are_caught() {
    all_are_caught(8);
}

#[test]
fn losses_without_evidence_are_caught() {
    all_are_caught(9);
}

#[test]
fn meddling_with_others_is_caught() {
    all_are_caught(10);
}

#[test]
fn clicks_that_cost_twice_are_caught() {
    all_are_caught(11);
}

#[test]
fn keys_left_without_a_plan_are_caught() {
    all_are_caught(12);
}

#[test]
fn harm_done_by_a_lost_ledger_is_caught() {
    all_are_caught(13);
}

#[test]
fn bugs_have_names_of_their_own() {
    for bug in Bug::ALL {
        assert_eq!(Bug::named(bug.name()), Some(bug));
    }
}

fn shrunk(bug: Bug) -> Shrunk {
    let catch = hunt(bug, start(bug), LIMIT).expect("it is caught");
    let script = Script::of(catch.seed).with_bug(Some(bug));
    let small = shrink(&script, bug.invariant(), 60).expect("it breaks the invariant");
    assert!(small.report.script.kept().len() < script.kept().len());
    assert!(small.runs <= 60);
    small
}

#[test]
fn a_failing_run_shrinks_to_a_few_acts_that_still_fail() {
    let small = shrunk(Bug::EntryAfterState);
    assert!(small.report.acts.len() <= 4, "{:?}", small.report.acts);
    let told = story(&small.report, small.invariant);
    assert!(told.last().is_some_and(|line| line.contains("VIOLATION 4")), "{told:?}");
    let kept = small.report.script.kept();
    let acts =
        told.iter().filter(|line| kept.iter().any(|act| line.contains(&format!("[{act}] "))));
    assert!(acts.count() > 0, "{told:?}");
}

#[test]
fn shrinking_repeats() {
    let (first, second) = (shrunk(Bug::LinkWithoutEntry), shrunk(Bug::LinkWithoutEntry));
    assert_eq!(first.report.script, second.report.script);
    assert_eq!(first.runs, second.runs);
    let again = run_script(&first.report.script);
    assert_eq!(again.digest, first.report.digest);
}

#[test]
fn the_printed_command_names_the_smaller_half_of_the_acts() {
    let script = Script::of(3).with_only_acts(&[2, 5]).with_bug(Some(Bug::NoFence));
    let command = script.command();
    assert!(command.contains("--only-acts 2,5"), "{command}");
    assert!(command.ends_with("--bug no-fence"), "{command}");
    let script = Script::of(3).without_acts([4]);
    assert!(script.command().contains("--without-acts 4"));
}
