//! Whole machines, and what every probe makes of them: each has its golden reading beside it (`tests/machines`). A reading that
//! changes is either a mend or a fault; `IOC_GOLDEN=write cargo test -p ioc-tests --test system machines::` writes them anew, to be looked at in
//! the difference.
#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ioc_tests::machines;
use serde_json::Value;

fn kept() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    files
}

/// Names of documents and of what stands in them.
#[derive(Default)]
struct DocumentWords(BTreeSet<String>);

impl DocumentWords {
    fn take(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                // Its text is shown by itself.
                for (name, below) in fields.iter().filter(|(name, _)| *name != "unknown") {
                    self.0.insert(format!("field-{}", name.replace('_', "-")));
                    self.take(below);
                }
            }
            Value::Array(rows) => rows.iter().for_each(|row| self.take(row)),
            _ => {}
        }
    }

    fn without_text(&self) -> Vec<String> {
        let locale = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../collector/web/locales/{name}.ftl"));
            std::fs::read_to_string(path).unwrap()
        };
        let locales = [locale("vi"), locale("en")];
        let has =
            |word: &str| locales.iter().all(|text| text.lines().any(|line| line.starts_with(&format!("{word} ="))));
        self.0.iter().filter(|word| !has(word)).cloned().collect()
    }
}

#[test]
fn every_machine_is_read_as_it_was_and_every_probe_reads_some_machine() {
    let files = kept();
    assert!(files.len() >= 4, "{files:?}");
    let (mut wrong, mut read, mut words) = (Vec::new(), BTreeSet::new(), DocumentWords::default());
    for file in files {
        let dir = tempfile::tempdir().unwrap();
        let laid = machines::unpack(&std::fs::read_to_string(&file).unwrap(), dir.path()).unwrap();
        let readings = machines::readings(dir.path(), &laid).unwrap();
        let probes =
            readings["probes"].as_array().unwrap().iter().map(|probe| (probe["probe"].as_str().unwrap(), probe));
        let surveys = readings["surveys"].as_object().unwrap().iter().map(|(name, survey)| (name.as_str(), survey));
        for (name, reading) in probes.chain(surveys) {
            match reading["outcome"].as_str().unwrap() {
                "read" => {
                    read.insert(name.to_owned());
                }
                other => assert!(!reading["why"].as_str().unwrap().is_empty(), "{name} is {other} without a reason"),
            }
        }
        for (name, survey) in
            readings["surveys"].as_object().unwrap().iter().filter(|(_, one)| one["document"].is_object())
        {
            words.0.insert(format!("doc-{name}"));
            words.take(&survey["document"]);
        }
        let found = serde_json::to_string_pretty(&readings).unwrap() + "\n";
        let golden = file.with_extension("golden.json");
        if std::env::var_os("IOC_GOLDEN").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if found != wanted {
            let differs = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
            let at = differs.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
            let line = |text: &str| text.lines().nth(at).unwrap_or("the end").to_owned();
            wrong.push(format!("{}:{}: wanted {}, found {}", golden.display(), at + 1, line(&wanted), line(&found)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(words.without_text(), Vec::<String>::new(), "words of documents that a page would show as they are");
    let all = ioc_probe::names();
    let never: Vec<&str> = all.filter(|name| !read.contains(*name)).collect();
    // They ask the network, and the kernel for the room on a disk, which lies in no file; they have their own tests.
    assert_eq!(never, ["filesystem", "mount", "endpoints"], "no machine here has anything for the others");
}
