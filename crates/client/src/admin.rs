//! Administration: topics, configs, quotas, partitions, groups, their members and their offsets, transactions, records, log
//! directories, producers, features, the cluster, its quorum, reassignments.
//!
//! An operation is retried only where a broker said that it did nothing and a later try may succeed.

mod cluster;
mod configs;
mod elections;
mod features;
mod group_members;
mod group_offsets;
mod groups;
mod leaders;
mod partitions;
mod quorum;
mod quotas;
mod reassignments;
mod share_groups;
mod streams_groups;
mod topic_partitions;
mod topics;
mod transactions;

pub use cluster::{LogDir, ReplicaLog};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym};
pub use elections::Election;
pub use features::FeatureChange;
pub use group_members::{MembersToRemove, RemovedMember};
pub use groups::{GroupDescription, GroupListing, MemberDescription};
pub use partitions::ActiveProducer;
pub use quorum::{QuorumInfo, QuorumReplica, RaftVoterEndpoint};
pub use quotas::{QuotaEntity, QuotaFilter, QuotaMatch};
pub use reassignments::PartitionReassignment;
pub use share_groups::{ShareGroupDescription, ShareMemberDescription, ShareOffsets, SharePartitionOffset};
pub use streams_groups::{StreamsGroupDescription, StreamsMemberDescription, StreamsTasks, Subtopology};
pub use topics::{CreatedTopic, NewPartitions, NewTopic, TopicDescription};
pub use transactions::{OpenTransaction, TransactionDescription, TransactionFilter, TransactionListing};

use crate::client::Client;
use crate::error::ClientError;
use ottla_types::ErrorCode;
use std::future::Future;

/// Administration of a cluster.
#[derive(Clone)]
pub struct Admin {
    client: Client,
    is_cautious: bool,
}

impl Admin {
    /// Administration through this client.
    pub fn new(client: &Client) -> Admin {
        Admin { client: client.clone(), is_cautious: false }
    }

    /// The same for who must know what a single try has done: only what a broker said it did not do is repeated, a connection
    /// that is refused or lost ends the call.
    pub fn cautious(client: &Client) -> Admin {
        Admin { client: client.clone(), is_cautious: true }
    }

    /// Whether this is waited out: a broker is away.
    fn outlasts(&self, error: &ClientError) -> bool {
        !self.is_cautious && error.is_network()
    }

    /// Repeats `operation` while a broker asks for patience or cannot be reached, at most for `default.api.timeout.ms`. As with
    /// Java's admin client, also what may have been done although its answer was lost.
    async fn patiently<T, F>(&self, operation: impl Fn() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let operation = &operation;
        let forgetting = || async move {
            let done = operation().await;
            if done.as_ref().is_err_and(|error| asks_for_patience(error) || error.is_network()) {
                self.client.forget_controller();
            }
            done
        };
        let is_worth_it = |error: &ClientError| asks_for_patience(error) || self.outlasts(error);
        crate::backoff::patiently(&self.client, is_worth_it, forgetting).await
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
