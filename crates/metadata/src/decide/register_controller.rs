//! ControllerRegistration (KIP-919): where the controllers are reached by those who administer them.

use crate::image::records::register_controller_record;
use crate::{BrokerEndpoint, ControllerRegistration, Decision, FeatureRange, MetadataImage};
use ottla_protocol::{ControllerRegistrationRequest, ControllerRegistrationResponse};
use ottla_types::{ErrorCode, NodeId};

/// Registers a controller; one that says nothing new leaves no record.
pub fn register_controller(
    image: &MetadataImage,
    request: &ControllerRegistrationRequest,
) -> Decision<ControllerRegistrationResponse> {
    if request.controller_id < 0 {
        let (error_code, text) = (ErrorCode::InvalidRequest.code(), "Controller ID must not be negative");
        let error_message = Some(text.to_string());
        return Decision::none(ControllerRegistrationResponse { error_code, error_message, ..Default::default() });
    }
    let controller = ControllerRegistration {
        id: NodeId(request.controller_id),
        incarnation_id: request.incarnation_id,
        endpoints: request
            .listeners
            .iter()
            .map(|listener| BrokerEndpoint {
                name: listener.name.clone(),
                host: listener.host.clone(),
                port: listener.port,
                security_protocol: listener.security_protocol,
            })
            .collect(),
        features: request
            .features
            .iter()
            .map(|feature| FeatureRange {
                name: feature.name.clone(),
                min: feature.min_supported_version,
                max: feature.max_supported_version,
            })
            .collect(),
    };
    let response = ControllerRegistrationResponse::default();
    match image.controller(controller.id) {
        Some(known) if **known == controller => Decision::none(response),
        _ => Decision::atomic(vec![register_controller_record(&controller)], response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use ottla_protocol::controller_registration_request::Listener;
    use ottla_types::Uuid;

    fn request(port: u16) -> ControllerRegistrationRequest {
        let listener = Listener { name: "CONTROLLER".into(), host: "a".into(), port, security_protocol: 0 };
        ControllerRegistrationRequest {
            controller_id: 1,
            incarnation_id: Uuid([1; 16]),
            listeners: vec![listener],
            ..Default::default()
        }
    }

    #[test]
    fn a_registration_is_kept_until_the_next() {
        let mut cluster = Cluster::with_brokers(1);
        for (port, records) in [(1, 1), (1, 0), (2, 1)] {
            let decision = cluster.decide(|image, _| register_controller(image, &request(port)));
            assert_eq!(decision.records().count(), records, "{port}");
            cluster.run(|image, _| register_controller(image, &request(port)));
            let known = cluster.image.controller(NodeId(1)).unwrap();
            assert_eq!(known.endpoint("CONTROLLER").unwrap().port, port);
        }
        let refused = ControllerRegistrationRequest { controller_id: -1, ..request(1) };
        let response = cluster.run(|image, _| register_controller(image, &refused));
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
    }
}
