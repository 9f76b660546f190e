//! Producer ids, handed out from blocks that the controller reserves durably: none is ever handed out twice, also after a
//! power loss, because the rest of a block is forgotten with the process.

use ottla_metadata::{ControllerChannel, ControllerError, ControllerResponse, MetadataImage};
use ottla_protocol::AllocateProducerIdsRequest;
use ottla_runtime::Runtime;
use ottla_runtime::watch;
use ottla_types::{ErrorCode, NodeId, ProducerId};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest time that a request waits for a block; Kafka's clients ask again.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The blocks that this node hands out from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProducerIds {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    node_id: NodeId,
    controller: Arc<dyn ControllerChannel>,
    images: watch::Receiver<Arc<MetadataImage>>,
    state: Mutex<State>,
    /// An allocation has ended, well or not.
    ended: Notify,
}

#[derive(Default)]
struct State {
    block: Range<i64>,
    is_allocating: bool,
    /// Allocations that ended, and whether the last one failed.
    ended: u64,
    has_failed: bool,
}

/// No block of ids can be had from the controller now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoProducerId;

impl ProducerIds {
    pub(crate) fn new(
        runtime: &Runtime,
        node_id: NodeId,
        controller: Arc<dyn ControllerChannel>,
        images: watch::Receiver<Arc<MetadataImage>>,
    ) -> ProducerIds {
        let (runtime, state, ended) = (runtime.clone(), Mutex::default(), Notify::new());
        ProducerIds { inner: Arc::new(Inner { runtime, node_id, controller, images, state, ended }) }
    }

    /// A producer id that nobody had before.
    pub(crate) async fn next(&self) -> Result<ProducerId, NoProducerId> {
        let inner = &self.inner;
        let deadline = inner.runtime.now() + WAIT_MAX;
        let asked_at = self.lock().ended;
        loop {
            let ended = inner.ended.notified();
            {
                let mut state = self.lock();
                if let Some(id) = state.block.next() {
                    return Ok(ProducerId(id));
                }
                if state.has_failed && state.ended > asked_at {
                    return Err(NoProducerId);
                }
                self.start_allocation(&mut state);
            }
            let left = deadline.saturating_duration_since(inner.runtime.now());
            inner.runtime.timeout(left, ended).await.map_err(|_| NoProducerId)?;
        }
    }

    /// One allocation at a time serves all who wait. It is a task of its own: a client that goes away does not stop it.
    fn start_allocation(&self, state: &mut State) {
        if std::mem::replace(&mut state.is_allocating, true) {
            return;
        }
        let ids = self.clone();
        self.inner.runtime.spawn("broker.allocate-producer-ids", async move {
            let allocated = ids.allocate().await;
            {
                let mut state = ids.lock();
                state.is_allocating = false;
                state.ended += 1;
                state.has_failed = allocated.is_err();
                match allocated {
                    Ok(block) => state.block = block,
                    Err(error) => tracing::warn!(error, "no block of producer ids could be had"),
                }
            }
            ids.inner.ended.notify_waiters();
        });
    }

    async fn allocate(&self) -> Result<Range<i64>, String> {
        let inner = &self.inner;
        let broker_epoch = inner.images.borrow().broker(inner.node_id).map_or(-1, |broker| broker.epoch);
        let request = AllocateProducerIdsRequest { broker_id: inner.node_id.0, broker_epoch };
        let answer = inner.runtime.timeout(WAIT_MAX, inner.controller.submit(request.into())).await;
        let answer: Result<ControllerResponse, ControllerError> =
            answer.unwrap_or_else(|_| Err(ControllerError::Unknown("no answer in time".to_string())));
        let response = answer.map_err(|error| error.to_string())?.into_allocate_producer_ids();
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => {
                assert!(response.producer_id_len > 0, "a block has ids");
                Ok(response.producer_id_start..response.producer_id_start + i64::from(response.producer_id_len))
            }
            other => Err(other.unwrap_or(ErrorCode::UnknownServerError).to_string()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
