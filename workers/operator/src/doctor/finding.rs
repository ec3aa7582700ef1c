//! What a check found.

use serde::Serialize;
use tollgate_core::catalog::CatalogFile;

use super::expected::Expected;
use super::observed::{Look, Unseen};

/// How a check stands, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// As it should be.
    Ok,
    /// It works, but not as it should, or not for long.
    Warning,
    /// A part could not be looked at.
    CouldNotLook,
    /// Something does not work, or somebody can do what they must not.
    Failure,
}

/// The system that a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// `plans.toml`.
    Catalog,
    /// The user pool.
    Cognito,
    /// Usage plans, stages and keys.
    ApiGateway,
    /// Prices, products, key and webhook endpoint.
    Stripe,
    /// Secrets Manager.
    SecretsManager,
    /// SQS.
    Sqs,
    /// The ledger's table.
    #[serde(rename = "dynamodb")]
    DynamoDb,
    /// This machine's clock.
    Clock,
}

impl System {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalog => "Catalog",
            Self::Cognito => "Cognito",
            Self::ApiGateway => "API Gateway",
            Self::Stripe => "Stripe",
            Self::SecretsManager => "Secrets Manager",
            Self::Sqs => "SQS",
            Self::DynamoDb => "DynamoDB",
            Self::Clock => "Clock",
        }
    }
}

/// One thing that is not as it should be, or could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is; never [`CheckVerdict::Ok`].
    pub verdict: CheckVerdict,
    /// What was found, or why it could not be looked at. Names and ids, never a secret.
    pub found: String,
    /// What to do: a command, or a place.
    pub mend: String,
}

/// One check and all that it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// The check's id, kebab-case; it never changes.
    pub check: &'static str,
    /// Which system it is about.
    pub system: System,
    /// What was looked at.
    pub looked_at: String,
    /// What it found; nothing, when all is well.
    pub problems: Vec<Problem>,
}

impl CheckFinding {
    pub(super) fn of(check: &'static str, system: System, looked_at: impl Into<String>) -> Self {
        Self { check, system, looked_at: looked_at.into(), problems: Vec::new() }
    }

    /// The worst of its problems.
    pub fn verdict(&self) -> CheckVerdict {
        self.problems.iter().map(|problem| problem.verdict).max().unwrap_or(CheckVerdict::Ok)
    }

    pub(super) fn fail(&mut self, found: impl Into<String>, mend: impl Into<String>) {
        self.add(CheckVerdict::Failure, found.into(), mend.into());
    }

    pub(super) fn warn(&mut self, found: impl Into<String>, mend: impl Into<String>) {
        self.add(CheckVerdict::Warning, found.into(), mend.into());
    }

    fn add(&mut self, verdict: CheckVerdict, found: String, mend: String) {
        self.problems.push(Problem { verdict, found, mend });
    }

    pub(super) fn unseen(&mut self, what: &str, unseen: &Unseen) {
        let (found, mend) = match unseen {
            Unseen::Absent => (
                format!("{what} is not there"),
                "mend the check that says so, then look again".to_owned(),
            ),
            Unseen::Failed { needs, why, denied } => {
                let mend = if *denied {
                    format!("allow {needs} to whoever runs doctor")
                } else {
                    "look again in a while".to_owned()
                };
                (format!("{what}: {why}"), mend)
            }
            Unseen::Unknown { why, mend } => (format!("{what}: {why}"), mend.clone()),
        };
        self.add(CheckVerdict::CouldNotLook, found, mend);
    }

    /// Judges what was seen; says so, where nothing was.
    pub(super) fn look<T>(
        mut self,
        what: &str,
        seen: &Look<T>,
        judge: impl FnOnce(&mut Self, &T),
    ) -> Self {
        match seen {
            Ok(seen) => judge(&mut self, seen),
            Err(unseen) => self.unseen(what, unseen),
        }
        self
    }

    /// As [`look`](Self::look), by what the catalog says: without one, nothing is judged.
    pub(super) fn look_by_catalog<T>(
        mut self,
        expected: &Expected,
        what: &str,
        seen: &Look<T>,
        judge: impl FnOnce(&mut Self, &CatalogFile, &T),
    ) -> Self {
        match expected.catalog() {
            Ok(file) => self.look(what, seen, |finding, seen| judge(finding, file, seen)),
            Err(unseen) => {
                self.unseen("the catalog", &unseen);
                self
            }
        }
    }

    /// As [`look`](Self::look), but what is not there is a failure with this mend.
    pub(super) fn look_for<T>(
        mut self,
        what: &str,
        seen: &Look<T>,
        absent: impl Into<String>,
        judge: impl FnOnce(&mut Self, &T),
    ) -> Self {
        if matches!(seen, Err(Unseen::Absent)) {
            self.fail(format!("there is no {what}"), absent);
            return self;
        }
        self.look(what, seen, judge)
    }
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// In the order in which they are reported, grouped by system.
    pub findings: Vec<CheckFinding>,
}

impl Findings {
    /// How many checks stand so.
    pub fn count(&self, verdict: CheckVerdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict() == verdict).count()
    }

    /// The worst of all.
    pub fn verdict(&self) -> CheckVerdict {
        self.findings.iter().map(CheckFinding::verdict).max().unwrap_or(CheckVerdict::Ok)
    }

    /// Whether doctor is content: no failure; and when it is strict, no warning and nothing
    /// that could not be looked at.
    pub fn passes(&self, strict: bool) -> bool {
        self.count(CheckVerdict::Failure) == 0 && (!strict || self.verdict() == CheckVerdict::Ok)
    }
}
