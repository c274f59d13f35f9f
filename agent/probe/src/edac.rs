//! Memory errors that EDAC counts (Documentation/admin-guide/RAS).

use std::path::{Path, PathBuf};

use ioc_common::reading::{MemoryErrors, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext};
use crate::bounded_io::{names_in, read_attribute};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: MemoryErrors::PROBE,
    every_n: 6,
    comes_with_driver: true,
    new: |root| Box::new(EdacProbe::new(root)),
    captured: CapturedFiles::whole(&["/sys/devices/system/edac/mc/*/*"]),
    card: Card {
        article: "6.2",
        vi: "Lỗi bộ nhớ ECC",
        en: "Memory errors (ECC)",
        reads: "`/sys/devices/system/edac/mc`",
        cost: "0.01 ms",
    },
};

/// Memory errors, by controller.
#[derive(Debug)]
pub(crate) struct EdacProbe {
    root: PathBuf,
}

impl EdacProbe {
    /// Reads below `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Probe for EdacProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        const BASE: &str = "/sys/devices/system/edac/mc";
        let controllers = names_in(&self.root, BASE, 64).unwrap_or_default();
        let count =
            |mc: &str, file: &str| read_attribute(&self.root, &format!("{BASE}/{mc}/{file}")).ok()?.parse().ok();
        let errors = controllers
            .iter()
            .filter(|name| name.starts_with("mc"))
            .filter_map(|mc| Some((mc.clone(), count(mc, "ce_count")?, count(mc, "ue_count")?)));
        let errors = MemoryErrors(errors.collect());
        if errors.0.is_empty() {
            return ProbeOutcome::Absent {
                why: format!("{BASE}: no memory controller with error correction, or its driver is not loaded"),
            };
        }
        errors.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn errors_of_memory_by_controller() {
        let files = [
            ("/sys/devices/system/edac/mc/mc0/ce_count", "7\n"),
            ("/sys/devices/system/edac/mc/mc0/ue_count", "1\n"),
            ("/sys/devices/system/edac/mc/power/x", ""),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(EdacProbe::new(root)));
        assert_eq!(
            numbers,
            [("memory.corrected_errors", "mc0".to_owned(), 7.0), ("memory.uncorrected_errors", "mc0".to_owned(), 1.0)]
        );
        assert!(matches!(read_below(&[], |root| Box::new(EdacProbe::new(root))).0, ProbeOutcome::Absent { .. }));
    }
}
