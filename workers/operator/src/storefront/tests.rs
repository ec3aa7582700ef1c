use proptest::prelude::*;
use tollgate_core::account::{PlanId, UsagePlanId};
use tollgate_core::catalog::{CatalogDraft, Interval, Offer, Period, Plan, Quota, Throttle};
use tollgate_events::{PriceId, ProductId};

use super::*;

const STACK: &str = "shop";

fn owner(stack: &str, plan: &str) -> Option<StorefrontOwner> {
    Some(StorefrontOwner { stack: stack.into(), plan: plan.into() })
}

fn product(id: &str) -> ProductId {
    ProductId::parse(id).unwrap()
}

/// Free and pro; pro is sold for `amount` a month and owns `products`.
fn draft(usage_plans: [&str; 2], amount: u64, products: &str) -> CatalogDraft {
    // The first usage plan is written down before the portal.
    let portal = if usage_plans[0].is_empty() { "" } else { "configuration = \"bpc_1\"" };
    CatalogDraft::parse(&format!(
        r#"
revision = 1
stages = ["api1:prod"]
[portal]
{portal}
[[plans]]
id = "free"
rank = 0
usage_plan = "{}"
quota = {{ limit = 10, period = "DAY" }}
[[plans]]
id = "pro"
rank = 1
usage_plan = "{}"
throttle = {{ rate = 5.0, burst = 10 }}
products = [{products}]
[[plans.offers]]
lookup_key = "pro_monthly"
unit_amount = {amount}
currency = "usd"
interval = "month"
"#,
        usage_plans[0], usage_plans[1],
    ))
    .unwrap()
}

fn settings(limit: Option<u32>, throttle: bool) -> UsageSettings {
    UsageSettings {
        stages: ["api1:prod".to_owned()].into(),
        quota: limit.map(|limit| Quota { limit, period: Period::Day }),
        throttle: throttle.then_some(Throttle { rate: 5.0, burst: 10 }),
    }
}

fn usage_plan(id: &str, owner: Option<StorefrontOwner>, settings: UsageSettings) -> ObservedPlan {
    let id = UsagePlanId::parse(id).unwrap();
    ObservedPlan { name: id.to_string(), id, owner, settings }
}

fn price(id: &str, product_id: &str, owner: Option<StorefrontOwner>, amount: u64) -> ObservedPrice {
    let terms = PriceTerms {
        unit_amount: amount,
        currency: "usd".into(),
        interval: Interval::Month,
        interval_count: 1,
    };
    ObservedPrice {
        id: PriceId::parse(id).unwrap(),
        lookup_key: "pro_monthly".into(),
        product: product(product_id),
        active: true,
        terms: Some(terms),
        owner,
    }
}

/// The portal, as it sells these prices.
fn portal(owner: &str, sold: &[(&str, &str)]) -> ObservedPortal {
    let draft = draft(["", ""], 4900, "");
    let sold = sold.iter().map(|(id, of)| (PriceId::parse(*id).unwrap(), product(of)));
    let sold = sold.map(|sold| ("pro_monthly".to_owned(), sold)).collect();
    let (settings, _) = PortalSettings::wanted(&draft.plans, &sold, &draft.brand);
    let stack = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
    ObservedPortal { id: "bpc_1".into(), active: true, stack, settings }
}

/// Everything as `draft(["u1", "u2"], 4900, "\"prod_1\"")` says.
fn in_order() -> ObservedStorefront {
    ObservedStorefront {
        missing_stages: Vec::new(),
        usage_plans: vec![
            usage_plan("u1", owner(STACK, "free"), settings(Some(10), false)),
            usage_plan("u2", owner(STACK, "pro"), settings(None, true)),
        ],
        products: vec![ObservedProduct { id: product("prod_1"), owner: owner(STACK, "pro") }],
        prices: vec![price("price_1", "prod_1", owner(STACK, "pro"), 4900)],
        by_id: Vec::new(),
        portals: vec![portal(STACK, &[("price_1", "prod_1")])],
    }
}

/// A diff in short.
fn told(diff: &Diff) -> Vec<String> {
    let change = |change: &Change| match change {
        Change::CreateUsagePlan { plan, .. } => format!("make usage plan {plan}"),
        Change::UpdateUsagePlan { id, .. } => format!("update {id}"),
        Change::RecordUsagePlan { plan, id } => format!("record {id} for {plan}"),
        Change::CreateProduct { plan } => format!("make product {plan}"),
        Change::RecordProduct { plan, id } => format!("record {id} for {plan}"),
        Change::CreatePrice { offer, replaces, .. } => {
            let replaces = replaces.as_ref().map_or("nothing", PriceId::as_str);
            format!("make price {} for {replaces}", offer.lookup_key)
        }
        Change::CreatePortal => "make portal".to_owned(),
        Change::UpdatePortal { id, differs } => format!("update {id}: {}", differs.join(", ")),
        Change::RecordPortal { id } => format!("record {id}"),
    };
    let obstacle = |obstacle: &Obstacle| match obstacle {
        Obstacle::MissingStage { stage } => format!("! no stage {stage}"),
        Obstacle::MissingUsagePlan { id, .. } => format!("! no usage plan {id}"),
        Obstacle::ForeignUsagePlan { id, .. } => format!("! foreign {id}"),
        Obstacle::ForeignPrice { id, .. } => format!("! foreign {id}"),
        Obstacle::Stranded { id, .. } => format!("! stranded {id}"),
        Obstacle::MissingPortal { id } => format!("! no portal {id}"),
        Obstacle::ForeignPortal { id, .. } => format!("! foreign {id}"),
    };
    let note = |note: &Note| match note {
        Note::LeftoverUsagePlan { id, .. } => format!("left over {id}"),
        Note::LeftoverProduct { id, .. } => format!("left over {id}"),
        Note::Later { lookup_key, .. } => format!("later {lookup_key}"),
        Note::NotInPortal { plan } => format!("not in the portal: {plan}"),
    };
    let changes = diff.changes.iter().map(change);
    changes.chain(diff.obstacles.iter().map(obstacle)).chain(diff.notes.iter().map(note)).collect()
}

#[test]
fn what_is_in_order_stays() {
    let draft = draft(["u1", "u2"], 4900, "\"prod_1\"");
    assert_eq!(diff(&draft, &in_order(), STACK), Diff::default());
}

#[test]
fn a_table_of_what_can_differ() {
    type Scene = (&'static str, [&'static str; 2], u64, &'static str, fn(&mut ObservedStorefront));
    let table: &[(Scene, &[&str])] = &[
        (
            ("nothing is there", ["", ""], 4900, "", |seen| *seen = ObservedStorefront::default()),
            &[
                "make usage plan free",
                "make usage plan pro",
                "make product pro",
                "make price pro_monthly for nothing",
                "make portal",
            ],
        ),
        (
            ("an apply was interrupted", ["u1", ""], 4900, "", |seen| seen.prices.clear()),
            &[
                "record u2 for pro",
                "record prod_1 for pro",
                "make price pro_monthly for nothing",
                "update bpc_1: the prices",
            ],
        ),
        (
            ("another quota", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.usage_plans[0].settings.quota = None;
            }),
            &["update u1"],
        ),
        (
            ("another stage", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.usage_plans[1].settings.stages.insert("api2:prod".into());
            }),
            &["update u2"],
        ),
        (
            ("another quota, not ours", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.usage_plans[0].settings.quota = None;
                seen.usage_plans[0].owner = owner("other", "free");
            }),
            &["! foreign u1"],
        ),
        (
            ("not ours, but right", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.usage_plans[0].owner = None;
                seen.prices[0].owner = None;
            }),
            &[],
        ),
        (
            ("all is sold by somebody else", ["u1", "u2"], 4900, "", |seen| {
                seen.products.clear();
                seen.prices[0].owner = None;
            }),
            &[],
        ),
        (
            ("a usage plan is gone", ["u1", "u9"], 4900, "\"prod_1\"", |_| {}),
            &["! no usage plan u9", "left over u2"],
        ),
        (
            ("a stage is gone", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.missing_stages.push("api1:prod".into());
            }),
            &["! no stage api1:prod"],
        ),
        (
            ("a price rise", ["u1", "u2"], 5900, "\"prod_1\"", |_| {}),
            &["make price pro_monthly for price_1", "update bpc_1: the prices"],
        ),
        (
            ("a price rise, not ours", ["u1", "u2"], 5900, "\"prod_1\"", |seen| {
                seen.prices[0].owner = None;
            }),
            &["! foreign price_1"],
        ),
        (
            ("a price rise, and the file has no product", ["u1", "u2"], 5900, "", |_| {}),
            &["record prod_1 for pro", "later pro_monthly"],
        ),
        (
            ("a price of an unknown product", ["u1", "u2"], 5900, "\"prod_1\"", |seen| {
                seen.prices[0].product = product("prod_9");
            }),
            &["update bpc_1: the prices", "! stranded price_1"],
        ),
        (
            ("an archived price", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.prices[0].active = false;
            }),
            &["make price pro_monthly for price_1", "update bpc_1: the prices"],
        ),
        (
            ("a better plan would cost nothing", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.portals[0].settings.proration = "create_prorations".into();
                seen.portals[0].active = false;
            }),
            &["update bpc_1: when a better plan is paid, whether it is active"],
        ),
        (
            ("a portal, not ours", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.portals[0].stack = Some("other".into());
                seen.portals[0].settings.cancels = None;
            }),
            &["! foreign bpc_1"],
        ),
        (
            ("a portal, not ours, but right", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.portals[0].stack = None;
            }),
            &[],
        ),
        (
            ("a portal of the other mode", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                seen.portals.clear();
            }),
            &["! no portal bpc_1"],
        ),
        (
            (
                "a portal that was made and not written down",
                ["", "u2"],
                4900,
                "\"prod_1\"",
                |seen| {
                    seen.portals[0].settings.invoices = false;
                },
            ),
            &["record u1 for free", "record bpc_1", "update bpc_1: whether invoices are shown"],
        ),
        (
            ("a twin of the product", ["u1", "u2"], 4900, "\"prod_1\"", |seen| {
                let twin = ObservedProduct { id: product("prod_0"), ..seen.products[0].clone() };
                seen.products.push(twin);
            }),
            &["left over prod_0"],
        ),
    ];
    for ((name, usage_plans, amount, products, change), expected) in table {
        let mut seen = in_order();
        change(&mut seen);
        let found = diff(&draft(*usage_plans, *amount, products), &seen, STACK);
        assert_eq!(told(&found), *expected, "{name}");
    }
}

/// Does what a diff says to a world and a file, as the services would.
fn apply(draft: &mut CatalogDraft, seen: &mut ObservedStorefront, changes: &[Change]) {
    for (number, change) in changes.iter().enumerate() {
        match change.clone() {
            Change::CreateUsagePlan { plan, settings } => {
                let made =
                    usage_plan(&format!("made{number}"), owner(STACK, plan.as_str()), settings);
                of(draft, &plan).usage_plan = Some(made.id.clone());
                seen.usage_plans.push(made);
            }
            Change::UpdateUsagePlan { id, to, .. } => {
                let found = seen.usage_plans.iter_mut().find(|seen| seen.id == id);
                found.unwrap().settings = to;
            }
            Change::RecordUsagePlan { plan, id } => of(draft, &plan).usage_plan = Some(id),
            Change::CreateProduct { plan } => {
                let id = product(&format!("prod_made{number}"));
                let owner = owner(STACK, plan.as_str());
                seen.products.push(ObservedProduct { id: id.clone(), owner });
                of(draft, &plan).products.push(id);
            }
            Change::RecordProduct { plan, id } => of(draft, &plan).products.push(id),
            Change::CreatePrice { plan, offer, product, replaces } => {
                let taken = |price: &ObservedPrice| price.lookup_key == offer.lookup_key;
                let before = seen.prices.iter().position(taken).map(|at| seen.prices.remove(at));
                assert_eq!(before.map(|price| price.id), replaces);
                let last = of(draft, &plan).products.last().cloned();
                seen.prices.push(ObservedPrice {
                    id: PriceId::parse(format!("price_made{number}")).unwrap(),
                    lookup_key: offer.lookup_key.clone(),
                    product: product.or(last).unwrap(),
                    active: true,
                    terms: Some(PriceTerms::of(&offer)),
                    owner: owner(STACK, plan.as_str()),
                });
            }
            Change::CreatePortal => {
                let settings = wanted(draft, seen);
                let (id, stack) = ("bpc_made".to_owned(), Some(STACK.to_owned()));
                draft.portal = Some(id.clone());
                seen.portals.push(ObservedPortal { id, active: true, stack, settings });
            }
            Change::UpdatePortal { id, .. } => {
                let settings = wanted(draft, seen);
                let found = seen.portals.iter_mut().find(|seen| seen.id == id).unwrap();
                *found = ObservedPortal { active: true, settings, ..found.clone() };
            }
            Change::RecordPortal { id } => draft.portal = Some(id),
        }
    }
}

fn wanted(draft: &CatalogDraft, seen: &ObservedStorefront) -> PortalSettings {
    PortalSettings::wanted(&draft.plans, &seen.sold(), &draft.brand).0
}

fn of<'a>(draft: &'a mut CatalogDraft, plan: &PlanId) -> &'a mut Plan<Option<UsagePlanId>> {
    draft.plans.iter_mut().find(|it| it.id == *plan).unwrap()
}

fn any_owner() -> impl Strategy<Value = Option<StorefrontOwner>> {
    prop_oneof![
        Just(None),
        Just(owner("other", "free")),
        (0..3_usize).prop_map(|plan| owner(STACK, ["free", "pro", "gone"][plan])),
    ]
}

fn any_settings() -> impl Strategy<Value = UsageSettings> {
    (prop::option::of(10..12_u32), any::<bool>(), any::<bool>()).prop_map(
        |(limit, throttle, staged)| {
            let mut settings = settings(limit, throttle);
            if !staged {
                settings.stages.clear();
            }
            settings
        },
    )
}

fn any_world() -> impl Strategy<Value = ObservedStorefront> {
    let plans = prop::collection::vec((any_owner(), any_settings()), 0..4);
    let products = prop::collection::vec(any_owner(), 0..3);
    let sold = prop::option::of((0..3_usize, any_owner(), 4900..4902_u64, any::<bool>()));
    let portals = prop::option::of((any::<bool>(), any::<bool>(), 0..3_usize));
    let all = (plans, products, sold, portals);
    all.prop_map(|(plans, products, sold, portals)| ObservedStorefront {
        by_id: Vec::new(),
        portals: portals
            .into_iter()
            .map(|(ours, active, n)| {
                let made =
                    portal(if ours { STACK } else { "" }, &[("price_1", &format!("prod_{n}"))]);
                ObservedPortal { active, ..made }
            })
            .collect(),
        missing_stages: Vec::new(),
        usage_plans: plans
            .into_iter()
            .enumerate()
            .map(|(n, (owner, settings))| usage_plan(&format!("u{n}"), owner, settings))
            .collect(),
        products: products
            .into_iter()
            .enumerate()
            .map(|(n, owner)| ObservedProduct { id: product(&format!("prod_{n}")), owner })
            .collect(),
        prices: sold
            .into_iter()
            .map(|(n, owner, amount, active)| {
                let price = price("price_1", &format!("prod_{n}"), owner, amount);
                ObservedPrice { active, ..price }
            })
            .collect(),
    })
}

proptest! {
    /// Once applied, nothing is left to do but what was put off until a deployment; what is
    /// not ours is as it was, and still in the way where it was.
    #[test]
    fn applied_is_done(
        mut seen in any_world(),
        named in (0..5_usize, 0..5_usize),
        known in prop::option::of(0..3_usize),
    ) {
        let name = |n: usize| ["", "u0", "u1", "u2", "u3"][n];
        let named = if named.0 == named.1 { (named.0, 0) } else { named };
        let products = known.map_or(String::new(), |n| format!("\"prod_{n}\""));
        let mut draft = draft([name(named.0), name(named.1)], 4900, &products);
        let found = diff(&draft, &seen, STACK);
        let foreign = |seen: &ObservedStorefront| {
            let ours = |owner: &Option<StorefrontOwner>| owner.as_ref().is_some_and(|it| it.stack == STACK);
            let plans = seen.usage_plans.iter().filter(|it| !ours(&it.owner)).cloned();
            let prices = seen.prices.iter().filter(|it| !ours(&it.owner)).cloned();
            let portals = seen.portals.iter().filter(|it| it.stack.is_none()).cloned();
            (plans.collect::<Vec<_>>(), prices.collect::<Vec<_>>(), portals.collect::<Vec<_>>())
        };
        let before = foreign(&seen);
        apply(&mut draft, &mut seen, &found.changes);
        prop_assert_eq!(foreign(&seen), before);
        // What was put off comes now, and then there is peace.
        let later = diff(&draft, &seen, STACK);
        prop_assert_eq!(&later.obstacles, &found.obstacles);
        let put_off = found.notes.iter().any(|note| matches!(note, Note::Later { .. }));
        prop_assert_eq!(later.changes.is_empty(), !put_off, "{:?}", later.changes);
        apply(&mut draft, &mut seen, &later.changes);
        prop_assert_eq!(diff(&draft, &seen, STACK).changes, Vec::new());
    }
}

/// Ten products are all that a configuration takes: what is left out is told, the others stay.
#[test]
fn a_portal_takes_ten_products() {
    let plan = |n: usize| {
        let at = format!("[[plans]]\nid = \"p{n}\"\nrank = {n}\nprices = [\"price_{n}\"]\n");
        format!("{at}usage_plan = \"u{n}\"\n")
    };
    let plans: String = (1..=12).map(plan).collect();
    let draft =
        CatalogDraft::parse(&format!("revision = 1\nstages = [\"api1:prod\"]\n{plans}")).unwrap();
    let plans = (1..=12).map(|n| {
        let stages = ["api1:prod".to_owned()].into();
        let settings = UsageSettings { stages, quota: None, throttle: None };
        usage_plan(&format!("u{n}"), None, settings)
    });
    // The last is of the first one's product.
    let of = |n: usize| product(&format!("prod_{}", if n == 12 { 1 } else { n }));
    let by_id = (1..=12).map(|n| (PriceId::parse(format!("price_{n}")).unwrap(), of(n)));
    let (usage_plans, by_id) = (plans.collect(), by_id.collect());
    let seen = ObservedStorefront { usage_plans, by_id, ..ObservedStorefront::default() };
    assert_eq!(told(&diff(&draft, &seen, STACK)), ["make portal", "not in the portal: p11"]);
    let wanted = wanted(&draft, &seen);
    assert_eq!(wanted.products.len(), MOST_PRODUCTS);
    assert_eq!(wanted.products[&product("prod_1")].len(), 2);
}

#[test]
fn terms_and_settings_read_as_sentences() {
    let offer = Offer {
        lookup_key: "pro".into(),
        unit_amount: 4900,
        currency: "usd".into(),
        interval: Interval::Month,
        interval_count: 3,
    };
    assert_eq!(PriceTerms::of(&offer).to_string(), "4900 usd every 3 months");
    let none = UsageSettings { stages: Default::default(), quota: None, throttle: None };
    assert_eq!(none.to_string(), "no quota; no throttle; no stage");
    let both = settings(Some(10), true);
    assert_eq!(both.to_string(), "10 a day; 5/s, burst 10; stages api1:prod");
}
