//! What a response says went wrong, for the request counters.

use ottla_protocol::Message;
use ottla_protocol::generated::alter_configs_response::AlterConfigsResponse;
use ottla_protocol::generated::api_versions_response::ApiVersionsResponse;
use ottla_protocol::generated::create_partitions_response::CreatePartitionsResponse;
use ottla_protocol::generated::create_topics_response::CreateTopicsResponse;
use ottla_protocol::generated::delete_records_response::DeleteRecordsResponse;
use ottla_protocol::generated::delete_topics_response::DeleteTopicsResponse;
use ottla_protocol::generated::describe_cluster_response::DescribeClusterResponse;
use ottla_protocol::generated::describe_configs_response::DescribeConfigsResponse;
use ottla_protocol::generated::describe_log_dirs_response::DescribeLogDirsResponse;
use ottla_protocol::generated::describe_producers_response::DescribeProducersResponse;
use ottla_protocol::generated::describe_topic_partitions_response::DescribeTopicPartitionsResponse;
use ottla_protocol::generated::fetch_response::FetchResponse;
use ottla_protocol::generated::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use ottla_protocol::generated::init_producer_id_response::InitProducerIdResponse;
use ottla_protocol::generated::list_config_resources_response::ListConfigResourcesResponse;
use ottla_protocol::generated::list_offsets_response::ListOffsetsResponse;
use ottla_protocol::generated::metadata_response::MetadataResponse;
use ottla_protocol::generated::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
use ottla_protocol::generated::produce_response::ProduceResponse;

/// A response that a handler sends.
pub(in crate::handlers) trait Answer: Message {
    /// The first error code in it; 0 if all went well.
    fn first_error(&self) -> i16;
}

fn first(mut codes: impl Iterator<Item = i16>) -> i16 {
    codes.find(|code| *code != 0).unwrap_or(0)
}

macro_rules! answers {
    ($($response:ty => |$this:ident| $first:expr;)*) => {
        $(impl Answer for $response {
            fn first_error(&self) -> i16 {
                let $this = self;
                $first
            }
        })*
    };
}

answers! {
    ProduceResponse => |r| first(r.responses.iter().flat_map(|t| &t.partition_responses).map(|p| p.error_code));
    FetchResponse => |r| match r.error_code {
        0 => first(r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    ListOffsetsResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    MetadataResponse => |r| match r.error_code {
        0 => first(r.topics.iter().map(|t| t.error_code)),
        error => error,
    };
    ApiVersionsResponse => |r| r.error_code;
    CreateTopicsResponse => |r| first(r.topics.iter().map(|t| t.error_code));
    DeleteTopicsResponse => |r| first(r.responses.iter().map(|t| t.error_code));
    DeleteRecordsResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    InitProducerIdResponse => |r| r.error_code;
    OffsetForLeaderEpochResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    DescribeConfigsResponse => |r| first(r.results.iter().map(|result| result.error_code));
    AlterConfigsResponse => |r| first(r.responses.iter().map(|result| result.error_code));
    IncrementalAlterConfigsResponse => |r| first(r.responses.iter().map(|result| result.error_code));
    DescribeLogDirsResponse => |r| match r.error_code {
        0 => first(r.results.iter().map(|result| result.error_code)),
        error => error,
    };
    CreatePartitionsResponse => |r| first(r.results.iter().map(|result| result.error_code));
    DescribeClusterResponse => |r| r.error_code;
    DescribeProducersResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    ListConfigResourcesResponse => |r| r.error_code;
    DescribeTopicPartitionsResponse => |r| first(r.topics.iter().map(|t| t.error_code));
}
