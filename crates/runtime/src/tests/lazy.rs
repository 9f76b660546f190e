use super::*;
use crate::sim::World;

/// Runs a test in a world whose node may open `files` files.
fn with_limit(seed: u64, files: usize, test: impl AsyncFnOnce(&World, Runtime)) {
    let world = World::new(seed);
    world.run(async {
        let runtime = world.node("node");
        world.disk_faults("node").set_open_files_max(Some(files));
        test(&world, runtime).await;
    });
}

fn path(number: usize) -> PathBuf {
    PathBuf::from(format!("/file-{number}"))
}

#[test]
fn many_more_lazy_files_than_may_be_open_keep_what_was_written() {
    with_limit(1, 16, async |world, runtime| {
        let mut files = Vec::new();
        for number in 0..200 {
            let file = runtime.disk().open_lazily(&path(number), OpenMode::Create).await.unwrap();
            file.write_at(0, &[format!("{number:>4}").as_bytes()]).unwrap();
            file.sync("test.file").await.unwrap();
            files.push(file);
        }
        for (number, file) in files.iter().enumerate() {
            file.write_at(4, &[b"+"]).unwrap();
            assert_eq!(file.read_at(0, 10).await.unwrap(), format!("{number:>4}+").as_bytes());
            file.sync("test.file").await.unwrap();
            assert!(world.disk_faults("node").open_files() <= 5, "a quarter of the limit, and the one that is used");
        }
        runtime.disk().sync_dir("/".as_ref(), "test.root").await.unwrap();
        drop(files);
        world.power_loss("node");
        let runtime = world.node("node");
        for number in 0..200 {
            let read = runtime.disk().read(&path(number), 10).await.unwrap();
            assert_eq!(read, format!("{number:>4}+").as_bytes());
        }
    });
}

#[test]
fn what_is_not_synced_stays_open_and_a_limit_that_is_reached_is_said() {
    with_limit(1, 16, async |world, runtime| {
        let mut files = Vec::new();
        let error = loop {
            match runtime.disk().open_lazily(&path(files.len()), OpenMode::Create).await {
                Ok(file) => {
                    file.write_at(0, &[b"dirty"]).unwrap();
                    file.let_go();
                    files.push(file);
                }
                Err(error) => break error,
            }
        };
        assert_eq!((files.len(), world.disk_faults("node").open_files()), (16, 16));
        assert!(crate::is_out_of_files(&error) && error.to_string().contains("/file-16"), "{error}");
        files[0].sync("test.file").await.unwrap();
        let one_more = runtime.disk().open_lazily(&path(16), OpenMode::Create).await.unwrap();
        one_more.write_at(0, &[b"fits"]).unwrap();
        assert!(files[0].open_now().is_err(), "all others are dirty");
    });
}

#[test]
fn a_failed_sync_is_never_forgotten_by_closing_the_file() {
    with_limit(1, 8, async |world, runtime| {
        let failed = runtime.disk().open_lazily(&path(0), OpenMode::Create).await.unwrap();
        failed.write_at(0, &[b"lost"]).unwrap();
        world.disk_faults("node").fail_syncs("/file-0", 1);
        assert!(failed.sync("test.file").await.is_err());
        failed.let_go();
        for number in 1..50 {
            let other = runtime.disk().open_lazily(&path(number), OpenMode::Create).await.unwrap();
            other.write_at(0, &[b"fine"]).unwrap();
            other.sync("test.file").await.unwrap();
        }
        assert!(failed.has_failed_sync() && failed.read_at(0, 4).await.is_err());
    });
}

#[test]
fn a_closed_file_is_opened_again_only_if_it_is_the_same() {
    with_limit(1, 8, async |_, runtime| {
        let disk = runtime.disk();
        let file = disk.open_lazily(&path(0), OpenMode::Create).await.unwrap();
        let held = file.hold().await.unwrap();
        file.let_go();
        assert!(file.hold_if_open().is_none());
        disk.rename(&path(0), &path(1)).await.unwrap();
        drop(disk.open(&path(0), OpenMode::Create).await.unwrap());
        assert!(file.write_at(0, &[b"into another file"]).is_err() && file.read_at(0, 1).await.is_err());
        held.write_at(0, &[b"held"]).unwrap();
        assert_eq!(disk.read(&path(1), 10).await.unwrap(), b"held"[..]);
    });
}

#[test]
fn a_real_file_is_closed_and_opened_again() {
    in_real_world(async |runtime, dir| {
        let file = runtime.disk().open_lazily(&dir.join("lazy"), OpenMode::Create).await.unwrap();
        file.write_at(0, &[b"one"]).unwrap();
        file.let_go();
        assert!(file.hold_if_open().is_some(), "not synced");
        file.sync("test.file").await.unwrap();
        file.let_go();
        assert!(file.hold_if_open().is_none());
        file.write_at(3, &[b" two"]).unwrap();
        assert_eq!(file.read_at(0, 10).await.unwrap(), b"one two"[..]);
    });
}
