//! What the parts of a run report: tests that passed, failed or were skipped, and figures.
//!
//! Programs in dom0 say it in lines: `test NAME ... ok`, `test NAME ... FAILED: REASON`, `test NAME ... skipped: REASON`,
//! `figure NAME VALUE UNIT`.

use crate::figures::Figure;

/// The sum of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// How many tests passed.
    pub passed: usize,
    /// Name and reason of each that failed.
    pub failed: Vec<(String, String)>,
    /// Name and reason of each that was skipped.
    pub skipped: Vec<(String, String)>,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Report {
    /// Counts a test and prints its line.
    pub fn test(&mut self, name: impl Into<String>, result: Result<(), String>) {
        let name = name.into();
        match result {
            Ok(()) => {
                println!("test {name} ... ok");
                self.passed += 1;
            }
            Err(reason) => {
                println!("test {name} ... FAILED: {reason}");
                self.failed.push((name, reason));
            }
        }
    }

    /// Counts a failure that was printed already.
    pub fn fail(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.failed.push((name.into(), reason.into()));
    }

    /// Counts a test that cannot run here.
    pub fn skip(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        let (name, reason) = (name.into(), reason.into());
        println!("test {name} ... skipped: {reason}");
        self.skipped.push((name, reason));
    }

    /// Adds what a part of the run reported; `prefix` goes before the names of its tests.
    pub fn absorb(&mut self, prefix: &str, part: Report) {
        let named = |(name, reason): (String, String)| (format!("{prefix}{name}"), reason);
        self.passed += part.passed;
        self.failed.extend(part.failed.into_iter().map(named));
        self.skipped.extend(part.skipped.into_iter().map(named));
        self.figures.extend(part.figures);
    }

    /// Takes a line of a program in dom0; true if it was a report.
    pub fn line(&mut self, line: &str) -> bool {
        if let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            let (verdict, reason) = verdict.split_once(':').unwrap_or((verdict, ""));
            let entry = (name.to_owned(), reason.trim().to_owned());
            match verdict.trim() {
                "ok" => self.passed += 1,
                "FAILED" => self.failed.push(entry),
                "skipped" => self.skipped.push(entry),
                _ => return false,
            }
            return true;
        }
        if let Some(figure) = line.strip_prefix("figure ").and_then(Figure::parse) {
            self.figures.push(figure);
            return true;
        }
        false
    }

    /// `N passed, N failed`, and how many were skipped if any.
    pub fn summary(&self) -> String {
        let mut text = format!("{} passed, {} failed", self.passed, self.failed.len());
        if !self.skipped.is_empty() {
            text += &format!(", {} skipped", self.skipped.len());
        }
        text
    }

    /// 0 if something passed and nothing failed.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.failed.is_empty() || self.passed == 0)
    }
}

/// Bytes in, whole lines out.
#[derive(Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Calls `each` for every line that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        self.0.extend_from_slice(bytes);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            each(String::from_utf8_lossy(&line).trim_end());
        }
    }

    /// The last line, if it has no end.
    pub fn finish(&mut self, mut each: impl FnMut(&str)) {
        if !self.0.is_empty() {
            each(String::from_utf8_lossy(&std::mem::take(&mut self.0)).trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_program_in_dom0_are_counted() {
        let mut report = Report::default();
        for line in [
            "test a ... ok",
            "test b ... c ... FAILED: it: broke",
            "test d ... skipped: no",
            "figure x 1.5 ms",
        ] {
            assert!(report.line(line), "{line}");
        }
        for line in ["", "testing", "test x", "test x ... maybe", "figure x y ms", "ok"] {
            assert!(!report.line(line), "{line}");
        }
        assert_eq!(report.summary(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(report.failed, [("b ... c".to_owned(), "it: broke".to_owned())]);
        assert_eq!(report.figures.len(), 1);
        assert_eq!(report.exit_code(), 1);
    }

    #[test]
    fn a_run_of_no_tests_is_no_success() {
        assert_eq!(Report::default().exit_code(), 1);
        assert_eq!(Report { passed: 1, ..Report::default() }.exit_code(), 0);
    }

    #[test]
    fn lines_come_whole_from_chunks_of_every_size() {
        let text = b"one\ntwo\r\n\nlast";
        for size in 1..=text.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            text.chunks(size).for_each(|chunk| lines.push(chunk, |line| seen.push(line.to_owned())));
            lines.finish(|line| seen.push(line.to_owned()));
            assert_eq!(seen, ["one", "two", "", "last"]);
        }
    }
}
