//! The operator's command. What it does is in `tollgate::cli`.

use std::io::{ErrorKind, IsTerminal, stderr, stdin, stdout};
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use terminal_size::{Width, terminal_size_of};
use tokio::runtime::Builder;
use tollgate::cli::{Io, Surroundings, run};
use tollgate_functions::adapters::system::SystemClock;
use tollgate_functions::config::environment;

/// The exit code of a process that Ctrl-C has ended.
const CTRL_C: i32 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let plain = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let interrupts = Interrupts::listen();
    let mut io = Io {
        out: &mut stdout(),
        err: &mut stderr(),
        input: &mut stdin().lock(),
        interactive: stdin().is_terminal() && stderr().is_terminal(),
        colour: stdout().is_terminal() && !plain,
        columns: terminal_size_of(stdout()).map(|(Width(columns), _)| columns),
        interrupted: &|| interrupts.pressed(),
        hidden,
    };
    let surroundings = Surroundings { environment: &environment, sdk: None, clock: SystemClock };
    ExitCode::from(run(std::env::args_os(), &mut io, surroundings).await)
}

/// What is known of Ctrl-C.
///
/// It ends the process at once, unless the command has begun to look for it: then the first
/// press asks it to stop at a safe place, and the second ends the process.
#[derive(Default)]
struct Interrupts {
    /// Whether it was pressed.
    pressed: AtomicBool,
    /// Whether the command has looked.
    listening: AtomicBool,
}

impl Interrupts {
    /// Follows it on a thread of its own: the command's is blocked while it asks a person.
    fn listen() -> Arc<Self> {
        let interrupts = Arc::new(Self::default());
        let heard = interrupts.clone();
        std::thread::spawn(move || {
            // Without a runtime, Ctrl-C ends the process as it ends any other.
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(heard.follow());
            }
        });
        interrupts
    }

    async fn follow(&self) {
        while tokio::signal::ctrl_c().await.is_ok() {
            if HIDING.load(Ordering::SeqCst) {
                // It is `hidden` that ends then.
                continue;
            }
            let again = self.pressed.swap(true, Ordering::SeqCst);
            if again || !self.listening.load(Ordering::SeqCst) {
                exit(CTRL_C);
            }
        }
    }

    /// Whether it was pressed, for the command.
    fn pressed(&self) -> bool {
        self.listening.store(true, Ordering::SeqCst);
        self.pressed.load(Ordering::SeqCst)
    }
}

/// Whether the terminal does not show what is typed.
static HIDING: AtomicBool = AtomicBool::new(false);

/// Reads a line that the terminal does not show. Ctrl-C ends the process when the terminal is
/// as it was.
fn hidden() -> std::io::Result<String> {
    HIDING.store(true, Ordering::SeqCst);
    let line = rpassword::read_password();
    HIDING.store(false, Ordering::SeqCst);
    if line.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
        exit(CTRL_C);
    }
    line
}
