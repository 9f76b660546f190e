//! The share consumer: acknowledgements that are tried again, sessions and leaders that are lost, groups that refuse.

use crate::broker::{FakeBroker, broker_and_client, topic_id};
use ottla_client::{
    AcknowledgeType, AcknowledgementMode, Acks, AcquireMode, Client, ClientError, ConsumerRecord, ShareConsumer,
    ShareConsumerOptions,
};
use ottla_runtime::sim::World;
use ottla_testkit::batches;
use ottla_types::{ErrorCode, Uuid};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

async fn produce(client: &Client, values: &[&str]) {
    client.produce("events", 0, batches::batch(values), Acks::All).await.unwrap();
}

fn member(client: &Client, acknowledgement_mode: AcknowledgementMode) -> ShareConsumer {
    let options = ShareConsumerOptions { acknowledgement_mode, ..ShareConsumerOptions::group("workers") };
    let mut member = ShareConsumer::new(client, options).unwrap();
    member.subscribe(&["events"]).unwrap();
    member
}

fn seen(records: &[ConsumerRecord]) -> Vec<(i64, i16)> {
    records.iter().map(|record| (record.offset, record.delivery_count.unwrap())).collect()
}

fn codes(acknowledged: &[ottla_client::Acknowledged]) -> Vec<Option<ErrorCode>> {
    acknowledged.iter().map(|one| one.outcome.as_ref().err().and_then(ClientError::code)).collect()
}

fn is_done(broker: &FakeBroker, offset: i64) -> bool {
    broker.inside.lock().unwrap().sharing.records[&offset].is_done
}

#[test]
fn the_next_poll_accepts_what_the_last_one_returned() {
    let world = World::new(301);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a", "b"]).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        member.set_acknowledgement_commit_callback(move |acknowledged| {
            hears.lock().unwrap().push((acknowledged.offsets.clone(), acknowledged.outcome.clone()));
        });
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(0, 1), (1, 1)]);
        assert!(!is_done(&broker, 0), "the application may be at work");
        assert!(member.poll(SHORT).await.unwrap().is_empty());
        assert!(is_done(&broker, 0) && is_done(&broker, 1));
        assert_eq!(*heard.lock().unwrap(), [(vec![0..=1], Ok(()))]);
        assert_eq!(member.membership().1, 1);
        member.close().await.unwrap();
        let inside = broker.inside.lock().unwrap();
        assert!(inside.sharing.members.is_empty() && inside.sharing.sessions.is_empty(), "it has left");
        assert_eq!(inside.sharing.epochs.last(), Some(&-1));
        assert!(inside.sharing.epochs[1..].iter().all(|epoch| *epoch != 0), "one session: {:?}", inside.sharing.epochs);
    });
}

#[test]
fn acknowledgements_are_tried_again_until_the_broker_takes_them() {
    let world = World::new(302);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a", "b"]).await;
        let mut member = member(&client, AcknowledgementMode::Explicit);
        let records = member.poll(LONG).await.unwrap();
        member.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
        member.acknowledge(&records[1], AcknowledgeType::Release).unwrap();
        let errors = [ErrorCode::CoordinatorNotAvailable, ErrorCode::CoordinatorLoadInProgress];
        broker.inside.lock().unwrap().sharing.acknowledge_errors.extend(errors);
        assert_eq!(codes(&member.commit().await.unwrap()), [None]);
        assert!(is_done(&broker, 0));
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(1, 2)]);
        broker.inside.lock().unwrap().sharing.acknowledge_errors.push_back(ErrorCode::InvalidRecordState);
        member.acknowledge_offset(&records[1].topic_partition(), 1, AcknowledgeType::Accept).unwrap();
        assert_eq!(codes(&member.commit().await.unwrap()), [Some(ErrorCode::InvalidRecordState)]);
        assert!(member.commit().await.unwrap().is_empty(), "it was said once");
    });
}

#[test]
fn a_lost_session_fails_the_acknowledgements_and_the_records_come_again() {
    let world = World::new(303);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a"]).await;
        let mut member = member(&client, AcknowledgementMode::Explicit);
        for (count, is_polled) in [(1, false), (2, true), (3, false)] {
            let records = member.poll(LONG).await.unwrap();
            assert_eq!(seen(&records), [(0, count)]);
            member.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
            if count == 3 {
                break;
            }
            broker.inside.lock().unwrap().sharing.forget_sessions();
            if !is_polled {
                let refused = codes(&member.commit().await.unwrap());
                assert_eq!(refused, [Some(ErrorCode::ShareSessionNotFound)]);
            }
        }
        assert_eq!(codes(&member.commit().await.unwrap()), [None]);
        assert!(is_done(&broker, 0));
    });
}

#[test]
fn a_member_goes_on_when_the_leader_moves_or_the_coordinator_forgets_it() {
    let world = World::new(304);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        assert!(member.poll(SHORT).await.unwrap().is_empty());
        {
            let mut inside = broker.inside.lock().unwrap();
            let errors = [ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownServerError, ErrorCode::FencedLeaderEpoch];
            inside.sharing.fetch_errors.extend(errors);
            inside.sharing.heartbeat_errors.extend([ErrorCode::UnknownMemberId, ErrorCode::NotCoordinator]);
        }
        assert!(member.poll(SHORT).await.unwrap().is_empty());
        produce(&client, &["a"]).await;
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(0, 1)]);
        assert_eq!(member.assignment().len(), 2);
    });
}

#[test]
fn what_cannot_be_mended_is_told_by_poll() {
    let world = World::new(305);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.inside.lock().unwrap().sharing.heartbeat_errors.push_back(ErrorCode::GroupAuthorizationFailed);
        let mut member = member(&client, AcknowledgementMode::Implicit);
        let refused = member.poll(LONG).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::GroupAuthorizationFailed));
        assert_eq!(member.poll(SHORT).await.unwrap_err(), refused, "until it leaves the group");
        member.unsubscribe().await;
        assert!(member.poll(SHORT).await.is_err(), "there is no subscription");
        member.subscribe(&["events"]).unwrap();
        produce(&client, &["a"]).await;
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(0, 1)]);
        broker.inside.lock().unwrap().sharing.fetch_errors.push_back(ErrorCode::TopicAuthorizationFailed);
        let refused = member.poll(LONG).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::TopicAuthorizationFailed));
        assert!(is_done(&broker, 0), "what was polled before is accepted all the same");
    });
}

#[test]
fn a_renewed_record_is_returned_again_and_one_that_is_not_acknowledged_goes_to_others() {
    let world = World::new(306);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a"]).await;
        let mut owner = member(&client, AcknowledgementMode::Explicit);
        let records = owner.poll(LONG).await.unwrap();
        assert_eq!(owner.acquisition_lock_timeout(), Some(Duration::from_secs(30)));
        assert!(owner.poll(SHORT).await.unwrap_err().to_string().contains("not acknowledged"));
        owner.acknowledge(&records[0], AcknowledgeType::Renew).unwrap();
        assert_eq!(seen(&owner.poll(LONG).await.unwrap()), [(0, 1)], "renewed with the poll itself");
        owner.acknowledge(&records[0], AcknowledgeType::Renew).unwrap();
        assert_eq!(codes(&owner.commit().await.unwrap()), [None]);
        assert_eq!(seen(&owner.poll(LONG).await.unwrap()), [(0, 1)]);
        assert!(!is_done(&broker, 0));
        owner.close().await.unwrap();
        let mut heir = member(&client, AcknowledgementMode::Implicit);
        assert_eq!(seen(&heir.poll(LONG).await.unwrap()), [(0, 2)]);
    });
}

#[test]
fn a_wakeup_ends_a_poll_and_nothing_is_asked_for_that_nobody_waits_for() {
    let world = World::new(307);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        assert!(member.poll(SHORT).await.unwrap().is_empty());
        member.waker().wakeup();
        assert_eq!(member.poll(LONG).await, Err(ClientError::Wakeup));
        let runtime = client.runtime().clone();
        runtime.sleep(SHORT).await;
        produce(&client, &["a"]).await;
        runtime.sleep(SHORT).await;
        assert!(broker.inside.lock().unwrap().sharing.records.is_empty(), "nobody polls");
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(0, 1)]);
    });
}

#[test]
fn an_assignment_that_nobody_can_name_does_not_come_back() {
    let world = World::new(308);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let assignments = [Uuid([7; 16]), topic_id("events")];
        broker.inside.lock().unwrap().sharing.assignments.extend(assignments);
        let mut member = member(&client, AcknowledgementMode::Implicit);
        assert!(member.poll(LONG).await.unwrap().is_empty());
        assert_eq!(member.assignment().len(), 2, "the newer one, many heartbeats later");
    });
}

#[test]
fn polls_that_do_not_wait_get_records_too() {
    let world = World::new(309);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, &["a"]).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        for _ in 0..1000 {
            let records = member.poll(Duration::ZERO).await.unwrap();
            if !records.is_empty() {
                assert_eq!(seen(&records), [(0, 1)]);
                return;
            }
            client.runtime().sleep(Duration::from_millis(10)).await;
        }
        panic!("no record came");
    });
}

#[test]
fn who_waits_in_a_poll_stays_a_member() {
    let world = World::new(310);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let max_poll_interval = Duration::from_secs(30);
        let options = ShareConsumerOptions { max_poll_interval, ..ShareConsumerOptions::group("workers") };
        let mut member = ShareConsumer::new(&client, options).unwrap();
        member.subscribe(&["events"]).unwrap();
        let waits = client.runtime().timeout(7 * max_poll_interval, member.poll(Duration::MAX));
        assert!(waits.await.is_err(), "there is nothing to read");
        assert_eq!(member.membership().1, 1);
    });
}

#[test]
fn a_wakeup_does_not_disturb_the_end() {
    let world = World::new(311);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a"]).await;
        let mut member = member(&client, AcknowledgementMode::Explicit);
        let records = member.poll(LONG).await.unwrap();
        member.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
        member.waker().wakeup();
        member.close().await.unwrap();
        assert!(is_done(&broker, 0));
        assert!(broker.inside.lock().unwrap().sharing.members.is_empty());
    });
}

#[test]
fn who_leaves_while_joining_is_no_member() {
    let world = World::new(312);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        loop {
            assert!(member.poll(Duration::from_micros(10)).await.unwrap().is_empty());
            if !broker.inside.lock().unwrap().sharing.members.is_empty() {
                break;
            }
        }
        assert_eq!(member.membership().1, 0, "the answer is still on its way");
        member.close().await.unwrap();
        assert!(broker.inside.lock().unwrap().sharing.members.is_empty());
    });
}

#[test]
fn a_poll_takes_no_more_records_than_it_is_told() {
    let world = World::new(313);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let options =
            ShareConsumerOptions { acquire_mode: AcquireMode::RecordLimit, ..ShareConsumerOptions::group("workers") };
        let mut member = ShareConsumer::new(&client, options).unwrap();
        member.subscribe(&["events"]).unwrap();
        produce(&client, &["a", "b", "c", "d"]).await;
        assert_eq!(seen(&member.poll_at_most(LONG, 1).await.unwrap()), [(0, 1)]);
        assert_eq!(seen(&member.poll_at_most(LONG, 2).await.unwrap()), [(1, 1), (2, 1)]);
        assert_eq!(broker.inside.lock().unwrap().sharing.records[&3].count, 0, "nobody has had it");
        assert!(matches!(member.poll_at_most(LONG, 0).await, Err(ClientError::Invalid(_))));
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(3, 1)]);
    });
}

#[test]
fn what_the_first_version_lacks_is_refused_and_nothing_else() {
    let world = World::new(314);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.inside.lock().unwrap().sharing.version_max = Some(1);
        produce(&client, &["a", "b"]).await;
        let options =
            ShareConsumerOptions { acquire_mode: AcquireMode::RecordLimit, ..ShareConsumerOptions::group("workers") };
        let mut strict = ShareConsumer::new(&client, options).unwrap();
        strict.subscribe(&["events"]).unwrap();
        assert!(matches!(strict.poll(LONG).await, Err(ClientError::NoCommonVersion { .. })));
        strict.close().await.unwrap();
        let mut member = member(&client, AcknowledgementMode::Explicit);
        let records = member.poll(LONG).await.unwrap();
        assert_eq!(seen(&records), [(0, 1), (1, 1)]);
        member.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
        member.acknowledge(&records[1], AcknowledgeType::Renew).unwrap();
        let committed = member.commit().await.unwrap();
        let renewal = committed.iter().find(|one| one.offsets == [1..=1]).unwrap();
        assert!(matches!(renewal.outcome, Err(ClientError::NoCommonVersion { .. })), "{committed:?}");
        assert_eq!(committed.iter().find(|one| one.offsets == [0..=0]).unwrap().outcome, Ok(()));
        assert!(is_done(&broker, 0) && !is_done(&broker, 1));
    });
}

#[test]
fn an_end_takes_no_longer_than_a_request_may() {
    let world = World::new(315);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, &["a"]).await;
        let mut member = member(&client, AcknowledgementMode::Explicit);
        let records = member.poll(LONG).await.unwrap();
        broker.inside.lock().unwrap().sharing.acknowledge_refusal = Some(ErrorCode::CoordinatorNotAvailable);
        member.acknowledge(&records[0], AcknowledgeType::Accept).unwrap();
        let begun = client.runtime().now();
        assert_eq!(member.close().await.unwrap_err().code(), Some(ErrorCode::CoordinatorNotAvailable));
        assert!(client.runtime().now() - begun <= client.options().request_timeout);
        let inside = broker.inside.lock().unwrap();
        assert!(inside.sharing.members.is_empty() && inside.sharing.sessions.is_empty(), "it has left");
    });
}

#[test]
fn a_poll_that_is_dropped_does_not_go_on_asking() {
    let world = World::new(316);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut member = member(&client, AcknowledgementMode::Implicit);
        assert!(member.poll(SHORT).await.unwrap().is_empty());
        let runtime = client.runtime().clone();
        assert!(runtime.timeout(SHORT, member.poll(LONG)).await.is_err(), "there is nothing to read");
        // The request that is under way may end.
        runtime.sleep(SHORT).await;
        produce(&client, &["a"]).await;
        runtime.sleep(SHORT).await;
        assert!(broker.inside.lock().unwrap().sharing.records.is_empty(), "nobody polls");
        assert_eq!(seen(&member.poll(LONG).await.unwrap()), [(0, 1)]);
    });
}
