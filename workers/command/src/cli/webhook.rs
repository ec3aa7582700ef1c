//! `tollgate webhook`: the endpoint at Stripe that sends a stack its events.

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tollgate_core::ports::Clock;
use tollgate_functions::adapters::stripe::{API_VERSION, fingerprint, signing_secrets};
use tollgate_operator::storefront::{
    EndpointChange, EndpointDiff, EndpointNote, EndpointObstacle, Wanted, Wish, diff_endpoints,
};

use super::confirm::{Consent, ConsentAnswer};
use super::stack::PlansOption;
use super::{Colour, Context, Exit, Failure, Io, Setting};
use crate::adapters::secrets::SecretStore;
use crate::adapters::stripe::OperatorStripe;

/// What to do with the webhook endpoint.
#[derive(Debug, Subcommand)]
pub(crate) enum Webhook {
    /// Makes the webhook endpoint, or corrects its event types.
    ///
    /// A new endpoint's signing secret goes straight into the stack's secret; it is never
    /// shown. An endpoint that does not carry this stack's mark is only compared.
    ///
    /// To roll the signing secret: `--roll` makes a second endpoint and stores both secrets;
    /// once the functions have started anew, `--retire` removes the first and its secret.
    #[command(after_help = EXAMPLES)]
    Apply(Apply),
}

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop webhook apply            makes it, or corrects it
  tollgate --stack shop webhook apply --roll     makes a second one with a new secret
  tollgate --stack shop webhook apply --retire   removes all of this stack but the newest";

/// The options of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Make a second endpoint with a new signing secret.
    #[arg(long, conflicts_with = "retire")]
    roll: bool,
    /// Remove every endpoint of this stack but the newest, and every secret but its own.
    #[arg(long)]
    retire: bool,
    #[command(flatten)]
    plans: PlansOption,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) async fn run<C: Clock>(
    command: Webhook,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let Webhook::Apply(options) = command;
    let settings = context.settings().await?;
    let secret_arn = settings.need(Setting::WebhookSecretsArn)?;
    let (stack, url) = (settings.need(Setting::Stack)?, settings.need(Setting::WebhookUrl)?);
    let config = context.stripe().await?;
    let policy = context.plans_text(&options.plans).await?.draft()?.policy;
    let applying = Applying {
        stack,
        url,
        events: policy.event_types(),
        stripe: OperatorStripe::new(&config.key, &config.endpoint)?,
        secrets: context.secrets().await,
        secret_arn,
    };
    let found = applying.compare(&options).await?;
    if !context.json {
        print(&found, &applying, io)?;
    }
    if !found.obstacles.is_empty() {
        finish(&found, false, &applying, context.json, io)?;
        let mend = "Do what stands below each, and apply again.";
        return Err(Failure::refused("nothing was changed (see !)", mend));
    }
    match options.consent.ask(!found.changes.is_empty(), context.json, io)? {
        ConsentAnswer::Nothing => {
            finish(&found, false, &applying, context.json, io)?;
            Ok(Exit::Done)
        }
        ConsentAnswer::DryRun => {
            finish(&found, false, &applying, context.json, io)?;
            Ok(Exit::WouldChange)
        }
        ConsentAnswer::Do => {
            for change in &found.changes {
                applying.perform(change).await?;
            }
            finish(&found, true, &applying, context.json, io)?;
            Ok(Exit::Done)
        }
    }
}

struct Applying<'a> {
    stack: &'a str,
    url: &'a str,
    /// The types that the endpoint is to send.
    events: Vec<&'static str>,
    stripe: OperatorStripe,
    secrets: SecretStore,
    secret_arn: &'a str,
}

impl Applying<'_> {
    async fn compare(&self, options: &Apply) -> Result<EndpointDiff, Failure> {
        let stored = self.secrets.get(self.secret_arn).await?;
        let secrets: Vec<_> = stored.iter().flat_map(signing_secrets).map(fingerprint).collect();
        let wanted = Wanted {
            stack: self.stack,
            url: self.url,
            events: &self.events,
            api_version: API_VERSION,
            secrets: &secrets,
        };
        let wish = match (options.roll, options.retire) {
            (true, _) => Wish::Roll,
            (false, true) => Wish::Retire,
            (false, false) => Wish::Apply,
        };
        Ok(diff_endpoints(&self.stripe.webhook_endpoints().await?, &wanted, wish))
    }

    async fn perform(&self, change: &EndpointChange) -> Result<(), Failure> {
        match change {
            EndpointChange::Create => self.create().await,
            EndpointChange::Update { id, .. } => {
                Ok(self.stripe.update_webhook_endpoint(id, &self.events).await?)
            }
            EndpointChange::Delete { id } => Ok(self.stripe.delete_webhook_endpoint(id).await?),
            EndpointChange::KeepSecret { fingerprint } => self.keep_secret(fingerprint).await,
        }
    }

    /// An endpoint whose secret cannot be stored is of no use to anybody: it goes again. It is
    /// marked before: then one whose mark says that its secret is stored has it stored.
    async fn create(&self) -> Result<(), Failure> {
        let (id, secret) =
            self.stripe.create_webhook_endpoint(self.stack, self.url, &self.events).await?;
        let Err(failure) = self.mark_and_store(&id, &secret).await else { return Ok(()) };
        self.stripe.delete_webhook_endpoint(&id).await.map_err(|_| {
            Failure::failed(
                format!("{}; the endpoint {id} was made and is of no use", failure.problem),
                "Delete it in Stripe's dashboard, and repeat the command.",
            )
        })?;
        Err(failure)
    }

    async fn mark_and_store(&self, id: &str, secret: &SecretString) -> Result<(), Failure> {
        let fingerprint = fingerprint(secret.expose_secret());
        self.stripe.mark_webhook_endpoint(id, &fingerprint).await?;
        self.store_before_others(secret).await
    }

    async fn store_before_others(&self, secret: &SecretString) -> Result<(), Failure> {
        let others = self.secrets.get(self.secret_arn).await?;
        let mut all = secret.expose_secret().to_owned();
        if let Some(others) = &others {
            all.push(',');
            all.push_str(others.expose_secret());
        }
        Ok(self.secrets.put(self.secret_arn, &SecretString::from(all)).await?)
    }

    /// Never leaves none: what has changed since the comparison is for the next one.
    async fn keep_secret(&self, kept: &str) -> Result<(), Failure> {
        let all = self.secrets.get(self.secret_arn).await?;
        let own = all.iter().flat_map(signing_secrets).find(|secret| fingerprint(secret) == kept);
        let own = own.ok_or_else(|| {
            let problem = "the newest endpoint's signing secret is not stored any more";
            Failure::failed(problem, "Repeat the command: it says what to do.")
        })?;
        Ok(self.secrets.put(self.secret_arn, &SecretString::from(own)).await?)
    }
}

fn print(found: &EndpointDiff, applying: &Applying<'_>, io: &mut Io<'_>) -> std::io::Result<()> {
    for change in &found.changes {
        let (sign, colour) = match change {
            EndpointChange::Create => ("+", Colour::Green),
            EndpointChange::Update { .. } => ("~", Colour::Yellow),
            EndpointChange::Delete { .. } | EndpointChange::KeepSecret { .. } => ("-", Colour::Red),
        };
        writeln!(io.out, "{} {}", io.paint(colour, sign), change_text(change, applying))?;
    }
    for obstacle in &found.obstacles {
        let (problem, mend) = obstacle_text(obstacle);
        writeln!(io.out, "{} {problem}\n  {mend}", io.paint(Colour::Red, "!"))?;
    }
    for note in &found.notes {
        writeln!(io.out, "  {}", note_text(note))?;
    }
    Ok(())
}

fn finish(
    found: &EndpointDiff,
    done: bool,
    applying: &Applying<'_>,
    json: bool,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    if json {
        let texts = |texts: Vec<String>| Value::from(texts);
        let obstacle = |obstacle: &EndpointObstacle| {
            let (problem, mend) = obstacle_text(obstacle);
            json!({ "problem": problem, "mend": mend })
        };
        let document = json!({
            "changes": texts(found.changes.iter().map(|it| change_text(it, applying)).collect()),
            "obstacles": found.obstacles.iter().map(obstacle).collect::<Vec<_>>(),
            "notes": texts(found.notes.iter().map(note_text).collect()),
            "applied": done,
        });
        writeln!(io.out, "{document:#}")?;
        return Ok(());
    }
    let stored = |it: &EndpointChange| {
        matches!(it, EndpointChange::Create | EndpointChange::KeepSecret { .. })
    };
    if done && found.changes.iter().any(stored) {
        writeln!(
            io.out,
            "Done. Functions that run now keep the old secrets until they start anew."
        )?;
    } else if done {
        writeln!(io.out, "Done.")?;
    } else if found.changes.is_empty() && found.obstacles.is_empty() {
        writeln!(io.out, "Nothing to change: the webhook endpoint is in place.")?;
    }
    Ok(())
}

fn change_text(change: &EndpointChange, applying: &Applying<'_>) -> String {
    match change {
        EndpointChange::Create => {
            let (url, types) = (applying.url, applying.events.len());
            format!("webhook endpoint {url} ({types} event types); its secret is stored")
        }
        EndpointChange::Update { id, add, remove, enable } => {
            let mut parts = Vec::new();
            if !add.is_empty() {
                parts.push(format!("sends {} too", add.join(", ")));
            }
            if !remove.is_empty() {
                parts.push(format!("sends {} no more", remove.join(", ")));
            }
            if *enable {
                parts.push("is turned on".to_owned());
            }
            format!("webhook endpoint {id} {}", parts.join("; "))
        }
        EndpointChange::Delete { id } => format!("webhook endpoint {id}"),
        EndpointChange::KeepSecret { .. } => {
            "every stored signing secret but the newest endpoint's".to_owned()
        }
    }
}

/// What is in the way, and what to do about it.
fn obstacle_text(obstacle: &EndpointObstacle) -> (String, String) {
    match obstacle {
        EndpointObstacle::Foreign { id, missing } if missing.is_empty() => (
            format!("the endpoint {id} is not this stack's, and is turned off"),
            "Enable it in Stripe's dashboard, or delete it there: then one is made.".into(),
        ),
        EndpointObstacle::Foreign { id, missing } => (
            format!("the endpoint {id} is not this stack's, and lacks {}", missing.join(", ")),
            "Add these in Stripe's dashboard, or delete it there: then one is made.".into(),
        ),
        EndpointObstacle::NoSecret { id } => (
            format!("the endpoint {id} is there, but none of the stored signing secrets is its own"),
            "Make another with --roll; when the functions have started anew, --retire removes this \
             one. Or copy its secret from Stripe's dashboard into `tollgate secrets set \
             webhook-secrets`, or delete the endpoint there and apply again."
                .into(),
        ),
        EndpointObstacle::RolledBefore => (
            "there are two endpoints of this stack already".into(),
            "Finish the last roll with --retire first.".into(),
        ),
        EndpointObstacle::NewestUnknown { id } => (
            format!(
                "none of the stored signing secrets is known to be that of the newest endpoint, {id}"
            ),
            format!("Delete {id} in Stripe's dashboard, then make another with --roll."),
        ),
        EndpointObstacle::NewestOff { id } => (
            format!("the newest endpoint, {id}, is turned off"),
            "Let the functions start anew, so that they have its secret; then turn it on with \
             `tollgate webhook apply`."
                .into(),
        ),
        EndpointObstacle::ForeignSends { id } => (
            format!("the endpoint {id} is not this stack's, sends here, and its secret would go"),
            "Delete it in Stripe's dashboard first, or disable it there.".into(),
        ),
        EndpointObstacle::NothingToRetire => (
            "there is no older endpoint or secret of this stack".into(),
            "Make a new one with --roll first.".into(),
        ),
    }
}

fn note_text(note: &EndpointNote) -> String {
    match note {
        EndpointNote::OtherVersion { id, version } => format!(
            "the endpoint {id} has API version {version}, not {API_VERSION}; Tollgate reads it too, \
             and Stripe changes it only by a new endpoint (--roll, then --retire)"
        ),
        EndpointNote::Elsewhere { id, url, retires } => {
            let mend = if *retires { "--retire removes it" } else { "delete it in the dashboard" };
            format!(
                "the endpoint {id} of a stack of this name sends to {url}; if that is past, {mend}"
            )
        }
        EndpointNote::ForeignSendsMore { id, types } => {
            let sends = if types.iter().any(|it| it == "*") {
                "sends every type".to_owned()
            } else {
                format!("also sends {}, which we drop", types.join(", "))
            };
            format!(
                "the endpoint {id} is not this stack's, and {sends}: choose the types in Stripe's \
                 dashboard, or delete it there, and apply again"
            )
        }
        EndpointNote::Several { count } => format!(
            "{count} endpoints have this URL: each event comes {count} times, and counts once"
        ),
    }
}
