//! Requests and answers, and how they travel.
//!
//! A provider says what it asks; [`Https`] carries it. Tests carry it elsewhere. A request never
//! shows its key: neither its `Debug` nor an error has the query, and a redirect to another host,
//! which would be given the key, is not followed.

use std::fmt;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

/// The largest answer that is read, in bytes. A week of generation per type is 1.5 MB of XML.
pub const LARGEST: usize = 8 << 20;

/// What is asked.
#[derive(Clone)]
pub struct Request {
    /// Address without a query.
    pub url: String,
    /// Names and values of the query.
    pub query: Vec<(String, SecretString)>,
    /// Names and values of headers.
    pub headers: Vec<(&'static str, SecretString)>,
    /// With a body it is a POST, and the body JSON.
    pub body: Option<String>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status of HTTP.
    pub status: u16,
    /// `Retry-After` as it came.
    pub retry_after: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// At most [`LARGEST`] bytes.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke. The text has no address in it.
    #[error("{0}")]
    Connection(String),
    /// More than [`LARGEST`] bytes.
    #[error("the answer is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// The request itself can't be: an address or a header that is none.
    #[error("{0}")]
    Request(String),
}

/// How a request travels. It has no time limit of its own.
pub trait Transport: Send + Sync {
    /// Sends a request, and reads the whole answer.
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>>;
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(url: impl Into<String>, body: String) -> Self {
        Self { body: Some(body), ..Self::get(url) }
    }

    /// With one more parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into().into()));
        self
    }

    /// With a key as a parameter.
    #[must_use]
    pub fn secret_query(mut self, name: &str, value: SecretString) -> Self {
        self.query.push((name.to_owned(), value));
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into().into()));
        self
    }

    /// With a key as a header.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: SecretString) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        let headers: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Request")
            .field("url", &self.url)
            .field("query", &query)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// HTTP and HTTPS by `reqwest`, with rustls and ring.
#[derive(Clone, Debug)]
pub struct Https {
    client: Client,
}

impl Https {
    /// A client that keeps its connections.
    ///
    /// # Errors
    ///
    /// [`TransportError::Connection`] where TLS can't start, such as without any root certificate.
    pub fn new() -> Result<Self, TransportError> {
        // The client has TLS, but no cryptography of its own. Another one that was there first would
        // do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("carbon-kube/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::custom(within_the_host))
            .build()
            .map_err(|error| connection(&error.without_url()))?;
        Ok(Self { client })
    }

    /// The client as what a [`Context`](crate::guard::Context) takes.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn shared() -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Self::new()?))
    }

    async fn exchange(&self, request: &Request) -> Result<Response, TransportError> {
        let unfit = |_| TransportError::Request("the base address is no URL".to_owned());
        let mut url = Url::parse(&request.url).map_err(unfit)?;
        if !request.query.is_empty() {
            let pairs = request.query.iter().map(|(name, value)| (name, value.expose_secret()));
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let mut builder = match &request.body {
            Some(body) => {
                let post = self.client.post(url).header("content-type", "application/json");
                post.body(body.clone())
            }
            None => self.client.get(url),
        };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.expose_secret());
        }
        let mut answer = builder.send().await.map_err(|error| connection(&error.without_url()))?;
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let mut response = Response {
            status: answer.status().as_u16(),
            retry_after: header("retry-after"),
            etag: header("etag"),
            last_modified: header("last-modified"),
            body: Vec::new(),
        };
        // Piece by piece: an endless answer must not fill the memory.
        while let Some(piece) =
            answer.chunk().await.map_err(|error| connection(&error.without_url()))?
        {
            if response.body.len() + piece.len() > LARGEST {
                return Err(TransportError::TooLarge);
            }
            response.body.extend_from_slice(&piece);
        }
        Ok(response)
    }
}

impl Transport for Https {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        self.exchange(request).boxed()
    }
}

/// A key in a header or query is for the host that it was given for, and never for plain text.
fn within_the_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let origin =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
    let same = attempt.previous().last().is_some_and(|last| origin(last) == origin(attempt.url()));
    if same && attempt.previous().len() <= 3 { attempt.follow() } else { attempt.stop() }
}

/// What went wrong, outermost first; without the address, which the caller took off.
fn connection(error: &reqwest::Error) -> TransportError {
    let what = if error.is_builder() {
        return TransportError::Request("the request can't be built".to_owned());
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the exchange failed"
    };
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    TransportError::Connection(format!("{what}: {root}"))
}
