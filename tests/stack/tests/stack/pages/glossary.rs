//! The glossary's words stand in the code.

use std::path::Path;

use super::{root, rows, text};

/// All of the product's and the tests' sources.
fn sources() -> String {
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
    for package in ["events", "workers", "infra", "tests/sim"] {
        read(&root().join(package), &mut all);
    }
    all
}

/// A word that nobody writes any more leaves the glossary, or is written there as it is now.
#[test]
fn every_word_of_the_glossary_is_in_the_code() {
    let (page, sources) = (text("docs/glossary.md"), sources());
    let is_in = |name: &str| {
        let ends = |it: Option<char>| it.is_none_or(|it| !it.is_alphanumeric() && it != '_');
        sources.match_indices(name).any(|(at, _)| {
            ends(sources[..at].chars().next_back())
                && ends(sources[at + name.len()..].chars().next())
        })
    };
    let in_code = rows(&page).filter_map(|row| row.get(2).copied());
    let names: Vec<_> = in_code.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        assert!(is_in(name), "`{name}` is nowhere");
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
