//! The kernel command line: `key=value` options, then `--` and the program's arguments (see `minios::cmdline`).

use alloc::string::String;

use minios::cmdline::CommandLine;
use spin::Once;

/// The options that the runtime understands. Those of a second, third... interface have its number appended: `ip1=`.
const KNOWN: [&str; 7] = ["loglevel", "ip", "gateway", "dns", "queues", "hostname", "mount"];
const PER_INTERFACE: [&str; 4] = ["ip", "gateway", "dns", "queues"];

static LINE: Once<CommandLine> = Once::new();

fn line() -> &'static CommandLine {
    LINE.call_once(|| CommandLine::parse(&minios::boot::command_line()))
}

/// The program's arguments.
pub fn args() -> &'static [String] {
    &line().arguments
}

/// The value of an option; the last one if it is there more than once.
pub fn option(key: &str) -> Option<&'static str> {
    line().get(key)
}

/// All values of an option.
pub fn option_values(key: &str) -> impl Iterator<Item = &'static str> {
    line().settings.iter().filter(move |setting| setting.key == key).map(|setting| setting.value.as_str())
}

/// The guest's name: the option `hostname`, else the domain's name in XenStore, else `minios`.
pub fn hostname() -> String {
    if let Some(name) = option("hostname") {
        return name.into();
    }
    crate::store::store().and_then(|store| store.read_string("name").ok()).unwrap_or_else(|| "minios".into())
}

pub(crate) fn unknown_options(own: &[&str]) -> impl Iterator<Item = &'static str> {
    let is_known = |key: &str| {
        let plain = key.trim_end_matches(|digit: char| digit.is_ascii_digit());
        KNOWN.contains(&key) || own.contains(&key) || PER_INTERFACE.contains(&plain)
    };
    line().settings.iter().map(|setting| setting.key.as_str()).filter(move |key| !is_known(key))
}
