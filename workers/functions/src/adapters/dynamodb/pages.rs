//! Pages of an index that has several shards.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_core::ports::{Class, Page, PortResult};

use super::json::{Item, from_item, to_attribute};
use super::operation;
use super::table::PK;
use super::values::text_of;

/// Where a page of a sharded index begins; callers see it as opaque text.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) shard: usize,
    pub(super) after: Option<Value>,
}

impl Cursor {
    pub(super) fn after(shard: usize, key: &Item) -> Self {
        Self { shard, after: Some(Value::Object(from_item(key))) }
    }

    pub(super) fn decode(page: Option<&str>) -> PortResult<Self> {
        let Some(page) = page else { return Ok(Self::default()) };
        serde_json::from_str(page).map_err(|_| {
            operation("Query").error(Class::Invalid, "the page token is not one of the ledger's")
        })
    }

    pub(super) fn encode(&self) -> String {
        serde_json::json!(self).to_string()
    }

    pub(super) fn start(&self) -> Option<Item> {
        let Some(Value::Object(key)) = &self.after else { return None };
        Some(key.iter().map(|(name, value)| (name.clone(), to_attribute(value.clone()))).collect())
    }
}

/// Reads each item of a page for itself.
pub(super) fn map_page<T>(page: Page<Item>, read: impl Fn(&Item) -> PortResult<T>) -> Page<T> {
    let mut read_page = Page::whole(Vec::new(), page.next);
    for item in &page.items {
        match read(item) {
            Ok(row) => read_page.items.push(row),
            Err(error) => {
                let key = text_of(item, PK);
                let owner = key.and_then(|key| key.strip_prefix("ACCOUNT#")).map(str::to_owned);
                read_page.unreadable.push(operation("read").left_out(key, owner, &error));
            }
        }
    }
    read_page
}
