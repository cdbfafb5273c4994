//! The kernel command line of a packed guest, and what of it goes into a file of the root because it is too long.

use crate::cfg::app::App;
use crate::cfg::command_line::{MAX_LEN, refuse_control, text, word};
use crate::cfg::packed::{Form, Packed};
use crate::cfg::read::Sink;

/// Where the guest's kernel looks for more options when its line says so.
pub const OPTIONS: &str = "etc/minios/options";
/// What the guest calls the disk with its root.
pub const ROOT_DISK: &str = "xvda";

/// A command line in two parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub line: String,
    /// The content of [`OPTIONS`], a word per line.
    pub file: Option<String>,
}

/// The words for `app`, divided if they are too many for the line. What the line or the guest cannot hold is an error.
pub fn of(app: &App, packed: &Packed, sink: &mut Sink) -> Words {
    let mut fixed = match packed.form {
        Form::Ext4 => vec![format!("root={ROOT_DISK}:ext4")],
        Form::Initramfs => vec!["root=initrd:cpio".to_owned()],
        // The options are read once the ramdisk is the root, which it is without a word.
        Form::Stubdom => Vec::new(),
    };
    if !packed.overlay {
        fixed.push("overlay=none".to_owned());
    }
    for (key, value) in &app.options {
        fixed.push(word(&format!("{key}={}", text(&value.value))));
    }
    if !app.options.iter().any(|(key, _)| key == "hostname") {
        fixed.push(format!("hostname={}", host_name(&app.name.value)));
    }
    let mut rest = Vec::new();
    for (index, vif) in app.vifs.iter().enumerate() {
        let number = if index == 0 { String::new() } else { index.to_string() };
        for (option, value) in &vif.addresses {
            rest.push(word(&format!("{option}{number}={}", value.value)));
        }
    }
    for disk in &app.disks {
        if let Some(mount) = &disk.mount {
            let kind = mount.filesystem.as_deref().unwrap_or("ext4");
            let read_only = matches!(disk.access.as_deref(), Some("ro" | "r"));
            let access = if read_only { ":ro" } else { "" };
            rest.push(word(&format!("mount={}:{}:{kind}{access}", disk.vdev, mount.path.value)));
        }
    }
    rest.extend(packed.tmpfs.iter().map(|entry| word(&format!("tmpfs={}", entry.value))));
    rest.extend(packed.environment.iter().map(|(name, value)| word(&format!("env={name}={}", value.value))));
    rest.extend(packed.user.iter().map(|user| word(&format!("user={}", user.value))));
    rest.extend(packed.cwd.iter().map(|cwd| word(&format!("cwd={}", cwd.value))));
    rest.push("--".to_owned());
    rest.extend(packed.command.iter().map(|argument| word(&argument.value)));
    if packed.form == Form::Stubdom {
        fixed.extend(rest);
        return Words { line: String::new(), file: Some(fixed.join("\n") + "\n") };
    }
    let words = divide(fixed, rest);
    refuse_control(&words.line, &packed.place, sink);
    if words.line.len() > MAX_LEN {
        let message =
            format!("the options make {} bytes, more than the {MAX_LEN} that fit", words.line.len());
        sink.error(&app.command_line, message);
    }
    if words.file.as_ref().is_some_and(|file| file.contains('\0')) {
        sink.error(&packed.place, "a word of the command line has a zero byte".to_owned());
    }
    words
}

fn divide(mut fixed: Vec<String>, rest: Vec<String>) -> Words {
    let whole = [fixed.join(" "), rest.join(" ")].join(" ");
    if whole.len() <= MAX_LEN {
        return Words { line: whole, file: None };
    }
    fixed.push(format!("options=/{OPTIONS}"));
    Words { line: fixed.join(" "), file: Some(rest.join("\n") + "\n") }
}

/// The domain's name as a host name.
fn host_name(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    match plain.trim_matches('-') {
        "" => "guest".to_owned(),
        plain => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_into_the_file() {
        let words = |len: usize| vec!["x".repeat(len)];
        let fixed = vec!["root=xvda:ext4".to_owned()];
        assert_eq!(divide(fixed.clone(), words(MAX_LEN - 15)).file, None);
        let divided = divide(fixed, words(MAX_LEN - 14));
        assert_eq!(divided.line, "root=xvda:ext4 options=/etc/minios/options");
        assert_eq!(divided.file, Some("x".repeat(MAX_LEN - 14) + "\n"));
    }

    #[test]
    fn a_domain_name_becomes_a_host_name() {
        assert_eq!(host_name("web_1.test"), "web-1-test");
        assert_eq!(host_name("++"), "guest");
    }
}
