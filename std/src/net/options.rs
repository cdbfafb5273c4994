//! An interface's configuration, from the options of the command line.
//!
//! | option | for vif 0; `ip1=` and so on for the others |
//! |---|---|
//! | `ip=` | a list of `dhcp`, `slaac`, `none`, `ADDRESS/PREFIX` (v4 and v6); without it `dhcp,slaac` |
//! | `gateway=` | a list of routers, one v4 and one v6 |
//! | `dns=` | a list of name servers, in addition to those of DHCP |
//! | `queues=` | pairs of rings, as far as the back end has them; without it 1, for the one processor |
//!
//! A vif that is attached to the running guest has the lowest number that no other has: after `xl network-detach` of the second, the
//! next is again for `ip1=`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use net::{Cidr, IfConfig, Ipv4Config, Ipv6Config};

use crate::env;

/// The configuration of the n-th vif. A value that makes no sense is a warning that names it, and is left out.
pub(super) fn config(number: usize) -> IfConfig {
    let mut config = IfConfig { hostname: Some(env::hostname()), ..IfConfig::default() };
    let mut gateways = (None, None);
    for (key, address) in list::<IpAddr>("gateway", number) {
        match address {
            Some(IpAddr::V4(address)) => gateways.0 = Some(address),
            Some(IpAddr::V6(address)) => gateways.1 = Some(address),
            None => warn(&key, "is not an address"),
        }
    }
    for (key, address) in list::<IpAddr>("dns", number) {
        match address {
            Some(address) => config.dns.push(address),
            None => warn(&key, "is not an address"),
        }
    }
    if let Some(words) = value("ip", number) {
        config.ipv4 = Ipv4Config::None;
        config.ipv6 = Ipv6Config::None;
        for word in words.split(',') {
            address(word, gateways, &mut config);
        }
    }
    config
}

/// The queues that the n-th vif is to have.
pub(super) fn queues(number: usize) -> usize {
    let Some(text) = value("queues", number) else { return 1 };
    text.parse().ok().filter(|queues| (1..=8).contains(queues)).unwrap_or_else(|| {
        warn(&format!("queues={text}"), "is not a number from 1 to 8");
        1
    })
}

fn address(word: &str, gateways: (Option<Ipv4Addr>, Option<Ipv6Addr>), config: &mut IfConfig) {
    match word {
        "dhcp" => config.ipv4 = Ipv4Config::Dhcp,
        "slaac" => config.ipv6 = Ipv6Config::Slaac,
        "none" => {}
        _ => match cidr(word) {
            Some(cidr) if cidr.addr().is_ipv4() => {
                config.ipv4 = Ipv4Config::Static { cidr, gateway: gateways.0 };
            }
            Some(cidr) => config.ipv6 = Ipv6Config::Static { cidr, gateway: gateways.1 },
            None => warn(&format!("ip={word}"), "is none of dhcp, slaac, none, ADDRESS/PREFIX"),
        },
    }
}

fn cidr(word: &str) -> Option<Cidr> {
    let (address, prefix) = word.split_once('/')?;
    Cidr::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

fn value(key: &str, number: usize) -> Option<&'static str> {
    if number == 0 { env::option(key) } else { env::option(&format!("{key}{number}")) }
}

/// The words of a list, each with its text for a message.
fn list<T: core::str::FromStr>(key: &str, number: usize) -> Vec<(String, Option<T>)> {
    let words = value(key, number).into_iter().flat_map(|words| words.split(','));
    words.map(|word| (format!("{key}={word}"), word.parse().ok())).collect()
}

fn warn(option: &str, what: &str) {
    log::warn!("option {option} {what}; it is left out");
}
