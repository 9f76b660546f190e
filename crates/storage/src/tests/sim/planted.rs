//! Every fsync is needed: without any single one of them some run loses what was promised.

use super::{cleaning, moving, plan, run};
use crate::sites::DELETED_NAMES;
use crate::tests::sim::Plan;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

/// Runs that are tried to show that a sync site is needed.
const SEEDS: u64 = 3000;

/// Without any one of the sites some run breaks a promise, or panics, that keeps it with the site.
fn all_are_needed(sites: BTreeSet<String>, run: impl Fn(u64, Option<&'static str>) -> Result<(), String>) {
    let misses = |site, seed| {
        let broken = std::panic::catch_unwind(AssertUnwindSafe(|| run(seed, Some(site)).err()));
        let broken = broken.unwrap_or_else(|_| Some(format!("seed {seed}: a panic")))?;
        run(seed, None).is_ok().then_some(broken)
    };
    let mut unneeded = Vec::new();
    for site in sites {
        // The matcher of the simulator outlives the test's borrow.
        let site: &'static str = site.leak();
        match (0..SEEDS).find_map(|seed| misses(site, seed)) {
            Some(broken) => println!("{site}: {}", broken.get(..200).unwrap_or(&broken)),
            None => unneeded.push(site),
        }
    }
    assert!(unneeded.is_empty(), "nothing is lost without these syncs: {unneeded:?}");
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
    all_are_needed(sites, |seed, ignored| cleaning::run(seed, ignored).map(|_| ()));
}

#[test]
fn no_sync_of_a_move_can_be_left_out() {
    let mut sites = BTreeSet::new();
    for seed in 0..20 {
        sites.extend(moving::run(seed, None).unwrap_or_else(|broken| panic!("{broken}")).0);
    }
    sites.retain(|site| site.starts_with("storage.move") || site == DELETED_NAMES);
    assert!(sites.len() >= 12, "{sites:?}");
    all_are_needed(sites, |seed, ignored| moving::run(seed, ignored).map(|_| ()));
}

#[test]
fn no_sync_can_be_left_out() {
    let mut sites = BTreeSet::new();
    for seed in 0..100 {
        sites.extend(run(plan(seed)).unwrap_or_else(|broken| panic!("{broken}")).sites);
    }
    all_are_needed(sites, |seed, ignored_site| run(Plan { ignored_site, ..plan(seed) }).map(|_| ()));
}
