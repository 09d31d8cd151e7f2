//! The HTTP client: streams, follows redirects by hand, and reaches no private network.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use longshore_bottles::ports::{Fetched, Source};
use longshore_bottles::urls;
use longshore_events::address;
use longshore_events::retry_after;
use longshore_state::{CallError, ErrorClass};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, ETAG, HeaderName, IF_NONE_MATCH, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use crate::bandwidth::Bandwidth;
use crate::retry::{Failures, Next, Retries, Side};
use crate::settings::{Patience, Settings};

/// What a registry's anonymous readers show (Homebrew's `HOMEBREW_GITHUB_PACKAGES_AUTH`).
const ANONYMOUS: &str = "Bearer QQ==";

/// The paths of the registry protocol (OCI Distribution Specification).
const REGISTRY_PATH: &str = "/v2/";

const REDIRECTS: usize = 5;

/// RFC 9110, section 14.1.2.
const FIRST_BYTE: &str = "bytes=0-0";

const USER_AGENT: &str = concat!("longshore/", env!("CARGO_PKG_VERSION"));

/// What files, indexes and image indexes are asked with. Clones share their connections, their retries and
/// their bandwidth.
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// For hosts whose addresses must be public.
    public: Client,
    /// For hosts that the settings name as private.
    private: Client,
    retries: Retries,
    bandwidth: Option<Bandwidth>,
    /// The last file that has arrived.
    arrived: Mutex<Option<String>>,
}

/// An HTTP client that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make the HTTP client: {0}")]
pub struct ClientError(String);

/// Why the source did not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceError {
    /// In the words of what refused it.
    pub message: String,
    /// What may come of asking again.
    pub again: Again,
    /// The status that the source answered with.
    pub status: Option<StatusCode>,
}

/// What may come of asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing: it is not asked for at all, or is not what it should be.
    Never,
    /// Something, if it was refused by mistake.
    Refused,
    /// Something, later; at the earliest when the source says so.
    Later(Option<Duration>),
}

impl SourceError {
    pub(crate) fn never(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            again: Again::Never,
            status: None,
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            again: Again::Refused,
            status: None,
        }
    }

    pub(crate) fn later(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            again: Again::Later(None),
            status: None,
        }
    }
}

impl SourceError {
    /// Whether the source says that there is no such thing.
    fn is_missing(&self) -> bool {
        matches!(self.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }
}

/// How quickly an answer comes: what it has sent in the time that was spent waiting for it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    sent: u64,
    has_begun: bool,
}

impl Pace {
    fn add(&mut self, waited: Duration, sent: u64) {
        self.waited += waited;
        self.sent += sent;
    }

    /// The bytes of a window, if they are less than `least_rate` a second.
    fn too_little(&mut self, window: Duration, least_rate: u64) -> Option<u64> {
        if self.waited < window {
            return None;
        }
        let waited = std::mem::take(&mut self.waited);
        let sent = std::mem::take(&mut self.sent);
        let least = least_rate.saturating_mul(waited.as_secs().max(1));
        (sent < least).then_some(sent)
    }
}

impl HttpClient {
    /// One with the settings' private hosts, patience and bandwidth limit.
    ///
    /// # Errors
    /// When its TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        // The cryptography of this process's TLS; an error says that it is named already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = || {
            Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                // A proxy would resolve names itself, and then nobody had looked at the addresses.
                .no_proxy()
                .connect_timeout(settings.patience.connect)
                .pool_max_idle_per_host(settings.concurrency.max(1))
        };
        let failed = |error: reqwest::Error| ClientError(words(&error));
        let public = builder()
            .dns_resolver(Arc::new(Addresses {
                expected: "that is public; name it as a private host if it is meant",
                allowed: |_, address| !address::is_private(address),
            }))
            .build()
            .map_err(failed)?;
        let private = builder()
            .dns_resolver(Arc::new(Addresses {
                expected: "of another machine; loopback, link-local and metadata addresses are not asked",
                allowed: |name, address| {
                    !address::is_of_the_machine(address)
                        && (!address::is_loopback(address) || address::is_own_name(name))
                },
            }))
            .build()
            .map_err(failed)?;
        Ok(Self {
            shared: Arc::new(Shared {
                public,
                private,
                retries: Retries::new(settings.patience.clone()),
                bandwidth: settings.bandwidth_limit.map(Bandwidth::new),
                arrived: Mutex::new(None),
                settings,
            }),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.shared.settings.patience
    }

    pub(crate) fn retries(&self) -> &Retries {
        &self.shared.retries
    }

    /// GETs `url`, following redirects. Whatever has another status than 200, 206, 304 or 416 is an error.
    pub(crate) async fn get(
        &self,
        url: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response, SourceError> {
        let private_hosts = &self.shared.settings.private_hosts;
        urls::check(url, private_hosts).map_err(SourceError::never)?;
        let first = parse(url)?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            // Without a query, which no rule concerns and which must not be shown.
            urls::check(&shown(&url), private_hosts).map_err(SourceError::never)?;
            if let Some(held) = self.shared.retries.held() {
                tokio::time::sleep(held).await;
            }
            let response = self.send(&first, &url, headers).await?;
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                url = redirected(&url, &response)?;
                continue;
            }
            return match status {
                StatusCode::OK
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
                | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
                _ => Err(answered(&url, &response, url.origin() != first.origin())),
            };
        }
        Err(SourceError::never(format!(
            "{first} redirects more than {REDIRECTS} times"
        )))
    }

    async fn send(
        &self,
        first: &Url,
        url: &Url,
        headers: &[(HeaderName, &str)],
    ) -> Result<Response, SourceError> {
        let is_private = host_and_port(url).is_some_and(|host| {
            let hosts = &self.shared.settings.private_hosts;
            hosts
                .iter()
                .any(|private| private.eq_ignore_ascii_case(&host))
        });
        let client = if is_private {
            &self.shared.private
        } else {
            &self.shared.public
        };
        let mut request = client.get(url.clone());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        // What a redirect points at has its own signature, and is none of the registry's.
        if url.path().starts_with(REGISTRY_PATH) && url.origin() == first.origin() {
            request = request.header(AUTHORIZATION, ANONYMOUS);
        }
        let stall = self.patience().stall;
        match tokio::time::timeout(stall, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failed(url, &error)),
            Err(_) => Err(SourceError::later(format!(
                "{} did not answer for {} s",
                shown(url),
                stall.as_secs_f64()
            ))),
        }
    }

    /// The next piece of a body; `None` at its end.
    pub(crate) async fn piece(
        &self,
        response: &mut Response,
        pace: &mut Pace,
    ) -> Result<Option<Bytes>, SourceError> {
        let stall = self.patience().stall;
        let begin = Instant::now();
        let piece = tokio::time::timeout(stall, response.chunk()).await;
        match piece {
            Ok(Ok(piece)) => {
                if let Some(piece) = &piece {
                    // Once: that a long file goes on says nothing of what others ask for.
                    if !std::mem::replace(&mut pace.has_begun, true) {
                        self.retries().through(Side::Source);
                    }
                    // The time that the bucket or the bandwidth limit takes is not the source's.
                    pace.add(begin.elapsed(), piece.len() as u64);
                    if let Some(sent) = pace.too_little(stall, self.patience().least_rate) {
                        return Err(SourceError::later(format!(
                            "{} sent {sent} bytes in {} s",
                            shown(response.url()),
                            stall.as_secs_f64()
                        )));
                    }
                }
                if let (Some(bandwidth), Some(piece)) = (&self.shared.bandwidth, &piece) {
                    bandwidth.pay(piece.len()).await;
                }
                Ok(piece)
            }
            Ok(Err(error)) => Err(failed(response.url(), &error)),
            Err(_) => Err(SourceError::later(format!(
                "{} sent nothing for {} s",
                shown(response.url()),
                stall.as_secs_f64()
            ))),
        }
    }

    /// A file has arrived: its source can be asked whether anything gets through.
    pub(crate) fn arrived(&self, url: &str) {
        *self.lock_arrived() = Some(url.to_owned());
    }

    /// Asks for the first byte of the file that arrived last, which counts as getting through: a file that fails
    /// while no other is on its way does not show an outage.
    pub(crate) async fn ask_whether_anything_gets_through(&self) {
        let Some(url) = self.lock_arrived().clone() else {
            return;
        };
        if let Ok(mut response) = self.get(&url, &[(RANGE, FIRST_BYTE)]).await {
            let _ = self.piece(&mut response, &mut Pace::default()).await;
        }
    }

    fn lock_arrived(&self) -> MutexGuard<'_, Option<String>> {
        self.shared
            .arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches, and asks again as [`Source::fetch`] says; what is not there as `missed` says. `fed` is whether the body
    /// had begun.
    async fn fetch_until(
        &self,
        url: &str,
        headers: &[(HeaderName, &str)],
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
        fed: &mut bool,
        missed: impl Fn(&mut Failures) -> Next,
    ) -> Result<Fetched, CallError> {
        let mut failures = Failures::default();
        loop {
            let error = match self.fetch_once(url, headers, feed, fed).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            let next = match error.again {
                _ if *fed => Next::GiveUp,
                Again::Later(asked) => self.retries().failed_once(&mut failures, asked),
                Again::Refused if error.is_missing() => missed(&mut failures),
                Again::Refused => self.retries().refused(&mut failures),
                Again::Never => Next::GiveUp,
            };
            let Next::After(wait) = next else {
                return Err(call_error(url, error));
            };
            tracing::debug!(url, reason = error.message, ?wait, "asking again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn fetch_once(
        &self,
        url: &str,
        headers: &[(HeaderName, &str)],
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
        fed: &mut bool,
    ) -> Result<Fetched, SourceError> {
        let mut response = self.get(url, headers).await?;
        match response.status() {
            StatusCode::NOT_MODIFIED => {
                self.retries().through(Side::Source);
                return Ok(Fetched::NotModified);
            }
            StatusCode::OK => {}
            status => {
                return Err(SourceError::never(format!("{url} answered {status}")));
            }
        }
        let etag = header(&response, &ETAG).map(str::to_owned);
        let mut pace = Pace::default();
        while let Some(piece) = self.piece(&mut response, &mut pace).await? {
            *fed = true;
            feed(&piece).map_err(SourceError::never)?;
        }
        Ok(Fetched::Body { etag })
    }
}

impl Source for HttpClient {
    /// What fails before the first byte of the body is tried again, as often as a file is, whether others get
    /// through or not: nothing can be planned until it is there. After that byte the caller holds half a
    /// body, and must ask again himself.
    async fn fetch(
        &self,
        url: &str,
        accept: Option<&str>,
        etag: Option<&str>,
        feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Fetched, CallError> {
        let headers: Vec<_> = [(ACCEPT, accept), (IF_NONE_MATCH, etag)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        self.fetch_until(url, &headers, feed, &mut false, |failures| {
            self.retries().missed(failures)
        })
        .await
    }

    async fn is_absent(&self, url: &str) -> Result<bool, CallError> {
        let mut fed = false;
        let mut unwanted = |_: &[u8]| Err("nobody wants it".to_owned());
        let fetched = self
            .fetch_until(url, &[], &mut unwanted, &mut fed, |_| Next::GiveUp)
            .await;
        match fetched {
            Ok(_) => Ok(false),
            Err(_) if fed => Ok(false),
            Err(error) if error.class == ErrorClass::Transient => Err(error),
            Err(_) => Ok(true),
        }
    }
}

fn call_error(url: &str, error: SourceError) -> CallError {
    CallError {
        operation: format!("fetch {url}"),
        class: match (error.again, error.status.map(|status| status.as_u16())) {
            (Again::Later(_), _) => ErrorClass::Transient,
            (_, Some(404 | 410)) => ErrorClass::NotFound,
            (_, Some(401 | 403)) => ErrorClass::Denied,
            (Again::Refused | Again::Never, _) => ErrorClass::Refused,
        },
        code: None,
        message: error.message,
    }
}

pub(crate) fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn parse(url: &str) -> Result<Url, SourceError> {
    Url::parse(url).map_err(|error| SourceError::never(format!("`{url}` is not a URL: {error}")))
}

/// A URL without its query: that of a redirect's target is a credential.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn host_and_port(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

fn redirected(url: &Url, response: &Response) -> Result<Url, SourceError> {
    let location = header(response, &LOCATION).ok_or_else(|| {
        SourceError::never(format!(
            "{} answered {} without a location",
            shown(url),
            response.status()
        ))
    })?;
    url.join(location)
        .map_err(|error| SourceError::never(format!("{} redirects to no URL: {error}", shown(url))))
}

fn answered(url: &Url, response: &Response, is_elsewhere: bool) -> SourceError {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER);
    let again = match status.as_u16() {
        408 | 425 | 429 | 500.. => {
            Again::Later(asked.and_then(|value| retry_after::parse(value.as_bytes(), Utc::now())))
        }
        // The signature of a redirect's target is over in minutes; the registry gives another.
        401 | 403 if is_elsewhere => Again::Later(None),
        // A registry, or a cache before it, now and then refuses what it has.
        400..=499 => Again::Refused,
        _ => Again::Never,
    };
    SourceError {
        message: format!("{} answered {status}", shown(url)),
        again,
        status: Some(status),
    }
}

fn failed(url: &Url, error: &reqwest::Error) -> SourceError {
    let message = format!("{}: {}", shown(url), words(error));
    let is_refused = causes(error).any(|cause| cause.is::<NoAddress>());
    if is_refused || error.is_builder() {
        SourceError::never(message)
    } else {
        SourceError::later(message)
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What lies behind an error of the client, without its URL, which may hold a signature.
fn words(error: &reqwest::Error) -> String {
    let causes: Vec<String> = causes(error).skip(1).map(ToString::to_string).collect();
    if causes.is_empty() {
        return "the request failed".to_owned();
    }
    causes.join(": ")
}

/// Resolves names to the addresses that are allowed only: a name that somebody else owns may point anywhere, and the
/// name of a private host at the machine's own metadata.
struct Addresses {
    /// What was expected of them, as errors say it.
    expected: &'static str,
    /// Whether this name may be at this address.
    allowed: fn(&str, IpAddr) -> bool,
}

/// A name that resolves to no address that is allowed.
#[derive(Debug)]
struct NoAddress {
    name: String,
    expected: &'static str,
}

impl fmt::Display for NoAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, expected } = self;
        write!(formatter, "{name} has no address {expected}")
    }
}

impl Error for NoAddress {}

impl Resolve for Addresses {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { expected, allowed } = *self;
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| allowed(name.as_str(), address.ip()))
                .collect();
            if addresses.is_empty() {
                let name = name.as_str().to_owned();
                return Err(NoAddress { name, expected }.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}
