use super::super::rules::{Action, parse};
use super::*;

fn error(text: &str) -> alloc::string::String {
    match parse("r", text) {
        Ok(_) => panic!("`{text}` is taken"),
        Err(error) => error.to_string(),
    }
}

const TWO: &str = "interface 0 10.1.0.1/24 fd00:1::1/64\ninterface 1 10.2.0.1/24\n";

#[test]
fn a_text_is_read_as_it_is_meant() {
    let text = alloc::format!(
        "# two networks\n{TWO}route ::/0 via fd00:1::2 # up\n\n  reject in 1 out 0 protocol 47 from 10.9.0.0/16 to fd00::1\n\
         default accept\nconnections 100\ncounters 5\nmasquerade out 1\nforward in 1 udp port 53 to 10.1.0.2\n"
    );
    let rules = parse("r", &text).unwrap();
    assert_eq!((rules.connections, rules.counters, rules.default), (100, 5, Action::Accept));
    assert_eq!((rules.interfaces.len(), rules.routes.len(), rules.filter.len()), (2, 4, 1));
    assert_eq!((rules.filter[0].line, rules.filter[0].action), (6, Action::Reject));
    assert_eq!((rules.forwards[0].port, rules.forwards[0].to_port), (53, 53));
    let weights: Vec<u8> = rules.routes.iter().map(|route| route.to.weight()).collect();
    assert!(weights.is_sorted_by(|a, b| a >= b));
    assert_eq!(parse("r", TWO).unwrap().default, Action::Drop, "what is not allowed is forbidden");
}

#[test]
fn an_error_names_file_line_and_word() {
    for (line, expected) in [
        ("acept in 0", "r:3: `acept` begins no line: "),
        ("accept in 7", "r:3: `7` is not the number of an interface that is named above"),
        ("accept in eth0", "r:3: `eth0` is not the number of an interface"),
        (
            "accept from 10.0.0.0/33",
            "r:3: `10.0.0.0/33` is not the senders' addresses, an ADDRESS or ADDRESS/LENGTH",
        ),
        ("accept from 10.0.0.0/244", "r:3: `10.0.0.0/244` is not the senders' addresses"),
        ("accept from", "r:3: the senders' addresses is missing behind `from`"),
        ("accept tcp port 0", "r:3: `0` is not a port from 1 to 65535"),
        ("accept tcp port 9-1", "r:3: `9-1` is not a port"),
        ("accept port 80", "r:3: `port` needs `tcp` or `udp` before it"),
        ("accept tcp udp", "r:3: `udp` says once more"),
        ("accept all", "r:3: `all` is none of `in`, `out`"),
        ("default allow", "r:3: `allow` is none of `accept`, `drop`, `reject`"),
        ("default", "r:3: `accept`, `drop` or `reject` is missing behind `default`"),
        ("default drop now", "r:3: `now` is one word too many"),
        ("route 0.0.0.0/0 via 10.3.0.1", "r:3: `10.3.0.1` is on the network of no interface"),
        ("route ::/0 via 10.1.0.2", "r:3: `10.1.0.2` is of the other version"),
        ("route 0.0.0.0/0 by 10.1.0.2", "r:3: `by` stands where `via` belongs"),
        ("interface 0 10.5.0.1/24", "r:3: `0` was named before"),
        ("interface 2", "r:3: an ADDRESS/LENGTH is missing behind `2`"),
        ("interface 99 10.5.0.1/24", "r:3: `99` is not an interface's number, a number from 0 to 15"),
        ("interface 2 10.1.0.1/24", "r:3: `10.1.0.1/24` is no address for an interface"),
        ("interface 2 10.5.0.0/24", "r:3: `10.5.0.0/24` is no address for an interface"),
        ("interface 2 10.5.0.1/24 advertise", "r:3: `advertise` needs an IPv6 address with length 64"),
        ("masquerade out 1 from fd00::/8", "r:3: `fd00::/8` has no address of that version"),
        ("forward in 1 icmp port 1 to 10.1.0.2", "r:3: `icmp` is neither `tcp` nor `udp`"),
        ("connections 5", "r:3: `5` is not the most connections, a number from 16 to 1048576"),
        ("\u{7f}\u{1b}[2J", "r:3: `\\u{7f}\\u{1b}[2J` begins no line"),
    ] {
        let found = error(&alloc::format!("{TWO}{line}\n"));
        assert!(found.starts_with(expected), "{line}: {found}");
    }
    assert_eq!(error("\n\n# nothing\n"), "r:3: no `interface` is named");
    assert!(
        error(&alloc::format!("{TWO}{}", "accept\n".repeat(1001)))
            .starts_with("r:1003: `accept` is one line too many")
    );
}
