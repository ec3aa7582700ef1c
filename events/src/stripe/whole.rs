//! Whole numbers, however they are written.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A whole number: also one written as a float, `1761868800.0` or `1.5e3`. What is no whole
/// number, or is more than 64 bits hold, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        read(raw).map(Self).ok_or_else(|| D::Error::custom("no whole number"))
    }
}

fn read(raw: &str) -> Option<i64> {
    serde_json::from_str(raw).ok().or_else(|| {
        // A whole float is written without a fraction, and in full.
        serde_json::from_str::<f64>(raw).ok()?.to_string().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_that_is_whole_is_that_number() {
        let cases = [
            ("1761868800", Some(1_761_868_800)),
            ("1761868800.0", Some(1_761_868_800)),
            ("1.7618688e9", Some(1_761_868_800)),
            ("-0.0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1.5", None),
            ("1e999", None),
            ("1e30", None),
            (r#""17""#, None),
            ("null", None),
        ];
        for (raw, whole) in cases {
            assert_eq!(serde_json::from_str(raw).ok().map(|Whole(it)| it), whole, "{raw}");
        }
    }
}
