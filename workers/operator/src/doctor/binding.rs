//! Whether the pool and the Stripe account are those that the stack belongs to.

use tollgate_core::binding::InUse;
use tollgate_core::ledger::StackRecord;
use tollgate_core::mismatch::Mismatch;

use super::expected::Expected;
use super::finding::{CheckFinding, System};
use super::observed::{ObservedStack, Unseen};

/// What is asked of the ledger.
const BELONGS_TO: &str = "what the stack belongs to";

pub(super) fn pool(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let finding = CheckFinding::of(
        "pool-of-stack",
        System::Cognito,
        "the pool is the one that the stack belongs to",
    );
    finding.look(BELONGS_TO, &observed.belongs_to, |finding, belongs_to| {
        let pool = Some(expected.user_pool_id.clone());
        let in_use = InUse { pool, ..InUse::default() };
        match &belongs_to.pool {
            None => finding.unseen(BELONGS_TO, &nobody_said()),
            stack => {
                let stack = StackRecord { pool: stack.clone(), ..StackRecord::default() };
                judge(finding, in_use.fits(&stack), expected);
            }
        }
    })
}

pub(super) fn stripe_account(observed: &ObservedStack, expected: &Expected) -> CheckFinding {
    let looked_at = "the key is one of the account that the stack belongs to";
    let finding = CheckFinding::of("stripe-account-of-stack", System::Stripe, looked_at);
    finding.look(BELONGS_TO, &observed.belongs_to, |finding, belongs_to| {
        match (&observed.stripe.account, &belongs_to.stripe_account) {
            (Err(unseen), _) => finding.unseen("whose the key is", unseen),
            (Ok(None), _) => finding.unseen("whose the key is", &may_not_read()),
            (Ok(Some(_)), None) => finding.unseen(BELONGS_TO, &nobody_said()),
            (Ok(account), stack) => {
                let in_use = InUse { stripe_account: account.clone(), ..InUse::default() };
                let stack = StackRecord { stripe_account: stack.clone(), ..StackRecord::default() };
                judge(finding, in_use.fits(&stack), expected);
            }
        }
    })
}

fn judge(finding: &mut CheckFinding, fits: Result<(), Mismatch>, expected: &Expected) {
    if let Err(mismatch) = fits {
        let mend = mismatch
            .mend()
            .replace("infra/deploy STACK", &format!("infra/deploy {}", expected.stack));
        finding.fail(mismatch.problem(), mend);
    }
}

fn nobody_said() -> Unseen {
    Unseen::Unknown {
        why: "nobody has said yet".into(),
        mend: "wait for the first purchase, or for the hourly comparison".into(),
    }
}

pub(super) fn may_not_read() -> Unseen {
    Unseen::Unknown {
        why: "the restricted key may not read its account".into(),
        mend: "let it read the account, or compare the account's id in Stripe's dashboard".into(),
    }
}
