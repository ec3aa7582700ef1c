//! The operator's command. What it does is in `tollgate_workers::cli`.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use terminal_size::{Width, terminal_size};

use tollgate_workers::adapters::system::SystemClock;
use tollgate_workers::cli::{Io, Surroundings, run};
use tollgate_workers::config::environment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let plain = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let pressed = interrupts();
    let mut io = Io {
        out: &mut stdout(),
        err: &mut stderr(),
        input: &mut stdin().lock(),
        interactive: stdin().is_terminal() && stderr().is_terminal(),
        colour: stdout().is_terminal() && !plain,
        columns: terminal_size().map(|(Width(columns), _)| columns),
        interrupted: &|| pressed.load(Ordering::Relaxed),
        hidden: rpassword::read_password,
    };
    let surroundings = Surroundings { environment: &environment, sdk: None, clock: SystemClock };
    ExitCode::from(run(std::env::args_os(), &mut io, surroundings).await)
}

/// Whether Ctrl-C was pressed. The first press asks long work to stop at a safe place; the
/// second ends the process as if it had been the first.
fn interrupts() -> Arc<AtomicBool> {
    let pressed = Arc::new(AtomicBool::new(false));
    let seen = pressed.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if seen.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    });
    pressed
}
