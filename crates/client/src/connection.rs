//! One connection to one broker.
//!
//! Connecting negotiates versions with ApiVersions. After that any number of tasks may send: requests leave in the order
//! in which [`Connection::begin`] was called, answers come back in the same order, and one task of the connection
//! matches them. When the connection ends, everything unanswered fails with the reason, and so does all that follows:
//! open another one.

mod driver;
mod frames;
mod negotiate;

use crate::call::Call;
use crate::error::ClientError;
use crate::options::ClientOptions;
use crate::versions::BrokerVersions;
use bytes::Bytes;
use driver::{Outgoing, Waiting};
use ottla_protocol::{Encoded, Message, Reader, Request, ResponseHeader, frame};
use ottla_runtime::{Part, Runtime, TaskHandle};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// An open connection. Clones share it; it is closed when the last clone and the last [`PendingResponse`] are gone.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    versions: Arc<BrokerVersions>,
}

struct Shared {
    runtime: Runtime,
    address: String,
    client_id: String,
    request_timeout: Duration,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    /// Bounds what is queued and unanswered together.
    in_flight: Arc<Semaphore>,
    next_correlation_id: AtomicI32,
    driver: TaskHandle<()>,
    /// Closed by us, most often because an answer did not come in time.
    given_up: AtomicBool,
}

type Answer = oneshot::Receiver<Result<Bytes, ClientError>>;

/// A request that was sent and is not answered yet.
pub struct PendingResponse<R> {
    shared: Arc<Shared>,
    answer: Answer,
    version: i16,
    timeout: Duration,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects to `host:port` and negotiates versions.
    ///
    /// # Errors
    /// `Connect`, `NotKafka`, or what ApiVersions answers with.
    pub fn connect<'a>(runtime: &'a Runtime, address: &'a str, options: &'a ClientOptions) -> Call<'a, Connection> {
        Box::pin(async move {
            let timeout =
                || ClientError::Connect { address: address.to_string(), failure: crate::ConnectFailure::Timeout };
            let opening = Connection::open(runtime, address, options);
            runtime.timeout(options.connect_timeout, opening).await.map_err(|_| timeout())?
        })
    }

    async fn open(runtime: &Runtime, address: &str, options: &ClientOptions) -> Result<Connection, ClientError> {
        let connected = runtime.connect(address).await.map_err(|error| ClientError::connect(address, &error))?;
        let (outgoing, queue) = mpsc::unbounded_channel();
        let driving = driver::drive(connected, queue, address.to_string(), options.response_bytes_max);
        let shared = Shared {
            runtime: runtime.clone(),
            address: address.to_string(),
            client_id: options.client_id.clone(),
            request_timeout: options.request_timeout,
            outgoing,
            in_flight: Arc::new(Semaphore::new(options.in_flight_max)),
            next_correlation_id: AtomicI32::new(0),
            driver: runtime.spawn("client.connection", driving),
            given_up: AtomicBool::new(false),
        };
        let mut connection = Connection { shared: Arc::new(shared), versions: Arc::default() };
        connection.versions = Arc::new(negotiate::negotiate(&connection).await?);
        Ok(connection)
    }

    /// `host:port` of the broker.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// What the broker advertises.
    pub fn versions(&self) -> &BrokerVersions {
        &self.versions
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.given_up.load(Ordering::Relaxed) || self.shared.outgoing.is_closed()
    }

    /// Ends the connection for all its clones; what is unanswered fails.
    pub fn close(&self) {
        self.shared.give_up();
    }

    /// The highest version of `R` that both sides know.
    ///
    /// # Errors
    /// `NoCommonVersion`.
    pub fn version_of<R: Request>(&self) -> Result<i16, ClientError> {
        let latest_stable = R::MAX_VERSION - i16::from(R::KEY.info().latest_version_unstable);
        self.version_within::<R>((R::MIN_VERSION, latest_stable))
    }

    /// The highest version of `R` within `ours` that the broker knows.
    ///
    /// # Errors
    /// `NoCommonVersion`.
    pub fn version_within<R: Request>(&self, ours: (i16, i16)) -> Result<i16, ClientError> {
        self.versions.highest_common(&self.shared.address, R::KEY, ours)
    }

    /// Sends a request in the highest common version and waits for its answer.
    ///
    /// # Errors
    /// Those of the connection. Error codes inside the answer are the caller's to read.
    pub async fn send<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let version = self.version_of::<R>()?;
        self.begin(request, version, &[]).await?.wait().await
    }

    /// Sends a request in this version without waiting for its answer. `records` are the parts behind
    /// `Records::External` fields, by index. Waits only while too many requests are unanswered.
    ///
    /// # Errors
    /// `Disconnected`, or `Invalid` for a request that the version cannot carry.
    pub async fn begin<R: Request>(
        &self,
        request: &R,
        version: i16,
        records: &[Bytes],
    ) -> Result<PendingResponse<R>, ClientError> {
        let (answer, receiver) = oneshot::channel();
        self.enqueue(request, version, records, Some(answer)).await?;
        let (shared, timeout) = (self.shared.clone(), self.shared.request_timeout);
        Ok(PendingResponse { shared, answer: receiver, version, timeout, request: PhantomData })
    }

    /// Sends a request that gets no answer: Produce with acks=0.
    ///
    /// # Errors
    /// As for [`Connection::begin`].
    pub async fn send_without_answer<R: Request>(
        &self,
        request: &R,
        version: i16,
        records: &[Bytes],
    ) -> Result<(), ClientError> {
        self.enqueue(request, version, records, None).await
    }

    async fn enqueue<R: Request>(
        &self,
        request: &R,
        version: i16,
        records: &[Bytes],
        answer: Option<oneshot::Sender<Result<Bytes, ClientError>>>,
    ) -> Result<(), ClientError> {
        let shared = &self.shared;
        let place = shared.in_flight.clone().acquire_owned().await.map_err(|_| self.closed())?;
        let correlation_id = shared.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let encoded = frame::request(request, version, correlation_id, Some(&shared.client_id))?;
        let waiting = Waiting { correlation_id, answer, _place: place };
        let outgoing = Outgoing { parts: parts(&encoded, records), waiting };
        shared.outgoing.send(outgoing).map_err(|_| self.closed())
    }

    fn closed(&self) -> ClientError {
        ClientError::Disconnected { address: self.shared.address.clone(), reason: "it was closed before".to_string() }
    }
}

impl Shared {
    /// The answer to a request of this name as it came.
    fn wait_for_frame(self: Arc<Shared>, answer: Answer, timeout: Duration, api: &'static str) -> Call<'static, Bytes> {
        Box::pin(async move {
            let answered = self.runtime.timeout(timeout, answer).await;
            let answered = answered.map_err(|_| {
                // Answers come in order: everything behind this one would wait too.
                self.give_up();
                ClientError::Timeout { api, after: timeout }
            })?;
            answered.unwrap_or_else(|_| {
                let reason = "it was closed".to_string();
                Err(ClientError::Disconnected { address: self.address.clone(), reason })
            })
        })
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.driver.abort();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl<R: Request> PendingResponse<R> {
    /// The same, waiting for at most this long beyond the time that the broker was asked to take.
    pub fn allow(mut self, more: Duration) -> PendingResponse<R> {
        self.timeout += more;
        self
    }

    /// The answer.
    ///
    /// # Errors
    /// `Disconnected`, `Timeout`, `Unreadable`.
    pub async fn wait(self) -> Result<R::Response, ClientError> {
        let version = self.version;
        let address = self.shared.address.clone();
        let frame = self.wait_for_frame().await?;
        let mut reader = Reader::new(&frame);
        let unreadable = |error| ClientError::unreadable(&address, R::KEY.name(), &error);
        ResponseHeader::decode(&mut reader, R::KEY, version).map_err(unreadable)?;
        let response = R::Response::decode(&mut reader, version).map_err(unreadable)?;
        reader.finish().map_err(unreadable)?;
        Ok(response)
    }

    /// The answer as it came: response header and body.
    pub(crate) fn wait_for_frame(self) -> Call<'static, Bytes> {
        let PendingResponse { shared, answer, timeout, .. } = self;
        shared.wait_for_frame(answer, timeout, R::KEY.name())
    }
}

/// The encoded frame with the records in its holes.
fn parts(encoded: &Encoded, records: &[Bytes]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2 * encoded.splices.len() + 1);
    let mut from = 0;
    for splice in &encoded.splices {
        parts.push(Part::Bytes(encoded.buf.slice(from..splice.position)));
        parts.push(Part::Bytes(records[splice.index as usize].clone()));
        from = splice.position;
    }
    parts.push(Part::Bytes(encoded.buf.slice(from..)));
    parts.retain(|part| !part.is_empty());
    parts
}
