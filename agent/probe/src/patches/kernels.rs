//! Kernels: the one that runs against the newest one installed of its own flavour. Pure.
//!
//! Only kernels of one flavour are compared: beside `generic` may lie a `lowlatency`, beside the usual one a `debug`, an `rt` or Oracle's
//! UEK, and which of them is to be booted is the administrator's choice. A kernel that names no flavour was built by hand; of it nothing is said.

use std::cmp::Ordering;

use crate::version;

/// What became of the comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kernels {
    /// No kernel lies in /boot, as in a container.
    None,
    /// The newest installed one of the running flavour; it may be the running one itself.
    Newest(String),
    /// Why it cannot be said.
    Unknown(String),
}

/// Architectures as rpm writes them at the end of a kernel's release.
const RPM_ARCHITECTURES: [&str; 10] =
    [".x86_64", ".aarch64", ".ppc64le", ".ppc64", ".s390x", ".i686", ".i386", ".armv7hl", ".riscv64", ".loongarch64"];
/// Endings of what is kept beside kernels.
const COPIES: [&str; 8] = [".old", ".bak", ".orig", ".signed", ".sig", ".hmac", ".dpkg-new", ".dpkg-tmp"];
/// Flavours of Debian that begin with a digit.
const NUMBERED_FLAVOURS: [&str; 4] = ["486", "586", "686", "64k"];

/// A release as `uname -r` says it.
#[derive(Debug)]
struct KernelRelease<'a> {
    version: &'a str,
    flavour: String,
    by_rpm: bool,
}

/// Compares the running kernel with the names in /boot.
pub(super) fn newest(running: &str, boot: &[String]) -> Kernels {
    let images = boot.iter().filter_map(|name| {
        let release =
            ["vmlinuz-", "vmlinux-", "Image-", "image-", "kernel-"].iter().find_map(|kind| name.strip_prefix(kind));
        let release = release?;
        let is_kernel = release.starts_with(|c: char| c.is_ascii_digit())
            && !release.contains("rescue")
            && !COPIES.iter().any(|ending| release.ends_with(ending));
        is_kernel.then_some(release)
    });
    let images: Vec<&str> = images.collect();
    if images.is_empty() {
        return Kernels::None;
    }
    let Some(own) = KernelRelease::parse(running) else {
        return Kernels::Unknown(format!(
            "the kernel {running:?} that runs names no flavour, so it is compared with none in /boot"
        ));
    };
    let same = images.iter().filter_map(|image| KernelRelease::parse(image).map(|release| (release, *image)));
    let same = same.filter(|(release, _)| release.flavour == own.flavour && release.by_rpm == own.by_rpm);
    match same.max_by(|(a, _), (b, _)| a.compare(b)) {
        Some((_, newest)) => Kernels::Newest(newest.to_owned()),
        None => Kernels::Unknown(format!(
            "the kernel {running:?} that runs is none of those in /boot, nor of their flavours"
        )),
    }
}

/// Whether the newest one is newer than the running one.
pub(super) fn is_newer(newest: &str, running: &str) -> bool {
    match (KernelRelease::parse(newest), KernelRelease::parse(running)) {
        (Some(newest), Some(running)) => newest.compare(&running).is_gt(),
        _ => false,
    }
}

impl<'a> KernelRelease<'a> {
    fn parse(release: &'a str) -> Option<Self> {
        let architecture = RPM_ARCHITECTURES.iter().filter_map(|name| release.rfind(name).map(|at| (at, name.len())));
        match architecture.max() {
            Some((at, length)) => Some(Self::rpm(&release[..at], &release[at + length..])),
            None => Self::parse_dashed(release),
        }
    }

    /// `5.14.0-503.el9` before the architecture, `+debug` after it. Flavours within: `.rt7.`, `el9uek`, `.elrepo`.
    fn rpm(version: &'a str, after: &str) -> Self {
        let (_, release) = version.split_once('-').unwrap_or((version, ""));
        // Words tell the flavour; numbers and marks of pre-releases change from one build to the next.
        let parts = release.split(['.', '_']).filter(|part| !part.contains("git") && !part.starts_with("rc"));
        let mut flavour: String = parts
            .flat_map(|part| part.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()))
            .collect::<Vec<_>>()
            .join(".");
        flavour.push_str(&after.replace('.', "+"));
        Self { version, flavour, by_rpm: true }
    }

    /// `6.1.0-28-amd64`: version, the number of the ABI where there is one, flavour.
    fn parse_dashed(release: &'a str) -> Option<Self> {
        let mut at = release.find('-')?;
        loop {
            let rest = &release[at + 1..];
            let part = rest.split('-').next().unwrap_or("");
            let is_number = part.starts_with(|c: char| c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_digit())
                && !NUMBERED_FLAVOURS.contains(&part);
            let is_candidate = part.strip_prefix("rc").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
            if !is_number && !is_candidate {
                let is_flavour =
                    part.starts_with(|c: char| c.is_ascii_alphabetic()) || NUMBERED_FLAVOURS.contains(&part);
                // What git or a tree that was changed adds.
                let built = rest.ends_with('+') || rest.contains("dirty") || is_commit(part);
                return (is_flavour && !built).then(|| Self {
                    version: &release[..at],
                    flavour: rest.to_owned(),
                    by_rpm: false,
                });
            }
            at += 1 + part.len();
            if at >= release.len() {
                return None;
            }
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        if self.by_rpm {
            version::rpm(self.version, other.version)
        } else {
            version::compare(self.version, other.version)
        }
    }
}

/// `g1a2b3c4d5e6f`, as `setlocalversion` of the kernel's tree writes it.
fn is_commit(part: &str) -> bool {
    part.strip_prefix('g').is_some_and(|hash| hash.len() >= 7 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(running: &str, installed: &[&str]) -> Kernels {
        let boot: Vec<String> = installed.iter().map(|release| format!("vmlinuz-{release}")).collect();
        newest(running, &boot)
    }

    #[test]
    fn kernels_of_one_flavour_are_compared_by_the_order_of_their_packages() {
        // What runs, what is installed, which of them is the newest.
        for (running, installed, wanted) in [
            ("4.18.0-553.el8_10.x86_64", &["4.18.0-553.el8_10.x86_64", "4.18.0-553.157.1.el8_10.x86_64"][..], 1),
            (
                "5.14.0-503.el9.x86_64",
                &["5.14.0-427.el9_4.x86_64", "5.14.0-503.el9.x86_64", "5.14.0-503.15.1.el9_5.x86_64+debug"],
                1,
            ),
            ("5.14.0-503.el9.x86_64+rt", &["5.14.0-503.el9.x86_64+rt", "5.14.0-503.15.1.el9_5.x86_64"], 0),
            (
                "4.18.0-553.rt7.342.el8.x86_64",
                &[
                    "4.18.0-553.rt7.342.el8.x86_64",
                    "4.18.0-553.5.1.rt7.346.el8_10.x86_64",
                    "4.18.0-553.157.1.el8_10.x86_64",
                ],
                1,
            ),
            (
                "5.15.0-300.163.18.el9uek.x86_64",
                &["5.15.0-300.163.18.el9uek.x86_64", "5.14.0-503.el9.x86_64", "5.15.0-9.el9uek.x86_64"],
                0,
            ),
            (
                "5.14.0-503.el9.x86_64",
                &["5.14.0-503.el9.x86_64", "6.12.0-1.el9uek.x86_64", "6.11.5-1.el9.elrepo.x86_64"],
                0,
            ),
            ("6.11.5-300.fc41.x86_64", &["6.11.5-300.fc41.x86_64", "6.17.1-300.fc43.x86_64"], 1),
            ("6.12.0-0.rc5.20241031gite42b1a9.45.fc42.x86_64", &["6.12.0-0.rc6.20241101gitaaaa111.46.fc42.x86_64"], 0),
            ("6.1.115-126.197.amzn2023.x86_64", &["6.1.115-126.197.amzn2023.x86_64", "6.1.9-1.amzn2023.x86_64"], 0),
            ("6.1.0-9-amd64", &["6.1.0-9-amd64", "6.1.0-28-amd64"], 1),
            ("6.1.0-28-cloud-amd64", &["6.1.0-28-cloud-amd64", "6.1.0-31-amd64"], 0),
            ("6.1.0-28-rt-amd64", &["6.1.0-28-rt-amd64", "6.1.0-31-amd64", "6.1.0-29-rt-amd64"], 2),
            ("6.1.0-28-686-pae", &["6.1.0-28-686-pae", "6.1.0-29-686", "6.1.0-30-686-pae"], 2),
            ("6.12.48+deb13-amd64", &["6.12.48+deb13-amd64", "6.12.57+deb13-amd64"], 1),
            ("6.1.0-0.deb11.7-amd64", &["6.1.0-0.deb11.25-amd64", "6.1.0-0.deb11.7-amd64"], 0),
            ("6.8.0-49-generic", &["6.8.0-49-generic", "6.8.0-51-lowlatency", "6.8.0-50-generic"], 2),
            ("6.8.0-49-generic", &["6.8.0-49-generic", "6.11.0-9-generic"], 1),
            ("6.8.12-4-pve", &["6.8.12-11-pve", "6.8.12-4-pve"], 0),
            ("6.6.51+rpt-rpi-2712", &["6.6.51+rpt-rpi-2712", "6.6.62+rpt-rpi-v8"], 0),
            ("6.4.0-150600.23.7-default", &["6.4.0-150600.23.7-default", "6.4.0-150600.23.25-default"], 1),
            // The kernel that runs was removed; a newer one is there.
            ("6.1.0-9-amd64", &["6.1.0-28-amd64"], 0),
        ] {
            assert_eq!(judged(running, installed), Kernels::Newest(installed[wanted].to_owned()), "{running}");
        }
        assert!(is_newer("4.18.0-553.157.1.el8_10.x86_64", "4.18.0-553.el8_10.x86_64"));
        assert!(!is_newer("4.18.0-553.el8_10.x86_64", "4.18.0-553.157.1.el8_10.x86_64"));
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        assert_eq!(judged("6.8.12-4-pve", &[]), Kernels::None);
        assert_eq!(
            newest("6.1.0-9-amd64", &["vmlinuz".to_owned(), "vmlinuz-linux".to_owned(), "grub".to_owned()]),
            Kernels::None
        );
        let rescue = judged(
            "5.14.0-503.el9.x86_64",
            &["0-rescue-c1301f4b43894de3b590f3810f83fe1f", "5.14.0-503.el9.x86_64.old"],
        );
        assert_eq!(rescue, Kernels::None);
        for running in
            ["6.9.3", "6.9.3+", "6.9.3-dirty", "6.9.0-rc1", "6.9.0-rc1-00012-g1a2b3c4d5e6f", "6.8.12-4-pve", ""]
        {
            let judged = judged(running, &["6.1.0-28-amd64", "6.9.3", "6.10.1"]);
            assert!(matches!(judged, Kernels::Unknown(_)), "{running}: {judged:?}");
        }
    }
}
