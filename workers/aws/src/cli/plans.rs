//! `tollgate plans`.

use std::path::PathBuf;

use clap::Subcommand;
use tollgate_billing::catalog::CatalogFile;
use tollgate_billing::ports::Clock;

use super::{Context, Exit, Failure, Io};

/// What to do with the plans.
#[derive(Debug, Subcommand)]
pub(crate) enum Plans {
    /// Shows the plans of the file.
    Show {
        /// The catalog.
        #[arg(default_value = "infra/plans/plans.toml")]
        file: PathBuf,
    },
}

pub(crate) async fn run<C: Clock>(
    command: Plans,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let Plans::Show { file } = command;
    let catalog = CatalogFile::parse(&std::fs::read_to_string(file)?)?.catalog;
    for plan in catalog.plans() {
        if context.json {
            writeln!(io.out, "{}", serde_json::json!({ "id": plan.id }))?;
        } else {
            writeln!(io.out, "{}", plan.id)?;
        }
    }
    Ok(Exit::Done)
}
