//! Who may ask: only whoever got the address, from the page itself.
//!
//! The page listens on loopback, where every program and every web page of this machine can send requests. A web page
//! of somebody else knows neither the token, nor can it name this host: where its own name leads here (DNS rebinding),
//! the request still carries that name. What changes something comes by POST from the page's own origin.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode};

use super::address::Address;

/// Where a browser says who sends a request: Fetch Metadata Request Headers, W3C.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the page is known by.
#[derive(Debug)]
pub struct Guard {
    token: String,
    /// The hosts that lead here, with the port.
    hosts: [String; 2],
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub says: &'static str,
}

const fn refusal(status: StatusCode, says: &'static str) -> Refusal {
    Refusal { status, says }
}

const OTHER_HOST: Refusal = refusal(
    StatusCode::MISDIRECTED_REQUEST,
    "This is not the host that the dashboard listens on. Open the address that longshore dashboard has printed.",
);

const NOT_FOUND: Refusal = refusal(
    StatusCode::NOT_FOUND,
    "There is nothing here. Open the address that longshore dashboard has printed, with its token.",
);

const OTHER_SITE: Refusal = refusal(
    StatusCode::FORBIDDEN,
    "This request comes from another page. What changes something is asked for on the dashboard itself.",
);

const ONLY_POST: Refusal = refusal(
    StatusCode::METHOD_NOT_ALLOWED,
    "This address changes something, which only POST may.",
);

const ONLY_GET: Refusal = refusal(
    StatusCode::METHOD_NOT_ALLOWED,
    "This address shows something: GET it.",
);

impl Guard {
    /// Of the page that listens on this port of loopback.
    pub fn new(token: String, port: u16) -> Self {
        Self {
            token,
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
        }
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("http://{}/{}/", self.hosts[0], self.token)
    }

    /// What is asked for, if whoever asks may.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Address, Refusal> {
        let host = only(headers, &HOST).filter(|host| self.hosts.iter().any(|ours| ours == host));
        let Some(host) = host else {
            return Err(OTHER_HOST);
        };
        let rest = path.strip_prefix('/').and_then(|path| {
            let (token, rest) = path.split_once('/')?;
            is_same(token.as_bytes(), self.token.as_bytes()).then_some(rest)
        });
        // Who has no token does not even hear which methods there are.
        let address = rest.and_then(Address::read).ok_or(NOT_FOUND)?;
        let site = only(headers, &SITE);
        if headers.contains_key(&SITE) && !matches!(site, Some("same-origin" | "none")) {
            return Err(OTHER_SITE);
        }
        let is_deed = matches!(address, Address::Deed(_));
        if !is_deed {
            return match *method {
                Method::GET | Method::HEAD => Ok(address),
                _ => Err(ONLY_GET),
            };
        }
        if *method != Method::POST {
            return Err(ONLY_POST);
        }
        // Browsers say the origin of every POST.
        let origin = only(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        match origin == Some(host) {
            true => Ok(address),
            false => Err(OTHER_SITE),
        }
    }
}

/// The one value of a header; `None` where it is missing, there twice, or not text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    match values.next() {
        Some(_) => None,
        None => value.to_str().ok(),
    }
}

/// Whether both are the same, in a time that says nothing about where they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other);
    let differences = differences.fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0f3c1a";

    fn asked(method: &Method, path: &str, said: &[(HeaderName, &str)]) -> Result<Address, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(name, value.parse().unwrap());
        }
        Guard::new(TOKEN.to_owned(), 4100).admit(method, path, &headers)
    }

    const HERE: (HeaderName, &str) = (HOST, "127.0.0.1:4100");
    const DEED: &str = "/0f3c1a/do/approve/shop/api";

    #[test]
    fn whoever_has_the_address_sees_the_page() {
        for host in ["127.0.0.1:4100", "localhost:4100"] {
            for said in [vec![(HOST, host)], vec![(HOST, host), (SITE, "none")]] {
                assert!(asked(&Method::GET, "/0f3c1a/", &said).is_ok());
            }
        }
    }

    #[test]
    fn without_the_token_nothing_is_there() {
        for path in [
            "/",
            "/index.html",
            "/0f3c1/",
            "/0f3c1b/",
            "/0f3c1a0/",
            "//",
            "/0f3c1a",
            "/0F3C1A/",
            "0f3c1a/",
        ] {
            assert_eq!(asked(&Method::GET, path, &[HERE]), Err(NOT_FOUND), "{path}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_has_pointed_here_is_refused() {
        for host in [
            "evil.example:4100",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1.evil.example:4100",
            "localhost:4100.evil.example",
            "[::1]:4100",
            "",
        ] {
            let answer = asked(&Method::GET, "/0f3c1a/", &[(HOST, host)]);
            assert_eq!(answer, Err(OTHER_HOST), "{host}");
        }
        assert_eq!(asked(&Method::GET, "/0f3c1a/", &[]), Err(OTHER_HOST));
        let twice = [HERE, (HOST, "evil.example")];
        assert_eq!(asked(&Method::GET, "/0f3c1a/", &twice), Err(OTHER_HOST));
    }

    #[test]
    fn what_changes_something_comes_by_post_from_the_page_itself() {
        let ours = (ORIGIN, "http://127.0.0.1:4100");
        let good = [HERE, ours.clone(), (SITE, "same-origin")];
        assert!(asked(&Method::POST, DEED, &good).is_ok());
        // An older browser says less.
        assert!(asked(&Method::POST, DEED, &[HERE, ours.clone()]).is_ok());
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert_eq!(asked(&method, DEED, &good), Err(ONLY_POST), "{method}");
        }
        for origin in [
            "null",
            "http://evil.example",
            "https://127.0.0.1:4100",
            "http://localhost:4100",
            "http://127.0.0.1:4101",
            "",
        ] {
            let said = [HERE, (ORIGIN, origin)];
            let answer = asked(&Method::POST, DEED, &said);
            assert_eq!(answer, Err(OTHER_SITE), "{origin}");
        }
        assert_eq!(asked(&Method::POST, DEED, &[HERE]), Err(OTHER_SITE));
        for site in ["cross-site", "same-site", "rubbish"] {
            let said = [HERE, ours.clone(), (SITE, site)];
            assert_eq!(asked(&Method::POST, DEED, &said), Err(OTHER_SITE));
        }
        let twice = [HERE, ours.clone(), ours];
        assert_eq!(asked(&Method::POST, DEED, &twice), Err(OTHER_SITE));
    }

    #[test]
    fn what_shows_something_takes_no_post() {
        let said = [HERE, (ORIGIN, "http://127.0.0.1:4100")];
        let answer = asked(&Method::POST, "/0f3c1a/index.html", &said);
        assert_eq!(answer, Err(ONLY_GET));
    }

    #[test]
    fn another_site_does_not_even_see_the_page() {
        let said = [HERE, (SITE, "cross-site")];
        assert_eq!(asked(&Method::GET, "/0f3c1a/", &said), Err(OTHER_SITE));
    }
}
