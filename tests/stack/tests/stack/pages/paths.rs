//! The files that the pages about the code send a reader to.

use std::collections::BTreeSet;

use super::{quoted, root, text};

/// The pages that name files of the repository by their whole path.
const PAGES: [&str; 4] =
    ["docs/walkthroughs.md", "docs/ledger.md", "docs/rules.md", "docs/architecture.md"];

/// What a file's name ends with.
const ENDINGS: [&str; 6] = [".rs", ".yaml", ".toml", ".py", ".json", ".md"];

/// How many files a walkthrough lists, at most: whoever follows it reads them all.
const MOST: usize = 12;

fn is_file(word: &str) -> bool {
    ENDINGS.iter().any(|ending| word.ends_with(ending)) && !word.contains(' ')
}

/// Two files are everywhere called by their name alone.
#[test]
fn every_file_that_a_page_names_is_there() {
    let bare = BTreeSet::from(["plans.toml", "template.yaml"]);
    for page in PAGES {
        let page_text = text(page);
        let files: Vec<_> = quoted(&page_text).into_iter().filter(|word| is_file(word)).collect();
        assert!(!files.is_empty(), "{page} names no file");
        for file in files {
            assert!(bare.contains(file) || root().join(file).is_file(), "{page}: no {file}");
        }
    }
}

#[test]
fn every_walkthrough_lists_a_few_files() {
    let page = text("docs/walkthroughs.md");
    let chapters: Vec<_> = page.split("\n## ").skip(1).collect();
    assert!(chapters.len() > 10, "the page is read");
    for chapter in chapters {
        let heading = chapter.lines().next().unwrap_or_default();
        let (_, list) = chapter.split_once("\nIn the code").unwrap_or_else(|| {
            panic!("{heading}: it does not say where it is in the code");
        });
        // What follows of another way through the code is a list of its own.
        let list = list.split("\n\n").next().unwrap_or_default();
        let list = list.split(" For `--dry-run`").next().unwrap_or_default();
        let files = quoted(list).into_iter().filter(|word| is_file(word)).count();
        assert!((1..=MOST).contains(&files), "{heading}: {files} files");
    }
}
