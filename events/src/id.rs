//! Identifiers from outside, each its own type, and checked once, where it enters.
//!
//! There are two kinds. A **word** is what AWS or Tollgate made up: it stands in names of queues'
//! groups, API keys and DynamoDB keys as it is. An **opaque** identifier is Stripe's, and until
//! 2018-05-21 a seller could write one as they liked: a customer `John Doe`, a price
//! `Pro plan $699/month`. Whatever is made of an opaque identifier and must be a word is made with
//! [`word_for`].
//!
//! Deliberately not here: what an identifier begins with. `cus_` is a habit of Stripe's and no rule.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// The most bytes of a word: what SQS takes as `MessageGroupId` and `MessageDeduplicationId`.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
const MOST_OF_A_WORD: usize = 128;

/// The most bytes of an opaque identifier: what Stripe says to make room for.
/// <https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backwards-compatible>
const MOST_OF_AN_OPAQUE: usize = 255;

/// Why a string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The string was empty.
    #[error("an identifier is empty")]
    Empty,
    /// The string was longer than an identifier of its kind may be.
    #[error("an identifier has {bytes} bytes; at most {most} are allowed")]
    TooLong {
        /// How many it had.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// A word had a blank, a control character or a character outside ASCII.
    #[error("an identifier has a character that is not visible ASCII")]
    NotVisibleAscii,
    /// An opaque identifier had a control character.
    #[error("an identifier has a control character")]
    ControlCharacter,
}

/// The rule of words: 1 to 128 visible ASCII characters.
///
/// # Errors
/// [`IdError`] when the text keeps it not.
pub fn check_word(value: &str) -> Result<(), IdError> {
    check_length(value, MOST_OF_A_WORD)?;
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    if visible { Ok(()) } else { Err(IdError::NotVisibleAscii) }
}

/// The rule of opaque identifiers: 1 to 255 bytes without control characters.
///
/// # Errors
/// [`IdError`] when the text keeps it not.
pub fn check_opaque(value: &str) -> Result<(), IdError> {
    check_length(value, MOST_OF_AN_OPAQUE)?;
    let controls = value.chars().any(char::is_control);
    if controls { Err(IdError::ControlCharacter) } else { Ok(()) }
}

fn check_length(value: &str, most: usize) -> Result<(), IdError> {
    match value.len() {
        0 => Err(IdError::Empty),
        bytes if bytes > most => Err(IdError::TooLong { bytes, most }),
        _ => Ok(()),
    }
}

/// What a digest begins with.
const DIGEST: &str = "sha256:";

/// The word that stands for a text: the text if it is one, else its digest. No two texts have the
/// same: one that looks like a digest has one of its own.
pub fn word_for(text: &str) -> Cow<'_, str> {
    let is_word = check_word(text).is_ok() && !text.starts_with(DIGEST);
    if is_word { Cow::Borrowed(text) } else { Cow::Owned(digest(text)) }
}

/// A word of 71 characters for any text, for what must be short and of ASCII whatever it names.
pub fn digest(text: &str) -> String {
    format!("{DIGEST}{}", hex::encode(Sha256::digest(text)))
}

/// Declares an identifier type: a checked, cheaply compared string; `word` or `opaque` says by
/// which rule.
#[macro_export]
macro_rules! identifier {
    ($(#[$doc:meta])* word $name:ident) => {
        $crate::identifier!(
            @declare check_word, "1 to 128 visible ASCII characters", $(#[$doc])* $name
        );
    };
    ($(#[$doc:meta])* opaque $name:ident) => {
        $crate::identifier!(
            @declare check_opaque, "1 to 255 bytes without control characters", $(#[$doc])* $name
        );
    };
    (@declare $check:ident, $rule:literal, $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Reads an identifier: ", $rule, ".")]
            ///
            /// # Errors
            /// [`IdError`]($crate::IdError) when the text keeps this rule not.
            pub fn parse(value: impl Into<String>) -> Result<Self, $crate::IdError> {
                let value = value.into();
                $crate::$check(&value)?;
                Ok(Self(value))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::IdError;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// One Cognito user: the `sub`. Everything in Tollgate hangs on it.
    word AccountId
);
identifier!(
    /// A Stripe customer, mostly `cus_…`; linked to at most one account.
    opaque CustomerId
);
identifier!(
    /// A Stripe subscription, mostly `sub_…`.
    opaque SubscriptionId
);
identifier!(
    /// A Stripe charge, mostly `ch_…`: all that a dispute tells of whom it concerns.
    opaque ChargeId
);
identifier!(
    /// A Stripe dispute, mostly `dp_…` or `du_…`.
    opaque DisputeId
);
identifier!(
    /// A Stripe price, mostly `price_…`; once a plan, whose id its seller chose.
    opaque PriceId
);
identifier!(
    /// A Stripe product, mostly `prod_…`; its seller may choose the id.
    /// <https://docs.stripe.com/api/products/create>
    opaque ProductId
);
identifier!(
    /// The originator's id of an event: Stripe's `evt_…`, CloudTrail's `eventID`, or
    /// `kind:name` for a wake. The same event keeps its id whichever way it came.
    word EventId
);

impl EventId {
    /// The id of a wake: of which kind, and of whom. It names no other.
    pub fn of_wake(kind: &str, whom: &str) -> Self {
        let whole = format!("{kind}:{whom}");
        if check_word(&whole).is_ok() && !whom.starts_with(DIGEST) {
            return Self(whole);
        }
        Self(word_for(&format!("{kind}:{}", digest(whom))).into_owned())
    }

    /// The id of what has one of somebody else's making, which may be no word.
    pub fn standing_for(name: &str) -> Self {
        Self(word_for(name).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_visible_ascii() {
        assert_eq!(AccountId::parse(""), Err(IdError::Empty));
        let too_long = IdError::TooLong { bytes: 129, most: 128 };
        assert_eq!(AccountId::parse("x".repeat(129)), Err(too_long));
        for text in ["a b", "ä", "a\n", "a\u{7f}"] {
            assert_eq!(AccountId::parse(text), Err(IdError::NotVisibleAscii), "{text:?}");
        }
        assert!(AccountId::parse("x".repeat(128)).is_ok());
    }

    #[test]
    fn an_opaque_identifier_is_anything_that_can_be_seen() {
        for text in [
            "cus_1",
            "John Doe",
            "Pro plan $699/month",
            "Zoë Ü",
            " ",
            "..",
            "a#b,c\"d\\",
            "\u{202e}x",
        ] {
            assert_eq!(CustomerId::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(CustomerId::parse(""), Err(IdError::Empty));
        assert!(CustomerId::parse("ü".repeat(127)).is_ok());
        let too_long = IdError::TooLong { bytes: 256, most: 255 };
        assert_eq!(CustomerId::parse("ü".repeat(128)), Err(too_long));
        for text in ["a\nb", "\0", "\u{7f}", "\u{85}", "\u{9f}"] {
            assert_eq!(CustomerId::parse(text), Err(IdError::ControlCharacter), "{text:?}");
        }
    }

    #[test]
    fn each_error_says_the_rule_that_was_broken() {
        let said = |error: IdError| error.to_string();
        let long = "x".repeat(300);
        for (error, expected) in [
            (
                AccountId::parse(&*long).unwrap_err(),
                "an identifier has 300 bytes; at most 128 are allowed",
            ),
            (
                PriceId::parse(&*long).unwrap_err(),
                "an identifier has 300 bytes; at most 255 are allowed",
            ),
            (
                AccountId::parse("a b").unwrap_err(),
                "an identifier has a character that is not visible ASCII",
            ),
            (PriceId::parse("a\tb").unwrap_err(), "an identifier has a control character"),
        ] {
            assert_eq!(said(error), expected);
        }
    }

    #[test]
    fn deserializing_checks_too() {
        assert!(serde_json::from_str::<CustomerId>("\"John Doe\"").is_ok());
        assert!(serde_json::from_str::<CustomerId>("\"\"").is_err());
        assert!(serde_json::from_str::<AccountId>("\"John Doe\"").is_err());
    }

    /// Spelled out: deduplication ids and records are made of it.
    #[test]
    fn a_word_stands_for_itself_and_anything_else_for_its_digest() {
        assert_eq!(word_for("cus_1"), "cus_1");
        let of_john = "sha256:6cea57c2fb6cbc2a40411135005760f241fffc3e5e67ab99882726431037f908";
        assert_eq!(word_for("John Doe"), of_john);
        assert_ne!(word_for(of_john), of_john, "a customer may be called so");
        assert_eq!(EventId::of_wake("due", "sub-1").as_str(), "due:sub-1");
        assert_eq!(
            EventId::of_wake("unlinked", "John Doe").as_str(),
            format!("unlinked:{of_john}")
        );
        assert_ne!(EventId::of_wake("unlinked", of_john), EventId::of_wake("unlinked", "John Doe"));
    }

    proptest! {
        #[test]
        fn whatever_a_text_is_its_word_is_one_and_no_others(
            texts in prop::collection::btree_set("\\PC{0,4}|[a-z ]{120,140}|ü{60,130}", 2..6),
        ) {
            let one_each = |word: &dyn Fn(&str) -> String| {
                let words: BTreeSet<_> = texts.iter().map(|text| word(text)).collect();
                words.len() == texts.len() && words.iter().all(|word| check_word(word).is_ok())
            };
            prop_assert!(one_each(&|text| word_for(text).into_owned()));
            prop_assert!(one_each(&|text| EventId::of_wake("unlinked", text).to_string()));
            prop_assert!(one_each(&|text| EventId::standing_for(text).to_string()));
        }
    }
}
