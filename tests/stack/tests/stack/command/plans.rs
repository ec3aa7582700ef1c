//! `tollgate plans apply`: from a file to usage plans, products and prices, and no further.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use tollgate_core::catalog::CatalogFile;
use tollgate_core::stripe::Price;
use tollgate_events::{PriceId, ProductId};
use tollgate_standin::api_gateway::{Quotas, Wall};
use tollgate_standin::stripe::http::router;
use tollgate_standin::stripe::{
    Metadata, NewCustomer, PortalConfiguration, PortalFeatures, Proration, SubscriptionData,
};

use super::screens::assert_shows;
use super::{Input, Operator, Said};

const CATALOG: &str = r#"# What the shop sells.
revision = 1
default_plan = "starter"
stages = ["api1:prod"]

[[plans]]
id = "starter" # for everybody
rank = 0
quota = { limit = 100, period = "MONTH" }

[[plans]]
id = "team"
rank = 10
quota = { limit = 1000, period = "DAY" }
throttle = { rate = 5.0, burst = 10 }

[[plans.offers]]
lookup_key = "team_monthly"
unit_amount = 1900
currency = "usd"
interval = "month"
"#;

const ALL: &str = "\
+ usage plan starter      100 a month; no throttle; stages api1:prod
+ usage plan team         1000 a day; 5/s, burst 10; stages api1:prod
+ product    team
+ price      team         team_monthly: 1900 usd every month
+ portal     -            a better plan is paid at once; a lesser one, or the end, comes with the period
";

/// What makes a configuration of the portal, and what changes it.
const PORTAL: [&str; 2] =
    ["POST /v1/billing_portal/configurations", "POST /v1/billing_portal/configurations/{id}"];

/// A shop with a file of its own.
struct Scene {
    operator: Operator,
    path: PathBuf,
}

impl Scene {
    async fn with(name: &str, catalog: &str) -> anyhow::Result<Self> {
        let operator = Operator::start().await?;
        operator.stack.world.api_gateway.set_wall(Some(Wall::default()));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder)?;
        let scene = Self { operator, path: folder.join("plans.toml") };
        scene.write(catalog)?;
        Ok(scene)
    }

    fn write(&self, catalog: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(&self.path, catalog)?)
    }

    fn file(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(&self.path)?)
    }

    fn edit(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let text = self.file()?;
        anyhow::ensure!(text.contains(from), "the file has no {from}: {text}");
        self.write(&text.replacen(from, to, 1))
    }

    async fn apply(&self, options: &str) -> Said {
        self.apply_with(options, Input::Piped("")).await
    }

    async fn apply_with(&self, options: &str, input: Input) -> Said {
        let line = format!("plans apply {} {options}", self.path.display());
        self.operator.tollgate(&line, input).await
    }

    /// Applies, and everything is well.
    async fn applied(&self) -> anyhow::Result<Said> {
        let said = self.apply("--yes").await;
        anyhow::ensure!(said.exit == 0, "{said:?}");
        Ok(said)
    }

    /// The stand-in's usage plans that carry the stack's mark, as `plan limit`.
    fn ours(&self) -> Vec<String> {
        self.operator.stack.world.api_gateway.scene(|model, _| {
            let ours = model.plans().filter(|plan| plan.tags.contains_key("tollgate:stack"));
            let mut told: Vec<_> = ours
                .map(|plan| {
                    let quota = plan.quota.map_or("none".into(), |quota| {
                        format!("{} {}", quota.limit, quota.period.as_str())
                    });
                    format!("{} {} {quota}", plan.name, plan.tags["tollgate:plan"])
                })
                .collect();
            told.sort();
            told
        })
    }
}

#[tokio::test]
async fn an_empty_account_gets_everything_once() -> anyhow::Result<()> {
    let scene = Scene::with("everything", CATALOG).await?;
    let dry = scene.apply("--dry-run").await;
    assert_eq!((dry.exit, dry.out.as_str()), (4, ALL));
    let unconfirmed = scene.apply("").await;
    assert_eq!((unconfirmed.exit, unconfirmed.out.as_str()), (3, ALL));
    assert!(unconfirmed.err.contains("--yes"), "{unconfirmed:?}");
    let no = scene.apply_with("", Input::Typed("n\n")).await;
    assert_eq!(no.exit, 3, "{no:?}");
    assert_eq!((scene.operator.writes(), scene.file()?), (vec![], CATALOG.to_owned()));

    let yes = scene.apply_with("", Input::Typed("y\n")).await;
    assert_eq!(yes.exit, 0, "{yes:?}");
    assert!(yes.out.ends_with("revision 2. The functions see it with the next deployment.\n"));
    let made = ["CreateUsagePlan", "CreateUsagePlan", "POST /v1/products", "POST /v1/prices"];
    assert_eq!(scene.operator.writes(), [&made[..], &PORTAL[..1]].concat());
    assert_eq!(
        scene.ours(),
        ["tollgate/local/starter starter 100 MONTH", "tollgate/local/team team 1000 DAY"]
    );

    let text = scene.file()?;
    assert!(text.starts_with("# What the shop sells.\nrevision = 2\n"), "{text}");
    assert!(text.contains("id = \"starter\" # for everybody"), "{text}");
    let catalog = CatalogFile::parse(&text)?.catalog;
    assert_eq!(catalog.plans()[1].products.len(), 1);

    let again = scene.applied().await?;
    assert_eq!(again.out, "Nothing to change: revision 2 is in place.\n");
    assert_eq!((scene.operator.writes(), scene.file()?), (vec![], text));
    assert!(!scene.operator.shows("sk_test_local"), "Stripe's key");
    Ok(())
}

#[tokio::test]
async fn results_for_programs() -> anyhow::Result<()> {
    let scene = Scene::with("json", CATALOG).await?;
    let dry = scene.apply("--dry-run --json").await;
    let told: serde_json::Value = serde_json::from_str(&dry.out)?;
    assert_eq!((dry.exit, told["changes"].as_array().map(Vec::len)), (4, Some(5)));
    let refused = scene.apply("--json").await;
    let error: serde_json::Value = serde_json::from_str(&refused.err)?;
    assert_eq!(refused.exit, 3);
    assert!(error["mend"].as_str().is_some_and(|mend| mend.contains("--yes")), "{error}");
    let done = scene.apply("--yes --json").await;
    let told: serde_json::Value = serde_json::from_str(&done.out)?;
    assert_eq!((done.exit, &told["applied"], &told["revision"]), (0, &true.into(), &2.into()));
    assert_eq!(done.err, "", "progress is for people");
    Ok(())
}

#[tokio::test]
async fn changed_quotas_are_patched_at_api_gateways_pace() -> anyhow::Result<()> {
    let scene = Scene::with("quotas", CATALOG).await?;
    scene.applied().await?;
    let (text, before) = (scene.file()?, scene.operator.stack.clock().time());
    scene.operator.writes();
    scene.edit("limit = 100, period = \"MONTH\"", "limit = 700, period = \"WEEK\"")?;
    scene.edit("quota = { limit = 1000, period = \"DAY\" }\n", "")?;
    let edited = scene.file()?;
    let said = scene.applied().await?;
    assert!(said.out.contains(": 100 a month; no throttle; stages api1:prod -> 700 a week;"));
    assert_eq!(scene.operator.writes(), ["UpdateUsagePlan", "UpdateUsagePlan"]);
    assert_eq!(
        scene.ours(),
        ["tollgate/local/starter starter 700 WEEK", "tollgate/local/team team none"]
    );
    let took = scene.operator.stack.clock().time().duration_since(before);
    assert!(took.as_secs() >= 20 && said.err.contains("waiting 20 s"), "{took}: {}", said.err);
    assert_eq!(scene.file()?, edited, "no mapping has changed, so the file has not");
    assert_ne!(text, edited);
    Ok(())
}

#[tokio::test]
async fn a_price_rise_moves_the_lookup_key_and_subscribers_keep_their_plan() -> anyhow::Result<()> {
    let scene = Scene::with("rise", CATALOG).await?;
    scene.applied().await?;
    let (old, subscription) = {
        let mut stripe = scene.operator.stripe();
        let old = stripe.price_by_lookup_key("team_monthly").expect("it was made").clone();
        let customer = stripe.create_customer(NewCustomer::default());
        let row = stripe.subscribe(&customer, &[&old.id], SubscriptionData::default())?;
        (old, row)
    };
    scene.operator.writes();
    scene.edit("unit_amount = 1900", "unit_amount = 2900")?;
    let said = scene.applied().await?;
    let line = format!(
        "+ price      team         team_monthly: 2900 usd every month instead of {}, which its \
         subscribers keep\n",
        old.id
    );
    assert!(said.out.starts_with(&line), "{}", said.out);
    assert_eq!(scene.operator.writes(), ["POST /v1/prices", PORTAL[1]]);
    {
        let stripe = scene.operator.stripe();
        let new = stripe.price_by_lookup_key("team_monthly").expect("it moved");
        assert_eq!((new.unit_amount, &new.product), (2900, &old.product));
        assert_eq!(stripe.subscription(&subscription)?.items[0].price, old.id);
    }
    let catalog = CatalogFile::parse(&scene.file()?)?.catalog;
    let product = Some(ProductId::parse(old.product)?);
    let paid =
        Price { id: PriceId::parse(old.id).ok(), lookup_key: None, product, quantity: Some(1) };
    assert_eq!(catalog.plan_of(&paid).map(|plan| plan.id.as_str()), Some("team"));
    // Back and forth within a day is no repetition of the first request.
    for (from, to) in [("2900", "1900"), ("1900", "2900")] {
        scene.edit(&format!("= {from}"), &format!("= {to}"))?;
        scene.applied().await?;
        let stripe = scene.operator.stripe();
        let now = stripe.price_by_lookup_key("team_monthly").map(|price| price.unit_amount);
        assert_eq!(now, Some(to.parse()?));
    }
    Ok(())
}

/// Without its product in the deployed file, the old price would sell nothing once the
/// lookup key has moved.
#[tokio::test]
async fn a_price_rise_waits_until_the_product_is_in_the_file() -> anyhow::Result<()> {
    let scene = Scene::with("later", CATALOG).await?;
    scene.applied().await?;
    scene.operator.writes();
    let usage_plans = scene.file()?;
    let product = usage_plans.lines().find(|line| line.starts_with("products = "));
    scene.edit(&format!("{}\n", product.expect("it was written")), "")?;
    scene.edit("unit_amount = 1900", "unit_amount = 2900")?;
    let said = scene.applied().await?;
    assert!(said.out.contains("waits: deploy the file with its product first"), "{said:?}");
    assert_eq!(scene.operator.writes(), Vec::<String>::new());
    assert!(scene.file()?.contains(product.expect("it was written")));
    scene.applied().await?;
    assert_eq!(scene.operator.writes(), ["POST /v1/prices", PORTAL[1]]);
    Ok(())
}

#[tokio::test]
async fn what_is_not_ours_is_compared_and_left_alone() -> anyhow::Result<()> {
    let scene = Scene::with("foreign", "").await?;
    // The sample's own plans and prices carry no mark.
    let sample = scene.operator.stack.world.plans_toml.clone();
    let offer = "[[plans.offers]]\nlookup_key = \"pro_monthly\"\nunit_amount = 4900\n\
                 currency = \"usd\"\ninterval = \"month\"\n";
    let sample = sample.replace("lookup_keys = [\"pro_monthly\"]", offer);
    scene.write(&sample)?;
    let said = scene.applied().await?;
    assert!(said.out.starts_with("Nothing to change"), "the price that is there will do: {said:?}");
    assert_eq!((scene.operator.writes(), scene.file()?), (vec![], sample.clone()));
    for (from, to, told) in [
        ("limit = 5,", "limit = 6,", "is not this stack's, and differs: 5 a month"),
        ("unit_amount = 4900", "unit_amount = 5900", "which is not this stack's and differs"),
    ] {
        scene.write(&sample)?;
        scene.edit(from, to)?;
        let (before, said) = (scene.file()?, scene.apply("--yes").await);
        assert_eq!(said.exit, 3, "{said:?}");
        assert!(said.out.contains(told), "{said:?}");
        assert_eq!((scene.operator.writes(), scene.file()?), (vec![], before));
    }
    Ok(())
}

/// What somebody has changed in the dashboard, or what another price or other terms change, comes back;
/// applied twice, nothing is to do.
#[tokio::test]
async fn the_portal_is_kept_to_the_catalog() -> anyhow::Result<()> {
    let scene = Scene::with("portal", CATALOG).await?;
    scene.applied().await?;
    let id = CatalogFile::parse(&scene.file()?)?.catalog.portal.expect("it was made");
    let told = async |told: &str| -> anyhow::Result<()> {
        scene.operator.writes();
        let said = scene.applied().await?;
        assert_eq!(
            said.out.lines().next(),
            Some(format!("~ portal     -            {id}: {told}").as_str())
        );
        assert_eq!(scene.operator.writes(), [PORTAL[1]]);
        assert!(scene.applied().await?.out.starts_with("Nothing to change"));
        Ok(())
    };
    let change = |change: fn(&mut PortalConfiguration)| {
        scene.operator.stripe().update_configuration(&id, change)
    };
    change(|row| {
        let update = row.features.subscription_update.as_mut().expect("it offers it");
        update.proration = Proration::CreateProrations;
        row.active = false;
    })?;
    told("when a better plan is paid, whether it is active").await?;
    change(|row| row.features.subscription_update = None)?;
    told("the prices, what can be changed, when a better plan is paid, when a lesser plan begins")
        .await?;
    scene.edit("[portal]", "[brand]\nterms = \"https://shop.example/terms\"\n\n[portal]")?;
    told("the terms of service").await?;
    let shown = scene.operator.stripe().configuration(&id)?.terms_of_service_url.clone();
    assert_eq!(shown.as_deref(), Some("https://shop.example/terms"));

    // One that another made is left alone, and so is one that is not there.
    let foreign =
        scene.operator.stripe().create_configuration(PortalFeatures::default(), Metadata::new())?;
    for (other, why) in [
        (foreign.as_str(), "is not this stack's, and differs in"),
        ("bpc_1", "has no configuration"),
    ] {
        let before = scene.file()?;
        scene.edit(&id, other)?;
        let said = scene.apply("--yes").await;
        assert!(said.exit == 3 && said.out.contains(why), "{said:?}");
        scene.write(&before)?;
    }
    assert_eq!(scene.operator.writes(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_stage_that_is_not_there_stops_everything() -> anyhow::Result<()> {
    let scene = Scene::with("stage", &CATALOG.replace("api1:prod", "api1:nowhere")).await?;
    let said = scene.apply("--yes").await;
    assert_eq!(said.exit, 3, "{said:?}");
    assert!(said.out.contains("API Gateway has no stage api1:nowhere"), "{said:?}");
    assert_eq!(scene.operator.writes(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn an_interrupted_apply_is_completed_by_the_next() -> anyhow::Result<()> {
    let scene = Scene::with("interrupted", CATALOG).await?;
    let gateway = &scene.operator.stack.world.api_gateway;
    let there = gateway.scene(|model, _| model.plans().count());
    gateway.set_quotas(Quotas { plans: there + 1, ..Quotas::default() });
    let stopped = scene.apply("--yes").await;
    assert_eq!(stopped.exit, 1, "{stopped:?}");
    assert!(stopped.err.contains("LimitExceededException"), "{stopped:?}");
    assert_eq!(scene.ours(), ["tollgate/local/starter starter 100 MONTH"]);
    assert!(scene.file()?.contains("usage_plan"), "what was made is written down");
    gateway.set_quotas(Quotas::default());
    scene.operator.writes();
    scene.applied().await?;
    assert_eq!(
        scene.operator.writes(),
        ["CreateUsagePlan", "POST /v1/products", "POST /v1/prices", PORTAL[0]]
    );

    // And where not even the file was written, what is ours is found by its mark.
    let done = scene.file()?;
    scene.write(CATALOG)?;
    let said = scene.applied().await?;
    assert!(said.out.starts_with("= file       starter      usage_plan "), "{said:?}");
    assert_eq!(scene.operator.writes(), Vec::<String>::new());
    let mapping = |text: &str| -> anyhow::Result<Vec<String>> {
        let catalog = CatalogFile::parse(text)?.catalog;
        let plans = catalog.plans().iter();
        let plans = plans.map(|plan| format!("{} {:?}", plan.usage_plan, plan.products));
        Ok(plans.chain(catalog.portal.clone()).collect())
    };
    assert_eq!(mapping(&scene.file()?)?, mapping(&done)?);
    Ok(())
}

/// Stripe repeats for a day what it has answered to an idempotency key, its own failures too.
/// <https://docs.stripe.com/api/idempotent_requests>
#[tokio::test]
async fn a_failure_that_stripe_keeps_does_not_last_for_the_next_apply() -> anyhow::Result<()> {
    let mut scene = Scene::with("kept", CATALOG).await?;
    let base = keeping_failures(&scene.operator).await?;
    scene.operator.environment.insert("STRIPE_API_BASE", base);
    let failed = scene.apply("--yes").await;
    assert_eq!(failed.exit, 1, "{failed:?}");
    scene.applied().await?;
    assert!(scene.operator.stripe().price_by_lookup_key("team_monthly").is_some());
    Ok(())
}

/// A way to Stripe on which the first product's request fails, and its key with it.
async fn keeping_failures(operator: &Operator) -> anyhow::Result<String> {
    let failed: Arc<OnceLock<HeaderValue>> = Arc::default();
    let keep = move |request: Request, next: Next| {
        let failed = failed.clone();
        async move {
            match request.headers().get("idempotency-key").cloned() {
                Some(key) if *failed.get_or_init(|| key.clone()) == key => {
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
                _ => next.run(request).await,
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = router(operator.stack.world.stripe.clone()).layer(from_fn(keep));
    tokio::spawn(async { axum::serve(listener, service).await });
    Ok(url)
}

#[tokio::test]
async fn a_stacks_arn_stands_for_its_name() -> anyhow::Result<()> {
    let scene = Scene::with("arn", CATALOG).await?;
    let arn = "arn:aws:cloudformation:us-east-1:000000000000:stack/local/1";
    let line = format!("--stack {arn} plans apply {} --yes", scene.path.display());
    let said = scene.operator.run(&line, Input::Piped("")).await;
    assert_eq!(said.exit, 0, "{said:?}");
    let made = ["tollgate/local/starter starter 100 MONTH", "tollgate/local/team team 1000 DAY"];
    assert_eq!(scene.ours(), made);
    Ok(())
}

#[tokio::test]
async fn show_tells_what_the_file_says() -> anyhow::Result<()> {
    let scene = Scene::with("show", CATALOG).await?;
    let said =
        scene.operator.run(&format!("plans show {}", scene.path.display()), Input::Piped("")).await;
    assert!(said.out.contains("sold at team_monthly: 1900 usd every month"), "{said:?}");
    assert_shows("plans-show", &said.out);
    Ok(())
}
