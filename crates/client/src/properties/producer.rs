//! Properties of producers.

use super::values::{boolean, milliseconds, number, optional, simple_name};
use super::{ClientProperties, Property, invalid};
use crate::error::ClientError;
use crate::produce::Acks;
use crate::producer::{Partitioner, ProducerOptions};
use ottla_records::{Compression, CompressionSpec};

pub(super) const PRODUCER: &[Property<ProducerOptions>] = &[
    Property::new("acks", |options, text| {
        options.acks = match text {
            "0" => Acks::None,
            "1" => Acks::Leader,
            "-1" | "all" => Acks::All,
            _ => return Err("expected all, -1, 0 or 1".to_string()),
        };
        Ok(())
    }),
    Property::new("enable.idempotence", |options, text| boolean(text).map(|on| options.idempotence = on)),
    Property::new("max.in.flight.requests.per.connection", |options, text| {
        number(text).map(|max| options.in_flight_max = max)
    }),
    Property::new("batch.size", |options, text| number(text).map(|bytes| options.batch_size = bytes)),
    Property::new("linger.ms", |options, text| milliseconds(text).map(|time| options.linger = time)),
    Property::new("compression.type", |options, text| {
        let codec = text.parse::<Compression>().map_err(|error| error.to_string())?;
        options.compression = codec.into();
        Ok(())
    }),
    Property::new("max.request.size", |options, text| number(text).map(|bytes| options.request_size_max = bytes)),
    Property::new("buffer.memory", |options, text| number(text).map(|bytes| options.buffer_memory = bytes)),
    Property::new("max.block.ms", |options, text| milliseconds(text).map(|time| options.max_block = time)),
    Property::new("metadata.max.age.ms", |options, text| {
        milliseconds(text).map(|time| options.metadata_age_max = time)
    }),
    Property::new("delivery.timeout.ms", |options, text| {
        milliseconds(text).map(|time| options.delivery_timeout = time)
    }),
    Property::new("retries", |options, text| {
        number::<i32>(text).map(|retries| options.retries = u32::try_from(retries).unwrap_or(0))
    }),
    Property::new("partitioner.class", |options, text| {
        options.partitioner = match simple_name(text) {
            "" | "DefaultPartitioner" => Partitioner::Java,
            "UniformStickyPartitioner" => Partitioner::Sticky,
            _ => {
                return Err(
                    "this client runs no Java classes; leave it out, or name one of librdkafka's partitioners \
                             in `partitioner`"
                        .to_string(),
                );
            }
        };
        Ok(())
    }),
    Property::new("partitioner", |options, text| {
        options.partitioner = match text {
            "java" => Partitioner::Java,
            "sticky" => Partitioner::Sticky,
            "random" => Partitioner::Random,
            "consistent" => Partitioner::Consistent,
            "consistent_random" => Partitioner::ConsistentRandom,
            "murmur2" => Partitioner::Murmur2,
            "murmur2_random" => Partitioner::Murmur2Random,
            "fnv1a" => Partitioner::Fnv1a,
            "fnv1a_random" => Partitioner::Fnv1aRandom,
            _ => {
                return Err("expected java, sticky, random, consistent, consistent_random, murmur2, murmur2_random, \
                             fnv1a or fnv1a_random"
                    .to_string());
            }
        };
        Ok(())
    }),
    Property::new("transactional.id", |options, text| {
        options.transactional_id = optional(text);
        Ok(())
    }),
    Property::new("transaction.timeout.ms", |options, text| {
        milliseconds(text).map(|time| options.transaction_timeout = time)
    }),
    Property::new("allow.auto.create.topics", |options, text| {
        boolean(text).map(|on| options.allow_auto_create_topics = on)
    }),
];

impl ClientProperties {
    /// `base` with what the properties say about a producer. As in Kafka, idempotence is given up silently where other
    /// properties exclude it and `enable.idempotence` is not said.
    ///
    /// # Errors
    /// `Invalid` for a value that cannot be read, for settings that exclude each other, and for what this producer cannot
    /// do (two-phase commits of somebody else, Java classes).
    pub fn producer_options(&self, base: ProducerOptions) -> Result<ProducerOptions, ClientError> {
        if self.get("transaction.two.phase.commit.enable").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
        {
            let why = "this producer takes no part in two-phase commits of others (KIP-939)";
            return Err(invalid("transaction.two.phase.commit.enable", "true", why));
        }
        self.refuse_when_set("interceptor.classes", "this client runs no Java classes")?;
        let mut options = self.applied(base, PRODUCER)?;
        if self.get("partitioner.ignore.keys").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
            options.partitioner = Partitioner::Sticky;
        }
        options.compression = self.compression_level(options.compression)?;
        let excludes = options.acks != Acks::All || options.retries == 0 || options.in_flight_max > 5;
        if excludes && self.get("enable.idempotence").is_none() {
            options.idempotence = false;
        }
        options.check()?;
        Ok(options)
    }

    fn compression_level(&self, spec: CompressionSpec) -> Result<CompressionSpec, ClientError> {
        let (name, range) = match spec.codec {
            Compression::Gzip => ("compression.gzip.level", -1..=9),
            Compression::Lz4 => ("compression.lz4.level", 1..=17),
            Compression::Zstd => ("compression.zstd.level", -131_072..=22),
            Compression::None | Compression::Snappy => return Ok(spec),
        };
        let Some(text) = self.get(name) else { return Ok(spec) };
        let level = number::<i32>(text.trim()).map_err(|why| invalid(name, text, &why))?;
        let is_gzip_zero = spec.codec == Compression::Gzip && level == 0;
        if !range.contains(&level) || is_gzip_zero {
            let why = format!("expected a level from {} to {}", range.start(), range.end());
            return Err(invalid(name, text, &why));
        }
        Ok(CompressionSpec { level: Some(level), ..spec })
    }
}
