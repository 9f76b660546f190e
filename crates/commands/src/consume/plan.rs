//! Where reading begins and where it ends.

use super::Args;
use ottla_client::{Admin, Client, Isolation, OffsetSpec};
use ottla_terminal::failure::Failure;
use ottla_terminal::reading::{Reading, Topics};
use ottla_terminal::times;
use ottla_types::TopicPartition;
use regex::Regex;
use std::collections::BTreeMap;

/// Where a partition is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Earliest,
    Latest,
    Offset(i64),
    /// So many before the end.
    Last(i64),
    /// The first record of this time, in milliseconds.
    Time(i64),
}

/// Partitions of the topics that were asked for.
pub(super) async fn topics(args: &Args, client: &Client) -> Result<Vec<TopicPartition>, Failure> {
    let cluster = Admin::new(client).list_topics().await?;
    let existing: Vec<String> = cluster.topics.keys().cloned().collect();
    let named: Vec<String> = match args.regex {
        false => args.topics.clone(),
        true => {
            let pattern = pattern(&args.topics)?;
            let matching = cluster.topics.values().filter(|topic| !topic.is_internal && pattern.is_match(&topic.name));
            let matching: Vec<String> = matching.map(|topic| topic.name.clone()).collect();
            if matching.is_empty() && !args.follow {
                let next_step = Some("see `ottla topic list`".to_string());
                let cause = format!("no topic matches {}", args.topics.join(", "));
                return Err(Failure { code: Failure::NOT_FOUND, cause, next_step });
            }
            matching
        }
    };
    let mut partitions = Vec::new();
    for name in named {
        let topic = cluster.topics.get(&name).ok_or_else(|| Failure::unknown_topic(&name, &existing))?;
        let count = topic.partitions.clone()?.len();
        for partition in &args.partitions {
            if usize::try_from(*partition).map_or(true, |partition| partition >= count) {
                let next_step = Some(format!("name one from 0 to {}", count.saturating_sub(1)));
                let cause = format!("topic '{name}' has no partition {partition}");
                return Err(Failure { code: Failure::NOT_FOUND, cause, next_step });
            }
        }
        let all = topic.partitions.as_deref().unwrap_or_default().iter().map(|partition| partition.partition);
        let wanted = all.filter(|partition| args.partitions.is_empty() || args.partitions.contains(partition));
        partitions.extend(wanted.map(|partition| TopicPartition::new(name.as_str(), partition)));
    }
    Ok(partitions)
}

fn pattern(texts: &[String]) -> Result<Regex, Failure> {
    let pattern = Regex::new(&format!("^(?:{})$", texts.join("|")));
    pattern.map_err(|error| Failure::new(format!("{} is no regular expression: {error}", texts.join("|"))))
}

/// Gives the consumer its partitions or its subscription. Returns the ends, unless it is to follow.
pub(super) async fn begin(
    args: &Args,
    client: &Client,
    partitions: &[TopicPartition],
    reading: &mut Reading,
    isolation: Isolation,
) -> Result<Option<BTreeMap<TopicPartition, i64>>, Failure> {
    let ends = ends(args, client, partitions, isolation).await?;
    if args.group.is_some() {
        let topics = match args.regex {
            true => Topics::pattern(&args.topics.join("|"))?,
            false => Topics::Named(args.topics.clone()),
        };
        reading.subscribe(&topics).await?;
        return Ok(ends);
    }
    let begin = Begin::of(args)?;
    let admin = Admin::new(client);
    let offset = |spec: OffsetSpec| {
        let wanted: BTreeMap<TopicPartition, OffsetSpec> =
            partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let admin = admin.clone();
        async move { admin.list_offsets(&wanted, isolation).await }
    };
    let consumer = reading.consumer();
    consumer.assign(partitions.iter().cloned())?;
    match begin {
        Begin::Earliest => consumer.seek_to_beginning(partitions)?,
        Begin::Latest => consumer.seek_to_end(partitions)?,
        Begin::Offset(offset) => {
            for partition in partitions {
                consumer.seek(partition, offset)?;
            }
        }
        Begin::Last(count) => {
            let (first, last) = (offset(OffsetSpec::Earliest).await?, offset(OffsetSpec::Latest).await?);
            for partition in partitions {
                let offset =
                    |known: &BTreeMap<_, ottla_client::ListedOffset>| known.get(partition).map_or(0, |o| o.offset);
                consumer.seek(partition, (offset(&last) - count).max(offset(&first)))?;
            }
        }
        Begin::Time(time) => {
            let (found, last) = (offset(OffsetSpec::AtTimestamp(time)).await?, offset(OffsetSpec::Latest).await?);
            for partition in partitions {
                let found = found.get(partition).map(|found| found.offset).filter(|offset| *offset >= 0);
                let end = last.get(partition).map_or(0, |last| last.offset);
                consumer.seek(partition, found.unwrap_or(end))?;
            }
        }
    }
    Ok(ends)
}

/// The ends as they are now: records that come later are not waited for.
async fn ends(
    args: &Args,
    client: &Client,
    partitions: &[TopicPartition],
    isolation: Isolation,
) -> Result<Option<BTreeMap<TopicPartition, i64>>, Failure> {
    if args.follow {
        return Ok(None);
    }
    let admin = Admin::new(client);
    let all = |spec| partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let (first, last) = (
        admin.list_offsets(&all(OffsetSpec::Earliest), isolation).await?,
        admin.list_offsets(&all(OffsetSpec::Latest), isolation).await?,
    );
    let mut ends: BTreeMap<TopicPartition, i64> =
        last.into_iter().map(|(partition, found)| (partition, found.offset)).collect();
    if let Some(until) = &args.until {
        let until = times::parse_time(until, times::now_ms()).map_err(Failure::new)?;
        for (partition, found) in admin.list_offsets(&all(OffsetSpec::AtTimestamp(until)), isolation).await? {
            let end = ends.entry(partition).or_default();
            *end = if found.offset >= 0 { found.offset.min(*end) } else { *end };
        }
    }
    // Nothing to read: a position need not get there.
    for (partition, end) in &mut ends {
        if first.get(partition).is_some_and(|first| first.offset >= *end) {
            *end = 0;
        }
    }
    Ok(Some(ends))
}

impl Begin {
    fn of(args: &Args) -> Result<Begin, Failure> {
        if let Some(since) = &args.since {
            return Ok(Begin::Time(times::parse_time(since, times::now_ms()).map_err(Failure::new)?));
        }
        match args.offset.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("earliest" | "beginning" | "start") => Ok(Begin::Earliest),
            Some("latest" | "end") => Ok(Begin::Latest),
            Some(text) => match text.parse::<i64>() {
                Ok(offset @ 0..) => Ok(Begin::Offset(offset)),
                Ok(before) => Ok(Begin::Last(before.saturating_neg())),
                Err(_) => Err(Failure::new(format!(
                    "--offset {text}: write a number, -10 for the last ten, earliest or latest"
                ))),
            },
            None if args.follow && !args.from_beginning => Ok(Begin::Latest),
            None => Ok(Begin::Earliest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parsed;

    fn begin(line: &str) -> Result<Begin, String> {
        let args = parsed(&format!("t {line}")).map_err(|error| error.to_string())?;
        Begin::of(&args).map_err(|failure| failure.cause)
    }

    #[test]
    fn reading_begins_at_the_beginning_unless_it_follows() {
        assert_eq!(begin(""), Ok(Begin::Earliest));
        assert_eq!(begin("-f"), Ok(Begin::Latest));
        assert_eq!(begin("-f --from-beginning"), Ok(Begin::Earliest));
        assert_eq!(begin("-o 7"), Ok(Begin::Offset(7)));
        assert_eq!(begin("-o -7"), Ok(Begin::Last(7)));
        assert_eq!(begin("--since 1700000000000"), Ok(Begin::Time(1_700_000_000_000)));
        assert!(begin("-o x").unwrap_err().contains("write a number"));
        assert!(begin("-g g --since 1h").is_err());
        assert!(begin("-f --until 1h").is_err());
    }
}
