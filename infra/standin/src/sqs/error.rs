//! The errors of SQS, each with its two names on the wire: the JSON protocol's type and
//! the older code that the SDKs look at first (`x-amzn-query-error`).
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html#API_SendMessage_Errors>

/// An operation that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqsError {
    /// No queue of this name.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// A queue of this name with other attributes exists.
    #[error("A queue already exists with the same name and a different value for {0}")]
    QueueNameExists(&'static str),
    /// A required parameter is missing.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// A parameter's value is not allowed.
    #[error("Value for parameter {parameter} is invalid. Reason: {reason}")]
    InvalidParameterValue {
        /// Which parameter.
        parameter: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// An attribute that a queue does not have, or that is not modelled.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// An attribute's value is not allowed.
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(&'static str),
    /// The body has characters that SQS does not take.
    #[error("The message contains characters outside the allowed set.")]
    InvalidMessageContents,
    /// Not a receipt handle of this queue.
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    /// A purge less than a minute ago.
    #[error("Only one PurgeQueue operation is allowed every 60 seconds.")]
    PurgeQueueInProgress,
    /// A batch without entries.
    #[error("There should be at least one entry in the request.")]
    EmptyBatchRequest,
    /// A batch of more than ten.
    #[error("Maximum number of entries per request are 10.")]
    TooManyEntriesInBatchRequest,
    /// Two entries of a batch with one id.
    #[error("Two or more batch entries in the request have the same Id.")]
    BatchEntryIdsNotDistinct,
    /// An entry's id is not 1 to 80 letters, digits, hyphens and underscores.
    #[error("A batch entry id can only contain alphanumeric characters, hyphens and underscores.")]
    InvalidBatchEntryId,
    /// The bodies of a batch together are too long.
    #[error("Batch requests cannot be longer than 1048576 bytes.")]
    BatchRequestTooLong,
    /// The service is down.
    #[error("Service is currently unavailable.")]
    ServiceUnavailable,
    /// Not an answer of AWS: the stand-in does not model it.
    #[error("{0} is not implemented by the stand-in")]
    NotImplemented(String),
}

impl SqsError {
    /// The expiry of a FIFO message's receipt.
    pub(super) const EXPIRED: Self = Self::InvalidParameterValue {
        parameter: "ReceiptHandle",
        reason: "The receipt handle has expired.",
    };

    /// The type in the JSON protocol, and the code of the query protocol.
    pub(super) fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::QueueDoesNotExist => {
                ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
            }
            Self::QueueNameExists(_) => ("QueueNameExists", "QueueAlreadyExists"),
            Self::MissingParameter(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Self::InvalidParameterValue { .. } => {
                ("InvalidParameterValueException", "InvalidParameterValue")
            }
            Self::InvalidAttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName"),
            Self::InvalidAttributeValue(_) => ("InvalidAttributeValue", "InvalidAttributeValue"),
            Self::InvalidMessageContents => ("InvalidMessageContents", "InvalidMessageContents"),
            Self::ReceiptHandleIsInvalid => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::PurgeQueueInProgress => {
                ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress")
            }
            Self::EmptyBatchRequest => {
                ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
            }
            Self::TooManyEntriesInBatchRequest => (
                "TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::BatchEntryIdsNotDistinct => {
                ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::InvalidBatchEntryId => {
                ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
            }
            Self::BatchRequestTooLong => {
                ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
            }
            Self::ServiceUnavailable => ("ServiceUnavailable", "ServiceUnavailable"),
            Self::NotImplemented(_) => ("NotImplemented", "NotImplemented"),
        }
    }

    /// Its HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::ServiceUnavailable => 503,
            Self::NotImplemented(_) => 501,
            _ => 400,
        }
    }

    /// Whether the caller is to blame.
    pub(super) fn is_senders(&self) -> bool {
        self.status() == 400
    }
}
