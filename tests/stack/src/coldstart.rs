//! How long a function takes from its start to its first event's answer, and how much
//! memory that needs.
//!
//! Each run is a new process of the binary, as Lambda starts one: it asks a stub of the
//! Runtime API for an event, over plain HTTP as in Lambda, reads its secrets and calls
//! its services over TLS, and posts its answer. The services are a stub in this process,
//! so what is measured is the function, not AWS or Stripe; the certificates that it loads
//! are the machine's, as in Lambda, and one of our own. Nothing is asserted of time, which
//! on a shared machine proves nothing: a person looks at the table.
//!
//! Otherwise than in Lambda: for Stripe, too, the function trusts the stub's certificate,
//! instead of the authorities that it brings along.

mod events;
mod stub;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use self::events::{ASKS_STRIPE, events};
use self::stub::Stub;
use crate::deployed::build::Built;

/// What one process took.
#[derive(Debug, Clone, Copy)]
struct Run {
    time: Duration,
    /// What all its threads were on a processor; other work on the machine does not add to it.
    cpu: Duration,
    /// Kilobytes: the most that was resident at any time.
    resident: u64,
}

/// A function is given up after this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts each binary so many times; returns the table.
///
/// # Errors
/// A function does not answer, or a stub does not start.
pub async fn measure(built: &[Built], times: usize, dir: &Path) -> anyhow::Result<String> {
    let mut table = format!(
        "{:<16} {:>10} {:>8} {:>8} {:>8} {:>12}\n",
        "function", "median ms", "min", "max", "CPU ms", "resident MB"
    );
    let stub = Stub::start(dir).await?;
    for function in built {
        for (name, event) in events(&function.function)? {
            let runs = runs(&stub, function, &event, times).await;
            let runs = runs.with_context(|| name.clone())?;
            // Whose the key is, and of the charge.
            let due = if name == ASKS_STRIPE { 2 * (times + 1) } else { 0 };
            let asked = stub.asked_stripe();
            ensure!(asked == due, "{name} asked Stripe {asked} times, not {due}");
            let _ = writeln!(table, "{}", row(&name, &runs));
        }
    }
    Ok(table)
}

/// Of the first one nothing is kept: it reads the binary from the disk.
async fn runs(stub: &Stub, built: &Built, event: &Value, times: usize) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for run in 0..=times {
        let measured = once(stub, built, event.clone()).await?;
        runs.extend((run > 0).then_some(measured));
    }
    Ok(runs)
}

fn row(function: &str, runs: &[Run]) -> String {
    let sorted = |of: &dyn Fn(&Run) -> f64| {
        let mut values: Vec<_> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let times = sorted(&|run| run.time.as_secs_f64() * 1000.0);
    let (min, max) = (times.first().unwrap_or(&0.0), times.last().unwrap_or(&0.0));
    let (time, cpu) = (median(&times), median(&sorted(&|run| run.cpu.as_secs_f64() * 1000.0)));
    let memory = median(&sorted(&|run| run.resident as f64 / 1024.0));
    format!("{function:<16} {time:>10.1} {min:>8.1} {max:>8.1} {cpu:>8.1} {memory:>12.1}")
}

/// The middle of what is in order; of two, the mean.
fn median(sorted: &[f64]) -> f64 {
    let (lower, upper) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(lower), sorted.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => 0.0,
    }
}

/// One process, from its start to its first answer.
async fn once(stub: &Stub, built: &Built, event: Value) -> anyhow::Result<Run> {
    stub.offer(event);
    let mut command = command(&built.path, stub);
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| built.path.display().to_string())?;
    let answered = tokio::select! {
        answered = timeout(PATIENCE, stub.answered()) => answered.context("it does not answer")?,
        ended = child.wait() => bail!("it ended before it answered: {ended:?}"),
    };
    let (cpu, resident) = (cpu(&child), resident(&child));
    child.kill().await.context("it cannot be stopped")?;
    Ok(Run { time: answered?.duration_since(started), cpu: cpu?, resident: resident? })
}

/// How long the threads of a process have been on a processor.
/// <https://docs.kernel.org/scheduler/sched-stats.html>
fn cpu(child: &Child) -> anyhow::Result<Duration> {
    let id = child.id().context("it has ended")?;
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let on: u64 = times.split(' ').next().context("no schedstat")?.parse()?;
        nanoseconds += on;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The high-water mark of a process's resident memory, in kilobytes.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn resident(child: &Child) -> anyhow::Result<u64> {
    let id = child.id().context("it has ended")?;
    let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{id}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM is no number")
}

/// The environment that Lambda and the template give.
fn command(binary: &Path, stub: &Stub) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", &stub.runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_ENDPOINT_URL", &stub.aws)
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &stub.secrets)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_SESSION_TOKEN", "bench")
        .env("SSL_CERT_FILE", &stub.certificates)
        .env("STRIPE_CA_BUNDLE", &stub.certificate)
        .envs(events::settings(&stub.aws, &stub.stripe))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let cases: [(&[f64], f64); 4] =
            [(&[], 0.0), (&[3.0], 3.0), (&[1.0, 2.0, 9.0], 2.0), (&[1.0, 2.0, 4.0, 9.0], 3.0)];
        for (sorted, expected) in cases {
            assert!((median(sorted) - expected).abs() < f64::EPSILON, "{sorted:?}");
        }
    }

    #[tokio::test]
    async fn a_process_that_ends_is_no_measurement() {
        let dir = std::env::temp_dir().join("tollgate-coldstart");
        std::fs::create_dir_all(&dir).unwrap();
        let built = Built { function: "worker".into(), path: "/bin/true".into(), bytes: 0 };
        let error = measure(&[built], 1, &dir).await.unwrap_err();
        assert!(format!("{error:#}").contains("worker: it ended before"), "{error:#}");
    }
}
