//! The Xen versions the testbed can boot, and the Debian suite that each comes from.

use std::fmt;
use std::str::FromStr;

/// A Xen version with its dom0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XenVersion {
    /// Xen 4.17 with Debian 12 (bookworm).
    #[default]
    V4_17,
    /// Xen 4.20 with Debian 13 (trixie).
    V4_20,
}

impl XenVersion {
    /// All versions, oldest first.
    pub const ALL: [XenVersion; 2] = [XenVersion::V4_17, XenVersion::V4_20];

    /// As in Debian's package names: `4.17`.
    pub fn as_str(self) -> &'static str {
        match self {
            XenVersion::V4_17 => "4.17",
            XenVersion::V4_20 => "4.20",
        }
    }

    /// The Debian suite whose Xen, kernel and tools make up the dom0.
    pub fn suite(self) -> &'static str {
        match self {
            XenVersion::V4_17 => "bookworm",
            XenVersion::V4_20 => "trixie",
        }
    }
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for XenVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<XenVersion, String> {
        let known = XenVersion::ALL.into_iter().find(|version| version.as_str() == text);
        known.ok_or_else(|| format!("no Xen version `{text}`: there are 4.17 and 4.20"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_parses_from_what_it_prints() {
        for version in XenVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
    }

    #[test]
    fn an_unknown_version_is_named_in_the_error() {
        assert!("4.2".parse::<XenVersion>().unwrap_err().contains("`4.2`"));
    }
}
