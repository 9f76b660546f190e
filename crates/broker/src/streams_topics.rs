//! Internal topics of Kafka Streams applications while they are being made.
//!
//! Every heartbeat of an application whose internal topics are missing wants them made. A topic that is asked of the
//! controller already, or that the controller refused a moment ago, is not asked for again, so that heartbeats cost the
//! controller nothing (Kafka's `AutoTopicCreationManager`).

use crate::Broker;
use crate::handlers::{Failed, quota_exceeded};
use ottla_metadata::ApiError;
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::create_topics_request::CreatableTopic;
use ottla_runtime::Instant;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Topics that are known to be under way or refused, at most; others wait for their turn.
const NAMES_MAX: usize = 10_000;
/// How long a refusal is told before the controller is asked again: two heartbeats at the default interval.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long a heartbeat waits for its topics. Creation goes on; the next heartbeat tells more.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// The topics that are not asked for now.
#[derive(Debug, Default)]
pub(crate) struct StreamsTopics {
    asked: Mutex<BTreeMap<String, Asked>>,
}

#[derive(Debug)]
struct Asked {
    until: Instant,
    /// Why the controller refused it; `None` while it is under way.
    refused: Option<Failed>,
}

/// Has those of `topics` made that nobody has asked for; resolves, after a short while at most, to what was refused. They count
/// against the controller mutation quota of who asks (in Kafka the controller counts them), and are refused beyond it.
pub(crate) async fn create(broker: &Arc<Broker>, header: &RequestHeader, topics: Vec<CreatableTopic>) -> Vec<Failed> {
    let runtime = broker.runtime();
    let now = runtime.now();
    let deadline = now + broker.request_timeout();
    let (mine, mut refused) = broker.streams_topics.claim(topics, now, deadline);
    let mut mutations = broker.quotas.mutations(header, true);
    let (mine, over): (Vec<_>, Vec<_>) = mine.into_iter().partition(|topic| mutations.take(partitions_of(topic)));
    // Not remembered: the quota is that of this client, others may ask.
    broker.streams_topics.settle(over.iter().map(|topic| topic.name.clone()).collect(), &[], now);
    refused.extend(over.into_iter().map(|topic| over_quota(topic.name)));
    if mine.is_empty() {
        return refused;
    }
    let counts: BTreeMap<String, usize> = mine.iter().map(|topic| (topic.name.clone(), partitions_of(topic))).collect();
    let names: Vec<String> = mine.iter().map(|topic| topic.name.clone()).collect();
    let under_way = crate::handlers::create_topics(broker, mine, deadline);
    let owner = Arc::clone(broker);
    // A task of its own: a client that goes away leaves nothing half done.
    let task = runtime.spawn("broker.create-streams-topics", async move {
        let failed = under_way.await;
        mutations.give_back(failed.iter().filter_map(|failed| counts.get(&failed.name)).sum());
        owner.streams_topics.settle(names, &failed, owner.runtime().now() + REFUSED_FOR);
        failed
    });
    if let Ok(Ok(failed)) = runtime.timeout(ANSWER_PATIENCE, task).await {
        refused.extend(failed);
    }
    refused
}

fn partitions_of(topic: &CreatableTopic) -> usize {
    usize::try_from(topic.num_partitions).unwrap_or(0)
}

fn over_quota(name: String) -> Failed {
    let ApiError { code, message } = quota_exceeded();
    Failed { name, error: code, message }
}

impl StreamsTopics {
    /// Those that the caller has to ask for, and the refusals of others.
    fn claim(&self, topics: Vec<CreatableTopic>, now: Instant, until: Instant) -> (Vec<CreatableTopic>, Vec<Failed>) {
        let mut asked = self.asked();
        if asked.len() + topics.len() > NAMES_MAX {
            asked.retain(|_, topic| topic.until > now);
        }
        let (mut mine, mut refused) = (Vec::new(), Vec::new());
        for topic in topics {
            match asked.get(&topic.name).filter(|known| known.until > now) {
                Some(known) => refused.extend(known.refused.clone()),
                None if asked.len() < NAMES_MAX || asked.contains_key(&topic.name) => {
                    asked.insert(topic.name.clone(), Asked { until, refused: None });
                    mine.push(topic);
                }
                None => {}
            }
        }
        (mine, refused)
    }

    /// What became of topics that were claimed.
    fn settle(&self, names: Vec<String>, failed: &[Failed], until: Instant) {
        let mut asked = self.asked();
        names.iter().for_each(|name| drop(asked.remove(name)));
        let refused = failed.iter().map(|failed| (failed.name.clone(), Asked { until, refused: Some(failed.clone()) }));
        asked.extend(refused);
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::Runtime;
    use ottla_types::ErrorCode;

    fn topic(name: String) -> CreatableTopic {
        CreatableTopic { name, ..CreatableTopic::default() }
    }

    #[tokio::test]
    async fn a_topic_is_asked_for_once_and_its_refusal_is_told_for_a_while() {
        let topics = StreamsTopics::default();
        let now = Runtime::in_memory().now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let claim = |from| {
            let (mine, refused) = topics.claim(vec![topic("a".to_string()), topic("b".to_string())], from, at(30));
            (mine.len(), refused.len())
        };
        assert_eq!(claim(now), (2, 0));
        assert_eq!(claim(now), (0, 0));
        let refused = Failed { name: "b".to_string(), error: ErrorCode::InvalidConfig, message: None };
        topics.settle(vec!["a".to_string(), "b".to_string()], &[refused], at(10));
        assert_eq!(claim(at(9)), (1, 1), "a is gone again, b was refused");
        assert_eq!(claim(at(10)), (1, 0), "b may be asked for again");
        assert_eq!(claim(at(40)), (2, 0), "an answer that never came");
    }

    #[tokio::test]
    async fn names_are_bounded() {
        let topics = StreamsTopics::default();
        let now = Runtime::in_memory().now();
        let many = |from: usize| (from..from + NAMES_MAX).map(|index| topic(index.to_string())).collect::<Vec<_>>();
        let until = now + Duration::from_secs(1);
        assert_eq!(topics.claim(many(0), now, until).0.len(), NAMES_MAX);
        assert_eq!(topics.claim(many(NAMES_MAX), now, until).0.len(), 0);
        assert_eq!(topics.claim(many(NAMES_MAX), until, until).0.len(), NAMES_MAX);
    }
}
