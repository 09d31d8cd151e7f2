//! A source that misbehaves as it is set to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bucket::sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// As it should be, with the range that was asked for.
    Content,
    /// The whole, whatever range was asked for.
    Whole,
    /// Another content of the same length.
    Other(Vec<u8>),
    /// This many bytes of what was asked for, then the connection is cut.
    Cut(usize),
    /// This many bytes of what was asked for, then nothing more.
    Stall(usize),
    /// All of what was asked for, a few bytes at a time, for ever.
    Trickle,
    /// Without a length, until the connection ends.
    Unmeasured,
    /// A status and headers.
    Status(u16, Vec<(&'static str, String)>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub at: Instant,
    pub path: String,
    pub headers: HashMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    /// By path, with the entity tag.
    contents: HashMap<String, (Arc<[u8]>, String)>,
    answers: HashMap<String, Vec<Answer>>,
    requests: Vec<Request>,
    /// Bytes of bodies that were written, by path.
    sent: HashMap<String, usize>,
    activity: u64,
    latency: Duration,
    /// Bytes a millisecond.
    pace: Option<usize>,
    /// Whether every request is answered with 503.
    is_out: bool,
    /// Of a hundred answers, this many are wrong; which, says the generator.
    wrong: Option<(u32, fastrand::Rng)>,
}

/// A server on a port of its own; it lives as long as the test.
#[derive(Debug, Clone)]
pub struct Server {
    state: Arc<Mutex<State>>,
    host: String,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            state: Arc::default(),
            host: listener.local_addr().unwrap().to_string(),
        };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    // A client that goes away is part of the tests.
                    let _ = serve(stream, state).await;
                });
            }
        });
        server
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Publishes a file; gives its URL.
    pub fn publish(&self, path: &str, content: &[u8]) -> String {
        let mut state = self.state.lock().unwrap();
        let etag = format!("\"{}\"", sha256(content));
        state
            .contents
            .insert(path.to_owned(), (content.into(), etag));
        self.url(path)
    }

    /// The next requests of a path are answered so, one after the other, and further ones as they should be.
    pub fn answer(&self, path: &str, answers: &[Answer]) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path.to_owned(), answers.to_vec());
    }

    /// Takes this long before it answers.
    pub fn take_time(&self, latency: Duration) {
        self.state.lock().unwrap().latency = latency;
    }

    /// How often it has got on: as long as this goes up, the network is not quiet.
    pub fn activity(&self) -> u64 {
        self.state.lock().unwrap().activity
    }

    /// Sends no faster.
    pub fn slow_down(&self, bytes_per_millisecond: usize) {
        self.state.lock().unwrap().pace = Some(bytes_per_millisecond);
    }

    /// Answers every request with 503 until it comes back.
    pub fn go_out(&self) {
        self.state.lock().unwrap().is_out = true;
    }

    pub fn come_back(&self) {
        self.state.lock().unwrap().is_out = false;
    }

    /// Of a hundred answers this many are wrong, of any kind, at random.
    pub fn misbehave(&self, percent: u32, seed: u64) {
        let random = fastrand::Rng::with_seed(seed);
        self.state.lock().unwrap().wrong = Some((percent, random));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    pub fn sent(&self) -> usize {
        self.state.lock().unwrap().sent.values().sum()
    }

    /// Of one file.
    pub fn sent_of(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.sent.get(path).copied().unwrap_or_default()
    }
}

fn wrong_answer((percent, random): &mut (u32, fastrand::Rng)) -> Option<Answer> {
    if random.u32(0..100) >= *percent {
        return None;
    }
    let status = |status| Answer::Status(status, Vec::new());
    Some(match random.u32(0..7) {
        0 => status(403),
        1 => status(404),
        2 => status(429),
        3 => status(500),
        4 => Answer::Other(b"<html><title>Something went wrong</title></html>".to_vec()),
        5 => Answer::Cut(random.usize(0..4_000)),
        _ => Answer::Stall(random.usize(0..4_000)),
    })
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let (answer, content, pace, latency) = {
        let mut state = state.lock().unwrap();
        state.activity += 1;
        let is_out = state.is_out;
        let wrong = state.wrong.as_mut().and_then(wrong_answer);
        let answer = match state.answers.get_mut(&path) {
            _ if is_out => Answer::Status(503, Vec::new()),
            _ if wrong.is_some() => wrong.unwrap_or(Answer::Content),
            Some(answers) if !answers.is_empty() => answers.remove(0),
            _ => Answer::Content,
        };
        state.requests.push(Request {
            at: Instant::now(),
            path: path.clone(),
            headers: headers.clone(),
        });
        let content = state.contents.get(&path).cloned();
        (answer, content, state.pace, state.latency)
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
        state.lock().unwrap().activity += 1;
    }
    if let Answer::Status(status, headers) = answer {
        let mut head =
            format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        return stream.write_all(head.as_bytes()).await;
    }
    let Some((content, etag)) = content else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
    };
    if headers.get("if-none-match") == Some(&etag) {
        return stream
            .write_all(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
            .await;
    }
    let range = headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let start: Option<usize> = range.and_then(|(start, _)| start.parse().ok());
    let last: Option<usize> = range.and_then(|(_, last)| last.parse().ok());
    let total = content.len();
    let start = start.filter(|_| !matches!(answer, Answer::Whole | Answer::Other(_)));
    let content = match &answer {
        Answer::Other(content) => content.as_slice().into(),
        _ => content,
    };
    let behind = match (start, last) {
        (Some(_), Some(last)) => total.min(last + 1),
        _ => content.len(),
    };
    let body = &content[start.unwrap_or(0)..behind];
    let mut head = match start {
        Some(start) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            behind - 1
        ),
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    head.push_str(&format!("ETag: {etag}\r\nConnection: close\r\n"));
    if !matches!(answer, Answer::Unmeasured) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let end = match answer {
        Answer::Cut(length) | Answer::Stall(length) => length.min(body.len()),
        _ => body.len(),
    };
    if matches!(answer, Answer::Trickle) {
        for piece in body.chunks(10) {
            stream.write_all(piece).await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for piece in body[..end].chunks(64 * 1024) {
        stream.write_all(piece).await?;
        {
            let mut state = state.lock().unwrap();
            *state.sent.entry(path.clone()).or_default() += piece.len();
            state.activity += 1;
        }
        if let Some(pace) = pace {
            tokio::time::sleep(Duration::from_millis((piece.len() / pace) as u64)).await;
        }
    }
    stream.flush().await?;
    if matches!(answer, Answer::Stall(_)) {
        // Until the client has had enough.
        let _ = stream.read_u8().await;
    }
    Ok(())
}
