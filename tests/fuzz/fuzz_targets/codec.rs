//! Any bytes as a report of any kind, as a history row, and as settings: refused or read, never a panic.
#![no_main]
use ioc_common::codec;
use ioc_common::topic::UpKind;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, payload)) = data.split_first() else { return };
    let kind = UpKind::ALL[usize::from(*kind) % UpKind::ALL.len()];
    if let Ok(report) = codec::open(kind, payload) {
        // What was let in can be said again, and then reads the same.
        let envelope = report.envelope;
        let head = codec::Head {
            device: &envelope.device,
            about: envelope.about.as_ref(),
            position: envelope.position,
            boot: &envelope.boot,
            taken_at: envelope.taken_at,
        };
        if let Ok(sealed) = codec::seal(head, &report.body) {
            let again = codec::open(kind, &sealed.finish(envelope.age_ms, envelope.lost.as_ref()));
            assert!(again.is_ok() || matches!(report.body, ioc_common::report::Body::State(_)));
        }
    }
    let _ = ioc_store::history::unpack(payload);
    if let Ok(signed) = codec::read_message::<ioc_common::settings::SignedSettings>(payload) {
        let _ = signed.signature();
    }
    if let Ok(pushed) = codec::read_message::<ioc_common::settings::RemoteSettings>(payload) {
        let mut twice = pushed.clone();
        twice.add(&pushed);
        let _ = pushed.endpoint.iter().filter_map(|one| one.fault()).count();
    }
});
