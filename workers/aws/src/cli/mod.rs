//! The operator's command `tollgate`: parses, calls, prints, and nothing more.
//!
//! What is decided is decided in `tollgate_billing`, what is called is in
//! [`crate::adapters`]. Everything that the command touches of its process comes in as
//! [`Io`] and [`Surroundings`], so that tests run it in their own.
//!
//! Exit codes: see [`Exit`]. What it knows of a stack: see [`StackSettings`].

mod account;
mod arguments;
mod completions;
mod confirm;
mod context;
mod doctor;
mod events;
mod exit;
mod io;
mod keys;
mod local;
mod plans;
mod progress;
mod queue;
mod reconcile;
mod secrets;
mod settings;
mod stack;
mod table;
mod time;
mod webhook;
mod who;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tollgate_billing::ports::Clock;

use self::arguments::{Arguments, Command};
pub use self::context::{Context, Surroundings, Target};
pub use self::exit::{Exit, Failure};
pub use self::io::{Colour, Io};
pub use self::local::Local;
pub use self::settings::{Setting, StackSettings};

/// The command line's definition: every command with its options and help.
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs the command with the arguments of a process (the first is its name); returns its
/// exit code. Results go to `io.out`; questions, progress and errors to `io.err`.
pub async fn run<C: Clock>(
    args: impl IntoIterator<Item = OsString>,
    io: &mut Io<'_>,
    surroundings: Surroundings<'_, C>,
) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, io) as u8,
    };
    let Arguments { stack, local, json, command } = arguments;
    let context = Context::new(surroundings, Target::new(stack, local), json);
    let exit = match dispatch(command, &context, io).await {
        Ok(exit) => exit,
        Err(failure) => {
            // When not even this can be written, the exit code still tells.
            let _ = failure.print(io, json);
            failure.exit
        }
    };
    exit as u8
}

async fn dispatch<C: Clock>(
    command: Command,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    match command {
        // It asks everything at once: kept off the stack of the other commands.
        Command::Doctor(command) => Box::pin(doctor::run(command, context, io)).await,
        Command::Events(command) => Box::pin(events::run(command, context, io)).await,
        Command::Plans(command) => plans::run(command, context, io).await,
        Command::Reconcile(command) => Box::pin(reconcile::run(command, context, io)).await,
        Command::Webhook(command) => webhook::run(command, context, io).await,
        Command::Secrets(command) => secrets::run(command, context, io).await,
        Command::Account(command) => Box::pin(account::run(command, context, io)).await,
        Command::Queue(queue::Queue::Status) => queue::status(context, io).await,
        Command::Keys(keys::Keys::Forecast(options)) => keys::forecast(options, context, io).await,
        Command::Completions { shell } => completions::print(shell, context.json, io),
    }
}

/// Help goes to the output, a mistake to the errors.
fn explain(error: &clap::Error, io: &mut Io<'_>) -> Exit {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = write!(io.out, "{text}");
            Exit::Done
        }
        _ => {
            let _ = write!(io.err, "{text}");
            Exit::Usage
        }
    }
}
