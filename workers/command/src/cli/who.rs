//! Which account is meant: by its sub, its user's e-mail address, a customer or a key.
//!
//! What begins with `cus_` is a customer. Anything else may be one whose id its seller chose, and
//! is looked for among the linked ones after everything that it more likely is and the ledger can
//! tell of by one read.

use tollgate_core::account::{Account, KeyId, Known, is_like_a_sub};
use tollgate_core::ports::{Clock, Ledger, UserRecord, Users};
use tollgate_core::shell::quoted;
use tollgate_events::{AccountId, CustomerId};
use tollgate_functions::adapters::dynamodb::DynamoLedger;

use super::{Context, Failure};

/// The account that is meant, as the ledger has it.
///
/// # Errors
/// As for [`id`], or the user has no account yet.
pub(super) async fn account<C: Clock>(
    who: &str,
    context: &Context<'_, C>,
    ledger: &DynamoLedger,
) -> Result<Account, Failure> {
    let id = id(who, context, ledger).await?;
    known(ledger, &id).await?.ok_or_else(|| {
        let problem = format!("the user {id} has no account yet");
        Failure::usage(problem, "They get one when they sign in, or with the next sweep.")
    })
}

/// The id of the account that is meant: of one that the ledger has, or of a user of the pool.
///
/// # Errors
/// There is none, or several could be meant; an e-mail address is not repeated.
pub(super) async fn id<C: Clock>(
    who: &str,
    context: &Context<'_, C>,
    ledger: &DynamoLedger,
) -> Result<AccountId, Failure> {
    if who.contains('@') {
        return by_email(who, context, ledger).await;
    }
    if who.starts_with("cus_") {
        return by_customer(who, ledger).await?.ok_or_else(|| {
            let mend = format!("Link it: `tollgate account link WHO {} --why TEXT`", quoted(who));
            Failure::usage(format!("{who} is linked to no account"), mend)
        });
    }
    let id = AccountId::parse(who).ok();
    if let Some(id) = &id
        && known(ledger, id).await?.is_some()
    {
        return Ok(id.clone());
    }
    if let Ok(key) = KeyId::parse(who)
        && let Some(id) = ledger.account_of_key(&key).await?
    {
        return Ok(id);
    }
    if let Some(id) = by_customer(who, ledger).await? {
        return Ok(id);
    }
    let Some(id) = id else { return Err(nobody(who)) };
    let user = context.users().await?.find(&id).await?;
    user.map(|user| user.id).ok_or_else(|| nobody(who))
}

async fn by_customer(who: &str, ledger: &DynamoLedger) -> Result<Option<AccountId>, Failure> {
    let Ok(customer) = CustomerId::parse(who) else { return Ok(None) };
    Ok(ledger.account_of(&customer).await?)
}

async fn known(ledger: &DynamoLedger, id: &AccountId) -> Result<Option<Account>, Failure> {
    Ok(ledger.account(id).await?.filter(|account| account.known() > Known::Nothing))
}

/// A user's address; or a customer's id, where a seller chose addresses for these.
async fn by_email<C: Clock>(
    email: &str,
    context: &Context<'_, C>,
    ledger: &DynamoLedger,
) -> Result<AccountId, Failure> {
    let users = context.users().await?.with_email(email).await?;
    let (verified, claimed): (Vec<_>, Vec<_>) =
        users.into_iter().partition(|user| user.email.is_some());
    match verified.as_slice() {
        [] if !claimed.is_empty() => Err(unverified(&claimed)),
        [user] => Ok(user.id.clone()),
        [] => by_customer(email, ledger).await?.ok_or_else(|| {
            Failure::usage(
                "no user has this e-mail address",
                "Check it, or name the account by its sub, its key's id or a linked customer's.",
            )
        }),
        several => {
            let problem = format!("{} users have this e-mail address", several.len());
            Err(Failure::usage(problem, format!("Name one by its sub: {}", subs(several))))
        }
    }
}

/// Anybody can sign up with an address that is not theirs, as long as nobody asks for its code.
fn unverified(claimed: &[UserRecord]) -> Failure {
    Failure::usage(
        "nobody has verified this e-mail address, so whoever claims it may be somebody else",
        format!("If you know that it is they, name the account by its sub: {}", subs(claimed)),
    )
}

fn subs(users: &[UserRecord]) -> String {
    users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// What has the form of no id is not repeated: it may be the value of a key.
fn nobody(who: &str) -> Failure {
    let named = if is_like_an_id(who) { format!(" `{who}`") } else { " of this name".to_owned() };
    Failure::usage(
        format!("there is no account{named}"),
        "Name it by its user's sub or e-mail address, its key's id, or a linked customer's.",
    )
}

/// Whether it looks like a sub (a UUID) or a key's id; a key's value has 20 characters at least.
fn is_like_an_id(who: &str) -> bool {
    let is_key = |it: &str| {
        it.len() <= 10 && it.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    is_key(who) || is_like_a_sub(who)
}
