//! The state of one account and Region, and what all operations share: ids, pages, quotas.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;

use super::error::{Exception, Refusal};
use super::limits::Bucket;
use super::objects::{ApiStage, Counter, DataPlaneCall, Key, Plan, RestApi, View};

/// The account's fixed quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// API keys in the account and Region.
    pub keys: usize,
    /// Usage plans in the account and Region.
    pub plans: usize,
    /// Usage plans that one key can be on.
    pub plans_of_a_key: usize,
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
impl Default for Quotas {
    fn default() -> Self {
        Self { keys: 10_000, plans: 300, plans_of_a_key: 10 }
    }
}

/// The state. Its methods are the operations, by the service's own names.
#[derive(Debug, Default)]
pub struct Model {
    pub(super) keys: BTreeMap<String, Key>,
    /// Which key has a value: values are unique in the account and Region.
    pub(super) by_value: HashMap<String, String>,
    pub(super) plans: BTreeMap<String, Plan>,
    /// Stages that are deployed; only `GetStage` looks at them.
    pub(super) stages: BTreeSet<ApiStage>,
    /// APIs, as they are described.
    pub(super) rest_apis: BTreeMap<String, RestApi>,
    /// By plan and key.
    pub(super) counters: BTreeMap<(String, String), Counter>,
    pub(super) buckets: HashMap<(String, String), Bucket>,
    /// What the data plane knows of each value, by the time it comes to know it.
    pub(super) views: HashMap<String, Vec<View>>,
    pub(super) data_plane_calls: Vec<DataPlaneCall>,
    pub(super) quotas: Quotas,
    pub(super) lag: SignedDuration,
    pub(super) conflicts_to_come: u32,
    ids_given: u64,
}

/// Which page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// At most so many, 1 to 500; 25 when not said.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub position: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The items, by id: AWS promises no order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub position: Option<String>,
}

impl Model {
    /// A new id: ten lower-case letters and digits, the same ones in every run.
    pub(super) fn fresh_id(&mut self) -> String {
        const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        self.ids_given += 1;
        // 36^10, and a multiplier that shares no factor with it: no two counts meet.
        let span = 36_u64.pow(10);
        let spread = u128::from(self.ids_given) * 2_654_435_761_987 % u128::from(span);
        let mut rest = spread as u64;
        let digit = |_| {
            let digit = ALPHABET[(rest % 36) as usize];
            rest /= 36;
            char::from(digit)
        };
        (0..10).map(digit).collect()
    }
}

impl Listing {
    /// Cuts a page out of items that are sorted by id.
    ///
    /// # Errors
    /// `BadRequestException` for a limit outside 1 to 500 (AWS documents the maximum, not
    /// what it does beyond: refusing is the strict reading) and for a foreign position.
    pub(super) fn cut<'a, T: 'a + Clone>(
        &self,
        items: impl Iterator<Item = (&'a String, &'a T)>,
    ) -> Result<PageOf<T>, Refusal> {
        let limit = self.limit.unwrap_or(25);
        if !(1..=500).contains(&limit) {
            return Err(Exception::BadRequest.because("limit must be between 1 and 500"));
        }
        let after = self.position.as_deref().map(decode).transpose()?;
        let mut rest = items
            .filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after))
            .take(limit + 1)
            .peekable();
        let mut page = PageOf { items: Vec::new(), position: None };
        let mut last = None;
        while page.items.len() < limit
            && let Some((id, item)) = rest.next()
        {
            page.items.push(item.clone());
            last = Some(id);
        }
        if rest.peek().is_some() {
            page.position = last.map(|id| URL_SAFE_NO_PAD.encode(id));
        }
        Ok(page)
    }
}

fn decode(position: &str) -> Result<String, Refusal> {
    URL_SAFE_NO_PAD
        .decode(position)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|id| id.len() == 10)
        .ok_or_else(|| Exception::BadRequest.because("Invalid position parameter"))
}
