//! Every relative link leads to a file that is there, and to a heading in it.

use std::path::{Path, PathBuf};

use super::{root, text};

/// Every page, from the repository's root.
fn pages() -> Vec<String> {
    let mut pages: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned).to_vec();
    for folder in ["docs", "docs/adr"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("it is there");
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        pages.extend(names.filter(|name| name.ends_with(".md")).map(|it| format!("{folder}/{it}")));
    }
    pages
}

/// The prose of a page, without its blocks of code.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// The targets of a page's links.
fn targets(page: &str) -> Vec<String> {
    let ends = page.split("](").skip(1).filter_map(|after| after.split(')').next());
    ends.map(str::to_owned).collect()
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

fn anchors(page: &str) -> Vec<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut followed, mut dead) = (0, Vec::new());
    for page in pages() {
        let folder = Path::new(&page).parent().unwrap_or(Path::new(""));
        for target in targets(&prose(&text(&page))) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let file: PathBuf = match file {
                "" => page.clone().into(),
                file => folder.join(file),
            };
            let there = root().join(&file).exists();
            let known = || {
                heading.is_empty()
                    || anchors(&text(&file.display().to_string())).contains(&heading.to_owned())
            };
            if !there || !known() {
                dead.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(followed > 120, "{followed} links");
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn headings_become_anchors_as_on_github() {
    for (heading, expected) in [
        ("`[policy]`, optional, each with its default", "policy-optional-each-with-its-default"),
        ("Lambda's concurrency", "lambdas-concurrency"),
        ("`tollgate plans apply [FILE]`", "tollgate-plans-apply-file"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
}
