//! Which events: the same options for a list and a replay.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use tollgate_core::ledger::Outcome;
use tollgate_core::ports::{Clock, Ledger, Stripe};
use tollgate_core::shell::quoted;
use tollgate_events::{CustomerId, EventRef};
use tollgate_functions::adapters::dynamodb::DynamoLedger;
use tollgate_functions::adapters::stripe::StripeApi;
use tollgate_operator::{AboutWhom, EventSource, LISTED_FOR, Selection};

use super::name::{event, short};
use crate::cli::time::{duration, time};
use crate::cli::{Context, Failure, who};

const OUTCOMES: [Outcome; 6] = [
    Outcome::Applied,
    Outcome::Unchanged,
    Outcome::Waiting,
    Outcome::Parked,
    Outcome::Ignored,
    Outcome::Deferred,
];

/// Which events.
#[derive(Debug, Clone, Args)]
pub(super) struct Filter {
    /// These alone: evt_…, op_…, or source/id.
    #[arg(value_name = "EVENT", value_parser = event)]
    events: Vec<EventRef>,
    /// First recorded (or made, at Stripe) at this time or later: 2026-03-01 (UTC), or
    /// 2026-03-01T09:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// The same, so long ago: 30d, 24h, 90m.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "from")]
    since: Option<SignedDuration>,
    /// At this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Of this type (invoice.paid), or of all that begin so ('invoice.*'); may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    kinds: Vec<String>,
    /// About this account, or a customer of it: the user's sub or e-mail address, a customer's
    /// id (cus_…), or a key's.
    #[arg(long, value_name = "WHO")]
    account: Option<String>,
    /// About this customer of Stripe's.
    #[arg(long, value_name = "CUSTOMER", conflicts_with = "account")]
    customer: Option<String>,
    /// What became of them last; may be repeated.
    #[arg(long = "outcome", value_name = "OUTCOME", value_parser = outcomes())]
    outcomes: Vec<Outcome>,
    /// From Stripe's own list of the last 30 days, not from the ledger's records.
    #[arg(long, conflicts_with = "outcomes")]
    from_stripe: bool,
    /// Of Stripe's, only what it tried to deliver and some webhook endpoint still lacks: nothing
    /// from while the endpoint was turned off.
    #[arg(long, requires = "from_stripe", conflicts_with = "events")]
    undelivered: bool,
}

fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    let names = PossibleValuesParser::new(OUTCOMES.map(Outcome::as_str));
    names.map(|name| {
        let known = OUTCOMES.into_iter().find(|outcome| outcome.as_str() == name);
        known.expect("it is one of the possible values")
    })
}

/// Where events are read.
pub(super) struct Place<'a, L, S> {
    pub(super) ledger: &'a L,
    pub(super) stripe: Option<&'a S>,
    /// What counts as now, for the whole of a command.
    pub(super) now: Timestamp,
}

impl Filter {
    /// Whether Stripe's own list is asked.
    pub(super) fn needs_stripe(&self) -> bool {
        self.from_stripe
    }

    /// What was asked for; without a beginning, `otherwise`, unless none is needed.
    ///
    /// # Errors
    /// What it names is no identifier, or the ledger failed.
    pub(super) async fn selection<C: Clock>(
        &self,
        otherwise: Option<Timestamp>,
        now: Timestamp,
        context: &Context<'_, C>,
        ledger: &DynamoLedger,
    ) -> Result<Selection, Failure> {
        let ago = |by: SignedDuration| now.saturating_sub(by).expect("it is a duration of time");
        let mut selection = Selection {
            ids: self.events.iter().cloned().collect(),
            kinds: self.kinds.clone(),
            outcomes: self.outcomes.iter().copied().collect(),
            about: self.about(context, ledger).await?,
            ..Selection::between(Timestamp::MIN, self.to.unwrap_or(now))
        };
        let by_name = !selection.ids.is_empty() || selection.is_unsettled();
        let given = self.from.or_else(|| self.since.map(ago));
        let all = by_name.then_some(Timestamp::MIN);
        let all = all.or_else(|| self.undelivered.then(|| ago(LISTED_FOR)));
        selection.from = given.or(all).or(otherwise).ok_or_else(|| {
            let mend = "Say since when (--from, --since), or name them, or ask for --outcome \
                        parked; of Stripe's, --undelivered will do too.";
            Failure::usage("it is not said which events", mend)
        })?;
        Ok(selection)
    }

    async fn about<C: Clock>(
        &self,
        context: &Context<'_, C>,
        ledger: &DynamoLedger,
    ) -> Result<Option<AboutWhom>, Failure> {
        if let Some(account) = &self.account {
            let account = who::id(account, context, ledger).await?;
            return Ok(Some(AboutWhom::account(ledger, account).await?));
        }
        let customer = self.customer.as_deref().map(CustomerId::parse).transpose();
        let bad = |error| {
            let problem = format!("--customer: {error}");
            Failure::usage(problem, "Name the customer by the id that Stripe shows, mostly cus_…")
        };
        Ok(customer.map_err(bad)?.map(AboutWhom::customer))
    }

    /// The events.
    ///
    /// # Errors
    /// Stripe's list does not go back so far.
    pub(super) fn source<'a, L: Ledger, S: Stripe>(
        &self,
        selection: Selection,
        place: &Place<'a, L, S>,
    ) -> Result<EventSource<'a, L, S>, Failure> {
        let Some(stripe) = place.stripe.filter(|_| self.from_stripe) else {
            return Ok(EventSource::recorded(place.ledger, selection, place.now));
        };
        let listed =
            EventSource::listed(place.ledger, stripe, selection, self.undelivered, place.now);
        listed.map_err(|error| {
            let mend = format!(
                "Ask from {} on; what is older stands only in the ledger's records.",
                second(error.oldest)
            );
            Failure::usage(error.to_string(), mend)
        })
    }

    /// Whether all are there that are named.
    ///
    /// # Errors
    /// These are not.
    pub(super) fn all_there(&self, missing: &[EventRef]) -> Result<(), Failure> {
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(short).collect();
        let (place, mend) = if self.from_stripe {
            ("at Stripe, or are older than 30 days", "Check their ids.")
        } else {
            ("on record", "Check their ids, or ask Stripe: --from-stripe.")
        };
        Err(Failure::failed(format!("these are not {place}: {}", names.join(", ")), mend))
    }

    /// The options as they can be given again, without a beginning: an account by its id, as
    /// the selection has it.
    pub(super) fn options(&self, selection: &Selection) -> Vec<String> {
        let mut options: Vec<_> = self.events.iter().map(short).collect();
        let mut add = |name: &str, value: &str| {
            options.push(name.to_owned());
            options.push(quoted(value));
        };
        add("--to", &selection.to.to_string());
        self.kinds.iter().for_each(|kind| add("--type", kind));
        let account = selection.about.as_ref().and_then(|about| about.account.as_ref());
        account.iter().for_each(|account| add("--account", account.as_str()));
        self.customer.iter().for_each(|customer| add("--customer", customer));
        self.outcomes.iter().for_each(|outcome| add("--outcome", outcome.as_str()));
        let flags = [(self.from_stripe, "--from-stripe"), (self.undelivered, "--undelivered")];
        options.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, it)| it.to_owned()));
        options
    }
}

/// A clients' pair for [`Place`].
///
/// # Errors
/// The stack is not known well enough, or there is no Stripe key where it is needed.
pub(super) async fn clients<C: Clock>(
    filter: &Filter,
    context: &Context<'_, C>,
) -> Result<(DynamoLedger, Option<StripeApi>), Failure> {
    let ledger = context.ledger().await?;
    if !filter.from_stripe {
        return Ok((ledger, None));
    }
    let config = context.stripe().await?;
    Ok((ledger, Some(StripeApi::new(&config.key, &config.endpoint)?)))
}

/// A time to the second.
pub(super) fn second(time: Timestamp) -> String {
    format!("{time:.0}")
}
