//! How the task is, served over HTTP and asked for by the same program: the image has no other.
//!
//! The responder is small on purpose: it reads a request's head, answers and hangs up, for a few callers at
//! a time, so that nobody who asks can hold up the work.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use longshore_events::transfer::TransferProgress;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A task that works, has got no byte for so long, and has not even tried, will not get one either.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// This many callers are answered at the same time; the others are hung up on.
const CALLERS: usize = 8;

/// A caller has so long to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The head of a request is not longer than this.
const HEAD: usize = 4096;

/// What a task does, as its health says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// It waits for work.
    Idle,
    /// It transfers files.
    Working,
    /// It was asked to stop.
    Stopping,
    /// It works, and nothing comes.
    Stuck,
}

/// What is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Where the list of its files is.
    pub shard: String,
    /// How many files it has.
    pub files: u64,
    /// Their bytes, as far as they are known.
    pub bytes: u64,
}

/// How the task is. Clones are of the same task.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    activity: Activity,
    work: Option<Work>,
    progress: TransferProgress,
    received: u64,
    moved_at: Instant,
    pending_shards: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    status: Activity,
    #[serde(flatten)]
    work: Option<&'a Work>,
    progress: TransferProgress,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_shards: Option<u64>,
}

impl Health {
    /// That of a task which waits for work.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            activity: Activity::Idle,
            work: None,
            progress: TransferProgress::default(),
            received: 0,
            moved_at: Instant::now(),
            pending_shards: None,
        })))
    }

    /// It begins with `work`.
    pub fn begin(&self, work: Work) {
        let mut state = self.state();
        state.activity = Activity::Working;
        state.work = Some(work);
        state.progress = TransferProgress::default();
        state.received = 0;
        state.moved_at = Instant::now();
    }

    /// How far it is, and a number that grows with each byte that comes and with each attempt: a task that
    /// waits out an outage tries again, and is not stuck.
    pub fn observe(&self, progress: TransferProgress, received: u64) {
        let mut state = self.state();
        if (progress, received) != (state.progress, state.received) {
            state.progress = progress;
            state.received = received;
            state.moved_at = Instant::now();
        }
    }

    /// It has ended what it worked on.
    pub fn end(&self) {
        let mut state = self.state();
        state.activity = Activity::Idle;
        state.work = None;
        state.progress = TransferProgress::default();
    }

    /// It was asked to stop.
    pub fn stop(&self) {
        self.state().activity = Activity::Stopping;
    }

    /// How many shards wait for somebody who works on them.
    pub fn set_pending_shards(&self, shards: u64) {
        self.state().pending_shards = Some(shards);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status of the answer and its body.
    fn answer(&self, now: Instant) -> (u16, String) {
        let state = self.state();
        let is_stuck = state.activity == Activity::Working
            && now.saturating_duration_since(state.moved_at) >= STUCK_AFTER;
        let answer = Answer {
            status: if is_stuck {
                Activity::Stuck
            } else {
                state.activity
            },
            work: state.work.as_ref(),
            progress: state.progress,
            pending_shards: state.pending_shards,
        };
        let body = serde_json::to_string(&answer).unwrap_or_default();
        (if is_stuck { 503 } else { 200 }, body)
    }
}

/// Listens on `port`; every address, because who asks may be a load balancer.
///
/// # Errors
/// When the port is taken.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
}

/// Answers those who ask, for as long as it is polled.
pub async fn serve(listener: TcpListener, health: Health) {
    let callers = Arc::new(Semaphore::new(CALLERS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files: those who work on them close some.
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        let Ok(caller) = Arc::clone(&callers).try_acquire_owned() else {
            continue;
        };
        let health = health.clone();
        tokio::spawn(async move {
            // A caller that hangs up, or is too slow, has no answer to get.
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &health)).await;
            drop(caller);
        });
    }
}

async fn answer(mut stream: tokio::net::TcpStream, health: &Health) -> io::Result<()> {
    let mut head = [0; HEAD];
    let mut length = 0;
    while !head[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut head[length..]).await?;
        if read == 0 {
            return Ok(());
        }
        length += read;
    }
    let answer = respond(&head[..length], health);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(head: &[u8], health: &Health) -> String {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (words.next(), words.next());
    let path = target.and_then(|target| target.split('?').next());
    let (status, body) = match (method, path) {
        (Some("GET" | "HEAD"), Some("/health")) => health.answer(Instant::now()),
        (_, Some("/health")) => (405, r#"{"error":"expected GET"}"#.to_owned()),
        _ => (404, r#"{"error":"expected /health"}"#.to_owned()),
    };
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    };
    let shown = if method == Some("HEAD") { "" } else { &body };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{shown}",
        body.len()
    )
}

/// Asks the task that serves on `port` of this machine; whether it is well, and what it says.
///
/// # Errors
/// When nobody answers.
pub fn ask(port: u16) -> io::Result<(bool, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .take(u64::try_from(HEAD).unwrap_or(u64::MAX))
        .read_to_string(&mut answer)?;
    let body = answer
        .split_once("\r\n\r\n")
        .map_or("", |(_, body)| body)
        .to_owned();
    Ok((answer.starts_with("HTTP/1.1 200 "), body))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn work() -> Work {
        Work {
            shard: "s3://bottles/list.jsonl".to_owned(),
            files: 10,
            bytes: 1000,
        }
    }

    fn asked(health: &Health, after: Duration) -> (u16, Value) {
        let (status, body) = health.answer(Instant::now() + after);
        (status, serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn an_idle_task_is_well_however_long_it_waits() {
        let health = Health::new();
        health.set_pending_shards(0);
        let (status, body) = asked(&health, STUCK_AFTER * 10);
        assert_eq!(status, 200);
        assert_eq!(
            body,
            json!({
                "status": "idle",
                "progress": {"files": 0, "bytes": 0, "failed": 0},
                "pending_shards": 0,
            })
        );
    }

    #[test]
    fn a_task_that_works_reports_how_far_it_is() {
        let health = Health::new();
        health.begin(work());
        let progress = TransferProgress {
            files: 3,
            bytes: 300,
            failed: 1,
        };
        health.observe(progress, 350);
        assert_eq!(
            asked(&health, Duration::ZERO),
            (
                200,
                json!({
                    "status": "working",
                    "shard": "s3://bottles/list.jsonl",
                    "files": 10,
                    "bytes": 1000,
                    "progress": {"files": 3, "bytes": 300, "failed": 1},
                })
            )
        );
    }

    #[test]
    fn a_task_that_works_and_gets_no_byte_for_five_minutes_is_not_well() {
        let health = Health::new();
        health.begin(work());
        health.observe(TransferProgress::default(), 1);
        let almost = STUCK_AFTER.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(asked(&health, almost).0, 200);
        let (status, body) = asked(&health, STUCK_AFTER);
        assert_eq!((status, &body["status"]), (503, &json!("stuck")));
        health.stop();
        assert_eq!(asked(&health, STUCK_AFTER).0, 200, "it is about to end");
        health.end();
        assert_eq!(asked(&health, STUCK_AFTER).0, 200);
    }

    #[test]
    fn only_the_health_is_served() {
        let health = Health::new();
        for (head, expected) in [
            ("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 200 "),
            ("GET /health?verbose HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "),
            ("POST /health HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
            ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
            ("\u{1}\u{2}\r\n\r\n", "HTTP/1.1 404 "),
        ] {
            let answer = respond(head.as_bytes(), &health);
            assert!(answer.starts_with(expected), "{head}: {answer}");
        }
        let answer = respond(b"HEAD /health HTTP/1.1\r\n\r\n", &health);
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn callers_that_say_nothing_keep_nobody_from_asking_for_long() {
        let listener = listen(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, Health::new()));
        let silent: Vec<TcpStream> = (0..CALLERS)
            .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
            .collect();
        let began = Instant::now();
        let answered = tokio::task::spawn_blocking(move || {
            loop {
                match ask(port) {
                    Ok((true, body)) => return body,
                    _ if began.elapsed() > PATIENCE * 5 => return "no answer".to_owned(),
                    _ => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        })
        .await
        .unwrap();
        assert!(answered.contains(r#""status":"idle""#), "{answered}");
        drop(silent);
    }

    #[test]
    fn a_port_where_nobody_listens_is_an_error() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(ask(port).is_err());
    }
}
