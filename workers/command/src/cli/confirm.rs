//! Whether to go on: `--dry-run`, `--yes`, or a person's word.

use clap::Args;

use super::exit::{Exit, Failure};
use super::io::Io;

/// What the command line says of whether to go on: of every command that changes something.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Consent {
    /// Only show what would change.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) yes: bool,
}

/// What is to be done about changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConsentAnswer {
    /// There are none.
    Nothing,
    /// Only to show them.
    DryRun,
    /// To make them.
    Do,
}

impl Consent {
    /// Asks, if it has to.
    ///
    /// # Errors
    /// Nobody said yes, nobody could be asked, or Ctrl-C was pressed before the yes.
    pub(super) fn ask(
        self,
        changes: bool,
        json: bool,
        io: &mut Io<'_>,
    ) -> Result<ConsentAnswer, Failure> {
        match (changes, self.dry_run, self.yes) {
            (false, ..) => Ok(ConsentAnswer::Nothing),
            (true, true, _) => Ok(ConsentAnswer::DryRun),
            (true, false, true) => Ok(ConsentAnswer::Do),
            (true, false, false) if !io.interactive || json => Err(Failure::refused(
                "nothing was changed: nobody confirmed it",
                "Repeat with --yes, or with --dry-run to look only.",
            )),
            (true, false, false) if io.confirm("Make these changes?")? => confirmed(io),
            (true, false, false) => Err(Failure::refused("nothing was changed", "")),
        }
    }
}

/// After a yes: Ctrl-C before it counts for more.
fn confirmed(io: &Io<'_>) -> Result<ConsentAnswer, Failure> {
    if !(io.interrupted)() {
        return Ok(ConsentAnswer::Do);
    }
    Err(Failure {
        exit: Exit::Interrupted,
        problem: "stopped; nothing was changed".to_owned(),
        mend: String::new(),
    })
}
