//! The judge alone: no network, no store. Values a second on one core, and one uplink with thousands of devices behind it.

use std::sync::Arc;
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_common::config::Source;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{Body, Envelope, Facts, Hello, Losses, Position, Report, Sample};
use ioc_judge::{DeviceInfo, DeviceKind, Effect, HostAnswer, Input, RuleSet, Snapshot, State, TimeLimits};

use crate::figures::{Figure, Figures};

/// Numbers of one sample, as an agent of a server sends.
const VALUES: usize = 150;
/// Devices behind the uplink.
const BEHIND: usize = 5000;

fn device(number: usize) -> DeviceId {
    DeviceId::new(&format!("d-{number}")).expect("valid")
}

/// A layout of real metrics, so that the shipped rules find what they judge.
fn layout() -> Layout {
    let metrics = ioc_common::metric::CATALOGUE.iter().map(|metric| Series::new(metric.name, ""));
    let more = (0..64).map(|disk| Series::new("fs.used_pct", &format!("/srv/{disk}")));
    Layout::new(metrics.filter(|series| series.metric() != "clock.error").take(VALUES - 64).chain(more).collect())
        .expect("allowed")
}

fn report(id: &DeviceId, seq: u64, now: Timestamp, body: Body) -> Report {
    let envelope = Envelope {
        device: id.clone(),
        about: None,
        position: Position { epoch: 1, seq },
        boot: "boot".into(),
        taken_at: now,
        age_ms: Some(0),
        lost: None,
    };
    Report { envelope, body }
}

fn hello(layout: &Layout) -> Body {
    Body::Hello(Box::new(Hello {
        agent_version: "0.1.0".into(),
        boot_id: "boot".into(),
        run: "run".into(),
        fingerprint: "f".into(),
        interval_s: 10,
        keep_alive_s: 30,
        facts: Facts::default(),
        probes: Vec::new(),
        layout: layout.clone(),
        losses: Losses::default(),
        former: Vec::new(),
        sensor: None,
    }))
}

fn shipped_rules() -> anyhow::Result<RuleSet> {
    Ok(RuleSet::parse(&Source::built_in("rules.toml", ioc_engine::config::DEFAULT_RULES))?)
}

fn fleet(rules: RuleSet, devices: usize, uplink: bool, now: Timestamp) -> anyhow::Result<State> {
    let (mut state, _) =
        State::restore(Arc::new(rules), Arc::default(), TimeLimits::default(), Snapshot::default(), now);
    let mut out = Vec::new();
    let switch = DeviceId::new("sw-1")?;
    if uplink {
        state.step(Input::Enrolled(DeviceInfo::new(switch.clone(), DeviceKind::Other, "sw")), now, &mut out)?;
    }
    let layout = layout();
    for number in 0..devices {
        let id = device(number);
        let mut info = DeviceInfo::new(id.clone(), DeviceKind::Server, "d");
        info.uplink = uplink.then(|| switch.clone());
        state.step(Input::Enrolled(info), now, &mut out)?;
        state.step(Input::Connected { device: &id, keep_alive_s: 30 }, now, &mut out)?;
        state.step(Input::Report(&report(&id, 1, now, hello(&layout))), now, &mut out)?;
        out.clear();
    }
    Ok(state)
}

pub(crate) fn run(figures: &mut Figures, devices: usize, time: Duration) -> anyhow::Result<()> {
    let mut now = clock::now();
    let rules = shipped_rules()?;
    let count = rules.rules().len();
    let mut state = fleet(rules, devices, false, now)?;
    let layout = layout();
    // The lowest value there can be: a few rules that look for too little fire once, and every rule looks.
    let v: Vec<Option<f64>> = layout
        .series()
        .iter()
        .map(|series| ioc_common::metric::find(series.metric()).map(|metric| metric.min.max(0.0)))
        .collect();
    let (mut values, mut seq, mut effects) = (0_u64, 1, 0);
    let mut out = Vec::new();
    let (started, cpu) = (clock::boottime_us(), clock::process_cpu_us());
    while clock::boottime_us() - started < u64::try_from(time.as_micros())? {
        seq += 1;
        now = now.plus_millis(10_000);
        for number in 0..devices {
            let body = Body::Sample(Sample { layout: layout.id(), v: v.clone() });
            state.step(Input::Report(&report(&device(number), seq, now, body)), now, &mut out)?;
            values += v.len() as u64;
        }
        effects += out.len();
        out.clear();
    }
    let seconds = (clock::process_cpu_us() - cpu) as f64 / 1e6;
    println!(
        "the judge alone: {devices} devices, {VALUES} values each, {count} shipped rules, {effects} effects, each of which costs a little"
    );
    figures.say([
        Figure::new("values judged a second on one core", values as f64 / seconds, "/s").least(1e6),
        Figure::new("shipped rules", count as f64, ""),
    ])?;
    outage(figures)
}

/// All devices behind one uplink are lost within half a minute.
fn outage(figures: &mut Figures) -> anyhow::Result<()> {
    figures.begin();
    let mut now = clock::now();
    let mut state = fleet(shipped_rules()?, BEHIND, true, now)?;
    let mut out = Vec::new();
    let mut longest_us = 0;
    let cpu = clock::process_cpu_us();
    let mut step = |state: &mut State, input: Input<'_>, now: Timestamp, out: &mut Vec<Effect>| {
        let started = clock::boottime_us();
        let done = state.step(input, now, out);
        longest_us = longest_us.max(clock::boottime_us() - started);
        done
    };
    for number in 0..BEHIND {
        now = now.plus_millis(6);
        step(&mut state, Input::LinkBroken { device: &device(number), quiet_ms: 0 }, now, &mut out)?;
    }
    for _ in 0..300 {
        now = now.plus_millis(200);
        let asked: Vec<DeviceId> = out
            .iter()
            .filter_map(|effect| match effect {
                Effect::ProbeHost(id) if id.as_str() == "sw-1" => Some(id.clone()),
                _ => None,
            })
            .collect();
        out.retain(|effect| !matches!(effect, Effect::ProbeHost(_)));
        for id in asked {
            step(&mut state, Input::HostProbed { device: &id, answer: HostAnswer::No }, now, &mut out)?;
        }
        step(&mut state, Input::Wake, now, &mut out)?;
    }
    let incidents: std::collections::HashSet<u64> = out
        .iter()
        .filter_map(|effect| match effect {
            Effect::Incident(incident) => Some(incident.id.0),
            _ => None,
        })
        .collect();
    let notices = out.iter().filter(|effect| matches!(effect, Effect::Notice(_))).count();
    println!("{BEHIND} devices behind one uplink are lost within half a minute");
    let what = |what: &str| format!("{BEHIND} devices behind one uplink: {what}");
    figures.say([
        Figure::new(what("incidents"), incidents.len() as f64, "").most(1.0),
        Figure::new(what("notices"), notices as f64, "").most(1.0),
        Figure::new(what("CPU in all"), (clock::process_cpu_us() - cpu) as f64 / 1e3, "ms"),
        Figure::new(what("longest step"), longest_us as f64 / 1e3, "ms"),
    ])
}
