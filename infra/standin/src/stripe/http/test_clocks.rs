//! Test clocks, as far as they are modelled.

use jiff::Timestamp;
use serde_json::Value;

use super::form::Form;
use super::shown::shown;
use crate::stripe::error::{StripeError, StripeResult};
use crate::stripe::state::Stripe;

pub(super) fn create(stripe: &mut Stripe, _: &str, form: &mut Form) -> StripeResult<Value> {
    let time = frozen_time(form)?;
    let name = form.take("name");
    form.finish()?;
    if stripe.settings.livemode {
        return Err(StripeError::invalid("Test clocks are not available in live mode."));
    }
    let id = stripe.create_test_clock(time, name);
    shown(stripe, &id)
}

pub(super) fn get(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    form.finish()?;
    stripe.test_clock(id).map(|clock| stripe.show_test_clock(clock))
}

pub(super) fn advance(stripe: &mut Stripe, id: &str, form: &mut Form) -> StripeResult<Value> {
    let time = frozen_time(form)?;
    form.finish()?;
    stripe.advance_test_clock(id, time)?;
    shown(stripe, id)
}

fn frozen_time(form: &mut Form) -> StripeResult<Timestamp> {
    form.time("frozen_time")?.ok_or_else(|| StripeError::missing_parameter("frozen_time"))
}
