//! The glossary's words, and the places that a contributor is sent to, are in the code.

use std::path::Path;

use super::{quoted, root, rows, text};

/// Whose sources are the product's and the tests'.
const ALL: [&str; 4] = ["events", "workers", "infra", "tests"];

/// How a test begins.
const TEST_MARKS: [&str; 3] = ["#[test]\nfn ", "#[test]\n    fn ", "#[tokio::test]\nasync fn "];

/// The sources in these folders, one behind the other.
pub(super) fn sources(folders: &[&str]) -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).expect("it is a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|it| it == "rs") {
                all.push_str(&std::fs::read_to_string(&path).expect("it is text"));
            }
        }
    }
    let mut all = String::new();
    for folder in folders {
        read(&root().join(folder), &mut all);
    }
    all
}

/// Whether a name stands somewhere, and not as a part of another.
fn is_in(sources: &str, name: &str) -> bool {
    let ends = |it: Option<char>| it.is_none_or(|it| !it.is_alphanumeric() && it != '_');
    sources.match_indices(name).any(|(at, _)| {
        ends(sources[..at].chars().next_back()) && ends(sources[at + name.len()..].chars().next())
    })
}

/// A word that nobody writes any more leaves the glossary, or is written there as it is now.
#[test]
fn every_word_of_the_glossary_is_in_the_code() {
    let (page, sources) = (text("docs/glossary.md"), sources(&ALL));
    let in_code = rows(&page).filter_map(|row| row.get(2).copied());
    let names: Vec<_> = in_code.flat_map(quoted).collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        assert!(is_in(&sources, name), "`{name}` is nowhere");
    }
}

/// Each word has one row.
#[test]
fn no_word_is_explained_twice() {
    let page = text("docs/glossary.md");
    let mut words: Vec<_> =
        rows(&page).flat_map(|row| row[0].split(", ").collect::<Vec<_>>()).collect();
    words.retain(|word| *word != "word" && !word.starts_with('-'));
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all);
}

/// The paragraphs of a page, and each item of its lists.
fn items(page: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    for line in page.lines() {
        let number = line.split_once(". ").map(|(number, _)| number);
        let begins = number.is_some_and(|it| it.parse::<u32>().is_ok());
        if begins || line.is_empty() {
            items.push(String::new());
        }
        let item = items.last_mut().expect("there is one");
        item.push_str(line);
        item.push('\n');
    }
    items
}

/// What a file says, or all sources of a folder.
fn said_by(place: &str) -> String {
    let path = root().join(place);
    assert!(path.exists(), "there is no {place}");
    if path.is_dir() { sources(&[place]) } else { text(place) }
}

/// Whoever adds something is sent to files that are there, and to names that stand in these files;
/// a test may be named alone.
#[test]
fn every_place_to_extend_is_there() {
    let (page, all) = (text("docs/extending.md"), sources(&ALL));
    let (mut files, mut names) = (0, 0);
    for item in items(&page) {
        let is_file = |it: &&str| (it.contains('/') || it.ends_with(".md")) && !it.contains(' ');
        let (places, rest): (Vec<_>, Vec<_>) = quoted(&item).into_iter().partition(is_file);
        let said: Vec<_> = places.iter().map(|place| said_by(place)).collect();
        files += places.len();
        for name in rest.into_iter().filter(|it| !it.contains([' ', '-', '.', '('])) {
            names += 1;
            let here = places.is_empty() && is_in(&all, name);
            let in_its_files = said.iter().any(|text| is_in(text, name));
            let is_test = TEST_MARKS.iter().any(|mark| all.contains(&format!("{mark}{name}(")));
            assert!(
                here || in_its_files || is_test,
                "`{name}` is not where it is said to be: {item}"
            );
        }
    }
    assert!(files > 50 && names > 100, "{files} files, {names} names");
}
