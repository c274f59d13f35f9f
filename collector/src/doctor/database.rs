//! What the doctor says of a store in PostgreSQL: whether it can be reached, who holds the lease, the clocks, how long an answer takes, and how far its standbys
//! are behind.

use ioc_engine::config::{Config, PostgresPlan};
use ioc_store::DatabaseReport;

use super::Finding;
use crate::collector_name::name_of;

/// A commit waits for one or two answers: from here on people wait for it, ms.
const LATENCY_LOOK_MS: u64 = 100;
/// From here on times in the log and in the database do not fit each other, ms.
const CLOCK_LOOK_MS: i64 = 2000;
/// A standby that is so far behind brings a failover back to then: bytes of the log, and ms.
const BEHIND_LOOK_BYTES: u64 = 64 << 20;
const BEHIND_LOOK_MS: u64 = 10_000;

/// What there is to say; nothing where the store is in files.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let Some(plan) = config.store.postgres() else { return Vec::new() };
    match DatabaseReport::of(&plan.settings) {
        Ok(report) => findings(&report, plan),
        Err(error) => {
            let said = error.to_string();
            let (what, mend) = said.split_once("; mend: ").unwrap_or((said.as_str(), "what the message says"));
            vec![Finding::broken(what, mend).about("the database")]
        }
    }
}

fn findings(report: &DatabaseReport, plan: &PostgresPlan) -> Vec<Finding> {
    let mut all = vec![
        made(report).about("the database"),
        lease(report, &name_of(plan)).about("the lease"),
        latency(report.latency_ms).about("the database's latency"),
        clocks(report.clock_ahead_ms).about("the database's clock"),
    ];
    all.extend(report.fence_faults.iter().map(|fault| {
        let mend = "two collectors may have decided at once: keep both their logs, and report it with them";
        Finding::broken(format!("the history of fences: {fault}"), mend).about("the lease")
    }));
    all.extend(standbys(report).into_iter().map(|one| one.about("the database's standbys")));
    all
}

fn made(report: &DatabaseReport) -> Finding {
    let (place, version) = (&report.place, &report.version);
    if report.is_made {
        Finding::good(format!("{place} answers (PostgreSQL {version}), and has this site"))
    } else {
        Finding::look(
            format!("{place} answers (PostgreSQL {version}), and has no such site in this program's version"),
            "start the service: whoever takes the lease makes the site, or brings it up; check [store] database and schema",
        )
    }
}

fn lease(report: &DatabaseReport, own: &str) -> Finding {
    let (holder, fence) = (&report.holder, report.fence);
    if holder.is_empty() {
        return Finding::look("nobody has held the lease of this site yet", "systemctl start ioc-collector");
    }
    if report.lasts_ms <= 0 {
        let what = format!("nobody holds the lease of this site: that of {holder} (fence {fence}) is over");
        return Finding::broken(what, "systemctl status ioc-collector, on each machine of the site; see /readyz there");
    }
    let lasts_s = report.lasts_ms / 1000;
    let who = if holder == own {
        "this collector holds".to_owned()
    } else {
        format!("this collector ({own}) stands by: {holder} holds")
    };
    Finding::good(format!("{who} the lease of this site (fence {fence}, for {lasts_s} s unless it is renewed)"))
}

fn latency(latency_ms: u64) -> Finding {
    let what = format!("the database answers within {latency_ms} ms");
    if latency_ms < LATENCY_LOOK_MS {
        Finding::good(what)
    } else {
        Finding::look(
            what,
            "each commit waits for that once or twice: look at the network between both, and at the server's load",
        )
    }
}

fn clocks(ahead_ms: i64) -> Finding {
    let seconds = ahead_ms.abs() as f64 / 1000.0;
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let what = format!("the database's clock is {seconds:.1} s {side} this machine's");
    if ahead_ms.abs() < CLOCK_LOOK_MS {
        Finding::good(what)
    } else {
        let mend =
            "the lease goes by the database's clock alone, but times in logs and record do not fit: set both (NTP)";
        Finding::look(what, mend)
    }
}

fn standbys(report: &DatabaseReport) -> Vec<Finding> {
    let Some(all) = &report.standbys else {
        let mend = "GRANT pg_monitor TO the role of [store] user, or look yourself: SELECT * FROM pg_stat_replication";
        return vec![Finding::look("how far the database's standbys are behind may not be looked at", mend)];
    };
    if all.is_empty() {
        let mend = "a machine that dies takes the record with it, up to the last backup: add a streaming standby (docs/scale.md)";
        return vec![Finding::look("the database has no standby that follows it", mend)];
    }
    let mut found: Vec<Finding> = all
        .iter()
        .map(|one| {
            let bytes = one
                .behind_bytes
                .map_or_else(|| "by an unknown amount".to_owned(), |bytes| format!("{} KiB", bytes >> 10));
            let late = one.behind_ms.map_or_else(String::new, |ms| format!(", {ms} ms late"));
            let what = format!(
                "the database's standby {:?} is {} ({}), and behind: {bytes}{late}",
                one.name, one.state, one.sync_state
            );
            let is_far = one.behind_bytes.is_none_or(|bytes| bytes > BEHIND_LOOK_BYTES)
                || one.behind_ms.is_some_and(|ms| ms > BEHIND_LOOK_MS)
                || one.state != "streaming";
            if is_far {
                Finding::look(what, "look at that server, its disk and the network to it")
            } else {
                Finding::good(what)
            }
        })
        .collect();
    if report.synchronous.is_empty() {
        let mend =
            "set synchronous_standby_names, so that a failover loses nothing that was acknowledged (docs/scale.md)";
        found.push(Finding::look("no standby confirms commits before they are acknowledged", mend));
    }
    found
}

#[cfg(test)]
mod tests {
    use ioc_store::StandbyServer;

    use super::super::Verdict;
    use super::*;

    fn report() -> DatabaseReport {
        DatabaseReport {
            place: "postgresql://ioc@db/ioc (schema hanoi)".into(),
            version: "15.9".into(),
            is_made: true,
            is_opened: true,
            holder: "một".into(),
            fence: 3,
            lasts_ms: 7000,
            latency_ms: 1,
            clock_ahead_ms: -40,
            fence_faults: Vec::new(),
            synchronous: "hai".into(),
            standbys: Some(vec![StandbyServer {
                name: "hai".into(),
                state: "streaming".into(),
                sync_state: "sync".into(),
                behind_bytes: Some(0),
                behind_ms: None,
            }]),
        }
    }

    #[test]
    fn what_is_well_is_good_and_what_is_not_has_its_mend() {
        let text =
            "[store]\nkind = \"postgres\"\nname = \"hai\"\naddresses = [\"/run/postgresql\"]\nschema = \"hanoi\"\n";
        let config = crate::config::tests::parse(text).expect("parses");
        let plan = config.store.postgres().expect("a database");
        let look = |report: &DatabaseReport| -> Vec<Finding> {
            let all = findings(report, plan);
            all.into_iter().filter(|one| one.verdict != Verdict::Good).collect()
        };
        assert!(look(&report()).is_empty(), "{:?}", look(&report()));
        assert!(findings(&report(), plan).iter().any(|one| one.what.contains("(hai) stands by: một holds")));
        for (wrong, said) in [
            (DatabaseReport { lasts_ms: -1, ..report() }, "nobody holds"),
            (DatabaseReport { holder: String::new(), ..report() }, "nobody has held"),
            (DatabaseReport { latency_ms: 400, ..report() }, "within 400 ms"),
            (DatabaseReport { clock_ahead_ms: 600_000, ..report() }, "600.0 s ahead of"),
            (DatabaseReport { standbys: None, ..report() }, "may not be looked at"),
            (DatabaseReport { standbys: Some(Vec::new()), ..report() }, "no standby"),
            (DatabaseReport { synchronous: String::new(), ..report() }, "confirms commits"),
            (DatabaseReport { fence_faults: vec!["fence 2 …".into()], ..report() }, "fence 2"),
            (DatabaseReport { is_made: false, ..report() }, "no such site"),
        ] {
            let found = look(&wrong);
            assert!(found.len() == 1 && found[0].what.contains(said) && !found[0].mend.is_empty(), "{said}: {found:?}");
        }
    }
}
