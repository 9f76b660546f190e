//! Why a reassignment ended before its time. Kafka's tool says this on standard output.

use crate::java::java_error;
use ottla_client::ClientError;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;

/// What ended it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// A text that stands for itself.
    Said(String),
    /// A text behind `Error: `.
    Error(String),
    /// Something that every tool of this program says in the same way.
    Failure(Failure),
}

impl Stopped {
    /// An [`Stopped::Error`].
    pub(super) fn error(cause: impl Into<String>) -> Stopped {
        Stopped::Error(cause.into())
    }

    /// Says it; exit code 1.
    pub(super) fn end(self) -> Result<(), Failure> {
        match self {
            Stopped::Said(text) => write_out(&format!("{text}\n"))?,
            Stopped::Error(text) => write_out(&format!("Error: {text}\n"))?,
            Stopped::Failure(failure) => return Err(failure),
        }
        Err(Failure::said())
    }
}

impl From<ClientError> for Stopped {
    fn from(error: ClientError) -> Stopped {
        match &error {
            ClientError::Broker { .. } => Stopped::Error(java_error(&error)),
            _ => Stopped::Failure(error.into()),
        }
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped::Failure(failure)
    }
}
