//! `tollgate completions`: what makes a shell complete the command.

use clap::Command;
use clap_complete::{Shell, generate};
use serde_json::json;

use super::{Exit, Failure, Io};

pub(super) fn print(
    mut command: Command,
    shell: Shell,
    json: bool,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut command, "tollgate", &mut script);
    if json {
        let script = String::from_utf8_lossy(&script);
        writeln!(io.out, "{:#}", json!({ "shell": shell.to_string(), "script": script }))?;
    } else {
        io.out.write_all(&script)?;
    }
    Ok(Exit::Done)
}
