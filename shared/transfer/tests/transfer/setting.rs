//! What the tests share.

use std::time::Duration;

use longshore_bottles::ports::Transferred;
use longshore_events::transfer::TransferItem;
use longshore_transfer::settings::Patience;
use longshore_transfer::{HttpClient, ProgressCounter, Settings, Stop, Transfers};

use crate::bucket::{Bucket, sha256};
use crate::server::Server;

/// Settings that may ask `servers` and lose no time.
pub fn settings(servers: &[&Server]) -> Settings {
    Settings {
        private_hosts: servers
            .iter()
            .map(|server| server.host().to_owned())
            .collect(),
        patience: Patience {
            stall: Duration::from_millis(300),
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(5),
            longest_retry_after: Duration::from_millis(50),
            grace: Duration::from_millis(300),
            outage: Duration::ZERO,
            lock: Duration::ZERO,
            seed: Some(1),
            ..Patience::default()
        },
        ..Settings::default()
    }
}

pub fn item(key: &str, url: String, content: &[u8]) -> TransferItem {
    TransferItem {
        key: key.to_owned(),
        url,
        sha256: sha256(content),
        size: Some(content.len() as u64),
        copies: Vec::new(),
        content_type: None,
    }
}

/// Bytes that no compression or repetition makes look right by chance.
pub fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut content = Vec::with_capacity(length + 8);
    while content.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(&state.to_be_bytes());
    }
    content.truncate(length);
    content
}

pub async fn run(settings: Settings, bucket: &Bucket, items: Vec<TransferItem>) -> Transferred {
    Transfers::new(HttpClient::new(settings).unwrap(), bucket.clone())
        .run("mirror", items, &ProgressCounter::new(), &Stop::new())
        .await
}

/// The only reason that a transfer of one file gives.
pub fn reason(transferred: &Transferred) -> &str {
    assert_eq!(transferred.report.failed, 1, "{transferred:?}");
    &transferred.report.failures[0].reason
}
