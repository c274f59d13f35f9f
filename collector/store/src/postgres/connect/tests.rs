//! Connecting to real servers: which address is taken, what is checked, and what is said of what is wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::super::lease::{Taken, Taker};
use super::super::migration;
use super::super::scratch::{self, Cluster};
use super::super::settings::{Address, OwnCertificate, PostgresForm, SchemaName, Tls};
use super::*;

fn refused(settings: &PostgresSettings) -> String {
    Link::open(settings, Purpose::Writer, &scratch::driver()).expect_err("refused").to_string()
}

fn text(link: &Link, sql: &str) -> String {
    link.get(&link.row(sql, &[]).expect("asked"), 0).expect("read")
}

#[test]
fn a_session_says_what_a_commit_relies_on() {
    let settings = scratch::settings();
    let link = Link::open(&settings, Purpose::Writer, &scratch::driver()).expect("connected");
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("search_path", settings.schema.as_str()),
        ("TimeZone", "UTC"),
        ("statement_timeout", "1min"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "5s"),
    ] {
        assert_eq!(text(&link, &format!("SHOW {name}")).trim_matches('"'), value, "{name}");
    }
    let name = text(&link, "SHOW application_name");
    assert_eq!(name, format!("ioc-collector {} writer", settings.schema.as_str()));
}

/// A server that lets in whoever comes, says that it takes writes, and nothing behind that: what one that is paused right then looks like.
fn falls_silent() -> (tempfile::TempDir, Address) {
    let dir = tempfile::Builder::new().prefix("ioc-silent-").tempdir_in("/tmp").expect("a folder");
    let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).expect("listens");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut bytes = [0; 4096];
            // The first is who comes, the second whether it takes writes.
            let answers: [&[u8]; 2] = [
                b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
                b"T\0\0\0\x1b\0\x01ro\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0D\0\0\0\x0d\0\x01\0\0\0\x03offC\0\0\0\x09SHOW\0Z\0\0\0\x05I",
            ];
            for answer in answers {
                if client.read(&mut bytes).is_ok_and(|read| read > 0) {
                    let _ = client.write_all(answer);
                }
            }
            std::thread::spawn(move || {
                // Whatever comes now is read, and nothing is said.
                while client.read(&mut bytes).is_ok_and(|read| read > 0) {}
            });
        }
    });
    let host = dir.path().to_string_lossy().into_owned();
    (dir, Address { host, port: 5432 })
}

#[test]
fn a_server_that_falls_silent_once_it_let_us_in_holds_nobody_up_and_the_next_one_is_taken() {
    let (_dir, silent) = falls_silent();
    let mut settings = scratch::settings();
    settings.addresses.insert(0, silent);
    let begun_ms = ioc_common::clock::boottime_ms();
    Link::open(&settings, Purpose::Lease, &scratch::driver()).expect("the second is taken");
    let took_ms = ioc_common::clock::boottime_ms() - begun_ms;
    assert!(took_ms >= CONNECT_S * 1000, "it was let in, and waited: {took_ms} ms");
    settings.addresses.truncate(1);
    assert!(refused(&settings).contains("no answer within 5 s"), "{}", refused(&settings));
}

#[test]
fn whichever_address_takes_writes_is_taken_and_what_is_wrong_is_said_with_its_mend() {
    let settings = scratch::settings();
    let (admin, name) = (scratch::link_of(&settings), settings.schema.as_str().to_owned());
    let nowhere = Address { host: "/nowhere".into(), port: 5432 };
    let mut two = settings.clone();
    two.addresses.insert(0, nowhere.clone());
    Link::open(&two, Purpose::Writer, &scratch::driver()).expect("the second is taken");
    two.addresses.truncate(1);
    let said = refused(&two);
    assert!(said.contains("/nowhere:5432/postgres (schema") && said.contains("start PostgreSQL there"), "{said}");

    let mut other = settings.clone();
    other.database = "gone".into();
    let said = refused(&other);
    assert!(said.contains("3D000") && said.contains("make the database"), "{said}");
    other = settings.clone();
    other.user = "nobody_of_ours".into();
    let said = refused(&other);
    assert!(said.contains("28000") && said.contains("pg_hba.conf"), "{said}");

    // A standby takes no writes.
    admin
        .batch(&format!(
            "CREATE ROLE {name}_reads LOGIN; ALTER ROLE {name}_reads SET default_transaction_read_only = on"
        ))
        .expect("made");
    other.user = format!("{name}_reads");
    let said = refused(&other);
    assert!(said.contains("promote a standby"), "{said}");

    admin
        .batch(&format!(
            "CREATE DATABASE {name}_latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        ))
        .expect("made");
    other = settings;
    other.database = format!("{name}_latin");
    let said = refused(&other);
    assert!(said.contains("LATIN1") && said.contains("ENCODING 'UTF8'"), "{said}");
}

#[test]
fn what_the_docs_say_is_all_that_the_role_needs() {
    let settings = scratch::settings();
    let (admin, name) = (scratch::link_of(&settings), settings.schema.as_str().to_owned());
    // As docs/scale.md has it: a role that is no superuser, and a database of its own.
    admin.batch(&format!("CREATE ROLE {name}_ioc LOGIN")).expect("made");
    admin
        .batch(&format!("CREATE DATABASE {name}_ioc OWNER {name}_ioc ENCODING 'UTF8' TEMPLATE template0"))
        .expect("made");
    let mut own = settings.clone();
    (own.database, own.user) = (format!("{name}_ioc"), format!("{name}_ioc"));
    // And where it may make no schema: an administrator made both.
    let mut given = own.clone();
    (given.user, given.schema) = (format!("{name}_less"), SchemaName::new("given").expect("a name"));
    let mut there = settings;
    there.database.clone_from(&own.database);
    let admin = scratch::link_of(&there);
    admin
        .batch(&format!(
            "CREATE ROLE {name}_less LOGIN; CREATE SCHEMA given AUTHORIZATION {name}_less; CREATE SCHEMA given_history AUTHORIZATION {name}_less"
        ))
        .expect("made");
    for settings in [own, given] {
        let link = Link::open(&settings, Purpose::Migration, &scratch::driver()).expect("connected");
        assert_eq!(migration::migrate(&link, &settings.schema).expect("made").to, 1, "{}", settings.user);
        let taken = Taker::new("một", "").try_take(&link, &settings.schema, 0).expect("asked");
        assert!(matches!(taken, Taken::Ours(_)), "{taken:?}");
        // Pages that show a part stand on views of the session.
        link.batch("CREATE TEMP VIEW device AS SELECT * FROM device").expect("made");
    }
}

/// A certificate for a name, signed by the authority of this folder, which is made where there is none.
fn certificate(dir: &Path, name: &str, alternative: &str) {
    let openssl = |line: &str| drop(scratch::run("openssl", &line.split_whitespace().collect::<Vec<_>>(), dir));
    if !dir.join("ca.pem").exists() {
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca",
        );
    }
    openssl(&format!(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
    ));
    std::fs::write(dir.join("extensions"), format!("subjectAltName={alternative}\n")).expect("written");
    openssl(&format!(
        "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile extensions"
    ));
}

#[test]
fn a_server_is_believed_by_its_certificate_and_asks_for_ours() {
    let files = tempfile::tempdir().expect("a folder");
    certificate(files.path(), "server", "IP:127.0.0.1");
    certificate(files.path(), "ioc", "DNS:ioc");
    let others = tempfile::tempdir().expect("a folder");
    certificate(others.path(), "ioc", "DNS:ioc");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("known").port();
    let cluster = Cluster::start_with(port, |dir| {
        for name in ["server.pem", "server.key", "ca.pem"] {
            std::fs::copy(files.path().join(name), dir.join(name)).expect("copied");
            scratch::hand_over(&dir.join(name));
        }
        let hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n";
        std::fs::write(dir.join("data/pg_hba.conf"), hba).expect("written");
        let file = |name: &str| dir.join(name).display().to_string();
        format!(
            "listen_addresses = '127.0.0.1'\nssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\n",
            file("server.pem"),
            file("server.key"),
            file("ca.pem")
        )
    });
    let path = |dir: &Path, name: &str| dir.join(name).display().to_string();
    let mut form: PostgresForm = serde_json::from_value(serde_json::json!({
        "addresses": [format!("127.0.0.1:{port}")], "database": "postgres", "schema": "hanoi", "user": "ioc",
        "tls_authority": path(files.path(), "ca.pem"), "tls_certificate": path(files.path(), "ioc.pem"), "tls_key": path(files.path(), "ioc.key"),
    }))
    .expect("read");
    let settings = form.clone().check().expect("allowed");
    let link = Link::open(&settings, Purpose::Writer, &scratch::driver()).expect("connected");
    assert_eq!(text(&link, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "TLSv1.3");

    let with = |change: &dyn Fn(&mut Tls)| {
        let mut settings = settings.clone();
        change(settings.tls.as_mut().expect("in TLS"));
        refused(&settings)
    };
    let other = with(&|tls| tls.authority = others.path().join("ca.pem"));
    assert!(other.contains("tls_authority"), "another authority: {other}");
    let without = with(&|tls| tls.own = None);
    assert!(without.contains("mend"), "no certificate of ours: {without}");
    let foreign = OwnCertificate { certificate: others.path().join("ioc.pem"), key: others.path().join("ioc.key") };
    let foreign = with(&|tls| tls.own = Some(foreign.clone()));
    assert!(foreign.contains("mend"), "a certificate of another authority: {foreign}");
    let gone = with(&|tls| tls.authority = files.path().join("gone.pem"));
    assert!(gone.contains("gone.pem") && gone.contains("mend"), "{gone}");
    form.addresses = vec![serde_json::from_str(&format!("\"localhost:{port}\"")).expect("read")];
    let named = refused(&form.check().expect("allowed"));
    assert!(named.contains("tls_authority"), "the certificate has another name: {named}");

    // A server that keeps nothing is no place for a record.
    link.batch("ALTER SYSTEM SET fsync = off").expect("told");
    link.batch("SELECT pg_reload_conf()").expect("told");
    let until = ioc_common::clock::boottime_ms() + 20_000;
    let said = loop {
        match Link::open(&settings, Purpose::Writer, &scratch::driver()) {
            Err(error) => break error.to_string(),
            Ok(_) => assert!(ioc_common::clock::boottime_ms() < until, "it does not see it"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(said.contains("fsync = off") && said.contains("postgresql.conf"), "{said}");
    drop((link, cluster));
}

#[test]
fn a_password_is_read_from_its_file_without_its_end_of_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("password");
    std::fs::write(&path, "bí mật\r\n").expect("written");
    let mut settings = scratch::settings();
    settings.password_file = Some(path);
    let config = config(&settings, &settings.addresses[0], Purpose::Reader).expect("read");
    assert_eq!(config.get_password(), Some("bí mật".as_bytes()));
    settings.password_file = Some(dir.path().join("gone"));
    let said = config_error(&settings);
    assert!(said.contains("gone"), "{said}");
}

fn config_error(settings: &PostgresSettings) -> String {
    config(settings, &settings.addresses[0], Purpose::Reader).expect_err("it is not there").to_string()
}
