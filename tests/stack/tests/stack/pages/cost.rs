//! docs/deploy.md, the worked example of a month's cost: what the template makes, and the sums.

use super::{alarms, chapter, rows, text};

/// The secrets of a stack whose parameters are the template's defaults.
fn secrets() -> usize {
    let template = text("infra/template.yaml");
    let resources = template.split("Type: AWS::SecretsManager::Secret\n").skip(1);
    let always = |it: &&str| !it.lines().next().is_some_and(|it| it.contains("Condition:"));
    resources.filter(always).count()
}

/// The number that a cell begins with, behind a dollar's sign.
fn number(cell: &str) -> f64 {
    let digits = cell.trim_matches('*').trim_start_matches('$');
    let end = digits.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_else(|_| panic!("no number: {cell}"))
}

#[test]
fn the_worked_cost_is_of_what_the_template_makes() {
    let page = text("docs/deploy.md");
    let table: Vec<_> = rows(chapter(&page, "### A worked example")).skip(2).collect();
    let row = |name: &str| table.iter().find(|row| row[0] == name).expect("it has the row");
    for (name, made) in [("alarms", alarms::alarms().len()), ("secrets", secrets())] {
        let row = row(name);
        assert_eq!(row[1], made.to_string(), "{name}");
        let cost = number(row[1]) * number(row[2]);
        assert_eq!(row[3], format!("{cost:.2}"), "{name}");
    }
    let (together, rest) = table.split_last().expect("it has a sum");
    let sum: f64 = rest.iter().map(|row| number(row[3])).sum();
    assert_eq!(together[3], format!("**{sum:.2}**"));
}
