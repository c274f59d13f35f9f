//! Who came to what: personal data (12), accounts (14), the security level (16.7), sign-ins (17.2).

use std::collections::BTreeMap;

use ioc_document::report::Value;
use ioc_document::report::filing::Origin;
use ioc_store::StoreError;

use super::{BEFORE, Gathering, NOW};
use crate::filing;

/// How the audit log calls what is counted (`collector/engine/src/audit_action.rs`).
const READ: [&str; 2] = ["personal.read", "personal.listed"];
const EXPORTED: [&str; 1] = ["records.exported"];
const FAILED: [&str; 1] = ["account.sign_in_failed"];

pub(super) fn tell(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let [now, before] = [all.periods[NOW], all.periods[BEFORE]];
    let tallies = [all.reader.audit_tally(now.from, now.until)?, all.reader.audit_tally(before.from, before.until)?];
    let count = |actions: &[&str]| {
        let sum = |tally: &BTreeMap<String, u64>| actions.iter().filter_map(|action| tally.get(*action)).sum();
        [Value::Count(sum(&tallies[NOW])), Value::Count(sum(&tallies[BEFORE]))]
    };
    all.happened("12", "Lần xem", &[], count(&READ));
    all.happened("12", "Lần xuất dữ liệu", &[], count(&EXPORTED));
    all.evidence(
        "12",
        "Mỗi lần xem hoặc xuất dữ liệu cá nhân là một bản ghi",
        "Nhật ký kiểm toán: personal.read, personal.listed, records.exported",
    );

    let accounts = all.reader.accounts()?;
    let active: Vec<_> = accounts.iter().filter(|account| !account.disabled).collect();
    all.stands("14", "Tài khoản đang dùng", Value::Count(active.len() as u64));
    all.evidence("14", "Danh sách tài khoản, vai trò, nơi được xem", "Trang Tài khoản");
    let without = active.iter().filter(|account| account.second_factor.is_none()).count() as u64;
    let second = Value::Of { part: active.len() as u64 - without, whole: active.len() as u64 };
    all.happened("17.2", "Lần đăng nhập sai", &[], count(&FAILED));
    let locked =
        accounts.iter().filter(|one| one.disabled || one.locked_until.is_some_and(|until| until > all.asked.now));
    let locked = locked.count() as u64;
    all.stands("17.2", "Tài khoản bị khoá", Value::Count(locked));
    if !active.is_empty() {
        all.stands("17.2", "Tài khoản có xác thực hai yếu tố", second);
    }
    all.evidence("17.2", "Đăng nhập, đăng nhập sai, khoá tài khoản", "Nhật ký kiểm toán: account.*");
    all.gap_now("17.2", "second-factor", without, |n| format!("{n} tài khoản chưa có xác thực hai yếu tố"));

    level(all)
}

/// The security level (16.7), by its dossier.
fn level(all: &mut Gathering<'_>) -> Result<(), StoreError> {
    let no_law = || Value::Unknown("không có quy định nào về cấp độ an toàn đang áp dụng".to_owned());
    let Some(asked) = all.asked.dossier.as_deref() else {
        all.stands("16.7", "Cấp độ đã được phê duyệt", no_law());
        all.stands("16.7", "Nội dung còn thiếu", no_law());
        return Ok(());
    };
    let Some(facts) = filing::gather_now(all.reader, asked, &|_, _| true)? else { return Ok(()) };
    let texts = all.reader.report_texts(&asked.key.to_string())?;
    let texts: BTreeMap<String, String> = texts.into_iter().map(|text| (text.key, text.text)).collect();
    let decision = texts.get(filing::DECISION_TEXT).filter(|text| !text.trim().is_empty());
    let approved = decision.map_or_else(
        || Value::Unknown("chưa ghi quyết định phê duyệt".to_owned()),
        |decision| Value::Word(format!("Cấp độ {}: {}", asked.level, decision.trim())),
    );
    all.stands("16.7", "Cấp độ đã được phê duyệt", approved);
    let is_approved = decision.is_some();
    let filled = facts.filled.with_texts(&texts);
    let (tally, blanks) = (filled.tally(), filled.texts_missing() as u64);
    let lacking = tally.of(Origin::Missing);
    all.stands("16.7", "Nội dung còn thiếu", Value::Count(lacking));
    all.stands("16.7", "Ô của hồ sơ đã điền", Value::Of { part: tally.all() - lacking, whole: tally.all() });
    let [met, measures] = facts.measures;
    if measures > 0 {
        all.stands("16.7", "Biện pháp đã đáp ứng", Value::Of { part: met, whole: measures });
    }
    let issued = all.reader.issued_reports(Some(&asked.key.to_string()), None, 1)?.into_iter().next();
    let version = issued.map_or_else(
        || "chưa phát hành lần nào".to_owned(),
        |one| format!("phát hành lần {} ngày {}, SHA-256 {}", one.version, all.day(one.at), one.sha256),
    );
    all.evidence("16.7", format!("Hồ sơ đề xuất cấp độ {}: {version}", asked.level), "Trang Báo cáo, hồ sơ cấp độ");
    all.gap_now("16.7", "approval", u64::from(!is_approved), |_| {
        "Chưa ghi quyết định phê duyệt cấp độ vào hồ sơ".to_owned()
    });
    all.gap_now("16.7", "texts", blanks, |n| format!("{n} nội dung của hồ sơ cấp độ người lập chưa ghi"));
    all.gap_now("16.7", "cells", lacking.saturating_sub(blanks), |n| {
        format!("{n} ô của hồ sơ cấp độ còn thiếu trong các danh mục")
    });
    all.gap_now("16.7", "measures", measures - met, |n| {
        format!("{n} biện pháp của cấp độ {} chưa đáp ứng", asked.level)
    });
    Ok(())
}
