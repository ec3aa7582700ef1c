//! `tollgate queue status`: what is left to do, and what needs a person.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_billing::doctor::{Look, Messages, QueuePair, Unseen};
use tollgate_billing::ledger::StackRecord;
use tollgate_billing::ops::{Backlog, Stock, Trouble, backlog, troubles};
use tollgate_billing::ports::{Clock, Ledger};

use super::table::{fields, table};
use super::{Colour, Context, Exit, Failure, Io, doctor};
use crate::doctor::queues;

/// What to do with the queues.
#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// Counts messages, dead letters, accounts that are due, and events that wait or are parked.
    ///
    /// It fails (1) when something does not end by itself: dead letters, parked events, or the
    /// blast limit.
    #[command(after_help = EXAMPLES)]
    Status,
}

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop queue status
  tollgate --stack shop queue status --json | jq .backlog.parked";

/// What was seen.
struct Seen {
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
    let seen = Seen { queues, backlog, stack, troubles };
    if context.json {
        writeln!(io.out, "{:#}", seen.json())?;
    } else {
        seen.print(context, now, io)?;
    }
    Ok(if seen.troubles.is_empty() { Exit::Done } else { Exit::Failed })
}

impl Seen {
    /// Each queue, its dead letters below it.
    fn messages(&self) -> impl Iterator<Item = (String, Look<Messages>)> {
        self.queues.iter().flat_map(|pair| {
            let seen = |it: &Look<tollgate_billing::doctor::Queue>| match it {
                Ok(queue) => Ok(queue.messages),
                Err(unseen) => Err(unseen.clone()),
            };
            let letters = format!("{} dead letters", pair.name);
            [(pair.name.to_owned(), seen(&pair.queue)), (letters, seen(&pair.dead_letters))]
        })
    }

    fn print<C: Clock>(
        &self,
        context: &Context<'_, C>,
        now: Timestamp,
        io: &mut Io<'_>,
    ) -> Result<(), Failure> {
        let rows: Vec<_> = self.messages().map(|(name, seen)| row(name, &seen, io)).collect();
        table(&["QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED"], &rows, io)?;
        let Backlog { due, waiting, parked } = &self.backlog;
        let parked = match parked.count {
            0 => told(parked, "event"),
            _ => io.paint(Colour::Red, &told(parked, "event")),
        };
        let blast = blast(&self.stack, now);
        let blast = if self.stack.blast.stopped { io.paint(Colour::Red, &blast) } else { blast };
        writeln!(io.out)?;
        let rows = [
            ("Due", told(due, "account")),
            ("Waiting", told(waiting, "event")),
            ("Parked", parked),
            ("Blast limit", blast),
        ];
        fields(&rows, io)?;
        for trouble in &self.troubles {
            let (problem, mend) = mend(*trouble, &context.command());
            writeln!(io.out, "\n{} {problem}\n  {mend}", io.paint(Colour::Red, "!"))?;
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
        let stock = |it: &Stock| json!({ "count": it.count, "oldest": it.oldest });
        let trouble = |it: &Trouble| match it {
            Trouble::DeadLetters(_) => "dead_letters",
            Trouble::Parked(_) => "parked",
            Trouble::BlastLimit => "blast_limit",
        };
        let blast = &self.stack.blast;
        json!({
            "queues": queues.collect::<Vec<_>>(),
            "backlog": {
                "due": stock(&self.backlog.due),
                "waiting": stock(&self.backlog.waiting),
                "parked": stock(&self.backlog.parked),
            },
            "blast_limit": {
                "demoted": blast.count,
                "limit": self.stack.blast_limit(false),
                "since": blast.since,
                "stopped": blast.stopped,
                "accepted_until": blast.accepted_until,
            },
            "needs_a_person": self.troubles.iter().map(trouble).collect::<Vec<_>>(),
        })
    }
}

fn row(name: String, seen: &Look<Messages>, io: &Io<'_>) -> Vec<String> {
    let is_dead = name.ends_with("dead letters");
    let number = |count: u64| match count {
        1.. if is_dead => io.paint(Colour::Red, &count.to_string()),
        count => count.to_string(),
    };
    match seen {
        Ok(it) => vec![name, number(it.visible), number(it.in_flight), number(it.delayed)],
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

fn told(stock: &Stock, what: &str) -> String {
    let plural = if stock.count == 1 { "" } else { "s" };
    let count = format!("{} {what}{plural}", stock.count);
    match stock.oldest {
        Some(oldest) if stock.count == 1 => format!("{count}, since {oldest}"),
        Some(oldest) => format!("{count}, the oldest since {oldest}"),
        None => count,
    }
}

fn blast(stack: &StackRecord, now: Timestamp) -> String {
    let (blast, limit) = (&stack.blast, stack.blast_limit(false));
    match (blast.stopped, blast.accepted_until, blast.since) {
        (true, ..) => format!("stopped after {} demotions", blast.count),
        (_, Some(until), _) if now < until => format!("lifted by an operator until {until}"),
        (.., Some(since)) => format!("{} of {limit} demotions since {since}", blast.count),
        (.., None) => format!("0 of {limit} demotions"),
    }
}

/// What is the matter, and what to do.
fn mend(trouble: Trouble, command: &str) -> (String, String) {
    match trouble {
        Trouble::DeadLetters(count) => (
            format!("{count} dead letters: they are put on record as parked within minutes"),
            "If they stay, the function `deadletter` fails: its log says why.".to_owned(),
        ),
        Trouble::Parked(count) => (
            format!("{count} parked events: nothing happens to them without a person"),
            format!("See them with `{command} events list --outcome parked`."),
        ),
        Trouble::BlastLimit => (
            "too many paying accounts would have lost their plan in a day: the rest is held back"
                .to_owned(),
            format!(
                "Find out why; then mend it, or accept it with `{command} reconcile --accept`."
            ),
        ),
    }
}
