//! Bars in SVG: what each side comes to beside Linux's 1, one group of bars per load.

use super::samples::{Role, Row, Samples};
use super::table::number;

const COLOURS: [&str; 4] = ["#2a6fb0", "#5aa469", "#c9733a", "#888888"];
const LEFT: f64 = 190.0;
const WIDTH: f64 = 820.0;
const BAR: f64 = 13.0;
const GAP: f64 = 9.0;
/// The longest bar; what is longer is cut there and says so by its number.
const MOST_RATIO: f64 = 4.0;

/// A chart of the figures whose names end with `suffix`; nothing where there is none.
pub fn bars(samples: &Samples, suffix: &str, title: &str) -> Option<String> {
    let rows: Vec<Row> = samples
        .rows()
        .into_iter()
        .filter(|row| row.name.ends_with(suffix) && linux(samples, row) > 0.0)
        .collect();
    if rows.is_empty() {
        return None;
    }
    let sides = samples.sides();
    let ratio = |row: &Row, at: usize| row.cells[at].map(|cell| cell.median / linux(samples, row));
    let longest = rows
        .iter()
        .flat_map(|row| (0..sides.len()).filter_map(|at| ratio(row, at)))
        .fold(1.0, |most: f64, ratio| most.max(ratio.min(MOST_RATIO)));
    let scale = (WIDTH - LEFT - 110.0) / longest;
    let (mut body, mut y) = (String::new(), 62.0);
    for row in &rows {
        let label = row.name.strip_suffix(suffix).unwrap_or(&row.name);
        body += &word(LEFT - 8.0, y + BAR - 2.0, "end", &format!("{label}, {}", row.unit));
        for (at, colour) in (0..sides.len()).zip(COLOURS) {
            let (Some(ratio), Some(cell)) = (ratio(row, at), row.cells[at]) else { continue };
            let length = ratio.min(MOST_RATIO) * scale;
            body += &format!(
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n"
            );
            body += &word(LEFT + length + 5.0, y + BAR - 2.5, "start", &number(cell.median));
            y += BAR + 1.0;
        }
        y += GAP;
    }
    let one = LEFT + scale;
    body += &format!(
        "<line x1=\"{one:.1}\" y1=\"54\" x2=\"{one:.1}\" y2=\"{y:.1}\" stroke=\"#000\" stroke-dasharray=\"3 3\"/>\n"
    );
    let mut head = word(12.0, 20.0, "start", &format!("{title}; bars as parts of Linux's"));
    for (number, (side, colour)) in sides.iter().zip(COLOURS).enumerate() {
        let x = 12.0 + 200.0 * number as f64;
        head += &format!("<rect x=\"{x}\" y=\"32\" width=\"{BAR}\" height=\"{BAR}\" fill=\"{colour}\"/>\n");
        head += &word(x + BAR + 5.0, 43.0, "start", side.title);
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{head}{body}</svg>\n",
        height = y + 10.0
    ))
}

/// Linux's median, 0 where there is none.
fn linux(samples: &Samples, row: &Row) -> f64 {
    let at = samples.sides().iter().position(|side| side.role == Role::Linux);
    at.and_then(|at| row.cells[at]).map_or(0.0, |cell| cell.median)
}

fn word(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::super::samples::Side;
    use super::*;

    const SIDES: [Side; 2] = [
        Side { name: "minios", title: "Minios & more", role: Role::Ours },
        Side { name: "linux", title: "Linux PV", role: Role::Linux },
    ];

    #[test]
    fn each_side_of_each_load_has_a_bar_and_longer_ones_are_cut() {
        let mut samples = Samples::new(&SIDES, |_| None);
        for line in [
            "sample minios a-rate 50 /s",
            "sample linux a-rate 100 /s",
            "sample minios b-rate 900 /s",
            "sample linux b-rate 10 /s",
            "sample minios c-rate 900 /s",
            "sample linux a-cpu 9 us",
        ] {
            samples.line(line);
        }
        let svg = bars(&samples, "-rate", "rates").unwrap();
        assert_eq!(svg.matches("<rect x=\"190\"").count(), 4, "{svg}");
        assert!(svg.contains("Minios &amp; more") && !svg.contains("c, /s"), "{svg}");
        let scale = (WIDTH - LEFT - 110.0) / MOST_RATIO;
        assert!(svg.contains(&format!("width=\"{:.1}\"", MOST_RATIO * scale)), "{svg}");
        assert!(svg.contains(&format!("width=\"{:.1}\"", 0.5 * scale)), "{svg}");
        assert!(bars(&samples, "-nothing", "").is_none());
    }
}
