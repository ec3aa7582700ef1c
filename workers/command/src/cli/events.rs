//! `tollgate events`: what came, what became of it, and once more.

mod dismiss;
mod filter;
mod list;
mod name;
mod print;
mod rehearse;
mod replay;
mod show;

use clap::Subcommand;
use tollgate_core::ports::Clock;

use super::{Context, Exit, Failure, Io};

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Lists events, newest first.
    ///
    /// From the ledger's records, of any age; or from Stripe's own list, which goes back 30
    /// days and has also what never arrived. Without --from or --since it looks back 7 days,
    /// and without a limit for events that are named, or if only waiting or parked ones are
    /// asked for.
    #[command(after_help = LIST_EXAMPLES)]
    List(list::List),
    /// Shows all that is known of an event, and what it changed.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(show::Show),
    /// Puts events on the queue once more, oldest first.
    ///
    /// A replayed event makes the worker look at its account as it is now, and mend what is
    /// wrong; where nothing is, nothing changes but the event's record. Replay at any age, in
    /// any number and as often as you like.
    ///
    /// Say which events: --from or --since; or name them; or --outcome parked (or waiting),
    /// which finds them at any age; or --from-stripe --undelivered, which is what Stripe tried
    /// to deliver in the last 30 days and could not. What happened while the endpoint was turned
    /// off was never tried: take --from-stripe --from for that. It counts them first, shows what
    /// they came to last, and asks. Ctrl-C stops it after the current call, and it says how to go
    /// on.
    ///
    /// --dry-run decides against live state: which accounts would move, which keys would be made
    /// or disabled.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(replay::Replay),
    /// Lets an event that waits for a person wait no more.
    ///
    /// For a message that is none, and for what is nobody's business here. It stays on record
    /// as ignored, with who said so and why, and can still be replayed.
    #[command(after_help = DISMISS_EXAMPLES)]
    Dismiss(dismiss::Dismiss),
}

const LIST_EXAMPLES: &str = "\
Examples:
  tollgate --stack shop events list                             the newest of the last 7 days
  tollgate --stack shop events list --outcome parked            what needs a person
  tollgate --stack shop events list --customer cus_1 --since 90d
  tollgate --stack shop events list --type 'charge.dispute.*' --from 2026-02-01
  tollgate --stack shop events list --from-stripe --undelivered  what could not be delivered";

const SHOW_EXAMPLES: &str = "\
Examples:
  tollgate --stack shop events show evt_1PgafmB7WZ01zgkW
  tollgate --stack shop events show cloudtrail/c71e2a4d-0000-4000-8000-6a4f7e9d1b20";

const REPLAY_EXAMPLES: &str = "\
Examples:
  tollgate --stack shop events replay --outcome parked          what is parked, all of it
  tollgate --stack shop events replay evt_1PgafmB7WZ01zgkW --wait
  tollgate --stack shop events replay --since 6h --dry-run      what it would change
  tollgate --stack shop events replay --from-stripe --undelivered
                                  what was tried while the endpoint was down
  tollgate --stack shop events replay --from 2026-03-01T08:00:00Z --to 2026-03-01T12:00:00Z
                                  what came while a wrong version was deployed";

const DISMISS_EXAMPLES: &str = "\
Examples:
  tollgate --stack shop events dismiss evt_1PgafmB7WZ01zgkW --why 'a test of another team'
  tollgate --stack shop events dismiss queue/5c9d2f7e --why 'no envelope' --yes";

pub(crate) async fn run<C: Clock>(
    command: Events,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    match command {
        Events::List(options) => list::run(&options, context, io).await,
        Events::Show(options) => show::run(&options, context, io).await,
        Events::Replay(options) => replay::run(&options, context, io).await,
        Events::Dismiss(options) => dismiss::run(options, context, io).await,
    }
}
