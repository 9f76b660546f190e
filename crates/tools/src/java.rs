//! Errors as Java's tools print them: the class of the exception, and its message.

use ottla_client::ClientError;
use ottla_types::ErrorCode;

const PACKAGE: &str = "org.apache.kafka.common.errors.";

/// `class: message` of the exception that Kafka's admin client would throw.
pub fn java_error(error: &ClientError) -> String {
    match error {
        ClientError::Broker { code, .. } => format!("{PACKAGE}{}: {}", exception(*code), described_error(error)),
        ClientError::Timeout { .. } | ClientError::Connect { .. } | ClientError::NoBrokers { .. } => {
            format!("{PACKAGE}TimeoutException: {error}")
        }
        ClientError::NoCommonVersion { .. } => format!("{PACKAGE}UnsupportedVersionException: {error}"),
        other => other.to_string(),
    }
}

/// The name of the class of Kafka's exception, with its package.
pub(crate) fn java_class(error: &ClientError) -> String {
    let code = error.code().unwrap_or(ErrorCode::UnknownServerError);
    format!("{PACKAGE}{}", exception(code))
}

/// What the broker said, or Kafka's own text for the code.
pub(crate) fn described_error(error: &ClientError) -> String {
    match error {
        ClientError::Broker { message: Some(message), .. } => message.clone(),
        ClientError::Broker { code, .. } => text(*code).map_or_else(|| error.to_string(), str::to_string),
        other => other.to_string(),
    }
}

/// The text of Kafka's `Errors` for the codes that administrators meet.
fn text(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::GroupIdNotFound => "The group id does not exist.",
        ErrorCode::NonEmptyGroup => "The group is not empty.",
        ErrorCode::GroupSubscribedToTopic => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
        }
        ErrorCode::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        ErrorCode::InvalidGroupId => "The group id is invalid.",
        ErrorCode::GroupAuthorizationFailed => "Group authorization failed.",
        ErrorCode::TopicAuthorizationFailed => "Topic authorization failed.",
        ErrorCode::ClusterAuthorizationFailed => "Cluster authorization failed.",
        ErrorCode::UnknownMemberId => "The coordinator is not aware of this member.",
        ErrorCode::CoordinatorNotAvailable => "The coordinator is not available.",
        ErrorCode::NoReassignmentInProgress => "No partition reassignment is in progress.",
        ErrorCode::KafkaStorageError => "Disk error when trying to access log file on the disk.",
        ErrorCode::UnsupportedVersion => "The version of API is not supported.",
        ErrorCode::InvalidConfig => "Configuration is invalid.",
        ErrorCode::InvalidRequest => {
            "This most likely occurs because of a request being malformed by the client library or the message was sent to \
             an incompatible broker. See the broker logs for more details."
        }
        _ => return None,
    })
}

/// The class of Kafka's exception for a code, without its package.
fn exception(code: ErrorCode) -> String {
    let special = match code {
        ErrorCode::NonEmptyGroup => "GroupNotEmpty",
        ErrorCode::InvalidConfig => "InvalidConfiguration",
        ErrorCode::InvalidTopicException => "InvalidTopic",
        ErrorCode::TopicAlreadyExists => "TopicExists",
        ErrorCode::RequestTimedOut => "Timeout",
        ErrorCode::UnknownServerError => "UnknownServer",
        ErrorCode::CorruptMessage => "CorruptRecord",
        ErrorCode::KafkaStorageError => "KafkaStorage",
        ErrorCode::MessageTooLarge => "RecordTooLarge",
        _ => "",
    };
    if !special.is_empty() {
        return format!("{special}Exception");
    }
    let mut class = String::new();
    for word in code.name().split('_') {
        let (first, rest) = word.split_at(1.min(word.len()));
        class += &(first.to_string() + &rest.to_lowercase());
    }
    class + "Exception"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: ErrorCode, message: Option<&str>) -> ClientError {
        ClientError::Broker { subject: "x".to_string(), code, message: message.map(str::to_string) }
    }

    #[test]
    fn errors_are_named_as_java_does() {
        let cases = [
            (
                error(ErrorCode::GroupIdNotFound, Some("Group g not found.")),
                "GroupIdNotFoundException: Group g not found.",
            ),
            (error(ErrorCode::NonEmptyGroup, None), "GroupNotEmptyException: The group is not empty."),
            (
                error(ErrorCode::UnknownTopicOrPartition, None),
                "UnknownTopicOrPartitionException: This server does not host this topic-partition.",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(java_error(&error), format!("org.apache.kafka.common.errors.{expected}"));
        }
    }
}
