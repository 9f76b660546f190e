use super::*;
use crate::TaskEnded;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A task that never ends by itself, and the flag that says that its future is gone.
fn endless(runtime: &Runtime) -> (crate::TaskHandle<()>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    let guard = Dropped(flag.clone());
    let task = runtime.spawn("endless", async move {
        let _guard = guard;
        std::future::pending().await
    });
    (task, flag)
}

#[test]
fn a_task_gives_its_output_or_is_aborted() {
    in_every_world(async |runtime, _| {
        assert_eq!(runtime.spawn("answer", async { 42 }).await, Ok(42));
        let (task, dropped) = endless(&runtime);
        assert!(!task.is_finished());
        task.abort();
        assert_eq!(task.await, Err(TaskEnded::Aborted));
        assert!(dropped.load(Ordering::SeqCst));
        let (task, dropped) = endless(&runtime);
        drop(task.abort_on_drop());
        while !dropped.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_crash_ends_the_nodes_tasks_and_no_others() {
    let world = World::new(1);
    world.run(async {
        let (one, other) = (world.node("one"), world.node("other"));
        let (task, dropped) = endless(&one);
        let (others_task, _) = endless(&other);
        world.crash("one");
        assert_eq!(task.await, Err(TaskEnded::Aborted));
        assert!(dropped.load(Ordering::SeqCst) && !others_task.is_finished());
        assert_eq!(one.spawn("after", async {}).await, Err(TaskEnded::Aborted), "the dead start nothing");
        assert!(!world.is_up("one") && world.is_up("other"));
        world.down("one").await;
    });
}

#[test]
fn a_panicked_task_is_reported_to_whoever_drives_the_runtime() {
    in_real_world(async |runtime, _| {
        let task = runtime.spawn("careless", async { panic!("on purpose") });
        assert_eq!(task.await, Err::<(), _>(TaskEnded::Panicked));
        assert_eq!(runtime.first_panic().await, "task 'careless' panicked: on purpose");
    });
}

#[test]
fn a_panicked_task_fails_the_simulated_run() {
    let world = World::new(1);
    let run = catch_unwind(AssertUnwindSafe(|| {
        world.run(async {
            let runtime = world.node("node");
            runtime.spawn("careless", async { panic!("on purpose") });
            runtime.sleep(Duration::from_secs(1)).await;
        });
    }));
    let message = run.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*message, "task 'careless' panicked: on purpose");
}

#[test]
fn a_stuck_run_fails_instead_of_hanging() {
    let world = World::new(1);
    let run = catch_unwind(AssertUnwindSafe(|| world.run(std::future::pending::<()>())));
    assert!(run.is_err());
}

#[test]
fn simulated_time_passes_without_waiting() {
    let world = World::new(1);
    let began = std::time::Instant::now();
    world.run(async {
        let runtime = world.node("node");
        let (now, wall_clock_ms) = (runtime.now(), runtime.wall_clock_ms());
        runtime.sleep(Duration::from_secs(3600)).await;
        assert_eq!(runtime.now() - now, Duration::from_secs(3600));
        assert_eq!(runtime.wall_clock_ms() - wall_clock_ms, 3_600_000);
        world.set_wall_clock_skew_ms(-3_600_000);
        assert_eq!(runtime.wall_clock_ms(), wall_clock_ms);
        let never = std::future::pending::<()>();
        assert!(runtime.timeout(Duration::from_secs(5), never).await.is_err());
    });
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_stop_request_reaches_the_node() {
    let world = World::new(1);
    world.run(async {
        let runtime = world.node("node");
        let waiting = runtime.clone();
        let task = runtime.spawn("wait", async move { waiting.shutdown_signal().await });
        world.terminate("node");
        assert_eq!(task.await.unwrap().unwrap(), "SIGTERM");
    });
}

#[test]
fn random_numbers_stay_in_their_range() {
    in_every_world(async |runtime, _| {
        for _ in 0..1000 {
            assert!((5..8).contains(&runtime.random_range(5..8)));
            assert!(runtime.random_range(0..u64::MAX) < u64::MAX);
        }
        assert_ne!(runtime.random_u64(), runtime.random_u64());
        assert_ne!(runtime.random_uuid(), runtime.random_uuid());
    });
}

#[test]
fn the_hook_aborts_the_process_with_the_panics_message() {
    const CHILD: &str = "OTTLA_TEST_PANICS_IN_CHILD";
    if std::env::var_os(CHILD).is_some() {
        crate::install_abort_on_panic_hook();
        std::thread::spawn(|| panic!("on purpose")).join().unwrap_err();
        unreachable!("the process was aborted");
    }
    use std::os::unix::process::ExitStatusExt;
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "tests::tasks::the_hook_aborts_the_process_with_the_panics_message";
    let output = child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    assert_eq!(output.status.signal(), Some(rustix::process::Signal::ABORT.as_raw()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("on purpose"));
}
