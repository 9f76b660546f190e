//! Names of the files in a partition directory, as Kafka writes them.
//!
//! | name | what |
//! |---|---|
//! | `00000000000000000042.log` | batches from offset 42 on |
//! | `….index` `….timeindex` `….txnindex` | the segment's indexes |
//! | `….snapshot` | producer state at offset 42 |
//! | `leader-epoch-checkpoint` | first offset of each leader epoch |
//! | `partition.metadata` | topic id |
//! | `….deleted` `….cleaned` `….swap` | leftovers of a deletion or a compaction |
//! | `.ottla_move` | ours: the log is about to go on in another log directory, or does |
//! | `cut-<segment>-<position>-<offset>.<n>.bytes` | ours: bytes that recovery or repair took out of the log |

use ottla_types::TopicPartition;
use std::path::{Path, PathBuf};

/// The topic id of the partition.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
/// First offset of each leader epoch.
pub(crate) const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// Suffix of a partition directory that waits for removal.
pub(crate) const DELETE_DIR_SUFFIX: &str = "-delete";
/// Suffix of a partition directory that belongs to no topic of the cluster.
pub(crate) const STRAY_DIR_SUFFIX: &str = "-stray";
/// Suffix of the copy of a partition that is moving between log directories.
pub(crate) const FUTURE_DIR_SUFFIX: &str = "-future";

/// Longest name that file systems allow, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// The kinds of files that belong to one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SegmentFile {
    /// The batches.
    Log,
    /// Offset to position.
    Index,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state at the segment's base offset.
    Snapshot,
}

/// What a name in a partition directory means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileName {
    /// A segment's file in its place.
    Segment(i64, SegmentFile),
    /// A file that a deletion left behind.
    Deleted,
    /// An unfinished product of compaction.
    Cleaned(i64),
    /// A finished product of compaction that was not yet put in its place.
    Swap(i64, SegmentFile),
    /// Anything else: left alone.
    Other,
}

impl SegmentFile {
    /// Every kind.
    pub(crate) const ALL: [SegmentFile; 5] =
        [SegmentFile::Log, SegmentFile::Index, SegmentFile::TimeIndex, SegmentFile::TxnIndex, SegmentFile::Snapshot];

    /// The file name's ending, dot included.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            SegmentFile::Log => ".log",
            SegmentFile::Index => ".index",
            SegmentFile::TimeIndex => ".timeindex",
            SegmentFile::TxnIndex => ".txnindex",
            SegmentFile::Snapshot => ".snapshot",
        }
    }

    /// The file of the segment that starts at `base_offset`.
    pub(crate) fn path(self, dir: &Path, base_offset: i64) -> PathBuf {
        dir.join(format!("{base_offset:020}{}", self.suffix()))
    }
}

impl FileName {
    /// Reads a name in a partition directory.
    pub(crate) fn parse(name: &str) -> FileName {
        // An index that was being written anew counts only under its own name.
        let is_temporary = name.strip_suffix(".tmp").is_some_and(|rest| segment_file(rest).is_some());
        if name.ends_with(".deleted") || is_temporary {
            return FileName::Deleted;
        }
        if let Some(rest) = name.strip_suffix(".cleaned") {
            return segment_file(rest).map_or(FileName::Other, |(base, _)| FileName::Cleaned(base));
        }
        if let Some(rest) = name.strip_suffix(".swap") {
            return segment_file(rest).map_or(FileName::Other, |(base, kind)| FileName::Swap(base, kind));
        }
        segment_file(name).map_or(FileName::Other, |(base, kind)| FileName::Segment(base, kind))
    }
}

fn segment_file(name: &str) -> Option<(i64, SegmentFile)> {
    let (digits, suffix) = name.split_at_checked(20)?;
    let kind = SegmentFile::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().map(|base| (base, kind))
}

/// `path` with `.deleted` behind it.
pub(crate) fn deleted(path: &Path) -> PathBuf {
    with_suffix(path, ".deleted")
}

/// `path` with `.cleaned` behind it.
pub(crate) fn cleaned(path: &Path) -> PathBuf {
    with_suffix(path, ".cleaned")
}

/// `path` with `.tmp` behind it.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// `path` with `.swap` behind it.
pub(crate) fn swap(path: &Path) -> PathBuf {
    with_suffix(path, ".swap")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Where bytes that are cut from a segment are kept: the `number`-th cut from there. `offset` is the first one lost.
pub(crate) fn cut_file(dir: &Path, base_offset: i64, position: u64, offset: i64, number: u32) -> PathBuf {
    dir.join(format!("cut-{base_offset:020}-{position}-{offset}.{number}.bytes"))
}

/// Whether a name is one of [`cut_file`].
pub(crate) fn is_cut_file(name: &str) -> bool {
    name.starts_with("cut-") && name.ends_with(".bytes")
}

/// The directory of a partition.
pub(crate) fn partition_dir_name(partition: &TopicPartition) -> String {
    format!("{}-{}", partition.topic, partition.partition)
}

/// `<topic>-<partition>.<unique><suffix>`, shortened at the topic so that it stays a legal name, as Kafka does.
pub(crate) fn renamed_partition_dir(partition: &TopicPartition, unique: &str, suffix: &str) -> String {
    let tail = format!("-{}.{unique}{suffix}", partition.partition);
    let topic_bytes = partition.topic.len().min(NAME_BYTES_MAX.saturating_sub(tail.len()));
    let topic = partition.topic.get(..topic_bytes).unwrap_or_default();
    format!("{topic}{tail}")
}

/// The partition that a directory name stands for; `None` if it is not one of a partition in its place.
pub(crate) fn parse_partition_dir(name: &str) -> Option<TopicPartition> {
    if [DELETE_DIR_SUFFIX, STRAY_DIR_SUFFIX, FUTURE_DIR_SUFFIX].iter().any(|suffix| name.ends_with(suffix)) {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let is_number = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    let is_topic =
        !topic.is_empty() && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !is_number || !is_topic {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// The partition whose copy is built in a directory of this name.
pub(crate) fn parse_future_dir(name: &str) -> Option<TopicPartition> {
    let (partition, _unique) = name.strip_suffix(FUTURE_DIR_SUFFIX)?.rsplit_once('.')?;
    parse_partition_dir(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_partition_directory_are_told_apart() {
        let cases = [
            ("00000000000000000042.log", FileName::Segment(42, SegmentFile::Log)),
            ("00000000000000000042.timeindex", FileName::Segment(42, SegmentFile::TimeIndex)),
            ("00000000000000000000.snapshot", FileName::Segment(0, SegmentFile::Snapshot)),
            ("00000000000000000042.log.deleted", FileName::Deleted),
            ("00000000000000000042.index.tmp", FileName::Deleted),
            ("leader-epoch-checkpoint.tmp", FileName::Other),
            ("00000000000000000042.index.cleaned", FileName::Cleaned(42)),
            ("00000000000000000042.index.swap", FileName::Swap(42, SegmentFile::Index)),
            ("42.log", FileName::Other),
            ("0000000000000000004x.log", FileName::Other),
            ("+0000000000000000042.log", FileName::Other),
            ("99999999999999999999.log", FileName::Other),
            ("leader-epoch-checkpoint", FileName::Other),
            ("cut-00000000000000000000-5-1.1.bytes", FileName::Other),
            ("ééééééééééé.log", FileName::Other),
        ];
        for (name, expected) in cases {
            assert_eq!(FileName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn partition_directories_are_told_from_others() {
        assert_eq!(parse_partition_dir("my-topic-12"), Some(TopicPartition::new("my-topic", 12)));
        for name in ["topic", "topic-", "-1", "a-b.0f-delete", "a-0.0f-stray", "a b-1", "a-99999999999", "a-0.x-future"]
        {
            assert_eq!(parse_partition_dir(name), None, "{name}");
        }
    }

    #[test]
    fn future_directories_name_their_partition() {
        let partition = TopicPartition::new("a.b-c", 3);
        let name = renamed_partition_dir(&partition, "0f", FUTURE_DIR_SUFFIX);
        assert_eq!(parse_future_dir(&name), Some(partition));
        for name in ["a-0.0f-delete", "a-0-future", "a-0", ".0f-future"] {
            assert_eq!(parse_future_dir(name), None, "{name}");
        }
    }

    #[test]
    fn renamed_directories_stay_legal_names() {
        let long = TopicPartition::new("t".repeat(249), 123);
        let name = renamed_partition_dir(&long, &"f".repeat(32), DELETE_DIR_SUFFIX);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(name.ends_with("-123.ffffffffffffffffffffffffffffffff-delete"));
    }
}
