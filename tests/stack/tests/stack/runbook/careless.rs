//! docs/security.md, *What a careless operator can still destroy*: what is said there to come back
//! does, and what is said to be lost is.

use tollgate_local::stack::OTHER_STRIPE_KEY;
use tollgate_standin::api_gateway::{Patch, PatchOp};

use super::book::written;
use super::mistakes::revised;
use super::{an_hour_passes, deploy, does, ends_well, restart, shop, tollgate};
use crate::command::{Input, Operator};
use crate::shop::{Told, on};

#[tokio::test]
async fn careless_a_key_deleted_by_hand_is_made_anew_with_another_value() -> Told {
    let shop = shop().await?;
    let ann = shop.sign_up("ann").await?;
    let key = ann.account().await?.key().map(|key| key.id.to_string()).unwrap_or_default();
    shop.stack.world.api_gateway.scene(|model, now| model.delete_api_key(&key, now))?;
    assert!(!ann.seen().await?.opens);
    an_hour_passes(&shop).await?;
    assert!(!ann.seen().await?.opens, "the old value is gone for good");
    let ann = shop.welcome("ann").await?;
    assert_eq!(ann.seen().await?, on("free"), "and she reads another");
    ends_well(&shop, "none").await
}

#[tokio::test]
async fn careless_a_usage_plan_deleted_by_hand_comes_back_with_another_id() -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    let gateway = &shop.stack.world.api_gateway;
    let pro = gateway.scene(|model, _| {
        model.plans().find(|plan| plan.name == "pro").map(|plan| plan.id.clone())
    });
    let pro = pro.unwrap_or_default();
    let stage = shop.stack.world.stage();
    let stage = format!("{}:{}", stage.api_id, stage.stage);
    let refused = gateway.scene(|model, now| model.delete_usage_plan(&pro, now));
    assert!(refused.is_err(), "AWS takes it only without its stages");
    gateway.scene(|model, now| {
        let off = Patch {
            op: PatchOp::Remove,
            path: "/apiStages".to_owned(),
            value: Some(stage.clone()),
        };
        model.update_usage_plan(&pro, &[off])?;
        model.delete_usage_plan(&pro, now)
    })?;
    assert!(!ann.seen().await?.opens, "everybody on it is answered 403");
    let operator = Operator::of(&shop.stack);
    let told = operator.tollgate("doctor", Input::Piped("")).await;
    assert!(told.exit == 1 && told.out.contains("✗ usage-plans-exist"), "{told:?}");

    // As doctor says: without its id, `plans apply` makes another.
    let line = format!("usage_plan = \"{pro}\"\n");
    let plans = revised(&shop, 1).replace(&line, "");
    assert!(!plans.contains(&pro), "{plans}");
    let file = written("careless", &plans)?;
    does(&shop, &format!("plans apply {}", file.display())).await?;
    deploy(&shop, "TOLLGATE_CATALOG", &std::fs::read_to_string(&file)?).await?;
    an_hour_passes(&shop).await?;
    assert!(ann.seen().await?.opens, "with the key that she has");
    assert_eq!(ann.account().await?.access.plan.map(|it| it.to_string()), Some("pro".to_owned()));
    Ok(())
}

#[tokio::test]
async fn careless_who_was_closed_comes_back_with_another_key_and_buys_anew() -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    let bought = ann.buys("pro").await?;
    does(&shop, "account grant ann@example.com basic --why a-favour").await?;
    let foretold = {
        let operator = Operator::of(&shop.stack);
        let line = "account close ann@example.com --why mistaken --dry-run --by ops";
        operator.tollgate(line, Input::Piped("")).await
    };
    assert!(foretold.out.contains("cancel subscription"), "{foretold:?}");
    does(&shop, "account close ann@example.com --why mistaken").await?;
    assert!(shop.stripe().subscription(&bought)?.status.is_final(), "Stripe does not undo that");
    does(&shop, "account release ann@example.com --why sorry").await?;
    shop.minutes(5).await?;
    assert!(!ann.seen().await?.opens, "the old value is gone for good");
    let mut ann = shop.welcome("ann").await?;
    assert_eq!(ann.seen().await?, on("free"), "and so is the grant");
    ann.buys("pro").await?;
    assert_eq!(ann.seen().await?, on("pro"));
    ends_well(&shop, "none").await
}

/// Who pays nothing loses nothing by the blast limit's count: it does not stop this.
#[tokio::test]
async fn careless_without_a_default_plan_all_free_keys_are_off_until_it_is_back() -> Told {
    let shop = shop().await?;
    let names =
        ["ann", "ben", "cid", "dot", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo"];
    let mut people = Vec::new();
    for name in names {
        people.push(shop.sign_up(name).await?);
    }
    let without = revised(&shop, 2).replace("default_plan = \"free\"\n", "");
    deploy(&shop, "TOLLGATE_CATALOG", &without).await?;
    an_hour_passes(&shop).await?;
    shop.minutes(30).await?;
    for person in &people {
        assert!(!person.seen().await?.opens, "{} is refused", person.name);
    }
    let file = written("careless-free", &without)?;
    let operator = Operator::of(&shop.stack);
    let told = operator.tollgate(&format!("doctor {}", file.display()), Input::Piped("")).await;
    assert!(told.out.contains("! catalog-default-plan"), "{told:?}");
    deploy(&shop, "TOLLGATE_CATALOG", &revised(&shop, 3)).await?;
    an_hour_passes(&shop).await?;
    shop.minutes(30).await?;
    for person in &people {
        assert_eq!(person.seen().await?, on("free"), "{} has the same key", person.name);
    }
    ends_well(&shop, "none").await
}

/// The stack belongs to another account by a careless word. What the ledger knows and that account
/// does not stands in the way all the same.
#[tokio::test]
async fn careless_a_rebind_to_the_wrong_account_takes_nothing() -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    an_hour_passes(&shop).await?;
    let secrets = &shop.stack.world.secrets;
    let put = |key: &str| -> Told {
        for secret in ["StripeKeySecret", "SweepStripeKeySecret"] {
            secrets.put(secret, key, key)?;
        }
        Ok(())
    };
    put(OTHER_STRIPE_KEY)?;
    restart(&shop).await?;
    does(&shop, "stack rebind --why careless").await?;
    let (bought, basic) = (ann.subscription()?, shop.price("basic_monthly"));
    shop.stripe().change_price(&bought, &basic)?;
    shop.hours(3).await?;
    assert_eq!(ann.seen().await?, on("pro"), "nothing is decided");
    put("rk_test_the_right_one")?;
    restart(&shop).await?;
    let told = tollgate(&shop, "reconcile --repair").await?;
    assert_eq!(told.exit, 3, "it belongs elsewhere: {told:?}");
    does(&shop, "stack rebind --why 'back again'").await?;
    restart(&shop).await?;
    does(&shop, "reconcile --repair").await?;
    shop.minutes(5).await?;
    does(&shop, "reconcile").await?;
    assert_eq!(ann.seen().await?, on("basic"), "what was bought meanwhile");
    ends_well(&shop, "none").await
}

/// A customer who was unlinked is linked again; an older catalog's comparison wakes and moves
/// nobody.
#[tokio::test]
async fn careless_an_unlink_comes_back_and_an_old_file_moves_nobody() -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    let customer = ann.payer();
    let unlink = format!("account unlink ann@example.com {customer} --why careless");
    does(&shop, &unlink).await?;
    assert_eq!(ann.seen().await?, on("free"));
    an_hour_passes(&shop).await?;
    assert_eq!(ann.seen().await?, on("free"), "no event and no comparison links them again");
    does(&shop, &format!("account link ann@example.com {customer} --why 'hers after all'")).await?;
    assert_eq!(ann.seen().await?, on("pro"));

    let old = shop.stack.world.plans_toml.replace("pro_monthly", "pro_of_old");
    let file = written("careless-old", &old)?;
    does(&shop, &format!("reconcile --repair --plans {}", file.display())).await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"), "the workers have the deployed one");
    ends_well(&shop, "none").await
}
