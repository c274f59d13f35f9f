//! What shows that a measure is carried out: a function for each evidence key of the packs. What is not known is unknown, and never met.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_document::legal::JudgedNumber;
use ioc_document::legal::filing::EvidenceKey;
use ioc_document::report::filing::Origin;
use ioc_document::wording;
use ioc_store::authenticity::ValueMarks;
use ioc_store::coverage::{self, Coverage, CoverageFacts};
use ioc_store::{
    AccountFinding, AccountLimits, AccountQuery, AccountReview, AccountTally, AssetCoverage, BackupCoverage,
    ProductCoverage, ProductState, Reader, StoreError,
};

use super::inventory::Device;
use super::network::{known_as, required};
use super::work::Fill;
use super::{Gathering, Question};
use crate::review;

const DAY_MS: i64 = 86_400_000;
/// Drills, windows and readings of the last year are shown.
const YEAR_MS: i64 = 365 * DAY_MS;
/// Most of them that are counted.
const COUNT_MAX: usize = 1_000;
/// How the audit log calls what is counted (`collector/engine/src/audit_action.rs`), and how a drill's detail begins where it succeeded.
const DRILLED: &str = "backup.drilled";
const PASSED: &str = "passed";
const READ: [&str; 2] = ["personal.read", "personal.listed"];

/// Whether a measure is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Met,
    Partly,
    NotMet,
    Unknown,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Met => "đáp ứng",
            Self::Partly => "đáp ứng một phần",
            Self::NotMet => "chưa đáp ứng",
            Self::Unknown => "chưa rõ",
        }
    }

    /// What a person may say of a measure that nothing on record shows.
    pub(super) const SAID: [Self; 3] = [Self::Met, Self::Partly, Self::NotMet];

    /// What a person chose; unknown where they chose none of these.
    pub(super) fn said(text: Option<&str>) -> Self {
        let text = text.map(str::trim).unwrap_or_default();
        Self::SAID.into_iter().find(|one| one.word() == text).unwrap_or(Self::Unknown)
    }

    /// All of them, some, none; of none there is nothing to say.
    const fn of(part: u64, whole: u64) -> Self {
        match (part, whole) {
            (_, 0) => Self::Unknown,
            (part, whole) if part >= whole => Self::Met,
            (0, _) => Self::NotMet,
            _ => Self::Partly,
        }
    }
}

/// What was found of a measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: Status,
    /// What was found, with n of N.
    pub(super) text: String,
    /// Where it is seen.
    place: &'static str,
    pub(super) origin: Origin,
    /// Where what lacks is mended.
    pub(super) fill: Fill,
}

impl Finding {
    fn new(status: Status, text: impl Into<String>, place: &'static str, fill: Fill) -> Self {
        Self { status, text: text.into(), place, origin: Origin::Record, fill }
    }

    const fn told_by(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// What was found, and where.
    pub(super) fn said(&self) -> String {
        format!("{} ({})", self.text, self.place)
    }
}

/// So many of so many.
fn n_of(part: u64, whole: u64, what: &str) -> String {
    ioc_document::report::Value::Of { part, whole }.written() + " " + what
}

/// What evidence is made of, read once.
pub(super) struct Facts {
    coverage: Vec<Coverage>,
    facts: CoverageFacts,
    assets: AssetCoverage,
    products: ProductCoverage,
    backups: BackupCoverage,
    marks: ValueMarks,
    tally: BTreeMap<String, u64>,
    drills: (u64, u64),
    limits: AccountLimits,
    accounts: AccountTally,
    /// The last review of accounts that a leader signed, and since when there is a record.
    review: (Option<AccountReview>, Option<Timestamp>),
}

/// What the pack asks of accounts at the level: how long one may be idle, and how often all are reviewed.
fn account_limits(Question { pack, level, .. }: &Question) -> AccountLimits {
    AccountLimits {
        idle_days: pack.days(JudgedNumber::AccountIdle, *level),
        review_months: pack.months(JudgedNumber::AccountReview, *level),
        ..AccountLimits::default()
    }
}

impl Facts {
    pub(super) fn read(reader: &dyn Reader, asked: &Question) -> Result<Self, StoreError> {
        let facts = reader.coverage()?;
        let from = asked.now.plus_millis(-YEAR_MS);
        let drills = reader.audit_of(DRILLED, from, asked.now, COUNT_MAX)?;
        let passed = drills.iter().filter(|record| record.detail.starts_with(PASSED)).count() as u64;
        let limits = account_limits(asked);
        let accounts = AccountQuery { collector: true, limits, now: asked.now, ..AccountQuery::default() };
        Ok(Self {
            coverage: coverage::compute(&facts, &asked.rules, asked.now),
            facts,
            assets: reader.asset_coverage()?,
            products: reader.product_coverage()?,
            backups: reader.backup_coverage()?,
            marks: reader.value_marks(asked.now, asked.clock_doubted, 0)?.0,
            tally: reader.audit_tally(from, asked.now)?,
            drills: (passed, drills.len() as u64),
            limits,
            accounts: reader.registered_accounts(&accounts)?.tally,
            review: (reader.signed_account_review()?, reader.audit_since()?),
        })
    }

    fn area(&self, name: &str) -> (u64, u64) {
        self.coverage.iter().find(|one| one.name == name).map_or((0, 0), |one| (one.covered, one.total))
    }
}

/// What shows a measure; `limit_days` is the number of its level, where it has one.
pub(super) fn find(of: &Gathering<'_>, key: EvidenceKey, limit_days: Option<u32>) -> Finding {
    let facts = &of.evidence;
    match key {
        EvidenceKey::People => {
            Finding::new(Status::Unknown, "nội dung do đơn vị xác nhận", "hồ sơ", Fill::Page("/reports"))
        }
        EvidenceKey::AssetRegister
        | EvidenceKey::Labels
        | EvidenceKey::SoftwareRegister
        | EvidenceKey::SoftwareAllowed
        | EvidenceKey::Zones
        | EvidenceKey::Redundancy
        | EvidenceKey::Retired => registers(of, facts, key),
        EvidenceKey::LogRetention | EvidenceKey::AuditChain => log(of, key, limit_days),
        EvidenceKey::PasswordAge
        | EvidenceKey::SecondFactor
        | EvidenceKey::SignInLock
        | EvidenceKey::Roles
        | EvidenceKey::PersonalData => people(of, facts, key, limit_days),
        EvidenceKey::IdleAccounts => idle_accounts(facts),
        EvidenceKey::AccountReview => account_review(of, facts),
        EvidenceKey::TimeSync
        | EvidenceKey::RemoteRoot
        | EvidenceKey::Firewall
        | EvidenceKey::Ports
        | EvidenceKey::DiskEncryption
        | EvidenceKey::MandatoryAccess
        | EvidenceKey::OsSupport => machines(of, key),
        EvidenceKey::Antivirus
        | EvidenceKey::Patches
        | EvidenceKey::Monitoring
        | EvidenceKey::Rules
        | EvidenceKey::Authenticity
        | EvidenceKey::Certificates => watching(of, facts, key),
        EvidenceKey::Backups
        | EvidenceKey::BackupCopies
        | EvidenceKey::RestoreDrill
        | EvidenceKey::Incidents
        | EvidenceKey::Maintenance => operation(of, facts, key),
    }
}

fn registers(of: &Gathering<'_>, facts: &Facts, key: EvidenceKey) -> Finding {
    let place = "Danh mục tài sản";
    let (assets, products) = (facts.assets, facts.products);
    match key {
        EvidenceKey::Labels => {
            let text = n_of(assets.labelled, assets.assets, "thiết bị đã dán nhãn");
            Finding::new(Status::of(assets.labelled, assets.assets), text, place, Fill::Assets).told_by(Origin::Assets)
        }
        EvidenceKey::SoftwareRegister => {
            let text = n_of(products.complete, products.products, "phần mềm đủ thông tin trong danh mục");
            let status = Status::of(products.complete, products.products);
            Finding::new(status, text, "Danh mục phần mềm", Fill::Products).told_by(Origin::Software)
        }
        EvidenceKey::SoftwareAllowed => {
            let place_of = |state| ProductState::ALL.iter().position(|one| *one == state).unwrap_or_default();
            let bad = products.states[place_of(ProductState::NotAllowed)];
            let text = format!("{} phần mềm không được phép đang có trên máy", wording::count(bad));
            let status = match (products.products, bad) {
                (0, _) => Status::Unknown,
                (_, 0) => Status::Met,
                _ => Status::NotMet,
            };
            Finding::new(status, text, "Danh mục phần mềm", Fill::Products).told_by(Origin::Software)
        }
        EvidenceKey::Zones => {
            let required = required(of);
            let zones = of.inventory.devices.iter().map(Device::zone).filter(|zone| !zone.is_empty());
            let zones: BTreeSet<&str> = zones.collect();
            let known: BTreeSet<&str> =
                zones.iter().filter_map(|zone| known_as(&required, zone)).map(|zone| zone.id.as_str()).collect();
            let there = known.len() as u64;
            let all = required.len() as u64;
            let status = if of.inventory.devices.is_empty() { Status::Unknown } else { Status::of(there, all) };
            let text = n_of(there, all, "vùng mạng bắt buộc có thiết bị trong danh mục");
            Finding::new(status, text, place, Fill::Assets).told_by(Origin::Assets)
        }
        EvidenceKey::Redundancy => {
            let with = of.inventory.devices.iter().filter(|device| !device.info.redundancy.is_empty()).count() as u64;
            let text = format!("{} thiết bị có thiết bị dự phòng thay thế được nhau", wording::count(with));
            let status = match (of.inventory.devices.is_empty(), with) {
                (true, _) => Status::Unknown,
                (false, 0) => Status::NotMet,
                (false, _) => Status::Partly,
            };
            Finding::new(status, text, "Trang Thiết bị, nhóm dự phòng", Fill::Page("/devices")).told_by(Origin::Assets)
        }
        EvidenceKey::Retired => {
            let text = format!(
                "{} thiết bị đã thanh lý hoặc thu hồi chứng thư số, có ghi trong nhật ký",
                wording::count(of.inventory.retired)
            );
            Finding::new(Status::Met, text, place, Fill::Assets).told_by(Origin::Assets)
        }
        _ => {
            let text = n_of(assets.complete, assets.assets, "thiết bị đủ thông tin trong danh mục");
            Finding::new(Status::of(assets.complete, assets.assets), text, place, Fill::Assets).told_by(Origin::Assets)
        }
    }
}

fn log(of: &Gathering<'_>, key: EvidenceKey, limit_days: Option<u32>) -> Finding {
    let place = "Trang Nhật ký";
    let fill = Fill::Page("/admin/records");
    if key == EvidenceKey::AuditChain {
        return match of.reader.last_audit_head() {
            Ok(Some(head)) => {
                let text = format!("nhật ký nối chuỗi băm, đã ký tới bản ghi {}", wording::count(head.number));
                Finding::new(Status::Met, text, "lệnh ioc-collector audit verify", fill)
            }
            Ok(None) | Err(_) => Finding::new(Status::Unknown, "chưa có đầu mục đã ký", place, fill),
        };
    }
    // What the rules of retention keep is what counts; a record that began later than that is as long as it can be.
    let kept = of.asked.log_days.map_or_else(
        || "nhật ký không bị xoá theo thời hạn".to_owned(),
        |days| format!("nhật ký được lưu {} ngày", wording::count(u64::from(days))),
    );
    let since = of.reader.audit_since().ok().flatten().map(|at| of.asked.day(at));
    let text = since.map_or(kept.clone(), |since| format!("{kept}; bản ghi đầu tiên ngày {since}"));
    let enough = of.asked.log_days.is_none_or(|days| limit_days.is_none_or(|limit| days >= limit));
    Finding::new(if enough { Status::Met } else { Status::NotMet }, text, place, fill)
}

fn people(of: &Gathering<'_>, facts: &Facts, key: EvidenceKey, limit_days: Option<u32>) -> Finding {
    let active: Vec<_> = of.accounts.iter().filter(|account| !account.disabled).collect();
    let all = active.len() as u64;
    let fill = Fill::Page("/accounts");
    match key {
        EvidenceKey::SecondFactor => {
            let with = active.iter().filter(|account| account.asks_for_code()).count() as u64;
            let text = n_of(with, all, "tài khoản của hệ thống này có xác thực hai yếu tố");
            Finding::new(Status::of(with, all), text, "Trang Tài khoản", fill)
        }
        EvidenceKey::SignInLock => {
            let failed = facts.tally.get("account.sign_in_failed").copied().unwrap_or(0);
            let text = format!(
                "hệ thống tự khoá lối vào sau nhiều lần nhập sai; {} lần đăng nhập sai trong 12 tháng",
                wording::count(failed)
            );
            Finding::new(Status::Met, text, "nhật ký kiểm toán: account.sign_in_failed", fill)
        }
        EvidenceKey::Roles => {
            let text = format!("{} tài khoản, mỗi tài khoản một vai trò trong 6 vai trò", wording::count(all));
            let status = if all > 0 { Status::Met } else { Status::Unknown };
            Finding::new(status, text, "Trang Tài khoản", fill)
        }
        EvidenceKey::PersonalData => {
            let read: u64 = READ.iter().filter_map(|action| facts.tally.get(*action)).sum();
            let text = format!("{} lần xem dữ liệu cá nhân trong 12 tháng, mỗi lần một bản ghi", wording::count(read));
            Finding::new(Status::Met, text, "nhật ký kiểm toán: personal.read", fill)
        }
        _ => {
            let (machines, total) = facts.area("passwords");
            let limit = i64::from(limit_days.unwrap_or(of.asked.password_days)) * DAY_MS;
            let young = |account: &&&ioc_store::AccountRecord| of.asked.now.millis_since(account.password_at) <= limit;
            let own: Vec<_> = active.iter().filter(|account| !account.password.is_empty()).collect();
            let (fresh, whole) = (own.iter().filter(|one| young(one)).count() as u64, own.len() as u64);
            let text = format!(
                "{}; {}",
                n_of(machines, total, "máy có mật khẩu trong hạn"),
                n_of(fresh, whole, "tài khoản hệ thống này trong hạn")
            );
            let status = Status::of(machines + fresh, total + whole);
            Finding::new(status, text, "Trang Độ phủ: mật khẩu", Fill::Page("/coverage/passwords"))
        }
    }
}

/// Of accounts of which nobody knows when they were last signed in with it is not known whether they are idle: they are not met.
fn idle_accounts(facts: &Facts) -> Finding {
    let (tally, place, fill) = (&facts.accounts, "Sổ tài khoản", Fill::Page("/register/accounts?work=idle"));
    let Some(days) = facts.limits.idle_days else {
        return Finding::new(Status::Unknown, "văn bản đang áp dụng không nêu số ngày", place, fill);
    };
    let (idle, unknown) = (tally.of(AccountFinding::Idle), tally.sign_in_unknown);
    let known = tally.usable.saturating_sub(unknown);
    if known == 0 {
        return Finding::new(Status::Unknown, "chưa rõ lần đăng nhập của tài khoản nào", place, fill);
    }
    let used = known.saturating_sub(idle);
    let mut text = n_of(used, tally.usable, "tài khoản đang mở có người đăng nhập");
    text.push_str(&format!(" trong {days} ngày; {} bỏ không", wording::count(idle)));
    if unknown > 0 {
        text.push_str(&format!("; {} chưa rõ lần đăng nhập", wording::count(unknown)));
    }
    Finding::new(Status::of(used, tally.usable), text, place, fill).told_by(Origin::Agent)
}

/// A review that a leader signed and that is not overdue.
fn account_review(of: &Gathering<'_>, facts: &Facts) -> Finding {
    let (place, fill) = ("Rà soát tài khoản", Fill::Page("/register/accounts/reviews"));
    let (review, since) = &facts.review;
    let signed = review.as_ref().and_then(|review| Some((review.number, review.signature.as_ref()?.at)));
    let due = facts
        .limits
        .review_months
        .and_then(|months| review::review_due(signed.map(|(_, at)| at), *since, months, &of.asked.zone));
    let until = due.map_or_else(String::new, |due| format!("; đợt sau trước ngày {}", wording::short_date(due)));
    let Some((number, at)) = signed else {
        return Finding::new(Status::NotMet, format!("chưa có đợt nào được lãnh đạo ký{until}"), place, fill);
    };
    let late = due.zip(of.asked.date(of.asked.now)).is_some_and(|(due, today)| today > due);
    let text = format!("đợt {number} được lãnh đạo ký ngày {}{until}", of.asked.day(at));
    Finding::new(if late { Status::NotMet } else { Status::Met }, text, place, fill)
}

fn machines(of: &Gathering<'_>, key: EvidenceKey) -> Finding {
    let inventory = &of.inventory;
    let (metric, what, holds): (&str, &str, fn(f64) -> bool) =
        match key {
            EvidenceKey::TimeSync => ("time.synchronised", "máy đồng bộ giờ", |value| value > 0.0),
            EvidenceKey::RemoteRoot => {
                ("protect.ssh_root", "máy không cho root đăng nhập từ xa", |value| value <= 0.0)
            }
            EvidenceKey::Ports => {
                ("protect.ports_unapproved", "máy không mở cổng ngoài danh sách", |value| value <= 0.0)
            }
            EvidenceKey::DiskEncryption => {
                ("protect.disk_encrypted", "máy mã hóa ổ đĩa hệ thống", |value| value > 0.0)
            }
            EvidenceKey::MandatoryAccess => {
                ("protect.mandatory_access", "máy bật SELinux hoặc AppArmor", |value| value > 0.0)
            }
            EvidenceKey::OsSupport => ("os.support_days", "máy có hệ điều hành còn được hỗ trợ", |value| value >= 0.0),
            _ => ("protect.firewall", "máy bật tường lửa", |value| value > 0.0),
        };
    let (good, told) = inventory.telling(metric, holds);
    let all = inventory.computers().count() as u64;
    let silent = all.saturating_sub(told);
    let more = if silent > 0 { format!("; {} máy chưa báo", wording::count(silent)) } else { String::new() };
    // A machine that does not tell is not met, and where none tells nothing is known.
    let status = if told == 0 { Status::Unknown } else { Status::of(good, all) };
    let text = if told == 0 { format!("chưa có máy nào báo: {what}") } else { n_of(good, told, what) + &more };
    Finding::new(status, text, "khảo sát của từng máy", Fill::Page("/devices")).told_by(Origin::Agent)
}

fn watching(of: &Gathering<'_>, facts: &Facts, key: EvidenceKey) -> Finding {
    let area = |name: &'static str, what: &str, place: &'static str, page: &'static str| {
        let (covered, total) = facts.area(name);
        let text = n_of(covered, total, what);
        Finding::new(Status::of(covered, total), text, place, Fill::Page(page)).told_by(Origin::Agent)
    };
    match key {
        EvidenceKey::Antivirus => {
            area("antivirus", "máy có chống mã độc đạt yêu cầu", "Trang Độ phủ: chống mã độc", "/coverage/antivirus")
        }
        EvidenceKey::Patches => area("patches", "máy đủ bản vá", "Trang Độ phủ: bản vá", "/coverage/patches"),
        EvidenceKey::Rules => {
            let rules = of.asked.rules.rules().iter().filter(|rule| !rule.off).count() as u64;
            let text = format!(
                "{} quy tắc cảnh báo đang áp dụng, {} kênh báo",
                wording::count(rules),
                wording::count(of.asked.channels as u64)
            );
            let status = match (rules, of.asked.channels) {
                (0, _) => Status::NotMet,
                (_, 0) => Status::Partly,
                _ => Status::Met,
            };
            Finding::new(status, text, "Trang Quản trị, tệp rules.toml", Fill::Page("/admin"))
        }
        EvidenceKey::Authenticity => {
            let (verified, total) = (facts.marks.verified, facts.marks.total());
            let text = n_of(verified, total, "giá trị đã xác minh nguồn gốc");
            Finding::new(Status::of(verified, total), text, "Trang Độ tin cậy", Fill::Page("/coverage/authenticity"))
        }
        EvidenceKey::Certificates => {
            let with = of.inventory.devices.iter().filter(|device| device.heard).count() as u64;
            let text = format!("{} thiết bị báo về qua kênh mã hóa, chứng thư số riêng", wording::count(with));
            let status = if with > 0 { Status::Met } else { Status::Unknown };
            Finding::new(status, text, "chứng thư số của thiết bị", Fill::Page("/enrolment"))
        }
        _ => {
            let (live, all) = (facts.facts.live, facts.facts.devices);
            let text = n_of(live, all, "thiết bị đang được giám sát trực tiếp");
            Finding::new(Status::of(live, all), text, "Trang Thiết bị", Fill::Page("/devices"))
        }
    }
}

fn operation(of: &Gathering<'_>, facts: &Facts, key: EvidenceKey) -> Finding {
    let backups = facts.backups;
    let needing = backups.stated.saturating_sub(backups.unneeded);
    let fill = Fill::Page("/system-backups");
    match key {
        EvidenceKey::BackupCopies => {
            let text = n_of(backups.copies_met, needing, "thiết bị có đủ ba bản, hai phương tiện, một bản ở nơi khác");
            Finding::new(Status::of(backups.copies_met, needing), text, "Trang Sao lưu hệ thống", fill)
        }
        EvidenceKey::RestoreDrill => {
            let (passed, all) = facts.drills;
            let status = match (passed, all) {
                (_, 0) | (0, _) => Status::NotMet,
                (passed, all) if passed == all => Status::Met,
                _ => Status::Partly,
            };
            let text = if all == 0 {
                "chưa diễn tập phục hồi trong 12 tháng".to_owned()
            } else {
                n_of(passed, all, "lần diễn tập phục hồi trong 12 tháng đạt")
            };
            Finding::new(status, text, "nhật ký kiểm toán: backup.drilled", Fill::Page("/admin"))
        }
        EvidenceKey::Incidents => {
            let taken = facts.tally.get("incident.action").copied().unwrap_or(0);
            let text = format!(
                "sự cố được mở, báo, leo thang và ghi diễn biến tự động; {} lần xử lý trong 12 tháng",
                wording::count(taken)
            );
            Finding::new(Status::Met, text, "Trang Sự cố", Fill::Page("/incidents"))
        }
        EvidenceKey::Maintenance => {
            let from = of.asked.now.plus_millis(-YEAR_MS);
            let over = of.reader.windows_over(from).map_or(0, |all| all.len() as u64);
            let text = format!("{} đợt bảo trì đã thực hiện trong 12 tháng, có biên bản", wording::count(over));
            let status = if over > 0 { Status::Met } else { Status::Partly };
            Finding::new(status, text, "Trang Bảo trì", Fill::Page("/maintenance"))
        }
        _ => {
            let text = n_of(backups.in_order, needing, "thiết bị cần sao lưu có bản sao lưu đạt yêu cầu");
            let status = if backups.stated == 0 { Status::Unknown } else { Status::of(backups.in_order, needing) };
            Finding::new(status, text, "Trang Sao lưu hệ thống", fill)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_nothing_is_known_and_some_is_not_all() {
        let statuses = [(0, 0), (0, 3), (1, 3), (3, 3)].map(|(part, whole)| Status::of(part, whole));
        assert_eq!(statuses, [Status::Unknown, Status::NotMet, Status::Partly, Status::Met]);
        assert_eq!(n_of(1, 4, "máy"), "1/4 (25,0%) máy");
    }
}
