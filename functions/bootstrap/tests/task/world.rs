//! What is around a task: the source, and AWS as far as a task uses it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use longshore_bottles::layout;
use longshore_bottles::shards;
use longshore_bottles::sync::SyncOptions;
use longshore_bottles::sync::record::{ShardRecord, Sync, SyncRecord, SyncState};
use longshore_bottles::sync::shard::{ShardPhase, ShardState};
use longshore_events::longshore::{FileCount, RunsOn, SyncSource};
use longshore_events::transfer::TransferItem;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::server::{Request, head, serve};

pub const BUCKET: &str = "bottles";
pub const SYNC: &str = "5f0c";
pub const STACK: &str = "homebrew-bottles-sync";

const PIECE: usize = 256 * 1024;

/// The fakes, which end with the process.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    pub aws: SocketAddr,
    pub source: SocketAddr,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    writes: u64,
    files: BTreeMap<String, File>,
    asked: Vec<Asked>,
    events: Vec<Value>,
    messages: Vec<Value>,
}

#[derive(Clone)]
struct Object {
    body: Vec<u8>,
    sha256: String,
    version: u64,
}

/// A file of the source.
#[derive(Clone)]
struct File {
    content: Arc<Vec<u8>>,
    /// After this many bytes nothing comes until it is opened.
    gate: Option<usize>,
}

/// What the source was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// The first byte that was asked for.
    pub from: usize,
    /// How many bytes were handed over.
    pub sent: usize,
}

impl World {
    pub fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (for_aws, for_source) = (Arc::clone(&state), Arc::clone(&state));
        Self {
            state,
            aws: serve(move |request, stream| answer_aws(&for_aws, request, stream)),
            source: serve(move |request, stream| answer_source(&for_source, request, stream)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A file that the source publishes, as an item.
    pub fn publish(&self, key: &str, content: Vec<u8>) -> TransferItem {
        let item = TransferItem {
            key: key.to_owned(),
            url: format!("http://{}/{key}", self.source),
            sha256: sha256(&content).parse().unwrap(),
            size: Some(content.len() as u64),
            copies: Vec::new(),
            content_type: None,
        };
        let file = File {
            content: Arc::new(content),
            gate: None,
        };
        self.state().files.insert(format!("/{key}"), file);
        item
    }

    /// Changes what comes under a published name, but not its size.
    pub fn corrupt(&self, key: &str) {
        let mut state = self.state();
        let file = state.files.get_mut(&format!("/{key}")).unwrap();
        let mut content = file.content.to_vec();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        file.content = Arc::new(content);
    }

    /// From now on nothing comes of a file after this many bytes.
    pub fn hold(&self, key: &str, after: usize) {
        self.gate(key, Some(after));
    }

    /// All of it comes again.
    pub fn release(&self, key: &str) {
        self.gate(key, None);
    }

    fn gate(&self, key: &str, gate: Option<usize>) {
        let mut state = self.state();
        state.files.get_mut(&format!("/{key}")).unwrap().gate = gate;
    }

    /// What the source was asked for under a name, in order.
    pub fn asked(&self, key: &str) -> Vec<Asked> {
        let path = format!("/{key}");
        let state = self.state();
        let asked = state.asked.iter().filter(|asked| asked.path == path);
        asked.cloned().collect()
    }

    pub fn events(&self) -> Vec<Value> {
        self.state().events.clone()
    }

    pub fn messages(&self) -> Vec<Value> {
        self.state().messages.clone()
    }

    /// An object of the bucket.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let object = state.objects.get(&format!("/{BUCKET}/{key}"));
        object.map(|object| object.body.clone())
    }

    /// Puts an object into the bucket.
    pub fn put(&self, key: &str, body: Vec<u8>) {
        self.state().put(&format!("/{BUCKET}/{key}"), body);
    }

    /// A shard of a sync that is under way, as `sync` writes it.
    pub fn begin_shard(&self, items: &[TransferItem]) -> String {
        let state = ShardState::new(STACK, SYNC, 1, items);
        self.put(
            &layout::shard_state(SYNC, 1),
            serde_json::to_vec(&state).unwrap(),
        );
        let key = layout::shard(SYNC, 1);
        self.put(&key, shards::write(items));
        format!("s3://{BUCKET}/{key}")
    }

    /// The record of that sync, by which a task that was given no shard finds it.
    pub fn begin_sync(&self) {
        let sync = Sync {
            id: SYNC.to_owned(),
            stack: STACK.to_owned(),
            bucket: BUCKET.to_owned(),
            source: SyncSource::Schedule,
            requested_at: Utc::now(),
            options: SyncOptions::default(),
            state: SyncState::Transferring,
            worker_id: "invocation".to_owned(),
            lease_until: Utc::now(),
            planned_at: Some(Utc::now()),
            runs_on: RunsOn::Tasks { tasks: 1 },
            total: FileCount::default(),
            shards: vec![ShardRecord::new(1)],
            told_at: None,
            told_shards: 0,
            finished_at: None,
            reason: None,
            outcome: None,
        };
        let record = SyncRecord {
            sync,
            published: None,
            raised_throughput: None,
            outbox: Vec::new(),
        };
        self.put(layout::RECORD, serde_json::to_vec(&record).unwrap());
    }

    /// The state of that shard.
    pub fn shard(&self) -> ShardState {
        let body = self.object(&layout::shard_state(SYNC, 1)).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// Gives that shard to somebody else, or to nobody.
    pub fn set_phase(&self, phase: ShardPhase) {
        let mut state = self.shard();
        state.phase = phase;
        state.attempts += 1;
        self.put(
            &layout::shard_state(SYNC, 1),
            serde_json::to_vec(&state).unwrap(),
        );
    }
}

impl State {
    fn put(&mut self, path: &str, body: Vec<u8>) -> u64 {
        self.writes += 1;
        let object = Object {
            sha256: sha256(&body),
            body,
            version: self.writes,
        };
        self.objects.insert(path.to_owned(), object);
        self.writes
    }
}

/// The digest of `content` in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Content that is not the same everywhere.
pub fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|position| (position / 7) as u8 ^ seed)
        .collect()
}

/// Waits until `seen` sees something.
pub fn wait_until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn answer_source(
    state: &Arc<Mutex<State>>,
    request: &Request,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let path = request.path.clone();
    let (file, number) = {
        let mut state = state.lock().unwrap();
        let file = state.files.get(&path).cloned();
        let from = from_byte(request);
        state.asked.push(Asked {
            path: path.clone(),
            from,
            sent: 0,
        });
        (file, state.asked.len() - 1)
    };
    let Some(file) = file else {
        return stream.write_all(head(404, &[], 0).as_bytes());
    };
    let (from, total) = (from_byte(request), file.content.len());
    let status = if from > 0 { 206 } else { 200 };
    let range = format!("bytes {from}-{}/{total}", total - 1);
    let headers = [("content-range", range), ("etag", "\"1\"".to_owned())];
    stream.write_all(head(status, &headers[usize::from(from == 0)..], total - from).as_bytes())?;
    let mut sent = from;
    while sent < total {
        let gate = state.lock().unwrap().files[&path].gate.unwrap_or(total);
        let end = (sent + PIECE).min(total).min(gate);
        if end <= sent {
            thread::sleep(Duration::from_millis(10));
            // Whoever was killed meanwhile does not come back on this connection.
            let mut byte = [0];
            stream.set_nonblocking(true)?;
            let is_gone = matches!(stream.peek(&mut byte), Ok(0));
            stream.set_nonblocking(false)?;
            if is_gone {
                return Ok(());
            }
            continue;
        }
        stream.write_all(&file.content[sent..end])?;
        sent = end;
        state.lock().unwrap().asked[number].sent = sent - from;
    }
    Ok(())
}

fn from_byte(request: &Request) -> usize {
    request.header("range").map_or(0, |range| {
        let range = range.strip_prefix("bytes=").unwrap();
        range.split_once('-').unwrap().0.parse().unwrap()
    })
}

fn answer_aws(
    state: &Arc<Mutex<State>>,
    request: &Request,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let mut state = state.lock().unwrap();
    let (status, headers, body) = match request.header("x-amz-target") {
        Some("AWSEvents.PutEvents") => {
            let put: Value = serde_json::from_slice(&request.body).unwrap();
            state.events.push(put["Entries"][0].clone());
            let answer = json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]});
            (200, Vec::new(), answer.to_string().into_bytes())
        }
        Some("secretsmanager.GetSecretValue") => {
            let url = format!("http://{}/slack/hunter2", request.header("host").unwrap());
            let answer = json!({"Name": "slack", "VersionId": "1", "SecretString": url});
            (200, Vec::new(), answer.to_string().into_bytes())
        }
        Some(other) => panic!("{other} is not called by a task"),
        None if request.path.starts_with("/slack/") => {
            let message = serde_json::from_slice(&request.body).unwrap();
            state.messages.push(message);
            (200, Vec::new(), b"ok".to_vec())
        }
        None if request.path == "/metadata/task" => {
            let answer = json!({"TaskARN": "arn:aws:ecs:eu-west-1:123456789012:task/sync/1"});
            (200, Vec::new(), answer.to_string().into_bytes())
        }
        None => answer_s3(&mut state, request),
    };
    drop(state);
    stream.write_all(head(status, &headers, body.len()).as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    stream.write_all(&body)
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    (status, Vec::new(), body.into_bytes())
}

fn answer_s3(state: &mut State, request: &Request) -> Answer {
    let found = state.objects.get(&request.path).cloned();
    let version = |object: &Object| format!("\"{}\"", object.version);
    match request.method.as_str() {
        "GET" => match found {
            Some(object) => (200, vec![("etag", version(&object))], object.body),
            None => error(404, "NoSuchKey"),
        },
        "HEAD" => match found {
            Some(object) => {
                let digest = STANDARD.encode(bytes(&object.sha256));
                let headers = vec![
                    ("etag", version(&object)),
                    ("x-amz-checksum-sha256", digest),
                ];
                (200, headers, Vec::new())
            }
            None => (404, Vec::new(), Vec::new()),
        },
        "PUT" => {
            let is_first = request.header("if-none-match") == Some("*");
            let replaced = request.header("if-match");
            let holds = match (&found, replaced) {
                (found, None) => !is_first || found.is_none(),
                (Some(object), Some(expected)) => version(object) == expected,
                (None, Some(_)) => return error(404, "NoSuchKey"),
            };
            if !holds {
                return error(412, "PreconditionFailed");
            }
            let digest = STANDARD.encode(Sha256::digest(&request.body));
            let expected = request.header("x-amz-checksum-sha256");
            if expected.is_some_and(|expected| expected != digest) {
                return error(400, "BadDigest");
            }
            let written = state.put(&request.path, request.body.clone());
            (200, vec![("etag", format!("\"{written}\""))], Vec::new())
        }
        other => panic!(
            "{other} {} {} is not asked by these tests",
            request.path, request.query
        ),
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(pair).collect()
}
