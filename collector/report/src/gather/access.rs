//! Who came to what: personal data (12), accounts (14), the security level (16.7), sign-ins (17.2).

use std::collections::BTreeMap;

use ioc_document::report::Value;
use ioc_store::StoreError;

use super::{BEFORE, Gathering, NOW};

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
    all.stands("17.2", "Tài khoản bị khóa", Value::Count(locked));
    if !active.is_empty() {
        all.stands("17.2", "Tài khoản có xác thực hai yếu tố", second);
    }
    all.evidence("17.2", "Đăng nhập, đăng nhập sai, khóa tài khoản", "Nhật ký kiểm toán: account.*");
    all.gap("17.2", "second-factor", without, |n| format!("{n} tài khoản chưa có xác thực hai yếu tố"));

    all.stands("16.7", "Cấp độ đã được phê duyệt", Value::Unknown("chưa ghi quyết định phê duyệt".to_owned()));
    all.stands("16.7", "Nội dung còn thiếu", Value::Unknown("hồ sơ chưa lập trong hệ thống".to_owned()));
    all.gap("16.7", "dossier", 1, |_| "Chưa ghi hồ sơ đề xuất cấp độ và quyết định phê duyệt vào hệ thống".to_owned());
    Ok(())
}
