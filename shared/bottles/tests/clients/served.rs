//! A mirror as it is served.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use longshore_testkit::FakeMirror;

/// What a client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The object under this key.
    Found { key: String },
    /// A status without what was asked for.
    Refused(u16),
}

fn module() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra/modules/bottle-mirror")
}

/// The paths as the module's own function passes them on, `None` for those that it answers with 404; nothing
/// where there is no Node.js to run it.
pub fn routed(paths: &[&str]) -> Option<Vec<Option<String>>> {
    const RUN: &str = "
        const fs = require('fs');
        const handler = new Function(fs.readFileSync(process.argv[1], 'utf8') + '; return handler;')();
        const paths = JSON.parse(fs.readFileSync(0, 'utf8'));
        const routed = paths.map((uri) => {
            const answer = handler({ request: { uri: uri } });
            return answer.statusCode ? null : answer.uri;
        });
        process.stdout.write(JSON.stringify(routed));
    ";
    let node = Command::new("node")
        .args(["-e", RUN])
        .arg(module().join("request.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut node) = node else {
        // Said past the test's captured output: it shall be seen that nothing was tested.
        let _ = writeln!(
            io::stderr(),
            "skipped: there is no `node` to run request.js"
        );
        return None;
    };
    let text = serde_json::to_vec(paths).unwrap();
    node.stdin.take().unwrap().write_all(&text).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The key that S3 reads in a path: `%XX` is a byte, and a plain `+` a space.
fn key(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.strip_prefix('/')?.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn found(mirror: &FakeMirror, path: &str) -> Option<String> {
    let key = key(path)?;
    // The bucket's policy, however the path is written.
    let is_own = key.starts_with(".longshore/");
    (!is_own && mirror.keys().contains(&key)).then_some(key)
}

/// CloudFront: it signs what it asks S3 for, whatever header a client sends, and may list the bucket, so
/// that what is missing is reported as such.
#[derive(Debug)]
pub struct Edge<'a> {
    pub mirror: &'a FakeMirror,
}

impl Edge<'_> {
    /// To a path as `request.js` has passed it on.
    pub fn answer(&self, routed: Option<&str>) -> Answer {
        match routed.and_then(|path| found(self.mirror, path)) {
            Some(key) => Answer::Found { key },
            None => Answer::Refused(404),
        }
    }
}

/// S3 through a VPC's endpoint, without credentials: a foreign `Authorization` is 400, and what is missing is
/// 403 to whoever may not list the bucket (Amazon S3 API Reference, "Error responses", and "GetObject").
#[derive(Debug)]
pub struct Endpoint<'a> {
    pub mirror: &'a FakeMirror,
}

impl Endpoint<'_> {
    pub fn answer(&self, path: &str, has_authorization: bool) -> Answer {
        if has_authorization {
            return Answer::Refused(400);
        }
        match found(self.mirror, path) {
            Some(key) => Answer::Found { key },
            None => Answer::Refused(403),
        }
    }
}

/// A copy of one object at an edge, by when the object was last modified.
#[derive(Debug)]
pub struct Kept {
    seconds: u64,
    /// When it was fetched, and what it was then.
    copy: Option<(u64, u64)>,
}

impl Kept {
    /// An edge that keeps a copy for so long.
    pub fn new(seconds: u64) -> Self {
        Self {
            seconds,
            copy: None,
        }
    }

    /// How long the module's edge keeps something.
    pub fn seconds_of_module(what: &str) -> u64 {
        let text = std::fs::read_to_string(module().join("main.tf")).unwrap();
        let kept = text
            .split_once("kept = {")
            .unwrap()
            .1
            .split_once('}')
            .unwrap()
            .0;
        let line = kept
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{what} = ")))
            .unwrap();
        line.split_once('=').unwrap().1.trim().parse().unwrap()
    }

    /// Asks at `now` for an object that was last modified at `modified`, if it was so since `since`; whether
    /// it is given, and not 304.
    pub fn ask(&mut self, now: u64, modified: u64, since: Option<u64>) -> bool {
        let is_fresh = self.copy.is_some_and(|(at, _)| now < at + self.seconds);
        if !is_fresh {
            self.copy = Some((now, modified));
        }
        let (_, modified) = self.copy.unwrap();
        since.is_none_or(|since| modified > since)
    }
}
