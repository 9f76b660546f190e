//! How a request fails: a status, and a JSON object that names cause and next step.

use crate::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// Status of the response.
    pub status: StatusCode,
    /// What is wrong.
    pub cause: String,
    /// What to do about it.
    pub next_step: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'a str>,
}

impl HttpError {
    /// The request makes no sense: status 400.
    pub fn bad_request(cause: impl Into<String>) -> HttpError {
        HttpError { status: StatusCode::BAD_REQUEST, cause: cause.into(), next_step: None }
    }

    /// The service cannot answer now: status 503.
    pub fn unavailable(cause: impl Into<String>) -> HttpError {
        HttpError { status: StatusCode::SERVICE_UNAVAILABLE, cause: cause.into(), next_step: None }
    }

    /// The same error with a next step.
    pub fn next_step(mut self, next_step: impl Into<String>) -> HttpError {
        self.next_step = Some(next_step.into());
        self
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let body = Body { error: &self.cause, next_step: self.next_step.as_deref() };
        (self.status, Json(body)).into_response()
    }
}

pub(crate) async fn no_such_page(uri: Uri) -> HttpError {
    let cause = format!("there is no page {}", uri.path());
    HttpError { status: StatusCode::NOT_FOUND, cause, next_step: Some("see / for the pages there are".to_string()) }
}

pub(crate) async fn no_such_method(method: Method, uri: Uri) -> HttpError {
    let cause = format!("{} does not know the method {method}", uri.path());
    HttpError { status: StatusCode::METHOD_NOT_ALLOWED, cause, next_step: None }
}
