//! A real authority of time stamps: `openssl ts -reply` behind a small server, with certificates that are made here.
#![allow(clippy::disallowed_methods, reason = "a test runs the authority's own program")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const CONFIG: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = root
[root]
basicConstraints = critical,CA:TRUE
[signer]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = one
[one]
serial = ./serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

/// What the authority does with a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Good,
    /// It stamps something else than it was asked for.
    WrongImprint,
    /// It answers a query that is not this one, about the same.
    WrongNonce,
    /// Its certificate has ended.
    Expired,
    /// It is certified by somebody else.
    Stranger,
    /// It takes the question and says nothing.
    Silent,
    Garbage,
    Refuses,
}

fn openssl(dir: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {line}: {output:?}");
}

/// An authority with a root and signers, in a directory.
fn authority(dir: &Path) {
    std::fs::write(dir.join("tsa.cnf"), CONFIG).expect("written");
    std::fs::write(dir.join("serial"), "01\n").expect("written");
    for root in ["ca", "other"] {
        openssl(
            dir,
            &format!(
                "req -x509 -config tsa.cnf -extensions root -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={root} -days 30 \
                 -keyout {root}.key -out {root}.pem"
            ),
        );
    }
    for (name, root, days) in [("signer", "ca", 20), ("expired", "ca", -1), ("stranger", "other", 20)] {
        openssl(
            dir,
            &format!(
                "req -new -config tsa.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=TSA/CN=stamps-{name} \
                 -keyout {name}.key -out {name}.csr"
            ),
        );
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA {root}.pem -CAkey {root}.key -CAcreateserial -days {days} -extfile tsa.cnf \
                 -extensions signer -out {name}.pem"
            ),
        );
    }
}

fn answer(dir: &Path, query: &[u8], manner: Manner) -> Vec<u8> {
    std::fs::write(dir.join("query.tsq"), query).expect("written");
    let other = |digest: &str| openssl(dir, &format!("ts -query -digest {digest} -sha256 -cert -out query.tsq"));
    match manner {
        Manner::WrongImprint => other(&sha256_hex(b"something else")),
        Manner::WrongNonce => other(&sha256_hex(b"a head")),
        Manner::Garbage => return b"<html>503</html>".to_vec(),
        // PKIStatus rejection.
        Manner::Refuses => return vec![0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02],
        Manner::Good | Manner::Expired | Manner::Stranger | Manner::Silent => {}
    }
    let signer = match manner {
        Manner::Expired => "expired",
        Manner::Stranger => "stranger",
        _ => "signer",
    };
    openssl(
        dir,
        &format!(
            "ts -reply -config tsa.cnf -queryfile query.tsq -signer {signer}.pem -inkey {signer}.key -out reply.tsr"
        ),
    );
    std::fs::read(dir.join("reply.tsr")).expect("read")
}

/// Serves it on a port of its own until the test ends.
async fn serve(dir: PathBuf, manner: Arc<Mutex<Manner>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let body = loop {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let length = text
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
                let begin = request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
                if let (Some(length), Some(begin)) = (length, begin)
                    && request.len() >= begin + length
                {
                    assert!(text.contains("content-type: application/timestamp-query"), "{text}");
                    break request[begin..begin + length].to_vec();
                }
                if read == 0 {
                    return;
                }
            };
            let manner = *manner.lock().expect("held");
            if manner == Manner::Silent {
                tokio::time::sleep(Duration::from_secs(60)).await;
                continue;
            }
            let reply = answer(&dir, &body, manner);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                reply.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &reply].concat()).await;
        }
    });
    format!("http://{address}/tsr")
}

fn plan(url: &str, dir: &Path, timeout_s: u64) -> TimestampPlan {
    let text = format!(
        "[timestamp]\nurl = \"{url}\"\nauthority_file = \"{}\"\ntimeout = \"{timeout_s}s\"\n",
        dir.join("ca.pem").display()
    );
    crate::config::tests::parse(&text).expect("parses").timestamp.expect("on")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_answer_of_a_known_authority_is_kept() {
    let dir = tempfile::tempdir().expect("directory");
    authority(dir.path());
    let manner = Arc::new(Mutex::new(Manner::Good));
    let url = serve(dir.path().to_owned(), Arc::clone(&manner)).await;
    let digest = sha256_hex(b"a head");
    let plan = plan(&url, dir.path(), 10);
    let made = stamp(&plan, &digest).await.expect("stamped");
    assert_eq!((made.token.digest.as_str(), made.ahead_ms), (digest.as_str(), None));
    assert!(made.token.authority.contains("stamps-signer"), "{:?}", made.token);
    assert!(made.token.at.millis_since(clock::now()).abs() < 60_000);

    // What is kept is checked by its digest, by those certificates alone, and every byte of it counts.
    let good = verify(&made.reply, &digest, &plan.authority_file).await.expect("good");
    assert_eq!(good, made.token);
    let wrong = |outcome: Result<Token, StampError>| matches!(outcome, Err(StampError::Wrong(_)));
    assert!(wrong(verify(&made.reply, &sha256_hex(b"another"), &plan.authority_file).await));
    assert!(wrong(verify(&made.reply, &digest, &dir.path().join("other.pem")).await));
    for place in [made.reply.len() / 2, made.reply.len() - 1] {
        let mut spoilt = made.reply.clone();
        spoilt[place] ^= 1;
        assert!(wrong(verify(&spoilt, &digest, &plan.authority_file).await), "{place}");
    }

    // Whatever comes is read to its end: each byte another one, and every beginning.
    for place in 0..made.reply.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut spoilt = made.reply.clone();
            spoilt[place] ^= change;
            let _ = token::read(&spoilt);
        }
        assert!(token::read(&made.reply[..place]).is_err(), "{place}");
    }

    for (how, said) in [
        (Manner::WrongImprint, "imprint"),
        (Manner::WrongNonce, "nonce"),
        (Manner::Expired, "expired"),
        (Manner::Stranger, "certificate"),
        (Manner::Garbage, "no time stamp"),
        (Manner::Refuses, "status 2"),
    ] {
        *manner.lock().expect("held") = how;
        let error = stamp(&plan, &digest).await.expect_err("not kept");
        assert!(matches!(error, StampError::Wrong(_)) && error.is_for_good(), "{how:?}: {error}");
        assert!(error.to_string().to_lowercase().contains(said), "{how:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_silent_or_away_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("directory");
    authority(dir.path());
    let url = serve(dir.path().to_owned(), Arc::new(Mutex::new(Manner::Silent))).await;
    let digest = sha256_hex(b"a head");
    let begun = clock::boottime_ms();
    let silent = stamp(&plan(&url, dir.path(), 1), &digest).await.expect_err("silent");
    assert!(matches!(silent, StampError::Away(_)) && !silent.is_for_good(), "{silent}");
    let away = stamp(&plan("http://127.0.0.1:9/", dir.path(), 1), &digest).await.expect_err("nobody listens");
    assert!(matches!(away, StampError::Away(_)) && !away.is_for_good(), "{away}");
    assert!(clock::boottime_ms() - begun < 20_000);
    // What is to check its answers is not there: it is not even asked.
    std::fs::remove_file(dir.path().join("ca.pem")).expect("removed");
    let local = stamp(&plan(&url, dir.path(), 1), &digest).await.expect_err("cannot be checked");
    assert!(matches!(local, StampError::Local(_)) && local.to_string().contains("ca.pem"), "{local}");
}
