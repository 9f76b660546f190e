//! Our own Kafka client: what the command line, the ecosystem services, the simulator's workloads and the benches speak
//! to brokers with. It runs on [`ottla_runtime::Runtime`], so everything here also runs on the simulator.
//!
//! From the bottom up:
//!
//! 1. [`Connection`]: one broker, versions negotiated, many requests in flight.
//! 2. [`Client`]: a cluster by its bootstrap addresses; knows brokers and leaders, opens connections when needed.
//! 3. On a client: [`Producer`], [`Consumer`], [`ShareConsumer`], [`Admin`]; below them [`Client::fetch`], [`Client::list_offset`] and
//!    [`SimpleProducer`], for who makes his own batches.
//!
//! Every failure is a [`ClientError`], whose variants are what a caller can do about it.

mod admin;
mod assign;
mod backoff;
mod call;
mod client;
mod connection;
mod consumer;
mod coordinator;
mod error;
mod fetch;
mod metadata;
mod nodes;
mod offsets;
mod options;
mod produce;
mod producer;
mod properties;
mod share_consumer;
mod simple_producer;
mod troubles;
mod versions;

pub use admin::{
    ActiveProducer, Admin, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, CreatedTopic,
    Election, FeatureChange, GroupDescription, GroupListing, LogDir, MemberDescription, MembersToRemove, NewPartitions,
    NewTopic, OpenTransaction, PartitionReassignment, QuorumInfo, QuorumReplica, QuotaEntity, QuotaFilter, QuotaMatch,
    RaftVoterEndpoint, RemovedMember, ReplicaLog, ShareGroupDescription, ShareMemberDescription, ShareOffsets,
    SharePartitionOffset, StreamsGroupDescription, StreamsMemberDescription, StreamsTasks, Subtopology,
    TopicDescription, TransactionDescription, TransactionFilter, TransactionListing,
};
pub use assign::Assignor;
pub use backoff::Backoff;
pub use call::Call;
pub use client::Client;
pub use connection::{Connection, PendingResponse};
pub use consumer::{
    Consumer, ConsumerGroupMetadata, ConsumerOptions, ConsumerRecord, ConsumerWaker, GroupProtocol, OffsetAndMetadata,
    OffsetReset, Offsets, RebalanceListener,
};
pub use error::{ClientError, ConnectFailure};
pub use fetch::{FetchSpec, Fetched, Isolation};
pub use metadata::{BrokerAddress, ClusterMetadata, PartitionMetadata, TopicMetadata};
pub use nodes::ClusterDescription;
pub use offsets::{ListedOffset, OffsetSpec};
pub use options::ClientOptions;
pub use produce::{Acks, ProduceSpec, Produced};
pub use producer::{
    BatchReport, Delivery, Partitioner, Producer, ProducerInterceptor, ProducerOptions, ProducerRecord, RecordMetadata,
};
pub use properties::ClientProperties;
pub use share_consumer::{
    AcknowledgeType, Acknowledged, AcknowledgementMode, AcquireMode, ShareConsumer, ShareConsumerOptions,
};
pub use simple_producer::{ProducerIdentity, SimpleProducer};
pub use versions::BrokerVersions;
// What records are made of.
pub use ottla_records::{Compression, CompressionSpec, Record, TimestampType};
