//! Stripe's form encoding: nested names in brackets, lists as `name[]` or `name[0]`.
//! <https://docs.stripe.com/api>
//!
//! Every parameter is taken once. What is left is refused by name: as Stripe does it, where Stripe
//! does not know it; as not implemented, where it is only not modelled here.

use jiff::Timestamp;

use super::parameters;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::model::Metadata;

/// The parameters of a request, to be taken one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
    /// Which operation they are for.
    operation: &'static str,
}

impl Form {
    /// Reads a query or a body.
    pub(super) fn parse(text: &str) -> Self {
        let Ok(mut url) = reqwest::Url::parse("http://form.invalid/") else {
            return Self::default();
        };
        url.set_query(Some(text));
        Self { fields: url.query_pairs().into_owned().collect(), operation: "" }
    }

    /// The parameters of this operation.
    pub(super) fn of(self, operation: &'static str) -> Self {
        Self { operation, ..self }
    }

    /// Query and body together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        self
    }

    /// The same for the same parameters, whatever their order.
    pub(super) fn fingerprint(&self) -> String {
        let mut fields = self.fields.clone();
        fields.sort();
        format!("{fields:?}")
    }

    /// A parameter as it came.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.fields.iter().position(|(key, _)| key == name)?;
        Some(self.fields.remove(at).1)
    }

    /// A parameter that must be there.
    pub(super) fn need(&mut self, name: &str) -> StripeResult<String> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| StripeError::missing_parameter(name))
    }

    /// `name[]=a`, `name[0]=a`.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let inside = |key: &str| {
            let index = key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            index.bytes().all(|byte| byte.is_ascii_digit()).then_some(())
        };
        self.fields
            .extract_if(.., |(key, _)| inside(key).is_some())
            .map(|(_, value)| value)
            .collect()
    }

    /// `name[key]=value`.
    pub(super) fn map(&mut self, name: &str) -> Metadata {
        let key_of = |key: &str| {
            Some(key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.to_owned())
        };
        self.fields
            .extract_if(.., |(key, _)| key_of(key).is_some_and(|key| !key.contains('[')))
            .filter_map(|(key, value)| Some((key_of(&key)?, value)))
            .collect()
    }

    /// A whole number.
    pub(super) fn int(&mut self, name: &str) -> StripeResult<Option<i64>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_| bad(name, &format!("Invalid integer: {text}")))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> StripeResult<Option<bool>> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(bad(name, &format!("Invalid boolean: {other}"))),
        }
    }

    /// Seconds since 1970.
    pub(super) fn time(&mut self, name: &str) -> StripeResult<Option<Timestamp>> {
        let Some(seconds) = self.int(name)? else { return Ok(None) };
        let time = Timestamp::from_second(seconds);
        time.map(Some).map_err(|_| bad(name, "Invalid timestamp: out of range"))
    }

    /// One of a set of words.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> StripeResult<Option<T>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| bad(name, &format!("Invalid {name}: {text}")))
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> StripeResult<()> {
        let mut names = self.fields.iter().map(|(name, _)| name);
        let Some(first) = names.clone().next() else { return Ok(()) };
        let unknown = names.find(|name| !parameters::takes(self.operation, name));
        Err(unknown.map_or_else(
            || StripeError::unmodelled_parameter(first),
            |name| StripeError::unknown_parameter(name),
        ))
    }
}

fn bad(name: &str, message: &str) -> StripeError {
    StripeError::bad_parameter(name, message)
}
