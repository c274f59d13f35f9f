//! `ioc-agent capture`: what the probes read on this machine, as a tar.zst that can be given with `--root`, so that a machine
//! that is read wrongly can be looked at elsewhere.
//!
//! Taken are only files that probes read, and what programs printed to them. What that is stands in the probes' descriptors, and so does what
//! is taken out of it (docs/privacy.md).

use std::io::{self, Read as _, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use ioc_common::owner::as_owner_of;
use ioc_probe::{
    COMMANDS, CaptureExtent, SURVEYS, SurveyContext, capture_rules, captured_files, names_in, unkept_programs,
};

use crate::config::Config;
use crate::doctor;
use crate::surveyor;

/// Most bytes of a file that are taken; what lies beyond is left out.
const FILE_MAX_BYTES: u64 = 64 << 20;
/// Most files of one capture. A machine with thousands of processes has two files for each.
const FILES_MAX: usize = 20_000;

/// Writes a capture of this machine to `out`, and says how many files it holds.
///
/// # Errors
/// What the system said of the first directory or file that could not be made.
pub fn capture(out: &Path, config: &Config) -> io::Result<usize> {
    let mut tar = Tar { bytes: Vec::new(), count: 0 };
    for pattern in captured_files() {
        let (dir, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        take(&mut tar, dir, name)?;
    }
    commands(&mut tar, config)?;
    tar.bytes.extend_from_slice(&[0; 1024]);
    let packed = ruzstd::encoding::compress_to_vec(tar.bytes.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out)?.write_all(&packed)?;
    Ok(tar.count)
}

/// Makes every survey and keeps what programs print to them.
fn commands(tar: &mut Tar, config: &Config) -> io::Result<()> {
    let mut quiet = config.clone();
    for program in unkept_programs() {
        quiet.survey_settings.commands.insert(program.to_owned(), "".into());
    }
    let dir = std::env::temp_dir().join(format!("ioc-capture-{}", std::process::id()));
    // Made, never taken over: the directory of temporary files belongs to everyone.
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    for survey in SURVEYS {
        let asked = SurveyContext { record: Some(&dir), ..doctor::context(Path::new("/"), &quiet, None) };
        let _ = surveyor::make(survey, &asked);
    }
    let kept = dir.join(COMMANDS);
    let mut names: Vec<_> = std::fs::read_dir(&kept).into_iter().flatten().flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    for entry in names {
        let name = format!("{}/{}", COMMANDS, entry.file_name().to_string_lossy());
        tar.add(&name, &std::fs::read(entry.path())?, 0)?;
    }
    std::fs::remove_dir_all(&dir)
}

/// Takes the files that a pattern names.
fn take(tar: &mut Tar, dir: &str, last: &str) -> io::Result<()> {
    if let Some((before, after)) = dir.split_once("/*") {
        for name in names(before) {
            take(tar, &format!("{before}/{name}{after}"), last)?;
        }
        return Ok(());
    }
    if let Some(prefix) = last.strip_suffix('*') {
        for name in names(dir).into_iter().filter(|name| name.starts_with(prefix)) {
            take_file(tar, &format!("{dir}/{name}"))?;
        }
        return Ok(());
    }
    take_file(tar, &format!("{dir}/{last}"))
}

fn names(dir: &str) -> Vec<String> {
    let dir = if dir.is_empty() { "/" } else { dir };
    names_in(Path::new("/"), dir, FILES_MAX).unwrap_or_default()
}

fn take_file(tar: &mut Tar, path: &str) -> io::Result<()> {
    // Where another user puts the files, what root may read is not read for them: a link of theirs leads to what they may read.
    // Where more than one may put them (a group's directory of logs), no link is followed at all.
    let of = Path::new(path);
    let about = as_owner_of(of, || std::fs::metadata(path)).unwrap_or_else(|_| std::fs::symlink_metadata(path));
    let Ok(about) = about else { return Ok(()) };
    if about.is_dir() && captured_files().contains(&path) {
        // Its time is what a probe reads of it.
        return tar.entry(&format!("{}/", path.trim_start_matches('/')), b'5', &[], seconds(&about));
    }
    if !about.is_file() || tar.count >= FILES_MAX {
        return Ok(());
    }
    let limit = match capture_rules(path).map(|rule| rule.extent(path)).min() {
        Some(CaptureExtent::Nothing) => return Ok(()),
        Some(CaptureExtent::Start(bytes)) => bytes,
        Some(CaptureExtent::Whole) | None => FILE_MAX_BYTES,
    };
    // What may not be read is not read by the agent either; a sensor that fails to answer is left out.
    let unlinked =
        || contents(path, limit).ok().filter(|(_, real)| real == path).ok_or(io::ErrorKind::PermissionDenied.into());
    let Ok((bytes, real)) = as_owner_of(of, || contents(path, limit)).unwrap_or_else(|_| unlinked()) else {
        return Ok(());
    };
    // By the name that it goes by, and by the one that it has.
    let bytes = redact(&real, redact(path, bytes));
    tar.add(path.trim_start_matches('/'), &bytes, seconds(&about))
}

/// The beginning of a file, and where it really is.
fn contents(path: &str, limit: u64) -> io::Result<(Vec<u8>, String)> {
    let file = std::fs::File::open(path)?;
    let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let real = real.map_or_else(|_| path.to_owned(), |real| real.to_string_lossy().into_owned());
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, real))
}

/// When it was last changed, in seconds since 1970.
fn seconds(about: &std::fs::Metadata) -> u64 {
    let since = about.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

/// Takes out what probes do not send.
#[must_use]
pub fn redact(path: &str, bytes: Vec<u8>) -> Vec<u8> {
    capture_rules(path).fold(bytes, |bytes, rule| rule.redact(bytes))
}

/// A tar in memory, in the form of POSIX with GNU's long names.
struct Tar {
    bytes: Vec<u8>,
    count: usize,
}

impl Tar {
    fn add(&mut self, name: &str, content: &[u8], changed_s: u64) -> io::Result<()> {
        if name.len() > 99 {
            let mut long = name.as_bytes().to_vec();
            long.push(0);
            self.entry("././@LongLink", b'L', &long, 0)?;
        }
        let short: String = name.chars().take(99).collect();
        self.count += 1;
        self.entry(&short, b'0', content, changed_s)
    }

    fn entry(&mut self, name: &str, kind: u8, content: &[u8], changed_s: u64) -> io::Result<()> {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name.get(..99.min(name.len())).unwrap_or("name"));
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        put(136, &format!("{:011o}", changed_s.min(0o77_777_777_777)));
        put(148, "        ");
        put(257, "ustar  ");
        header[156] = kind;
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.bytes.write_all(&header)?;
        self.bytes.write_all(content)?;
        let rest = content.len() % 512;
        if rest > 0 {
            self.bytes.write_all(&[0; 512][rest..])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn root_follows_nobodys_link_to_what_is_roots() {
        let dir = tempfile::tempdir().expect("directory");
        let (logs, secret) = (dir.path().join("logs"), dir.path().join("secret"));
        std::fs::create_dir(&logs).expect("made");
        std::fs::write(&secret, "root:$6$hash:1::::::").expect("written");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
        let (plain, link) = (logs.join("plain.log"), logs.join("x"));
        std::fs::write(&plain, "whole").expect("written");
        symlink(&secret, &link).expect("linked");
        let taken = |path: &Path| {
            let mut tar = Tar { bytes: Vec::new(), count: 0 };
            take_file(&mut tar, &path.display().to_string()).expect("taken or left out");
            tar.count
        };
        assert_eq!((taken(&plain), taken(&link)), (1, 1), "all of it is root's");
        chown(&logs, Some(65_534), Some(65_534)).expect("given away");
        assert_eq!(
            (taken(&plain), taken(&link)),
            (1, 0),
            "whoever has the directory may read the one, and not the other"
        );
        chown(&logs, Some(0), Some(0)).expect("taken back");
        std::fs::set_permissions(&logs, std::fs::Permissions::from_mode(0o775)).expect("set");
        assert_eq!((taken(&plain), taken(&link)), (1, 0), "a group may write there");
    }

    #[test]
    fn what_no_probe_sends_is_taken_out() {
        let text = |path: &str, text: &str| String::from_utf8(redact(path, text.as_bytes().to_vec())).expect("text");
        let shadow =
            text("/etc/shadow", "an:$y$j9T$abc:20000:0:90:7:::\nroot:!$6$old:1::::::\nx::1::::::\ny:*:1::::::\n");
        assert_eq!(shadow, "an:$redacted:20000:0:90:7:::\nroot:!:1::::::\nx::1::::::\ny:*:1::::::\n");
        assert_eq!(text("/etc/passwd", "an:x:1000:1000:Nguyễn:/home/an:/bin/bash\n"), "an:x:1000:1000:::/bin/bash\n");
        assert_eq!(
            (text("/proc/7/comm", "secret-tool\n"), text("/proc/8/comm", "chronyd\n")),
            ("-\n".into(), "chronyd\n".into())
        );
        assert_eq!(text("/proc/7/stat", "7 (secret) D 1 2 3"), "0 (-) D 0\n");
        assert_eq!(text("/proc/stat", "cpu 1"), "cpu 1");
        assert!(redact("/var/log/btmp", vec![7; 400])[44..76].iter().all(|byte| *byte == 0));
    }
}
