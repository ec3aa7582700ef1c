//! The operator's command. What it does is in `tollgate_workers::cli`.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

use tollgate_workers::adapters::system::SystemClock;
use tollgate_workers::cli::{Io, Surroundings, run};
use tollgate_workers::config::environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let plain = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut io = Io {
        out: &mut stdout(),
        err: &mut stderr(),
        input: &mut stdin().lock(),
        interactive: stdin().is_terminal() && stderr().is_terminal(),
        colour: stdout().is_terminal() && !plain,
        hidden: rpassword::read_password,
    };
    let surroundings = Surroundings { environment: &environment, sdk: None, clock: SystemClock };
    ExitCode::from(run(std::env::args_os(), &mut io, surroundings).await)
}
