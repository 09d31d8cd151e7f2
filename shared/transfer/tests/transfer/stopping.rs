//! A transfer that is asked to stop, or has a deadline.

use std::time::{Duration, Instant};

use chrono::Utc;
use longshore_bottles::ports::{Transferred, Transferrer};
use longshore_events::transfer::TransferItem;
use longshore_transfer::{HttpClient, ProgressCounter, Stop, Transfers};

use crate::bucket::Bucket;
use crate::server::{Answer, Server};
use crate::setting::{content, item, settings};

/// Files that take a second each, two at a time.
async fn slow_files(count: u64) -> (Server, Vec<TransferItem>) {
    let server = Server::start().await;
    server.slow_down(400);
    let items = (0..count)
        .map(|number| {
            let content = content(400_000, number);
            let url = server.publish(&format!("/{number}"), &content);
            item(&format!("file-{number}"), url, &content)
        })
        .collect();
    (server, items)
}

fn transfers(server: &Server, bucket: &Bucket, grace: Duration) -> Transfers<Bucket> {
    let mut settings = settings(&[server]);
    settings.concurrency = 2;
    settings.patience.grace = grace;
    settings.patience.stall = Duration::from_secs(60);
    Transfers::new(HttpClient::new(settings).unwrap(), bucket.clone())
}

async fn stopped_after(
    transfers: &Transfers<Bucket>,
    items: Vec<TransferItem>,
    time: Duration,
) -> (Transferred, Duration) {
    let stop = Stop::new();
    let progress = ProgressCounter::new();
    let begin = Instant::now();
    let (transferred, ()) = tokio::join!(transfers.run("mirror", items, &progress, &stop), async {
        tokio::time::sleep(time).await;
        stop.request();
    });
    (transferred, begin.elapsed())
}

#[tokio::test]
async fn files_on_their_way_come_to_their_end_and_others_are_left() {
    let (server, items) = slow_files(6).await;
    let bucket = Bucket::default();
    let transfers = transfers(&server, &bucket, Duration::from_secs(20));
    let (transferred, _) =
        stopped_after(&transfers, items.clone(), Duration::from_millis(500)).await;
    assert_eq!(transferred.report.files, 2);
    assert_eq!(transferred.report.failed, 0);
    assert_eq!(transferred.left, items[2..]);
    // The next one goes on with what is left.
    let rest = transfers
        .run(
            "mirror",
            transferred.left,
            &ProgressCounter::new(),
            &Stop::new(),
        )
        .await;
    assert_eq!(rest.report.files, 4);
    assert_eq!(bucket.keys().len(), 6);
}

#[tokio::test]
async fn files_that_take_too_long_are_broken_off_and_left() {
    let server = Server::start().await;
    let content = content(1000, 1);
    let items = vec![item("file", server.publish("/file", &content), &content)];
    server.answer("/file", &[Answer::Stall(500)]);
    let bucket = Bucket::default();
    let transfers = transfers(&server, &bucket, Duration::from_millis(100));
    let (transferred, took) =
        stopped_after(&transfers, items.clone(), Duration::from_millis(100)).await;
    assert_eq!(transferred.left, items);
    assert_eq!(transferred.report.failed, 0);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(bucket.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_waits_to_try_again_once_a_stop_is_requested() {
    let (server, items) = slow_files(1).await;
    server.answer(
        "/0",
        &[Answer::Status(429, vec![("Retry-After", "100".to_owned())])],
    );
    let mut settings = settings(&[&server]);
    settings.patience.longest_retry_after = Duration::from_secs(100);
    let bucket = Bucket::default();
    let transfers = Transfers::new(HttpClient::new(settings).unwrap(), bucket);
    let (transferred, took) =
        stopped_after(&transfers, items.clone(), Duration::from_millis(200)).await;
    assert_eq!(transferred.left, items);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn what_does_not_fit_before_the_deadline_is_left() {
    let (server, items) = slow_files(8).await;
    let bucket = Bucket::default();
    let transfers = transfers(&server, &bucket, Duration::from_secs(2));
    // Seven seconds of it are the reserve.
    let deadline = Utc::now() + Duration::from_millis(8_000);
    let progress = ProgressCounter::new();
    let transferred = transfers
        .transfer("mirror", items, Some(deadline), &progress)
        .await;
    assert_eq!(progress.snapshot().files, transferred.report.files);
    assert!(Utc::now() < deadline);
    assert!(!transferred.left.is_empty());
    assert!(transferred.report.files >= 2);
    assert_eq!(transferred.report.files + transferred.left.len() as u64, 8);
}

#[tokio::test]
async fn a_deadline_that_is_over_leaves_everything() {
    let (server, items) = slow_files(3).await;
    let bucket = Bucket::default();
    let transfers = transfers(&server, &bucket, Duration::from_secs(20));
    let transferred = transfers
        .transfer(
            "mirror",
            items.clone(),
            Some(Utc::now()),
            &ProgressCounter::new(),
        )
        .await;
    assert_eq!(transferred.left, items);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_is_left_says_what_it_failed_at() {
    let (server, items) = slow_files(1).await;
    server.go_out();
    let mut settings = settings(&[&server]);
    settings.patience.outage = Duration::from_secs(1800);
    let transfers = Transfers::new(HttpClient::new(settings).unwrap(), Bucket::default());
    let (transferred, _) =
        stopped_after(&transfers, items.clone(), Duration::from_millis(100)).await;
    assert_eq!(transferred.left, items);
    let problem = transferred.problem.unwrap();
    assert!(problem.starts_with(&items[0].key), "{problem}");
    assert!(
        problem.ends_with("answered 503 Service Unavailable"),
        "{problem}"
    );
}
