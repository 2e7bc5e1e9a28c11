//! A language model behind an OpenAI-compatible endpoint, which words what was worked out.
//!
//! Nothing of it is needed: without `OPENAI_BASE_URL` and `OPENAI_API_KEY` the agents say what they
//! have worked out in words of their own.

mod events;
mod prompt;

use std::collections::VecDeque;
use std::env;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use self::events::{Event, Events};
pub(crate) use self::prompt::Prompt;

/// Until a connection is there.
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Until the answer begins, and from one piece of it to the next.
const SILENCE_TIMEOUT_MS: u64 = 60_000;
/// Longest answer, in bytes of text.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// What the environment says about a model, for a program's help.
pub(crate) const HELP: &str = "Environment:\n  \
    OPENAI_BASE_URL  An OpenAI-compatible endpoint, such as https://api.openai.com/v1, whose model words the answers\n  \
    OPENAI_API_KEY   Its key; without both the agents use words of their own\n  \
    OPENAI_MODEL     The model's name [default: gpt-4o-mini]";

/// Why a model cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelSetupError {
    #[error("OPENAI_BASE_URL is not the URL of an endpoint: {0}")]
    Url(String),
    #[error("OPENAI_API_KEY cannot be sent in a header")]
    Key,
    #[error("no certificates to trust: {0}")]
    Certificates(std::io::Error),
}

/// Why an answer failed. The texts are for the log of this program: they may hold what readers of
/// a session must not see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it says nothing for {SILENCE_TIMEOUT_MS} ms")]
    Silent,
    #[error("it answers {status}: {body}")]
    Refused { status: StatusCode, body: String },
    #[error("it answers what cannot be read: {0}")]
    Garbled(String),
    #[error("its answer breaks off")]
    CutOff,
    #[error("its answer is longer than {ANSWER_MAX_BYTES} bytes")]
    TooLong,
    #[error("it reports an error: {0}")]
    Reported(String),
}

impl ModelError {
    /// The code that a run ends with.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "model_unreachable",
            Self::Silent => "model_timeout",
            Self::Refused { status, .. } => match *status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "model_unauthorized",
                StatusCode::TOO_MANY_REQUESTS => "model_rate_limited",
                status if status.is_server_error() => "model_unavailable",
                _ => "model_refused",
            },
            Self::Garbled(_) => "model_garbled",
            Self::CutOff => "model_cut_off",
            Self::TooLong => "model_too_long",
            Self::Reported(_) => "model_failed",
        }
    }
}

/// A model that can be asked.
#[derive(Debug)]
pub(crate) struct Model {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    authorization: HeaderValue,
    name: String,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.uri)
    }
}

impl Model {
    /// The model that the environment names: `None` unless endpoint and key are there. A key is no
    /// argument, as arguments are for all users of a machine to see.
    pub(crate) fn from_environment() -> Result<Option<Self>, ModelSetupError> {
        let told = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        match (told("OPENAI_BASE_URL"), told("OPENAI_API_KEY")) {
            (Some(base), Some(key)) => {
                let name = told("OPENAI_MODEL").unwrap_or_else(|| DEFAULT_MODEL.to_owned());
                Self::new(base, &key, name).map(Some)
            }
            (None, _) | (_, None) => Ok(None),
        }
    }

    fn new(base: String, key: &str, name: String) -> Result<Self, ModelSetupError> {
        let uri = format!("{}/chat/completions", base.trim().trim_end_matches('/'));
        let uri: Uri = uri.parse().map_err(|_| ModelSetupError::Url(base.clone()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(ModelSetupError::Url(base));
        }
        let authorization = HeaderValue::from_str(&format!("Bearer {}", key.trim()));
        let mut authorization = authorization.map_err(|_| ModelSetupError::Key)?;
        authorization.set_sensitive(true);

        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)));
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(ModelSetupError::Certificates)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri, authorization, name })
    }

    /// Asks, and waits until the answer begins. Dropping the future or the answer drops the
    /// connection.
    pub(crate) async fn answer(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        let body = Full::new(Bytes::from(prompt.body(&self.name)));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = patient(self.client.request(request)).await?;
        let response = response.map_err(|error| ModelError::Unreachable(told(&error)))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(ModelError::Refused { status: head.status, body: beginning(body).await });
        }
        let events = Events::default();
        Ok(Answer { body, events, ready: VecDeque::new(), written_bytes: 0, has_begun: false })
    }
}

/// An answer that comes in.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Incoming,
    events: Events,
    ready: VecDeque<Event>,
    written_bytes: usize,
    has_begun: bool,
}

impl Answer {
    /// The next piece of text; `None` at its end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ModelError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return self.heed(event);
            }
            let Some(frame) = patient(self.body.frame()).await? else {
                return Err(if self.events.has_any() {
                    ModelError::CutOff
                } else {
                    ModelError::Garbled("no events".to_owned())
                });
            };
            let frame = frame.map_err(|_| ModelError::CutOff)?;
            if let Ok(data) = frame.into_data() {
                self.ready.extend(self.events.take(&data).map_err(ModelError::Garbled)?);
            }
        }
    }

    fn heed(&mut self, event: Event) -> Result<Option<String>, ModelError> {
        match event {
            Event::Text(text) => {
                self.has_begun = true;
                self.written_bytes += text.len();
                let fits = self.written_bytes <= ANSWER_MAX_BYTES;
                if fits { Ok(Some(text)) } else { Err(ModelError::TooLong) }
            }
            Event::End if self.has_begun => Ok(None),
            Event::End => Err(ModelError::Garbled("an empty answer".to_owned())),
            Event::Error(error) => Err(ModelError::Reported(error)),
        }
    }
}

async fn patient<T>(work: impl Future<Output = T>) -> Result<T, ModelError> {
    let limit = Duration::from_millis(SILENCE_TIMEOUT_MS);
    timeout(limit, work).await.map_err(|_| ModelError::Silent)
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// How a body begins, for an error's text.
async fn beginning(mut body: Incoming) -> String {
    const BEGINNING_MAX_BYTES: usize = 512;
    let mut bytes = Vec::new();
    while bytes.len() < BEGINNING_MAX_BYTES {
        let Ok(Some(Ok(frame))) = patient(body.frame()).await else { break };
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.truncate(BEGINNING_MAX_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}
