//! The figures, and what they are to reach.

use testbed::XenVersion;

/// Something measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name: one word.
    pub name: String,
    /// The value.
    pub value: f64,
    /// What the value counts.
    pub unit: String,
    /// Where it was measured, if that is to be told apart.
    pub place: String,
}

impl Figure {
    /// A figure of this program's own.
    pub fn new(name: &str, value: f64, unit: &str) -> Figure {
        Figure { name: name.into(), value, unit: unit.into(), place: String::new() }
    }

    /// Says on which Xen it was measured.
    pub fn on(&mut self, version: XenVersion) {
        self.place = format!("Xen {version}");
    }

    /// Reads `NAME VALUE UNIT`.
    pub fn parse(text: &str) -> Option<Figure> {
        let mut words = text.splitn(3, ' ');
        let (name, value, unit) = (words.next()?, words.next()?.parse().ok()?, words.next().unwrap_or(""));
        (!name.is_empty()).then(|| Figure::new(name, value, unit))
    }
}

/// A limit for a figure.
struct Target {
    figure: &'static str,
    limit: Limit,
    weight: Weight,
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// What missing the limit means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// A failed test.
    Gate,
    /// A line that says so: times depend on the machine and on what else it does.
    Goal,
}

const fn at_most(figure: &'static str, value: f64, weight: Weight) -> Target {
    Target { figure, limit: Limit::AtMost(value), weight }
}

const TARGETS: &[Target] = &[
    at_most("hello-image", 64.0, Weight::Gate),
    at_most("hello-memory", 4.0, Weight::Gate),
    // 300 KB were to be reached, and were until TCP became our own and the drivers took all features: some 350 KB; devices that come and go and the page cache take 30 more.
    at_most("httpd-image", 395.0, Weight::Gate),
    at_most("httpd-memory", 8.0, Weight::Gate),
    at_most("router-image", 245.0, Weight::Gate),
    at_most("httpd-entry-to-main", 5.0, Weight::Goal),
    at_most("httpd-first-200", 300.0, Weight::Goal),
    Target { figure: "httpd-requests", limit: Limit::AtLeast(510.0), weight: Weight::Goal },
];

impl Target {
    fn of(figure: &Figure) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.figure == figure.name)
    }

    fn is_met(&self, value: f64) -> bool {
        match self.limit {
            Limit::AtMost(limit) => value <= limit,
            Limit::AtLeast(limit) => value >= limit,
        }
    }
}

/// The hard limits as tests: name and result of each that one of `figures` has.
pub fn gates(figures: &[Figure]) -> Vec<(String, Result<(), String>)> {
    let verdict = |figure: &Figure| {
        let target = Target::of(figure).filter(|target| target.weight == Weight::Gate)?;
        let result = if target.is_met(figure.value) {
            Ok(())
        } else {
            Err(format!("{} {} is more than allowed ({})", figure.value, figure.unit, limit(target)))
        };
        Some((format!("figure {} keeps its limit", figure.name), result))
    };
    figures.iter().filter_map(verdict).collect()
}

/// The table for people.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    for figure in figures {
        let value = match figure.value {
            value if value.fract() == 0.0 => format!("{value:.0}"),
            value if value.abs() < 10.0 => format!("{value:.2}"),
            value => format!("{value:.1}"),
        };
        let judged = Target::of(figure).map_or(String::new(), |target| {
            format!("{:16} {}", limit(target), if target.is_met(figure.value) { "reached" } else { "missed" })
        });
        let line = format!("  {:28} {:9} {value:>10} {:8} {judged}", figure.name, figure.place, figure.unit);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn limit(target: &Target) -> String {
    match target.limit {
        Limit::AtMost(limit) => format!("at most {limit}"),
        Limit::AtLeast(limit) => format!("at least {limit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_memory_are_gates_and_times_are_not() {
        let figures = [
            Figure::new("httpd-image", 396.0, "KB"),
            Figure::new("hello-memory", 4.0, "MiB"),
            Figure::new("httpd-first-200", 9000.0, "ms"),
            Figure::new("unknown", 1.0, ""),
        ];
        let gates: Vec<bool> = gates(&figures).iter().map(|(_, result)| result.is_ok()).collect();
        assert_eq!(gates, [false, true]);
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let table =
            table(&[Figure::new("httpd-first-200", 300.5, "ms"), Figure::new("httpd-requests", 510.0, "/s")]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].contains("300.5 ms") && lines[0].ends_with("at most 300      missed"), "{table}");
        assert!(lines[1].ends_with("reached"), "{table}");
    }

    #[test]
    fn a_figure_is_a_name_a_number_and_a_unit() {
        assert_eq!(Figure::parse("a 1.5 MB/s of x"), Some(Figure::new("a", 1.5, "MB/s of x")));
        assert_eq!(Figure::parse("a 2"), Some(Figure::new("a", 2.0, "")));
        assert_eq!(Figure::parse("a b c"), None);
    }
}
