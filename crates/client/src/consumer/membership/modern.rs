//! KIP-848: one heartbeat that joins, tells what is owned, brings what is assigned, and leaves. The broker assigns.

use super::{Member, Step, subscription_changes};
use crate::backoff::Backoff;
use crate::consumer::TopicIds;
use crate::consumer::subscription::Wanted;
use crate::error::ClientError;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::consumer_group_heartbeat_response::Assignment;
use ottla_protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::oneshot;

/// The first version in which the member chooses its id.
const OWN_ID_VERSION: i16 = 1;
/// The first version with topic patterns.
const PATTERN_VERSION: i16 = 1;

/// The member's own state.
struct Modern {
    member_id: String,
    member_epoch: i32,
    assignor: Option<String>,
    interval: Duration,
    /// The next heartbeat says everything.
    is_full: bool,
    /// The coordinator was told a pattern.
    has_pattern: bool,
    topic_ids: TopicIds,
}

impl Member {
    /// Until the subscription ends or something cannot be mended.
    pub(super) async fn run_modern(&mut self, assignor: Option<String>) -> Result<(), ClientError> {
        let member_id = self.shared.runtime().random_uuid().to_string();
        let mut modern = Modern {
            member_id,
            member_epoch: 0,
            assignor,
            interval: self.shared.options.heartbeat_interval,
            is_full: true,
            has_pattern: false,
            topic_ids: TopicIds::default(),
        };
        let mut backoff = Backoff::new(self.shared.client.options());
        loop {
            if self.is_idle() {
                tracing::warn!(group_id = self.group_id, "not polled for max.poll.interval.ms: leaving the group");
                self.shared.leave().await;
                self.rejoin(&mut modern).await;
                self.wait_until_polled().await;
            }
            let next = match self.beat(&mut modern).await {
                Ok(response) => self.obey(&mut modern, response).await,
                Err(error) => Err(error),
            };
            match next {
                Ok(true) => {}
                Ok(false) => {
                    backoff = Backoff::new(self.shared.client.options());
                    self.wait_for_next(&mut modern).await;
                }
                Err(error) => match error.code() {
                    Some(ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch) => {
                        tracing::info!(group_id = self.group_id, %error, "the member was fenced; joining anew");
                        self.rejoin(&mut modern).await;
                    }
                    _ => {
                        modern.is_full = true;
                        self.patience(error, &mut backoff).await?;
                    }
                },
            }
        }
    }

    async fn rejoin(&mut self, modern: &mut Modern) {
        modern.member_epoch = 0;
        modern.is_full = true;
        self.become_member(&modern.member_id, -1);
        self.lose_all().await;
    }

    /// Waits for the interval, or for a changed subscription.
    async fn wait_for_next(&mut self, modern: &mut Modern) {
        modern.is_full |= subscription_changes(self.shared.runtime(), &mut self.wanted, modern.interval).await;
    }

    async fn beat(&mut self, modern: &mut Modern) -> Result<ConsumerGroupHeartbeatResponse, ClientError> {
        let options = &self.shared.options;
        let is_full = modern.is_full;
        let (topics, pattern) = match &*self.wanted.borrow_and_update() {
            Wanted::Topics(topics) => (topics.iter().cloned().collect(), None),
            Wanted::Pattern(pattern) => (Vec::new(), Some(pattern.text.clone())),
        };
        let coordinator = self.shared.coordinating.group_coordinator(&self.group_id).await?;
        let newest = coordinator.version_of::<ConsumerGroupHeartbeatRequest>()?;
        let least = if pattern.is_some() { PATTERN_VERSION } else { 0 };
        let version = coordinator.version_within::<ConsumerGroupHeartbeatRequest>((least, newest))?;
        // An empty one takes a pattern away that the coordinator has.
        let regex = pattern.clone().or_else(|| modern.has_pattern.then(String::new));
        if version < OWN_ID_VERSION && modern.member_epoch == 0 {
            modern.member_id.clear();
        }
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group_id.clone(),
            member_id: modern.member_id.clone(),
            member_epoch: modern.member_epoch,
            instance_id: if is_full { options.group_instance_id.clone() } else { None },
            rack_id: if is_full { options.rack.clone() } else { None },
            rebalance_timeout_ms: if is_full { millis(options.max_poll_interval) } else { -1 },
            subscribed_topic_names: is_full.then_some(topics),
            subscribed_topic_regex: if is_full { regex } else { None },
            server_assignor: if is_full { modern.assignor.clone() } else { None },
            topic_partitions: is_full.then(|| self.owned_by_id(modern)),
        };
        let response = coordinator.begin(&request, version, &[]).await?.wait().await?;
        let message = response.error_message.as_deref();
        ClientError::check(response.error_code, message, || format!("group '{}'", self.group_id))?;
        if is_full {
            modern.has_pattern = pattern.is_some();
        }
        modern.is_full = false;
        if let Some(member_id) = &response.member_id {
            modern.member_id = member_id.clone();
        }
        modern.member_epoch = response.member_epoch;
        modern.interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap_or(0).max(1));
        self.become_member(&modern.member_id, modern.member_epoch);
        Ok(response)
    }

    fn owned_by_id(&self, modern: &Modern) -> Vec<TopicPartitions> {
        let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        if modern.member_epoch == 0 {
            return Vec::new();
        }
        for partition in &self.owned {
            if let Some(topic_id) = modern.topic_ids.get(&partition.topic) {
                topics.entry(topic_id).or_default().push(partition.partition);
            }
        }
        topics.into_iter().map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions }).collect()
    }

    /// Takes a new assignment; `true` when the broker is to hear of it at once.
    async fn obey(
        &mut self,
        modern: &mut Modern,
        response: ConsumerGroupHeartbeatResponse,
    ) -> Result<bool, ClientError> {
        let Some(assignment) = response.assignment else { return Ok(false) };
        let assigned = self.names_of(modern, &assignment).await?;
        let revoked: BTreeSet<TopicPartition> = self.owned.difference(&assigned).cloned().collect();
        if assigned == self.owned {
            return Ok(false);
        }
        if !revoked.is_empty() {
            self.step_while_beating(modern, |done| Step::Revoke(revoked, done)).await;
        }
        tracing::info!(
            group_id = self.group_id,
            epoch = modern.member_epoch,
            partitions = assigned.len(),
            "assignment taken"
        );
        self.owned = assigned.clone();
        self.step_while_beating(modern, |done| Step::Assign(assigned, done)).await;
        modern.is_full = true;
        Ok(true)
    }

    /// The coordinator names topics by id.
    async fn names_of(
        &mut self,
        modern: &mut Modern,
        assignment: &Assignment,
    ) -> Result<BTreeSet<TopicPartition>, ClientError> {
        let assigned = || assignment.topic_partitions.iter().map(|topic| (topic.topic_id, topic.partitions.as_slice()));
        if !modern.topic_ids.know(assigned().map(|(topic_id, _)| topic_id)) {
            let topics = self.topics_now().await?;
            modern.topic_ids.learn(&self.shared.client, &topics).await?;
        }
        Ok(modern.topic_ids.partitions(assigned()).into_keys().collect())
    }

    /// Waits until `poll` has taken the step, with heartbeats that say nothing new.
    async fn step_while_beating(&mut self, modern: &mut Modern, step: impl FnOnce(oneshot::Sender<()>) -> Step) {
        let mut done = self.begin_step(step);
        loop {
            tokio::select! {
                biased;
                _ = &mut done => return,
                () = self.shared.runtime().sleep(modern.interval) => {}
            }
            if self.is_idle() {
                continue;
            }
            let (epoch, id) = (modern.member_epoch, modern.member_id.clone());
            modern.is_full = false;
            if self.beat(modern).await.is_err() {
                // The next heartbeat of the round will say so again.
                (modern.member_epoch, modern.member_id) = (epoch, id);
            }
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
