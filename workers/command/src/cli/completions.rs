//! `tollgate completions`: what makes a shell complete the command.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use super::arguments::Arguments;
use super::{Exit, Failure, Io};

pub(super) const EXAMPLES: &str = "\
Examples:
  tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate
  tollgate completions zsh > ~/.zfunc/_tollgate
  tollgate completions fish > ~/.config/fish/completions/tollgate.fish";

pub(super) fn print(shell: Shell, json: bool, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "tollgate", &mut script);
    if json {
        let script = String::from_utf8_lossy(&script);
        writeln!(io.out, "{:#}", json!({ "shell": shell.to_string(), "script": script }))?;
    } else {
        io.out.write_all(&script)?;
    }
    Ok(Exit::Done)
}
