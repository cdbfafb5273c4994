//! `HOST:GUESTIP:PORT`: a loopback port of the host that reaches a guest's TCP port.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::str::FromStr;

/// A TCP port of the host's loopback that QEMU's user networking and dom0 carry to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port on 127.0.0.1 of the host; 0 asks for any free one.
    pub host: u16,
    /// The guest's address on `xenbr0` (dom0 itself is 10.0.0.1).
    pub guest: Ipv4Addr,
    /// The guest's port.
    pub port: u16,
}

impl Forward {
    /// The same forward, with a free port chosen where 0 was asked for.
    pub(crate) fn resolved(self) -> std::io::Result<Forward> {
        if self.host != 0 {
            return Ok(self);
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Forward { host: free.local_addr()?.port(), ..self })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.guest, self.port)
    }
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Forward, String> {
        let fields: Vec<&str> = text.split(':').collect();
        let [host, guest, port] = fields[..] else {
            return Err(format!("forward `{text}` is not HOST:GUESTIP:PORT"));
        };
        let number = |field: &str, name: &str| {
            field
                .parse::<u16>()
                .map_err(|_| format!("forward `{text}`: {name} `{field}` is not a port number"))
        };
        let (host, port) = (number(host, "HOST")?, number(port, "PORT")?);
        if port == 0 {
            return Err(format!("forward `{text}`: PORT 0 cannot be reached"));
        }
        let guest = guest
            .parse()
            .map_err(|_| format!("forward `{text}`: GUESTIP `{guest}` is not an IPv4 address"))?;
        Ok(Forward { host, guest, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_parses_and_prints_alike() {
        let forward: Forward = "8080:10.0.0.2:80".parse().unwrap();
        assert_eq!(forward, Forward { host: 8080, guest: Ipv4Addr::new(10, 0, 0, 2), port: 80 });
        assert_eq!(forward.to_string(), "8080:10.0.0.2:80");
    }

    #[test]
    fn what_is_wrong_with_a_forward_is_named() {
        for (text, part) in [
            ("8080:10.0.0.2", "HOST:GUESTIP:PORT"),
            ("8080:10.0.0.2:80:1", "HOST:GUESTIP:PORT"),
            ("65536:10.0.0.2:80", "HOST `65536`"),
            ("8080:10.0.0.2:http", "PORT `http`"),
            ("8080:10.0.0.2:0", "PORT 0"),
            ("8080:guest:80", "GUESTIP `guest`"),
            ("8080::80", "GUESTIP ``"),
        ] {
            let error = text.parse::<Forward>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn port_zero_of_the_host_becomes_a_free_port() {
        let forward: Forward = "0:10.0.0.2:80".parse().unwrap();
        assert_ne!(forward.resolved().unwrap().host, 0);
    }
}
