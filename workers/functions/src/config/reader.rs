//! Reads variables one by one and remembers every problem, so that a deployer sees
//! them all at once. What it returns next to a problem is a placeholder that
//! [`Reader::finish`] never lets out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use jiff::SignedDuration;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::derive::Deriver;
use tollgate_events::stripe::SigningSecret;

use super::{LedgerConfig, Logo, QueueConfig, StripeConfig, StripeEndpoint};

/// Where the catalog is, or what it says.
const CATALOG: &str = "TOLLGATE_CATALOG";

/// One setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is the matter and what to do.
    pub advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.advice)
    }
}

/// Everything that is missing or wrong.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The problems, in the order in which the settings are read.
    pub problems: Vec<Problem>,
}

/// A function that cannot start shows its error in this form: one line for each problem.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is not complete:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

pub(super) struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, problems: Vec::new() }
    }

    /// The settings, if nothing was missing or wrong.
    pub(super) fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(self.into_error()) }
    }

    pub(super) fn into_error(self) -> ConfigError {
        ConfigError { problems: self.problems }
    }

    fn problem(&mut self, variable: &'static str, advice: impl Into<String>) {
        self.problems.push(Problem { variable, advice: advice.into() });
    }

    /// A variable; blank counts as not set, because templates pass unset parameters so.
    fn optional(&self, variable: &str) -> Option<String> {
        let value = (self.get)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn required(&mut self, variable: &'static str, what: &str) -> String {
        self.optional(variable).unwrap_or_else(|| {
            self.problem(variable, format!("is not set: set it to {what}"));
            String::new()
        })
    }

    fn url(&mut self, variable: &'static str, what: &str) -> String {
        let url = self.required(variable, what);
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            self.problem(variable, format!("is not a URL: set it to {what}"));
        }
        url
    }

    /// `true` or `false`; `None` when not set.
    pub(super) fn flag(&mut self, variable: &'static str) -> Option<bool> {
        let value = self.optional(variable)?;
        let flag = value.parse().ok();
        if flag.is_none() {
            self.problem(variable, "is neither `true` nor `false`");
        }
        flag
    }

    pub(super) fn stack(&mut self) -> String {
        let variable = "TOLLGATE_STACK";
        let stack = self.required(variable, "the CloudFormation stack's name");
        if !stack.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            self.problem(variable, "may have letters, digits and hyphens only");
        }
        stack
    }

    pub(super) fn queues(&mut self) -> QueueConfig {
        let events = "the URL of the FIFO queue `events`";
        let bulk = "the URL of the FIFO queue `bulk`";
        QueueConfig {
            events_url: self.url("TOLLGATE_EVENTS_QUEUE_URL", events),
            bulk_url: self.url("TOLLGATE_BULK_QUEUE_URL", bulk),
        }
    }

    pub(super) fn ledger(&mut self) -> LedgerConfig {
        let table = self.required("TOLLGATE_TABLE", "the name of the ledger's DynamoDB table");
        LedgerConfig { table, event_retention: self.event_retention() }
    }

    fn event_retention(&mut self) -> Option<SignedDuration> {
        let variable = "TOLLGATE_EVENT_RETENTION_DAYS";
        let days = self.optional(variable)?.parse::<u16>().ok().filter(|days| *days > 0);
        if days.is_none() {
            self.problem(
                variable,
                "is not a number of days from 1 to 65535; leave it out to keep all",
            );
        }
        days.map(|days| SignedDuration::from_hours(24 * i64::from(days)))
    }

    pub(super) fn instances(&mut self) -> u32 {
        let variable = "TOLLGATE_WORKER_CONCURRENCY";
        let Some(text) = self.optional(variable) else { return DEFAULT_INSTANCES };
        let instances = text.parse::<u32>().ok().filter(|count| *count > 0);
        if instances.is_none() {
            self.problem(
                variable,
                "is not a number of workers: leave it out, or set it to the \
                 sum of the event source mappings' MaximumConcurrency",
            );
        }
        instances.unwrap_or(DEFAULT_INSTANCES)
    }

    pub(super) fn user_pool_id(&mut self) -> String {
        self.required("TOLLGATE_USER_POOL_ID", "the id of the Cognito user pool")
    }

    pub(super) fn livemode(&mut self) -> bool {
        let variable = "TOLLGATE_LIVEMODE";
        if self.optional(variable).is_none() {
            let advice = "is not set: set it to `true` for real payments, to `false` for a sandbox";
            self.problem(variable, advice);
        }
        self.flag(variable).unwrap_or(false)
    }

    /// The catalog. The text itself has a line with `=`; a path has neither.
    pub(super) fn catalog(&mut self) -> Option<CatalogFile> {
        let variable = CATALOG;
        let mut text = self.required(variable, "the text of plans.toml, or the path of that file");
        if text.is_empty() {
            return None;
        }
        if !text.contains(['\n', '=']) {
            let read = std::fs::read_to_string(&text).map_err(|error| {
                self.problem(
                    variable,
                    format!("names the file {text}, which cannot be read: {error}"),
                );
            });
            text = read.ok()?;
        }
        let catalog = CatalogFile::parse(&text);
        catalog.map_err(|error| self.problem(variable, format!("is refused: {error}"))).ok()
    }

    pub(super) fn return_url(&mut self) -> String {
        self.url("TOLLGATE_RETURN_URL", "where Stripe's pages send your customers back to")
    }

    /// Where the page signs in: the issuer, its app client, the login's origin.
    pub(super) fn login(&mut self) -> (Option<String>, Option<String>, Option<String>) {
        let issuer = self.optional("TOLLGATE_ISSUER");
        let client = self.optional("TOLLGATE_PAGE_CLIENT_ID");
        let variable = "TOLLGATE_LOGIN_URL";
        let login = self.optional(variable);
        if login.as_deref().is_some_and(|it| !is_origin(it)) {
            self.problem(variable, "is no origin: set it to https:// and the domain of the login");
        }
        (issuer, client, login)
    }

    /// The logo beside the catalog; of a catalog that is text there is none.
    pub(super) fn logo(&mut self, name: String) -> Option<Logo> {
        let path = self.optional(CATALOG).filter(|it| !it.contains(['\n', '=']))?;
        let kind = match name.rsplit('.').next().unwrap_or_default() {
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "webp" => "image/webp",
            _ => "image/jpeg",
        };
        match std::fs::read(Path::new(&path).with_file_name(&name)) {
            Ok(bytes) => Some(Logo { name, kind, bytes }),
            Err(error) => {
                let why = format!("names the logo {name}, which cannot be read beside it: {error}");
                self.problem(CATALOG, why);
                None
            }
        }
    }

    /// Whole origins, exactly: any page may not be sent to, and a name with a wildcard is any.
    pub(super) fn allowed_origins(&mut self) -> Vec<String> {
        let variable = "TOLLGATE_ALLOWED_ORIGINS";
        let listed = self.optional(variable).unwrap_or_default();
        let listed = listed.split(',').map(str::trim).filter(|it| !it.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) = listed.map(str::to_owned).partition(|it| is_origin(it));
        for bad in bad {
            let why = format!("has `{bad}`, which is no origin: write https://app.example.com");
            self.problem(variable, why);
        }
        good
    }

    pub(super) fn stripe(&mut self, livemode: bool) -> StripeConfig {
        let variable = "STRIPE_SECRET_KEY";
        let key = self.required(variable, "a restricted key (rk_…) or the secret key (sk_…)");
        if !key.is_empty() && !["sk_", "rk_"].iter().any(|prefix| key.starts_with(prefix)) {
            self.problem(variable, "is not a secret key: it begins with sk_ or rk_");
        }
        if livemode && key.contains("_test_") {
            self.problem(variable, "is a sandbox key, but TOLLGATE_LIVEMODE is true: change one");
        }
        if !livemode && key.contains("_live_") {
            self.problem(variable, "is a live key, but TOLLGATE_LIVEMODE is false: change one");
        }
        StripeConfig { key: SecretString::from(key), endpoint: self.stripe_endpoint() }
    }

    pub(super) fn stripe_endpoint(&mut self) -> StripeEndpoint {
        let base = "STRIPE_API_BASE";
        let set = self.optional(base).is_some();
        let base = set.then(|| self.url(base, "an origin like http://127.0.0.1:8080"));
        StripeEndpoint { base, roots: self.stripe_roots() }
    }

    fn stripe_roots(&mut self) -> Option<Vec<CertificateDer<'static>>> {
        let variable = "STRIPE_CA_BUNDLE";
        let path = self.optional(variable)?;
        let roots = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
        let roots: Vec<_> = roots
            .map_err(|error| {
                let advice = format!("names the file {path}, which cannot be read: {error}");
                self.problem(variable, advice);
            })
            .ok()?;
        if roots.is_empty() {
            self.problem(variable, format!("names the file {path}, which has no certificate"));
        }
        Some(roots)
    }

    pub(super) fn webhook_secrets(&mut self) -> Vec<SigningSecret> {
        let variable = "STRIPE_WEBHOOK_SECRETS";
        let what = "the endpoint's signing secret (whsec_…), or several separated by commas";
        let secrets = self.required(variable, what);
        if list(&secrets).any(|secret| !secret.starts_with("whsec_")) {
            self.problem(
                variable,
                format!("has one that does not begin with whsec_: set it to {what}"),
            );
        }
        let secrets = list(&secrets).map(SigningSecret::new).collect::<Result<_, _>>();
        secrets.unwrap_or_else(|error| {
            self.problem(variable, format!("is refused: {error}"));
            Vec::new()
        })
    }

    pub(super) fn deriver(&mut self, stack: &str) -> Option<Deriver> {
        let variable = "TOLLGATE_KEY_SECRETS";
        let what = "`1=` and a random text of at least 32 characters without a comma; \
                    add `,2=…` to rotate, and keep the old ones";
        let text = self.required(variable, what);
        let Some(pairs) = versioned(&text) else {
            self.problem(variable, format!("has a part without a version: set it to {what}"));
            return None;
        };
        let mut secrets = BTreeMap::new();
        for (version, secret) in pairs {
            if secrets.insert(version, secret).is_some() {
                self.problem(variable, format!("has version {version} twice"));
                return None;
            }
        }
        if secrets.is_empty() {
            return None;
        }
        let deriver = Deriver::new(stack, secrets);
        deriver.map_err(|error| self.problem(variable, format!("is refused: {error}"))).ok()
    }
}

/// Secrets by version: `1=…,2=…`, or a JSON object, which is what CloudFormation can
/// generate; `None` when a part is neither.
fn versioned(text: &str) -> Option<Vec<(u32, SecretString)>> {
    if text.starts_with('{') {
        let object: BTreeMap<u32, String> = serde_json::from_str(text).ok()?;
        return Some(
            object.into_iter().map(|(version, secret)| (version, secret.into())).collect(),
        );
    }
    let pair = |part: &str| {
        let (version, secret) = part.split_once('=')?;
        Some((version.trim().parse().ok()?, SecretString::from(secret)))
    };
    list(text).map(pair).collect()
}

/// Two event source mappings at their least `MaximumConcurrency`, which is 2.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
const DEFAULT_INSTANCES: u32 = 4;

/// The parts of a comma-separated list.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Scheme, host and port, and no more. <https://www.rfc-editor.org/rfc/rfc6454#section-6.1>
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(&byte);
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
}
