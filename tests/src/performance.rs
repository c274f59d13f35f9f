//! Figures of benchmarks as rows that a program can read, and the page made of them: docs/performance.md has no figure that was typed.
//!
//! `ioc-bench` writes rows, one JSON object a line; `ioc-bench report` puts those of several runs into the text of
//! tests/bench/performance.txt. The page ends with a sum of itself, which tests/tests/tidy.rs works out again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub mod size;

/// What `ioc-bench year` calls the figures that docs/size.md is worked out from, MB.
pub const AFTER_A_YEAR: &str = "on disk after a year, a device";
/// With ten years of the coarsest tier.
pub const IN_THE_END: &str = "on disk in the end as shipped, a device";
/// Of each year for which nothing is deleted.
pub const A_YEAR_OF_ALL: &str = "on disk for each year that all numbers are kept, a device";

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Goal {
    /// Whether `value` is as it should be.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {}", number(*most)),
            Self::AtLeast(least) => write!(f, "≥ {}", number(*least)),
        }
    }
}

/// One figure of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The benchmark, as `ioc-bench` names it.
    pub name: String,
    /// What was measured.
    pub what: String,
    /// What came out.
    pub value: f64,
    /// Its unit; empty for a bare number.
    pub unit: String,
    /// What it should be.
    pub goal: Option<Goal>,
    /// Cargo's profile of the program that was measured.
    pub profile: String,
    /// Processors, memory, system and file system, in words.
    pub machine: String,
    /// How many processors others kept busy while the benchmark ran.
    pub load_beside: f64,
    /// The program that did the same beside it; empty for none.
    pub peer: String,
    /// What came out there.
    pub peer_value: Option<f64>,
    /// `value` divided by `peer_value`.
    pub ratio: Option<f64>,
    /// Which run: the same for all rows that were made in one.
    pub run: String,
    /// How to measure it again.
    pub command: String,
}

/// A number as people read it: three figures, thousands apart.
#[must_use]
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), ""), |(whole, fraction)| (whole, fraction));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    out
}

/// The least and the most of several runs: `54.2` or `54.2 to 61`.
fn range(values: impl Iterator<Item = f64>) -> String {
    let (least, most) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let (least, most) = (number(least), number(most));
    if least == most { least } else { format!("{least} to {most}") }
}

/// Reads rows, one a line; empty lines say nothing.
///
/// # Errors
/// The first line that is no row.
pub fn read(text: &str) -> anyhow::Result<Vec<Row>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).with_context(|| format!("line {} is no row", at + 1))).collect()
}

/// How a line of the text asks for the figures of a benchmark: `<!-- figures: fleet -->`.
const TABLE: &str = "<!-- figures: ";
/// And for what fell short of its goal: `<!-- missed -->`.
const MISSED: &str = "<!-- missed -->";
/// And for where and how often it was measured: `<!-- runs -->`.
const RUNS: &str = "<!-- runs -->";
/// Profiles of what is shipped.
const SHIPPED: [&str; 2] = ["release", "small"];
/// What makes the page, as it says of itself.
pub const MADE_BY: &str = "scripts/performance";

/// The page: the text with tables in place of its marks, and a sum at its end.
///
/// # Errors
/// When there are no rows, or rows that no mark of the text asks for, with the name of their benchmark.
pub fn page(template: &str, rows: &[Row]) -> anyhow::Result<String> {
    anyhow::ensure!(!rows.is_empty(), "there are no rows: run a benchmark with --json FILE first");
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let asked: BTreeSet<&str> =
        template.lines().filter_map(|line| line.strip_prefix(TABLE)?.strip_suffix(" -->")).collect();
    if let Some(name) = names.difference(&asked).next() {
        anyhow::bail!("the text has no place for the figures of {name}: add a line '{TABLE}{name} -->'");
    }
    let mut out =
        format!("<!-- Made by {MADE_BY} from the rows of ioc-bench; the text is in tests/bench/performance.txt. -->\n");
    for line in template.lines() {
        match line.strip_prefix(TABLE).and_then(|rest| rest.strip_suffix(" -->")) {
            Some(name) => table(&mut out, name, rows),
            None if line == MISSED => missed(&mut out, rows),
            None if line == RUNS => runs(&mut out, rows),
            None => {
                out += line;
                out.push('\n');
            }
        }
    }
    let sum = sum(&out);
    let _ = writeln!(out, "\n<!-- {sum:016x} -->");
    Ok(out)
}

/// Whether a page is as it was made, and by this program.
///
/// # Errors
/// What is wrong with it, and the mend.
pub fn check(page: &str) -> anyhow::Result<()> {
    let mend = "change tests/bench/performance.txt and run scripts/performance";
    anyhow::ensure!(page.starts_with(&format!("<!-- Made by {MADE_BY} ")), "it does not say what made it: {mend}");
    let (made, said) = page.trim_end().rsplit_once("\n<!-- ").with_context(|| format!("its sum is missing: {mend}"))?;
    let said = said.strip_suffix(" -->").and_then(|text| u64::from_str_radix(text, 16).ok());
    anyhow::ensure!(said == Some(sum(made)), "it was changed by hand: {mend}");
    Ok(())
}

/// FNV-1a over all but white space, which editors change.
fn sum(text: &str) -> u64 {
    let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The rows of one figure over all runs, in the order in which figures were first said.
fn figures<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Vec<&'a Row>> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let same = |group: &&mut Vec<&Row>| {
            (&group[0].name, &group[0].what, &group[0].unit, &group[0].profile, &group[0].machine)
                == (&row.name, &row.what, &row.unit, &row.profile, &row.machine)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// Machines in the order of their rows; a table says their number where there are several.
fn machines(rows: &[Row]) -> Vec<&str> {
    let mut machines: Vec<&str> = Vec::new();
    for row in rows {
        if !machines.contains(&row.machine.as_str()) {
            machines.push(&row.machine);
        }
    }
    machines
}

fn table(out: &mut String, name: &str, rows: &[Row]) {
    let figures = figures(rows.iter().filter(|row| row.name == name));
    if figures.is_empty() {
        let _ = writeln!(out, "`scripts/bench {name}` was not run.");
        return;
    }
    let machines = machines(rows);
    let commands: BTreeSet<String> = figures.iter().map(|figure| format!("`{}`", figure[0].command)).collect();
    let commands: Vec<String> = commands.into_iter().collect();
    let _ = writeln!(out, "{}\n", commands.join(", "));
    *out += "| what | measured | goal | beside it | ratio | profile | load beside |\n|---|--:|--:|--:|--:|---|--:|\n";
    for figure in figures {
        let first = figure[0];
        let unit = if first.unit.is_empty() { String::new() } else { format!(" {}", first.unit) };
        let peers: Vec<f64> = figure.iter().filter_map(|row| row.peer_value).collect();
        let peer = if peers.is_empty() {
            first.peer.clone()
        } else {
            format!("{} {}{unit}", first.peer, range(peers.into_iter()))
        };
        let ratios: Vec<f64> = figure.iter().filter_map(|row| row.ratio).collect();
        let ratio = if ratios.is_empty() { String::new() } else { range(ratios.into_iter()) };
        let few = match figure.len() {
            1 => " (1 run)".to_owned(),
            2 => " (2 runs)".to_owned(),
            _ => String::new(),
        };
        let place = machines.iter().position(|machine| *machine == first.machine).unwrap_or(0);
        let place = if machines.len() > 1 { format!(" ({})", place + 1) } else { String::new() };
        let _ = writeln!(
            out,
            "| {} | {}{unit}{few} | {} | {peer} | {ratio} | {}{place} | {} |",
            first.what,
            range(figure.iter().map(|row| row.value)),
            first.goal.map(|goal| goal.to_string()).unwrap_or_default(),
            first.profile,
            range(figure.iter().map(|row| row.load_beside))
        );
    }
}

fn missed(out: &mut String, rows: &[Row]) {
    let short = figures(rows.iter()).into_iter().filter(|figure| {
        let first = figure[0];
        first.goal.is_some_and(|goal| figure.iter().any(|row| !goal.is_met(row.value)))
    });
    let mut any = false;
    for figure in short {
        let first = figure[0];
        let times = figure.iter().filter(|row| first.goal.is_some_and(|goal| !goal.is_met(row.value))).count();
        let goal = first.goal.map(|goal| goal.to_string()).unwrap_or_default();
        let measured = range(figure.iter().map(|row| row.value));
        let _ = writeln!(
            out,
            "- {}, {}: {measured} {} where {goal} is asked for, in {times} of {} runs.",
            first.name,
            first.what,
            first.unit,
            figure.len()
        );
        any = true;
    }
    if !any {
        *out += "Nothing: every figure with a goal met it in each run.\n";
    }
}

fn runs(out: &mut String, rows: &[Row]) {
    let runs: BTreeSet<&str> = rows.iter().map(|row| row.run.as_str()).collect();
    let _ = writeln!(
        out,
        "Runs: {} ({}). A figure is the least and the most of them. Machine:\n",
        runs.len(),
        runs.into_iter().collect::<Vec<_>>().join(", ")
    );
    for (place, machine) in machines(rows).iter().enumerate() {
        let _ = writeln!(out, "{}. {machine}", place + 1);
    }
    let others: BTreeSet<&str> =
        rows.iter().map(|row| row.profile.as_str()).filter(|one| !SHIPPED.contains(one)).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            out,
            "\n**A trial of the benchmarks, no measurement of what is shipped:** rows with the profile {others}."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(what: &str, value: f64, run: &str) -> Row {
        Row {
            name: "fleet".into(),
            what: what.into(),
            value,
            unit: "µs".into(),
            goal: Some(Goal::AtMost(60.0)),
            profile: "release".into(),
            machine: "2 cores".into(),
            load_beside: 0.1,
            peer: String::new(),
            peer_value: None,
            ratio: None,
            run: run.into(),
            command: "scripts/bench fleet".into(),
        }
    }

    #[test]
    fn numbers_have_three_figures() {
        let texts: Vec<String> = [0.0, 0.1234, 1.5, 54.27, 116_034.6, -1234.0].map(number).into();
        assert_eq!(texts, ["0", "0.123", "1.5", "54.3", "116,035", "-1,234"]);
    }

    #[test]
    fn a_page_has_the_range_over_its_runs() {
        let rows = [row("CPU a report", 54.2, "a"), row("CPU a report", 61.0, "b"), row("CPU a report", 50.0, "c")];
        let page = page("# P\n<!-- runs -->\n<!-- figures: fleet -->\n<!-- missed -->\n", &rows).expect("made");
        assert!(page.contains("| CPU a report | 50 to 61 µs | ≤ 60 |"), "{page}");
        assert!(page.contains("in 1 of 3 runs"), "{page}");
        assert!(page.contains("Runs: 3 (a, b, c)"), "{page}");
        check(&page).expect("as made");
        let error = check(&page.replace("50 to 61", "50 to 60")).expect_err("changed").to_string();
        assert!(error.contains("by hand") && error.contains("scripts/performance"), "{error}");
    }

    #[test]
    fn no_figure_is_left_out() {
        let error = page("# P\n", &[row("x", 1.0, "a")]).expect_err("no place").to_string();
        assert!(error.contains("<!-- figures: fleet -->"), "{error}");
        let text = serde_json::to_string(&row("x", 1.0, "a")).expect("text");
        assert_eq!(read(&format!("{text}\n\n")).expect("read"), [row("x", 1.0, "a")]);
        assert!(read("{}").expect_err("no row").to_string().contains("line 1"));
    }
}
