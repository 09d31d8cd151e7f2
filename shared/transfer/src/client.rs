//! The HTTP client: streams, follows redirects by hand, and reaches no private network.

use longshore_bottles::ports::{CallError, Fetched, Source};

use crate::settings::Settings;

/// What files, indexes and image indexes are asked with.
#[derive(Debug, Clone)]
pub struct HttpClient {
    pub(crate) settings: Settings,
}

/// An HTTP client that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make the HTTP client: {0}")]
pub struct ClientError(String);

impl HttpClient {
    /// One with the settings' private hosts, patience and bandwidth limit.
    ///
    /// # Errors
    /// When its TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        Ok(Self { settings })
    }
}

impl Source for HttpClient {
    async fn fetch(
        &self,
        _url: &str,
        _accept: Option<&str>,
        _etag: Option<&str>,
        _feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Fetched, CallError> {
        todo!()
    }
}
