//! The operator's command `tollgate`: parses, calls, prints, and nothing more.
//!
//! What is decided is decided in `tollgate_core`, what is called is in
//! [`tollgate_functions::adapters`]. Everything that the command touches of its process comes in as
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
mod halts;
mod help;
mod io;
mod keys;
mod left_out;
mod local;
mod on_record;
mod plans;
mod progress;
mod queue;
mod reconcile;
mod secrets;
mod settings;
mod stack;
mod stack_record;
mod table;
mod text;
mod time;
mod webhook;
mod who;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use tollgate_core::ports::Clock;

use self::arguments::{Arguments, Command};
pub use self::context::{Context, Surroundings, Target};
pub use self::exit::{Exit, Failure};
pub use self::io::{Colour, Io};
pub use self::local::Local;
pub use self::settings::{Setting, StackSettings};
use self::text::Visible;

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
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = Arguments::try_parse_from(args.iter());
    let named = parsed.as_ref().map(|it| Target::new(it.stack.clone(), it.local));
    let target = named.unwrap_or(Target::Environment);
    let called = target.command();
    let (mut out, mut err) =
        (Visible { to: io.out, command: &called }, Visible { to: io.err, command: &called });
    let io = &mut match is_for_programs(&args) {
        true => Io { out: out.to, err: err.to, input: io.input, ..*io },
        false => Io { out: &mut out, err: &mut err, input: io.input, ..*io },
    };
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, is_for_programs(&args), io) as u8,
    };
    let context = Context::new(surroundings, target, arguments.json);
    // Whoever awaits it has futures of its own.
    let exit = match Box::pin(dispatch(arguments.command, &context, io)).await {
        Ok(exit) => exit,
        Err(failure) => {
            // When not even this can be written, the exit code still tells.
            let _ = failure.print(io, context.json, &called);
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
        Command::Queue(queue::QueueCommand::Status) => queue::status(context, io).await,
        Command::Stack(command) => stack_record::run(command, context, io).await,
        Command::Keys(keys::Keys::Forecast(options)) => keys::forecast(options, context, io).await,
        Command::Completions { shell } => completions::print(definition(), shell, context.json, io),
    }
}

/// Whether there is a `--json`, on a command line that may not be understood otherwise.
fn is_for_programs(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| arg.as_os_str() != "--").any(|arg| arg.as_os_str() == "--json")
}

/// Help goes to the output, a mistake to the errors.
fn explain(error: &clap::Error, json: bool, io: &mut Io<'_>) -> Exit {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = write!(io.out, "{}", help::wrapped(&text.to_string(), io.columns));
            Exit::Done
        }
        _ => {
            let text = without_addresses(&text.to_string());
            let _ = if json {
                mistake(&text).print(io, json, "tollgate")
            } else {
                write!(io.err, "{text}")
            };
            Exit::Usage
        }
    }
}

/// A mistake on the command line, by what is told to people.
fn mistake(text: &str) -> Failure {
    // Its first paragraph; after that come hints and the usage.
    let what = text.strip_prefix("error: ").and_then(|text| text.split("\n\n").next());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Without a command, people are told the help.
    Failure::usage(what.map_or("it is not said what to do".to_owned(), words), "See --help.")
}

/// A text without the words that may be e-mail addresses.
fn without_addresses(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let words = words.map(|word| match word.contains('@') {
        true => format!("…{}", &word[word.trim_end().len()..]),
        false => word.to_owned(),
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use tollgate_core::mismatch::Mismatch;
    use tollgate_events::{AccountId, CustomerId, DisputeId};

    use super::*;

    /// The commands of this program that a text tells to run, as a shell would split them.
    fn told(text: &str) -> Vec<Vec<String>> {
        let quoted = |(n, part): (usize, &str)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        };
        let commands = text.split('`').filter(|part| part.starts_with("tollgate "));
        commands.map(|it| it.split('\'').enumerate().flat_map(quoted).collect()).collect()
    }

    /// What a contradiction tells to do is understood as it is printed.
    #[test]
    fn the_mend_of_a_mismatch_is_a_command() {
        let customer = CustomerId::parse("John Doe; $(reboot)").unwrap();
        let dispute = DisputeId::parse("dp_1").unwrap();
        let account = AccountId::parse("ann").unwrap();
        let other = |expected: &str| (expected.to_owned(), "another".to_owned());
        let ((expected, found), pool) = (other("acct_1"), other("pool_1"));
        for (mismatch, commands) in [
            (Mismatch::StripeAccount { expected, found }, 2),
            (Mismatch::Pool { expected: pool.0, found: pool.1 }, 1),
            (Mismatch::Customer(customer), 1),
            (Mismatch::Dispute { dispute, account }, 1),
        ] {
            let told = told(&mismatch.mend());
            assert_eq!(told.len(), commands, "{mismatch}");
            for command in told {
                let read = Arguments::try_parse_from(&command);
                assert!(read.is_ok(), "{command:?}: {:?}", read.err());
                assert!(!command.contains(&"Doe;".to_owned()), "{command:?}");
            }
        }
    }
}
