//! `sim`: runs seeds and tells what they showed. Exit code 1 when an invariant broke.

use std::process::ExitCode;

use clap::Parser;
use tollgate_sim::run::{Report, run};

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
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut broken = 0;
    let mut sum = [0; 6];
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let report = run(seed);
        if args.transcript {
            report.transcript.iter().for_each(|line| println!("{line}"));
        }
        report.violations.iter().for_each(|violation| println!("{violation}"));
        broken += report.violations.len();
        add(&mut sum, &report);
    }
    let [days, events, faults, kills, mints, switches] = sum;
    println!(
        "{} seeds, {days} days, {events} events, {faults} faults, {kills} kills, \
         {mints} mints, {switches} switches, {broken} violations",
        args.seeds
    );
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn add(sum: &mut [usize; 6], report: &Report) {
    let days = usize::try_from(report.days).unwrap_or(0);
    let of_this = [days, report.events, report.faults, report.kills, report.mints, report.switches];
    sum.iter_mut().zip(of_this).for_each(|(sum, more)| *sum += more);
}
