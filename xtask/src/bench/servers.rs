//! What files come from and go to: a server of files, a sink that takes everything and keeps nothing, and
//! an S3 server by others that verifies what it gets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use longshore_local::workspace::Workspace;

use crate::bench::files::{FOLDER, Files, Source};

/// The bucket of a benchmark.
pub const BUCKET: &str = "bench";
pub const ACCESS_KEY: &str = "AKIDBENCH";
pub const SECRET_KEY: &str = "bench-secret";

/// How much a server reads at a time.
const PIECE: usize = 1 << 20;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where files go.
pub trait Target {
    fn name(&self) -> &'static str;
    fn endpoint(&self) -> &str;
    /// Whether files can be read back.
    fn keeps(&self) -> bool;
    /// # Errors
    /// When something is left.
    fn empty(&self) -> Result<()>;
    /// Whether all files have arrived, with nothing besides.
    ///
    /// # Errors
    /// When not.
    fn check(&self, files: &Files) -> Result<()>;
}

/// Serves the files of a folder, by the kernel's own copying.
///
/// # Errors
/// When no port is free.
pub fn serve_files(folder: &Path) -> Result<Source> {
    let folder = folder.to_owned();
    let host = listen(move |connection| serve_file(connection, &folder))?;
    Ok(Source { host })
}

fn listen(
    answer: impl Fn(&mut Connection) -> std::io::Result<()> + Send + Sync + 'static,
) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen on a free port")?;
    let host = listener.local_addr().context("read the port")?.to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut connection = Connection::new(stream);
                // A client that hangs up ends its connection, and nothing else.
                while answer(&mut connection).is_ok() {}
            });
        }
    });
    Ok(host)
}

struct Connection {
    stream: BufReader<TcpStream>,
    piece: Vec<u8>,
}

struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream: BufReader::with_capacity(PIECE, stream),
            piece: vec![0; PIECE],
        }
    }

    fn request(&mut self) -> std::io::Result<Request> {
        let mut line = self.line()?;
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (method, target) = (word(), word());
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        Ok(Request {
            method,
            path,
            headers,
        })
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    fn skip(&mut self, length: u64) -> std::io::Result<()> {
        let mut left = length;
        while left > 0 {
            let wanted = self
                .piece
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.stream.read(&mut self.piece[..wanted])?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            left -= read as u64;
        }
        Ok(())
    }
}

fn serve_file(connection: &mut Connection, folder: &Path) -> std::io::Result<()> {
    let request = connection.request()?;
    let name = request.path.trim_start_matches('/');
    let Ok(mut file) = File::open(folder.join(name)) else {
        return connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let length = file.metadata()?.len();
    connection.write(&format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
    ))?;
    if request.method != "HEAD" {
        std::io::copy(&mut file, connection.stream.get_mut())?;
    }
    Ok(())
}

/// Takes everything, verifies nothing, keeps only the lengths.
pub struct Sink {
    endpoint: String,
    lengths: Arc<Mutex<HashMap<String, u64>>>,
}

impl Sink {
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let lengths = Arc::new(Mutex::new(HashMap::new()));
        let kept = Arc::clone(&lengths);
        let host = listen(move |connection| take(connection, &kept))?;
        Ok(Self {
            endpoint: format!("http://{host}"),
            lengths,
        })
    }
}

fn take(connection: &mut Connection, lengths: &Mutex<HashMap<String, u64>>) -> std::io::Result<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\nETag: \"d41d8cd98f00b204e9800998ecf8427e\"\r\n";
    let request = connection.request()?;
    let Some(key) = request.path.strip_prefix(&format!("/{BUCKET}/")) else {
        return connection.write(&format!("{OK}Content-Length: 0\r\n\r\n"));
    };
    let lengths = || lengths.lock().unwrap_or_else(PoisonError::into_inner);
    if request.method == "PUT" {
        let Some(length) = request
            .headers
            .get("content-length")
            .and_then(|length| length.parse().ok())
        else {
            return connection.write("HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n");
        };
        if request.headers.contains_key("expect") {
            connection.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        connection.skip(length)?;
        lengths().insert(key.to_owned(), length);
        return connection.write(&format!("{OK}Content-Length: 0\r\n\r\n"));
    }
    let found = lengths().get(key).copied();
    match found {
        Some(length) => connection.write(&format!(
            "{OK}Last-Modified: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: {length}\r\n\r\n"
        )),
        None => connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    }
}

impl Target for Sink {
    fn name(&self) -> &'static str {
        "sink"
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn keeps(&self) -> bool {
        false
    }

    fn empty(&self) -> Result<()> {
        self.lengths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(())
    }

    fn check(&self, files: &Files) -> Result<()> {
        let lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in files.entries() {
            let found = lengths.get(&entry.name);
            ensure!(
                found == Some(&entry.size),
                "{} arrived as {found:?} bytes of {}",
                entry.name,
                entry.size
            );
        }
        ensure!(
            lengths.len() == files.entries().len(),
            "more arrived than was sent"
        );
        Ok(())
    }
}

/// s3s-fs: verifies signatures and digests, and keeps what it gets in a folder.
pub struct Judge {
    process: Child,
    endpoint: String,
    root: PathBuf,
}

impl Judge {
    /// # Errors
    /// When it does not start.
    pub fn start(workspace: &Workspace, program: &Path) -> Result<Self> {
        let root = workspace.path(FOLDER).join("s3");
        std::fs::create_dir_all(root.join(BUCKET))
            .with_context(|| format!("create {}", root.display()))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("find a free port")?
            .port();
        let process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
            .arg(&root)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let judge = Self {
            process,
            endpoint: format!("http://127.0.0.1:{port}"),
            root,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline {
                bail!("{} does not listen", program.display());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(judge)
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Target for Judge {
    fn name(&self) -> &'static str {
        "s3s-fs"
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn keeps(&self) -> bool {
        true
    }

    fn empty(&self) -> Result<()> {
        // Its own notes about objects are files beside the bucket.
        for entry in std::fs::read_dir(&self.root).context("list what s3s-fs keeps")? {
            let path = entry.context("list what s3s-fs keeps")?.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.with_context(|| format!("remove {}", path.display()))?;
        }
        let bucket = self.root.join(BUCKET);
        std::fs::create_dir_all(&bucket).with_context(|| format!("create {}", bucket.display()))
    }

    fn check(&self, files: &Files) -> Result<()> {
        for entry in files.entries() {
            let path = self.root.join(BUCKET).join(&entry.name);
            let found = path.metadata().map(|found| found.len()).ok();
            ensure!(
                found == Some(entry.size),
                "{} arrived as {found:?} bytes of {}",
                entry.name,
                entry.size
            );
        }
        Ok(())
    }
}
