//! `ottla share` and Kafka's tools for share consumers against a node in memory.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, stderr, stdout};
use std::io::{BufRead, BufReader, Read};

/// A node with a topic of these lines, and share groups that begin at its beginning.
fn node_with(topic: &str, lines: &[u8]) -> Node {
    let quick = ["group.share.min.heartbeat.interval.ms=100", "group.share.heartbeat.interval.ms=100"];
    let locks = ["group.share.min.record.lock.duration.ms=1000", "group.share.delivery.count.limit=10"];
    let node = Node::start_with(&[quick, locks].concat());
    good(&node.ottla(&format!("topic create {topic} --partitions 1")));
    good(&node.feed(&format!("produce {topic}"), lines));
    node
}

fn tool(node: &Node, line: &str) -> std::process::Output {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    node.ottla(&format!("{name} --bootstrap-server {} {rest}", node.address))
}

#[test]
fn records_are_taken_one_by_one_and_not_again() {
    let node = node_with("jobs", b"one\ntwo\nthree\n");
    assert_eq!(good(&node.ottla("share consume workers jobs --from-beginning -n 2")), "one\ntwo\n");
    assert_eq!(good(&node.ottla("share consume workers jobs -n 1 --ack release")), "three\n");
    let again = node.ottla("share consume workers jobs -n 1 --ack reject --format %p@%o/%d:%s;");
    assert_eq!(good(&again), "0@2/2:three;");
    assert_eq!(good(&node.ottla("share consume workers jobs --wait 1")), "");
    good(&node.feed("produce jobs", b"four\n"));
    let json = good(&node.ottla("share consume workers jobs -n 1 --output json"));
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&record["value"], &record["delivery_count"]), (&"four".into(), &1.into()));
}

/// How many records of partition 0 are not done with, as `share describe` says.
fn lag(node: &Node, group: &str) -> i64 {
    let json = good(&node.ottla(&format!("share describe {group} --output json")));
    let groups: serde_json::Value = serde_json::from_str(&json).unwrap();
    groups[0]["partitions"][0]["lag"].as_i64().unwrap()
}

#[test]
fn no_more_records_are_taken_than_were_asked_for() {
    let node = node_with("jobs", b"1\n2\n");
    let mut waits = node.begin("share consume workers jobs --from-beginning -n 3 --wait 60");
    let mut lines = BufReader::new(waits.stdout.take().unwrap()).lines();
    assert_eq!([lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()], ["1", "2"]);
    good(&node.feed("produce jobs", b"3\n4\n5\n6\n7\n"));
    assert_eq!(lines.next().unwrap().unwrap(), "3");
    assert!(waits.wait().unwrap().success() && lines.next().is_none());
    assert_eq!(lag(&node, "workers"), 4);
    let rest = good(&node.ottla("share consume workers jobs -n 4 --format %s/%d;"));
    assert_eq!(rest, "4/1;5/1;6/1;7/1;", "nobody had them before");
}

#[test]
fn what_nobody_could_read_is_given_back() {
    let node = node_with("jobs", b"1\n2\n3\n");
    let mut head = node.begin("share consume workers jobs --from-beginning -n 3 --wait 60");
    drop(head.stdout.take());
    let ended = head.wait_with_output().unwrap();
    assert!(ended.status.success() && stderr(&ended).is_empty(), "{}", stderr(&ended));
    assert_eq!(good(&node.ottla("share consume workers jobs -n 3 --format %s/%d;")), "1/2;2/2;3/2;");
}

#[cfg(feature = "jq")]
#[test]
fn records_that_a_filter_leaves_out_are_accepted_or_given_back() {
    let node = node_with("jobs", b"1\n2\n3\n4\n");
    let filtered = |rest: &str| {
        let mut words = vec!["share", "consume", "workers", "jobs", "--jq", "select(.value > 1) | .value"];
        words.extend(rest.split_whitespace());
        good(&common::run(&node.address, &words, b""))
    };
    assert_eq!(filtered("--from-beginning -n 1 --left-out release"), "");
    assert_eq!(filtered("-n 2"), "2\n", "the first one came again, and was accepted");
    assert_eq!(good(&node.ottla("share consume workers jobs -n 2 --format %s/%d;")), "3/1;4/1;");
    assert_eq!(lag(&node, "workers"), 0);
}

#[test]
fn acknowledgements_that_fail_are_told() {
    // Too much for a pipe that nobody empties.
    let long = "x".repeat(300_000);
    let node = node_with("jobs", format!("{long}\n").as_bytes());
    let lock = "--entity-type groups --entity-name workers --add-config share.record.lock.duration.ms=1000";
    good(&tool(&node, &format!("kafka-configs --alter {lock}")));
    let mut stuck = node.begin("share consume workers jobs --from-beginning -n 1 --wait 60");
    let mut printed = stuck.stdout.take().unwrap();
    let mut first = [0];
    printed.read_exact(&mut first).unwrap();
    // Only when the first one's lock has ended.
    let again = good(&node.ottla("share consume workers jobs -n 1 --wait 60 --ack release --format %S/%d"));
    assert_eq!(again, "300000/2");
    let mut rest = Vec::new();
    printed.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), long.len());
    let ended = stuck.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(stderr(&ended).contains("1 record could not be acknowledged"), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("delivered again"), "{}", stderr(&ended));
}

#[test]
fn share_groups_are_shown_reset_and_deleted() {
    let node = node_with("jobs", b"1\n2\n3\n4\n");
    assert!(good(&node.ottla("share list")).starts_with("No share groups yet."));
    let dry = good(&node.ottla("share reset-offsets workers --topic jobs --to-offset 2"));
    assert!(dry.ends_with("Nothing was changed. Add --execute to do it.\n"), "{dry}");
    assert!(good(&node.ottla("share list")).starts_with("No share groups yet."));
    let reset = good(&node.ottla("share reset-offsets workers --topic jobs --to-offset 2 --execute"));
    assert!(reset.ends_with("Reset the offsets of group workers.\n"), "{reset}");
    assert_eq!(good(&node.ottla("share list")), "GROUP    STATE\nworkers  Empty\n");
    assert_eq!(good(&node.ottla("share consume workers jobs -n 1")), "3\n");
    let described = good(&node.ottla("share describe workers"));
    assert!(described.starts_with("Share group workers: Empty"), "{described}");
    // The start is that of the last write, and the lag leaves out what is done behind it.
    assert!(described.contains("jobs           0      2    1        0"), "{described}");
    let json = good(&node.ottla("share describe --output json"));
    let groups: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&groups[0]["lag"], &groups[0]["partitions"][0]["start"]), (&1.into(), &2.into()));
    let earlier = good(&node.ottla("share reset-offsets workers --all-topics --to-earliest --execute"));
    assert!(earlier.contains("-2"), "{earlier}");
    assert!(good(&node.ottla("share delete-offsets workers --topic jobs")).contains("deleted"));
    assert_eq!(good(&node.ottla("share delete workers")), "Deleted share group workers.\n");
    let gone = node.ottla("share describe workers");
    assert!(!gone.status.success() && stderr(&gone).contains("share group 'workers'"), "{}", stderr(&gone));
}

#[test]
fn groups_of_another_kind_are_no_share_groups() {
    let node = node_with("jobs", b"1\n");
    assert_eq!(good(&node.ottla("consume jobs -g readers")), "1\n");
    for line in ["share describe readers", "share delete readers", "share delete-offsets readers --topic jobs"] {
        let refused = node.ottla(line);
        assert!(!refused.status.success() && stderr(&refused).contains("readers"), "{line}: {}", stderr(&refused));
    }
    let missing = node.ottla("share consume workers jbos");
    assert!(stderr(&missing).contains("jobs"), "{}", stderr(&missing));
}

#[test]
fn kafkas_console_share_consumer_prints_and_acknowledges() {
    let node = node_with("jobs", b"one\ntwo\n");
    good(&node.ottla("share reset-offsets workers --topic jobs --to-earliest --execute"));
    let line = "kafka-console-share-consumer --topic jobs --group workers --max-messages 2 --timeout-ms 20000";
    let printed = tool(&node, &format!("{line} --release"));
    assert_eq!(good(&printed), "one\ntwo\n");
    assert_eq!(stderr(&printed), "Processed a total of 2 messages\n");
    let with = "--formatter-property print.delivery=true --formatter-property print.offset=true";
    let again = good(&tool(&node, &format!("{line} {with}")));
    assert_eq!(again, "Offset:0\tDelivery:2\tone\nOffset:1\tDelivery:2\ttwo\n");
    let late = tool(&node, "kafka-console-share-consumer --topic jobs --group workers --timeout-ms 1000");
    assert!(late.status.success() && stderr(&late).contains("no message for 1000 ms"), "{}", stderr(&late));
    assert!(stderr(&late).ends_with("Processed a total of 0 messages\n"), "{}", stderr(&late));
    assert_eq!(stdout(&late), "");
}

#[test]
fn kafkas_share_consumer_perf_test_measures() {
    let node = node_with("jobs", &b"0123456789\n".repeat(500));
    good(&node.ottla("share reset-offsets perf-share-consumer --topic jobs --to-earliest --execute"));
    let line = "kafka-share-consumer-perf-test --topic jobs --num-records 500 --timeout 20000 --threads 2 --show-consumer-stats";
    let printed = good(&tool(&node, line));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("start.time, end.time, data.consumed.in.MB"), "{printed}");
    assert!(
        lines[1].starts_with("Share consumer 1 having client id perf-share-consumer-client-1 consumption"),
        "{printed}"
    );
    assert_eq!(lines.last().unwrap().split(", ").nth(5), Some("500"), "{printed}");
    let line = "kafka-share-consumer-perf-test --topic jobs --num-records 1 --timeout 200 --hide-header";
    let printed = good(&tool(&node, line));
    assert!(printed.starts_with("WARNING: Exiting before consuming the expected number of records"), "{printed}");
    assert_eq!(printed.lines().last().unwrap().split(", ").nth(5), Some("0"), "{printed}");
}

#[test]
fn kafkas_verifiable_share_consumer_tells_what_happens() {
    let node = node_with("jobs", b"one\ntwo\n");
    for mode in ["auto", "sync", "async"] {
        let line = format!(
            "kafka-verifiable-share-consumer --topic jobs --group-id {mode} --max-messages 2 --verbose \
             --acknowledgement-mode {mode} --offset-reset-strategy earliest"
        );
        let printed = good(&tool(&node, &line));
        let events: Vec<serde_json::Value> =
            printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
        assert_eq!((named("startup_complete"), named("offset_reset_strategy_set")), (1, 1), "{printed}");
        assert_eq!((named("record_data"), named("shutdown_complete")), (2, 1), "{printed}");
        assert!(
            events.iter().any(|event| event["name"] == "offsets_acknowledged" && event["success"] == true),
            "{printed}"
        );
    }
}

#[test]
fn kafkas_verifiable_share_consumer_ends_as_kafkas_does() {
    let node = node_with("jobs", b"one\n");
    let help = good(&node.ottla("kafka-verifiable-share-consumer"));
    assert!(help.contains("--acknowledgement-mode"), "{help}");
    let line = "kafka-verifiable-share-consumer --topic jobs --group-id g --offset-reset-strategy middle";
    let wrong = tool(&node, line);
    let printed = good(&wrong);
    assert!(printed.contains("startup_complete") && printed.contains("shutdown_complete"), "{printed}");
    assert!(stderr(&wrong).contains("Unknown auto offset reset strategy: middle"), "{}", stderr(&wrong));
}
