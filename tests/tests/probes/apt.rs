//! What the agent finds pending, against apt itself: on this machine, and below roots of ours with pins and stages.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{config, output, probe};

#[tokio::test]
async fn pending_patches_are_those_that_apt_lists() {
    let dir = tempfile::tempdir().unwrap();
    let finding = probe("patches", Path::new("/"), &config(&dir, "")).await;
    let listed = output("apt", &["list", "--upgradable"]).await;
    let apt: BTreeMap<&str, &str> =
        listed.lines().filter_map(|line| Some((line.split_once('/')?.0, line.split_whitespace().nth(1)?))).collect();
    let updates = finding["document"]["updates"].as_array().unwrap_or_else(|| panic!("{finding}"));
    let ours: BTreeMap<&str, &str> =
        updates.iter().map(|one| (one["name"].as_str().unwrap(), one["candidate"].as_str().unwrap())).collect();
    assert_eq!(ours, apt);
    // The source of each says whether it is a security update; apt prints it.
    for line in listed.lines().filter(|line| line.contains("-security ") || line.contains("-security,")) {
        let name = line.split('/').next().unwrap();
        let ours = updates.iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(ours["security"], true, "{line}");
    }
}

/// Archives of one place: suite, component, what their Release file says (with the first component alone), and their version of each package.
const ARCHIVES: [(&str, &str, &str, &str); 6] = [
    ("bookworm", "main", "Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 12.8\nCodename: bookworm\n", "2.1-1"),
    ("bookworm", "contrib", "", "2.2-1"),
    (
        "bookworm-security",
        "main",
        "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 12\nCodename: bookworm-security\n",
        "2.1-1+deb12u1",
    ),
    (
        "bookworm-backports",
        "main",
        "Origin: Debian Backports\nLabel: Debian Backports\nSuite: stable-backports\nCodename: bookworm-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        "3.0-1~bpo12+1",
    ),
    (
        "experimental",
        "main",
        "Origin: Debian\nLabel: Debian\nSuite: experimental\nCodename: rc-buggy\nNotAutomatic: yes\n",
        "4.0-1",
    ),
    (
        "oldstable",
        "main",
        "Origin: Debian\nLabel: Debian\nSuite: oldstable\nVersion: 11.11\nCodename: bullseye\n",
        "1.0-1",
    ),
];

const SOURCES: &str = "deb [trusted=yes arch=amd64] http://mirror.example/debian bookworm main contrib\n\
         deb [trusted=yes arch=amd64] http://mirror.example/debian bookworm-security main\n\
         deb [trusted=yes arch=amd64] http://mirror.example/debian bookworm-backports main\n\
         deb [trusted=yes arch=amd64] http://mirror.example/debian experimental main\n\
         deb [trusted=yes arch=amd64] http://mirror.example/debian oldstable main\n\
         deb [trusted=yes arch=amd64] http://pkgs.example/deb /\n\
         deb [trusted=yes arch=amd64] file:/srv/own ./\n";

/// A root with lists of a few archives, as apt keeps them, and a few packages that lie in several of them.
fn apt_root() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let stanza = |name: &str, version: &str, more: &str| {
        format!(
            "Package: {name}\nArchitecture: amd64\nVersion: {version}\nMaintainer: x <x@example.org>\nDescription: x\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {:064}\n{more}\n",
            1
        )
    };
    let installed =
        |name: &str, version: &str, more: &str| stanza(name, version, &format!("Status: install ok installed\n{more}"));
    let mut status = installed("dpkg", "1.21", "");
    for (name, more) in [
        ("libssl3", "Source: openssl\n"),
        ("openssl", ""),
        ("curl", ""),
        ("tool", ""),
        ("linux-image", "Source: linux-signed (1)\n"),
        ("kubelet", ""),
    ] {
        status.push_str(&installed(name, "2.0-1", more));
    }
    write("var/lib/dpkg/status", &status);
    let lists = "var/lib/apt/lists";
    let base = "mirror.example_debian_dists";
    for (suite, component, release, version) in ARCHIVES {
        if !release.is_empty() {
            write(
                &format!("{lists}/{base}_{suite}_Release"),
                &format!("{release}Architectures: amd64\nComponents: main contrib\n"),
            );
        }
        let names: &[&str] =
            if component == "contrib" { &["tool"] } else { &["libssl3", "openssl", "curl", "tool", "linux-image"] };
        let packages: String = names
            .iter()
            .map(|name| {
                stanza(
                    name,
                    version,
                    match *name {
                        "libssl3" => "Source: openssl\n",
                        "linux-image" => "Source: linux-signed (1)\n",
                        _ => "",
                    },
                )
            })
            .collect();
        write(&format!("{lists}/{base}_{suite}_{component}_binary-amd64_Packages"), &packages);
    }
    write(
        &format!("{lists}/pkgs.example_deb_Packages"),
        &(stanza("kubelet", "2.5-1", "") + &stanza("curl", "9.0-1", "")),
    );
    write(&format!("{lists}/pkgs.example_deb_Release"), "Origin: obs://x\nLabel: Kubernetes stable\n");
    write(&format!("{lists}/_srv_own_._Packages"), &stanza("kubelet", "2.6-1", ""));
    write(&format!("{lists}/_srv_own_._Release"), "Label: own\n");
    write("etc/apt/sources.list", SOURCES);
    for path in
        ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial"]
    {
        std::fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    dir
}

/// A program of apt that reads a root of ours and no configuration of this machine.
async fn apt_of(root: &Path, program: &str, arguments: &[&str]) -> String {
    let conf = root.join("apt.conf");
    let text = format!(
        "Dir {:?};\nDir::State::status {:?};\nAPT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nDir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n",
        root,
        root.join("var/lib/dpkg/status")
    );
    std::fs::write(&conf, text).unwrap();
    let output =
        Command::new(program).args(arguments).env("APT_CONFIG", &conf).env("LC_ALL", "C").output().await.unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the agent's probe finds pending below a root.
async fn pending_below(root: &Path, config: &Path) -> BTreeMap<String, String> {
    let finding = probe("patches", root, config).await;
    let updates = finding["document"]["updates"].as_array().unwrap_or_else(|| panic!("{finding}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    updates.iter().map(|one| (text(&one["name"]), text(&one["candidate"]))).collect()
}

#[tokio::test]
async fn pins_are_what_apt_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, "");
    let root = apt_root();
    let one = |whose: &str, what: &str, priority: &str| {
        format!("Package: {whose}\nPin: {what}\nPin-Priority: {priority}\n\n")
    };
    let preferences = [
        String::new(),
        one("*", "release c=contrib", "-1"),
        one("*", "release a=stable-security", "990") + &one("*", "release o=Debian", "50"),
        one("*", "release n=bookworm*, c=main", "995"),
        one("*", "release o=debian", "-1"),
        one("*", "release v=12*", "90"),
        one("*", "release 11*", "1001"),
        one("*", "release l=*Kubernetes*", "-1"),
        one("*", "origin mirror.example", "10"),
        one("*", "origin \"\"", "-1"),
        one("*", "origin \"pkgs.*\"", "1"),
        one("src:openssl", "release a=*", "-1"),
        one("src:linux-signed", "release n=experimental", "700") + &one("src:/^open/", "release a=experimental", "600"),
        one("lib*", "version 2.1-1+*", "1001") + &one("curl", "version 2.0*", "1001"),
        one("/^(curl|tool)$/", "release a=experimental", "600"),
        one("openssl tool", "version /^3\\./", "600"),
        one("curl:amd64", "origin mirror.example", "999") + &one("curl:i386", "release *", "-1"),
        one("curl:any", "release a=oldstable", "1000"),
        one("libssl[0-9]", "release a=experimental", "500") + &one("libssl3", "release *", "-1"),
        one("*", "release a=now", "600"),
        one("tool", "release a=now", "1000"),
        one("*", "release *", "-1") + &one("tool", "release a=stable", "500"),
        one("*", "release stable-backports", "never") + &one("tool", "release *", "700"),
        one("*", "release experimental", "501"),
        one("*", "release rc-buggy", "501"),
        one("*", "release x=1", "-1"),
        one("*", "version 4*", "900"),
        one("tool", "release c=contrib", "-1") + &one("tool", "release c=*", "5"),
        one("*", "release b=amd64", "400"),
        one("tool", "release b=amd64", "5") + &one("*", "release c=now", "600"),
        one("tool", "release o=*", "5") + &one("curl", "release l=*", "5") + &one("openssl", "release n=*", "5"),
        one("kubelet", "release c=*", "5") + &one("tool", "release v=*", "5"),
        "# only a remark\n\n".to_owned()
            + "Explanation: x\n  goes on\nPackage: openssl\n curl\nPin: release a=experimental\nPin-Priority: 900\n",
    ];
    let names = ["libssl3", "openssl", "curl", "tool", "linux-image", "kubelet", "dpkg"];
    let mut wrong = Vec::new();
    for release in ["", "bookworm-security", "a=experimental", "stable-backports"] {
        std::fs::write(
            root.path().join("etc/apt/apt.conf"),
            if release.is_empty() { String::new() } else { format!("APT {{ Default-Release {release:?}; }};\n") },
        )
        .unwrap();
        for preference in &preferences {
            std::fs::write(root.path().join("etc/apt/preferences"), preference).unwrap();
            let policy = apt_of(root.path(), "apt-cache", &[&["policy"][..], &names].concat()).await;
            let field = |text: &str, name: &str| {
                text.lines().find_map(|line| line.trim().strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            let apt: BTreeMap<String, String> = names
                .iter()
                .filter_map(|name| {
                    let own = policy.split_once(&format!("{name}:\n"))?.1;
                    let candidate = field(own, "Candidate:")?;
                    (candidate != "(none)" && Some(&candidate) != field(own, "Installed:").as_ref())
                        .then(|| ((*name).to_owned(), candidate))
                })
                .collect();
            let ours = pending_below(root.path(), &config).await;
            if ours != apt {
                wrong.push(format!("release {release:?}, preferences:\n{preference}ours {ours:?}\napt  {apt:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn stages_of_updates_are_those_that_apt_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir, "");
    let root = apt_root();
    let path = root.path().join("var/lib/apt/lists/mirror.example_debian_dists_bookworm_main_binary-amd64_Packages");
    let plain = std::fs::read_to_string(&path).unwrap();
    // Only the archive with stages offers anything.
    std::fs::write(root.path().join("etc/apt/preferences"), "Package: *\nPin: release n=bookworm,c=main\nPin-Priority: 500\n\nPackage: *\nPin: release *\nPin-Priority: -1\n").unwrap();
    let mut waited = 0;
    for (percentage, machine) in (0..6).map(|at| (10 + at * 15, format!("{:032x}", 0x1234_5678_9abc_u64 * (at + 1)))) {
        std::fs::write(
            &path,
            plain.replace("Version: ", &format!("Phased-Update-Percentage: {percentage}\nVersion: ")),
        )
        .unwrap();
        std::fs::write(root.path().join("etc/apt/apt.conf"), format!("APT::Machine-ID \"{machine}\";\n")).unwrap();
        let simulated = apt_of(root.path(), "apt-get", &["-s", "upgrade"]).await;
        let apt: Vec<&str> =
            simulated.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).collect();
        let apt: std::collections::BTreeSet<&str> = apt.into_iter().collect();
        let ours = pending_below(root.path(), &config).await;
        assert_eq!(
            ours.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            apt,
            "{percentage} {machine}\n{simulated}"
        );
        waited += 5 - apt.len();
    }
    assert!(waited > 0, "nothing waited, so nothing was compared");
}
