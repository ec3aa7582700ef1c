//! The command line.

use clap::{Parser, Subcommand};

/// Operates a Tollgate stack.
///
/// It knows the stack by its CloudFormation outputs (`--stack NAME`), or by the same
/// environment variables as the functions. AWS's region and credentials are the SDK's:
/// AWS_REGION, AWS_PROFILE, …
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The CloudFormation stack.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) stack: Option<String>,

    /// A running `cargo local`, by the first of its ports (8700, if none is given).
    #[arg(
        long,
        global = true,
        value_name = "PORT",
        conflicts_with = "stack",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "8700"
    )]
    pub(crate) local: Option<u16>,

    /// Results as JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything is as it should be, or is now
  1  a call failed, or a check found something wrong
  2  the command line, a file or a setting is wrong or missing
  3  nothing was changed: not confirmed, or it would touch what is not Tollgate's;
     or not all was: the blast limit holds some of it back
  4  --dry-run found changes to make
  5  stopped by Ctrl-C at a safe place; the message says how to go on
130  ended at once by Ctrl-C: repeat the command
141  nobody reads the output any more, as behind `| head`";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Looks at everything that goes wrong in practice, and says what mends it.
    Doctor(super::doctor::Doctor),
    /// What came, what became of it, and once more.
    #[command(subcommand)]
    Events(super::events::Events),
    /// The plans of plans.toml, and what sells and enforces them.
    #[command(subcommand)]
    Plans(super::plans::Plans),
    /// Compares Stripe, the ledger, API Gateway and Cognito, for every account.
    Reconcile(super::reconcile::Reconcile),
    /// The endpoint at Stripe that sends the stack its events.
    #[command(subcommand)]
    Webhook(super::webhook::Webhook),
    /// The stack's secrets: set, never shown.
    #[command(subcommand)]
    Secrets(super::secrets::Secrets),
    /// One account: what it has, why, and what an operator does to it.
    #[command(subcommand)]
    Account(super::account::Account),
    /// The queues, and what is left to do.
    #[command(subcommand)]
    Queue(super::queue::QueueCommand),
    /// The deployment as a whole: which Stripe account and which user pool it belongs to.
    #[command(subcommand)]
    Stack(super::stack_record::Stack),
    /// The API keys of the account and Region.
    #[command(subcommand)]
    Keys(super::keys::Keys),
    /// Prints what makes a shell complete this command.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

const COMPLETIONS: &str = "\
Examples:
  tollgate completions bash > ~/.local/share/bash-completion/completions/tollgate
  tollgate completions zsh > ~/.zfunc/_tollgate
  tollgate completions fish > ~/.config/fish/completions/tollgate.fish";
