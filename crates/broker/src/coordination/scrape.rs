//! Groups, committed offsets and lag for the metrics: asked of the shards one after another when somebody looks.

use super::GroupCoordinator;
use ottla_group::{CommittedOffset, GroupEvent, GroupReply, GroupRequest, Observed, RequestContext};
use ottla_telemetry::groups::{
    CLASSIC_GROUP_COUNT, COMMITTED_OFFSET, CONSUMER_GROUP_COUNT, GROUP_COUNT, GROUP_MEMBERS, GROUP_OFFSETS, LAG,
    OFFSETS_NOT_SHOWN, SHARE_GROUP_COUNT, STREAMS_GROUP_COUNT,
};
use ottla_telemetry::{Collector, Family};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

/// Most committed offsets that are shown with a series of their own.
const OFFSETS_SHOWN_MAX: usize = 10_000;
/// How long all shards together may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Collector for GroupCoordinator {
    fn collect(&self) -> Pin<Box<dyn Future<Output = Vec<Family>> + Send + '_>> {
        Box::pin(async move {
            let observed = self.observe().await;
            counts(&observed).into_iter().chain(self.offsets(&observed)).collect()
        })
    }
}

impl GroupCoordinator {
    /// What all shards hold; one that is loading or does not answer in time is left out.
    async fn observe(&self) -> Observed {
        let mut all = Observed::default();
        let deadline = self.runtime.now() + PATIENCE;
        for (_, shard) in self.shards.all() {
            let room = OFFSETS_SHOWN_MAX.saturating_sub(all.offsets.len());
            let context =
                RequestContext { api_version: 0, client_id: "".into(), client_host: "".into(), regex_error: None };
            let asked = shard.submit(GroupEvent::Request(context, GroupRequest::Observe(room)));
            let left = deadline.saturating_duration_since(self.runtime.now());
            let Ok(Ok(GroupReply::Observe(one))) = self.runtime.timeout(left, asked).await else { continue };
            one.groups.into_iter().for_each(|(kind, count)| *all.groups.entry(kind).or_default() += count);
            one.members.into_iter().for_each(|(kind, count)| *all.members.entry(kind).or_default() += count);
            all.offsets.extend(one.offsets);
            all.offset_count += one.offset_count;
        }
        all
    }

    fn offsets(&self, observed: &Observed) -> [Family; 4] {
        let mut committed = Family::new(&COMMITTED_OFFSET);
        let mut lags = Family::new(&LAG);
        for offset in &observed.offsets {
            committed.push(labels(offset), offset.offset);
            if let Some(lag) = self.lag(offset) {
                lags.push(labels(offset), lag);
            }
        }
        let not_shown = observed.offset_count.saturating_sub(observed.offsets.len() as u64);
        [
            committed,
            lags,
            Family::of_value(&GROUP_OFFSETS, number(observed.offset_count)),
            Family::of_value(&OFFSETS_NOT_SHOWN, number(not_shown)),
        ]
    }

    /// Only the leader of a partition knows how far it goes.
    fn lag(&self, offset: &CommittedOffset) -> Option<i64> {
        let partition = self.partitions.by_name(&offset.topic, offset.partition).ok()?;
        // An offset beyond the end is one of a log that was lost or made anew.
        Some(partition.led_high_watermark()?.saturating_sub(offset.offset).max(0))
    }
}

fn labels(offset: &CommittedOffset) -> Vec<(&'static str, String)> {
    vec![
        ("consumergroup", offset.group_id.to_string()),
        ("topic", offset.topic.to_string()),
        ("partition", offset.partition.to_string()),
    ]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn counts(observed: &Observed) -> [Family; 6] {
    let mut by_protocol: BTreeMap<&str, u64> =
        BTreeMap::from([("classic", 0), ("consumer", 0), ("share", 0), ("streams", 0)]);
    let (mut classic, mut consumer) = (Family::new(&CLASSIC_GROUP_COUNT), Family::new(&CONSUMER_GROUP_COUNT));
    let (mut share, mut streams) = (Family::new(&SHARE_GROUP_COUNT), Family::new(&STREAMS_GROUP_COUNT));
    for ((protocol, state), count) in &observed.groups {
        *by_protocol.entry(protocol).or_default() += count;
        let states = match *protocol {
            "consumer" => &mut consumer,
            "share" => &mut share,
            "streams" => &mut streams,
            _ => &mut classic,
        };
        states.push(vec![("state", state.to_lowercase())], number(*count));
    }
    let mut groups = Family::new(&GROUP_COUNT);
    let mut members = Family::new(&GROUP_MEMBERS);
    for (protocol, count) in by_protocol {
        let label = || vec![("protocol", protocol.to_string())];
        groups.push(label(), number(count));
        members.push(label(), number(observed.members.get(protocol).copied().unwrap_or(0)));
    }
    [groups, members, classic, consumer, share, streams]
}
