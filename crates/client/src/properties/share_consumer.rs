//! Properties of share consumers.

use super::values::{boolean, milliseconds, number, optional};
use super::{ClientProperties, Property};
use crate::error::ClientError;
use crate::share_consumer::{AcknowledgementMode, AcquireMode, ShareConsumerOptions};

pub(super) const SHARE_CONSUMER: &[Property<ShareConsumerOptions>] = &[
    Property::new("group.id", |options, text| {
        options.group_id = text.to_string();
        Ok(())
    }),
    Property::new("share.acknowledgement.mode", |options, text| {
        options.acknowledgement_mode = match text {
            _ if text.eq_ignore_ascii_case("implicit") => AcknowledgementMode::Implicit,
            _ if text.eq_ignore_ascii_case("explicit") => AcknowledgementMode::Explicit,
            _ => return Err("expected implicit or explicit".to_string()),
        };
        Ok(())
    }),
    Property::new("share.acquire.mode", |options, text| {
        options.acquire_mode = match text {
            _ if text.eq_ignore_ascii_case("batch_optimized") => AcquireMode::BatchOptimized,
            _ if text.eq_ignore_ascii_case("record_limit") => AcquireMode::RecordLimit,
            _ => return Err("expected batch_optimized or record_limit".to_string()),
        };
        Ok(())
    }),
    Property::new("client.rack", |options, text| {
        options.rack = optional(text);
        Ok(())
    }),
    Property::new("max.poll.interval.ms", |options, text| {
        milliseconds(text).map(|time| options.max_poll_interval = time)
    }),
    Property::new("max.poll.records", |options, text| number(text).map(|max| options.max_poll_records = max)),
    Property::new("fetch.min.bytes", |options, text| number(text).map(|bytes| options.fetch_min_bytes = bytes)),
    Property::new("fetch.max.bytes", |options, text| number(text).map(|bytes| options.fetch_max_bytes = bytes)),
    Property::new("fetch.max.wait.ms", |options, text| milliseconds(text).map(|time| options.fetch_wait_max = time)),
    Property::new("check.crcs", |options, text| boolean(text).map(|on| options.check_crcs = on)),
    Property::new("metadata.max.age.ms", |options, text| {
        milliseconds(text).map(|time| options.metadata_age_max = time)
    }),
];

/// What means nothing in a share group, and is refused as in Kafka: who sets it expects something of it.
const REFUSED: &[&str] = &[
    "auto.offset.reset",
    "enable.auto.commit",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "interceptor.classes",
    "isolation.level",
    "partition.assignment.strategy",
    "session.timeout.ms",
];

impl ClientProperties {
    /// `base` with what the properties say about a share consumer.
    ///
    /// # Errors
    /// `Invalid` for a value that cannot be read, and for properties that share groups do not have: what concerns the group
    /// is a config of the group (`share.auto.offset.reset`, `share.isolation.level`).
    pub fn share_consumer_options(&self, base: ShareConsumerOptions) -> Result<ShareConsumerOptions, ClientError> {
        for name in REFUSED {
            let why = "this cannot be set for a share consumer; share groups have configs of their own (share.*)";
            self.refuse_when_set(name, why)?;
        }
        let options = self.applied(base, SHARE_CONSUMER)?;
        options.check()?;
        Ok(options)
    }
}
