//! The dashboard as a browser, or somebody else's page, sees it over HTTP.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;

use chrono::Utc;
use longshore_rollout::documents::RecordKey;
use longshore_rollout::record::{Record, State};
use longshore_rollout::stack_record::OperationState;
use longshore_testkit::{FakeFormula, MIRROR_STACK, altered};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::export::export;
use super::reading::{Reader, SHEET};
use super::scene::{HOSTILE, Scene, TOKEN};

/// An answer over HTTP.
struct Heard {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Asks the dashboard at a port.
struct Asker {
    port: u16,
}

impl Asker {
    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn raw(&self, request: String) -> Heard {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(": "));
        Heard {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Heard {
        self.raw(format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            self.port,
            body.len()
        ))
        .await
    }

    async fn get(&self, path: &str) -> Heard {
        self.ask("GET", &format!("/{TOKEN}/{path}"), "", "").await
    }

    async fn post(&self, path: &str, form: &str) -> Heard {
        let origin = format!(
            "origin: {}\r\nsec-fetch-site: same-origin\r\n",
            self.origin()
        );
        self.ask("POST", &format!("/{TOKEN}/{path}"), &origin, form)
            .await
    }
}

/// Asks while the dashboard of the scene is served.
async fn served<F: Future>(scene: &Scene, asking: impl FnOnce(Asker) -> F) -> F::Output {
    let (dashboard, listener, _) = scene.dashboard().await;
    let port = listener.local_addr().unwrap().port();
    tokio::select! {
        () = dashboard.serve(&listener) => unreachable!("it is served for ever"),
        answer = asking(Asker { port }) => answer,
    }
}

fn contains(text: &str, all: &[&str]) {
    for expected in all {
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
}

#[tokio::test]
async fn the_overview_says_what_runs_and_what_waits_and_why() {
    let scene = Scene::with_history().await;
    scene.change_stack(
        "blog",
        OperationState::Failed,
        Some("no room for another task"),
    );
    let page = served(&scene, async |ask| ask.get("").await).await;
    assert_eq!(page.status, 200);
    contains(
        &page.body,
        &[
            "2 services in 2 stacks",
            "shop/api:v4",
            "#3 <span class=\"says good\">succeeded",
            "shop/api:v4 waits for approval, until",
            "href=\"services/shop/web.html\"",
            "href=\"stacks/shop.html\"",
            "change failed: no room for another task",
            "0 deployments under way, 1 wait or are held",
        ],
    );
}

#[tokio::test]
async fn a_service_shows_its_tasks_its_history_and_what_can_be_done() {
    let scene = Scene::with_history().await;
    let (api, web) = served(&scene, async |ask| {
        (
            ask.get("services/shop/api.html").await.body,
            ask.get("services/shop/web.html").await.body,
        )
    })
    .await;
    contains(
        &api,
        &[
            "2 of 2 tasks run",
            "<figure class=\"chart\">",
            "3 deployments: 2 succeeded, 1 failed or went back; half of these took at most 1 min 35 s",
            "#2: rolled back",
            "href=\"../../services/shop/api/2.html\"",
            "href=\"../../ask/rollback/shop/api.html\"",
            "href=\"../../ask/hold/shop/api.html\"",
        ],
    );
    assert!(!api.contains("ask/approve"), "{api}");
    contains(
        &web,
        &["href=\"../../ask/approve/shop/web.html\"", "Approve"],
    );
}

#[tokio::test]
async fn a_deployment_that_failed_shows_when_its_tasks_died_and_what_they_wrote() {
    let scene = Scene::with_history().await;
    let page = served(&scene, async |ask| {
        ask.get("services/shop/api/2.html").await
    })
    .await;
    contains(
        &page.body,
        &[
            "asked for by a push",
            "task dead died: app exited with 137 (SIGKILL, often out of memory)",
            "1 × app exited with 137",
            "Container app of task dead",
            "api/app/dead in /shop/api",
            "panicked at src/main.rs:42: no such table: basket",
            "rolled back: ",
        ],
    );
    let (died, ended) = (
        page.body.find("task dead died"),
        page.body.rfind("rolled back: "),
    );
    assert!(died < ended, "the timeline is in order: {}", page.body);
}

#[tokio::test]
async fn whoever_lacks_the_token_or_the_host_or_comes_from_another_page_gets_nothing() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let nothing = ask.ask("GET", "/", "", "").await;
        assert_eq!(nothing.status, 404);
        assert!(!nothing.body.contains("shop"), "{}", nothing.body);
        let wrong = TOKEN.replace('0', "1");
        assert_eq!(
            ask.ask("GET", &format!("/{wrong}/"), "", "").await.status,
            404
        );
        // A name that leads here by DNS rebinding.
        let rebound = ask
            .raw(format!(
                "GET /{TOKEN}/ HTTP/1.1\r\nhost: evil.example:{}\r\nconnection: close\r\n\r\n",
                ask.port
            ))
            .await;
        assert_eq!(rebound.status, 421);
        assert!(!rebound.body.contains("shop"), "{}", rebound.body);
        let deed = format!("/{TOKEN}/do/approve/shop/web");
        for (method, headers, status) in [
            ("GET", format!("origin: {}\r\n", ask.origin()), 405),
            ("POST", String::new(), 403),
            ("POST", "origin: http://evil.example\r\n".to_owned(), 403),
            ("POST", "origin: null\r\n".to_owned(), 403),
            (
                "POST",
                format!("origin: {}\r\nsec-fetch-site: cross-site\r\n", ask.origin()),
                403,
            ),
        ] {
            let heard = ask.ask(method, &deed, &headers, "").await;
            assert_eq!(heard.status, status, "{method} {headers}");
        }
        assert_eq!(ask.get("do/../index.html").await.status, 404);
    })
    .await;
    assert_eq!(scene.cloud.updates(&scene.web), 0);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_before_anything_is_done() {
    let scene = Scene::with_history().await;
    let note = format!("note={}", "a".repeat(20_000));
    let heard = served(&scene, async |ask| {
        ask.post("do/hold/shop/api", &note).await
    })
    .await;
    assert_eq!(heard.status, 413);
    assert!(scene.cloud.record(&scene.api).unwrap().hold.is_none());
}

#[tokio::test]
async fn every_answer_forbids_scripts_frames_and_forms_of_others() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        for path in [
            "",
            "page.js",
            "services/shop/nothing.html",
            "ask/hold/shop.html",
        ] {
            let heard = ask.get(path).await;
            let policy = heard.header("content-security-policy");
            contains(
                policy,
                &[
                    "default-src 'none'",
                    "script-src 'self'",
                    "frame-ancestors 'none'",
                    "form-action 'self'",
                ],
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(heard.header("x-content-type-options"), "nosniff");
            assert_eq!(heard.header("referrer-policy"), "same-origin");
            assert_eq!(heard.header("cache-control"), "no-store");
            // Nothing in a page needs what the policy forbids.
            for inline in ["<style", " style=", "<script>", " onclick=", "javascript:"] {
                assert!(!heard.body.contains(inline), "{path}: {inline}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_documents_say_is_text_whatever_it_is() {
    let scene = Scene::with_history().await;
    let record = scene.cloud.record(&scene.api).unwrap();
    let deployment = altered(
        &record.deployment,
        &json!({
            "source": {"kind": "manual", "note": HOSTILE},
            "reason": HOSTILE,
            "commit": HOSTILE,
            "image": {"repository": HOSTILE, "tag": HOSTILE, "digest": record.deployment.image.digest},
            "failures": [{"task": HOSTILE, "stop_code": HOSTILE, "stopped_reason": HOSTILE,
                "containers": [{"name": HOSTILE, "exit_code": 1, "reason": HOSTILE}]}],
        }),
    );
    let record: Record = altered(
        &record,
        &json!({"deployment": deployment, "hold": {"note": HOSTILE, "since": Utc::now()}}),
    );
    let service_id = scene.api.service_id();
    scene.cloud.objects().put(&RecordKey(&service_id), &record);
    for key in [
        "deployments/<script>/<img>/current.json",
        "provisions/<script>/current.json",
        "syncs/<script>.json",
    ] {
        scene.cloud.objects().put_bytes(key, HOSTILE);
    }
    scene.change_stack("shop", OperationState::Failed, Some(HOSTILE));
    served(&scene, async |ask| {
        let query = "index.html?q=%3Cscript%3Ealert(1)%3C/script%3E&said=%3Cscript%3E";
        for path in [
            "",
            "now.html",
            query,
            "services/shop/api.html",
            "services/shop/api/3.html",
            "stacks/shop.html",
            "ask/resume/shop/api.html",
            "ask/rollback/shop/api.html?to=%3Cscript%3E",
        ] {
            let heard = ask.get(path).await;
            assert_eq!(heard.status, 200, "{path}");
            for tag in ["<script>", "<img", "<b>", "\"'>", "onerror=alert(2)>"] {
                assert!(!heard.body.contains(tag), "{path}: {tag}: {}", heard.body);
            }
        }
        let page = ask.get("services/shop/api.html").await;
        contains(
            &page.body,
            &[
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                "[U+202E][U+001B][2J",
            ],
        );
        assert!(!page.body.contains(['\u{202e}', '\u{1b}']), "{}", page.body);
        let page = ask.get("").await;
        contains(
            &page.body,
            &["3 records whose names Longshore does not allow"],
        );
    })
    .await;
}

#[tokio::test]
async fn an_approval_asks_first_and_approves_what_it_has_shown() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let question = ask.get("ask/approve/shop/web.html").await;
        contains(
            &question.body,
            &[
                "Approve shop/web?",
                "shop/web would go from shop/api:v1 to shop/api:v4 (#2)",
                "method=\"post\" action=\"../../../do/approve/shop/web\"",
                &format!("name=\"digest\" value=\"sha256:{}\"", "4".repeat(64)),
            ],
        );
        assert_eq!(
            scene.cloud.updates(&scene.web),
            0,
            "a question does nothing"
        );
        let other = format!("digest=sha256:{}", "5".repeat(64));
        let refused = ask.post("do/approve/shop/web", &other).await;
        assert_eq!(refused.status, 303);
        assert_eq!(
            scene.cloud.updates(&scene.web),
            0,
            "another image came to wait"
        );
        let shown = format!("digest=sha256:{}", "4".repeat(64));
        let done = ask.post("do/approve/shop/web", &shown).await;
        assert_eq!(done.status, 303);
        let location = done.header("location").to_owned();
        assert_eq!(location, "../../../services/shop/web.html?said=2");
        let page = ask.get(location.trim_start_matches("../")).await;
        contains(&page.body, &["role=\"status\"", "to shop/web started"]);
    })
    .await;
    assert_eq!(scene.cloud.updates(&scene.web), 1);
    let record = scene.cloud.record(&scene.web).unwrap();
    assert_eq!(record.deployment.image.tag.as_deref(), Some("v4"));
}

#[tokio::test]
async fn a_hold_takes_its_note_and_its_end_and_a_resume_ends_it() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let wrong = ask.post("do/hold/shop/api", "until=yesterday").await;
        let page = ask
            .get(wrong.header("location").trim_start_matches("../"))
            .await;
        contains(
            &page.body,
            &["notice bad", "until: expected a time to come"],
        );
        assert!(scene.cloud.record(&scene.api).unwrap().hold.is_none());

        ask.post("do/hold/shop/api", "until=2h&note=the+sale").await;
        let hold = scene
            .cloud
            .record(&scene.api)
            .unwrap()
            .hold
            .clone()
            .unwrap();
        assert_eq!(hold.note.as_deref(), Some("the sale"));
        assert!(hold.until.is_some());
        let page = ask.get("services/shop/api.html").await;
        contains(
            &page.body,
            &["held since", "(the sale)", "ask/resume/shop/api.html"],
        );
        ask.post("do/resume/shop", "").await;
    })
    .await;
    assert!(scene.cloud.record(&scene.api).unwrap().hold.is_none());
}

#[tokio::test]
async fn a_rollback_goes_where_the_question_said() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let question = ask.get("ask/rollback/shop/api.html?to=1").await;
        contains(
            &question.body,
            &[
                "shop/api goes back from shop/api:v4 (#3) to shop/api:v2 (#1)",
                "name=\"to\" value=\"1\"",
            ],
        );
        ask.post("do/rollback/shop/api", "to=1&note=the+checkout")
            .await;
        let unknown = ask.get("ask/rollback/shop/api.html?to=77").await;
        contains(&unknown.body, &["would bad"]);
        assert!(
            !unknown.body.contains("<form method=\"post\""),
            "{}",
            unknown.body
        );
    })
    .await;
    let record = scene.cloud.record(&scene.api).unwrap();
    assert_eq!(record.deployment.state, State::Deploying);
    assert_eq!(record.deployment.image.tag.as_deref(), Some("v2"));
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let first = ask.get("").await;
        let known = format!("if-none-match: {}\r\n", first.header("etag"));
        let path = format!("/{TOKEN}/");
        let second = ask.ask("GET", &path, &known, "").await;
        assert_eq!((second.status, second.body.as_str()), (304, ""));
        scene.push("v5", '5', 3_000).await;
        let third = ask.ask("GET", &path, &known, "").await;
        assert_eq!(third.status, 200);
        contains(&third.body, &["deploying", "data-open=\"true\""]);
    })
    .await;
}

/// How often each kind of call was made since the last time.
fn calls(scene: &Scene) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in scene.cloud.calls() {
        *counts.entry(call).or_default() += 1;
    }
    scene.cloud.forget_calls();
    counts
}

#[tokio::test]
async fn five_hundred_services_with_fifty_thousand_deployments_cost_the_first_sheet_only() {
    let few = Scene::crowded(5, 100).await;
    let many = Scene::crowded(500, 100).await;
    let of = |calls: &BTreeMap<String, usize>, name: &str| calls.get(name).copied().unwrap_or(0);
    let mut sizes = Vec::new();
    for scene in [&few, &many] {
        calls(scene);
        let first = served(scene, async |ask| {
            let first = ask.get("").await;
            let cold = calls(scene);
            assert_eq!(first.status, 200);
            assert!(of(&cold, "GetObject deployments") <= SHEET, "{cold:?}");
            // The listings leave the histories out, and none is read.
            let listings = cold.keys().filter(|name| name.starts_with("ListObjectsV2"));
            assert_eq!(listings.count(), 3, "{cold:?}");
            assert_eq!(of(&cold, "GetObject history"), 0, "{cold:?}");
            // What has not changed is not read again, wherever it is.
            ask.get("").await;
            let warm = calls(scene);
            assert_eq!(warm.values().sum::<usize>(), 3, "{warm:?}");
            first
        })
        .await;
        sizes.push(first.body.len());
    }
    // 500 services are as much to send as 50.
    assert!(sizes[1] < 64 * 1024, "{sizes:?}");

    served(&many, async |ask| {
        // What goes on everywhere needs all records once, and then those that have changed.
        let news = ask.get("now.html").await;
        contains(&news.body, &["0 deployments under way"]);
        let all = calls(&many);
        assert!(of(&all, "GetObject deployments") >= 500, "{all:?}");
        many.push("v5", '5', 3_000).await;
        calls(&many);
        contains(&ask.get("now.html").await.body, &["1 deployment under way"]);
        let changed = calls(&many);
        assert_eq!(of(&changed, "GetObject deployments"), 2, "{changed:?}");

        // A history is read by its numbers: nobody lists a hundred to see forty.
        let service = "services/stack-000/service-000.html";
        contains(&ask.get(service).await.body, &["#100", "#61", "?before=61"]);
        let read = calls(&many);
        assert_eq!(of(&read, "GetObject history"), 39, "{read:?}");
        assert_eq!(of(&read, "ListObjectsV2 history"), 0, "{read:?}");
        ask.get(service).await;
        let again = calls(&many);
        assert_eq!(of(&again, "GetObject history"), 0, "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_sheet_leads_to_the_next_and_names_are_found() {
    let scene = Scene::crowded(120, 2).await;
    served(&scene, async |ask| {
        contains(
            &ask.get("").await.body,
            &[
                "Sheet 1 of 3",
                "href=\"index-2.html\"",
                "data-later=\"now.html\"",
            ],
        );
        let second = ask.get("index-2.html").await.body;
        contains(
            &second,
            &["Sheet 2 of 3", "services/stack-005/service-000.html"],
        );
        let found = ask.get("index.html?q=stack-011").await.body;
        contains(
            &found,
            &["10 services", "services/stack-011/service-009.html"],
        );
        assert!(!found.contains("stack-010"), "{found}");
        contains(
            &ask.get("index.html?q=nothing").await.body,
            &["No stack or service has nothing in its name."],
        );
    })
    .await;
}

#[tokio::test]
async fn a_stack_is_compared_with_its_template_when_somebody_asks_for_it() {
    let scene = Scene::with_history().await;
    served(&scene, async |ask| {
        let before = ask.get("stacks/shop.html").await.body;
        contains(
            &before,
            &[
                "It was not compared with its template",
                "asked for by a payload or the command line (more memory)",
                "ask/hold/shop.html",
                "services/shop/web.html",
            ],
        );
        let question = ask.get("ask/drift/shop.html").await.body;
        contains(&question, &["changes nothing", "do/drift/shop"]);
        let done = ask.post("do/drift/shop", "").await;
        assert_eq!(done.header("location"), "../../stacks/shop.html");
        let after = ask.get("stacks/shop.html").await.body;
        contains(&after, &["Compared at", "there is no such stack"]);
    })
    .await;
}

#[tokio::test]
async fn a_first_start_that_fails_is_on_the_page_of_its_stack_with_what_was_kept_of_its_log() {
    let scene = Scene::new();
    scene.change_stack(
        "shop",
        OperationState::Failed,
        Some("the service did not stabilize"),
    );
    let record = scene.cloud.stack_record("shop").unwrap();
    let failed = json!([{
        "service": "jobs", "ecs_deployment_id": "ecs-svc/9", "task_definition": "shop-jobs:1",
        "failures": [{"task": "task/shop/0f3c1", "stop_code": "EssentialContainerExited",
            "containers": [{"name": "jobs", "exit_code": 127}]}],
        "logs": [{"task": "task/shop/0f3c1", "container": "jobs", "log_group": "/shop/jobs",
            "log_stream": "jobs/jobs/0f3c1",
            "lines": [{"at": "2026-11-21T12:00:00Z", "message": "sh: migrate: not found"}]}],
    }]);
    let operation = altered(&record.operation, &json!({"failed_services": failed}));
    scene
        .cloud
        .set_stack_record(longshore_rollout::stack_record::StackRecord {
            operation,
            ..record
        });
    let page = served(&scene, async |ask| ask.get("stacks/shop.html").await.body).await;
    contains(
        &page,
        &[
            "Tasks of jobs died of the change",
            "jobs exited with 127 (command not found)",
            "sh: migrate: not found",
        ],
    );
}

#[tokio::test]
async fn a_mirror_shows_how_far_its_sync_is() {
    let scene = Scene::new();
    let formulae: Vec<FakeFormula> = (1..=3)
        .map(|number| FakeFormula::new(&format!("formula{number}"), "1.0", number))
        .collect();
    scene.mirror.publish_index(&formulae);
    let key = format!("syncs/{MIRROR_STACK}.json");
    scene
        .cloud
        .objects()
        .put_bytes(&key, json!({"stack": MIRROR_STACK}).to_string());
    served(&scene, async |ask| {
        let path = format!("mirrors/{MIRROR_STACK}.html");
        contains(&ask.get("").await.body, &[&format!("href=\"{path}\"")]);
        contains(&ask.get(&path).await.body, &["was never synced"]);
    })
    .await;
}

#[tokio::test]
async fn a_document_that_cannot_be_read_hides_no_other() {
    let scene = Scene::with_history().await;
    let service_id = scene.api.service_id();
    let key = longshore_state::Key::address(&RecordKey(&service_id)).key;
    scene.cloud.objects().put_bytes(&key, "not JSON");
    served(&scene, async |ask| {
        let page = ask.get("").await.body;
        contains(
            &page,
            &[
                "its record cannot be read",
                "shop/api:v4 waits for approval",
            ],
        );
        let service = ask.get("services/shop/api.html").await;
        assert_eq!(service.status, 502);
        contains(&service.body, &["It cannot be read"]);
    })
    .await;
}

#[tokio::test]
async fn a_copy_holds_every_page_leads_from_each_to_the_others_and_does_nothing() {
    let scene = Scene::with_history().await;
    let directory = std::env::temp_dir().join(format!("longshore-copy-{}", uuid::Uuid::new_v4()));
    let reader = Reader::new(&scene.cloud, &scene.mirror);
    let said = export(&reader, &directory, Utc::now()).await.unwrap();
    contains(&said, &["index.html"]);
    let mut pages = 0;
    let mut folders = vec![directory.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "html") {
                continue;
            }
            pages += 1;
            let html = std::fs::read_to_string(&path).unwrap();
            for forbidden in ["<form", "<script", "ask/", "do/"] {
                assert!(!html.contains(forbidden), "{}: {forbidden}", path.display());
            }
            for link in html.split("href=\"").skip(1) {
                let link = link.split('"').next().unwrap_or_default();
                let file = link.split(['#', '?']).next().unwrap_or_default();
                if file.is_empty() || file.starts_with("data:") {
                    continue;
                }
                let leads_to = folder.join(file);
                assert!(leads_to.exists(), "{}: {link}", path.display());
            }
        }
    }
    // The overview, what goes on, the stack, two services, three deployments of one of them and one of the other.
    assert_eq!(pages, 9);
    let failed = std::fs::read_to_string(directory.join("services/shop/api/2.html")).unwrap();
    contains(&failed, &["no such table: basket", "A copy of"]);
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The memory that this process holds, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    kibibytes.unwrap().parse().unwrap()
}

/// Looks at the overview, its sheets and one deployment after the other of 500 services that have 50,000, and writes
/// down what memory is held early on, and much later.
#[cfg(target_os = "linux")]
async fn many_looks() {
    let scene = Scene::crowded(500, 100).await;
    let [early, late] = served(&scene, async |ask| {
        let mut held = [0; 2];
        for look in 0..200_u32 {
            let pages = [
                String::new(),
                format!("index-{}.html", look % 10 + 1),
                format!("services/stack-000/service-000/{}.html", 51 + look % 49),
            ];
            for page in pages {
                assert_eq!(ask.get(&page).await.status, 200, "{page}");
            }
            match look {
                49 => held[0] = resident(),
                199 => held[1] = resident(),
                _ => {}
            }
        }
        held
    })
    .await;
    let _ = writeln!(std::io::stderr(), "resident: {early} {late}");
}

/// Says that this process runs one test only, so that what it holds is that test's.
#[cfg(target_os = "linux")]
const ALONE: &str = "LONGSHORE_TEST_ALONE";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_five_hundred_services_is_flat() {
    if std::env::var_os(ALONE).is_some() {
        return many_looks().await;
    }
    let name = "dashboard::tests::the_memory_of_five_hundred_services_is_flat";
    let looks = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&looks.stderr).into_owned();
    let figures = said
        .lines()
        .find_map(|line| line.strip_prefix("resident: "));
    let figures: Vec<u64> = figures
        .unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&looks.stdout)))
        .split(' ')
        .map(|figure| figure.parse().unwrap())
        .collect();
    let [early, late] = figures.try_into().unwrap();
    let _ = writeln!(
        std::io::stderr(),
        "held after 150 pages: {} MiB, after 600: {} MiB",
        early / 1024,
        late / 1024
    );
    assert!(late < early + early / 10, "{early} KiB, {late} KiB");
}
