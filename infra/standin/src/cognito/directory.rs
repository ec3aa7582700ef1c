//! The users by name, and the lagging view of them that `ListUsers` has.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::user::User;

fn is_local(user: &&User) -> bool {
    !user.is_federated()
}

/// The users.
#[derive(Default)]
pub(super) struct Directory {
    users: BTreeMap<String, User>,
    /// The user name of every `sub` that ever was.
    names: BTreeMap<String, String>,
    listed: BTreeMap<String, User>,
    unlisted: VecDeque<(Timestamp, String, Option<User>)>,
    lag: SignedDuration,
}

impl Directory {
    pub(super) fn set_lag(&mut self, lag: SignedDuration) {
        self.lag = lag;
    }

    /// The user by the name that admin calls take: the user name; for local users
    /// also the `sub`; where e-mail addresses are user names, also that.
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminGetUser.html>
    pub(super) fn find(&self, name: &str, by_email: bool) -> Option<&User> {
        let by_sub = || self.users.get(self.name_of(name)?).filter(|user| user.sub == name);
        let found = self.users.get(name).or_else(|| by_sub().filter(is_local));
        found.or_else(|| if by_email { self.by_address(name) } else { None })
    }

    /// Whether a user name is taken. A sub is none, but where users have no other.
    pub(super) fn has_name(&self, name: &str, by_email: bool) -> bool {
        self.users.contains_key(name) || by_email && self.by_address(name).is_some()
    }

    fn by_address(&self, address: &str) -> Option<&User> {
        let mut users = self.users.values().filter(is_local);
        users.find(|user| user.attribute("email") == Some(address))
    }

    /// The user name that a `sub` has or had.
    pub(super) fn name_of(&self, sub: &str) -> Option<&str> {
        self.names.get(sub).map(String::as_str)
    }

    /// The user by the exact user name.
    pub(super) fn get(&self, username: &str) -> Option<&User> {
        self.users.get(username)
    }

    /// Every user, by user name, as they are.
    pub(super) fn all(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// Writes a user as of now.
    pub(super) fn put(&mut self, user: User, now: Timestamp) {
        self.unlisted.push_back((now, user.username.clone(), Some(user.clone())));
        self.names.insert(user.sub.clone(), user.username.clone());
        self.users.insert(user.username.clone(), user);
    }

    pub(super) fn remove(&mut self, username: &str, now: Timestamp) {
        if self.users.remove(username).is_some() {
            self.unlisted.push_back((now, username.to_owned(), None));
        }
    }

    /// Every user, by user name, as `ListUsers` sees them now.
    pub(super) fn listed(&mut self, now: Timestamp) -> &BTreeMap<String, User> {
        while let Some((at, ..)) = self.unlisted.front()
            && *at + self.lag <= now
            && let Some((_, username, user)) = self.unlisted.pop_front()
        {
            match user {
                Some(user) => self.listed.insert(username, user),
                None => self.listed.remove(&username),
            };
        }
        &self.listed
    }
}
