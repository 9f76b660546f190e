//! Tests through the public API. Most run in every world: real, in memory and simulated behave the same as long as nothing
//! goes wrong.

mod determinism;
mod disk;
mod faults;
mod lazy;
mod network;
mod outages;
mod real;
mod tasks;

use crate::sim::World;
use crate::{OpenMode, RealOptions, Runtime};
use std::path::{Path, PathBuf};

/// Runs `test` in the real world, in memory, and in simulated worlds of several seeds, each with an empty directory.
fn in_every_world(test: impl AsyncFn(Runtime, PathBuf)) {
    in_real_world(&test);
    tokio_runtime().block_on(async {
        let runtime = Runtime::in_memory();
        runtime.disk().create_dir_all(Path::new("/data")).await.unwrap();
        test(runtime, PathBuf::from("/data")).await;
    });
    for seed in 0..10 {
        let world = World::new(seed);
        world.run(async {
            let runtime = world.node("node");
            runtime.disk().create_dir_all(Path::new("/data")).await.unwrap();
            test(runtime, PathBuf::from("/data")).await;
        });
    }
}

fn in_real_world(test: impl AsyncFn(Runtime, PathBuf)) {
    let directory = tempfile::tempdir().unwrap();
    tokio_runtime().block_on(async {
        let options = RealOptions { storage_threads: 2, ..RealOptions::default() };
        test(Runtime::real(options).unwrap(), directory.path().to_path_buf()).await;
    });
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Bytes that differ at every place and for every `salt`.
fn pattern(len: usize, salt: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(salt);
    (0..len).map(|_| rng.u8(..)).collect()
}

/// The whole content of `path`, or `None` when there is no such file.
async fn content(runtime: &Runtime, path: &Path) -> Option<Vec<u8>> {
    let file = runtime.disk().open(path, OpenMode::Read).await.ok()?;
    let len = file.len().unwrap() as usize;
    Some(file.read_at(0, len).await.unwrap().to_vec())
}
