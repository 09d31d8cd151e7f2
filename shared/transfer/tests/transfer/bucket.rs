//! A bucket in memory that verifies what it gets, as S3 does, and fails when it is set to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use longshore_bottles::ports::StoredObject;
use longshore_events::transfer::Sha256;
use longshore_state::{CallError, ErrorClass};
use longshore_transfer::Destination;
use longshore_transfer::body::Body;
use longshore_transfer::destination::{PutError, Target};
use sha2::Digest;
use tokio::time::Instant;

/// What a call does instead of what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails before it takes a byte; another try may do better.
    Throttled,
    /// It takes this many bytes and breaks off.
    BreaksOff(u64),
    /// The role may not do it.
    Denied,
    /// The request is wrong.
    Refused,
    /// It takes nothing and does not answer.
    Stalls,
    /// It answers 200, with an error inside.
    ErrorInside,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, Target)>,
    /// Counts what was written.
    version: u64,
    /// Of each object its version, and when there was first one with its content.
    versions: HashMap<String, u64>,
    first_written: HashMap<Sha256, Instant>,
    uploads: HashMap<String, BTreeMap<u32, Vec<u8>>>,
    faults: HashMap<&'static str, Vec<Fault>>,
    calls: Vec<String>,
    denied: Vec<String>,
    wrong: Option<(u32, fastrand::Rng)>,
    is_out: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Bucket {
    state: Arc<Mutex<State>>,
}

impl Bucket {
    pub fn content(&self, key: &str) -> Option<Vec<u8>> {
        let state = self.state.lock().unwrap();
        state.objects.get(key).map(|(content, _)| content.clone())
    }

    pub fn target(&self, key: &str) -> Option<Target> {
        let state = self.state.lock().unwrap();
        state.objects.get(key).map(|(_, target)| target.clone())
    }

    /// What it knows of an object: it has verified the digest.
    pub fn stored(&self, key: &str) -> Option<StoredObject> {
        let state = self.state.lock().unwrap();
        state
            .objects
            .get(key)
            .map(|(content, target)| StoredObject {
                size: content.len() as u64,
                sha256: Some(target.sha256.clone()),
            })
    }

    pub fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    pub fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }

    /// The next calls of a kind fail so, one after the other.
    pub fn fail(&self, call: &'static str, faults: &[Fault]) {
        let mut state = self.state.lock().unwrap();
        state.faults.insert(call, faults.to_vec());
    }

    /// Of a hundred calls this many fail, in any way, at random.
    pub fn misbehave(&self, percent: u32, seed: u64) {
        let random = fastrand::Rng::with_seed(seed);
        self.state.lock().unwrap().wrong = Some((percent, random));
    }

    /// Answers every call with SlowDown until it is back.
    pub fn set_out(&self, is_out: bool) {
        self.state.lock().unwrap().is_out = is_out;
    }

    /// No key that begins so may be written.
    pub fn deny(&self, prefix: &str) {
        self.state.lock().unwrap().denied.push(prefix.to_owned());
    }

    fn call(&self, call: &'static str, key: &str) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(format!("{call} {key}"));
        if call == "put" && state.denied.iter().any(|denied| key.starts_with(denied)) {
            return Some(Fault::Denied);
        }
        if state.is_out {
            return Some(Fault::Throttled);
        }
        if let Some((percent, random)) = &mut state.wrong
            && random.u32(0..100) < *percent
        {
            return Some(match random.u32(0..5) {
                0 => Fault::Throttled,
                1 => Fault::Denied,
                2 => Fault::ErrorInside,
                3 => Fault::BreaksOff(random.u64(0..2_000)),
                _ => Fault::Stalls,
            });
        }
        let faults = state.faults.get_mut(call)?;
        (!faults.is_empty()).then(|| faults.remove(0))
    }

    /// Counts a call, and fails where it is set to.
    pub fn checked(&self, call: &'static str, key: &str) -> Result<(), CallError> {
        self.call(call, key)
            .map_or(Ok(()), |fault| Err(error(call, fault)))
    }

    fn take(&self, key: &str) -> Option<(Vec<u8>, Target)> {
        self.state.lock().unwrap().objects.get(key).cloned()
    }

    pub fn keep(&self, target: &Target, content: Vec<u8>) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        state.versions.insert(target.key.clone(), version);
        let first = state.first_written.entry(target.sha256.clone());
        first.or_insert_with(Instant::now);
        state
            .objects
            .insert(target.key.clone(), (content, target.clone()));
        version
    }

    /// The version of an object that is there.
    pub fn version(&self, key: &str) -> Option<u64> {
        let state = self.state.lock().unwrap();
        let is_there = state.objects.contains_key(key);
        is_there.then(|| state.versions[key])
    }

    /// Since when the bucket has had a content, under whatever key.
    pub fn first_written(&self, sha256: &Sha256) -> Option<Instant> {
        self.state
            .lock()
            .unwrap()
            .first_written
            .get(sha256)
            .copied()
    }

    pub fn remove(&self, key: &str) {
        self.state.lock().unwrap().objects.remove(key);
    }
}

fn error(call: &str, fault: Fault) -> CallError {
    let (class, code) = match fault {
        Fault::Throttled | Fault::BreaksOff(_) | Fault::Stalls => {
            (ErrorClass::Transient, "SlowDown")
        }
        Fault::ErrorInside => (ErrorClass::Transient, "InternalError"),
        Fault::Denied => (ErrorClass::Denied, "AccessDenied"),
        Fault::Refused => (ErrorClass::Refused, "InvalidRequest"),
    };
    CallError {
        operation: call.to_owned(),
        class,
        code: Some(code.to_owned()),
        message: "so it was set".to_owned(),
    }
}

pub fn sha256(content: &[u8]) -> Sha256 {
    sha2::Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .parse()
        .unwrap()
}

async fn read(call: &str, mut body: Body, fault: Option<Fault>) -> Result<Vec<u8>, PutError> {
    let expected = body.left();
    let mut content = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|broken| {
            PutError::Call(CallError {
                message: broken.to_string(),
                ..error(call, Fault::Throttled)
            })
        })?;
        content.extend_from_slice(&piece);
        if let Some(fault @ Fault::BreaksOff(after)) = fault
            && content.len() as u64 >= after
        {
            return Err(error(call, fault).into());
        }
    }
    assert_eq!(
        content.len() as u64,
        expected,
        "S3 would answer IncompleteBody"
    );
    Ok(content)
}

impl Destination for Bucket {
    const LARGEST_PUT: u64 = 60 * 1024 * 1024;
    const PART_SIZE: u64 = 20 * 1024 * 1024;

    async fn head(&self, _bucket: &str, key: &str) -> Result<Option<StoredObject>, CallError> {
        self.checked("head", key)?;
        Ok(self.stored(key))
    }

    async fn put(&self, target: &Target, body: Body) -> Result<(), PutError> {
        let fault = self.call("put", &target.key);
        if let Some(
            fault @ (Fault::Throttled | Fault::Denied | Fault::Refused | Fault::ErrorInside),
        ) = fault
        {
            return Err(error("put", fault).into());
        }
        if fault == Some(Fault::Stalls) {
            let _body = body;
            return std::future::pending().await;
        }
        let content = read("put", body, fault).await?;
        if sha256(&content) != target.sha256 {
            return Err(PutError::Mismatch("the digest is another one".to_owned()));
        }
        self.keep(target, content);
        Ok(())
    }

    async fn copy(&self, from: &str, to: &Target) -> Result<(), CallError> {
        self.checked("copy", &to.key)?;
        let (content, _) = self.take(from).unwrap();
        self.keep(to, content);
        Ok(())
    }

    async fn begin(&self, target: &Target) -> Result<String, CallError> {
        self.checked("begin", &target.key)?;
        let mut state = self.state.lock().unwrap();
        let upload = format!("upload-{}", state.calls.len());
        state.uploads.insert(upload.clone(), BTreeMap::new());
        Ok(upload)
    }

    async fn put_part(
        &self,
        target: &Target,
        upload: &str,
        number: u32,
        body: Body,
    ) -> Result<String, PutError> {
        let fault = self.call("put_part", &target.key);
        let content = read("put_part", body, fault).await?;
        let mut state = self.state.lock().unwrap();
        state
            .uploads
            .get_mut(upload)
            .unwrap()
            .insert(number, content);
        Ok(format!("tag-{number}"))
    }

    async fn complete(
        &self,
        target: &Target,
        upload: &str,
        parts: &[String],
    ) -> Result<(), CallError> {
        self.checked("complete", &target.key)?;
        let kept = self.state.lock().unwrap().uploads.remove(upload).unwrap();
        let expected: Vec<_> = kept.keys().map(|number| format!("tag-{number}")).collect();
        assert_eq!(parts, expected);
        self.keep(target, kept.into_values().flatten().collect());
        Ok(())
    }

    async fn abort(&self, target: &Target, upload: &str) -> Result<(), CallError> {
        self.checked("abort", &target.key)?;
        self.state.lock().unwrap().uploads.remove(upload);
        Ok(())
    }
}
