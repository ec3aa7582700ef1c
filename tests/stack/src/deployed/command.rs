//! The operator's command, as the quick start runs it: the real binary, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process;

use super::aws::REGION;

/// `tollgate`, and where it finds AWS and Stripe.
pub struct Command {
    binary: PathBuf,
    aws: String,
    stripe: String,
    stripe_key: String,
    /// All that it has printed.
    pub transcript: String,
}

impl Command {
    /// The command in this folder.
    pub fn new(folder: &Path, aws: &str, stripe: &str, stripe_key: &str) -> Self {
        Self {
            binary: folder.join("tollgate"),
            aws: aws.to_owned(),
            stripe: stripe.to_owned(),
            stripe_key: stripe_key.to_owned(),
            transcript: String::new(),
        }
    }

    /// Runs it with these arguments, variables and input; prints what it prints.
    ///
    /// # Errors
    /// It does not start, or its exit code is not 0.
    pub async fn run(
        &mut self,
        args: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> anyhow::Result<()> {
        let output = self.start(args, variables, input).await?;
        for text in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(text).lines() {
                println!("    {line}");
            }
        }
        ensure!(
            output.status.success(),
            "tollgate {} ended with {}",
            args.join(" "),
            output.status
        );
        Ok(())
    }

    /// Runs it and reads its result, whatever its exit code.
    ///
    /// # Errors
    /// It does not start, or prints no JSON.
    pub async fn json(&mut self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.start(args, &[], "").await?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    async fn start(
        &mut self,
        args: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> anyhow::Result<Output> {
        println!("  $ tollgate {}", args.join(" "));
        let mut child = process::Command::new(&self.binary)
            .args(args)
            .env_clear()
            .envs([
                ("AWS_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_ENDPOINT_URL", &self.aws),
                ("STRIPE_API_BASE", &self.stripe),
                ("STRIPE_SECRET_KEY", &self.stripe_key),
            ])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| self.binary.display().to_string())?;
        let mut stdin = child.stdin.take().context("the command has an input")?;
        // A command that reads nothing may have closed it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await?;
        for text in [&output.stdout, &output.stderr] {
            self.transcript.push_str(&String::from_utf8_lossy(text));
        }
        Ok(output)
    }
}
