//! `tollgate secrets`: values into the stack's secrets, checked, and never shown.

use std::collections::BTreeMap;

use clap::{Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tollgate_core::derive::Deriver;
use tollgate_core::ports::{Clock, Entropy};
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_functions::config::{StripeConfig, WebhookConfig};

use super::confirm::{Consent, ConsentAnswer};
use super::{Context, Exit, Failure, Io, Setting, StackSettings};

/// What to do with the secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Stores a value, read from the input: it is on no command line and in no history.
    ///
    /// On a terminal it is asked for and not shown as it is typed; through a pipe it needs --yes.
    /// It is checked before it is stored. Functions that run already keep the old value until they
    /// start anew.
    #[command(after_help = EXAMPLES)]
    Set {
        /// Which secret.
        secret: Secret,
        #[command(flatten)]
        consent: Consent,
    },
    /// Adds the next version, with a random value, to a secret that keeps the old ones.
    #[command(after_help = ROTATE_EXAMPLE)]
    Rotate {
        /// Which secret.
        secret: Rotated,
        #[command(flatten)]
        consent: Consent,
    },
}

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop secrets set stripe-key
  pass show stripe/restricted | tollgate --stack shop secrets set stripe-key --yes
  tollgate --stack shop secrets rotate key-secrets";

const ROTATE_EXAMPLE: &str = "\
Example:
  tollgate --stack shop secrets rotate key-secrets";

/// A stack's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Secret {
    /// Stripe's key for the functions: rk_… (better) or sk_…
    StripeKey,
    /// The sweep's own key, if the stack has one: it need only read.
    SweepStripeKey,
    /// The webhook endpoint's signing secrets, separated by commas: whsec_…
    WebhookSecrets,
    /// The key-derivation secrets: 1=…,2=… or {"1":"…"}; none that is stored may be left out.
    KeySecrets,
}

/// A secret with versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rotated {
    /// The key-derivation secrets.
    KeySecrets,
}

impl Secret {
    fn setting(self) -> Setting {
        match self {
            Self::StripeKey => Setting::StripeKeySecretArn,
            Self::SweepStripeKey => Setting::SweepStripeKeySecretArn,
            Self::WebhookSecrets => Setting::WebhookSecretsArn,
            Self::KeySecrets => Setting::KeySecretsArn,
        }
    }
}

pub(crate) async fn run<C: Clock>(
    command: Secrets,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    match command {
        Secrets::Set { secret, consent } => set(secret, consent, context, io).await,
        Secrets::Rotate { secret: Rotated::KeySecrets, consent } => {
            rotate(consent, context, io).await
        }
    }
}

async fn set<C: Clock>(
    secret: Secret,
    consent: Consent,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let settings = context.settings().await?;
    let arn = settings.need(secret.setting())?;
    let name = secret.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned());
    let value = SecretString::from(io.secret(&name)?);
    if value.expose_secret().is_empty() {
        let mend = "Type it, or pipe it into the command.";
        return Err(Failure::usage("no value came in", mend));
    }
    check(secret, &value, settings)?;
    let store = context.secrets().await;
    if secret == Secret::KeySecrets
        && let Some(kept) = store.get(arn).await?
    {
        keeps_all(&versions(&kept)?, &versions(&value)?)?;
    }
    let change = Change { name: &name, would: "would be stored".into(), is: "is stored".into() };
    change.make(consent, context, io, async || Ok(store.put(arn, &value).await?)).await
}

/// Whether the functions would take the value; no message repeats it.
fn check(secret: Secret, value: &SecretString, settings: &StackSettings) -> Result<(), Failure> {
    let only = |wanted: &'static str| {
        move |name: &str| (name == wanted).then(|| value.expose_secret().to_owned())
    };
    match secret {
        Secret::StripeKey | Secret::SweepStripeKey => {
            StripeConfig::read(only("STRIPE_SECRET_KEY"), settings.livemode()?)?;
        }
        Secret::WebhookSecrets => {
            WebhookConfig::check_secrets(only("STRIPE_WEBHOOK_SECRETS"))?;
        }
        Secret::KeySecrets => {
            let checked = Deriver::new("", versions(value)?);
            let mend = "`tollgate secrets rotate key-secrets` makes one that is long enough.";
            checked.map_err(|error| Failure::usage(error.to_string(), mend))?;
        }
    }
    Ok(())
}

/// A version whose secret is gone leaves its proofs unproven and its mints unfinished.
fn keeps_all(
    kept: &BTreeMap<u32, SecretString>,
    new: &BTreeMap<u32, SecretString>,
) -> Result<(), Failure> {
    for (version, secret) in kept {
        let same = |new: &SecretString| new.expose_secret() == secret.expose_secret();
        if !new.get(version).is_some_and(same) {
            return Err(Failure::refused(
                format!("version {version} is stored and would be lost or changed"),
                "Proofs and keys that were made with it need it: keep every version, and add \
                 one with `tollgate secrets rotate key-secrets`.",
            ));
        }
    }
    Ok(())
}

async fn rotate<C: Clock>(
    consent: Consent,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let arn = context.settings().await?.need(Setting::KeySecretsArn)?;
    let store = context.secrets().await;
    let kept = store.get(arn).await?;
    let mut all = kept.as_ref().map_or(Ok(BTreeMap::new()), versions)?;
    let next = all.keys().next_back().map_or(Some(1), |newest| newest.checked_add(1));
    let next = next.ok_or_else(|| Failure::failed("there is no higher version", ""))?;
    all.insert(next, random());
    let pairs = kept.is_some_and(|kept| !is_json(kept.expose_secret()));
    let change = Change {
        name: "key-secrets",
        would: format!("would have version {next}"),
        is: format!("has version {next} now"),
    };
    change
        .make(consent, context, io, async || Ok(store.put(arn, &written(&all, pairs)).await?))
        .await
}

/// 64 hexadecimal digits, 256 bits.
fn random() -> SecretString {
    let bytes = [SystemEntropy.bytes(), SystemEntropy.bytes()].concat();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The versions of `1=…,2=…` or `{"1":"…"}`.
fn versions(value: &SecretString) -> Result<BTreeMap<u32, SecretString>, Failure> {
    let wrong = || {
        let mend = "Write 1=<secret>,2=<secret> or {\"1\":\"<secret>\"}, each of at least 32 \
                    characters without a comma.";
        Failure::usage("these are no key-derivation secrets", mend)
    };
    let text = value.expose_secret().trim();
    let pairs: Vec<(String, String)> = if is_json(text) {
        let all: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| wrong())?;
        all.into_iter().collect()
    } else {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let pair = |part: &str| {
            part.split_once('=').map(|(version, secret)| (version.to_owned(), secret.to_owned()))
        };
        parts.map(pair).collect::<Option<_>>().ok_or_else(wrong)?
    };
    let mut all = BTreeMap::new();
    for (version, secret) in pairs {
        let version = version.trim().parse().map_err(|_| wrong())?;
        if secret.contains(',') || all.insert(version, SecretString::from(secret)).is_some() {
            return Err(wrong());
        }
    }
    Ok(all)
}

fn written(all: &BTreeMap<u32, SecretString>, pairs: bool) -> SecretString {
    let exposed = all.iter().map(|(version, it)| (version.to_string(), it.expose_secret()));
    if pairs {
        let parts: Vec<_> = exposed.map(|(version, it)| format!("{version}={it}")).collect();
        return parts.join(",").into();
    }
    json!(exposed.collect::<BTreeMap<_, _>>()).to_string().into()
}

/// What becomes of a secret, in words: before, and when it is done.
struct Change<'a> {
    name: &'a str,
    would: String,
    is: String,
}

impl Change<'_> {
    /// Makes it if it is meant, and says so.
    async fn make<C: Clock>(
        &self,
        consent: Consent,
        context: &Context<'_, C>,
        io: &mut Io<'_>,
        make: impl AsyncFnOnce() -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        if !consent.yes && !consent.dry_run {
            context.progress(&format!("{} {}.", self.name, self.would), io)?;
        }
        if consent.ask(true, context.json, io)? != ConsentAnswer::Do {
            self.tell(&self.would, context.json, io)?;
            return Ok(Exit::WouldChange);
        }
        make().await?;
        self.tell(&self.is, context.json, io)?;
        context.progress("Functions that run now keep the old value until they start anew.", io)?;
        Ok(Exit::Done)
    }

    fn tell(&self, what: &str, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
        if json {
            writeln!(io.out, "{}", json!({ "secret": self.name, "result": what }))?;
        } else {
            writeln!(io.out, "{} {what}.", self.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(u32, String)>> {
        let all = versions(&SecretString::from(text)).ok()?;
        Some(all.into_iter().map(|(v, s)| (v, s.expose_secret().to_owned())).collect())
    }

    #[test]
    fn both_forms_are_read_and_written_again() {
        let both = Some(vec![(1, "a=b".to_owned()), (10, "c".to_owned())]);
        for text in ["1=a=b, 10=c", r#"{"10":"c","1":"a=b"}"#] {
            assert_eq!(read(text), both, "{text}");
            let all = versions(&SecretString::from(text)).unwrap();
            let again = written(&all, !is_json(text));
            assert_eq!(is_json(again.expose_secret()), is_json(text));
            assert_eq!(read(again.expose_secret()), both);
        }
        for wrong in ["secret", "1=a,1=b", "x=a", r#"{"1":2}"#, r#"{"1":"a,b"}"#, "{"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
