//! What a measurement has found: medians and spread of each side, ratios, and what was to be reached.

use std::collections::BTreeMap;

use super::goal::{Goal, Verdict};

/// What the rounds have measured: by name, in the order of first appearance.
pub struct Samples {
    sides: &'static [Side],
    goal: fn(&str) -> Option<Goal>,
    names: Vec<(String, String)>,
    values: BTreeMap<(String, String), Vec<f64>>,
    about: Vec<String>,
    labels: &'static [&'static str],
}

/// One of those that are compared: its name in samples, and over its column.
#[derive(Clone, Copy)]
pub struct Side {
    pub name: &'static str,
    pub title: &'static str,
    pub role: Role,
}

/// What a side is to the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ours: it has a ratio, and goals.
    Ours,
    /// What ratios are to.
    Linux,
    /// Shown beside them.
    Other,
}

/// The rounds of one side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    pub rounds: usize,
}

/// A figure of all sides.
pub struct Row {
    pub name: String,
    pub unit: String,
    /// In the order of the sides.
    pub cells: Vec<Option<Spread>>,
    /// Ours as a part of Linux's, in the order of the sides that are ours.
    pub ratios: Vec<Option<f64>>,
    /// The goal, and how far each side of ours is.
    pub goal: Option<(Goal, Vec<Verdict>)>,
}

impl Samples {
    /// Nothing yet. `goal` says what a figure is to reach.
    pub fn new(sides: &'static [Side], goal: fn(&str) -> Option<Goal>) -> Self {
        Self { sides, goal, names: Vec::new(), values: BTreeMap::new(), about: Vec::new(), labels: &[] }
    }

    /// Takes `sample SIDE NAME VALUE UNIT` and `about TEXT`; other lines are none of ours.
    pub fn line(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix("about ") {
            self.about.push(text.to_owned());
            return;
        }
        let mut words = line.splitn(5, ' ');
        if words.next() != Some("sample") {
            return;
        }
        let (Some(side), Some(name), Some(Ok(value))) =
            (words.next(), words.next(), words.next().map(str::parse))
        else {
            return;
        };
        if !self.names.iter().any(|(known, _)| known == name) {
            self.names.push((name.into(), words.next().unwrap_or("").into()));
        }
        self.values.entry((side.into(), name.into())).or_default().push(value);
    }

    /// Those that are compared.
    pub fn sides(&self) -> &'static [Side] {
        self.sides
    }

    /// What the program has said of versions.
    pub fn about(&self) -> &[String] {
        &self.about
    }

    /// Has figures of one load stand beside each other, loads in this order.
    pub fn order(&mut self, labels: &'static [&'static str]) {
        self.labels = labels;
    }

    fn place(&self, name: &str) -> usize {
        // The longest that fits: `tcp-in-1` is none of `tcp-in`.
        let fits = |label: &&&str| name.strip_prefix(**label).is_some_and(|rest| rest.starts_with('-'));
        let label = self.labels.iter().filter(fits).max_by_key(|label| label.len());
        label
            .and_then(|label| self.labels.iter().position(|other| other == label))
            .unwrap_or(self.labels.len())
    }

    fn spread(&self, side: &str, name: &str) -> Option<Spread> {
        self.values.get(&(side.to_owned(), name.to_owned())).map(|values| spread(values))
    }

    /// All figures.
    pub fn rows(&self) -> Vec<Row> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(name, _)| self.place(name));
        names.into_iter().map(|(name, unit)| self.row(name, unit)).collect()
    }

    fn row(&self, name: &str, unit: &str) -> Row {
        let cells: Vec<_> = self.sides.iter().map(|side| self.spread(side.name, name)).collect();
        let of_linux = self.sides.iter().zip(&cells).find(|(side, _)| side.role == Role::Linux);
        let linux = of_linux.and_then(|(_, cell)| *cell).map(|cell| cell.median);
        let goal = (self.goal)(name);
        let (mut ratios, mut verdicts) = (Vec::new(), Vec::new());
        for (side, cell) in self.sides.iter().zip(&cells).filter(|(side, _)| side.role == Role::Ours) {
            let ours = cell.map(|cell| cell.median);
            let ratio = ours.zip(linux).filter(|(_, linux)| *linux != 0.0).map(|(ours, linux)| ours / linux);
            let share = name.strip_suffix("-rate").map(|label| format!("{label}-dom0-share"));
            let share = share.and_then(|share| self.spread(side.name, &share)).map(|share| share.median);
            ratios.push(ratio);
            verdicts.extend(goal.map(|goal| goal.verdict(ours, ratio, share)));
        }
        Row {
            name: name.to_owned(),
            unit: unit.to_owned(),
            cells,
            ratios,
            goal: goal.map(|goal| (goal, verdicts)),
        }
    }
}

fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Spread { median, least: sorted[0], most: sorted[sorted.len() - 1], rounds: sorted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDES: [Side; 2] = [
        Side { name: "minios", title: "Minios", role: Role::Ours },
        Side { name: "linux", title: "Linux PV", role: Role::Linux },
    ];

    fn samples(lines: &str) -> Samples {
        let goal = |name: &str| match name {
            "c16-rate" => Some(Goal::RatioAtLeastUnlessDom0IsFull(1.0)),
            "c16-guest-cpu" => Some(Goal::RatioAtMost(0.5)),
            _ => None,
        };
        let mut samples = Samples::new(&SIDES, goal);
        lines.lines().for_each(|line| samples.line(line));
        samples
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 9.0, rounds: 3 });
        assert_eq!(spread(&[9.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn a_row_compares_the_medians_with_the_goal() {
        let samples = samples(
            "sample minios c16-rate 500 /s\nsample linux c16-rate 400 /s\nsample minios c16-rate 700 /s\n\
             sample minios c16-rate 600 /s\nsample minios c16-guest-cpu 300 us/request\nabout Xen 4.17\n\
             sample linux c16-guest-cpu 500 us/request\nround 2 of 3: httpd\nsample minios c16-rate x /s",
        );
        let rows = samples.rows();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].ratios[0], &*rows[0].unit), (Some(1.5), "/s"));
        assert_eq!(rows[0].goal.as_ref().unwrap().1, [Verdict::Reached]);
        assert_eq!(
            (rows[1].ratios[0], &rows[1].goal.as_ref().unwrap().1[..]),
            (Some(0.6), &[Verdict::Missed][..])
        );
        assert_eq!(samples.about(), ["Xen 4.17"]);
    }

    #[test]
    fn a_rate_below_linuxs_is_excused_by_a_full_dom0_only() {
        let text =
            "sample minios c16-rate 300 /s\nsample linux c16-rate 400 /s\nsample minios c16-dom0-share 99 %";
        assert_eq!(samples(text).rows()[0].goal.as_ref().unwrap().1, [Verdict::Dom0IsFull]);
        let text = text.replace("99", "60");
        assert_eq!(samples(&text).rows()[0].goal.as_ref().unwrap().1, [Verdict::Missed]);
    }

    #[test]
    fn without_linux_a_ratio_is_not_judged() {
        let samples = samples("sample minios c16-rate 500 /s");
        assert_eq!(samples.rows()[0].goal.as_ref().unwrap().1, [Verdict::NotMeasured]);
    }

    #[test]
    fn figures_of_a_load_stand_together() {
        let mut samples = samples(
            "sample minios b-1-rate 1 /s\nsample minios c-rate 1 /s\nsample minios b-rate 1 /s\n\
             sample minios other 1\nsample minios b-1-cpu 1 us",
        );
        samples.order(&["c", "b-1", "b"]);
        let names: Vec<_> = samples.rows().into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["c-rate", "b-1-rate", "b-1-cpu", "b-rate", "other"]);
    }
}
