//! A real Chromium, driven by the DevTools protocol over pipes: no other program and no open port is needed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a page may take to show something.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the browser may take for anything: it waits for pages itself.
const ANSWERS_WITHIN: Duration = Duration::from_secs(150);

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one tab.
pub struct Browser {
    child: Child,
    input: RefCell<ChildStdin>,
    answers: RefCell<UnboundedReceiver<Value>>,
    /// What came before somebody asked for it.
    early: RefCell<HashMap<u64, Value>>,
    /// What went wrong in the page: exceptions, and what the policy has blocked.
    pub complaints: RefCell<Vec<String>>,
    next: Cell<u64>,
    session: String,
    profile: PathBuf,
    /// Says by its end that no process of the browser is left to write anything.
    ended: mpsc::Receiver<()>,
}

/// The program. Where this machine has none, that is said, and the test is to end without having asserted anything.
pub fn program(test: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let program = env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if program.is_none() {
        // Not by a macro: the test harness would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: {test}: this machine has no Chromium; install it with: apt-get install chromium\n"
        );
    }
    program
}

impl Browser {
    pub async fn start(program: &Path) -> Self {
        let profile = env::temp_dir().join(format!("longshore-browser-{}", uuid::Uuid::new_v4()));
        // Chromium reads commands from descriptor 3 and answers on 4. It finds no host but this one. It leaves the
        // processors to what is tested, of which it takes all for seconds when it starts.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec nice \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                "sh",
            ])
            .arg(program)
            .arg(format!("--user-data-dir={}", profile.display()))
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--hide-scrollbars",
                "--lang=en",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, answers) = unbounded_channel();
        let (running, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let _running: mpsc::Sender<()> = running;
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    continue;
                };
                // Nobody may listen any more, but the end is waited for.
                let _ = sender.send(message);
            }
        });
        let mut browser = Self {
            child,
            input: RefCell::new(input),
            answers: RefCell::new(answers),
            early: RefCell::default(),
            complaints: RefCell::default(),
            next: Cell::new(0),
            session: String::new(),
            profile,
            ended,
        };
        let tab = browser
            .command("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attached = browser
            .command(
                "Target.attachToTarget",
                json!({"targetId": tab["targetId"], "flatten": true}),
            )
            .await;
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.command(domain, json!({})).await;
        }
        browser
    }

    /// The result of a command.
    pub async fn command(&self, method: &str, parameters: Value) -> Value {
        self.tried(method, parameters).await.unwrap()
    }

    async fn tried(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.next.get() + 1;
        self.next.set(id);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        {
            let mut input = self.input.borrow_mut();
            input.write_all(message.to_string().as_bytes()).unwrap();
            input.write_all(&[0]).unwrap();
            input.flush().unwrap();
        }
        let answer = tokio::time::timeout(ANSWERS_WITHIN, self.answer(id)).await;
        let answer = answer.unwrap_or_else(|_| panic!("Chromium does not answer {method}"));
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].clone()),
        }
    }

    async fn answer(&self, id: u64) -> Value {
        loop {
            if let Some(answer) = self.early.borrow_mut().remove(&id) {
                return answer;
            }
            let next =
                std::future::poll_fn(|context| self.answers.borrow_mut().poll_recv(context)).await;
            let message = next.expect("Chromium has ended");
            match message["id"].as_u64() {
                Some(other) => {
                    self.early.borrow_mut().insert(other, message);
                }
                None => self.note(&message),
            }
        }
    }

    fn note(&self, event: &Value) {
        let parameters = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(&parameters["exceptionDetails"]),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                Some(&parameters["entry"])
            }
            _ => None,
        };
        let mut complaints = self.complaints.borrow_mut();
        complaints.extend(complaint.map(ToString::to_string));
    }

    /// What an expression, or the promise that it gives, comes to in the page.
    pub async fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let answer = self
            .tried(
                "Runtime.evaluate",
                json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
            )
            .await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// What an expression comes to, which must.
    pub async fn value(&self, expression: &str) -> Value {
        self.evaluate(expression).await.unwrap()
    }

    /// Waits until an expression is true in the page, whatever page that is by then.
    pub async fn until(&self, condition: &str) {
        let looking = format!(
            "new Promise((done) => {{ const look = () => {{ let is = false; try {{ is = !!({condition}) && document.readyState === 'complete' }} \
             catch {{}} is ? done(true) : setTimeout(look, 20) }}; look() }})"
        );
        let looked = tokio::time::timeout(PATIENCE, async {
            // A promise does not outlive its page.
            while self.evaluate(&looking).await != Ok(json!(true)) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if looked.is_err() {
            let text = self
                .value("document.title + ': ' + document.body.innerText")
                .await;
            panic!("{condition} does not come true in {text}");
        }
    }

    /// Opens an address and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.command("Page.navigate", json!({"url": url})).await;
        self.until(&format!("location.href === {}", json!(url)))
            .await;
    }

    /// Waits until the page shows a text.
    pub async fn shows(&self, text: &str) {
        let text = json!(text);
        self.until(&format!("document.body.innerText.includes({text})"))
            .await;
    }

    /// Presses a key as a person does.
    pub async fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            letter => (letter, 0, letter),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut pressed =
                json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number});
            if kind == "keyDown" && !text.is_empty() {
                pressed["text"] = json!(text);
            }
            self.command("Input.dispatchKeyEvent", pressed).await;
        }
    }

    /// Goes by the Tab key until the element with this id has the focus.
    pub async fn tab_to(&self, id: &str) {
        let mut been = Vec::new();
        for _ in 0..60 {
            self.press("Tab").await;
            let focused = self.value("document.activeElement.id").await;
            if focused == json!(id) {
                return;
            }
            been.push(focused);
        }
        panic!("the Tab key does not lead to {id}, but to {been:?}");
    }

    /// Sets the size of the window, and whether the person likes it dark.
    pub async fn look(&self, width: u32, height: u32, is_dark: bool) {
        let is_phone = width < 600;
        self.command(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}),
        )
        .await;
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features}))
            .await;
    }

    /// Keeps a picture of what is seen in `docs/pictures`, if `UPDATE_PICTURES` says so.
    pub async fn keep_picture(&self, name: &str) {
        if env::var_os("UPDATE_PICTURES").is_none() {
            return;
        }
        let picture = self
            .command(
                "Page.captureScreenshot",
                json!({"format": "png", "optimizeForSpeed": false}),
            )
            .await;
        let picture = picture["data"].as_str().unwrap_or_default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!("{name}.png")),
            BASE64_STANDARD.decode(picture).unwrap(),
        )
        .unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let close = json!({"id": i32::MAX, "method": "Browser.close"}).to_string();
        let mut input = self.input.borrow_mut();
        let _ = input.write_all(close.as_bytes());
        let _ = input.write_all(&[0]);
        let _ = self.ended.recv_timeout(PATIENCE);
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
