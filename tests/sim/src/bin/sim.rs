//! `sim`: runs seeds and tells what they showed. Exit code 1 when an invariant broke.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use tollgate_sim::coverage::Coverage;
use tollgate_sim::faults::FaultKind;
use tollgate_sim::report::Tally;
use tollgate_sim::run::run_script;
use tollgate_sim::script::Script;

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
    #[arg(long, value_delimiter = ',')]
    without_acts: Vec<usize>,
    /// Kinds of faults to switch off.
    #[arg(long, value_delimiter = ',', value_parser = fault_kind)]
    without_faults: Vec<FaultKind>,
}

fn fault_kind(word: &str) -> Result<FaultKind, String> {
    FaultKind::parse(word).ok_or_else(|| {
        let known: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("no such kind of fault; there are {}", known.join(", "))
    })
}

#[expect(clippy::disallowed_methods, reason = "how fast it runs is no part of a run")]
fn main() -> ExitCode {
    let args = Args::parse();
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
        println!("{coverage}");
    }
    let (hit, all) = coverage.reached();
    println!("{hit} of {all} cells of step × crash point × fault hit (--coverage shows them)");
    println!("{tally}");
    println!("{:.0} events per second", tally.events as f64 / seconds);
    if tally.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the next seed until there is none.
fn work(args: &Args, next: &AtomicU64, sum: &Mutex<(Tally, Coverage)>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= args.from.saturating_add(args.seeds) {
            return;
        }
        let mut script = Script::of(seed).without_acts(args.without_acts.iter().copied());
        for kind in &args.without_faults {
            script = script.without_fault(*kind);
        }
        let report = run_script(&script);
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        if args.transcript {
            report.transcript.iter().for_each(|line| println!("{line}"));
        }
        report.violations.iter().for_each(|violation| println!("{violation}"));
        sum.0.add(&report.tally);
        sum.1.add(&report.coverage);
    }
}
