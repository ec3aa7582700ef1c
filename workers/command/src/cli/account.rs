//! `tollgate account`: what one account has, why, and what an operator does to it.

mod act;
mod customer;
mod history;
mod list;
mod show;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::PlanId;
use tollgate_core::ports::Clock;
use tollgate_events::{CustomerId, DisputeId};
use tollgate_operator::Act;

use super::on_record::OnRecord;
use super::stack::PlansOption;
use super::{Context, Exit, Failure, Io, time};

/// What to do with an account.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Shows what an account has, and why.
    #[command(after_help = SHOW)]
    Show(Who),
    /// Lists accounts: who has which plan.
    #[command(after_help = LIST)]
    List(list::List),
    /// Tells why an account is on its plan: each change, newest first, with what was behind it.
    #[command(after_help = HISTORY)]
    History(History),
    /// Gives an account a plan that nobody need pay for.
    ///
    /// The best of all that it pays for and is granted counts; a hold beats everything.
    #[command(after_help = GRANT)]
    Grant(Grant),
    /// Ends every grant of a plan.
    #[command(after_help = REVOKE_GRANT)]
    RevokeGrant(Planned),
    /// Switches an account's key off, until it is released.
    #[command(after_help = HOLD)]
    Hold(Plain),
    /// Ends a hold, or opens an account again that was closed: by an operator, or because its
    /// user was gone.
    #[command(after_help = RELEASE)]
    Release(Plain),
    /// Lets a dispute hold an account no more, whatever becomes of it.
    #[command(after_help = LIFT_DISPUTE)]
    LiftDispute(Disputed),
    /// Gives an account a new key; the old one works a while longer.
    #[command(after_help = ROTATE_KEY)]
    RotateKey(RotateKey),
    /// Closes an account: its key is deleted, and its subscriptions are cancelled if the policy
    /// says so.
    #[command(after_help = CLOSE)]
    Close(Plain),
    /// Forgets what is remembered of the person behind a closed account that was held: whoever
    /// signs up again with their e-mail address is not held for that any more.
    #[command(after_help = FORGET)]
    Forget(Plain),
    /// Links a Stripe customer to an account, by your word.
    #[command(after_help = LINK)]
    Link(Paid),
    /// Takes a Stripe customer from an account; no event links it again.
    #[command(after_help = UNLINK)]
    Unlink(Paid),
}

const SHOW: &str = "\
Examples:
  tollgate --stack shop account show ann@example.com
  tollgate --stack shop account show cus_NffrFeUfNV2Hib --json | jq .plan";
const LIST: &str = "\
Examples:
  tollgate --stack shop account list --plan pro
  tollgate --stack shop account list --status held --json | jq -r '.accounts[].account'";
const HISTORY: &str = "\
Examples:
  tollgate --stack shop account history ann@example.com
  tollgate --stack shop account history a1b2c3d4e5 --limit 3   by the id of a key";
const GRANT: &str = "\
Examples:
  tollgate --stack shop account grant ann@example.com pro --for 30d --why 'our mistake in March'
  tollgate --stack shop account grant cus_NffrFeUfNV2Hib pro --until 2026-12-31 --why partner --dry-run";
const REVOKE_GRANT: &str = "\
Example:
  tollgate --stack shop account revoke-grant ann@example.com pro --why 'the partnership is over'";
const HOLD: &str = "\
Example:
  tollgate --stack shop account hold ann@example.com --why 'scrapes, see ticket 1234'";
const RELEASE: &str = "\
Example:
  tollgate --stack shop account release ann@example.com --why 'has stopped'";
const LIFT_DISPUTE: &str = "\
Example:
  tollgate --stack shop account lift-dispute cus_NffrFeUfNV2Hib dp_1Pgc7Y --why 'settled by phone'";
const ROTATE_KEY: &str = "\
Until its time the old key works on whatever plan the account has. A hold, a closing, a disabled
user end it at once. Each key's quota is counted by itself: for that time there is twice the quota.

Examples:
  tollgate --stack shop account rotate-key ann@example.com --why 'asked for it'
  tollgate --stack shop account rotate-key ann@example.com --overlap 0s --why 'the key leaked'";
const CLOSE: &str = "\
Example:
  tollgate --stack shop account close ann@example.com --why 'terms of use'";
const FORGET: &str = "\
Example:
  tollgate --stack shop account forget 7c9e6679-7425-40de-944b-e07fc1f90ae7 --why 'they asked for it'";
const LINK: &str = "\
Example:
  tollgate --stack shop account link ann@example.com cus_NffrFeUfNV2Hib --why 'paid by invoice'";
const UNLINK: &str = "\
Example:
  tollgate --stack shop account unlink ann@example.com cus_NffrFeUfNV2Hib --why 'not hers'";

/// Which account.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// The account: its user's sub or e-mail address, its key's id, or a linked customer's (cus_…).
    who: String,
}

/// The options of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    who: Who,
    /// How many changes, at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
}

/// An act that needs nothing besides.
#[derive(Debug, Args)]
pub(crate) struct Plain {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    doing: Doing,
}

/// An act that concerns a plan.
#[derive(Debug, Args)]
pub(crate) struct Planned {
    #[command(flatten)]
    who: Who,
    /// The plan's id in the catalog.
    #[arg(value_parser = plan)]
    plan: PlanId,
    #[command(flatten)]
    doing: Doing,
}

/// The options of `grant`.
#[derive(Debug, Args)]
pub(crate) struct Grant {
    #[command(flatten)]
    planned: Planned,
    /// When it ends: 2026-12-31 (UTC) or 2026-12-31T18:00:00Z. Without it or --for, never.
    #[arg(long, value_name = "TIME", value_parser = time::time, conflicts_with = "for")]
    until: Option<Timestamp>,
    /// For how long: 30d, 24h.
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    r#for: Option<SignedDuration>,
}

/// An act that concerns a dispute.
#[derive(Debug, Args)]
pub(crate) struct Disputed {
    #[command(flatten)]
    who: Who,
    /// The dispute's id: mostly dp_…
    #[arg(value_parser = dispute)]
    dispute: DisputeId,
    #[command(flatten)]
    doing: Doing,
}

/// An act that concerns a customer.
#[derive(Debug, Args)]
pub(crate) struct Paid {
    #[command(flatten)]
    who: Who,
    /// The Stripe customer's id: mostly cus_…, and before 2018 anything that its seller chose.
    #[arg(value_parser = customer)]
    customer: CustomerId,
    #[command(flatten)]
    doing: Doing,
}

/// The options of `rotate-key`.
#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    who: Who,
    /// For how long the old key still works.
    #[arg(long, value_name = "DURATION", value_parser = time::duration, default_value = "24h")]
    overlap: SignedDuration,
    #[command(flatten)]
    doing: Doing,
}

/// What every act has.
#[derive(Debug, Args)]
pub(crate) struct Doing {
    #[command(flatten)]
    on_record: OnRecord,
    /// Do not wait until the worker has seen to it.
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    #[command(flatten)]
    plans: PlansOption,
}

fn plan(text: &str) -> Result<PlanId, String> {
    PlanId::parse(text).map_err(|error| error.to_string())
}

fn dispute(text: &str) -> Result<DisputeId, String> {
    DisputeId::parse(text).map_err(|error| error.to_string())
}

fn customer(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).map_err(|error| error.to_string())
}

/// When a grant ends that is made now, for so long.
fn end(now: Timestamp, span: SignedDuration) -> Result<Timestamp, Failure> {
    now.checked_add(span).map_err(|_| {
        Failure::usage("--for: that is longer than time lasts", "Give a shorter --for, or none.")
    })
}

pub(super) async fn run<C: Clock>(
    command: Account,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let (who, act, doing) = match command {
        Account::Show(Who { who }) => return show::run(&who, context, io).await,
        Account::List(options) => return list::run(&options, context, io).await,
        Account::History(History { who, limit }) => {
            return history::run(&who.who, limit.into(), context, io).await;
        }
        Account::Grant(Grant { planned: Planned { who, plan, doing }, until, r#for }) => {
            let end = r#for.map(|span| end(context.clock.now(), span)).transpose()?;
            act::must_be_sold(&plan, &doing.plans, context, io).await?;
            (who, Act::Grant { plan, until: until.or(end) }, doing)
        }
        Account::RevokeGrant(Planned { who, plan, doing }) => {
            (who, Act::RevokeGrant { plan }, doing)
        }
        Account::Hold(Plain { who, doing }) => (who, Act::Hold, doing),
        Account::Release(Plain { who, doing }) => (who, Act::Release, doing),
        Account::LiftDispute(Disputed { who, dispute, doing }) => {
            (who, Act::LiftDispute { dispute }, doing)
        }
        Account::RotateKey(RotateKey { who, overlap, doing }) => {
            (who, Act::RotateKey { overlap }, doing)
        }
        Account::Close(Plain { who, doing }) => (who, Act::Close, doing),
        Account::Forget(Plain { who, doing }) => (who, Act::Forget, doing),
        Account::Link(Paid { who, customer, doing }) => (who, Act::Link { customer }, doing),
        Account::Unlink(Paid { who, customer, doing }) => (who, Act::Unlink { customer }, doing),
    };
    act::run(&who.who, act, doing, context, io).await
}
