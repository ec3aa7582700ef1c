//! The `Stripe-Signature` header: whatever stands in it, only a genuine one passes, and
//! none costs memory.

use std::cell::Cell;

use allocation_counter::measure;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use super::{input, runner};
use crate::fixtures::received_at;
use crate::stripe;

const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

/// A header of up to a few thousand parts: genuine, forged, malformed and unknown ones.
fn header() -> impl Strategy<Value = String> {
    let signed = |secret: &str, seconds: i64| {
        let at = received_at() + SignedDuration::from_secs(seconds);
        stripe::sign(&signing_secret(secret), at, BODY).split_once(',').unwrap().1.to_owned()
    };
    let parts = [
        format!("t={}", received_at().as_second()),
        format!("t={}", received_at().as_second() + 1),
        signed("a", 0),
        signed("b", 0),
        signed("a", 1),
        signed("forged", 0),
        signed("a", 0).to_uppercase(),
        signed("a", 0).replacen('v', " v", 1),
        signed("a", 0).replacen("v1", "v0", 1),
    ];
    let odd =
        ["", "t", "t=", "=", "v1=", "v1", "v1=zz", "t=-1", "t=9223372036854775808", "\0", "x=y"];
    let odd = odd.map(str::to_owned);
    let one = prop_oneof![
        (select(parts[..3].to_vec()), Just(1)),
        (select(parts.to_vec()), prop_oneof![9 => Just(1), 1 => 1..3_000_usize]),
        (select(odd.to_vec()), prop_oneof![1 => Just(1), 1 => 1..3_000_usize]),
    ];
    // Mostly a time and a signature that are genuine, and then whatever comes.
    let start = prop_oneof![
        3 => Just(vec![parts[0].clone(), parts[2].clone()]),
        1 => Just(vec![parts[0].clone()]),
        1 => Just(Vec::new()),
    ];
    (start, prop::collection::vec(one, 0..3)).prop_map(|(mut all, more)| {
        all.extend(more.into_iter().flat_map(|(part, times)| vec![part; times]));
        all.join(",")
    })
}

fn signing_secret(name: &str) -> stripe::SigningSecret {
    stripe::SigningSecret::new(format!("whsec_{name}")).unwrap()
}

/// The header is genuine when its one time, with one of the secrets, signs as one of its
/// parts says.
fn genuine(header: &str, secrets: &[stripe::SigningSecret]) -> bool {
    let parts: Vec<&str> = header.split(',').collect();
    let times: Vec<&str> = parts.iter().filter_map(|part| part.strip_prefix("t=")).collect();
    let [time] = times[..] else { return false };
    let Some(at) = time.parse().ok().and_then(|at| Timestamp::from_second(at).ok()) else {
        return false;
    };
    secrets.iter().any(|secret| {
        let signed = stripe::sign(secret, at, BODY);
        signed.split(',').all(|part| parts.contains(&part))
    })
}

#[test]
fn only_a_genuine_header_passes_and_none_costs_memory() {
    let secrets = ["a", "b"].map(signing_secret);
    let [passed, refused] = [Cell::new(0), Cell::new(0)];
    let check = |header: &str| {
        let mut result = None;
        let info = measure(|| {
            let tolerance = SignedDuration::from_secs(300);
            result = Some(stripe::verify(Some(header), BODY, &secrets, received_at(), tolerance));
        });
        prop_assert!(info.bytes_max <= 8 * 1024, "{} bytes held", info.bytes_max);
        let ok = result == Some(Ok(()));
        let count = if ok { &passed } else { &refused };
        count.set(count.get() + 1);
        prop_assert!(!ok || genuine(header, &secrets), "{:?} passed", header);
        Ok(())
    };
    runner(512).run(&header(), |header| check(&header)).unwrap();
    let damaged = input::damaged(header());
    runner(512).run(&damaged, |header| check(&String::from_utf8_lossy(&header))).unwrap();
    let (passed, refused) = (passed.get(), refused.get());
    assert!(passed > 100 && refused > 100, "{passed} passed, {refused} did not");
}
