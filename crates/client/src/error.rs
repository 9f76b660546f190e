//! What can go wrong, by what the caller can do about it.

use ottla_protocol::{ApiKey, DecodeError, EncodeError};
use ottla_types::ErrorCode;
use std::io;
use std::time::Duration;

/// A failed operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No connection; nothing was sent.
    #[error("cannot connect to {address}: {failure}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why.
        failure: ConnectFailure,
    },
    /// Something answers there, but not a Kafka broker.
    #[error("{address} is not a Kafka port: {found}")]
    NotKafka {
        /// `host:port`.
        address: String,
        /// What was found instead.
        found: String,
    },
    /// No broker of the cluster can be reached.
    #[error("no broker can be reached; tried {}", .tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoBrokers {
        /// One error for each address.
        tried: Vec<ClientError>,
    },
    /// The connection ended before the answer: the broker may have done what was asked.
    #[error("the connection to {address} was lost before the answer came: {reason}")]
    Disconnected {
        /// `host:port`.
        address: String,
        /// What ended it.
        reason: String,
    },
    /// No answer in time: the broker may have done what was asked.
    #[error("no answer to {api} within {} ms", .after.as_millis())]
    Timeout {
        /// What was asked, or which operation.
        api: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// Client and broker have no version of this API in common.
    #[error("{address} serves {api} {theirs}, this client needs a version in {}..={}", .ours.0, .ours.1)]
    NoCommonVersion {
        /// `host:port`.
        address: String,
        /// Which API.
        api: ApiKey,
        /// What the broker serves.
        theirs: String,
        /// What the caller can use: lowest and highest.
        ours: (i16, i16),
    },
    /// The broker answered with an error.
    #[error("{subject}: {code}{}", .message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Broker {
        /// What it is about, for example `topic 'events'`.
        subject: String,
        /// Kafka's code.
        code: ErrorCode,
        /// What the broker said beside it.
        message: Option<String>,
    },
    /// The answer cannot be understood.
    #[error("{address} answered {api} with something that cannot be read: {reason}")]
    Unreadable {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// A producer gave up on a batch.
    #[error("the batch was not acknowledged: {why}")]
    Undelivered {
        /// What stood in the way last.
        why: Box<ClientError>,
        /// Whether the batch was sent at least once, so that the broker may have it.
        was_sent: bool,
    },
    /// The transaction that it belonged to was aborted before it was sent.
    #[error("the transaction was aborted")]
    Aborted,
    /// The transaction cannot be committed any more: abort it, then the producer can be used again.
    #[error("the transaction of '{transactional_id}' has failed and must be aborted: {why}")]
    TransactionAbortable {
        /// `transactional.id`.
        transactional_id: String,
        /// What failed.
        why: Box<ClientError>,
    },
    /// The transactional producer can only be closed, for example because another one of the same id has taken over.
    #[error("the transactional producer '{transactional_id}' cannot go on: {why}")]
    TransactionFatal {
        /// `transactional.id`.
        transactional_id: String,
        /// What ended it.
        why: Box<ClientError>,
    },
    /// The producer, consumer or client that was used is closed.
    #[error("{0} is closed")]
    Closed(&'static str),
    /// A wait was ended by a call of `wakeup`.
    #[error("the wait was ended by wakeup")]
    Wakeup,
    /// Records came that cannot be trusted: a checksum is wrong or a batch cannot be decompressed.
    #[error("{topic}-{partition}: the batch at offset {offset} is corrupt: {reason}")]
    CorruptRecords {
        /// Topic name.
        topic: String,
        /// Partition index.
        partition: i32,
        /// Where consuming stands.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// A position is not in the log (any more) and `auto.offset.reset` is `none`; or there is no committed offset.
    #[error("{topic}-{partition}: no offset to go on from: {reason}")]
    NoOffset {
        /// Topic name.
        topic: String,
        /// Partition index.
        partition: i32,
        /// What is missing.
        reason: String,
    },
    /// The log was cut behind the position: records that were read do not exist any more (KIP-320).
    #[error("{topic}-{partition}: the log was truncated to offset {diverged_at}, the position was {position}")]
    LogTruncated {
        /// Topic name.
        topic: String,
        /// Partition index.
        partition: i32,
        /// Where consuming stood.
        position: i64,
        /// The first offset where the logs differ, or the position when it is not known.
        diverged_at: i64,
    },
    /// The request cannot be written: a mistake of the caller.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// Nothing listens on the port.
    #[error("connection refused")]
    Refused,
    /// The host does not answer.
    #[error("no answer in time")]
    Timeout,
    /// The name has no address, or the address is none.
    #[error("unknown host: {0}")]
    UnknownHost(String),
    /// The broker's address, which others told, is of no use here, although one of those others was reached.
    #[error("broker {node_id} advertises this address (advertised.listeners), as {told_by} says: {why}")]
    Advertised {
        /// The broker's node id.
        node_id: i32,
        /// Who was reached and told the address, `host:port`.
        told_by: String,
        /// What is wrong with the address.
        why: Box<ConnectFailure>,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl ClientError {
    /// Whether the same operation may succeed a little later, with fresh metadata. Says nothing about whether it was
    /// done already: see [`ClientError::is_outcome_unknown`].
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. } | ClientError::NoBrokers { .. } => true,
            ClientError::Disconnected { .. } | ClientError::Timeout { .. } => true,
            ClientError::Broker { code, .. } => code.is_retriable(),
            ClientError::NotKafka { .. }
            | ClientError::NoCommonVersion { .. }
            | ClientError::Unreadable { .. }
            | ClientError::Undelivered { .. }
            | ClientError::Aborted
            | ClientError::TransactionAbortable { .. }
            | ClientError::TransactionFatal { .. }
            | ClientError::Closed(_)
            | ClientError::Wakeup
            | ClientError::CorruptRecords { .. }
            | ClientError::NoOffset { .. }
            | ClientError::LogTruncated { .. }
            | ClientError::Invalid(_) => false,
        }
    }

    /// Whether whoever knows how to find brokers and leaders anew should go on: also when a broker is gone just now.
    pub(crate) fn is_transient(&self) -> bool {
        self.is_retriable() || self.code() == Some(ErrorCode::BrokerNotAvailable)
    }

    /// Whether no answer came because of the way to the broker, or because it is gone.
    pub(crate) fn is_network(&self) -> bool {
        use ClientError::{Connect, Disconnected, NoBrokers, Timeout};
        matches!(self, Connect { .. } | NoBrokers { .. } | Disconnected { .. } | Timeout { .. })
    }

    /// Whether a broker advertises an address that never worked.
    pub(crate) fn is_advertised(&self) -> bool {
        matches!(self, ClientError::Connect { failure: ConnectFailure::Advertised { .. }, .. })
    }

    /// Whether no address has a host that is known.
    pub(crate) fn is_unknown_host(&self) -> bool {
        match self {
            ClientError::Connect { failure: ConnectFailure::UnknownHost(_), .. } => true,
            ClientError::NoBrokers { tried } => tried.iter().all(ClientError::is_unknown_host),
            _ => false,
        }
    }

    /// The same, told of a try whose forerunner's answer was lost: that one may be the reason.
    pub(crate) fn after_lost_answer(self) -> ClientError {
        use ErrorCode::{GroupIdNotFound, InvalidPartitions, TopicAlreadyExists, UnknownTopicOrPartition};
        let codes = [TopicAlreadyExists, InvalidPartitions, UnknownTopicOrPartition, GroupIdNotFound];
        match self {
            ClientError::Broker { subject, code, message } if codes.contains(&code) => {
                let before = message.map(|text| format!("{text}; ")).unwrap_or_default();
                let message = format!("{before}the answer to an earlier try was lost, it may have been done then");
                ClientError::Broker { subject, code, message: Some(message) }
            }
            other => other,
        }
    }

    /// Whether the broker may have done what was asked although no success was reported.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            ClientError::Disconnected { .. } | ClientError::Timeout { .. } | ClientError::Unreadable { .. } => true,
            ClientError::Broker { code, .. } => {
                matches!(code, ErrorCode::RequestTimedOut | ErrorCode::NotEnoughReplicasAfterAppend)
            }
            ClientError::Undelivered { was_sent, .. } => *was_sent,
            ClientError::Connect { .. }
            | ClientError::NotKafka { .. }
            | ClientError::NoBrokers { .. }
            | ClientError::NoCommonVersion { .. }
            | ClientError::Aborted
            | ClientError::TransactionAbortable { .. }
            | ClientError::TransactionFatal { .. }
            | ClientError::Closed(_)
            | ClientError::Wakeup
            | ClientError::CorruptRecords { .. }
            | ClientError::NoOffset { .. }
            | ClientError::LogTruncated { .. }
            | ClientError::Invalid(_) => false,
        }
    }

    /// Whether another producer of the same transactional id has taken over, so that this one must end.
    pub fn is_fenced(&self) -> bool {
        let codes = [ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch];
        matches!(self, ClientError::TransactionFatal { .. }) && self.code().is_some_and(|code| codes.contains(&code))
    }

    /// Whether [`Producer::abort_transaction`](crate::Producer::abort_transaction) is the way on.
    pub fn needs_abort(&self) -> bool {
        matches!(self, ClientError::TransactionAbortable { .. })
    }

    /// The broker's error code, when it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Broker { code, .. } => Some(*code),
            ClientError::Undelivered { why, .. }
            | ClientError::TransactionAbortable { why, .. }
            | ClientError::TransactionFatal { why, .. } => why.code(),
            _ => None,
        }
    }

    pub(crate) fn connect(address: &str, error: &io::Error) -> ClientError {
        let failure = match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
            io::ErrorKind::TimedOut => ConnectFailure::Timeout,
            io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => ConnectFailure::UnknownHost(error.to_string()),
            _ if error.to_string().contains("lookup address") => ConnectFailure::UnknownHost(error.to_string()),
            _ => ConnectFailure::Other(error.to_string()),
        };
        ClientError::Connect { address: address.to_string(), failure }
    }

    /// `Ok` for code 0, else the error about `subject`.
    pub(crate) fn check(code: i16, message: Option<&str>, subject: impl FnOnce() -> String) -> Result<(), ClientError> {
        if code == ErrorCode::None.code() {
            return Ok(());
        }
        let (code, message) = match ErrorCode::from_code(code) {
            Some(code) => (code, message.map(str::to_string)),
            None => {
                (ErrorCode::UnknownServerError, Some(format!("error code {code}, which this client does not know")))
            }
        };
        Err(ClientError::Broker { subject: subject(), code, message: message.filter(|text| !text.is_empty()) })
    }

    pub(crate) fn unreadable(address: &str, api: &'static str, error: &DecodeError) -> ClientError {
        ClientError::Unreadable { address: address.to_string(), api, reason: error.to_string() }
    }

    /// An answer that leaves out what was asked for.
    pub(crate) fn missing(api: &'static str, what: &str) -> ClientError {
        ClientError::Unreadable { address: "the broker".to_string(), api, reason: format!("{what} is missing") }
    }
}

impl From<EncodeError> for ClientError {
    fn from(error: EncodeError) -> ClientError {
        ClientError::Invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_said_is_kept() {
        let error = ClientError::check(36, Some("it is there"), || "topic 'a'".to_string()).unwrap_err();
        assert_eq!(error.to_string(), "topic 'a': TOPIC_ALREADY_EXISTS (it is there)");
        assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
        let error = ClientError::check(999, None, String::new).unwrap_err();
        assert!(error.to_string().contains("error code 999"), "{error}");
        assert_eq!(ClientError::check(0, None, String::new), Ok(()));
    }

    #[test]
    fn a_lost_answer_leaves_the_outcome_unknown() {
        let lost = ClientError::Disconnected { address: "a:1".to_string(), reason: "gone".to_string() };
        assert!(lost.is_retriable() && lost.is_outcome_unknown());
        let refused = ClientError::Connect { address: "a:1".to_string(), failure: ConnectFailure::Refused };
        assert!(refused.is_retriable() && !refused.is_outcome_unknown());
    }
}
