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
