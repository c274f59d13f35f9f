//! What a backup takes, and what it costs commits: a store that is committed to ten times a second, with and without one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ioc_common::clock;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::Position;
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::{Change, Store, history};

use crate::figures::{Figure, Figures};

/// Numbers of a report, and reports of a commit: 10,000 devices at 10 s, gathered for 100 ms.
const SERIES: usize = 52;
const REPORTS: u64 = 100;
/// A commit should wait for a backup no longer than this, milliseconds.
const GOAL_MS: f64 = 100.0;

pub(super) fn run(figures: &mut Figures, mib: u64, max_mib_per_s: u64, seconds: u64) -> anyhow::Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut fleet = Fleet::new(dir.path())?;
    while ioc_store::size(dir.path()) < mib << 20 {
        (0..20).try_for_each(|_| fleet.commit().map(drop))?;
    }
    let before = fleet.commit_for(Duration::from_secs(seconds), &AtomicBool::new(false))?;
    let (done, began_us) = (AtomicBool::new(false), clock::boottime_us());
    let (copied, during) = std::thread::scope(|scope| {
        let copying = scope.spawn(|| {
            let mut passed = 0_u64;
            // The pace of `[backup] max_mib_per_s`.
            let copied = ioc_store::copy(dir.path(), to.path(), &mut |bytes| {
                passed += bytes;
                let due_us = passed * 1_000_000 / (max_mib_per_s << 20);
                std::thread::sleep(Duration::from_micros(due_us.saturating_sub(clock::boottime_us() - began_us)));
                Ok(())
            });
            let took_us = clock::boottime_us() - began_us;
            let settled = ioc_store::settle_log(dir.path());
            done.store(true, Relaxed);
            copied.and_then(|copied| settled.map(|()| (copied, took_us)))
        });
        let during = fleet.commit_for(Duration::from_secs(3600), &done);
        (copying.join(), during)
    });
    let (_, took_us) = copied.map_err(|_| anyhow::anyhow!("the copy panicked"))??;
    let during = during?;
    let sums_us = clock::boottime_us();
    let tables = ioc_store::sums(to.path(), &mut |_| Ok(()))?;
    let sums_us = clock::boottime_us() - sums_us;
    let rows: u64 = tables.iter().map(|one| one.rows).sum();
    let mib_of = |bytes: u64| bytes as f64 / 1_048_576.0;
    let mut all = vec![
        Figure::new("store", mib_of(ioc_store::size(to.path())), "MiB"),
        Figure::new("rows", rows as f64, "rows"),
        Figure::new("copied in", took_us as f64 / 1e6, "s"),
        Figure::new("every table summed up in", sums_us as f64 / 1e6, "s"),
    ];
    for (what, times) in [("without", &before), ("with", &during)] {
        all.push(Figure::new(format!("commits {what} a backup"), times.len() as f64, "commits"));
        for (name, part) in [("p50", 50), ("p99", 99), ("longest", 100)] {
            let place = (times.len() * part / 100).min(times.len().saturating_sub(1));
            let waited_ms = times.get(place).copied().unwrap_or_default() as f64 / 1000.0;
            let figure = Figure::new(format!("a commit {what} a backup, {name}"), waited_ms, "ms");
            all.push(if part == 99 && what == "with" { figure.most(GOAL_MS) } else { figure });
        }
    }
    figures.say(all)
}

/// Devices that report one after the other.
struct Fleet {
    store: Box<dyn Store>,
    layout: Layout,
    devices: Vec<DeviceId>,
    seq: u64,
}

impl Fleet {
    fn new(dir: &std::path::Path) -> anyhow::Result<Self> {
        let mut store = ioc_store::open(dir)?;
        let names = (0..SERIES).map(|number| Series::new("filesystem.used", &format!("/{number}")));
        let layout = Layout::new(names.collect())?;
        let devices = (0..10 * REPORTS).map(|number| DeviceId::new(&format!("srv-{number}")));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        let mut changes = vec![Change::Layout(layout.clone())];
        for id in &devices {
            let info = DeviceInfo::new(id.clone(), DeviceKind::Server, id.as_str());
            changes.push(Change::Device { info, at: clock::now() });
        }
        store.commit(&changes)?;
        Ok(Self { store, layout, devices, seq: 0 })
    }

    /// One commit; how long it took, microseconds.
    fn commit(&mut self) -> anyhow::Result<u64> {
        let mut changes = Vec::new();
        for _ in 0..REPORTS {
            self.seq += 1;
            let at = clock::now();
            let device = self.devices[usize::try_from(self.seq)? % self.devices.len()].clone();
            let numbers: Vec<Option<f64>> =
                (0..SERIES).map(|one| Some((self.seq * 31 + one as u64 * 7) as f64 % 997.0)).collect();
            let (position, row) = (Position { epoch: 1, seq: self.seq }, history::pack(&numbers));
            changes.push(Change::Sample {
                device: device.clone(),
                position,
                at,
                layout: self.layout.id(),
                row,
                newest: true,
            });
            changes.push(Change::Watermark {
                device,
                position,
                last_heard: Some(at),
                last_sample: Some(at),
                clock_error_ms: None,
            });
        }
        let began_us = clock::boottime_us();
        self.store.commit(&changes)?;
        Ok(clock::boottime_us() - began_us)
    }

    /// Ten commits a second for a while, or until it is done; how long they took, sorted.
    fn commit_for(&mut self, time: Duration, done: &AtomicBool) -> anyhow::Result<Vec<u64>> {
        let (began_us, mut times) = (clock::boottime_us(), Vec::new());
        while clock::boottime_us() - began_us < time.as_micros() as u64 && !done.load(Relaxed) {
            times.push(self.commit()?);
            std::thread::sleep(Duration::from_millis(100));
        }
        times.sort_unstable();
        Ok(times)
    }
}
