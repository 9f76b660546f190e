//! Administration: topics, configs, quotas, partitions, groups and their offsets, transactions, records, log directories,
//! producers, features, the cluster, its quorum, reassignments.
//!
//! An operation is retried only where a broker said that it did nothing and a later try may succeed.

mod cluster;
mod configs;
mod elections;
mod features;
mod group_offsets;
mod groups;
mod partitions;
mod quorum;
mod quotas;
mod reassignments;
mod share_groups;
mod streams_groups;
mod topics;
mod transactions;

pub use cluster::{LogDir, ReplicaLog};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym};
pub use elections::Election;
pub use features::FeatureChange;
pub use groups::{GroupDescription, GroupListing, MemberDescription};
pub use partitions::ActiveProducer;
pub use quorum::{QuorumInfo, QuorumReplica, RaftVoterEndpoint};
pub use quotas::{QuotaEntity, QuotaFilter, QuotaMatch};
pub use reassignments::PartitionReassignment;
pub use share_groups::{ShareGroupDescription, ShareMemberDescription, ShareOffsets, SharePartitionOffset};
pub use streams_groups::{StreamsGroupDescription, StreamsMemberDescription, StreamsTasks, Subtopology};
pub use topics::{CreatedTopic, NewTopic, TopicDescription};
pub use transactions::{OpenTransaction, TransactionDescription, TransactionFilter, TransactionListing};

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::ClientError;
use ottla_types::ErrorCode;
use std::future::Future;

/// Administration of a cluster.
#[derive(Clone)]
pub struct Admin {
    client: Client,
}

impl Admin {
    /// Administration through this client.
    pub fn new(client: &Client) -> Admin {
        Admin { client: client.clone() }
    }

    /// Repeats `operation` while a broker asks for patience, at most for `default.api.timeout.ms`.
    async fn patiently<T, F>(&self, operation: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let runtime = self.client.runtime();
        let deadline = runtime.now() + self.client.options().api_timeout;
        let mut backoff = Backoff::new(self.client.options());
        loop {
            match operation().await {
                Err(error) if asks_for_patience(&error) && runtime.now() < deadline => {
                    self.client.forget_controller();
                    backoff.pause(runtime).await;
                }
                done => return done,
            }
        }
    }

    /// `request.timeout.ms`, for requests that carry a timeout of their own.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.client.options().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

fn asks_for_patience(error: &ClientError) -> bool {
    use ErrorCode::{BrokerNotAvailable, LeaderNotAvailable, NotController, ThrottlingQuotaExceeded};
    let codes = [BrokerNotAvailable, LeaderNotAvailable, NotController, ThrottlingQuotaExceeded];
    error.code().is_some_and(|code| codes.contains(&code))
}
