//! Identifiers from outside, each its own type.
//!
//! They become DynamoDB keys and SQS group ids, so each is checked once, where it
//! enters: 1 to 128 visible ASCII characters (the limit of an SQS
//! `MessageGroupId`; Stripe's and Cognito's ids are far shorter).

/// Why a string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The string was empty.
    #[error("an identifier is empty")]
    Empty,
    /// The string was longer than 128 bytes.
    #[error("an identifier has {0} bytes; at most 128 are allowed")]
    TooLong(usize),
    /// The string had a blank, a control character or a character outside ASCII.
    #[error("an identifier has a character that is not visible ASCII")]
    BadCharacter,
}

/// The rule that every identifier keeps.
pub(crate) fn check(value: &str) -> Result<(), IdError> {
    match value.len() {
        0 => Err(IdError::Empty),
        length if length > 128 => Err(IdError::TooLong(length)),
        _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => Err(IdError::BadCharacter),
        _ => Ok(()),
    }
}

/// Declares an identifier type: a checked, cheaply compared string.
#[macro_export]
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads an identifier: 1 to 128 visible ASCII characters.
            ///
            /// # Errors
            /// [`IdError`]($crate::IdError) when the text is empty, too long or not visible ASCII.
            pub fn parse(value: impl Into<String>) -> Result<Self, $crate::IdError> {
                let value = value.into();
                $crate::check_identifier(&value)?;
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
    AccountId
);
identifier!(
    /// A Stripe customer, `cus_…`; linked to at most one account.
    CustomerId
);
identifier!(
    /// A Stripe subscription, `sub_…`.
    SubscriptionId
);
identifier!(
    /// A Stripe charge, `ch_…`: all that a dispute tells of whom it concerns.
    ChargeId
);
identifier!(
    /// A Stripe dispute, `dp_…` or `du_…`.
    DisputeId
);
identifier!(
    /// A Stripe price, `price_…`.
    PriceId
);
identifier!(
    /// A Stripe product, `prod_…`.
    ProductId
);
identifier!(
    /// The originator's id of an event: Stripe's `evt_…`, CloudTrail's `eventID`, or
    /// `kind:sub` for a wake. The same event keeps its id whichever way it came.
    EventId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_a_key() {
        assert_eq!(AccountId::parse(""), Err(IdError::Empty));
        assert_eq!(AccountId::parse("x".repeat(129)), Err(IdError::TooLong(129)));
        assert_eq!(AccountId::parse("a b"), Err(IdError::BadCharacter));
        assert_eq!(AccountId::parse("ä"), Err(IdError::BadCharacter));
        assert_eq!(AccountId::parse("a\n"), Err(IdError::BadCharacter));
        assert!(AccountId::parse("x".repeat(128)).is_ok());
    }

    #[test]
    fn deserializing_checks_too() {
        assert!(serde_json::from_str::<CustomerId>("\"cus_1\"").is_ok());
        assert!(serde_json::from_str::<CustomerId>("\"\"").is_err());
    }
}
