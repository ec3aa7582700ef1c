//! docs/ledger.md: how the items' keys begin, and the indexes.

use std::collections::BTreeSet;

use tollgate_functions::adapters::dynamodb::table::{ACCOUNT_SHARDS, INDEXES, RECENT_SHARDS};

use super::{chapter, quoted, rows, text};

const PAGE: &str = "docs/ledger.md";

/// What a key begins with: all of it, or up to the first `#`. `None`: it is no key, or begins with
/// something that is another each time.
fn beginning(key: &str) -> Option<&str> {
    let end = key.find('#').map_or(key.len(), |at| at + 1);
    let key = &key[..end];
    let name = key.trim_end_matches('#');
    (!name.is_empty() && name.chars().all(|it| it.is_ascii_uppercase())).then_some(key)
}

/// The text literals of the part of a file that spells keys.
fn spelled() -> BTreeSet<String> {
    let file = text("workers/functions/src/adapters/dynamodb/items.rs");
    let (_, keys) = file.split_once("\nimpl Key {").expect("it spells keys");
    let (keys, rest) = keys.split_once("\n}\n").expect("it ends");
    let constants = rest.lines().filter(|line| line.starts_with("pub(crate) const "));
    let literals = |text: &str| -> Vec<String> {
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let all = literals(keys).into_iter().chain(constants.flat_map(literals));
    all.filter_map(|literal| beginning(&literal).map(str::to_owned)).collect()
}

#[test]
fn every_key_of_the_table_is_told() {
    let page = text(PAGE);
    let items = rows(chapter(&page, "## Items")).skip(2).filter(|row| row.len() == 4);
    let keys = items.flat_map(|row| [quoted(row[0]), quoted(row[1])].concat());
    let told: BTreeSet<_> = keys.filter_map(beginning).map(str::to_owned).collect();
    assert!(told.len() > 10, "the page is read: {told:?}");
    assert_eq!(told, spelled());
}

#[test]
fn every_index_is_told_with_its_keys() {
    let page = text(PAGE);
    let told: Vec<_> = rows(chapter(&page, "## Indexes"))
        .skip(2)
        .map(|row| [row[0], row[1]].concat())
        .map(|row| quoted(&row).into_iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let expected: Vec<_> = INDEXES
        .iter()
        .map(|index| [index.name, index.hash, index.range].map(str::to_owned).to_vec())
        .collect();
    assert_eq!(told, expected);
    let indexes = chapter(&page, "## Indexes");
    for (index, shards) in [
        ("due_shard", format!("({ACCOUNT_SHARDS} shards)")),
        ("account_shard", format!("({ACCOUNT_SHARDS} shards)")),
        ("recent_day", format!("({RECENT_SHARDS} shards for each day)")),
    ] {
        assert!(indexes.contains(&format!("`{index}` {shards}")), "{index}: {shards}");
    }
}
