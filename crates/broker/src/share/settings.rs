//! What the configs say of one share group: its own (resource type GROUP), within the broker's bounds.

use ottla_config::BrokerConfig;
use ottla_metadata::{ConfigResource, MetadataImage, ResourceType};
use ottla_share::Limits;

/// Where a share group begins in a partition that it never read (`share.auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetReset {
    Earliest,
    Latest,
    /// This long ago, milliseconds.
    ByDuration(i64),
}

/// The settings of a share group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) is_read_committed: bool,
    /// `errors.deadletterqueue.topic.name`.
    pub(super) dead_letter_topic: Option<String>,
    /// `errors.deadletterqueue.copy.record.enable`.
    pub(super) copies_dead_letters: bool,
    pub(super) offset_reset: OffsetReset,
}

impl Settings {
    pub(crate) fn of(group_id: &str, image: &MetadataImage, broker: &BrokerConfig) -> Settings {
        let resource = ConfigResource { resource_type: ResourceType::Group, name: group_id.to_string() };
        let own = image.configs(&resource);
        let text = |name: &str| own.get(name).map(|text| text.trim().to_string());
        let number = |name: &str, bounds: Option<&str>| {
            let own = text(&format!("share.{name}")).and_then(|text| text.parse::<i64>().ok());
            let bounded = |own: i64| match bounds {
                Some(name) => {
                    let (min, max) = (format!("group.share.min.{name}"), format!("group.share.max.{name}"));
                    own.max(broker.long(&min)).min(broker.long(&max))
                }
                None => own,
            };
            own.map_or_else(|| broker.long(&format!("group.share.{name}")), bounded)
        };
        let is_on = |text: String| text.eq_ignore_ascii_case("true");
        let dead_letter_topic = text("errors.deadletterqueue.topic.name").filter(|name| !name.is_empty());
        let redelivery_delay_ms = text("share.redelivery.delay.ms").and_then(|text| text.parse::<i64>().ok());
        let delivery_count_limit = number("delivery.count.limit", Some("delivery.count.limit"));
        let limits = Limits {
            delivery_count_limit: i16::try_from(delivery_count_limit).unwrap_or(i16::MAX),
            lock_duration_ms: number("record.lock.duration.ms", Some("record.lock.duration.ms")),
            in_flight_max: number("partition.max.record.locks", Some("partition.max.record.locks")),
            may_renew: text("share.renew.acknowledge.enable").is_none_or(is_on),
            redelivery_delay_ms: redelivery_delay_ms.unwrap_or(0),
            has_dead_letters: dead_letter_topic.is_some(),
        };
        Settings {
            limits,
            copies_dead_letters: text("errors.deadletterqueue.copy.record.enable").is_some_and(is_on),
            dead_letter_topic,
            is_read_committed: text("share.isolation.level").is_some_and(|text| text == "read_committed"),
            offset_reset: text("share.auto.offset.reset").map_or(OffsetReset::Latest, |text| offset_reset(&text)),
        }
    }
}

fn offset_reset(text: &str) -> OffsetReset {
    match text.split_once(':') {
        Some(("by_duration", duration)) => duration_ms(duration).map_or(OffsetReset::Latest, OffsetReset::ByDuration),
        _ if text == "earliest" => OffsetReset::Earliest,
        _ => OffsetReset::Latest,
    }
}

/// `PnDTnHnMnS` (ISO 8601, as Java's `Duration` reads it) in milliseconds.
fn duration_ms(text: &str) -> Option<i64> {
    let rest = text.strip_prefix(['P', 'p'])?;
    let (days, time) = match rest.split_once(['T', 't']) {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    let mut total: i64 = 0;
    let mut add = |mut part: &str, units: &[(char, i64)]| -> Option<()> {
        while !part.is_empty() {
            let at = part.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, unit) = (part.get(..at)?, part.get(at..=at)?.chars().next()?.to_ascii_uppercase());
            let (_, factor_ms) = units.iter().find(|(name, _)| *name == unit)?;
            let number: f64 = number.parse().ok()?;
            total = total.checked_add((number * *factor_ms as f64) as i64)?;
            part = part.get(at + 1..)?;
        }
        Some(())
    };
    add(days, &[('D', 86_400_000)])?;
    add(time.unwrap_or(""), &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])?;
    (total >= 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_does() {
        for (text, ms) in [("PT1H", 3_600_000), ("P1DT2M", 86_520_000), ("PT0.5S", 500), ("P3D", 259_200_000)] {
            assert_eq!(offset_reset(&format!("by_duration:{text}")), OffsetReset::ByDuration(ms), "{text}");
        }
        for bad in ["", "1H", "PT1X", "P1H", "PT"] {
            let expected = if bad == "PT" { OffsetReset::ByDuration(0) } else { OffsetReset::Latest };
            assert_eq!(offset_reset(&format!("by_duration:{bad}")), expected, "{bad}");
        }
        assert_eq!(offset_reset("earliest"), OffsetReset::Earliest);
    }
}
