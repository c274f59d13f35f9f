//! The software list as a number. The list itself is sent in parts ([`crate::software`]).

use super::probe_info::DAY_S;
use super::{ProbeInfo, Reading, Sink};

/// How many items the software list has (article 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoftwareCount(pub usize);

impl Reading for SoftwareCount {
    const PROBE: ProbeInfo = ProbeInfo::survey("software", DAY_S, &["software."]);

    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("software.count", "", self.0 as f64);
    }
}
