//! What `cargo demo` has compiled, `cargo test --workspace` does not compile again.
//!
//! Cargo compiles a crate once for each set of features. A test's dependency that adds one to
//! a crate near the bottom has everything above it compiled twice: every AWS SDK. This
//! compares what Cargo resolves, and so says which crate differs; `.ci/run` looks at what
//! Cargo compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use tollgate_stack::root;

/// The sets of features, by the crate. There is more than one where a build script or a
/// macro needs others.
type Crates = BTreeMap<String, BTreeSet<String>>;

/// What a command compiles.
fn resolved(selection: &[&str]) -> Crates {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p}\t{f}"]);
    let output = cargo.args(selection).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&String::from_utf8(output.stdout).unwrap())
}

/// A line for each crate; ` (*)` is at the end of one that was there before. Between two
/// packages of the workspace is an empty one.
fn read(tree: &str) -> Crates {
    let mut crates = Crates::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (name, features) = line.trim_end_matches(" (*)").split_once('\t').expect("a tab");
        crates.entry(name.to_owned()).or_default().insert(features.to_owned());
    }
    crates
}

/// The crates that both compile, and not alike.
fn unlike(one: &Crates, other: &Crates) -> Vec<String> {
    let both = one.iter().filter_map(|(name, here)| Some((name, here, other.get(name)?)));
    both.filter(|(_, here, there)| here != there)
        .map(|(name, here, there)| format!("{name}: {here:?} and {there:?}"))
        .collect()
}

#[test]
fn the_tests_want_no_crate_of_the_demo_otherwise() {
    let demo = resolved(&["--package", "tollgate-local", "--edges", "normal,build"]);
    let tests = resolved(&["--workspace", "--edges", "normal,build,dev"]);
    let unlike = unlike(&demo, &tests);
    assert!(
        unlike.is_empty(),
        "compiled by `cargo demo`, and again by `cargo test --workspace`: give what the demo \
         builds the features that the tests add, or do without them:\n{}",
        unlike.join("\n")
    );
}

#[test]
fn a_feature_more_is_found_and_a_crate_more_is_not() {
    let demo = read("a v1.0.0\tstd\nb v2.0.0 (proc-macro)\t\na v1.0.0\tstd (*)");
    assert_eq!(unlike(&demo, &demo), Vec::<String>::new());
    let more = read("a v1.0.0\tstd\n\nb v2.0.0 (proc-macro)\t\na v2.0.0\t\nc v1.0.0\tstd");
    assert_eq!(unlike(&demo, &more), Vec::<String>::new());
    let otherwise = read("a v1.0.0\talloc,std\nb v2.0.0 (proc-macro)\t");
    assert_eq!(unlike(&demo, &otherwise), [r#"a v1.0.0: {"std"} and {"alloc,std"}"#]);
    let also_otherwise = read("a v1.0.0\tstd\na v1.0.0\talloc,std");
    assert_eq!(unlike(&demo, &also_otherwise), [r#"a v1.0.0: {"std"} and {"alloc,std", "std"}"#]);
}
