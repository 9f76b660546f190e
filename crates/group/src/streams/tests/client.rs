//! A thread of an application that remembers what it was told.

use super::show;
use super::topologies::topology;
use crate::consumer::tests::world::{GROUP, World};
use crate::event::{GroupReply, GroupRequest};
use crate::streams::StreamsHeartbeat;
use crate::streams::tasks::{TaskSets, Tasks, lists, of_lists};
use ottla_protocol::StreamsGroupHeartbeatRequest;
use ottla_protocol::create_topics_request::CreatableTopic;
use ottla_protocol::streams_group_heartbeat_request::{Endpoint, TaskIds};
use ottla_protocol::streams_group_heartbeat_response as response;

/// One thread.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) member_id: String,
    pub(super) process_id: String,
    pub(super) topology: String,
    pub(super) topology_epoch: i32,
    pub(super) endpoint: Option<(String, u16)>,
    pub(super) epoch: i32,
    pub(super) endpoint_epoch: i32,
    /// What it was told to have last.
    pub(super) told: TaskSets,
    /// What it works on: more than `told` until it has closed what was revoked.
    pub(super) owned: TaskSets,
    /// Internal topics that its last answer asked for.
    pub(super) creates: Vec<CreatableTopic>,
    pub(super) is_fenced: bool,
}

impl Client {
    pub(super) fn new(name: &str) -> Client {
        Client {
            member_id: name.to_string(),
            process_id: format!("process-{name}"),
            topology: "count".to_string(),
            topology_epoch: 0,
            endpoint: None,
            epoch: 0,
            endpoint_epoch: -1,
            told: TaskSets::default(),
            owned: TaskSets::default(),
            creates: Vec::new(),
            is_fenced: false,
        }
    }

    /// Says everything.
    pub(super) fn join(&mut self, world: &mut World) -> String {
        self.epoch = 0;
        self.owned = TaskSets::default();
        let request = StreamsGroupHeartbeatRequest {
            topology: Some(topology(&self.topology, self.topology_epoch)),
            rebalance_timeout_ms: 30_000,
            process_id: Some(self.process_id.clone()),
            user_endpoint: self.endpoint.clone().map(|(host, port)| Endpoint { host, port }),
            client_tags: Some(Vec::new()),
            active_tasks: Some(Vec::new()),
            standby_tasks: Some(Vec::new()),
            warmup_tasks: Some(Vec::new()),
            ..self.heartbeat()
        };
        self.send(world, request)
    }

    /// A heartbeat with nothing new, or with what it has now.
    pub(super) fn beat(&mut self, world: &mut World, says_owned: bool) -> String {
        let tasks = |tasks: &Tasks| -> Option<Vec<TaskIds>> {
            let ids = lists(tasks).map(|(subtopology_id, partitions)| TaskIds { subtopology_id, partitions });
            says_owned.then(|| ids.collect())
        };
        let request = StreamsGroupHeartbeatRequest {
            active_tasks: tasks(&self.owned.active),
            standby_tasks: tasks(&self.owned.standby),
            warmup_tasks: tasks(&self.owned.warmup),
            ..self.heartbeat()
        };
        self.send(world, request)
    }

    /// Closes what was revoked, opens what is new, and says so.
    pub(super) fn acknowledge(&mut self, world: &mut World) -> String {
        self.owned = self.told.clone();
        self.beat(world, true)
    }

    pub(super) fn shut_down(&mut self, world: &mut World) -> String {
        let request = StreamsGroupHeartbeatRequest { shutdown_application: true, ..self.heartbeat() };
        self.send(world, request)
    }

    pub(super) fn leave(&mut self, world: &mut World) -> String {
        (self.owned, self.told) = (TaskSets::default(), TaskSets::default());
        let request = StreamsGroupHeartbeatRequest { member_epoch: -1, ..self.heartbeat() };
        self.send(world, request)
    }

    fn heartbeat(&self) -> StreamsGroupHeartbeatRequest {
        StreamsGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            endpoint_information_epoch: self.endpoint_epoch,
            ..StreamsGroupHeartbeatRequest::default()
        }
    }

    fn send(&mut self, world: &mut World, request: StreamsGroupHeartbeatRequest) -> String {
        let slot = world.request(0, GroupRequest::StreamsGroupHeartbeat(request));
        let index = world.replies.iter().position(|(to, _)| *to == slot).expect("an answer");
        let (_, GroupReply::StreamsGroupHeartbeat(reply)) = world.replies.remove(index) else {
            panic!("another answer")
        };
        self.understand(&reply);
        show::answer(&reply)
    }

    fn understand(&mut self, reply: &StreamsHeartbeat) {
        let response = &reply.response;
        self.is_fenced = response.error_code != 0;
        self.creates = reply.internal_topics.clone();
        if response.error_code != 0 {
            return;
        }
        self.epoch = response.member_epoch;
        self.endpoint_epoch = response.endpoint_information_epoch;
        let tasks =
            |tasks: &[response::TaskIds]| of_lists(tasks.iter().map(|task| (&task.subtopology_id, &task.partitions)));
        if let (Some(active), Some(standby)) = (&response.active_tasks, &response.standby_tasks) {
            self.told = TaskSets { active: tasks(active), standby: tasks(standby), warmup: Tasks::new() };
        }
    }
}
