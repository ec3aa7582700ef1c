//! What goes on record with an operator's act: why, and who does it.

use clap::Args;
use tollgate_core::ports::Clock;
use tollgate_core::text::breaks_a_line;

use super::confirm::Consent;
use super::{Context, Failure};

/// The options of every act that goes on record.
#[derive(Debug, Args)]
pub(crate) struct OnRecord {
    /// Why: on record for ever, and told to an account's owner.
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(super) why: String,
    /// Who does it [default: $USER].
    #[arg(long, value_name = "NAME", value_parser = text)]
    pub(super) by: Option<String>,
    #[command(flatten)]
    pub(super) consent: Consent,
}

/// Goes into every history entry that it explains.
const MOST_TEXT: usize = 500;

/// What an operator writes: one line, and nothing in it that acts on whoever reads it.
pub(super) fn text(text: &str) -> Result<String, String> {
    if let Some(odd) = text.trim().chars().find(|it| breaks_a_line(*it)) {
        return Err(format!(
            "it has {}, which acts on a terminal or ends the line: write one line, of characters \
             that are seen",
            odd.escape_unicode()
        ));
    }
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.chars().count() > MOST_TEXT => {
            Err(format!("it has more than {MOST_TEXT} characters"))
        }
        text => Ok(text.to_owned()),
    }
}

/// Who does it: history names them.
///
/// # Errors
/// Nobody has said so, or the name is none that can be put on record.
pub(super) fn by<C: Clock>(
    by: Option<String>,
    context: &Context<'_, C>,
) -> Result<String, Failure> {
    let mend = "Say so: --by NAME, or set USER.";
    let user = || context.variable("USER").filter(|user| !user.trim().is_empty());
    let by = by.or_else(user);
    let by = by.ok_or_else(|| Failure::usage("it is not known who does this", mend))?;
    text(&by).map_err(|why| Failure::usage(format!("the name of who does this: {why}"), mend))
}
