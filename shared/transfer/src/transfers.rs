//! Many files at once, under one limit and with one budget of retries.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use longshore_bottles::ports::{Transferred, Transferrer};
use longshore_events::transfer::TransferItem;

use crate::client::HttpClient;
use crate::destination::Destination;
use crate::progress::ProgressCounter;
use crate::stop::Stop;

/// Brings files into a bucket.
#[derive(Debug)]
pub struct Transfers<D> {
    client: HttpClient,
    destination: Arc<D>,
}

impl<D: Destination> Transfers<D> {
    /// From wherever `client` may ask, to `destination`, with the client's settings.
    pub fn new(client: HttpClient, destination: D) -> Self {
        Self {
            client,
            destination: Arc::new(destination),
        }
    }

    /// Brings `items` into `bucket`, several at a time, and tells what became of them. No failure of a file
    /// keeps others back, except one that no file can escape: a bucket that is not there or not open to
    /// this role ends all.
    ///
    /// It returns soon after `stop` is requested; what is not done then is left.
    pub async fn run(
        &self,
        _bucket: &str,
        _items: Vec<TransferItem>,
        _progress: &ProgressCounter,
        _stop: &Stop,
    ) -> Transferred {
        todo!()
    }
}

impl<D: Destination> Transferrer for Transfers<D> {
    async fn transfer(
        &self,
        _bucket: &str,
        _items: Vec<TransferItem>,
        _deadline: Option<DateTime<Utc>>,
    ) -> Transferred {
        todo!()
    }
}
