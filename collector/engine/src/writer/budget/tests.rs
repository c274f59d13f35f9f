use super::*;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

fn id(n: u32) -> DeviceId {
    DeviceId::new(&format!("d-{n:03}")).expect("valid")
}

/// Brings reports of one size at once until one is not taken: how many were.
fn taken(budgets: &mut Budgets, device: &DeviceId, kind: BudgetKind, bytes: u64, now_ms: u64) -> u64 {
    (0..10_000_000).find(|_| budgets.charge(device, kind, bytes, now_ms) != ChargeOutcome::Admitted).unwrap_or(0)
}

#[test]
fn honest_devices_never_meet_a_bound() {
    let mut budgets = Budgets::new(0);
    let device = id(1);
    let mut fine = |kind, bytes, count: u64, now_ms| {
        for number in 0..count {
            assert_eq!(budgets.charge(&device, kind, bytes, now_ms), ChargeOutcome::Admitted, "{kind:?} {number}");
        }
    };
    // A first start: every document whole, 5,000 packages in parts, 512 sensors announced with a layout each.
    fine(BudgetKind::Documents, 200_000, 20, 0);
    fine(BudgetKind::Software, 90_000, 17, 0);
    fine(BudgetKind::Hellos, 4_000, 513, 0);
    fine(BudgetKind::Layouts, 4_000, 513, 0);
    fine(BudgetKind::Sensors, 4_000, 512, 0);
    // A day's backlog at once: a sample each 10 s, an event a minute, a document each five.
    fine(BudgetKind::Samples, 1_600, 8_640, 1_000);
    fine(BudgetKind::Events, 400, 1_440, 1_000);
    fine(BudgetKind::Documents, 20_000, 288, 1_000);
    // And a week of what is usual, of a machine with 4096 series.
    for minute in 0..7 * 24 * 60 {
        let now_ms = HOUR_MS + minute * MINUTE_MS;
        fine(BudgetKind::Samples, 34_000, 6, now_ms);
        fine(BudgetKind::Events, 400, 1, now_ms);
        if minute % 5 == 0 {
            fine(BudgetKind::Documents, 100_000, 2, now_ms);
        }
        if minute % (24 * 60) == 0 {
            fine(BudgetKind::Software, 90_000, 17, now_ms);
            fine(BudgetKind::Renewals, 500, 1, now_ms);
        }
    }
}

#[test]
fn each_kind_is_bounded_at_once_and_in_the_long_run() {
    for kind in BudgetKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, BudgetKind::Samples | BudgetKind::Judged | BudgetKind::DiskNearlyFull))
    {
        let mut budgets = Budgets::new(0);
        let allowance = kind.allowance();
        let bytes = 64;
        let at_once = taken(&mut budgets, &id(1), kind, bytes, 0) as f64;
        assert!(at_once <= allowance.burst_records && at_once * 64.0 <= allowance.burst_bytes, "{kind:?} {at_once}");
        assert_eq!(budgets.charge(&id(1), kind, bytes, 0), ChargeOutcome::Refused(kind));
        // What another brings is its own.
        assert_eq!(budgets.charge(&id(2), kind, bytes, 0), ChargeOutcome::Admitted, "{kind:?}");
        // Whoever asks again and again in an hour is given an hour's worth.
        let more = (1..=3600).map(|second| taken(&mut budgets, &id(1), kind, bytes, second * 1000)).sum::<u64>() as f64;
        let most = (60.0 * allowance.minute_records).min(60.0 * allowance.minute_bytes / 64.0);
        assert!(more <= most + 1.0 && more >= (most - 2.0).floor(), "{kind:?} {more} of {most}");
    }
    // Large ones are bounded by their bytes.
    let mut budgets = Budgets::new(0);
    assert_eq!(taken(&mut budgets, &id(1), BudgetKind::Documents, 256 * 1024, 0), 128);
    assert_eq!(taken(&mut budgets, &id(1), BudgetKind::Renewals, 500, 0), 4);
    assert_eq!(taken(&mut budgets, &id(1), BudgetKind::Renewals, 500, 24 * HOUR_MS), 3);
}

#[test]
fn samples_are_slowed_down_and_only_whoever_goes_around_it_loses_some() {
    let mut budgets = Budgets::new(0);
    let (device, bytes) = (id(1), 32_000_u64);
    let spool = taken(&mut budgets, &device, BudgetKind::Samples, bytes, 0);
    assert!(spool * bytes >= 60 * 1024 * 1024, "a whole spool passes at once");
    // One at a time, each after its pause: nothing is refused, and an hour brings an hour's worth.
    let (mut now_ms, mut count) = (0, 0);
    while now_ms < HOUR_MS {
        match budgets.charge(&device, BudgetKind::Samples, bytes, now_ms) {
            ChargeOutcome::Throttled(pause_ms) => now_ms += pause_ms,
            ChargeOutcome::Admitted => now_ms += 1,
            other => panic!("{other:?}"),
        }
        count += 1;
    }
    assert!((count * bytes) as f64 <= 61.0 * 2.0 * MIB, "{count}");
    // Whoever does not wait is refused in the end.
    let refused = (0..1000).any(|_| {
        budgets.charge(&device, BudgetKind::Samples, bytes, now_ms) == ChargeOutcome::Refused(BudgetKind::Samples)
    });
    assert!(refused);
    // A step of the clock cannot be: it is the boot clock. A smaller time than before changes nothing.
    assert_ne!(budgets.charge(&device, BudgetKind::Samples, bytes, 0), ChargeOutcome::Admitted);
}

#[test]
fn a_hundred_that_turned_bad_are_bounded_together_and_the_others_are_spared() {
    let mut budgets = Budgets::new(0);
    let mut bytes = 0;
    for n in 0..100 {
        for _ in 0..2100 {
            match budgets.charge(&id(n), BudgetKind::Samples, 32_000, 0) {
                ChargeOutcome::Admitted | ChargeOutcome::Throttled(_) => bytes += 32_000_u64,
                _ => break,
            }
        }
    }
    assert!(bytes as f64 <= ALL_BURST.0 + 100.0 * (ALL_BURST.1 + 32.0 * MIB + 12.0 * MIB), "{bytes}");
    assert_eq!(budgets.charge(&id(999), BudgetKind::Samples, 32_000, 0), ChargeOutcome::Admitted, "an honest one");
    assert_eq!(budgets.charge(&id(999), BudgetKind::Events, 400, 0), ChargeOutcome::Admitted);
}

#[test]
fn where_all_together_bring_too_much_those_go_back_who_bring_most_of_it() {
    let mut budgets = Budgets::new(0);
    // Each is well within its own budget, and all of them together are not.
    let bring = |budgets: &mut Budgets, n, kind, mib: f64| {
        let all: Vec<ChargeOutcome> =
            (0..(mib * 32.0) as u64).map(|_| budgets.charge(&id(n), kind, 32 * 1024, 0)).collect();
        all.into_iter().all(|ruling| ruling == ChargeOutcome::Admitted)
    };
    assert!(bring(&mut budgets, 0, BudgetKind::Events, 2.5), "within its own");
    let fine = (0..80).filter(|n| bring(&mut budgets, *n, BudgetKind::Samples, 40.0)).count();
    assert!((50..58).contains(&fine), "{fine} of 80 before the room of all was taken");
    assert_eq!(budgets.charge(&id(0), BudgetKind::Samples, 1000, 0), ChargeOutcome::Throttled(100), "its samples wait");
    assert_eq!(
        budgets.charge(&id(0), BudgetKind::Events, 1000, 0),
        ChargeOutcome::Refused(BudgetKind::Events),
        "its events do not come in"
    );
    assert_eq!(
        budgets.charge(&id(999), BudgetKind::Samples, 1000, 0),
        ChargeOutcome::Admitted,
        "who brings little is spared"
    );
    assert_eq!(budgets.charge(&id(999), BudgetKind::Events, 1000, 0), ChargeOutcome::Admitted);
    assert_eq!(budgets.charge(&id(0), BudgetKind::Samples, 1000, 10 * MINUTE_MS), ChargeOutcome::Admitted, "it passes");
}

#[test]
fn what_the_judge_writes_down_counts() {
    let mut budgets = Budgets::new(0);
    let device = id(1);
    assert_eq!(budgets.charge(&device, BudgetKind::Samples, 100, 0), ChargeOutcome::Admitted);
    budgets.count(&device, BudgetKind::Judged, 8_192, 0);
    assert!(
        matches!(budgets.charge(&device, BudgetKind::Samples, 100, 0), ChargeOutcome::Admitted),
        "nothing is owed yet"
    );
    assert_eq!(budgets.charge(&device, BudgetKind::Hellos, 100, 0), ChargeOutcome::Refused(BudgetKind::Judged));
    budgets.count(&device, BudgetKind::Judged, 40, 0);
    assert!(matches!(budgets.charge(&device, BudgetKind::Samples, 100, 0), ChargeOutcome::Throttled(_)));
    budgets.count(&device, BudgetKind::Judged, 1_000_000, 0);
    assert_eq!(budgets.charge(&device, BudgetKind::Samples, 100, 0), ChargeOutcome::Refused(BudgetKind::Judged));
    // What is owed is bounded.
    assert_eq!(budgets.charge(&device, BudgetKind::Samples, 100, 3 * MINUTE_MS), ChargeOutcome::Admitted);
}

#[test]
fn while_the_disk_is_nearly_full_samples_go_first() {
    let mut budgets = Budgets::new(0);
    budgets.scarce = true;
    assert_eq!(budgets.charge(&id(1), BudgetKind::Samples, 1_000, 0), ChargeOutcome::Admitted);
    assert_eq!(budgets.charge(&id(1), BudgetKind::Events, 1_000, 0), ChargeOutcome::Admitted);
    assert_eq!(budgets.charge(&id(1), BudgetKind::Documents, 1_000, 0), ChargeOutcome::DiskNearlyFull);
    // Whoever went beyond its budgets a short while ago waits with all of it.
    budgets.record_overrun(&id(2), BudgetKind::Events, 0);
    assert_eq!(budgets.charge(&id(2), BudgetKind::Samples, 1_000, 1_000), ChargeOutcome::DiskNearlyFull);
    assert_eq!(budgets.charge(&id(2), BudgetKind::Samples, 1_000, OVERRUN_REMEMBERED_MS), ChargeOutcome::Admitted);
}

#[test]
fn the_judge_and_the_log_are_told_seldom_and_of_every_kind() {
    let mut budgets = Budgets::new(0);
    let device = id(1);
    let first = budgets.record_overrun(&device, BudgetKind::Documents, 0);
    assert_eq!(first.for_judge.map(|text| text.en).as_deref(), Some("documents"));
    assert!(first.log);
    let again = (1..1000).map(|ms| budgets.record_overrun(&device, BudgetKind::Documents, ms));
    assert!(again.into_iter().all(|beyond| beyond == Overrun::default()));
    let second = budgets.record_overrun(&device, BudgetKind::Events, 1_000);
    assert_eq!(second.for_judge.map(|text| text.en).as_deref(), Some("events, documents"));
    assert!(budgets.record_overrun(&device, BudgetKind::Events, 62_000).for_judge.is_some(), "it still does");
    // After a while it is forgotten what it was.
    let later = budgets.record_overrun(&device, BudgetKind::Events, 2 * OVERRUN_REMEMBERED_MS);
    assert_eq!(later.for_judge.map(|text| text.en).as_deref(), Some("events"));
}
