//! Walls that Cargo keeps: which package may name which dependency, and what none of its dependencies may bring in by a back door.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ROOT;

/// Who alone may name a dependency.
const OWNERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["ioc-store"]),
    ("pco", &["ioc-store"]),
    ("tokio-postgres", &["ioc-store"]),
    ("argon2", &["ioc-engine"]),
    ("axum", &["ioc-web"]),
    ("tower", &["ioc-web"]),
    ("askama", &["ioc-web"]),
    ("fluent-bundle", &["ioc-web"]),
    ("unic-langid", &["ioc-web"]),
    ("qrcode", &["ioc-web"]),
    ("lettre", &["ioc-collector"]),
    ("calamine", &["ioc-collector"]),
    ("zip", &["ioc-collector", "ioc-document"]),
    ("scrypt", &["ioc-collector"]),
    ("x25519-dalek", &["ioc-collector"]),
    ("rmqtt-codec", &["ioc-ingest", "ioc-tests"]),
    ("rumqttc", &["ioc-agent", "ioc-collector", "ioc-ingest"]),
    ("sled", &["ioc-agent"]),
    ("sysinfo", &["ioc-agent"]),
    ("tokio-modbus", &["ioc-agent"]),
    ("tokio-serial", &["ioc-agent"]),
];

/// What a package never has, neither itself nor through others, in what is shipped.
const NEVER: &[(&str, &[&str])] = &[
    ("ioc-journal", &["tokio", "hyper", "rustls", "ioc-common"]),
    ("ioc-common", &["tokio", "hyper", "rustls", "rusqlite", "axum", "ioc-journal"]),
    ("ioc-judge", &["tokio", "hyper", "rustls", "rusqlite", "axum", "ioc-store", "ioc-probe"]),
    (
        "ioc-document",
        &[
            "tokio",
            "hyper",
            "rustls",
            "rusqlite",
            "axum",
            "ioc-judge",
            "ioc-store",
            "ioc-engine",
            "ioc-web",
            "ioc-collector",
        ],
    ),
    ("ioc-report", &["hyper", "axum", "ioc-engine", "ioc-web", "ioc-collector", "ioc-agent"]),
    ("ioc-probe", &["tokio", "mio", "hyper", "rustls", "rumqttc", "sled", "rusqlite", "ioc-judge", "ioc-agent"]),
    (
        "ioc-agent",
        &["rusqlite", "axum", "ioc-judge", "ioc-store", "ioc-engine", "ioc-ingest", "ioc-web", "ioc-collector"],
    ),
    (
        "ioc-store",
        &[
            "hyper",
            "axum",
            "lettre",
            "rmqtt-codec",
            "ioc-engine",
            "ioc-ingest",
            "ioc-web",
            "ioc-collector",
            "ioc-agent",
        ],
    ),
    (
        "ioc-engine",
        &[
            "axum",
            "askama",
            "fluent-bundle",
            "lettre",
            "rmqtt-codec",
            "ioc-ingest",
            "ioc-web",
            "ioc-collector",
            "ioc-agent",
        ],
    ),
    ("ioc-ingest", &["axum", "askama", "fluent-bundle", "lettre", "ioc-web", "ioc-collector", "ioc-agent"]),
    ("ioc-web", &["lettre", "rmqtt-codec", "rumqttc", "calamine", "ioc-ingest", "ioc-collector", "ioc-agent"]),
    ("ioc-collector", &["sled", "sysinfo", "ioc-probe", "ioc-agent"]),
    ("ioc-tests", &[]),
];

/// Packages of the workspace, each with what it names.
type Named = BTreeMap<String, BTreeSet<String>>;

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    #[allow(clippy::disallowed_methods, reason = "asks cargo")]
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"])
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .args(["--manifest-path", &format!("{ROOT}/Cargo.toml")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// Packages of the workspace, with whatever they name for any purpose.
fn members(metadata: &Value) -> Named {
    let ours = |package: &&Value| list(metadata, "workspace_members").any(|id| *id == package["id"]);
    let named = |package: &Value| list(package, "dependencies").map(|one| text(one, "name")).collect();
    list(metadata, "packages").filter(ours).map(|package| (text(package, "name"), named(package))).collect()
}

/// Every package, with those that it is shipped with or built by: not what only its tests need.
fn shipped(metadata: &Value) -> Named {
    let names: BTreeMap<String, String> =
        list(metadata, "packages").map(|package| (text(package, "id"), text(package, "name"))).collect();
    let kept = |one: &&Value| list(one, "dep_kinds").any(|kind| kind["kind"] != "dev");
    let mut all = Named::new();
    for node in list(&metadata["resolve"], "nodes") {
        let needs = list(node, "deps").filter(kept).filter_map(|one| names.get(one["pkg"].as_str()?).cloned());
        all.entry(names[&text(node, "id")].clone()).or_default().extend(needs);
    }
    all
}

/// What comes with a package, and through whom it was first found.
fn reached(from: &str, shipped: &Named) -> BTreeMap<String, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![from.to_owned()]);
    while let Some(one) = open.pop() {
        for other in shipped.get(&one).into_iter().flatten() {
            if !found.contains_key(other) {
                found.insert(other.clone(), one.clone());
                open.push(other.clone());
            }
        }
    }
    found
}

fn breaches(members: &Named, shipped: &Named) -> Vec<String> {
    let mut broken = Vec::new();
    for (package, named) in members {
        for (dependency, owners) in OWNERS.iter().filter(|(dependency, _)| named.contains(*dependency)) {
            if !owners.contains(&package.as_str()) {
                broken.push(format!("{package} names {dependency}, which is {}'s alone", owners.join("' and ")));
            }
        }
        match NEVER.iter().find(|(name, _)| name == package) {
            None => broken.push(format!("{package} has no walls: it belongs into NEVER (tests/tests/tidy/cargo.rs)")),
            Some((_, never)) => {
                let reached = reached(package, shipped);
                let bad = never.iter().filter_map(|one| Some((one, reached.get(*one)?)));
                broken.extend(
                    bad.map(|(one, through)| format!("{package} must not come with {one}; it does by {through}")),
                );
            }
        }
    }
    let gone = NEVER.iter().filter(|(name, _)| !members.contains_key(*name));
    broken.extend(gone.map(|(name, _)| format!("{name} is not there; its walls stand around nothing")));
    broken
}

#[test]
fn packages_name_what_is_theirs() {
    let metadata = metadata();
    let broken = breaches(&members(&metadata), &shipped(&metadata));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_walls_of_packages_hold() {
    let of = |all: &[(&str, &[&str])]| -> Named {
        let names = |named: &[&str]| named.iter().map(|name| (*name).to_owned()).collect();
        all.iter().map(|(name, named)| ((*name).to_owned(), names(named))).collect()
    };
    let house: &[(&str, &[&str])] = &[
        ("ioc-journal", &["tracing"]),
        ("ioc-common", &["serde"]),
        ("ioc-judge", &["ioc-common"]),
        ("ioc-document", &["ioc-common", "zip"]),
        ("ioc-probe", &["ioc-common"]),
        ("ioc-agent", &["ioc-probe", "tokio", "sled"]),
        ("ioc-store", &["ioc-judge", "rusqlite", "pco"]),
        ("ioc-report", &["ioc-document", "ioc-store"]),
        ("ioc-engine", &["ioc-report", "ioc-store", "tokio"]),
        ("ioc-web", &["ioc-engine", "axum", "askama"]),
        ("ioc-ingest", &["ioc-engine", "rmqtt-codec", "rumqttc"]),
        ("ioc-collector", &["ioc-web", "ioc-ingest", "lettre"]),
        ("ioc-tests", &["ioc-collector", "ioc-agent", "rmqtt-codec"]),
    ];
    assert_eq!(breaches(&of(house), &of(house)), [""; 0]);
    let with = |package: &str, more: &[&str]| {
        let mut changed = of(house);
        changed.get_mut(package).unwrap().extend(more.iter().map(|name| (*name).to_owned()));
        breaches(&changed, &changed)
    };
    for (package, named) in [
        ("ioc-collector", "rusqlite"),
        ("ioc-web", "rusqlite"),
        ("ioc-engine", "pco"),
        ("ioc-collector", "axum"),
        ("ioc-engine", "qrcode"),
        ("ioc-web", "lettre"),
        ("ioc-engine", "rmqtt-codec"),
        ("ioc-collector", "rmqtt-codec"),
        ("ioc-engine", "ioc-ingest"),
        ("ioc-web", "ioc-ingest"),
        ("ioc-ingest", "ioc-web"),
        ("ioc-ingest", "axum"),
        ("ioc-engine", "ioc-web"),
        ("ioc-web", "ioc-collector"),
        ("ioc-store", "ioc-engine"),
        ("ioc-probe", "tokio"),
        ("ioc-probe", "ioc-judge"),
        ("ioc-agent", "ioc-judge"),
        ("ioc-document", "ioc-store"),
        ("ioc-report", "ioc-engine"),
        ("ioc-engine", "zip"),
        ("ioc-judge", "rusqlite"),
        ("ioc-judge", "ioc-store"),
        ("ioc-store", "axum"),
        ("ioc-engine", "lettre"),
        ("ioc-engine", "ioc-collector"),
        ("ioc-web", "ioc-agent"),
        ("ioc-collector", "ioc-probe"),
        ("ioc-collector", "pco"),
    ] {
        assert!(!with(package, &[named]).is_empty(), "{package} may name {named}");
    }
    // By a back door, too.
    let mut shipped = of(house);
    shipped.insert("some-crate".to_owned(), ["tokio".to_owned()].into());
    shipped.get_mut("ioc-probe").unwrap().insert("some-crate".to_owned());
    assert_eq!(breaches(&of(house), &shipped), ["ioc-probe must not come with tokio; it does by some-crate"]);
    // A package that nobody knows has no walls, and walls stand around something.
    let more = [house, &[("ioc-more", &[] as &[&str])]].concat();
    assert_eq!(breaches(&of(&more), &of(&more)).len(), 1);
    for gone in 0..house.len() {
        let fewer = [&house[..gone], &house[gone + 1..]].concat();
        assert!(breaches(&of(&fewer), &of(&fewer)).iter().any(|breach| breach.contains(house[gone].0)), "{fewer:?}");
    }
}

#[test]
fn dependencies_are_named_once_in_the_workspace() {
    for package in list(&metadata(), "packages").filter(|package| package["source"].is_null()) {
        let manifest = text(package, "manifest_path");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let dependencies = text.split("dependencies]").skip(1).flat_map(str::lines);
        for line in dependencies.filter(|line| line.contains('=') && !line.starts_with('[') && !line.starts_with('#')) {
            assert!(line.contains("workspace = true"), "{manifest}: {line}");
        }
    }
}

#[test]
fn a_program_without_tests_of_its_own_has_none() {
    for package in list(&metadata(), "packages").filter(|package| package["source"].is_null()) {
        for target in list(package, "targets").filter(|target| target["test"] == false && target["kind"][0] == "bin") {
            let path = text(target, "src_path");
            let source = std::fs::read_to_string(&path).unwrap();
            assert!(!source.contains("#[test]"), "{path}: its tests never run (test = false in Cargo.toml)");
        }
    }
}
