//! Acknowledgements by themselves: ShareAcknowledge, tried again while a broker says that it could not, and the last request of
//! a session, after which the broker gives back what was not acknowledged.

use super::Shared;
use super::acknowledgements::{self, Acknowledged, Acknowledgements, ByPlace, Place};
use super::session::{FINAL_EPOCH, ShareSession};
use super::state::{Commit, Completed, Outcomes};
use crate::backoff::Backoff;
use crate::error::ClientError;
use ottla_protocol::share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch};
use ottla_protocol::{Message, ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::time::Duration;

/// The first version with renewals (KIP-1222).
const RENEW_VERSION: i16 = 2;

/// The task of a broker, while it sends acknowledgements.
pub(super) struct Sending<'a> {
    pub(super) shared: &'a Shared,
    pub(super) node: i32,
    pub(super) session: &'a mut ShareSession,
}

/// What a broker says of acknowledgements that it took, and how long it locks records.
type Answered = (BTreeMap<Place, Result<(), ClientError>>, Option<Duration>);

impl Sending<'_> {
    /// Sends acknowledgements until their outcome is known.
    pub(super) async fn commit(mut self, commit: Commit) {
        let Commit { mut acknowledgements, deadline, done } = commit;
        let mut backoff = Backoff::new(self.shared.client.options());
        let mut outcomes = Outcomes::new();
        while !acknowledgements.is_empty() {
            let answered = self.send(&acknowledgements, self.session.epoch()).await;
            if matches!(answered, Err(ClientError::NoCommonVersion { .. })) {
                // Only renewals need more than the first version has.
                let (renewals, rest) = acknowledgements::split_renewals(acknowledgements);
                if !renewals.is_empty() {
                    self.settle(renewals, answered, true, &mut outcomes);
                    acknowledgements = rest;
                    continue;
                }
                acknowledgements = rest;
            }
            let is_late = self.shared.runtime().now() >= deadline;
            let later = self.settle(acknowledgements, answered, is_late, &mut outcomes);
            if !later.is_empty() {
                backoff.pause(self.shared.runtime()).await;
            }
            acknowledgements = later;
        }
        if let Some(done) = done {
            // Who asked may have given up.
            let _ = done.send(outcomes);
        }
        self.shared.signal.notify();
    }

    /// Notes the outcomes; what is worth another try comes back.
    fn settle(
        &mut self,
        acknowledgements: ByPlace,
        answered: Result<Answered, ClientError>,
        is_late: bool,
        outcomes: &mut Outcomes,
    ) -> ByPlace {
        let (mut by_place, lock_timeout) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                let all = acknowledgements.keys().map(|place| (place.clone(), Err(error.clone())));
                (all.collect(), None)
            }
        };
        let mut later = ByPlace::new();
        for (place, said) in acknowledgements {
            let missing = || Err(ClientError::missing("ShareAcknowledge", &place.partition.to_string()));
            let outcome = by_place.remove(&place).unwrap_or_else(missing);
            if !is_late && !self.session.is_new() && outcome.as_ref().is_err_and(may_be_tried_again) {
                later.insert(place, said);
                continue;
            }
            if let Err(error) = &outcome {
                tracing::debug!(partition = %place.partition, %error, "acknowledgements failed");
                if is_about_the_leader(error) {
                    self.shared.lose_leaders([&place.partition]);
                }
            }
            outcomes.push(Acknowledged {
                partition: place.partition.clone(),
                offsets: said.offsets(),
                outcome: outcome.clone(),
            });
            self.shared.lock().completed.push(Completed { place, acknowledgements: said, outcome, lock_timeout });
        }
        later
    }

    async fn send(&mut self, said: &ByPlace, epoch: i32) -> Result<Answered, ClientError> {
        if self.session.is_new() {
            return Err(ClientError::Broker {
                subject: format!("share session with broker {}", self.node),
                code: ErrorCode::ShareSessionNotFound,
                message: Some("it has ended since the records came; they are delivered again".to_string()),
            });
        }
        let response = match self.request(said, epoch).await {
            Ok(response) => response,
            Err(error) => {
                if !matches!(error, ClientError::NoCommonVersion { .. }) {
                    self.session.failed();
                    self.shared.lock().session_ended(self.node, &error);
                }
                return Err(error);
            }
        };
        let subject = || format!("acknowledgements at broker {}", self.node);
        let checked = ClientError::check(response.error_code, response.error_message.as_deref(), subject);
        match &checked {
            Err(error) if is_of_the_session(error) => {
                self.session.failed();
                self.shared.lock().session_ended(self.node, error);
            }
            _ => self.session.go_on(),
        }
        checked.map(|()| read(said, response))
    }

    async fn request(&self, said: &ByPlace, epoch: i32) -> Result<ShareAcknowledgeResponse, ClientError> {
        let connection = self.shared.fetching.broker(self.node).await?;
        let is_renew_ack = said.values().any(Acknowledgements::renews);
        let least = if is_renew_ack { RENEW_VERSION } else { ShareAcknowledgeRequest::MIN_VERSION };
        let versions = (least, ShareAcknowledgeRequest::MAX_VERSION);
        let version = connection.version_within::<ShareAcknowledgeRequest>(versions)?;
        let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
        for (place, said) in said {
            let batches = said.batches().into_iter();
            let acknowledgement_batches = batches
                .map(|(first_offset, last_offset, acknowledge_types)| AcknowledgementBatch {
                    first_offset,
                    last_offset,
                    acknowledge_types,
                })
                .collect();
            let partition_index = place.partition.partition;
            let partition = AcknowledgePartition { partition_index, acknowledgement_batches };
            topics.entry(place.topic_id).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic_id, partitions)| AcknowledgeTopic { topic_id, partitions });
        let request = ShareAcknowledgeRequest {
            group_id: Some(self.shared.options.group_id.clone()),
            member_id: Some(self.shared.member_id.clone()),
            share_session_epoch: epoch,
            is_renew_ack,
            topics: topics.collect(),
        };
        connection.begin(&request, version, &[]).await?.wait().await
    }
}

/// Ends a session: whatever the application still has is given back.
pub(super) async fn close(shared: &Shared, node: i32, session: &mut ShareSession) {
    if session.is_new() {
        return;
    }
    let sending = Sending { shared, node, session };
    let answered = sending.request(&ByPlace::new(), FINAL_EPOCH).await;
    let subject = || format!("closing the share session with broker {node}");
    let closed = answered.and_then(|answer| ClientError::check(answer.error_code, None, subject));
    if let Err(error) = closed {
        tracing::debug!(node, %error, "the broker was not told that the share session ends");
    }
    session.failed();
}

fn read(said: &ByPlace, response: ShareAcknowledgeResponse) -> Answered {
    let lock_timeout = lock_timeout(response.acquisition_lock_timeout_ms);
    let mut outcomes = BTreeMap::new();
    for topic in response.responses {
        for data in topic.partitions {
            let is_it =
                |place: &&Place| place.topic_id == topic.topic_id && place.partition.partition == data.partition_index;
            let Some(place) = said.keys().find(is_it) else { continue };
            let subject = || format!("acknowledgements of {}", place.partition);
            let outcome = ClientError::check(data.error_code, data.error_message.as_deref(), subject);
            outcomes.insert(place.clone(), outcome);
        }
    }
    (outcomes, lock_timeout)
}

/// How long records are locked; brokers that do not say leave it 0.
pub(super) fn lock_timeout(milliseconds: i32) -> Option<Duration> {
    let milliseconds = u64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0);
    milliseconds.map(Duration::from_millis)
}

/// Whether the broker does not know the session.
pub(super) fn is_of_the_session(error: &ClientError) -> bool {
    use ErrorCode::{InvalidShareSessionEpoch, ShareSessionLimitReached, ShareSessionNotFound};
    let codes = [ShareSessionNotFound, InvalidShareSessionEpoch, ShareSessionLimitReached];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// Locks are where the leader is: with another one they are gone.
fn is_about_the_leader(error: &ClientError) -> bool {
    use ErrorCode::{FencedLeaderEpoch, NotLeaderOrFollower, UnknownTopicId, UnknownTopicOrPartition};
    let codes = [NotLeaderOrFollower, FencedLeaderEpoch, UnknownTopicOrPartition, UnknownTopicId];
    error.code().is_some_and(|code| codes.contains(&code))
}

fn may_be_tried_again(error: &ClientError) -> bool {
    error.is_retriable() && !is_about_the_leader(error) && !is_of_the_session(error)
}
