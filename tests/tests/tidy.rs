//! The house rules as a test: who may import what, how long a file may be, what must not stand in the tree.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The import table of docs/architecture.md: a file below the first path must not name any of the words.
const WALLS: &[(&str, &[&str])] = &[
    ("common/journal/src", &["tokio", "ioc_common"]),
    ("common/src", &["tokio", "rusqlite", "axum", "ioc_judge", "ioc_agent", "ioc_collector", "std::net"]),
    (
        "collector/judge/src",
        &["tokio", "rusqlite", "axum", "std::fs", "std::net", "clock::now", "ioc_agent", "ioc_collector"],
    ),
    ("agent/src", &["ioc_judge", "ioc_collector", "rusqlite", "axum"]),
    ("agent/src/uplink/session.rs", &["tokio", "rumqttc", "clock::"]),
    ("agent/src/schedule.rs", &["tokio", "clock::"]),
    ("agent/src/sensor/decode.rs", &["tokio", "std::net", "clock::now"]),
    ("agent/src/sensor/request_batching.rs", &["tokio", "std::net", "clock::now"]),
    ("agent/src/sensor/profile.rs", &["tokio", "std::net", "clock::now"]),
    ("agent/src/sensor/publisher.rs", &["tokio", "std::net", "clock::now"]),
    ("agent/src/sensor/day.rs", &["tokio", "std::net", "clock::now"]),
    ("agent/src/sensor/ups.rs", &["tokio", "std::net", "clock::now"]),
    ("collector/src/store", &["tokio", "axum", "crate::engine", "crate::web", "crate::notify", "crate::ingest"]),
    ("collector/src/engine", &["axum", "crate::web", "crate::notify", "crate::ingest", "rusqlite"]),
    ("collector/src/ingest", &["axum", "crate::web", "crate::notify", "rusqlite", "ioc_judge"]),
    ("collector/src/notify", &["axum", "crate::web", "crate::ingest", "crate::ticket", "rusqlite"]),
    ("collector/src/ticket", &["axum", "crate::web", "crate::ingest", "rusqlite"]),
    ("collector/src/web", &["crate::ingest", "rusqlite", "rmqtt_codec"]),
];

/// What may stand at the top.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "agent",
    "collector",
    "common",
    "config",
    "systemd",
    "tests",
    "docs",
    "scripts",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];

const LINES_MAX: usize = 640;
const COLUMNS_MAX: usize = 200;

fn tracked() -> Vec<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "asks git for the list of files")]
    let output =
        std::process::Command::new("git").args(["-C", ROOT, "ls-files", "-co", "--exclude-standard"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .filter(|path| Path::new(ROOT).join(path).exists())
        .collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let rust = tracked().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    rust.map(|path| (path.clone(), std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap())).collect()
}

/// The code of a file, without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or("");
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn walls_stand() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let inside = |room: &str| path.starts_with(room) || path == Path::new(&format!("{room}.rs"));
        if path.components().any(|part| {
            part.as_os_str() == "tests.rs" || part.as_os_str() == "contract.rs" || part.as_os_str() == "scenarios.rs"
        }) {
            continue;
        }
        let code = code(&text);
        for (room, words) in WALLS {
            if inside(room) {
                // The embedded store is where SQLite lives.
                let exempt = |word: &str| word == "rusqlite" && path.starts_with("collector/src/store/sqlite");
                let found = words.iter().filter(|word| code.contains(**word) && !exempt(word));
                broken.extend(
                    found.map(|word| format!("{}: must not name {word} (docs/architecture.md)", path.display())),
                );
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") && !path.ends_with("tests.rs") {
            faults.push(format!("{}: does not begin with what it is for (//!)", path.display()));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !path.starts_with("tests/tests") {
            faults.push(format!("{}: {lines} lines; allowed are {LINES_MAX}", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > COLUMNS_MAX && !path.starts_with("common/src/metric.rs") {
                faults.push(format!("{}:{}: {} columns", path.display(), number + 1, line.chars().count()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_top_is_as_ordered_and_nothing_generated_is_kept() {
    let mut faults = Vec::new();
    for path in tracked() {
        let first = path.iter().next().unwrap().to_string_lossy().into_owned();
        if !first.starts_with('.') && !TOP.contains(&first.as_str()) {
            faults.push(format!("{}: does not belong at the top", path.display()));
        }
        let bytes = std::fs::read(Path::new(ROOT).join(&path)).unwrap();
        let picture = path.extension().is_some_and(|ending| ending == "png") && path.starts_with("docs/pictures");
        if bytes.contains(&0) && !picture {
            faults.push(format!("{}: is a binary", path.display()));
        }
        let text = String::from_utf8_lossy(&bytes);
        let private = ["-----BEGIN PRIVATE", "-----BEGIN EC PRIVATE", "/root/", "/work/"];
        if !path.ends_with("tidy.rs") && private.iter().any(|word| text.contains(word)) {
            faults.push(format!("{}: holds a secret or a path of someone's machine", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn dependencies_are_named_once_in_the_workspace() {
    for package in ["common", "common/journal", "agent", "agent/probe", "collector", "collector/judge", "tests"] {
        let text = std::fs::read_to_string(format!("{ROOT}/{package}/Cargo.toml")).unwrap();
        let dependencies = text.split("dependencies]").skip(1).flat_map(str::lines);
        for line in dependencies.filter(|line| line.contains('=') && !line.starts_with('[') && !line.starts_with('#')) {
            assert!(line.contains("workspace = true"), "{package}/Cargo.toml: {line}");
        }
    }
}

#[test]
fn generated_pages_are_up_to_date() {
    let kept = std::fs::read_to_string(format!("{ROOT}/docs/metrics.md")).unwrap_or_default();
    #[allow(clippy::disallowed_methods, reason = "asks the program for its page")]
    let output = std::process::Command::new(ioc_tests::harness::binary("ioc-collector"))
        .args(["docs", "metrics"])
        .output()
        .unwrap();
    assert_eq!(kept, String::from_utf8(output.stdout).unwrap(), "run: ioc-collector docs metrics > docs/metrics.md");
    for (page, file) in [("page", "docs/commands.md"), ("keys", "docs/keys.md")] {
        let kept = std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap_or_default();
        #[allow(clippy::disallowed_methods, reason = "asks the program for its page")]
        let output = std::process::Command::new(ioc_tests::harness::binary("ioc-manual")).arg(page).output().unwrap();
        assert_eq!(kept, String::from_utf8(output.stdout).unwrap(), "run: ioc-manual {page} > {file}");
    }
    let fresh = tempfile::tempdir().unwrap();
    #[allow(clippy::disallowed_methods, reason = "asks the program for its pages")]
    let written =
        std::process::Command::new(ioc_tests::harness::binary("ioc-agent")).arg("docs").arg(fresh.path()).status();
    assert!(written.unwrap().success());
    let pages = |dir: &Path| {
        let mut pages: Vec<(String, String)> = std::fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        pages.sort();
        pages
    };
    assert_eq!(pages(&Path::new(ROOT).join("docs/probes")), pages(fresh.path()), "run: ioc-agent docs docs/probes");
}

#[test]
fn both_sides_of_the_docs_exist_and_their_links_lead_somewhere() {
    let mut faults = Vec::new();
    for path in tracked().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let beside = Path::new(ROOT).join(path.parent().unwrap()).join(target);
            if !beside.exists() {
                faults.push(format!("{}: leads to {target}, which does not exist", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
