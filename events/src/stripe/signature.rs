//! Whether a webhook's body was signed by Stripe, and lately.
//!
//! `Stripe-Signature: t=…,v1=…[,v1=…][,v0=…]`, where each `v1` is the HMAC-SHA256
//! of `{t}.{raw body}` in hexadecimal, keyed with a whole signing secret
//! (`whsec_` included). While a secret is rolled Stripe sends one `v1` for each
//! active secret, and any of them with any configured secret will do.
//! <https://docs.stripe.com/webhooks#verify-manually>
//!
//! Where Stripe's own libraries agree, this follows them: `v0` and unknown
//! schemes are ignored, blanks are not trimmed, a malformed `v1` beside a good one
//! does no harm, and the signature is judged before the time, so that "too old" is
//! only ever said of what Stripe did sign. Where they differ, this is strict: two
//! `t` are refused (one library takes the first, another the last), hexadecimal
//! digits are lowercase (as Stripe sends them), and a time in the future is held to
//! the same tolerance as one in the past.
//!
//! It does not read the body; nothing may, before it is verified.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The longest `Stripe-Signature` that is read, in bytes: room for some fifty
/// signatures, where Stripe sends three at most.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The bytes of an HMAC-SHA256.
const DIGEST_BYTES: usize = 32;

/// A webhook endpoint's signing secret, `whsec_…`. Several may be active while one
/// is rolled.
#[derive(Clone)]
pub struct SigningSecret(SecretString);

/// Why a text cannot be a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nothing there; with an empty key anybody could sign.
    #[error("the webhook's signing secret is empty; copy it from the endpoint's page in Stripe")]
    Empty,
    /// A blank, a line break, or something that is not ASCII: a slip in copying.
    #[error("the webhook's signing secret has a character that is not visible ASCII; copy it anew")]
    BadCharacter,
}

impl SigningSecret {
    /// Takes a secret as Stripe shows it, `whsec_` included.
    ///
    /// # Errors
    /// [`SecretError`] when it is empty, or has a blank or line break around or in it.
    pub fn new(value: impl Into<String>) -> Result<Self, SecretError> {
        let value = SecretString::from(value.into());
        match value.expose_secret() {
            "" => Err(SecretError::Empty),
            text if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(SecretError::BadCharacter)
            }
            _ => Ok(Self(value)),
        }
    }

    /// The HMAC of `{t}.{body}`, not yet finished.
    fn mac(&self, t: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(t.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// Why a body is not taken for Stripe's. None of them repeats the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Nothing to verify with: our own mistake, not the sender's.
    #[error("no signing secret is configured; set the endpoint's secret")]
    NoSecret,
    /// The request has no `Stripe-Signature`, or an empty one.
    #[error("the request has no Stripe-Signature header")]
    Missing,
    /// The header is longer than [`MAX_HEADER_BYTES`].
    #[error("the Stripe-Signature header has {0} bytes; at most {MAX_HEADER_BYTES} are read")]
    TooLong(usize),
    /// The header has a character outside ASCII.
    #[error("the Stripe-Signature header is not ASCII")]
    NotAscii,
    /// A part between commas is not `key=value`.
    #[error("the Stripe-Signature header has a part that is not key=value")]
    MalformedPair,
    /// No `t`.
    #[error("the Stripe-Signature header has no timestamp")]
    NoTimestamp,
    /// More than one `t`.
    #[error("the Stripe-Signature header has more than one timestamp")]
    SeveralTimestamps,
    /// `t` is not a number of seconds, in decimal digits, that a clock can show.
    #[error("the Stripe-Signature header's timestamp is not a Unix time in seconds")]
    BadTimestamp,
    /// No `v1`; perhaps other schemes.
    #[error("the Stripe-Signature header has no v1 signature")]
    NoSignature,
    /// Every `v1` is something else than 64 lowercase hexadecimal digits.
    #[error("the Stripe-Signature header's v1 signature is not 64 lowercase hexadecimal digits")]
    BadSignature,
    /// No `v1` belongs to this body under any configured secret.
    #[error(
        "no v1 signature matches the body; check the endpoint's signing secret, and that \
         nothing on the way changes the body"
    )]
    NoMatch,
    /// Signed by Stripe, but too long ago: a replay, or our clock is ahead.
    #[error("the signature is genuine, but {seconds} s old; a replay, or this clock is ahead")]
    TooOld {
        /// Its age.
        seconds: i64,
    },
    /// Signed by Stripe, but later than now: our clock is behind.
    #[error("the signature is genuine, but {seconds} s in the future; this clock is behind")]
    InFuture {
        /// How far.
        seconds: i64,
    },
}

/// Verifies a `Stripe-Signature` over the raw bytes of a body.
///
/// The body is hashed once for each secret, and every signature is compared in
/// constant time with every secret, found or not. `tolerance` is inclusive, counted
/// in whole seconds, and the same in both directions (Stripe's default: 300 s).
///
/// # Errors
/// [`SignatureError`]; nothing of the body may be used then.
pub fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[SigningSecret],
    now: Timestamp,
    tolerance: SignedDuration,
) -> Result<(), SignatureError> {
    if secrets.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let header = Header::parse(header.unwrap_or_default())?;
    let mut found = false;
    for secret in secrets {
        let mac = secret.mac(header.t, body);
        for signature in &header.signatures {
            found |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !found {
        return Err(SignatureError::NoMatch);
    }
    check_age(now.as_second() - header.signed_at.as_second(), tolerance)
}

/// The header's value for a body signed at `timestamp`: one `v1`, as Stripe sends it.
pub fn sign(secret: &SigningSecret, timestamp: Timestamp, body: &[u8]) -> String {
    let t = timestamp.as_second().to_string();
    let digest = secret.mac(&t, body).finalize().into_bytes();
    format!("t={t},v1={}", hex::encode(digest))
}

/// Neither too old nor too far in the future.
fn check_age(seconds: i64, tolerance: SignedDuration) -> Result<(), SignatureError> {
    if SignedDuration::from_secs(seconds) > tolerance {
        return Err(SignatureError::TooOld { seconds });
    }
    if SignedDuration::from_secs(-seconds) > tolerance {
        return Err(SignatureError::InFuture { seconds: -seconds });
    }
    Ok(())
}

/// What the header says.
struct Header<'a> {
    /// The timestamp as it was sent, which is what was signed.
    t: &'a str,
    /// The same, read.
    signed_at: Timestamp,
    /// The well-formed `v1` signatures; at least one.
    signatures: Vec<[u8; DIGEST_BYTES]>,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        check_text(text)?;
        let (mut t, mut signatures, mut malformed) = (None, Vec::new(), false);
        for pair in text.split(',') {
            match pair.split_once('=').ok_or(SignatureError::MalformedPair)? {
                ("t", _) if t.is_some() => return Err(SignatureError::SeveralTimestamps),
                ("t", value) => t = Some(value),
                ("v1", value) => match digest(value) {
                    Some(digest) => signatures.push(digest),
                    None => malformed = true,
                },
                ("", _) => return Err(SignatureError::MalformedPair),
                _ => {}
            }
        }
        let t = t.ok_or(SignatureError::NoTimestamp)?;
        let signed_at = unix_time(t).ok_or(SignatureError::BadTimestamp)?;
        match (signatures.is_empty(), malformed) {
            (true, true) => Err(SignatureError::BadSignature),
            (true, false) => Err(SignatureError::NoSignature),
            (false, _) => Ok(Self { t, signed_at, signatures }),
        }
    }
}

/// There, ASCII and not too long to be read.
fn check_text(text: &str) -> Result<(), SignatureError> {
    match text.len() {
        0 => Err(SignatureError::Missing),
        length if length > MAX_HEADER_BYTES => Err(SignatureError::TooLong(length)),
        _ if !text.is_ascii() => Err(SignatureError::NotAscii),
        _ => Ok(()),
    }
}

/// A signature's bytes, if it is 64 lowercase hexadecimal digits.
fn digest(value: &str) -> Option<[u8; DIGEST_BYTES]> {
    let mut bytes = [0; DIGEST_BYTES];
    // One spelling only: an uppercase digit is not what Stripe sent.
    let lowercase = !value.bytes().any(|byte| byte.is_ascii_uppercase());
    (lowercase && hex::decode_to_slice(value, &mut bytes).is_ok()).then_some(bytes)
}

/// Decimal digits alone: no sign, no blank, nothing after them.
fn unix_time(value: &str) -> Option<Timestamp> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| value.parse().ok()).flatten()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: i64 = 1_700_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

    fn secret(name: &str) -> SigningSecret {
        SigningSecret::new(format!("whsec_{name}")).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn check(header: &str, now: i64) -> Result<(), SignatureError> {
        verify(Some(header), BODY, &[secret("a")], at(now), TOLERANCE)
    }

    fn v1(name: &str) -> String {
        sign(&secret(name), at(T), BODY).split_once(",v1=").unwrap().1.to_owned()
    }

    /// Computed apart from this code: `printf '%s' '1700000000.{"id":"evt_1"}' |
    /// openssl dgst -sha256 -hmac whsec_a`.
    #[test]
    fn signs_as_stripe_does() {
        let expected = "97ea69f91fd566038386bacf87292eb0d73a8207414ee62ed313d49996fe0639";
        assert_eq!(sign(&secret("a"), at(T), BODY), format!("t={T},v1={expected}"));
    }

    #[test]
    fn each_bad_header_says_why() {
        use SignatureError as E;
        let good = v1("a");
        let upper = good.to_uppercase();
        let other = v1("b");
        for (header, expected) in [
            (String::new(), E::Missing),
            ("x".repeat(4097), E::TooLong(4097)),
            (format!("t={T},v1={good},ä=1"), E::NotAscii),
            (format!("t={T},v1={good},"), E::MalformedPair),
            (format!("t={T},,v1={good}"), E::MalformedPair),
            (format!("t={T},v1"), E::MalformedPair),
            (format!("t={T},=x,v1={good}"), E::MalformedPair),
            (format!("v1={good}"), E::NoTimestamp),
            (format!(" t={T},v1={good}"), E::NoTimestamp),
            (format!("t={T},v1={good},t={T}"), E::SeveralTimestamps),
            (format!("t=,v1={good}"), E::BadTimestamp),
            (format!("t=-{T},v1={good}"), E::BadTimestamp),
            (format!("t=+{T},v1={good}"), E::BadTimestamp),
            (format!("t={T}.0,v1={good}"), E::BadTimestamp),
            (format!("t=99999999999999,v1={good}"), E::BadTimestamp),
            (format!("t=99999999999999999999,v1={good}"), E::BadTimestamp),
            (format!("t={T}"), E::NoSignature),
            (format!("t={T},v0={good}"), E::NoSignature),
            (format!("t={T}, v1={good}"), E::NoSignature),
            (format!("t={T},v1="), E::BadSignature),
            (format!("t={T},v1=zz"), E::BadSignature),
            (format!("t={T},v1={}", &good[2..]), E::BadSignature),
            (format!("t={T},v1={good}00"), E::BadSignature),
            (format!("t={T},v1={upper}"), E::BadSignature),
            (format!("t={T},v1={other}"), E::NoMatch),
            (format!("t={},v1={good}", T + 1), E::NoMatch),
            (format!("t=0{T},v1={good}"), E::NoMatch),
        ] {
            assert_eq!(check(&header, T), Err(expected), "{header}");
        }
        assert_eq!(verify(None, BODY, &[secret("a")], at(T), TOLERANCE), Err(E::Missing));
        assert_eq!(verify(None, BODY, &[], at(T), TOLERANCE), Err(E::NoSecret));
    }

    #[test]
    fn any_signature_of_any_secret_will_do_beside_what_is_ignored() {
        let (a, b) = (v1("a"), v1("b"));
        for header in [
            format!("v1={b},t={T},v1={a}"),
            format!("v1={a},t={T},v1={b}"),
            format!("t={T},v1=not-hex,v0={b},v1={a}"),
            format!("t={T},v2=abc==,note=,v1={a}"),
        ] {
            assert_eq!(check(&header, T), Ok(()), "{header}");
        }
        let header = format!("t={T},v1={a},v1={b}");
        for rolling in [[secret("new"), secret("b")], [secret("b"), secret("new")]] {
            assert_eq!(verify(Some(&header), BODY, &rolling, at(T), TOLERANCE), Ok(()));
        }
    }

    #[test]
    fn the_tolerance_holds_in_both_directions_and_includes_its_end() {
        let header = sign(&secret("a"), at(T), BODY);
        assert_eq!(check(&header, T + 300), Ok(()));
        assert_eq!(check(&header, T - 300), Ok(()));
        assert_eq!(check(&header, T + 301), Err(SignatureError::TooOld { seconds: 301 }));
        assert_eq!(check(&header, T - 301), Err(SignatureError::InFuture { seconds: 301 }));
        // Age is said of genuine signatures only.
        let forged = sign(&secret("b"), at(T), BODY);
        assert_eq!(check(&forged, T + 9999), Err(SignatureError::NoMatch));
    }

    #[test]
    fn a_secret_is_whole_and_never_shown() {
        assert_eq!(SigningSecret::new("").unwrap_err(), SecretError::Empty);
        assert_eq!(SigningSecret::new("whsec_a\n").unwrap_err(), SecretError::BadCharacter);
        assert!(!format!("{:?}", secret("visible")).contains("visible"));
    }

    proptest! {
        #[test]
        fn no_header_panics(header in "\\PC{0,80}", body in any::<Vec<u8>>()) {
            let _ = verify(Some(&header), &body, &[secret("a")], at(T), TOLERANCE);
        }

        #[test]
        fn no_header_made_of_its_own_pieces_panics(
            header in "(t=|v1=|v0=|,|=|[0-9a-f]{0,70}|-){0,12}", now in -T..=T,
        ) {
            let result = verify(Some(&header), BODY, &[secret("a")], at(now), TOLERANCE);
            prop_assert!(result.is_err());
        }

        #[test]
        fn what_was_signed_verifies_and_one_flipped_bit_of_the_body_fails(
            mut body in prop::collection::vec(any::<u8>(), 1..200),
            signed in 0..=T, late in -300_i64..=300, index: prop::sample::Index, bit in 0_u8..8,
        ) {
            let secrets = [secret("other"), secret("a")];
            let header = sign(&secrets[1], at(signed), &body);
            let check = |body: &[u8], late| {
                verify(Some(&header), body, &secrets, at(signed + late), TOLERANCE)
            };
            prop_assert_eq!(check(&body, late), Ok(()));
            let stale = check(&body, 301 + late.abs());
            prop_assert_eq!(stale, Err(SignatureError::TooOld { seconds: 301 + late.abs() }));
            let index = index.index(body.len());
            body[index] ^= 1_u8 << bit;
            prop_assert_eq!(check(&body, late), Err(SignatureError::NoMatch));
        }
    }

    #[test]
    fn any_flipped_bit_of_the_header_fails() {
        let header = sign(&secret("a"), at(T), BODY);
        for index in 0..header.len() {
            for bit in 0..8 {
                let mut flipped = header.clone().into_bytes();
                flipped[index] ^= 1_u8 << bit;
                // A header that is not text never gets this far.
                let Ok(flipped) = String::from_utf8(flipped) else { continue };
                assert!(check(&flipped, T).is_err(), "{flipped}");
            }
        }
    }
}
