//! Every cell of the transition table against a documented fact.

use proptest::prelude::*;

use super::super::transitions::{Action as A, Cell, Refusal, Status as S, TABLE, cell};
use super::*;

const OVERVIEW: &str = "docs.stripe.com/billing/subscriptions/overview#subscription-statuses";
const OBJECT: &str = "docs.stripe.com/api/subscriptions/object#subscription_object-status";
const CANCEL: &str = "docs.stripe.com/api/subscriptions/cancel";
const TRIALS: &str = "docs.stripe.com/billing/subscriptions/trials";
const PAUSE: &str = "docs.stripe.com/billing/subscriptions/pause-payment";
const RESUME: &str = "docs.stripe.com/api/subscriptions/resume";
const RETRIES: &str = "docs.stripe.com/billing/revenue-recovery/smart-retries";

/// What happens where: the source, what it says, in which statuses, on which acts.
struct Fact(&'static str, &'static str, Vec<S>, Vec<A>, Then);

enum Then {
    Is(Cell),
    Stays,
}

use Then::{Is, Stays};

const UPDATES: [A; 6] = [
    A::UpdatePrice,
    A::SetCancelAtPeriodEnd,
    A::ClearCancel,
    A::SetCancelAt,
    A::PauseCollection,
    A::UnpauseCollection,
];
const TRIAL_ENDS: [A; 4] = [
    A::TrialEndsWithPaymentMethod,
    A::TrialEndsCancel,
    A::TrialEndsPause,
    A::TrialEndsCreateInvoice,
];
const EXHAUSTED: [A; 3] =
    [A::RetriesExhaustedCancel, A::RetriesExhaustedUnpaid, A::RetriesExhaustedLeave];
const LIVE: [S; 5] = [S::Trialing, S::Active, S::PastDue, S::Unpaid, S::Paused];

fn all_but(excluded: &[S]) -> Vec<S> {
    S::ALL.into_iter().filter(|status| !excluded.contains(status)).collect()
}

fn to(status: S) -> Then {
    Is(Cell::To(status))
}

fn refused(refusal: Refusal) -> Then {
    Is(Cell::Refused(refusal))
}

#[rustfmt::skip]
fn facts() -> Vec<Fact> {
    let never = || Is(Cell::Never);
    vec![
        Fact(OBJECT, "incomplete if the initial payment attempt fails",
            vec![S::Incomplete], vec![A::FirstPaymentFails], Stays),
        Fact(OBJECT, "once the first invoice is paid, the subscription moves into active",
            vec![S::Incomplete], vec![A::FirstPaymentSucceeds, A::OpenInvoicePaid], to(S::Active)),
        Fact(OBJECT, "not paid within 23 hours: incomplete_expired",
            vec![S::Incomplete], vec![A::FirstPaymentExpires], to(S::IncompleteExpired)),
        Fact(OBJECT, "incomplete: only metadata and default_source can be updated",
            vec![S::Incomplete], UPDATES.to_vec(), refused(Refusal::IncompleteUpdate)),
        Fact(OBJECT, "metadata can be updated while incomplete, and while live",
            [&[S::Incomplete][..], &LIVE].concat(), vec![A::UpdateMetadata], Stays),
        Fact("github.com/pay-rails/pay/issues/91", "cancelled while incomplete: incomplete_expired",
            vec![S::Incomplete], vec![A::CancelNow], to(S::IncompleteExpired)),
        Fact(OBJECT, "incomplete_expired is terminal, the open invoice is voided",
            vec![S::IncompleteExpired],
            vec![A::FirstPaymentSucceeds, A::FirstPaymentFails, A::OpenInvoicePaid],
            refused(Refusal::InvoiceVoid)),
        Fact("github.com/fjordllc/bootcamp/issues/4743", "cannot update … incomplete_expired",
            vec![S::IncompleteExpired], [&UPDATES[..], &[A::UpdateMetadata]].concat(),
            refused(Refusal::ExpiredUpdate)),
        Fact("github.com/fjordllc/bootcamp/issues/10390", "canceled can only update metadata",
            vec![S::Canceled], UPDATES.to_vec(), refused(Refusal::CanceledUpdate)),
        Fact("github.com/fjordllc/bootcamp/issues/10390", "… its cancellation_details and metadata",
            vec![S::Canceled], vec![A::UpdateMetadata], Stays),
        Fact(CANCEL, "what is over cannot be cancelled: no such subscription",
            vec![S::Canceled, S::IncompleteExpired], vec![A::CancelNow],
            refused(Refusal::NoSuchSubscription)),
        Fact(CANCEL, "cancelling ends it at once", LIVE.to_vec(),
            vec![A::CancelNow, A::CancelAtReached], to(S::Canceled)),
        Fact(OVERVIEW, "only the first payment of an incomplete subscription is special",
            [&LIVE[..], &[S::Canceled]].concat(),
            vec![A::FirstPaymentSucceeds, A::FirstPaymentFails], never()),
        Fact(OVERVIEW, "the 23 hours count for incomplete alone",
            all_but(&[S::Incomplete]), vec![A::FirstPaymentExpires], never()),
        Fact(OVERVIEW, "changes of price, dates and collection leave a live status alone",
            LIVE.to_vec(), UPDATES.to_vec(), Stays),
        Fact(PAUSE, "pausing collection leaves the status alone",
            vec![S::Active], vec![A::PauseCollection], to(S::Active)),
        Fact(OBJECT, "past_due when payment is required but cannot be paid",
            vec![S::Active, S::PastDue], vec![A::RenewalFails], to(S::PastDue)),
        Fact(OVERVIEW, "past_due becomes active when the latest invoice is paid",
            vec![S::Active, S::PastDue], vec![A::RenewalPaid, A::OpenInvoicePaid], to(S::Active)),
        Fact(OVERVIEW, "unpaid becomes active when the most recent invoice is paid",
            vec![S::Unpaid], vec![A::OpenInvoicePaid], to(S::Active)),
        Fact(OVERVIEW, "an old invoice's payment does not touch trial, pause or end",
            vec![S::Trialing, S::Paused, S::Canceled], vec![A::OpenInvoicePaid], Stays),
        Fact(OVERVIEW, "periods roll while active, past_due (Stripe goes on) and unpaid",
            vec![S::Active, S::PastDue, S::Unpaid], vec![A::PeriodEnds], Stays),
        Fact(OBJECT, "a paused subscription has no invoices; trials end their own way",
            vec![S::Incomplete, S::IncompleteExpired, S::Trialing, S::Canceled, S::Paused],
            vec![A::PeriodEnds], never()),
        Fact(OVERVIEW, "unpaid: invoices are made, payments are not attempted; others have none due",
            all_but(&[S::Active, S::PastDue]), vec![A::RenewalPaid, A::RenewalFails, A::RetryFails],
            never()),
        Fact(RETRIES, "retrying leaves past_due as it is; an old invoice's retry leaves active",
            vec![S::Active, S::PastDue], vec![A::RetryFails], Stays),
        Fact(RETRIES, "exhausted: canceled", vec![S::PastDue],
            vec![A::RetriesExhaustedCancel], to(S::Canceled)),
        Fact(RETRIES, "exhausted: unpaid", vec![S::PastDue],
            vec![A::RetriesExhaustedUnpaid], to(S::Unpaid)),
        Fact(RETRIES, "exhausted: left past_due", vec![S::PastDue],
            vec![A::RetriesExhaustedLeave], to(S::PastDue)),
        Fact(RETRIES, "retries end a past_due subscription only",
            all_but(&[S::PastDue]), EXHAUSTED.to_vec(), never()),
        Fact(OVERVIEW, "an end cannot come twice; incomplete has no planned one",
            vec![S::Incomplete, S::IncompleteExpired, S::Canceled], vec![A::CancelAtReached],
            never()),
        Fact(RESUME, "if payment succeeds the subscription will become active",
            vec![S::Paused], vec![A::ResumePaid], to(S::Active)),
        Fact(RESUME, "if payment fails the subscription will be past_due",
            vec![S::Paused], vec![A::ResumeFails], to(S::PastDue)),
        Fact(RESUME, "initiates resumption of a paused subscription, of no other",
            all_but(&[S::Paused]), vec![A::ResumePaid, A::ResumeFails], refused(Refusal::NotPaused)),
        Fact(OBJECT, "trialing moves to active when the trial is over",
            vec![S::Trialing], vec![A::TrialEndsWithPaymentMethod, A::TrialEndsCreateInvoice],
            to(S::Active)),
        Fact(TRIALS, "missing_payment_method=cancel",
            vec![S::Trialing], vec![A::TrialEndsCancel], to(S::Canceled)),
        Fact(OBJECT, "only a trial that ends without a payment method can pause",
            vec![S::Trialing], vec![A::TrialEndsPause], to(S::Paused)),
        Fact(TRIALS, "no other status has a trial that could end",
            all_but(&[S::Trialing]), TRIAL_ENDS.to_vec(), never()),
    ]
}

#[test]
fn every_cell_is_what_stripe_documents() {
    for (action, _) in TABLE {
        for status in S::ALL {
            let facts = facts();
            let about: Vec<_> =
                facts.iter().filter(|f| f.2.contains(&status) && f.3.contains(&action)).collect();
            assert!(!about.is_empty(), "no fact about {status:?} × {action:?}");
            for Fact(source, says, _, _, then) in about {
                let expected = match then {
                    Is(cell) => *cell,
                    Stays => Cell::To(status),
                };
                let found = cell(status, action);
                assert_eq!(found, expected, "{status:?} × {action:?}: {says} ({source})");
            }
        }
    }
}

#[test]
fn every_action_has_one_row() {
    let mut seen = Vec::new();
    for (action, _) in TABLE {
        assert!(!seen.contains(&action), "{action:?} has two rows");
        seen.push(action);
    }
    let last = A::TrialEndsCreateInvoice as usize;
    assert_eq!(seen.len(), last + 1, "an action has no row");
}

#[test]
fn nothing_leaves_a_final_status() {
    for (action, _) in TABLE {
        for status in [S::Canceled, S::IncompleteExpired] {
            let found = cell(status, action);
            assert!(!matches!(found, Cell::To(next) if next != status), "{status:?} × {action:?}");
        }
    }
}

/// What a script can do to a world, by number.
fn act(world: &mut World, subscription: &str, choice: u8) {
    let (pro, max, customer) = (world.pro.clone(), world.max.clone(), world.customer.clone());
    let stripe = &mut world.stripe;
    let _ = match choice % 16 {
        0 => stripe.set_card(&customer, Card::Pays),
        1 => stripe.set_card(&customer, Card::Declines),
        2 => stripe.set_card(&customer, None),
        3 => stripe.change_price(subscription, &max),
        4 => stripe.change_price(subscription, &pro),
        5 => stripe.cancel(subscription, When::PeriodEnd),
        6 => stripe.keep(subscription),
        7 => stripe.cancel(subscription, When::PeriodEndInPortal),
        8 => stripe.pause_collection(subscription, Some((PauseBehavior::Void, None))),
        9 => stripe.pause_collection(subscription, None),
        10 => stripe.resume(subscription),
        11 => stripe.pay_latest_invoice(subscription),
        12 if choice > 200 => stripe.cancel(subscription, When::Now),
        _ => {
            world.wait(days(i64::from(choice % 7) + 1));
            Ok(())
        }
    };
}

/// The status that an event shows, and the one before it.
fn step_of(event: &Event) -> (Option<S>, Option<S>) {
    let read = |value: Option<&serde_json::Value>| {
        let text = value?.as_str()?;
        S::ALL.into_iter().find(|status| status.as_str() == text)
    };
    let previous = event.previous.as_ref().and_then(|p| p.get("status"));
    (read(previous), read(event.object.get("status")))
}

proptest! {
    /// Whatever happens, the events tell a story that the table allows.
    #[test]
    fn every_step_that_events_show_is_in_the_table(
        script in prop::collection::vec(any::<u8>(), 1..60),
        trial in 0..10_i64,
        missing in prop::sample::select(vec![
            MissingPaymentMethod::Cancel,
            MissingPaymentMethod::Pause,
            MissingPaymentMethod::CreateInvoice,
        ]),
        exhausted in prop::sample::select(vec![
            WhenExhausted::Cancel, WhenExhausted::MarkUnpaid, WhenExhausted::LeavePastDue,
        ]),
    ) {
        let mut world = world();
        world.stripe.settings_mut().when_exhausted = exhausted;
        let data = SubscriptionData {
            trial_period_days: trial, missing_payment_method: missing, ..SubscriptionData::default()
        };
        let (pro, customer) = (world.pro.clone(), world.customer.clone());
        let id = world.stripe.subscribe(&customer, &[&pro], data).unwrap();
        let mut ended = false;
        for choice in script {
            act(&mut world, &id, choice);
            let row = world.stripe.subscription(&id).unwrap();
            prop_assert!(!ended || row.status.is_final());
            ended = row.status.is_final();
            prop_assert_eq!(row.ended_at.is_some(), ended);
            prop_assert!(ended || row.status == S::Incomplete || row.status == S::Paused
                || row.period.end >= world.stripe.now());
        }
        let told: Vec<_> = world.stripe.events().filter(|e| e.object["id"] == id.as_str()).collect();
        for event in told {
            if let (Some(before), Some(after)) = step_of(event) {
                let known = TABLE.iter().any(|(action, _)| cell(before, *action) == Cell::To(after));
                prop_assert!(known, "{:?} -> {:?} in {}", before, after, event.kind);
            }
        }
    }
}
