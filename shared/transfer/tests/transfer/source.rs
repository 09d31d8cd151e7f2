//! The index's and the registry's answers, as the engine asks for them.

use longshore_bottles::ports::{Fetched, Source};
use longshore_state::ErrorClass;
use longshore_transfer::HttpClient;

use crate::bucket::sha256;
use crate::server::{Answer, Server};
use crate::setting::{content, settings};

/// Fetches and gives what was fed.
async fn fetch(
    server: &Server,
    etag: Option<&str>,
) -> (Result<Fetched, longshore_state::CallError>, Vec<u8>) {
    let client = HttpClient::new(settings(&[server])).unwrap();
    let mut fed = Vec::new();
    let fetched = client
        .fetch(
            &server.url("/api/formula.json"),
            Some("application/json"),
            etag,
            &mut |piece| {
                fed.extend_from_slice(piece);
                Ok(())
            },
        )
        .await;
    (fetched, fed)
}

#[tokio::test]
async fn an_index_is_fed_piece_by_piece_and_its_tag_is_returned() {
    let server = Server::start().await;
    let index = content(1_000_000, 1);
    server.publish("/api/formula.json", &index);
    let (fetched, fed) = fetch(&server, None).await;
    let etag = Some(format!("\"{}\"", sha256(&index)));
    assert_eq!(fetched, Ok(Fetched::Body { etag: etag.clone() }));
    assert!(fed == index);
    assert_eq!(server.requests()[0].headers["accept"], "application/json");
    let (fetched, fed) = fetch(&server, etag.as_deref()).await;
    assert_eq!(fetched, Ok(Fetched::NotModified));
    assert!(fed.is_empty());
}

#[tokio::test]
async fn what_fails_before_its_body_is_asked_for_again() {
    let server = Server::start().await;
    server.publish("/api/formula.json", b"[]");
    server.answer(
        "/api/formula.json",
        &[Answer::Status(502, Vec::new()), Answer::Cut(0)],
    );
    let (fetched, fed) = fetch(&server, None).await;
    assert!(fetched.is_ok(), "{fetched:?}");
    assert_eq!(fed, b"[]");
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let server = Server::start().await;
    server.publish("/api/formula.json", &content(1_000_000, 1));
    server.answer("/api/formula.json", &[Answer::Cut(500_000)]);
    let (fetched, _) = fetch(&server, None).await;
    assert_eq!(fetched.unwrap_err().class, ErrorClass::Transient);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_the_reader_refuses_is_refused() {
    let server = Server::start().await;
    server.publish("/api/formula.json", b"nonsense");
    let client = HttpClient::new(settings(&[&server])).unwrap();
    let error = client
        .fetch(&server.url("/api/formula.json"), None, None, &mut |_| {
            Err("this is not an index".to_owned())
        })
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    assert_eq!(error.message, "this is not an index");
}

#[tokio::test]
async fn what_is_not_there_is_distinguished_from_what_is_refused() {
    let server = Server::start().await;
    let (fetched, _) = fetch(&server, None).await;
    let error = fetched.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert!(error.message.ends_with("answered 404 Not Found"), "{error}");
    // Much may not be there: it is asked for once more, and no more.
    assert_eq!(server.requests().len(), 2);
    for (status, class) in [(403, ErrorClass::Denied), (400, ErrorClass::Refused)] {
        let server = Server::start().await;
        server.publish("/api/formula.json", b"[]");
        server.answer(
            "/api/formula.json",
            &vec![Answer::Status(status, Vec::new()); 9],
        );
        let (fetched, _) = fetch(&server, None).await;
        assert_eq!(fetched.unwrap_err().class, class);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn what_is_expected_to_be_absent_is_asked_for_once() {
    let server = Server::start().await;
    let client = HttpClient::new(settings(&[&server])).unwrap();
    let url = server.url("/api/formula.json");
    assert!(client.is_absent(&url).await.unwrap());
    assert_eq!(server.requests().len(), 1);
    server.publish("/api/formula.json", b"[]");
    assert!(!client.is_absent(&url).await.unwrap());
    server.go_out();
    let error = client.is_absent(&url).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
}

#[tokio::test]
async fn what_is_refused_once_is_asked_for_again() {
    for status in [400, 401, 403, 404, 410] {
        let server = Server::start().await;
        server.publish("/api/formula.json", b"[]");
        server.answer("/api/formula.json", &[Answer::Status(status, Vec::new())]);
        let (fetched, fed) = fetch(&server, None).await;
        assert!(fetched.is_ok(), "{fetched:?}");
        assert_eq!(fed, b"[]");
    }
}

#[tokio::test]
async fn an_index_is_not_waited_for_as_long_as_files_are() {
    let server = Server::start().await;
    server.go_out();
    let mut settings = settings(&[&server]);
    settings.patience.outage = std::time::Duration::from_secs(1800);
    let attempts = settings.patience.attempts;
    let client = HttpClient::new(settings).unwrap();
    let url = server.url("/api/formula.json");
    let error = client.fetch(&url, None, None, &mut |_| Ok(())).await;
    assert_eq!(error.unwrap_err().class, ErrorClass::Transient);
    assert_eq!(server.requests().len(), attempts as usize);
}
