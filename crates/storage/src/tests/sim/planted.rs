//! Every fsync is needed: without any single one of them some run loses what was promised.

use super::{cleaning, moving, plan, run};
use crate::tests::sim::Plan;
use std::collections::BTreeSet;

/// Runs that are tried to show that a sync site is needed.
const SEEDS: u64 = 3000;

/// The first seed whose run breaks a promise, or panics, when `site` does nothing.
fn seed_that_misses(site: &'static str) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let broken = std::panic::catch_unwind(|| run(Plan { ignored_site: Some(site), ..plan(seed) }).err());
        let broken = broken.unwrap_or_else(|_| Some(format!("seed {seed}: a panic")));
        broken.filter(|_| run(plan(seed)).is_ok()).map(|broken| (seed, broken))
    })
}

#[test]
fn no_sync_of_compaction_can_be_left_out() {
    let is_of_compaction = |site: &String| ["storage.cleane", "storage.swap"].iter().any(|part| site.starts_with(part));
    let mut sites = BTreeSet::new();
    for seed in 0..100 {
        sites.extend(cleaning::run(seed, None).unwrap_or_else(|broken| panic!("{broken}")).0);
    }
    sites.retain(is_of_compaction);
    assert!(sites.len() >= 8, "{sites:?}");
    let misses = |site: &'static str, seed: u64| {
        let broken = std::panic::catch_unwind(|| cleaning::run(seed, Some(site)).err());
        let broken = broken.unwrap_or_else(|_| Some("a panic".to_string()))?;
        cleaning::run(seed, None).is_ok().then_some(broken)
    };
    let mut unneeded = Vec::new();
    for site in sites {
        let site: &'static str = site.leak();
        match (0..SEEDS).find_map(|seed| misses(site, seed)) {
            Some(broken) => println!("{site}: {}", broken.get(..200).unwrap_or(&broken)),
            None => unneeded.push(site),
        }
    }
    assert!(unneeded.is_empty(), "nothing is lost without these syncs: {unneeded:?}");
}

#[test]
fn no_sync_of_a_move_can_be_left_out() {
    let mut sites = BTreeSet::new();
    for seed in 0..20 {
        sites.extend(moving::run(seed, None).unwrap_or_else(|broken| panic!("{broken}")).0);
    }
    sites.retain(|site| site.starts_with("storage.move"));
    assert!(sites.len() >= 12, "{sites:?}");
    let misses = |site: &'static str, seed: u64| {
        let broken = std::panic::catch_unwind(|| moving::run(seed, Some(site)).err());
        let broken = broken.unwrap_or_else(|_| Some("a panic".to_string()))?;
        moving::run(seed, None).is_ok().then_some(broken)
    };
    let mut unneeded = Vec::new();
    for site in sites {
        let site: &'static str = site.leak();
        match (0..SEEDS).find_map(|seed| misses(site, seed)) {
            Some(broken) => println!("{site}: {}", broken.get(..200).unwrap_or(&broken)),
            None => unneeded.push(site),
        }
    }
    assert!(unneeded.is_empty(), "nothing is lost without these syncs: {unneeded:?}");
}

#[test]
fn no_sync_can_be_left_out() {
    let mut sites = BTreeSet::new();
    for seed in 0..100 {
        sites.extend(run(plan(seed)).unwrap_or_else(|broken| panic!("{broken}")).sites);
    }
    let mut unneeded = Vec::new();
    for site in sites {
        // The matcher of the simulator outlives the test's borrow.
        let site: &'static str = site.leak();
        match seed_that_misses(site) {
            Some((_, broken)) => println!("{site}: {}", broken.get(..200).unwrap_or(&broken)),
            None => unneeded.push(site),
        }
    }
    assert!(unneeded.is_empty(), "nothing is lost without these syncs: {unneeded:?}");
}
