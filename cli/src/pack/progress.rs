//! What is being done, for a terminal: a bar where the end is known, a spinner where it is not, nothing where nobody looks.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Who hears of progress.
#[derive(Clone, Copy)]
pub enum Progress<'a> {
    /// Bars on standard error, if that is a terminal.
    Bars,
    /// A line at the start of what takes long.
    Lines(&'a dyn Fn(&str)),
}

impl Progress<'_> {
    /// Something with so many bytes to go through.
    pub fn bytes(&self, what: &str, total: u64) -> ProgressBar {
        self.begin(what, ProgressBar::new(total), "{msg:40} [{bar:30}] {bytes}/{total_bytes}")
    }

    /// Something whose end is not known.
    pub fn wait(&self, what: &str) -> ProgressBar {
        let bar = self.begin(what, ProgressBar::new_spinner(), "{spinner} {msg} ({elapsed})");
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn begin(&self, what: &str, bar: ProgressBar, template: &str) -> ProgressBar {
        match self {
            Progress::Lines(line) => {
                line(what);
                ProgressBar::hidden()
            }
            Progress::Bars => {
                let style = ProgressStyle::with_template(template);
                let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.with_message(what.to_owned())
            }
        }
    }
}
