//! The owner of decisions.
//!
//! One round: 1. take the requests that wait; 2. decide them one after another, each on the committed image plus what the
//! earlier ones of the round will change; 3. propose the records, as few entries as their size allows; 4. answer those
//! whose entries are committed and applied. Nothing else is speculative: a failed proposal leaves the image as it was.

use bytes::Bytes;
use ottla_config::BrokerConfig;
use ottla_metadata::{
    ControllerChannel, ControllerError, ControllerFuture, ControllerRequest, ControllerResponse, DecideContext, Decision,
    Entry, MetadataImage, decide, entry,
};
use ottla_protocol::MetadataRecord;
use ottla_quorum::{ProposeError, QuorumHandle, Role, limits::ENTRY_BYTES_MAX};
use ottla_runtime::Runtime;
use ottla_types::Uuid;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait for a decision.
const REQUESTS_QUEUED_MAX: usize = 4096;
/// Requests that are decided in one round.
const REQUESTS_PER_ROUND_MAX: usize = 256;
/// Entries are merged up to this size, well below what the quorum accepts.
const MERGED_ENTRY_BYTES_MAX: usize = ENTRY_BYTES_MAX / 8;

type Answer = oneshot::Sender<Result<ControllerResponse, ControllerError>>;

/// A request that waits for its decision.
pub(crate) struct Pending {
    request: ControllerRequest,
    answer: Answer,
}

/// The way to the service on this node.
pub(crate) struct LocalChannel {
    requests: mpsc::Sender<Pending>,
}

impl LocalChannel {
    pub(crate) fn new() -> (LocalChannel, mpsc::Receiver<Pending>) {
        let (requests, receiver) = mpsc::channel(REQUESTS_QUEUED_MAX);
        (LocalChannel { requests }, receiver)
    }
}

impl ControllerChannel for LocalChannel {
    fn submit(&self, request: ControllerRequest) -> ControllerFuture {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.try_send(Pending { request, answer });
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(ended())),
                Err(mpsc::error::TrySendError::Full(_)) => Err(ControllerError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(ended()),
            }
        })
    }
}

fn ended() -> ControllerError {
    ControllerError::Unknown("the controller on this node has stopped".to_string())
}

/// The owner task's state.
pub(crate) struct Service {
    pub(crate) runtime: Runtime,
    pub(crate) config: BrokerConfig,
    pub(crate) wanted_cluster_id: Option<Uuid>,
    pub(crate) quorum: QuorumHandle,
    pub(crate) images: watch::Receiver<Arc<MetadataImage>>,
    pub(crate) role: watch::Receiver<Role>,
    /// Higher than in any earlier decision; see [`DecideContext`].
    pub(crate) metadata_index: i64,
}

/// A decided request: answered once the first `entries` entries of the round are committed.
struct Decided {
    answer: Answer,
    response: ControllerResponse,
    entries: usize,
}

/// What a round proposes.
#[derive(Default)]
struct Round {
    entries: Vec<Entry>,
    decided: Vec<Decided>,
}

impl Service {
    /// Serves requests until every channel to it is gone.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Pending>) {
        let mut waiting = Vec::new();
        loop {
            if self.images.borrow().cluster_id().is_none() {
                self.bootstrap().await;
            }
            let received = tokio::select! {
                biased;
                changed = self.role.changed() => {
                    if changed.is_err() { return; }
                    continue;
                }
                received = requests.recv_many(&mut waiting, REQUESTS_PER_ROUND_MAX) => received,
            };
            if received == 0 {
                return;
            }
            self.serve(waiting.drain(..)).await;
        }
    }

    /// Gives a new cluster its id, if this node leads.
    async fn bootstrap(&mut self) {
        if self.leader_term().is_none() {
            return;
        }
        let image = Arc::clone(&self.images.borrow());
        let wanted = self.wanted_cluster_id;
        let context = self.context();
        let decision = decide::bootstrap(&image, wanted, &context);
        for records in decision.entries {
            if let Err(error) = self.propose(&records).await {
                tracing::error!(%error, "the cluster id could not be committed");
            }
        }
    }

    async fn serve(&mut self, waiting: impl Iterator<Item = Pending>) {
        let round = self.decide_all(waiting);
        let merged = merge(&round.entries);
        let mut committed = 0;
        let mut failure = None;
        for (records, entries) in &merged {
            if let Err(error) = self.propose(records).await {
                failure = Some(error);
                break;
            }
            committed += entries;
        }
        for decided in round.decided {
            let result = match &failure {
                Some(error) if decided.entries > committed => Err(error.clone()),
                _ => Ok(decided.response),
            };
            // Whoever asked may have gone.
            let _ = decided.answer.send(result);
        }
    }

    fn decide_all(&mut self, waiting: impl Iterator<Item = Pending>) -> Round {
        let mut image = MetadataImage::clone(&self.images.borrow());
        let mut round = Round::default();
        for Pending { request, answer } in waiting {
            if self.leader_term().is_none() {
                let _ = answer.send(Err(ControllerError::NotController { leader: None }));
                continue;
            }
            // Until brokers report regularly, the latest registration holds.
            let has_live_session = false;
            let Decision { entries, response } = decide::decide(&image, &request, has_live_session, &self.context());
            for record in entries.iter().flatten() {
                image.apply(record).unwrap_or_else(|error| panic!("a decision fits its image: {error}"));
            }
            round.entries.extend(entries);
            round.decided.push(Decided { answer, response, entries: round.entries.len() });
        }
        round
    }

    async fn propose(&self, records: &[MetadataRecord]) -> Result<(), ControllerError> {
        let bytes = encode(records)?;
        self.quorum.propose(bytes).await.map(|_| ()).map_err(controller_error)
    }

    fn context(&mut self) -> DecideContext<'_> {
        let next = self.quorum.status().borrow().last_index as i64 + 1;
        self.metadata_index = next.max(self.metadata_index + 1);
        DecideContext { config: &self.config, random: self.runtime.random_u64(), metadata_index: self.metadata_index }
    }

    fn leader_term(&self) -> Option<u64> {
        match *self.role.borrow() {
            Role::Leader { term } => Some(term),
            Role::Follower { .. } => None,
        }
    }
}

fn encode(records: &[MetadataRecord]) -> Result<Bytes, ControllerError> {
    entry::encode(records).map_err(|error| ControllerError::Storage(format!("a record cannot be encoded: {error}")))
}

/// Consecutive entries in one, as far as the size allows, each with how many it stands for. Merging independent entries
/// costs nothing: each of them is still all or nothing.
fn merge(entries: &[Entry]) -> Vec<(Entry, usize)> {
    let mut merged: Vec<(Entry, usize)> = Vec::new();
    let mut merged_bytes = 0;
    for records in entries {
        let bytes = entry::encode(records).map_or(0, |bytes| bytes.len());
        match merged.last_mut() {
            Some((last, count)) if merged_bytes + bytes <= MERGED_ENTRY_BYTES_MAX => {
                last.extend(records.iter().cloned());
                *count += 1;
                merged_bytes += bytes;
            }
            _ => {
                merged.push((records.clone(), 1));
                merged_bytes = bytes;
            }
        }
    }
    merged
}

fn controller_error(error: ProposeError) -> ControllerError {
    match error {
        ProposeError::NotLeader { .. } => ControllerError::NotController { leader: None },
        ProposeError::Busy => ControllerError::Busy,
        ProposeError::OutOfSpace | ProposeError::Failed { .. } | ProposeError::TooLarge { .. } => {
            ControllerError::Storage(error.to_string())
        }
        ProposeError::LeadershipLost | ProposeError::Stopped => ControllerError::Unknown(error.to_string()),
    }
}
