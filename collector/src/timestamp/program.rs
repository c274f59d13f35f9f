//! openssl, which makes queries and checks answers (`openssl ts`): the program that an auditor has, too. Each run has a time limit, a clean
//! environment, and files of its own that only its user can read.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::random::secret;

use super::StampError;

const PROGRAM: &str = "openssl";
/// How long one run may take: it reads a few kilobytes.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest complaint that is told, characters.
const COMPLAINT_MAX_CHARS: usize = 300;

/// Files for one run, in a directory that goes with it.
pub(crate) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    pub(crate) fn make() -> Result<Self, StampError> {
        let name = secret::<16>().map_err(|error| StampError::Local(error.to_string()))?;
        let dir = std::env::temp_dir().join(format!("ioc-stamp-{}", hex(&name)));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|error| StampError::Local(format!("cannot make {}: {error}", dir.display())))?;
        Ok(Self { dir })
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, StampError> {
        let path = self.dir.join(name);
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.and_then(|mut file| file.write_all(content))
            .map_err(|error| StampError::Local(format!("cannot write {}: {error}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "files of a check with openssl stay there");
        }
    }
}

async fn run(arguments: &[&OsStr]) -> Result<Output, StampError> {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let local = |why: String| StampError::Local(format!("{PROGRAM}: {why}"));
    let output = tokio::time::timeout(TIMEOUT, command.output()).await;
    let output = output.map_err(|_| local(format!("it did not end within {} s", TIMEOUT.as_secs())))?;
    output.map_err(|error| local(format!("{error}; mend: install the package openssl")))
}

/// Whether it is installed, and what it calls itself.
///
/// # Errors
/// [`StampError::Local`] when it cannot be started.
pub(crate) async fn version() -> Result<String, StampError> {
    let output = run(&[OsStr::new("version")]).await?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What it said of what went wrong, in a line.
fn complaint(output: &Output) -> String {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).join("\n");
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Codes of OpenSSL stand before and behind the reason: "40E7…:error:17800064:…:certificate verify error:…:Verify error:…".
    let reason = lines.iter().rev().find(|line| line.contains(":error:")).or_else(|| lines.last());
    let reason = reason.map_or("it said nothing", |line| line.split_once(":error:").map_or(*line, |(_, rest)| rest));
    reason.chars().filter(|one| !one.is_control()).take(COMPLAINT_MAX_CHARS).collect()
}

/// A query about a digest, hex: it asks for the certificate, and has a nonce.
pub(super) async fn query(digest: &str, policy: &str) -> Result<Vec<u8>, StampError> {
    let mut arguments = vec!["ts", "-query", "-digest", digest, "-sha256", "-cert"];
    if !policy.is_empty() {
        arguments.extend(["-tspolicy", policy]);
    }
    let arguments: Vec<&OsStr> = arguments.into_iter().map(OsStr::new).collect();
    let output = run(&arguments).await?;
    if output.status.success() && !output.stdout.is_empty() {
        return Ok(output.stdout);
    }
    Err(StampError::Local(format!("{PROGRAM} made no query: {}", complaint(&output))))
}

/// What an answer is held against.
pub(crate) enum Against<'a> {
    /// The query that it is to: digest, nonce and policy; with certificates as of now.
    Query(&'a [u8]),
    /// The digest alone, hex, with certificates as of a moment.
    Digest(&'a str, Timestamp),
}

/// Checks an answer by the certificates in a file.
pub(crate) async fn check(reply: &[u8], against: Against<'_>, authorities: &Path) -> Result<(), StampError> {
    let scratch = Scratch::make()?;
    let reply = scratch.write("reply.tsr", reply)?;
    let mut arguments: Vec<&OsStr> = ["ts", "-verify", "-in"].map(OsStr::new).to_vec();
    arguments.extend([reply.as_os_str(), OsStr::new("-CAfile"), authorities.as_os_str()]);
    let (query, at);
    match against {
        Against::Query(content) => {
            query = scratch.write("query.tsq", content)?;
            arguments.extend([OsStr::new("-queryfile"), query.as_os_str()]);
        }
        Against::Digest(digest, moment) => {
            at = moment.as_secs().to_string();
            arguments.extend(["-digest", digest, "-attime", at.as_str()].map(OsStr::new));
        }
    }
    let output = run(&arguments).await?;
    if output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Verification: OK") {
        return Ok(());
    }
    Err(StampError::Wrong(complaint(&output)))
}
