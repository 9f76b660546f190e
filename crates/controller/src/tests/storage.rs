//! What requesters are told when the disk of the metadata log is full or fails.

use super::node::{broker, create, created, delete, image, open, prepare_log_directory, submit};
use crate::{Controller, RegistrationError};
use ottla_metadata::{ControllerError, ControllerFuture};
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use ottla_types::ErrorCode;
use std::path::Path;
use std::time::Duration;

const NODE: &str = "node";

#[test]
fn after_a_failed_fsync_the_outcome_is_unknown_and_later_requests_name_the_storage() {
    let world = World::new(1);
    world.run(async {
        let runtime = world.node(NODE);
        prepare_log_directory(&runtime).await;
        let controller = open(&runtime).await.unwrap();
        controller.register_broker(&runtime, &broker()).await.unwrap();
        world.disk_faults(NODE).fail_syncs(".raft", 1);
        let before = image(&controller);
        let failed = submit(&controller, create("t", 1)).await;
        assert!(
            matches!(&failed, Err(ControllerError::Unknown(reason)) if reason.contains("cannot sync")),
            "{failed:?}"
        );
        let later = submit(&controller, create("u", 1)).await;
        assert!(matches!(&later, Err(ControllerError::Storage(reason)) if reason.contains("cannot sync")), "{later:?}");
        assert_eq!(later.unwrap_err().to_api_error().code, ErrorCode::KafkaStorageError);
        assert_eq!(image(&controller), before, "nothing is half applied");
        assert!(controller.ready().await.is_err());
        let registered = controller.register_broker(&runtime, &broker()).await;
        assert!(matches!(registered, Err(RegistrationError::Controller(ControllerError::Storage(_)))));

        drop(controller);
        world.crash(NODE);
        let runtime = world.node(NODE);
        let controller = open(&runtime).await.unwrap();
        controller.register_broker(&runtime, &broker()).await.unwrap();
        submit(&controller, create("u", 1)).await.unwrap();
    });
}

#[test]
fn topics_can_be_deleted_on_a_full_disk_and_made_again_when_there_is_space() {
    let world = World::new(2);
    world.run(async {
        let runtime = world.node(NODE);
        prepare_log_directory(&runtime).await;
        let controller = open(&runtime).await.unwrap();
        controller.register_broker(&runtime, &broker()).await.unwrap();
        submit(&controller, create("large", 10)).await.unwrap();
        runtime.sleep(Duration::from_millis(1500)).await;
        let space = runtime.disk().space(Path::new("/data")).await.unwrap();
        world.disk_faults(NODE).set_capacity(Some(space.total - space.available));

        submit(&controller, delete("large")).await.unwrap();
        assert!(image(&controller).topic("large").is_none());

        let stuck = use_up_reserve(&runtime, &controller).await;
        let refused = submit(&controller, create("refused", 1)).await;
        assert!(matches!(refused, Err(ControllerError::Storage(_))), "{refused:?}");

        world.disk_faults(NODE).set_capacity(None);
        // The one that found the reserve used up is committed when there is space.
        assert_eq!(created(stuck.await.unwrap().into_create_topics()).0, ErrorCode::None);
        let response = submit(&controller, create("after", 1)).await.unwrap();
        assert_eq!(created(response.into_create_topics()).0, ErrorCode::None);
    });
}

/// Creates topics until one has to wait for space, and returns that one.
async fn use_up_reserve(runtime: &Runtime, controller: &Controller) -> ControllerFuture {
    for number in 0..1000 {
        let mut request = controller.channel().submit(create(&format!("topic-{number}"), 100));
        if runtime.timeout(Duration::from_secs(3), &mut request).await.is_err() {
            return request;
        }
    }
    panic!("1000 topics of 100 partitions fit into the reserve");
}
