use super::*;
use crate::is_disk_full;
use crate::sim::DiskFaults;
use std::collections::BTreeSet;
use std::time::Duration;

const FILE: &str = "/file";

fn with_file(seed: u64, test: impl AsyncFnOnce(&World, Runtime, crate::File, DiskFaults)) {
    let world = World::new(seed);
    world.run(async {
        let runtime = world.node("node");
        let file = runtime.disk().open(FILE.as_ref(), OpenMode::Create).await.unwrap();
        runtime.disk().sync_dir("/".as_ref(), "test.root").await.unwrap();
        test(&world, runtime, file, world.disk_faults("node")).await;
    });
}

#[test]
fn a_full_disk_takes_what_fits_and_recovers_when_space_returns() {
    with_file(1, async |_, runtime, file, faults| {
        faults.set_capacity(Some(1000));
        file.write_at(0, &[&[1; 900]]).unwrap();
        let full = file.write_at(900, &[&[2; 60], &[3; 60]]).unwrap_err();
        assert!(is_disk_full(&full), "{full}");
        assert_eq!(file.len().unwrap(), 1000, "a part was written");
        file.set_len(900).unwrap();
        file.write_at(100, &[&[4; 800]]).unwrap();
        assert_eq!(runtime.disk().space("/".as_ref()).await.unwrap().available, 100);
        assert!(is_disk_full(&file.allocate(1001).await.unwrap_err()));
        let other = runtime.disk().open("/other".as_ref(), OpenMode::Create).await.unwrap();
        other.allocate(100).await.unwrap();
        assert!(is_disk_full(&file.write_at(900, &[b"x"]).unwrap_err()));
        other.write_at(0, &[&[5; 100]]).unwrap();
        assert!(is_disk_full(&other.write_at(100, &[b"x"]).unwrap_err()));
        runtime.disk().remove_file("/other".as_ref()).await.unwrap();
        assert!(is_disk_full(&file.write_at(900, &[b"x"]).unwrap_err()), "an open handle holds its space");
        drop(other);
        file.write_at(900, &[&[6; 100]]).unwrap();
    });
}

#[test]
fn failing_writes_fail_as_often_as_planned_and_only_where_planned() {
    with_file(1, async |_, runtime, file, faults| {
        faults.fail_writes("fil", 2);
        let other = runtime.disk().open("/other".as_ref(), OpenMode::Create).await.unwrap();
        other.write_at(0, &[b"fine"]).unwrap();
        for _ in 0..2 {
            let error = file.write_at(0, &[b"12345"]).unwrap_err();
            assert!(!is_disk_full(&error) && error.to_string().contains("(os error 5)"), "{error}");
            assert!(file.len().unwrap() <= 5);
        }
        file.write_at(0, &[b"12345"]).unwrap();
    });
}

#[test]
fn a_failed_sync_fails_once_and_its_data_never_reaches_the_disk() {
    let mut seen_before = BTreeSet::new();
    for seed in 0..20 {
        with_file(seed, async |world, runtime, file, faults| {
            file.write_at(0, &[&[1; 512]]).unwrap();
            file.sync("test.file").await.unwrap();
            faults.fail_syncs(FILE, 1);
            file.write_at(512, &[&[2; 512]]).unwrap();
            assert!(file.sync("test.file").await.is_err());
            file.clone().sync("test.file").await.unwrap();
            assert!(file.has_failed_sync() && file.read_at(0, 1).await.is_err());
            assert_eq!(file.read_resident(0, 1), None, "what it shows need not be what was written");
            let anew = runtime.disk().open(FILE.as_ref(), OpenMode::Read).await.unwrap();
            assert_eq!(anew.read_at(0, 1).await.unwrap(), [1][..]);
            seen_before.insert(file.len().unwrap());
            world.power_loss("node");
            assert_eq!(content(&world.node("node"), FILE.as_ref()).await.unwrap(), [1; 512]);
        });
    }
    assert_eq!(seen_before, BTreeSet::from([512, 1024]), "readers may still see it, until it is evicted");
}

#[test]
fn a_failed_directory_sync_fails_once() {
    with_file(1, async |_, runtime, _, faults| {
        faults.fail_syncs("/", 1);
        assert!(runtime.disk().sync_dir("/".as_ref(), "test.root").await.is_err());
        runtime.disk().sync_dir("/".as_ref(), "test.root").await.unwrap();
    });
}

#[test]
fn slow_syncs_take_their_time_and_cover_only_what_came_before() {
    with_file(1, async |world, runtime, file, faults| {
        faults.slow_syncs(FILE, 1, Duration::from_secs(60));
        file.write_at(0, &[b"early"]).unwrap();
        let began = runtime.now();
        let slow = file.clone();
        let syncing = runtime.spawn("sync", async move { slow.sync("test.file").await });
        runtime.sleep(Duration::from_secs(1)).await;
        file.write_at(5, &[&[b'l'; 4000]]).unwrap();
        syncing.await.unwrap().unwrap();
        assert!(runtime.now() - began >= Duration::from_secs(60));
        world.power_loss("node");
        let left = content(&world.node("node"), FILE.as_ref()).await.unwrap();
        assert!(left.starts_with(b"early"));
    });
}

#[test]
fn failing_reads_and_damage_at_rest() {
    with_file(1, async |world, _, file, faults| {
        file.write_at(0, &[b"abc"]).unwrap();
        file.sync("test.file").await.unwrap();
        faults.fail_reads(FILE, 1);
        assert_eq!(file.read_resident(0, 3), None);
        assert!(file.read_at(0, 3).await.is_err());
        assert_eq!(file.read_at(0, 3).await.unwrap(), b"abc"[..]);
        faults.corrupt(FILE.as_ref(), 1).unwrap();
        assert!(faults.corrupt(FILE.as_ref(), 3).is_err());
        assert_eq!(file.read_at(0, 3).await.unwrap(), b"acc"[..]);
        world.power_loss("node");
        assert_eq!(content(&world.node("node"), FILE.as_ref()).await.unwrap(), b"acc");
    });
}

#[test]
fn planned_errors_can_be_taken_back() {
    with_file(1, async |_, _, file, faults| {
        faults.fail_writes("", 100);
        faults.fail_syncs("", 100);
        faults.clear_errors();
        file.write_at(0, &[b"abc"]).unwrap();
        file.sync("test.file").await.unwrap();
    });
}
