//! `sim`: runs seeds and tells what they showed. Exit code 1 when an invariant broke.

use std::process::ExitCode;

use clap::Parser;
use tollgate_sim::faults::FaultKind;
use tollgate_sim::report::Tally;
use tollgate_sim::run::run_script;
use tollgate_sim::script::Script;

/// Simulates Tollgate, one small business for each seed.
#[derive(Debug, Parser)]
struct Args {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
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

fn main() -> ExitCode {
    let args = Args::parse();
    let mut tally = Tally::default();
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let mut script = Script::of(seed).without_acts(args.without_acts.iter().copied());
        for kind in &args.without_faults {
            script = script.without_fault(*kind);
        }
        let report = run_script(&script);
        if args.transcript {
            report.transcript.iter().for_each(|line| println!("{line}"));
        }
        report.violations.iter().for_each(|violation| println!("{violation}"));
        tally.add(&report.tally);
    }
    println!("{tally:?}");
    if tally.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
