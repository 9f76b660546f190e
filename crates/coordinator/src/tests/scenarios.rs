//! A loaded shard: batches, replies, timers, failures.

use super::kit::{Behaviour, Event, TERM, Toy, WRITE_TIMEOUT, leading, with_toy};
use crate::limits::{DEFERRED_MAX, REQUESTS_MAX, ROUND_EVENTS_MAX};
use crate::{AppendFailed, BatchKind, CoordinatorError, EndTransaction, LogView, Term};
use Event::{Add, AddBroken, AddLarge, AddLater, Cancel, Chain, Read, Sweep, Tell, TellMany, Transact, WaitFor};
use futures_util::FutureExt;
use futures_util::future::join_all;
use ottla_records::EndTxnMarker;
use ottla_types::{ErrorCode, LeaderEpoch, ProducerEpoch, ProducerId};

#[test]
fn events_are_handled_in_order_and_appended_together() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
        let asked: Vec<_> = (0..10).map(|_| toy.handle.submit(Add("a", 1))).collect();
        let answers = join_all(asked).await;
        assert_eq!(answers, (1..=10).map(Ok).collect::<Vec<_>>());
        assert_eq!(toy.log.appends(), [10]);
    });
}

#[test]
fn batches_stay_below_the_limit_and_a_round_below_its_own() {
    with_toy(async |toy| {
        toy.log.limit(1_000);
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
        let asked: Vec<_> = (0..6).map(|_| toy.handle.submit(AddLarge("a", 400))).collect();
        assert_eq!(join_all(asked).await.last(), Some(&Ok(6)));
        assert_eq!(toy.log.appends(), [2, 2, 2]);
        toy.log.limit(1 << 20);
        let asked: Vec<_> = (0..ROUND_EVENTS_MAX + 1).map(|_| toy.handle.submit(Add("b", 1))).collect();
        join_all(asked).await;
        assert_eq!(toy.log.appends()[3..], [ROUND_EVENTS_MAX as i32, 1]);
    });
}

#[test]
fn decision_that_fits_no_batch_changes_nothing() {
    with_toy(async |toy| {
        toy.log.limit(1_000);
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        let (large, after) = (toy.handle.submit(AddLarge("a", 1_000)), toy.handle.submit(Add("a", 1)));
        assert_eq!((large.await, after.await), (Err(CoordinatorError::TooLarge), Ok(2)));
        assert_eq!(toy.log.end(), 2);
    });
}

#[test]
fn decision_about_nobody_is_split_over_batches() {
    with_toy(async |toy| {
        toy.log.limit(1_000);
        assert_eq!(toy.ask(Sweep(10, 250)).await, Ok(10));
        assert_eq!(toy.log.appends(), [3, 3, 3, 1]);
        assert_eq!(toy.ask(Sweep(2, 1_000)).await, Ok(2), "what fits into no batch is left out");
        assert_eq!(toy.ask(Read("swept")).await, Ok(10));
    });
}

#[test]
fn replies_wait_for_what_their_own_subject_depends_on() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        toy.log.behave(Behaviour::Hold);
        let (write, read) = (toy.begin(Add("a", 1)), toy.begin(Read("a")));
        toy.sleep_ms(10).await;
        assert!(!write.is_finished() && !read.is_finished(), "a read sees what is not committed, so it waits too");
        assert_eq!(toy.ask(Read("b")).await, Ok(0), "another subject does not wait");
        assert_eq!(toy.ask(Tell("b")).await, Ok(0));
        let tell = toy.begin(Tell("a"));
        toy.sleep_ms(10).await;
        assert_eq!(toy.effects(), ["b=0"]);
        toy.log.commit_all();
        assert_eq!((write.await, read.await, tell.await), (Ok(Ok(2)), Ok(Ok(2)), Ok(Ok(2))));
        assert_eq!(toy.effects(), ["b=0", "a=2"]);
        assert_eq!(toy.ask(Read("a")).await, Ok(2), "committed: a read leaves at once");
    });
}

#[test]
fn parked_waiters_are_answered_by_a_later_event_once_it_is_committed() {
    with_toy(async |toy| {
        let waiters: Vec<_> = (0..3).map(|_| toy.begin(WaitFor("a", 2))).collect();
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        toy.log.behave(Behaviour::Hold);
        let write = toy.begin(Add("a", 1));
        toy.sleep_ms(10).await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        toy.log.commit_all();
        assert_eq!(write.await, Ok(Ok(2)));
        for waiter in waiters {
            assert_eq!(waiter.await, Ok(Ok(2)));
        }
    });
}

#[test]
fn write_that_is_not_committed_in_time_is_answered_and_may_still_count() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
        toy.log.behave(Behaviour::Hold);
        let parked = toy.begin(WaitFor("a", 2));
        let began = toy.runtime.now();
        let (write, read) = (toy.begin(Add("a", 1)), toy.begin(Read("a")));
        assert_eq!(write.await, Ok(Err(CoordinatorError::WriteTimedOut)));
        assert_eq!(read.await, Ok(Err(CoordinatorError::WriteTimedOut)));
        assert_eq!(toy.runtime.now() - began, WRITE_TIMEOUT);
        assert!(!parked.is_finished(), "whoever was not answered yet has no deadline");
        toy.log.behave(Behaviour::Commit);
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(2));
        assert_eq!(parked.await, Ok(Ok(2)));
    });
}

#[test]
fn timers_fire_once_and_the_last_setting_counts() {
    with_toy(async |toy| {
        let began = toy.runtime.now();
        let first = toy.begin(WaitFor("a", 1));
        for event in [AddLater("a", 50), AddLater("a", 300), AddLater("b", 100), AddLater("c", 100), Cancel("c")] {
            toy.ask(event).await.unwrap();
        }
        assert_eq!(first.await, Ok(Ok(1)));
        assert_eq!((toy.runtime.now() - began).as_millis(), 300);
        toy.sleep_ms(1_000).await;
        let values = [toy.ask(Read("a")).await, toy.ask(Read("b")).await, toy.ask(Read("c")).await];
        assert_eq!(values, [Ok(1), Ok(1), Ok(0)]);
    });
}

#[test]
fn heartbeat_that_waits_in_the_queue_is_never_overtaken_by_the_expiry() {
    with_toy(async |toy| {
        toy.ask(AddLater("a", 100)).await.unwrap();
        // The shard is held up by a slow append while both the cancellation and the deadline come.
        for _ in 0..50 {
            toy.sleep_ms(99).await;
            let cancelled = toy.handle.submit(AddLater("a", 100));
            cancelled.await.unwrap();
        }
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
    });
}

#[test]
fn failed_append_drops_what_was_replayed_and_loads_again() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        let parked = toy.begin(WaitFor("a", 9));
        toy.sleep_ms(1).await;
        toy.log.behave(Behaviour::Fail(AppendFailed::Storage("no".to_string())));
        let (write, read) = (toy.handle.submit(Add("a", 5)), toy.handle.submit(Read("a")));
        assert_eq!(
            (write.await, read.await),
            (Err(CoordinatorError::NotCoordinator), Err(CoordinatorError::NotCoordinator))
        );
        assert_eq!(parked.await, Ok(Err(CoordinatorError::NotCoordinator)));
        assert_eq!(toy.ask(Read("a")).await, Err(CoordinatorError::LoadInProgress));
        toy.log.behave(Behaviour::Fail(AppendFailed::NotEnoughReplicas));
        toy.sleep_ms(100).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(1), "the change that was not appended never was");
        assert_eq!(toy.ask(Add("a", 5)).await, Err(CoordinatorError::NotEnoughReplicas));
        toy.log.behave(Behaviour::Commit);
        toy.sleep_ms(200).await;
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(2));
    });
}

#[test]
fn record_that_cannot_be_replayed_is_not_written_and_the_shard_is_loaded_again() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        let counted = || (toy.metrics.active.get(), toy.metrics.loading.get(), toy.metrics.reloads.get());
        assert_eq!(counted(), (1, 0, 0));
        let (before, broken, after) =
            (toy.handle.submit(Add("a", 1)), toy.handle.submit(AddBroken("b")), toy.handle.submit(Read("a")));
        let lost = Err(CoordinatorError::NotCoordinator);
        assert_eq!((before.await, broken.await), (lost, lost));
        assert_eq!(after.await, Err(CoordinatorError::LoadInProgress));
        assert_eq!(counted(), (0, 0, 1));
        toy.sleep_ms(100).await;
        assert_eq!((toy.ask(Read("a")).await, toy.log.end()), (Ok(1), 1));
        assert_eq!(counted(), (1, 0, 1));
    });
}

#[test]
fn what_waits_for_the_high_watermark_is_bounded_and_timers_wait_too() {
    with_toy(async |toy| {
        toy.ask(AddLater("timer", 10)).await.unwrap();
        toy.log.behave(Behaviour::Hold);
        let write = toy.begin(Add("a", 1));
        toy.sleep_ms(1).await;
        // They depend on the write. The second goes beyond the limit, the third one and the timer have to wait.
        let told: Vec<_> = (0..3).map(|_| toy.begin(TellMany("a", DEFERRED_MAX - 10))).collect();
        toy.sleep_ms(1_000).await;
        assert_eq!(toy.log.end(), 1, "the timer has not written");
        assert_eq!(toy.effects().len(), 0);
        let late = toy.begin(Read("timer"));
        toy.log.behave(Behaviour::Commit);
        toy.log.commit_all();
        assert_eq!(write.await, Ok(Ok(1)));
        for told in told {
            assert_eq!(told.await, Ok(Ok(0)));
        }
        late.await.unwrap().unwrap();
        assert_eq!(toy.ask(Read("timer")).await, Ok(1));
        assert_eq!(toy.effects().len(), 3 * (DEFERRED_MAX - 10));
    });
}

#[test]
fn the_log_is_told_whether_anybody_waits_for_a_batch() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(AddLater("a", 50)).await, Ok(0));
        assert_eq!(toy.ask(Add("b", 1)).await, Ok(1));
        toy.sleep_ms(100).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(1));
        // The request, then the timer that nobody asked for.
        let kinds = [BatchKind::Plain { is_awaited: true }, BatchKind::Plain { is_awaited: false }];
        assert_eq!(toy.log.kinds(), kinds);
    });
}

#[test]
fn answer_about_the_whole_shard_waits_for_every_subject() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
        toy.log.behave(Behaviour::Hold);
        let write = toy.begin(Add("a", 1));
        toy.sleep_ms(1).await;
        // A sweep of nothing is about nobody, and writes nothing: it tells of all there is.
        let list = toy.begin(Sweep(0, 0));
        toy.sleep_ms(10).await;
        assert!(!list.is_finished());
        toy.log.commit_all();
        assert_eq!((write.await, list.await), (Ok(Ok(1)), Ok(Ok(0))));
    });
}

#[test]
fn everything_waits_for_what_was_written_about_no_subject() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        toy.log.behave(Behaviour::Hold);
        let sweep = toy.begin(Sweep(1, 0));
        toy.sleep_ms(1).await;
        let (list, tell) = (toy.begin(Sweep(0, 0)), toy.begin(Tell("a")));
        toy.sleep_ms(10).await;
        assert!(!list.is_finished() && !tell.is_finished());
        assert_eq!(toy.effects().len(), 0);
        toy.log.commit_all();
        assert_eq!((sweep.await, list.await, tell.await), (Ok(Ok(1)), Ok(Ok(0)), Ok(Ok(1))));
        assert_eq!(toy.effects(), ["a=1"]);
    });
}

#[test]
fn reload_in_the_middle_answers_everyone_and_keeps_what_is_committed() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        toy.log.behave(Behaviour::Hold);
        let (lost, parked) = (toy.begin(Add("a", 1)), toy.begin(WaitFor("a", 3)));
        toy.sleep_ms(1).await;
        // A failed fsync: the log is opened again without the last batch, in the same leader epoch.
        toy.log.see(LogView::NotReady);
        assert_eq!(lost.await, Ok(Err(CoordinatorError::NotCoordinator)));
        assert_eq!(parked.await, Ok(Err(CoordinatorError::NotCoordinator)));
        assert_eq!(toy.ask(Read("a")).await, Err(CoordinatorError::LoadInProgress));
        toy.log.cut(1);
        toy.log.behave(Behaviour::Commit);
        toy.log.see(leading(Term { incarnation: 2, ..TERM }, 1));
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(1));
        toy.log.see(LogView::NotLeading);
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Read("a")).await, Err(CoordinatorError::NotCoordinator));
        toy.log.see(leading(Term { leader_epoch: LeaderEpoch(8), incarnation: 2 }, 1));
        toy.sleep_ms(1).await;
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(2));
    });
}

#[test]
fn another_writer_is_noticed_and_the_shard_loads_what_it_wrote() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        let foreign = super::loading::batch(&[("a", 10)]);
        toy.log.write(&foreign);
        assert_eq!(toy.ask(Add("a", 1)).await, Err(CoordinatorError::NotCoordinator));
        toy.sleep_ms(100).await;
        assert_eq!(toy.ask(Read("a")).await, Ok(12), "what was appended behind it counts, too");
    });
}

#[test]
fn events_that_follow_from_events_come_before_all_others() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Read("a")).await, Ok(0));
        let (chain, after) = (toy.handle.submit(Chain(100)), toy.handle.submit(Read("chain")));
        assert_eq!((chain.await, after.await), (Ok(100), Ok(100)));
        assert_eq!(toy.log.appends(), [100]);
    });
}

#[test]
fn full_queue_refuses_and_the_last_handle_ends_the_task() {
    with_toy(async |toy| {
        let asked: Vec<_> = (0..REQUESTS_MAX + 1).map(|_| toy.handle.submit(Read("a"))).collect();
        let answers = join_all(asked).await;
        assert_eq!(answers.last(), Some(&Err(CoordinatorError::Busy)));
        assert_eq!(toy.metrics.refused.get(), 1);
        assert!(answers.iter().take(REQUESTS_MAX).all(|answer| *answer != Err(CoordinatorError::Busy)));
        let parked = toy.handle.submit(WaitFor("a", 7));
        let Toy { handle, task, runtime, .. } = toy;
        drop(handle);
        task.await.unwrap();
        assert_eq!(parked.now_or_never(), Some(Err(CoordinatorError::NotCoordinator)));
        drop(runtime);
    });
}

fn end(producer_id: i64, committed: bool) -> EndTransaction {
    EndTransaction {
        producer_id: ProducerId(producer_id),
        producer_epoch: ProducerEpoch(0),
        marker: EndTxnMarker { committed, coordinator_epoch: 3 },
        transaction_version: 1,
    }
}

#[test]
fn records_of_a_transaction_count_from_its_marker_on() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        // Batches of the shard's own, of two transactions, and a marker in between, in the order of the calls.
        let (own, first) = (toy.handle.submit(Add("a", 10)), toy.handle.submit(Transact("a", 100, 7)));
        let (other, ended) = (toy.handle.submit(Transact("b", 1_000, 8)), toy.handle.end_transaction(end(7, true)));
        let read = toy.handle.submit(Read("a"));
        assert_eq!((own.await, first.await, other.await), (Ok(11), Ok(11), Ok(0)));
        assert_eq!((ended.await, read.await), (Ok(()), Ok(111)));
        assert_eq!(toy.log.appends(), [1, 1, 1, 1, 1]);
        assert_eq!(toy.handle.end_transaction(end(8, false)).await, Ok(()));
        assert_eq!(toy.ask(Read("b")).await, Ok(0));
        // The same after a reload.
        toy.log.behave(Behaviour::Fail(AppendFailed::Storage("no".to_string())));
        assert!(toy.ask(Add("a", 1)).await.is_err());
        toy.log.behave(Behaviour::Commit);
        toy.sleep_ms(1_000).await;
        assert_eq!((toy.ask(Read("a")).await, toy.ask(Read("b")).await), (Ok(111), Ok(0)));
    });
}

#[test]
fn what_depends_on_a_marker_waits_until_it_is_committed() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Transact("a", 5, 7)).await, Ok(0));
        toy.log.behave(Behaviour::Hold);
        let mut ended = Box::pin(toy.handle.end_transaction(end(7, true)));
        let (mut read, other) = (Box::pin(toy.handle.submit(Read("a"))), toy.handle.submit(Read("b")));
        assert_eq!(other.await, Ok(0), "another subject does not wait");
        assert!((&mut ended).now_or_never().is_none() && (&mut read).now_or_never().is_none());
        toy.log.commit_all();
        assert_eq!((ended.await, read.await), (Ok(()), Ok(5)));
    });
}

#[test]
fn refused_batch_or_marker_leaves_the_shard_as_it_was() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        toy.log.behave(Behaviour::Fail(AppendFailed::Refused(ErrorCode::InvalidProducerEpoch)));
        let refused = CoordinatorError::Refused(ErrorCode::InvalidProducerEpoch);
        assert_eq!(toy.ask(Transact("a", 5, 7)).await, Err(refused));
        assert_eq!(toy.handle.end_transaction(end(7, true)).await, Err(refused));
        toy.log.behave(Behaviour::Commit);
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(2), "it was not loaded again");
        assert_eq!(toy.log.reads(), 0);
    });
}

#[test]
fn marker_that_nobody_waits_for_any_more_is_not_written() {
    with_toy(async |toy| {
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(1));
        drop(toy.handle.end_transaction(end(7, true)));
        assert_eq!(toy.ask(Add("a", 1)).await, Ok(2));
        assert_eq!(toy.log.end(), 2);
    });
}
