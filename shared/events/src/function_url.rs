//! What Lambda gives a function that is called by its URL, and what it takes for an answer: payload format 2.0 (AWS Lambda
//! Developer Guide, "Invoking Lambda function URLs").

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Malformed;
use crate::malformed::parse;

const WHAT: &str = "request to a function's URL";

/// A request. Unknown fields are AWS's to add.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUrlRequest {
    request_context: RequestContext,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Http {
    method: String,
}

impl FunctionUrlRequest {
    /// Reads what Lambda gives the function.
    ///
    /// # Errors
    /// [`Malformed`] when it is not a request to a URL.
    pub fn parse(payload: &Value) -> Result<Self, Malformed> {
        parse(WHAT, payload)
    }

    /// `POST`.
    pub fn method(&self) -> &str {
        &self.request_context.http.method
    }

    /// A header's value, by the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body's bytes, as they were sent: a signature is of these.
    ///
    /// # Errors
    /// [`Malformed`] when Lambda calls it Base64 and it is not.
    pub fn body(&self) -> Result<Vec<u8>, Malformed> {
        let body = self.body.as_deref().unwrap_or_default();
        if !self.is_base64_encoded {
            return Ok(body.as_bytes().to_vec());
        }
        STANDARD
            .decode(body)
            .map_err(|error| Malformed::new(WHAT, format!("field `body`: not Base64: {error}")))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUrlAnswer {
    /// The HTTP status.
    pub status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    /// A text for people; empty where there is nothing to say.
    pub body: String,
}

impl FunctionUrlAnswer {
    /// An answer of plain text.
    pub fn text(status_code: u16, body: impl Into<String>) -> Self {
        let headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-store"),
        ];
        Self {
            status_code,
            headers: headers.into(),
            body: body.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(body: &str, is_base64_encoded: bool) -> FunctionUrlRequest {
        let payload = json!({
            "version": "2.0",
            "headers": {"X-Slack-Signature": "v0=1"},
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": body,
            "isBase64Encoded": is_base64_encoded,
        });
        FunctionUrlRequest::parse(&payload).unwrap()
    }

    #[test]
    fn the_body_is_what_was_sent_whether_lambda_encodes_it_or_not() {
        assert_eq!(request("a=b%2B", false).body().unwrap(), b"a=b%2B");
        assert_eq!(request("YT1iJTJC", true).body().unwrap(), b"a=b%2B");
        let error = request("a=b%2B", true).body().unwrap_err();
        assert!(error.to_string().contains("not Base64"), "{error}");
    }

    #[test]
    fn a_header_is_found_however_it_is_written() {
        let request = request("", false);
        assert_eq!(request.header("x-slack-signature"), Some("v0=1"));
        assert_eq!(request.header("x-slack-request-timestamp"), None);
        assert_eq!(request.method(), "POST");
    }

    #[test]
    fn a_request_without_a_body_has_an_empty_one() {
        let payload = json!({"requestContext": {"http": {"method": "GET"}}});
        let request = FunctionUrlRequest::parse(&payload).unwrap();
        assert!(request.body().unwrap().is_empty());
    }
}
