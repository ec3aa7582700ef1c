//! API keys: `CreateApiKey`, `GetApiKey(s)`, `UpdateApiKey`, `DeleteApiKey`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::error::{Exception, Refusal};
use super::model::{Listing, Model, PageOf};
use super::objects::Key;

/// What `CreateApiKey` takes.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    /// Its name; not unique.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Its value: 20 to 128 letters and digits; generated when absent.
    pub value: Option<SecretString>,
    /// Whose it is.
    pub customer_id: Option<String>,
    /// Whether the data plane accepts it; not, unless said.
    pub enabled: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What `GetApiKeys` looks for.
#[derive(Debug, Clone, Default)]
pub struct KeyQuery {
    /// Exactly this customer.
    pub customer_id: Option<String>,
    /// Names that begin so. AWS does not document how it matches: do not rely on it.
    pub name: Option<String>,
    /// Which page.
    pub page: Listing,
}

/// What `UpdateApiKey` changes: each field replaced where it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPatch {
    /// `/enabled`
    pub enabled: Option<bool>,
    /// `/name`
    pub name: Option<String>,
    /// `/description`
    pub description: Option<String>,
    /// `/customerId`
    pub customer_id: Option<String>,
}

impl Model {
    /// `CreateApiKey`.
    ///
    /// # Errors
    /// `BadRequestException` for a malformed value, `ConflictException` for one that
    /// exists, `LimitExceededException` at the account's quota.
    pub fn create_api_key(&mut self, new: NewApiKey, now: Timestamp) -> Result<Key, Refusal> {
        if let Some(value) = &new.value {
            check_value(value.expose_secret())?;
            if self.by_value.contains_key(value.expose_secret()) {
                return Err(Exception::Conflict.because("API Key already exists"));
            }
        }
        if self.keys.len() >= self.quotas.keys {
            return Err(Exception::LimitExceeded
                .because("Number of API keys exceeds the limit of this account and Region"));
        }
        let id = self.fresh_id();
        let value = new.value.unwrap_or_else(|| self.generate_value());
        let key = Key {
            id: id.clone(),
            value,
            name: new.name,
            description: new.description,
            customer_id: new.customer_id,
            enabled: new.enabled,
            tags: new.tags,
            created: now,
            updated: now,
            plans: BTreeSet::new(),
        };
        self.by_value.insert(key.value.expose_secret().to_owned(), id.clone());
        self.keys.insert(id.clone(), key.clone());
        self.publish(&id, now);
        Ok(key)
    }

    /// `GetApiKey`. The value is in the answer; the API withholds it unless asked.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn get_api_key(&self, id: &str) -> Result<&Key, Refusal> {
        self.keys.get(id).ok_or_else(no_such_key)
    }

    /// `GetApiKeys`.
    ///
    /// # Errors
    /// `BadRequestException` for a bad page.
    pub fn get_api_keys(&self, query: &KeyQuery) -> Result<PageOf<Key>, Refusal> {
        let wanted = |key: &Key| {
            query.customer_id.as_ref().is_none_or(|id| key.customer_id.as_ref() == Some(id))
                && query.name.as_ref().is_none_or(|prefix| {
                    key.name.as_ref().is_some_and(|name| name.starts_with(prefix))
                })
        };
        query.page.cut(self.keys.iter().filter(|(_, key)| wanted(key)))
    }

    /// `UpdateApiKey`.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn update_api_key(
        &mut self,
        id: &str,
        patch: KeyPatch,
        now: Timestamp,
    ) -> Result<Key, Refusal> {
        let key = self.keys.get_mut(id).ok_or_else(no_such_key)?;
        key.enabled = patch.enabled.unwrap_or(key.enabled);
        key.name = patch.name.or(key.name.take());
        key.description = patch.description.or(key.description.take());
        key.customer_id = patch.customer_id.or(key.customer_id.take());
        key.updated = now;
        let key = key.clone();
        self.publish(id, now);
        Ok(key)
    }

    /// `DeleteApiKey`; it leaves every plan, and its value is free again.
    ///
    /// # Errors
    /// `NotFoundException`.
    pub fn delete_api_key(&mut self, id: &str, now: Timestamp) -> Result<(), Refusal> {
        let key = self.keys.remove(id).ok_or_else(no_such_key)?;
        self.by_value.remove(key.value.expose_secret());
        for plan in &key.plans {
            if let Some(plan) = self.plans.get_mut(plan) {
                plan.keys.remove(id);
            }
        }
        self.counters.retain(|(_, key), _| key != id);
        self.buckets.retain(|(_, key), _| key != id);
        self.unpublish(key.value.expose_secret(), now);
        Ok(())
    }

    /// All keys, by id.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// Forty letters and digits, as AWS generates them; the same ones in every run.
    fn generate_value(&mut self) -> SecretString {
        loop {
            let value: String = (0..4).map(|_| self.fresh_id()).collect();
            if !self.by_value.contains_key(&value) {
                return SecretString::from(value);
            }
        }
    }
}

pub fn no_such_key() -> Refusal {
    Exception::NotFound.because("Invalid API Key identifier specified")
}

fn check_value(value: &str) -> Result<(), Refusal> {
    let fits = (20..=128).contains(&value.len());
    if fits && value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Exception::BadRequest.because("API Key value should be 20 to 128 letters and digits"))
}
