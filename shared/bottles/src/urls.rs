//! Which URLs are asked.

use longshore_events::address::{address_of, is_of_the_machine, is_own_name, is_private};
use url::{Host, Url};

/// Refuses what is not an HTTP URL, holds credentials, climbs, or points at a loopback or private address that
/// `private_hosts` does not name with its port. Plain HTTP is refused everywhere else. No list opens an address that
/// [`is_of_the_machine`].
///
/// The URL is taken apart as the client that will ask it takes it apart, so that no spelling of an address
/// gets past. What a name resolves to is not known here: whoever connects asks [`is_private`] again.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &str, private_hosts: &[String]) -> Result<(), String> {
    let problem = |what: &str| Err(format!("url `{}` {what}", url.escape_default()));
    // Clients drop some of these silently, and take a backslash for a slash.
    if url
        .bytes()
        .any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\')
    {
        return problem("holds characters that no URL has");
    }
    let parsed = match Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return problem(&format!("is none: {error}")),
    };
    let is_encrypted = match parsed.scheme() {
        "https" => true,
        "http" => false,
        scheme => return problem(&format!("has the scheme `{scheme}`, expected `https`")),
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return problem("holds credentials");
    }
    // Clients resolve what climbs before they ask, so that it is no more to be seen in what they ask for.
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if climbs(path) {
        return problem("climbs");
    }
    let (Some(host), Some(port)) = (parsed.host(), parsed.port_or_known_default()) else {
        return problem("names no host");
    };
    let named = format!("{host}:{port}");
    if address_of(&host).is_some_and(is_of_the_machine) {
        return problem(
            "points at a link-local or metadata address, which no list of private hosts opens",
        );
    }
    if private_hosts
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&named))
    {
        return Ok(());
    }
    let is_private = match (&host, address_of(&host)) {
        (Host::Domain(name), _) => is_own_name(name),
        (_, address) => address.is_some_and(is_private),
    };
    if is_private {
        return problem(&format!(
            "points at a loopback, private or link-local address; `{named}` is not among the private hosts"
        ));
    }
    if !is_encrypted {
        return problem("is plain HTTP, expected HTTPS");
    }
    Ok(())
}

fn climbs(path: &str) -> bool {
    let is_dots = |part: &str| {
        part == ".." || part.len() > 2 && part.to_ascii_lowercase().replace("%2e", ".") == ".."
    };
    (path.contains("..") || path.contains('%')) && path.split('/').any(is_dots)
}

/// The part of a URL up to its path, where the path is so plain that [`check`] says the same of it as of
/// every other plain path there: for those who check many URLs of one host.
pub(crate) fn plain_origin(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'A'..=b'Z' | b'-'..=b':' | b'_' | b'~' | b'@');
    // All bytes, and not up to the first that is not plain: so the processor looks at many at once.
    let path = path.as_bytes();
    let is_plain = path.iter().fold(true, |all, byte| all & is_plain(*byte));
    let pairs = path.iter().zip(path.iter().skip(1));
    let climbs = pairs.fold(false, |any, pair| any | (pair == (&b'.', &b'.')));
    if !is_plain || climbs {
        return None;
    }
    url.get(..url.len() - rest.len() + host.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_are_asked() {
        for url in [
            "https://ghcr.io/v2/homebrew/core/boost/1.85/blobs/sha256:00",
            "https://ghcr.io:8443/a%40b/c..d/...",
            "https://93.184.216.34/a",
            "https://[2606:4700::1111]/a",
            "https://example.com/a?next=../b",
        ] {
            assert_eq!(check(url, &[]), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_not_a_url_of_a_bottle_is_refused() {
        for (url, expected) in [
            ("", "is none"),
            ("ghcr.io/a", "is none"),
            ("https://", "is none"),
            ("ftp://ghcr.io/a", "has the scheme `ftp`"),
            ("file:///etc/passwd", "has the scheme `file`"),
            ("http://ghcr.io/a", "is plain HTTP"),
            ("https://user@ghcr.io/a", "holds credentials"),
            ("https://:secret@ghcr.io/a", "holds credentials"),
            ("https://ghcr.io/a/../b", "climbs"),
            ("https://ghcr.io/a/%2E%2e/b", "climbs"),
            ("https://ghcr.io/a/..", "climbs"),
            ("https://ghcr.io/a\\..\\b", "holds characters"),
            ("https://ghcr.io/a b", "holds characters"),
            ("https://ghcr.io/\na", "holds characters"),
            ("https://gh\tcr.io/a", "holds characters"),
        ] {
            let error = check(url, &[]).unwrap_err();
            assert!(error.contains(expected), "{url:?}: {error}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "localhost",
            "LOCALHOST.",
            "registry.localhost",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fec0::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::10.0.0.1]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "１２７.0.0.1",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}/a");
                let error = check(&url, &[]).unwrap_err();
                assert!(error.contains("private"), "{url}: {error}");
            }
        }
    }

    #[test]
    fn no_list_opens_link_local_and_metadata_addresses() {
        let hosts = [
            "169.254.169.254:80",
            "169.254.100.1:9001",
            "[fd00:ec2::254]:80",
            "[fe80::1]:80",
            "[::ffff:a9fe:a9fe]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:a9fe:a9fe::]:80",
        ]
        .map(str::to_owned);
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "http://0xa9fea9fe/",
            "http://169.254.100.1:9001/2018-06-01/runtime/invocation/next",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[2002:a9fe:a9fe::]/",
        ] {
            let error = check(url, &hosts).unwrap_err();
            assert!(error.contains("no list"), "{url}: {error}");
        }
    }

    #[test]
    fn only_a_plain_path_is_like_every_other_of_its_host() {
        assert_eq!(
            plain_origin("https://ghcr.io/v2/a@1/blobs/sha256:00"),
            Some("https://ghcr.io")
        );
        assert_eq!(
            plain_origin("https://a@ghcr.io:1/"),
            Some("https://a@ghcr.io:1")
        );
        for url in [
            "ghcr.io/a",
            "https://ghcr.io",
            "https://ghcr.io/a/../b",
            "https://ghcr.io/%2e%2e/b",
            "https://ghcr.io/a\\b",
            "https://ghcr.io/a b",
            "https://ghcr.io?/a?b",
        ] {
            assert_eq!(plain_origin(url), None, "{url}");
        }
    }

    #[test]
    fn a_private_host_is_named_with_its_port() {
        let hosts = [
            "127.0.0.1:5000",
            "[::1]:5000",
            "registry.localhost:443",
            "mirror.corp:80",
        ]
        .map(str::to_owned);
        for url in [
            "http://127.0.0.1:5000/a",
            "http://127.1:5000/a",
            "https://127.0.0.1:5000/a",
            "http://[::1]:5000/a",
            "https://Registry.localhost/a",
            "http://mirror.corp/a",
        ] {
            assert_eq!(check(url, &hosts), Ok(()), "{url}");
        }
        for url in [
            "http://127.0.0.1:5001/a",
            "http://127.0.0.1/a",
            "http://127.0.0.2:5000/a",
            "http://mirror.corp:81/a",
        ] {
            assert!(check(url, &hosts).is_err(), "{url}");
        }
        assert!(check("http://127.0.0.1:5000/../a", &hosts).is_err());
    }
}
