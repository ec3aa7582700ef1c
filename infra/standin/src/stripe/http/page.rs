//! Lists in pages, and `expand`.
//! <https://docs.stripe.com/api/pagination>, <https://docs.stripe.com/api/expanding_objects>

use jiff::Timestamp;
use serde_json::Value;

use super::form::Form;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::state::Stripe;

/// Which page is asked for.
#[derive(Debug)]
pub struct Paging {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
}

impl Paging {
    /// A full page after a row, or the first.
    pub fn after(row: Option<&str>) -> Self {
        Self { limit: 100, starting_after: row.map(str::to_owned), ending_before: None }
    }

    /// 10 rows unless told; at most 100.
    pub(super) fn take(form: &mut Form) -> StripeResult<Self> {
        let limit = form.int("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
        let limit = limit.ok_or_else(|| {
            StripeError::bad_parameter("limit", "Invalid limit: must be between 1 and 100")
        })?;
        let page = Self {
            limit,
            starting_after: form.take("starting_after"),
            ending_before: form.take("ending_before"),
        };
        if page.starting_after.is_some() && page.ending_before.is_some() {
            let message = "You can only pass one of starting_after and ending_before.";
            return Err(StripeError::bad_parameter("ending_before", message));
        }
        Ok(page)
    }

    /// The page's rows, newest first, and whether there are more in its direction.
    ///
    /// # Errors
    /// The cursor is no row of the list.
    pub fn cut<'a, T>(
        &self,
        rows: impl Iterator<Item = &'a T>,
        object: &str,
        id: impl Fn(&T) -> &str,
    ) -> StripeResult<(Vec<&'a T>, bool)> {
        let rows: Vec<_> = rows.collect();
        let find = |cursor: &str, param: &str| {
            rows.iter()
                .position(|row| id(row) == cursor)
                .ok_or_else(|| StripeError::no_such(object, cursor, param))
        };
        let (from, to) = match (&self.starting_after, &self.ending_before) {
            (_, Some(before)) => {
                let end = find(before, "ending_before")?;
                (end.saturating_sub(self.limit), end)
            }
            (Some(after), None) => {
                let start = find(after, "starting_after")? + 1;
                (start, (start + self.limit).min(rows.len()))
            }
            (None, None) => (0, self.limit.min(rows.len())),
        };
        let more = if self.ending_before.is_some() { from > 0 } else { to < rows.len() };
        Ok((rows[from..to].to_vec(), more))
    }
}

/// `created`, `created[gt]`, `[gte]`, `[lt]`, `[lte]`.
#[derive(Debug)]
pub(super) struct Created {
    exactly: Option<Timestamp>,
    after: Option<Timestamp>,
    from: Option<Timestamp>,
    before: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Created {
    pub(super) fn take(form: &mut Form) -> StripeResult<Self> {
        Ok(Self {
            exactly: form.time("created")?,
            after: form.time("created[gt]")?,
            from: form.time("created[gte]")?,
            before: form.time("created[lt]")?,
            until: form.time("created[lte]")?,
        })
    }

    pub(super) fn holds(&self, time: Timestamp) -> bool {
        self.exactly.is_none_or(|t| time == t)
            && self.after.is_none_or(|t| time > t)
            && self.from.is_none_or(|t| time >= t)
            && self.before.is_none_or(|t| time < t)
            && self.until.is_none_or(|t| time <= t)
    }
}

/// Puts objects where their ids stand.
pub(super) fn expand_all(
    stripe: &Stripe,
    answer: &mut Value,
    paths: &[String],
) -> StripeResult<()> {
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        if steps.len() > 4 || !expand(stripe, answer, &steps) {
            let message = format!("This property cannot be expanded ({path}).");
            return Err(StripeError::bad_parameter("expand", message));
        }
    }
    Ok(())
}

fn expand(stripe: &Stripe, value: &mut Value, path: &[&str]) -> bool {
    if let Value::Array(rows) = value {
        return rows.iter_mut().all(|row| expand(stripe, row, path));
    }
    if value.is_null() {
        return true;
    }
    if let Value::String(id) = value {
        let Some(object) = stripe.object(id) else { return false };
        *value = object;
    }
    let Some((step, rest)) = path.split_first() else { return value.is_object() };
    value.get_mut(*step).is_some_and(|child| expand(stripe, child, rest))
}
