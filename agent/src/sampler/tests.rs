use super::*;
use ioc_common::metric;

struct FickleProbe {
    calls: u32,
}

impl Probe for FickleProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        self.calls += 1;
        if self.calls == 2 {
            return ProbeOutcome::Unknown { why: "gone for a moment".to_owned() };
        }
        sink.put("load.1", "", 1.0);
        if self.calls >= 4 {
            sink.put("load.5", "", f64::NAN);
        }
        ProbeOutcome::Read
    }
}

/// Hangs until it is let go.
struct HangingProbe(std::sync::mpsc::Receiver<()>);

impl Probe for HangingProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let _ = self.0.recv();
        sink.put("load.15", "", 3.0);
        ProbeOutcome::Read
    }
}

fn probes(list: Vec<(&'static str, Box<dyn Probe>)>) -> Arc<Probes> {
    Probes::of(list)
}

#[test]
fn a_probe_that_fails_keeps_its_places_with_nulls() {
    let mut sampler = Sampler::new(probes(vec![("fickle", Box::new(FickleProbe { calls: 0 }))]));
    let own = AgentUsage::default();
    let first = sampler.take(1000, &own, &[]).expect("taken");
    assert!(first.new_layout.is_some() && first.sample.v[0] == Some(1.0));
    let second = sampler.take(2000, &own, &[]).expect("taken");
    assert!(second.new_layout.is_none() && second.outcomes_changed && second.sample.v[0].is_none());
    assert_eq!(second.sample.layout, first.sample.layout);
    assert!(sampler.take(3000, &own, &[]).expect("taken").new_layout.is_none());
    let fourth = sampler.take(4000, &own, &[("patch.pending", String::new(), 2.0)]).expect("taken");
    assert!(fourth.new_layout.is_some_and(|layout| layout.series().len() == fourth.sample.v.len()));
    assert_eq!((fourth.sample.v[1], fourth.sample.v.last()), (None, Some(&Some(2.0))), "NaN becomes null");
}

struct PanickingProbe;

impl Probe for PanickingProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        sink.put("load.5", "", 1.0);
        panic!("a machine that nobody thought of")
    }
}

#[test]
fn a_probe_that_panics_costs_the_others_nothing() {
    let mut sampler = Sampler::new(probes(vec![
        ("panics", Box::new(PanickingProbe)),
        ("fickle", Box::new(FickleProbe { calls: 7 })),
    ]));
    for now in [1000, 2000] {
        let taken = sampler.take(now, &AgentUsage::default(), &[]).expect("taken");
        assert_eq!(taken.sample.v[0], Some(1.0));
        let layout = sampler.layout().expect("taken");
        assert_eq!(layout.series()[0].as_str(), "load.1", "what it gave before it failed is taken back");
        assert!(matches!(sampler.outcomes()[0].outcome, ProbeOutcome::Unknown { .. }));
    }
}

#[test]
fn a_probe_that_hangs_costs_the_others_nothing() {
    let (let_go, hold) = std::sync::mpsc::channel();
    let shared = probes(vec![("fickle", Box::new(FickleProbe { calls: 7 })), ("hangs", Box::new(HangingProbe(hold)))]);
    let mut stuck = Sampler::new(Arc::clone(&shared));
    let hanging = std::thread::spawn(move || stuck.take(1000, &AgentUsage::default(), &[]));
    while shared.current.load(Ordering::SeqCst) != 1 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(shared.give_up(), "hangs");
    let mut next = Sampler::successor(&shared, vec![ProbeOutcome::Read, ProbeOutcome::Read], None);
    let taken = next.take(2000, &AgentUsage::default(), &[]).expect("taken");
    assert_eq!(taken.sample.v[0], Some(1.0));
    assert!(matches!(&next.outcomes()[1].outcome, ProbeOutcome::Unknown { why } if why.contains("does not answer")));
    // It comes back: the old run ends without a sample, and the probe takes part again.
    let_go.send(()).expect("heard");
    assert_eq!(hanging.join().expect("ends"), None);
    let_go.send(()).expect("heard");
    let taken = next.take(3000, &AgentUsage::default(), &[]).expect("taken");
    assert!(taken.outcomes_changed && taken.sample.v.contains(&Some(3.0)), "{taken:?}");
}

#[test]
fn this_machine_is_read_within_the_catalogue() {
    let mut sampler = Sampler::new(Probes::new(Path::new("/"), &[]));
    sampler.take(1000, &AgentUsage::default(), &[]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    let taken = sampler.take(1050, &AgentUsage::default(), &[]).expect("taken");
    let layout = sampler.layout().expect("taken");
    assert!(layout.series().len() >= 40, "{} series", layout.series().len());
    for (series, value) in layout.series().iter().zip(&taken.sample.v) {
        let metric = metric::find(series.metric()).unwrap_or_else(|| panic!("{} not in catalogue", series.as_str()));
        if let Some(value) = value {
            assert!(metric.plausible(*value), "{} = {value}", series.as_str());
        }
    }
    for report in sampler.outcomes() {
        assert!(!matches!(report.outcome, ProbeOutcome::Unknown { .. }), "{report:?}");
    }
}

/// A virtual machine: neither sensors nor power supplies, and nothing of what comes with their drivers.
const VIRTUAL_MACHINE: &[(&str, &str)] = &[
    ("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\nctxt 1000\nprocs_running 2\n"),
    ("proc/loadavg", "0.52 0.58 0.59 1/389 12345\n"),
    ("proc/uptime", "354.61 702.88\n"),
    ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\n"),
    ("proc/vmstat", "pswpin 5\npswpout 7\noom_kill 2\n"),
    ("proc/pressure/cpu", "some avg10=1.53 avg60=0.87 avg300=0.20 total=1\n"),
    ("proc/pressure/memory", "some avg10=1.53 avg60=0.87 avg300=0.20 total=1\n"),
    ("proc/pressure/io", "some avg10=1.53 avg60=0.87 avg300=0.20 total=1\n"),
    ("proc/diskstats", " 254 0 vda 100 0 1000 50 200 0 4000 400 0 300 450\n"),
    ("proc/net/dev", "  eth0: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n"),
    ("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n"),
    ("proc/self/mounts", "/dev/vda / ext4 rw 0 0\n"),
    ("proc/1/stat", "1 (systemd) S 0\n"),
    ("sys/kernel/uevent_seqnum", "1041\n"),
    ("sys/block/vda/size", "1000\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/speed", "1000\n"),
    ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
    ("sys/class/net/eth0/carrier_changes", "4\n"),
    ("sys/class/net/eth0/duplex", "full\n"),
    ("sys/devices/system/cpu/online", "0\n"),
    ("sys/devices/system/cpu/cpu0/online", "1\n"),
];

/// How often this thread has asked for a piece of a file, as the kernel counts it (`syscr`, proc_pid_io(5)).
fn reads_of_this_thread() -> u64 {
    use std::io::Read as _;
    let mut file = std::fs::File::open("/proc/thread-self/io").expect("the kernel accounts input and output");
    // One read, however many digits there are.
    let mut io = [0; 1024];
    let length = file.read(&mut io).expect("read");
    let io = std::str::from_utf8(&io[..length]).expect("text");
    let count = io.lines().find_map(|line| line.strip_prefix("syscr: ")).expect("counted");
    count.parse().expect("a number")
}

#[test]
fn a_sample_reads_each_file_once_and_no_others() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for (path, text) in VIRTUAL_MACHINE {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
        std::fs::write(path, text).expect("written");
    }
    let mut sampler = Sampler::new(Probes::new(dir.path(), &[]));
    let before = reads_of_this_thread();
    let own = reads_of_this_thread() - before;
    let mut reads = Vec::new();
    for sample in 0..60_u64 {
        let before = reads_of_this_thread();
        sampler.take(1000 * (sample + 1), &AgentUsage::default(), &[]).expect("taken");
        reads.push(reads_of_this_thread() - before - own);
    }
    // The count of devices, stat, loadavg, uptime, meminfo, vmstat, three of pressure, diskstats and net/dev.
    let quiet: Vec<u64> = (0..60).filter(|sample| sample % 2 != 0 && sample % 3 != 0).map(|at| reads[at]).collect();
    assert_eq!(quiet, [11; 20], "{reads:?}");
    // With mounts, links and what else is looked at seldom; the first sample looks at everything.
    let more = reads[1..].iter().sum::<u64>() - 11 * 59;
    assert!(more <= 59 * 2, "{more} in all: {reads:?}");
}
