//! docs/configuration.md: the events, the variables, the example and the defaults.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use tollgate_core::catalog::{Brand, CatalogFile};
use tollgate_core::policy::Policy;
use tollgate_events::stripe::ACTED_ON;
use tollgate_functions::config::{
    AccountConfig, ConfigError, DeadLetterConfig, SiteConfig, SweepConfig, TriggerConfig,
    WebhookConfig, WorkerFunctionConfig,
};

use super::{block, chapter, quoted, rows, text};

const PAGE: &str = "docs/configuration.md";

#[test]
fn the_events_are_those_that_are_acted_on() {
    let page = text(PAGE);
    let list = block(chapter(&page, "## Stripe's webhook endpoint"), "text");
    let told: Vec<_> = list.lines().collect();
    let mut expected = ACTED_ON.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

/// What a function asks for, and what it cannot do without.
fn variables<T>(
    read: impl Fn(&dyn Fn(&str) -> Option<String>) -> Result<T, ConfigError>,
) -> BTreeMap<String, char> {
    let asked = RefCell::new(BTreeSet::from(["TOLLGATE_LOG".to_owned()]));
    let nothing = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        None
    };
    let error = read(&nothing).err().expect("something is required");
    let needed: BTreeSet<_> = error.problems.iter().map(|problem| problem.variable).collect();
    let mark = |name: String| {
        let mark = if needed.contains(name.as_str()) { '●' } else { '○' };
        (name, mark)
    };
    asked.take().into_iter().map(mark).collect()
}

#[test]
fn every_variable_is_told_of_the_functions_that_read_it() {
    let page = text(PAGE);
    let chapter = chapter(&page, "## Environment variables");
    // In the order of the page's columns.
    let expected = [
        variables(|get| WebhookConfig::read(get)),
        variables(|get| TriggerConfig::read(get)),
        variables(|get| WorkerFunctionConfig::read(get)),
        variables(|get| AccountConfig::read(get)),
        variables(|get| SweepConfig::read(get)),
        variables(|get| DeadLetterConfig::read(get)),
        variables(|get| SiteConfig::read(get)),
    ];
    let mut told = expected.each_ref().map(|_| BTreeMap::new());
    let columns = 1 + told.len();
    for row in rows(chapter).filter(|row| row.len() == columns).skip(2) {
        for (variables, cell) in told.iter_mut().zip(&row[1..]) {
            let name = || quoted(row[0])[0].to_owned();
            variables.extend(cell.chars().next().map(|mark| (name(), mark)));
        }
    }
    assert_eq!(told, expected);
    let described = rows(chapter).filter(|row| row.len() == 2).flat_map(|row| quoted(row[0]));
    let described: BTreeSet<_> = described.map(str::to_owned).collect();
    let all: BTreeSet<_> = expected.iter().flat_map(BTreeMap::keys).cloned().collect();
    assert_eq!(described, all);
}

/// The fields of a value, by what it shows of itself.
fn fields(value: &impl Debug) -> Vec<String> {
    let shown = format!("{value:#?}");
    let own = shown.lines().filter_map(|line| line.strip_prefix("    "));
    let named = own.filter(|line| !line.starts_with([' ', '}', ')']));
    named.filter_map(|line| Some(line.split_once(": ")?.0.to_owned())).collect()
}

#[test]
fn every_field_of_the_brand_is_told_with_its_default() {
    let page = text(PAGE);
    let mut told = Vec::new();
    for row in rows(chapter(&page, "### `[brand]`, optional")).skip(2) {
        let field = quoted(row[0])[0];
        if let Some(default) = quoted(row[1]).first() {
            let text = format!("{}\n[brand]\n{field} = {default}\n", block(&page, "toml"));
            let brand = CatalogFile::parse(&text).expect("the default is right").brand;
            assert_eq!(brand, Brand::default(), "{field} is not {default}");
        }
        told.push(field.to_owned());
    }
    let all: BTreeSet<_> = fields(&Brand::default()).into_iter().collect();
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), all);
}

#[test]
fn the_example_is_a_catalog_and_the_defaults_are_the_policys() {
    let page = text(PAGE);
    let example = block(&page, "toml");
    let file = CatalogFile::parse(example).expect("the example is right");
    assert_eq!(file.policy, Policy::default(), "it shows the defaults");
    let (catalog, _) = example.split_once("[policy]\n").expect("it has all of them");
    let mut told = Vec::new();
    for row in rows(chapter(&page, "### `[policy]`, optional, each with its default")).skip(2) {
        let (field, default) = (quoted(row[0])[0], quoted(row[1])[0]);
        let text = format!("{catalog}\n[policy]\n{field} = {default}\n");
        let policy = CatalogFile::parse(&text).expect("the default is right").policy;
        assert_eq!(policy, Policy::default(), "{field} is not {default}");
        told.push(field.to_owned());
    }
    assert_eq!(told, fields(&Policy::default()));
}
