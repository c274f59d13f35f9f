//! Facts that seldom change: names, versions, maker, processor, and the hardware fingerprint.

use std::path::Path;

use ioc_common::encoding::hex;
use ioc_common::report::Facts;

use super::load::parse_cpu_list;
use super::memory::parse_meminfo;
use crate::bounded_io::read_text;
use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles};

/// What a capture takes for it, as with [`crate::captured_files`].
pub(crate) const CAPTURED: CapturedFiles = CapturedFiles::whole(&[
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/arch",
    "/sys/devices/system/cpu/online",
    "/etc/os-release",
    "/usr/lib/os-release",
])
.in_part(&[CaptureRule::by_path("/sys/class/dmi/id/*", |path| {
    let machine_id = path.ends_with("/product_uuid");
    if machine_id { CaptureExtent::Start(0) } else { CaptureExtent::Whole }
})]);

/// Reads every fact of the machine under `root`. What it does not tell stays empty.
#[must_use]
pub fn read(root: &Path) -> Facts {
    let text = |path: &str| read_text(root, path).unwrap_or_default();
    let dmi = |name: &str| placeholder_free(&text(&format!("/sys/class/dmi/id/{name}")));
    let os = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| read_text(root, path).ok());
    let os = os.unwrap_or_default();
    let cpuinfo = text("/proc/cpuinfo");
    let cpu_count = parse_cpu_list(&text("/sys/devices/system/cpu/online"))
        .or_else(|| u32::try_from(cpuinfo.lines().filter(|line| line.starts_with("processor")).count()).ok());
    let bios = format!("{} {}", dmi("bios_version"), dmi("bios_date"));
    Facts {
        hostname: text("/proc/sys/kernel/hostname"),
        os: os_release(&os, "PRETTY_NAME"),
        os_id: os_release(&os, "ID"),
        os_version: os_release(&os, "VERSION_ID"),
        kernel: text("/proc/sys/kernel/osrelease"),
        arch: text("/proc/sys/kernel/arch"),
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        serial: dmi("product_serial"),
        bios: bios.trim().to_owned(),
        cpu_model: cpuinfo_model(&cpuinfo),
        cpu_count: cpu_count.unwrap_or(0),
        memory_bytes: parse_meminfo(&text("/proc/meminfo")).map_or(0, |memory| memory.total),
    }
}

/// Network addresses of hardware: interfaces that stand for a device, not those that software made.
#[must_use]
pub fn macs(root: &Path) -> Vec<String> {
    const BASE: &str = "sys/class/net";
    let names = std::fs::read_dir(root.join(BASE)).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut macs: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| root.join(format!("{BASE}/{name}/device")).exists())
        .filter_map(|name| read_text(root, &format!("/{BASE}/{name}/address")).ok())
        .map(|text| text.trim().to_lowercase())
        .filter(|text| text.len() == 17 && text != "00:00:00:00:00:00")
        .collect();
    macs.sort();
    macs
}

/// The kernel's boot ID, or an empty text.
#[must_use]
pub fn boot_id(root: &Path) -> String {
    read_text(root, "/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// A hash over machine ID and DMI identifiers: equal for one machine, different for two clones on different hardware.
/// It is a hash, since systemd asks that the machine ID itself be kept private (machine-id(5)).
#[must_use]
pub fn fingerprint(root: &Path) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"ioc-watch fingerprint 1\n");
    for path in [
        "/etc/machine-id",
        "/sys/class/dmi/id/product_uuid",
        "/sys/class/dmi/id/product_serial",
        "/sys/class/dmi/id/board_serial",
    ] {
        context.update(read_text(root, path).unwrap_or_default().as_bytes());
        context.update(b"\n");
    }
    hex(&context.finish().as_ref()[..8])
}

/// One value of os-release(5), without its quotes.
#[must_use]
pub fn os_release(file: &str, key: &str) -> String {
    file.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

fn cpuinfo_model(cpuinfo: &str) -> String {
    // x86 says "model name"; ARM says "Model" or nothing.
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| matches!(key.trim(), "model name" | "Model" | "cpu model"))
        .map(|(_, model)| model.trim().to_owned())
        .unwrap_or_default()
}

/// Makers leave placeholders in DMI; they are no facts.
fn placeholder_free(value: &str) -> String {
    let placeholders = [
        "to be filled by o.e.m.",
        "default string",
        "system manufacturer",
        "system product name",
        "system serial number",
        "not specified",
        "none",
        "0",
        "unknown",
        "o.e.m.",
    ];
    if placeholders.contains(&value.to_lowercase().as_str()) { String::new() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_with_and_without_quotes() {
        let file = "NAME=\"Debian GNU/Linux\"\nID=debian\nPRETTY_NAME='Debian 12'\n# x\n";
        assert_eq!(os_release(file, "ID"), "debian");
        assert_eq!(os_release(file, "PRETTY_NAME"), "Debian 12");
        assert_eq!(os_release(file, "VERSION_ID"), "");
    }

    #[test]
    fn placeholders_are_no_facts() {
        assert_eq!(placeholder_free("To Be Filled By O.E.M."), "");
        assert_eq!(placeholder_free("PowerEdge R740"), "PowerEdge R740");
    }

    #[test]
    fn an_empty_machine_has_no_facts_and_no_panic() {
        let empty = tempfile::tempdir().expect("temporary directory");
        assert_eq!(read(empty.path()), Facts::default());
        assert_eq!(fingerprint(empty.path()).len(), 16);
    }
}
