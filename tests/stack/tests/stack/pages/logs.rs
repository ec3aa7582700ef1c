//! docs/deploy.md, the logs: each message that is told of is logged, with the fields that are told.

use std::collections::{BTreeMap, BTreeSet};

use super::glossary::sources;
use super::{chapter, quoted, rows, text};

/// What is logged: by its message, the fields. What only `debug` shows is not told on the page.
fn logged(sources: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut logged = BTreeMap::<_, BTreeSet<String>>::new();
    for call in sources.split("tracing::").skip(1) {
        let Some((level, rest)) = call.split_once("!(") else { continue };
        if ["info", "warn", "error"].contains(&level) {
            let mut arguments = arguments(rest);
            let message = arguments.pop().expect("it says something");
            let names = arguments.iter().map(|it| name(it).to_owned());
            logged.entry(message.trim_matches('"').to_owned()).or_default().extend(names);
        }
    }
    logged
}

/// A field's name: `name = value`, `%name` or `name`.
fn name(argument: &str) -> &str {
    argument.split(" = ").next().unwrap_or_default().trim_start_matches(['%', '?'])
}

/// The arguments of a call whose bracket has just opened.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut depth, mut in_text) = (vec![String::new()], 0, false);
    for it in text.chars() {
        match it {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("there is one").push(it);
    }
    let trimmed = arguments.iter().map(|it| it.trim().to_owned());
    trimmed.filter(|it| !it.is_empty()).collect()
}

/// The words that a cell says a field may have: `outcome` (`queued`, …), or `outcome` = `queue_slow`.
fn words(cell: &str) -> (String, Vec<&str>) {
    let of_outcome = ["`outcome` (", "`outcome` = "];
    let Some((before, after)) = of_outcome.iter().find_map(|it| cell.split_once(it)) else {
        return (cell.to_owned(), Vec::new());
    };
    let (words, rest) = after.split_once([')', ':']).unwrap_or((after, ""));
    (format!("{before}`outcome`{rest}"), quoted(words))
}

#[test]
fn every_log_line_is_told_with_its_fields() {
    let page = text("docs/deploy.md");
    let sources = sources(&["workers"]);
    let logged = logged(&sources);
    let mut lines = 0;
    for row in rows(chapter(&page, "## Logs")).skip(2) {
        let mut expected = BTreeSet::new();
        for message in quoted(row[0]) {
            let fields = logged.get(message);
            expected.extend(fields.unwrap_or_else(|| panic!("nothing logs `{message}`")).clone());
            lines += 1;
        }
        let (cell, words) = words(row[2]);
        let told: BTreeSet<_> = quoted(&cell).into_iter().map(str::to_owned).collect();
        assert_eq!(told, expected, "{}", row[0]);
        for word in words {
            assert!(sources.contains(&format!("\"{word}\"")), "{}: no `{word}`", row[0]);
        }
    }
    assert!(lines > 15, "the page is read: {lines}");
}

/// A metric that counts a message which nobody writes never raises its alarm.
#[test]
fn every_metric_counts_a_line_that_is_logged() {
    let template = text("infra/template.yaml");
    let logged = logged(&sources(&["workers"]));
    let patterns: Vec<_> = template.lines().filter(|it| it.contains("FilterPattern: ")).collect();
    assert!(patterns.len() > 15, "the template is read");
    for pattern in patterns {
        let message = pattern.split_once("$.message = \"").and_then(|(_, it)| it.split_once('"'));
        let known: BTreeSet<_> = match message {
            Some((message, _)) => logged.get(message).cloned().unwrap_or_else(|| {
                panic!("nothing logs `{message}`");
            }),
            None => logged.values().flatten().cloned().collect(),
        };
        for field in pattern.split("$.").skip(1) {
            let field = field.split(' ').next().unwrap_or_default();
            assert!(field == "message" || known.contains(field), "{pattern}: no {field}");
        }
    }
}
