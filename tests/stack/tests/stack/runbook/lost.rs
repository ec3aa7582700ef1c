//! What is lost or has leaked: the ledger's table, the key-derivation secret.

use tollgate_functions::adapters::dynamodb::table::create_table;
use tollgate_local::stack::{OTHER_STRIPE_KEY, TABLE};

use super::backup::keys;
use super::book::{Responder, written};
use super::mistakes::revised;
use super::play::Play;
use super::{an_hour_passes, deploy, restart, shop};
use crate::command::{Input, Operator};
use crate::shop::{Shop, Told, locked, on};

pub(super) const TABLE_GONE: &str = "The ledger's table is gone";
pub(super) const DERIVATION: &str = "The key-derivation secret has leaked";

async fn loses_its_table(shop: &Shop) -> Told {
    let table = aws_sdk_dynamodb::Client::new(&shop.stack.sdk);
    table.delete_table().table_name(TABLE).send().await?;
    Ok(create_table(&table, TABLE).await?)
}

pub(super) async fn runbook_the_ledgers_table_is_gone(play: &mut Play) -> Told {
    let shop = shop().await?;
    let ann = shop.sign_up("ann").await?;
    let mut ben = shop.sign_up("ben").await?;
    let mut cid = shop.sign_up("cid").await?;
    ben.buys("basic").await?;
    cid.buys("pro").await?;
    shop.administrator("AdminDisableUser", "ann").await?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("free", "disabled"));
    play.backs_up_and_lives_on(&shop).await?;
    let made = keys(&shop).len();
    loses_its_table(&shop).await?;

    // Life goes on: nobody's plan moves, and no key is made anew.
    let (bought, pro) = (ben.subscription()?, shop.price("pro_monthly"));
    shop.stripe().change_price(&bought, &pro)?;
    shop.settle().await?;
    an_hour_passes(&shop).await?;
    assert_eq!(keys(&shop).len(), made, "one key each");

    let mut responder = Responder::opens(TABLE_GONE, &shop)?;
    responder.does_by_hand("infra/deploy shop");
    let told = responder.runs("reconcile").await;
    assert!(told.exit == 1 && told.out.contains("--rebuild"), "{told:?}");
    responder.succeeds("reconcile --rebuild").await;
    // Somebody has found a backup after all.
    play.is_interrupted(&shop, &responder).await?;
    let told = responder.succeeds("reconcile --repair").await;
    play.finds_it_done(&told, "Nothing differs.");
    shop.settle().await?;
    shop.minutes(30).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    assert_eq!(ann.seen().await?, locked("free", "disabled"));
    assert_eq!(ben.seen().await?, on("pro"));
    assert_eq!(cid.seen().await?, on("pro"));
    assert_eq!(keys(&shop).len(), made, "and nobody has another key");
    // Who bought before has no record of that any more.
    play.ends_well(&shop, "3").await
}

pub(super) async fn runbook_the_key_derivation_secret_has_leaked(play: &mut Play) -> Told {
    let shop = shop().await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("basic").await?;
    play.backs_up_and_lives_on(&shop).await?;

    let mut responder = Responder::opens(DERIVATION, &shop)?.knows("SUB", ann.id.to_string());
    responder.succeeds("secrets rotate").await;
    responder.does_by_hand("infra/deploy shop --restart");
    restart(&shop).await?;
    responder.succeeds("account rotate-key").await;
    assert!(!shop.seen(&ann.id, Some(&ann.key)).await?.opens, "the old key is refused");
    let ann = shop.welcome("ann").await?;
    assert_eq!(ann.seen().await?, on("basic"), "the new one is not");
    play.is_interrupted(&shop, &responder).await?;
    responder.succeeds("reconcile").await;
    responder.ends();
    let mut ben = shop.sign_up("ben").await?;
    ben.buys("pro").await?;
    assert_eq!(ben.seen().await?, on("pro"), "new proofs are taken");
    play.ends_well(&shop, "none").await
}

/// A rebuild with another account's key, accepted by a careless word, writes down that the stack
/// belongs to that account: the right key is refused before `stack rebind`.
pub(super) async fn runbook_a_rebuild_with_a_wrong_key_is_done_again(play: &mut Play) -> Told {
    let shop = shop().await?;
    let newer = revised(&shop, 2);
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    an_hour_passes(&shop).await?;
    play.backs_up_and_lives_on(&shop).await?;
    loses_its_table(&shop).await?;

    let mut responder = Responder::opens(TABLE_GONE, &shop)?;
    responder.writes_plans(&newer)?;
    responder.does_by_hand("infra/deploy shop");
    responder.runs("reconcile").await;
    let plans = written("lost-wrong-key", &newer)?;
    let mut operator = Operator::of(&shop.stack);
    operator.environment.insert("USER", "ops".to_owned());
    let rebuild = format!("reconcile --rebuild --yes --plans {}", plans.display());
    operator.environment.insert("STRIPE_SECRET_KEY", OTHER_STRIPE_KEY.to_owned());
    assert_eq!(operator.tollgate(&rebuild, Input::Piped("")).await.exit, 3);
    let accepted = format!("{rebuild} --accept");
    let said = operator.tollgate(&accepted, Input::Piped("")).await;
    assert!(said.exit == 0 && said.out.contains("granted their plan"), "{said:?}");

    operator.environment.remove("STRIPE_SECRET_KEY");
    play.is_interrupted(&shop, &responder).await?;
    // A backup is of before, and belongs where it did: nothing is left to be undone.
    let wrong = play.either(true, false);
    let said = operator.tollgate(&rebuild, Input::Piped("")).await;
    assert_eq!(said.exit, play.either(3, 0), "{said:?}");
    assert_eq!(said.err.contains("belongs to acct_1Elsewhere"), wrong, "{said:?}");
    let rebind = "stack rebind --why 'it was rebuilt with another key' --yes";
    assert_eq!(operator.tollgate(rebind, Input::Piped("")).await.exit, 0);
    deploy(&shop, "TOLLGATE_CATALOG", &newer).await?;
    let said = operator.tollgate(&rebuild, Input::Piped("")).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(said.out.contains("as a rebuild had guessed"), wrong, "{said:?}");
    let repair = format!("reconcile --repair --yes --plans {}", plans.display());
    let said = operator.tollgate(&repair, Input::Piped("")).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(said.out.contains("old_catalog"), wrong, "{said:?}");
    shop.minutes(30).await?;
    let look = format!("reconcile --plans {}", plans.display());
    let said = operator.tollgate(&look, Input::Piped("")).await;
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(ann.seen().await?, on("pro"));
    assert!(ann.account().await?.access.grants.is_empty(), "what was guessed is taken back");
    // Who bought before has no record of that any more.
    play.ends_well(&shop, "3").await
}
