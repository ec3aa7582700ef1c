//! `tollgate reconcile`: what differs between the four systems, mended by a person's word;
//! and the way back when the ledger is lost.

mod rebuild;
mod report;

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tollgate_core::account::KeyId;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::halt::Halt;
use tollgate_core::ports::{Clock, PortResult};
use tollgate_core::scan::Progress;
use tollgate_core::sweep::{
    ACCOUNTS_AT_ONCE, Drift, DriftReport, DriftSweep, Finding, FindingAbout,
};
use tollgate_operator::{Excess, Repaired, Word, excesses, is_held_back};

use self::report::{Findings, sentence};
use super::confirm::{Consent, ConsentAnswer};
use super::on_record::text;
use super::progress::Stages;
use super::stack::PlansOption;
use super::stack_record::must_belong;
use super::{Context, Exit, Failure, Io, Setting, halts};

/// Compares Stripe, the ledger, API Gateway and Cognito, and tells by kind what differs.
///
/// It reads bulk pages, never account by account, and changes nothing unless it is told to.
/// API Gateway is asked once a second: 10,000 accounts take a minute and a half.
///
/// When nothing differs, every account has what Stripe's subscriptions and disputes of now give
/// it, and the other three systems say so. Not compared: refunds, fraud warnings, and disputes
/// that were opened more than 180 days ago and of which no event ever came.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tollgate --stack shop reconcile               looks; exit code 1 when something differs
  tollgate --stack shop reconcile --repair      wakes what differs, deletes replaced keys
  tollgate --stack shop reconcile --repair --delete 7xw0a1b2c3    and this orphan
  tollgate --stack shop reconcile --rebuild     the table is lost: writes it anew")]
pub(crate) struct Reconcile {
    /// Wake the accounts that differ, and delete keys of ours that are older than their accounts'.
    #[arg(long)]
    repair: bool,

    /// With --repair, delete this orphan too; once for each. Whose it is may be in need of it.
    #[arg(long, value_name = "KEY", value_parser = key_id, requires = "repair")]
    delete: Vec<KeyId>,

    /// Accept, for one hour, that more accounts lose their plan, or more keys are deleted, than
    /// the blast limit lets through. With --rebuild, that much of what is written is unexplained.
    #[arg(long)]
    accept: bool,

    /// Write back the accounts that the ledger has lost, from the other three systems.
    #[arg(long, conflicts_with = "repair")]
    rebuild: bool,

    /// List everything that was found, not only the first ten of each kind.
    #[arg(long)]
    list: bool,

    #[command(flatten)]
    plans: PlansOption,

    /// Who rebuilds [default: $USER].
    #[arg(long, value_name = "NAME", requires = "rebuild", value_parser = text)]
    by: Option<String>,

    #[command(flatten)]
    consent: Consent,
}

/// How many of a kind are listed without `--list`.
const LISTED: usize = 10;

/// What is told when a comparison begins.
const COMPARING: &str = "Comparing Stripe, the ledger, API Gateway and Cognito …";

/// How often it is looked whether somebody has pressed Ctrl-C.
const LOOK_AROUND: Duration = Duration::from_millis(200);

pub(super) async fn run<C: Clock>(
    command: Reconcile,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let listed = if command.list { usize::MAX } else { LISTED };
    if command.rebuild {
        return rebuild::run(command, listed, context, io).await;
    }
    let file = context.catalog(&command.plans).await?;
    let (ports, queue) = (context.ports().await?, context.queue().await?);
    let stack = context.settings().await?.need(Setting::Stack)?.to_owned();
    must_belong(&ports).await?;
    let reconcile =
        tollgate_operator::Reconcile { sweep: comparison(&ports, &queue, &file, &stack) };
    context.progress(COMPARING, io)?;
    let mut findings = Findings::new(listed);
    let mut stages = Stages::begin(context.json, io);
    let mut unmet: BTreeSet<_> = command.delete.iter().collect();
    let mut told = |news: Progress<Finding>| match news {
        Progress::Through(stage, number) => stages.through(stage, number),
        Progress::Found(finding) => {
            if let (Drift::Orphan | Drift::Replaced, FindingAbout::Key(key)) =
                (finding.drift, &finding.about)
            {
                unmet.remove(&key.id);
            }
            findings.add(finding);
        }
    };
    let report = unless_interrupted(reconcile.look(&mut told), io).await?;
    drop(stages);
    let too_much = excesses(&report);
    let stopped = reconcile.halts().await?;
    if !context.json {
        report::print(&report, &findings, &too_much, io)?;
        halts::print(&stopped, io)?;
    }
    let mut acted = Acted::default();
    let looked = Looked { report: &report, too_much: &too_much, halts: &stopped };
    let exit = match unmet.first() {
        Some(key) => Err(no_orphan(key)),
        None => act(&command, &reconcile, &looked, &mut acted, context, io).await,
    };
    if context.json {
        let Acted { accepted_until, repaired } = &acted;
        let mut json = report::json(&report, &findings, &too_much);
        json["accepted_until"] = accepted_until.map_or(Value::Null, |at| at.to_string().into());
        json["halts"] = halts::json(&stopped);
        json["repaired"] = repaired.as_ref().map_or(Value::Null, report::repaired_json);
        writeln!(io.out, "{json:#}")?;
    }
    exit
}

fn comparison<'a, P, Q>(
    ports: &'a P,
    queue: &'a Q,
    file: &'a CatalogFile,
    stack: &'a str,
) -> DriftSweep<'a, P, Q> {
    let (catalog, policy) = (&file.catalog, &file.policy);
    DriftSweep { ports, queue, catalog, policy, stack, at_once: ACCOUNTS_AT_ONCE }
}

/// What the look has found.
struct Looked<'a> {
    report: &'a DriftReport,
    too_much: &'a [Excess],
    halts: &'a [Halt],
}

impl Looked<'_> {
    fn exit(&self) -> Exit {
        let Self { report, halts, .. } = self;
        // What was not compared may differ.
        let is_well = report.found.is_empty()
            && report.left_alone == 0
            && report.stages_lost.is_empty()
            && !report.disputes_denied;
        match is_well {
            _ if is_held_back(report, halts) => Exit::Refused,
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}

/// What followed from the look: told even when the rest of it failed.
#[derive(Default)]
struct Acted {
    accepted_until: Option<Timestamp>,
    repaired: Option<Repaired>,
}

async fn act<C, P, Q>(
    command: &Reconcile,
    reconcile: &tollgate_operator::Reconcile<'_, P, Q>,
    looked: &Looked<'_>,
    acted: &mut Acted,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure>
where
    C: Clock,
    P: tollgate_core::ports::Ports,
    Q: tollgate_core::ports::Queue,
{
    if !command.repair && !command.accept {
        return Ok(looked.exit());
    }
    if let Some(excess) = looked.too_much.first().filter(|_| !command.accept) {
        return Err(Failure::refused(
            format!("nothing was changed: {}", sentence(excess)),
            "Find out why first. If it is what you want, repeat with --accept.",
        ));
    }
    let changes = command.accept || !looked.report.found.is_empty();
    match command.consent.ask(changes, context.json, io)? {
        ConsentAnswer::Nothing => return Ok(looked.exit()),
        ConsentAnswer::DryRun if !command.accept && is_held_back(looked.report, looked.halts) => {
            return Ok(Exit::Refused);
        }
        ConsentAnswer::DryRun => return Ok(Exit::WouldChange),
        ConsentAnswer::Do => {}
    }
    if (io.interrupted)() {
        return Err(stopped());
    }
    if command.accept {
        let until = reconcile.accept().await?;
        acted.accepted_until = Some(until);
        context.progress(&format!("The blast limit is lifted until {until:.0}."), io)?;
    }
    if command.repair {
        context.progress("Looking again, and waking what differs …", io)?;
        let mut stages = Stages::begin(context.json, io);
        let mut told = |news| {
            if let Progress::Through(stage, number) = news {
                stages.through(stage, number);
            }
        };
        let mut repaired = Repaired::default();
        let keys = command.delete.iter().cloned().collect();
        let word = Word { accepted: command.accept, keys };
        let repair = reconcile.repair(&word, &mut repaired, &mut told);
        let done = unless_interrupted(repair, io).await;
        drop(stages);
        if done.is_ok() || !repaired.deleted.is_empty() {
            if !context.json {
                report::print_repaired(&repaired, io)?;
            }
            acted.repaired = Some(repaired);
        }
        done?;
    }
    let report = acted.repaired.as_ref().map_or(looked.report, |repaired| &repaired.report);
    still_held_back(report, &reconcile.halts().await?)
}

/// Who was woken and would lose something is parked, or waits, as long as it has stopped.
fn still_held_back(report: &DriftReport, halts: &[Halt]) -> Result<Exit, Failure> {
    let holds = |halt: &&Halt| is_held_back(report, std::slice::from_ref(*halt));
    match halts.iter().find(holds) {
        None => Ok(Exit::Done),
        Some(halt) => Err(Failure::refused(format!("not all is mended: {halt}"), halt.mend())),
    }
}

/// Work that may stop at any call, and does when somebody presses Ctrl-C.
async fn unless_interrupted<T>(
    work: impl Future<Output = PortResult<T>>,
    io: &Io<'_>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    while !(io.interrupted)() {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done?),
            () = tokio::time::sleep(LOOK_AROUND) => {}
        }
    }
    Err(stopped())
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|error| error.to_string())
}

fn no_orphan(key: &KeyId) -> Failure {
    Failure::usage(
        format!("{key} is no orphan: nothing was changed"),
        "`tollgate reconcile --list` names all that there are, under `orphan`.",
    )
}

fn stopped() -> Failure {
    Failure {
        exit: Exit::Interrupted,
        problem: "stopped; what was done stays done".to_owned(),
        mend: "Repeat the command to go on.".to_owned(),
    }
}
