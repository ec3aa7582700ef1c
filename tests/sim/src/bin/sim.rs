//! `sim`: runs seeds and tells what they showed. Exit code 1 when an invariant broke.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tollgate_sim::hunt::hunt;
use tollgate_sim::run::{Report, run_with};
use tollgate_standin::bugs::Bug;

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
    /// Plant a bug.
    #[arg(long, value_parser = bug)]
    bug: Option<Bug>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plant each bug and tell which seed catches it first.
    Bugs {
        /// After how many seeds to give up.
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// Only this one.
        #[arg(value_parser = bug)]
        only: Option<Bug>,
    },
}

fn bug(name: &str) -> Result<Bug, String> {
    let names = || Bug::ALL.map(Bug::name).join(", ");
    Bug::named(name).ok_or_else(|| format!("there is no such bug; there are {}", names()))
}

/// The table of planted bugs: exit code 1 when one was not caught.
fn bugs(limit: u64, only: Option<Bug>) -> ExitCode {
    let mut caught = true;
    println!("{:<26} invariant  first seed  seeds needed", "bug");
    for bug in Bug::ALL.into_iter().filter(|bug| only.is_none_or(|only| only == *bug)) {
        let line = format!("{bug:<26} {:>9}", bug.invariant());
        match hunt(bug, 0, limit) {
            Some(catch) => println!("{line}  {:>10}  {:>12}", catch.seed, catch.seeds),
            None => {
                println!("{line}  {:>10}  more than {limit}", "none");
                caught = false;
            }
        }
    }
    if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Command::Bugs { seeds, only }) = args.command {
        return bugs(seeds, only);
    }
    let mut broken = 0;
    let mut sum = [0; 6];
    for seed in args.from..args.from.saturating_add(args.seeds) {
        let report = run_with(seed, args.bug);
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
