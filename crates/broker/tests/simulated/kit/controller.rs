//! A controller that decides with the real decisions and commits at once, in memory.

use ottla_config::BrokerConfig;
use ottla_metadata::{
    ControllerChannel, ControllerError, ControllerFuture, ControllerRequest, ControllerResponse, DecideContext,
    MetadataImage, QuorumView, decide, features,
};
use ottla_protocol::generated::broker_registration_request::{Feature, Listener};
use ottla_protocol::{BrokerRegistrationRequest, ControllerRegistrationRequest, controller_registration_request};
use ottla_runtime::watch;
use ottla_types::Uuid;
use std::sync::{Arc, Mutex};

/// The controller and the committed metadata; outlives the node's processes.
pub(crate) struct FakeController {
    config: BrokerConfig,
    state: Mutex<State>,
    images: watch::Sender<Arc<MetadataImage>>,
}

#[derive(Default)]
struct State {
    image: MetadataImage,
    turn: u64,
    /// Requests are not answered.
    is_silent: bool,
    requests: Vec<&'static str>,
}

impl FakeController {
    pub(crate) fn new(configs: &[(&str, &str)]) -> Arc<FakeController> {
        let controller = FakeController {
            config: super::parse_config(configs),
            state: Mutex::default(),
            images: watch::Sender::new(Arc::new(MetadataImage::empty())),
        };
        controller.decide(|image, context| decide::bootstrap(image, None, context).map(|_| ()));
        Arc::new(controller)
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        &self.config
    }

    pub(crate) fn images(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.images.subscribe()
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.borrow())
    }

    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    /// How many requests of this kind came.
    pub(crate) fn requests(&self, name: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|request| **request == name).count()
    }

    /// Registers a new incarnation of the broker: its partitions get new leader epochs.
    pub(crate) fn register(&self, log_dirs: Vec<Uuid>) {
        let image = self.image();
        let turn = self.state.lock().unwrap().turn;
        let mut incarnation = [3; 16];
        incarnation[8..].copy_from_slice(&turn.to_be_bytes());
        let listener = |(name, port): (&str, u16)| Listener {
            name: name.to_string(),
            host: "10.0.0.1".to_string(),
            port,
            security_protocol: 0,
        };
        let feature = |&(name, min, max): &(&str, i16, i16)| Feature {
            name: name.to_string(),
            min_supported_version: min,
            max_supported_version: max,
        };
        let request = BrokerRegistrationRequest {
            broker_id: 1,
            cluster_id: image.cluster_id().expect("a formed cluster").to_string(),
            incarnation_id: Uuid(incarnation),
            listeners: [("PLAINTEXT", 9092), ("OTHER", 9094)].map(listener).into(),
            features: features::SUPPORTED.iter().map(feature).collect(),
            log_dirs,
            ..BrokerRegistrationRequest::default()
        };
        let outcome = self.decide(|image, context| decide::register_broker(image, &request, false, context));
        assert_eq!(outcome.response.error_code, 0, "{:?}", outcome.error_message);
        if let Some(name) = self.config.controller_listener_names.first() {
            let listener = controller_registration_request::Listener {
                name: name.clone(),
                host: "10.0.0.1".to_string(),
                port: 9093,
                security_protocol: 0,
            };
            let request =
                ControllerRegistrationRequest { controller_id: 1, listeners: vec![listener], ..Default::default() };
            self.decide(|image, _| decide::register_controller(image, &request));
        }
    }

    fn decide<R>(&self, decide: impl FnOnce(&MetadataImage, &DecideContext<'_>) -> ottla_metadata::Decision<R>) -> R {
        let mut state = self.state.lock().unwrap();
        state.turn += 1;
        let context = DecideContext {
            config: &self.config,
            random: state.turn,
            metadata_index: i64::try_from(state.turn).unwrap(),
            quorum: QuorumView::default(),
        };
        let decision = decide(&state.image, &context);
        for record in decision.records() {
            state.image.apply(record).expect("a decided record applies");
            let applied = state.image.highest_offset() + 2;
            state.image.set_record_count(applied);
        }
        self.images.send_replace(Arc::new(state.image.clone()));
        decision.response
    }
}

impl ControllerChannel for FakeController {
    fn submit(&self, request: ControllerRequest) -> ControllerFuture {
        let is_silent = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request.name());
            state.is_silent
        };
        if is_silent {
            return Box::pin(std::future::pending());
        }
        let answer: Result<ControllerResponse, ControllerError> =
            Ok(self.decide(|image, context| decide::decide(image, &request, false, context)));
        Box::pin(std::future::ready(answer))
    }
}
