//! Being a member of a share group: heartbeats that join, say what is subscribed to, bring the assignment, and leave. Nobody
//! waits for anybody: partitions are shared, and what a member has of them stays its own when the assignment changes.

use super::Shared;
use super::session::Partitions;
use crate::backoff::Backoff;
use crate::consumer::{TopicIds, subscription_changes};
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use ottla_protocol::share_group_heartbeat_response::Assignment;
use ottla_protocol::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_runtime::watch;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The epoch of a member that joins.
const JOINING: i32 = 0;
/// The epoch by which one leaves.
const LEAVING: i32 = -1;
/// Before the coordinator has said how often it wants to hear of a member.
const FIRST_INTERVAL: Duration = Duration::from_secs(3);

struct Member {
    shared: Arc<Shared>,
    wanted: watch::Receiver<BTreeSet<String>>,
    epoch: i32,
    interval: Duration,
    /// The next heartbeat says what is subscribed to.
    is_full: bool,
    topic_ids: TopicIds,
    /// An assignment with topics that nobody could name yet.
    unresolved: Option<Assignment>,
}

/// Runs as long as there is a subscription. What cannot be mended ends it and is told by every `poll` from then on.
pub(super) async fn run(shared: Arc<Shared>, wanted: watch::Receiver<BTreeSet<String>>) {
    let mut member = Member {
        shared,
        wanted,
        epoch: JOINING,
        interval: FIRST_INTERVAL,
        is_full: true,
        topic_ids: TopicIds::default(),
        unresolved: None,
    };
    let Err(error) = member.run().await else { return };
    tracing::warn!(group_id = member.group_id(), %error, "membership in the share group ended");
    member.shared.end_membership(error);
}

impl Member {
    fn group_id(&self) -> &str {
        &self.shared.options.group_id
    }

    async fn run(&mut self) -> Result<(), ClientError> {
        let runtime = self.shared.runtime().clone();
        let mut backoff = Backoff::new(self.shared.client.options());
        loop {
            if self.shared.is_idle() {
                tracing::warn!(
                    group_id = self.group_id(),
                    "not polled for max.poll.interval.ms: leaving the share group"
                );
                leave(&self.shared, self.shared.client.options().request_timeout).await;
                self.begin_anew();
                while self.shared.is_idle() {
                    runtime.sleep(self.shared.client.options().retry_backoff_max).await;
                }
            }
            let done = match self.beat().await {
                Ok(response) => self.obey(response).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => {
                    backoff = Backoff::new(self.shared.client.options());
                    self.wait().await;
                }
                Err(error) => self.bear(error, &mut backoff).await?,
            }
        }
    }

    /// Pauses after what a later try may mend, joins anew when the coordinator does not know the member any more, and
    /// returns anything else.
    async fn bear(&mut self, error: ClientError, backoff: &mut Backoff) -> Result<(), ClientError> {
        if matches!(error.code(), Some(ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch)) {
            tracing::info!(group_id = self.group_id(), %error, "the member was fenced; joining anew");
            self.begin_anew();
            return Ok(());
        }
        if error.is_coordinator_gone() {
            self.shared.coordinating.forget_coordinator(Coordinated::Group, self.group_id());
        }
        if !error.is_transient() {
            return Err(error);
        }
        self.shared.client.tell(&error);
        self.is_full = true;
        backoff.pause(self.shared.runtime()).await;
        Ok(())
    }

    fn begin_anew(&mut self) {
        (self.epoch, self.is_full, self.unresolved) = (JOINING, true, None);
        {
            let mut state = self.shared.lock();
            (state.epoch, state.may_be_member) = (LEAVING, false);
        }
        self.shared.assign(&Partitions::new());
    }

    /// Until the next heartbeat is due, or the subscription changes.
    async fn wait(&mut self) {
        self.is_full |= subscription_changes(self.shared.runtime(), &mut self.wanted, self.interval).await;
    }

    async fn beat(&mut self) -> Result<ShareGroupHeartbeatResponse, ClientError> {
        let topics: Vec<String> = self.wanted.borrow_and_update().iter().cloned().collect();
        let is_full = self.is_full;
        let request = ShareGroupHeartbeatRequest {
            group_id: self.group_id().to_string(),
            member_id: self.shared.member_id.clone(),
            member_epoch: self.epoch,
            rack_id: if is_full { self.shared.options.rack.clone() } else { None },
            subscribed_topic_names: is_full.then_some(topics),
        };
        let response = heartbeat(&self.shared, request).await?;
        self.is_full = false;
        self.epoch = response.member_epoch;
        self.interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap_or(0).max(1));
        self.shared.lock().epoch = self.epoch;
        Ok(response)
    }

    /// Takes a new assignment.
    async fn obey(&mut self, response: ShareGroupHeartbeatResponse) -> Result<(), ClientError> {
        // A newer assignment takes the place of one that could not be named.
        let unresolved = self.unresolved.take();
        let Some(assignment) = response.assignment.or(unresolved) else { return Ok(()) };
        let assigned = || assignment.topic_partitions.iter().map(|topic| (topic.topic_id, topic.partitions.as_slice()));
        if !self.topic_ids.know(assigned().map(|(topic_id, _)| topic_id)) {
            let topics = self.wanted.borrow().clone();
            let learnt = self.topic_ids.learn(&self.shared.client, &topics).await;
            if learnt.is_err() || !self.topic_ids.know(assigned().map(|(topic_id, _)| topic_id)) {
                self.unresolved = Some(assignment.clone());
            }
            learnt?;
        }
        let partitions = self.topic_ids.partitions(assigned());
        if self.shared.assign(&partitions) {
            let (group_id, partitions) = (self.group_id(), partitions.len());
            tracing::info!(group_id, epoch = self.epoch, partitions, "share assignment taken");
        }
        Ok(())
    }
}

async fn heartbeat(
    shared: &Shared,
    request: ShareGroupHeartbeatRequest,
) -> Result<ShareGroupHeartbeatResponse, ClientError> {
    let group_id = request.group_id.clone();
    let coordinator = shared.coordinating.group_coordinator(&group_id).await?;
    if request.member_epoch != LEAVING {
        shared.lock().may_be_member = true;
    }
    let response = coordinator.send(&request).await?;
    let message = response.error_message.as_deref();
    ClientError::check(response.error_code, message, || format!("share group '{group_id}'"))?;
    Ok(response)
}

/// Leaves the group, as well as that goes: the session's end will do it otherwise.
pub(super) async fn leave(shared: &Shared, limit: Duration) {
    {
        let mut state = shared.lock();
        state.epoch = LEAVING;
        // Also when the answer to the first heartbeat is not there yet: the coordinator may know the member already.
        if !std::mem::take(&mut state.may_be_member) {
            return;
        }
    }
    let request = ShareGroupHeartbeatRequest {
        group_id: shared.options.group_id.clone(),
        member_id: shared.member_id.clone(),
        member_epoch: LEAVING,
        ..Default::default()
    };
    match shared.runtime().timeout(limit, heartbeat(shared, request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the share group was not told"),
        Err(_) => tracing::debug!("the share group was not told in time"),
    }
}
