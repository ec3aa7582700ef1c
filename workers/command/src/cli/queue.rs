//! `tollgate queue status`: what is left to do, and what needs a person.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_core::ledger::StackRecord;
use tollgate_core::ports::{Clock, Ledger};
use tollgate_operator::doctor::{Look, Messages, QueuePair, Unseen};
use tollgate_operator::{Backlog, Count, Trouble, backlog, troubles};

use super::table::{fields_with_red, table_with_red};
use super::{Colour, Context, Exit, Failure, Io, doctor, left_out};
use crate::doctor::queues;

/// What to do with the queues.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Counts messages, dead letters, accounts that are due, and events that wait or are parked.
    ///
    /// It fails (1) when something does not end by itself: dead letters, parked events, or the
    /// blast limit; and when a queue cannot be seen.
    #[command(after_help = EXAMPLES)]
    Status,
}

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop queue status
  tollgate --stack shop queue status --json | jq .backlog.parked";

const DEAD_LETTERS: &str = "dead letters";

/// What was seen.
struct SeenQueues {
    queues: [QueuePair; 2],
    backlog: Backlog,
    stack: StackRecord,
    troubles: Vec<Trouble>,
}

pub(super) async fn status<C: Clock>(
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let places = doctor::queues(context.settings().await?, context.named_stack());
    let (ledger, now) = (context.ledger().await?, context.clock.now());
    let queues = Box::pin(queues(&places, context.sdk().await)).await;
    let (backlog, stack) = (backlog(&ledger, now).await?, ledger.stack().await?);
    let letters = queues.iter().filter_map(|pair| Some(pair.dead_letters.as_ref().ok()?.messages));
    let troubles = troubles(letters.map(Messages::all).sum(), &backlog, &stack);
    let seen = SeenQueues { queues, backlog, stack, troubles };
    if context.json {
        writeln!(io.out, "{:#}", seen.json())?;
    } else {
        seen.print(now, io)?;
    }
    Ok(if seen.needs_a_person().is_empty() { Exit::Done } else { Exit::Failed })
}

impl SeenQueues {
    /// Each queue, its dead letters below it.
    fn messages(&self) -> impl Iterator<Item = (String, Look<Messages>)> {
        self.queues.iter().flat_map(|pair| {
            let seen = |it: &Look<tollgate_operator::doctor::ObservedQueue>| match it {
                Ok(queue) => Ok(queue.messages),
                Err(unseen) => Err(unseen.clone()),
            };
            let letters = format!("{} {DEAD_LETTERS}", pair.name);
            [(pair.name.to_owned(), seen(&pair.queue)), (letters, seen(&pair.dead_letters))]
        })
    }

    /// The queues that could not be seen: nobody knows what is on them.
    fn unseen(&self) -> Vec<String> {
        self.messages().filter(|(_, seen)| seen.is_err()).map(|(name, _)| name).collect()
    }

    /// What a person has to see to, for programs.
    fn needs_a_person(&self) -> Vec<&'static str> {
        let trouble = |it: &Trouble| match it {
            Trouble::DeadLetters(_) => "dead_letters",
            Trouble::Parked(_) => "parked",
            Trouble::BlastLimit => "blast_limit",
        };
        let unseen = (!self.unseen().is_empty()).then_some("queue_not_seen");
        self.troubles.iter().map(trouble).chain(unseen).collect()
    }

    fn print(&self, now: Timestamp, io: &mut Io<'_>) -> Result<(), Failure> {
        let is_dead = |name: &String, seen: &Look<Messages>| {
            name.ends_with(DEAD_LETTERS) && seen.as_ref().is_ok_and(|it| it.all() > 0)
        };
        let dead = self.messages().filter(|(name, seen)| is_dead(name, seen));
        let unseen = self.unseen();
        // A queue's name begins that of its dead letters too: what follows tells them apart.
        let blind = unseen.iter().map(|name| format!("{name}  "));
        let red: Vec<_> = dead.map(|(name, _)| name).chain(blind).collect();
        let rows: Vec<_> = self.messages().map(|(name, seen)| row(name, &seen)).collect();
        table_with_red(&["QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED"], &rows, &red, io)?;
        writeln!(io.out)?;
        let Backlog { due, waiting, parked, unreadable } = &self.backlog;
        let rows = [
            ("Due", told(due, "account")),
            ("Waiting", told(waiting, "event")),
            ("Parked", told(parked, "event")),
            ("Blast limit", blast(&self.stack, now)),
        ];
        let red = self.troubles.iter().filter_map(|trouble| match trouble {
            Trouble::DeadLetters(_) => None,
            Trouble::Parked(_) => Some("Parked".to_owned()),
            Trouble::BlastLimit => Some("Blast limit".to_owned()),
        });
        fields_with_red(&rows, &red.collect::<Vec<_>>(), io)?;
        left_out::print(unreadable, io)?;
        for trouble in &self.troubles {
            let (problem, mend) = mend(*trouble);
            writeln!(io.out, "\n{} {problem}\n  {mend}", io.paint(Colour::Red, "!"))?;
        }
        if !unseen.is_empty() {
            let (mark, names) = (io.paint(Colour::Red, "!"), unseen.join(", "));
            let mend = "The table says why; `tollgate doctor` says more.";
            writeln!(io.out, "\n{mark} queues that could not be seen: {names}\n  {mend}")?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let queues = self.messages().map(|(name, seen)| match seen {
            Ok(Messages { visible, in_flight, delayed }) => json!({
                "queue": name, "visible": visible, "in_flight": in_flight, "delayed": delayed,
            }),
            Err(unseen) => json!({ "queue": name, "not_seen": why(&unseen) }),
        });
        let stock = |it: &Count| json!({ "count": it.count, "oldest": it.oldest });
        let blast = &self.stack.blast;
        json!({
            "queues": queues.collect::<Vec<_>>(),
            "backlog": {
                "due": stock(&self.backlog.due),
                "waiting": stock(&self.backlog.waiting),
                "parked": stock(&self.backlog.parked),
                "unreadable": left_out::json(&self.backlog.unreadable),
            },
            "blast_limit": {
                "demoted": blast.count,
                "limit": self.stack.blast_limit(false),
                "since": blast.since,
                "stopped": blast.stopped,
                "accepted_until": blast.accepted_until,
            },
            "needs_a_person": self.needs_a_person(),
        })
    }
}

fn row(name: String, seen: &Look<Messages>) -> Vec<String> {
    match seen {
        Ok(Messages { visible, in_flight, delayed }) => {
            let counts = [visible, in_flight, delayed].map(ToString::to_string);
            [name].into_iter().chain(counts).collect()
        }
        Err(unseen) => vec![name, format!("not seen: {}", why(unseen)), String::new()],
    }
}

fn why(unseen: &Unseen) -> String {
    match unseen {
        Unseen::Absent => "it is not there".to_owned(),
        Unseen::Failed { needs, denied: true, .. } => format!("not allowed: it needs {needs}"),
        Unseen::Failed { why, .. } => why.clone(),
        Unseen::Unknown { why, mend } => format!("{why}: {mend}"),
    }
}

fn told(stock: &Count, what: &str) -> String {
    let plural = if stock.count == 1 { "" } else { "s" };
    let count = format!("{} {what}{plural}", stock.count);
    match stock.oldest {
        Some(oldest) if stock.count == 1 => format!("{count}, since {oldest:.0}"),
        Some(oldest) => format!("{count}, the oldest since {oldest:.0}"),
        None => count,
    }
}

fn blast(stack: &StackRecord, now: Timestamp) -> String {
    let (blast, limit) = (&stack.blast, stack.blast_limit(false));
    match (blast.stopped, blast.accepted_until, blast.since) {
        (true, ..) => format!("stopped after {} demotions", blast.count),
        (_, Some(until), _) if now < until => format!("lifted by an operator until {until:.0}"),
        (.., Some(since)) => format!("{} of {limit} demotions since {since:.0}", blast.count),
        (.., None) => format!("0 of {limit} demotions"),
    }
}

/// What is the matter, and what to do.
fn mend(trouble: Trouble) -> (String, &'static str) {
    match trouble {
        Trouble::DeadLetters(count) => (
            format!("dead letters: {count}; they are put on record as parked within minutes"),
            "If they stay, the function `deadletter` fails: its log says why.",
        ),
        Trouble::Parked(count) => (
            format!("parked events: {count}; nothing happens to them without a person"),
            "See them with `tollgate events list --outcome parked`.",
        ),
        Trouble::BlastLimit => (
            "too many paying accounts would have lost their plan in a day: the rest is held back"
                .to_owned(),
            "Find out why; then mend it, or accept it with `tollgate reconcile --accept`.",
        ),
    }
}
