//! What is told to do is what works for this very thing.

use super::*;

fn mark(it: &mut Scene, stack: Option<&str>) {
    endpoint(it).stack = stack.map(str::to_owned);
}

fn owner(it: &mut Scene, stack: Option<&str>) {
    plans(it)[2].settings.throttle = None;
    let owner = |stack: &str| StorefrontOwner { stack: stack.into(), plan: "pro".into() };
    plans(it)[2].owner = stack.map(owner);
}

fn offer(it: &mut Scene) {
    let from = "lookup_keys = [\"pro_monthly\", \"pro_yearly\"]\nproducts = [\"prod_pro\"]\n";
    let offers = "products = [\"prod_pro\"]\n\
        offers = [{ lookup_key = \"pro_monthly\", unit_amount = 1, currency = \"usd\", interval = \"month\" }, \
        { lookup_key = \"pro_yearly\", unit_amount = 1, currency = \"usd\", interval = \"year\" }]\n";
    catalog(it, from, offers);
    prices(it)[2].lookup_key = None;
}

/// Where another mend than the next best would be refused, or lose something.
#[rustfmt::skip]
const MENDS: &[(&str, &str, Break)] = &[
    ("usage-plans-exist", "remove `usage_plan` of `pro` from plans.toml, then `tollgate --stack shop plans apply`", |it| drop(plans(it).remove(2))),
    ("usage-plans-limits", "`tollgate --stack shop plans apply`", |it| owner(it, Some("shop"))),
    ("usage-plans-limits", "up-pro is of stack `other`: change it there, or name another in plans.toml", |it| owner(it, Some("other"))),
    ("usage-plans-limits", "change up-pro yourself; or give it the tags tollgate:stack=shop and tollgate:plan=pro, then `tollgate --stack shop plans apply`", |it| owner(it, None)),
    ("stripe-prices", "correct lookup key pro_monthly in plans.toml, or make such a price at https://dashboard.stripe.com/products", |it| prices(it)[1].lookup_key = None),
    ("stripe-prices", "take lookup key pro_yearly out of plans.toml, unless it is to come", |it| prices(it)[2].lookup_key = None),
    ("stripe-prices", "`tollgate --stack shop plans apply`", offer),
    ("webhook-endpoint", "delete we_1, then `tollgate --stack shop webhook apply`", |it| endpoint(it).connect = true),
    ("webhook-endpoint", "`tollgate --stack shop webhook apply`", |it| endpoint(it).enabled = false),
    ("webhook-endpoint", "enable it at https://dashboard.stripe.com/webhooks/we_1: it lacks this stack's mark, so `webhook apply` leaves it alone", |it| {
        mark(it, None);
        endpoint(it).enabled = false;
    }),
    ("webhook-events", "`tollgate --stack shop webhook apply`", |it| endpoint(it).events = vec!["*".into()]),
    ("webhook-api-version", "`tollgate --stack shop webhook apply --roll`; when the functions have started anew, `tollgate --stack shop webhook apply --retire`", |it| endpoint(it).api_version = None),
    ("webhook-api-version", "`tollgate --stack shop webhook apply --roll`; when the functions have started anew, delete it at https://dashboard.stripe.com/webhooks/we_1", |it| {
        mark(it, Some("other"));
        endpoint(it).api_version = None;
    }),
    ("webhook-api-version", "the last roll is not over: when the functions have started anew, `tollgate --stack shop webhook apply --retire`, then look again", |it| {
        twin(it);
        endpoint(it).api_version = None;
    }),
    ("webhook-endpoint", "when the functions have started anew, `tollgate --stack shop webhook apply --retire`", twin),
    ("webhook-endpoint", "when the functions have started anew, delete all but the newest of we_1, we_2 at https://dashboard.stripe.com/webhooks", |it| {
        mark(it, None);
        twin(it);
    }),
];

#[test]
fn a_mend_is_one_that_works_here() {
    for (check, mend, broken) in MENDS {
        let mut scene = healthy();
        broken(&mut scene);
        let findings = scene.examine();
        let finding = findings.findings.iter().find(|it| it.check == *check).unwrap();
        let [problem] = &finding.problems[..] else { panic!("{check}: {:?}", finding.problems) };
        assert_eq!(problem.mend, *mend);
    }
}

#[test]
fn types_of_an_endpoint_without_the_mark_are_chosen_by_hand() {
    let breaks: [fn(&mut Endpoint); 3] = [
        |it| it.events = vec!["*".into()],
        |it| it.events.push("product.created".into()),
        |it| it.events.retain(|kind| kind != "invoice.paid"),
    ];
    for broken in breaks {
        let mut scene = healthy();
        mark(&mut scene, None);
        broken(endpoint(&mut scene));
        let findings = scene.examine();
        let finding = findings.findings.iter().find(|it| it.check == "webhook-events").unwrap();
        let mend = &finding.problems[0].mend;
        assert!(mend.starts_with(&format!("choose {} at ", event_types().join(", "))), "{mend}");
        assert!(mend.contains("/webhooks/we_1: it lacks this stack's mark"), "{mend}");
    }
}
