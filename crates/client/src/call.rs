//! Calls under way, as values.

use crate::error::ClientError;
use std::future::Future;
use std::pin::Pin;

/// What a function of this crate that asks a broker returns. It is boxed so that the compiler makes it once, here: an `async fn` is
/// compiled again in every crate that awaits it, with all that it awaits in turn.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send + 'a>>;
