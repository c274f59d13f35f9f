//! Protection of the host (articles 5.1b, 5.1c): firewall, listening ports, mandatory access control, encryption, SSH.

use ioc_common::reading::{Findings, Protection};
use serde::{Deserialize, Serialize};

use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles, whole_if};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult};
use crate::{firewall, ports};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Protection::PROBE,
    deadline_s: 60,
    watch: &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", "/etc/nftables.conf", "/etc/ufw/ufw.conf"],
    privileged: true,
    needs: Some(
        "nft (CAP_NET_ADMIN), iptables-legacy-save where old tables are in use (CAP_NET_RAW), \
        sshd's host keys (CAP_DAC_READ_SEARCH), AppArmor's profiles and other users' sockets (CAP_SYS_PTRACE of the helper unit)",
    ),
    whole_memo: None,
    programs: &["ip6tables-legacy-save", "ip6tables-save", "iptables-legacy-save", "iptables-save", "nft", "sshd"],
    captured: CapturedFiles::whole(&[
        "/proc/net/tcp",
        "/proc/net/tcp6",
        "/proc/net/udp",
        "/proc/net/udp6",
        "/proc/net/if_inet6",
        "/proc/sys/net/ipv4/ip_local_port_range",
        "/proc/net/ip_tables_names",
        "/proc/net/ip6_tables_names",
        "/proc/net/route",
        "/proc/net/ipv6_route",
        "/proc/self/mountinfo",
        "/sys/block/*/dm/*",
        "/sys/module/apparmor/parameters/enabled",
        "/sys/fs/selinux/enforce",
        "/sys/kernel/security/lsm",
        "/sys/kernel/security/apparmor/profiles",
        "/usr/etc/ssh/sshd_config",
        "/usr/etc/ssh/sshd_config.d/*",
        "/etc/ufw/ufw.conf",
    ])
    .in_part(&[
        CaptureRule::by_path("/etc/ssh/*", is_configuration),
        CaptureRule::by_path("/etc/ssh/*/*", is_configuration),
        crate::process::CAPTURED_NAMES,
    ]),
    processes: &["firewalld"],
    card: Card {
        article: "5.1b, 5.1c",
        vi: "Tường lửa, cổng mở, SELinux/AppArmor, mã hoá, SSH",
        en: "Firewall, open ports, SELinux or AppArmor, encryption, SSH",
        reads: "`nft --json list ruleset`, `iptables-save` (`-legacy-save` where old tables are in use), the default route, \
                `/proc/net/{tcp,udp}*`, `/sys/kernel/security`, `/sys/dev/block`, EFI's `SecureBoot`, `sshd -T` or `/etc/ssh/sshd_config` and what it includes; event `port.opened`",
        cost: "8 ms",
    },
    read: survey,
};

/// Beside sshd's configuration, and what it may include, lie its keys.
fn is_configuration(path: &str) -> CaptureExtent {
    whole_if(path.ends_with(".conf") || path.ends_with("/sshd_config"))
}

/// Makes the survey. Each part is unknown by itself.
///
/// # Errors
/// *Unknown* when the findings cannot be put into JSON.
pub(crate) fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut protection = Protection::default();
    let remembered = ProtectionMemo::parse(context.memo);
    let context = &SurveyContext { memo: &remembered.ports, ..*context };
    firewall::read(context, &mut protection);
    let seen = ports::read(context, &mut protection);
    mandatory_access(context, &mut protection);
    protection.disk_encrypted = disk_encrypted(context).unwrap_or_else(|why| {
        protection.unknown.push(why);
        None
    });
    protection.secure_boot = secure_boot(context).unwrap_or_else(|why| {
        protection.unknown.push(why);
        None
    });
    let ssh = super::sshd::survey(context, &mut protection, remembered.ssh);
    let mut found = SurveyFindings::of(&protection, context.now)?;
    let (events, ports) = ports::new_events(&protection, &seen, context.memo);
    found.events = events;
    found.memo = match ssh {
        Some(_) => serde_json::to_string(&ProtectionMemo { ports, ssh }).unwrap_or_default(),
        None => ports,
    };
    Ok(found)
}

/// What is remembered from one survey to the next.
#[derive(Serialize, Deserialize)]
struct ProtectionMemo {
    ports: String,
    /// The settings that sshd reported, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ssh: Option<super::sshd::SshdAnswer>,
}

impl ProtectionMemo {
    fn parse(memo: &str) -> Self {
        serde_json::from_str(memo).unwrap_or_else(|_| Self { ports: memo.to_owned(), ssh: None })
    }
}

fn mandatory_access(context: &SurveyContext<'_>, protection: &mut Protection) {
    let lsm = context.text_if("/sys/kernel/security/lsm").unwrap_or_default();
    let has = |name: &str| lsm.split(',').any(|module| module == name);
    let unread = |protection: &mut Protection, why: String| protection.unknown.push(why);
    match context.text("/sys/fs/selinux/enforce") {
        Ok(enforce) if enforce == "1" || enforce == "0" => {
            let how = if enforce == "1" { "enforcing" } else { "permissive" };
            protection.mandatory_access = Some(enforce == "1");
            protection.mandatory_access_by = format!("SELinux {how}");
            return;
        }
        Ok(other) => return unread(protection, format!("/sys/fs/selinux/enforce: not understood: {other:?}")),
        // A container sees where it would be, and not what it says.
        Err(error) if !error.is_absent() || has("selinux") || context.exists("/sys/fs/selinux") => {
            return unread(protection, format!("SELinux is there, and {error}"));
        }
        Err(_) => {}
    }
    if context.text_if("/sys/module/apparmor/parameters/enabled").as_deref() == Some("Y") {
        let profiles = context.text_if("/sys/kernel/security/apparmor/profiles");
        let enforces = |line: &&str| line.ends_with("(enforce)") || line.ends_with("(kill)");
        let enforced = profiles.as_ref().map(|text| text.lines().filter(enforces).count());
        protection.mandatory_access = enforced.map(|count| count > 0);
        protection.mandatory_access_by = match enforced {
            Some(count) => format!("AppArmor, {count} profiles enforced"),
            None => "AppArmor".to_owned(),
        };
        if enforced.is_none() {
            unread(protection, "AppArmor's profiles cannot be read; mend: run the helper unit".to_owned());
        }
    } else if let Some(other) = ["smack", "tomoyo"].into_iter().find(|name| has(name)) {
        other.clone_into(&mut protection.mandatory_access_by);
        unread(protection, format!("{other} is there; whether it enforces is not asked for"));
    } else if context.exists("/sys/kernel/security") && !lsm.is_empty() || context.exists("/sys/module") {
        protection.mandatory_access = Some(false);
    }
}

/// Whether the root filesystem lies on dm-crypt, by the device-mapper names of sysfs.
fn disk_encrypted(context: &SurveyContext<'_>) -> Result<Option<bool>, String> {
    let mounts = context.text("/proc/self/mountinfo").map_err(|error| format!("encryption: {error}"))?;
    // What was mounted last hides what lay there before.
    let root = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/"));
    let root = root.ok_or("encryption: /proc/self/mountinfo has no /")?;
    let number = root.split(' ').nth(2).unwrap_or_default();
    if !number.starts_with("0:") && !number.is_empty() {
        return Ok(encrypted_below(context, &format!("/sys/dev/block/{number}"), 0));
    }
    // Numbers of what is no device (overlay, btrfs, ZFS) begin with 0; btrfs names the device.
    let source = root.split_once(" - ").and_then(|(_, rest)| rest.split(' ').nth(1)).unwrap_or_default();
    let Some(name) = source.strip_prefix("/dev/").filter(|name| *name != "root") else { return Ok(None) };
    let name = context.link_name(source).unwrap_or_else(|| name.replace('/', "!"));
    Ok(encrypted_below(context, &format!("/sys/class/block/{name}"), 0))
}

fn encrypted_below(context: &SurveyContext<'_>, device: &str, depth: u32) -> Option<bool> {
    if !context.exists(device) || depth > 8 {
        return None;
    }
    if context.text_if(&format!("{device}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return Some(true);
    }
    let below = context.names(&format!("{device}/slaves"));
    if below.is_empty() {
        return Some(false);
    }
    let below = below.iter().map(|name| encrypted_below(context, &format!("{device}/slaves/{name}"), depth + 1));
    let below: Vec<Option<bool>> = below.collect();
    // One that lies open is enough; of one that cannot be seen nothing is known.
    if below.contains(&Some(false)) {
        return Some(false);
    }
    below.iter().all(Option::is_some).then_some(true)
}

/// The last byte of an EFI variable, after four of attributes; without EFI there is none, and secure boot is off.
fn secure_boot(context: &SurveyContext<'_>) -> Result<Option<bool>, String> {
    const VARIABLES: &str = "/sys/firmware/efi/efivars";
    if !context.exists("/sys/firmware/efi") {
        return Ok(context.exists("/sys/firmware").then_some(false));
    }
    let path = format!("{VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    let variable = match context.bytes(&path, 64) {
        Ok(bytes) => bytes,
        // Firmware without secure boot has other variables; without any they are not mounted.
        Err(error) if error.is_absent() && !context.names(VARIABLES).is_empty() => return Ok(Some(false)),
        Err(error) => return Err(format!("secure boot: {error}")),
    };
    let [_, _, _, _, on] = variable.as_slice() else {
        return Err(format!("secure boot: {path} has {} bytes", variable.len()));
    };
    // Who told the shim not to check has no secure boot, whatever the firmware says.
    let shim = context.bytes(&format!("{VARIABLES}/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"), 64);
    let unchecked = shim.is_ok_and(|state| state.len() == 5 && state[4] == 1);
    Ok(Some(*on == 1 && !unchecked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[test]
    fn sshd_is_asked_again_when_its_files_changed_and_once_a_day() {
        let mut captured = CapturedMachine::new(&[("/etc/ssh/sshd_config", "PermitRootLogin no\n")]);
        let about = "user=root,host=203.0.113.9,addr=203.0.113.9,laddr=198.51.100.1,lport=22";
        let answer = |captured: &CapturedMachine, root: &str| {
            let text = format!(
                "port 22\npermitrootlogin {root}\npubkeyauthentication yes\npasswordauthentication no\nkbdinteractiveauthentication no\nauthenticationmethods any\n"
            );
            captured.says("sshd", &["-T", "-C", about], 0, &text);
        };
        let root = |captured: &mut CapturedMachine, now: &str| {
            let found = survey(&captured.machine(now)).expect("read");
            let root = found.read::<Protection>().ssh_root;
            captured.memo = found.memo;
            root
        };
        answer(&captured, "no");
        assert_eq!(root(&mut captured, "2026-11-24T00:00:00Z"), Some(false));
        answer(&captured, "yes");
        assert_eq!(root(&mut captured, "2026-11-24T23:00:00Z"), Some(false), "nothing changed");
        assert_eq!(root(&mut captured, "2026-11-25T01:00:00Z"), Some(true), "a day later");
        answer(&captured, "no");
        captured.write("/etc/ssh/sshd_config", b"PermitRootLogin no\nPasswordAuthentication no\n");
        assert_eq!(root(&mut captured, "2026-11-25T02:00:00Z"), Some(false), "its file changed");
    }

    #[test]
    fn an_sshd_that_gives_no_answer_is_asked_again_after_two_hours() {
        let mut captured = CapturedMachine::new(&[("/etc/ssh/sshd_config", "PermitRootLogin no\n")]);
        let about = "user=root,host=203.0.113.9,addr=203.0.113.9,laddr=198.51.100.1,lport=22";
        let ask = |captured: &mut CapturedMachine, now: &str| {
            let found = survey(&captured.machine(now)).expect("read");
            let protection = found.read::<Protection>();
            captured.memo = found.memo;
            (protection.ssh_root, protection.unknown.iter().any(|why| why.contains("'sshd -t'")))
        };
        captured.says("sshd", &["-T", "-C", about], 255, "");
        assert_eq!(ask(&mut captured, "2026-11-24T00:00:00Z"), (Some(false), true), "by its files");
        let text = "port 22\npermitrootlogin yes\npubkeyauthentication yes\npasswordauthentication no\nkbdinteractiveauthentication no\nauthenticationmethods any\n";
        captured.says("sshd", &["-T", "-C", about], 0, text);
        assert_eq!(ask(&mut captured, "2026-11-24T01:30:00Z"), (Some(false), true), "it is not asked");
        assert_eq!(ask(&mut captured, "2026-11-24T02:30:00Z"), (Some(true), false), "and is two hours later");
    }

    #[test]
    fn ports_are_remembered_beside_what_sshd_said() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let listens = |port: &str| format!("0: 00000000:{port} 00000000:0000 0A 0:0 00:0 0 0 0 111 1 0 100\n");
        let mut captured =
            CapturedMachine::new(&[("/proc/net/udp", head), ("/etc/ssh/sshd_config", "PermitRootLogin no\n")]);
        captured.write("/proc/net/tcp", (head.to_owned() + &listens("0016")).as_bytes());
        let first = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert!(first.number("protect.firewall", "").is_nan(), "nobody could be asked");
        assert!(first.events.is_empty());
        captured.memo = serde_json::json!({ "ports": first.memo, "ssh": null }).to_string();
        captured.write("/proc/net/tcp", (head.to_owned() + &listens("0016") + &listens("0050")).as_bytes());
        let second = survey(&captured.machine("2026-11-24T00:30:00Z")).expect("read");
        assert_eq!(second.events.iter().map(|event| event.fields["port"].as_str()).collect::<Vec<_>>(), ["tcp/80"]);
    }

    #[test]
    fn the_rest_from_its_files() {
        let captured = CapturedMachine::new(&[
            (
                "/etc/ssh/sshd_config",
                "Include /etc/ssh/sshd_config.d/*.conf\n#PermitRootLogin yes\nPermitRootLogin yes\nKbdInteractiveAuthentication no\nMatch User x\n PasswordAuthentication yes\n",
            ),
            ("/etc/ssh/sshd_config.d/50-cloud.conf", "PasswordAuthentication no\n"),
            ("/sys/module/apparmor/parameters/enabled", "Y\n"),
            ("/sys/kernel/security/apparmor/profiles", "a (enforce)\nb (complain)\n"),
            ("/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n"),
            ("/sys/dev/block/253:1/dm/uuid", "LVM-x\n"),
            ("/sys/dev/block/253:1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-x\n"),
        ]);
        captured.write("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &[6, 0, 0, 0, 1]);
        captured.says(
            "nft",
            &["--json", "--terse", "list", "ruleset"],
            0,
            r#"{"nftables":[{"metainfo":{"version":"1.0.6"}}]}"#,
        );
        let protection: Protection = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").read();
        assert_eq!((protection.ssh_root, protection.ssh_password), (Some(true), Some(false)));
        assert_eq!(
            (protection.mandatory_access, protection.disk_encrypted, protection.secure_boot),
            (Some(true), Some(true), Some(true))
        );
        assert_eq!(protection.firewall, Some(false), "asked, and nothing filters");
    }

    #[test]
    fn what_cannot_be_read_is_neither_on_nor_off() {
        let of = |files: &[(&str, &str)]| -> Protection {
            survey(&CapturedMachine::new(files).machine("2026-11-24T00:00:00Z")).expect("read").read()
        };
        let container = of(&[("/sys/fs/selinux/x", ""), ("/sys/module/x", "")]);
        assert!(container.mandatory_access.is_none() && container.unknown.iter().any(|why| why.contains("SELinux")));
        let unmounted = of(&[("/sys/firmware/efi/fw_vendor", "1"), ("/sys/module/x", "")]);
        assert_eq!((unmounted.secure_boot, unmounted.mandatory_access), (None, Some(false)));
        assert!(unmounted.unknown.iter().any(|why| why.contains("secure boot")));
        let without = of(&[("/sys/firmware/efi/efivars/BootOrder-x", "1")]);
        assert_eq!(without.secure_boot, Some(false));
        let mounts = "22 1 0:29 / / rw - btrfs /dev/sda2 rw\n";
        let luks = of(&[("/proc/self/mountinfo", mounts), ("/sys/class/block/sda2/dm/uuid", "CRYPT-LUKS2-x\n")]);
        assert_eq!(luks.disk_encrypted, Some(true));
        let half = of(&[
            ("/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/x rw\n"),
            ("/sys/dev/block/253:1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-x\n"),
            ("/sys/dev/block/253:1/slaves/sdb1/size", "1\n"),
        ]);
        assert_eq!(half.disk_encrypted, Some(false));
    }
}
