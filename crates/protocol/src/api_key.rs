//! API keys: what each request is called, and which versions of it Kafka 4.3 knows.

use crate::ApiKey;

/// Facts about an API key, from the schemas of its request and response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiInfo {
    /// Kafka's name without `Request`, for example `Produce`.
    pub name: &'static str,
    /// The lowest version of the request.
    pub min_version: i16,
    /// The highest version of the request.
    pub max_version: i16,
    /// The first flexible version; `i16::MAX` when there is none.
    pub flexible_from: i16,
    /// Whether Kafka hides the highest version unless `unstable.api.versions.enable` is set.
    pub latest_version_unstable: bool,
    /// The listeners that serve it.
    pub listeners: &'static [Listener],
}

/// Which role's listener serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Brokers: what clients connect to.
    Broker,
    /// Controllers of the metadata quorum.
    Controller,
}

impl ApiKey {
    /// Kafka's name, for example `Produce`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The value in a request header.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// Whether Kafka 4.3 has a schema for this version, served by us or not.
    pub fn has_version(self, version: i16) -> bool {
        (self.info().min_version..=self.info().max_version).contains(&version)
    }

    /// Whether this version of request and response is flexible (KIP-482). Versions that do not exist have an answer
    /// too, because the header is read before the version is judged.
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.info().flexible_from
    }

    /// The version of the request header in front of a request: 2 has tagged fields, 1 has not.
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the response header in front of a response: 1 has tagged fields, 0 has not. ApiVersions always
    /// answers with 0, so that a client that asked in an unknown version can read the answer (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) && self != ApiKey::ApiVersions { 1 } else { 0 }
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// [`ApiKey`], [`crate::AnyRequest`] and [`crate::AnyResponse`] from the list of requests and responses.
macro_rules! api_keys {
    ($($code:literal $name:ident($request:ident, $response:ident) unstable=$unstable:literal [$($listener:ident)*],)*) => {
        /// The key of a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[doc = concat!("Key ", $code, ".")] $name = $code,)*
        }

        impl ApiKey {
            /// Every key of Kafka 4.3, ascending.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The key with this value, if Kafka 4.3 defines it.
            pub fn from_code(code: i16) -> Option<ApiKey> {
                match code {
                    $($code => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// What the schemas say about it.
            pub fn info(self) -> &'static crate::ApiInfo {
                match self {
                    $(ApiKey::$name => &crate::ApiInfo {
                        name: stringify!($name),
                        min_version: <$request as crate::Message>::MIN_VERSION,
                        max_version: <$request as crate::Message>::MAX_VERSION,
                        flexible_from: <$request as crate::Message>::FLEXIBLE_FROM,
                        latest_version_unstable: $unstable,
                        listeners: &[$(crate::Listener::$listener,)*],
                    },)*
                }
            }
        }

        crate::api_key::any_message! { AnyRequest "request" $($name($request),)* }
        crate::api_key::any_message! { AnyResponse "response" $($name($response),)* }
    };
}

/// An enum over all requests or all responses.
macro_rules! any_message {
    ($any:ident $what:literal $($name:ident($message:ident),)*) => {
        #[doc = concat!("The ", $what, " of any API key.")]
        #[derive(Debug, Clone, PartialEq)]
        pub enum $any {
            $(#[doc = concat!("[`", stringify!($message), "`].")] $name($message),)*
        }

        $(
            impl From<$message> for $any {
                fn from(message: $message) -> Self {
                    $any::$name(message)
                }
            }
        )*

        impl $any {
            /// Which API it belongs to.
            pub fn api_key(&self) -> ApiKey {
                match self {
                    $($any::$name(_) => ApiKey::$name,)*
                }
            }

            #[doc = concat!("The ", $what, " of `api_key` with every field at its default.")]
            pub fn default_of(api_key: ApiKey) -> Self {
                match api_key {
                    $(ApiKey::$name => $any::$name($message::default()),)*
                }
            }

            #[doc = concat!("Reads a whole ", $what, " body, without its header.")]
            ///
            /// # Errors
            /// When the version does not exist, or the bytes are not exactly this message.
            pub fn decode(api_key: ApiKey, version: i16, body: &bytes::Bytes) -> Result<Self, crate::DecodeError> {
                let mut r = crate::Reader::new(body);
                let message = match api_key {
                    $(ApiKey::$name => $any::$name(crate::Message::decode(&mut r, version)?),)*
                };
                r.finish()?;
                Ok(message)
            }

            /// Appends the body, without a header.
            ///
            /// # Errors
            /// When the version does not exist or cannot carry a field that is set.
            pub fn encode(&self, w: &mut crate::Writer, version: i16) -> Result<(), crate::EncodeError> {
                match self {
                    $($any::$name(message) => crate::Message::encode(message, w, version),)*
                }
            }
        }
    };
}

pub(crate) use {any_message, api_keys};
