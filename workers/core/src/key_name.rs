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

/// The account in a key's name, if it is a name of ours.
pub fn key_owner(stack: &str, name: &str) -> Option<AccountId> {
    let mut parts = name.strip_prefix(&key_prefix(stack))?.rsplitn(3, '/').skip(2);
    AccountId::parse(parts.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_within_its_own_stack_only() {
        let owner = AccountId::parse("a/b").unwrap();
        let name = key_name("s", &owner, Slot::Primary, 12);
        assert_eq!(name, "tollgate/s/a/b/primary/12");
        assert_eq!(key_owner("s", &name), Some(owner));
        for other in ["tollgate/s/primary/12", "tollgate/s2/a/primary/1", "by-hand", ""] {
            assert_eq!(key_owner("s", other), None, "{other}");
        }
    }
}
