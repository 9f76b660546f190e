//! `ottla perf latency` at a rate: a record is sent when it is due, however many are still on their way.

use super::latency::{ROUND_TRIP_MAX, Sender, lost, number_of};
use super::meter::Meter;
use bytes::Bytes;
use ottla_client::Consumer;
use ottla_terminal::failure::Failure;
use ottla_terminal::tracker::{Pacer, Tracker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Which latency of the meter is which.
const ACKNOWLEDGEMENT: usize = 0;
const END_TO_END: usize = 1;
/// How long a poll waits before it is looked whether everything is back.
const POLL: Duration = Duration::from_millis(100);

/// Sends `rate` records per second and reads them back. The number of a record is when it was due, in microseconds since the
/// beginning.
pub(super) async fn run(sender: Sender, consumer: Consumer, rate: f64) -> Result<(), Failure> {
    // Found before the first record is sent, so that none is missed.
    consumer.position(&sender.partition).await?;
    let begun = Instant::now();
    let counts = Arc::new(Counts { total: AtomicU64::new(u64::MAX), acknowledged: AtomicU64::new(0) });
    let reading = Reading { consumer, meter: sender.meter.clone(), id: sender.id, begun, counts: counts.clone() };
    let reading = tokio::spawn(reading.run());
    let sent = send(sender, Pacer::new(Some(rate)), begun, &counts).await;
    counts.total.store(if sent.is_ok() { counts.acknowledged() } else { 0 }, Ordering::Relaxed);
    let read = reading.await.map_err(|error| Failure::new(error.to_string()))?;
    sent.and(read)
}

/// What reader and sender know of one another.
struct Counts {
    /// How many records there will be; unknown until the last one is sent.
    total: AtomicU64,
    /// How many have to come back so far.
    acknowledged: AtomicU64,
}

impl Counts {
    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// Sends until the measurement is over.
async fn send(mut sender: Sender, mut pacer: Pacer, begun: Instant, counts: &Arc<Counts>) -> Result<(), Failure> {
    let (meter, counts) = (sender.meter.clone(), counts.clone());
    let mut tracker: Tracker<Instant> = Tracker::new(Arc::new(move |due, result| match result {
        Ok(_) => {
            counts.acknowledged.fetch_add(1, Ordering::Relaxed);
            meter.record_latency(ACKNOWLEDGEMENT, due.elapsed());
        }
        Err(error) => meter.count_error(error.to_string()),
    }));
    while sender.meter.take() {
        let due = pacer.next().await;
        let micros = due.saturating_duration_since(begun).as_micros();
        let record = sender.marked(u64::try_from(micros).unwrap_or(u64::MAX));
        tracker.track(due, sender.producer.send(record).await?);
    }
    sender.producer.flush().await;
    tracker.finish().await;
    Ok(sender.producer.close(Duration::from_secs(10)).await?)
}

/// Reads what a [`send`] sent.
struct Reading {
    consumer: Consumer,
    meter: Arc<Meter>,
    id: u64,
    begun: Instant,
    counts: Arc<Counts>,
}

impl Reading {
    async fn run(mut self) -> Result<(), Failure> {
        let mut found = 0;
        let mut last = Instant::now();
        while found < self.counts.total.load(Ordering::Relaxed) {
            let records = self.consumer.poll(POLL).await?;
            if found >= self.counts.acknowledged() {
                last = Instant::now();
            } else if last.elapsed() > ROUND_TRIP_MAX {
                return Err(lost());
            }
            let now = self.begun.elapsed();
            for record in &records {
                if let Some(due) = number_of(record.value.as_ref(), self.id) {
                    found += 1;
                    last = Instant::now();
                    let bytes = record.value.as_ref().map_or(0, Bytes::len) as u64;
                    self.meter.record_latency(END_TO_END, now.saturating_sub(Duration::from_micros(due)));
                    self.meter.count(1, bytes, &[]);
                }
            }
        }
        Ok(self.consumer.close().await?)
    }
}
