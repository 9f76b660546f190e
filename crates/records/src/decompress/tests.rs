use super::*;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use std::io::Write;

const BYTES_MAX: usize = 64 << 20;

fn decode(codec: Compression, compressed: &[u8]) -> Result<Vec<u8>, RecordFault> {
    let mut decoder = Decoder::open(codec, compressed)?.expect("a codec");
    let mut out = Vec::new();
    let mut end = 0;
    loop {
        match decoder.fill(&mut out, end, BYTES_MAX - end)? {
            0 => break,
            len => end += len,
        }
    }
    out.truncate(end);
    Ok(out)
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7 % 61) as u8).collect()
}

fn lz4(frame: FrameInfo, content: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(content).expect("in memory");
    encoder.finish().expect("in memory")
}

fn xerial(blocks: &[&[u8]]) -> Vec<u8> {
    let mut framed = [XERIAL_MAGIC.as_slice(), &1i32.to_be_bytes(), &1i32.to_be_bytes()].concat();
    for block in blocks {
        let compressed = snap::raw::Encoder::new().compress_vec(block).expect("in memory");
        framed.extend_from_slice(&(compressed.len() as i32).to_be_bytes());
        framed.extend_from_slice(&compressed);
    }
    framed
}

#[test]
fn lz4_frames_of_all_block_sizes_and_checksums_are_read() {
    let content = sample(9_000_000);
    for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        let frame = FrameInfo::new()
            .block_mode(BlockMode::Independent)
            .block_size(block_size)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(content.len() as u64));
        assert_eq!(decode(Compression::Lz4, &lz4(frame, &content)).as_ref(), Ok(&content));
    }
}

#[test]
fn lz4_frames_that_java_cannot_read_are_refused() {
    let independent = FrameInfo::new().block_mode(BlockMode::Independent).block_checksums(true);
    let good = lz4(independent, b"hello hello hello hello");
    assert!(decode(Compression::Lz4, &good).is_ok());
    let linked = lz4(FrameInfo::new().block_mode(BlockMode::Linked), &sample(200_000));
    assert!(decode(Compression::Lz4, &linked).is_err());
    for at in 0..good.len() - 4 {
        let mut damaged = good.clone();
        damaged[at] ^= 0x04;
        assert!(decode(Compression::Lz4, &damaged).is_err(), "byte {at}");
    }
    for cut in 0..good.len() {
        assert!(decode(Compression::Lz4, &good[..cut]).is_err(), "cut at {cut}");
    }
    let behind = [good.as_slice(), b"anything"].concat();
    assert!(decode(Compression::Lz4, &behind).is_ok(), "what follows the end mark is skipped");
}

#[test]
fn snappy_is_read_raw_framed_and_concatenated() {
    let content = sample(100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&content).expect("in memory");
    assert_eq!(decode(Compression::Snappy, &raw).as_ref(), Ok(&content));
    let framed = xerial(&[&content[..32_768], &content[32_768..]]);
    assert_eq!(decode(Compression::Snappy, &framed).as_ref(), Ok(&content));
    let concatenated = [xerial(&[&content]), xerial(&[&content])].concat();
    assert_eq!(decode(Compression::Snappy, &concatenated).map(|out| out.len()), Ok(200_000));
    assert_eq!(decode(Compression::Snappy, &xerial(&[])), Ok(Vec::new()));
}

#[test]
fn snappy_that_is_cut_off_or_announces_too_much_is_refused() {
    let framed = xerial(&[b"some bytes"]);
    for cut in 17..framed.len() {
        assert!(decode(Compression::Snappy, &framed[..cut]).is_err(), "cut at {cut}");
    }
    let negative = [xerial(&[]).as_slice(), &(-1i32).to_be_bytes()].concat();
    assert!(decode(Compression::Snappy, &negative).is_err());
    // A length of 4 GiB - 1, and nothing behind it.
    assert!(decode(Compression::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]).is_err());
}

#[test]
fn concatenated_gzip_members_and_zstd_frames_are_one_stream() {
    let member = |content: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let gzip = [member(b"ab"), member(b"cd")].concat();
    assert_eq!(decode(Compression::Gzip, &gzip), Ok(b"abcd".to_vec()));
    assert!(decode(Compression::Gzip, &gzip[..gzip.len() - 1]).is_err(), "the trailer is checked");
    let frame = |content: &[u8]| zstd::stream::encode_all(content, 3).expect("in memory");
    let zstd = [frame(b"ab"), frame(b"cd")].concat();
    assert_eq!(decode(Compression::Zstd, &zstd), Ok(b"abcd".to_vec()));
    assert!(decode(Compression::Zstd, &zstd[..zstd.len() - 1]).is_err());
}

#[test]
fn zstd_windows_beyond_128_mib_are_refused() {
    // Frame header without content size, window descriptor, one raw last block of one byte.
    let frame = |window_log: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 0b1001, 0, 0, b'x'];
    assert_eq!(decode(Compression::Zstd, &frame(27)), Ok(b"x".to_vec()));
    assert!(decode(Compression::Zstd, &frame(28)).is_err());
}
