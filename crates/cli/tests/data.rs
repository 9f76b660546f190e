//! `ottla produce`, `consume` and `perf` of the built binary against a node in memory.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, feed, good, run, stderr, stdout};

fn node_with(topics: &[&str]) -> Node {
    let node = Node::start();
    for topic in topics {
        good(&node.ottla(&format!("topic create {topic} --partitions 1")));
    }
    node
}

#[test]
fn lines_go_in_and_come_out() {
    let node = node_with(&["lines"]);
    let produced = node.feed("produce lines", b"one\ntwo\n\nfour");
    assert_eq!((good(&produced).as_str(), stderr(&produced).as_str()), ("", "Produced 4 records to lines.\n"));
    assert_eq!(good(&node.ottla("consume lines")), "one\ntwo\n\nfour\n");
    assert_eq!(good(&node.ottla("consume lines -o 1 -n 1")), "two\n");
    assert_eq!(good(&node.ottla("consume lines --offset -1")), "four\n");
    assert_eq!(good(&node.ottla("consume lines --grep ^t")), "two\n");
    assert_eq!(good(&node.ottla("consume lines -f --from-beginning -n 2")), "one\ntwo\n");
    assert_eq!(good(&node.ottla("consume lines --since 1h -n 1")), "one\n");
    assert_eq!(good(&node.ottla("consume lines --until 1h")), "");
    assert_eq!(good(&node.ottla("consume lin.* -r -n 1")), "one\n");
}

#[test]
fn keys_headers_nulls_and_bytes_survive() {
    let node = node_with(&["all"]);
    good(&node.feed("produce all -K : -H a=1 -z zstd", b"k:\xff\xfe:x\nl:\n"));
    good(&node.ottla("produce all -k gone --tombstone"));
    let out = node.ottla("consume all --key --headers").stdout;
    assert_eq!(out, b"a=1\tk\t\xff\xfe:x\na=1\tl\t\n\tgone\t\n");
    let out = run(&node.address, &["consume", "all", "--format", "%p@%o %k=%S;"], b"");
    assert_eq!(good(&out), "0@0 k=4;0@1 l=0;0@2 gone=-1;");
    let json = good(&node.ottla("consume all --output json"));
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["value_base64"], "//46eA==");
    assert_eq!(lines[2]["value"], serde_json::Value::Null);
    good(&node.ottla("topic create copy --partitions 1"));
    let placed = good(&feed(&node.address, "produce copy --json --output json", json.as_bytes()));
    assert_eq!(placed.lines().count(), 3, "{placed}");
    assert!(placed.starts_with("{\"topic\":\"copy\",\"partition\":0,\"offset\":0,"), "{placed}");
    let copied = good(&node.ottla("consume copy --output json")).replace("\"copy\"", "\"all\"");
    assert_eq!(copied, json);
}

#[test]
fn a_group_goes_on_where_it_ended() {
    let node = node_with(&["work"]);
    good(&node.feed("produce work", b"1\n2\n3\n"));
    assert_eq!(good(&node.ottla("consume work -g readers -n 2")), "1\n2\n");
    assert_eq!(good(&node.ottla("consume work -g readers")), "3\n");
    assert_eq!(good(&node.ottla("consume work -g readers")), "");
    let classic = "consume work -g others -X group.protocol=classic";
    assert_eq!(good(&node.ottla(classic)), "1\n2\n3\n");
}

#[test]
fn what_is_wrong_is_said_with_the_next_step() {
    let node = node_with(&["orders"]);
    let misspelt = node.feed("produce order", b"x\n");
    assert_eq!(misspelt.status.code(), Some(4));
    assert_eq!(stderr(&misspelt), "error: topic 'order' does not exist\nnext step: did you mean 'orders'?\n");
    let misspelt = node.ottla("consume order");
    assert_eq!((misspelt.status.code(), stdout(&misspelt).as_str()), (Some(4), ""));
    let partition = node.ottla("consume orders -p 7");
    assert_eq!(partition.status.code(), Some(4));
    assert!(stderr(&partition).contains("topic 'orders' has no partition 7"), "{}", stderr(&partition));
    let key = node.feed("produce orders -K :", b"a:b\nnone\n");
    assert_eq!(key.status.code(), Some(1));
    assert!(stderr(&key).contains("standard input, record 2: no key separator ':'"), "{}", stderr(&key));
    let security = node.feed("produce orders -X security.protocol=SASL_SSL", b"");
    assert!(stderr(&security).contains("this client speaks PLAINTEXT only"), "{}", stderr(&security));
    let unknown = node.feed("produce orders -X linger.msec=1", b"");
    assert!(stderr(&unknown).contains("no Kafka client knows the property 'linger.msec'"), "{}", stderr(&unknown));
    assert_eq!(node.ottla("consume").status.code(), Some(2));
}

#[test]
fn perf_measures_both_ways_and_round_trips() {
    let node = Node::start();
    let missing = node.ottla("perf produce load -n 10");
    assert_eq!(missing.status.code(), Some(4));
    let report = |line: &str| -> serde_json::Value {
        let text = good(&node.ottla(line));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let produced = report("perf produce load --create 3 -n 5000 --keys 100 -c 2 -z lz4 --output json");
    assert_eq!((&produced["records"], &produced["errors"]), (&5000.into(), &0.into()), "{produced}");
    assert_eq!(produced["latency"][0]["of"], "acknowledgement");
    let consumed = report("perf consume load -c 2 --output json");
    assert_eq!(consumed["records"], 5000, "{consumed}");
    let round = report("perf latency load -n 20 --output json");
    assert_eq!((&round["records"], &round["latency"][1]["of"]), (&20.into(), &"end-to-end".into()), "{round}");
    // At a rate records are on their way together, and each has both latencies.
    let paced = report("perf latency load -n 1000 --rate 5000 -c 2 --keys 7 --output json");
    assert_eq!((&paced["records"], &paced["errors"]), (&1000.into(), &0.into()), "{paced}");
    let kinds: Vec<&serde_json::Value> = paced["latency"].as_array().unwrap().iter().map(|kind| &kind["of"]).collect();
    assert_eq!(kinds, ["acknowledgement", "end-to-end"], "{paced}");
    let text = good(&node.ottla("perf produce load --duration 300ms --rate 200"));
    assert!(text.contains(" records written in ") && text.contains("p99.9"), "{text}");
}
