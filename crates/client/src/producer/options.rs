//! What a producer goes by, with Kafka's names and defaults.

use super::interceptor::ProducerInterceptor;
use super::partitioner::Partitioner;
use crate::error::ClientError;
use crate::produce::Acks;
use ottla_records::{Compression, CompressionSpec};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// As many batches of a partition as a broker remembers of a producer.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// Settings of a [`Producer`](crate::Producer).
#[derive(Clone)]
pub struct ProducerOptions {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: needs acks=all and at most five requests in flight.
    pub idempotence: bool,
    /// `max.in.flight.requests.per.connection`.
    pub in_flight_max: usize,
    /// `batch.size`: a batch is sent when it has this many bytes, before compression; a larger record goes alone.
    pub batch_size: usize,
    /// `linger.ms`: how long a batch that is not full waits for more records.
    pub linger: Duration,
    /// `compression.type` and its level.
    pub compression: CompressionSpec,
    /// `max.request.size`: the largest record, and the largest request. Bytes.
    pub request_size_max: usize,
    /// `buffer.memory`: bytes of records that are not acknowledged; beyond that, sending waits.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long sending waits for metadata and for buffer memory.
    pub max_block: Duration,
    /// `metadata.max.age.ms`: how often added partitions are looked for.
    pub metadata_age_max: Duration,
    /// `delivery.timeout.ms`: from sending to the acknowledgement, all retries included.
    pub delivery_timeout: Duration,
    /// `retries`: tries after the first.
    pub retries: u32,
    /// `partitioner.class`, in effect.
    pub partitioner: Partitioner,
    /// `allow.auto.create.topics` of the metadata that is asked for: a missing topic is made when the broker does that.
    pub allow_auto_create_topics: bool,
    /// `transactional.id`: who this producer is through restarts; makes it transactional
    /// ([`Producer::init_transactions`](crate::Producer::init_transactions)). Needs idempotence.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`: an open transaction that is older is aborted by the coordinator.
    pub transaction_timeout: Duration,
    /// `interceptor.classes`: called in this order.
    pub interceptors: Vec<Arc<dyn ProducerInterceptor>>,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        ProducerOptions {
            acks: Acks::All,
            idempotence: true,
            in_flight_max: IDEMPOTENT_IN_FLIGHT_MAX,
            batch_size: 16 * 1024,
            linger: Duration::from_millis(5),
            compression: Compression::None.into(),
            request_size_max: 1024 * 1024,
            buffer_memory: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            metadata_age_max: Duration::from_secs(300),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            partitioner: Partitioner::default(),
            allow_auto_create_topics: true,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
            interceptors: Vec::new(),
        }
    }
}

impl ProducerOptions {
    /// # Errors
    /// `Invalid` for settings that exclude each other.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let refuse = |why: &str| Err(ClientError::Invalid(why.to_string()));
        if self.idempotence && self.acks != Acks::All {
            return refuse("enable.idempotence needs acks=all");
        }
        if self.idempotence && self.in_flight_max > IDEMPOTENT_IN_FLIGHT_MAX {
            return refuse("enable.idempotence needs max.in.flight.requests.per.connection of at most 5");
        }
        if self.transactional_id.is_some() && !self.idempotence {
            return refuse("transactional.id needs enable.idempotence");
        }
        if self.transactional_id.as_ref().is_some_and(String::is_empty) {
            return refuse("transactional.id is not empty");
        }
        if self.in_flight_max == 0 || self.request_size_max == 0 || self.buffer_memory == 0 {
            return refuse("max.in.flight.requests.per.connection, max.request.size and buffer.memory are at least 1");
        }
        if u32::try_from(self.buffer_memory).is_err() || i32::try_from(self.request_size_max).is_err() {
            return refuse("buffer.memory is below 4 GiB and max.request.size below 2 GiB");
        }
        Ok(())
    }
}

impl fmt::Debug for ProducerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerOptions")
            .field("acks", &self.acks)
            .field("idempotence", &self.idempotence)
            .field("batch_size", &self.batch_size)
            .field("linger", &self.linger)
            .field("compression", &self.compression)
            .field("delivery_timeout", &self.delivery_timeout)
            .field("transactional_id", &self.transactional_id)
            .field("interceptors", &self.interceptors.len())
            .finish_non_exhaustive()
    }
}
