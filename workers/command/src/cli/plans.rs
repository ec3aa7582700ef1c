//! `tollgate plans`: the catalog, and what enforces and sells it.

mod apply;
mod file;
mod print;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tollgate_core::ports::Clock;

use self::file::PlansFile;
use super::confirm::Consent;
use super::stack::{DEFAULT_FILE, PlansOption};
use super::{Context, Exit, Failure, Io};

/// What to do with the plans.
#[derive(Debug, Subcommand)]
pub(crate) enum Plans {
    /// Shows the plans of the file.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The catalog [default: infra/plans/plans.toml; the local stack's own].
        file: Option<PathBuf>,
    },
    /// Makes the usage plans, products and prices that the file asks for.
    ///
    /// Shows first what it would change, and asks. It changes only what carries this stack's
    /// mark, deletes nothing, and writes the ids of what it has made into the file, whose
    /// comments and order stay. It can be interrupted and repeated at any time. The functions
    /// see the file with the next deployment.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
}

const SHOW_EXAMPLES: &str = "\
Examples:
  tollgate plans show
  tollgate plans show other.toml --json | jq '.plans[].id'";

const APPLY_EXAMPLES: &str = "\
Examples:
  tollgate --stack shop plans apply --dry-run   shows what would change
  tollgate --stack shop plans apply             shows it, asks, and does it
  tollgate --stack shop plans apply --yes       does it without asking, in CI";

/// The options of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The catalog [default: infra/plans/plans.toml].
    file: Option<PathBuf>,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run<C: Clock>(
    command: Plans,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    match command {
        Plans::Show { file } => {
            let draft = match (file, context.is_local()) {
                (None, true) => context.plans_text(&PlansOption { file: None }).await?.draft()?,
                (file, _) => PlansFile::read(&file.unwrap_or(DEFAULT_FILE.into()))?.1,
            };
            print::catalog(&draft, context.json, io)?;
            Ok(Exit::Done)
        }
        Plans::Apply(options) => apply::run(&options, context, io).await,
    }
}

/// The file that is to be applied. The usual one is another stack's than the local one, which has
/// its catalog in no file: ids of there do not belong here.
fn to_apply<C: Clock>(
    file: Option<&PathBuf>,
    context: &Context<'_, C>,
) -> Result<PathBuf, Failure> {
    match file {
        None if context.is_local() => Err(Failure::usage(
            "the local stack has its catalog in no file",
            "Name a file of your own, into which its ids may be written: `tollgate plans apply FILE`",
        )),
        file => Ok(file.cloned().unwrap_or(DEFAULT_FILE.into())),
    }
}
