use super::*;
use crate::sim::Outage;
use std::collections::BTreeSet;

const FILE: &str = "/data/file";

/// A world in which `/data` is there for good.
fn with_data(seed: u64, test: impl AsyncFnOnce(&World, Runtime)) {
    let world = World::new(seed);
    world.run(async {
        let runtime = world.node("node");
        runtime.disk().create_dir_all(Path::new("/data")).await.unwrap();
        runtime.disk().sync_dir(Path::new("/"), "test.root").await.unwrap();
        test(&world, runtime).await;
    });
}

#[test]
fn a_crash_keeps_what_was_written_and_a_power_loss_what_was_synced() {
    for seed in 0..50 {
        with_data(seed, async |world, runtime| {
            let file = runtime.disk().open(FILE.as_ref(), OpenMode::Create).await.unwrap();
            runtime.disk().sync_dir("/data".as_ref(), "test.dir").await.unwrap();
            file.write_at(0, &[&pattern(5000, 1)]).unwrap();
            file.sync("test.file").await.unwrap();
            file.write_at(5000, &[&pattern(5000, 2)]).unwrap();
            let expected = [pattern(5000, 1), pattern(5000, 2)].concat();
            let first_boot = runtime.boot_id();

            world.crash("node");
            assert!(file.write_at(0, &[b"from the grave"]).is_err());
            let runtime = world.node("node");
            assert_eq!(runtime.boot_id(), first_boot);
            assert_eq!(content(&runtime, FILE.as_ref()).await.unwrap(), expected);

            world.power_loss("node");
            let runtime = world.node("node");
            assert_ne!(runtime.boot_id(), first_boot);
            let left = content(&runtime, FILE.as_ref()).await.unwrap();
            assert_eq!(left[..5000], expected[..5000]);
        });
    }
}

#[test]
fn a_file_whose_name_was_not_synced_can_be_gone() {
    let mut found = BTreeSet::new();
    for seed in 0..50 {
        with_data(seed, async |world, runtime| {
            let file = runtime.disk().open(FILE.as_ref(), OpenMode::Create).await.unwrap();
            file.write_at(0, &[b"content"]).unwrap();
            file.sync("test.file").await.unwrap();
            world.power_loss("node");
            found.insert(content(&world.node("node"), FILE.as_ref()).await);
        });
    }
    assert_eq!(found, BTreeSet::from([None, Some(b"content".to_vec())]));
}

/// What `write_atomic` over an old version leaves when the node goes down in its `operation`-th disk operation; `None` once
/// there are fewer. Turns `ignored` sites off.
fn replaced_with_outage(seed: u64, operation: u64, outage: Outage, ignored: &'static str) -> Option<Option<Vec<u8>>> {
    let mut left = None;
    with_data(seed, async |world, runtime| {
        runtime.disk().write_atomic(FILE.as_ref(), &[b'o'; 2000], "test.replace").await.unwrap();
        let faults = world.disk_faults("node");
        faults.ignore_syncs(move |site| site == ignored);
        faults.plan_outage(operation, outage);
        let replaced = runtime.disk().write_atomic(FILE.as_ref(), &[b'n'; 3000], "test.replace").await;
        if replaced.is_err() {
            world.down("node").await;
            left = Some(content(&world.node("node"), FILE.as_ref()).await);
            return;
        }
        // Done and reported: from now on only the new content may be found.
        world.power_loss("node");
        let after = content(&world.node("node"), FILE.as_ref()).await;
        assert!(after == Some(vec![b'n'; 3000]) || !ignored.is_empty());
        if after != Some(vec![b'n'; 3000]) {
            left = Some(None);
        }
    });
    left
}

#[test]
fn an_atomic_replacement_is_old_or_new_wherever_the_node_goes_down() {
    let is_old_or_new = |left: &Option<Vec<u8>>| *left == Some(vec![b'o'; 2000]) || *left == Some(vec![b'n'; 3000]);
    for outage in [Outage::Crash, Outage::PowerLoss] {
        let mut operations = 0;
        for seed in 0..20 {
            for operation in 1.. {
                let Some(left) = replaced_with_outage(seed, operation, outage, "") else { break };
                assert!(is_old_or_new(&left), "seed {seed} {outage:?} at {operation}: {left:?}");
                operations = operations.max(operation);
            }
        }
        assert_eq!(operations, 8, "open, cut, write, sync begin and end, rename, sync begin and end");
    }
}

#[test]
fn each_sync_of_an_atomic_replacement_is_needed() {
    for site in ["test.replace.file", "test.replace.dir"] {
        let is_broken = |left: Option<Option<Vec<u8>>>| {
            left.is_some_and(|left| left != Some(vec![b'o'; 2000]) && left != Some(vec![b'n'; 3000]))
        };
        let broken = (0..50).any(|seed| is_broken(replaced_with_outage(seed, 1000, Outage::Crash, site)));
        assert!(broken, "no power loss noticed that {site} did nothing");
    }
}

#[test]
fn sites_that_were_passed_are_listed() {
    with_data(1, async |world, runtime| {
        runtime.disk().write_atomic(FILE.as_ref(), b"x", "test.replace").await.unwrap();
        let sites: Vec<String> = world.sync_sites().into_keys().collect();
        assert_eq!(sites, ["test.replace.dir", "test.replace.file", "test.root"]);
    });
}

#[test]
fn a_write_in_progress_at_a_crash_is_torn_at_some_byte() {
    let mut lengths = BTreeSet::new();
    for seed in 0..50 {
        with_data(seed, async |world, runtime| {
            let file = runtime.disk().open(FILE.as_ref(), OpenMode::Create).await.unwrap();
            file.write_at(0, &[b"before"]).unwrap();
            world.disk_faults("node").plan_outage(1, Outage::Crash);
            assert!(file.write_at(6, &[b"torn"]).is_err());
            assert!(!world.is_up("node"));
            let left = content(&world.node("node"), FILE.as_ref()).await.unwrap();
            assert!(b"beforetorn".starts_with(&left) && left.len() >= 6);
            lengths.insert(left.len());
        });
    }
    assert_eq!(lengths, BTreeSet::from([6, 7, 8, 9, 10]));
}

#[test]
fn a_machine_can_lose_power_after_its_process_has_gone() {
    let mut lengths = BTreeSet::new();
    for seed in 0..50 {
        with_data(seed, async |world, runtime| {
            let file = runtime.disk().open(FILE.as_ref(), OpenMode::Create).await.unwrap();
            runtime.disk().sync_dir("/data".as_ref(), "test.dir").await.unwrap();
            file.write_at(0, &[&[1; 512]]).unwrap();
            world.crash("node");
            world.power_loss("node");
            let restarted = world.node("node");
            assert_ne!(restarted.boot_id(), runtime.boot_id());
            lengths.insert(content(&restarted, FILE.as_ref()).await.unwrap().len());
        });
    }
    assert_eq!(lengths, BTreeSet::from([0, 512]));
}

#[test]
fn a_lock_ends_with_its_process() {
    with_data(1, async |world, runtime| {
        let _guard = runtime.disk().lock("/data/.lock".as_ref()).await.unwrap();
        world.crash("node");
        world.node("node").disk().lock("/data/.lock".as_ref()).await.unwrap();
    });
}
