//! What is kept of a measurement: its table and charts in target/bench, and where it is asked for the table in docs/performance.md.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::samples::Samples;
use super::{Args, chart, table};
use crate::workspace;

const DOCUMENT: &str = "docs/performance.md";
/// Suffix of the figures, name of the chart's file, and its title.
const CHARTS: [(&str, &str, &str); 4] = [
    ("-rate", "rate", "rate, longer is better"),
    ("-guest-cpu", "guest-cpu", "guest's CPU time, shorter is better"),
    ("-hypercalls", "hypercalls", "hypercalls, shorter is better"),
    ("-time", "time", "time, shorter is better"),
];

/// Writes it all.
pub fn write(args: &Args, circumstances: &str, samples: &Samples) -> Result<()> {
    let dir = workspace::target().join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let section = section(args, circumstances, samples);
    let name = &args.name;
    let save = |file: String, text: &str| {
        let path = dir.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    save(format!("{name}.md"), &section)?;
    for (suffix, file, title) in CHARTS {
        if let Some(svg) = chart::bars(samples, suffix, &format!("bench {name}: {title}")) {
            save(format!("{name}-{file}.svg"), &svg)?;
        }
    }
    println!("table and charts: {}", dir.display());
    if args.write {
        let path = workspace::root().join(DOCUMENT);
        let old = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::write(&path, replaced(&old, name, &section))
            .with_context(|| format!("cannot write {DOCUMENT}"))?;
    }
    Ok(())
}

fn section(args: &Args, circumstances: &str, samples: &Samples) -> String {
    let mut lines = vec![format!("`cargo xtask bench {}`: {circumstances}.", args.name)];
    lines.push(format!("Machine: {}.", machine()));
    lines.extend((!samples.about().is_empty()).then(|| format!("Versions: {}.", samples.about().join(", "))));
    format!("{}\n\n{}\n{}.\n", lines.join("\n"), table::markdown(samples), table::summary(samples))
}

/// The document with this section in the place of the one of the same name, or at the end.
fn replaced(document: &str, name: &str, section: &str) -> String {
    let (start, end) = (format!("<!-- bench {name} -->\n"), format!("<!-- end of bench {name} -->\n"));
    let new = format!("{start}{section}{end}");
    match document.find(&start).zip(document.find(&end)).filter(|(from, to)| from < to) {
        Some((from, to)) => format!("{}{new}{}", &document[..from], &document[to + end.len()..]),
        None => format!("{}\n\n## bench {name}\n\n{new}", document.trim_end()),
    }
}

/// The processor, and how many there are.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| text.lines().filter(|line| line.starts_with(key)).collect::<Vec<_>>();
    let model =
        of("model name").first().and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned();
    format!("{} x {model}, Xen in QEMU", of("processor").len())
}

/// The commit that the guests are built from.
pub fn commit() -> String {
    let done =
        Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(workspace::root()).output();
    let text = done.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_like_and_no_other() {
        let first = replaced("# Performance\n", "net", "one\n");
        let both = replaced(&first, "blk", "two\n");
        let again = replaced(&both, "net", "three\n");
        assert_eq!(
            again,
            "# Performance\n\n## bench net\n\n<!-- bench net -->\nthree\n<!-- end of bench net -->\n\n\
             ## bench blk\n\n<!-- bench blk -->\ntwo\n<!-- end of bench blk -->\n"
        );
    }
}
