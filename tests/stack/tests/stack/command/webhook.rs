//! `tollgate webhook apply`: one endpoint with the right types, its secret where the
//! functions find it and nowhere else.

use jiff::SignedDuration;
use tollgate_events::stripe::{ACTED_ON, SigningSecret, verify};
use tollgate_standin::stripe::{EndpointUpdate, NewCustomer};

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
}

#[tokio::test]
async fn an_endpoint_is_made_once_and_corrected() -> anyhow::Result<()> {
    let (operator, arn) = operator().await?;
    let dry = operator.webhook("--dry-run").await;
    assert_eq!(dry.exit, 4, "{dry:?}");
    assert_eq!(operator.writes(), Vec::<String>::new());
    let made = operator.webhook("--yes").await;
    assert_eq!(made.exit, 0, "{made:?}");
    assert_eq!(operator.writes(), ["POST /v1/webhook_endpoints", "PutSecretValue"]);
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
    assert_eq!(operator.writes(), ["POST /v1/webhook_endpoints/{id}"]);
    let endpoint = operator.stripe().endpoints().find(|it| it.id == *id).cloned();
    let endpoint = endpoint.expect("it was corrected");
    assert_eq!((endpoint.enabled_events, endpoint.enabled), (types(), true));
    assert!(!operator.shows(&operator.stored(&arn)));
    Ok(())
}

fn types() -> Vec<String> {
    ACTED_ON.iter().map(|kind| (*kind).to_owned()).collect()
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

    let customer = operator.stripe().create_customer(NewCustomer::default());
    operator.stripe().delete_customer(&customer)?;
    let secrets: Vec<_> = both.split(',').map(SigningSecret::new).collect::<Result<_, _>>()?;
    let now = operator.stack.clock().time();
    let ours = operator.endpoints();
    let sent = operator.stripe().due_deliveries();
    let sent: Vec<_> = sent.iter().filter(|it| ours.contains(&it.endpoint)).collect();
    assert_eq!(sent.len(), 2, "customer.deleted, to both");
    for delivery in sent {
        let signature = operator.stripe().sign(delivery);
        let tolerance = SignedDuration::from_secs(300);
        verify(Some(&signature), delivery.body.as_bytes(), &secrets, now, tolerance)?;
    }

    assert_eq!(operator.webhook("--retire --yes").await.exit, 0);
    assert_eq!((operator.endpoints(), operator.stored(&arn)), (ours[..1].to_vec(), second.clone()));
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
    assert!(said.out.contains("secrets set webhook-secrets") && said.out.contains("--roll"));
    Ok(())
}

/// The local stack's endpoint was made by hand, for every type.
#[tokio::test]
async fn somebody_elses_endpoint_is_compared_and_left_alone() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let enough = operator.tollgate("webhook apply --yes", NONE).await;
    assert_eq!(enough.exit, 0, "{enough:?}");
    let id = operator.stripe().endpoints().next().map(|it| it.id.clone()).expect("there is one");
    let less =
        EndpointUpdate { enabled_events: Some(types()[1..].to_vec()), ..EndpointUpdate::default() };
    operator.stripe().update_endpoint(&id, less)?;
    let lacking = operator.tollgate("webhook apply --yes", NONE).await;
    assert_eq!(lacking.exit, 3, "{lacking:?}");
    assert!(lacking.out.contains("lacks charge.dispute.closed"), "{lacking:?}");
    assert_eq!(operator.writes(), Vec::<String>::new());
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
