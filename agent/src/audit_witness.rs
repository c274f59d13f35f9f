//! What this agent witnessed of the collector's audit log: the newest signed head that it was given. It says at each connection which that
//! is, so that a collector whose log was rewritten, cut or replaced by an older copy is found out by any one of its agents.
//!
//! The head is kept in a file so that it outlives a restart of the machine. The file is written when a head comes, at most once in ten minutes,
//! and at the end; it is not synced, and nothing wakes for it. It says whose collector gave it: an agent that is enrolled with another one while
//! its service still runs writes at its end what it saw of the old one.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ioc_common::audit_head::{AuditHead, Witnessed};
use ioc_common::file::replace;
use serde::{Deserialize, Serialize};

/// Between two writes, milliseconds.
const KEEP_EVERY_MS: u64 = 600_000;
/// Largest file that is read, bytes: one head has about 400, and each authority 67.
const FILE_MAX_BYTES: usize = 4096;
/// The file, in the agent's own directory.
const FILE: &str = "audit-head.json";

/// What stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Kept {
    /// The SHA-256 fingerprints, hex, of the authorities of the collector that gave it.
    #[serde(default)]
    authorities: Vec<String>,
    #[serde(flatten)]
    seen: Witnessed,
}

/// The newest head, and whether it is on the disk.
#[derive(Debug)]
pub(crate) struct AuditWitness {
    path: PathBuf,
    kept: Kept,
    /// What is in the file is what is known.
    is_kept: bool,
    /// When it was last written, or tried, boot clock, milliseconds.
    kept_ms: u64,
}

impl AuditWitness {
    /// Takes up what an earlier run kept, where the collector that gave it has one of these authorities (fingerprints, hex).
    pub(crate) fn open(state: &Path, authorities: Vec<String>, now_ms: u64) -> Self {
        let path = state.join(FILE);
        let mut kept = read(&path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "what was witnessed of the collector's audit log cannot be read");
            Kept::default()
        });
        if kept.seen.head.is_some() && !kept.authorities.iter().any(|one| authorities.contains(one)) {
            tracing::warn!(path = %path.display(), "what was witnessed was of another collector's audit log; it is forgotten");
            kept.seen = Witnessed::default();
        }
        kept.authorities = authorities;
        Self { path, kept, is_kept: true, kept_ms: now_ms }
    }

    /// What is to be said of it.
    pub(crate) const fn seen(&self) -> &Witnessed {
        &self.kept.seen
    }

    /// Takes a head that the collector gave. One that says less than what was seen is taken, too, since a person may have restored the
    /// collector; what was seen stands in the journal then, and was reported when the link was opened.
    pub(crate) fn take(&mut self, head: AuditHead, now_ms: u64) {
        if !head.is_well_formed() {
            tracing::warn!("the collector gave a head of its audit log that is none");
            return;
        }
        if let Some(seen) = self.kept.seen.head.as_ref().filter(|seen| contradicts(seen, &head)) {
            tracing::error!(
                number = seen.number, hash = seen.hash, at = %seen.at, key = seen.key,
                now_number = head.number, now_hash = head.hash, now_at = %head.at,
                "the collector's audit log is not the one that was witnessed here: it was rewritten, or an older state was restored"
            );
        }
        self.kept.seen.head = Some(head);
        self.is_kept = false;
        if now_ms.saturating_sub(self.kept_ms) >= KEEP_EVERY_MS {
            self.keep(now_ms);
        }
    }

    /// Writes it down, where it is not.
    pub(crate) fn keep(&mut self, now_ms: u64) {
        if self.is_kept {
            return;
        }
        self.kept_ms = now_ms;
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        match replace(&self.path, 0o600, |file| file.write_all(&text)) {
            Ok(()) => self.is_kept = true,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "what was witnessed of the audit log cannot be kept");
            }
        }
    }
}

/// Whether one log cannot have had both heads in this order.
fn contradicts(seen: &AuditHead, head: &AuditHead) -> bool {
    head.number < seen.number || head.number == seen.number && (head.hash != seen.hash || head.root != seen.root)
}

/// Forgets what was witnessed of another collector: this host is enrolled anew.
///
/// # Errors
/// What the system says.
pub(crate) fn forget(state: &Path) -> io::Result<()> {
    match std::fs::remove_file(state.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        text => text?,
    };
    if text.len() > FILE_MAX_BYTES {
        return Err(io::Error::other(format!("it has {} bytes; allowed are {FILE_MAX_BYTES}", text.len())));
    }
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;

    use super::*;

    fn head(number: u64, hash: &str) -> AuditHead {
        let at = Timestamp::from_millis(i64::try_from(number).expect("small"));
        AuditHead::unsigned(number, hash.repeat(64), "b".repeat(64), at, "0".repeat(16)).signed(b"x")
    }

    /// The authority of the collector that it is enrolled with.
    fn here() -> Vec<String> {
        vec!["a".repeat(64)]
    }

    #[test]
    fn what_a_service_writes_at_its_end_of_a_collector_that_it_no_longer_has_is_forgotten() {
        let dir = tempfile::tempdir().expect("directory");
        let mut running = AuditWitness::open(dir.path(), here(), 0);
        running.take(head(7, "a"), 1);
        // This host is enrolled with another collector meanwhile, and the service stops after that.
        forget(dir.path()).expect("forgotten");
        running.keep(2);
        let other = AuditWitness::open(dir.path(), vec!["b".repeat(64)], 3);
        assert_eq!(other.seen(), &Witnessed::default());
        // An authority that is being replaced is still among those that are trusted.
        let both = AuditWitness::open(dir.path(), vec!["b".repeat(64), "a".repeat(64)], 3);
        assert_eq!(both.seen().head, Some(head(7, "a")));
    }

    #[test]
    fn the_newest_head_is_kept_seldom_and_at_the_end() {
        let dir = tempfile::tempdir().expect("directory");
        let file = dir.path().join(FILE);
        let mut witness = AuditWitness::open(dir.path(), here(), 1000);
        assert_eq!(witness.seen(), &Witnessed::default());
        witness.keep(1000);
        assert!(!file.exists(), "nothing was seen");
        for minute in 1..=9 {
            witness.take(head(minute, "a"), 1000 + minute * 60_000);
        }
        assert!(!file.exists(), "not within ten minutes");
        witness.take(head(10, "a"), 1000 + KEEP_EVERY_MS);
        assert_eq!(read(&file).expect("read").seen.head, Some(head(10, "a")));
        witness.take(head(11, "a"), 2000 + KEEP_EVERY_MS);
        assert_eq!(read(&file).expect("read").seen.head, Some(head(10, "a")), "and then not for ten minutes");
        witness.keep(3000 + KEEP_EVERY_MS);
        let again = AuditWitness::open(dir.path(), here(), 0);
        assert_eq!(again.seen().head, Some(head(11, "a")));
        assert!(std::fs::metadata(&file).expect("there").len() < 600);
    }

    #[test]
    fn another_log_is_noticed_and_taken_and_what_is_no_head_is_neither() {
        let dir = tempfile::tempdir().expect("directory");
        let mut witness = AuditWitness::open(dir.path(), here(), 0);
        assert!(contradicts(&head(5, "a"), &head(4, "a")) && contradicts(&head(5, "a"), &head(5, "c")));
        assert!(!contradicts(&head(5, "a"), &head(5, "a")) && !contradicts(&head(5, "a"), &head(6, "c")));
        witness.take(head(5, "a"), 0);
        witness.take(head(4, "c"), 1);
        assert_eq!(witness.seen().head, Some(head(4, "c")), "it was reported when the link was opened");
        witness.take(AuditHead { root: "x".into(), ..head(9, "a") }, 2);
        assert_eq!(witness.seen().head, Some(head(4, "c")));
        // A file that cannot be read says nothing, and is written again.
        for text in ["", "{", &"x".repeat(FILE_MAX_BYTES + 1)] {
            std::fs::write(dir.path().join(FILE), text).expect("written");
            assert_eq!(AuditWitness::open(dir.path(), here(), 0).seen(), &Witnessed::default());
        }
        witness.keep(3);
        assert_eq!(AuditWitness::open(dir.path(), here(), 0).seen().head, Some(head(4, "c")));
        forget(dir.path()).expect("forgotten");
        forget(dir.path()).expect("nothing to forget");
        assert_eq!(AuditWitness::open(dir.path(), here(), 0).seen(), &Witnessed::default());
    }
}
