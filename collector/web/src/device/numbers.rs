//! All newest numbers of a device, folded by the probe that they come from: what each means first, its name for rules last.

use ioc_common::layout::Layout;
use ioc_common::{metric, reading};

use crate::page::context::PageContext;

/// The numbers of one probe.
pub(crate) struct NumberGroup {
    pub(crate) title: String,
    pub(crate) numbers: Vec<LatestValue>,
}

/// One number of a device.
pub(crate) struct LatestValue {
    /// The whole name of its series, as rules and the API have it.
    pub(crate) name: String,
    pub(crate) metric: String,
    /// What it says.
    pub(crate) about: String,
    /// Of what: a disk, a mount point; empty where it is of the whole device.
    pub(crate) subject: String,
    pub(crate) value: String,
}

/// The newest numbers by their probes, in the order in which the device reads them. What is not known is said to be.
pub(crate) fn groups_of(page_context: &PageContext, layout: &Layout, values: &[Option<f64>]) -> Vec<NumberGroup> {
    let mut groups: Vec<(&str, NumberGroup)> = Vec::new();
    for (series, value) in layout.series().iter().zip(values) {
        let entry = metric::find(series.metric());
        let probe = reading::probe_of(series.metric());
        let number = LatestValue {
            name: series.as_str().to_owned(),
            metric: series.metric().to_owned(),
            about: entry
                .map_or_else(|| series.metric().to_owned(), |entry| entry.about(page_context.language).to_owned()),
            subject: series.subject().to_owned(),
            value: value.map_or_else(|| page_context.t("not-known"), |value| page_context.measured(entry, value)),
        };
        match groups.iter_mut().find(|(name, _)| *name == probe) {
            Some((_, group)) => group.numbers.push(number),
            None => {
                let title = page_context.word("probe-name", probe);
                groups.push((probe, NumberGroup { title, numbers: vec![number] }));
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}
