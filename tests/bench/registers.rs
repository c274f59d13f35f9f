//! The paperwork of a large centre: gathering the quarter's report beside a fleet that reports, and the register of accounts with a review of all of it.
//! What is on record is made by the store's own writer before the collector starts on it.

use std::path::Path;
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_common::reading::{Account, Accounts};
use ioc_judge::incident::{IncidentRecord, Progress};
use ioc_judge::{
    DeviceInfo, DeviceKind, Evidence, Fault, FaultState, Incident, IncidentState, InformationSource, Priority,
    Severity, Text,
};
use ioc_store::Change;
use ioc_store::audit::AuditEntry;
use ioc_tests::harness::{Rig, binary};
use ioc_tests::performance::number;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::fleet::{Moment, Reporting, millis, reporting};
use crate::pages::get;

const DAY_MS: i64 = 86_400_000;
/// Of each device in the quarter and the one before it.
const FAULTS: u64 = 40;
/// Changes of one transaction.
const AT_ONCE: usize = 2000;
/// A report of a thousand devices should be gathered in so many seconds.
const REPORT_S: f64 = 5.0;
/// Longest that a page should take, milliseconds.
const PAGE_MS: f64 = 100.0;
/// How often a page is asked.
const TIMES: usize = 10;
/// Accounts of each host: a review has 20,000 lines at most, with those of the collector.
const ACCOUNTS: u64 = 2;
/// Between two answers that the engine is asked for while it does something else.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest that the engine should keep anybody waiting while it does something in pieces.
const WAIT_MS: f64 = 250.0;

fn commit(data: &Path, changes: impl Iterator<Item = Change>) -> anyhow::Result<()> {
    let mut store = ioc_store::open(data)?;
    let mut piece = Vec::with_capacity(AT_ONCE);
    for change in changes {
        piece.push(change);
        if piece.len() == AT_ONCE {
            store.commit(&piece)?;
            piece.clear();
        }
    }
    store.commit(&piece)?;
    Ok(store.close()?)
}

/// A collector whose first start has made its keys, and that is stopped.
async fn stopped() -> anyhow::Result<Rig> {
    let mut rig = Rig::new("");
    rig.start().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    rig.stop().await?;
    Ok(rig)
}

fn fault(id: u64, device: &DeviceId, at: Timestamp) -> Fault {
    let rules = ["silent", "link-overloaded", "usb-storage", "disk-full"];
    Fault {
        id: FaultId(1_000_000 + id),
        device: device.clone(),
        rule: rules[(id % 4) as usize].to_owned(),
        series: String::new(),
        severity: Severity::Warning,
        state: FaultState::Cleared,
        raised_at: at,
        cleared_at: Some(at.plus_secs(600)),
        value: None,
        reason: Text::default(),
        incident: None,
        title: None,
        source: None,
        matter: None,
    }
}

fn incident(id: u64, device: &DeviceId, at: Timestamp) -> Incident {
    Incident {
        id: IncidentId(1_000_000 + id),
        device: Some(device.clone()),
        rule: "silent".into(),
        severity: Severity::Critical,
        priority: Priority::P1,
        state: IncidentState::Resolved,
        title: Text::new("Mất liên lạc", "Silent"),
        reason: Text::default(),
        advice: Text::default(),
        article: "10.1".to_owned(),
        opened_at: at,
        acknowledge_by: Some(at.plus_secs(900)),
        resolve_by: Some(at.plus_secs(3600)),
        acknowledged_at: Some(at.plus_secs(300)),
        acknowledged_by: Some("lan".into()),
        resolved_at: Some(at.plus_secs(1800)),
        raised: 1,
        steps: 1,
        evidence: Evidence::of(InformationSource::Agent),
        record: IncidentRecord::default(),
        progress: Progress::default(),
    }
}

/// What happened at a fleet in half a year: of each device so many faults, an incident for ten of them, audit records.
fn half_a_year(devices: &[DeviceId]) -> impl Iterator<Item = Change> {
    let now = clock::now();
    let all = devices.len() as u64 * FAULTS;
    (0..all).flat_map(move |n| {
        let device = &devices[(n % devices.len() as u64) as usize];
        let at = now.plus_millis(-180 * DAY_MS + (n as f64 / all as f64 * (179 * DAY_MS) as f64) as i64);
        let entry = AuditEntry {
            at,
            actor: format!("user{:02}", n % 40),
            action: if n.is_multiple_of(7) { "personal.read" } else { "account.signed_in" }.into(),
            subject: device.to_string(),
            detail: String::new(),
        };
        let opened = n.is_multiple_of(10).then(|| Change::Incident(Box::new(incident(n, device, at))));
        [Change::Fault(fault(n, device, at)), Change::Audit(entry)].into_iter().chain(opened).collect::<Vec<_>>()
    })
}

/// The address of the report on this quarter.
fn quarter() -> anyhow::Result<String> {
    let now = jiff::Timestamp::from_millisecond(clock::now().as_millis())?;
    let today = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let first = jiff::civil::date(today.year(), (today.month() - 1) / 3 * 3 + 1, 1);
    let last = jiff::civil::date(today.year(), first.month() + 2, 1).last_of_month();
    Ok(format!("/api/v1/reports/clause.{first}.{last}"))
}

/// Gathers the quarter's report again and again while a fleet reports, and says what that costs it.
pub(crate) async fn report(figures: &mut Figures, devices: usize, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let identities = rig.enrol(devices).await?;
    let known = rig.get("/api/v1/devices?limit=1000").await?;
    let ids = known["items"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str());
    let ids = ids.map(DeviceId::new).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!ids.is_empty(), "no device is known: {known}");
    rig.stop().await?;
    commit(&rig.data(), half_a_year(&ids))?;
    rig.start().await?;
    let Reporting { totals, stop, running } = reporting(identities).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("{devices} devices at 10 s; {} faults of half a year", ids.len() as u64 * FAULTS);
    figures.begin();
    let before = Moment::of(&rig, &totals).await?;
    tokio::time::sleep(time).await;
    let quiet = Moment::of(&rig, &totals).await?;
    let (address, socket) = (quarter()?, rig.runtime().join(ioc_web::server::CONTROL_SOCKET));
    let (mut took, began) = (Vec::new(), Instant::now());
    while took.is_empty() || began.elapsed() < time {
        took.push(get(&socket, &address, false).await?.0.as_secs_f64());
    }
    let with = Moment::of(&rig, &totals).await?;
    took.sort_by(f64::total_cmp);
    let what = |what: &str| format!("{devices} devices: {what}");
    let p99 = |from: &Moment, to: &Moment| millis(to.acknowledged.since(&from.acknowledged).percentile(0.99));
    figures.say([
        Figure::new(what("the quarter's report, p50"), took[took.len() / 2], "s").most(REPORT_S),
        Figure::new(what("the quarter's report, longest"), took[took.len() - 1], "s").most(REPORT_S),
        Figure::new(what("reports gathered, one after the other"), took.len() as f64, ""),
        Figure::new(what("acknowledged, p99, without"), p99(&before, &quiet), "ms"),
        Figure::new(what("acknowledged, p99, while reports are gathered"), p99(&quiet, &with), "ms"),
        Figure::new(what("a commit, p99, without"), quiet.commit_p99_ms(&before), "ms"),
        Figure::new(what("a commit, p99, while reports are gathered"), with.commit_p99_ms(&quiet), "ms"),
    ])?;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    running.abort();
    rig.stop().await
}

/// Hosts with their accounts, as agents tell of them.
fn hosts(count: usize) -> impl Iterator<Item = Change> {
    let now = clock::now();
    (0..count).flat_map(move |n| {
        let account = |k: u64| Account {
            name: format!("user{:02}", (n as u64 * ACCOUNTS + k) % 97),
            administrator: k == 0,
            by: if k == 0 { vec!["group sudo".to_owned()] } else { Vec::new() },
            locked: Some(false),
            changed_at: Some(now.plus_millis(-(n as i64 % 120) * DAY_MS)),
            last_sign_in_at: Some(now.plus_millis(-(n as i64 % 60) * DAY_MS)),
            ..Account::default()
        };
        // A few have one less: with the collector's own they are no more than a review may have.
        let held = if n % 50 == 0 { ACCOUNTS - 1 } else { ACCOUNTS };
        let accounts = Accounts { accounts: (0..held).map(account).collect(), ..Accounts::default() };
        let body = serde_json::to_string(&accounts).unwrap();
        let device = DeviceId::new(&format!("srv-{n:05}")).unwrap();
        let place = format!("Phòng {}", n % 50);
        let name = format!("Máy chủ {n:05}");
        let info = DeviceInfo { place, ..DeviceInfo::new(device.clone(), DeviceKind::Server, name) };
        [
            Change::Device { info, at: now.plus_millis(-90 * DAY_MS) },
            Change::Document { device, name: "accounts".into(), at: now, body },
        ]
    })
}

async fn describe(rig: &Rig, holder: &str) -> anyhow::Result<f64> {
    let body = serde_json::json!({ "keys": ["srv-00000/user00"], "holder": holder });
    let began = Instant::now();
    ioc_collector::cli::ask(&rig.runtime(), "PATCH", "/api/v1/account-register", Some(body)).await?;
    Ok(millis(began.elapsed()))
}

/// Opens a review while somebody else writes down something all the time: how long it took, seconds, and the longest that the other waited, milliseconds.
async fn opened_beside_others(rig: &Rig) -> anyhow::Result<(f64, f64)> {
    let opening = async {
        let began = Instant::now();
        rig.post("/api/v1/account-reviews", serde_json::json!({})).await.map(|_| began.elapsed().as_secs_f64())
    };
    tokio::pin!(opening);
    let (mut waited, mut asked) = (0.0_f64, 0);
    let took = loop {
        tokio::select! {
            done = &mut opening => break done?,
            one = describe(rig, if asked % 2 == 0 { "ca ngày" } else { "ca đêm" }) => {
                waited = waited.max(one?);
                asked += 1;
            }
        }
    };
    println!("  {asked} times somebody wrote down something else meanwhile");
    Ok((took, waited))
}

/// The register of accounts of so many hosts: its page, and a review of all of it, with what whoever else asks the engine waits for meanwhile.
pub(crate) async fn accounts(figures: &mut Figures, count: usize) -> anyhow::Result<()> {
    let mut rig = stopped().await?;
    commit(&rig.data(), hosts(count))?;
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    // Faults of a fleet that has not come yet are raised first.
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("{count} hosts with {ACCOUNTS} accounts each");
    figures.begin();
    let what = |what: &str| format!("{count} hosts: {what}");
    let mut all = pages(&socket, count).await?;
    let mut quiet = 0.0_f64;
    for n in 0..50 {
        quiet = quiet.max(describe(&rig, &format!("ca {n}")).await?);
        tokio::time::sleep(PAUSE).await;
    }
    let (took, waited) = opened_beside_others(&rig).await?;
    let (written, signed) = ("/api/v1/account-reviews/1/lines", "/api/v1/account-reviews/1");
    let line = serde_json::json!({ "lines": [{ "line": 7, "verdict": "lock", "reason": "nghỉ" }] });
    let began = Instant::now();
    ioc_collector::cli::ask(&rig.runtime(), "PUT", written, Some(line)).await?;
    all.push(Figure::new(what("a line of a review is written in"), millis(began.elapsed()), "ms"));
    all.extend(
        page(&socket, "/register/accounts/reviews/1?page=99", &what("a page of a review"), Some(PAGE_MS)).await?,
    );
    let (read, bytes) = get(&socket, signed, false).await?;
    println!("  the whole review has {} kB", number(bytes as f64 / 1000.0));
    all.extend([
        Figure::new(what("a review is opened in"), took, "s"),
        Figure::new(what("the whole review is read in"), millis(read), "ms"),
        Figure::new(what("longest wait of others, nothing being opened"), quiet, "ms"),
        Figure::new(what("longest wait of others while it is opened"), waited, "ms").most(WAIT_MS),
    ]);
    figures.say(all)?;
    rig.stop().await
}

/// How long a page takes, asked many times.
async fn page(socket: &Path, path: &str, what: &str, most_ms: Option<f64>) -> anyhow::Result<[Figure; 2]> {
    let mut took = Vec::new();
    for _ in 0..TIMES {
        took.push(millis(get(socket, path, false).await?.0));
    }
    took.sort_by(f64::total_cmp);
    let longest = Figure::new(format!("{what}, longest"), took[TIMES - 1], "ms");
    let longest = if let Some(most_ms) = most_ms { longest.most(most_ms) } else { longest };
    Ok([Figure::new(format!("{what}, p50"), took[TIMES / 2], "ms"), longest])
}

/// Pages of the registers of so many hosts.
async fn pages(socket: &Path, count: usize) -> anyhow::Result<Vec<Figure>> {
    let mut all = Vec::new();
    for (path, name, most_ms) in [
        ("/register/accounts", "page of accounts", Some(PAGE_MS)),
        ("/register/accounts?search=user42&page=2", "a search for accounts", Some(PAGE_MS)),
        ("/register/accounts?work=idle", "idle accounts", Some(PAGE_MS)),
        ("/register/assets", "page of assets", Some(PAGE_MS)),
        ("/register/assets?page=99", "the last page of assets", Some(PAGE_MS)),
        ("/register/assets?work=blank", "assets with blanks", Some(PAGE_MS)),
        ("/register/assets?search=m%C3%A1y", "a search for assets", Some(PAGE_MS)),
        ("/register/software", "page of software", Some(PAGE_MS)),
        ("/api/v1/account-register.csv", "all accounts as CSV", None),
    ] {
        all.extend(page(socket, path, &format!("{count} hosts: {name}"), most_ms).await?);
    }
    Ok(all)
}
