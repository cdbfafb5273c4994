//! Rows as a table: for the terminal, and for docs/performance.md.

use super::goal::Verdict;
use super::samples::{Role, Row, Samples, Spread};

/// One line per figure: each side's median and spread, ours as parts of Linux's, and what it should be.
pub fn text(samples: &Samples) -> String {
    let mut text = format!("  {:28}", "");
    for side in samples.sides() {
        text += &format!(" {:>26}", side.title);
    }
    for _ in ours(samples) {
        text += &format!(" {:>8}", "ratio");
    }
    text.push('\n');
    for row in samples.rows() {
        let mut line = format!("  {:28}", row.name);
        for cell in &row.cells {
            line += &format!(" {:>26}", shown(*cell));
        }
        for ratio in &row.ratios {
            line += &format!(" {:>8}", shown_ratio(*ratio));
        }
        line += &format!("  {:14} {}", row.unit, goal(&row, samples, " and "));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The same as Markdown.
pub fn markdown(samples: &Samples) -> String {
    let mut head = String::from("| figure | unit |");
    for side in samples.sides() {
        head += &format!(" {} |", side.title);
    }
    for title in ours(samples) {
        head += &format!(" {title} : Linux |");
    }
    head += " goal |\n";
    let columns = head.matches('|').count() - 1;
    let mut text = head + "|---|---|" + &"--:|".repeat(columns - 3) + "---|\n";
    for row in samples.rows() {
        text += &format!("| {} | {} |", row.name, row.unit);
        for cell in &row.cells {
            text += &format!(" {} |", shown(*cell));
        }
        for ratio in &row.ratios {
            text += &format!(" {} |", shown_ratio(*ratio));
        }
        text += &format!(" {} |\n", goal(&row, samples, "; "));
    }
    text
}

/// Goals by verdict, as one line.
pub fn summary(samples: &Samples) -> String {
    let rows = samples.rows();
    let verdicts: Vec<Verdict> =
        rows.iter().filter_map(|row| row.goal.as_ref()).flat_map(|(_, verdicts)| verdicts.clone()).collect();
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    format!(
        "goals: {} reached, {} missed, {} held by a full dom0",
        count(Verdict::Reached),
        count(Verdict::Missed),
        count(Verdict::Dom0IsFull)
    )
}

fn ours(samples: &Samples) -> Vec<&'static str> {
    samples.sides().iter().filter(|side| side.role == Role::Ours).map(|side| side.title).collect()
}

/// The goal, and the verdict: by side where several are ours and have something to show.
fn goal(row: &Row, samples: &Samples, between: &str) -> String {
    let Some((goal, verdicts)) = &row.goal else { return String::new() };
    let judged: Vec<_> = ours(samples)
        .into_iter()
        .zip(verdicts)
        .filter(|(_, verdict)| **verdict != Verdict::NotMeasured)
        .collect();
    let words = match &judged[..] {
        [] => Verdict::NotMeasured.word().to_owned(),
        [(_, verdict)] => verdict.word().to_owned(),
        several => {
            let words: Vec<_> =
                several.iter().map(|(title, verdict)| format!("{title} {}", verdict.word())).collect();
            words.join(between)
        }
    };
    format!("{}: {words}", goal.text())
}

fn shown(cell: Option<Spread>) -> String {
    match cell {
        None => "-".into(),
        Some(cell) if cell.rounds == 1 => number(cell.median),
        Some(cell) => format!("{} ({}..{})", number(cell.median), number(cell.least), number(cell.most)),
    }
}

fn shown_ratio(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"))
}

/// With three digits that say something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::super::goal::Goal;
    use super::super::samples::Side;
    use super::*;

    const SIDES: [Side; 3] = [
        Side { name: "minios", title: "Minios", role: Role::Ours },
        Side { name: "native", title: "native", role: Role::Ours },
        Side { name: "linux", title: "Linux PV", role: Role::Linux },
    ];

    fn samples() -> Samples {
        let goal = |name: &str| name.ends_with("rate").then_some(Goal::RatioAtLeast(1.0));
        let mut samples = Samples::new(&SIDES, goal);
        for line in [
            "sample minios c-rate 500 /s",
            "sample minios c-rate 700 /s",
            "sample linux c-rate 400 /s",
            "sample native c-rate 300 /s",
            "sample native c-p50 0.25 ms",
        ] {
            samples.line(line);
        }
        samples
    }

    #[test]
    fn markdown_shows_each_side_with_its_spread_and_verdict() {
        let text = markdown(&samples());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[2],
            "| c-rate | /s | 600 (500..700) | 300 | 400 | 1.50 | 0.75 | ratio at least 1: Minios reached; native missed |"
        );
        assert_eq!(lines[3], "| c-p50 | ms | - | 0.250 | - | - | - |  |");
        assert!(
            lines.iter().all(|line| line.matches('|').count() == lines[0].matches('|').count()),
            "{text}"
        );
    }

    #[test]
    fn the_summary_counts_verdicts() {
        assert_eq!(summary(&samples()), "goals: 1 reached, 1 missed, 0 held by a full dom0");
    }
}
