//! A file's bytes in memory, in chunks: growing never copies what is already there, holes cost nothing.

/// Bytes per chunk.
const CHUNK: usize = 64 * 1024;

/// A file's content. Chunk `i` holds bytes from `i * CHUNK` on; what a chunk does not hold, up to `len`, reads as zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    chunks: Vec<Vec<u8>>,
    len: u64,
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of memory that the content takes; holes take none.
    pub(crate) fn stored(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }

    /// Writes `data` at `offset`, extending the content where needed.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut rest = data;
        let mut position = offset;
        while !rest.is_empty() {
            let (index, start) = place(position);
            let take = rest.len().min(CHUNK - start);
            let (now, later) = rest.split_at(take);
            self.write_chunk(index, start, now);
            rest = later;
            position += take as u64;
        }
        self.len = self.len.max(position);
    }

    fn write_chunk(&mut self, index: usize, start: usize, data: &[u8]) {
        if self.chunks.len() <= index {
            self.chunks.resize_with(index + 1, Vec::new);
        }
        let chunk = &mut self.chunks[index];
        if chunk.len() < start {
            chunk.resize(start, 0);
        }
        let overlap = (chunk.len() - start).min(data.len());
        chunk[start..start + overlap].copy_from_slice(&data[..overlap]);
        chunk.extend_from_slice(&data[overlap..]);
    }

    /// Cuts off at `len` or extends with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (index, start) = place(len);
            self.chunks.truncate(index + 1);
            if let Some(chunk) = self.chunks.get_mut(index) {
                chunk.truncate(start);
                chunk.shrink_to_fit();
            }
        }
        self.len = len;
    }

    /// `len` bytes from `offset` on; fewer where the content ends.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = offset.saturating_add(len as u64).min(self.len);
        let mut out = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut position = offset;
        while position < end {
            let (index, start) = place(position);
            let take = (end - position).min((CHUNK - start) as u64) as usize;
            let held = self.chunks.get(index).map_or(&[][..], |chunk| chunk.get(start..).unwrap_or_default());
            let held = &held[..held.len().min(take)];
            out.extend_from_slice(held);
            out.resize(out.len() + take - held.len(), 0);
            position += take as u64;
        }
        out
    }
}

/// The chunk that holds `position`, and where in it.
fn place(position: u64) -> (usize, usize) {
    let chunk = CHUNK as u64;
    ((position / chunk) as usize, (position % chunk) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hole_reads_as_zeros() {
        let mut content = Content::default();
        content.write(3 * CHUNK as u64 + 1, b"x");
        assert_eq!(content.len(), 3 * CHUNK as u64 + 2);
        assert_eq!(content.read(3 * CHUNK as u64 - 1, 10), [0, 0, b'x']);
        assert!(content.chunks[..3].iter().all(Vec::is_empty), "holes cost nothing");
    }

    #[test]
    fn cut_bytes_do_not_come_back_when_extended() {
        let mut content = Content::default();
        content.write(0, b"abcdef");
        content.set_len(2);
        content.set_len(5);
        assert_eq!(content.read(0, 100), b"ab\0\0\0");
    }

    proptest! {
        #[test]
        fn behaves_like_one_vector(steps in proptest::collection::vec((0u64..200_000, 0usize..70_000, any::<u8>(), any::<bool>()), 1..12)) {
            let (mut content, mut model) = (Content::default(), Vec::new());
            for (offset, len, fill, cut) in steps {
                if cut {
                    content.set_len(offset);
                    model.resize(offset as usize, 0);
                } else {
                    let data = vec![fill; len];
                    content.write(offset, &data);
                    if model.len() < offset as usize + len {
                        model.resize(offset as usize + len, 0);
                    }
                    model[offset as usize..offset as usize + len].copy_from_slice(&data);
                }
                prop_assert_eq!(content.len(), model.len() as u64);
            }
            prop_assert_eq!(content.read(0, usize::MAX), model);
        }
    }
}
