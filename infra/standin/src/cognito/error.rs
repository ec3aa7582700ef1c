//! Cognito's refusals, by the names and in the words that it uses.

/// The name of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `UserNotFoundException`.
    UserNotFound,
    /// `InvalidParameterException`.
    InvalidParameter,
    /// `InvalidPasswordException`.
    InvalidPassword,
    /// `NotAuthorizedException`.
    NotAuthorized,
    /// `UsernameExistsException`.
    UsernameExists,
    /// `UserNotConfirmedException`.
    UserNotConfirmed,
    /// `CodeMismatchException`.
    CodeMismatch,
    /// `ExpiredCodeException`.
    ExpiredCode,
    /// `ResourceNotFoundException`.
    ResourceNotFound,
    /// `UserLambdaValidationException`: a trigger failed.
    UserLambdaValidation,
    /// `InvalidLambdaResponseException`: a trigger did not echo its event.
    InvalidLambdaResponse,
    /// `SerializationException`: the body is not what the operation takes.
    Serialization,
    /// Not Cognito's: the stand-in does not model this.
    NotImplemented,
}

impl Code {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNotFound => "UserNotFoundException",
            Self::InvalidParameter => "InvalidParameterException",
            Self::InvalidPassword => "InvalidPasswordException",
            Self::NotAuthorized => "NotAuthorizedException",
            Self::UsernameExists => "UsernameExistsException",
            Self::UserNotConfirmed => "UserNotConfirmedException",
            Self::CodeMismatch => "CodeMismatchException",
            Self::ExpiredCode => "ExpiredCodeException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::UserLambdaValidation => "UserLambdaValidationException",
            Self::InvalidLambdaResponse => "InvalidLambdaResponseException",
            Self::Serialization => "SerializationException",
            Self::NotImplemented => "UnsupportedOperation",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct CognitoError {
    /// Its name.
    pub code: Code,
    /// Its words.
    pub message: String,
}

impl CognitoError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn user_not_found() -> Self {
        Self::new(Code::UserNotFound, "User does not exist.")
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, message)
    }

    pub(super) fn not_authorized(message: impl Into<String>) -> Self {
        Self::new(Code::NotAuthorized, message)
    }
}
