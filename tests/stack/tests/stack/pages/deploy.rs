//! docs/deploy.md: the template's parameters and their defaults.

use std::collections::BTreeMap;

use super::{chapter, field, quoted, rows, text};

/// The template's parameters; `None`: one without a default.
fn parameters() -> BTreeMap<String, Option<String>> {
    let template = text("infra/template.yaml");
    let (_, section) = template.split_once("\nParameters:\n").expect("it has some");
    let lines = section.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let (mut parameters, mut newest) = (BTreeMap::new(), String::new());
    for line in lines {
        if line.starts_with("  ") && !line.starts_with("   ") {
            newest = line.trim().trim_end_matches(':').to_owned();
            parameters.insert(newest.clone(), None);
        } else if let Some(default) = field(line, "Default") {
            parameters.insert(newest.clone(), Some(default.to_owned()));
        }
    }
    parameters
}

#[test]
fn every_parameter_is_told_with_its_default() {
    let page = text("docs/deploy.md");
    let mut told = BTreeMap::new();
    for row in rows(chapter(&page, "## Parameters")).skip(2) {
        let (names, values) = (quoted(row[0]), quoted(row[1]));
        for (n, name) in names.into_iter().enumerate() {
            let default = match row[1] {
                "required" => None,
                _ => Some(values.get(n).copied().unwrap_or_default().to_owned()),
            };
            told.insert(name.to_owned(), default);
        }
    }
    let expected = parameters();
    assert!(expected.len() > 15, "the template is read");
    assert_eq!(told, expected);
}
