//! The pages of `docs/probes`, written from the probes themselves, so that they cannot drift apart (`ioc-agent docs DIR`).

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use ioc_common::metric::{CATALOGUE, Metric};
use ioc_common::reading::ProbeInfo;
use ioc_probe::{ProbeDescription, SAMPLED, descriptions};

use crate::doctor::NOTHING_MORE;

/// Writes a page for each probe, and the table of them all, into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for probe in descriptions() {
        std::fs::write(dir.join(format!("{}.md", probe.probe.name)), page(&probe))?;
    }
    std::fs::write(dir.join("README.md"), index())
}

const NOTE: &str = "<!-- Written by `ioc-agent docs docs/probes`; do not edit. -->\n";

/// Metrics of devices around the host, which docs/sensors.md describes.
const AROUND: [&str; 10] = [
    "contact.",
    "cooling.",
    "electric.",
    "env.",
    "projector.",
    "sensor.answer_time",
    "sensor.errors",
    "sensor.out_of_range",
    "sensor.up",
    "ups.",
];

fn is_around(metric: &Metric) -> bool {
    AROUND.iter().any(|start| metric.name.starts_with(start))
}

fn metrics(probe: &ProbeDescription) -> impl Iterator<Item = &'static Metric> {
    let starts = || probe.probe.metrics.iter().chain(probe.probe.shared_metrics);
    let of = move |metric: &&Metric| starts().any(|start| metric.name.starts_with(start));
    CATALOGUE.iter().filter(move |metric| of(metric) && !is_around(metric))
}

fn page(probe: &ProbeDescription) -> String {
    let ProbeDescription { probe: ProbeInfo { name, .. }, card, every_n, survey } = *probe;
    let mut page = format!("{NOTE}# {name}\n\n{} · {}\n\n", card.vi, card.en);
    let reads = if every_n > 1 { format!("{}, every {every_n} samples", card.reads) } else { card.reads.to_owned() };
    let (every, needs, privilege) = match survey {
        Some(survey) => {
            let watched = if survey.watch.is_empty() {
                String::new()
            } else {
                format!(", and when one of these changes: `{}`", survey.watch.join("`, `"))
            };
            (
                format!("every {}{watched}", span(survey.every_s)),
                survey.needs.unwrap_or(NOTHING_MORE),
                if survey.privileged { "the helper unit, where it is installed" } else { "none" },
            )
        }
        None => ("every sample".to_owned(), NOTHING_MORE, "none"),
    };
    let _ = writeln!(page, "| | |\n|---|---|");
    for (key, value) in [
        ("article", card.article),
        ("reads", reads.as_str()),
        ("made", every.as_str()),
        ("needs", needs),
        ("privilege", privilege),
        ("cost", card.cost),
    ] {
        let _ = writeln!(page, "| {key} | {} |", value.replace('|', "\\|"));
    }
    page += "\n| metric | unit | range | subject | tiếng Việt | English | elsewhere |\n|---|---|---|---|---|---|---|\n";
    for metric in metrics(probe) {
        let unit = if metric.unit == "1" { "" } else { metric.unit };
        let _ = writeln!(
            page,
            "| `{}` | {unit} | {} to {} | {} | {} | {} | {} |",
            metric.name, metric.min, metric.max, metric.subject, metric.vi, metric.en, metric.otel
        );
    }
    let _ =
        writeln!(page, "\nLook at it here: `ioc-agent probe {name}`. Switch it off: `[probes] forbid = [\"{name}\"]`.");
    page
}

fn span(seconds: u64) -> String {
    ioc_common::config::Span::secs(seconds).to_string()
}

fn index() -> String {
    let mut page = format!(
        "{NOTE}# Probes\n\nWhat an agent reads, what each probe needs, and what it costs. *Absent*, *unknown* and *bad* are three different things.\n\n\
            | probe | article | | made | privilege |\n|---|---|---|---|---|\n"
    );
    for ProbeDescription { probe: ProbeInfo { name, .. }, card, survey, .. } in descriptions() {
        let made = survey.map_or("every sample".to_owned(), |survey| span(survey.every_s));
        let privilege = if survey.is_some_and(|survey| survey.privileged) { "helper" } else { "" };
        let _ = writeln!(
            page,
            "| [{name}]({name}.md) | {} | {} · {} | {made} | {privilege} |",
            card.article, card.vi, card.en
        );
    }
    let sampling = SAMPLED.len();
    let _ = writeln!(
        page,
        "\n{sampling} of them are read at every sample; the others are surveys, made by a short-lived child of the agent, or by its helper unit where they need privilege ([operate](../operate.md))."
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_has_a_card_and_every_metric_a_probe() {
        assert!(descriptions().map(|one| one.probe.name).eq(ioc_probe::names()));
        for metric in CATALOGUE
            .iter()
            // What the agent says of itself, what the collector works out, and what is around hosts.
            .filter(|metric| !(metric.name.starts_with("agent.") || metric.name.starts_with("reports.")))
            .filter(|metric| !(metric.name == "clock.error" || is_around(metric)))
        {
            assert!(
                descriptions().any(|probe| metrics(&probe).any(|one| one.name == metric.name)),
                "{} belongs to no probe",
                metric.name
            );
        }
        assert!(descriptions().all(|probe| metrics(&probe).next().is_some()));
    }
}
