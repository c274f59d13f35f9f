//! Probes against what they read for real: this machine's apt (`apt`) and dpkg, a real clamd, a real database
//! of rpm, a filesystem of btrfs on loop devices; and the way of what they find to the collector.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use ioc_tests::harness::{Rig, binary, eventually};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

mod apt;

/// Runs a program to its end and gives what it printed.
async fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).env("LC_ALL", "C").output().await;
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs what is needed"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One probe of the real agent, as JSON.
async fn probe(name: &str, root: &Path, config: &Path) -> Value {
    let output = Command::new(binary("ioc-agent"))
        .arg("--config")
        .arg(config)
        .args(["probe", name, "--json", "--root"])
        .arg(root)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name}: {error}: {output:?}"))
}

fn config(dir: &TempDir, text: &str) -> std::path::PathBuf {
    let path = dir.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn number(finding: &Value, metric: &str, subject: &str) -> f64 {
    let numbers = finding["numbers"].as_array().unwrap_or_else(|| panic!("no numbers in {finding}"));
    let found = numbers.iter().find(|one| one[0] == metric && one[1] == subject);
    found.unwrap_or_else(|| panic!("no {metric}|{subject} in {finding}"))[2].as_f64().unwrap_or(f64::NAN)
}

#[tokio::test]
async fn versions_are_ordered_as_dpkg_and_rpm_order_them() {
    use ioc_probe::version;
    use std::cmp::Ordering;
    let mut versions: Vec<String> = [
        "0",
        "1",
        "1.0",
        "1.00",
        "1.0~",
        "1.0~rc1",
        "1.0~~a",
        "1.0^",
        "1.0^git1",
        "1.0^git1~2",
        "1.0+b1",
        "1.0+dfsg",
        "1.0.1",
        "1.0a",
        "1.0a1",
        "1.0.a",
        "1..0",
        "1_0",
        "10",
        "2",
        "2.10",
        "2.9",
        "1.el8_10",
        "1.157.1.el8_10",
        "a",
        "A",
        "b",
        "z1",
        "~",
        "^",
        "0~",
        "1.0.",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    // A few more from a generator that gives the same ones each time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..60 {
        let mut text = String::from("1");
        for _ in 0..6 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push(b"019az.~^+_"[usize::try_from(state % 10).unwrap()] as char);
        }
        versions.push(text);
    }
    let pairs: Vec<(&String, &String)> =
        versions.iter().enumerate().flat_map(|(at, a)| versions[at..].iter().map(move |b| (a, b))).collect();
    let mut rpm: Vec<i32> = Vec::new();
    // An argument has its bounds.
    for some in pairs.chunks(500) {
        let asked: String = some.iter().map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}') .. ' ')\n")).collect();
        let answer = output("rpm", &["--eval", &format!("%{{lua: {asked}}}")]).await;
        rpm.extend(answer.split_whitespace().map(|number| number.parse::<i32>().unwrap()));
    }
    assert_eq!(rpm.len(), pairs.len());
    for ((a, b), wanted) in pairs.iter().zip(rpm) {
        assert_eq!(version::rpm(&format!("1-{a}"), &format!("1-{b}")), wanted.cmp(&0), "rpm {a} {b}");
    }
    // dpkg is asked for fewer: each is a process of its own.
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['^', '_']) && !text.ends_with('-')
    };
    for (a, b) in pairs.iter().filter(|(a, b)| plain(a) && plain(b)).step_by(3) {
        let less = Command::new("dpkg").args(["--compare-versions", a, "lt", b]).status().await.unwrap().success();
        let equal = Command::new("dpkg").args(["--compare-versions", a, "eq", b]).status().await.unwrap().success();
        let wanted = if equal {
            Ordering::Equal
        } else if less {
            Ordering::Less
        } else {
            Ordering::Greater
        };
        assert_eq!(version::compare(a, b), wanted, "dpkg {a} {b}");
    }
}

#[tokio::test]
async fn the_software_list_is_that_of_dpkg() {
    let dir = tempfile::tempdir().unwrap();
    let finding = probe("software", Path::new("/"), &config(&dir, "[software]\npaths = []\n")).await;
    let items = finding["software"].as_array().unwrap().iter().flat_map(|part| part["items"].as_array().unwrap());
    let ours: BTreeMap<String, String> = items
        .filter(|item| item[0] == "dpkg")
        .map(|item| (item[1].as_str().unwrap().to_owned(), item[2].as_str().unwrap().to_owned()))
        .collect();
    let native = output("dpkg", &["--print-architecture"]).await;
    let native = native.trim();
    let listed =
        output("dpkg-query", &["-W", "-f", "${db:Status-Status}\t${Package}\t${Architecture}\t${Version}\n"]).await;
    let dpkg: BTreeMap<String, String> = listed
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [state, name, arch, version] = fields.as_slice() else { return None };
            let own = *arch == native || *arch == "all";
            let name = if own { (*name).to_owned() } else { format!("{name}:{arch}") };
            (*state == "installed").then(|| (name, (*version).to_owned()))
        })
        .collect();
    assert_eq!(ours, dpkg);
    assert!(dpkg.len() > 50);
}

#[tokio::test]
async fn a_real_clamd_with_a_detection() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::create_dir(dir.path().join("db")).unwrap();
    std::fs::create_dir(dir.path().join("tmp")).unwrap();
    // A signature of our own, by the MD5 and size of a harmless text: no virus is needed to test a scanner.
    std::fs::write(dir.path().join("harmless.txt"), "IOC Watch test detection\n").unwrap();
    let sum = output("md5sum", &[&at("harmless.txt")]).await;
    let sum = sum.split(' ').next().unwrap();
    std::fs::write(dir.path().join("db/test.hdb"), format!("{sum}:25:IocWatch.Test\n")).unwrap();
    // The probe reads every log of this directory; the test's own is removed at its end.
    std::fs::create_dir_all("/var/log/clamav").unwrap();
    let log = format!("/var/log/clamav/ioc-watch-test-{}.log", std::process::id());
    let clamd = format!(
        "LocalSocket {}\nDatabaseDirectory {}\nTemporaryDirectory {}\nLogFile {log}\nLogTime yes\nForeground yes\nUser root\n",
        at("clamd.sock"),
        at("db"),
        at("tmp")
    );
    std::fs::write(dir.path().join("clamd.conf"), clamd).unwrap();
    let mut daemon = Command::new("/usr/sbin/clamd")
        .args(["-c", &at("clamd.conf")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("clamd is installed (Debian: clamav-daemon; scripts/test installs it)");
    let socket = dir.path().join("clamd.sock");
    eventually("clamd listens", || async { socket.exists() }).await.unwrap();
    let scan = Command::new("clamdscan")
        .args(["-c", &at("clamd.conf"), "--fdpass", "--no-summary", &at("harmless.txt")])
        .output()
        .await
        .unwrap();
    assert_eq!(scan.status.code(), Some(1), "{scan:?}");
    let settings = config(&dir, &format!("[antivirus]\nclamd_socket = {socket:?}\n"));
    let finding = probe("antivirus", Path::new("/"), &settings).await;
    daemon.kill().await.unwrap();
    let stopped = probe("antivirus", Path::new("/"), &settings).await;
    std::fs::remove_file(&log).unwrap();

    let product =
        finding["document"]["products"].as_array().unwrap().iter().find(|one| one["name"] == "clamav").unwrap();
    assert_eq!(product["running"], true, "{finding}");
    assert!(product["engine"].as_str().unwrap().contains('.'), "{product}");
    let detections = product["detections"].as_array().unwrap();
    let found = detections.iter().find(|one| one["malware"].as_str().unwrap().starts_with("IocWatch.Test")).unwrap();
    assert!(
        found["file"].as_str().unwrap().ends_with("harmless.txt") || found["file"].as_str().unwrap().starts_with("fd["),
        "{found}"
    );
    assert!(number(&finding, "av.detections", "clamav") >= 1.0);
    assert_eq!(number(&stopped, "av.running", "clamav"), 0.0, "a daemon that does not answer is not running");
}

/// In a network of its own: echo requests over both protocols, a DNS server that answers, one that is not there.
#[tokio::test]
async fn endpoints_that_answer_and_one_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = |name: &str, kind: &str, address: &str| {
        format!("[[endpoint]]\nname = {name:?}\nkind = {kind:?}\naddress = {address:?}\nask = \"example.vn\"\n")
    };
    let text = [
        endpoint("v4", "icmp", "127.0.0.1"),
        endpoint("v6", "icmp", "::1"),
        endpoint("dead", "icmp", "192.0.2.1"),
        endpoint("dns", "dns", "127.0.0.1:5353"),
        endpoint("no-dns", "dns", "::1"),
    ];
    let settings = config(&dir, &text.concat());
    let server = dir.path().join("dns.py");
    let answer = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 5353))\nprint('up', flush=True)\n\
                  d, a = s.recvfrom(512)\ns.sendto(d[:2] + b'\\x81\\x80' + d[4:], a)\n";
    std::fs::write(&server, answer).unwrap();
    let script = format!(
        "ip link set lo up && echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range && python3 {} > {} & \
         while ! grep -q up {} 2>/dev/null; do sleep 0.1; done; {} --config {} probe endpoints --json",
        server.display(),
        dir.path().join("up").display(),
        dir.path().join("up").display(),
        binary("ioc-agent").display(),
        settings.display()
    );
    let output = Command::new("unshare").args(["-n", "/bin/sh", "-c", &script]).output().await.unwrap();
    let finding: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let up = ["v4", "v6", "dead", "dns", "no-dns"].map(|name| number(&finding, "endpoint.up", name));
    assert_eq!(up, [1.0, 1.0, 0.0, 1.0, 0.0], "{finding}");
}

#[tokio::test]
async fn a_real_database_of_rpm() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let mut packages = Vec::new();
    for (name, version, licence) in [("ioc-alpha", "1.2", "MIT"), ("ioc-beta", "3.4", "GPL-2.0-or-later")] {
        let spec = format!(
            "Name: {name}\nVersion: {version}\nRelease: 5%{{?dist}}\nSummary: x\nLicense: {licence}\nVendor: Sở TTTT\nBuildArch: noarch\n\
             %description\nx\n%install\nmkdir -p %{{buildroot}}/usr/share\nhead -c 300000 /dev/urandom | base64 > %{{buildroot}}/usr/share/{name}\n%files\n/usr/share/{name}\n"
        );
        std::fs::write(dir.path().join(format!("{name}.spec")), spec).unwrap();
        let top = format!("_topdir {}", at("build"));
        output("rpmbuild", &["-bb", "--quiet", "--define", &top, &at(&format!("{name}.spec"))]).await;
        packages.push(at(&format!("build/RPMS/noarch/{name}-{version}-5.noarch.rpm")));
    }
    let root = at("root");
    std::fs::create_dir_all(&root).unwrap();
    // Debian's rpm keeps its database elsewhere than the systems that live by it.
    let place = "_dbpath /usr/lib/sysimage/rpm";
    let mut arguments = vec!["--root", &root, "--define", place, "--define", "_db_backend sqlite", "--nodeps", "-i"];
    arguments.extend(packages.iter().map(String::as_str));
    output("rpm", &arguments).await;
    let listed = output(
        "rpm",
        &[
            "--root",
            &root,
            "--define",
            place,
            "-qa",
            "--qf",
            "%{NAME}.%{ARCH}\t%{VERSION}-%{RELEASE}\t%{LICENSE}\t%{VENDOR}\n",
        ],
    )
    .await;
    let finding = probe("software", Path::new(&root), &config(&dir, "[software]\npaths = []\n")).await;
    let items = finding["software"][0]["items"].as_array().unwrap_or_else(|| panic!("{finding}"));
    let mut ours: Vec<String> = items
        .iter()
        .map(|item| [1, 2, 4, 3].map(|place: usize| item[place].as_str().unwrap().to_owned()).join("\t"))
        .collect();
    let mut theirs: Vec<String> = listed.lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert_eq!(theirs.len(), 2);
}

/// The database of RHEL 7 and 8: what Berkeley DB's own program makes of headers that rpm wrote, as rpm's own reader of it lists them.
#[tokio::test]
async fn a_real_database_of_rpm_in_berkeley_db() {
    use tokio::io::AsyncWriteExt as _;
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let mut dump = "VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n".to_owned();
    // Key 0 holds the highest number; each other a header. One is longer than a page.
    let mut pair = |number: u32, value: &[u8]| {
        for bytes in [number.to_le_bytes().as_slice(), value] {
            dump.push(' ');
            dump.push_str(&ioc_common::encoding::hex(bytes));
            dump.push('\n');
        }
    };
    pair(0, &3_u32.to_le_bytes());
    for (number, name) in [(1, "ioc-small"), (2, "ioc-large"), (3, "ioc-other")] {
        let many = if name == "ioc-large" { 3000 } else { 1 };
        let files: String =
            (0..many).fold(String::new(), |files, file| files + &format!("touch %{{buildroot}}/{name}-{file}\n"));
        let spec = format!(
            "Name: {name}\nVersion: 1.{number}\nRelease: 2.el8\nSummary: x\nLicense: MIT\nVendor: Rocky\nBuildArch: noarch\n\
             %description\nx\n%install\nmkdir -p %{{buildroot}}\n{files}%files\n/{name}-*\n"
        );
        std::fs::write(at(name), spec).unwrap();
        output("rpmbuild", &["-bb", "--quiet", "--define", &format!("_topdir {}", at("build")), &at(name)]).await;
        let package = std::fs::read(at(&format!("build/RPMS/noarch/{name}-1.{number}-2.el8.noarch.rpm"))).unwrap();
        pair(number, &main_header(&package));
    }
    dump += "DATA=END\n";
    let place = dir.path().join("root/var/lib/rpm");
    std::fs::create_dir_all(&place).unwrap();
    let mut load = Command::new("db5.3_load").arg(place.join("Packages")).stdin(Stdio::piped()).spawn().unwrap();
    load.stdin.take().unwrap().write_all(dump.as_bytes()).await.unwrap();
    assert!(load.wait().await.unwrap().success());
    let dbpath = format!("_dbpath {}", place.display());
    let listed = output(
        "rpm",
        &[
            "--define",
            "_db_backend bdb_ro",
            "--define",
            &dbpath,
            "-qa",
            "--qf",
            "%{NAME}.%{ARCH}\t%{VERSION}-%{RELEASE}\n",
        ],
    )
    .await;
    let finding = probe("software", &dir.path().join("root"), &config(&dir, "[software]\npaths = []\n")).await;
    let items = finding["software"][0]["items"].as_array().unwrap_or_else(|| panic!("{finding}"));
    let name = |item: &Value| format!("{}\t{}", item[1].as_str().unwrap(), item[2].as_str().unwrap());
    let mut ours: Vec<String> = items.iter().map(name).collect();
    let mut theirs: Vec<String> = listed.lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!((ours, theirs.len()), (theirs.clone(), 3));
}

/// The main header of a package file, as a database keeps it: behind lead and signature, without its magic.
fn main_header(package: &[u8]) -> Vec<u8> {
    let four = |at: usize| u32::from_be_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    let length = |at: usize| 8 + four(at + 8) * 16 + four(at + 12);
    let signature = 96;
    let header = (signature + 8 + length(signature)).next_multiple_of(8);
    package[header + 8..header + 8 + length(header)].to_vec()
}

/// Where the kernel has btrfs: a filesystem of two loop devices, whole and then with one missing.
#[tokio::test]
async fn a_real_btrfs_that_loses_a_device() {
    let kernel = std::fs::read_to_string("/proc/filesystems").unwrap();
    if !kernel.contains("btrfs")
        && !Command::new("modprobe").arg("btrfs").status().await.is_ok_and(|status| status.success())
    {
        // The parser is tested on the kernel's documented files; this kernel cannot show them.
        eprintln!("this kernel has no btrfs");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let mut loops = Vec::new();
    for name in ["a", "b"] {
        std::fs::File::create(at(name)).unwrap().set_len(256 << 20).unwrap();
        loops.push(output("losetup", &["--find", "--show", &at(name)]).await.trim().to_owned());
    }
    std::fs::create_dir(at("mnt")).unwrap();
    output("mkfs.btrfs", &["-q", "-L", "ioc-test", "-d", "raid1", "-m", "raid1", &loops[0], &loops[1]]).await;
    output("mount", &[&loops[0], &at("mnt")]).await;
    let settings = config(&dir, "");
    let whole = probe("raid", Path::new("/"), &settings).await;
    output("umount", &[&at("mnt")]).await;
    output("losetup", &["-d", &loops[1]]).await;
    output("btrfs", &["device", "scan", "--forget"]).await;
    output("mount", &["-o", "degraded", &loops[0], &at("mnt")]).await;
    let degraded = probe("raid", Path::new("/"), &settings).await;
    output("umount", &[&at("mnt")]).await;
    output("losetup", &["-d", &loops[0]]).await;
    assert_eq!((number(&whole, "raid.healthy", "ioc-test"), number(&whole, "raid.missing", "ioc-test")), (1.0, 0.0));
    assert_eq!(
        (number(&degraded, "raid.healthy", "ioc-test"), number(&degraded, "raid.missing", "ioc-test")),
        (0.0, 1.0)
    );
}

/// A filesystem whose mount is read-only where the agent runs, as its unit makes all of them, and then one that takes no writes.
#[tokio::test]
async fn a_sandbox_is_not_taken_for_a_read_only_filesystem() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::File::create(at("image")).unwrap().set_len(64 << 20).unwrap();
    std::fs::create_dir(at("mnt")).unwrap();
    output("mkfs.ext4", &["-q", "-F", &at("image")]).await;
    output("mount", &["-o", "loop", &at("image"), &at("mnt")]).await;
    let settings = config(&dir, "");
    let agent = binary("ioc-agent").display().to_string();
    let script = "mount -o remount,bind,ro \"$1\" && ! touch \"$1/x\" 2>/dev/null && exec \"$2\" --config \"$3\" probe filesystem --json";
    let inside = ["--mount", "sh", "-c", script, "sh", &at("mnt"), &agent, settings.to_str().unwrap()];
    let sandboxed: Value = serde_json::from_str(&output("unshare", &inside).await).unwrap();
    output("mount", &["-o", "remount,ro", &at("mnt")]).await;
    let read_only = probe("filesystem", Path::new("/"), &settings).await;
    output("umount", &[&at("mnt")]).await;
    assert_eq!(number(&sandboxed, "fs.read_only", &at("mnt")), 0.0, "the host can write");
    assert_eq!(number(&read_only, "fs.read_only", &at("mnt")), 1.0);
}

#[tokio::test]
async fn a_capture_answers_as_the_machine_and_holds_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let settings = config(&dir, "");
    let out = dir.path().join("host.tar.zst");
    let made = Command::new(binary("ioc-agent")).args(["capture", out.to_str().unwrap()]).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    output("tar", &["--zstd", "-xf", out.to_str().unwrap(), "-C", root.to_str().unwrap()]).await;
    for name in ["patches", "accounts"] {
        let (live, captured) = (probe(name, Path::new("/"), &settings).await, probe(name, &root, &settings).await);
        let strip = |mut finding: Value| {
            for update in finding["document"]["updates"].as_array_mut().into_iter().flatten() {
                update["known_since"] = Value::Null;
            }
            // Who is signed in at this moment is known of a machine that runs, not of its files.
            for account in finding["document"]["accounts"].as_array_mut().into_iter().flatten() {
                account["signed_in"] = Value::Null;
            }
            finding["document"]["refreshed_at"] = Value::Null;
            finding["document"].take()
        };
        assert_eq!(strip(live), strip(captured), "{name}");
    }
    let shadow = std::fs::read_to_string(root.join("etc/shadow")).unwrap();
    assert!(!shadow.contains("$y$") && !shadow.contains("$6$"), "no hash is in it");
    assert!(!root.join("etc/machine-id").exists());
    let again = Command::new(binary("ioc-agent")).args(["capture", out.to_str().unwrap()]).output().await.unwrap();
    assert!(!again.status.success(), "an existing file is not written over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_surveys_find_reaches_the_collector() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let tool = rig.dir().join("tool");
    std::fs::create_dir_all(rig.dir().join("opt")).unwrap();
    let extra = format!(
        "[report]\ninterval = \"1s\"\n[software]\npaths = [{:?}]\n[[endpoint]]\nname = \"page\"\nkind = \"https\"\naddress = \"localhost:{}\"\n\
         ask = \"/healthz\"\n[[endpoint]]\nname = \"closed\"\nkind = \"tcp\"\naddress = \"127.0.0.1:1\"\n[probes]\nforbid = [\"smart\"]\nevery = {{ endpoints = \"10s\" }}\n\
         [[backup]]\nname = \"files\"\nkind = \"marker\"\ntarget = {tool:?}\n",
        rig.dir().join("opt"),
        rig.web
    );
    let mut agent = rig.agent("host", &extra).await.unwrap();
    agent.start().unwrap();
    let documents = async || -> BTreeMap<String, Value> {
        let found = rig.get("/api/v1/devices/host/documents").await.unwrap();
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["doc"].clone()))
            .collect()
    };
    eventually("documents come", || async {
        let found = documents().await;
        ["patches", "accounts", "antivirus", "protection", "endpoints", "backups"]
            .iter()
            .all(|name| found.contains_key(*name))
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {}", agent.log()));
    let found = documents().await;
    let endpoints = found["endpoints"]["endpoints"].as_array().unwrap();
    assert_eq!(
        (endpoints[0]["up"].clone(), endpoints[0]["status"].clone()),
        (true.into(), 200.into()),
        "{endpoints:?}"
    );
    assert!(endpoints[0]["certificate_until"].is_string() && endpoints[1]["up"] == false, "{endpoints:?}");
    // Numbers of surveys stand in the samples, where rules judge them.
    eventually("numbers come", || async {
        let device = rig.get("/api/v1/devices/host").await.unwrap();
        device["values"]["endpoint.up|closed"] == 0.0 && device["values"]["patch.pending"].is_number()
    })
    .await
    .unwrap();
    // The software list: whole once, then what changed.
    let names = async || -> Vec<String> {
        let page = rig.get("/api/v1/devices/host/software?limit=500").await.unwrap();
        page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    eventually("software comes", || async { names().await.len() > 50 }).await.unwrap();
    let status = agent.status().await.unwrap();
    assert!(status.probes.iter().all(|report| report.probe != "smart"), "it is forbidden");
    assert!(status.probes.iter().any(|report| report.probe == "patches"));
    agent.stop().await.unwrap();
    let program = rig.dir().join("opt/new-tool");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    output("chmod", &["755", program.to_str().unwrap()]).await;
    agent.start().unwrap();
    let key = program.display().to_string();
    eventually("the difference comes", || async {
        let after = format!("/api/v1/devices/host/software?limit=500&cursor=file:{}", rig.dir().display());
        let page = rig.get(&after).await.unwrap();
        page["items"].as_array().unwrap().iter().any(|item| item["name"] == key.as_str())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {}\n{}", agent.log(), rig.log()));
    // A collector that lost the list asks for it.
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}
