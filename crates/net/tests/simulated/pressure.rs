//! Memory: slow and huge frames must neither fill it nor slow down the others.

use crate::common::{answer, ask, config, request, serve};
use ottla_net::NetConfig;
use ottla_runtime::sim::World;
use ottla_testkit::{Inquiry, RawConnection};
use std::time::Duration;

const MB: usize = 1024 * 1024;
const QUEUED: usize = MB + 256 * 1024;

fn small_budget() -> NetConfig {
    NetConfig { queued_max_request_bytes: QUEUED as u64, socket_request_max_bytes: MB as u32, ..config() }
}

/// A frame that announces `size` bytes and brings the first `sent`.
fn beginning(size: usize, sent: usize) -> Vec<u8> {
    let mut whole = request(1, &"y".repeat(size - 10));
    whole.truncate(4 + sent);
    whole
}

#[test]
fn huge_frames_finish_one_after_another_when_the_budget_is_smaller() {
    let world = World::new(31);
    world.run(async {
        let (server, _script, address) = serve(&world.node("broker"), "broker", small_budget()).await;
        let mut clients = Vec::new();
        for index in 0..20 {
            let runtime = world.node(&format!("client{index}"));
            let address = address.clone();
            clients.push(runtime.clone().spawn("client", async move {
                let mut client = RawConnection::connect(&runtime, &address).await.unwrap();
                client.send(request(1, &format!("size {}", "z".repeat(MB - 15)))).await.unwrap();
                answer(&mut client).await.1
            }));
        }
        for client in clients {
            assert_eq!(client.await.unwrap(), MB.to_string());
        }
        assert_eq!(server.metrics().connections_evicted.get(), 0, "nobody was too slow");
        assert_eq!(server.metrics().request_bytes.get(), 0);
        assert!(server.metrics().budget_waits.get() > 0, "the budget was exhausted");
    });
}

#[test]
fn reading_stops_while_parked_requests_fill_the_budget() {
    let world = World::new(32);
    world.run(async {
        let config = NetConfig { queued_max_request_bytes: 300_000, socket_request_max_bytes: 100_000, ..config() };
        let (server, script, address) = serve(&world.node("broker"), "broker", config).await;
        let client_runtime = world.node("client");
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
            client.send(request(1, &format!("hold {}", "z".repeat(60_000)))).await.unwrap();
            clients.push(client);
        }
        client_runtime.sleep(Duration::from_secs(60)).await;
        assert_eq!(script.calls().len(), 2, "one fits the shared pot, one the reserve");
        assert!(server.metrics().request_bytes.get() <= 300_000);
        script.gate.send_replace(true);
        for client in &mut clients {
            assert_eq!(answer(client).await.1, "60015");
        }
        assert_eq!(server.metrics().request_bytes.get(), 0);
        assert_eq!(server.metrics().connections_evicted.get(), 0, "nobody was too slow");
    });
}

#[test]
fn a_crowd_of_slow_huge_frames_neither_grows_nor_slows_down_the_others() {
    let world = World::new(33);
    world.run(async {
        let (server, script, address) = serve(&world.node("broker"), "broker", small_budget()).await;
        let crowd_runtime = world.node("crowd");
        for index in 0..100 {
            let (runtime, address) = (crowd_runtime.clone(), address.clone());
            let _detached = crowd_runtime.spawn("slow", async move {
                let mut slow = RawConnection::connect(&runtime, &address).await.unwrap();
                // The first is quick enough to take the whole reserve, and then as slow as the others.
                let quickly = if index == 0 { 700_000 } else { 20_000 };
                slow.send(beginning(MB, quickly)).await.unwrap();
                while slow.send(vec![b'y'; 500]).await.is_ok() {
                    runtime.sleep(Duration::from_millis(100)).await;
                }
            });
        }
        let client_runtime = world.node("client");
        Inquiry::new(&client_runtime)
            .until("the budget is exhausted", || server.metrics().budget_waits.get() > 0)
            .await;
        let mut ordinary = RawConnection::connect(&client_runtime, &address).await.unwrap();
        let mut worst = Duration::ZERO;
        for number in 0..600 {
            let begin = client_runtime.now();
            let text = "z".repeat(if number % 2 == 0 { 30_000 } else { 300 });
            assert_eq!(ask(&mut ordinary, &format!("echo {text}")).await, text);
            worst = worst.max(client_runtime.now() - begin);
            assert!(server.metrics().request_bytes.get() <= QUEUED as i64);
            client_runtime.sleep(Duration::from_millis(100)).await;
        }
        assert!(worst < Duration::from_millis(500), "an ordinary request took {worst:?}");
        let evicted = server.metrics().connections_evicted.get();
        assert!((1..=60).contains(&evicted), "{evicted} of 100 slow frames were closed in a minute");
        assert_eq!(script.calls().len(), 600);
    });
}
