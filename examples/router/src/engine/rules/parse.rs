//! The text of the rules, line by line.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::str::{FromStr, SplitAsciiWhitespace};

use super::super::address::{Addr, Version};
use super::super::packet::protocol;
use super::{
    Action, Forward, Interface, MAX_INTERFACES, Masquerade, Match, Prefix, Protocol, Route, Rule, Rules,
};

const DEFAULT_CONNECTIONS: usize = 4096;
const MOST_CONNECTIONS: usize = 1 << 20;
/// Lines of each kind at most: each new connection looks through them.
const MOST_LINES: usize = 1000;

/// What is wrong with the rules, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleError {
    /// The name of the text.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// The word that is wrong; empty if one is missing.
    pub word: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.word.is_empty() {
            write!(f, "`{}` ", self.word.escape_default())?;
        }
        f.write_str(&self.reason)
    }
}

impl core::error::Error for RuleError {}

type Result<T> = core::result::Result<T, (String, String)>;

fn wrong<T>(word: &str, reason: impl Into<String>) -> Result<T> {
    Err((word.chars().take(60).collect(), reason.into()))
}

/// The words of a line that are still to be read.
struct Words<'a> {
    rest: SplitAsciiWhitespace<'a>,
    before: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.rest.next()?;
        self.before = word;
        Some(word)
    }

    /// The next word, which is to be `what`.
    fn need(&mut self, what: &str) -> Result<&'a str> {
        let before = self.before;
        self.next().map_or_else(|| wrong("", format!("{what} is missing behind `{before}`")), Ok)
    }

    fn keyword(&mut self, word: &str) -> Result<()> {
        let found = self.need(&format!("`{word}`"))?;
        if found == word { Ok(()) } else { wrong(found, format!("stands where `{word}` belongs")) }
    }

    fn number<T: FromStr + PartialOrd + fmt::Display>(&mut self, what: &str, least: T, most: T) -> Result<T> {
        let word = self.need(what)?;
        match word.parse() {
            Ok(number) if number >= least && number <= most => Ok(number),
            _ => wrong(word, format!("is not {what}, a number from {least} to {most}")),
        }
    }

    fn address(&mut self, what: &str) -> Result<Addr> {
        let word = self.need(what)?;
        parse_address(word).map_or_else(|| wrong(word, format!("is not {what}, an IPv4 or IPv6 address")), Ok)
    }

    fn prefix(&mut self, what: &str) -> Result<Prefix> {
        let word = self.need(what)?;
        let found = match word.split_once('/') {
            None => parse_address(word).map(Prefix::host),
            Some((address, len)) => parse_address(address)
                .zip(len.parse().ok())
                .and_then(|(address, len)| Prefix::new(address, len)),
        };
        found.map_or_else(|| wrong(word, format!("is not {what}, an ADDRESS or ADDRESS/LENGTH")), Ok)
    }

    fn ports(&mut self) -> Result<(u16, u16)> {
        let word = self.need("a port")?;
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if (1..=last).contains(&first) => Ok((first, last)),
            _ => wrong(word, "is not a port from 1 to 65535, nor a range FIRST-LAST of them"),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.next().map_or(Ok(()), |word| wrong(word, "is one word too many"))
    }
}

fn parse_address(word: &str) -> Option<Addr> {
    let ip: IpAddr = word.parse().ok()?;
    // The form that IPv4 addresses have here is no address of its own.
    Some(Addr::from(ip)).filter(|address| ip.is_ipv4() == (address.version() == Version::V4))
}

/// Reads a text; `file` is its name for the error.
pub fn parse(file: &str, text: &str) -> core::result::Result<Rules, RuleError> {
    let mut rules = Rules {
        interfaces: Vec::new(),
        routes: Vec::new(),
        filter: Vec::new(),
        default: Action::Drop,
        masquerades: Vec::new(),
        forwards: Vec::new(),
        connections: DEFAULT_CONNECTIONS,
        counters: 0,
    };
    let mut last = 1;
    for (number, line) in text.lines().enumerate() {
        last = number + 1;
        let code = line.split('#').next().unwrap_or("");
        let mut words = Words { rest: code.split_ascii_whitespace(), before: "" };
        let Some(first) = words.next() else { continue };
        statement(first, &mut words, &mut rules, last)
            .and_then(|()| words.end())
            .map_err(|(word, reason)| RuleError { file: file.into(), line: last, word, reason })?;
    }
    if !rules.interfaces.iter().any(|interface| !interface.addresses.is_empty()) {
        let reason = String::from("no `interface` is named");
        return Err(RuleError { file: file.into(), line: last, word: String::new(), reason });
    }
    rules.routes.sort_by_key(|route| core::cmp::Reverse(route.to.weight()));
    Ok(rules)
}

fn statement(first: &str, words: &mut Words<'_>, rules: &mut Rules, line: usize) -> Result<()> {
    let most = [rules.filter.len(), rules.routes.len(), rules.masquerades.len(), rules.forwards.len()];
    if most.iter().any(|lines| *lines >= MOST_LINES) {
        return wrong(first, format!("is one line too many: there may be {MOST_LINES} of a kind"));
    }
    match first {
        "interface" => interface(words, rules),
        "route" => route(words, rules),
        "masquerade" => masquerade(words, rules),
        "forward" => forward(words, rules),
        "default" => {
            let word = words.need("`accept`, `drop` or `reject`")?;
            rules.default =
                action(word).map_or_else(|| wrong(word, "is none of `accept`, `drop`, `reject`"), Ok)?;
            Ok(())
        }
        "connections" => {
            rules.connections = words.number("the most connections", 16, MOST_CONNECTIONS)?;
            Ok(())
        }
        "counters" => {
            rules.counters = words.number("the seconds between two prints", 0, 86_400)?;
            Ok(())
        }
        _ => match action(first) {
            Some(action) => {
                let matches = matches(words, rules)?;
                rules.filter.push(Rule { matches, action, line, hits: 0 });
                Ok(())
            }
            None => wrong(
                first,
                "begins no line: there are `interface`, `route`, `masquerade`, `forward`, `accept`, `drop`, `reject`, \
                 `default`, `connections`, `counters`",
            ),
        },
    }
}

fn action(word: &str) -> Option<Action> {
    Some(match word {
        "accept" => Action::Accept,
        "drop" => Action::Drop,
        "reject" => Action::Reject,
        _ => return None,
    })
}

fn interface(words: &mut Words<'_>, rules: &mut Rules) -> Result<()> {
    let number: usize = words.number("an interface's number", 0, MAX_INTERFACES - 1)?;
    let name = words.before;
    if rules.interfaces.get(number).is_some_and(|known| !known.addresses.is_empty()) {
        return wrong(name, "was named before");
    }
    let mut found = Interface::default();
    loop {
        match words.next() {
            None => break,
            Some("advertise") => found.advertise = true,
            Some("mtu") => found.mtu = Some(words.number("an MTU", 68, 65_521)?),
            Some(word) => {
                let prefix = word
                    .split_once('/')
                    .and_then(|(address, len)| Prefix::new(parse_address(address)?, len.parse().ok()?));
                let usable = prefix.filter(|prefix| prefix.address().is_routable());
                let Some(prefix) = usable else {
                    return wrong(word, "is none of ADDRESS/LENGTH, `mtu BYTES`, `advertise`");
                };
                if prefix.is_broadcast(prefix.address()) || rules.is_own(prefix.address()) {
                    return wrong(word, "is no address for an interface, or one that was named before");
                }
                found.addresses.push(prefix);
                rules.routes.push(Route { to: prefix, output: number, via: None });
            }
        }
    }
    if found.addresses.is_empty() {
        return wrong("", format!("an ADDRESS/LENGTH is missing behind `{name}`"));
    }
    let advertises = |prefix: &Prefix| prefix.address().version() == Version::V6 && prefix.weight() == 64;
    if found.advertise && !found.addresses.iter().any(advertises) {
        return wrong("advertise", "needs an IPv6 address with length 64");
    }
    while rules.interfaces.len() <= number {
        rules.interfaces.push(Interface::default());
    }
    if let Some(place) = rules.interfaces.get_mut(number) {
        *place = found;
    }
    Ok(())
}

/// The number of an interface that was named.
fn known(words: &mut Words<'_>, rules: &Rules) -> Result<usize> {
    let word = words.need("an interface's number")?;
    let number: Option<usize> = word.parse().ok();
    let known = number.filter(|number| {
        rules.interfaces.get(*number).is_some_and(|interface| !interface.addresses.is_empty())
    });
    known.map_or_else(|| wrong(word, "is not the number of an interface that is named above"), Ok)
}

fn route(words: &mut Words<'_>, rules: &mut Rules) -> Result<()> {
    let to = words.prefix("the addresses that the route is for")?;
    words.keyword("via")?;
    let via = words.address("a router's address")?;
    let word = words.before;
    if via.version() != to.address().version() {
        return wrong(word, "is of the other version of IP than what it leads to");
    }
    let link = rules.routes.iter().find(|route| route.via.is_none() && route.to.contains(via));
    let Some(output) = link.map(|route| route.output).filter(|_| !rules.is_own(via)) else {
        return wrong(word, "is on the network of no interface that is named above");
    };
    rules.routes.push(Route { to, output, via: Some(via) });
    Ok(())
}

fn masquerade(words: &mut Words<'_>, rules: &mut Rules) -> Result<()> {
    words.keyword("out")?;
    let output = known(words, rules)?;
    let from = match words.next() {
        None => None,
        Some("from") => Some(words.prefix("the senders' addresses")?),
        Some(word) => return wrong(word, "stands where `from` or nothing belongs"),
    };
    let version = from.map_or(Version::V4, |prefix| prefix.address().version());
    let interface = rules.interfaces.get(output);
    if interface.is_none_or(|interface| interface.address(version).is_none()) {
        return wrong(words.before, "has no address of that version of IP on the interface to stand for it");
    }
    rules.masquerades.push(Masquerade { output, from });
    Ok(())
}

fn forward(words: &mut Words<'_>, rules: &mut Rules) -> Result<()> {
    words.keyword("in")?;
    let input = known(words, rules)?;
    let word = words.need("`tcp` or `udp`")?;
    let protocol = match word {
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        _ => return wrong(word, "is neither `tcp` nor `udp`"),
    };
    words.keyword("port")?;
    let port = words.number("a port", 1, u16::MAX)?;
    words.keyword("to")?;
    let to = words.address("the machine's address")?;
    let to_port = match words.next() {
        None => port,
        Some("port") => words.number("a port", 1, u16::MAX)?,
        Some(word) => return wrong(word, "stands where `port` or nothing belongs"),
    };
    rules.forwards.push(Forward { input, protocol, port, to, to_port });
    Ok(())
}

fn matches(words: &mut Words<'_>, rules: &Rules) -> Result<Match> {
    let mut found = Match::default();
    while let Some(word) = words.next() {
        let twice = match word {
            "in" => found.input.replace(known(words, rules)?).is_some(),
            "out" => found.output.replace(known(words, rules)?).is_some(),
            "tcp" => found.protocol.replace(Protocol::Number(protocol::TCP)).is_some(),
            "udp" => found.protocol.replace(Protocol::Number(protocol::UDP)).is_some(),
            "icmp" => found.protocol.replace(Protocol::Icmp).is_some(),
            "protocol" => {
                let number = words.number("a protocol", 0, u8::MAX)?;
                found.protocol.replace(Protocol::Number(number)).is_some()
            }
            "from" => found.from.replace(words.prefix("the senders' addresses")?).is_some(),
            "to" => found.to.replace(words.prefix("the receivers' addresses")?).is_some(),
            "from-port" | "port" => {
                let has_ports = [protocol::TCP, protocol::UDP].map(|number| Some(Protocol::Number(number)));
                if !has_ports.contains(&found.protocol) {
                    return wrong(word, "needs `tcp` or `udp` before it");
                }
                let ports = words.ports()?;
                let place = if word == "port" { &mut found.ports } else { &mut found.from_ports };
                place.replace(ports).is_some()
            }
            _ => {
                return wrong(
                    word,
                    "is none of `in`, `out`, `tcp`, `udp`, `icmp`, `protocol`, `from`, `to`, `from-port`, `port`",
                );
            }
        };
        if twice {
            return wrong(word, "says once more what was said before");
        }
    }
    Ok(found)
}
