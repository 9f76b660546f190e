//! A member of a KIP-848 group: heartbeats that say what it owns, and obeys what comes back.

use super::{Credentials, GROUPED, GROUPED_PARTITIONS, MODERN, Seat, Told};
use crate::oracle::{Check, broken};
use crate::planted::GroupError;
use crate::workload::Actor;
use crate::workload::membership::{JOIN_EPOCH, LEAVE_EPOCH};
use ottla_client::ClientError;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_runtime::Instant;
use ottla_types::Uuid;
use std::collections::BTreeSet;
use std::time::Duration;

/// `group.consumer.session.timeout.ms` of the node.
const SESSION: Duration = Duration::from_secs(2);
/// A member that does not give up what it is asked for is removed after this, longer than anything here takes.
const REBALANCE: Duration = Duration::from_secs(120);

/// Is a member until the run is over and the group has read everything.
pub(in crate::workload) async fn run(actor: Actor) -> Check {
    let next_beat = actor.now();
    let mut member = Member {
        seat: Seat::new(actor, MODERN),
        credentials: Credentials::default(),
        topic_id: Uuid::ZERO,
        owned: BTreeSet::new(),
        members: 0,
        next_beat,
        is_joined: false,
    };
    member.become_another();
    while member.seat.goes_on()? {
        member.seat.actor.pause(150).await;
        member.step().await?;
    }
    member.leave().await
}

struct Member {
    seat: Seat,
    credentials: Credentials,
    /// The topic's id, as the assignments name it.
    topic_id: Uuid,
    owned: BTreeSet<i32>,
    /// How many members this client has been.
    members: u32,
    next_beat: Instant,
    is_joined: bool,
}

impl Member {
    async fn step(&mut self) -> Check {
        if !self.is_joined || self.seat.actor.now() >= self.next_beat {
            let told = self.beat().await?;
            return self.obey(told).await;
        }
        self.seat.read().await?;
        match self.seat.actor.below(100) {
            0..40 => {
                let told = self.seat.commit(&self.credentials).await?;
                self.obey(told).await?;
            }
            40 => self.leave().await?,
            // Gone without a word; another member comes.
            41 => {
                self.become_another();
                self.seat.actor.pause(2000).await;
            }
            // Silent for longer than its session, perhaps; then it goes on as if nothing had been.
            42 => {
                self.seat.actor.pause(4000).await;
                let told = self.seat.commit(&self.credentials).await?;
                self.obey(told).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn obey(&mut self, told: Told) -> Check {
        match told {
            Told::Done | Told::Later => {}
            Told::Fenced if self.seat.actor.chance(50) => self.become_another(),
            Told::Fenced => self.begin_anew(),
            Told::Unknown => self.leave().await?,
        }
        Ok(())
    }

    /// One heartbeat, and what follows from its answer.
    async fn beat(&mut self) -> Check<Told> {
        let oracle = self.seat.actor.oracle.clone();
        let sent_at = self.seat.actor.now();
        let sent = oracle.asking_group(MODERN, sent_at);
        oracle.owning(MODERN, &self.credentials.member_id, &self.owned);
        let request = self.request();
        let response = match self.send(&request).await {
            Ok(response) => response,
            Err(error) => return self.seat.uncertain("ConsumerGroupHeartbeat", &sent, &error),
        };
        let told = self.seat.judge("ConsumerGroupHeartbeat", response.error_code)?;
        if told != Told::Done {
            return Ok(told);
        }
        let now = self.seat.actor.now();
        if now >= sent_at + SESSION {
            // The group may have gone on without it.
            return Ok(Told::Unknown);
        }
        if response.member_epoch < self.credentials.epoch {
            let (epoch, known) = (response.member_epoch, self.credentials.epoch);
            return broken(format!("{MODERN} took member {} back from epoch {known} to {epoch}", request.member_id));
        }
        self.is_joined = true;
        self.credentials.epoch = response.member_epoch;
        self.next_beat = now + Duration::from_millis(self.seat.actor.below(400));
        let Some(assignment) = response.assignment else {
            oracle.heartbeat(&sent, &self.credentials.member_id, None, SESSION, now)?;
            // Where to go on may not have been told yet.
            return self.seat.take(&self.credentials, &self.owned).await;
        };
        let mut assigned = BTreeSet::new();
        for topic in &assignment.topic_partitions {
            self.topic_id = topic.topic_id;
            assigned.extend(topic.partitions.iter().copied());
        }
        if self.seat.actor.has(GroupError::AssignedTwice) {
            assigned.insert(0);
        }
        if assigned.iter().any(|partition| !(0..GROUPED_PARTITIONS).contains(partition)) {
            return broken(format!("{MODERN} assigned {assigned:?}"));
        }
        oracle.heartbeat(&sent, &self.credentials.member_id, Some(&assigned), SESSION, now)?;
        let told = self.hand_over(&assigned).await?;
        if told == Told::Unknown {
            return Ok(told);
        }
        if assigned != self.owned {
            self.owned = assigned;
            // The coordinator waits to hear of it.
            self.next_beat = now;
        }
        Ok(told)
    }

    /// Commits, gives up what is not assigned any more, and takes what is new.
    async fn hand_over(&mut self, assigned: &BTreeSet<i32>) -> Check<Told> {
        if !assigned.is_superset(&self.owned) {
            let told = self.seat.commit(&self.credentials).await?;
            if told == Told::Unknown {
                return Ok(told);
            }
        }
        self.seat.take(&self.credentials, assigned).await
    }

    fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let topic_id = self.topic_id;
        let partitions: Vec<i32> = self.owned.iter().copied().collect();
        let owned = if partitions.is_empty() { Vec::new() } else { vec![TopicPartitions { topic_id, partitions }] };
        let is_joining = self.credentials.epoch == JOIN_EPOCH;
        ConsumerGroupHeartbeatRequest {
            group_id: MODERN.to_string(),
            member_id: self.credentials.member_id.clone(),
            member_epoch: self.credentials.epoch,
            rebalance_timeout_ms: if is_joining { REBALANCE.as_millis() as i32 } else { -1 },
            subscribed_topic_names: is_joining.then(|| vec![GROUPED.to_string()]),
            server_assignor: is_joining.then(|| self.assignor().to_string()),
            topic_partitions: Some(owned),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    fn assignor(&self) -> &'static str {
        if self.seat.actor.chance(50) { "uniform" } else { "range" }
    }

    async fn send(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, ClientError> {
        self.seat.coordinator().await?.send(request).await
    }

    /// Leaves, as far as the coordinator hears it; the next member of this client is another one.
    async fn leave(&mut self) -> Check {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: MODERN.to_string(),
            member_id: self.credentials.member_id.clone(),
            member_epoch: LEAVE_EPOCH,
            rebalance_timeout_ms: -1,
            ..ConsumerGroupHeartbeatRequest::default()
        };
        self.seat.actor.oracle.owning(MODERN, &self.credentials.member_id, &BTreeSet::new());
        self.become_another();
        match self.send(&request).await {
            Ok(response) => self.seat.judge("ConsumerGroupHeartbeat to leave", response.error_code).map(drop),
            Err(error) => self.seat.weather("ConsumerGroupHeartbeat to leave", &error).map(drop),
        }
    }

    /// The same member joins again, with nothing.
    fn begin_anew(&mut self) {
        self.credentials.epoch = JOIN_EPOCH;
        self.owned.clear();
        self.seat.give_up_all();
        self.is_joined = false;
    }

    fn become_another(&mut self) {
        self.members += 1;
        self.credentials.member_id = format!("{}-member-{}", self.seat.actor.name, self.members);
        self.begin_anew();
    }
}
