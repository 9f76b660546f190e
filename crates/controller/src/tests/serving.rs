//! What a controller answers, and what it has published by then.

use super::node::{BROKER, allocate, broker, create, created, delete, image, open, open_with, submit};
use crate::RegistrationError;
use ottla_metadata::ControllerError;
use ottla_runtime::Runtime;
use ottla_types::{ErrorCode, Uuid};

#[tokio::test]
async fn a_new_cluster_has_an_id_that_stays() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    let id = controller.ready().await.unwrap();
    controller.shutdown().await;
    let controller = open_with(&runtime, Some(Uuid([4; 16]))).await.unwrap();
    assert_eq!(controller.ready().await.unwrap(), id);
}

#[tokio::test]
async fn the_id_of_a_new_cluster_can_be_chosen() {
    let runtime = Runtime::in_memory();
    let wanted = runtime.random_uuid();
    let controller = open_with(&runtime, Some(wanted)).await.unwrap();
    assert_eq!(controller.ready().await.unwrap(), wanted);
    assert_eq!(controller.metadata_offset(), 6);
}

#[tokio::test]
async fn a_registered_broker_is_active_and_its_epoch_rises_with_every_start() {
    let runtime = Runtime::in_memory();
    let mut before = -1;
    for _ in 0..4 {
        let controller = open(&runtime).await.unwrap();
        let registered = controller.register_broker(&runtime, &broker()).await.unwrap();
        assert!(registered.broker_epoch > before);
        assert!(image(&controller).is_active(BROKER));
        before = registered.broker_epoch;
        controller.shutdown().await;
    }
}

#[tokio::test]
async fn a_broker_that_comes_back_leads_with_new_epochs() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    controller.register_broker(&runtime, &broker()).await.unwrap();
    submit(&controller, create("t", 3)).await.unwrap();
    let before = image(&controller);
    controller.shutdown().await;
    let controller = open(&runtime).await.unwrap();
    controller.register_broker(&runtime, &broker()).await.unwrap();
    let after = image(&controller);
    for partition in 0..3 {
        let [before, after] = [&before, &after].map(|image| image.partition("t", partition).unwrap().clone());
        assert_eq!(after.leader, Some(BROKER));
        assert!(after.leader_epoch > before.leader_epoch);
    }
}

#[tokio::test]
async fn a_refused_registration_says_why() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    let mut without_directories = broker();
    without_directories.directories.clear();
    match controller.register_broker(&runtime, &without_directories).await {
        Err(RegistrationError::Refused(reason)) => assert!(reason.contains("No directories"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_image_holds_a_change_when_its_reply_arrives() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    controller.register_broker(&runtime, &broker()).await.unwrap();
    let response = submit(&controller, create("t", 5)).await.unwrap().into_create_topics();
    let (error, id) = created(response);
    assert_eq!(error, ErrorCode::None);
    assert_eq!(image(&controller).topic("t").unwrap().id, id);
    assert_eq!(image(&controller).partition_count(), 5);
    submit(&controller, delete("t")).await.unwrap();
    assert!(image(&controller).topic("t").is_none());
}

#[tokio::test]
async fn requests_that_arrive_together_are_all_answered_and_of_equal_ones_one_wins() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    controller.register_broker(&runtime, &broker()).await.unwrap();
    let offset = controller.metadata_offset();
    let channel = controller.channel();
    let requests: Vec<_> = (0..300).map(|number| channel.submit(create(&format!("topic-{}", number / 3), 1))).collect();
    let mut successes = 0;
    for request in requests {
        match created(request.await.unwrap().into_create_topics()).0 {
            ErrorCode::None => successes += 1,
            error => assert_eq!(error, ErrorCode::TopicAlreadyExists),
        }
    }
    assert_eq!((successes, image(&controller).topic_count()), (100, 100));
    assert_eq!(controller.metadata_offset(), offset + 200);
}

#[tokio::test]
async fn producer_id_blocks_are_disjoint_over_restarts() {
    let runtime = Runtime::in_memory();
    let mut next = 0;
    for _ in 0..3 {
        let controller = open(&runtime).await.unwrap();
        let epoch = controller.register_broker(&runtime, &broker()).await.unwrap().broker_epoch;
        for _ in 0..3 {
            let block = submit(&controller, allocate(epoch)).await.unwrap().into_allocate_producer_ids();
            assert!(block.error_code == 0 && block.producer_id_start >= next);
            next = block.producer_id_start + i64::from(block.producer_id_len);
        }
        controller.shutdown().await;
    }
}

#[tokio::test]
async fn more_requests_than_the_queue_takes_are_refused_as_busy() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    controller.ready().await.unwrap();
    let channel = controller.channel();
    let requests: Vec<_> =
        (0..2 * crate::limits::REQUESTS_QUEUED_MAX).map(|_| channel.submit(create("not/a/name", 1))).collect();
    let mut busy = 0;
    for request in requests {
        match request.await {
            Ok(response) => assert_eq!(created(response.into_create_topics()).0, ErrorCode::InvalidTopicException),
            Err(error) => {
                assert_eq!(error, ControllerError::Busy);
                busy += 1;
            }
        }
    }
    assert!(busy >= crate::limits::REQUESTS_QUEUED_MAX - 1);
}

#[tokio::test]
async fn a_controller_that_was_shut_down_is_no_controller() {
    let runtime = Runtime::in_memory();
    let controller = open(&runtime).await.unwrap();
    controller.ready().await.unwrap();
    let channel = controller.channel();
    controller.shutdown().await;
    assert_eq!(channel.submit(create("t", 1)).await, Err(ControllerError::NotController { leader: None }));
}
