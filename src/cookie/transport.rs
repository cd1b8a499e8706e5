//! Transport: did this request come over https, and which proxies are believed about it?
//!
//! Knows addresses and one header's value, no sockets. Counting hops and asking a function of the application's is
//! the JavaScript side's work.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::error::{Code, Error, Result};

/// Which peers may say how the visitor reached them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// None of them.
    Nobody,
    /// All of them.
    Everyone,
    /// Those with an address in one of the ranges; never an empty list.
    Ranges(Vec<IpNet>),
}

impl Trust {
    /// Trust in a list of address ranges; nobody for an empty one.
    ///
    /// Shape of an item: `loopback`, `linklocal`, `uniquelocal`, an address, `address/prefix length`, or for IPv4
    /// `address/netmask`. An IPv4-mapped IPv6 address without a prefix stands for the IPv4 one.
    ///
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG`: `invalid IP address: …` or `invalid range on address: …`, as the original says it.
    ///
    /// Compat: `compile` of proxy-addr 1.1.5, but octal, hexadecimal and one-number IPv4 addresses are refused.
    pub fn ranges(items: &[&str]) -> Result<Self> {
        let mut ranges = Vec::with_capacity(items.len());
        for item in items {
            match named(item) {
                Some(known) => ranges.extend(known),
                None => ranges.push(range(item)?),
            }
        }
        Ok(if ranges.is_empty() {
            Trust::Nobody
        } else {
            Trust::Ranges(ranges)
        })
    }

    /// Whether the peer at this address is trusted. What is no address is not, unless everyone is.
    ///
    /// Shape: as `socket.remoteAddress` gives it, a zone (`%eth0`) allowed. An IPv4 address and its IPv4-mapped IPv6
    /// form are the same peer.
    pub fn trusts(&self, peer: &str) -> bool {
        match self {
            Trust::Nobody => false,
            Trust::Everyone => true,
            Trust::Ranges(ranges) => {
                let address = peer
                    .split_once('%')
                    .map_or(peer, |(address, _zone)| address);
                let Ok(peer) = address.parse() else {
                    return false;
                };
                ranges.iter().any(|range| contains(range, peer))
            }
        }
    }
}

/// Whether the visitor's connection is encrypted.
///
/// `encrypted` is what the socket itself says, and is believed before any header. `forwarded_proto` is the value of
/// `X-Forwarded-Proto`, of which the first item counts, and only from a trusted peer.
///
/// Compat: `__isSecure` in `index.js`, where the header of a trusted peer overrules an encrypted socket.
pub fn is_secure(encrypted: bool, peer_trusted: bool, forwarded_proto: Option<&str>) -> bool {
    let claims_https = || {
        let first = forwarded_proto?.split(',').next()?;
        Some(first.trim().eq_ignore_ascii_case("https"))
    };
    encrypted || (peer_trusted && claims_https() == Some(true))
}

fn contains(range: &IpNet, peer: IpAddr) -> bool {
    match (range, peer) {
        (IpNet::V4(range), IpAddr::V4(peer)) => range.contains(&peer),
        (IpNet::V6(range), IpAddr::V6(peer)) => range.contains(&peer),
        (IpNet::V4(range), IpAddr::V6(peer)) => peer
            .to_ipv4_mapped()
            .is_some_and(|peer| range.contains(&peer)),
        (IpNet::V6(range), IpAddr::V4(peer)) => range.contains(&peer.to_ipv6_mapped()),
    }
}

/// The ranges that have a name.
fn named(name: &str) -> Option<Vec<IpNet>> {
    let v4 = |a, b, length| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length));
    let v6 = |first, last, length| {
        let address = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last);
        IpNet::V6(Ipv6Net::new_assert(address, length))
    };
    Some(match name {
        "loopback" => vec![v4(127, 0, 8), v6(0, 1, 128)],
        "linklocal" => vec![v4(169, 254, 16), v6(0xfe80, 0, 10)],
        "uniquelocal" => vec![
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v6(0xfc00, 0, 7),
        ],
        _ => return None,
    })
}

/// The range that one item of the list writes out.
fn range(item: &str) -> Result<IpNet> {
    let (address, length) = match item.rsplit_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (item, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| Error::new(Code::Config, format!("invalid IP address: {address}")))?;
    let Some(length) = length else {
        return Ok(IpNet::from(address.to_canonical()));
    };
    prefix_length(address, length)
        .and_then(|length| IpNet::new(address, length).ok())
        .ok_or_else(|| Error::new(Code::Config, format!("invalid range on address: {item}")))
}

/// How many bits a prefix length or a netmask stands for, never 0: that would be everyone by mistake.
fn prefix_length(address: IpAddr, length: &str) -> Option<u8> {
    let bits = if length.bytes().all(|b| b.is_ascii_digit()) {
        length.parse().ok()?
    } else if address.is_ipv4() {
        let mask: Ipv4Addr = length.parse().ok()?;
        ipnet::ipv4_mask_to_prefix(mask).ok()?
    } else {
        return None;
    };
    (bits > 0).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(items: &[&str], peer: &str) -> bool {
        Trust::ranges(items).unwrap().trusts(peer)
    }

    #[test]
    fn the_named_ranges_are_those_of_proxy_addr() {
        for (name, inside, outside) in [
            (
                "loopback",
                &["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"][..],
                &["128.0.0.1", "::2", "10.0.0.1"][..],
            ),
            (
                "linklocal",
                &["169.254.7.7", "fe80::1", "febf::1", "fe80::1%eth0"],
                &["169.253.0.1", "fec0::1"],
            ),
            (
                "uniquelocal",
                &[
                    "10.1.2.3",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.0.1",
                    "fc00::1",
                    "fd00::1",
                ],
                &["11.0.0.1", "172.32.0.1", "192.169.0.1", "fe00::1"],
            ),
        ] {
            for peer in inside {
                assert!(trusts(&[name], peer), "{name} {peer}");
            }
            for peer in outside {
                assert!(!trusts(&[name], peer), "{name} {peer}");
            }
        }
    }

    #[test]
    fn ranges_are_addresses_prefixes_and_netmasks() {
        for (item, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/8", "10.9.9.9", "11.1.2.3"),
            ("10.0.0.0/255.0.0.0", "10.9.9.9", "11.0.0.0"),
            ("10.0.0.0/255.255.255.254", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.0/9", "10.127.0.1", "10.128.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:db8::1", "2001:DB8:0::1", "2001:db8::2"),
            ("10.1.2.3", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("::ffff:10.1.2.3", "::ffff:a01:203", "::ffff:a01:204"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("::ffff:10.0.0.0/104", "::ffff:10.9.9.9", "::ffff:11.0.0.0"),
        ] {
            assert!(trusts(&[item], inside), "{item} {inside}");
            assert!(!trusts(&[item], outside), "{item} {outside}");
        }
    }

    #[test]
    fn one_matching_range_of_a_list_is_enough() {
        let items = ["192.0.2.1", "loopback", "2001:db8::/32"];
        for peer in ["192.0.2.1", "127.0.0.1", "::1", "2001:db8::7"] {
            assert!(trusts(&items, peer), "{peer}");
        }
        for peer in [
            "192.0.2.2",
            "",
            "localhost",
            "127.0.0.1 ",
            "127.0.0.1:80",
            "é",
        ] {
            assert!(!trusts(&items, peer), "{peer}");
        }
    }

    #[test]
    fn nobody_and_everyone_need_no_address() {
        assert_eq!(Trust::ranges(&[]).unwrap(), Trust::Nobody);
        assert!(!Trust::Nobody.trusts("127.0.0.1"));
        assert!(Trust::Everyone.trusts("127.0.0.1"));
        assert!(Trust::Everyone.trusts(""));
    }

    #[test]
    fn what_is_no_range_is_refused_in_the_originals_words() {
        for (item, message) in [
            ("", "invalid IP address: "),
            ("Loopback", "invalid IP address: Loopback"),
            ("localhost", "invalid IP address: localhost"),
            ("10.0.0.256", "invalid IP address: 10.0.0.256"),
            ("10.0.0/8", "invalid IP address: 10.0.0"),
            ("/8", "invalid IP address: "),
            ("10.0.0.0/8/8", "invalid IP address: 10.0.0.0/8"),
            ("10.0.0.0/", "invalid range on address: 10.0.0.0/"),
            ("10.0.0.0/0", "invalid range on address: 10.0.0.0/0"),
            ("10.0.0.0/33", "invalid range on address: 10.0.0.0/33"),
            ("10.0.0.0/999", "invalid range on address: 10.0.0.0/999"),
            ("10.0.0.0/-1", "invalid range on address: 10.0.0.0/-1"),
            ("10.0.0.0/8.5", "invalid range on address: 10.0.0.0/8.5"),
            (
                "10.0.0.0/0.0.0.0",
                "invalid range on address: 10.0.0.0/0.0.0.0",
            ),
            (
                "10.0.0.0/255.0.255.0",
                "invalid range on address: 10.0.0.0/255.0.255.0",
            ),
            ("::1/129", "invalid range on address: ::1/129"),
            ("::1/255.0.0.0", "invalid range on address: ::1/255.0.0.0"),
        ] {
            let error = Trust::ranges(&["loopback", item]).unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::Config, message));
        }
    }

    #[test]
    fn only_a_trusted_peer_is_believed_about_https() {
        for (trusted, header, secure) in [
            (true, Some("https"), true),
            (true, Some(" HTTPS ,http"), true),
            (true, Some("https,"), true),
            (true, Some("http, https"), false),
            (true, Some(",https"), false),
            (true, Some("httpss"), false),
            (true, Some(""), false),
            (true, None, false),
            (false, Some("https"), false),
        ] {
            assert_eq!(is_secure(false, trusted, header), secure, "{header:?}");
        }
    }

    #[test]
    fn an_encrypted_socket_is_secure_whatever_a_header_says() {
        for header in [None, Some("http"), Some("")] {
            assert!(is_secure(true, true, header));
            assert!(is_secure(true, false, header));
        }
    }
}
