//! Serves the pages on loopback.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use longshore_bottles::ports::SyncCloud;
use tokio::net::TcpListener;

use super::acts::{self, Fields};
use super::address::{Act, Address, Page, Verb};
use super::guard::{Guard, Refusal};
use super::html::{self, Frame};
use super::reading::{Reader, Seen};
use super::view::Saying;

/// How many connections are served side by side; browsers open six to a host.
const CONNECTIONS: usize = 64;

/// How long a browser may take to say what it wants.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// The largest form, in bytes: a note and a time.
const LARGEST_FORM: usize = 16 * 1024;

/// How long a query may be that is read.
const LONGEST_QUERY: usize = 1024;

/// How many notices are remembered until somebody looks.
const NOTICES: usize = 20;

const HTML: &str = "text/html; charset=utf-8";

/// Nothing but the page's own style and script, nothing in a frame, and forms only to the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer says.
const SAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // The address holds the token. With `no-referrer`, browsers would not say where a form comes from.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

type Answer = Response<Full<Bytes>>;

/// Answers requests.
pub struct Dashboard<'a, C, M> {
    guard: Guard,
    reader: Reader<'a, C, M>,
    clock: fn() -> DateTime<Utc>,
    notices: RefCell<VecDeque<(u64, Saying)>>,
    noticed: Cell<u64>,
}

impl<'a, C: Seen, M: SyncCloud> Dashboard<'a, C, M> {
    pub fn new(guard: Guard, reader: Reader<'a, C, M>, clock: fn() -> DateTime<Utc>) -> Self {
        Self {
            guard,
            reader,
            clock,
            notices: RefCell::default(),
            noticed: Cell::default(),
        }
    }

    /// Serves for ever.
    pub async fn serve(&self, listener: &TcpListener) {
        let mut connections = FuturesUnordered::new();
        loop {
            let is_full = connections.len() >= CONNECTIONS;
            tokio::select! {
                accepted = listener.accept(), if !is_full => {
                    // One that is gone again is nobody's loss.
                    let Ok((stream, _)) = accepted else { continue };
                    let answering = service_fn(async |request| {
                        Ok::<_, Infallible>(self.answer(request).await)
                    });
                    let serving = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEADERS_WITHIN)
                        .serve_connection(TokioIo::new(stream), answering);
                    connections.push(serving);
                }
                // A browser that has gone away is not a failure.
                Some(_) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let admitted = self.guard.admit(&parts.method, path, &parts.headers);
        let address = match admitted {
            Ok(address) => address,
            Err(Refusal { status, says }) => return plain(status, says),
        };
        let query = parts.uri.query().unwrap_or_default();
        let query = match query.len() <= LONGEST_QUERY {
            true => fields(query.as_bytes()),
            false => Fields::new(),
        };
        let mut answer = match address {
            Address::Style => file("text/css; charset=utf-8", include_str!("page.css")),
            Address::Script => file("text/javascript; charset=utf-8", include_str!("page.js")),
            Address::Page(page) => self.page(&page, &query).await,
            Address::Question(act) => {
                let frame = Frame::live(&act.question());
                let question = acts::ask(self.reader.cloud, act, &query).await;
                file(HTML, html::question(&frame, &question))
            }
            Address::Deed(act) => match Limited::new(body, LARGEST_FORM).collect().await {
                Ok(form) => self.done(&act, &fields(&form.to_bytes())).await,
                Err(_) => plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "The form is larger than 16 KiB.",
                ),
            },
        };
        let known = parts.headers.get(header::IF_NONE_MATCH);
        if known.is_some() && known == answer.headers().get(header::ETAG) {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.body_mut() = Full::default();
        }
        if parts.method == Method::HEAD {
            *answer.body_mut() = Full::default();
        }
        answer
    }

    async fn page(&self, page: &Page, query: &Fields) -> Answer {
        let now = (self.clock)();
        let path = page.path();
        let mut frame = Frame::live(&path);
        frame.notice = query.get("said").and_then(|said| self.notice(said));
        let frame = &frame;
        let number = |name: &str| query.get(name)?.parse::<u32>().ok();
        let read: Result<Option<String>, String> = match page {
            Page::Overview(sheet) => {
                let filter = query.get("q").map(String::as_str);
                let overview = self.reader.overview(*sheet, filter, now).await;
                let overview = overview.map_err(|error| error.to_string());
                overview.map(|overview| Some(html::overview(frame, &overview)))
            }
            Page::Now => {
                let news = self.reader.news(now).await;
                let news = news.map_err(|error| error.to_string());
                news.map(|news| Some(html::now_page(frame, &news)))
            }
            Page::Service(service_id) => {
                let page = self.reader.service(service_id, number("before"), now).await;
                page.map(|page| page.map(|page| html::service(frame, &page)))
            }
            Page::Deployment(service_id, number) => {
                let page = self.reader.deployment(service_id, *number).await;
                page.map(|page| page.map(|page| html::deployment(frame, &page)))
            }
            Page::Stack(stack) => {
                let page = self.reader.stack(stack, now).await;
                page.map(|page| page.map(|page| html::stack(frame, &page)))
            }
            Page::Mirror(stack) => {
                let page = self.reader.mirror(stack).await;
                Ok(Some(html::mirror(frame, &page)))
            }
        };
        match read {
            Ok(Some(html)) => file(HTML, html),
            Ok(None) => {
                let text = "The state bucket holds no record of it: nothing was deployed to it yet, or its name is \
                            misspelt.";
                with_status(
                    StatusCode::NOT_FOUND,
                    html::trouble(frame, "Nothing here", text),
                )
            }
            Err(problem) => with_status(
                StatusCode::BAD_GATEWAY,
                html::trouble(frame, "It cannot be read", &problem),
            ),
        }
    }

    /// Does it, and leads back to the page, which says what came of it: to load that again does nothing again.
    async fn done(&self, act: &Act, form: &Fields) -> Answer {
        let said = match act.verb {
            Verb::Drift => {
                self.reader.compare(&act.stack, (self.clock)()).await;
                None
            }
            _ => Some(acts::act(self.reader.cloud, act, form).await),
        };
        self.reader.forget_listing();
        let page = "../".repeat(act.deed().matches('/').count()) + &act.page().path();
        let location = match said {
            None => page,
            Some(said) => {
                let number = self.noticed.get() + 1;
                self.noticed.set(number);
                let mut notices = self.notices.borrow_mut();
                notices.push_back((number, said));
                if notices.len() > NOTICES {
                    notices.pop_front();
                }
                format!("{page}?said={number}")
            }
        };
        let mut answer = plain(StatusCode::SEE_OTHER, "");
        if let Ok(location) = HeaderValue::try_from(location) {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        answer
    }

    fn notice(&self, said: &str) -> Option<Saying> {
        let said: u64 = said.parse().ok()?;
        let notices = self.notices.borrow();
        let notice = notices.iter().find(|(number, _)| *number == said);
        notice.map(|(_, saying)| saying.clone())
    }
}

/// What a form or a query holds. Of a name that comes twice, the last.
fn fields(encoded: &[u8]) -> Fields {
    form_urlencoded::parse(encoded).into_owned().collect()
}

fn plain(status: StatusCode, text: &str) -> Answer {
    let mut answer = file("text/plain; charset=utf-8", text.to_owned());
    *answer.status_mut() = status;
    answer
}

fn with_status(status: StatusCode, html: String) -> Answer {
    let mut answer = file(HTML, html);
    *answer.status_mut() = status;
    answer
}

/// An answer with what every answer says, and a tag by which a browser asks whether it is another one now.
fn file(content_type: &'static str, body: impl Into<String>) -> Answer {
    let body: String = body.into();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let mut answer = Response::new(Full::from(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    for (name, value) in SAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
