//! The task that finds the leaders of the assigned partitions, and starts a fetcher for each broker.

use super::{Shared, fetcher};
use crate::backoff::Backoff;
use crate::error::ClientError;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;

/// Runs until the consumer is gone.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(shared.client.options());
    loop {
        match round(&shared).await {
            Ok(()) => {
                backoff = Backoff::new(shared.client.options());
                tokio::select! {
                    biased;
                    () = shared.work.notified() => {}
                    () = shared.runtime().sleep(shared.options.metadata_age_max) => shared.doubt_leaders(),
                }
            }
            Err(error) => {
                shared.client.tell(&error);
                if !error.is_transient() {
                    shared.report(error);
                }
                backoff.pause(shared.runtime()).await;
            }
        }
    }
}

async fn round(shared: &Arc<Shared>) -> Result<(), ClientError> {
    let topics: BTreeSet<Arc<str>> = shared.lock().doubtful().map(|partition| partition.topic.clone()).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
    let metadata = shared.client.fetch_metadata(Some(&names), false).await?;
    let mut homeless = None;
    {
        let mut state = shared.lock();
        for (partition, assigned) in &mut state.assigned {
            let Some(topic) = metadata.topics.get(&*partition.topic) else { continue };
            // A topic that was made anew is not the one that was assigned.
            let found = topic.partition(partition.partition).filter(|_| topic.topic_id == assigned.topic_id);
            assigned.leader = found.and_then(|found| found.leader);
            assigned.is_doubtful = assigned.leader.is_none();
            if assigned.is_doubtful {
                homeless = Some(partition.clone());
            }
        }
    }
    start_fetchers(shared);
    shared.wake_fetchers();
    let Some(partition) = homeless else { return Ok(()) };
    if let Some(Err(error)) = metadata.topics.get(&*partition.topic).map(|topic| topic.partitions.clone()) {
        return Err(error);
    }
    Err(ClientError::Broker { subject: partition.to_string(), code: ErrorCode::LeaderNotAvailable, message: None })
}

fn start_fetchers(shared: &Arc<Shared>) {
    let mut state = shared.lock();
    if state.is_closed {
        return;
    }
    let leaders: BTreeSet<i32> = state.assigned.values().filter_map(|assigned| assigned.leader).collect();
    for node in leaders {
        if state.nodes.contains_key(&node) {
            continue;
        }
        let wake = Arc::new(Notify::new());
        let fetcher = fetcher::run(shared.clone(), node, wake.clone());
        let task = shared.runtime().spawn("client.share.fetcher", fetcher);
        state.tasks.push(task.abort_on_drop());
        state.nodes.insert(node, super::state::Node::new(wake));
    }
}
