//! The controller's owner task.

use crate::errors::{of_entry, of_later_entry, unavailable};
use crate::limits;
use crate::machine::Committed;
use crate::round::{PendingRequest, PlannedEntry, Round, answer};
use bytes::Bytes;
use ottla_config::BrokerConfig;
use ottla_metadata::decide::bootstrap;
use ottla_metadata::{ControllerError, DecideContext, QuorumView, entry};
use ottla_quorum::{ProposeError, QuorumHandle, QuorumStatus, StorageState};
use ottla_runtime::Runtime;
use ottla_runtime::watch;
use ottla_types::Uuid;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything that can happen to the controller.
enum Event {
    /// Role or storage of the quorum changed.
    Status,
    /// Someone asks for something.
    Request(PendingRequest),
    /// The quorum was shut down, or nobody can ask any more.
    Stop,
}

/// Decides, proposes, answers.
pub(crate) struct ControllerTask {
    pub(crate) runtime: Runtime,
    pub(crate) config: Arc<BrokerConfig>,
    /// The id that a new cluster shall have.
    pub(crate) wanted_cluster_id: Option<Uuid>,
    pub(crate) quorum: QuorumHandle,
    pub(crate) status: watch::Receiver<QuorumStatus>,
    pub(crate) committed: watch::Receiver<Committed>,
    pub(crate) requests: mpsc::Receiver<PendingRequest>,
}

impl ControllerTask {
    pub(crate) async fn run(mut self) {
        self.form_cluster().await;
        loop {
            match self.next_event().await {
                Event::Status => self.form_cluster().await,
                Event::Request(first) => self.serve(first).await,
                Event::Stop => break,
            }
        }
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            answer(request.answer, Err(ControllerError::NotController { leader: None }));
        }
    }

    async fn next_event(&mut self) -> Event {
        // A quorum that failed publishes its reason and ends. Requests are answered with that reason from then on.
        let quorum_failed = matches!(self.status.borrow().storage, StorageState::Failed(_));
        tokio::select! {
            biased;
            changed = self.status.changed(), if !quorum_failed => match changed {
                Ok(()) => Event::Status,
                Err(_) => Event::Stop,
            },
            request = self.requests.recv() => request.map_or(Event::Stop, Event::Request),
        }
    }

    /// As leader of a quorum in which nothing was ever committed: commits the cluster's id. Requests wait meanwhile.
    async fn form_cluster(&mut self) {
        while self.unavailable().is_none() && self.committed.borrow().image.cluster_id().is_none() {
            match self.propose_formation().await {
                Ok(cluster_id) => tracing::info!(%cluster_id, "a new cluster was formed"),
                Err(error) => {
                    tracing::warn!(%error, "the new cluster could not be formed yet");
                    self.runtime.sleep(limits::RETRY_INTERVAL).await;
                }
            }
        }
    }

    async fn propose_formation(&self) -> Result<Uuid, ProposeError> {
        let Committed { image, records } = self.committed.borrow().clone();
        let random = self.runtime.random_u64();
        let quorum = self.quorum_view();
        let context = DecideContext { config: &self.config, random, metadata_index: records, quorum };
        let decision = bootstrap(&image, self.wanted_cluster_id, &context);
        for records in &decision.entries {
            let bytes = entry::encode(records).expect("the first records hold no text of others");
            self.quorum.propose(bytes).await?;
        }
        Ok(decision.response)
    }

    /// Decides `first` and all that wait behind it, and commits what they lead to.
    async fn serve(&mut self, first: PendingRequest) {
        let waiting = std::iter::from_fn(|| self.requests.try_recv().ok());
        let requests: Vec<PendingRequest> =
            std::iter::once(first).chain(waiting.take(limits::ROUND_REQUESTS_MAX - 1)).collect();
        if let Some(error) = self.unavailable() {
            requests.into_iter().for_each(|request| answer(request.answer, Err(error.clone())));
            return;
        }
        let entries = self.decide(requests);
        self.commit(entries).await;
    }

    fn decide(&self, requests: Vec<PendingRequest>) -> Vec<PlannedEntry> {
        let Committed { image, records } = self.committed.borrow().clone();
        let mut round = Round::new(&self.config, self.quorum_view(), image.as_ref().clone(), records);
        for request in requests {
            round.add(request, self.runtime.random_u64());
        }
        round.into_entries()
    }

    /// Commits the entries in order. After one that fails nothing is proposed: what follows was decided on it.
    async fn commit(&mut self, entries: Vec<PlannedEntry>) {
        let mut entries = entries.into_iter();
        while let Some(entry) = entries.next() {
            let (bytes, replies) = entry.into_parts();
            let Err(error) = self.propose(bytes).await else {
                replies.into_iter().for_each(|reply| answer(reply.answer, Ok(reply.response)));
                continue;
            };
            tracing::warn!(%error, "a change of the metadata was not committed");
            for reply in replies {
                answer(reply.answer, Err(of_entry(&error, reply.began_before)));
            }
            for reply in entries.by_ref().flat_map(|entry| entry.into_parts().1) {
                let told = if reply.began_before { of_entry(&error, true) } else { of_later_entry(&error) };
                answer(reply.answer, Err(told));
            }
        }
    }

    /// Commits one entry. While it waits for space on a full disk, requests that arrive are refused rather than kept waiting.
    async fn propose(&mut self, entry: Bytes) -> Result<u64, ProposeError> {
        let mut status = self.status.clone();
        let mut proposed = pin!(self.quorum.propose(entry));
        loop {
            let is_full = status.borrow_and_update().storage == StorageState::OutOfSpace;
            tokio::select! {
                biased;
                done = &mut proposed => return done,
                Ok(()) = status.changed() => {}
                Some(request) = self.requests.recv(), if is_full => {
                    answer(request.answer, Err(of_later_entry(&ProposeError::OutOfSpace)));
                }
            }
        }
    }

    fn quorum_view(&self) -> QuorumView {
        let leader_epoch = i32::try_from(self.status.borrow().term).unwrap_or(i32::MAX);
        QuorumView { leader_epoch, now_ms: self.runtime.wall_clock_ms() }
    }

    fn unavailable(&self) -> Option<ControllerError> {
        unavailable(&self.status.borrow())
    }
}
