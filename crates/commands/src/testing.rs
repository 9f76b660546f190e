//! What tests of several commands share.

use ottla_client::{ConsumerRecord, TimestampType};

/// What a line means to a command that accepts `A`.
pub(crate) fn parsed<A: clap::Args>(line: &str) -> Result<A, clap::Error> {
    let words = ["ottla"].into_iter().chain(line.split_whitespace());
    A::from_arg_matches(&A::augment_args(clap::Command::new("ottla")).try_get_matches_from(words)?)
}

/// A record as a consumer gives it: t-1@7 without key, value and headers.
pub(crate) fn read_record() -> ConsumerRecord {
    ConsumerRecord {
        topic: "t".into(),
        partition: 1,
        offset: 7,
        timestamp: 1000,
        timestamp_type: TimestampType::CreateTime,
        leader_epoch: 0,
        delivery_count: None,
        key: None,
        value: None,
        headers: Vec::new(),
    }
}
