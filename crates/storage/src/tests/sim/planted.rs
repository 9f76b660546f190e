//! Every fsync is needed: without any single one of them some run loses what was promised.

use super::{plan, run};
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
