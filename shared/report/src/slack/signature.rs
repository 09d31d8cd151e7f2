//! Whether a request is Slack's: its signature (Slack's documentation, "Verifying requests from Slack").

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The header that says when Slack signed, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// The header of the signature.
pub const SIGNATURE_HEADER: &str = "x-slack-signature";

/// Slack's own version of the way to sign.
const VERSION: &str = "v0";
/// How far a signature's time may be from now: an older request may be somebody's who has recorded it.
const RECENT: TimeDelta = TimeDelta::minutes(5);
/// Slack's are 32 hexadecimal digits. What is much shorter can be guessed.
const SHORTEST: usize = 16;

/// The signing secret of a Slack app. Whoever knows it can press every button, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

/// A secret that holds no signing secret. Says what is wrong without saying what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningSecret {
    /// Begins as JSON, and is none.
    #[error("it begins with {{ and is not JSON")]
    NotJson,
    /// JSON without the one field.
    #[error("it is JSON and has no text in `signing_secret`")]
    NoField,
    /// Too short, or with white space.
    #[error(
        "it is not a signing secret: expected the text that Slack shows under Basic Information"
    )]
    NotASecret,
}

/// Why a request is not taken for Slack's. Holds nothing of the secret, nor of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSlacks {
    /// A header is missing, or not what Slack sends.
    #[error("the header {0} is missing or malformed: only Slack calls this address")]
    Header(&'static str),
    /// Signed too long ago, or in the future.
    #[error("it was signed more than five minutes from now: press the button again")]
    NotRecent,
    /// Signed with another secret, or changed since.
    #[error("its signature does not fit: only Slack calls this address")]
    Forged,
}

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The value of [`TIMESTAMP_HEADER`].
    pub timestamp: Option<&'a str>,
    /// The value of [`SIGNATURE_HEADER`].
    pub signature: Option<&'a str>,
    /// The bytes of the body, before anything is read from them.
    pub body: &'a [u8],
}

impl SigningSecret {
    /// Reads the text of a secret: bare, or as `{"signing_secret": ...}`.
    ///
    /// # Errors
    /// [`InvalidSigningSecret`] for anything else.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidSigningSecret> {
        let secret = secret.trim();
        let text = if secret.starts_with('{') {
            let fields: Value =
                serde_json::from_str(secret).map_err(|_| InvalidSigningSecret::NotJson)?;
            let field = fields["signing_secret"].as_str();
            field
                .ok_or(InvalidSigningSecret::NoField)?
                .trim()
                .to_owned()
        } else {
            secret.to_owned()
        };
        let is_secret = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_secret
            .then_some(Self(text))
            .ok_or(InvalidSigningSecret::NotASecret)
    }

    /// Whether Slack has signed `request` within the last five minutes. Answers when.
    ///
    /// # Errors
    /// [`NotSlacks`].
    pub fn verify(
        &self,
        request: &SignedRequest,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, NotSlacks> {
        let (timestamp, at) = signed_at(request, now)?;
        let signature = request
            .signature
            .and_then(|signature| signature.strip_prefix(VERSION)?.strip_prefix('='))
            .and_then(|digits| hex::decode(digits).ok())
            .filter(|signature| !signature.is_empty())
            .ok_or(NotSlacks::Header(SIGNATURE_HEADER))?;
        let mac = self.mac(timestamp, request.body).ok_or(NotSlacks::Forged)?;
        // Compares in a time that does not depend on where they differ.
        mac.verify_slice(&signature)
            .map_err(|_| NotSlacks::Forged)?;
        Ok(at)
    }

    /// The signature that Slack would give to such a request.
    pub fn sign(&self, timestamp: i64, body: &[u8]) -> String {
        let mac = self.mac(&timestamp.to_string(), body);
        let bytes = mac.map(|mac| mac.finalize().into_bytes().to_vec());
        format!("{VERSION}={}", hex::encode(bytes.unwrap_or_default()))
    }

    fn mac(&self, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        // A key of any length is one.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(format!("{VERSION}:{timestamp}:").as_bytes());
        mac.update(body);
        Some(mac)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret(hidden)")
    }
}

/// When a request says that it was signed, as it says it.
///
/// # Errors
/// [`NotSlacks`] where that is not within five minutes from now.
pub fn signed_at<'a>(
    request: &SignedRequest<'a>,
    now: DateTime<Utc>,
) -> Result<(&'a str, DateTime<Utc>), NotSlacks> {
    let malformed = NotSlacks::Header(TIMESTAMP_HEADER);
    let timestamp = request.timestamp.ok_or(malformed.clone())?;
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let at = timestamp
        .parse()
        .ok()
        .filter(|_| is_number)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or(malformed)?;
    if (now - at).abs() > RECENT {
        return Err(NotSlacks::NotRecent);
    }
    Ok((timestamp, at))
}

/// An id of a request: whoever sends the same bytes has the same.
pub(super) fn request_id(body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    format!("press-{}", digest.get(..32).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's documentation, "Verifying requests from Slack".
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIMESTAMP: &str = "1531420618";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F\
        397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    fn secret() -> SigningSecret {
        SigningSecret::from_secret(SECRET).unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_531_420_618 + seconds, 0).unwrap()
    }

    fn request<'a>(timestamp: &'a str, signature: &'a str, body: &'a [u8]) -> SignedRequest<'a> {
        SignedRequest {
            timestamp: Some(timestamp),
            signature: Some(signature),
            body,
        }
    }

    #[test]
    fn slacks_own_example_is_slacks() {
        let request = request(TIMESTAMP, SIGNATURE, BODY);
        assert_eq!(secret().verify(&request, at(0)), Ok(at(0)));
        assert_eq!(secret().sign(1_531_420_618, BODY), SIGNATURE);
    }

    #[test]
    fn what_is_changed_or_signed_by_somebody_else_is_not() {
        let other = SigningSecret::from_secret("8f742231b10e8888abcd99yyyzzz85a6").unwrap();
        let shorter = &BODY[..BODY.len() - 1];
        let changed = SIGNATURE.replace("a2114d", "a2114e");
        for (secret, request) in [
            (&other, request(TIMESTAMP, SIGNATURE, BODY)),
            (&secret(), request(TIMESTAMP, SIGNATURE, shorter)),
            (&secret(), request("1531420619", SIGNATURE, BODY)),
            (&secret(), request(TIMESTAMP, &changed, BODY)),
            (&secret(), request(TIMESTAMP, &SIGNATURE[..65], BODY)),
        ] {
            assert_eq!(secret.verify(&request, at(0)), Err(NotSlacks::Forged));
        }
    }

    #[test]
    fn a_signature_counts_for_five_minutes_before_and_after() {
        let request = request(TIMESTAMP, SIGNATURE, BODY);
        for seconds in [-300, 300] {
            assert!(secret().verify(&request, at(seconds)).is_ok(), "{seconds}");
        }
        for seconds in [-301, 301, 86_400] {
            let outcome = secret().verify(&request, at(seconds));
            assert_eq!(outcome, Err(NotSlacks::NotRecent), "{seconds}");
        }
    }

    #[test]
    fn a_request_without_what_slack_sends_is_not_slacks() {
        let whole = request(TIMESTAMP, SIGNATURE, BODY);
        for (request, header) in [
            (
                SignedRequest {
                    timestamp: None,
                    ..whole
                },
                TIMESTAMP_HEADER,
            ),
            (
                SignedRequest {
                    signature: None,
                    ..whole
                },
                SIGNATURE_HEADER,
            ),
            (request("yesterday", SIGNATURE, BODY), TIMESTAMP_HEADER),
            (request("+1531420618", SIGNATURE, BODY), TIMESTAMP_HEADER),
            (
                request("99999999999999999999", SIGNATURE, BODY),
                TIMESTAMP_HEADER,
            ),
            (request(TIMESTAMP, "v0=", BODY), SIGNATURE_HEADER),
            (request(TIMESTAMP, "v0=abc", BODY), SIGNATURE_HEADER),
            (request(TIMESTAMP, &SIGNATURE[3..], BODY), SIGNATURE_HEADER),
            (
                request(TIMESTAMP, "v1=a2114d57b48eac39", BODY),
                SIGNATURE_HEADER,
            ),
        ] {
            let outcome = secret().verify(&request, at(0));
            assert_eq!(outcome, Err(NotSlacks::Header(header)), "{request:?}");
        }
    }

    #[test]
    fn the_secret_is_bare_or_in_json_and_never_shown() {
        let wrapped = format!(" {{\"signing_secret\": \"{SECRET}\"}}\n");
        assert_eq!(SigningSecret::from_secret(&wrapped), Ok(secret()));
        assert_eq!(format!("{:?}", secret()), "SigningSecret(hidden)");
        for (text, expected) in [
            ("", InvalidSigningSecret::NotASecret),
            ("hunter2", InvalidSigningSecret::NotASecret),
            ("hunter2 hunter2 hunter2", InvalidSigningSecret::NotASecret),
            ("{hunter2", InvalidSigningSecret::NotJson),
            (
                r#"{"webhook_url": "hunter2"}"#,
                InvalidSigningSecret::NoField,
            ),
        ] {
            let error = SigningSecret::from_secret(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter"));
        }
    }

    #[test]
    fn the_same_bytes_have_the_same_id_and_others_another() {
        assert_eq!(request_id(BODY), request_id(BODY));
        assert_ne!(request_id(BODY), request_id(b""));
        assert_eq!(request_id(b"").len(), 38);
    }
}
