//! Files that are transferred, refused, tried again and given up.

use longshore_events::transfer::TransferProgress;
use longshore_transfer::settings::CONCURRENCY;
use longshore_transfer::{HttpClient, ProgressCounter, Settings, Stop, Transfers};

use crate::bucket::{Bucket, Fault, sha256};
use crate::server::{Answer, Server};
use crate::setting::{content, item, reason, run, settings};

const KEY: &str = "gtk+-2.24.33_2.arm64_linux.bottle.tar.gz";
const PATH: &str = "/v2/homebrew/core/gtkx/blobs/sha256:00";

/// A source with one file, and the file.
async fn source(length: usize) -> (Server, Vec<u8>) {
    let server = Server::start().await;
    let content = content(length, 1);
    server.publish(PATH, &content);
    (server, content)
}

/// Transfers the one file, which must arrive; gives how often the source was asked and what it has sent.
async fn arrives(server: &Server, content: &[u8]) -> (usize, u64) {
    let bucket = Bucket::default();
    let transferred = run(
        settings(&[server]),
        &bucket,
        vec![item(KEY, server.url(PATH), content)],
    )
    .await;
    assert_eq!(transferred.report.failures, []);
    assert_eq!(transferred.report.files, 1);
    assert_eq!(transferred.report.bytes, content.len() as u64);
    assert!(bucket.content(KEY).as_deref() == Some(content));
    (server.requests().len(), transferred.report.downloaded_bytes)
}

/// Transfers the one file, which must not arrive; gives the reason.
async fn is_given_up(settings: Settings, server: &Server, content: &[u8]) -> String {
    let bucket = Bucket::default();
    let transferred = run(
        settings,
        &bucket,
        vec![item(KEY, server.url(PATH), content)],
    )
    .await;
    assert!(transferred.left.is_empty());
    assert_eq!(bucket.keys(), Vec::<String>::new());
    reason(&transferred).to_owned()
}

#[tokio::test]
async fn files_arrive_under_their_keys_with_their_copies() {
    let server = Server::start().await;
    let (bottle, json, empty) = (content(300_000, 1), content(77, 2), Vec::new());
    let mut items = vec![
        item(KEY, server.publish("/bottle", &bottle), &bottle),
        item("some.json", server.publish("/json", &json), &json),
        item("empty", server.publish("/empty", &empty), &empty),
    ];
    items[0].copies = vec!["v2/homebrew/core/gtkx/blobs/sha256:00".to_owned()];
    items[1].content_type = Some("application/json".to_owned());
    items[1].size = None;
    let bucket = Bucket::default();
    let progress = ProgressCounter::new();
    let transferred = Transfers::new(
        HttpClient::new(settings(&[&server])).unwrap(),
        bucket.clone(),
    )
    .run("mirror", items, &progress, &Stop::new())
    .await;
    assert_eq!(transferred.report.failures, []);
    assert_eq!(transferred.report.files, 3);
    assert_eq!(transferred.report.bytes, 300_077);
    assert_eq!(transferred.report.downloaded_bytes, 300_077);
    assert_eq!(transferred.report.copies, 1);
    assert!(bucket.content(KEY) == Some(bottle.clone()));
    assert!(bucket.content("v2/homebrew/core/gtkx/blobs/sha256:00") == Some(bottle));
    assert!(bucket.content("empty") == Some(empty));
    assert_eq!(bucket.target(KEY).unwrap().content_type, "application/gzip");
    assert_eq!(
        bucket.target("some.json").unwrap().content_type,
        "application/json"
    );
    let expected = TransferProgress {
        files: 3,
        bytes: 300_077,
        failed: 0,
    };
    assert_eq!(progress.snapshot(), expected);
    assert_eq!(progress.moved_bytes(), 300_077);
}

#[tokio::test]
async fn what_is_there_already_is_not_asked_for_again() {
    let (server, content) = source(1000).await;
    let bucket = Bucket::default();
    let mut items = vec![item(KEY, server.url(PATH), &content)];
    run(settings(&[&server]), &bucket, items.clone()).await;
    // A copy that is missing is made all the same.
    items[0].copies = vec!["copy".to_owned()];
    let again = run(settings(&[&server]), &bucket, items.clone()).await;
    assert_eq!((again.report.already_there, again.report.files), (1, 0));
    assert_eq!(again.report.copies, 1);
    let once_more = run(settings(&[&server]), &bucket, items).await;
    assert_eq!(once_more.report.copies, 0);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_there_with_another_content_is_replaced() {
    let (server, content) = source(1000).await;
    let bucket = Bucket::default();
    let old = crate::setting::content(1000, 2);
    let url = server.publish("/old", &old);
    run(settings(&[&server]), &bucket, vec![item(KEY, url, &old)]).await;
    let new = vec![item(KEY, server.url(PATH), &content)];
    run(settings(&[&server]), &bucket, new).await;
    assert!(bucket.content(KEY) == Some(content));
}

#[tokio::test]
async fn a_source_that_throttles_is_asked_again() {
    for retry_after in [
        "0",
        "985.86µs",
        "0.01",
        "soon",
        "",
        "Sat, 21 Nov 2020 12:00:00 GMT",
        "3600",
    ] {
        let (server, content) = source(1000).await;
        let headers = vec![("Retry-After", retry_after.to_owned())];
        server.answer(
            PATH,
            &[
                Answer::Status(429, headers.clone()),
                Answer::Status(503, headers),
            ],
        );
        assert_eq!(arrives(&server, &content).await, (3, 1000), "{retry_after}");
    }
}

#[tokio::test]
async fn a_source_that_breaks_is_asked_again() {
    let (server, content) = source(1000).await;
    server.answer(
        PATH,
        &[
            Answer::Status(500, Vec::new()),
            Answer::Cut(0),
            Answer::Stall(0),
        ],
    );
    assert_eq!(arrives(&server, &content).await, (4, 1000));
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_stopped() {
    let (server, content) = source(1_000_000).await;
    server.answer(PATH, &[Answer::Cut(400_000), Answer::Stall(300_000)]);
    assert_eq!(arrives(&server, &content).await, (3, 1_000_000));
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.headers.get("range").cloned())
        .collect();
    let expected = [
        None,
        Some("bytes=400000-".to_owned()),
        Some("bytes=700000-".to_owned()),
    ];
    assert_eq!(ranges, expected);
    // Only if it is still the same file.
    let etag = format!("\"{}\"", sha256(&content));
    assert_eq!(server.requests()[1].headers["if-range"], etag);
}

#[tokio::test]
async fn a_source_that_ignores_the_range_costs_only_bytes() {
    let (server, content) = source(1_000_000).await;
    server.answer(PATH, &[Answer::Cut(400_000), Answer::Whole]);
    assert_eq!(arrives(&server, &content).await, (2, 1_400_000));
}

#[tokio::test]
async fn a_source_that_answers_errors_for_ever_is_given_up() {
    let (server, content) = source(1000).await;
    server.answer(PATH, &vec![Answer::Status(500, Vec::new()); 20]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    assert_eq!(
        reason,
        format!("{} answered 500 Internal Server Error", server.url(PATH))
    );
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_file_that_is_not_published_is_given_up_after_a_few_tries() {
    let (server, content) = source(1000).await;
    server.answer(PATH, &vec![Answer::Status(404, Vec::new()); 9]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    assert!(reason.ends_with("answered 404 Not Found"), "{reason}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_file_that_is_refused_once_arrives() {
    for status in [400, 401, 403, 404, 410] {
        let (server, content) = source(1000).await;
        server.answer(PATH, &[Answer::Status(status, Vec::new())]);
        assert_eq!(arrives(&server, &content).await, (2, 1000), "{status}");
    }
}

#[tokio::test]
async fn an_outage_of_the_source_is_waited_out_and_one_file_is_begun_meanwhile() {
    let server = Server::start().await;
    let items: Vec<_> = (0..300)
        .map(|number| {
            let path = format!("/{number}");
            server.publish(&path, b"x");
            item(&format!("file-{number}"), server.url(&path), b"x")
        })
        .collect();
    server.go_out();
    let mut settings = settings(&[&server]);
    settings.patience.outage = std::time::Duration::from_secs(60);
    let bucket = Bucket::default();
    let restored = async {
        // Longer than the attempts of a file take.
        while server.requests().len() < 40 * CONCURRENCY {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let looked_at = bucket.calls().len();
        server.come_back();
        looked_at
    };
    let (transferred, looked_at) = tokio::join!(run(settings, &bucket, items), restored);
    assert_eq!(transferred.report.failures, []);
    assert_eq!(transferred.report.files, 300);
    // Each file is looked at before the source is asked for it; one more finds out whether it is the source.
    assert!(looked_at <= 2 * (CONCURRENCY + 1), "{looked_at} were begun");
}

#[tokio::test]
async fn one_file_that_always_fails_does_not_hold_up_the_others() {
    let server = Server::start().await;
    let items: Vec<_> = (0..20)
        .map(|number| {
            let path = format!("/{number}");
            server.publish(&path, b"x");
            item(&format!("file-{number}"), server.url(&path), b"x")
        })
        .collect();
    let failing = vec![Answer::Status(500, Vec::new()); 10_000];
    for number in [0, 7] {
        server.answer(&format!("/{number}"), &failing);
    }
    let mut settings = settings(&[&server]);
    settings.concurrency = 1;
    settings.patience.outage = std::time::Duration::from_secs(1800);
    let bucket = Bucket::default();
    let transferred = run(settings, &bucket, items).await;
    assert_eq!(transferred.report.files, 18);
    let failures = transferred.report.failures.iter();
    let failed: Vec<_> = failures.map(|failure| failure.key.as_str()).collect();
    assert_eq!(failed, ["file-0", "file-7"]);
}

/// As a function has it whose other files are there: nothing else is on its way.
#[tokio::test]
async fn the_last_file_is_given_up_after_its_attempts_if_the_source_still_gives_others() {
    for answer in [
        Answer::Status(500, Vec::new()),
        Answer::Stall(0),
        Answer::Status(503, vec![("Retry-After", "0".to_owned())]),
    ] {
        let server = Server::start().await;
        let items: Vec<_> = (0..3)
            .map(|number| {
                let path = format!("/{number}");
                server.publish(&path, b"some");
                item(&format!("file-{number}"), server.url(&path), b"some")
            })
            .collect();
        server.answer("/2", &vec![answer.clone(); 10_000]);
        let mut settings = settings(&[&server]);
        settings.concurrency = 1;
        settings.patience.stall = std::time::Duration::from_millis(50);
        settings.patience.outage = std::time::Duration::from_secs(1800);
        let transferred = run(settings, &Bucket::default(), items).await;
        assert_eq!(transferred.report.files, 2, "{answer:?}");
        assert!(transferred.left.is_empty());
        let asked = |path: &str| {
            let requests = server.requests().into_iter();
            requests.filter(|request| request.path == path).count()
        };
        assert!(asked("/2") <= 12, "{}", asked("/2"));
        // One byte of another file, for each attempt that might have been an outage's.
        assert!(asked("/0") + asked("/1") <= 8);
    }
}

#[tokio::test]
async fn an_outage_that_begins_with_the_last_file_is_waited_out() {
    let server = Server::start().await;
    let items: Vec<_> = (0..3)
        .map(|number| {
            let path = format!("/{number}");
            server.publish(&path, b"some");
            item(&format!("file-{number}"), server.url(&path), b"some")
        })
        .collect();
    server.answer("/2", &[Answer::Status(500, Vec::new())]);
    let mut settings = settings(&[&server]);
    settings.concurrency = 1;
    settings.patience.outage = std::time::Duration::from_secs(1800);
    let restored = async {
        while !server.requests().iter().any(|request| request.path == "/2") {
            tokio::task::yield_now().await;
        }
        server.go_out();
        while server.requests().len() < 60 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        server.come_back();
    };
    let bucket = Bucket::default();
    let (transferred, ()) = tokio::join!(run(settings, &bucket, items), restored);
    assert_eq!(transferred.report.files, 3, "{transferred:?}");
}

#[tokio::test]
async fn an_outage_of_the_bucket_is_waited_out() {
    let server = Server::start().await;
    let items: Vec<_> = (0..100)
        .map(|number| {
            let path = format!("/{number}");
            server.publish(&path, b"x");
            item(&format!("file-{number}"), server.url(&path), b"x")
        })
        .collect();
    let bucket = Bucket::default();
    bucket.fail("put", &[Fault::Throttled; 500]);
    let mut settings = settings(&[&server]);
    settings.patience.outage = std::time::Duration::from_secs(60);
    let transferred = run(settings, &bucket, items).await;
    assert_eq!(transferred.report.failures, []);
    assert_eq!(bucket.keys().len(), 100);
}

#[tokio::test]
async fn an_outage_that_does_not_end_gives_everything_up_at_once() {
    let server = Server::start().await;
    let items: Vec<_> = (0..300)
        .map(|number| {
            let path = format!("/{number}");
            server.publish(&path, b"x");
            item(&format!("file-{number}"), server.url(&path), b"x")
        })
        .collect();
    server.go_out();
    let mut settings = settings(&[&server]);
    settings.patience.outage = std::time::Duration::from_millis(200);
    let bucket = Bucket::default();
    let transferred = run(settings, &bucket, items).await;
    assert_eq!(transferred.report.failed, 300);
    assert!(transferred.left.is_empty());
    let reason = &transferred.report.failures[0].reason;
    assert!(reason.contains("nothing else has got through"), "{reason}");
    assert!(bucket.calls().len() <= 3 * CONCURRENCY);
}

#[tokio::test]
async fn a_source_that_trickles_is_asked_again_for_the_rest() {
    let (server, content) = source(1_000_000).await;
    server.answer(PATH, &[Answer::Trickle]);
    let mut settings = settings(&[&server]);
    settings.patience.least_rate = 1_000_000;
    let bucket = Bucket::default();
    let items = vec![item(KEY, server.url(PATH), &content)];
    let transferred = run(settings, &bucket, items).await;
    assert_eq!(transferred.report.failures, []);
    assert!(bucket.content(KEY) == Some(content));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_source_that_gives_nothing_is_named_and_a_bucket_that_takes_nothing_too() {
    let (server, content) = source(1_000_000).await;
    server.answer(PATH, &vec![Answer::Stall(0); 9]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    assert!(reason.contains("sent nothing for 0.3 s"), "{reason}");
    assert!(reason.starts_with(&server.url("")), "{reason}");

    let (server, content) = source(1_000_000).await;
    let bucket = Bucket::default();
    bucket.fail("put", &[Fault::Stalls; 9]);
    let mut settings = settings(&[&server]);
    settings.patience.bucket_stall = std::time::Duration::from_millis(50);
    let items = vec![item(KEY, server.url(PATH), &content)];
    let transferred = run(settings, &bucket, items).await;
    let reason = reason_of(&transferred);
    assert_eq!(reason, "write the file: the bucket took nothing for 0.05 s");
}

fn reason_of(transferred: &longshore_bottles::ports::Transferred) -> String {
    reason(transferred).to_owned()
}

#[tokio::test]
async fn one_key_that_the_bucket_does_not_allow_keeps_no_other_file_back() {
    let (server, content) = source(1000).await;
    let bucket = Bucket::default();
    bucket.deny("locked/");
    let mut items = vec![item("locked/a", server.url(PATH), &content)];
    items.extend((0..40).map(|number| item(&format!("b{number}"), server.url(PATH), &content)));
    let mut settings = settings(&[&server]);
    settings.concurrency = 1;
    let transferred = run(settings, &bucket, items).await;
    assert_eq!(transferred.report.files, 40);
    assert!(reason(&transferred).contains("AccessDenied"));
}

#[tokio::test]
async fn what_the_bucket_refuses_once_is_tried_again() {
    for (call, fault) in [
        ("head", Fault::Denied),
        ("head", Fault::Refused),
        ("put", Fault::Denied),
        ("put", Fault::Refused),
        ("copy", Fault::Refused),
    ] {
        let (server, content) = source(1000).await;
        let bucket = Bucket::default();
        bucket.fail(call, &[fault]);
        let mut item = item(KEY, server.url(PATH), &content);
        item.copies = vec!["copy".to_owned()];
        let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
        assert_eq!(transferred.report.failures, [], "{call} {fault:?}");
    }
}

#[tokio::test]
async fn sizes_that_nobody_could_have_are_added_up_all_the_same() {
    let server = Server::start().await;
    let items = (0..3)
        .map(|number| {
            let mut item = item(&format!("file-{number}"), server.url("/none"), b"x");
            item.size = Some(u64::MAX);
            item
        })
        .collect();
    let transferred = run(settings(&[&server]), &Bucket::default(), items).await;
    assert_eq!(transferred.report.failed, 3);
}

#[tokio::test]
async fn a_wrong_content_is_fetched_once_more_and_then_right() {
    let (server, content) = source(1000).await;
    server.answer(PATH, &[Answer::Other(crate::setting::content(1000, 9))]);
    assert_eq!(arrives(&server, &content).await, (2, 2000));
}

#[tokio::test]
async fn a_content_that_stays_wrong_is_reported_with_both_digests() {
    let (server, content) = source(1000).await;
    let other = crate::setting::content(1000, 9);
    server.answer(PATH, &vec![Answer::Other(other.clone()); 9]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    let expected = format!(
        "its content hashes to {}, expected {}",
        sha256(&other),
        sha256(&content)
    );
    assert_eq!(reason, expected);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_wrong_length_is_reported_before_a_byte_is_sent() {
    let (server, content) = source(1000).await;
    let other = crate::setting::content(999, 9);
    server.answer(PATH, &vec![Answer::Other(other); 9]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    assert_eq!(reason, "the source has 999 bytes, expected 1000");
}

#[tokio::test]
async fn the_length_of_an_error_page_is_forgotten() {
    let (server, content) = source(1000).await;
    server.answer(PATH, &[Answer::Other(b"<html></html>".to_vec())]);
    let bucket = Bucket::default();
    let mut item = item("a", server.url(PATH), &content);
    item.size = None;
    let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
    assert_eq!(transferred.report.files, 1, "{transferred:?}");
    assert!(bucket.content("a").unwrap() == content);
}

#[tokio::test]
async fn a_body_without_a_length_is_measured_by_what_the_index_says() {
    let (server, content) = source(1000).await;
    server.answer(PATH, &[Answer::Unmeasured]);
    assert_eq!(arrives(&server, &content).await, (1, 1000));

    let (server, content) = source(1000).await;
    server.answer(PATH, &vec![Answer::Unmeasured; 9]);
    let bucket = Bucket::default();
    let mut item = item(KEY, server.url(PATH), &content);
    item.size = None;
    let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
    assert_eq!(
        reason(&transferred),
        "the source does not say how long the file is, and the list gives no size"
    );
}

#[tokio::test]
async fn one_failure_keeps_no_other_file_back() {
    let server = Server::start().await;
    let mut items = Vec::new();
    for number in 0..40 {
        let path = format!("/{number}");
        let content = content(5000, number);
        let url = server.publish(&path, &content);
        if number % 10 == 3 {
            server.answer(
                &path,
                &vec![Answer::Other(crate::setting::content(5000, 99)); 9],
            );
        }
        items.push(item(&format!("file-{number}"), url, &content));
    }
    let bucket = Bucket::default();
    let transferred = run(settings(&[&server]), &bucket, items).await;
    assert_eq!(
        (transferred.report.files, transferred.report.failed),
        (36, 4)
    );
    assert_eq!(bucket.keys().len(), 36);
}

#[tokio::test]
async fn the_list_of_failures_is_short_and_their_count_exact() {
    let server = Server::start().await;
    let items = (0..150)
        .map(|number| item(&format!("file-{number}"), server.url("/none"), b"x"))
        .collect();
    let transferred = run(settings(&[&server]), &Bucket::default(), items).await;
    assert_eq!(transferred.report.failed, 150);
    assert_eq!(transferred.report.failures.len(), 100);
}

#[tokio::test]
async fn items_that_must_not_be_written_are_refused_one_by_one() {
    let (server, content) = source(1000).await;
    let mut items: Vec<_> = ["", "../up", "a/../../b", ".longshore/current.json", "/root"]
        .iter()
        .map(|key| item(key, server.url(PATH), &content))
        .collect();
    let mut copied = item("fine", server.url(PATH), &content);
    copied.copies = vec![".longshore/inventory.json".to_owned()];
    items.push(copied);
    items.push(item(
        "private",
        "http://169.254.169.254/latest".to_owned(),
        &content,
    ));
    items.push(item("file", "file:///etc/passwd".to_owned(), &content));
    items.push(item(KEY, server.url(PATH), &content));
    let bucket = Bucket::default();
    let transferred = run(settings(&[&server]), &bucket, items).await;
    assert_eq!(
        (transferred.report.files, transferred.report.failed),
        (1, 8)
    );
    assert_eq!(bucket.keys(), [KEY]);
}

#[tokio::test]
async fn a_bucket_that_throttles_or_breaks_off_is_tried_again() {
    let (server, content) = source(1_000_000).await;
    let bucket = Bucket::default();
    bucket.fail("head", &[Fault::Throttled]);
    bucket.fail("put", &[Fault::Throttled, Fault::BreaksOff(500_000)]);
    bucket.fail("copy", &[Fault::Throttled, Fault::ErrorInside]);
    let mut item = item(KEY, server.url(PATH), &content);
    item.copies = vec!["copy".to_owned()];
    let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
    assert_eq!(transferred.report.failures, []);
    assert!(bucket.content("copy") == Some(content));
}

#[tokio::test]
async fn a_copy_that_fails_is_a_failure_of_its_file() {
    let (server, content) = source(1000).await;
    let bucket = Bucket::default();
    bucket.fail("copy", &[Fault::Refused; 9]);
    let mut item = item(KEY, server.url(PATH), &content);
    item.copies = vec!["copy".to_owned()];
    let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
    assert_eq!(reason(&transferred), "copy: InvalidRequest: so it was set");
}

#[tokio::test]
async fn a_bucket_that_is_not_open_ends_all_at_once() {
    let (server, content) = source(1000).await;
    let bucket = Bucket::default();
    bucket.fail("put", &[Fault::Denied; 500]);
    let items = (0..500)
        .map(|number| item(&format!("file-{number}"), server.url(PATH), &content))
        .collect();
    let transferred = run(settings(&[&server]), &bucket, items).await;
    assert_eq!(transferred.report.failed, 500);
    assert!(transferred.left.is_empty());
    // Of some files each a look, and a few tries.
    assert!(
        bucket.calls().len() <= 4 * (20 + 2 * CONCURRENCY),
        "{:?}",
        bucket.calls()
    );
}

#[tokio::test]
async fn a_file_too_large_for_one_put_goes_up_in_parts() {
    let (server, content) = source(61 * 1024 * 1024).await;
    server.answer(PATH, &[Answer::Cut(30_000_000), Answer::Content]);
    let bucket = Bucket::default();
    bucket.fail("put_part", &[Fault::BreaksOff(10_000_000)]);
    let items = vec![item(KEY, server.url(PATH), &content)];
    let transferred = run(settings(&[&server]), &bucket, items).await;
    assert_eq!(transferred.report.failures, []);
    assert!(bucket.content(KEY) == Some(content));
    let parts = bucket
        .calls()
        .iter()
        .filter(|call| call.starts_with("put_part"))
        .count();
    assert_eq!(parts, 4 + 1);
}

#[tokio::test]
async fn a_copy_that_is_too_large_for_the_bucket_to_make_is_brought_like_the_file() {
    let (server, content) = source(61 * 1024 * 1024).await;
    let bucket = Bucket::default();
    let mut item = item(KEY, server.url(PATH), &content);
    item.copies = vec!["copy".to_owned()];
    let transferred = run(settings(&[&server]), &bucket, vec![item]).await;
    assert_eq!(transferred.report.failures, []);
    assert_eq!(transferred.report.copies, 1);
    assert!(bucket.content("copy") == Some(content));
    assert!(!bucket.calls().contains(&"copy copy".to_owned()));
}

#[tokio::test]
async fn a_large_file_with_a_wrong_content_never_becomes_visible() {
    let (server, content) = source(61 * 1024 * 1024).await;
    let mut other = content.clone();
    other[40_000_000] ^= 1;
    server.answer(PATH, &vec![Answer::Other(other); 9]);
    let bucket = Bucket::default();
    let items = vec![item(KEY, server.url(PATH), &content)];
    let transferred = run(settings(&[&server]), &bucket, items).await;
    assert!(reason(&transferred).starts_with("its content hashes to "));
    assert_eq!(bucket.keys(), Vec::<String>::new());
    assert_eq!(bucket.open_uploads(), 0);
}

#[tokio::test]
async fn a_registry_is_shown_the_anonymous_token_and_nobody_else_is() {
    let registry = Server::start().await;
    let storage = Server::start().await;
    let content = content(500_000, 1);
    let target = storage.publish("/v2/signed?signature=secret", &content);
    let redirect = Answer::Status(307, vec![("Location", target)]);
    registry.answer(PATH, &[redirect.clone(), redirect]);
    storage.answer("/v2/signed?signature=secret", &[Answer::Cut(100_000)]);
    let bucket = Bucket::default();
    let items = vec![item(KEY, registry.url(PATH), &content)];
    let transferred = run(settings(&[&registry, &storage]), &bucket, items).await;
    assert_eq!(transferred.report.failures, []);
    // Going on asks the registry again, whose signature is over soon.
    assert_eq!(registry.requests().len(), 2);
    assert_eq!(storage.requests().len(), 2);
    for request in registry.requests() {
        assert_eq!(request.headers["authorization"], "Bearer QQ==");
    }
    for request in storage.requests() {
        assert!(!request.headers.contains_key("authorization"));
    }
    assert_eq!(storage.requests()[1].headers["range"], "bytes=100000-");
}

#[tokio::test]
async fn a_redirect_into_a_private_network_is_refused_and_its_signature_kept_secret() {
    let (server, content) = source(1000).await;
    for target in [
        "http://127.0.0.1:1/?secret",
        "https://10.0.0.1/?secret",
        "http://localhost/?secret",
    ] {
        server.answer(
            PATH,
            &[Answer::Status(302, vec![("Location", target.to_owned())])],
        );
        let reason = is_given_up(settings(&[&server]), &server, &content).await;
        assert!(reason.contains("private"), "{reason}");
        assert!(!reason.contains("secret"), "{reason}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_are_given_up() {
    let (server, content) = source(1000).await;
    let circle = Answer::Status(302, vec![("Location", PATH.to_owned())]);
    server.answer(PATH, &vec![circle; 20]);
    let reason = is_given_up(settings(&[&server]), &server, &content).await;
    assert!(reason.ends_with("redirects more than 5 times"), "{reason}");
}

#[tokio::test]
async fn a_bandwidth_limit_holds_over_all_files() {
    let server = Server::start().await;
    let items = (0..4)
        .map(|number| {
            let content = content(250_000, number);
            let url = server.publish(&format!("/{number}"), &content);
            item(&format!("file-{number}"), url, &content)
        })
        .collect();
    let settings = Settings {
        bandwidth_limit: Some(1_000_000),
        ..settings(&[&server])
    };
    let begin = std::time::Instant::now();
    let transferred = run(settings, &Bucket::default(), items).await;
    assert_eq!(transferred.report.files, 4);
    let seconds = begin.elapsed().as_secs_f64();
    assert!(seconds >= 0.8, "{seconds}");
}
