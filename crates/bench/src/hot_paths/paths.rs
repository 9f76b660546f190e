//! The table of hot paths, and what each may allocate.

use super::batches::{OF_1_KB, OF_100_B, OF_100_KB, Shape};
use super::measure::Prepared;
use super::{client, log, protocol, validation, waiting};
use ottla_records::Compression;

/// One hot path.
pub(super) struct Path {
    pub(super) name: &'static str,
    /// The most allocations that one operation may make, on average. It is what an operation makes today: lower it with a change
    /// that saves some. A part of one is a container that grows now and then, or depends on where a read goes.
    pub(super) allocations_max: f64,
    pub(super) prepare: fn() -> Prepared,
}

const fn path(name: &'static str, allocations_max: f64, prepare: fn() -> Prepared) -> Path {
    Path { name, allocations_max, prepare }
}

/// What a producer with small batches sends to one partition.
const OF_8: Shape = Shape { records: 8, value_bytes: 1024 };
/// The partitions of a session of a consumer.
const MANY: i32 = 100;

/// All of them, in the order of a record's way.
pub(super) const PATHS: &[Path] = &[
    path("client: build a batch, 160 x 100 B", 14.0, || client::build_batch(OF_100_B)),
    path("produce: decode a request, 6 partitions, 8 x 1 KB", 3.0, || protocol::decode_produce(6, OF_8)),
    path("produce: validate 16 x 1 KB", 0.0, || validation::validate(OF_1_KB, Compression::None)),
    path("produce: validate 160 x 100 B", 0.0, || validation::validate(OF_100_B, Compression::None)),
    path("produce: validate 1 x 100 KB", 0.0, || validation::validate(OF_100_KB, Compression::None)),
    path("produce: validate 16 x 1 KB, gzip", 3.0, || validation::validate(OF_1_KB, Compression::Gzip)),
    path("produce: validate 16 x 1 KB, snappy", 1.0, || validation::validate(OF_1_KB, Compression::Snappy)),
    path("produce: validate 16 x 1 KB, lz4", 1.0, || validation::validate(OF_1_KB, Compression::Lz4)),
    path("produce: validate 16 x 1 KB, zstd", 2.0, || validation::validate(OF_1_KB, Compression::Zstd)),
    path("produce: append 16 x 1 KB", 0.05, || log::append_plain(OF_1_KB)),
    path("produce: append 16 x 1 KB, idempotent", 0.05, || log::append_idempotent(OF_1_KB)),
    path("produce: wait with a timeout, woken", 0.0, waiting::park),
    path("produce: encode the response, 6 partitions", 4.0, || protocol::encode_produce(6)),
    path("fetch: decode a request, 100 partitions", 3.0, || protocol::decode_fetch(MANY)),
    path("fetch: range at the end of the log", 0.0, log::read_tail),
    path("fetch: range anywhere in 64 segments", 3.2, log::read_anywhere),
    path("fetch: encode the response, no news", 2.0, || protocol::encode_fetch(0)),
    path("fetch: encode the response, 100 partitions", 8.0, || protocol::encode_fetch(MANY)),
    path("client: read a batch, 160 x 100 B", 7.0, || client::read_batch(OF_100_B)),
];
