//! `sim`: runs seeds and tells what they showed. Exit code 1 when an invariant broke,
//! 141 when nobody reads what it prints.
#![warn(clippy::print_stdout)]

use std::io::{Write, stdout};
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::{Parser, Subcommand};
use tollgate_sim::coverage::Coverage;
use tollgate_sim::faults::FaultKind;
use tollgate_sim::hunt::hunt;
use tollgate_sim::planted::Bug;
use tollgate_sim::report::{Report, Tally};
use tollgate_sim::run::run_script;
use tollgate_sim::script::Script;
use tollgate_sim::shrink::{Shrunk, shrink};
use tollgate_sim::story::story;
use tollgate_sim::switch::{longest, measure};
use tollgate_sim::upgrades::{HEAD, Loop, upgrades, upgrades_in_a_loop};

/// Prints a line. Where nobody reads it any more, as behind `| head`, the run ends in silence.
macro_rules! say {
    ($($line:tt)*) => {
        if writeln!(stdout(), $($line)*).is_err() {
            exit(141)
        }
    };
}

/// Each seed is a world of its own.
const THREADS: u64 = 2;

/// Simulates Tollgate, one small business for each seed.
#[derive(Debug, Parser)]
struct Args {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Print what was reached: step × crash point × fault.
    #[arg(long)]
    coverage: bool,
    /// Print what happened, line by line.
    #[arg(long)]
    transcript: bool,
    /// Acts to leave out, by number.
    #[arg(long, value_delimiter = ',', conflicts_with = "only_acts")]
    without_acts: Vec<usize>,
    /// The acts that happen, by number; all others are left out.
    #[arg(long, value_delimiter = ',')]
    only_acts: Vec<usize>,
    /// Kinds of faults to switch off.
    #[arg(long, value_delimiter = ',', value_parser = fault_kind)]
    without_faults: Vec<FaultKind>,
    /// A bug to plant.
    #[arg(long, value_parser = bug)]
    bug: Option<Bug>,
    /// Do not look for a smaller run that breaks the same invariant.
    #[arg(long)]
    no_shrink: bool,
    /// After how many runs to stop looking for a smaller one.
    #[arg(long, default_value_t = 400)]
    shrink_runs: usize,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plant each bug and tell which seed catches it first; exit code 1 when none does.
    Bugs {
        /// After how many seeds to give up.
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// Only these.
        #[arg(value_parser = bug)]
        only: Vec<Bug>,
    },
    /// Upgrades while others use API Gateway's control plane too: for how long keys are on no plan.
    Switches {
        /// How many upgrade at once.
        #[arg(long, default_value_t = 40)]
        upgrades: usize,
        /// Of Tollgate's calls one in so many gets through.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
        one_in: Vec<u64>,
        /// How often each is tried, every time with other dice.
        #[arg(long, default_value_t = 3)]
        tries: u32,
    },
}

fn fault_kind(word: &str) -> Result<FaultKind, String> {
    FaultKind::parse(word).ok_or_else(|| {
        let known: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("no such kind of fault; there are {}", known.join(", "))
    })
}

fn bug(name: &str) -> Result<Bug, String> {
    Bug::named(name)
        .ok_or_else(|| format!("no such bug; there are {}", Bug::ALL.map(Bug::name).join(", ")))
}

#[expect(clippy::disallowed_methods, reason = "how fast it runs is no part of a run")]
fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Some(Command::Bugs { seeds, only }) => return bugs(*seeds, only),
        Some(Command::Switches { upgrades, one_in, tries }) => {
            return switches(*upgrades, one_in, *tries);
        }
        None => {}
    }
    let begun = Instant::now();
    let next = AtomicU64::new(args.from);
    let sum = Mutex::new((Tally::default(), Coverage::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(args.seeds) {
            scope.spawn(|| work(&args, &next, &sum));
        }
    });
    let (tally, coverage) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64().max(0.001);
    if args.coverage {
        say!("{coverage}");
    }
    let (hit, all) = coverage.reached();
    say!("{hit} of {all} cells of step × crash point × fault hit (--coverage shows them)");
    say!("{tally}");
    say!("{:.0} events per second", tally.events as f64 / seconds);
    longest(&measure()).iter().for_each(|line| say!("{line}"));
    if tally.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the next seed until there is none.
fn work(args: &Args, next: &AtomicU64, sum: &Mutex<(Tally, Coverage)>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= args.from.saturating_add(args.seeds) {
            return;
        }
        let report = run_script(&script(args, seed));
        let first = report.violations.first().filter(|_| !args.no_shrink);
        let small = first.and_then(|v| shrink(&report.script, v.invariant, args.shrink_runs));
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        if args.transcript {
            report.transcript.iter().for_each(|line| say!("{line}"));
        }
        report.violations.iter().for_each(|violation| say!("{violation}"));
        if let Some(small) = small {
            tell(&small);
        }
        sum.0.add(&report.tally);
        sum.1.add(&report.coverage);
    }
}

/// The script of a seed, as the command line changes it.
fn script(args: &Args, seed: u64) -> Script {
    let mut script = Script::of(seed).with_bug(args.bug);
    script = if args.only_acts.is_empty() {
        script.without_acts(args.without_acts.iter().copied())
    } else {
        script.with_only_acts(&args.only_acts)
    };
    args.without_faults.iter().fold(script, |script, kind| script.without_fault(*kind))
}

/// The story of the smallest run that breaks the same invariant.
fn tell(small: &Shrunk) {
    let Report { script, acts, .. } = &small.report;
    say!("\nThe same with {} acts, found in {} runs:\n", acts.len(), small.runs);
    story(&small.report, small.invariant).iter().for_each(|line| say!("  {line}"));
    say!("\nAgain:\n  {}\n", script.command());
}

/// The table of times without a plan.
fn switches(accounts: usize, one_in: &[u64], tries: u32) -> ExitCode {
    say!("{HEAD}");
    for one_in in one_in {
        for seed in 0..tries {
            say!("{}", upgrades(accounts, (*one_in).max(1), seed));
        }
    }
    say!("\nWhile one owner asks the account API in a loop, and within the limits:\n{HEAD}");
    for seed in 0..tries {
        let (came, Loop { asked, calls, looks, shut }) = upgrades_in_a_loop(accounts, seed);
        say!("{came}");
        say!("  asked {asked} times: {calls} calls of API Gateway; {shut} of {looks} others shut");
    }
    ExitCode::SUCCESS
}

/// The table of planted bugs.
fn bugs(limit: u64, only: &[Bug]) -> ExitCode {
    let mut caught = true;
    say!("{:<26} invariant  first seed  seeds needed", "bug");
    for bug in Bug::ALL.into_iter().filter(|bug| only.is_empty() || only.contains(bug)) {
        let line = format!("{bug:<26} {:>9}", bug.invariant());
        match hunt(bug, 0, limit) {
            Some(catch) => say!("{line}  {:>10}  {:>12}", catch.seed, catch.seeds),
            None => {
                say!("{line}  {:>10}  more than {limit}", "none");
                caught = false;
            }
        }
    }
    if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
