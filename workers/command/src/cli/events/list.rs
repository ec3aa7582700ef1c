//! `tollgate events list`.

use std::collections::VecDeque;

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_core::ports::{Clock, Ledger, Stripe};
use tollgate_operator::{Selected, Selection, look_up};

use super::filter::{Filter, Place, clients};
use super::print;
use crate::cli::table::{counted, table};
use crate::cli::{Context, Exit, Failure, Io};

/// How far back it looks, if nothing else is said.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Newest first is read backwards in parts of the time: this long at first.
const FIRST_PART: SignedDuration = SignedDuration::from_hours(1);

/// The options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many, at most.
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
    /// Oldest first.
    #[arg(long)]
    oldest_first: bool,
}

pub(super) async fn run<C: Clock>(
    options: &List,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let (ledger, stripe) = clients(&options.filter, context).await?;
    let now = context.clock.now();
    let place = Place { ledger: &ledger, stripe: stripe.as_ref(), now };
    let back = now.saturating_sub(LOOKED_BACK).expect("it is a duration of time");
    let selection = options.filter.selection(Some(back), now, context, &ledger).await?;
    let mut listed = if options.oldest_first {
        oldest(options, selection, &place).await?
    } else {
        newest(options, selection, &place).await?
    };
    let Listed { found, unreadable } = &mut listed;
    if stripe.is_some() {
        look_up(&ledger, found).await?;
    }
    if context.json {
        let events: Vec<Value> = found.iter().map(print::as_json).collect();
        writeln!(io.out, "{:#}", json!({ "events": events, "unreadable": unreadable }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = found.iter().map(print::row).collect();
    table(&print::HEADINGS, &rows, io)?;
    if found.is_empty() {
        writeln!(io.out, "No such events.")?;
    } else if found.len() == options.limit {
        context.progress("There may be more: --limit shows them.", io)?;
    }
    if *unreadable > 0 {
        let these = counted(*unreadable, "event");
        writeln!(io.out, "{these} cannot be read, and were left out.")?;
    }
    Ok(Exit::Done)
}

/// What is shown, and how much more there was that cannot be read.
#[derive(Default)]
struct Listed {
    found: Vec<Selected>,
    unreadable: usize,
}

async fn oldest<L: Ledger, S: Stripe>(
    options: &List,
    selection: Selection,
    place: &Place<'_, L, S>,
) -> Result<Listed, Failure> {
    let mut source = options.filter.source(selection, place)?;
    let mut listed = Listed::default();
    while listed.found.len() < options.limit
        && let Some(few) = source.next().await?
    {
        listed.unreadable += few.unreadable;
        listed.found.extend(few.found);
    }
    listed.found.truncate(options.limit);
    Ok(listed)
}

/// Reads the newest part of the time, and as long as that is not enough, the part before it,
/// each twice as long as the last.
async fn newest<L: Ledger, S: Stripe>(
    options: &List,
    whole: Selection,
    place: &Place<'_, L, S>,
) -> Result<Listed, Failure> {
    let (mut listed, mut length) = (Listed::default(), FIRST_PART);
    let by_name = !whole.ids.is_empty() || whole.is_unsettled();
    let mut to = whole.to.min(place.now);
    while listed.found.len() < options.limit && whole.from <= to {
        let start = to.saturating_sub(length).expect("it is a duration of time");
        let from = if by_name { whole.from } else { start.max(whole.from) };
        let part = Selection { from, to, ..whole.clone() };
        last_of(options, part, place, &mut listed).await?;
        let Ok(before) = from.checked_sub(SignedDuration::from_nanos(1)) else { break };
        (to, length) = (before, length.saturating_mul(2));
    }
    Ok(listed)
}

/// Adds the last of a part, newest first, as many as there is room for.
async fn last_of<L: Ledger, S: Stripe>(
    options: &List,
    part: Selection,
    place: &Place<'_, L, S>,
    listed: &mut Listed,
) -> Result<(), Failure> {
    let limit = options.limit - listed.found.len();
    let mut source = options.filter.source(part, place)?;
    let mut last = VecDeque::new();
    while let Some(few) = source.next().await? {
        listed.unreadable += few.unreadable;
        last.extend(few.found);
        last.drain(..last.len().saturating_sub(limit));
    }
    listed.found.extend(last.into_iter().rev());
    Ok(())
}
