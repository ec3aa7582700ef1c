//! Every command that is printed or written down is one that the command understands, as it
//! stands there.

use std::fs::read_to_string;
use std::path::PathBuf;

use clap::error::ErrorKind;
use tollgate::cli::definition;
use tollgate_stack::root;

use super::{Said, words};

/// What a text tells to run, between backticks.
fn told(text: &str) -> Vec<String> {
    let parts = text.split("`tollgate ").skip(1);
    let ends = parts.filter_map(|part| part.split_once('`'));
    let one_line = |command: &str| command.split_whitespace().collect::<Vec<_>>().join(" ");
    ends.map(|(command, _)| format!("tollgate {}", one_line(command))).collect()
}

/// Whether the command understands a line; to ask for help is to be understood.
fn read(line: &str) -> Result<(), clap::Error> {
    match definition().try_get_matches_from(words(line)) {
        Err(error) if error.kind() != ErrorKind::DisplayHelp => Err(error),
        _ => Ok(()),
    }
}

/// The lines that are not understood, each with where it stands.
fn strange<'a>(lines: impl Iterator<Item = (String, &'a str)>) -> Vec<String> {
    let strange = lines.filter_map(|(place, line)| {
        let error = read(line).err()?;
        Some(format!("{place}: `{line}`: {}", error.kind()))
    });
    strange.collect()
}

/// What a run of the command told to do can be done as it stands: for the stack that the run was
/// about. The records of workers, who know nothing of that, are for programs as they are.
pub(crate) fn assert_understood(line: &str, said: &Said) {
    let text = format!("{}\n{}", said.out, said.err);
    if text.contains("Usage: ") {
        return;
    }
    let unquoted = [" tollgate --stack", "\ntollgate --stack", " tollgate --local"];
    assert!(!unquoted.iter().any(|it| text.contains(it)), "a command without quotes: {text}");
    let run: Vec<_> = words(line).collect();
    let of_stack = run.windows(2).find(|it| it[0] == "--stack").map(|it| it.join(" "));
    let of_local = || run.iter().find(|it| it.starts_with("--local")).map(ToString::to_string);
    let context = of_stack.or_else(of_local).unwrap_or_default();
    for command in told(&text) {
        assert!(read(&command).is_ok(), "`{command}` of `{line}`: {:?}", read(&command).err());
        let here = command.contains(&format!("tollgate {context}"));
        assert!(here || run.contains(&"--json"), "`{command}` is for another stack than `{line}`");
    }
}

/// A line of a page or of a help, as far as it is a command of ours.
fn command_of(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("$ ").trim();
    let at = line.find("tollgate ").filter(|at| *at == 0 || line[..*at].ends_with("| "))?;
    let line = &line[at..];
    let ends = ["  ", " #", " |", " >", " && ", "…"];
    let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    Some(line[..end].trim())
}

/// The pages, and the sources in which a text may name a command.
fn files(of: &str, kind: &str) -> Vec<PathBuf> {
    let place = root().join(of);
    if place.is_file() {
        return vec![place];
    }
    let entries = std::fs::read_dir(&place).expect("it is there");
    let below = entries.flat_map(|entry| {
        let path = entry.expect("it can be read").path();
        let name = path.strip_prefix(root());
        let name = name.expect("it is below").display().to_string();
        let wanted = path.is_dir() || path.extension().is_some_and(|it| it == kind);
        if wanted { files(&name, kind) } else { Vec::new() }
    });
    below.collect()
}

#[test]
fn every_command_of_the_pages_is_understood() {
    let pages = ["README.md", "CONTRIBUTING.md", "docs"].into_iter().flat_map(|it| files(it, "md"));
    let (mut to_run, mut named) = (Vec::new(), Vec::new());
    for page in pages {
        let text = read_to_string(&page).unwrap();
        let mut fenced = false;
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            let command = command_of(line).filter(|_| fenced);
            let stands_for = [("--from FROM", "--from 2026-03-01"), (" EVENT", " evt_1")];
            let command = command.map(|it| {
                stands_for.iter().fold(it.to_owned(), |it, (word, value)| it.replace(word, value))
            });
            to_run.extend(command.map(|it| (page.display().to_string(), it)));
        }
        // A command's name is none to run; nor is one with something left out.
        let whole = told(&text).into_iter().filter(|it| !it.contains(['…', '[', '<', '|']));
        named.extend(whole.map(|it| (page.display().to_string(), it)));
    }
    assert!(to_run.len() > 40 && named.len() > 50, "{} and {}", to_run.len(), named.len());
    let to_run = to_run.iter().map(|(page, line)| (page.clone(), line.as_str()));
    assert_eq!(strange(to_run), Vec::<String>::new());
    let is_name = |line: &str| {
        let kind = read(line).err().map(|error| error.kind());
        let incomplete = [
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ErrorKind::MissingRequiredArgument,
            ErrorKind::MissingSubcommand,
            ErrorKind::InvalidValue,
            ErrorKind::ValueValidation,
        ];
        kind.is_some_and(|kind| incomplete.contains(&kind))
    };
    let named = named.iter().filter(|(_, line)| !is_name(line));
    let named = named.map(|(page, line)| (page.clone(), line.as_str()));
    assert_eq!(strange(named), Vec::<String>::new());
}

/// What is written in a source between backticks is told to somebody, sooner or later. What
/// stands for a value in it is any word.
#[test]
fn every_command_that_a_source_tells_is_understood() {
    let mut found = Vec::new();
    for source in files("workers", "rs") {
        let text = read_to_string(&source).unwrap();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let text = lines.map(|line| line.trim_end_matches('\\')).collect::<Vec<_>>().join(" ");
        let values = [
            ("{sweep}{}", "stripe-key"),
            ("replay {}", "replay evt_1"),
            ("replay {name}", "replay evt_1"),
            ("set {name}", "set stripe-key"),
            ("list{options}", "list"),
        ];
        let strings = values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        for command in told(&strings.replace("{}", "cus_1")) {
            let command = command.replace(['{', '}'], "");
            if !command.contains(['"', '…']) && command.split(' ').count() > 2 {
                found.push((source.display().to_string(), command));
            }
        }
    }
    assert!(found.len() > 20, "the sources have {}", found.len());
    let found = found.iter().map(|(source, line)| (source.clone(), line.as_str()));
    assert_eq!(strange(found), Vec::<String>::new());
}

fn helps(command: &mut clap::Command, found: &mut Vec<String>) {
    found.push(command.render_long_help().to_string());
    command.get_subcommands_mut().for_each(|it| helps(it, found));
}

#[test]
fn every_example_of_a_help_is_understood() {
    let mut found = Vec::new();
    helps(&mut definition(), &mut found);
    let lines = found.iter().flat_map(|help| help.lines().map(str::trim));
    let examples: Vec<_> = lines.filter_map(command_of).collect();
    assert!(examples.len() > 40, "{examples:?}");
    let examples = examples.into_iter().map(|line| ("help".to_owned(), line));
    assert_eq!(strange(examples), Vec::<String>::new());
}
