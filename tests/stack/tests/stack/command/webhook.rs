//! `tollgate webhook apply`: one endpoint with the right types, its secret where the
//! functions find it and nowhere else.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use tollgate_core::policy::{PlanThen, Policy};
use tollgate_events::kind::CHARGE_REFUNDED;
use tollgate_events::stripe::{SigningSecret, verify};
use tollgate_standin::stripe::http::router;
use tollgate_standin::stripe::{EndpointUpdate, NewCustomer, NewEndpoint};

use super::{Input, Operator, Said};

const URL: &str = "https://shop.example/webhook";
const NONE: Input = Input::Piped("");

/// An operator of a stack that has no endpoint yet, by environment variables.
async fn operator() -> anyhow::Result<(Operator, String)> {
    let mut operator = Operator::start().await?;
    let arn = operator.stack.world.secrets.create("shop/webhook-secrets");
    operator.environment.extend([
        ("TOLLGATE_STACK", "shop".to_owned()),
        ("TOLLGATE_LIVEMODE", "false".to_owned()),
        ("TOLLGATE_WEBHOOK_URL", URL.to_owned()),
        ("TOLLGATE_CATALOG", operator.stack.world.plans_toml.clone()),
        ("STRIPE_WEBHOOK_SECRETS_ARN", arn.clone()),
        ("STRIPE_SECRET_KEY", "rk_test_operator".to_owned()),
    ]);
    Ok((operator, arn))
}

impl Operator {
    async fn webhook(&self, options: &str) -> Said {
        self.run(&format!("webhook apply {options}"), NONE).await
    }

    /// The ids of the endpoints at the shop's URL, newest first.
    fn endpoints(&self) -> Vec<String> {
        let stripe = self.stripe();
        stripe.endpoints().filter(|it| it.url == URL).map(|it| it.id.clone()).collect()
    }

    fn stored(&self, arn: &str) -> String {
        self.stack.world.secrets.value(arn).unwrap_or_default()
    }

    /// To which endpoints at the shop's URL an event is sent with a signature that the stored
    /// secrets verify, and to which with another.
    fn heard(&self, arn: &str) -> anyhow::Result<Vec<(String, bool)>> {
        let customer = self.stripe().create_customer(NewCustomer::default());
        self.stripe().delete_customer(&customer)?;
        let stored = self.stored(arn);
        let secrets: Vec<_> =
            stored.split(',').map(SigningSecret::new).collect::<Result<_, _>>()?;
        let (now, tolerance) = (self.stack.clock().time(), SignedDuration::from_secs(300));
        let sent = self.stripe().due_deliveries();
        let last = sent.last().map(|it| it.event.clone());
        let sent = sent.into_iter().filter(|it| it.url == URL && Some(&it.event) == last.as_ref());
        let heard = sent.map(|it| {
            let signature = self.stripe().sign(&it);
            let body = it.body.as_bytes();
            let verified = verify(Some(&signature), body, &secrets, now, tolerance).is_ok();
            (it.endpoint, verified)
        });
        let mut heard: Vec<_> = heard.collect();
        heard.sort_by_key(|(id, _)| self.endpoints().iter().position(|it| it == id));
        Ok(heard)
    }
}

#[tokio::test]
async fn an_endpoint_is_made_once_and_corrected() -> anyhow::Result<()> {
    let (operator, arn) = operator().await?;
    let dry = operator.webhook("--dry-run").await;
    assert_eq!(dry.exit, 4, "{dry:?}");
    assert_eq!(operator.writes(), Vec::<String>::new());
    let made = operator.webhook("--yes").await;
    assert_eq!(made.exit, 0, "{made:?}");
    let endpoint = "POST /v1/webhook_endpoints/{id}";
    assert_eq!(operator.writes(), ["POST /v1/webhook_endpoints", endpoint, "PutSecretValue"]);
    let again = operator.webhook("--yes").await;
    assert_eq!(again.out, "Nothing to change: the webhook endpoint is in place.\n");
    assert_eq!(operator.writes(), Vec::<String>::new());

    let [id] = &operator.endpoints()[..] else { anyhow::bail!("one endpoint was to be made") };
    let spoil = EndpointUpdate {
        enabled_events: Some(vec!["invoice.paid".into(), "plan.created".into()]),
        disabled: Some(true),
        ..EndpointUpdate::default()
    };
    operator.stripe().update_endpoint(id, spoil)?;
    let corrected = operator.webhook("--yes").await;
    assert!(corrected.out.contains("sends plan.created no more; is turned on"), "{corrected:?}");
    assert_eq!(operator.writes(), [endpoint]);
    let endpoint = operator.stripe().endpoints().find(|it| it.id == *id).cloned();
    let endpoint = endpoint.expect("it was corrected");
    assert_eq!((endpoint.enabled_events, endpoint.enabled), (types(), true));
    assert!(!operator.shows(&operator.stored(&arn)));
    Ok(())
}

fn types() -> Vec<String> {
    types_by(&Policy::default())
}

fn types_by(policy: &Policy) -> Vec<String> {
    policy.event_types().into_iter().map(str::to_owned).collect()
}

/// Refunds are told of where they end a plan, and nowhere else.
#[tokio::test]
async fn the_types_follow_the_policy() -> anyhow::Result<()> {
    let (mut operator, _) = operator().await?;
    operator.webhook("--yes").await;
    let of = |operator: &Operator| {
        operator.stripe().endpoints().find(|it| it.url == URL).map(|it| it.enabled_events.clone())
    };
    assert_eq!(of(&operator), Some(types()));
    let plans = operator.stack.world.plans_toml.clone();
    let ends = format!("{plans}\n[policy]\non_full_refund = \"end\"\n");
    operator.environment.insert("TOLLGATE_CATALOG", ends);
    let more = operator.webhook("--yes").await;
    assert!(more.out.contains(&format!("sends {CHARGE_REFUNDED} too")), "{more:?}");
    let policy = Policy { on_full_refund: PlanThen::End, ..Policy::default() };
    assert_eq!(of(&operator), Some(types_by(&policy)));
    operator.environment.insert("TOLLGATE_CATALOG", plans);
    let less = operator.webhook("--yes").await;
    assert!(less.out.contains(&format!("sends {CHARGE_REFUNDED} no more")), "{less:?}");
    operator.environment.remove("TOLLGATE_CATALOG");
    let unknown = operator.webhook("--yes").await;
    assert_eq!(unknown.exit, 2, "{unknown:?}");
    assert!(unknown.err.contains("--plans FILE"), "{unknown:?}");
    Ok(())
}

/// What is stored is what Stripe signs with, also while two endpoints send.
#[tokio::test]
async fn a_rolled_secret_is_stored_beside_the_old_one_until_that_is_retired() -> anyhow::Result<()>
{
    let (operator, arn) = operator().await?;
    operator.webhook("--yes").await;
    let first = operator.stored(&arn);
    let early = operator.webhook("--retire --yes").await;
    assert_eq!(early.exit, 3, "{early:?}");
    assert_eq!(operator.webhook("--roll --yes").await.exit, 0);
    let both = operator.stored(&arn);
    let second = both.strip_suffix(&format!(",{first}")).map(str::to_owned);
    let second = second.expect("the new one stands before the old one");
    assert_eq!(operator.webhook("--roll --yes").await.exit, 3, "one roll at a time");

    let ours = operator.endpoints();
    let verified = |id: &String| (id.clone(), true);
    assert_eq!(operator.heard(&arn)?, ours.iter().map(verified).collect::<Vec<_>>());

    // Turned off, the new one cannot take over.
    operator.stripe().enable_endpoint(&ours[0], false)?;
    let off = operator.webhook("--retire --yes").await;
    assert!(off.exit == 3 && off.out.contains(&format!("{}, is turned off", ours[0])), "{off:?}");
    assert_eq!(operator.webhook("--yes").await.exit, 0);
    assert_eq!((operator.endpoints(), operator.stored(&arn)), (ours.clone(), both.clone()));

    assert_eq!(operator.webhook("--retire --yes").await.exit, 0);
    assert_eq!((operator.endpoints(), operator.stored(&arn)), (ours[..1].to_vec(), second.clone()));

    // Interrupted between the two, it is finished by the next.
    operator.stack.world.secrets.put(&arn, "as before", &both)?;
    let rest = operator.webhook("--retire --yes").await;
    assert_eq!((rest.exit, operator.stored(&arn)), (0, second.clone()), "{rest:?}");
    assert_eq!(operator.heard(&arn)?, [(ours[0].clone(), true)]);
    assert!(!operator.shows(&first) && !operator.shows(&second));
    Ok(())
}

#[tokio::test]
async fn an_endpoint_without_a_stored_secret_says_what_to_do() -> anyhow::Result<()> {
    let (mut operator, _) = operator().await?;
    operator.webhook("--yes").await;
    let empty = operator.stack.world.secrets.create("shop/other");
    operator.environment.insert("STRIPE_WEBHOOK_SECRETS_ARN", empty);
    let said = operator.webhook("--yes").await;
    assert_eq!(said.exit, 3, "{said:?}");
    assert!(said.out.contains("secrets set webhook-secrets"), "{said:?}");
    assert!(said.out.contains("or delete the endpoint there and apply again"), "{said:?}");
    let [id] = &operator.endpoints()[..] else { anyhow::bail!("one endpoint was to be there") };
    operator.stripe().delete_endpoint(id)?;
    assert_eq!(operator.webhook("--yes").await.exit, 0);
    let again = operator.webhook("--yes").await;
    assert_eq!(again.out, "Nothing to change: the webhook endpoint is in place.\n");
    Ok(())
}

/// Stripe signs with another secret than the one that is stored: every event is refused.
#[tokio::test]
async fn a_stored_secret_that_is_another_endpoints_is_told_and_a_roll_mends_it()
-> anyhow::Result<()> {
    let (operator, arn) = operator().await?;
    operator.webhook("--yes").await;
    operator.stack.world.secrets.put(&arn, "wrong", "whsec_of_another_endpoint")?;
    operator.writes();
    let told = operator.webhook("--yes").await;
    assert_eq!(told.exit, 3, "{told:?}");
    assert!(told.out.contains("none of the stored signing secrets is its own"), "{told:?}");
    assert!(told.out.contains("Make another with --roll"), "{told:?}");
    assert_eq!(operator.writes(), Vec::<String>::new());

    assert_eq!(operator.webhook("--roll --yes").await.exit, 0);
    let [new, old] = &operator.endpoints()[..] else { anyhow::bail!("there were to be two") };
    assert_eq!(operator.heard(&arn)?, [(new.clone(), true), (old.clone(), false)]);
    // A deployment, with which the functions start anew, is not stopped by the old one.
    assert_eq!(operator.webhook("--yes").await.exit, 0);
    assert_eq!(operator.webhook("--retire --yes").await.exit, 0);
    assert_eq!(operator.heard(&arn)?, [(new.clone(), true)]);
    assert_eq!(operator.stored(&arn).split(',').count(), 1, "the wrong one is gone too");
    Ok(())
}

/// A way to Stripe on which the answer to a new endpoint is lost.
async fn losing(operator: &Operator) -> anyhow::Result<String> {
    async fn lose(request: Request, next: Next) -> Response {
        let new = request.method() == Method::POST
            && request.uri().path().ends_with("/webhook_endpoints");
        let answer = next.run(request).await;
        if new { StatusCode::BAD_GATEWAY.into_response() } else { answer }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = router(operator.stack.world.stripe.clone()).layer(from_fn(lose));
    tokio::spawn(async { axum::serve(listener, service).await });
    Ok(url)
}

/// The secret of the new endpoint is lost with the answer: the old one must stay until there
/// is one that works.
#[tokio::test]
async fn a_roll_whose_answer_is_lost_leaves_an_endpoint_that_works() -> anyhow::Result<()> {
    let (mut operator, arn) = operator().await?;
    operator.webhook("--yes").await;
    // As much as there would be after a roll, but of something else.
    let first = operator.stored(&arn);
    let both = format!("{first},whsec_of_an_older_one");
    operator.stack.world.secrets.put(&arn, "both", &both)?;
    let base = losing(&operator).await?;
    let base = operator.environment.insert("STRIPE_API_BASE", base).unwrap_or_default();
    let lost = operator.webhook("--roll --yes").await;
    assert_eq!(lost.exit, 1, "{lost:?}");
    operator.environment.insert("STRIPE_API_BASE", base);

    let [new, old] = &operator.endpoints()[..] else { anyhow::bail!("it was made: {lost:?}") };
    operator.writes();
    for options in ["--roll --yes", "--retire --yes"] {
        let said = operator.webhook(options).await;
        assert_eq!(said.exit, 3, "{options}: {said:?}");
        let mend = format!("Delete {new} in Stripe's dashboard, then make another with --roll.");
        assert!(said.out.contains(&mend), "{options}: {said:?}");
    }
    assert_eq!(operator.writes(), Vec::<String>::new());
    assert_eq!(operator.heard(&arn)?, [(new.clone(), false), (old.clone(), true)]);

    operator.stripe().delete_endpoint(new)?;
    assert_eq!(operator.webhook("--roll --yes").await.exit, 0);
    assert_eq!(operator.webhook("--retire --yes").await.exit, 0);
    let left = operator.endpoints();
    assert_eq!(operator.heard(&arn)?, [(left[0].clone(), true)]);
    assert!(!left.contains(new) && !left.contains(old));
    Ok(())
}

/// Its mark is a name, which another stack may have: only its secret says whose it is.
#[tokio::test]
async fn an_endpoint_at_an_earlier_url_is_told_of_and_retired() -> anyhow::Result<()> {
    let (mut operator, arn) = operator().await?;
    let namesake = NewEndpoint {
        metadata: [("tollgate_stack".to_owned(), "shop".to_owned())].into(),
        ..NewEndpoint::for_all("https://namesake.example/webhook")
    };
    let (namesake, _) = operator.stripe().create_endpoint(namesake);
    operator.environment.insert("TOLLGATE_WEBHOOK_URL", "https://old.example/webhook".into());
    assert_eq!(operator.webhook("--yes").await.exit, 0);
    let old = operator.stripe().endpoints().next().map(|it| it.id.clone()).expect("it was made");
    operator.environment.insert("TOLLGATE_WEBHOOK_URL", URL.into());
    let dry = operator.webhook("--dry-run --json").await;
    let told: serde_json::Value = serde_json::from_str(&dry.out)?;
    let create = told["changes"][0].as_str().unwrap_or_default();
    assert!(create.contains(URL), "{told}");
    let moved = operator.webhook("--yes").await;
    let note = format!("{old} of a stack of this name sends to https://old.example/webhook");
    assert!(moved.out.contains(&note) && moved.out.contains("--retire removes it"), "{moved:?}");
    assert_eq!(operator.webhook("--retire --yes").await.exit, 0);
    let left: Vec<_> = operator.stripe().endpoints().map(|it| it.id.clone()).collect();
    assert_eq!(left[..2], [operator.endpoints()[0].clone(), namesake]);
    assert!(!left.contains(&old));
    assert_eq!(operator.heard(&arn)?, [(left[0].clone(), true)]);
    Ok(())
}

/// The local stack's endpoint was made by hand, for every type.
#[tokio::test]
async fn somebody_elses_endpoint_is_compared_and_left_alone() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let enough = operator.tollgate("webhook apply --yes", NONE).await;
    assert_eq!(enough.exit, 0, "{enough:?}");
    let id = operator.stripe().endpoints().next().map(|it| it.id.clone()).expect("there is one");
    let told = format!("the endpoint {id} is not this stack's, and sends every type");
    assert!(enough.out.contains(&told), "{enough:?}");
    let less =
        EndpointUpdate { enabled_events: Some(types()[1..].to_vec()), ..EndpointUpdate::default() };
    operator.stripe().update_endpoint(&id, less)?;
    let lacking = operator.tollgate("webhook apply --yes", NONE).await;
    assert_eq!(lacking.exit, 3, "{lacking:?}");
    assert!(lacking.out.contains("lacks charge.dispute.closed"), "{lacking:?}");
    assert_eq!(operator.writes(), Vec::<String>::new());
    // Of every type the doctor says the same.
    let all =
        EndpointUpdate { enabled_events: Some(vec!["*".into()]), ..EndpointUpdate::default() };
    operator.stripe().update_endpoint(&id, all)?;
    let doctor = operator.tollgate("doctor", NONE).await;
    assert!(doctor.out.contains(&format!("{id} sends every type")), "{doctor:?}");
    Ok(())
}

/// A secret that cannot be stored is lost: the endpoint goes again.
#[tokio::test]
async fn an_endpoint_whose_secret_cannot_be_stored_is_removed() -> anyhow::Result<()> {
    let (mut operator, _) = operator().await?;
    let full = "whsec_".to_owned() + &"x".repeat(65_525);
    let arn = operator.stack.world.secrets.create_with("shop/full", &full);
    operator.environment.insert("STRIPE_WEBHOOK_SECRETS_ARN", arn.clone());
    let said = operator.webhook("--yes").await;
    assert_eq!(said.exit, 1, "{said:?}");
    assert_eq!((operator.endpoints(), operator.stored(&arn)), (vec![], full));
    Ok(())
}
