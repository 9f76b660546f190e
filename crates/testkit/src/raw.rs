//! A connection for tests that need to send exactly these bytes.

use bytes::{Buf, Bytes, BytesMut};
use ottla_protocol::{Message, Reader, Request, ResponseHeader, frame};
use ottla_runtime::{Part, Receiver, Runtime, Sender};
use std::io;

const CLIENT_ID: &str = "ottla-testkit";

/// Sends bytes, frames or requests, and reads frames. Errors of the connection are the caller's to judge; answers that
/// are no frames panic.
pub struct RawConnection {
    receiver: Receiver,
    sender: Option<Sender>,
    buffer: BytesMut,
    correlation_id: i32,
}

impl RawConnection {
    /// Connects to `host:port`.
    pub async fn connect(runtime: &Runtime, address: &str) -> io::Result<RawConnection> {
        let (receiver, sender) = runtime.connect(address).await?.split();
        Ok(RawConnection { receiver, sender: Some(sender), buffer: BytesMut::new(), correlation_id: 0 })
    }

    /// Sends these bytes as they are.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> io::Result<()> {
        let sender = self.sender.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        sender.send(vec![Part::Bytes(bytes.into())]).await
    }

    /// Sends the size of `body`, then `body`.
    pub async fn send_frame(&mut self, body: &[u8]) -> io::Result<()> {
        let size = u32::try_from(body.len()).expect("a frame is smaller than 4 GiB");
        self.send([&size.to_be_bytes(), body].concat()).await
    }

    /// Sends a request and returns its correlation id, without waiting for the answer.
    pub async fn send_request<R: Request>(&mut self, request: &R, version: i16) -> io::Result<i32> {
        self.correlation_id += 1;
        let encoded = frame::request(request, version, self.correlation_id, Some(CLIENT_ID));
        self.send(encoded.expect("the test's request can be encoded").buf).await?;
        Ok(self.correlation_id)
    }

    /// Sends a request and returns the answer.
    pub async fn call<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let sent = self.send_request(request, version).await?;
        let (correlation_id, response) = self.read_response::<R>(version).await?;
        assert_eq!(correlation_id, sent, "answers come in the order of the requests");
        Ok(response)
    }

    /// Reads the answer to a request of type `R`: its correlation id and body.
    pub async fn read_response<R: Request>(&mut self, version: i16) -> io::Result<(i32, R::Response)> {
        let frame = self.read_frame().await?;
        let mut reader = Reader::new(&frame);
        let header = ResponseHeader::decode(&mut reader, R::KEY, version).expect("a response header");
        let response = R::Response::decode(&mut reader, version).expect("a response body");
        reader.finish().expect("nothing follows the response");
        Ok((header.correlation_id, response))
    }

    /// Reads one frame, without its size.
    pub async fn read_frame(&mut self) -> io::Result<Bytes> {
        self.fill(4).await?;
        let size = usize::try_from(self.buffer.get_i32()).expect("a size is not negative");
        self.fill(size).await?;
        Ok(self.buffer.split_to(size).freeze())
    }

    /// Reads until the other side closes; returns what it still sent. A reset counts as closing.
    pub async fn read_to_end(&mut self) -> Bytes {
        loop {
            self.buffer.reserve(4096);
            match self.receiver.read(&mut self.buffer).await {
                Ok(0) | Err(_) => return self.buffer.split().freeze(),
                Ok(_) => {}
            }
        }
    }

    /// Tells the other side that no more will come; answers can still be read.
    pub fn finish_sending(&mut self) {
        self.sender = None;
    }

    async fn fill(&mut self, bytes: usize) -> io::Result<()> {
        while self.buffer.len() < bytes {
            self.buffer.reserve(4096.max(bytes - self.buffer.len()));
            if self.receiver.read(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    }
}
