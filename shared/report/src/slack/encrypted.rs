//! URLs to which secrets may be sent.

use std::net::IpAddr;

use reqwest::Url;

/// A text that is not a URL to which a secret may be sent. Says what is wrong without saying what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotEncrypted {
    /// Not a URL.
    #[error("is not a URL")]
    NotAUrl,
    /// A URL by which everybody on the way could read the messages and the secret.
    #[error("does not begin with https://")]
    Plain,
}

/// Reads a URL that is `https`, or on a loopback address.
pub(crate) fn url(text: &str) -> Result<Url, NotEncrypted> {
    let url = Url::parse(text).map_err(|_| NotEncrypted::NotAUrl)?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(NotEncrypted::Plain),
        _ => Err(NotEncrypted::NotAUrl),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || address
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unencrypted_url_is_taken_on_loopback_only() {
        for text in [
            "https://hooks.slack.com/services/x",
            "http://127.0.0.1:4000/slack",
            "http://[::1]:4000/slack",
            "http://localhost/slack",
        ] {
            assert!(url(text).is_ok(), "{text}");
        }
        for text in [
            "http://hooks.slack.com/services/x",
            "http://127.0.0.1.example.com/x",
            "http://localhost.example.com/x",
            "http://10.0.0.1/x",
        ] {
            assert_eq!(url(text), Err(NotEncrypted::Plain), "{text}");
        }
        for text in ["", "hunter2", "ftp://hunter2.example/x"] {
            assert_eq!(url(text), Err(NotEncrypted::NotAUrl), "{text}");
        }
    }
}
