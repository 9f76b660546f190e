//! What the handlers share that pass a request on to the controller.

use super::answer::Answer;
use super::codec::respond_throttled;
use crate::Broker;
use ottla_metadata::{ApiError, ControllerRequest, ControllerResponse};
use ottla_net::Outcome;
use ottla_protocol::RequestHeader;
use ottla_types::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// Longest time a client may wait for the controller, whatever its request says.
const CONTROLLER_WAIT_MAX: Duration = Duration::from_secs(60);

/// Submits `request`, waits at most `timeout` for the outcome, and answers what `answer` makes of it. Once the outcome is
/// known the broker also waits, within the same time, until it has applied the change itself, so that a client can use
/// right away what it created.
pub(super) fn submit<A: Answer + Send + Sync + 'static>(
    broker: &Arc<Broker>,
    header: RequestHeader,
    timeout: Duration,
    request: impl Into<ControllerRequest>,
    answer: impl FnOnce(Result<ControllerResponse, ApiError>) -> A + Send + 'static,
) -> Outcome {
    submit_throttled(broker, header, timeout, request, move |outcome| (answer(outcome), 0))
}

/// As [`submit`]; `answer` also says for how many milliseconds the client has to wait.
pub(super) fn submit_throttled<A: Answer + Send + Sync + 'static>(
    broker: &Arc<Broker>,
    header: RequestHeader,
    timeout: Duration,
    request: impl Into<ControllerRequest>,
    answer: impl FnOnce(Result<ControllerResponse, ApiError>) -> (A, i64) + Send + 'static,
) -> Outcome {
    let under_way = broker.controller().submit(request.into());
    let deadline = broker.runtime().now() + timeout.min(CONTROLLER_WAIT_MAX);
    let broker = Arc::clone(broker);
    Outcome::Later(Box::pin(async move {
        let left = deadline.saturating_duration_since(broker.runtime().now());
        let outcome = match broker.runtime().timeout(left, under_way).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(error.to_api_error()),
            Err(_) => Err(ApiError::new(
                ErrorCode::RequestTimedOut,
                "the controller did not answer in time; the change may still be made",
            )),
        };
        if outcome.is_ok() {
            broker.wait_until_applied(deadline).await;
        }
        let (response, wait_ms) = answer(outcome);
        respond_throttled(&broker, &header, &response, wait_ms)
    }))
}

/// The answer for each resource (its type and name) of a request that was refused as a whole: `answer` makes it of the error
/// code, its message, the type and the name.
pub(super) fn refuse_each<T>(
    resources: Vec<(i8, String)>,
    error: &ApiError,
    answer: impl Fn(i16, Option<String>, i8, String) -> T,
) -> Vec<T> {
    let refused = |(kind, name): (i8, String)| answer(error.code.code(), error.message.clone(), kind, name);
    resources.into_iter().map(refused).collect()
}

/// The answer for what is beyond the controller mutation quota, in Kafka's words.
pub(crate) fn quota_exceeded() -> ApiError {
    ApiError::new(ErrorCode::ThrottlingQuotaExceeded, "The throttling quota has been exceeded.")
}

/// A request's timeout in milliseconds as a duration.
pub(super) fn timeout_ms(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}
