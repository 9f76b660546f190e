//! Many requests in flight on one connection.

use crate::common::{answer, ask, config, request, requests, serve};
use ottla_runtime::sim::World;
use ottla_testkit::{Inquiry, RawConnection};
use std::time::Duration;

#[test]
fn replies_leave_in_the_order_of_their_requests() {
    let world = World::new(1);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let mut client = RawConnection::connect(&world.node("client"), &address).await.unwrap();
        let commands = ["later 50 a", "later 10 b", "none", "echo c", "later 0 d", "echo e"];
        client.send(requests(&commands)).await.unwrap();
        for (number, text) in [(0, "a"), (1, "b"), (3, "c"), (4, "d"), (5, "e")] {
            assert_eq!(answer(&mut client).await, (number, text.to_string()));
        }
        assert_eq!(script.calls(), commands);
    });
}

#[test]
fn a_parked_reply_does_not_hold_up_the_next_request() {
    let world = World::new(2);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
        client.send(requests(&["gate a", "echo b"])).await.unwrap();
        Inquiry::new(&client_runtime).until("both were called", || script.calls().len() == 2).await;
        script.gate.send_replace(true);
        assert_eq!(answer(&mut client).await.1, "a");
        assert_eq!(answer(&mut client).await.1, "b");
    });
}

#[test]
fn requests_in_flight_are_bounded() {
    let world = World::new(3);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
        client.send(requests(&["gate x"; 200])).await.unwrap();
        Inquiry::new(&client_runtime).until("64 were called", || script.calls().len() >= 64).await;
        client_runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!(script.calls().len(), 64);
        script.gate.send_replace(true);
        for number in 0..200 {
            assert_eq!(answer(&mut client).await, (number, "x".to_string()));
        }
    });
}

#[test]
fn a_reader_that_does_not_read_stops_its_own_requests() {
    let world = World::new(4);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut slow = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let mut other = RawConnection::connect(&client_runtime, &address).await.unwrap();
        slow.send(requests(&["big 400000"; 50])).await.unwrap();
        client_runtime.sleep(Duration::from_secs(10)).await;
        let begun = script.calls().len();
        assert!(begun <= 6, "{begun} replies of 400 kB were made for a client that reads none");
        assert_eq!(ask(&mut other, "echo hi").await, "hi");
        for number in 0..50 {
            let (correlation_id, text) = answer(&mut slow).await;
            assert_eq!((correlation_id, text.len()), (number, 400_000));
        }
    });
}

#[test]
fn replies_before_a_close_arrive() {
    let world = World::new(5);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        for commands in [["later 20 a", "close", "echo c"], ["later 20 a", "last b", "echo c"]] {
            let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
            client.send(requests(&commands)).await.unwrap();
            assert_eq!(answer(&mut client).await.1, "a");
            let rest = client.read_to_end().await;
            assert_eq!(rest.ends_with(b"b"), commands[1] == "last b", "{rest:?}");
        }
        Inquiry::new(&client_runtime).until("both ended", || script.closed.lock().unwrap().len() == 2).await;
        assert_eq!(script.calls(), ["later 20 a", "close", "later 20 a", "last b"], "nothing after the end is handled");
    });
}

#[test]
fn a_throttled_connection_rests() {
    let world = World::new(6);
    world.run(async {
        let (_server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let begin = client_runtime.now();
        client.send(requests(&["mute 5000", "echo a"])).await.unwrap();
        assert_eq!(answer(&mut client).await.1, "muted");
        assert!(client_runtime.now() - begin < Duration::from_secs(1), "the throttled reply leaves at once");
        assert_eq!(answer(&mut client).await.1, "a");
        assert!(client_runtime.now() - begin >= Duration::from_secs(5));
    });
}

#[test]
fn a_client_that_leaves_takes_its_parked_requests_along() {
    let world = World::new(7);
    world.run(async {
        let (server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
        client.send(request(1, "gate never")).await.unwrap();
        let inquiry = Inquiry::new(&client_runtime);
        inquiry.until("it was called", || script.calls().len() == 1).await;
        drop(client);
        inquiry.until("it is gone", || script.closed.lock().unwrap().len() == 1).await;
        assert_eq!(server.metrics().connections.get(), 0);
        assert_eq!(server.metrics().request_bytes.get(), 0);
    });
}

#[test]
fn equal_seeds_give_equal_traces() {
    let trace = |seed| {
        let world = World::new(seed);
        world.run(async {
            let (_server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
            let mut client = RawConnection::connect(&world.node("client"), &address).await.unwrap();
            client.send(requests(&["later 50 a", "big 300000", "echo c"])).await.unwrap();
            for _ in 0..3 {
                answer(&mut client).await;
            }
        });
        world.trace_hash()
    };
    assert_eq!(trace(8), trace(8));
    assert_ne!(trace(8), trace(9));
}
