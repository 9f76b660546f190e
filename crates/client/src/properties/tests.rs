use super::*;
use crate::assign::Assignor;
use crate::consumer::{ConsumerOptions, GroupProtocol, OffsetReset};
use crate::fetch::Isolation;
use crate::produce::Acks;
use crate::producer::{Partitioner, ProducerOptions};
use ottla_records::Compression;
use std::time::Duration;

fn properties(text: &str) -> ClientProperties {
    ClientProperties::parse(text).unwrap()
}

fn refusal<T>(result: Result<T, ClientError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn properties_set_the_options_of_their_names() {
    let all = properties(
        "client.id=me\nrequest.timeout.ms=7\nlinger.ms=20\nacks=-1\ncompression.type=zstd\ncompression.zstd.level=9\nretries=3",
    );
    let client = all.client_options(ClientOptions::default()).unwrap();
    assert_eq!((client.client_id.as_str(), client.request_timeout.as_millis()), ("me", 7));
    let producer = all.producer_options(ProducerOptions::default()).unwrap();
    assert_eq!((producer.acks, producer.linger.as_millis(), producer.retries), (Acks::All, 20, 3));
    assert_eq!((producer.compression.codec, producer.compression.level), (Compression::Zstd, Some(9)));
    let all = properties("group.id=g\nauto.offset.reset=earliest\nisolation.level=read_committed\nmax.poll.records=1");
    let consumer = all.consumer_options(ConsumerOptions::default()).unwrap();
    assert_eq!((consumer.group_id.as_deref(), consumer.offset_reset), (Some("g"), OffsetReset::Earliest));
    assert_eq!((consumer.isolation, consumer.max_poll_records), (Isolation::ReadCommitted, 1));
}

#[test]
fn idempotence_gives_way_only_when_it_was_not_asked_for() {
    let options = |text: &str| properties(text).producer_options(ProducerOptions::default());
    assert!(options("").unwrap().idempotence);
    for text in ["acks=1", "retries=0", "max.in.flight.requests.per.connection=6"] {
        assert!(!options(text).unwrap().idempotence, "{text}");
    }
    assert!(refusal(options("acks=1\nenable.idempotence=true")).contains("needs acks=all"));
}

#[test]
fn what_this_client_cannot_do_is_refused_and_not_ignored() {
    let client = |text: &str| properties(text).client_options(ClientOptions::default());
    assert!(client("security.protocol=PLAINTEXT\nssl.protocol=TLSv1.3").is_ok());
    assert!(
        refusal(client("security.protocol=SASL_SSL"))
            .contains("security.protocol=SASL_SSL: this client speaks PLAINTEXT")
    );
    let producer = |text: &str| refusal(properties(text).producer_options(ProducerOptions::default()));
    assert_eq!(producer("transactional.id=t"), "");
    assert!(producer("transactional.id=t\nenable.idempotence=false").contains("needs enable.idempotence"));
    assert!(producer("transaction.two.phase.commit.enable=true").contains("KIP-939"));
    assert!(producer("partitioner.class=com.example.Mine").contains("Java classes"));
    assert_eq!(producer("transactional.id="), "");
}

#[test]
fn misspelt_names_are_warnings_and_bad_values_are_errors() {
    let all = properties("linger.msec=5\nsend.buffer.bytes=1\nsasl.mechanism=PLAIN\ngroup.id=g\nacks=all");
    assert_eq!(all.unknown(), ["linger.msec"]);
    let error = refusal(properties("linger.ms=soon").producer_options(ProducerOptions::default()));
    assert!(error.contains("linger.ms=soon: expected a number of milliseconds"), "{error}");
    let error = refusal(
        properties("compression.type=gzip\ncompression.gzip.level=10").producer_options(ProducerOptions::default()),
    );
    assert!(error.contains("from -1 to 9"), "{error}");
}

#[test]
fn assignors_and_resets_are_named_as_kafka_names_them() {
    let options = |text: &str| properties(text).consumer_options(ConsumerOptions::default()).unwrap();
    let strategy =
        "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor, roundrobin";
    let expected = vec![Assignor::CooperativeSticky, Assignor::RoundRobin];
    assert_eq!(options(strategy).protocol, GroupProtocol::Classic { assignors: expected });
    let modern = GroupProtocol::Consumer { assignor: Some("range".to_string()) };
    assert_eq!(options("group.protocol=CONSUMER\ngroup.remote.assignor=range").protocol, modern);
    let hour = OffsetReset::ByDuration(Duration::from_secs(3600));
    assert_eq!(options("auto.offset.reset=by_duration:PT1H").offset_reset, hour);
    let wrong = properties("auto.offset.reset=now").consumer_options(ConsumerOptions::default());
    assert!(refusal(wrong).contains("earliest, latest, none"));
}

#[test]
fn partitioners_have_librdkafkas_names_too() {
    let options = |text: &str| properties(text).producer_options(ProducerOptions::default()).unwrap();
    assert_eq!(options("partitioner=murmur2_random").partitioner, Partitioner::Murmur2Random);
    assert_eq!(options("partitioner.ignore.keys=true").partitioner, Partitioner::Sticky);
}

#[test]
fn every_name_is_once_in_what_a_producer_or_a_consumer_reads() {
    let client: Vec<&str> = CLIENT.iter().map(|property| property.name).collect();
    let kinds: [Vec<&str>; 2] = [
        producer::PRODUCER.iter().map(|property| property.name).collect(),
        consumer::CONSUMER.iter().map(|property| property.name).collect(),
    ];
    for kind in kinds {
        let mut names = [client.as_slice(), kind.as_slice(), IGNORED].concat();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
    assert!(IGNORED.is_sorted());
}
