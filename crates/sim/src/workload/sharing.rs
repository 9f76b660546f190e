//! Members of a share group (KIP-932). Each client is one member at a time.
//!
//! A member sends heartbeats, fetches the partitions that it is assigned in a share session over a connection of its own, and
//! says of the records that it gets that they are accepted, to come again, rejected, or still in work. Now and then it leaves,
//! falls silent until its locks end, loses its connection, begins its session anew, or is gone and comes back as another one.
//! In the end it accepts everything, until the group is done with every record.

mod session;

use super::grouping::UNREADY;
use super::membership::{FENCED, JOIN_EPOCH, LEAVE_EPOCH, expect_left};
use super::setup::{SHARED, SHARED_PARTITIONS};
use super::{Actor, compacting};
use crate::oracle::{Check, PartitionKey, Said, ShareAnswer, broken};
use crate::planted::ShareError;
use ottla_client::{Admin, ClientError, ConfigChange, ConfigResource};
use ottla_protocol::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_runtime::Instant;
use ottla_types::{ErrorCode, Uuid};
use session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const GROUP: &str = "share-group";
/// Records that a member speaks of at once.
const SAID_AT_ONCE_MAX: u64 = 12;
/// In the end the group is done with everything that is promised within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// What a member has to say: by partition offset, delivery count, what.
type Words = BTreeMap<i32, Vec<(i64, i16, Said)>>;

/// Sets the group's configs, and makes the segments of the coordinators' topics small.
pub(super) async fn set_up(actor: &Actor) -> Check {
    let resource = ConfigResource::Group(GROUP.to_string());
    let name = "share.auto.offset.reset".to_string();
    let change = [ConfigChange::Set { name, value: "earliest".to_string() }];
    while let Err(error) = Admin::cautious(&actor.client).alter_configs(&resource, &change, false).await {
        actor.expect("IncrementalAlterConfigs of the share group", &error, &[])?;
        if !actor.pause(200).await {
            return Ok(());
        }
    }
    actor.oracle.shares_begin();
    compacting::make_segments_small(actor, "__share_group_state").await?;
    compacting::make_segments_small(actor, "__consumer_offsets").await
}

/// Is a member until the run is over and the group is done with everything.
pub(super) async fn run(actor: Actor) -> Check {
    while !actor.oracle.shares_have_begun() {
        if !actor.pause(200).await {
            return Ok(());
        }
    }
    let next_beat = actor.now();
    let mut member = Member {
        actor,
        id: String::new(),
        members: 0,
        epoch: JOIN_EPOCH,
        is_joined: false,
        next_beat,
        topic_id: Uuid::ZERO,
        assigned: BTreeSet::new(),
        session: None,
        has: BTreeMap::new(),
        ends_at: None,
    };
    member.become_another();
    while member.goes_on()? {
        member.actor.pause(if member.actor.is_over() { 30 } else { 120 }).await;
        member.step().await?;
    }
    member.leave().await
}

/// Asks where the group stands.
pub(crate) async fn ask(actor: &Actor) -> Check<Result<(), ClientError>> {
    let sent = actor.oracle.asking_shares(actor.now());
    let found = match Admin::cautious(&actor.client).list_share_group_offsets(GROUP).await {
        Ok(found) => found,
        // Nobody has joined yet.
        Err(ClientError::Broker { code: ErrorCode::GroupIdNotFound, .. }) => BTreeMap::new(),
        Err(error) => return Ok(Err(error)),
    };
    for (place, offset) in found {
        let start = offset.map_or(-1, |offset| offset.start_offset);
        actor.oracle.share_start(&sent, place.partition, start, actor.now())?;
    }
    Ok(Ok(()))
}

struct Member {
    actor: Actor,
    id: String,
    /// How many members this client has been.
    members: u32,
    epoch: i32,
    is_joined: bool,
    next_beat: Instant,
    topic_id: Uuid,
    assigned: BTreeSet<i32>,
    session: Option<Session>,
    /// Delivery counts of the records that it has not spoken of yet, by partition and offset.
    has: BTreeMap<(i32, i64), i16>,
    ends_at: Option<Instant>,
}

impl Member {
    fn goes_on(&mut self) -> Check<bool> {
        if !self.actor.is_over() {
            return Ok(true);
        }
        let ends = self.keys().map(|key| (key.partition, self.actor.oracle.firm_end(&key))).collect();
        let now = self.actor.now();
        let Some((partition, offset)) = self.actor.oracle.open_share(&ends, now) else { return Ok(false) };
        if now > *self.ends_at.get_or_insert(now + CATCH_UP_MAX) {
            return broken(format!(
                "offset {offset} of {SHARED}-{partition} does not come to the share group any more"
            ));
        }
        Ok(true)
    }

    fn keys(&self) -> impl Iterator<Item = PartitionKey> {
        self.actor.oracle.partitions(true).into_iter().filter(|key| &*key.topic == SHARED)
    }

    async fn step(&mut self) -> Check {
        if !self.is_joined || self.actor.now() >= self.next_beat {
            return self.beat().await;
        }
        if self.actor.is_over() {
            let words = self.all_accepted();
            return self.fetch(words).await;
        }
        match self.actor.below(100) {
            0..45 => {
                let words = if self.actor.chance(40) { self.words() } else { Words::new() };
                self.fetch(words).await
            }
            45..85 => {
                let words = self.words();
                self.say(words).await
            }
            // Silent until its locks end, perhaps; then it goes on as if nothing had been.
            85 | 86 => {
                self.actor.pause(4000).await;
                let words = self.words();
                self.say(words).await
            }
            87 => self.leave().await,
            // Gone without a word; another member comes.
            88 => {
                self.become_another();
                self.actor.pause(2000).await;
                Ok(())
            }
            89 => {
                self.lose_session();
                Ok(())
            }
            90 => {
                if let Some(session) = &mut self.session {
                    session.begin_anew();
                }
                Ok(())
            }
            91..94 => match ask(&self.actor).await? {
                Ok(()) => Ok(()),
                Err(error) => self.actor.expect("DescribeShareGroupOffsets", &error, UNREADY),
            },
            _ => Ok(()),
        }
    }

    /// Some of what it has, with what it says of each.
    fn words(&mut self) -> Words {
        let at_once = 1 + self.actor.below(SAID_AT_ONCE_MAX) as usize;
        let skipped = if self.actor.chance(30) { self.actor.below(10) as usize } else { 0 };
        let some: Vec<_> = self.has.iter().skip(skipped).take(at_once).map(|(place, count)| (*place, *count)).collect();
        let renews = self.actor.chance(15);
        let only = self.actor.chance(50).then(|| self.said(renews));
        let mut words = Words::new();
        for ((partition, offset), count) in some {
            let said = only.unwrap_or_else(|| self.said(renews));
            words.entry(partition).or_default().push((offset, count, said));
        }
        words
    }

    fn said(&self, renews: bool) -> Said {
        match self.actor.below(100) {
            0..40 if renews => Said::Renew,
            0..65 => Said::Accept,
            65..92 => Said::Release,
            _ => Said::Reject,
        }
    }

    fn all_accepted(&self) -> Words {
        let mut words = Words::new();
        for ((partition, offset), count) in &self.has {
            words.entry(*partition).or_default().push((*offset, *count, Said::Accept));
        }
        words
    }

    /// Says it in a request of its own.
    async fn say(&mut self, words: Words) -> Check {
        if words.is_empty() || self.session.is_none() {
            return Ok(());
        }
        if self.actor.has(ShareError::AcknowledgementDropped) && self.actor.chance(10) {
            let sent = self.actor.oracle.asking_shares(self.actor.now());
            for saying in self.begin_to_say(&words) {
                self.actor.oracle.said(&sent, &self.id, &saying, ShareAnswer::Done, self.actor.now())?;
            }
            return Ok(());
        }
        self.acknowledge(words).await
    }

    // ---- membership

    async fn beat(&mut self) -> Check {
        let request = ShareGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            subscribed_topic_names: (self.epoch == JOIN_EPOCH).then(|| vec![SHARED.to_string()]),
            ..ShareGroupHeartbeatRequest::default()
        };
        let response = match self.send(&request).await {
            Ok(response) => response,
            Err(error) => return self.actor.expect("ShareGroupHeartbeat", &error, UNREADY),
        };
        match ErrorCode::from_code(response.error_code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {}
            code if FENCED.contains(&code) => {
                self.is_joined = false;
                self.epoch = JOIN_EPOCH;
                return Ok(());
            }
            code => {
                return self.actor.expect_code("ShareGroupHeartbeat", code, response.error_message.as_deref(), UNREADY);
            }
        }
        if response.member_epoch < self.epoch {
            let (found, known) = (response.member_epoch, self.epoch);
            return broken(format!("{GROUP} took member {} back from epoch {known} to {found}", self.id));
        }
        self.is_joined = true;
        self.epoch = response.member_epoch;
        self.next_beat = self.actor.now() + Duration::from_millis(100 + self.actor.below(500));
        let Some(assignment) = response.assignment else { return Ok(()) };
        self.actor.oracle.count(|counts| counts.assignments += 1);
        self.assigned.clear();
        for topic in &assignment.topic_partitions {
            self.topic_id = topic.topic_id;
            self.assigned.extend(topic.partitions.iter().copied());
        }
        self.actor.oracle.tell(self.actor.now(), format!("{GROUP}: {} is assigned {:?}", self.id, self.assigned));
        if self.assigned.iter().any(|partition| !(0..SHARED_PARTITIONS).contains(partition)) {
            return broken(format!("{GROUP} assigned {:?}", self.assigned));
        }
        Ok(())
    }

    async fn send(&self, request: &ShareGroupHeartbeatRequest) -> Result<ShareGroupHeartbeatResponse, ClientError> {
        self.actor.client.group_coordinator(GROUP).await?.send(request).await
    }

    /// Leaves, as far as the node hears it; the next member of this client is another one.
    async fn leave(&mut self) -> Check {
        self.close_session().await?;
        let request = ShareGroupHeartbeatRequest {
            group_id: GROUP.to_string(),
            member_id: self.id.clone(),
            member_epoch: LEAVE_EPOCH,
            ..ShareGroupHeartbeatRequest::default()
        };
        self.become_another();
        let answer = self.send(&request).await.map(|response| response.error_code);
        expect_left(&self.actor, "ShareGroupHeartbeat to leave", answer)
    }

    fn become_another(&mut self) {
        self.lose_session();
        self.members += 1;
        self.id = format!("{}-member-{}", self.actor.name, self.members);
        self.epoch = JOIN_EPOCH;
        self.is_joined = false;
        self.assigned.clear();
    }
}
