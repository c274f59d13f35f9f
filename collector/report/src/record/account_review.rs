//! The record of a review of accounts (article 13), from the review with its lines.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_document::model::Document;
use ioc_document::report::Office;
use ioc_document::report::account_review::{AccountReviewRecord, ElectronicSignature, ReviewedAccount, document};
use ioc_document::wording;
use ioc_store::{AccountFinding, AccountLimits, AccountReview, AccountSource, AccountVerdict, ReviewLine, Role};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::local;

/// What is not in order, as documents say it.
const fn finding_words(finding: AccountFinding) -> &'static str {
    match finding {
        AccountFinding::Idle => "không đăng nhập quá hạn",
        AccountFinding::PasswordOverdue => "mật khẩu quá hạn đổi",
        AccountFinding::PasswordDue => "mật khẩu sắp đến hạn đổi",
        AccountFinding::PasswordUnknown => "không rõ ngày đổi mật khẩu",
        AccountFinding::PasswordEmpty => "không có mật khẩu",
        AccountFinding::HolderUnknown => "chưa rõ người giữ",
        AccountFinding::NoSecondFactor => "quản trị chưa có yếu tố thứ hai",
        AccountFinding::AttestationEnded => "xác nhận đã hết giá trị",
    }
}

const fn verdict_words(verdict: AccountVerdict) -> &'static str {
    match verdict {
        AccountVerdict::Keep => "Giữ",
        AccountVerdict::Lock => "Khoá",
        AccountVerdict::Remove => "Gỡ bỏ",
        AccountVerdict::Change => "Thay đổi",
    }
}

/// What a role of this collector is called in documents.
fn collector_role(role: &str) -> &str {
    match Role::parse(role) {
        Some(Role::Viewer) => "người xem",
        Some(Role::Technician) => "kỹ thuật viên",
        Some(Role::DutyOfficer) => "trực ban",
        Some(Role::Leader) => "lãnh đạo",
        Some(Role::Auditor) => "kiểm tra viên",
        Some(Role::Administrator) => "quản trị",
        None => role,
    }
}

/// What an account may do, as documents say it.
fn role_words(line: &ReviewLine) -> String {
    let account = &line.account;
    let role = account.role.as_str();
    match account.source {
        AccountSource::Collector => collector_role(role).to_owned(),
        AccountSource::Agent if account.administrator => format!("quản trị ({role})"),
        AccountSource::Agent => "người dùng".to_owned(),
        AccountSource::Attested if role.is_empty() && account.administrator => "quản trị".to_owned(),
        AccountSource::Attested => role.to_owned(),
    }
}

/// What the laws in force ask, in phrases.
fn limits_words(limits: &AccountLimits) -> Vec<String> {
    let days = |what: &str, days: Option<u32>| days.map(|days| format!("{what} {days} ngày"));
    let review = limits.review_months.map(|months| format!("rà soát {months} tháng một lần"));
    let all = [
        days("tài khoản không đăng nhập quá", limits.idle_days),
        days("mật khẩu quản trị đổi trong", limits.administrator_days),
        days("mật khẩu khác đổi trong", limits.operator_days),
        review,
    ];
    all.into_iter().flatten().collect()
}

/// Makes the record. `signing` is who signs it, when, and the digest of its lines; `names` are the own names of accounts of this collector, as
/// far as whoever reads may see them; `next_due` is when the review after it is due.
#[must_use]
pub fn account_review(
    (review, lines): (&AccountReview, &[ReviewLine]),
    signing: Option<(&str, Timestamp, &str)>,
    names: &BTreeMap<String, String>,
    (limits, next_due): (&AccountLimits, Option<Date>),
    office: Office,
    zone: &TimeZone,
) -> Document {
    let own = |account: &str| match names.get(account) {
        Some(name) if !name.is_empty() => format!("{name} ({account})"),
        _ => wording::actor(account),
    };
    let mut reviewers: BTreeSet<&str> = lines.iter().filter_map(|line| Some(line.said.as_ref()?.0.as_str())).collect();
    reviewers.insert(&review.opened_by);
    let row = |line: &ReviewLine| {
        let account = &line.account;
        let at = |at: Option<Timestamp>| at.map(|at| local(at, zone));
        ReviewedAccount {
            system: account
                .device
                .as_ref()
                .map_or_else(|| "Hệ thống giám sát".to_owned(), |_| account.device_name.clone()),
            name: account.name.clone(),
            role: role_words(line),
            holder: account.holder.clone(),
            last_sign_in: at(account.last_sign_in_at),
            never_signed_in: account.source == AccountSource::Collector && account.last_sign_in_at.is_none(),
            password_changed: at(account.password_at),
            findings: line.findings.iter().map(|finding| finding_words(*finding).to_owned()).collect(),
            verdict: verdict_words(line.verdict).to_owned(),
            reason: line.reason.clone(),
            kept: line.verdict == AccountVerdict::Keep,
        }
    };
    document(&AccountReviewRecord {
        office,
        number: review.number,
        opened: local(review.opened_at, zone),
        reviewers: reviewers.into_iter().filter(|who| !who.is_empty()).map(own).collect(),
        limits: limits_words(limits),
        rows: lines.iter().map(row).collect(),
        next_due,
        signed: signing.map(|(by, at, sha256)| ElectronicSignature {
            at: local(at, zone),
            by: own(by),
            sha256: sha256.to_owned(),
        }),
    })
}
