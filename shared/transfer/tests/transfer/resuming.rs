//! What another process has left is gone on with, and what nobody goes on with is removed.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use longshore_events::transfer::TransferItem;
use longshore_transfer::{HttpClient, ProgressCounter, Settings, Stop, Transfers};
use proptest::prelude::*;

use crate::bucket::{Bucket, sha256};
use crate::server::{Answer, Server};
use crate::setting::{content, item, run, settings};

/// More than the smallest file that is kept.
const LENGTH: usize = 20 * 1024 * 1024;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("longshore-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn part(&self, content: &[u8]) -> PathBuf {
        self.0.join(format!("{}.part", sha256(content)))
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Kept {
    directory: Directory,
    server: Server,
    bucket: Bucket,
    content: Vec<u8>,
    items: Vec<TransferItem>,
}

impl Kept {
    async fn new(name: &str) -> Self {
        let server = Server::start().await;
        let content = content(LENGTH, 1);
        let url = server.publish("/large", &content);
        Self {
            directory: Directory::new(name),
            bucket: Bucket::default(),
            items: vec![item("large", url, &content)],
            server,
            content,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            temporary: Some(self.directory.0.clone()),
            ..settings(&[&self.server])
        }
    }

    /// Transfers the file; gives how many bytes came from the source and how many from the disk.
    async fn arrives(&self) -> (u64, u64) {
        let transferred = run(self.settings(), &self.bucket, self.items.clone()).await;
        assert_eq!(transferred.report.failures, []);
        assert!(self.bucket.content("large").as_ref() == Some(&self.content));
        assert!(self.directory.is_empty());
        (
            transferred.report.downloaded_bytes,
            transferred.report.resumed_bytes,
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_killed_leaves_what_the_next_one_goes_on_with() {
    let kept = Kept::new("killed").await;
    kept.server.answer("/large", &[Answer::Stall(15_000_000)]);
    let mut settings = kept.settings();
    settings.patience.stall = Duration::from_secs(60);
    let transfers = Transfers::new(HttpClient::new(settings).unwrap(), kept.bucket.clone());
    let progress = ProgressCounter::new();
    {
        let stop = Stop::new();
        let run = transfers.run("mirror", kept.items.clone(), &progress, &stop);
        let mut run = std::pin::pin!(run);
        while progress.moved_bytes() < 15_000_000 {
            tokio::select! {
                _ = &mut run => panic!("the source stalls"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        // Dropped in the middle: nothing is sent to it.
    }
    assert_eq!(kept.bucket.keys(), Vec::<String>::new());
    let part = kept.directory.part(&kept.content);
    wait_for_lock(&part);
    let left = std::fs::metadata(part).unwrap().len();
    assert!(left > 14_000_000, "{left}");
    assert_eq!(kept.arrives().await, (LENGTH as u64 - left, left));
}

/// The dropped tasks of the process that was "killed" end in their own time.
fn wait_for_lock(part: &Path) {
    let deadline = SystemTime::now() + Duration::from_secs(20);
    while File::open(part).unwrap().try_lock().is_err() {
        assert!(SystemTime::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn any_beginning_is_gone_on_with() {
    for length in [1, 65_536, LENGTH / 2, LENGTH - 1] {
        let kept = Kept::new(&format!("beginning-{length}")).await;
        std::fs::write(kept.directory.part(&kept.content), &kept.content[..length]).unwrap();
        let expected = ((LENGTH - length) as u64, length as u64);
        assert_eq!(kept.arrives().await, expected);
        assert_eq!(kept.server.sent(), LENGTH - length);
    }
}

#[tokio::test]
async fn a_whole_file_on_disk_is_not_asked_for() {
    let kept = Kept::new("whole").await;
    std::fs::write(kept.directory.part(&kept.content), &kept.content).unwrap();
    assert_eq!(kept.arrives().await, (0, LENGTH as u64));
    assert!(kept.server.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_beginning_is_thrown_away_and_not_held_against_the_source() {
    let kept = Kept::new("wrong").await;
    std::fs::write(kept.directory.part(&kept.content), vec![7; 1_000_000]).unwrap();
    // The source is wrong once, too, and once is allowed.
    let other = content(LENGTH, 5);
    kept.server
        .answer("/large", &[Answer::Content, Answer::Other(other)]);
    let (downloaded, resumed) = kept.arrives().await;
    assert_eq!(downloaded, 3 * LENGTH as u64 - 1_000_000);
    assert_eq!(resumed, 0);
}

#[tokio::test]
async fn a_file_on_disk_that_is_too_long_is_thrown_away() {
    let kept = Kept::new("long").await;
    std::fs::write(kept.directory.part(&kept.content), vec![7; LENGTH + 1]).unwrap();
    assert_eq!(kept.arrives().await, (LENGTH as u64, 0));
}

#[tokio::test]
async fn a_source_that_ignores_the_range_does_not_spoil_what_is_kept() {
    let kept = Kept::new("ignored").await;
    std::fs::write(
        kept.directory.part(&kept.content),
        &kept.content[..10_000_000],
    )
    .unwrap();
    kept.server.answer("/large", &[Answer::Whole]);
    assert_eq!(kept.arrives().await, (LENGTH as u64, 10_000_000));
}

#[tokio::test]
async fn a_bucket_that_breaks_off_costs_no_byte_of_what_is_kept() {
    let kept = Kept::new("bucket").await;
    kept.bucket
        .fail("put", &[crate::bucket::Fault::BreaksOff(18_000_000)]);
    let (downloaded, resumed) = kept.arrives().await;
    // Pieces that were under way when the bucket broke off come again.
    assert!(downloaded < LENGTH as u64 + 2_000_000, "{downloaded}");
    assert_eq!(resumed, 0);
}

#[tokio::test]
async fn two_keys_with_one_content_do_not_share_a_file() {
    let mut kept = Kept::new("shared").await;
    let mut second = kept.items[0].clone();
    second.key = "second".to_owned();
    kept.items.push(second);
    assert_eq!(kept.arrives().await, (2 * LENGTH as u64, 0));
    assert!(kept.bucket.content("second").as_ref() == Some(&kept.content));
}

#[tokio::test]
async fn a_file_that_another_process_works_on_is_brought_without_it() {
    let kept = Kept::new("locked").await;
    let part = kept.directory.part(&kept.content);
    std::fs::write(&part, b"of another process").unwrap();
    let lock = File::open(&part).unwrap();
    lock.lock().unwrap();
    let transferred = run(kept.settings(), &kept.bucket, kept.items.clone()).await;
    assert_eq!(transferred.report.files, 1);
    assert_eq!(std::fs::read(&part).unwrap(), b"of another process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_a_killed_task_has_left_is_waited_for() {
    let kept = Kept::new("left-lock").await;
    let part = kept.directory.part(&kept.content);
    std::fs::write(&part, &kept.content[..15_000_000]).unwrap();
    let lock = File::open(&part).unwrap();
    lock.lock().unwrap();
    let mut settings = kept.settings();
    settings.patience.lock = Duration::from_secs(60);
    let run = run(settings, &kept.bucket, kept.items.clone());
    let release = async {
        // The file was looked for in the bucket: the lock is next.
        while kept.bucket.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(lock);
    };
    let (transferred, ()) = tokio::join!(run, release);
    assert_eq!(transferred.report.failures, []);
    assert_eq!(transferred.report.resumed_bytes, 15_000_000);
    assert!(kept.bucket.content("large").as_ref() == Some(&kept.content));
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_keeps_nothing_back() {
    let kept = Kept::new("unusable").await;
    let mut settings = kept.settings();
    settings.temporary = Some("/proc/longshore".into());
    let transferred = run(settings, &kept.bucket, kept.items.clone()).await;
    assert_eq!(transferred.report.files, 1);
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed_after_a_day() {
    let kept = Kept::new("old").await;
    let aged = |name: &str, hours: u64| {
        let path = kept.directory.0.join(name);
        std::fs::write(&path, b"x").unwrap();
        let modified = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(FileTimes::new().set_modified(modified))
            .unwrap();
        path
    };
    let old = aged(&format!("{}.part", "0".repeat(64)), 25);
    let young = aged(&format!("{}.part", "1".repeat(64)), 23);
    let foreign = aged("somebody-else's.part", 25);
    run(kept.settings(), &kept.bucket, Vec::new()).await;
    assert!(!old.exists());
    assert!(young.exists());
    assert!(foreign.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever the source breaks off, however often, the file arrives whole and no byte comes twice.
    #[test]
    fn wherever_it_breaks_off_no_byte_comes_twice(
        length in 0_usize..300_000,
        cuts in proptest::collection::vec(0_usize..100_000, 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let content = content(length, 3);
            let url = server.publish("/file", &content);
            let cuts: Vec<_> = cuts.into_iter().map(Answer::Cut).collect();
            server.answer("/file", &cuts);
            let bucket = Bucket::default();
            let transferred = run(settings(&[&server]), &bucket, vec![item("file", url, &content)]).await;
            assert_eq!(transferred.report.failures, []);
            assert_eq!(transferred.report.downloaded_bytes, length as u64);
            assert!(bucket.content("file") == Some(content));
        });
    }
}
