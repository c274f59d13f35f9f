//! What an archive is made of: what is asked for, the files beside it until it is whole, and kinds of records as lines and as tables.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::hex;
use ioc_store::template::percent_encoded;

use super::{ListedFile, is_part};
use crate::tar::TarWriter;

/// What is asked for.
#[derive(Debug)]
pub struct Wanted {
    /// From this moment on.
    pub from: Timestamp,
    /// Before this moment.
    pub to: Timestamp,
    /// Of this device alone.
    pub device: Option<String>,
    /// Of this incident alone: its number, or `INC-` and its number.
    pub incident: Option<String>,
    /// Numbers of its devices, too.
    pub numbers: bool,
}

impl Wanted {
    pub(super) fn incident_number(&self) -> anyhow::Result<Option<u64>> {
        let parse = |text: &String| {
            let digits = text.strip_prefix("INC-").unwrap_or(text);
            digits.parse().with_context(|| format!("--incident: found {text:?}; allowed is INC-000012 or 12"))
        };
        self.incident.as_ref().map(parse).transpose()
    }

    pub(super) fn holds(&self, at: &Value) -> bool {
        moment(at).is_some_and(|at| self.from <= at && at < self.to)
    }

    /// Whether what began then had begun by the end of the period.
    pub(super) fn begins_within(&self, at: &Value) -> bool {
        moment(at).is_some_and(|at| at < self.to)
    }

    /// Whether what began and perhaps ended then touches the period.
    pub(super) fn touches(&self, from: &Value, until: &Value) -> bool {
        moment(from).is_some_and(|from| from < self.to) && moment(until).is_none_or(|until| until >= self.from)
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub(super) fn of_device(wanted: &Wanted) -> String {
    wanted.device.as_ref().map(|device| format!("&device={}", percent_encoded(device))).unwrap_or_default()
}

pub(super) fn new_file(path: &Path) -> anyhow::Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.with_context(|| format!("cannot write {}", path.display()))
}

/// A kind of records, as JSON lines and as a table.
pub(super) struct Kind {
    lines: BufWriter<File>,
    table: csv::Writer<File>,
    columns: &'static [&'static str],
}

impl Kind {
    pub(super) fn begin(parts: &Parts, name: &str, columns: &'static [&'static str]) -> anyhow::Result<Self> {
        let lines = BufWriter::new(new_file(&parts.dir.join(name))?);
        let mut table = csv::Writer::from_writer(new_file(&parts.dir.join(name).with_extension("csv"))?);
        table.write_record(columns)?;
        Ok(Self { lines, table, columns })
    }

    pub(super) fn put(&mut self, record: &Value) -> anyhow::Result<()> {
        writeln!(self.lines, "{record}")?;
        Ok(self.table.write_record(self.columns.iter().map(|column| cell(&record[column])))?)
    }

    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.lines.flush()?;
        Ok(self.table.flush()?)
    }
}

/// A value for a table. What a spreadsheet would take for a formula is a text there.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Bool(_) | Value::Number(_) => return value.to_string(),
        Value::String(text) => text.clone(),
        // A text for people is in both languages; the table is for reading.
        Value::Object(fields) if fields.contains_key("vi") && fields.contains_key("en") => {
            fields["vi"].as_str().unwrap_or_default().to_owned()
        }
        Value::Object(_) | Value::Array(_) => value.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// The files of an archive that is being made, in a directory beside it that goes when it is done, or fails.
pub(super) struct Parts {
    pub(super) dir: PathBuf,
}

impl Parts {
    pub(super) fn make(to_file: &Path) -> anyhow::Result<Self> {
        let mut name = to_file.as_os_str().to_owned();
        name.push(".parts");
        let dir = PathBuf::from(name);
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| {
            format!("cannot make {}; mend: remove it if an earlier export was cut off", dir.display())
        })?;
        Ok(Self { dir })
    }

    /// Makes a file. The name may hold what the collector says: it becomes no path but one in here.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        anyhow::ensure!(is_part(name, content.len() as u64), "the file {name:?} cannot be made: that is no plain name");
        let path = self.dir.join(name);
        if let Some(above) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(above)?;
        }
        if !path.exists() {
            new_file(&path)?.write_all(content)?;
        }
        Ok(())
    }

    /// What there is, by name.
    pub(super) fn list(&self) -> anyhow::Result<Vec<ListedFile>> {
        let (mut found, mut open) = (Vec::new(), vec![self.dir.clone()]);
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.dir)?.to_str().context("a name is no text")?.to_owned();
                let (bytes, sha256) = digest(&mut File::open(&path)?)?;
                found.push(ListedFile { name, bytes, sha256 });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    pub(super) fn pack(
        &self,
        to_file: &Path,
        files: &[ListedFile],
        front: &[(&str, Option<&[u8]>)],
    ) -> anyhow::Result<()> {
        let at_s = clock::now().as_secs().unsigned_abs();
        let packed = || {
            let mut out = TarWriter::new(BufWriter::new(new_file(to_file)?), at_s);
            for (name, content) in front {
                if let Some(mut content) = *content {
                    out.append(name, content.len() as u64, &mut content)?;
                }
            }
            for file in files {
                anyhow::ensure!(is_part(&file.name, file.bytes), "{} does not fit into an archive", file.name);
                out.append(&file.name, file.bytes, &mut File::open(self.dir.join(&file.name))?)?;
            }
            let mut out = out.finish()?;
            out.flush()?;
            out.get_ref().sync_all()?;
            anyhow::Ok(())
        };
        packed().inspect_err(|_| drop(fs::remove_file(to_file)))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "parts of an export stay there");
        }
    }
}

/// How many bytes there are, and their SHA-256, hex.
pub(super) fn digest(from: &mut dyn std::io::Read) -> std::io::Result<(u64, String)> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let (mut bytes, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(context.finish().as_ref())));
        }
        context.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{is_key, key_file};
    use super::*;

    fn wanted(incident: Option<&str>) -> Wanted {
        let at = |text: &str| text.parse().expect("a time");
        let (from, to) = (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        Wanted { from, to, device: None, incident: incident.map(str::to_owned), numbers: false }
    }

    #[test]
    fn a_period_has_its_beginning_and_not_its_end_and_what_reached_into_it_belongs_to_it() {
        let wanted = wanted(None);
        let holds = |at: &str| wanted.holds(&json!(at));
        assert!(holds("2026-10-01T00:00:00Z") && holds("2026-10-31T23:59:59.999Z"));
        assert!(!holds("2026-11-01T00:00:00Z") && !holds("2026-09-30T23:59:59.999Z") && !holds("nonsense"));
        let touches = |from: &str, until: Value| wanted.touches(&json!(from), &until);
        assert!(touches("2026-01-01T00:00:00Z", Value::Null), "open since January");
        assert!(touches("2026-09-30T00:00:00Z", json!("2026-10-01T00:00:00Z")));
        assert!(!touches("2026-09-30T00:00:00Z", json!("2026-09-30T23:00:00Z")));
        assert!(!touches("2026-11-01T00:00:00Z", Value::Null));
    }

    #[test]
    fn an_incident_is_named_by_its_number() {
        assert_eq!(wanted(None).incident_number().expect("none"), None);
        for text in ["INC-000012", "12", "000012"] {
            assert_eq!(wanted(Some(text)).incident_number().expect("a number"), Some(12));
        }
        assert!(wanted(Some("../12")).incident_number().is_err());
    }

    #[test]
    fn a_table_holds_no_formula() {
        assert_eq!(cell(&json!("=HYPERLINK(1)")), "'=HYPERLINK(1)");
        assert_eq!(cell(&json!("-1+2")), "'-1+2");
        assert_eq!(cell(&json!({ "vi": "Khói", "en": "Smoke" })), "Khói");
        assert_eq!([cell(&Value::Null), cell(&json!(-3))], ["", "-3"]);
    }

    #[test]
    fn nothing_is_written_beside_the_parts_whatever_the_collector_names() {
        let dir = tempfile::tempdir().expect("directory");
        let parts = Parts::make(&dir.path().join("a.tar")).expect("made");
        let outside = dir.path().join("outside");
        for name in ["../outside", "keys/../../outside", &outside.display().to_string(), "", "keys/"] {
            assert!(parts.write(name, b"x").is_err(), "{name}");
        }
        assert!(!outside.exists());
        parts.write(&key_file("0123456789abcdef"), b"x").expect("written");
        assert_eq!(parts.list().expect("listed")[0].name, "keys/0123456789abcdef.pem");
        assert!(is_key("0123456789abcdef"));
        for id in ["", "../0123456789abc", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0"] {
            assert!(!is_key(id), "{id}");
        }
    }
}
