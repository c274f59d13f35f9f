//! Hours of a channel in no time: instants are given, outcomes are chosen.

use ioc_judge::Severity;

use super::*;

const HUMAN: ChannelTraits = ChannelTraits { per_minute: 600, folds: true, fallback: true };
const MACHINE: ChannelTraits = ChannelTraits { per_minute: 600, folds: false, fallback: true };

fn wall() -> Timestamp {
    "2026-11-28T02:00:00Z".parse().expect("time")
}

fn row(key: &str, incident: u64, step: u32, to: &str) -> PendingDelivery {
    PendingDelivery {
        key: key.to_owned(),
        incident: IncidentId(incident),
        step,
        severity: Severity::Warning,
        person: to.to_owned(),
        address: to.to_owned(),
        created_at: wall(),
        attempts: 0,
        unanswered: 0,
        next_attempt_at: wall(),
    }
}

/// A channel with its store: what waits, what was sent, and simulated time.
struct Scene {
    queue: ChannelQueue,
    rows: Vec<PendingDelivery>,
    traits: ChannelTraits,
    now: Instant,
    begun: Vec<(u64, Vec<String>)>,
    fell_back: Vec<String>,
}

impl Scene {
    fn new(traits: ChannelTraits, rows: Vec<PendingDelivery>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the beginning of simulated time")]
        let now = Instant::from_std(std::time::Instant::now());
        Self { queue: ChannelQueue::default(), rows, traits, now, begun: Vec::new(), fell_back: Vec::new() }
    }

    /// What begins now.
    fn begin(&mut self) -> Vec<Vec<String>> {
        let plan = self.queue.plan(&self.rows, self.traits, self.now, wall());
        self.fell_back.extend(plan.fall_back);
        self.begun.extend(plan.messages.clone());
        plan.messages.into_iter().map(|(_, keys)| keys).collect()
    }

    /// The oldest message under way ends so, and that is committed.
    fn end(&mut self, result: &Result<(), SendError>) -> Vec<String> {
        let (number, keys) = self.begun.remove(0);
        for delivery in self.queue.completed(number, result, self.now, wall()) {
            let row = self.rows.iter_mut().find(|row| row.key == delivery.key).expect("it waits");
            (row.attempts, row.unanswered) = (delivery.attempts, delivery.unanswered);
            row.next_attempt_at = delivery.next_attempt_at;
            if delivery.state != DeliveryState::Waiting {
                self.rows.retain(|row| row.key != delivery.key);
            }
        }
        self.queue.committed(number);
        keys
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn away() -> Result<(), SendError> {
    Err(SendError::away("refused"))
}

fn unknown() -> Result<(), SendError> {
    Err(SendError::Unknown("no answer".to_owned()))
}

#[test]
fn of_one_incident_nothing_overtakes_and_others_go_beside_it() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, ""), row("7-2", 7, 2, ""), row("8-1", 8, 1, "")]);
    assert_eq!(scene.begin(), [["7-1"], ["8-1"]]);
    assert!(scene.begin().is_empty(), "what is under way holds its own");
    scene.end(&Ok(()));
    assert_eq!(scene.begin(), [["7-2"]]);
    // For people the course of an incident is one message.
    let mut scene =
        Scene::new(HUMAN, vec![row("7-2", 7, 2, "lan"), row("7-1", 7, 1, "lan"), row("7-1c", 7, 1, "chief")]);
    let mut begun = scene.begin();
    begun.sort();
    assert_eq!(begun, [vec!["7-1", "7-2"], vec!["7-1c"]]);
}

#[test]
fn an_outcome_that_is_not_committed_is_never_sent_again() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, "")]);
    scene.begin();
    let (number, _) = scene.begun[0].clone();
    scene.queue.completed(number, &Ok(()), scene.now, wall());
    for _ in 0..100 {
        scene.pass(60);
        assert!(scene.begin().is_empty(), "the store still says that it waits");
    }
    scene.queue.committed(number);
}

#[test]
fn a_success_makes_all_that_waits_due_in_order() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, "")]);
    // The channel is away for nine minutes; it is tried once a minute at the least.
    let mut longest = 0;
    let mut quiet = 0;
    for _ in 0..540 {
        scene.pass(1);
        quiet += 1;
        if !scene.begin().is_empty() {
            (longest, quiet) = (longest.max(quiet), 0);
            scene.end(&away());
        }
    }
    assert!((30..=60).contains(&longest), "{longest}");
    scene.rows.push(row("7-2", 7, 2, ""));
    scene.rows.extend((0..20).map(|number| row(&format!("8-{number}"), 100 + number, 1, "")));
    // It is back: what is new is tried at once, and takes along what stands before it.
    let mut sent = Vec::new();
    for _ in 0..100 {
        scene.begin();
        if scene.begun.is_empty() {
            break;
        }
        sent.extend(scene.end(&Ok(())));
    }
    assert_eq!(sent.len(), 22, "all went, and no time passed: {sent:?}");
    let place = |key: &str| sent.iter().position(|one| one == key);
    assert!(place("7-1") < place("7-2"));
}

#[test]
fn a_channel_in_trouble_is_tried_by_one_message_at_a_time() {
    let mut scene = Scene::new(MACHINE, (0..40).map(|number| row(&format!("{number}"), number + 1, 1, "")).collect());
    let begun = scene.begin().len();
    assert_eq!(begun, CONCURRENT_MAX);
    for _ in 0..begun {
        scene.end(&away());
    }
    let mut most = 0;
    let mut all = begun;
    for _ in 0..600 {
        scene.pass(1);
        while !scene.begin().is_empty() {
            most = most.max(scene.begun.len());
            all += scene.begun.len();
            scene.end(&away());
        }
    }
    assert_eq!(most, 1);
    assert!(all < 70, "each once when it is new, and then one a minute: {all}");
}

#[test]
fn what_was_not_answered_is_repeated_seldom_and_not_for_ever() {
    let mut scene = Scene::new(HUMAN, vec![row("7-1", 7, 1, "lan")]);
    let mut times = Vec::new();
    let mut passed = 0;
    while passed < 3 * 86_400 {
        if !scene.begin().is_empty() {
            times.push(passed);
            scene.end(&unknown());
        }
        scene.pass(10);
        passed += 10;
    }
    assert_eq!(times.len(), UNANSWERED_MAX as usize, "{times:?}");
    assert!(times.iter().filter(|at| **at < 120).count() <= 2, "{times:?}");
    assert!(scene.rows.is_empty(), "given up, and said");
    // What may have arrived goes again alone, since under another key it would be another.
    let mut scene = Scene::new(HUMAN, vec![row("7-1", 7, 1, "lan")]);
    scene.begin();
    scene.end(&unknown());
    scene.rows.push(row("7-2", 7, 2, "lan"));
    assert_eq!(scene.begin(), [["7-1"]], "what is new brings what stands before it");
    scene.end(&unknown());
    assert!(scene.begin().is_empty(), "once");
}

#[test]
fn what_a_channel_does_not_deliver_in_time_goes_to_the_fallback_once() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, ""), row("7-2", 7, 2, "")]);
    scene.begin();
    scene.pass(7);
    scene.begin();
    assert!(scene.fell_back.is_empty());
    scene.pass(2);
    scene.begin();
    assert_eq!(scene.fell_back, ["7-1", "7-2"], "under way or behind it");
    scene.pass(60);
    scene.begin();
    assert_eq!(scene.fell_back.len(), 2);
    // It may still succeed, and then it is delivered.
    assert_eq!(scene.end(&Ok(())), ["7-1"]);
    // The pace is no failure.
    let rows = vec![row("1", 1, 1, ""), row("2", 2, 1, "")];
    let mut scene = Scene::new(ChannelTraits { per_minute: 1, ..MACHINE }, rows);
    scene.begin();
    scene.end(&Ok(()));
    scene.pass(30);
    assert!(scene.begin().is_empty() && scene.fell_back.is_empty());
    scene.pass(31);
    assert_eq!(scene.begin(), [["2"]]);
}

#[test]
fn a_fallback_that_could_not_take_over_is_asked_again() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, "")]);
    scene.begin();
    scene.pass(9);
    scene.begin();
    assert_eq!(scene.fell_back, ["7-1"]);
    scene.queue.fall_back_failed(&["7-1".to_owned()]);
    scene.pass(1);
    scene.begin();
    assert_eq!(scene.fell_back, ["7-1", "7-1"]);
    scene.pass(60);
    scene.begin();
    assert_eq!(scene.fell_back.len(), 2, "and once it has, no more");
}

#[test]
fn the_pace_spills_from_the_least() {
    let rows = [Severity::Info, Severity::Critical, Severity::Warning];
    let rows = rows.iter().enumerate().map(|(number, severity)| {
        let number = number as u64 + 1;
        PendingDelivery { severity: *severity, ..row(severity.as_str(), number, 1, "") }
    });
    let mut scene = Scene::new(ChannelTraits { per_minute: 2, ..MACHINE }, rows.collect());
    let plan = scene.queue.plan(&scene.rows, scene.traits, scene.now, wall());
    let keys: Vec<&str> = plan.messages.iter().map(|(_, keys)| keys[0].as_str()).collect();
    assert_eq!((keys, plan.over_pace), (vec!["critical", "warning"], vec!["info".to_owned()]));
    assert!(plan.again_in <= MINUTE);
}

#[test]
fn a_receiver_that_asks_to_wait_is_left_alone_for_as_long() {
    let mut scene = Scene::new(MACHINE, vec![row("7-1", 7, 1, "")]);
    scene.begin();
    scene.end(&Err(SendError::Away { why: "429".to_owned(), after: Some(Duration::from_secs(90)) }));
    scene.rows.push(row("8-1", 8, 1, ""));
    scene.pass(89);
    assert!(scene.begin().is_empty(), "not even with what is new");
    scene.pass(1);
    assert_eq!(scene.begin().len(), 1);
}

#[test]
fn a_success_of_what_began_before_does_not_undo_what_a_receiver_asked_for() {
    let asks = |seconds| Err(SendError::Away { why: "429".to_owned(), after: Some(Duration::from_secs(seconds)) });
    let mut scene = Scene::new(MACHINE, (1..=4).map(|number| row(&format!("{number}-1"), number, 1, "")).collect());
    assert_eq!(scene.begin().len(), 4);
    scene.pass(1);
    scene.end(&asks(300));
    scene.pass(1);
    // The others were under way: two are taken, one is asked for less.
    scene.end(&Ok(()));
    scene.end(&asks(10));
    scene.end(&Ok(()));
    scene.rows.push(row("5-1", 5, 1, ""));
    for _ in 0..298 {
        assert!(scene.begin().is_empty(), "it asked for 300 s");
        scene.pass(1);
    }
    scene.pass(1);
    assert_eq!(scene.begin(), [["1-1"]], "and then one by one, until somebody takes it");
    scene.end(&Ok(()));
    assert_eq!(scene.begin(), [["3-1"], ["5-1"]]);
}

#[test]
fn what_was_told_when_to_come_is_not_brought_forward_with_what_stands_behind_it() {
    let mut scene = Scene::new(MACHINE, vec![row("1-1", 1, 1, ""), row("1-2", 1, 2, ""), row("2-1", 2, 1, "")]);
    assert_eq!(scene.begin(), [["1-1"], ["2-1"]]);
    scene.end(&Err(SendError::Away { why: "429".to_owned(), after: Some(Duration::from_secs(300)) }));
    scene.end(&Err(SendError::Later("451".to_owned())));
    // As if the channel as a whole had not been asked to wait: only what the entries know holds them.
    scene.queue.retry_after = None;
    scene.rows.push(row("3-1", 3, 1, ""));
    assert_eq!(scene.begin(), [["3-1"]]);
    scene.end(&Ok(()));
    assert_eq!(scene.begin(), [["2-1"]], "what nobody told when to come");
    scene.end(&Ok(()));
    scene.pass(300);
    assert_eq!(scene.begin(), [["1-1"]]);
}

#[test]
fn a_wall_clock_that_was_set_back_holds_nothing() {
    let ahead = |hours: i64| wall().plus_millis(hours * 3_600_000);
    let day_ago = |row: PendingDelivery| PendingDelivery { created_at: ahead(24), ..row };
    let rows = vec![
        day_ago(PendingDelivery { next_attempt_at: ahead(24), ..row("new", 1, 1, "") }),
        day_ago(PendingDelivery { next_attempt_at: ahead(24), attempts: 3, ..row("failed", 2, 1, "") }),
        day_ago(PendingDelivery {
            next_attempt_at: ahead(24),
            attempts: 1,
            unanswered: 1,
            ..row("unanswered", 3, 1, "")
        }),
        // Quiet hours are meant.
        PendingDelivery { next_attempt_at: ahead(5), ..row("quiet", 4, 1, "") },
    ];
    let mut scene = Scene::new(MACHINE, rows);
    assert_eq!(scene.begin(), [["new"], ["failed"], ["unanswered"]]);
    for _ in 0..3 {
        scene.end(&Ok(()));
    }
    scene.pass(5 * 3600);
    assert_eq!(scene.begin(), [["quiet"]]);
}

#[test]
fn many_for_one_address_are_one_message_and_a_bad_address_holds_only_its_own() {
    let mut rows: Vec<PendingDelivery> = (1..=6).map(|number| row(&format!("{number}"), number, 1, "lan")).collect();
    rows.push(row("9", 9, 1, "gone"));
    let mut scene = Scene::new(HUMAN, rows);
    let begun = scene.begin();
    assert_eq!(begun.iter().map(Vec::len).collect::<Vec<_>>(), [6, 1], "{begun:?}");
    scene.end(&Ok(()));
    scene.end(&Err(SendError::Later("451 try later".to_owned())));
    scene.rows.push(row("10", 10, 1, "lan"));
    assert_eq!(scene.begin(), [["10"]]);
    // Each success brings it forward, but not for ever.
    let mut tried = 0;
    scene.end(&Ok(()));
    for number in 20..40 {
        scene.rows.push(row(&number.to_string(), number, 1, "lan"));
        for keys in scene.begin() {
            if keys == ["9"] {
                tried += 1;
            }
        }
        while let Some((_, keys)) = scene.begun.first() {
            let bad = keys == &["9"];
            scene.end(&if bad { Err(SendError::Later("451".to_owned())) } else { Ok(()) });
        }
    }
    assert!(tried <= 3, "{tried}");
}
