//! The pages of `docs/probes`, written from the probes themselves, so that they cannot drift apart (`ioc-agent docs DIR`).

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use ioc_common::metric::{CATALOGUE, Metric};

use crate::probe;
use crate::survey;

/// What a page says that the code does not.
struct Card {
    name: &'static str,
    /// Article of the regulation.
    article: &'static str,
    /// In one line, both languages.
    vi: &'static str,
    en: &'static str,
    /// What it reads.
    reads: &'static str,
    /// Beginnings of its metrics' names.
    metrics: &'static [&'static str],
    /// CPU of one run on the reference machine (docs/performance.md).
    cost: &'static str,
}

const CARDS: &[Card] = &[
    Card {
        name: "cpu",
        article: "5.1a",
        vi: "CPU theo nhân và chế độ",
        en: "CPU by core and mode",
        reads: "`/proc/stat`",
        metrics: &[
            "cpu.busy",
            "cpu.user",
            "cpu.nice",
            "cpu.system",
            "cpu.iowait",
            "cpu.irq",
            "cpu.softirq",
            "cpu.steal",
            "cpu.core.",
            "system.context",
            "system.forks",
            "system.interrupts",
            "system.procs",
        ],
        cost: "0.03 ms",
    },
    Card {
        name: "load",
        article: "5.1a",
        vi: "Tải và thời gian hoạt động",
        en: "Load and uptime",
        reads: "`/proc/loadavg`, `/proc/uptime`",
        metrics: &["load.", "system.uptime"],
        cost: "0.01 ms",
    },
    Card {
        name: "memory",
        article: "5.1a",
        vi: "Bộ nhớ, swap, trang lớn",
        en: "Memory, swap, huge pages",
        reads: "`/proc/meminfo`, `/proc/vmstat`, `/proc/spl/kstat/zfs/arcstats`",
        metrics: &[
            "memory.available",
            "memory.buffers",
            "memory.cached",
            "memory.dirty",
            "memory.free",
            "memory.huge",
            "memory.oom",
            "memory.slab",
            "memory.total",
            "memory.used",
            "swap.",
        ],
        cost: "0.03 ms",
    },
    Card {
        name: "pressure",
        article: "5.1a",
        vi: "Áp lực CPU, bộ nhớ, vào/ra (PSI)",
        en: "Pressure of CPU, memory, I/O (PSI)",
        reads: "`/proc/pressure/*`",
        metrics: &["pressure."],
        cost: "0.01 ms",
    },
    Card {
        name: "filesystem",
        article: "5.1a",
        vi: "Dung lượng các hệ thống tệp cục bộ",
        en: "Space of local filesystems",
        reads: "`/proc/self/mounts`, statvfs(3)",
        metrics: &["fs."],
        cost: "0.02 ms",
    },
    Card {
        name: "disk",
        article: "5.1a",
        vi: "Vào/ra đĩa: tốc độ, độ trễ, độ bận",
        en: "Disk I/O: rates, latency, utilisation",
        reads: "`/proc/diskstats`",
        metrics: &["disk."],
        cost: "0.02 ms",
    },
    Card {
        name: "network",
        article: "5.1a",
        vi: "Lưu lượng, lỗi, băng thông từng giao diện",
        en: "Traffic, errors, use of each interface",
        reads: "`/proc/net/dev`, `/sys/class/net`",
        metrics: &["net.rx", "net.tx", "net.up", "net.speed", "net.used"],
        cost: "0.02 ms",
    },
    Card {
        name: "usb",
        article: "5.1c",
        vi: "Thiết bị lưu trữ USB, sự kiện cắm và rút",
        en: "USB storage, with events when it comes and goes",
        reads: "`/sys/block`, with sizes: a drive without a medium is none, drives of the management controller are told apart; events `usb.attached`, `usb.detached`",
        metrics: &["usb."],
        cost: "0.01 ms",
    },
    Card {
        name: "frequency",
        article: "5.1a",
        vi: "Tần số CPU, giảm tốc vì nóng",
        en: "CPU frequency, throttling by heat",
        reads: "`/sys/devices/system/cpu`, every 6 samples",
        metrics: &["cpu.frequency", "cpu.throttled"],
        cost: "0.02 ms a core",
    },
    Card {
        name: "link",
        article: "5.1a",
        vi: "Đường truyền: mất tín hiệu, bán song công, bond",
        en: "Links: lost carriers, half duplex, bonds",
        reads: "`/sys/class/net`, `/proc/net/bonding`, every 6 samples",
        metrics: &["net.carrier", "net.full", "net.bond"],
        cost: "0.02 ms",
    },
    Card {
        name: "mount",
        article: "5.1a",
        vi: "Hệ thống tệp mạng có trả lời không",
        en: "Network filesystems: whether the server answers",
        reads: "`/proc/self/mounts`, statvfs(3) on a thread of its own, every 3 samples",
        metrics: &["mount.", "fs.used", "fs.size", "fs.available"],
        cost: "0.05 ms a mount",
    },
    Card {
        name: "sensors",
        article: "6.2",
        vi: "Nhiệt độ, quạt, điện áp với ngưỡng của chính cảm biến",
        en: "Temperatures, fans, voltages with the sensor's own limits",
        reads: "`/sys/class/hwmon`, else `/sys/class/thermal`, every 3 samples",
        metrics: &["sensor."],
        cost: "0.01 ms a sensor",
    },
    Card {
        name: "edac",
        article: "6.2",
        vi: "Lỗi bộ nhớ ECC",
        en: "Memory errors (ECC)",
        reads: "`/sys/devices/system/edac/mc`, every 6 samples",
        metrics: &["memory.corrected", "memory.uncorrected"],
        cost: "0.01 ms",
    },
    Card {
        name: "power",
        article: "18.2",
        vi: "Nguồn điện và pin của máy",
        en: "Power supplies and batteries of the machine",
        reads: "`/sys/class/power_supply`, every 3 samples",
        metrics: &["power.", "battery."],
        cost: "0.01 ms",
    },
    Card {
        name: "process",
        article: "5.1a",
        vi: "Số tiến trình, tiến trình chết và kẹt",
        en: "Processes, zombies, stuck ones",
        reads: "`/proc/*/stat`, every 60 samples",
        metrics: &["process."],
        cost: "0.02 ms a process",
    },
    Card {
        name: "patches",
        article: "9.2",
        vi: "Bản vá chưa cài, khởi động lại, hết hỗ trợ",
        en: "Pending patches, reboot needed, end of support",
        reads: "apt: `/var/lib/dpkg/status`, `/var/lib/apt/lists`, apt_preferences(5), without starting apt and without a lock. dnf 4 and 5: `dnf -C check-update` and `updateinfo`. \
            `/boot`, os-release(5), `config/support.toml` or `/etc/ioc-watch/support.toml`. zypper, apk and pacman are not read: what is pending there is unknown",
        metrics: &["patch.", "os."],
        cost: "250 ms for 60,000 packages on offer",
    },
    Card {
        name: "antivirus",
        article: "8.2",
        vi: "Phần mềm chống mã độc, mẫu nhận dạng, phát hiện",
        en: "Anti-malware, signatures, detections",
        reads: "ClamAV: clamd's socket, headers of `/var/lib/clamav`, `/var/log/clamav`. `mdatp`, `kesl-control`, ESET's `upd`, Sophos' `savdstatus`, Trend's \
            `dsa_query`, or commands in `[[antivirus.custom]]`; event `malware.found`",
        metrics: &["av."],
        cost: "2 ms",
    },
    Card {
        name: "software",
        article: "9.1",
        vi: "Danh mục phần mềm",
        en: "The software list",
        reads: "`/var/lib/dpkg`, copyright files, rpm's `rpmdb.sqlite`, `Packages` or `Packages.db`, `/var/lib/flatpak`, `/snap`, executables below `[software] paths`",
        metrics: &["software."],
        cost: "40 ms for 3,000 packages",
    },
    Card {
        name: "accounts",
        article: "13.1, 13.2",
        vi: "Tài khoản, quyền quản trị, ngày đổi mật khẩu",
        en: "Accounts, administrators, dates of passwords",
        reads: "`/etc/passwd`, `/etc/group`, `/etc/shadow` (dates and states, never a hash), `/etc/sudoers` and what it includes",
        metrics: &["account."],
        cost: "0.5 ms",
    },
    Card {
        name: "sessions",
        article: "5.1b, 17.2",
        vi: "Phiên đang mở, đăng nhập sai",
        en: "Open sessions, failed sign-ins",
        reads: "`/run/utmp`, else `/run/systemd/sessions`; `/var/log/btmp`, else the journal; event `login.burst`",
        metrics: &["session."],
        cost: "0.5 ms",
    },
    Card {
        name: "protection",
        article: "5.1b, 5.1c",
        vi: "Tường lửa, cổng mở, SELinux/AppArmor, mã hoá, SSH",
        en: "Firewall, open ports, SELinux or AppArmor, encryption, SSH",
        reads: "`nft --json list ruleset`, `iptables-save` (`-legacy-save` where old tables are in use), the default route, \
                `/proc/net/{tcp,udp}*`, `/sys/kernel/security`, `/sys/dev/block`, EFI's `SecureBoot`, `sshd -T` or `/etc/ssh/sshd_config` and what it includes; event `port.opened`",
        metrics: &["protect."],
        cost: "8 ms",
    },
    Card {
        name: "smart",
        article: "6.2",
        vi: "Sức khoẻ ổ đĩa (SMART)",
        en: "Health of disks (SMART)",
        reads: "`smartctl --json -n standby`; accepted counts in `[smart.accepted]`",
        metrics: &["smart."],
        cost: "10 ms a disk",
    },
    Card {
        name: "raid",
        article: "6.2",
        vi: "Mảng đĩa: md, btrfs, ZFS, LVM, bộ điều khiển",
        en: "Arrays: md, btrfs, ZFS, LVM, controllers",
        reads: "`/proc/mdstat`, `/sys/fs/btrfs`, `zpool status`, `lvs`, commands in `[[raid.custom]]`",
        metrics: &["raid."],
        cost: "0.2 ms without programs",
    },
    Card {
        name: "displays",
        article: "6.2",
        vi: "Màn hình của bộ điều khiển so với tường cấu hình",
        en: "Displays of a controller against the expected wall",
        reads: "`/sys/class/drm`, EDID; events `display.gone`, `display.connected`, `display.swapped`",
        metrics: &["display."],
        cost: "0.3 ms",
    },
    Card {
        name: "services",
        article: "5.1a",
        vi: "Dịch vụ systemd lỗi, dịch vụ phải chạy",
        en: "Failed units of systemd, services that should run",
        reads: "`systemctl list-units`, `systemctl show`; event `service.failed`",
        metrics: &["service."],
        cost: "8 ms",
    },
    Card {
        name: "time",
        article: "17.3",
        vi: "Đồng bộ giờ",
        en: "Time synchronisation",
        reads: "`chronyc tracking`, `ntpq`, `ntpctl`, `/run/systemd/timesync` or `timedatectl`",
        metrics: &["time."],
        cost: "4 ms",
    },
    Card {
        name: "ipmi",
        article: "6.2, 18.2",
        vi: "Bộ quản lý máy chủ (IPMI)",
        en: "Management controller (IPMI)",
        reads: "`ipmitool sdr elist all` (else `elist full` and `type 'Power Supply'`), `ipmitool sel`",
        metrics: &["ipmi."],
        cost: "100 ms, most of it waiting",
    },
    Card {
        name: "mce",
        article: "6.2",
        vi: "Lỗi phần cứng do bộ xử lý báo",
        en: "Machine checks of the processors",
        reads: "`/proc/interrupts`",
        metrics: &["cpu.machine_checks", "cpu.corrected_errors", "cpu.deferred_errors"],
        cost: "0.1 ms; 2 ms with 128 processors",
    },
    Card {
        name: "gpu",
        article: "6.2",
        vi: "Bộ xử lý đồ hoạ",
        en: "Graphics processors",
        reads: "`nvidia-smi`, amdgpu's sysfs",
        metrics: &["gpu."],
        cost: "20 ms with nvidia-smi",
    },
    Card {
        name: "reach",
        article: "5.1a",
        vi: "Điểm kết nối bên ngoài",
        en: "Reachability of endpoints",
        reads: "TCP, HTTPS with the certificate's end, DNS, ICMP to each `[[endpoint]]`",
        metrics: &["reach.", "cert."],
        cost: "1 ms an endpoint",
    },
    Card {
        name: "certificates",
        article: "8.1",
        vi: "Hạn chứng thư",
        en: "Certificates' ends",
        reads: "files of `[certificates] paths`, PEM or DER",
        metrics: &["cert."],
        cost: "0.1 ms a file",
    },
    Card {
        name: "backups",
        article: "7.1",
        vi: "Sao lưu gần nhất",
        en: "Freshness of backups",
        reads: "marker files, `systemctl show`, `restic snapshots`, `borg list`, `pg_basebackup` directories of each `[[backup]]`",
        metrics: &["backup."],
        cost: "0.1 ms a marker; a repository costs what its program does",
    },
];

/// Writes a page for each probe, and the table of them all, into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for card in CARDS {
        std::fs::write(dir.join(format!("{}.md", card.name)), page(card))?;
    }
    std::fs::write(dir.join("README.md"), index())
}

const NOTE: &str = "<!-- Written by `ioc-agent docs docs/probes`; do not edit. -->\n";

/// Metrics of devices around the host, which docs/sensors.md describes.
const AROUND: [&str; 10] = [
    "contact.",
    "cooling.",
    "electric.",
    "env.",
    "projector.",
    "sensor.answer_time",
    "sensor.errors",
    "sensor.out_of_range",
    "sensor.up",
    "ups.",
];

fn is_around(metric: &Metric) -> bool {
    AROUND.iter().any(|start| metric.name.starts_with(start))
}

fn metrics(card: &Card) -> impl Iterator<Item = &'static Metric> {
    let of = |metric: &&Metric| card.metrics.iter().any(|start| metric.name.starts_with(start));
    CATALOGUE.iter().filter(move |metric| of(metric) && !is_around(metric))
}

fn page(card: &Card) -> String {
    let mut page = format!("{NOTE}# {}\n\n{} · {}\n\n", card.name, card.vi, card.en);
    let survey = survey::find(card.name);
    let (every, needs, privilege) = match survey {
        Some(survey) => {
            let watched = if survey.watch.is_empty() {
                String::new()
            } else {
                format!(", and when one of these changes: `{}`", survey.watch.join("`, `"))
            };
            (
                format!("every {}{watched}", span(survey.every_s)),
                survey.needs,
                if survey.privileged { "the helper unit, where it is installed" } else { "none" },
            )
        }
        None => ("every sample".to_owned(), "nothing more", "none"),
    };
    let _ = writeln!(page, "| | |\n|---|---|");
    for (key, value) in [
        ("article", card.article),
        ("reads", card.reads),
        ("made", every.as_str()),
        ("needs", needs),
        ("privilege", privilege),
        ("cost", card.cost),
    ] {
        let _ = writeln!(page, "| {key} | {} |", value.replace('|', "\\|"));
    }
    page += "\n| metric | unit | range | subject | tiếng Việt | English | elsewhere |\n|---|---|---|---|---|---|---|\n";
    for metric in metrics(card) {
        let unit = if metric.unit == "1" { "" } else { metric.unit };
        let _ = writeln!(
            page,
            "| `{}` | {unit} | {} to {} | {} | {} | {} | {} |",
            metric.name, metric.min, metric.max, metric.subject, metric.vi, metric.en, metric.otel
        );
    }
    let _ = writeln!(
        page,
        "\nLook at it here: `ioc-agent probe {}`. Switch it off: `[probes] forbid = [\"{}\"]`.",
        card.name, card.name
    );
    page
}

fn span(seconds: u64) -> String {
    ioc_common::config::Span::secs(seconds).to_string()
}

fn index() -> String {
    let mut page = format!(
        "{NOTE}# Probes\n\nWhat an agent reads, what each probe needs, and what it costs. *Absent*, *unknown* and *bad* are three different things.\n\n\
            | probe | article | | made | privilege |\n|---|---|---|---|---|\n"
    );
    for card in CARDS {
        let survey = survey::find(card.name);
        let made = survey.map_or("every sample".to_owned(), |survey| span(survey.every_s));
        let privilege = if survey.is_some_and(|survey| survey.privileged) { "helper" } else { "" };
        let _ = writeln!(
            page,
            "| [{0}]({0}.md) | {1} | {2} · {3} | {made} | {privilege} |",
            card.name, card.article, card.vi, card.en
        );
    }
    let sampling = probe::NAMES.len();
    let _ = writeln!(
        page,
        "\n{sampling} of them are read at every sample; the others are surveys, made by a short-lived child of the agent, or by its helper unit where they need privilege ([operate](../operate.md))."
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_has_a_card_and_every_metric_a_probe() {
        let names: Vec<&str> =
            probe::NAMES.into_iter().chain(probe::SURVEYS.iter().map(|survey| survey.name)).collect();
        let cards: Vec<&str> = CARDS.iter().map(|card| card.name).collect();
        assert_eq!(cards, names);
        for metric in CATALOGUE
            .iter()
            // What the agent says of itself, what the collector works out, and what is around hosts.
            .filter(|metric| !(metric.name.starts_with("agent.") || metric.name.starts_with("reports.")))
            .filter(|metric| !(metric.name == "clock.error" || is_around(metric)))
        {
            assert!(
                CARDS.iter().any(|card| metrics(card).any(|one| one.name == metric.name)),
                "{} belongs to no probe",
                metric.name
            );
        }
        assert!(CARDS.iter().all(|card| metrics(card).next().is_some()));
    }
}
