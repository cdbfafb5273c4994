//! `minios cfg`: from an application's TOML file to the xl.cfg that starts it.
//!
//! The TOML file is the source and is checked whole: every problem names file, line and key, and all of them are
//! reported at once. The flow is `read` (typed access with lines), `app` (what an application is), `command_line`
//! (options and arguments in one string) and `xl` (xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5),
//! xen-pv-channel(7)).

pub(crate) mod app;
pub(crate) mod channel;
pub(crate) mod command_line;
pub(crate) mod device;
pub(crate) mod hvm;
pub(crate) mod packed;
pub(crate) mod read;
pub(crate) mod xl;

#[cfg(test)]
mod hvm_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

/// How to generate.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder that relative paths are made to start from; without it they stay relative, and xl resolves them
    /// against the folder that it is started in.
    pub base: Option<PathBuf>,
    /// The folder against which still relative paths are looked up when files are checked.
    pub output_folder: PathBuf,
    /// Whether a missing kernel, ramdisk or disk is an error instead of a warning.
    pub check_files: bool,
}

/// A configuration for `xl create`, and what is doubtful about it.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The domain's name, for a default file name.
    pub name: String,
    /// The text of the xl.cfg.
    pub text: String,
    /// What does not stop the guest from being described, but may stop it from running.
    pub warnings: Vec<Problem>,
}

/// One thing wrong in a TOML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named by the user.
    pub file: String,
    /// Its line, from 1; `None` where the problem is with the file as a whole.
    pub line: Option<usize>,
    /// The key with its path, as in `disks[1].vdev`; empty where there is none.
    pub key: String,
    /// What is wrong, with the wrong value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

/// All that is wrong in a TOML file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Makes the xl.cfg for the TOML text `source`; `file` is its name for messages and for the header.
pub fn generate(file: &str, source: &str, settings: &Settings) -> Result<Generated, Problems> {
    let mut reader = read::Reader::new(file, source);
    let app = app::App::read(&mut reader);
    let mut sink = reader.into_sink();
    let Some(app) = app.filter(|_| sink.errors.is_empty()) else {
        return Err(Problems(sink.errors));
    };
    if let Some(packed) = &app.packed {
        let message = format!("this guest is packed: `minios pack {file}` makes its files and its xl.cfg");
        sink.error(&packed.place, message);
        return Err(Problems(sink.errors));
    }
    let rebased = |path: &str| -> String {
        match &settings.base {
            Some(base) => base.join(path).to_string_lossy().into_owned(),
            None => path.to_owned(),
        }
    };
    let text = xl::render(&app, false, file, &rebased, None, &mut sink);
    check_files(&app, settings, &rebased, &mut sink);
    if sink.errors.is_empty() {
        Ok(Generated { name: app.name.value, text, warnings: sink.warnings })
    } else {
        Err(Problems(sink.errors))
    }
}

pub(crate) fn check_files(
    app: &app::App,
    settings: &Settings,
    rebased: &dyn Fn(&str) -> String,
    sink: &mut read::Sink,
) {
    let mut check = |place: &read::Place, path: &str| {
        let path = rebased(path);
        if !settings.output_folder.join(Path::new(&path)).exists() {
            let message = format!("no file `{path}`");
            if settings.check_files {
                sink.error(place, message);
            } else {
                sink.warn(place, message);
            }
        }
    };
    if let Some(kernel) = &app.kernel {
        check(&kernel.place, &kernel.value);
    }
    if let Some(ramdisk) = &app.ramdisk {
        check(&ramdisk.place, &ramdisk.value);
    }
    if let Some(stubdom) = app.hvm.as_ref().and_then(|hvm| hvm.stubdom.as_ref()) {
        for file in [&stubdom.kernel, &stubdom.ramdisk].into_iter().flatten() {
            check(&file.place, &file.value);
        }
    }
    for disk in &app.disks {
        // With a hotplug script the target is whatever the script takes it for.
        if let (Some(path), None) = (&disk.path, &disk.script) {
            check(&path.place, &path.value);
        }
    }
}
