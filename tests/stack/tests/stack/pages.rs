//! The pages say what the code does: numbers, names, lists and links of README and docs/ are
//! compared with what they are about.

mod account_api;
mod alarms;
mod command;
mod configuration;
mod cost;
mod deploy;
mod glossary;
mod ledger;
mod links;
mod logs;
mod paths;
mod rights;

use std::fs::read_to_string;

use tollgate_stack::root;

/// The text of a file of the repository.
pub(crate) fn text(file: &str) -> String {
    read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A text with other words: what each becomes, by what stands before it. A word is of letters,
/// digits, `_` and `-`.
pub(crate) fn reworded(text: &str, becomes: impl Fn(&str, &str) -> String) -> String {
    let is_of_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    let ends = |it: char| !is_of_word(it);
    text.split_inclusive(ends).fold(String::new(), |told, part| {
        let word = part.trim_end_matches(ends);
        let new = if word.is_empty() { String::new() } else { becomes(&told, word) };
        told + &new + &part[word.len()..]
    })
}

/// A chapter of a page: what stands below its heading, up to the next one of its rank or above.
fn chapter<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let below = &page[start + heading.len()..];
    let rank = heading.chars().take_while(|it| *it == '#').count();
    let ends = (1..=rank).filter_map(|rank| below.find(&format!("\n{} ", "#".repeat(rank))));
    &below[..ends.min().unwrap_or(below.len())]
}

/// The rows of a text's tables, each by its cells; headings and rules are rows too.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    rows.map(cells)
}

/// A bar behind a backslash is none.
fn cells(row: &str) -> Vec<&str> {
    let is_bar = |(at, _): &(usize, &str)| !row[..*at].ends_with('\\');
    let (mut cells, mut start) = (Vec::new(), 0);
    for (at, _) in row.match_indices('|').filter(is_bar) {
        cells.push(row[start..at].trim());
        start = at + 1;
    }
    cells.push(row[start..].trim());
    cells
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The text of the first block of code below a line.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("```{language}\n")).expect("there is a block");
    rest.split_once("```").expect("it ends").0
}

/// A line of the template: a field's value, without quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.trim().strip_prefix(name)?.strip_prefix(": ")?.trim_matches('"'))
}
