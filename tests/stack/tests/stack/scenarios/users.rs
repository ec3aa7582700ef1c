//! The users: how they come, how they go.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::json;
use tollgate_events::AccountId;
use tollgate_local::customer::Customer;
use tollgate_standin::stripe::{Card, Status};
use tollgate_standin::world::POOL_ID;

use crate::shop::{Conditions, Shop, Told, gone, locked, on};

/// Disabled in Cognito: the key is disabled; enabled again with the user.
pub(super) async fn a_disabled_user_has_a_disabled_key(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    shop.administrator("AdminDisableUser", ann.name).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("basic", "disabled"));
    shop.administrator("AdminEnableUser", ann.name).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("basic"));
    shop.holds().await
}

/// Deleted by an administrator: the key goes, Stripe asks for no more money, nothing
/// personal stays, and what begins after that is cancelled and told.
pub(super) async fn a_deleted_user_leaves_a_tombstone(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    let payer = ann.payer();
    shop.administrator("AdminDeleteUser", ann.name).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, gone());
    assert_eq!(ann.row()?.status, Status::Canceled);
    let stone = format!("{:?}", ann.account().await?);
    assert!(!stone.contains(r#""ann""#), "{stone}");

    ann.card(Card::Pays)?;
    let price = shop.price("pro_monthly");
    let later = shop.stripe().subscribe(&payer, &[&price], Default::default())?;
    shop.settle().await?;
    assert_eq!(shop.stripe().subscription(&later)?.status, Status::Canceled);
    assert_eq!(ann.seen().await?, gone());
    let record = shop.record("customer.subscription.updated").await?.record;
    assert_eq!(record.outcome.as_str(), "parked");
    assert!(record.detail.unwrap_or_default().contains("began when the account was closed"));
    shop.holds().await
}

/// Users delete themselves: CloudTrail names no pool then.
pub(super) async fn users_may_delete_themselves(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    let tokens = ann.customer.sign_in().await?.json();
    let token = &tokens["AuthenticationResult"]["AccessToken"];
    ann.customer.cognito("DeleteUser", json!({ "AccessToken": token })).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, gone());
    assert_eq!(ann.row()?.status, Status::Canceled);
    shop.holds().await
}

/// The record of a deletion was lost: two looks an hour apart make it certain.
pub(super) async fn a_user_who_is_missing_twice_is_gone(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    let subscription = ann.buys("basic").await?;
    ann.in_portal("cancel_later", &subscription, "").await?;
    shop.minutes(10).await?;
    let end = ann.row()?.period.end;
    shop.administrator("AdminDeleteUser", ann.name).await?;
    let lost = shop.stack.world.cognito.take_cloudtrail();
    assert_eq!(lost.len(), 1);
    shop.until_just_before(end).await?;
    assert!(ann.account().await?.key().is_some());

    // The write to the user fails, so they are looked for at once.
    shop.minutes(4).await?;
    let account = ann.account().await?;
    assert!(account.key().is_some(), "one look is not enough");
    assert!(ann.reason().await?.contains("no live subscription"));
    let again = end + SignedDuration::from_mins(60);
    let seen_missing = again.duration_since(account.review_at.expect("a second look"));
    let exact = SignedDuration::from_secs(10);
    assert!(!shop.is_prompt() || seen_missing.abs() < exact, "{seen_missing}");
    let again = account.review_at.expect("a second look");
    shop.until_just_before(again).await?;
    assert!(ann.account().await?.key().is_some());
    shop.a_second().await?;
    assert_eq!(ann.seen().await?, gone());
    shop.holds().await
}

/// The queue was down at the sign-up: the sign-in works, and the next one catches up.
pub(super) async fn a_lost_sign_up_is_caught_up_at_the_next_sign_in(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    shop.stack.world.sqs.set_down(true);
    Customer::new(&shop.stack, "ann").sign_up().await?;
    shop.stack.world.sqs.set_down(false);
    shop.settle().await?;
    let id = AccountId::parse(shop.stack.world.cognito.users()[0].sub.as_str())?;
    assert_eq!(shop.account(&id).await?, None);
    let ann = shop.welcome("ann").await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}

/// Users of another identity provider, whose sub is not their user name.
pub(super) async fn a_federated_user_has_a_key(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let sign_in = || shop.stack.world.cognito.federated_sign_in("Google", "117", "gus@example.com");
    let id = AccountId::parse(sign_in()?)?;
    shop.triggers().await?;
    while !shop.is_prompt() && shop.account(&id).await?.is_none() {
        sign_in()?;
        shop.triggers().await?;
    }
    let account = shop.account(&id).await?.expect("the sign-up made it");
    let key = account.key().expect("the sign-up made it").id.to_string();
    let value = shop.stack.world.api_gateway.scene(|model, _| {
        model
            .get_api_key(&key)
            .map(|key| key.value.expose_secret().to_owned())
            .expect("it is there")
    });
    assert_eq!(shop.seen(&id, Some(&value)).await?, on("free"));
    shop.holds().await
}

/// An administrator makes users without any trigger: their first sign-in catches up.
pub(super) async fn a_user_whom_an_administrator_made_has_a_key_after_signing_in(
    conditions: Conditions,
) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let office = Customer::new(&shop.stack, "office");
    let made =
        json!({ "UserPoolId": POOL_ID, "Username": "ann", "TemporaryPassword": "Temporary-7" });
    office.cognito("AdminCreateUser", made).await?;
    shop.settle().await?;
    let asked = json!({
        "ClientId": "tollgate-local",
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": { "USERNAME": "ann", "PASSWORD": "Temporary-7" },
    });
    let challenge = office.cognito("InitiateAuth", asked).await?.json();
    let answer = json!({
        "ClientId": "tollgate-local",
        "ChallengeName": "NEW_PASSWORD_REQUIRED",
        "Session": challenge["Session"],
        "ChallengeResponses": { "USERNAME": "ann", "NEW_PASSWORD": "Correct-horse-7" },
    });
    office.cognito("RespondToAuthChallenge", answer).await?;
    shop.settle().await?;
    let ann = shop.welcome("ann").await?;
    assert_eq!(ann.seen().await?, on("free"));
    shop.holds().await
}
