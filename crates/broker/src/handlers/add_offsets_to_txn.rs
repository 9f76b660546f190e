//! AddOffsetsToTxn (key 25), versions 0 to 4: the group's partition of `__consumer_offsets` joins the transaction.
//!
//! v2 PRODUCER_FENCED (KIP-588), v4 TRANSACTION_ABORTABLE (KIP-890). Not sent by clients of transaction version 2. Errors: as
//! AddPartitionsToTxn.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::coordination::partition_of;
use crate::transactions::code_in_version;
use ottla_metadata::topic_name::GROUP_METADATA;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use ottla_protocol::generated::add_offsets_to_txn_response::AddOffsetsToTxnResponse;
use ottla_txn::{AddPartitions, Producer, TxnReply, TxnRequest};
use ottla_types::{ErrorCode, TopicPartition};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AddOffsetsToTxnRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let index = partition_of(&body.group_id, broker.groups().partition_count());
        let adding = AddPartitions {
            transactional_id: Arc::from(body.transactional_id.as_str()),
            producer: Producer { id: body.producer_id, epoch: body.producer_epoch },
            partitions: vec![TopicPartition::new(GROUP_METADATA, index)],
            client_version: 0,
            verify_only: false,
        };
        let code = match broker.transactions().ask(&body.transactional_id, TxnRequest::AddPartitions(adding)).await {
            Ok(TxnReply::Added(Ok(()))) => ErrorCode::None,
            Ok(TxnReply::Added(Err(error))) | Err(error) => error,
            Ok(other) => panic!("a partition was added, and the answer is {other:?}"),
        };
        let error_code = code_in_version(code, header.api_version).code();
        respond(&broker, &header, &AddOffsetsToTxnResponse { error_code, ..AddOffsetsToTxnResponse::default() })
    })))
}
