//! The operator's command, run in this process against a whole stack.

mod account;
mod commands;
mod doctor;
mod events;
mod habits;
mod keys;
mod plans;
mod queue;
mod reconcile;
mod screens;
mod secrets;
mod stack;
mod webhook;

pub(crate) use self::habits::{filled, input, prepared};

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tollgate::cli::{Io, Surroundings, run};
use tollgate_core::ports::Clock;
use tollgate_local::clock::StackClock;
use tollgate_local::customer::Customer;
use tollgate_local::stack::{Options, Stack};
use tollgate_standin::calls::Service;
use tollgate_standin::stripe::Stripe;

/// A stack, and somebody who operates it.
pub(crate) struct Operator<S = Stack> {
    pub(crate) stack: S,
    /// The operator's own environment variables.
    pub(crate) environment: BTreeMap<&'static str, String>,
    /// How wide the terminal is.
    pub(crate) columns: Option<u16>,
    /// How often the command may ask whether somebody has pressed Ctrl-C before they have.
    pub(crate) patience: Cell<usize>,
    /// Somebody presses it when this operation was called.
    pub(crate) enough_after: Cell<Option<&'static str>>,
    /// Nobody reads the output: it is closed.
    pub(crate) unread: bool,
    /// Everything that the command ever wrote.
    written: std::cell::RefCell<String>,
}

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// At the input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input {
    /// This text comes through a pipe.
    Piped(&'static str),
    /// Somebody sits at a terminal, and types this in sight.
    Typed(&'static str),
}

/// What somebody types out of sight.
pub(crate) const HIDDEN: &str = "rk_test_typed_out_of_sight";

/// The stack's clock, as the command has it: whoever sleeps moves it.
#[derive(Clone)]
pub(crate) struct CommandClock {
    clock: StackClock,
    /// Where the stack runs meanwhile: whoever sleeps wakes when it has done all that was
    /// under way by then.
    naps: Option<mpsc::UnboundedSender<Nap>>,
}

type Nap = (SignedDuration, oneshot::Sender<()>);

impl CommandClock {
    /// On a stack in which nothing happens meanwhile.
    pub(crate) fn alone(clock: StackClock) -> Self {
        Self { clock, naps: None }
    }
}

impl Clock for CommandClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        let Some(naps) = &self.naps else { return self.clock.sleep(duration).await };
        let (awake, woken) = oneshot::channel();
        naps.send((duration, awake)).expect("the stack runs as long as the command");
        woken.await.expect("the stack runs as long as the command");
    }
}

impl Operator {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let start = "2026-03-01T09:00:00Z".parse()?;
        let stack = Stack::start(Options { start, ..Options::default() }).await?;
        Ok(Self::of(stack))
    }
}

/// Somebody who has signed up, and signs in when their account is there.
async fn joined<'a>(stack: &'a Stack, name: &str) -> anyhow::Result<Customer<'a>> {
    let mut customer = Customer::new(stack, name);
    customer.sign_up().await?;
    stack.settle().await?;
    customer.sign_in().await?;
    Ok(customer)
}

/// Somebody who pays for a plan.
async fn paying<'a>(stack: &'a Stack, name: &str, plan: &str) -> anyhow::Result<Customer<'a>> {
    let customer = joined(stack, name).await?;
    customer.buy(plan).await?;
    stack.settle().await?;
    Ok(customer)
}

impl<S: Borrow<Stack>> Operator<S> {
    /// Somebody who operates this stack.
    pub(crate) fn of(stack: S) -> Self {
        let environment = BTreeMap::from([("STRIPE_API_BASE", stack.borrow().urls.stripe.clone())]);
        let (columns, patience) = (Some(100), Cell::new(usize::MAX));
        let (enough_after, written) = Default::default();
        Self { stack, environment, columns, patience, enough_after, unread: false, written }
    }

    fn stack(&self) -> &Stack {
        self.stack.borrow()
    }

    /// Runs the command on the local stack, by its CloudFormation outputs.
    pub(crate) async fn tollgate(&self, line: &str, input: Input) -> Said {
        self.run(&format!("--stack local {line}"), input).await
    }

    /// Runs the command on the local stack, which goes on while the command waits.
    pub(crate) async fn tollgate_while_it_runs(
        &self,
        line: &str,
        input: Input,
    ) -> anyhow::Result<Said> {
        let (naps, mut nappers) = mpsc::unbounded_channel::<Nap>();
        let clock = CommandClock { clock: self.stack().clock().clone(), naps: Some(naps) };
        let line = format!("--stack local {line}");
        let stack = async {
            while let Some((duration, awake)) = nappers.recv().await {
                self.stack().world.stripe.advance_to(self.stack().clock().time() + duration);
                self.stack().settle().await?;
                // Nobody to wake: the command has ended.
                let _ = awake.send(());
            }
            anyhow::Ok(())
        };
        let command = async {
            // The stack ends when the clock does.
            Ok(self.run_by(clock, &line, input).await)
        };
        Ok(tokio::try_join!(command, stack)?.0)
    }

    /// Runs the command.
    pub(crate) async fn run(&self, line: &str, input: Input) -> Said {
        self.run_by(CommandClock::alone(self.stack().clock().clone()), line, input).await
    }

    async fn run_by(&self, clock: CommandClock, line: &str, input: Input) -> Said {
        let (mut out, mut err, mut closed) = (Vec::new(), Vec::new(), Closed);
        let (mut text, interactive) = match input {
            Input::Piped(text) => (text.as_bytes(), false),
            Input::Typed(text) => (text.as_bytes(), true),
        };
        let mut io = Io {
            out: if self.unread { &mut closed } else { &mut out },
            err: &mut err,
            input: &mut text,
            interactive,
            colour: false,
            columns: self.columns,
            interrupted: &|| {
                let left = self.patience.get();
                self.patience.set(left.saturating_sub(1));
                let calls = || self.stack().world.calls.since(0);
                let enough = |operation| calls().iter().any(|call| call.operation == operation);
                left == 0 || self.enough_after.get().is_some_and(enough)
            },
            hidden: || Ok(HIDDEN.to_owned()),
        };
        let surroundings = Surroundings {
            environment: &|name| self.environment.get(name).cloned(),
            sdk: Some(self.stack().sdk.clone()),
            clock,
        };
        let arguments = ["tollgate"].into_iter().chain(words(line));
        let exit = run(arguments.map(OsString::from), &mut io, surroundings).await;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let said = Said { exit, out: text(&out), err: text(&err) };
        self.written.borrow_mut().push_str(&format!("{said:?}"));
        commands::assert_understood(line, &said);
        said
    }

    /// The calls since the last time that change something, as `operation subject`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.stack().world.calls.take().into_iter();
        let reads = ["Get", "Describe", "GET "];
        calls
            .filter(|call| call.service != Service::DynamoDb)
            .filter(|call| !reads.iter().any(|read| call.operation.starts_with(read)))
            .map(|call| call.operation.to_owned())
            .collect()
    }

    /// The same, the ledger's among them.
    pub(crate) fn all_writes(&self) -> Vec<String> {
        let reads = ["Get", "AdminGet", "Describe", "List", "Query", "Scan", "BatchGet", "GET "];
        let calls = self.stack().world.calls.take().into_iter().map(|call| call.operation);
        let writes = calls.filter(|call| !reads.iter().any(|read| call.starts_with(read)));
        writes.map(str::to_owned).collect()
    }

    pub(crate) fn stripe(&self) -> std::sync::MutexGuard<'_, Stripe> {
        self.stack().world.stripe.account()
    }

    /// Whether the command wrote a text, or a call was logged with it.
    pub(crate) fn shows(&self, text: &str) -> bool {
        let logged = format!("{:?}", self.stack().world.calls.since(0));
        self.written.borrow().contains(text) || logged.contains(text)
    }
}

/// What a pipe is whose reader has gone.
struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text with names for what is not the same every time: those that are given, and numbers
/// for Stripe's ids and operators' events.
pub(crate) fn plain(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = names
        .iter()
        .filter(|(value, _)| !value.is_empty())
        .fold(text.to_owned(), |text, (value, name)| text.replace(value, name));
    for prefix in ["op_", "evt_", "cus_", "sub_", "dp_"] {
        let mut seen = Vec::new();
        let mut rest = std::mem::take(&mut text);
        while let Some(start) = rest.find(prefix) {
            let after = rest.split_off(start + prefix.len());
            let is_id = |c: char| c.is_ascii_alphanumeric();
            let end = after.find(|c| !is_id(c)).unwrap_or(after.len());
            let id = after[..end].to_owned();
            let number = seen.iter().position(|it| *it == id).unwrap_or(seen.len());
            seen.extend((number == seen.len()).then(|| id.clone()));
            text.push_str(&format!("{rest}{}", number + 1));
            rest = after[end..].to_owned();
        }
        text.push_str(&rest);
    }
    text
}

/// A command line's words; single quotes keep several together.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let parts = line.split('\'').enumerate();
    parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().collect::<Vec<_>>(),
        _ => vec![part],
    })
}

#[tokio::test]
async fn mistakes_and_questions_have_their_exit_codes() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let none = Input::Piped("");
    for (line, exit, told) in [
        ("--help", 0, "Exit codes:"),
        ("--version", 0, "tollgate"),
        ("plans apply --help", 0, "--dry-run"),
        ("", 2, "Usage:"),
        ("plans", 2, "Usage:"),
        ("plans apply --dry-run --yes", 2, "cannot be used with"),
        ("plans show /nowhere/plans.toml", 2, "cannot be read"),
        ("webhook apply --yes", 2, "--stack"),
        ("--stack elsewhere webhook apply", 2, "there is no stack `elsewhere`"),
    ] {
        let said = operator.run(line, none).await;
        assert_eq!(said.exit, exit, "{line}: {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains(told), "{line}: {said:?}");
    }
    assert_eq!(operator.writes(), Vec::<String>::new());
    Ok(())
}
