use super::*;
use ottla_metadata::decide::bootstrap;
use ottla_metadata::{QuorumView, features};
use ottla_protocol::broker_registration_request::{Feature, Listener};
use ottla_protocol::create_topics_request::CreatableTopic;
use ottla_protocol::{BrokerRegistrationRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRecord};
use ottla_types::{ErrorCode, Uuid};

type Answered = oneshot::Receiver<Result<ControllerResponse, ControllerError>>;

fn config() -> BrokerConfig {
    BrokerConfig::parse(Default::default()).unwrap()
}

/// A formed cluster with one broker.
fn cluster(config: &BrokerConfig) -> MetadataImage {
    let mut image = MetadataImage::empty();
    let context = DecideContext { config, random: 1, metadata_index: 0, quorum: QuorumView::default() };
    bootstrap(&image, None, &context).records().for_each(|record| image.apply(record).unwrap());
    let mut round = Round::new(config, QuorumView::default(), image.clone(), 2);
    let _answered = add(&mut round, registration(&image));
    apply(&mut image, round);
    image
}

fn registration(image: &MetadataImage) -> BrokerRegistrationRequest {
    let listener = Listener { name: "PLAINTEXT".to_owned(), host: "here".to_owned(), port: 9092, security_protocol: 0 };
    let feature = |&(name, min, max): &(&str, i16, i16)| Feature {
        name: name.to_owned(),
        min_supported_version: min,
        max_supported_version: max,
    };
    BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: image.cluster_id().unwrap().to_string(),
        incarnation_id: Uuid([7; 16]),
        listeners: vec![listener],
        features: features::SUPPORTED.iter().map(feature).collect(),
        log_dirs: vec![Uuid([9; 16])],
        ..Default::default()
    }
}

fn create(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }
}

fn add(round: &mut Round<'_>, request: impl Into<ControllerRequest>) -> Answered {
    let (answer, answered) = oneshot::channel();
    round.add(PendingRequest { request: request.into(), answer }, 5);
    answered
}

fn records(entry: PlannedEntry) -> Vec<MetadataRecord> {
    entry::decode(&entry.into_parts().0).unwrap()
}

fn apply(image: &mut MetadataImage, round: Round<'_>) {
    for entry in round.into_entries() {
        records(entry).iter().for_each(|record| image.apply(record).unwrap());
    }
}

/// Sends the replies of an entry, as if it were committed.
fn commit(entry: PlannedEntry) {
    entry.into_parts().1.into_iter().for_each(|reply| answer(reply.answer, Ok(reply.response)));
}

fn created(answered: &mut Answered) -> ErrorCode {
    let response = answered.try_recv().unwrap().unwrap().into_create_topics();
    ErrorCode::from_code(response.topics[0].error_code).unwrap()
}

#[test]
fn requests_of_a_round_see_the_ones_before_them_and_share_an_entry() {
    let config = config();
    let image = cluster(&config);
    let mut round = Round::new(&config, QuorumView::default(), image.clone(), 10);
    let mut first = add(&mut round, create("a", 1));
    let mut second = add(&mut round, create("b", 2));
    let mut again = add(&mut round, create("a", 1));
    let mut entries = round.into_entries();
    assert_eq!(entries.len(), 1);
    let entry = entries.remove(0);
    assert_eq!(entry.replies.len(), 3);
    assert!(again.try_recv().is_err(), "no reply before the entry is committed that it saw");
    commit(entry);
    assert_eq!(created(&mut first), ErrorCode::None);
    assert_eq!(created(&mut second), ErrorCode::None);
    assert_eq!(created(&mut again), ErrorCode::TopicAlreadyExists);
}

#[test]
fn a_joined_entry_leads_to_the_image_of_the_round() {
    let config = config();
    let mut image = cluster(&config);
    let mut round = Round::new(&config, QuorumView::default(), image.clone(), 10);
    for number in 0..20 {
        let _answered = add(&mut round, create(&format!("topic-{number}"), number + 1));
    }
    let delete = DeleteTopicsRequest { topic_names: vec!["topic-3".to_owned()], ..Default::default() };
    let _answered = add(&mut round, delete);
    let pending = round.image.clone();
    let counted = round.records;
    apply(&mut image, round);
    assert_eq!(image, pending);
    assert_eq!(image.topic_count(), 19);
    let committed: usize = 20 + (1..=20).sum::<usize>() + 1;
    assert_eq!(counted, 10 + committed as i64);
}

#[test]
fn a_request_that_changes_nothing_is_answered_at_once_when_nothing_is_before_it() {
    let config = config();
    let image = cluster(&config);
    let mut round = Round::new(&config, QuorumView::default(), image, 10);
    let mut refused = add(&mut round, create("not/a/name", 1));
    assert_eq!(created(&mut refused), ErrorCode::InvalidTopicException);
    assert!(round.into_entries().is_empty());
}

#[test]
fn decisions_over_the_record_limit_go_into_entries_of_their_own() {
    let config = config();
    let image = cluster(&config);
    let mut round = Round::new(&config, QuorumView::default(), image, 10);
    for name in ["a", "b", "c"] {
        let _answered = add(&mut round, create(name, 6000));
    }
    let entries = round.into_entries();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.replies.len() == 1 && !entry.replies[0].began_before));
}

#[test]
fn the_epochs_of_a_returning_broker_are_split_and_its_reply_is_with_the_last() {
    let config = config();
    let mut image = cluster(&config);
    for name in ["a", "b", "c"] {
        let mut round = Round::new(&config, QuorumView::default(), image.clone(), 10);
        let _answered = add(&mut round, create(name, 9000));
        apply(&mut image, round);
    }
    let mut round = Round::new(&config, QuorumView::default(), image.clone(), 10);
    let back = BrokerRegistrationRequest { incarnation_id: Uuid([8; 16]), ..registration(&image) };
    let _answered = add(&mut round, back);
    let entries = round.into_entries();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries.iter().map(|entry| entry.replies.len()).collect::<Vec<_>>(), [0, 0, 1]);
    assert!(entries[2].replies[0].began_before);
}

#[test]
fn broker_epochs_of_one_round_differ() {
    let config = config();
    let image = cluster(&config);
    let mut round = Round::new(&config, QuorumView::default(), image.clone(), 10);
    let other = |id: i32| BrokerRegistrationRequest {
        broker_id: id,
        incarnation_id: Uuid([id as u8; 16]),
        log_dirs: vec![Uuid([100 + id as u8; 16])],
        ..registration(&image)
    };
    let _answered = [2, 3].map(|id| add(&mut round, other(id)));
    let epoch = |id| round.image.broker(ottla_types::NodeId(id)).unwrap().epoch;
    assert!(epoch(3) > epoch(2));
}
