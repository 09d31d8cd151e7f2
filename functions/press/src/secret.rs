//! The signing secret, in Secrets Manager, and what it has signed.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use longshore_report::{
    InvalidSigningSecret, NotSlacks, SecretError, SecretText, SignedRequest, SigningSecret,
    signed_at,
};

/// How often a signature that does not fit has the secret read again: it may have been replaced. Whoever sends forged
/// requests must not send as many to Secrets Manager.
const READ_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Why a request was not taken for Slack's.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    NotSlacks(#[from] NotSlacks),
    /// The secret could not be read.
    #[error(transparent)]
    Unread(#[from] SecretError),
    /// The secret is none.
    #[error("read secret {name}: {problem}")]
    Invalid {
        /// The secret's name.
        name: String,
        /// What is wrong with it.
        problem: InvalidSigningSecret,
    },
}

/// The secret, and when it was read.
#[derive(Clone)]
struct Kept {
    secret: SigningSecret,
    read_at: DateTime<Utc>,
}

/// Reads the secret once and keeps it for as long as it fits.
pub struct KeptSecret<Source> {
    source: Source,
    kept: Mutex<Option<Kept>>,
}

impl<Source: SecretText> KeptSecret<Source> {
    /// A secret that was not read yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            kept: Mutex::new(None),
        }
    }

    /// When Slack signed the request.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(
        &self,
        request: &SignedRequest<'_>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, VerifyError> {
        // What is too old needs no secret.
        signed_at(request, now)?;
        let kept = match self.kept() {
            Some(kept) => kept,
            None => self.read(now).await?,
        };
        match kept.secret.verify(request, now) {
            Err(NotSlacks::Forged) if now - kept.read_at >= READ_AGAIN => {
                let renewed = self.read(now).await?;
                Ok(renewed.secret.verify(request, now)?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn kept(&self) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    async fn read(&self, now: DateTime<Utc>) -> Result<Kept, VerifyError> {
        let text = self.source.read().await?;
        let secret = SigningSecret::from_secret(&text).map_err(|problem| VerifyError::Invalid {
            name: self.source.name().to_owned(),
            problem,
        })?;
        let read = Kept {
            secret,
            read_at: now,
        };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
        Ok(read)
    }
}
