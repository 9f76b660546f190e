//! The classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//!
//! A round: give up what the assignors ask for, join, assign if this member leads, sync, take what is assigned, then
//! heartbeats until the coordinator or a change asks for the next round.

use super::topics::Lookout;
use super::{Member, Round, Step, subscription_changes};
use crate::assign::{
    Assignor, GroupMember, Members, Topics, decode_assignment, decode_member, encode_assignment, encode_subscription,
};
use crate::backoff::Backoff;
use crate::error::ClientError;
use bytes::Bytes;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, Message, SyncGroupRequest, SyncGroupResponse,
};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;

const PROTOCOL_TYPE: &str = "consumer";
/// What Kafka adds to the rebalance timeout when it waits for JoinGroup.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// The classic member's own state.
#[derive(Default)]
struct Classic {
    member_id: String,
    generation_id: i32,
    /// What this member joined for.
    topics: BTreeSet<String>,
    /// What it looks at: those, and as the group's leader the topics of all members.
    watched: BTreeSet<String>,
    /// The topics when this member assigned, as the group's leader.
    assigned: Option<Topics>,
}

impl Member {
    /// Until the subscription ends or something cannot be mended.
    pub(super) async fn run_classic(&mut self, assignors: &[Assignor]) -> Result<(), ClientError> {
        let mut classic = Classic { generation_id: -1, ..Classic::default() };
        let mut backoff = Backoff::new(self.shared.client.options());
        let cooperative = assignors.iter().all(|assignor| assignor.is_cooperative());
        loop {
            self.wait_until_polled().await;
            if !cooperative && !self.owned.is_empty() {
                let owned = self.owned.clone();
                self.step_with_heartbeats(&classic, |done| Step::Revoke(owned, done)).await;
            }
            match self.classic_round(&mut classic, assignors).await {
                Ok(Round::Again) => backoff = Backoff::new(self.shared.client.options()),
                Ok(Round::Idle) => {
                    tracing::warn!(group_id = self.group_id, "not polled for max.poll.interval.ms: leaving the group");
                    self.shared.leave().await;
                    self.forget_member(&mut classic).await;
                }
                Ok(Round::Lost) => {
                    self.forget_member(&mut classic).await;
                    backoff.pause(self.shared.runtime()).await;
                }
                Err(error) => self.patience(error, &mut backoff).await?,
            }
        }
    }

    async fn forget_member(&mut self, classic: &mut Classic) {
        classic.generation_id = -1;
        classic.member_id.clear();
        self.become_member("", -1);
        self.lose_all().await;
    }

    async fn classic_round(&mut self, classic: &mut Classic, assignors: &[Assignor]) -> Result<Round, ClientError> {
        let joined = match self.join(classic, assignors).await? {
            Ok(joined) => joined,
            Err(round) => return Ok(round),
        };
        classic.generation_id = joined.generation_id;
        classic.member_id = joined.member_id.clone();
        self.become_member(&joined.member_id, joined.generation_id);
        let name = joined.protocol_name.clone().unwrap_or_default();
        let assignor = Assignor::by_name(&name)
            .ok_or_else(|| ClientError::Invalid(format!("the group chose the unknown assignor '{name}'")))?;
        let is_leader = joined.leader == joined.member_id && !joined.members.is_empty();
        let assignments = if is_leader { self.assign_for_all(classic, assignor, &joined).await? } else { Vec::new() };
        let synced = match self.sync(classic, &name, assignments).await? {
            Ok(synced) => synced,
            Err(round) => return Ok(round),
        };
        let assigned = decode_assignment(&synced.assignment)?;
        tracing::info!(
            group_id = self.group_id,
            generation = classic.generation_id,
            partitions = assigned.len(),
            assignor = name,
            "group joined"
        );
        if self.take_assignment(classic, assignor, assigned).await {
            return Ok(Round::Again);
        }
        self.heartbeats(classic).await
    }

    /// Takes what is assigned; `true` when something was given up for others, who wait for the next round.
    async fn take_assignment(
        &mut self,
        classic: &Classic,
        assignor: Assignor,
        assigned: BTreeSet<TopicPartition>,
    ) -> bool {
        let revoked: BTreeSet<TopicPartition> = self.owned.difference(&assigned).cloned().collect();
        let gives_up = assignor.is_cooperative() && !revoked.is_empty();
        if gives_up {
            self.step_with_heartbeats(classic, |done| Step::Revoke(revoked, done)).await;
        }
        self.owned = assigned.clone();
        self.step_with_heartbeats(classic, |done| Step::Assign(assigned, done)).await;
        gives_up
    }

    async fn join(
        &mut self,
        classic: &mut Classic,
        assignors: &[Assignor],
    ) -> Result<Result<JoinGroupResponse, Round>, ClientError> {
        drop(self.wanted.borrow_and_update());
        classic.topics = self.topics_now().await?;
        classic.watched = classic.topics.clone();
        classic.assigned = None;
        let options = &self.shared.options;
        let member = GroupMember {
            group_instance_id: options.group_instance_id.clone(),
            topics: classic.topics.clone(),
            owned: self.owned.clone(),
            generation_id: classic.generation_id,
            rack: options.rack.clone(),
        };
        let mut protocols = Vec::new();
        for assignor in assignors {
            let metadata = encode_subscription(*assignor, &member)?;
            protocols.push(JoinGroupRequestProtocol { name: assignor.name().to_string(), metadata });
        }
        let mut request = JoinGroupRequest {
            group_id: self.group_id.clone(),
            session_timeout_ms: millis(options.session_timeout),
            rebalance_timeout_ms: millis(options.max_poll_interval),
            member_id: classic.member_id.clone(),
            group_instance_id: options.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_string(),
            protocols,
            reason: None,
        };
        loop {
            let coordinator = self.shared.coordinating.group_coordinator(&self.group_id).await?;
            let static_from = if request.group_instance_id.is_some() { 5 } else { JoinGroupRequest::MIN_VERSION };
            let version =
                coordinator.version_within::<JoinGroupRequest>((static_from, JoinGroupRequest::MAX_VERSION))?;
            let pending = coordinator.begin(&request, version, &[]).await?;
            let joined = pending.allow(options.max_poll_interval + JOIN_GRACE).wait().await?;
            if joined.error_code == ErrorCode::MemberIdRequired.code() {
                classic.member_id = joined.member_id.clone();
                self.become_member(&joined.member_id, -1);
                request.member_id = joined.member_id;
                continue;
            }
            let checked = ClientError::check(joined.error_code, None, || format!("join of group '{}'", self.group_id));
            return match checked {
                Ok(()) => Ok(Ok(joined)),
                Err(error) => round_or_error(error).map(Err),
            };
        }
    }

    /// This member leads: it divides the partitions.
    async fn assign_for_all(
        &self,
        classic: &mut Classic,
        assignor: Assignor,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut members = Members::new();
        for row in &joined.members {
            let member = decode_member(row.group_instance_id.clone(), &row.metadata)?;
            members.insert(row.member_id.clone(), member);
        }
        classic.watched.extend(members.values().flat_map(|member| member.topics.iter().cloned()));
        let topics = self.look_at(&classic.watched).await?.topics;
        let assignments = assignor.assign(&members, &topics);
        classic.assigned = Some(topics);
        let encode = |(member_id, partitions)| {
            let assignment: Bytes = encode_assignment(&partitions)?;
            Ok(SyncGroupRequestAssignment { member_id, assignment })
        };
        assignments.into_iter().map(encode).collect()
    }

    async fn sync(
        &self,
        classic: &Classic,
        assignor: &str,
        assignments: Vec<SyncGroupRequestAssignment>,
    ) -> Result<Result<SyncGroupResponse, Round>, ClientError> {
        let request = SyncGroupRequest {
            group_id: self.group_id.clone(),
            generation_id: classic.generation_id,
            member_id: classic.member_id.clone(),
            group_instance_id: self.shared.options.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_string()),
            protocol_name: Some(assignor.to_string()),
            assignments,
        };
        let coordinator = self.shared.coordinating.group_coordinator(&self.group_id).await?;
        let version = coordinator.version_of::<SyncGroupRequest>()?;
        let pending = coordinator.begin(&request, version, &[]).await?;
        let synced = pending.allow(self.shared.options.max_poll_interval).wait().await?;
        let checked = ClientError::check(synced.error_code, None, || format!("sync of group '{}'", self.group_id));
        match checked {
            Ok(()) => Ok(Ok(synced)),
            Err(error) => round_or_error(error).map(Err),
        }
    }

    /// Until the coordinator, a changed subscription, new topics or new partitions ask for another round.
    async fn heartbeats(&mut self, classic: &Classic) -> Result<Round, ClientError> {
        let runtime = self.shared.runtime().clone();
        let interval = self.shared.options.heartbeat_interval;
        let mut backoff = Backoff::new(self.shared.client.options());
        let mut lookout = self.first_look(classic);
        let (mut next, mut heard) = (runtime.now() + interval, runtime.now());
        loop {
            let pause = next.min(lookout.due).saturating_duration_since(runtime.now());
            if subscription_changes(&runtime, &mut self.wanted, pause).await {
                return Ok(Round::Again);
            }
            if self.is_idle() {
                return Ok(Round::Idle);
            }
            if runtime.now() >= lookout.due && self.sees_changes(classic, &mut lookout).await? {
                return Ok(Round::Again);
            }
            if runtime.now() < next {
                continue;
            }
            match self.heartbeat(classic).await {
                Ok(None) => (heard, backoff) = (runtime.now(), Backoff::new(self.shared.client.options())),
                Ok(Some(round)) => return Ok(round),
                Err(error) if runtime.now() < heard + self.shared.options.session_timeout => {
                    self.patience(error, &mut backoff).await?;
                }
                Err(error) if error.is_transient() => return Ok(Round::Lost),
                Err(error) => return Err(error),
            }
            next = runtime.now() + interval;
        }
    }

    /// The group's leader has just looked; others look so that their topics are made.
    fn first_look(&self, classic: &Classic) -> Lookout {
        let mut lookout = Lookout::at_once(&self.shared);
        match &classic.assigned {
            Some(topics) => {
                let missing = classic.watched.iter().filter(|topic| !topics.contains_key(*topic));
                lookout.looked(&self.shared, &missing.cloned().collect::<Vec<_>>());
            }
            None if self.may_create() => {}
            None => lookout.looked(&self.shared, &[]),
        }
        lookout
    }

    /// Looks at the topics; `true` when the partitions must be divided anew, or a pattern matches other topics than when this
    /// member joined.
    async fn sees_changes(&self, classic: &Classic, lookout: &mut Lookout) -> Result<bool, ClientError> {
        let seen = async {
            if self.topics_now().await? != classic.topics {
                return Ok(None);
            }
            self.look_at(&classic.watched).await.map(Some)
        };
        match seen.await {
            Ok(None) => Ok(true),
            Ok(Some(seen)) => {
                lookout.looked(&self.shared, &seen.missing);
                let by_racks = self.shared.options.rack.is_some();
                Ok(classic.assigned.as_ref().is_some_and(|before| have_changed(before, &seen.topics, by_racks)))
            }
            Err(error) if error.is_transient() => {
                self.shared.client.tell(&error);
                lookout.failed(&self.shared);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn heartbeat(&self, classic: &Classic) -> Result<Option<Round>, ClientError> {
        let request = HeartbeatRequest {
            group_id: self.group_id.clone(),
            generation_id: classic.generation_id,
            member_id: classic.member_id.clone(),
            group_instance_id: self.shared.options.group_instance_id.clone(),
        };
        let coordinator = self.shared.coordinating.group_coordinator(&self.group_id).await?;
        let response = coordinator.send(&request).await?;
        let checked = ClientError::check(response.error_code, None, || format!("heartbeat of '{}'", self.group_id));
        match checked {
            Ok(()) => Ok(None),
            Err(error) => round_or_error(error).map(Some),
        }
    }

    /// Waits until `poll` has taken the step; the membership stays alive meanwhile.
    async fn step_with_heartbeats(&self, classic: &Classic, step: impl FnOnce(oneshot::Sender<()>) -> Step) {
        let mut done = self.begin_step(step);
        loop {
            tokio::select! {
                biased;
                _ = &mut done => return,
                () = self.shared.runtime().sleep(self.shared.options.heartbeat_interval) => {}
            }
            if classic.generation_id >= 0 && !self.is_idle() {
                // What it says comes up again in the next round.
                let _ = self.heartbeat(classic).await;
            }
        }
    }
}

/// Whether partitions came, or, for a leader that has a rack, went to other racks.
fn have_changed(before: &Topics, now: &Topics, by_racks: bool) -> bool {
    let counts = |topics: &Topics| topics.values().map(Vec::len).collect::<Vec<_>>();
    if by_racks { before != now } else { !before.keys().eq(now.keys()) || counts(before) != counts(now) }
}

/// Errors of a member that lead to another round; the others are the caller's.
fn round_or_error(error: ClientError) -> Result<Round, ClientError> {
    match error.code() {
        Some(ErrorCode::RebalanceInProgress) => Ok(Round::Again),
        Some(ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId) => Ok(Round::Lost),
        _ => Err(error),
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
