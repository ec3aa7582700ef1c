//! How the command ends: exit codes, and errors that say what to do.

use std::io::ErrorKind;

use tollgate_core::catalog::CatalogError;
use tollgate_core::ports::{Class, PortError, Service};
use tollgate_core::shell::in_context;
use tollgate_functions::adapters::stripe::StripeApiError;
use tollgate_functions::config::ConfigError;

use super::io::{Colour, Io};
use crate::mend;

/// The exit codes; `docs/command.md` lists them for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is as it should be, or is now.
    Done = 0,
    /// A call failed, or a check found something that is not as it should be.
    Failed = 1,
    /// The command line, a file or a setting is wrong or missing; nothing was called that
    /// changes anything.
    Usage = 2,
    /// Nothing was changed: it was not confirmed, or would touch what is not Tollgate's. Or not all
    /// was: a limit or a freeze holds it back.
    Refused = 3,
    /// `--dry-run` found changes to make.
    WouldChange = 4,
    /// Ctrl-C: stopped at a safe place, and told how to go on.
    Interrupted = 5,
    /// Nobody reads the output any more, as behind `| head`. It is what a shell reports of a
    /// process that a closed pipe has ended.
    Unread = 141,
}

/// Why the command stops, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is the matter; never a secret's value.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

impl Failure {
    /// A call that failed, or something found wrong.
    pub fn failed(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, problem: problem.into(), mend: mend.into() }
    }

    /// A wrong or missing argument, file or setting.
    pub fn usage(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, problem: problem.into(), mend: mend.into() }
    }

    /// Nothing was changed, on purpose.
    pub fn refused(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, problem: problem.into(), mend: mend.into() }
    }

    /// Writes it: two lines for people, one JSON object for programs. `command` is how this one
    /// was called ([`in_context`]).
    ///
    /// # Errors
    /// The errors' stream cannot be written to.
    pub fn print(&self, io: &mut Io<'_>, json: bool, command: &str) -> std::io::Result<()> {
        let Self { exit, problem, mend } = self;
        if *exit == Exit::Unread {
            return Ok(());
        }
        let (problem, mend) = (in_context(problem, command), in_context(mend, command));
        if json {
            let error = serde_json::json!({ "error": problem, "mend": mend });
            return writeln!(io.err, "{error}");
        }
        let label = io.paint(Colour::Red, "error:");
        writeln!(io.err, "{label} {problem}")?;
        if mend.is_empty() { Ok(()) } else { writeln!(io.err, "  {mend}") }
    }
}

/// What keeps a call from its service has a mend of its own; else the class says what may help.
impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        if let Some(mend) = mend::of(&error) {
            return Self::usage(error.to_string(), mend);
        }
        let mend = match (error.class, error.service) {
            (Class::Throttled { .. }, _) => "Wait a minute and repeat the command: it goes on.",
            (Class::Denied, Service::Stripe) => {
                "Give STRIPE_SECRET_KEY a key that may do this: docs/command.md lists it."
            }
            (Class::Denied, _) => {
                "Check AWS_PROFILE (or AWS_ACCESS_KEY_ID), AWS_REGION and the permissions \
                 that docs/command.md lists."
            }
            (Class::Unavailable | Class::Conflict, _) => "Repeat the command: it goes on.",
            (Class::NotFound, Service::ApiGateway) => {
                "Check AWS_REGION, and the catalog's ids: `tollgate doctor` compares them."
            }
            (Class::NotFound, _) => "Check --stack and AWS_REGION.",
            (Class::LimitExceeded, _) => "Raise the service's quota, or remove what is unused.",
            (Class::Invalid, _) => {
                "It will not be taken as it is: compare what it names with what `tollgate doctor` says."
            }
        };
        Self::failed(error.to_string(), mend)
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self::usage(
            error.to_string(),
            "Correct the catalog: docs/configuration.md tells of each key.",
        )
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string(), "docs/configuration.md tells of each setting.")
    }
}

impl From<StripeApiError> for Failure {
    fn from(error: StripeApiError) -> Self {
        Self::usage(
            error.to_string(),
            "Stripe's dashboard shows the key: it begins with sk_ or rk_. STRIPE_API_BASE and \
             STRIPE_CA_BUNDLE are for tests.",
        )
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            return Self { exit: Exit::Unread, problem: String::new(), mend: String::new() };
        }
        let problem = format!("cannot read or write: {error}");
        Self::failed(problem, "Mend that, and repeat the command.")
    }
}

#[cfg(test)]
mod tests;
