//! Search over what five years of a centre leave on record, made through the store's own writer and taken in by its own index.

use std::collections::BTreeMap;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::audit::AuditEntry;
use ioc_store::scope::AccessScope;
use ioc_store::search::{SearchKind, SearchQuery, WordsQuery};
use ioc_store::{Change, Store};
use ioc_tests::performance::number;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};

/// Records of one commit, and of each kind of one turn of the index.
const AT_ONCE: usize = 5000;
const TURN: usize = 20_000;
const DEVICES: usize = 1000;
const SPAN_MS: i64 = 5 * 365 * 86_400_000;
/// Of how many records one has a word that stands nowhere else.
const RARE_EVERY: usize = 50_000;
/// What 99 of 100 answers should stay below.
const GOAL_MS: f64 = 300.0;
const ACTIONS: [(&str, &str); 5] = [
    ("account.signed_in", "đăng nhập từ 10.20."),
    ("device.described", "đổi nơi đặt: Phòng máy → Kho, tủ "),
    ("incident.step", "đã thay đĩa cứng, máy chạy lại, lần "),
    ("personal.read", "accounts, sessions; trang "),
    ("config.reloaded", "bộ quy tắc mới, phiên bản "),
];
const EVENTS: [(&str, &str); 5] = [
    ("usb.attached", "Gắn ổ đĩa USB, số máy WX-"),
    ("service.failed", "Dịch vụ postgresql dừng đột ngột, mã lỗi "),
    ("disk.error", "Đĩa cứng sdb báo lỗi đọc ở sector "),
    ("agent.goodbye", "Máy được tắt theo lịch, hẹn lại sau "),
    ("ups.on_battery", "UPS chạy bằng ắc quy, còn "),
];
/// What is asked, by kinds: rare and broad, with marks and without, phrases, beginnings, nothing at all, words that seldom meet.
const QUESTIONS: [(&str, &str); 16] = [
    ("frequent words", "đĩa cứng"),
    ("frequent words", "dia cung"),
    ("phrases", "\"báo lỗi đọc\""),
    ("beginnings", "hiem*"),
    ("rare words", "hiem7"),
    ("frequent words", "postgresql"),
    ("addresses and numbers", "10.20.3.7"),
    ("beginnings", "wx-1234*"),
    ("what must not be there", "ac quy -usb"),
    ("actions of the log", "đăng nhập"),
    ("frequent words", "may"),
    ("words that never meet", "usb postgresql"),
    ("phrases", "sector \"mã lỗi\""),
    ("rare words", "khong-co-tu-nay"),
    ("no words", ""),
    ("addresses and numbers", "kho tủ 77"),
];
/// What beside the words.
const FILTERS: [&str; 5] = ["no filter", "a device", "a person", "a quarter of a year", "one kind of record"];

/// What comes as the n-th of so many.
fn record(n: usize, records: usize, begin: i64, devices: &[DeviceId]) -> Change {
    let at = Timestamp::from_millis(begin + (n as f64 / records as f64 * SPAN_MS as f64) as i64);
    // Not in step with the place in the lists.
    let spread = n.wrapping_mul(2_654_435_761) >> 7;
    let device = &devices[spread % devices.len()];
    let rare = if n.is_multiple_of(RARE_EVERY) { format!(" hiem{}", n / RARE_EVERY) } else { String::new() };
    if spread.is_multiple_of(5) {
        let (action, detail) = ACTIONS[(spread / 5) % ACTIONS.len()];
        let detail = format!("{detail}{}.{}{rare}", spread % 251, n % 250);
        let (actor, subject) = (format!("user{:02}", spread % 40), device.to_string());
        return Change::Audit(AuditEntry { at, actor, action: action.into(), subject, detail });
    }
    let (name, text) = EVENTS[(spread / 5) % EVENTS.len()];
    let (text, fields) = (format!("{text}{}{rare}", spread % 100_000), format!("{{\"unit\":\"{}\"}}", spread % 1000));
    Change::Event { device: device.clone(), at, name: name.into(), text, fields }
}

fn fill(store: &mut dyn Store, records: usize) -> anyhow::Result<()> {
    let devices = (0..DEVICES).map(|n| DeviceId::new(&format!("srv-{n:04}"))).collect::<Result<Vec<_>, _>>()?;
    let begin = clock::now().as_millis() - SPAN_MS;
    let enrolled = devices.iter().zip(0..).map(|(id, n)| {
        let place = format!("Phòng {}", n % 10);
        let info = DeviceInfo { place, ..DeviceInfo::new(id.clone(), DeviceKind::Server, format!("Máy chủ {n}")) };
        Change::Device { info, at: Timestamp::from_millis(begin) }
    });
    store.commit(&enrolled.collect::<Vec<_>>())?;
    for from in (0..records).step_by(AT_ONCE) {
        let all: Vec<Change> =
            (from..records.min(from + AT_ONCE)).map(|n| record(n, records, begin, &devices)).collect();
        store.commit(&all)?;
    }
    Ok(store.close()?)
}

const fn filter_of(n: usize) -> usize {
    (n / QUESTIONS.len()) % FILTERS.len()
}

/// The n-th question: its words, and every so often filters.
fn question(n: usize) -> SearchQuery {
    let now = clock::now().as_millis();
    let ago = |share: i64| Timestamp::from_millis(now - SPAN_MS / 100 * share);
    let mut query = SearchQuery {
        words: WordsQuery::parse(QUESTIONS[n % QUESTIONS.len()].1),
        kinds: SearchKind::ALL.to_vec(),
        personal: true,
        limit: 50,
        ..SearchQuery::default()
    };
    match filter_of(n) {
        1 => query.device = DeviceId::new(&format!("srv-{:04}", n % DEVICES)).ok(),
        2 => query.actor = format!("user{:02}", n % 40),
        3 => (query.from, query.until) = (Some(ago(80)), Some(ago(75))),
        4 => query.kinds = vec![SearchKind::Audit],
        _ => {}
    }
    query
}

pub(crate) fn run(figures: &mut Figures, records: usize, questions: usize) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut store = ioc_store::open(dir.path())?;
    let begun = Instant::now();
    fill(store.as_mut(), records)?;
    println!("a store of {records} records, made in {} s", number(begun.elapsed().as_secs_f64()));
    figures.begin();
    let mut index = store.search_index()?;
    let begun = Instant::now();
    while index.turn(TURN)?.more {}
    let taken_s = begun.elapsed().as_secs_f64();
    let (held, bytes) = index.size()?;
    let of = format!("{records} records over 5 years");
    let mib_of = |bytes: u64| bytes as f64 / 1_048_576.0;
    figures.say([
        Figure::new(format!("{of}, taken in"), held as f64 / taken_s, "records/s"),
        Figure::new(format!("{of}, index"), mib_of(bytes), "MiB"),
        Figure::new(format!("{of}, index a record"), bytes as f64 / held.max(1) as f64, "bytes"),
        Figure::new(format!("{of}, store"), mib_of(ioc_store::size(dir.path())), "MiB"),
    ])?;
    figures.begin();
    for (name, scope) in [
        ("everywhere", AccessScope::EVERYWHERE),
        ("limited to a tenth of the places", AccessScope::of(&["Phòng 3".to_owned()])),
    ] {
        ask(figures, store.as_ref(), (&of, name, &scope), questions)?;
    }
    Ok(())
}

fn ask(
    figures: &mut Figures,
    store: &dyn Store,
    (of, name, scope): (&str, &str, &AccessScope),
    questions: usize,
) -> anyhow::Result<()> {
    let mut reader = store.reader()?;
    reader.limit(scope)?;
    let (mut times, mut ended, mut worst) = (Vec::with_capacity(questions), 0, (0.0, String::new()));
    let mut by_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for n in 0..questions {
        let query = question(n);
        let begun = Instant::now();
        let page = reader.search(&query)?;
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        ended += usize::from(page.reached.is_some());
        if ms > worst.0 {
            worst = (ms, format!("{:?}, {} found", QUESTIONS[n % QUESTIONS.len()].1, page.hits.len()));
        }
        for kind in [QUESTIONS[n % QUESTIONS.len()].0, FILTERS[filter_of(n)]] {
            by_kind.entry(kind).or_default().push(ms);
        }
        times.push(ms);
    }
    let at_of = |times: &[f64], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    for (kind, mut times) in by_kind {
        times.sort_by(f64::total_cmp);
        let [p50, p99] = [0.5, 0.99].map(|share| number(at_of(&times, share)));
        println!("{name}: {kind}: p50 {p50} ms, p99 {p99} ms of {} questions", times.len());
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| at_of(&times, share);
    println!("{name}: the longest took {} ms: {}", number(worst.0), worst.1);
    figures.say([
        Figure::new(format!("{of}, {name}, p50"), at(0.5), "ms"),
        Figure::new(format!("{of}, {name}, p99"), at(0.99), "ms").most(GOAL_MS),
        Figure::new(format!("{of}, {name}, longest"), worst.0, "ms"),
        Figure::new(format!("{of}, {name}, ended early"), ended as f64 / questions as f64 * 100.0, "%"),
    ])
}
