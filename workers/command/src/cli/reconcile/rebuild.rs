//! `tollgate reconcile --rebuild`: the ledger, from the other three systems.

use std::collections::BTreeSet;
use std::io::Result as IoResult;

use serde_json::{Value, json};
use tollgate_core::ledger::StackRecord;
use tollgate_core::ports::{Clock, Ports, Queue};
use tollgate_core::scan::{Progress, ScanStage};
use tollgate_core::sweep::{ACCOUNTS_AT_ONCE, DriftSweep, Finding};
use tollgate_events::AccountId;
use tollgate_operator::{Doubted, OVERLAP, Rebuild, RebuildReport, Rebuilt, doubts};

use super::super::confirm::ConsentAnswer;
use super::super::on_record::by;
use super::super::progress::Stages;
use super::super::stack_record::must_belong;
use super::super::table::{counted, number};
use super::super::{Colour, Context, Exit, Failure, Io, Setting, left_out};
use super::{COMPARING, Reconcile, comparison, unless_interrupted};

/// Those whom a person should look at: no more of them are kept than are listed.
#[derive(Default)]
struct Noted {
    listed: usize,
    held: Vec<String>,
    granted: Vec<String>,
    taken: Vec<String>,
    disowned: Vec<String>,
    all: Vec<String>,
}

impl Noted {
    fn add(&mut self, rebuilt: &Rebuilt) {
        let plan = rebuilt.plan.as_ref().map_or("no plan".to_owned(), ToString::to_string);
        let line = format!("{} {plan}", rebuilt.account);
        let customers = rebuilt.disowned.iter().map(|customer| format!(" {customer}"));
        let disowned = rebuilt.account.to_string() + &customers.collect::<String>();
        if !rebuilt.disowned.is_empty() && self.disowned.len() < self.listed {
            self.disowned.push(disowned);
        }
        let lists = [
            (rebuilt.held, &mut self.held),
            (rebuilt.granted.is_some(), &mut self.granted),
            (!rebuilt.taken.is_empty(), &mut self.taken),
            (true, &mut self.all),
        ];
        for (_, list) in lists.into_iter().filter(|(belongs, _)| *belongs) {
            if list.len() < self.listed {
                list.push(line.clone());
            }
        }
    }
}

pub(super) async fn run<C: Clock>(
    command: Reconcile,
    listed: usize,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let by = by(command.by.clone(), context)?;
    let file = context.catalog(&command.plans).await?;
    let (ports, deriver) = (context.ports().await?, context.proofs().await?);
    let queue = context.queue().await?;
    let stack = context.settings().await?.need(Setting::Stack)?.to_owned();
    let (in_use, record) = must_belong(&ports).await?;
    let stale = stale(&comparison(&ports, &queue, &file, &stack), context, io).await?;
    let rebuild = Rebuild {
        ports: &ports,
        catalog: &file.catalog,
        policy: &file.policy,
        deriver: &deriver,
        stack: &stack,
        by: &by,
        at_once: ACCOUNTS_AT_ONCE,
        stale: &stale,
    };
    let bound = Some(in_use.binds(&record)).filter(|bound| *bound != record);
    context.progress("Reading API Gateway, Stripe, Cognito and what the ledger has …", io)?;
    let mut noted = Noted { listed, ..Noted::default() };
    let mut stages = Stages::begin(context.json, io);
    let mut heard = |news| match news {
        Progress::Through(stage, number) => stages.through(stage, number),
        Progress::Found(rebuilt) => noted.add(&rebuilt),
    };
    let would = unless_interrupted(rebuild.look(&mut heard), io).await?;
    drop(stages);
    if !context.json {
        print(&would, &noted, "Would be written back", io)?;
        if let Some(bound) = bound.as_ref().filter(|_| would.rebuilt > 0) {
            print_bound(bound, io)?;
        }
    }
    let changes = would.written() > 0;
    let doubted = if changes { doubts(&would) } else { Vec::new() };
    let belongs_to = bound.map_or(
        Value::Null,
        |bound| json!({ "stripe_account": bound.stripe_account, "pool": bound.pool }),
    );
    if !context.json {
        for doubted in &doubted {
            writeln!(io.out, "\n{}", io.paint(Colour::Red, &doubted.to_string()))?;
        }
    }
    if !doubted.is_empty() && !command.accept {
        if context.json {
            print_json(&would, &noted, false, &doubted, &belongs_to, io)?;
        }
        return Err(refused(&doubted));
    }
    let answer = command.consent.ask(changes, context.json, io)?;
    let written = matches!(answer, ConsentAnswer::Do);
    let (report, exit) = match answer {
        ConsentAnswer::Nothing => (would, Exit::Done),
        ConsentAnswer::DryRun => (would, Exit::WouldChange),
        ConsentAnswer::Do => {
            noted = Noted { listed, ..Noted::default() };
            let report = write(&rebuild, would.written(), &mut noted, context.json, io).await?;
            if !context.json {
                writeln!(io.out)?;
                print(&report, &noted, "Written back", io)?;
                writeln!(io.out, "\nNow `tollgate reconcile --repair` mends what differs.")?;
            }
            let whole = report.busy == 0 && report.left == 0;
            let exit = if whole { Exit::Done } else { Exit::Failed };
            (report, exit)
        }
    };
    if context.json {
        print_json(&report, &noted, written, &doubted, &belongs_to, io)?;
    }
    Ok(exit)
}

/// Of whom the ledger is older than the other systems: the comparison knows.
async fn stale<C: Clock, P: Ports, Q: Queue>(
    comparison: &DriftSweep<'_, P, Q>,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<BTreeSet<AccountId>, Failure> {
    context.progress(COMPARING, io)?;
    let mut stages = Stages::begin(context.json, io);
    let mut told = |news: Progress<Finding>| {
        if let Progress::Through(stage, number) = news {
            stages.through(stage, number);
        }
    };
    let report = unless_interrupted(comparison.look(&mut told), io).await?;
    Ok(report.stale)
}

fn refused(doubted: &[Doubted]) -> Failure {
    let problems: Vec<_> = doubted.iter().map(ToString::to_string).collect();
    Failure::refused(
        format!("nothing was written: {}", problems.join("; ")),
        "Compare the Stripe key, the derivation secrets and the pool with what the stack had: \
         `tollgate doctor`, `tollgate stack show`. If they are right, repeat with --accept.",
    )
}

/// What is confirmed along with it.
fn print_bound(bound: &StackRecord, io: &mut Io<'_>) -> IoResult<()> {
    let account = bound.stripe_account.as_deref().unwrap_or("not known: the key may not read it");
    let pool = bound.pool.as_deref().unwrap_or("not known");
    let what = "The ledger does not say what this stack belongs to. With your yes it belongs to:";
    writeln!(io.out, "\n{}", io.paint(Colour::Yellow, what))?;
    writeln!(io.out, "        Stripe account  {account}")?;
    writeln!(io.out, "        User pool       {pool}")
}

/// Writes back what is missing, about `total` accounts.
async fn write<P: Ports>(
    rebuild: &Rebuild<'_, P>,
    total: usize,
    noted: &mut Noted,
    json: bool,
    io: &Io<'_>,
) -> Result<RebuildReport, Failure> {
    let mut stages = Stages::begin(json, io);
    let mut done = 0;
    let mut heard = |news| match news {
        // Users are read while accounts are written, and of those the end is known.
        Progress::Through(ScanStage::Users, _) => {}
        Progress::Through(stage, number) => stages.through(stage, number),
        Progress::Found(rebuilt) => {
            noted.add(&rebuilt);
            done += 1;
            stages.written(done, total);
        }
    };
    unless_interrupted(rebuild.run(&mut heard), io).await
}

fn print(report: &RebuildReport, noted: &Noted, done: &str, io: &mut Io<'_>) -> IoResult<()> {
    writeln!(io.out, "Known to the ledger, and left: {}", counted(report.known, "account"))?;
    let (rebuilt, paying) = (counted(report.rebuilt, "account"), number(report.paying));
    let customers = counted(report.customers, "customer");
    writeln!(io.out, "{done}: {rebuilt}, {paying} paying, with {customers}")?;
    if report.again > 0 {
        let again = counted(report.again, "account");
        writeln!(io.out, "{done} once more, as a rebuild had guessed at them: {again}")?;
    }
    if report.stale > 0 {
        let stale = counted(report.stale, "account");
        writeln!(io.out, "{done}, as the ledger was older than the other systems: {stale}")?;
    }
    let kinds: [(usize, &str, &[String]); 4] = [
        (
            report.held,
            "held: their keys were disabled, and what for is not known; `tollgate account \
             release WHO --why TEXT` each when you know",
            &noted.held,
        ),
        (
            report.granted,
            "granted their plan: nothing says why they had it (a grant, or a customer whom an \
             operator or a payment link has linked); `tollgate account link WHO CUSTOMER --why TEXT`, then \
             `tollgate account revoke-grant WHO PLAN --why TEXT`",
            &noted.granted,
        ),
        (report.taken, "whose customer the ledger has linked to somebody else", &noted.taken),
        (
            report.disowned,
            "customers pay for more than the account has that they name, by its key and by what its \
             user is told: an operator may have given them to somebody else. They are linked to \
             nobody: `tollgate account link WHO CUSTOMER --why TEXT`",
            &noted.disowned,
        ),
    ];
    for (count, what, list) in kinds.into_iter().filter(|(count, ..)| *count > 0) {
        writeln!(io.out, "\n{count:>6}  {}", io.paint(Colour::Yellow, what))?;
        for line in list {
            writeln!(io.out, "        {line}")?;
        }
        if count > list.len() {
            writeln!(io.out, "        … and {} more: --list", count - list.len())?;
        }
    }
    if let Some(since) = report.retiring_since {
        let (keys, days) = (counted(report.retiring, "replaced key"), OVERLAP.as_hours() / 24);
        writeln!(
            io.out,
            "\n{keys} still work, the oldest since {since:.0}: until {days} days after their \
             successors were made, and one day at least"
        )?;
    }
    let counts = [
        (report.other_keys, "keys besides an account's newest: `reconcile --repair` deletes them"),
        (report.keys_without_user, "keys whose owner is not in the pool"),
        (
            report.unproven,
            "customers pay for a plan, and nothing says for whom: `tollgate account link WHO CUSTOMER \
             --why TEXT`",
        ),
        (report.busy, "accounts that somebody was at: repeat the command"),
        (
            report.left,
            "accounts were not written back: a row of theirs cannot be read. Their keys stay as \
             they are, their events wait, nothing is decided for them; mend the row, and repeat \
             the command",
        ),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(io.out, "\n{count:>6}  {}", io.paint(Colour::Yellow, what))?;
    }
    left_out::print(&report.unreadable, io)?;
    if report.rebuilt + report.stale > 0 {
        writeln!(
            io.out,
            "\nNot to be had: history, event records, the reasons of holds and grants, disputes \
             of more than 180 days ago, closed accounts."
        )?;
    }
    Ok(())
}

fn print_json(
    report: &RebuildReport,
    noted: &Noted,
    written: bool,
    doubted: &[Doubted],
    belongs_to: &Value,
    io: &mut Io<'_>,
) -> IoResult<()> {
    let doubts = doubted.iter().map(|doubted| {
        json!({ "count": doubted.count, "of": doubted.of, "problem": doubted.to_string() })
    });
    let json = json!({
        "belongs_to": belongs_to,
        "doubts": doubts.collect::<Vec<_>>(),
        "written": written,
        "known": report.known,
        "rebuilt": report.rebuilt,
        "again": report.again,
        "stale": report.stale,
        "paying": report.paying,
        "customers": report.customers,
        "held": report.held,
        "granted": report.granted,
        "taken": written.then_some(report.taken),
        "disowned": report.disowned,
        "busy": report.busy,
        "left": report.left,
        "unreadable": left_out::json(&report.unreadable),
        "retiring_keys": {
            "count": report.retiring,
            "since": report.retiring_since.map(|since| since.to_string()),
        },
        "other_keys": report.other_keys,
        "keys_without_user": report.keys_without_user,
        "unproven": report.unproven,
        "listed": {
            "rebuilt": noted.all,
            "held": noted.held,
            "granted": noted.granted,
            "taken": noted.taken,
            "disowned": noted.disowned,
        },
    });
    writeln!(io.out, "{json:#}")
}
