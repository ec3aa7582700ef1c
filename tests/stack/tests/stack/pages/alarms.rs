//! The template's alarms: what deploy.md says of each, and the names in the runbook.

use std::collections::{BTreeMap, BTreeSet};

use super::{chapter, field, quoted, rows, text};

/// An alarm as the template has it.
#[derive(Default)]
pub(super) struct Alarm {
    threshold: String,
    /// Seconds.
    period: u32,
    /// How many periods it takes.
    periods: u32,
}

impl Alarm {
    /// As the page writes it.
    fn told(&self) -> String {
        let minutes = self.period / 60;
        let more = match self.periods {
            1 => String::new(),
            periods => format!(", {periods} times running"),
        };
        format!("{} in {minutes} min{more}", self.threshold)
    }
}

/// By the name behind the stack's.
pub(super) fn alarms() -> BTreeMap<String, Alarm> {
    let template = text("infra/template.yaml");
    let (mut alarms, mut newest) = (BTreeMap::<String, Alarm>::new(), String::new());
    for line in template.lines() {
        if let Some(name) = field(line, "AlarmName") {
            let name = name.strip_prefix("!Sub \"${AWS::StackName}-").expect("it is the stack's");
            newest = name.to_owned();
            alarms.insert(newest.clone(), Alarm::default());
        }
        let Some(alarm) = alarms.get_mut(&newest) else { continue };
        let number = |name| field(line, name).and_then(|it| it.parse().ok());
        if let Some(threshold) = field(line, "Threshold") {
            let parameter = threshold.strip_prefix("!Ref ");
            alarm.threshold =
                parameter.map_or(threshold.to_owned(), |parameter| format!("`{parameter}`"));
        }
        alarm.period = number("Period").unwrap_or(alarm.period);
        alarm.periods = number("EvaluationPeriods").unwrap_or(alarm.periods);
    }
    alarms
}

/// The functions that a row of the page stands for, `<function>-errors`.
const FUNCTIONS: [&str; 8] = [
    "stripe-webhook",
    "cognito-trigger",
    "eventbridge",
    "worker",
    "account",
    "site",
    "sweep",
    "deadletter",
];

#[test]
fn every_alarm_is_told_with_its_threshold() {
    let (alarms, page) = (alarms(), text("docs/deploy.md"));
    let mut told = BTreeMap::new();
    for row in rows(chapter(&page, "## Alarms")).skip(2) {
        for name in quoted(row[0]) {
            match name.strip_prefix("<function>-") {
                None => drop(told.insert(name.to_owned(), row[1].to_owned())),
                Some(kind) => told.extend(FUNCTIONS.map(|function| {
                    let (all, sweep) = row[1].split_once("; `sweep`: ").expect("sweep's own");
                    let threshold = if function == "sweep" { sweep } else { all };
                    (format!("{function}-{kind}"), threshold.to_owned())
                })),
            }
        }
    }
    let expected: BTreeMap<_, _> =
        alarms.iter().map(|(name, alarm)| (name.clone(), alarm.told())).collect();
    assert!(expected.len() > 30, "the template is read");
    assert_eq!(told, expected);
}

/// Whoever looks for the alarm that a chapter of the runbook names finds it.
#[test]
fn every_alarm_of_the_runbook_exists() {
    let (alarms, book) = (alarms(), text("docs/runbook.md"));
    let mut named = BTreeSet::new();
    for seen in book.split("**You see** ").skip(1) {
        let seen = seen.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        for after in seen.split("the alarm ").skip(1) {
            // `a`, `b` or `c`
            let list = after.split(['.', ':', ';']).next().unwrap_or_default();
            let ends = [", a ", ", every ", ", and ", " and "];
            let end = ends.iter().filter_map(|end| list.find(end)).min().unwrap_or(list.len());
            let names = quoted(&list[..end]);
            assert!(list.starts_with('`'), "an alarm without its name: {after}");
            named.extend(names.into_iter().map(str::to_owned));
        }
        assert!(!seen.contains("the alarm of") && !seen.contains("the alarm for"), "{seen}");
    }
    let unknown: Vec<_> = named.iter().filter(|name| !alarms.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "no such alarm: {unknown:?}");
    assert!(named.len() > 5, "{named:?}");
}
