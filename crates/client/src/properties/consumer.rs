//! Properties of consumers.

use super::values::{boolean, milliseconds, number, optional, simple_name};
use super::{ClientProperties, Property, invalid};
use crate::assign::Assignor;
use crate::consumer::{ConsumerOptions, GroupProtocol, OffsetReset};
use crate::error::ClientError;
use crate::fetch::Isolation;
use std::time::Duration;

pub(super) const CONSUMER: &[Property<ConsumerOptions>] = &[
    Property::new("group.id", |options, text| {
        options.group_id = optional(text);
        Ok(())
    }),
    Property::new("group.instance.id", |options, text| {
        options.group_instance_id = optional(text);
        Ok(())
    }),
    Property::new("client.rack", |options, text| {
        options.rack = optional(text);
        Ok(())
    }),
    Property::new("session.timeout.ms", |options, text| milliseconds(text).map(|time| options.session_timeout = time)),
    Property::new("heartbeat.interval.ms", |options, text| {
        milliseconds(text).map(|time| options.heartbeat_interval = time)
    }),
    Property::new("max.poll.interval.ms", |options, text| {
        milliseconds(text).map(|time| options.max_poll_interval = time)
    }),
    Property::new("max.poll.records", |options, text| number(text).map(|max| options.max_poll_records = max)),
    Property::new("enable.auto.commit", |options, text| boolean(text).map(|on| options.auto_commit = on)),
    Property::new("auto.commit.interval.ms", |options, text| {
        milliseconds(text).map(|time| options.auto_commit_interval = time)
    }),
    Property::new("auto.offset.reset", |options, text| offset_reset(text).map(|reset| options.offset_reset = reset)),
    Property::new("fetch.min.bytes", |options, text| number(text).map(|bytes| options.fetch_min_bytes = bytes)),
    Property::new("fetch.max.bytes", |options, text| number(text).map(|bytes| options.fetch_max_bytes = bytes)),
    Property::new("max.partition.fetch.bytes", |options, text| {
        number(text).map(|bytes| options.partition_fetch_bytes_max = bytes)
    }),
    Property::new("fetch.max.wait.ms", |options, text| milliseconds(text).map(|time| options.fetch_wait_max = time)),
    Property::new("isolation.level", |options, text| {
        options.isolation = match text {
            "read_uncommitted" => Isolation::ReadUncommitted,
            "read_committed" => Isolation::ReadCommitted,
            _ => return Err("expected read_uncommitted or read_committed".to_string()),
        };
        Ok(())
    }),
    Property::new("check.crcs", |options, text| boolean(text).map(|on| options.check_crcs = on)),
    Property::new("metadata.max.age.ms", |options, text| {
        milliseconds(text).map(|time| options.metadata_age_max = time)
    }),
    Property::new("allow.auto.create.topics", |options, text| {
        boolean(text).map(|on| options.allow_auto_create_topics = on)
    }),
    Property::new("group.protocol", |options, text| {
        options.protocol = match text {
            _ if text.eq_ignore_ascii_case("classic") => match options.protocol {
                GroupProtocol::Classic { .. } => return Ok(()),
                GroupProtocol::Consumer { .. } => ConsumerOptions::default().protocol,
            },
            _ if text.eq_ignore_ascii_case("consumer") => GroupProtocol::Consumer { assignor: None },
            _ => return Err("expected classic or consumer".to_string()),
        };
        Ok(())
    }),
];

impl ClientProperties {
    /// `base` with what the properties say about a consumer.
    ///
    /// # Errors
    /// `Invalid` for a value that cannot be read, for settings that exclude each other, and for what this consumer cannot
    /// do (assignors of one's own, Java classes).
    pub fn consumer_options(&self, base: ConsumerOptions) -> Result<ConsumerOptions, ClientError> {
        self.refuse_when_set("interceptor.classes", "this client runs no Java classes")?;
        let mut options = self.applied(base, CONSUMER)?;
        if let GroupProtocol::Classic { assignors } = &mut options.protocol {
            if let Some(text) = self.get("partition.assignment.strategy") {
                let named = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                let parsed: Result<Vec<Assignor>, String> = named.map(assignor).collect();
                *assignors = parsed.map_err(|why| invalid("partition.assignment.strategy", text, &why))?;
            }
        } else if let Some(text) = self.get("group.remote.assignor") {
            options.protocol = GroupProtocol::Consumer { assignor: optional(text.trim()) };
        }
        options.check()?;
        Ok(options)
    }
}

fn assignor(class: &str) -> Result<Assignor, String> {
    match simple_name(class) {
        "RangeAssignor" | "range" => Ok(Assignor::Range),
        "RoundRobinAssignor" | "roundrobin" => Ok(Assignor::RoundRobin),
        "StickyAssignor" | "sticky" => Ok(Assignor::Sticky),
        "CooperativeStickyAssignor" | "cooperative-sticky" => Ok(Assignor::CooperativeSticky),
        other => Err(format!("there is no assignor {other}: expected range, roundrobin, sticky or cooperative-sticky")),
    }
}

fn offset_reset(text: &str) -> Result<OffsetReset, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(duration) = lower.strip_prefix("by_duration:") {
        let age = ottla_config::parse_iso8601_ms(duration).and_then(|age| u64::try_from(age).ok());
        let age = age.ok_or_else(|| "expected by_duration:PnDTnHnMn.nS, not negative".to_string())?;
        return Ok(OffsetReset::ByDuration(Duration::from_millis(age)));
    }
    match lower.as_str() {
        // The second names are librdkafka's.
        "earliest" | "smallest" | "beginning" => Ok(OffsetReset::Earliest),
        "latest" | "largest" | "end" => Ok(OffsetReset::Latest),
        "none" | "error" => Ok(OffsetReset::None),
        _ => Err("expected earliest, latest, none or by_duration:PnDTnHnMn.nS".to_string()),
    }
}
