use super::*;
use crate::survey_context::testing::CapturedMachine;

const NOW: &str = "2026-11-24T00:00:00Z";

fn debian() -> CapturedMachine {
    CapturedMachine::new(&[
        (
            "/var/lib/dpkg/status",
            "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n\
             Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u2\nDescription: x\n .\n Version: 9\n\n\
             Package: vim\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 2:9.0-1\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
             Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0\n\n\
             Package: unattended-upgrades\nStatus: install ok installed\nArchitecture: all\nVersion: 2.9\n\n\
             Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-9\n",
        ),
        (
            "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease",
            "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: bookworm\nSHA256:\n",
        ),
        (
            "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages",
            "Package: openssl\nArchitecture: amd64\nVersion: 3.0.15-1~deb12u1\n\nPackage: vim\nArchitecture: amd64\nVersion: 2:9.1-1\n\n\
             Package: gone\nArchitecture: amd64\nVersion: 2\n\nPackage: libc6\nArchitecture: amd64\nVersion: 9\n",
        ),
        ("/var/lib/apt/lists/sec_dists_bookworm-security_Release", "Label: Debian-Security\nSuite: stable-security\n"),
        (
            "/var/lib/apt/lists/sec_dists_bookworm-security_main_binary-amd64_Packages",
            "Package: openssl\nArchitecture: amd64\nVersion: 3.0.14-1~deb12u2\n\n",
        ),
        (
            "/var/lib/apt/lists/bp_dists_bookworm-backports_Release",
            "Suite: stable-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        ),
        (
            "/var/lib/apt/lists/bp_dists_bookworm-backports_main_binary-all_Packages",
            "Package: tool\nArchitecture: all\nVersion: 1.5\n",
        ),
        ("/var/lib/apt/lists/exp_dists_experimental_Release", "Suite: experimental\nNotAutomatic: yes\n"),
        (
            "/var/lib/apt/lists/exp_dists_experimental_main_binary-amd64_Packages",
            "Package: openssl\nArchitecture: amd64\nVersion: 9.0\n",
        ),
        (
            "/etc/apt/apt.conf.d/20auto-upgrades",
            "APT::Periodic::Update-Package-Lists \"1\";\nAPT::Periodic::Unattended-Upgrade \"1\";\n",
        ),
        ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n"),
        ("/boot/vmlinuz-6.1.0-9-amd64", ""),
        ("/boot/vmlinuz-6.1.0-28-amd64", ""),
    ])
}

#[test]
fn apt_is_read_as_apt_decides() {
    let mut captured = debian();
    let found = survey(&captured.machine(NOW)).expect("read");
    let patches: Patches = found.read();
    let names: Vec<&str> = patches.updates.iter().map(|update| update.name.as_str()).collect();
    // tool comes from backports at 100, which may upgrade; experimental at 1 may not; gone is not installed; vim is held.
    assert_eq!(names, ["openssl", "tool"], "{patches:?}");
    assert_eq!(patches.updates[0].candidate, "3.0.15-1~deb12u1");
    assert_eq!(patches.updates[0].security, Some(true), "a security version lies between: {patches:?}");
    assert_eq!((patches.pending, patches.security), (Some(2), Some(1)));
    assert_eq!(patches.held, ["vim"]);
    assert_eq!((patches.automatic, patches.end_of_life.as_str()), (Some(true), "2028-06-30"));
    assert_eq!(patches.kernel_installed, "6.1.0-28-amd64");
    assert_eq!(found.number("patch.reboot_needed", ""), 1.0, "an older kernel runs");
    assert_eq!(found.number("patch.security_age", ""), 0.0);
    // Three days later it is still the same update, and known since then.
    captured.memo = found.memo;
    let later = survey(&captured.machine("2026-11-27T00:00:00Z")).expect("read");
    assert_eq!(later.number("patch.security_age", ""), 3.0);
}

#[test]
fn pins_are_kept() {
    let captured = debian();
    captured.write("/etc/apt/preferences.d/x", b"Explanation: y\nPackage: openssl\nPin: release a=stable\nPin-Priority: -1\n\nPackage: tool\nPin: version 1.5\nPin-Priority: 50\n");
    let patches: Patches = survey(&captured.machine(NOW)).expect("read").read();
    let names: Vec<&str> = patches.updates.iter().map(|update| update.candidate.as_str()).collect();
    assert_eq!(names, ["3.0.14-1~deb12u2"], "stable is forbidden, security is left; tool stays: {patches:?}");
    captured.write("/etc/apt/preferences.d/y", b"Package: /^lib{2}/\nPin: release a=x\nPin-Priority: 1\n");
    let outcome = survey(&captured.machine(NOW));
    assert!(
        matches!(&outcome, Err(crate::ProbeOutcome::Unknown { why }) if why.contains("/^lib{2}/") && why.contains("mend: ")),
        "{outcome:?}"
    );
}

#[test]
fn packed_lists_and_none() {
    use std::io::Write as _;
    let captured = debian();
    let plain = "Package: openssl\nArchitecture: amd64\nVersion: 3.0.16-1\n";
    let mut packed = lz4_flex::frame::FrameEncoder::new(Vec::new());
    packed.write_all(plain.as_bytes()).expect("packs");
    captured.write("/var/lib/apt/lists/z_dists_s_main_binary-amd64_Packages.lz4", &packed.finish().expect("packs"));
    let patches: Patches = survey(&captured.machine(NOW)).expect("read").read();
    assert_eq!(patches.updates[0].candidate, "3.0.16-1");
    captured.write("/var/lib/apt/lists/z_dists_s_main_binary-i386_Packages.lz4", b"rubbish");
    assert!(matches!(survey(&captured.machine(NOW)), Err(crate::ProbeOutcome::Unknown { .. })));
    let empty = CapturedMachine::new(&[]);
    assert!(matches!(survey(&empty.machine(NOW)), Err(crate::ProbeOutcome::Absent { .. })));
    let never = CapturedMachine::new(&[("/var/lib/dpkg/status", "")]);
    assert!(matches!(survey(&never.machine(NOW)), Err(crate::ProbeOutcome::Unknown { .. })));
}

#[test]
fn dnf_by_its_documented_output() {
    let captured = CapturedMachine::new(&[("/etc/os-release", "ID=\"rocky\"\nVERSION_ID=\"9.4\"\n")]);
    let pending = "\nopenssl-libs.x86_64      1:3.0.7-28.el9_4     baseos\nkernel-core.x86_64 5.14.0-503.el9 baseos\n\
        bash.x86_64   5.1.8-9.el9  baseos\nObsoleting Packages\nold.x86_64  1-1  x\n";
    captured.says("dnf", &["-q", "-C", "check-update"], 100, pending);
    captured.says(
        "dnf",
        &["-q", "-C", "updateinfo", "list", "--updates", "--security"],
        0,
        "RLSA-2024:1 Important/Sec. openssl-libs-1:3.0.7-28.el9_4.x86_64\nRLSA-2024:2 Moderate/Sec.  kernel-core-5.14.0-427.el9.x86_64\n",
    );
    let patches: Patches = survey(&captured.machine(NOW)).expect("read").read();
    assert_eq!((patches.pending, patches.security, patches.end_of_life.as_str()), (Some(3), Some(2), "2032-05-31"));
    let security: Vec<&str> = patches
        .updates
        .iter()
        .filter(|update| update.security == Some(true))
        .map(|update| update.name.as_str())
        .collect();
    assert_eq!(security, ["kernel-core.x86_64", "openssl-libs.x86_64"], "with an epoch, and mended before the newest");
}
