//! From a valid input to a nearly valid one.

use fastrand::Rng;

/// Longest input that a mutation makes.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// Numbers at which counts and lengths go wrong.
const INTERESTING: [i64; 14] =
    [0, 1, -1, 2, 127, 128, -128, 255, 32767, -32768, 65535, i32::MAX as i64, i32::MIN as i64, i64::MAX];

/// One to eight small changes of `seed`.
pub(crate) fn mutate(rng: &mut Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.usize(1..=8) {
        change(rng, &mut bytes);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.usize(0..=bytes.len());
    match rng.u8(0..8) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, rng.u8(..)),
        2 => overwrite(bytes, at, &INTERESTING[rng.usize(..INTERESTING.len())].to_be_bytes()[rng.usize(0..8)..]),
        3 => repeat(rng, bytes, at),
        4 if !bytes.is_empty() => drop(bytes.remove(at.min(bytes.len() - 1))),
        5 => overwrite(bytes, at, &[0xff; 5]),
        6 => overwrite(bytes, at, &[rng.u8(..)]),
        _ => flip(rng, bytes),
    }
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(0..8);
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (place, &byte) in bytes[at..].iter_mut().zip(with) {
        *place = byte;
    }
}

fn repeat(rng: &mut Rng, bytes: &mut Vec<u8>, at: usize) {
    let end = (at + rng.usize(0..64)).min(bytes.len());
    let piece = bytes[at..end].to_vec();
    if bytes.len() + piece.len() <= INPUT_BYTES_MAX {
        bytes.splice(at..at, piece);
    }
}
