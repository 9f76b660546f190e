//! Which neighbouring segments become one: as many as fit into one segment (Kafka's `groupSegmentsBySize`).

use std::ops::Range;

/// What grouping has to know of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentSizes {
    pub(super) base_offset: i64,
    /// Base offset of the next one.
    pub(super) next_base_offset: i64,
    pub(super) log_bytes: u64,
    pub(super) index_bytes: u64,
    pub(super) time_index_bytes: u64,
}

/// Ranges of `segments`, in order: each becomes one segment of at most `log_bytes_max`, with indexes of at most
/// `index_bytes_max`, as long as nothing is removed; a larger segment is a group of its own.
pub(super) fn group(segments: &[SegmentSizes], log_bytes_max: u64, index_bytes_max: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if fits(&segments[group.clone()], segment, log_bytes_max, index_bytes_max) => {
                group.end = at + 1
            }
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

fn fits(group: &[SegmentSizes], next: &SegmentSizes, log_bytes_max: u64, index_bytes_max: u64) -> bool {
    let sum = |size: fn(&SegmentSizes) -> u64| group.iter().map(size).sum::<u64>() + size(next);
    let reach = next.next_base_offset - 1 - group[0].base_offset;
    sum(|segment| segment.log_bytes) <= log_bytes_max
        && sum(|segment| segment.index_bytes) <= index_bytes_max
        && sum(|segment| segment.time_index_bytes) <= index_bytes_max
        && (next.log_bytes == 0 || reach <= i64::from(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(segments: &[(i64, u64, u64)], expected: &[Range<usize>]) {
        let end = segments.last().map(|segment| segment.0 + 1);
        let nexts = segments[1..].iter().map(|segment| segment.0).chain(end);
        let sizes: Vec<SegmentSizes> = segments
            .iter()
            .zip(nexts)
            .map(|(&(base_offset, log_bytes, index_bytes), next_base_offset)| SegmentSizes {
                base_offset,
                next_base_offset,
                log_bytes,
                index_bytes,
                time_index_bytes: 0,
            })
            .collect();
        assert_eq!(group(&sizes, 100, 20), expected);
    }

    #[test]
    fn neighbours_are_grouped_up_to_the_sizes_of_a_segment() {
        check(&[(0, 40, 1), (10, 60, 1), (20, 1, 1)], &[0..2, 2..3]);
        check(&[(0, 500, 1), (10, 60, 1), (20, 40, 1)], &[0..1, 1..3]);
        check(&[(0, 1, 15), (10, 1, 6), (20, 1, 1)], &[0..1, 1..3]);
    }

    #[test]
    fn offsets_of_a_group_fit_into_its_indexes() {
        check(&[(0, 1, 1), (5, 1, 1), (1 << 31, 1, 1)], &[0..2, 2..3]);
        check(&[(0, 1, 1), (5, 1, 1), ((1 << 31) + 1, 1, 1)], &[0..1, 1..3]);
        check(&[(0, 1, 1), (1 << 40, 0, 0), ((1 << 40) + 1, 200, 1)], &[0..2, 2..3]);
    }
}
