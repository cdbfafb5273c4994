//! Who the first program runs as: `user=NAME|UID[:GROUP|GID]`, by `/etc/passwd` and `/etc/group`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_base::Credentials;
use linux_base::cred::Ids;

use super::mounts::read_file;

/// Longest file of accounts that is read.
const MOST: usize = 1 << 20;

/// Somebody: credentials, and the home directory if one is known.
pub struct User {
    /// IDs, groups, capabilities.
    pub credentials: Credentials,
    /// `HOME`
    pub home: Option<String>,
}

/// The lines of a file of accounts, each in its fields.
fn accounts(path: &str) -> Vec<Vec<String>> {
    let bytes = read_file(path.as_bytes(), MOST).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(|line| line.split(':').map(ToString::to_string).collect()).collect()
}

fn field(line: &[String], index: usize) -> &str {
    line.get(index).map_or("", String::as_str)
}

/// Finds somebody.
pub fn find(spec: &str) -> Result<User, String> {
    let (name, group) = spec.split_once(':').map_or((spec, None), |(name, group)| (name, Some(group)));
    let users = accounts("/etc/passwd");
    let line = users.iter().find(|line| field(line, 0) == name || field(line, 2) == name);
    let uid = match line {
        Some(line) => field(line, 2).parse().map_err(|_| format!("/etc/passwd: {name} has no number"))?,
        None => name.parse().map_err(|_| format!("there is no user {name}"))?,
    };
    let groups = accounts("/etc/group");
    let gid = match group {
        Some(group) => match groups.iter().find(|line| field(line, 0) == group) {
            Some(line) => field(line, 2).parse().map_err(|_| format!("/etc/group: {group} has no number"))?,
            None => group.parse().map_err(|_| format!("there is no group {group}"))?,
        },
        None => line.and_then(|line| field(line, 3).parse().ok()).unwrap_or(uid),
    };
    let account = line.map_or(name, |line| field(line, 0));
    let is_member = |line: &&Vec<String>| field(line, 3).split(',').any(|member| member == account);
    let mut more: Vec<u32> =
        groups.iter().filter(is_member).filter_map(|line| field(line, 2).parse().ok()).collect();
    if !more.contains(&gid) {
        more.insert(0, gid);
    }
    let mut credentials = Credentials {
        uid: Ids::all(uid),
        gid: Ids::all(gid),
        groups: Arc::from(more),
        ..Credentials::root()
    };
    if uid != 0 {
        (credentials.permitted, credentials.effective) = (0, 0);
    }
    let home = line.map(|line| field(line, 5).to_string()).filter(|home| !home.is_empty());
    Ok(User { credentials, home })
}
