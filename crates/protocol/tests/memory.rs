//! What a hostile frame makes a decoder allocate: never more than a small multiple of the frame.

use std::alloc::System;

use bytes::Bytes;
use cap::Cap;
use ottla_protocol::{AnyRequest, AnyResponse, ApiKey};

#[path = "support/vectors.rs"]
mod vectors;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that any frame may cost, and per byte of the frame: the reader's bound for arrays, plus the strings and the
/// allocator's rounding, which the reader does not count.
const FLOOR: usize = 1024 * 1024 + 64 * 1024;
const FACTOR: usize = 16 + 4;

/// Decodes under a limit: the process ends if a decoder asks for more, also for memory that it gives back at once.
fn bounded<T>(name: &str, version: i16, frame: &Bytes, decode: impl FnOnce(&Bytes) -> T) {
    let bound = FLOOR + FACTOR * frame.len();
    let before = HEAP.allocated();
    HEAP.set_limit(before + bound).unwrap();
    let message = decode(frame);
    let after = HEAP.allocated();
    HEAP.set_limit(usize::MAX).unwrap();
    assert!(after.saturating_sub(before) <= bound, "{name} {version}: {} bytes of {}", after - before, frame.len());
    drop(message);
}

fn decode_as_everything(frame: &Bytes) {
    for &key in ApiKey::ALL {
        let info = key.info();
        for version in info.min_version..=info.max_version {
            bounded(info.name, version, frame, |frame| AnyRequest::decode(key, version, frame));
            bounded(info.name, version, frame, |frame| AnyResponse::decode(key, version, frame));
        }
    }
}

/// One test, because the limit is the whole process's.
#[test]
fn hostile_frames_take_a_small_multiple_of_their_size() {
    for byte in [0u8, 1, 2, 3, 0x20, 0x7f, 0xff] {
        decode_as_everything(&Bytes::from(vec![byte; 100_000]));
    }
    // An array of as many empty elements as the frame holds, in classic and in compact form.
    for prefix in [&[0, 1, 0x80, 0][..], &[0, 0, 0, 1, 0x80, 0], &[0x81, 0x80, 6], &[0, 0, 0, 0, 0x81, 0x80, 6]] {
        let mut frame = prefix.to_vec();
        frame.resize(400_000, 0);
        decode_as_everything(&Bytes::from(frame.clone()));
        frame[prefix.len()..].fill(1);
        decode_as_everything(&Bytes::from(frame));
    }
    // Every message with a huge length at every place where one could stand.
    for vector in vectors::all() {
        let (request, response) = (vector.name.strip_suffix("Request"), vector.name.strip_suffix("Response"));
        let Some(&key) = ApiKey::ALL.iter().find(|key| Some(key.name()) == request.or(response)) else { continue };
        for at in 0..vector.bytes.len() {
            for huge in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 7], &[0xff, 0x7f], &[0x7f]] {
                let frame = [&vector.bytes[..at], huge, &vector.bytes[at..]].concat();
                let frame = Bytes::from(frame);
                if request.is_some() {
                    bounded(&vector.name, vector.version, &frame, |f| AnyRequest::decode(key, vector.version, f));
                } else {
                    bounded(&vector.name, vector.version, &frame, |f| AnyResponse::decode(key, vector.version, f));
                }
            }
        }
    }
}
