//! A night on which everything goes wrong that can.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use longshore_transfer::{HttpClient, ProgressCounter, Stop, Transfers};

use crate::bucket::{Bucket, sha256};
use crate::server::Server;
use crate::setting::{content, item, settings};

const FILES: u64 = 1_000;
const LENGTH: usize = 5_000;

/// A twentieth of all answers of source and bucket is wrong, both are out for a while, one after the other
/// and together, and the task is told to stop twenty times. Time goes a thousand times as fast as on a
/// real night: waits are of milliseconds, and so are outages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_end_every_file_is_there_and_none_came_twice_but_what_was_cut_off() {
    let begin = Instant::now();
    let server = Server::start().await;
    let bucket = Bucket::default();
    let mut expected = HashMap::new();
    let mut items = Vec::new();
    for number in 0..FILES {
        let content = content(LENGTH, number);
        let url = server.publish(&format!("/{number}"), &content);
        let mut item = item(&format!("file-{number}"), url, &content);
        item.copies = vec![format!("v2/blobs/sha256:{}", sha256(&content))];
        expected.insert(item.key.clone(), item.sha256.clone());
        expected.insert(item.copies[0].clone(), item.sha256.clone());
        items.push(item);
    }
    server.misbehave(5, 1);
    bucket.misbehave(5, 2);
    let mut settings = settings(&[&server]);
    settings.patience.stall = Duration::from_millis(500);
    settings.patience.grace = Duration::from_millis(20);
    settings.patience.outage = Duration::from_secs(60);
    settings.patience.refusals = 6;
    let transfers = Transfers::new(HttpClient::new(settings).unwrap(), bucket.clone());
    let (mut downloaded, mut files, mut failed, mut tasks) = (0, 0, 0, 0);
    while !items.is_empty() {
        tasks += 1;
        assert!(tasks < 200, "{} are left", items.len());
        let stop = Stop::new();
        let progress = ProgressCounter::new();
        let run = transfers.run("mirror", items.clone(), &progress, &stop);
        let night = async {
            match tasks {
                2 => server.go_out(),
                4 => bucket.set_out(true),
                6 => {
                    server.go_out();
                    bucket.set_out(true);
                }
                _ => {}
            }
            // The task is killed in the middle of each outage.
            tokio::time::sleep(Duration::from_millis(150)).await;
            if tasks <= 20 {
                stop.request();
            }
            if tasks % 2 == 1 {
                server.come_back();
                bucket.set_out(false);
            }
        };
        let (transferred, ()) = tokio::join!(run, night);
        downloaded += transferred.report.downloaded_bytes;
        // One whose copy was not made before the stop is found by the next task.
        files += transferred.report.files + transferred.report.already_there;
        failed += transferred.report.failed;
        items = transferred.left;
    }
    assert_eq!(failed, 0);
    assert_eq!(files, FILES);
    for (key, sha256_of_key) in &expected {
        let content = bucket.content(key).unwrap();
        assert_eq!(sha256(&content), *sha256_of_key, "{key}");
    }
    assert_eq!(bucket.keys().len(), expected.len());
    let whole = FILES * LENGTH as u64;
    let requests = server.requests().len();
    // Said past the test's captured output: the table in docs/mirror.md is made of it.
    let _ = writeln!(
        io::stderr(),
        "{tasks} tasks, {requests} requests of the source, {} calls of the bucket, {downloaded} bytes for \
         {whole}, {:?}",
        bucket.calls().len(),
        begin.elapsed()
    );
    // What the bucket refused after it had come, and what was cut off by a stop, comes again.
    assert!(downloaded < whole * 13 / 10, "{downloaded} of {whole}");
}
