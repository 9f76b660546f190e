//! A small idempotent producer: batches in, each exactly once in the log, in order.
//!
//! It keeps up to five batches of a partition in flight, as Kafka's producer does, and numbers them. When a connection is
//! lost or a broker asks for patience, everything unacknowledged is sent again from the first on with the same sequence
//! numbers, so that the broker recognises what it has. What the broker refuses for good gives its numbers to the next.
//! When patience ends the outcome is unknown, and the producer takes a new producer id for what comes after.

use crate::backoff::Backoff;
use crate::call::Call;
use crate::client::Client;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::produce::{Acks, PendingProduce, ProduceSpec, Produced};
use bytes::Bytes;
use ottla_protocol::InitProducerIdRequest;
use ottla_records::{BatchBuilder, CompressionSpec, Record, TimestampType, increment_sequence};
use ottla_runtime::Instant;
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// `max.in.flight.requests.per.connection`: as many as a broker remembers.
const IN_FLIGHT: usize = 5;
/// `delivery.timeout.ms`.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Who a producer is to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// Producer id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// An idempotent producer with acks=all.
pub struct SimpleProducer {
    client: Client,
    compression: CompressionSpec,
    delivery_timeout: Duration,
    identity: Option<ProducerIdentity>,
    /// The sequence of the next record, by topic and partition.
    next_sequence: BTreeMap<(String, i32), i32>,
}

/// Batches for one partition, and how far they have come.
struct Delivery<'a> {
    topic: &'a str,
    partition: i32,
    identity: ProducerIdentity,
    batches: &'a [Vec<Record>],
    results: Vec<Result<Produced, ClientError>>,
    /// The sequence of the first batch without a result.
    sequence: i32,
    /// Batches that were sent at least once.
    sent: usize,
}

impl SimpleProducer {
    /// A producer without compression that is patient for two minutes.
    pub fn new(client: &Client) -> SimpleProducer {
        SimpleProducer {
            client: client.clone(),
            compression: CompressionSpec::from(ottla_records::Compression::None),
            delivery_timeout: DELIVERY_TIMEOUT,
            identity: None,
            next_sequence: BTreeMap::new(),
        }
    }

    /// The same, compressing its batches.
    pub fn compression(mut self, compression: impl Into<CompressionSpec>) -> SimpleProducer {
        self.compression = compression.into();
        self
    }

    /// The same, giving up after this time (`delivery.timeout.ms`).
    pub fn delivery_timeout(mut self, timeout: Duration) -> SimpleProducer {
        self.delivery_timeout = timeout;
        self
    }

    /// Its identity, once it has sent something.
    pub fn identity(&self) -> Option<ProducerIdentity> {
        self.identity
    }

    /// Sends one batch and waits until it is acknowledged.
    ///
    /// # Errors
    /// What the broker refused it with, or what stood in the way when patience ended; see
    /// [`ClientError::is_outcome_unknown`].
    pub fn send<'a>(&'a mut self, topic: &'a str, partition: i32, records: Vec<Record>) -> Call<'a, Produced> {
        Box::pin(async move {
            let results = self.send_all(topic, partition, &[records]).await;
            results.into_iter().next().expect("one result for one batch")
        })
    }

    /// Sends batches, up to five in flight; returns one result for each, in order.
    pub async fn send_all(
        &mut self,
        topic: &str,
        partition: i32,
        batches: &[Vec<Record>],
    ) -> Vec<Result<Produced, ClientError>> {
        let deadline = self.client.runtime().now() + self.delivery_timeout;
        let identity = match self.identify(deadline).await {
            Ok(identity) => identity,
            Err(error) => return vec![Err(error); batches.len()],
        };
        let key = (topic.to_string(), partition);
        let sequence = self.next_sequence.get(&key).copied().unwrap_or(0);
        let mut delivery = Delivery { topic, partition, identity, batches, results: Vec::new(), sequence, sent: 0 };
        match self.deliver(&mut delivery, deadline).await {
            Ok(()) => {
                self.next_sequence.insert(key, delivery.sequence);
            }
            Err(error) => {
                // Nobody knows what the broker has of the rest: these sequence numbers cannot go on.
                self.identity = None;
                self.next_sequence.clear();
                for index in delivery.results.len()..batches.len() {
                    let (why, was_sent) = (Box::new(error.clone()), index < delivery.sent);
                    delivery.results.push(Err(ClientError::Undelivered { why, was_sent }));
                }
            }
        }
        delivery.results
    }

    async fn identify(&mut self, deadline: Instant) -> Result<ProducerIdentity, ClientError> {
        let mut backoff = Backoff::new(self.client.options());
        loop {
            if let Some(identity) = self.identity {
                return Ok(identity);
            }
            match init_producer_id(&self.client).await {
                Ok(identity) => self.identity = Some(identity),
                Err(error) if self.is_patient(&error, deadline) => backoff.pause(self.client.runtime()).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns when every batch has a result, or with what stood in the way.
    async fn deliver(&self, delivery: &mut Delivery<'_>, deadline: Instant) -> Result<(), ClientError> {
        let mut backoff = Backoff::new(self.client.options());
        while delivery.results.len() < delivery.batches.len() {
            let before = delivery.results.len();
            let Err(error) = self.deliver_over_one_connection(delivery, deadline).await else { continue };
            if !self.is_patient(&error, deadline) {
                return Err(error);
            }
            self.client.forget_topic(delivery.topic);
            if delivery.results.len() > before {
                backoff = Backoff::new(self.client.options());
            }
            backoff.pause(self.client.runtime()).await;
        }
        Ok(())
    }

    /// Sends from the first batch without a result on, until all have one or something must be tried again.
    async fn deliver_over_one_connection(
        &self,
        delivery: &mut Delivery<'_>,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let (topic, _, leader) = self.client.leader(delivery.topic, delivery.partition).await?;
        let mut in_flight: VecDeque<PendingProduce> = VecDeque::new();
        let mut sequence = delivery.sequence;
        loop {
            let next = delivery.results.len() + in_flight.len();
            if next < delivery.batches.len() && in_flight.len() < IN_FLIGHT {
                let batch = self.build(delivery, next, sequence)?;
                delivery.sent = delivery.sent.max(next + 1);
                in_flight.push_back(self.begin(delivery, &leader, topic.topic_id, batch).await?);
                sequence = increment_sequence(sequence, record_count(&delivery.batches[next]));
                continue;
            }
            let Some(first) = in_flight.pop_front() else { return Ok(()) };
            let left = deadline.saturating_duration_since(self.client.runtime().now());
            let result = self.client.runtime().timeout(left, first.wait()).await.unwrap_or_else(|_| {
                // What comes after must not wait behind an answer that may never come.
                leader.close();
                Err(ClientError::Timeout { api: "Produce", after: self.delivery_timeout })
            });
            let refused = result.is_err();
            delivery.take_result(result)?;
            if refused {
                // Its numbers go to the next batch, so what is in flight behind it has the wrong ones.
                return Ok(());
            }
        }
    }

    async fn begin(
        &self,
        delivery: &Delivery<'_>,
        leader: &Connection,
        topic_id: Uuid,
        batches: Bytes,
    ) -> Result<PendingProduce, ClientError> {
        let (topic, partition, timeout) = (delivery.topic, delivery.partition, self.client.options().request_timeout);
        let spec = ProduceSpec { topic, topic_id, partition, batches, acks: Acks::All, timeout };
        leader.begin_produce(&spec).await
    }

    fn build(&self, delivery: &Delivery<'_>, index: usize, sequence: i32) -> Result<Bytes, ClientError> {
        let identity = delivery.identity;
        let mut builder = BatchBuilder::new(self.compression, TimestampType::CreateTime);
        builder = builder.producer(identity.producer_id, identity.producer_epoch, sequence);
        let invalid = |error: ottla_records::BuildError| ClientError::Invalid(error.to_string());
        for record in &delivery.batches[index] {
            builder.append_record(record).map_err(invalid)?;
        }
        Ok(builder.build().map_err(invalid)?.to_bytes())
    }

    fn is_patient(&self, error: &ClientError, deadline: Instant) -> bool {
        error.is_retriable() && self.client.runtime().now() < deadline
    }
}

/// Asks any broker for a producer id.
pub(crate) async fn init_producer_id(client: &Client) -> Result<ProducerIdentity, ClientError> {
    let request =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: i32::MAX, ..Default::default() };
    let response = client.any_broker().await?.send(&request).await?;
    ClientError::check(response.error_code, None, || "producer id".to_string())?;
    let (producer_id, producer_epoch) = (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
    Ok(ProducerIdentity { producer_id, producer_epoch })
}

impl Delivery<'_> {
    /// Takes the result of the first batch without one. An error to try again is returned, any other is the result.
    fn take_result(&mut self, result: Result<Produced, ClientError>) -> Result<(), ClientError> {
        let next = increment_sequence(self.sequence, record_count(&self.batches[self.results.len()]));
        match result {
            Ok(produced) => {
                self.results.push(Ok(produced));
                self.sequence = next;
            }
            Err(error) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
                let unknown = Produced { base_offset: -1, log_append_time_ms: -1, log_start_offset: -1 };
                self.results.push(Ok(unknown));
                self.sequence = next;
            }
            Err(error) if error.is_retriable() || loses_the_sequence(&error) => return Err(error),
            Err(error) => self.results.push(Err(error)),
        }
        Ok(())
    }
}

/// Errors after which this producer id is of no further use.
fn loses_the_sequence(error: &ClientError) -> bool {
    use ErrorCode::{InvalidProducerEpoch, OutOfOrderSequenceNumber, ProducerFenced, UnknownProducerId};
    let codes = [InvalidProducerEpoch, OutOfOrderSequenceNumber, ProducerFenced, UnknownProducerId];
    error.code().is_some_and(|code| codes.contains(&code)) || matches!(error, ClientError::Unreadable { .. })
}

fn record_count(batch: &[Record]) -> i32 {
    i32::try_from(batch.len()).expect("a batch has fewer than 2^31 records")
}
