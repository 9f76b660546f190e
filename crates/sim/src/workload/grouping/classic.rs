//! A member of a classic group: joins, shares out if it leads, heartbeats, reads and commits, until it is asked to join again.

use super::{CLASSIC, Credentials, GROUPED_PARTITIONS, Seat, Told};
use crate::oracle::{Check, Shares, broken};
use crate::planted::GroupError;
use crate::workload::Actor;
use bytes::Bytes;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::time::Duration;

const SESSION: Duration = Duration::from_millis(1500);
const REBALANCE: Duration = Duration::from_millis(2000);
const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "sim";

/// Is a member until the run is over and the group has read everything.
pub(in crate::workload) async fn run(actor: Actor) -> Check {
    let mut member = Member { seat: Seat::new(actor, CLASSIC), credentials: nobody() };
    while member.seat.goes_on()? {
        if member.join().await? == Told::Done {
            member.work().await?;
        }
        member.seat.actor.pause(100).await;
    }
    member.leave().await
}

fn nobody() -> Credentials {
    Credentials { is_classic: true, epoch: -1, ..Credentials::default() }
}

struct Member {
    seat: Seat,
    credentials: Credentials,
}

impl Member {
    /// A whole round: JoinGroup, SyncGroup, and the offsets to go on from.
    async fn join(&mut self) -> Check<Told> {
        let sent = self.seat.actor.oracle.asking_group(CLASSIC, self.seat.actor.now());
        let joined = match self.send_join().await {
            Ok(joined) => joined,
            Err(error) => return self.seat.weather("JoinGroup", &error),
        };
        if ErrorCode::from_code(joined.error_code) == Some(ErrorCode::MemberIdRequired) {
            self.credentials.member_id = joined.member_id;
            return Ok(Told::Later);
        }
        let told = self.seat.judge("JoinGroup", joined.error_code)?;
        if told != Told::Done {
            if told == Told::Fenced {
                self.forget();
            }
            return Ok(told);
        }
        self.seat.actor.oracle.in_generation(&sent, "a JoinGroup", joined.generation_id)?;
        self.credentials.member_id.clone_from(&joined.member_id);
        self.credentials.epoch = joined.generation_id;
        // Nobody knows what the other members do meanwhile.
        self.seat.give_up_all();
        if self.seat.actor.chance(3) {
            self.seat.actor.pause(3000).await;
        }
        self.sync(&joined).await
    }

    async fn send_join(&self) -> Result<JoinGroupResponse, ottla_client::ClientError> {
        let protocol =
            JoinGroupRequestProtocol { name: PROTOCOL.to_string(), metadata: Bytes::from_static(b"simulated") };
        let request = JoinGroupRequest {
            group_id: CLASSIC.to_string(),
            session_timeout_ms: SESSION.as_millis() as i32,
            rebalance_timeout_ms: REBALANCE.as_millis() as i32,
            member_id: self.credentials.member_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_string(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        self.seat.coordinator().await?.send(&request).await
    }

    async fn sync(&mut self, joined: &JoinGroupResponse) -> Check<Told> {
        let (oracle, generation) = (self.seat.actor.oracle.clone(), joined.generation_id);
        let shares = if joined.leader == joined.member_id { self.share_out(joined) } else { Shares::new() };
        if !shares.is_empty() {
            oracle.sharing(CLASSIC, generation, &shares);
        }
        let sent = oracle.asking_group(CLASSIC, self.seat.actor.now());
        let answer = match self.send_sync(&shares).await {
            Ok(answer) => answer,
            Err(error) => return self.seat.weather("SyncGroup", &error),
        };
        let told = self.seat.judge("SyncGroup", answer.error_code)?;
        if told != Told::Done {
            return Ok(told);
        }
        let Some(mut share) = decode(&answer.assignment) else {
            return broken(format!("SyncGroup gave {:?}, which no leader sent", answer.assignment));
        };
        if self.seat.actor.has(GroupError::AssignedTwice) {
            share.insert(0);
        }
        oracle.share_told(&sent, generation, &self.credentials.member_id, &share, self.seat.actor.now())?;
        self.seat.take(&self.credentials, &share).await
    }

    /// Gives each partition to one member, in another way each time.
    fn share_out(&self, joined: &JoinGroupResponse) -> Shares {
        let turn = self.seat.actor.below(joined.members.len() as u64) as usize;
        let mut shares: Shares =
            joined.members.iter().map(|member| (member.member_id.clone(), BTreeSet::new())).collect();
        for partition in 0..GROUPED_PARTITIONS {
            let member = &joined.members[(turn + partition as usize) % joined.members.len()];
            shares.entry(member.member_id.clone()).or_default().insert(partition);
        }
        shares
    }

    async fn send_sync(&self, shares: &Shares) -> Result<SyncGroupResponse, ottla_client::ClientError> {
        let assignment = |(member_id, share): (&String, &BTreeSet<i32>)| SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: encode(share),
        };
        let request = SyncGroupRequest {
            group_id: CLASSIC.to_string(),
            generation_id: self.credentials.epoch,
            member_id: self.credentials.member_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_string()),
            protocol_name: Some(PROTOCOL.to_string()),
            assignments: shares.iter().map(assignment).collect(),
            ..SyncGroupRequest::default()
        };
        self.seat.coordinator().await?.send(&request).await
    }

    /// Reads, commits and heartbeats until the member has to join again.
    async fn work(&mut self) -> Check {
        while self.seat.goes_on()? {
            self.seat.actor.pause(150).await;
            self.seat.read().await?;
            let told = match self.seat.actor.below(100) {
                0..40 => self.seat.commit(&self.credentials).await?,
                40..90 => self.heartbeat().await?,
                90 => return self.leave().await,
                // Gone without a word; another member comes.
                91 => {
                    self.forget();
                    self.seat.actor.pause(2000).await;
                    return Ok(());
                }
                // Silent for longer than its session, perhaps; then it goes on as if nothing had been.
                92 => {
                    self.seat.actor.pause(4000).await;
                    self.seat.commit(&self.credentials).await?
                }
                _ => Told::Done,
            };
            match told {
                Told::Done | Told::Later => {}
                Told::Fenced => return Ok(()),
                Told::Unknown => return self.leave().await,
            }
        }
        Ok(())
    }

    async fn heartbeat(&self) -> Check<Told> {
        let request = HeartbeatRequest {
            group_id: CLASSIC.to_string(),
            generation_id: self.credentials.epoch,
            member_id: self.credentials.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        let answered = match self.seat.coordinator().await {
            Ok(connection) => connection.send(&request).await,
            Err(error) => Err(error),
        };
        // As in Kafka, a coordinator that still loads answers that all is well: so it says nothing about the generation.
        match answered {
            Ok(answer) => self.seat.judge("Heartbeat", answer.error_code),
            Err(error) => self.seat.weather("Heartbeat", &error),
        }
    }

    /// Leaves, as far as the coordinator hears it; the next member of this client is another one.
    async fn leave(&mut self) -> Check {
        let member = MemberIdentity { member_id: self.credentials.member_id.clone(), ..MemberIdentity::default() };
        self.forget();
        let request =
            LeaveGroupRequest { group_id: CLASSIC.to_string(), members: vec![member], ..LeaveGroupRequest::default() };
        let answered = match self.seat.coordinator().await {
            Ok(connection) => connection.send(&request).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(answer) => self.seat.judge("LeaveGroup", answer.error_code).map(drop),
            Err(error) => self.seat.weather("LeaveGroup", &error).map(drop),
        }
    }

    fn forget(&mut self) {
        self.credentials = nobody();
        self.seat.give_up_all();
    }
}

fn encode(share: &BTreeSet<i32>) -> Bytes {
    share.iter().map(|partition| *partition as u8).collect::<Vec<u8>>().into()
}

/// `None` for what [`encode`] does not make.
fn decode(bytes: &Bytes) -> Option<BTreeSet<i32>> {
    let share: BTreeSet<i32> = bytes.iter().map(|byte| i32::from(*byte)).collect();
    (encode(&share) == *bytes).then_some(share)
}
