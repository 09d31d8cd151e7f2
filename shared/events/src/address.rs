//! Addresses that nobody outside may have Longshore ask: this machine's own, and those of private networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The address that a URL's host is, if it is not a name.
pub fn address_of<S>(host: &Host<S>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
    }
}

/// Whether an address is one at which the machine itself answers what it runs: link-local addresses, of which some
/// hand out credentials and Lambda's invocations, and the metadata service over IPv6. Also where an IPv4 address is
/// written inside an IPv6 address.
///
/// The Amazon EC2 User Guide, "Access instance metadata"; the Amazon ECS Developer Guide, "Task metadata endpoint".
pub fn is_of_the_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            address.is_unicast_link_local()
                || (first == 0xfd00 && second == 0x0ec2)
                || embedded(address).is_some_and(|address| address.is_link_local())
        }
    }
}

/// Whether `host`, with a port or without, is an address that [`is_of_the_machine`], however it is written:
/// `169.254.169.254:80`, `2852039166`, `0xa9fea9fe`, `[::ffff:169.254.169.254]:80`.
pub fn names_machine(host: &str) -> bool {
    host_of(host).is_some_and(|host| address_of(&host).is_some_and(is_of_the_machine))
}

/// Whether `host`, with a port or without, is this machine under any of its names: `localhost:80`, `127.1`, `[::1]:80`.
pub fn names_loopback(host: &str) -> bool {
    match host_of(host) {
        Some(Host::Domain(name)) => is_own_name(&name),
        Some(host) => address_of(&host).is_some_and(is_loopback),
        None => false,
    }
}

/// The host as a client takes it apart that asks it.
fn host_of(host: &str) -> Option<Host<String>> {
    let url = Url::parse(&format!("http://{host}/")).ok()?;
    url.host().map(|host| host.to_owned())
}

/// Whether an address is this machine's own: what connects to it stays here.
pub fn is_loopback(address: IpAddr) -> bool {
    let is_v4 = |address: Ipv4Addr| address.is_loopback() || address.octets()[0] == 0;
    match address {
        IpAddr::V4(address) => is_v4(address),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || embedded(address).is_some_and(is_v4)
        }
    }
}

/// The IPv4 address that an IPv6 address holds: mapped, compatible, translated (RFC 2765, and NAT64 of RFC 6052), or
/// 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let [first, second, third, .., seventh, eighth] = segments;
    let joined = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        Ipv4Addr::new(a, b, c, d)
    };
    let is_translated =
        segments[..6] == [0, 0, 0, 0, 0xffff, 0] || (first, second) == (0x64, 0xff9b);
    if address.to_ipv4().is_some() || is_translated {
        Some(joined(seventh, eighth))
    } else {
        (first == 0x2002).then(|| joined(second, third))
    }
}

/// Whether an address is one that nothing public is at: loopback, private, link-local, shared, multicast
/// or reserved (the special-purpose registries of IANA, RFC 6890), also where it is written inside an
/// IPv6 address.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        // "This network", of which 0.0.0.0 connects to the machine itself.
        || first == 0
        // Shared by a carrier's customers, RFC 6598.
        || (first == 100 && (second & 0xc0) == 64)
        // Assignments of protocols, RFC 6890; benchmarks, RFC 2544.
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (second & 0xfe) == 18)
        // Reserved, with the broadcast address.
        || first >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        // Site-local, RFC 3879, no longer in use but still routed by some.
        || (first & 0xffc0) == 0xfec0
        || embedded(address).is_some_and(is_private_v4)
        // NAT64 of a network's own, RFC 8215.
        || (first == 0x64 && second == 0xff9b && third == 1)
}

/// Names that mean the machine itself, RFC 6761.
pub fn is_own_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_at_which_the_machine_answers_are_known_however_they_are_written() {
        for host in [
            "169.254.169.254:80",
            "169.254.169.254",
            "169.254.43518",
            "2852039166:80",
            "0xa9fea9fe:80",
            "0XA9.0xfe.0xa9.0xFE",
            "0251.0376.0251.0376:80",
            "１６９.254.169.254:80",
            "169.254.169.254.:80",
            "169.254.170.2:80",
            "169.254.170.23:80",
            "169.254.100.1:9001",
            "[fe80::1]:80",
            "[FE80:0:0:0:0:0:0:1]:80",
            "[febf::1]:80",
            "[fd00:ec2::254]:80",
            "[fd00:0ec2::23]:80",
            "[::ffff:169.254.169.254]:80",
            "[::ffff:a9fe:a9fe]:80",
            "[::ffff:0:a9fe:a9fe]:80",
            "[::169.254.169.254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:a9fe:a9fe::]:80",
        ] {
            assert!(names_machine(host), "{host}");
            assert!(!names_loopback(host), "{host}");
        }
        for host in [
            "mirror.internal:443",
            "169.254.169.254.example:80",
            "10.0.0.1:80",
            "169.253.0.1:80",
            "[fd12::254]:80",
            "",
            ":",
        ] {
            assert!(!names_machine(host), "{host}");
        }
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for host in [
            "localhost:80",
            "LOCALHOST.:80",
            "a.localhost:80",
            "127.0.0.1:80",
            "127.9.9.9:80",
            "127.1:80",
            "2130706433:80",
            "0.0.0.0:80",
            "[::1]:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:80",
            "127.0.0.1",
            "0x7f000001:80",
            "017700000001:80",
        ] {
            assert!(names_loopback(host), "{host}");
        }
        for host in [
            "mirror.internal:80",
            "10.0.0.1:80",
            "localhost.example:80",
            "",
            ":",
        ] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
