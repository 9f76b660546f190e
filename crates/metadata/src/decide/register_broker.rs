//! BrokerRegistration: a broker joins, or comes back.
//!
//! A broker that comes back never resumes an old leader epoch, because its unflushed tail may be gone and readers may
//! have seen it. Its registration leads to:
//! 1. its registration record, fenced;
//! 2. a new leader epoch for every partition that it leads, and its leadership of partitions that wait for it;
//! 3. its unfencing. A partition accepts appends once its broker is unfenced, so after all of these.
//!
//! There can be tens of thousands of records, so they are split over several entries. A crash in between leaves the
//! broker fenced; its next start registers anew and begins again.

use super::election::leads_again;
use crate::features::METADATA_VERSION;
use crate::image::records::register_broker_record;
use crate::{
    ApiError, BrokerEndpoint, BrokerRegistration, BrokerRegistrationOutcome, DecideContext, Decision, Entry,
    FeatureRange, MetadataImage, directory_id,
};
use ottla_protocol::{
    BrokerRegistrationChangeRecord, BrokerRegistrationRequest, BrokerRegistrationResponse, MetadataRecord,
};
use ottla_types::{ErrorCode, NodeId, Uuid};

/// In a change record: the broker is not fenced any more.
const UNFENCE: i8 = -1;

/// Registers a broker, or refuses it with a reason.
///
/// `has_live_session`: the incarnation that is registered now still reports to the controller.
pub fn register_broker(
    image: &MetadataImage,
    request: &BrokerRegistrationRequest,
    has_live_session: bool,
    context: &DecideContext<'_>,
) -> Decision<BrokerRegistrationOutcome> {
    if let Err(error) = check(image, request, has_live_session) {
        let response = BrokerRegistrationResponse { error_code: error.code.code(), ..Default::default() };
        return Decision::none(BrokerRegistrationOutcome { response, error_message: error.message });
    }
    let id = NodeId(request.broker_id);
    let existing = image.broker(id);
    let same_incarnation = existing.filter(|broker| broker.incarnation_id == request.incarnation_id);
    let epoch = match (same_incarnation, existing) {
        (Some(broker), _) => broker.epoch,
        (None, Some(before)) => context.metadata_index.max(before.epoch + 1),
        (None, None) => context.metadata_index,
    };
    let broker = registration(request, epoch, same_incarnation.map(|broker| broker.as_ref()));
    let response = BrokerRegistrationResponse { broker_epoch: epoch, ..Default::default() };
    let outcome = BrokerRegistrationOutcome { response, error_message: None };
    let mut records = vec![register_broker_record(&broker)];
    if same_incarnation.is_none() {
        records.extend(leader_epoch_bumps(image, id));
        records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: id.0,
            broker_epoch: epoch,
            fenced: UNFENCE,
            ..Default::default()
        }));
    }
    Decision::split(records, outcome)
}

/// A new leader epoch for every partition that the broker leads, or will lead because it is in sync and nobody leads.
fn leader_epoch_bumps(image: &MetadataImage, id: NodeId) -> Entry {
    let mut records = Entry::new();
    for topic in image.topics() {
        for (index, partition) in (0..).zip(&topic.partitions) {
            let waits_for_it = partition.leader.is_none() && partition.isr.contains(&id);
            if partition.leader == Some(id) || waits_for_it {
                records.push(leads_again(topic.id, index, id));
            }
        }
    }
    records
}

fn registration(
    request: &BrokerRegistrationRequest,
    epoch: i64,
    amended: Option<&BrokerRegistration>,
) -> BrokerRegistration {
    let endpoint = |listener: &ottla_protocol::broker_registration_request::Listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    };
    let feature = |feature: &ottla_protocol::broker_registration_request::Feature| FeatureRange {
        name: feature.name.clone(),
        min: feature.min_supported_version,
        max: feature.max_supported_version,
    };
    BrokerRegistration {
        id: NodeId(request.broker_id),
        epoch,
        incarnation_id: request.incarnation_id,
        endpoints: request.listeners.iter().map(endpoint).collect(),
        features: request.features.iter().map(feature).collect(),
        rack: request.rack.clone(),
        fenced: amended.is_none_or(|broker| broker.fenced),
        in_controlled_shutdown: amended.is_some_and(|broker| broker.in_controlled_shutdown),
        directories: request.log_dirs.clone(),
        cordoned_directories: amended.map(|broker| broker.cordoned_directories.clone()).unwrap_or_default(),
    }
}

fn check(image: &MetadataImage, request: &BrokerRegistrationRequest, has_live_session: bool) -> Result<(), ApiError> {
    let refuse = |code, text: String| Err(ApiError::new(code, text));
    let cluster_id = image.cluster_id().map(|id| id.to_string()).unwrap_or_default();
    if cluster_id != request.cluster_id {
        let text = format!("Expected cluster ID {cluster_id}, but got cluster ID {}", request.cluster_id);
        return refuse(ErrorCode::InconsistentClusterId, text);
    }
    if request.broker_id < 0 {
        return refuse(ErrorCode::InvalidRequest, format!("Invalid broker id {}", request.broker_id));
    }
    if request.is_migrating_zk_broker {
        let text = "Controller does not support registering ZK brokers.";
        return refuse(ErrorCode::BrokerIdNotRegistered, text.to_string());
    }
    let existing = image.broker(NodeId(request.broker_id));
    if existing.is_some_and(|broker| has_live_session && broker.incarnation_id != request.incarnation_id) {
        let text = "Another broker is registered with that broker id. If the broker was recently restarted this should \
                    self-resolve once the heartbeat manager expires the broker's session.";
        return refuse(ErrorCode::DuplicateBrokerRegistration, text.to_string());
    }
    check_directories(image, request, existing.map(|broker| broker.directories.as_slice()).unwrap_or_default())?;
    check_features(image, request)
}

fn check_directories(
    image: &MetadataImage,
    request: &BrokerRegistrationRequest,
    before: &[Uuid],
) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidRegistration, text));
    let (id, directories) = (request.broker_id, &request.log_dirs);
    if directories.is_empty() {
        return refuse("No directories specified in request".to_string());
    }
    if directories.iter().any(|directory| directory_id::is_reserved(*directory)) {
        return refuse("Reserved directory ID in request".to_string());
    }
    for (index, directory) in directories.iter().enumerate() {
        if directories[..index].contains(directory) {
            return refuse("Duplicate directory ID in request".to_string());
        }
        let holder = image.brokers().find(|broker| broker.id.0 != id && broker.directories.contains(directory));
        if let Some(holder) = holder {
            return refuse(format!("Broker {} is already registered with directory {directory}", holder.id));
        }
    }
    // Some of several disks may be new; when all are, the node lost its data, and would lead partitions with nothing.
    if !before.is_empty() && !before.iter().any(|directory| directories.contains(directory)) {
        let list = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
        return refuse(format!(
            "Node {id} is registered with the log directories {}, and none of them is among those that it has now ({}). \
             If this is the wrong directory, start the node with its own. If its data is lost, unregister the node first \
             (kafka-cluster unregister --bootstrap-server <another node> --id {id}); it then joins as a new one and \
             copies its replicas from the others",
            list(before),
            list(directories)
        ));
    }
    Ok(())
}

fn check_features(image: &MetadataImage, request: &BrokerRegistrationRequest) -> Result<(), ApiError> {
    let range = |name: &str| {
        let feature = request.features.iter().find(|feature| feature.name == name);
        feature.map(|feature| (feature.min_supported_version, feature.max_supported_version))
    };
    if range(METADATA_VERSION).is_none() {
        let text = format!("Request features do not contain '{METADATA_VERSION}'");
        return Err(ApiError::new(ErrorCode::InvalidRegistration, text));
    }
    let offered = request.features.iter().map(|feature| feature.name.as_str());
    for name in offered.chain(image.features().map(|(name, _)| name)) {
        let finalized = image.feature_level(name);
        let (min, max) = range(name).unwrap_or((0, 0));
        if !(min..=max).contains(&finalized) {
            let text = format!(
                "Unable to register because the broker does not support finalized version {finalized} of {name}. The \
                 broker wants a version between {min} and {max}, inclusive."
            );
            return Err(ApiError::new(ErrorCode::UnsupportedVersion, text));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "register_broker/tests.rs"]
mod tests;
