//! Storage on USB (article 5.1c): what is attached now, and an event whenever something comes or goes.

use std::path::{Path, PathBuf};

use ioc_common::reading::{Reading as _, Sink, UsbStorage};
use ioc_common::report::Event;

use super::{Context, Outcome, Probe, missing};
use crate::source::{names_in, read_text};

/// The probe.
#[derive(Debug)]
pub struct UsbProbe {
    root: PathBuf,
    blocks: Vec<String>,
    /// Kernel name and what it is.
    attached: Vec<(String, Stick)>,
    first: bool,
}

/// What a USB disk says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stick {
    model: String,
    serial: String,
    id: String,
}

impl UsbProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), blocks: Vec::new(), attached: Vec::new(), first: true }
    }

    /// The disk, when it hangs on USB: its place in `/sys/devices` goes through a USB port.
    fn stick(&self, block: &str) -> Option<Stick> {
        let path = self.root.join("sys/block").join(block).join("device");
        let place = std::fs::canonicalize(path).ok()?;
        if !place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb")) {
            return None;
        }
        let read = |dir: &Path, file: &str| read_text(dir, file).unwrap_or_default();
        let port = place.ancestors().find(|dir| dir.join("idVendor").exists());
        let own = format!("{} {}", read(&place, "vendor"), read(&place, "model")).trim().to_owned();
        Some(match port {
            Some(port) => Stick {
                model: if own.is_empty() {
                    format!("{} {}", read(port, "manufacturer"), read(port, "product"))
                } else {
                    own
                },
                serial: read(port, "serial"),
                id: format!("{}:{}", read(port, "idVendor"), read(port, "idProduct")),
            },
            None => Stick { model: own, ..Stick::default() },
        })
    }
}

fn event(name: &str, what: &str, block: &str, stick: &Stick) -> Event {
    Event {
        name: name.to_owned(),
        text: format!("USB storage {what}: {} {} ({block})", stick.model, stick.serial),
        fields: [("model", &stick.model), ("serial", &stick.serial), ("id", &stick.id), ("device", &block.to_owned())]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.chars().filter(|c| !c.is_control()).take(200).collect()))
            .collect(),
    }
}

impl Probe for UsbProbe {
    fn name(&self) -> &'static str {
        "usb"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        let blocks = match names_in(&self.root, "/sys/block", 4096) {
            Ok(blocks) => blocks,
            Err(error) => return missing(&error),
        };
        if blocks != self.blocks || self.first {
            let now: Vec<(String, Stick)> =
                blocks.iter().filter_map(|block| Some((block.clone(), self.stick(block)?))).collect();
            // What is there when the agent starts is reported, too: someone may have attached it while it was down.
            for (block, stick) in now.iter().filter(|one| !self.attached.contains(one)) {
                context.events.push(event("usb.attached", "attached", block, stick));
            }
            for (block, stick) in self.attached.iter().filter(|one| !now.contains(one)) {
                context.events.push(event("usb.detached", "detached", block, stick));
            }
            (self.attached, self.blocks, self.first) = (now, blocks, false);
        }
        UsbStorage(self.attached.iter().map(|(block, _)| block.clone()).collect()).emit(sink);
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_that_comes_and_goes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = dir.path();
        let port = root.join("sys/devices/pci0000:00/0000:00:14.0/usb1/1-2");
        let disk = port.join("1-2:1.0/host6/target6:0:0/6:0:0:0");
        std::fs::create_dir_all(&disk).expect("directory");
        for (file, text) in [("idVendor", "0781"), ("idProduct", "5581"), ("serial", "4C530001")] {
            std::fs::write(port.join(file), text).expect("written");
        }
        std::fs::write(disk.join("model"), "Ultra   \n").expect("written");
        std::fs::write(disk.join("vendor"), "SanDisk \n").expect("written");
        std::fs::create_dir_all(root.join("sys/block/vda")).expect("directory");
        let mut probe = UsbProbe::new(root);
        let mut read = || {
            let (mut buffer, mut events) = (Vec::new(), Vec::new());
            let mut numbers = super::super::testing::Numbers::default();
            let outcome =
                probe.read(&mut Context { elapsed_s: None, buffer: &mut buffer, events: &mut events }, &mut numbers);
            assert_eq!(outcome, Outcome::Read);
            (numbers.0[0].2, events)
        };
        assert_eq!(read(), (0.0, vec![]));
        std::fs::create_dir_all(root.join("sys/block/sdb")).expect("directory");
        std::os::unix::fs::symlink(&disk, root.join("sys/block/sdb/device")).expect("link");
        let (count, events) = read();
        assert_eq!((count, events.len(), events[0].name.as_str()), (1.0, 1, "usb.attached"));
        assert_eq!((events[0].fields["serial"].as_str(), events[0].fields["id"].as_str()), ("4C530001", "0781:5581"));
        assert_eq!(events[0].fields["model"], "SanDisk Ultra");
        assert_eq!(read().1.len(), 0, "told once");
        std::fs::remove_dir_all(root.join("sys/block/sdb")).expect("removed");
        let (count, events) = read();
        assert_eq!((count, events[0].name.as_str()), (0.0, "usb.detached"));
    }
}
