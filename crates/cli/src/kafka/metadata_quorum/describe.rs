//! `kafka-metadata-quorum describe`: the summary of the quorum, and the table of its replicas.

use ottla_client::{QuorumInfo, QuorumReplica};
use ottla_terminal::failure::Failure;
use ottla_tools::pretty;

/// Columns of the table.
const HEADINGS: [&str; 7] =
    ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"];

/// The lines of `--status`.
pub(super) fn status(cluster_id: &str, quorum: &QuorumInfo) -> Result<String, Failure> {
    let leader = leader(quorum)?;
    let slowest = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag = leader.log_end_offset - slowest.log_end_offset;
    let lag_time_ms = match (leader.last_caught_up_timestamp, slowest.last_caught_up_timestamp) {
        _ if slowest.replica_id == leader.replica_id => 0,
        (Some(leader), Some(slowest)) => leader - slowest,
        _ => -1,
    };
    let lines = [
        ("ClusterId", cluster_id.to_string()),
        ("LeaderId", quorum.leader_id.to_string()),
        ("LeaderEpoch", quorum.leader_epoch.to_string()),
        ("HighWatermark", quorum.high_watermark.to_string()),
        ("MaxFollowerLag", lag.to_string()),
        ("MaxFollowerLagTimeMs", lag_time_ms.to_string()),
        ("CurrentVoters", replicas(quorum, &quorum.voters)),
        ("CurrentObservers", replicas(quorum, &quorum.observers)),
    ];
    Ok(lines.iter().map(|(name, value)| format!("{:<23} {value}\n", format!("{name}:"))).collect())
}

/// The table of `--replication`: the leader, the other voters, the observers. With `now_ms` (milliseconds since the epoch)
/// times are told as ages.
pub(super) fn replication(quorum: &QuorumInfo, now_ms: Option<i64>) -> Result<String, Failure> {
    let leader = leader(quorum)?;
    let row = |replica: &QuorumReplica, status: &str| {
        Ok(vec![
            replica.replica_id.to_string(),
            replica.directory_id.to_string(),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time(replica.last_fetch_timestamp, now_ms, "last fetch")?,
            time(replica.last_caught_up_timestamp, now_ms, "last caught up")?,
            status.to_string(),
        ])
    };
    let followers = quorum.voters.iter().filter(|voter| voter.replica_id != quorum.leader_id);
    let all = std::iter::once((leader, "Leader"))
        .chain(followers.map(|voter| (voter, "Follower")))
        .chain(quorum.observers.iter().map(|observer| (observer, "Observer")));
    let rows = all.map(|(replica, status)| row(replica, status)).collect::<Result<Vec<_>, Failure>>()?;
    Ok(pretty::table(&HEADINGS, &rows))
}

fn leader(quorum: &QuorumInfo) -> Result<&QuorumReplica, Failure> {
    let found = quorum.voters.iter().find(|voter| voter.replica_id == quorum.leader_id);
    found.ok_or_else(|| Failure::new(format!("The leader {} is not one of the voters.", quorum.leader_id)))
}

fn time(timestamp: Option<i64>, now_ms: Option<i64>, what: &str) -> Result<String, Failure> {
    match (timestamp, now_ms) {
        (None, _) => Ok("-1".to_string()),
        (Some(timestamp), None) => Ok(timestamp.to_string()),
        (Some(timestamp), Some(now_ms)) if timestamp > 0 && timestamp <= now_ms => {
            Ok(format!("{} ms ago", now_ms - timestamp))
        }
        (Some(timestamp), Some(now_ms)) => Err(Failure::new(format!(
            "Error while computing relative time, possible drift in system clock.\nCurrent timestamp is {now_ms}, {what} \
             timestamp is {timestamp}"
        ))),
    }
}

/// Replicas as the status writes them: objects with the fields that are known.
fn replicas(quorum: &QuorumInfo, replicas: &[QuorumReplica]) -> String {
    let object = |replica: &QuorumReplica| {
        let mut fields = vec![format!("\"id\": {}", replica.replica_id)];
        if !replica.directory_id.is_zero() {
            fields.push(format!("\"directoryId\": \"{}\"", replica.directory_id));
        }
        let endpoints = quorum.endpoints.get(&replica.replica_id).map(Vec::as_slice).unwrap_or_default();
        if !endpoints.is_empty() {
            let texts: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
            fields.push(format!("\"endpoints\": [{}]", texts.join(", ")));
        }
        format!("{{{}}}", fields.join(", "))
    };
    format!("[{}]", replicas.iter().map(object).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::RaftVoterEndpoint;
    use ottla_types::Uuid;

    fn replica(replica_id: i32, log_end_offset: i64, caught_up: Option<i64>) -> QuorumReplica {
        QuorumReplica {
            replica_id,
            directory_id: if replica_id == 1 { Uuid([1; 16]) } else { Uuid::ZERO },
            log_end_offset,
            last_fetch_timestamp: caught_up,
            last_caught_up_timestamp: caught_up,
        }
    }

    fn quorum() -> QuorumInfo {
        let endpoint = RaftVoterEndpoint { listener: "CONTROLLER".to_string(), host: "a".to_string(), port: 9093 };
        QuorumInfo {
            leader_id: 1,
            leader_epoch: 4,
            high_watermark: 90,
            voters: vec![replica(2, 80, Some(700)), replica(1, 100, Some(1000))],
            observers: vec![replica(3, 70, None)],
            endpoints: [(1, vec![endpoint])].into(),
        }
    }

    #[test]
    fn the_status_is_kafkas() {
        let directory = Uuid([1; 16]);
        let expected = format!(
            "ClusterId:              c\nLeaderId:               1\nLeaderEpoch:            4\nHighWatermark:          90\n\
             MaxFollowerLag:         20\nMaxFollowerLagTimeMs:   300\n\
             CurrentVoters:          [{{\"id\": 2}}, {{\"id\": 1, \"directoryId\": \"{directory}\", \"endpoints\": \
             [\"CONTROLLER://a:9093\"]}}]\nCurrentObservers:       [{{\"id\": 3}}]\n"
        );
        assert_eq!(status("c", &quorum()).unwrap(), expected);
        let alone = QuorumInfo { voters: vec![replica(1, 9, None)], observers: Vec::new(), ..quorum() };
        assert!(status("c", &alone).unwrap().contains("MaxFollowerLagTimeMs:   0\n"));
        assert!(status("c", &QuorumInfo { leader_id: 9, ..quorum() }).is_err());
    }

    #[test]
    fn the_leader_stands_first_in_the_table() {
        let text = replication(&quorum(), None).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], HEADINGS);
        assert_eq!(rows[1][2..], ["100", "0", "1000", "1000", "Leader"]);
        assert_eq!(rows[2], ["2", "AAAAAAAAAAAAAAAAAAAAAA", "80", "20", "700", "700", "Follower"]);
        assert_eq!(rows[3][2..], ["70", "30", "-1", "-1", "Observer"]);
    }

    #[test]
    fn ages_need_clocks_that_agree() {
        assert_eq!(time(Some(10), Some(15), "last fetch"), Ok("5 ms ago".to_string()));
        assert!(time(Some(20), Some(15), "last fetch").unwrap_err().cause.contains("last fetch timestamp is 20"));
        assert!(replication(&quorum(), Some(999)).is_err());
    }
}
