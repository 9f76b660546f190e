//! Members of a streams group (KIP-1071): heartbeats that bring a topology, say which tasks are active, and obey what comes back.
//!
//! The topology has two subtopologies: one reads the topic that is there, the other the repartition topic that the broker
//! creates for it, and has a changelog. A member that gives a task up says so in its next heartbeat; until then, until it leaves,
//! and until its session can have ended, nobody else may have the task. A member that was heard of within its session is not
//! fenced, whatever became of the process meanwhile. In the end all tasks are somebody's, also when one member after the other
//! leaves.

use super::grouping::UNREADY;
use super::membership::{FENCED, JOIN_EPOCH, LEAVE_EPOCH, expect_left};
use super::setup::{STREAMED, STREAMED_PARTITIONS};
use super::{Actor, compacting};
use crate::oracle::{Check, GroupSent, broken};
use crate::planted::StreamsError;
use ottla_client::ClientError;
use ottla_protocol::streams_group_heartbeat_request::{Subtopology, TaskIds, TopicInfo, Topology};
use ottla_protocol::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, streams_group_heartbeat_response};
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::time::Duration;

const GROUP: &str = "streams-group";
/// `group.streams.session.timeout.ms` of the node.
const SESSION: Duration = Duration::from_secs(2);
/// A member that does not give up what it is asked for is removed after this, longer than anything here takes.
const REBALANCE: Duration = Duration::from_secs(120);
/// Partitions of the repartition topic.
const REPARTITIONED: i32 = 3;
/// Subtopologies, each with how many tasks it has.
const SUBTOPOLOGIES: &[(&str, i32)] = &[("0", STREAMED_PARTITIONS), ("1", REPARTITIONED)];
/// Numbers of tasks between one subtopology and the next.
const STRIDE: i32 = 100;
/// In the end all tasks are assigned within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// Makes the segments of the coordinator's topic small.
pub(super) async fn set_up(actor: &Actor) -> Check {
    compacting::make_segments_small(actor, "__consumer_offsets").await
}

/// Is a member until the run is over and every task is somebody's.
pub(super) async fn run(actor: Actor) -> Check {
    let next_beat = actor.now();
    let mut member = Member {
        actor,
        id: String::new(),
        members: 0,
        epoch: JOIN_EPOCH,
        is_joined: false,
        next_beat,
        tasks: BTreeSet::new(),
        heard_until: None,
        ends_at: None,
    };
    member.become_another();
    while member.goes_on()? {
        member.actor.pause(150).await;
        member.step().await?;
    }
    member.leave().await
}

struct Member {
    actor: Actor,
    id: String,
    /// How many members this client has been.
    members: u32,
    epoch: i32,
    is_joined: bool,
    next_beat: Instant,
    /// The tasks that are active here, by number.
    tasks: BTreeSet<i32>,
    /// The session cannot end before, and no answer is missing that could have changed the member.
    heard_until: Option<Instant>,
    ends_at: Option<Instant>,
}

impl Member {
    fn goes_on(&mut self) -> Check<bool> {
        if !self.actor.is_over() {
            return Ok(true);
        }
        let now = self.actor.now();
        let Some(task) = self.actor.oracle.unowned(GROUP, &all_tasks(), now) else { return Ok(false) };
        if now > *self.ends_at.get_or_insert(now + CATCH_UP_MAX) {
            return broken(format!("task {} of {GROUP} is nobody's", name(task)));
        }
        Ok(true)
    }

    async fn step(&mut self) -> Check {
        if !self.is_joined || self.actor.now() >= self.next_beat {
            return self.beat().await;
        }
        if self.actor.is_over() {
            return Ok(());
        }
        match self.actor.below(100) {
            0..2 => self.leave().await,
            // Gone without a word; another member comes.
            2 => {
                self.become_another();
                self.actor.pause(2000).await;
                Ok(())
            }
            // Silent for longer than its session, perhaps; then it goes on as if nothing had been.
            3..5 => {
                self.actor.pause(4000).await;
                Ok(())
            }
            // It has lost its state, and joins again with nothing.
            5 => {
                self.begin_anew();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One heartbeat, and what follows from its answer.
    async fn beat(&mut self) -> Check {
        let oracle = self.actor.oracle.clone();
        let sent_at = self.actor.now();
        let sent = oracle.asking_group(GROUP, sent_at);
        oracle.owning(GROUP, &self.id, &self.tasks);
        let response = match self.send(&self.request()).await {
            Ok(response) => response,
            Err(error) => {
                self.heard_until = None;
                return self.actor.expect("StreamsGroupHeartbeat", &error, UNREADY);
            }
        };
        match ErrorCode::from_code(response.error_code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => self.obey(&sent, sent_at, response),
            code if FENCED.contains(&code) => self.fenced(code),
            code => {
                self.heard_until = None;
                self.actor.expect_code("StreamsGroupHeartbeat", code, response.error_message.as_deref(), UNREADY)
            }
        }
    }

    fn fenced(&mut self, code: ErrorCode) -> Check {
        if self.heard_until.is_some_and(|until| self.actor.now() < until) {
            return broken(format!("{GROUP} had heard of {}, and says {}", self.id, code.name()));
        }
        if self.actor.chance(50) {
            self.become_another();
        } else {
            self.begin_anew();
        }
        Ok(())
    }

    fn obey(&mut self, sent: &GroupSent, sent_at: Instant, response: StreamsGroupHeartbeatResponse) -> Check {
        let now = self.actor.now();
        if now >= sent_at + SESSION {
            // The group may have gone on without it.
            self.begin_anew();
            return Ok(());
        }
        if response.member_epoch < self.epoch {
            let (found, known) = (response.member_epoch, self.epoch);
            return broken(format!("{GROUP} took member {} back from epoch {known} to {found}", self.id));
        }
        self.is_joined = true;
        self.epoch = response.member_epoch;
        self.heard_until = Some(sent_at + SESSION);
        self.next_beat = now + Duration::from_millis(self.actor.below(400));
        let assigned = match &response.active_tasks {
            Some(active) => Some(self.numbers(active)?),
            None => None,
        };
        self.actor.oracle.heartbeat(sent, &self.id, assigned.as_ref(), SESSION, now)?;
        if let Some(assigned) = assigned.filter(|assigned| *assigned != self.tasks) {
            self.tasks = assigned;
            // The coordinator waits to hear of it.
            self.next_beat = now;
        }
        Ok(())
    }

    fn numbers(&self, active: &[streams_group_heartbeat_response::TaskIds]) -> Check<BTreeSet<i32>> {
        let mut numbers = BTreeSet::new();
        for ids in active {
            let Some(index) = SUBTOPOLOGIES.iter().position(|(name, _)| *name == ids.subtopology_id) else {
                return broken(format!("{GROUP} assigned a task of subtopology {}", ids.subtopology_id));
            };
            numbers.extend(ids.partitions.iter().map(|partition| index as i32 * STRIDE + partition));
        }
        if self.actor.has(StreamsError::TaskAssignedTwice) {
            numbers.insert(0);
        }
        if let Some(task) = numbers.difference(&all_tasks()).next() {
            return broken(format!("{GROUP} assigned task {}", name(*task)));
        }
        Ok(numbers)
    }

    fn request(&self) -> StreamsGroupHeartbeatRequest {
        let is_joining = self.epoch == JOIN_EPOCH;
        let tasks = |index: i32| self.tasks.iter().filter(move |task| **task / STRIDE == index);
        let of = |(index, (name, _)): (i32, &(&str, i32))| TaskIds {
            subtopology_id: (*name).to_string(),
            partitions: tasks(index).map(|task| task % STRIDE).collect(),
        };
        let active = (0..).zip(SUBTOPOLOGIES).map(of).filter(|ids| !ids.partitions.is_empty()).collect();
        StreamsGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if is_joining { REBALANCE.as_millis() as i32 } else { -1 },
            topology: is_joining.then(topology),
            active_tasks: Some(active),
            standby_tasks: Some(Vec::new()),
            warmup_tasks: Some(Vec::new()),
            process_id: is_joining.then(|| format!("process-of-{}", self.actor.name)),
            ..StreamsGroupHeartbeatRequest::default()
        }
    }

    async fn send(&self, request: &StreamsGroupHeartbeatRequest) -> Result<StreamsGroupHeartbeatResponse, ClientError> {
        self.actor.client.group_coordinator(GROUP).await?.send(request).await
    }

    /// Leaves, as far as the coordinator hears it; the next member of this client is another one.
    async fn leave(&mut self) -> Check {
        let request = StreamsGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.id.clone(),
            member_epoch: LEAVE_EPOCH,
            rebalance_timeout_ms: -1,
            ..StreamsGroupHeartbeatRequest::default()
        };
        self.become_another();
        let answer = self.send(&request).await.map(|response| response.error_code);
        expect_left(&self.actor, "StreamsGroupHeartbeat to leave", answer)
    }

    /// The same member joins again, with nothing.
    fn begin_anew(&mut self) {
        self.actor.oracle.owning(GROUP, &self.id, &BTreeSet::new());
        self.epoch = JOIN_EPOCH;
        self.tasks.clear();
        self.is_joined = false;
        self.heard_until = None;
    }

    fn become_another(&mut self) {
        if !self.id.is_empty() {
            self.begin_anew();
        }
        self.members += 1;
        self.id = format!("{}-member-{}", self.actor.name, self.members);
    }
}

fn topology() -> Topology {
    let topic = |name: &str, partitions| TopicInfo { name: name.to_string(), partitions, ..TopicInfo::default() };
    let reads = Subtopology {
        subtopology_id: SUBTOPOLOGIES[0].0.to_string(),
        source_topics: vec![STREAMED.to_string()],
        repartition_sink_topics: vec!["app-repartition".to_string()],
        ..Subtopology::default()
    };
    let counts = Subtopology {
        subtopology_id: SUBTOPOLOGIES[1].0.to_string(),
        repartition_source_topics: vec![topic("app-repartition", REPARTITIONED)],
        state_changelog_topics: vec![topic("app-changelog", 0)],
        ..Subtopology::default()
    };
    Topology { epoch: 0, subtopologies: vec![reads, counts] }
}

fn all_tasks() -> BTreeSet<i32> {
    let of = |(index, (_, count)): (i32, &(&str, i32))| (0..*count).map(move |partition| index * STRIDE + partition);
    (0..).zip(SUBTOPOLOGIES).flat_map(of).collect()
}

/// As Kafka Streams names a task.
fn name(task: i32) -> String {
    format!("{}_{}", task / STRIDE, task % STRIDE)
}
