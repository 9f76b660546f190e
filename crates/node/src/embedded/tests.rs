use super::*;
use ottla_client::{Admin, Client, ClientOptions, NewTopic};
use std::net::TcpStream;

fn client(node: &EmbeddedNode) -> Client {
    Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default()).expect("an address")
}

#[tokio::test]
async fn nodes_run_side_by_side_and_know_nothing_of_each_other() {
    let (one, other) = (EmbeddedNode::start().await.unwrap(), EmbeddedNode::start().await.unwrap());
    let new = NewTopic { name: "orders".to_string(), partitions: Some(3), ..NewTopic::default() };
    Admin::new(&client(&one)).create_topic(&new, false).await.unwrap();
    assert!(Admin::new(&client(&one)).list_topics().await.unwrap().topics.contains_key("orders"));
    assert!(Admin::new(&client(&other)).list_topics().await.unwrap().topics.is_empty());
    one.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_of_the_test_is_not_the_nodes() {
    let node = EmbeddedNode::start().await.unwrap();
    let mut connection = TcpStream::connect(node.bootstrap_servers()).unwrap();
    // ApiVersions v0, correlation id 7, no client id: this thread blocks, the node answers.
    let mut reply = [0; 10];
    std::io::Write::write_all(&mut connection, &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    std::io::Read::read_exact(&mut connection, &mut reply).unwrap();
    assert_eq!(reply[4..], [0, 0, 0, 7, 0, 0]);
}

#[test]
fn a_test_without_async_starts_and_drops_one() {
    let node = EmbeddedNode::builder().config("num.partitions", 3).start_blocking().unwrap();
    let address = node.bootstrap_servers().to_string();
    TcpStream::connect(&address).unwrap();
    drop(node);
    // The threads end on their own time.
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_panicked_task_stops_the_node_and_not_the_process() {
    let node = EmbeddedNode::start().await.unwrap();
    let mut connection = TcpStream::connect(node.bootstrap_servers()).unwrap();
    assert_eq!(node.failure(), None);
    node.runtime.spawn("test.broken", async { panic!("half applied") });
    let failed = node.ended().await.unwrap_err();
    assert!(failed.to_string().contains("task 'test.broken' panicked: half applied"), "{failed}");
    assert_eq!(node.failure(), Some(failed.clone()));
    let gone = std::io::Read::read(&mut connection, &mut [0; 1]);
    assert!(matches!(gone, Ok(0) | Err(_)), "the connection is closed");
    assert_eq!(node.shutdown().await, Err(failed));
}

#[tokio::test]
async fn a_wrong_config_is_refused_by_name() {
    let Err(error) = EmbeddedNode::builder().config("num.partition", 3).start().await else {
        panic!("it started");
    };
    assert!(error.to_string().contains("num.partitions"), "{error}");
}
