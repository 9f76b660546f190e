//! One connection: negotiation, pipelining, and every way in which it can end.

use crate::broker::{Fate, broker_and_client, start};
use ottla_client::{Acks, ClientError, ClientOptions, Connection, FetchSpec, Isolation, OffsetSpec};
use ottla_protocol::{ApiKey, ListOffsetsRequest, MetadataRequest};
use ottla_runtime::sim::World;
use ottla_runtime::{ListenOptions, Part};
use ottla_testkit::batches;
use ottla_types::ErrorCode;
use std::time::Duration;

#[test]
fn versions_are_negotiated() {
    let world = World::new(41);
    world.run(async {
        let (_server, broker, address) = start(&world.node("broker"), "broker").await;
        let (runtime, options) = (world.node("client"), ClientOptions::default());
        let new = Connection::connect(&runtime, &address, &options).await.unwrap();
        assert_eq!(new.versions().range(ApiKey::Metadata), Some((0, 13)));
        assert_eq!(new.version_of::<MetadataRequest>(), Ok(13));
        broker.inside.lock().unwrap().api_versions_max = Some(2);
        let old = Connection::connect(&runtime, &address, &options).await.unwrap();
        assert_eq!(old.versions().range(ApiKey::Metadata), Some((0, 13)));
    });
}

#[test]
fn many_requests_are_in_flight_and_every_caller_gets_its_own_answer() {
    let world = World::new(42);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        for partition in 0..2 {
            for _ in 0..=partition {
                client.produce("events", partition, batches::batch(&["x"]), Acks::All).await.unwrap();
            }
        }
        assert_eq!(batches::values(&broker.log("events", 1)), ["x", "x"]);
        let ends = (0..200).map(|number| {
            let client = client.clone();
            async move { client.list_offset("events", number % 2, OffsetSpec::Latest, Isolation::default()).await }
        });
        let ends = futures_util::future::join_all(ends).await;
        for (number, end) in ends.into_iter().enumerate() {
            assert_eq!(end.unwrap().offset, (number % 2) as i64 + 1);
        }
    });
}

#[test]
fn what_was_produced_is_fetched() {
    let world = World::new(43);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let first = client.produce("events", 0, batches::batch(&["a", "b"]), Acks::Leader).await.unwrap().unwrap();
        let second = client.produce("events", 0, batches::batch(&["c"]), Acks::All).await.unwrap().unwrap();
        assert_eq!((first.base_offset, second.base_offset), (0, 2));
        assert_eq!(client.produce("events", 0, batches::batch(&["d"]), Acks::None).await, Ok(None));
        let fetched = client.fetch(&FetchSpec::new("events", 0, 1)).await.unwrap();
        assert_eq!(batches::values(&fetched.batches), ["a", "b", "c", "d"]);
        assert_eq!(fetched.high_watermark, 4);
        let error = client.fetch(&FetchSpec::new("events", 0, 99)).await.unwrap_err();
        assert_eq!(error.to_string(), "events-0 at offset 99: OFFSET_OUT_OF_RANGE");
    });
}

#[test]
fn an_unknown_topic_is_an_error_of_its_own() {
    let world = World::new(44);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let error = client.fetch(&FetchSpec::new("nothing", 0, 0)).await.unwrap_err();
        assert!(error.is_unknown_topic(), "{error}");
        let error = client.fetch(&FetchSpec::new("events", 7, 0)).await.unwrap_err();
        assert_eq!(error.to_string(), "events-7: UNKNOWN_TOPIC_OR_PARTITION");
    });
}

#[test]
fn a_lost_connection_fails_what_was_in_flight_and_is_replaced() {
    let world = World::new(45);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::LoseAnswer]);
        let error = client.produce("events", 0, batches::batch(&["x"]), Acks::All).await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
        assert!(error.is_outcome_unknown() && error.is_retriable());
        client.produce("events", 0, batches::batch(&["y"]), Acks::All).await.unwrap();
        assert_eq!(batches::values(&broker.log("events", 0)), ["x", "y"]);
    });
}

#[test]
fn a_silent_broker_is_given_up_with_its_connection() {
    let world = World::new(46);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Silence]);
        let begin = client.runtime().now();
        let error = client.produce("events", 0, batches::batch(&["x"]), Acks::All).await.unwrap_err();
        assert_eq!(error, ClientError::Timeout { api: "Produce", after: Duration::from_secs(30) });
        assert!(client.runtime().now() - begin < Duration::from_secs(31));
        client.produce("events", 0, batches::batch(&["y"]), Acks::All).await.unwrap();
    });
}

#[test]
fn the_ways_not_to_reach_a_broker_are_told_apart() {
    let world = World::new(47);
    world.run(async {
        let (server_runtime, runtime) = (world.node("other"), world.node("client"));
        let options = ClientOptions::default();
        let refused = Connection::connect(&runtime, "other:9", &options).await.err().unwrap();
        assert_eq!(refused.to_string(), "cannot connect to other:9: connection refused");
        let cases: [(&'static [u8], &str); 4] = [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is not a Kafka port: it speaks HTTP"),
            (&[0x15, 0x03, 0x03, 0, 2, 2, 70], "is not a Kafka port: it speaks TLS"),
            (&[0, 0, 0, 6, 0, 0, 0, 9, 0, 0], "is not a Kafka port: it answered Some(9) to request 0"),
            (b"", "was lost before the answer came: the other side closed it"),
        ];
        for (bytes, expected) in cases {
            let listener = server_runtime.listen("0.0.0.0:0", ListenOptions::default()).await.unwrap();
            let address = format!("other:{}", listener.local_addr().port());
            let _serving = server_runtime.spawn("foreign", async move {
                let (mut receiver, mut sender) = listener.accept().await.unwrap().0.split();
                let mut read = bytes::BytesMut::with_capacity(4096);
                receiver.read(&mut read).await.unwrap();
                sender.send(vec![Part::Bytes(bytes.into())]).await.unwrap();
            });
            let error = Connection::connect(&runtime, &address, &options).await.err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let listener = server_runtime.listen("0.0.0.0:0", ListenOptions::default()).await.unwrap();
        let address = format!("other:{}", listener.local_addr().port());
        let error = Connection::connect(&runtime, &address, &options).await.err().unwrap();
        assert!(error.to_string().ends_with("no answer in time"), "{error}");
    });
}

#[test]
fn a_broker_that_lacks_an_api_is_named() {
    let world = World::new(48);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let connection = client.any_broker().await.unwrap();
        let error = connection.version_within::<ListOffsetsRequest>((0, 0)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("serves ListOffsets in versions 1 to 11, this client needs a version in 0..=0"),
            "{text}"
        );
    });
}

#[test]
fn several_bootstrap_addresses_are_tried() {
    let world = World::new(49);
    world.run(async {
        let (_server, broker, address) = start(&world.node("broker"), "broker").await;
        broker.add_topic("events", 1);
        let runtime = world.node("client");
        let bootstrap = format!("broker:1, {address}");
        let client = ottla_client::Client::new(&runtime, &bootstrap, ClientOptions::default()).unwrap();
        assert_eq!(client.topic("events").await.unwrap().name, "events");
        let client = ottla_client::Client::new(&runtime, "broker:1,broker:2", ClientOptions::default()).unwrap();
        let text = client.any_broker().await.err().unwrap().to_string();
        assert!(text.starts_with("no broker can be reached; tried cannot connect to broker:1"), "{text}");
    });
}

#[test]
fn a_broker_error_keeps_its_code() {
    let world = World::new(50);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Refuse(ErrorCode::MessageTooLarge), Fate::Refuse(ErrorCode::NotLeaderOrFollower)]);
        let refused = client.produce("events", 0, batches::batch(&["x"]), Acks::All).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::MessageTooLarge));
        let asked = || broker.inside.lock().unwrap().metadata_requests;
        let before = asked();
        let moved = client.produce("events", 0, batches::batch(&["x"]), Acks::All).await.unwrap_err();
        assert!(moved.is_retriable());
        client.produce("events", 0, batches::batch(&["x"]), Acks::All).await.unwrap();
        assert_eq!(asked(), before + 1, "metadata is asked for anew after NOT_LEADER_OR_FOLLOWER");
    });
}
