//! `ListUsers`: filter, pages, and its lag.
//!
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>

use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::CognitoStandin;
use super::error::CognitoError;
use super::user::User;

/// The most users to a page, and the default.
pub const PAGE: usize = 60;

/// What a filter can name; custom attributes are not searchable.
const SEARCHABLE: [&str; 9] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "sub",
    "status",
];

/// `name = "value"`, or `name ^= "prefix"`.
struct Filter<'a> {
    name: &'a str,
    value: String,
    prefix: bool,
}

impl<'a> Filter<'a> {
    fn parse(text: &'a str) -> Result<Self, CognitoError> {
        let bad = || CognitoError::invalid("Error while parsing filter.");
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        let (name, prefix) =
            name.trim_end().strip_suffix('^').map_or((name, false), |name| (name, true));
        let name = name.trim().trim_matches('"');
        let value = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.ok_or_else(bad)?.replace("\\\"", "\"").replace("\\\\", "\\");
        if name != "cognito:user_status" && !SEARCHABLE.contains(&name) {
            return Err(bad());
        }
        Ok(Self { name, value, prefix })
    }

    fn matches(&self, user: &User) -> bool {
        let found = match self.name {
            "username" => Some(user.username.as_str()),
            "cognito:user_status" => Some(user.status.name()),
            "status" => Some(if user.enabled { "Enabled" } else { "Disabled" }),
            name => user.attribute(name),
        };
        found.is_some_and(|found| {
            if self.prefix { found.starts_with(&self.value) } else { found == self.value }
        })
    }
}

impl CognitoStandin {
    /// One page of users by user name, and where the next begins.
    ///
    /// # Errors
    /// As `ListUsers`: a filter, a limit or a token that it does not take.
    pub fn list(
        &self,
        filter: Option<&str>,
        limit: usize,
        token: Option<&str>,
    ) -> Result<(Vec<User>, Option<String>), CognitoError> {
        if limit > PAGE {
            return Err(CognitoError::invalid(format!(
                "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy \
                 constraint: Member must have value less than or equal to {PAGE}"
            )));
        }
        let limit = if limit == 0 { PAGE } else { limit };
        let filter = filter.filter(|text| !text.is_empty()).map(Filter::parse).transpose()?;
        let after = token.map(read_token).transpose()?;
        let mut state = self.lock();
        // A search by sub need not look at everybody; what it finds is filtered all the same.
        let by_sub = filter.as_ref().filter(|filter| filter.name == "sub" && !filter.prefix);
        let name = by_sub.and_then(|filter| state.users.name_of(&filter.value)).map(str::to_owned);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = match name {
            Some(name) if by_sub.is_some() => {
                (Bound::Included(name.clone()), Bound::Included(name))
            }
            _ => (from, Bound::Unbounded),
        };
        let mut found = state
            .users
            .listed(self.clock.time())
            .range(range)
            .map(|(_, user)| user)
            .filter(|user| filter.as_ref().is_none_or(|filter| filter.matches(user)));
        let page: Vec<User> = found.by_ref().take(limit).cloned().collect();
        let more = found.next().is_some();
        let last = page.last().filter(|_| more);
        let next = last.map(|user| BASE64.encode(&user.username));
        Ok((page, next))
    }
}

fn read_token(token: &str) -> Result<String, CognitoError> {
    let name = BASE64.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| CognitoError::invalid("Invalid pagination token."))
}
