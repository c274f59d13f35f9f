//! Windows, who stands in, the duty book and jobs.

use super::*;

pub(super) fn plans(open: Open<'_>, dir: &Path) {
    let window = |n: u64| Window {
        id: n,
        title: "patching".into(),
        scope: Scope::default(),
        when: WindowSchedule::Once { from: at(10), until: at(20) },
        freeze: false,
        who: "lan".into(),
        overruled: Vec::new(),
    };
    let cover = Cover {
        id: 4,
        rota: "duty".into(),
        person: "lan".into(),
        from: at(1),
        until: at(2),
        who: "admin".into(),
        note: String::new(),
    };
    let some: BTreeSet<String> = ["root".to_owned()].into();
    let compared = Comparison { accepted: some.clone(), found: some };
    let list = Change::Comparison { device: id(1), rule: "admins".into(), comparison: compared.clone() };
    let note = Handover { at: at(5), rota: "duty".into(), who: "lan".into(), text: "quiet".into(), shift: None };
    let report = JobReport { at: at(9), failed: true, message: "đĩa đầy".into() };
    let job = JobRecord { name: "db".into(), since: at(3), last_success: None, last_report: None };
    let reported =
        JobRecord { name: "nas".into(), last_success: Some(at(8)), last_report: Some(report), ..job.clone() };
    let mut store = open(dir);
    let manual = Change::Incident(Box::new(Incident { device: None, ..incident(1, IncidentState::Open, None) }));
    let (incident, sha256, content) = (IncidentId(1), "ab".to_owned(), b"photo".to_vec());
    let file = Change::Attachment { incident, sha256, content };
    let changes = [
        Change::Window(window(1)),
        Change::Window(window(2)),
        Change::WindowGone { id: 2, at: at(7) },
        Change::Cover(cover.clone()),
        Change::Handover(note.clone()),
        Change::Job(JobRecord { last_success: None, ..reported.clone() }),
        Change::Job(reported.clone()),
        Change::Job(job.clone()),
        manual,
        file,
        Change::Device { info: info(1), at: at(1) },
        list.clone(),
        list,
    ];
    store.commit(&changes).expect("commits");
    drop(store);
    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    let snapshot = reader.snapshot(at(0)).expect("reads");
    assert_eq!((snapshot.windows, snapshot.last_window), (vec![window(1)], 2), "no number is given twice");
    assert_eq!(reader.windows_over(at(7)).expect("reads"), [(window(2), at(7))]);
    assert!(reader.windows_over(at(8)).expect("reads").is_empty());
    assert_eq!((snapshot.covers, snapshot.last_cover), (vec![cover.clone()], 4));
    assert_eq!(snapshot.incidents[0].device, None);
    assert_eq!(reader.handovers(9).expect("reads"), std::slice::from_ref(&note));
    let (book, all) = (reader.duty_book(Some(2), 9).expect("reads"), reader.all_covers(Some(5), 9).expect("reads"));
    assert_eq!((book, all), (vec![(1, note)], vec![(cover.clone(), false)]));
    assert!(reader.duty_book(Some(1), 9).expect("reads").is_empty());
    assert_eq!(reader.jobs().expect("reads"), [job, reported]);
    assert_eq!(reader.attachment(IncidentId(1), "ab").expect("reads").as_deref(), Some(&b"photo"[..]));
    assert_eq!(reader.attachment(IncidentId(2), "ab").expect("reads"), None);
    // What is due goes by elapsed time, and moves with a step of the clock.
    let stepped = Change::ClockStepped { at: at(20), by_ms: 1000 };
    store.commit(&[Change::CoverGone(4), Change::JobGone("db".into()), stepped]).expect("commits");
    assert!(reader.covers().expect("reads").is_empty());
    assert_eq!(reader.all_covers(None, 9).expect("reads"), [(cover, true)], "what was taken back stays on record");
    assert_eq!(reader.covers_since(at(1), 9).expect("reads").len(), 1, "what was is on record");
    assert!(reader.covers_since(at(2), 9).expect("reads").is_empty());
    let jobs = reader.jobs().expect("reads");
    let later = |moment: Timestamp| moment.plus_millis(1000);
    assert_eq!((jobs.len(), jobs[0].since, jobs[0].last_success), (1, later(at(3)), Some(later(at(8)))));
    assert_eq!(jobs[0].last_report.as_ref().map(|report| report.at), Some(later(at(9))));
}
