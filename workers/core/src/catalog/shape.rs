//! The shape of `plans.toml`: its keys, what each value means, and where it stands.
//!
//! What cannot be read costs itself: the rest is read all the same, so that whoever corrects the
//! file is told of everything at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error, ValueDeserializer};

use super::brand::RawBrand;
use super::{Fault, Interval, Quota, Throttle};
use crate::policy::Policy;

/// What the file says, as far as it can be read.
pub(super) struct Raw {
    pub(super) head: Option<RawHead>,
    /// Where the plans stand.
    pub(super) plans_at: Spanned<()>,
    pub(super) plans: Vec<RawPlan>,
    pub(super) policy: Policy,
    pub(super) brand: RawBrand,
    pub(super) portal: RawPortal,
    /// Where each of the policy's keys stands.
    pub(super) policy_at: BTreeMap<String, Spanned<()>>,
    /// What cannot be read.
    pub(super) faults: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHead {
    pub(super) revision: u64,
    pub(super) default_plan: Option<Spanned<String>>,
    pub(super) stages: Spanned<Vec<String>>,
    #[serde(rename = "plans")]
    _plans: IgnoredAny,
    #[serde(rename = "policy")]
    _policy: Option<IgnoredAny>,
    #[serde(rename = "brand")]
    _brand: Option<IgnoredAny>,
    #[serde(rename = "portal")]
    _portal: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPortal {
    pub(super) configuration: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlan {
    pub(super) id: Spanned<String>,
    pub(super) rank: Spanned<u32>,
    pub(super) usage_plan: Option<Spanned<String>>,
    pub(super) quota: Option<Spanned<Quota>>,
    pub(super) throttle: Option<Spanned<Throttle>>,
    #[serde(default)]
    pub(super) prices: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) lookup_keys: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) products: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) offers: Vec<RawOffer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOffer {
    pub(super) lookup_key: Spanned<String>,
    pub(super) unit_amount: Spanned<i64>,
    pub(super) currency: Spanned<String>,
    pub(super) interval: Interval,
    pub(super) interval_count: Option<Spanned<u32>>,
}

impl Raw {
    /// Reads what can be read.
    pub(super) fn read(text: &str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let faults: Vec<_> = errors.iter().map(|error| fault(text, error)).collect();
        let (policy, nowhere) = (Policy::default(), Spanned::new(0..0, ()));
        let plans_at = nowhere.clone();
        let mut raw = Self {
            head: None,
            plans_at,
            plans: vec![],
            policy,
            brand: RawBrand::default(),
            portal: RawPortal::default(),
            policy_at: BTreeMap::new(),
            faults,
        };
        if !raw.faults.is_empty() {
            return raw;
        }
        raw.head = raw.keep(text, RawHead::deserialize(Deserializer::from(table.clone())));
        for (key, value) in table.into_inner() {
            match key.get_ref().as_ref() {
                "plans" => raw.read_plans(text, value),
                "policy" => raw.read_policy(text, value),
                "brand" => {
                    if let Some(brand) = raw.value(text, value) {
                        raw.brand = brand;
                    }
                }
                "portal" => {
                    if let Some(portal) = raw.value(text, value) {
                        raw.portal = portal;
                    }
                }
                _ => {}
            }
        }
        raw
    }

    fn read_plans(&mut self, text: &str, value: Spanned<DeValue<'_>>) {
        self.plans_at = Spanned::new(value.span(), ());
        match value.into_inner() {
            DeValue::Array(plans) => {
                for plan in plans {
                    let read = self.value(text, plan);
                    self.plans.extend(read);
                }
            }
            _ => self.faults.push(Fault {
                line: line(text, self.plans_at.span().start),
                problem: "`plans` is no list of tables".to_owned(),
                mend: "write each plan as a [[plans]] table".to_owned(),
            }),
        }
    }

    fn read_policy(&mut self, text: &str, value: Spanned<DeValue<'_>>) {
        if let DeValue::Table(table) = value.get_ref() {
            let at = |key: &Spanned<_>| Spanned::new(key.span(), ());
            let keys = table.keys().map(|key| (key.get_ref().to_string(), at(key)));
            self.policy_at = keys.collect();
        }
        if let Some(policy) = self.value(text, value) {
            self.policy = policy;
        }
    }

    fn value<T: DeserializeOwned>(&mut self, text: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        self.keep(text, T::deserialize(ValueDeserializer::from(value)))
    }

    fn keep<T>(&mut self, text: &str, read: Result<T, Error>) -> Option<T> {
        read.map_err(|error| self.faults.push(fault(text, &error))).ok()
    }
}

/// The line of a place, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

fn fault(text: &str, error: &Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    let message = error.message().replace('\n', ", ");
    let key = missing(&message).or_else(|| key_before(text, at));
    let meaning = key.and_then(|key| MEANINGS.iter().find(|(it, _)| *it == key));
    let (problem, mend) = match meaning {
        // What Rust calls it is nothing to the seller.
        Some((key, meaning)) => {
            let problem = message.split(", expected").next().unwrap_or_default();
            (problem.to_owned(), format!("`{key}` is {meaning}"))
        }
        None => (message, String::new()),
    };
    Fault { line: line(text, at), problem, mend }
}

fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// The key whose value begins at a place.
fn key_before(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?.lines().last()?;
    let (before, _) = before.rsplit_once('=')?;
    let is_key = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    before.trim_end().rsplit(|character| !is_key(character)).next()
}

/// What the value of a key is, for whoever wrote something else.
const MEANINGS: &[(&str, &str)] = &[
    ("revision", "a whole number, raised with every change"),
    ("stages", "a list of \"<rest api id>:<stage>\""),
    ("default_plan", "the id of a plan, in quotes"),
    ("plans", "a [[plans]] table for each plan"),
    ("id", "the plan's name, in quotes"),
    ("rank", "a whole number: 0 for what costs nothing, the higher the better"),
    ("usage_plan", "the id of an API Gateway usage plan, in quotes"),
    ("quota", "{ limit = 1000, period = \"MONTH\" }"),
    ("limit", "how many requests a period has, a whole number"),
    ("period", "\"DAY\", \"WEEK\" or \"MONTH\""),
    ("throttle", "{ rate = 5.0, burst = 10 }"),
    ("rate", "requests per second, such as 5.0"),
    ("burst", "requests at once, a whole number"),
    ("prices", "a list of Stripe's price ids, each in quotes"),
    ("lookup_keys", "a list of lookup keys, each in quotes"),
    ("products", "a list of Stripe's product ids, each in quotes"),
    ("offers", "a [[plans.offers]] table for each price"),
    ("lookup_key", "the name that Stripe's price gets, in quotes"),
    ("unit_amount", "whole cents (the currency's smallest unit), 2900 for 29.00"),
    ("currency", "ISO 4217's three lower-case letters, such as \"usd\""),
    ("interval", "\"day\", \"week\", \"month\" or \"year\""),
    ("interval_count", "how many intervals a period has, a whole number"),
    ("name", "what you or your API is called, in quotes"),
    ("logo", "the name of a file beside plans.toml, in quotes"),
    ("accent", "{ light = \"#1d4ed8\", dark = \"#93b4ff\" }"),
    ("light", "a colour, \"#rrggbb\""),
    ("dark", "a colour, \"#rrggbb\""),
    ("support", "an address that begins with https:// or mailto:, in quotes"),
    ("terms", HTTPS),
    ("privacy", HTTPS),
    ("docs", HTTPS),
    ("api_url", HTTPS),
    ("try_path", "a path of your API that begins with /, in quotes"),
    ("header", "the name of a header, in quotes"),
    ("grace_days", "whole days"),
    ("grace_after_trial", "true or false"),
    ("pause_collection_void", KEEP_OR_END),
    ("on_full_refund", KEEP_OR_END),
    ("unknown_price_days", "whole days"),
    ("waiting_minutes", "whole minutes"),
    ("control_plane_calls_per_second", "whole calls a second"),
    ("key_quota", "how many API keys there may be, a whole number"),
    ("key_reserve", "how many API keys are kept, a whole number"),
    ("hold_on_dispute", "true or false"),
    ("hold_on_inquiry", "true or false"),
    ("cancel_when_user_deleted", "true or false"),
    ("trust_payment_links", "true or false"),
    ("remember_days", "whole days, 0 for never"),
];

const HTTPS: &str = "an address that begins with https://, in quotes";

/// What becomes of a plan.
const KEEP_OR_END: &str = "\"keep\" or \"end\"";

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of the policy by what it shows of itself, so that no new one is forgotten.
    #[test]
    fn every_field_of_the_policy_says_what_it_takes() {
        let shown = format!("{:#?}", Policy::default());
        let fields: Vec<_> =
            shown.lines().filter_map(|line| line.trim().split_once(": ")).collect();
        assert!(fields.len() > 10, "{shown}");
        for (field, _) in fields {
            assert!(MEANINGS.iter().any(|(key, _)| *key == field), "{field}");
        }
    }
}
