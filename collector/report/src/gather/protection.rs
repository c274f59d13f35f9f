//! What protects machines: anti-malware and certificates (8), the software register (9.1), patches (9.2), accounts (13).

use ioc_document::report::Value;
use ioc_document::report::clause::percents;
use ioc_store::coverage::{self, Coverage};
use ioc_store::{AccountFinding, AccountQuery, AccountTally, ProductState, StoreError};

use super::Gathering;
use super::devices::DeviceFacts;
use crate::review;

/// Certificates of devices that are looked at.
const CERTIFICATES_MAX: usize = 100_000;
/// A certificate that ends within so many days is told, milliseconds.
const ENDS_MS: i64 = 30 * 86_400_000;

pub(super) fn tell(all: &mut Gathering<'_>, devices: &DeviceFacts) -> Result<(), StoreError> {
    let facts = all.reader.coverage()?;
    let computed = coverage::compute(&facts, &all.asked.rules, all.asked.now);
    let area = |name: &str| computed.iter().find(|one| one.name == name).cloned();
    malware(all, devices, area("antivirus").as_ref())?;
    software(all)?;
    patches(all, devices, area("patches").as_ref());
    passwords(all, &facts, area("passwords").as_ref())?;
    let percent = |one: Option<&Coverage>| {
        one.filter(|one| one.total > 0).map(|one| one.covered as f64 * 100.0 / one.total as f64)
    };
    if facts.computers > 0 && all.unknown(super::NOW).is_none() {
        let bars = [
            ("Chống mã độc", percent(area("antivirus").as_ref())),
            ("Bản vá", percent(area("patches").as_ref())),
            ("Sao lưu", percent(area("backups").as_ref())),
            ("Mật khẩu", percent(area("passwords").as_ref())),
        ];
        all.article("8").chart = Some(percents("Máy đạt yêu cầu, theo nội dung (%)", &bars));
    }
    Ok(())
}

fn of(area: Option<&Coverage>) -> Value {
    match area {
        Some(one) if one.total > 0 => Value::Of { part: one.covered, whole: one.total },
        _ => Value::Unknown("sổ chưa có máy chủ, máy trạm nào".to_owned()),
    }
}

/// Machines that are not in order, and those of which it is not known: two gaps.
fn lacking(all: &mut Gathering<'_>, article: &str, area: Option<&Coverage>, what: &str) {
    let Some(one) = area else { return };
    let bad = one.total.saturating_sub(one.covered).saturating_sub(one.unknown);
    all.gap_now(article, "machines", bad, |n| format!("{n} máy chưa đạt hoặc chưa báo về {what}"));
    all.gap_now(article, "unknown", one.unknown, |n| format!("{n} máy chưa rõ về {what}"));
}

fn software(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let register = all.reader.product_coverage()?;
    let complete = match register.products {
        0 => Value::Unknown("chưa có danh sách phần mềm của máy nào".to_owned()),
        whole => Value::Of { part: register.complete, whole },
    };
    all.stands("9.1", "Phần mềm đủ thông tin", complete);
    all.evidence("9.1", "Danh mục phần mềm, bảy nội dung", "Trang Danh mục phần mềm");
    all.gap_now("9.1", "register", register.products.saturating_sub(register.complete), |n| {
        format!("{n} phần mềm chưa đủ thông tin trong danh mục")
    });
    let of_state = |state| ProductState::ALL.iter().zip(register.states).find(|(one, _)| **one == state);
    let not_allowed = of_state(ProductState::NotAllowed).map_or(0, |(_, count)| count);
    all.gap_now("9.1", "not-allowed", not_allowed, |n| format!("{n} phần mềm không được phép có trong danh mục"));
    Ok(())
}

fn malware(all: &mut Gathering<'_>, devices: &DeviceFacts, area: Option<&Coverage>) -> Result<(), StoreError> {
    all.stands("8", "Máy được bảo vệ", of(area));
    let age = devices.newest("av.signature_age").largest;
    let age = age.map_or_else(
        || Value::Unknown("chưa có máy nào báo".to_owned()),
        |days| Value::Amount { number: days, decimals: 1, unit: "ngày".to_owned() },
    );
    all.stands("8", "Tuổi mẫu nhận diện lớn nhất", age);
    let now = all.asked.now;
    let certificates = all.reader.certificates(CERTIFICATES_MAX)?;
    let soon = certificates.iter().filter(|(_, ends)| ends.millis_since(now) < ENDS_MS).count() as u64;
    let watched = devices.newest("cert.days");
    let ending = soon + watched.soon + watched.below_zero;
    let value = if certificates.is_empty() && watched.devices == 0 {
        Value::Unknown("chưa có chứng thư số nào được theo dõi".to_owned())
    } else {
        Value::Count(ending)
    };
    all.stands("8", "Chứng thư số sắp hết hạn", value);
    let text = format!("Khảo sát chống mã độc của từng máy; {} chứng thư số của thiết bị", certificates.len());
    all.evidence("8", text, "Trang Độ phủ: chống mã độc");
    lacking(all, "8", area, "chống mã độc");
    all.gap_now("8", "certificates", ending, |n| format!("{n} thiết bị có chứng thư số hết hạn hoặc còn dưới 30 ngày"));
    Ok(())
}

fn patches(all: &mut Gathering<'_>, devices: &DeviceFacts, area: Option<&Coverage>) {
    let security = devices.newest("patch.security");
    let value = match security.devices {
        0 => Value::Unknown("chưa có máy nào báo".to_owned()),
        whole => Value::Of { part: security.above_zero, whole },
    };
    all.stands("9.2", "Máy còn bản vá bảo mật chưa cài", value);
    let oldest = devices.newest("patch.security_age").largest;
    let oldest = match (oldest, security.devices) {
        (Some(days), _) => Value::Amount { number: days, decimals: 0, unit: "ngày".to_owned() },
        (None, 0) => Value::Unknown("chưa có máy nào báo".to_owned()),
        (None, _) => Value::Word("không có bản vá chờ".to_owned()),
    };
    all.stands("9.2", "Bản vá chờ lâu nhất", oldest);
    let support = devices.newest("os.support_days");
    let ended = match support.devices {
        0 => Value::Unknown("chưa có máy nào báo".to_owned()),
        whole => Value::Of { part: support.below_zero, whole },
    };
    all.stands("9.2", "Hệ điều hành hết hỗ trợ", ended);
    all.evidence("9.2", "Khảo sát bản vá của từng máy, ngày hết hỗ trợ của hệ điều hành", "Trang Độ phủ: bản vá");
    lacking(all, "9.2", area, "bản vá");
    all.gap_now("9.2", "unsupported", support.below_zero, |n| format!("{n} máy dùng hệ điều hành đã hết hỗ trợ"));
}

fn passwords(
    all: &mut Gathering<'_>,
    facts: &coverage::CoverageFacts,
    area: Option<&Coverage>,
) -> Result<(), StoreError> {
    let query =
        AccountQuery { collector: true, limits: all.asked.accounts, now: all.asked.now, ..AccountQuery::default() };
    let tally = all.reader.registered_accounts(&query)?.tally;
    let surveyed = facts.documents.get("accounts").map_or(0, |devices| devices.len() as u64);
    // Of machines that told nothing there is no number; what is known of accounts here is said beside it.
    let counted = |count: u64| match (facts.computers, surveyed) {
        (1.., 0) => Value::Unknown(format!("chưa có máy nào báo; tài khoản đã biết: {count}")),
        _ => Value::Count(count),
    };
    let overdue = tally.of(AccountFinding::PasswordOverdue) + tally.of(AccountFinding::PasswordEmpty);
    all.stands("13", "Sắp đến hạn", counted(tally.of(AccountFinding::PasswordDue)));
    all.stands("13", "Quá hạn", counted(overdue));
    let silent = facts.computers.saturating_sub(surveyed);
    let unknown = area.map_or(0, |one| one.unknown).max(silent);
    let value = if facts.computers == 0 {
        Value::Unknown("sổ chưa có máy chủ, máy trạm nào".to_owned())
    } else {
        Value::Of { part: unknown, whole: facts.computers }
    };
    all.stands("13", "Không rõ ngày đổi", value);
    all.evidence(
        "13",
        "Tài khoản trên máy (không đọc mật khẩu), của thiết bị do cán bộ xác nhận, của hệ thống này",
        "Trang Sổ tài khoản",
    );
    all.gap_now("13", "overdue", overdue, |n| format!("{n} tài khoản có mật khẩu quá hạn đổi"));
    all.gap_now("13", "unknown", unknown, |n| format!("{n} máy không rõ ngày đổi mật khẩu"));
    accounts(all, &tally, (facts.computers, surveyed));
    reviews(all)
}

/// Who uses accounts and who holds them; how many that are known of is said only where machines told of theirs.
fn accounts(all: &mut Gathering<'_>, tally: &AccountTally, (computers, surveyed): (u64, u64)) {
    let told = computers == 0 || surveyed > 0;
    let of = |part: u64, whole: u64, none: &str| match whole {
        _ if !told => Value::Unknown("chưa có máy nào báo".to_owned()),
        0 => Value::Unknown(none.to_owned()),
        whole => Value::Of { part, whole },
    };
    let (idle, known) = (tally.of(AccountFinding::Idle), tally.usable.saturating_sub(tally.sign_in_unknown));
    let unused = match all.asked.accounts.idle_days {
        Some(_) => of(idle, known, "chưa rõ lần đăng nhập của tài khoản nào"),
        None => Value::Unknown("văn bản đang áp dụng không nêu số ngày".to_owned()),
    };
    all.stands("13", "Tài khoản bỏ không", unused);
    all.stands("13", "Chưa rõ lần đăng nhập", of(tally.sign_in_unknown, tally.usable, "chưa có tài khoản nào"));
    let unheld = tally.of(AccountFinding::HolderUnknown);
    all.stands("13", "Chưa rõ người giữ", of(unheld, tally.usable, "chưa có tài khoản nào"));
    all.stands("14", "Tài khoản trong sổ", if told { Value::Count(tally.accounts) } else { of(0, 0, "") });
    all.gap_now("13", "idle", idle, |n| format!("{n} tài khoản bỏ không quá thời gian cho phép"));
    all.gap_now("13", "holder", unheld, |n| format!("{n} tài khoản chưa rõ người giữ"));
}

fn reviews(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let signed = all.reader.signed_account_review()?.and_then(|review| Some((review.number, review.signature?)));
    let value = match &signed {
        Some((number, signature)) => Value::Word(format!("đợt {number}, ký ngày {}", all.day(signature.at))),
        None => Value::Unknown("chưa có đợt nào được lãnh đạo ký".to_owned()),
    };
    all.stands("13", "Rà soát tài khoản gần nhất", value);
    if let Some((number, signature)) = &signed {
        let what = format!("Biên bản rà soát tài khoản, đợt {number}; SHA-256 danh sách {}", signature.sha256);
        all.evidence("13", what, "Trang Rà soát tài khoản");
    }
    let Some(months) = all.asked.accounts.review_months else { return Ok(()) };
    let at = signed.map(|(_, signature)| signature.at);
    let due = review::review_due(at, all.since, months, &all.asked.zone);
    let late = due.zip(all.date(all.asked.now)).is_some_and(|(due, today)| due < today);
    all.gap_now("13", "review", u64::from(late), |_| "Rà soát tài khoản đã quá hạn".to_owned());
    Ok(())
}
