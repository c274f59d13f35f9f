//! Storage on USB (article 5.1c): what is attached now, and an event whenever something comes or goes.
//!
//! A drive without a medium is no storage: card readers, and the drives that management controllers show to every server that they are
//! in. When those controllers have put a medium in, it is told apart: nobody stood at the machine.

use std::path::{Path, PathBuf};

use ioc_common::reading::{Reading, Sink, UsbStorage};
use ioc_common::report::Event;

use super::{Probe, ProbeOutcome, SampleContext, missing, text};
use crate::bounded_io::{KeptFile, names_in, read_text};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};
use crate::hotplug::Hotplug;

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: UsbStorage::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(UsbProbe::new(root)),
    captured: CapturedFiles::whole(&[
        "/sys/block/*/removable",
        "/sys/block/*/size",
        "/sys/block/*/device/vendor",
        "/sys/block/*/device/model",
    ]),
    card: Card {
        article: "5.1c",
        vi: "Thiết bị lưu trữ USB, sự kiện cắm và rút",
        en: "USB storage, with events when it comes and goes",
        reads: "`/sys/block` when devices came or went (`/sys/kernel/uevent_seqnum`), with sizes: \
            a drive without a medium is none, drives of the management controller are told apart; events `usb.attached`, `usb.detached`",
        cost: "0.01 ms",
    },
};

/// Remembers what was attached, so that a change is an event.
#[derive(Debug)]
pub(crate) struct UsbProbe {
    root: PathBuf,
    hotplug: Hotplug,
    blocks: Vec<String>,
    /// Every drive on USB, with a medium or without.
    drives: Vec<Drive>,
    /// Kernel name and what it is.
    attached: Vec<(String, UsbIdentity)>,
    first: bool,
}

#[derive(Debug)]
struct Drive {
    block: String,
    stick: UsbIdentity,
    size: KeptFile,
}

/// What an optical drive has for a size when nothing is in it, in sectors of 512 bytes (drivers/scsi/sr.c).
const NO_DISC: &str = "2097151";

impl Drive {
    /// Whether there is a medium; none where the drive answers no more. Where no size is told nothing is hidden.
    fn holds(&mut self, buffer: &mut Vec<u8>) -> Option<bool> {
        match self.size.read(buffer) {
            Ok(bytes) => {
                let size = text(bytes);
                Some(size.trim() != "0" && !(self.block.starts_with("sr") && size.trim() == NO_DISC))
            }
            Err(error) => error.is_absent().then_some(true),
        }
    }
}

/// What a USB disk says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct UsbIdentity {
    model: String,
    serial: String,
    id: String,
    /// The management controller shows it, or it is built in.
    own: bool,
}

/// Words by which the drives of management controllers are known: AMI, ATEN (Supermicro), Insyde, Peppercon, iDRAC, iLO, IMM and XCC,
/// CIMC, iRMC, OpenBMC; and the cards that some servers start from.
const MAKERS: [&str; 15] = [
    "ami",
    "american megatrends inc.",
    "aten",
    "insyde",
    "pepperc",
    "raritan",
    "idrac",
    "dell",
    "hp",
    "hpe",
    "ilo",
    "imm",
    "xcc",
    "cisco",
    "fts",
];
const DRIVES: [&str; 12] = [
    "lcdrive",
    "oemdrv",
    "secupd",
    "mas022",
    "cimc-mapped",
    "vkvm-mapped",
    "virtual media",
    "internal dual sd",
    "internal sd-card",
    "remote media",
    "redfish",
    "bmc ",
];

/// Whether a drive is the machine's own, by what it says of itself: maker and model of the drive, and of the USB device.
fn is_own(drive: &str, device: &str, id: &str) -> bool {
    let (drive, device) = (drive.to_lowercase(), device.to_lowercase());
    let made = |maker: &&str| {
        [&drive, &device]
            .iter()
            .any(|text| text.strip_prefix(*maker).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
    };
    let says_virtual = drive.contains("virtual") || device.contains("virtual");
    DRIVES.iter().any(|word| drive.contains(word) || device.contains(word))
        || says_virtual && MAKERS.iter().any(made)
        // Huawei's controllers give no maker at all: "Virtual DVD-ROM VM 1.1.0".
        || drive.starts_with("virtual ") && drive.contains(" vm ")
        // AMI keeps these numbers for its virtual devices.
        || id.starts_with("046b:ff")
}

impl UsbProbe {
    /// Reads below `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            hotplug: Hotplug::default(),
            blocks: Vec::new(),
            drives: Vec::new(),
            attached: Vec::new(),
            first: true,
        }
    }

    /// The disk, when it hangs on USB: its place in `/sys/devices` goes through a USB port.
    fn stick(&self, block: &str) -> Option<UsbIdentity> {
        let path = self.root.join("sys/block").join(block).join("device");
        let place = std::fs::canonicalize(path).ok()?;
        if !place.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb")) {
            return None;
        }
        let read = |dir: &Path, file: &str| read_text(dir, file).unwrap_or_default();
        let port = place.ancestors().find(|dir| dir.join("idVendor").exists());
        let drive = format!("{} {}", read(&place, "vendor"), read(&place, "model")).trim().to_owned();
        let Some(port) = port else {
            return Some(UsbIdentity { own: is_own(&drive, "", ""), model: drive, ..UsbIdentity::default() });
        };
        let device = format!("{} {}", read(port, "manufacturer"), read(port, "product")).trim().to_owned();
        let id = format!("{}:{}", read(port, "idVendor"), read(port, "idProduct"));
        Some(UsbIdentity {
            own: is_own(&drive, &device, &id),
            model: if drive.is_empty() { device } else { drive },
            serial: read(port, "serial"),
            id,
        })
    }
}

fn event(name: &str, what: &str, block: &str, stick: &UsbIdentity) -> Event {
    Event {
        name: name.to_owned(),
        text: format!(
            "{} {what}: {} {} ({block})",
            if stick.own { "medium of the management controller" } else { "USB storage" },
            stick.model,
            stick.serial
        ),
        fields: [("model", &stick.model), ("serial", &stick.serial), ("id", &stick.id), ("device", &block.to_owned())]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.chars().filter(|c| !c.is_control()).take(200).collect()))
            .collect(),
    }
}

impl Probe for UsbProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        if self.hotplug.may_have_changed(context.device_events) || self.first {
            let blocks = match names_in(&self.root, "/sys/block", 4096) {
                Ok(blocks) => blocks,
                Err(error) => {
                    // Nothing is known of what was there before.
                    self.first = true;
                    return missing(&error);
                }
            };
            if blocks != self.blocks || self.first {
                let drive = |block: &String| {
                    let size = KeptFile::of_one_record(&self.root, &format!("/sys/block/{block}/size"));
                    Some(Drive { block: block.clone(), stick: self.stick(block)?, size })
                };
                (self.drives, self.blocks, self.first) = (blocks.iter().filter_map(drive).collect(), blocks, false);
            }
        }
        let mut now: Vec<(String, UsbIdentity)> = Vec::new();
        for drive in &mut self.drives {
            match drive.holds(context.buffer) {
                Some(true) => now.push((drive.block.clone(), drive.stick.clone())),
                Some(false) => {}
                // It went, and another may have its name by now.
                None => self.first = true,
            }
        }
        if now != self.attached {
            // What is there when the agent starts is reported, too: someone may have attached it while it was down.
            for (block, stick) in now.iter().filter(|one| !self.attached.contains(one)) {
                context.events.push(event("usb.attached", "attached", block, stick));
            }
            for (block, stick) in self.attached.iter().filter(|one| !now.contains(one)) {
                context.events.push(event("usb.detached", "detached", block, stick));
            }
            self.attached = now;
        }
        let of =
            |own: bool| self.attached.iter().filter(move |(_, stick)| stick.own == own).map(|(block, _)| block.clone());
        UsbStorage { plugged: of(false).collect(), own: of(true).collect() }.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hotplug::DeviceEvents;

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
        std::fs::create_dir_all(root.join("sys/kernel")).expect("directory");
        let told = |count: u32| std::fs::write(root.join("sys/kernel/uevent_seqnum"), format!("{count}\n"));
        told(7).expect("written");
        let (mut probe, mut count) = (UsbProbe::new(root), DeviceEvents::new(root));
        let mut read = || {
            let (mut buffer, mut events) = (Vec::new(), Vec::new());
            let mut numbers = super::super::testing::Numbers::default();
            let device_events = count.count(&mut buffer);
            let mut context =
                SampleContext { elapsed_s: None, device_events, buffer: &mut buffer, events: &mut events };
            let outcome = probe.read(&mut context, &mut numbers);
            assert_eq!(outcome, ProbeOutcome::Read);
            (numbers.0[0].2, events)
        };
        assert_eq!(read(), (0.0, vec![]));
        std::fs::create_dir_all(root.join("sys/block/sdb")).expect("directory");
        std::os::unix::fs::symlink(&disk, root.join("sys/block/sdb/device")).expect("link");
        told(9).expect("written");
        let (count, events) = read();
        assert_eq!((count, events.len(), events[0].name.as_str()), (1.0, 1, "usb.attached"));
        assert_eq!((events[0].fields["serial"].as_str(), events[0].fields["id"].as_str()), ("4C530001", "0781:5581"));
        assert_eq!(events[0].fields["model"], "SanDisk Ultra");
        assert_eq!(read().1.len(), 0, "told once");
        std::fs::remove_dir_all(root.join("sys/block/sdb")).expect("removed");
        told(10).expect("written");
        let (count, events) = read();
        assert_eq!((count, events[0].name.as_str()), (0.0, "usb.detached"));
        // A kernel that tells nobody of it: within a minute all the same, and only once.
        std::fs::create_dir_all(root.join("sys/block/sdb")).expect("directory");
        std::os::unix::fs::symlink(&disk, root.join("sys/block/sdb/device")).expect("link");
        let events: Vec<Event> = (0..6).flat_map(|_| read().1).collect();
        assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["usb.attached"]);
    }

    #[test]
    fn drives_of_management_controllers_are_known() {
        for (drive, device, id) in [
            ("AMI Virtual CDROM0", "American Megatrends Inc. Virtual CDROM Device", "046b:ff20"),
            ("AMI Virtual HDisk0", "", "046b:ff31"),
            ("ATEN Virtual CDROM YS0J", "", "0557:2419"),
            ("Insyde Virtual Media", "", ""),
            ("PepperC Virtual Disc 1", "", "14dd:0002"),
            ("iDRAC Virtual CD", "", "413c:a101"),
            ("DELL VIRTUALCDROM DRIVE", "", ""),
            ("iDRAC LCDRIVE", "", "413c:a101"),
            ("HP Virtual DVD-ROM", "", "03f0:2227"),
            ("iLO LUN 00 Media 0", "HPE Virtual NIC and Media", ""),
            ("IMM Virtual Media VM 1.1.0", "", ""),
            ("Cisco vKVM-Mapped vDVD", "", ""),
            ("Virtual DVD-ROM VM 1.1.0", "", ""),
            ("DELL Internal Dual SD", "", "0781:5151"),
        ] {
            assert!(is_own(drive, device, id), "{drive}");
        }
        for (drive, device, id) in [
            ("SanDisk Ultra", "SanDisk Ultra", "0781:5581"),
            ("WD Virtual CD 070A", "Western Digital My Passport", "1058:070a"),
            ("HP v220w", "HP v220w", "03f0:5a07"),
            ("Dell Portable SSD", "", "413c:a200"),
            ("Generic- SD/MMC", "Generic USB3.0-CRW", "0bda:0328"),
            ("QEMU QEMU HARDDISK", "QEMU QEMU USB HARDDRIVE", "46f4:0001"),
            ("", "", ""),
        ] {
            assert!(!is_own(drive, device, id), "{drive}");
        }
    }

    #[test]
    fn a_reader_counts_when_a_card_is_in_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = dir.path();
        let drive = |block: &str, size: &str, vendor: &str, model: &str| {
            let disk = root.join(format!("sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host7/{block}"));
            std::fs::create_dir_all(&disk).expect("directory");
            std::fs::create_dir_all(root.join("sys/block").join(block)).expect("directory");
            std::fs::write(disk.join("vendor"), vendor).expect("written");
            std::fs::write(disk.join("model"), model).expect("written");
            std::fs::write(root.join("sys/block").join(block).join("size"), size).expect("written");
            std::os::unix::fs::symlink(&disk, root.join("sys/block").join(block).join("device")).expect("link");
        };
        drive("sdb", "0\n", "Generic-", "SD/MMC");
        drive("sr0", "2097151\n", "HL-DT-ST", "DVDRAM GP50");
        drive("sr1", "0\n", "AMI", "Virtual CDROM0");
        let mut probe = UsbProbe::new(root);
        let mut read = || {
            let (mut buffer, mut events) = (Vec::new(), Vec::new());
            let mut numbers = super::super::testing::Numbers::default();
            let mut context =
                SampleContext { elapsed_s: None, device_events: None, buffer: &mut buffer, events: &mut events };
            probe.read(&mut context, &mut numbers);
            let names: Vec<String> =
                events.iter().map(|event: &Event| format!("{} {}", event.name, event.fields["device"])).collect();
            ((numbers.0[0].2, numbers.0[1].2), names.join(", "))
        };
        assert_eq!(read(), ((0.0, 0.0), String::new()), "nothing is in any of them");
        std::fs::write(root.join("sys/block/sdb/size"), "62333952\n").expect("written");
        std::fs::write(root.join("sys/block/sr1/size"), "1000\n").expect("written");
        assert_eq!(read(), ((1.0, 1.0), "usb.attached sdb, usb.attached sr1".to_owned()));
        std::fs::write(root.join("sys/block/sdb/size"), "0\n").expect("written");
        assert_eq!(read(), ((0.0, 1.0), "usb.detached sdb".to_owned()));
    }
}
