//! Cuts the bytes from a broker into frames.

use crate::error::ClientError;
use bytes::{Buf, Bytes, BytesMut};
use ottla_runtime::Receiver;

const SIZE_BYTES: usize = 4;
/// The least and the first room that a read gets.
const READ_BYTES: usize = 8 * 1024;
/// The most that one step of growth trusts an announced size with.
const GROWTH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a connection ends.
pub(super) enum Ending {
    /// The network or the other side ended it.
    Lost(String),
    /// What came is not from a Kafka broker.
    Foreign(String),
}

impl Ending {
    pub(super) fn to_error(&self, address: &str) -> ClientError {
        let address = address.to_string();
        match self {
            Ending::Lost(reason) => ClientError::Disconnected { address, reason: reason.clone() },
            Ending::Foreign(found) => ClientError::NotKafka { address, found: found.clone() },
        }
    }
}

/// Reads frames one by one.
pub(super) struct FrameReader {
    receiver: Receiver,
    buffer: BytesMut,
    largest: usize,
}

impl FrameReader {
    pub(super) fn new(receiver: Receiver, largest: usize) -> FrameReader {
        FrameReader { receiver, buffer: BytesMut::new(), largest }
    }

    /// The next frame without its size, or why there is none.
    pub(super) async fn next(&mut self) -> Result<Bytes, Ending> {
        self.fill(SIZE_BYTES).await?;
        let prefix = *self.buffer.first_chunk::<SIZE_BYTES>().expect("four bytes are here");
        let size = usize::try_from(i32::from_be_bytes(prefix)).ok().filter(|size| *size <= self.largest);
        let size = size.ok_or_else(|| Ending::Foreign(unlike_a_size(prefix)))?;
        self.buffer.advance(SIZE_BYTES);
        self.fill(size).await?;
        Ok(self.buffer.split_to(size).freeze())
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), Ending> {
        while self.buffer.len() < bytes {
            let lacks = bytes - self.buffer.len();
            if self.buffer.capacity() - self.buffer.len() < lacks.min(READ_BYTES) {
                self.buffer.reserve(lacks.clamp(READ_BYTES, GROWTH_BYTES_MAX));
            }
            match self.receiver.read(&mut self.buffer).await {
                Ok(0) => return Err(Ending::Lost("the other side closed it".to_string())),
                Ok(_) => {}
                Err(error) => return Err(Ending::Lost(error.to_string())),
            }
        }
        Ok(())
    }
}

/// Names what a broker does not send.
fn unlike_a_size(prefix: [u8; SIZE_BYTES]) -> String {
    match &prefix {
        b"HTTP" => "it speaks HTTP".to_string(),
        [0x15 | 0x16, 0x03, ..] => "it speaks TLS".to_string(),
        b"SSH-" => "it speaks SSH".to_string(),
        _ if prefix.iter().all(u8::is_ascii_graphic) => {
            format!("it speaks a text protocol ({}...)", String::from_utf8_lossy(&prefix))
        }
        _ => format!("it sent {} as the size of an answer", i32::from_be_bytes(prefix)),
    }
}
