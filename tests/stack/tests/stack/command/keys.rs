//! `tollgate keys forecast`: how many keys there are, and for how long they will do.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_local::customer::Customer;
use tollgate_standin::api_gateway::NewApiKey;

use super::screens::assert_shows;
use super::{Input, Operator};

const NONE: Input = Input::Piped("");

/// Three users on a stack that shares its account with 90 keys of others.
async fn operator() -> anyhow::Result<(Operator, String)> {
    let operator = Operator::start().await?;
    for name in ["ann", "bob", "cyd"] {
        Customer::new(&operator.stack, name).sign_up().await?;
        operator.stack.advance(SignedDuration::from_hours(24 * 4)).await?;
    }
    operator.stack.world.api_gateway.scene(|model, now| {
        for _ in 0..90 {
            model.create_api_key(NewApiKey::default(), now).expect("there is room");
        }
    });
    let port = operator.stack.urls.tollgate.rsplit(':').next().unwrap_or_default();
    let plans = format!("{}/keys-{port}.toml", env!("CARGO_TARGET_TMPDIR"));
    let policy = "[policy]\nkey_quota = 100\nkey_reserve = 5\n";
    std::fs::write(&plans, format!("{}\n{policy}", operator.stack.world.plans_toml))?;
    operator.writes();
    Ok((operator, format!("keys forecast --plans {plans}")))
}

#[tokio::test]
async fn a_forecast_is_made_of_the_last_weeks() -> anyhow::Result<()> {
    let (operator, line) = operator().await?;
    let uncounted = operator.tollgate(&line, NONE).await;
    assert!(uncounted.exit == 1 && uncounted.err.contains("--count"), "{uncounted:?}");
    let counted = operator.tollgate(&format!("{line} --count"), NONE).await;
    assert_eq!(counted.exit, 0, "{counted:?}");
    assert_shows("keys-forecast", &counted.out);
    assert_eq!(operator.writes(), Vec::<String>::new());

    // The hourly comparison counts too.
    operator.stack.compare().await?;
    let json = operator.tollgate(&format!("{line} --json"), NONE).await;
    let told: Value = serde_json::from_str(&json.out)?;
    assert_eq!((&told["keys"], &told["of_accounts"]), (&json!(93), &json!(3)));
    assert_eq!(told["paces"][1]["new_accounts"], 3);

    operator.stack.world.api_gateway.scene(|model, now| {
        for _ in 0..2 {
            model.create_api_key(NewApiKey::default(), now).expect("there is room");
        }
    });
    let short = operator.tollgate(&format!("{line} --count"), NONE).await;
    assert!(short.exit == 1 && short.out.contains("now"), "{short:?}");
    Ok(())
}

/// Its own catalog says how many there may be.
#[tokio::test]
async fn the_local_stack_has_a_catalog_of_its_own() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let said = operator.tollgate("keys forecast --count", NONE).await;
    assert!(said.exit == 0 && said.out.contains("0 of 10000"), "{said:?}");
    Ok(())
}
