//! How a machine gets the agent: the one line that a person pastes into it, the script that the line fetches, and the packages that the
//! script fetches. Packages are those that lie on this collector; the shipped package of the collector brings the agent's.
//!
//! The line carries the SHA-256 of the script, the script those of the packages, and the token the fingerprint of this collector's authority:
//! so nothing depends on the certificate that a machine which was never here cannot know yet. The token goes in by standard input, since
//! arguments are read by everyone on a machine. The script holds no secret and is for strangers, as the packages are.

use std::collections::HashMap;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use ioc_common::encoding::sha256_hex;

use crate::app::App;
use crate::problem::Problem;

/// Where the shipped package of the collector puts the agent's.
const SHIPPED: &str = "/usr/share/ioc-watch/packages";
/// Where those stand that a person put there, below the collector's data; they come first.
const OWN: &str = "packages";
/// Largest package, bytes: an agent is a tenth of it.
const PACKAGE_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Packages that are looked at in one folder.
const PACKAGES_MAX: usize = 100;

/// A package of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    path: PathBuf,
    /// SHA-256, hex.
    sha256: String,
}

/// A package as it was read: its path, time and length.
type ReadPackage = (PathBuf, SystemTime, u64);

/// Sums of the packages that were read, by path, time and length: a script is asked for more often than packages change.
static SUMS: Mutex<Option<HashMap<ReadPackage, String>>> = Mutex::new(None);

/// Whether a file is called as a package of the agent is; debug symbols are none.
fn is_package(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte));
    let is_agent = ["ioc-agent_", "ioc-agent-"].iter().any(|start| name.starts_with(start));
    let kind = FilePath::new(name).extension().is_some_and(|end| end == "deb" || end == "rpm");
    plain && is_agent && kind && !name.contains("dbgsym") && name.len() <= 100
}

/// The SHA-256 of a package that is not too large; none where it cannot be read.
fn sum_of(path: &FilePath) -> Option<String> {
    let known = fs::metadata(path).ok().filter(|known| known.is_file() && known.len() <= PACKAGE_MAX_BYTES)?;
    let key = (path.to_owned(), known.modified().ok()?, known.len());
    let remembered = || SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sum) = remembered().as_ref().and_then(|sums| sums.get(&key)) {
        return Some(sum.clone());
    }
    let sum = sha256_hex(&fs::read(path).ok()?);
    let mut sums = remembered();
    let sums = sums.get_or_insert_default();
    if sums.len() >= PACKAGES_MAX {
        sums.clear();
    }
    sums.insert(key, sum.clone());
    Some(sum)
}

/// The packages in these folders, in the order of folders and names; of two that are called alike, the first.
fn packages_in(folders: &[PathBuf]) -> Vec<Package> {
    let mut found: Vec<Package> = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_package(name)).take(PACKAGES_MAX).collect();
        // The newest version first, as far as names tell.
        names.sort();
        names.reverse();
        for name in names {
            let path = folder.join(&name);
            if found.iter().all(|one| one.name != name)
                && let Some(sha256) = sum_of(&path)
            {
                found.push(Package { name, path, sha256 });
            }
        }
    }
    found
}

fn folders(app: &App) -> [PathBuf; 2] {
    [app.config().data.join(OWN), PathBuf::from(SHIPPED)]
}

/// The name that a package has for an architecture as `uname -m` says it.
fn case_of(package: &Package) -> Option<(String, &Package)> {
    let machines = [
        ("amd64.deb", "deb-x86_64"),
        ("arm64.deb", "deb-aarch64"),
        ("x86_64.rpm", "rpm-x86_64"),
        ("aarch64.rpm", "rpm-aarch64"),
    ];
    let (_, case) = machines.into_iter().find(|(end, _)| package.name.ends_with(end))?;
    Some((case.to_owned(), package))
}

/// The script: installs the agent where it is not there yet, has the machine enrolled with the token from standard input, and starts it.
fn script(server: &str, packages: &[Package]) -> String {
    let mut cases: Vec<(String, &Package)> = Vec::new();
    for (case, package) in packages.iter().filter_map(case_of) {
        if cases.iter().all(|(known, _)| *known != case) {
            cases.push((case, package));
        }
    }
    let arms =
        cases.iter().map(|(case, package)| format!("    {case}) file={} sum={} ;;\n", package.name, package.sha256));
    include_str!("install.sh")
        .replace("@server@", server)
        .replace("    @packages@\n", &arms.collect::<String>())
        .trim_end()
        .to_owned()
}

async fn script_of(app: &App) -> Result<String, Problem> {
    let (folders, server) = (folders(app), server_address(app));
    let made = tokio::task::spawn_blocking(move || script(&server, &packages_in(&folders))).await;
    made.map_err(|error| Problem::internal(error.to_string()))
}

/// Where agents ask to come in: host and port of the page.
pub(crate) fn server_address(app: &App) -> String {
    let config = app.config();
    let url: Option<axum::http::Uri> = config.web_url.parse().ok();
    let authority = url.and_then(|url| url.authority().cloned());
    authority.map_or_else(
        || config.web_listen.to_string(),
        |found| format!("{}:{}", found.host(), found.port_u16().unwrap_or(443)),
    )
}

/// The one line that a person pastes into a shell of a machine, to do all that is to be done there.
pub(crate) async fn line_of(app: &App, token: &str) -> Result<String, Problem> {
    let script = script_of(app).await?;
    Ok(line(&server_address(app), &sha256_hex(script.as_bytes()), token))
}

fn line(server: &str, sha256: &str, token: &str) -> String {
    format!(
        "s=$(curl -fsSk https://{server}/install/agent) && [ \"$(printf %s \"$s\" | sha256sum)\" = \"{sha256}  -\" ] && \
         sudo sh -c \"$s\" <<<'{token}' || echo 'IOC Watch: chưa xong · not done' >&2"
    )
}

/// The script.
pub(crate) async fn agent(State(app): State<App>) -> Result<Response, Response> {
    let script = script_of(&app).await.map_err(IntoResponse::into_response)?;
    Ok(([(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], script).into_response())
}

/// A package, by its name.
pub(crate) async fn package(State(app): State<App>, Path(name): Path<String>) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "no such package\n").into_response();
    if !is_package(&name) {
        return missing();
    }
    let paths = folders(&app).map(|folder| folder.join(&name));
    let read = tokio::task::spawn_blocking(move || {
        let fits =
            |path: &&PathBuf| fs::metadata(path).is_ok_and(|one| one.is_file() && one.len() <= PACKAGE_MAX_BYTES);
        paths.iter().find(fits).and_then(|path| fs::read(path).ok())
    });
    match read.await.ok().flatten() {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => missing(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_of_the_agent_are_given() {
        for good in ["ioc-agent_0.1.0_amd64.deb", "ioc-agent-0.1.0-1.x86_64.rpm", "ioc-agent_1.0~rc1_arm64.deb"] {
            assert!(is_package(good), "{good}");
        }
        for bad in [
            "../ioc-agent_0.1.0_amd64.deb",
            "ioc-agent_/etc/shadow.deb",
            "ioc-agent-dbgsym_0.1.0_amd64.deb",
            "ioc-collector_0.1.0_amd64.deb",
            "store.db",
            "ioc-agent_0.1.0_amd64.deb.part",
            "",
        ] {
            assert!(!is_package(bad), "{bad}");
        }
    }

    #[test]
    fn the_script_knows_the_packages_that_are_there_and_their_sums() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("ioc-agent_0.1.0_amd64.deb", "old"),
            ("ioc-agent_0.2.0_amd64.deb", "deb"),
            ("ioc-agent-0.2.0-1.x86_64.rpm", "rpm"),
            ("other.txt", "no"),
        ] {
            fs::write(dir.path().join(name), text).expect("written");
        }
        let packages = packages_in(&[dir.path().to_owned(), PathBuf::from("/nowhere")]);
        assert_eq!(packages.len(), 3, "{packages:?}");
        let script = script("ioc.example:8443", &packages);
        let deb = format!("deb-x86_64) file=ioc-agent_0.2.0_amd64.deb sum={} ;;", sha256_hex(b"deb"));
        let rpm = format!("rpm-x86_64) file=ioc-agent-0.2.0-1.x86_64.rpm sum={} ;;", sha256_hex(b"rpm"));
        assert!(script.contains(&deb) && script.contains(&rpm) && !script.contains("_0.1.0_"), "{script}");
        assert!(script.contains("ioc.example:8443") && !script.contains('@') && !script.ends_with('\n'), "{script}");
        let none = super::script("ioc.example:8443", &[]);
        assert!(!none.contains("@packages@") && none.contains("*)"), "{none}");
    }

    #[test]
    fn the_token_is_no_argument_of_any_program() {
        let line = line("ioc.example:8443", "00ff", "iocw1.secret");
        assert!(line.contains("<<<'iocw1.secret'") && line.matches("iocw1.secret").count() == 1, "{line}");
        assert!(line.contains("= \"00ff  -\"") && !line.contains('\n'), "{line}");
    }
}
