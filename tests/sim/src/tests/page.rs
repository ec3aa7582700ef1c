//! docs/simulation.md says what is here: bugs, faults, flows.

use std::collections::BTreeMap;

use crate::planted::Bug;

use super::planted::{LIMIT, start};
use crate::faults::FaultKind;

pub(super) const PAGE: &str = include_str!("../../../../docs/simulation.md");

/// What stands below a heading or a line, up to the next heading.
fn below(line: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(line).expect("it is there");
    rest.split("\n## ").next().unwrap_or_default()
}

/// The rows of a text's tables that begin with a name in backticks.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// The seed from which a bug is hunted is the one that catches it first: where that is past the
/// hunt's limit, it is in both.
#[test]
fn every_bug_is_told_with_its_invariant_and_its_seed() {
    let mut told = BTreeMap::new();
    for row in rows(below("## It can fail\n")) {
        let bug = Bug::named(row[0].trim_matches('`')).expect("there is such a bug");
        let number = |cell: usize| row[cell].parse::<u64>().expect("it is a number");
        let (first, needed) = (number(3), number(4));
        assert_eq!(number(1), u64::from(bug.invariant()), "{bug}");
        assert_eq!(needed, first + 1, "{bug}: seeds are counted from 0");
        let hunted = start(bug);
        assert!(hunted == first || (hunted == 0 && first < LIMIT), "{bug} is hunted from {hunted}");
        told.insert(bug, first);
    }
    let untold: Vec<_> = Bug::ALL.into_iter().filter(|bug| !told.contains_key(bug)).collect();
    assert_eq!(untold, Vec::<Bug>::new());
}

#[test]
fn every_fault_is_told() {
    let names = rows(below("**Faults.**")).flat_map(|row| row[0].split(", ").collect::<Vec<_>>());
    let mut told: Vec<_> = names.map(|name| name.trim_matches('`')).collect();
    let mut expected = FaultKind::ALL.map(FaultKind::as_str).to_vec();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}
