//! Tells of every record when it was acknowledged, without one waiting for another: deliveries of a partition end in order, so
//! each partition has a task that awaits them in order.

use ottla_client::{ClientError, Delivery, RecordMetadata};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Is told of a record's end.
pub type OnEnd<T> = Arc<dyn Fn(T, Result<RecordMetadata, ClientError>) + Send + Sync>;

/// Deliveries under way; `T` is what is known of a record.
pub struct Tracker<T> {
    partitions: BTreeMap<i32, mpsc::UnboundedSender<(T, Delivery)>>,
    tasks: JoinSet<()>,
    on_end: OnEnd<T>,
}

impl<T: Send + 'static> Tracker<T> {
    /// Calls `on_end` for each record.
    pub fn new(on_end: OnEnd<T>) -> Tracker<T> {
        Tracker { partitions: BTreeMap::new(), tasks: JoinSet::new(), on_end }
    }

    /// Takes over a delivery. What waits is bounded by the producer's `buffer.memory`.
    pub fn track(&mut self, known: T, delivery: Delivery) {
        let (tasks, on_end) = (&mut self.tasks, &self.on_end);
        let queue = self.partitions.entry(delivery.partition()).or_insert_with(|| {
            let (sender, mut deliveries) = mpsc::unbounded_channel::<(T, Delivery)>();
            let on_end = on_end.clone();
            tasks.spawn(async move {
                while let Some((known, delivery)) = deliveries.recv().await {
                    let result = delivery.wait().await;
                    on_end(known, result);
                }
            });
            sender
        });
        // The task ends only when the sender is gone.
        let _ = queue.send((known, delivery));
    }

    /// Waits until every record has its end.
    pub async fn finish(mut self) {
        self.partitions.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Lets so many things happen in a second: each has its time, whether those before were late or not.
#[derive(Debug)]
pub struct Pacer {
    begun: Instant,
    interval_seconds: Option<f64>,
    count: u64,
}

impl Pacer {
    /// `rate` things in a second; all at once with `None`.
    pub fn new(rate: Option<f64>) -> Pacer {
        Pacer {
            begun: Instant::now(),
            interval_seconds: rate.filter(|rate| *rate > 0.0).map(|rate| 1.0 / rate),
            count: 0,
        }
    }

    /// Waits for the time of the next thing and returns it: a latency from then on also counts what was late before.
    pub async fn next(&mut self) -> Instant {
        let Some(interval) = self.interval_seconds else { return Instant::now() };
        let due = self.begun + std::time::Duration::from_secs_f64(interval * self.count as f64);
        self.count += 1;
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        due
    }
}
