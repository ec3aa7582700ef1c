//! The catalog and its differences, for people and for programs.

use std::io::Result;

use serde_json::{Value, json};
use tollgate_core::account::UsagePlanId;
use tollgate_core::catalog::{CatalogDraft, Offer, Plan};
use tollgate_operator::storefront::{
    Change, Diff, MOST_PRODUCTS, Note, Obstacle, PriceTerms, UsageSettings,
};

use crate::cli::table::fields;
use crate::cli::{Colour, Io};

/// The catalog: each plan with what it allows, and what it is sold as.
pub(super) fn catalog(draft: &CatalogDraft, json: bool, io: &mut Io<'_>) -> Result<()> {
    if json {
        let offer = |offer: &Offer| json!({ "lookup_key": offer.lookup_key, "price": PriceTerms::of(offer).to_string() });
        let plan = |plan: &Plan<Option<UsagePlanId>>| {
            json!({
                "id": plan.id,
                "rank": plan.rank,
                "usage_plan": plan.usage_plan,
                "prices": plan.prices,
                "lookup_keys": plan.lookup_keys,
                "products": plan.products,
                "offers": plan.offers.iter().map(offer).collect::<Vec<_>>(),
            })
        };
        let plans: Vec<_> = draft.plans.iter().map(plan).collect();
        let catalog = json!({ "revision": draft.revision, "stages": draft.stages, "plans": plans });
        return writeln!(io.out, "{catalog:#}");
    }
    let rows = draft.plans.iter().map(|plan| (plan.id.as_str(), about(plan, &draft.stages)));
    let revision = ("Revision", draft.revision.to_string());
    fields(&std::iter::once(revision).chain(rows).collect::<Vec<_>>(), io)
}

/// What a plan allows, and what it is sold as, one to a line.
fn about(plan: &Plan<Option<UsagePlanId>>, stages: &[String]) -> String {
    let stages = stages.iter().cloned().collect();
    let settings = UsageSettings { stages, quota: plan.quota, throttle: plan.throttle };
    let usage_plan = plan
        .usage_plan
        .as_ref()
        .map_or("no usage plan yet".to_owned(), |id| format!("usage plan {id}"));
    let offers = plan.offers.iter();
    let offers = offers.map(|it| format!("sold at {}: {}", it.lookup_key, PriceTerms::of(it)));
    let sold = sold_as(plan).map(|(what, id)| format!("sold as {what} {id}"));
    let lines = [format!("rank {}, {usage_plan}", plan.rank), settings.to_string()];
    lines.into_iter().chain(offers).chain(sold).collect::<Vec<_>>().join("\n")
}

/// What of Stripe's sells a plan besides its offers: what it is, and its id or key.
fn sold_as<U>(plan: &Plan<U>) -> impl Iterator<Item = (&'static str, &str)> {
    let offered = |key: &&String| plan.offers.iter().any(|offer| offer.lookup_key == **key);
    let keys = plan.lookup_keys.iter().filter(move |key| !offered(key));
    let prices = plan.prices.iter().map(|id| ("price", id.as_str()));
    let products = plan.products.iter().map(|id| ("product", id.as_str()));
    prices.chain(keys.map(|key| ("lookup key", key.as_str()))).chain(products)
}

/// What would change, line by line.
pub(super) fn diff(diff: &Diff, io: &mut Io<'_>) -> Result<()> {
    for change in &diff.changes {
        let Line { sign, what, plan, text } = line(change);
        let sign = match sign {
            '~' => io.paint(Colour::Yellow, "~"),
            sign => io.paint(Colour::Green, &sign.to_string()),
        };
        let line = format!("{sign} {what:<10} {plan:<12} {text}");
        writeln!(io.out, "{}", line.trim_end())?;
    }
    for obstacle in &diff.obstacles {
        let (problem, mend) = told(obstacle);
        let sign = io.paint(Colour::Red, "!");
        writeln!(io.out, "{sign} {problem}\n  {mend}")?;
    }
    for it in &diff.notes {
        writeln!(io.out, "  {}", note(it))?;
    }
    Ok(())
}

/// The same for programs.
pub(super) fn as_json(diff: &Diff) -> Value {
    let change = |change: &Change| {
        let Line { what, plan, text, sign } = line(change);
        json!({ "change": sign.to_string(), "what": what, "plan": plan, "text": text })
    };
    let obstacle = |obstacle: &Obstacle| {
        let (problem, mend) = told(obstacle);
        json!({ "problem": problem, "mend": mend })
    };
    json!({
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "obstacles": diff.obstacles.iter().map(obstacle).collect::<Vec<_>>(),
        "notes": diff.notes.iter().map(note).collect::<Vec<_>>(),
    })
}

/// A change in one line: `+` comes, `~` becomes another, `=` is written into the file.
struct Line {
    sign: char,
    what: &'static str,
    plan: String,
    text: String,
}

/// A change in one line, for progress.
pub(super) fn in_short(change: &Change) -> String {
    let Line { sign, what, plan, .. } = line(change);
    format!("{sign} {what} {plan}")
}

fn line(change: &Change) -> Line {
    let (sign, what, plan, text) = match change {
        Change::CreateUsagePlan { plan, settings } => {
            ('+', "usage plan", plan, settings.to_string())
        }
        Change::UpdateUsagePlan { plan, id, from, to } => {
            ('~', "usage plan", plan, format!("{id}: {from} -> {to}"))
        }
        Change::RecordUsagePlan { plan, id } => ('=', "file", plan, format!("usage_plan {id}")),
        Change::CreateProduct { plan } => ('+', "product", plan, String::new()),
        Change::RecordProduct { plan, id } => ('=', "file", plan, format!("product {id}")),
        Change::CreatePrice { plan, offer, replaces, .. } => {
            let terms = PriceTerms::of(offer);
            let after = replaces.as_ref().map_or(String::new(), |old| {
                format!(" instead of {old}, which its subscribers keep")
            });
            ('+', "price", plan, format!("{}: {terms}{after}", offer.lookup_key))
        }
        Change::CreatePortal => return portal('+', PORTAL.to_owned()),
        Change::UpdatePortal { id, differs } => {
            return portal('~', format!("{id}: {}", differs.join(", ")));
        }
        Change::RecordPortal { id } => return portal('=', format!("configuration {id}")),
    };
    Line { sign, what, plan: plan.to_string(), text }
}

/// What a new configuration of the portal is.
const PORTAL: &str =
    "a better plan is paid at once; a lesser one, or the end, comes with the period";

fn portal(sign: char, text: String) -> Line {
    let what = if sign == '=' { "file" } else { "portal" };
    Line { sign, what, plan: "-".to_owned(), text }
}

/// What is in the way, and what to do about it.
fn told(obstacle: &Obstacle) -> (String, String) {
    match obstacle {
        Obstacle::MissingStage { stage } => (
            format!("API Gateway has no stage {stage}"),
            "Deploy the API, or correct `stages` in the file, AWS_REGION or AWS_PROFILE.".into(),
        ),
        Obstacle::MissingUsagePlan { plan, id } => (
            format!("plan {plan}: API Gateway has no usage plan {id}"),
            "Correct or remove `usage_plan` in the file; without it, one is made.".into(),
        ),
        Obstacle::ForeignUsagePlan { plan, id, is, should_be } => (
            format!("plan {plan}: usage plan {id} is not this stack's, and differs: {is}"),
            format!("Change it yourself to: {should_be}. Or change the file to what it is."),
        ),
        Obstacle::ForeignPrice { plan, lookup_key, id } => (
            format!(
                "plan {plan}: {lookup_key} is price {id}, which is not this stack's and differs"
            ),
            "Choose another lookup key, or list this one in `lookup_keys` instead of an offer."
                .into(),
        ),
        Obstacle::Stranded { plan, lookup_key, id, product } => (
            format!(
                "plan {plan}: price {id} would lose {lookup_key}, and its subscribers their plan"
            ),
            format!(
                "Add its product {product} to `products` of their plan, deploy, and apply again."
            ),
        ),
        Obstacle::MissingPortal { id } => (
            format!("Stripe has no configuration {id} of the portal"),
            "Take `configuration` out of [portal] in the file, and apply again: one is made. Or use \
             the key of the other mode."
                .into(),
        ),
        Obstacle::ForeignPortal { id, differs } => (
            format!("the portal's configuration {id} is not this stack's, and differs in {}", differs.join(", ")),
            "Change it yourself; or take `configuration` out of [portal] in the file, and apply \
             again: one is made."
                .into(),
        ),
    }
}

fn note(note: &Note) -> String {
    match note {
        Note::LeftoverUsagePlan { id, name } => {
            format!("usage plan {id} ({name}) is of no plan in the file; it is left as it is")
        }
        Note::LeftoverProduct { plan, id } => {
            format!("product {id} is a second one for plan {plan}; it is left as it is")
        }
        Note::NotInPortal { plan } => format!(
            "plan {plan} is not in the portal, which takes {MOST_PRODUCTS} products: nobody can \
             change to it there"
        ),
        Note::Later { plan, lookup_key } => format!(
            "price {lookup_key} of plan {plan} waits: deploy the file with its product first, \
             then apply again"
        ),
    }
}
