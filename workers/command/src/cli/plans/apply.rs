//! `tollgate plans apply`: observe, compare, show, ask, change.
//!
//! Every change can be repeated. What has been made is found again by its mark, so an
//! interrupted apply goes on where it stopped.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use tollgate_core::account::PlanId;
use tollgate_core::catalog::{CatalogDraft, Offer};
use tollgate_core::ports::{Class, Clock, Entropy as _, PortResult};
use tollgate_events::{PriceId, ProductId};
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_operator::storefront::{Change, Diff, ObservedStorefront, PortalSettings, Sold, diff};

use super::file::PlansFile;
use super::{Apply, print, to_apply};
use crate::adapters::stripe::OperatorStripe;
use crate::adapters::usage_plans::UsagePlans;
use crate::cli::confirm::ConsentAnswer;
use crate::cli::{Context, Exit, Failure, Io, Setting};

/// API Gateway takes one `UpdateUsagePlan` in 20 seconds, from everybody in the account and
/// Region; making usage plans is paced like changing them.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>
const PAUSE: SignedDuration = SignedDuration::from_secs(20);
/// How often a throttled change is tried.
const TRIES: u32 = 3;

pub(super) async fn run<C: Clock>(
    options: &Apply,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let (file, draft) = PlansFile::read(&to_apply(options.file.as_ref(), context)?)?;
    let stack = context.settings().await?.need(Setting::Stack)?.to_owned();
    let usage_plans = UsagePlans::new(aws_sdk_apigateway::Client::new(context.sdk().await));
    let stripe = stripe(&draft, context).await?;
    let observed = observe(&draft, &usage_plans, stripe.as_ref()).await?;
    let found = diff(&draft, &observed, &stack);
    if !context.json {
        print::diff(&found, io)?;
    }
    let revision = file.revision();
    if !found.obstacles.is_empty() {
        return refuse(&found, revision, context.json, io);
    }
    match options.consent.ask(!found.changes.is_empty(), context.json, io)? {
        ConsentAnswer::Nothing => {
            finish(&found, revision, false, context.json, io)?;
            Ok(Exit::Done)
        }
        ConsentAnswer::DryRun => {
            finish(&found, revision, false, context.json, io)?;
            Ok(Exit::WouldChange)
        }
        ConsentAnswer::Do => {
            let (products, sold) = (BTreeMap::new(), observed.sold());
            let mut applying = Applying {
                context,
                draft: &draft,
                stack,
                usage_plans,
                stripe,
                file,
                products,
                sold,
                paced: false,
            };
            for change in &found.changes {
                context.progress(&print::in_short(change), io)?;
                applying.perform(change, io).await?;
            }
            finish(&found, applying.file.revision(), true, context.json, io)?;
            Ok(Exit::Done)
        }
    }
}

/// Stripe is asked only where something is sold.
async fn stripe<C: Clock>(
    draft: &CatalogDraft,
    context: &Context<'_, C>,
) -> Result<Option<OperatorStripe>, Failure> {
    if draft.plans.iter().all(|plan| plan.sold_as().next().is_none()) {
        return Ok(None);
    }
    let config = context.stripe().await?;
    Ok(Some(OperatorStripe::new(&config.key, &config.endpoint)?))
}

async fn observe(
    draft: &CatalogDraft,
    usage_plans: &UsagePlans,
    stripe: Option<&OperatorStripe>,
) -> PortResult<ObservedStorefront> {
    let mut observed = ObservedStorefront {
        usage_plans: usage_plans.all().await?,
        ..ObservedStorefront::default()
    };
    for stage in &draft.stages {
        if !usage_plans.has_stage(stage).await? {
            observed.missing_stages.push(stage.clone());
        }
    }
    if let Some(stripe) = stripe {
        let plans = draft.plans.iter();
        let lookup_keys: Vec<_> = plans.flat_map(|plan| &plan.lookup_keys).cloned().collect();
        observed.prices = stripe.prices_of(&lookup_keys).await?;
        let ids = draft.plans.iter().filter(|plan| plan.lookup_keys.is_empty());
        for id in ids.filter_map(|plan| plan.prices.first()) {
            observed.by_id.extend(stripe.sold_price(id.as_str()).await?);
        }
        observed.portals = stripe.portals().await?;
        if let Some(id) = &draft.portal
            && observed.portals.iter().all(|it| it.id != *id)
        {
            observed.portals.extend(stripe.portal(id).await?);
        }
        observed.products = stripe.products().await?;
    }
    Ok(observed)
}

fn refuse(found: &Diff, revision: i64, json: bool, io: &mut Io<'_>) -> Result<Exit, Failure> {
    finish(found, revision, false, json, io)?;
    let count = found.obstacles.len();
    Err(Failure::refused(
        format!("nothing was changed: {count} in the way (marked with !)"),
        "Do what stands below each, and apply again.",
    ))
}

fn finish(
    found: &Diff,
    revision: i64,
    applied: bool,
    json: bool,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    if json {
        let mut document = print::as_json(found);
        document["applied"] = applied.into();
        document["revision"] = revision.into();
        writeln!(io.out, "{document:#}")?;
    } else if found.changes.is_empty() && found.obstacles.is_empty() {
        writeln!(io.out, "Nothing to change: revision {revision} is in place.")?;
    } else if applied {
        writeln!(
            io.out,
            "Done: revision {revision}. The functions see it with the next deployment."
        )?;
    }
    Ok(())
}

/// An apply under way.
struct Applying<'a, C> {
    context: &'a Context<'a, C>,
    draft: &'a CatalogDraft,
    stack: String,
    usage_plans: UsagePlans,
    stripe: Option<OperatorStripe>,
    file: PlansFile,
    /// Products that this apply has made.
    products: BTreeMap<PlanId, ProductId>,
    /// What is sold now.
    sold: Sold,
    /// Whether a usage plan was made or changed already.
    paced: bool,
}

impl<C: Clock> Applying<'_, C> {
    async fn perform(&mut self, change: &Change, io: &mut Io<'_>) -> Result<(), Failure> {
        match change {
            Change::CreateUsagePlan { plan, settings } => {
                let made =
                    async |this: &Self| this.usage_plans.create(&this.stack, plan, settings).await;
                let id = self.paced(made, io).await?;
                self.file.record_usage_plan(plan, &id)
            }
            Change::UpdateUsagePlan { id, from, to, .. } => {
                let updated = async |this: &Self| this.usage_plans.update(id, from, to).await;
                self.paced(updated, io).await
            }
            Change::RecordUsagePlan { plan, id } => self.file.record_usage_plan(plan, id),
            Change::CreateProduct { plan } => {
                let stripe = self.stripe()?;
                let id = stripe.create_product(&self.stack, plan, &key("product")).await?;
                self.products.insert(plan.clone(), id.clone());
                self.file.record_product(plan, &id)
            }
            Change::RecordProduct { plan, id } => self.file.record_product(plan, id),
            Change::CreatePrice { plan, offer, product, replaces } => {
                let product = product.as_ref().or(self.products.get(plan));
                let product = product.ok_or_else(|| lost_product(plan))?;
                let product = product.clone();
                self.create_price(plan, offer, product, replaces.as_ref()).await
            }
            Change::CreatePortal => {
                let (stripe, wanted) = (self.stripe()?, self.portal());
                let key = key("portal");
                let id = stripe.create_portal_configuration(&self.stack, &wanted, &key).await?;
                self.file.record_portal(&id)
            }
            Change::UpdatePortal { id, .. } => {
                Ok(self.stripe()?.update_portal_configuration(id, &self.portal()).await?)
            }
            Change::RecordPortal { id } => self.file.record_portal(id),
        }
    }

    /// What the portal is to offer, with the prices that this apply has made.
    fn portal(&self) -> PortalSettings {
        PortalSettings::wanted(&self.draft.plans, &self.sold, &self.draft.brand).0
    }

    async fn create_price(
        &mut self,
        plan: &PlanId,
        offer: &Offer,
        product: ProductId,
        replaces: Option<&PriceId>,
    ) -> Result<(), Failure> {
        let (stripe, taking) = (self.stripe()?, replaces.is_some());
        let what = (offer, &product);
        let id = stripe.create_price(&self.stack, plan, what, taking, &key("price")).await?;
        self.sold.insert(offer.lookup_key.clone(), (id, product));
        Ok(())
    }

    fn stripe(&self) -> Result<&OperatorStripe, Failure> {
        self.stripe.as_ref().ok_or_else(|| Failure::failed("Stripe was not asked", ""))
    }

    /// Makes or changes a usage plan, at API Gateway's pace.
    async fn paced<T>(
        &mut self,
        act: impl AsyncFn(&Self) -> PortResult<T>,
        io: &mut Io<'_>,
    ) -> Result<T, Failure> {
        if std::mem::replace(&mut self.paced, true) {
            self.wait(PAUSE, io).await?;
        }
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match act(self).await {
                Ok(done) => return Ok(done),
                Err(error) => match error.class {
                    Class::Throttled { after } if tries > 0 => {
                        self.wait(after.unwrap_or(PAUSE), io).await?;
                    }
                    _ => return Err(error.into()),
                },
            }
        }
    }

    async fn wait(&self, time: SignedDuration, io: &mut Io<'_>) -> Result<(), Failure> {
        let seconds = time.as_secs();
        let why = "API Gateway takes one usage plan every 20 s";
        self.context.progress(&format!("  waiting {seconds} s: {why}"), io)?;
        self.context.clock.sleep(time).await;
        Ok(())
    }
}

/// An idempotency key for one request, however often the client sends it. Another run has
/// another: Stripe repeats what it answered to a key for a day, failures of its own too, and
/// whatever was made is found by its mark or its lookup key.
/// <https://docs.stripe.com/api/idempotent_requests>
fn key(what: &str) -> String {
    format!("tollgate-{what}-{}", URL_SAFE_NO_PAD.encode(SystemEntropy.bytes()))
}

fn lost_product(plan: &PlanId) -> Failure {
    Failure::failed(format!("plan {plan} has no product for its prices"), "Repeat the command.")
}
