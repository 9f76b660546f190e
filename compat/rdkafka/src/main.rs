//! Black-box suite: the Rust crate `rdkafka` with its bundled librdkafka, in both group protocols.

mod cases;
mod member;

use std::process::ExitCode;
use std::time::Duration;

use cases::{Case, Outcome, case, equal, eventually, fresh_name};
use member::{Member, OtherProcess, PROTOCOLS, admin, block_on, send, share, topic};
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, protocol, group, topic] = arguments.as_slice()
        && word == "member"
    {
        if let Err(error) = member::be_a_member(protocol, group, topic) {
            println!("{error}");
        }
        return ExitCode::FAILURE;
    }
    cases::run(&all_cases())
}

fn all_cases() -> Vec<Case> {
    let each: [(&str, fn(&str) -> Outcome); 8] = [
        ("group_reads_large_messages", large),
        ("members_join_leave_and_crash", join_leave_and_crash),
        ("members_keep_their_partitions", keeps),
        ("static_member_returns_without_rebalance", static_returns),
        ("commits_and_resumes", commits),
        ("seeks_pauses_and_resumes_in_a_group", seeks),
        ("subscribes_by_pattern", pattern),
        ("admin_of_groups", admin_of_groups),
    ];
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            all.push(case(format!("{protocol}_group_reads_{codec}"), move || reads(protocol, codec)));
        }
        for (name, body) in each {
            all.push(case(format!("{protocol}_{name}"), move || body(protocol)));
        }
    }
    all
}

fn numbered(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|i| format!("{i} {}", "text ".repeat(i % 13)).into_bytes()).collect()
}

fn reads(protocol: &str, codec: &str) -> Outcome {
    let name = topic("group-codec", 2, &[])?;
    let payloads = numbered(150);
    send(&name, 0, codec, &payloads)?;
    send(&name, 1, codec, &payloads)?;
    let mut member = Member::join(protocol, &fresh_name("reads"), &[&name], &[])?;
    for message in member.read(300)? {
        let index = usize::try_from(message.offset)?;
        equal(&payloads[index], &message.payload, "payload")?;
    }
    Ok(())
}

fn large(protocol: &str) -> Outcome {
    let name = topic("group-large", 1, &[("max.message.bytes", "6000000")])?;
    // Bytes of a linear congruential generator, which do not compress.
    let mut state = 1_u32;
    let payload: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(5_000_000)
    .collect();
    send(&name, 0, "zstd", &[payload.clone(), payload.clone()])?;
    let mut member = Member::join(protocol, &fresh_name("large"), &[&name], &[])?;
    let same = member.read(2)?.iter().all(|message| message.payload == payload);
    equal(true, same, "payloads are the same")
}

fn join_leave_and_crash(protocol: &str) -> Outcome {
    let (name, group) = (topic("members", 4, &[])?, fresh_name("members"));
    let mut first = Member::join(protocol, &group, &[&name], &[])?;
    share(&name, 4, 4, &mut [&mut first])?;
    let mut second = Member::join(protocol, &group, &[&name], &[])?;
    share(&name, 4, 2, &mut [&mut first, &mut second])?;
    drop(second);
    share(&name, 4, 4, &mut [&mut first])?;
    let mut other = OtherProcess::start(protocol, &group, &name)?;
    let joined = other.joined();
    eventually("the other process has its part", || {
        first.poll()?;
        Ok(joined.is_finished())
    })?;
    equal(true, joined.join().unwrap_or(false), "the other process joined")?;
    equal(2, first.assignment().len(), "partitions left")?;
    drop(other);
    share(&name, 4, 4, &mut [&mut first])
}

fn keeps(protocol: &str) -> Outcome {
    let cooperative = [("partition.assignment.strategy", "cooperative-sticky")];
    let configs: &[(&str, &str)] = if protocol == "classic" { &cooperative } else { &[] };
    let (name, group) = (topic("keeps", 4, &[])?, fresh_name("keeps"));
    let mut first = Member::join(protocol, &group, &[&name], configs)?;
    share(&name, 4, 4, &mut [&mut first])?;
    let mut second = Member::join(protocol, &group, &[&name], configs)?;
    share(&name, 4, 2, &mut [&mut first, &mut second])?;
    equal((4, 2), first.seen(), "assigned to and revoked from the first")?;
    equal((2, 0), second.seen(), "assigned to and revoked from the second")
}

fn static_returns(protocol: &str) -> Outcome {
    let (name, group) = (topic("static", 4, &[])?, fresh_name("static"));
    let (stays, returns) = ([("group.instance.id", "other")], [("group.instance.id", "back-soon")]);
    let mut other = Member::join(protocol, &group, &[&name], &stays)?;
    share(&name, 4, 4, &mut [&mut other])?;
    let mut before = Member::join(protocol, &group, &[&name], &returns)?;
    share(&name, 4, 2, &mut [&mut other, &mut before])?;
    let (mine, seen) = (before.assignment(), other.seen());
    drop(before);
    let mut after = Member::join(protocol, &group, &[&name], &returns)?;
    share(&name, 4, 2, &mut [&mut other, &mut after])?;
    equal(mine, after.assignment(), "assignment after the return")?;
    equal(seen, other.seen(), "what the other member saw")
}

fn commits(protocol: &str) -> Outcome {
    let (name, group) = (topic("commits", 1, &[])?, fresh_name("commits"));
    send(&name, 0, "none", &numbered(100))?;
    for (from, next, mode) in [(0, 10, CommitMode::Sync), (10, 30, CommitMode::Async)] {
        let mut member = Member::join(protocol, &group, &[&name], &[])?;
        equal(from, member.read(1)?[0].offset, "first offset")?;
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&name, 0, Offset::Offset(next))?;
        member.consumer.commit(&offsets, mode)?;
        eventually("the commit is there", || {
            member.poll()?;
            let found = member.consumer.committed_offsets(offsets.clone(), Duration::from_secs(10))?;
            Ok(found.find_partition(&name, 0).is_some_and(|one| one.offset() == Offset::Offset(next)))
        })?;
    }
    let mut last = Member::join(protocol, &group, &[&name], &[])?;
    equal(30, last.read(1)?[0].offset, "first offset in the end")
}

fn seeks(protocol: &str) -> Outcome {
    let name = topic("seeks", 2, &[])?;
    let mut member = Member::join(protocol, &fresh_name("seeks"), &[&name], &[])?;
    share(&name, 2, 2, &mut [&mut member])?;
    let mut first = TopicPartitionList::new();
    first.add_partition(&name, 0);
    member.consumer.pause(&first)?;
    send(&name, 0, "none", &numbered(50))?;
    send(&name, 1, "none", &numbered(50))?;
    let paused = member.read(50)?.iter().all(|message| message.partition == 1);
    equal(true, paused, "only what is not paused is read")?;
    member.consumer.resume(&first)?;
    member.read(100)?;
    member.consumer.seek(&name, 1, Offset::Offset(47), Duration::from_secs(10))?;
    let offsets: Vec<i64> = member.read(103)?[100..].iter().map(|message| message.offset).collect();
    equal(vec![47, 48, 49], offsets, "offsets after the seek")
}

fn pattern(protocol: &str) -> Outcome {
    let prefix = fresh_name("pattern");
    let first = topic(&format!("{prefix}-a"), 2, &[])?;
    let second = topic(&format!("{prefix}-b"), 1, &[])?;
    topic(&format!("not-{prefix}"), 1, &[])?;
    let mut member = Member::join(protocol, &fresh_name("by-pattern"), &[&format!("^{prefix}-.*")], &[])?;
    let wanted = [(first.clone(), 0), (first, 1), (second, 0)].into();
    eventually("both topics are assigned", || {
        member.poll()?;
        Ok(member.assignment() == wanted)
    })
}

fn admin_of_groups(protocol: &str) -> Outcome {
    let (name, group, admin) = (topic("admin", 1, &[])?, fresh_name("admin"), admin()?);
    let listed = |group: &str| -> Result<bool, Box<dyn std::error::Error>> {
        let list = admin.inner().fetch_group_list(None, Duration::from_secs(10))?;
        Ok(list.groups().iter().any(|found| found.name() == group))
    };
    let mut member = Member::join(protocol, &group, &[&name], &[])?;
    share(&name, 1, 1, &mut [&mut member])?;
    equal(true, listed(&group)?, "listed")?;
    let delete = || block_on(admin.delete_groups(&[&group], &AdminOptions::new()));
    equal(true, delete()??.iter().all(Result::is_err), "deleting a group with a member is refused")?;
    drop(member);
    eventually("it can be deleted", || Ok(delete()??.iter().all(Result::is_ok)))?;
    equal(false, listed(&group)?, "listed after it was deleted")
}
