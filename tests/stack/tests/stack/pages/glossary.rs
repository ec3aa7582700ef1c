//! The glossary's words, and the places that a contributor is sent to, are in the code.

use std::path::Path;

use super::{quoted, root, rows, text};

/// Whose sources are the product's and the tests'.
const ALL: [&str; 4] = ["events", "workers", "infra", "tests"];

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

/// Whoever adds something is sent to files and names that are there.
#[test]
fn every_place_to_extend_is_there() {
    let (page, sources) = (text("docs/extending.md"), sources(&ALL));
    let (mut files, mut names) = (0, 0);
    for place in quoted(&page) {
        let is_file = place.contains('/') || place.ends_with(".md");
        if is_file && !place.contains(' ') {
            files += 1;
            assert!(root().join(place).exists(), "there is no {place}");
        } else if !place.contains([' ', '-', '.', '(']) {
            names += 1;
            assert!(is_in(&sources, place), "`{place}` is nowhere");
        }
    }
    assert!(files > 50 && names > 100, "{files} files, {names} names");
}
