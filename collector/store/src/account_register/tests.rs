use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn ago(days: i64) -> Option<Timestamp> {
    Some(NOW.plus_millis(-days * DAY_MS))
}

fn account(source: AccountSource) -> RegisteredAccount {
    RegisteredAccount {
        device: None,
        device_name: String::new(),
        place: String::new(),
        name: "an".to_owned(),
        source,
        told_at: NOW,
        administrator: false,
        role: String::new(),
        holder: "Nguyễn Văn An".to_owned(),
        note: String::new(),
        locked: Some(false),
        empty_password: false,
        signed_in: false,
        last_sign_in_at: ago(1),
        password_at: ago(1),
        expires_at: None,
        second_factor: None,
        valid_until: None,
        evidence: Vec::new(),
        said_by: None,
        said_at: None,
    }
}

const LIMITS: AccountLimits = AccountLimits {
    idle_days: Some(45),
    administrator_days: Some(60),
    operator_days: Some(90),
    review_months: Some(6),
};

#[test]
fn what_is_not_known_is_no_finding_but_its_own() {
    use AccountFinding as Finding;
    let good = account(AccountSource::Agent);
    assert!(good.findings(&LIMITS, NOW).is_empty());
    let unknown = RegisteredAccount { last_sign_in_at: None, password_at: None, ..good.clone() };
    assert_eq!(unknown.findings(&LIMITS, NOW), [Finding::PasswordUnknown], "never is not said where nobody knows");
    let old = RegisteredAccount { last_sign_in_at: ago(46), password_at: ago(61), ..good.clone() };
    assert_eq!(old.findings(&LIMITS, NOW), [Finding::Idle], "61 days are old for an administrator alone");
    let administrator = RegisteredAccount { administrator: true, ..old.clone() };
    assert_eq!(administrator.findings(&LIMITS, NOW), [Finding::Idle, Finding::PasswordOverdue]);
    assert!(administrator.findings(&AccountLimits::default(), NOW).is_empty(), "no law gives a number");
    let locked = RegisteredAccount { locked: Some(true), holder: String::new(), ..old.clone() };
    assert!(locked.findings(&LIMITS, NOW).is_empty(), "what is locked is done");
    let ended = RegisteredAccount { expires_at: Some(NOW), ..old };
    assert!(ended.findings(&LIMITS, NOW).is_empty());
    let here = RegisteredAccount { signed_in: true, last_sign_in_at: ago(90), ..good };
    assert!(here.findings(&LIMITS, NOW).is_empty(), "a wall that is signed in for months is used");
}

#[test]
fn what_is_of_this_collector_is_on_record_whole() {
    use AccountFinding as Finding;
    let never = RegisteredAccount {
        last_sign_in_at: None,
        administrator: true,
        second_factor: Some(false),
        ..account(AccountSource::Collector)
    };
    assert_eq!(never.findings(&LIMITS, NOW), [Finding::NoSecondFactor]);
    let never = RegisteredAccount { password_at: ago(50), second_factor: Some(true), ..never };
    assert_eq!(never.findings(&LIMITS, NOW), [Finding::Idle, Finding::PasswordDue]);
    let word = RegisteredAccount { valid_until: Some(NOW), holder: String::new(), ..account(AccountSource::Attested) };
    assert_eq!(word.findings(&LIMITS, NOW), [Finding::HolderUnknown, Finding::AttestationEnded]);
}

#[test]
fn what_is_proposed_follows_from_what_is_found() {
    use AccountFinding as Finding;
    let proposed = AccountVerdict::proposed;
    assert_eq!(proposed(&[]), AccountVerdict::Keep);
    assert_eq!(proposed(&[Finding::PasswordDue]), AccountVerdict::Keep);
    assert_eq!(proposed(&[Finding::PasswordOverdue]), AccountVerdict::Change);
    assert_eq!(proposed(&[Finding::HolderUnknown, Finding::Idle]), AccountVerdict::Lock);
    let mut line = ReviewLine::proposed(account(AccountSource::Agent), vec![Finding::Idle]);
    assert!(line.lacks_reason());
    line.reason = "nghỉ việc".to_owned();
    assert!(!line.lacks_reason());
}

#[test]
fn a_key_names_its_account() {
    let device = DeviceId::new("srv-1").expect("valid");
    assert_eq!(account_key(Some(&device), "an/b"), "srv-1/an/b");
    assert_eq!(account_of_key("srv-1/an/b"), Some((Some(device), "an/b")));
    assert_eq!(account_of_key("/lan"), Some((None, "lan")));
    assert_eq!((account_of_key("lan"), account_of_key("srv-1/")), (None, None));
}
