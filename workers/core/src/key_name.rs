//! How API Gateway keys are named: by the name, and by nothing else, a key is ours.

use tollgate_events::AccountId;

use crate::account::Slot;

/// What the name of every key of a stack begins with. Other keys are never touched.
pub fn key_prefix(stack: &str) -> String {
    format!("tollgate/{stack}/")
}

/// The name of an account's key: `tollgate/<stack>/<sub>/<slot>/<generation>`.
pub fn key_name(stack: &str, account: &AccountId, slot: Slot, generation: u32) -> String {
    format!("{}{account}/{}/{generation}", key_prefix(stack), slot.as_str())
}

/// What a key's name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// Whose it is.
    pub account: AccountId,
    /// What it is for; `None` for a slot that this build does not know.
    pub slot: Option<Slot>,
    /// Its generation; `None` where the name has none.
    pub generation: Option<u32>,
}

impl KeyName {
    /// Whether the key was replaced by the newest that the ledger names for its account: one that is
    /// older is in nobody's use. What names no generation, or whose account names no key, may be.
    pub fn is_replaced_by(&self, newest: Option<u32>) -> bool {
        self.generation.is_some() && self.generation < newest
    }
}

/// Reads a key's name, if it is one of ours.
pub fn read_key_name(stack: &str, name: &str) -> Option<KeyName> {
    let mut parts = name.strip_prefix(&key_prefix(stack))?.rsplitn(3, '/');
    let (generation, slot, account) = (parts.next()?, parts.next()?, parts.next()?);
    Some(KeyName {
        account: AccountId::parse(account).ok()?,
        slot: [Slot::Primary].into_iter().find(|known| known.as_str() == slot),
        generation: generation.parse().ok(),
    })
}

/// The account in a key's name, if it is a name of ours.
pub fn key_owner(stack: &str, name: &str) -> Option<AccountId> {
    read_key_name(stack, name).map(|name| name.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_within_its_own_stack_only() {
        let owner = AccountId::parse("a/b").unwrap();
        let name = key_name("s", &owner, Slot::Primary, 12);
        assert_eq!(name, "tollgate/s/a/b/primary/12");
        assert_eq!(key_owner("s", &name), Some(owner.clone()));
        let read = KeyName { account: owner, slot: Some(Slot::Primary), generation: Some(12) };
        assert_eq!(read_key_name("s", &name), Some(read));
        let strange = read_key_name("s", "tollgate/s/a/second/x").unwrap();
        assert_eq!((strange.slot, strange.generation), (None, None));
        for other in ["tollgate/s/primary/12", "tollgate/s2/a/primary/1", "by-hand", ""] {
            assert_eq!(key_owner("s", other), None, "{other}");
        }
    }
}
