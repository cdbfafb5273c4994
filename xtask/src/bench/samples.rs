//! What a measurement has found, as a table: medians of two sides, their ratio, and what was to be reached.

use std::collections::BTreeMap;

/// What the rounds have measured: by name, in the order of first appearance.
pub struct Samples {
    sides: [Side; 2],
    goal: fn(&str) -> Option<Goal>,
    names: Vec<(String, String)>,
    values: BTreeMap<(String, String), Vec<f64>>,
}

/// One of the two that are compared: its name in samples, and over its column.
#[derive(Clone, Copy)]
pub struct Side {
    pub name: &'static str,
    pub title: &'static str,
}

impl Samples {
    /// Nothing yet; ours first. `goal` says what a figure is to reach.
    pub fn new(sides: [Side; 2], goal: fn(&str) -> Option<Goal>) -> Self {
        Self { sides, goal, names: Vec::new(), values: BTreeMap::new() }
    }

    /// Takes `sample GUEST NAME VALUE UNIT`; other lines are none of ours.
    pub fn line(&mut self, line: &str) {
        let mut words = line.splitn(5, ' ');
        if words.next() != Some("sample") {
            return;
        }
        let (Some(guest), Some(name), Some(Ok(value))) =
            (words.next(), words.next(), words.next().map(str::parse))
        else {
            return;
        };
        if !self.names.iter().any(|(known, _)| known == name) {
            self.names.push((name.into(), words.next().unwrap_or("").into()));
        }
        self.values.entry((guest.into(), name.into())).or_default().push(value);
    }

    fn median(&self, guest: &str, name: &str) -> Option<f64> {
        self.values.get(&(guest.to_owned(), name.to_owned())).map(|values| median(values))
    }

    /// One line per figure: ours, Linux's, ours as a part of Linux's, and what it should be.
    pub fn table(&self) -> String {
        let [ours, linux] = self.sides;
        let mut text = format!("  {:24} {:>11} {:>11} {:>8}\n", "", ours.title, linux.title, "ratio");
        for (name, unit) in &self.names {
            let (ours, linux) = (self.median(ours.name, name), self.median(linux.name, name));
            let ratio = ours.zip(linux).filter(|(_, linux)| *linux != 0.0).map(|(ours, linux)| ours / linux);
            let shown = |value: Option<f64>, digits: usize| {
                value.map_or("-".into(), |value| format!("{value:.digits$}"))
            };
            let verdict = (self.goal)(name).map_or(String::new(), |goal| goal.verdict(ours, ratio));
            let line = format!(
                "  {name:24} {:>11} {:>11} {:>8}  {unit:10} {verdict}",
                shown(ours, 1),
                shown(linux, 1),
                shown(ratio, 2)
            );
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// What a figure is to reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At least as much as Linux does; machines differ too much for a number.
    RatioAtLeast(f64),
    /// At most this part of Linux's.
    RatioAtMost(f64),
    /// At most this, whatever Linux does.
    AtMost(f64),
}

impl Goal {
    fn verdict(self, ours: Option<f64>, ratio: Option<f64>) -> String {
        let (met, text) = match self {
            Goal::RatioAtLeast(limit) => {
                (ratio.map(|ratio| ratio >= limit), format!("ratio at least {limit}"))
            }
            Goal::RatioAtMost(limit) => (ratio.map(|ratio| ratio <= limit), format!("ratio at most {limit}")),
            Goal::AtMost(limit) => (ours.map(|ours| ours <= limit), format!("at most {limit}")),
        };
        let word = match met {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "not measured",
        };
        format!("{text}: {word}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(lines: &str) -> Samples {
        let sides = [("httpd", "httpd"), ("peer", "Linux nginx")].map(|(name, title)| Side { name, title });
        let goal = |name: &str| match name {
            "c16-rate" => Some(Goal::RatioAtLeast(1.0)),
            "c16-guest-cpu" => Some(Goal::RatioAtMost(0.5)),
            "memory" => Some(Goal::AtMost(8.0)),
            _ => None,
        };
        let mut samples = Samples::new(sides, goal);
        lines.lines().for_each(|line| samples.line(line));
        samples
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_table_compares_the_medians_with_the_goals() {
        let samples = samples(
            "sample httpd c16-rate 500 /s\nsample peer c16-rate 400 /s\nsample httpd c16-rate 700 /s\n\
             sample httpd c16-rate 600 /s\nsample httpd c16-guest-cpu 300 us/request\n\
             sample peer c16-guest-cpu 500 us/request\nround 2 of 3: httpd\nsample httpd c16-rate x /s",
        );
        let table = samples.table();
        let lines: Vec<Vec<&str>> =
            table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[0],
            "c16-rate 600.0 400.0 1.50 /s ratio at least 1: reached".split(' ').collect::<Vec<_>>()
        );
        assert_eq!(lines[1][3], "0.60");
        assert_eq!(lines[1].last(), Some(&"missed"));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn without_linux_a_ratio_is_not_judged() {
        let table = samples("sample httpd c16-rate 500 /s\nsample httpd memory 8 MiB").table();
        assert!(
            table.contains("ratio at least 1: not measured") && table.contains("at most 8: reached"),
            "{table}"
        );
    }
}
