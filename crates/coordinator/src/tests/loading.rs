//! Loading a shard from its log.

use super::kit::{Behaviour, Event, MemoryLog, TERM, Toy, leading};
use crate::{CoordinatorError, LogView};
use Event::{Add, Read};
use ottla_records::{BatchBuilder, Compression, EndTxnMarker, TimestampType, ValidatedBatch};
use ottla_runtime::sim::World;
use ottla_types::{ProducerEpoch, ProducerId};
use std::sync::Arc;

fn with_log<F: Future<Output = ()>>(fill: impl FnOnce(&MemoryLog), test: impl FnOnce(Toy) -> F) {
    let world = World::new(1);
    world.run(async {
        let log = MemoryLog::new();
        fill(&log);
        log.commit_all();
        test(Toy::start(&world.node("node"), &log)).await;
    });
}

fn built(mut builder: BatchBuilder, counts: &[(&str, u64)]) -> ValidatedBatch {
    for (name, by) in counts {
        builder.append(5, Some(name.as_bytes()), Some(&by.to_be_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

pub(super) fn batch(counts: &[(&str, u64)]) -> ValidatedBatch {
    built(BatchBuilder::new(Compression::None, TimestampType::CreateTime), counts)
}

fn transactional(producer: i64, counts: &[(&str, u64)]) -> ValidatedBatch {
    let builder = BatchBuilder::new(Compression::Lz4, TimestampType::CreateTime);
    built(builder.producer(ProducerId(producer), ProducerEpoch(0), 0).transactional(), counts)
}

fn marker(producer: i64, committed: bool) -> ValidatedBatch {
    EndTxnMarker { committed, coordinator_epoch: 0 }.to_batch(ProducerId(producer), ProducerEpoch(0), 5)
}

#[test]
fn log_is_replayed_in_bounded_reads_with_transactions() {
    let fill = |log: &MemoryLog| {
        for _ in 0..20 {
            log.write(&batch(&[("a", 1), ("b", 2)]));
        }
        for batch in [
            transactional(7, &[("a", 100)]),
            transactional(8, &[("a", 1_000)]),
            transactional(9, &[("a", 10_000)]),
            marker(8, false),
            marker(7, true),
        ] {
            log.write(&batch);
        }
    };
    with_log(fill, async |toy| {
        toy.sleep_ms(1).await;
        assert_eq!((toy.ask(Read("a")).await, toy.ask(Read("b")).await), (Ok(120), Ok(40)));
        assert!(toy.log.reads() >= 10, "{}", toy.log.reads());
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(121));
        assert_eq!(toy.log.end(), 46);
    });
}

#[test]
fn requests_are_refused_until_the_log_is_there_and_notices_are_kept() {
    let world = World::new(1);
    world.run(async {
        let log = MemoryLog::new();
        log.see(LogView::NotReady);
        let toy = Toy::start(&world.node("node"), &log);
        assert_eq!(toy.ask(Read("a")).await, Err(CoordinatorError::LoadInProgress));
        assert!(toy.handle.notify(Add("a", 3)).await);
        log.see(leading(TERM, 0));
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(3));
    });
}

#[test]
fn what_was_loaded_and_is_not_committed_holds_back_every_answer() {
    let world = World::new(1);
    world.run(async {
        let log = MemoryLog::new();
        log.write(&batch(&[("a", 1)]));
        let toy = Toy::start(&world.node("node"), &log);
        toy.sleep_ms(1).await;
        let read = toy.begin(Read("a"));
        toy.sleep_ms(1_000).await;
        assert!(!read.is_finished());
        log.commit_all();
        assert_eq!(read.await, Ok(Ok(1)));
    });
}

#[test]
fn damaged_record_keeps_the_shard_loading_with_longer_and_longer_pauses() {
    let fill = |log: &MemoryLog| {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        builder.append(5, Some(b"a"), Some(b"short"), &[]).unwrap();
        log.write(&builder.build().unwrap());
    };
    with_log(fill, async |toy| {
        toy.sleep_ms(60_000).await;
        assert_eq!(toy.ask(Read("a")).await, Err(CoordinatorError::LoadInProgress));
        assert!((10..30).contains(&toy.log.reads()), "{}", toy.log.reads());
    });
}

#[test]
fn bookkeeping_is_empty_when_nothing_goes_on() {
    use crate::replies::Replies;
    use tokio::sync::oneshot;
    let world = World::new(1);
    world.run(async {
        let now = world.node("node").now();
        let mut replies: Replies<super::kit::Counters> = Replies::new(0, 0);
        let mut answers = Vec::new();
        for offset in 0..1_000 {
            let (sender, receiver) = oneshot::channel();
            let slot = replies.open(sender);
            let subject = format!("s{}", offset % 10);
            replies.wrote(Some(&subject), offset);
            let depends_on = replies.dependency(Some(&subject), Some(offset));
            assert_eq!(depends_on, offset);
            replies.reply(slot, 1, depends_on, now);
            answers.push(receiver);
        }
        assert_eq!(replies.sizes(), [1_000, 1_000, 1_000, 10]);
        replies.committed(500);
        assert_eq!(replies.sizes(), [500, 500, 500, 10]);
        replies.time_out(now);
        assert_eq!(replies.sizes(), [0, 0, 0, 10]);
        replies.committed(1_000);
        assert_eq!(replies.sizes(), [0; 4]);
        assert_eq!(replies.dependency(Some(&"s1".to_string()), None), -1);
        // Whoever goes away leaves nothing behind for ever.
        for _ in 0..10_000 {
            replies.open(oneshot::channel().0);
        }
        assert!(replies.sizes()[0] < 1_000);
    });
}

#[test]
fn shard_begins_anew_on_the_same_log() {
    let world = World::new(1);
    world.run(async {
        let log = MemoryLog::new();
        let runtime = world.node("node");
        for round in 0..5 {
            let toy = Toy::start(&runtime, &log);
            toy.sleep_ms(1).await;
            assert_eq!(toy.ask(Read("a")).await, Ok(round));
            log.behave(if round % 2 == 0 { Behaviour::Commit } else { Behaviour::Hold });
            let write = toy.begin(Add("a", 1));
            toy.sleep_ms(1).await;
            log.commit_all();
            assert_eq!(write.await, Ok(Ok(round + 1)));
            let Toy { handle, task, .. } = toy;
            drop(handle);
            task.await.unwrap();
        }
        drop(Arc::clone(&log));
    });
}

#[test]
fn what_comes_first_is_handled_after_every_load() {
    let world = World::new(1);
    world.run(async {
        let log = MemoryLog::new();
        let toy = Toy::start_with(&world.node("node"), &log, true);
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(1));
        log.see(LogView::NotReady);
        toy.sleep_ms(1).await;
        log.see(leading(TERM, 1));
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(2));
    });
}
