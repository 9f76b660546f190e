//! Connections: how many, from where, how fast, how long, and how they end with the node.

use crate::common::{answer, ask, config, request, serve};
use ottla_net::{ConnectionLimits, ListenerConfig, UNLIMITED};
use ottla_runtime::sim::World;
use ottla_testkit::{Inquiry, LogCapture, RawConnection};
use std::time::Duration;

#[test]
fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let world = World::new(21);
    world.run(async {
        let (server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut idle = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let mut waiting = RawConnection::connect(&client_runtime, &address).await.unwrap();
        assert_eq!(ask(&mut idle, "echo hi").await, "hi");
        waiting.send(request(1, "later 1500000 late")).await.unwrap();
        let begin = client_runtime.now();
        assert!(idle.read_to_end().await.is_empty());
        let lasted = client_runtime.now() - begin;
        assert!((599..602).contains(&lasted.as_secs()), "closed after {lasted:?}");
        assert_eq!(answer(&mut waiting).await.1, "late");
        assert_eq!(server.metrics().connections_idle.get(), 1);
    });
}

#[test]
fn a_connection_that_stalls_inside_a_frame_is_idle_too() {
    let world = World::new(22);
    world.run(async {
        let (server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let mut stalled = RawConnection::connect(&world.node("client"), &address).await.unwrap();
        stalled.send(&[0, 0, 0, 90, 1, 2, 3][..]).await.unwrap();
        assert!(stalled.read_to_end().await.is_empty());
        assert_eq!(server.metrics().connections_idle.get(), 1);
    });
}

#[test]
fn a_reader_that_never_reads_is_closed() {
    let world = World::new(23);
    world.run(async {
        let (server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut stuck = RawConnection::connect(&client_runtime, &address).await.unwrap();
        stuck.send(request(1, "big 5000000")).await.unwrap();
        client_runtime.sleep(Duration::from_secs(700)).await;
        assert_eq!(script.closed.lock().unwrap().len(), 1);
        assert_eq!(server.metrics().connections.get(), 0);
    });
}

#[test]
fn connections_above_max_connections_wait_their_turn() {
    let world = World::new(24);
    world.run(async {
        let mut config = config();
        config.connections.max_connections = 1;
        let (server, _script, address) = serve(&world.node("broker"), "broker", config).await;
        let client_runtime = world.node("client");
        let mut first = RawConnection::connect(&client_runtime, &address).await.unwrap();
        assert_eq!(ask(&mut first, "echo 1").await, "1");
        let mut second = RawConnection::connect(&client_runtime, &address).await.unwrap();
        second.send(request(1, "echo 2")).await.unwrap();
        let answered = client_runtime.timeout(Duration::from_secs(5), answer(&mut second)).await;
        assert!(answered.is_err(), "the second must wait");
        drop(first);
        assert_eq!(answer(&mut second).await.1, "2");
        server.update_limits(ConnectionLimits::default(), &[]);
        let mut third = RawConnection::connect(&client_runtime, &address).await.unwrap();
        assert_eq!(ask(&mut third, "echo 3").await, "3");
    });
}

#[test]
fn an_address_above_its_limit_is_refused() {
    let world = World::new(25);
    world.run(async {
        let mut config = config();
        config.connections.max_connections_per_ip = 2;
        let (server, _script, address) = serve(&world.node("broker"), "broker", config).await;
        let (one, other) = (world.node("client"), world.node("other"));
        let log = LogCapture::start();
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut connection = RawConnection::connect(&one, &address).await.unwrap();
            assert_eq!(ask(&mut connection, "echo hi").await, "hi");
            kept.push(connection);
        }
        let mut refused = RawConnection::connect(&one, &address).await.unwrap();
        assert!(refused.read_to_end().await.is_empty());
        assert_eq!(server.metrics().connections_refused.get(), 1);
        let lines = log.take();
        assert!(lines.len() == 1 && lines[0].contains("max.connections.per.ip"), "{lines:?}");
        let mut elsewhere = RawConnection::connect(&other, &address).await.unwrap();
        assert_eq!(ask(&mut elsewhere, "echo hi").await, "hi");
    });
}

#[test]
fn connections_come_no_faster_than_their_rate() {
    let world = World::new(26);
    world.run(async {
        let mut config = config();
        config.listeners[0].limits.max_connection_creation_rate = 10;
        let (_server, _script, address) = serve(&world.node("broker"), "broker", config).await;
        let client_runtime = world.node("client");
        let begin = client_runtime.now();
        for _ in 0..40 {
            let mut connection = RawConnection::connect(&client_runtime, &address).await.unwrap();
            ask(&mut connection, "echo hi").await;
        }
        let took = client_runtime.now() - begin;
        assert!((2900..3500).contains(&took.as_millis()), "40 connections took {took:?}");
    });
}

#[test]
fn the_inter_broker_listener_displaces_the_least_recently_used() {
    let world = World::new(27);
    world.run(async {
        let mut config = config();
        let mut internal = ListenerConfig::new("INTERNAL", "0.0.0.0:0");
        internal.limits.inter_broker = true;
        config.listeners.push(internal);
        config.connections.max_connections = 2;
        let (server, _script, address) = serve(&world.node("broker"), "broker", config).await;
        let client_runtime = world.node("client");
        let mut old = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let mut recent = RawConnection::connect(&client_runtime, &address).await.unwrap();
        ask(&mut old, "echo 1").await;
        ask(&mut recent, "echo 2").await;
        let internal = format!("broker:{}", server.local_addr("INTERNAL").unwrap().port());
        let mut broker = RawConnection::connect(&client_runtime, &internal).await.unwrap();
        assert_eq!(ask(&mut broker, "echo 3").await, "3");
        assert!(old.read_to_end().await.is_empty());
        assert_eq!(ask(&mut recent, "echo 4").await, "4");
    });
}

#[test]
fn shutdown_answers_what_was_begun() {
    let world = World::new(28);
    world.run(async {
        let (server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut busy = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let mut idle = RawConnection::connect(&client_runtime, &address).await.unwrap();
        ask(&mut idle, "echo hi").await;
        busy.send(request(1, "later 3000 late")).await.unwrap();
        Inquiry::new(&client_runtime).until("it began", || script.calls().len() == 2).await;
        let shutdown = client_runtime.spawn("shutdown", async move { server.shutdown(Duration::from_secs(30)).await });
        assert!(idle.read_to_end().await.is_empty());
        busy.send(request(2, "echo too late")).await.unwrap();
        assert_eq!(answer(&mut busy).await, (1, "late".to_string()));
        assert!(busy.read_to_end().await.is_empty(), "what came after the shutdown is not answered");
        assert_eq!(shutdown.await, Ok(true));
        assert!(RawConnection::connect(&client_runtime, &address).await.is_err());
    });
}

#[test]
fn shutdown_does_not_wait_for_ever() {
    let world = World::new(29);
    world.run(async {
        let (server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let mut stuck = RawConnection::connect(&client_runtime, &address).await.unwrap();
        stuck.send(request(1, "gate never")).await.unwrap();
        Inquiry::new(&client_runtime).until("it began", || script.calls().len() == 1).await;
        let begin = client_runtime.now();
        assert!(!server.shutdown(Duration::from_secs(5)).await);
        assert!(client_runtime.now() - begin < Duration::from_secs(6));
        assert!(stuck.read_to_end().await.is_empty());
    });
}

#[test]
fn a_taken_port_is_explained() {
    let world = World::new(30);
    world.run(async {
        let runtime = world.node("broker");
        let (_server, _script, address) = serve(&runtime, "broker", config()).await;
        let port = address.rsplit_once(':').unwrap().1;
        let mut second = config();
        second.listeners[0].address = format!("0.0.0.0:{port}");
        let error = ottla_net::BoundServer::bind(&runtime, second).await.err().expect("the port is taken");
        let text = error.to_string();
        assert!(text.contains("PLAINTEXT") && text.contains("stop the program that has the port"), "{text}");
    });
}

#[test]
fn unlimited_is_the_default() {
    assert_eq!(config().connections.max_connections, UNLIMITED);
}
