//! The black-box suite `rust-client`: our client against whichever broker the harness starts, ottla or Apache Kafka.
//!
//! `cargo xtask compat --only rust-client`, and with `--peer kafka`. Called by hand it wants an address:
//! `cargo run -p ottla-bench --bin rust-client -- 127.0.0.1:9092`, and leaves the cases out that restart the broker.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod administration;
mod basics;
mod broker;
mod cluster;
mod groups;
mod share;
mod sharing;
mod stage;
mod transactions;

use broker::Broker;
use ottla_client::{Client, ClientOptions};
use ottla_runtime::{RealOptions, Runtime};
use stage::{Outcome, Stage};
use std::process::ExitCode;

/// Runs one case and says how it went.
macro_rules! cases {
    ($stage:expr, $all_passed:expr, $($name:literal => $case:expr),* $(,)?) => {
        $(if $stage.is_wanted($name) {
            let outcome: Outcome = $case.await;
            match outcome {
                Ok(()) => println!("ok {}", $name),
                Err(error) => {
                    println!("not ok {}: {}", $name, error.to_string().replace('\n', " | "));
                    $all_passed = false;
                }
            }
        })*
    };
}

#[tokio::main]
async fn main() -> ExitCode {
    match story().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("not ok start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn story() -> Result<bool, Box<dyn std::error::Error>> {
    let mut broker = match std::env::args().nth(1) {
        Some(address) => Broker::elsewhere(address),
        None => Broker::start()?,
    };
    let runtime = Runtime::real(RealOptions::default())?;
    let client = Client::new(&runtime, &broker.address, ClientOptions::default())?;
    let stage = Stage::new(&client);
    let mut all_passed = true;
    stage.ready().await?;
    cases!(stage, all_passed,
        "admin_makes_changes_and_deletes_topics" => basics::topics(&stage),
        "admin_appends_to_lists_and_takes_out_of_them" => administration::lists(&stage),
        "admin_describes_and_deletes_topics_by_id_and_in_pages" => administration::topics(&stage),
        "admin_asks_leaders_for_many_partitions" => administration::batches(&stage),
        "admin_places_new_partitions" => administration::placement(&stage),
        "admin_fences_producers" => administration::fencing(&stage),
        "admin_takes_members_out_of_groups" => administration::members(&stage),
        "admin_knows_cluster_features_and_log_directories" => basics::cluster(&stage),
        "admin_describes_the_quorum" => cluster::quorum(&stage),
        "admin_cannot_make_the_voters_invalid" => cluster::voters(&stage),
        "admin_reassigns_partitions" => cluster::reassignments(&stage),
        "every_codec_goes_in_and_comes_out" => basics::codecs(&stage),
        "many_records_keep_their_order" => basics::order(&stage),
        "offsets_seeks_pauses_and_times" => basics::positions(&stage),
        "classic_eager_members_share_leave_and_resume" => groups::membership(&stage, &groups::EAGER),
        "classic_cooperative_members_share_leave_and_resume" => groups::membership(&stage, &groups::COOPERATIVE),
        "kip_848_members_share_leave_and_resume" => groups::membership(&stage, &groups::MODERN),
        "classic_static_member_returns" => groups::static_member(&stage, &groups::EAGER),
        "kip_848_static_member_returns" => groups::static_member(&stage, &groups::MODERN),
        "classic_pattern_finds_new_topics" => groups::pattern(&stage, &groups::EAGER),
        "kip_848_pattern_finds_new_topics" => groups::pattern(&stage, &groups::MODERN),
        "admin_of_groups" => groups::admin(&stage),
        "admin_of_share_groups" => share::offsets(&stage),
        "admin_of_groups_that_are_not_there" => share::strangers(&stage),
        "share_members_divide_records" => sharing::two_members(&stage),
        "share_records_are_accepted_released_and_rejected" => sharing::acknowledge_types(&stage),
        "share_acknowledgement_modes" => sharing::modes(&stage),
        "share_records_of_a_member_that_crashes_come_again" => sharing::crash(&stage),
        "share_locks_end" => sharing::expiry(&stage),
        "share_locks_are_renewed" => sharing::renewal(&stage),
        "share_record_limit_is_strict" => sharing::record_limit(&stage),
        "share_polls_are_ended_by_wakeup" => sharing::wakeup(&stage),
        "transactions_commit_and_abort" => transactions::commit_and_abort(&stage),
        "a_zombie_is_fenced" => transactions::zombie(&stage),
        "offsets_are_committed_with_records" => transactions::offsets(&stage),
        "a_stuck_transaction_is_found_and_ended" => transactions::stuck(&stage),
    );
    if broker.can_restart() {
        cases!(stage, all_passed,
            "a_restart_loses_and_repeats_nothing" => basics::restart(&stage, &mut broker),
            "a_transaction_survives_a_restart" => transactions::restart(&stage, &mut broker),
            "a_share_group_survives_a_restart" => sharing::restart(&stage, &mut broker),
        );
    }
    Ok(all_passed)
}
