//! Whether what a rebuild has found may be this stack's at all.
//!
//! The table is lost, and with it what the stack belongs to. A Stripe key of another account, other
//! secrets or another pool explain nobody's plan, and that can be seen before anything is written.
//!
//! What can be proved: which subscriptions bear this stack's name, and whether the secrets made their
//! proofs; which keys have owners in the pool; how much of what the keys show Stripe explains. What
//! cannot: the values of keys, because a key's random number stands in the ledger only while the key
//! is made, and is lost with it.

use std::fmt;

use tollgate_core::ledger::blast_limit;

use super::RebuildReport;

/// What speaks against a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Subscriptions that bear this stack's name, and a proof that these secrets did not make.
    OtherSecrets,
    /// Keys of ours whose owners are not in the pool.
    NobodysKeys,
    /// Accounts whose plan nothing in Stripe explains: they would be granted it, without an end.
    Unexplained,
    /// Customers who pay for a plan and name nobody with our proof.
    Unproven,
    /// Accounts whose key was found disabled, and nothing says why.
    Held,
}

/// More than can be by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubted {
    /// Of what.
    pub doubt: Doubt,
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
}

impl fmt::Display for Doubted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { doubt, count, of } = self;
        match doubt {
            Doubt::OtherSecrets => write!(
                f,
                "of {of} subscriptions that bear this stack's name, {count} have a proof that these \
                 derivation secrets did not make"
            ),
            Doubt::NobodysKeys => {
                write!(f, "of {of} owners of keys, {count} are not in this user pool")
            }
            Doubt::Unexplained => write!(
                f,
                "of {of} accounts on more than the default plan, {count} have no subscription in \
                 this Stripe account that explains it, and would be granted it without an end"
            ),
            Doubt::Unproven => write!(
                f,
                "of {of} customers who pay for a plan, {count} name no account with a proof that \
                 these derivation secrets made"
            ),
            Doubt::Held => write!(
                f,
                "of {of} accounts, {count} would be held because their keys are disabled and \
                 nothing says why"
            ),
        }
    }
}

/// What a person must answer for before a rebuild writes: more than half of the whole, or more than
/// the blast limit lets through.
pub fn doubts(report: &RebuildReport) -> Vec<Doubted> {
    let all = report.known + report.written();
    [
        (Doubt::OtherSecrets, report.broken, report.broken + report.proven),
        (Doubt::NobodysKeys, report.keys_without_user, report.owners),
        (Doubt::Unexplained, report.granted, report.on_more),
        (Doubt::Unproven, report.unproven, report.unproven + report.owned),
        (Doubt::Held, report.held, all),
    ]
    .into_iter()
    .map(|(doubt, count, of)| Doubted { doubt, count, of })
    .filter(Doubted::is_too_much)
    .collect()
}

impl Doubted {
    fn is_too_much(&self) -> bool {
        let whole = u64::try_from(self.of).unwrap_or(u64::MAX);
        let count = u64::try_from(self.count).unwrap_or(u64::MAX);
        count > blast_limit(whole) || count.saturating_mul(2) > whole
    }
}
