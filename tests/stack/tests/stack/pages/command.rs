//! docs/command.md: exit codes, and the options that do not go together.

use std::collections::BTreeSet;

use tollgate::cli::{Exit, definition};

use super::{chapter, quoted, rows, text};

const PAGE: &str = "docs/command.md";

#[test]
fn the_exit_codes_are_told_on_the_page_and_in_the_help() {
    let page = text(PAGE);
    let codes = rows(chapter(&page, "## What all commands have in common"));
    let told: BTreeSet<u8> = codes.filter_map(|row| row[0].parse().ok()).collect();
    let exits = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Refused,
        Exit::WouldChange,
        Exit::Interrupted,
        Exit::Unread,
    ];
    // 130 is the shell's word for a process that Ctrl-C has ended.
    let expected: BTreeSet<u8> = exits.map(|exit| exit as u8).into_iter().chain([130]).collect();
    assert_eq!(told, expected);
    let help = definition().render_long_help().to_string();
    let (_, help) = help.split_once("Exit codes:\n").expect("the help has them");
    let first = |line: &str| line.split_whitespace().next()?.parse().ok();
    assert_eq!(help.lines().filter_map(first).collect::<BTreeSet<u8>>(), expected);
}

/// Two options that the command line does not take together, by their names.
fn pair(one: &str, other: &str) -> [String; 2] {
    let mut pair = [one.to_owned(), other.to_owned()];
    pair.sort();
    pair
}

fn name(argument: &clap::Arg) -> String {
    let long = argument.get_long().map(|long| format!("--{long}"));
    long.unwrap_or_else(|| {
        argument.get_value_names().map_or_else(String::new, |names| names[0].to_string())
    })
}

#[test]
fn the_options_that_are_refused_together_are_told() {
    let page = text(PAGE);
    let (_, list) = page.split_once("These are refused together:\n\n").expect("it is told");
    let list = list.split("\n\n").next().unwrap_or_default();
    let told: BTreeSet<_> = list
        .lines()
        .flat_map(|line| {
            let names = quoted(line);
            let others = names[1..].iter().map(|other| pair(names[0], other));
            others.collect::<Vec<_>>()
        })
        .collect();
    let all = definition();
    let events = all.find_subcommand("events").expect("it is there");
    let mut refused = BTreeSet::new();
    for command in ["list", "replay"] {
        let command = events.find_subcommand(command).expect("it is there");
        for argument in command.get_arguments() {
            let others = command.get_arg_conflicts_with(argument);
            refused.extend(others.into_iter().map(|other| pair(&name(argument), &name(other))));
        }
    }
    assert_eq!(told, refused);
}
