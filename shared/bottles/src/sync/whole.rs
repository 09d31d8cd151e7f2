//! Bodies that are small enough to be held in memory.

use longshore_state::{CallError, ErrorClass};

use crate::ports::{Fetched, Source};

/// How often a body that breaks off is asked for. Before its first byte, the source itself asks again.
const ATTEMPTS: usize = 3;

/// A body, and what the server says that it is a version of.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) body: Vec<u8>,
    pub(crate) etag: Option<String>,
}

/// Fetches a body of at most `most` bytes. One that breaks off is asked for again from its beginning: a pause of
/// one answer must not cost the sync.
pub(crate) async fn whole<S: Source>(
    source: &S,
    url: &str,
    accept: Option<&str>,
    most: usize,
) -> Result<Whole, CallError> {
    let mut attempt = 1;
    loop {
        let mut body = Vec::new();
        let mut feed = |piece: &[u8]| {
            if body.len() + piece.len() > most {
                return Err(format!("it has more than {most} bytes"));
            }
            body.extend_from_slice(piece);
            Ok(())
        };
        let error = match source.fetch(url, accept, None, &mut feed).await {
            Ok(Fetched::Body { etag }) => return Ok(Whole { body, etag }),
            Ok(Fetched::NotModified) => CallError {
                operation: format!("fetch {url}"),
                class: ErrorClass::Refused,
                code: None,
                message: "it was not given, although it was asked for without an entity tag"
                    .to_owned(),
            },
            Err(error) => error,
        };
        if error.class != ErrorClass::Transient || body.is_empty() || attempt == ATTEMPTS {
            return Err(error);
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Breaks off so often, after a byte if it has begun, and then gives the whole.
    struct Breaking {
        left: RefCell<usize>,
        has_begun: bool,
    }

    impl Source for Breaking {
        async fn fetch(
            &self,
            url: &str,
            _accept: Option<&str>,
            _etag: Option<&str>,
            feed: &mut dyn FnMut(&[u8]) -> Result<(), String>,
        ) -> Result<Fetched, CallError> {
            let failed = |class, message: &str| CallError {
                operation: format!("fetch {url}"),
                class,
                code: None,
                message: message.to_owned(),
            };
            let mut left = self.left.borrow_mut();
            if *left > 0 {
                *left -= 1;
                if self.has_begun {
                    feed(b"w").map_err(|message| failed(ErrorClass::Refused, &message))?;
                }
                return Err(failed(ErrorClass::Transient, "it broke off"));
            }
            feed(b"whole").map_err(|message| failed(ErrorClass::Refused, &message))?;
            Ok(Fetched::Body { etag: None })
        }

        async fn is_absent(&self, _url: &str) -> Result<bool, CallError> {
            Ok(false)
        }
    }

    async fn body(left: usize, has_begun: bool, most: usize) -> Result<Vec<u8>, ErrorClass> {
        let source = Breaking {
            left: RefCell::new(left),
            has_begun,
        };
        let found = whole(&source, "https://example.com/a", None, most).await;
        found.map(|whole| whole.body).map_err(|error| error.class)
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_asked_for_again_from_its_beginning() {
        assert_eq!(body(2, true, 5).await, Ok(b"whole".to_vec()));
        assert_eq!(body(3, true, 5).await, Err(ErrorClass::Transient));
    }

    #[tokio::test]
    async fn what_fails_before_its_first_byte_was_asked_for_again_already() {
        assert_eq!(body(1, false, 5).await, Err(ErrorClass::Transient));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused() {
        assert_eq!(body(0, true, 4).await, Err(ErrorClass::Refused));
    }
}
