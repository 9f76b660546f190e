//! What one shard has yet to be told. News that come while it is slow are put together, so that no shard holds up another
//! and none is told of an old state twice.

use super::told::News;
use ottla_coordinator::ShardHandle;
use ottla_group::{GroupEvent, GroupShard};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// The news of one shard.
#[derive(Default)]
pub(super) struct Feed {
    news: Mutex<News>,
    added: Notify,
}

impl Feed {
    pub(super) fn add(&self, news: &News) {
        {
            let mut waiting = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.deleted.extend(news.deleted.iter().cloned());
            waiting.topics = news.topics.clone().or(waiting.topics.take());
            waiting.config = news.config.clone().or(waiting.config.take());
        }
        self.added.notify_one();
    }

    /// Hands the news to the shard as they come, until it ends.
    pub(super) async fn pump(&self, shard: ShardHandle<GroupShard>) {
        loop {
            self.added.notified().await;
            let News { topics, deleted, config } =
                std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
            let events = [
                config.map(GroupEvent::ConfigChanged),
                topics.map(GroupEvent::MetadataChanged),
                (!deleted.is_empty()).then_some(GroupEvent::TopicsDeleted(deleted)),
            ];
            for event in events.into_iter().flatten() {
                if !shard.notify(event).await {
                    return;
                }
            }
        }
    }
}
