//! Storage on USB (article 5.1c).

use super::{ProbeInfo, Reading, Sink};

/// Storage on USB that is attached now (article 5.1c), by kernel name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbStorage {
    /// What somebody plugged in.
    pub plugged: Vec<String>,
    /// What the management controller shows, with a medium, and what is built in.
    pub own: Vec<String>,
}

impl Reading for UsbStorage {
    const PROBE: ProbeInfo = ProbeInfo::sampled("usb", &["usb."]);

    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("usb.storage", "", self.plugged.len() as f64);
        sink.put("usb.virtual", "", self.own.len() as f64);
    }
}
