//! A PostgreSQL of the tests' own: Debian's, in a folder below /tmp, reached by a socket there, with what makes a commit last as in production.
//!
//! One serves all tests of a process, each with a schema of its own; who stops it starts another. It ends with the process, however that ends: a shell
//! beside it waits for the end of a pipe. Where it cannot be started the tests fail, and say what is missing.

use std::io::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ioc_common::clock;

use super::connect::{Link, Purpose};
use super::migration;
use super::settings::{Address, PostgresSettings, SchemaName};
use crate::sql::postgres::Driver;

/// The version that Debian 12 has, which is the one that the schema is made for.
const VERSION: &str = "15";
/// How long a start may take on a machine that is busy, ms.
const START_MS: u64 = 120_000;
/// What names its socket.
const PORT: u16 = 5432;
/// Whom the server runs as where the tests run as root: it refuses that.
const USER: &str = "postgres";

const CONFIGURATION: &str = "
listen_addresses = ''
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 80
shared_buffers = 64MB
";

/// Runs the server until its standard input ends, and removes its folder then where that is asked for.
const KEEPER: &str = r#""$1/postgres" -D "$2/data" -k "$2" >>"$2/log" 2>&1 & server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null
wait $server
if [ "$3" = remove ]; then rm -rf "$2"; fi"#;

/// A server with its folder.
#[derive(Debug)]
pub(crate) struct Cluster {
    dir: PathBuf,
    port: u16,
    keeper: Option<Child>,
    /// The folder goes with the keeper, not with this.
    is_shared: bool,
}

#[allow(clippy::disallowed_methods, reason = "tests start the server")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Runs a program of the tests' own, and gives what it says.
pub(crate) fn run(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = command(Path::new(program)).args(arguments).current_dir(dir).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Hands a file to the user that the server runs as, and to nobody else.
pub(crate) fn hand_over(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("closed");
    if rustix::process::geteuid().is_root() {
        let user = number_of_user();
        chown(path, Some(user), Some(user)).expect("given to the server's user");
    }
}

fn programs() -> PathBuf {
    let dir = PathBuf::from(format!("/usr/lib/postgresql/{VERSION}/bin"));
    assert!(
        dir.join("initdb").exists(),
        "PostgreSQL {VERSION} is not here: {} has no initdb; mend: apt-get install postgresql-{VERSION} (scripts/test does)",
        dir.display()
    );
    dir
}

/// A program as a user that the server runs as.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command(program);
    }
    let mut other = command(Path::new("setpriv"));
    other.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
    other
}

fn number_of_user() -> u32 {
    let output = command(Path::new("id")).args(["-u", USER]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("there is no user {USER}; mend: apt-get install postgresql-{VERSION}"))
}

impl Cluster {
    /// A server of its own, for a test that stops it.
    pub(crate) fn start() -> Self {
        Self::new(false, PORT, |_| String::new())
    }

    /// One that is told more, by what is written into its folder before it starts, and whose socket has this port's name.
    pub(crate) fn start_with(port: u16, more: impl FnOnce(&Path) -> String) -> Self {
        Self::new(false, port, more)
    }

    fn new(is_shared: bool, port: u16, more: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::Builder::new().prefix("ioc-pg-").tempdir_in("/tmp").expect("a folder").keep();
        if rustix::process::geteuid().is_root() {
            let user = number_of_user();
            chown(&dir, Some(user), Some(user)).expect("given to the server's user");
        }
        let made = unprivileged(&programs().join("initdb"))
            .args([
                "-U",
                "ioc",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
                "-D",
            ])
            .arg(dir.join("data"))
            .current_dir("/")
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut file = std::fs::OpenOptions::new().append(true).open(dir.join("data/postgresql.conf")).expect("opened");
        let more = more(&dir);
        file.write_all(format!("{CONFIGURATION}port = {port}\n{more}").as_bytes()).expect("written");
        let mut cluster = Self { dir, port, keeper: None, is_shared };
        cluster.start_again();
        cluster
    }

    /// Starts it again after [`Self::kill`].
    pub(crate) fn start_again(&mut self) {
        let mut keeper = unprivileged(Path::new("/bin/sh"));
        keeper.args(["-c", KEEPER, "sh"]).arg(programs()).arg(&self.dir).arg(if self.is_shared {
            "remove"
        } else {
            "keep"
        });
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").spawn();
        self.keeper = Some(keeper.expect("sh runs"));
        let settings = self.settings("postgres_is_there");
        let until = clock::boottime_ms() + START_MS;
        while let Err(error) = Link::open(&settings, Purpose::Lease, &driver()) {
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(clock::boottime_ms() < until, "PostgreSQL does not start: {error}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as a crash does: its processes are killed, nothing is put in order.
    pub(crate) fn kill(&mut self) {
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).expect("it runs");
        let first = file.lines().next().expect("a process");
        assert!(command(Path::new("kill")).args(["-9", first]).status().expect("kill runs").success());
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    pub(crate) fn settings(&self, schema: &str) -> PostgresSettings {
        PostgresSettings {
            addresses: vec![Address { host: self.dir.to_string_lossy().into_owned(), port: self.port }],
            database: "postgres".into(),
            schema: SchemaName::new(schema).expect("a name"),
            user: "ioc".into(),
            password_file: None,
            tls: None,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The thread that drives all connections of the tests.
pub(crate) fn driver() -> Arc<Driver> {
    static DRIVER: OnceLock<Arc<Driver>> = OnceLock::new();
    Arc::clone(DRIVER.get_or_init(|| Driver::start().expect("a thread")))
}

/// Settings of a schema that is not there yet.
pub(crate) fn settings() -> PostgresSettings {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let schema = format!("site_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    CLUSTER.get_or_init(|| Cluster::new(true, PORT, |_| String::new())).settings(&schema)
}

pub(crate) fn link_of(settings: &PostgresSettings) -> Link {
    Link::open(settings, Purpose::Lease, &driver()).expect("connected")
}

/// A connection to a schema that is not there yet.
pub(crate) fn link() -> (Link, PostgresSettings) {
    let settings = settings();
    (Link::open(&settings, Purpose::Migration, &driver()).expect("connected"), settings)
}

/// A connection to a site that was just made.
pub(crate) fn site() -> (Link, PostgresSettings) {
    let (link, settings) = link();
    migration::migrate(&link, &settings.schema).expect("made");
    (link, settings)
}
