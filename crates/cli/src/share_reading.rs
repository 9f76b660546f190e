//! Records of a share consumer, one after another, each of which is acknowledged, until nothing comes for some time or
//! somebody presses Ctrl-C.

use crate::failure::Failure;
use crate::reading::{Next, stop_signal};
use ottla_client::{
    AcknowledgeType, AcknowledgementMode, Client, ClientError, ConsumerRecord, ShareConsumer, ShareConsumerOptions,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A poll that has nothing returns after this, so that other things are looked at.
const POLL_MAX: Duration = Duration::from_secs(1);

/// Reads records; what was not acknowledged when it is closed is delivered to somebody else.
pub(crate) struct ShareReading {
    consumer: ShareConsumer,
    pending: VecDeque<ConsumerRecord>,
    is_stopped: bool,
}

/// A member of a share group that says itself what became of each record.
pub(crate) fn explicit(options: ShareConsumerOptions) -> ShareConsumerOptions {
    ShareConsumerOptions { acknowledgement_mode: AcknowledgementMode::Explicit, ..options }
}

/// Ends the consumer's polls when the program is told to stop.
pub(crate) fn stop_on_signal(consumer: &ShareConsumer) {
    let waker = consumer.waker();
    // Ends with the process.
    drop(tokio::spawn(async move {
        if stop_signal().await.is_ok() {
            waker.wakeup();
        }
    }));
}

impl ShareReading {
    /// A member of the group for these topics; ends when the program is told to stop.
    pub(crate) fn new(
        client: &Client,
        options: ShareConsumerOptions,
        topics: &[&str],
    ) -> Result<ShareReading, Failure> {
        let mut consumer = ShareConsumer::new(client, explicit(options))?;
        stop_on_signal(&consumer);
        consumer.subscribe(topics)?;
        Ok(ShareReading { consumer, pending: VecDeque::new(), is_stopped: false })
    }

    /// The next record, which must be acknowledged before the one after it; waits at most for `timeout`, or for ever.
    pub(crate) async fn next(&mut self, timeout: Option<Duration>) -> Result<Next, Failure> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if self.is_stopped {
                return Ok(Next::Stopped);
            }
            if let Some(record) = self.pending.pop_front() {
                return Ok(Next::Record(record));
            }
            let left = deadline.map_or(POLL_MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.consumer.poll(left.min(POLL_MAX)).await {
                Ok(records) => self.pending.extend(records),
                Err(ClientError::Wakeup) => self.is_stopped = true,
                Err(error) => return Err(error.into()),
            }
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_over && self.pending.is_empty() && !self.is_stopped {
                return Ok(Next::Nothing);
            }
        }
    }

    /// Says what became of a record.
    pub(crate) fn acknowledge(&mut self, record: &ConsumerRecord, kind: AcknowledgeType) -> Result<(), Failure> {
        Ok(self.consumer.acknowledge(record, kind)?)
    }

    /// Whether records are there that [`ShareReading::next`] gives at once.
    pub(crate) fn has_more(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends what was acknowledged and leaves the group.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        Ok(self.consumer.close().await?)
    }
}
