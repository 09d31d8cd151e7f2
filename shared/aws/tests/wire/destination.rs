//! Files on their way to S3, as S3 gets them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use longshore_aws::S3Destination;
use longshore_bottles::ports::StoredObject;
use longshore_events::transfer::Sha256;
use longshore_state::ErrorClass;
use longshore_transfer::body::Body;
use longshore_transfer::destination::{Destination, PutError, Target};

use crate::support::record;

const KEY: &str = "gtk+@2-2.24.33_2.arm64_linux.bottle.tar.gz";

/// Of `hello`, as digits and as S3's header has it.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const HELLO_BASE64: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

#[derive(Debug, Clone)]
struct Request {
    line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// An S3 that gives one answer and keeps what it got.
#[derive(Clone)]
struct S3 {
    requests: Arc<Mutex<Vec<Request>>>,
    endpoint: String,
}

impl S3 {
    /// `answer` is the whole answer, from its status line on.
    fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let s3 = Self {
            requests: Arc::default(),
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
        };
        let requests = Arc::clone(&s3.requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), answer, &requests);
            }
        });
        s3
    }

    fn destination(&self) -> S3Destination {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let configuration = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(&self.endpoint)
            .http_client(longshore_aws::http_client())
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        S3Destination::new(&configuration)
    }

    fn request(&self) -> Request {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }
}

fn serve(stream: TcpStream, answer: &str, requests: &Mutex<Vec<Request>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        stream.get_mut().write_all(go_on).unwrap();
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    let whole = stream.read_exact(&mut body).is_ok();
    if let [method, resource, _] = *line.split_whitespace().collect::<Vec<_>>() {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        record(method, resource, headers, &String::from_utf8_lossy(&body));
    }
    requests.lock().unwrap().push(Request {
        line: line.trim_end().to_owned(),
        headers,
        body,
    });
    if whole {
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}

fn target() -> Target {
    Target {
        bucket: "mirror".to_owned(),
        key: KEY.to_owned(),
        content_type: "application/gzip".to_owned(),
        sha256: HELLO.parse().unwrap(),
    }
}

async fn put(s3: &S3, pieces: &'static [&'static str]) -> Result<(), PutError> {
    let (sender, body) = Body::channel(5);
    let destination = s3.destination();
    let target = target();
    let fill = async move {
        for piece in pieces {
            sender.send((*piece).into()).await;
        }
    };
    tokio::join!(destination.put(&target, body), fill).0
}

const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e1\"\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_file_goes_up_with_its_digest_and_with_what_clients_need() {
    let s3 = S3::answering(OK);
    put(&s3, &["hel", "lo"]).await.unwrap();
    let request = s3.request();
    let path = "/mirror/gtk%2B%402-2.24.33_2.arm64_linux.bottle.tar.gz";
    assert!(
        request.line.starts_with(&format!("PUT {path}")),
        "{}",
        request.line
    );
    assert_eq!(request.body, b"hello");
    let expected = [
        ("content-length", "5"),
        ("content-type", "application/gzip"),
        ("cache-control", "public, max-age=86400"),
        ("x-amz-checksum-sha256", HELLO_BASE64),
        // The body is a stream; what it hashes to is in the signed header above.
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    for (name, value) in expected {
        assert_eq!(
            request.headers.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(request.headers["authorization"].contains("x-amz-checksum-sha256"));
    assert!(!request.headers.contains_key("x-amz-trailer"));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_not_a_file() {
    let s3 = S3::answering(OK);
    let error = put(&s3, &["hel"]).await.unwrap_err();
    assert!(
        matches!(&error, PutError::Call(call) if call.class == ErrorClass::Transient),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_s3_finds_to_be_another_content_is_a_mismatch() {
    let s3 = S3::answering(concat!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/xml\r\nContent-Length: 88\r\nConnection: close\r\n\r\n",
        "<Error><Code>BadDigest</Code><Message>The SHA256 you specified did not</Message></Error>",
    ));
    let error = put(&s3, &["hallo"]).await.unwrap_err();
    assert!(matches!(error, PutError::Mismatch(_)), "{error:?}");
}

#[tokio::test]
async fn other_refusals_are_classified() {
    let cases = [
        (
            "HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ErrorClass::Transient,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ErrorClass::Denied,
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ErrorClass::Refused,
        ),
    ];
    for (answer, class) in cases {
        let error = put(&S3::answering(answer), &["hello"]).await.unwrap_err();
        assert!(
            matches!(&error, PutError::Call(call) if call.class == class),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_there_is_reported_with_its_digest() {
    let head = |answer| async move {
        S3::answering(answer)
            .destination()
            .head("mirror", KEY)
            .await
    };
    let found = head(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
        "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\n\r\n"
    ));
    let hello = Some(StoredObject {
        size: 5,
        sha256: HELLO.parse::<Sha256>().ok(),
    });
    assert_eq!(found.await, Ok(hello.clone()));
    // One that went up in parts: S3's digest is one of digests.
    let found = head(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
        "x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=-3\r\n",
        "x-amz-meta-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n\r\n"
    ));
    assert_eq!(found.await, Ok(hello));
    let found = head("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(found.await, Ok(None));
    let found = head("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let error = found.await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    // There are no words in the answer to HEAD.
    assert!(
        error.message.starts_with("status 403, most likely "),
        "{error}"
    );
    assert!(error.message.contains("s3:ListBucket"), "{error}");
    for answer in [
        "HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ] {
        let found = head(answer);
        let error = found.await.unwrap_err();
        assert!(error.message.contains("another region"), "{error}");
    }
}

#[tokio::test]
async fn a_copy_names_its_source_escaped_and_keeps_the_headers() {
    let s3 = S3::answering(concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 64\r\nConnection: close\r\n\r\n",
        "<CopyObjectResult><ETag>\"e1\"</ETag></CopyObjectResult>          "
    ));
    let mut to = target();
    to.key = "v2/homebrew/core/gtkx/2/blobs/sha256:00".to_owned();
    s3.destination().copy(KEY, &to).await.unwrap();
    let headers = s3.request().headers;
    let expected = [
        (
            "x-amz-copy-source",
            "mirror/gtk%2B%402-2.24.33_2.arm64_linux.bottle.tar.gz",
        ),
        ("x-amz-metadata-directive", "REPLACE"),
        ("content-type", "application/gzip"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ];
    for (name, value) in expected {
        assert_eq!(headers.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_part_goes_up_as_it_comes_and_its_tag_is_returned() {
    let s3 = S3::answering(OK);
    let (sender, body) = Body::channel(5);
    let (destination, target) = (s3.destination(), target());
    let (tag, _) = tokio::join!(
        destination.put_part(&target, "upload", 7, body),
        sender.send("hello".into())
    );
    assert_eq!(tag.unwrap(), "\"e1\"");
    let request = s3.request();
    assert!(request.line.contains("partNumber=7"), "{}", request.line);
    assert!(request.line.contains("uploadId=upload"), "{}", request.line);
    assert_eq!(request.body, b"hello");
}

#[tokio::test]
async fn parts_are_begun_put_together_in_their_order_and_thrown_away() {
    let target = target();
    let s3 = S3::answering(concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 85\r\nConnection: close\r\n\r\n",
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    ));
    let upload = s3.destination().begin(&target).await.unwrap();
    assert_eq!(upload, "u");
    let request = s3.request();
    assert!(request.line.contains("?uploads"), "{}", request.line);
    assert_eq!(request.headers["x-amz-meta-sha256"], HELLO);

    let s3 = S3::answering(concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 80\r\nConnection: close\r\n\r\n",
        "<CompleteMultipartUploadResult><ETag>\"e1\"</ETag></CompleteMultipartUploadResult>"
    ));
    let tags = ["\"a\"".to_owned(), "\"b\"".to_owned()];
    let completed = s3.destination().complete(&target, "u", &tags).await;
    completed.unwrap();
    let body = String::from_utf8(s3.request().body).unwrap();
    let (first, second) = body.split_once("</Part>").unwrap();
    assert!(first.contains("<PartNumber>1</PartNumber>"), "{body}");
    assert!(second.contains("<PartNumber>2</PartNumber>"), "{body}");

    let s3 = S3::answering("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    s3.destination().abort(&target, "u").await.unwrap();
    let line = s3.request().line;
    assert!(line.starts_with("DELETE "), "{line}");
    assert!(line.contains("uploadId=u"), "{line}");
}
