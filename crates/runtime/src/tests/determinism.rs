use super::*;
use crate::sim::Outage;
use crate::{ListenOptions, Part};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

/// A server that appends what it receives to a file, syncs and answers; a client that retries; outages now and then.
fn busy_world(seed: u64) -> World {
    let world = World::new(seed);
    world.keep_trace();
    world.run(async {
        let client = world.node("client");
        for round in 0..5 {
            let server = world.node("server");
            server.spawn("serve", serve(server.clone()));
            let talking = client.spawn("talk", talk(client.clone()));
            client.sleep(Duration::from_millis(world.random_range(5..200))).await;
            let outage = if round % 2 == 0 { Outage::Crash } else { Outage::PowerLoss };
            world.take_down("server", outage);
            talking.await.unwrap();
        }
    });
    world
}

async fn serve(runtime: Runtime) {
    let file = runtime.disk().open("/log".as_ref(), OpenMode::Create).await.unwrap();
    let listener = runtime.listen("127.0.0.1:9092", ListenOptions::default()).await.unwrap();
    while let Ok((connection, _)) = listener.accept().await {
        let (mut receiver, mut sender) = connection.split();
        let mut buffer = BytesMut::with_capacity(1000);
        while let Ok(1..) = receiver.read(&mut buffer).await {
            let bytes = buffer.split().freeze();
            buffer.reserve(1000);
            file.write_at(file.len().unwrap(), &[&bytes]).unwrap();
            file.sync("test.log").await.unwrap();
            if sender.send(vec![Part::Bytes(bytes)]).await.is_err() {
                break;
            }
        }
    }
}

async fn talk(runtime: Runtime) {
    let connection = loop {
        match runtime.connect("127.0.0.1:9092").await {
            Ok(connection) => break connection,
            Err(_) if runtime.random_range(0..10) == 0 => return,
            Err(_) => runtime.sleep(Duration::from_millis(3)).await,
        }
    };
    let (mut receiver, mut sender) = connection.split();
    loop {
        let mut message = vec![0; runtime.random_range(1..500) as usize];
        runtime.fill_random(&mut message);
        if sender.send(vec![Part::Bytes(Bytes::from(message))]).await.is_err() {
            return;
        }
        if !matches!(receiver.read(&mut BytesMut::with_capacity(1000)).await, Ok(1..)) {
            return;
        }
    }
}

#[test]
fn equal_seeds_give_equal_traces_and_different_ones_differ() {
    for seed in 0..10 {
        let [first, second] = [busy_world(seed), busy_world(seed)];
        let difference = first.trace().into_iter().zip(second.trace()).find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(first.trace_hash(), second.trace_hash());
        assert_ne!(first.trace_hash(), busy_world(seed + 1000).trace_hash());
        assert!(first.trace().len() > 50, "{:?}", first.trace());
    }
}
