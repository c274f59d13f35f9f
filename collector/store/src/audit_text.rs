//! What the actions of the audit log are called for people, in both languages: on the page of the log, and when it is searched. Pure.
//!
//! Actions are named where they are made (`ioc_engine::audit_action`); a test there holds that each has its text here.

/// Every action, in the order of its name: Vietnamese and English.
const TEXTS: &[(&str, &str, &str)] = &[
    ("account.changed", "Sửa tài khoản", "Account changed"),
    ("account.codes_guessed", "Mã xác thực bị đoán", "Codes of an account were guessed"),
    ("account.confirmed", "Xác nhận lại danh tính", "Identity confirmed again"),
    ("account.created", "Tạo tài khoản", "Account created"),
    ("account.password_changed", "Đổi mật khẩu", "Password changed"),
    ("account.password_known", "Mật khẩu đã bị lộ", "Password is a known one"),
    ("account.password_reset", "Đặt lại mật khẩu", "Password reset"),
    ("account.second_codes_made", "Tạo mã khôi phục", "Recovery codes made"),
    ("account.second_removed", "Bỏ yếu tố xác thực thứ hai", "Second factor removed"),
    ("account.second_started", "Bật yếu tố xác thực thứ hai", "Second factor set up"),
    ("account.session_ended", "Kết thúc một phiên", "Session ended"),
    ("account.sessions_ended", "Kết thúc mọi phiên", "All sessions ended"),
    ("account.sign_in_failed", "Đăng nhập không được", "Sign-in failed"),
    ("account.signed_in", "Đăng nhập", "Signed in"),
    ("account.signed_out", "Đăng xuất", "Signed out"),
    ("account.token_created", "Tạo mã truy cập API", "API token created"),
    ("accounts.attested", "Xác nhận tài khoản của thiết bị không có agent", "Account of an appliance attested"),
    ("accounts.described", "Ghi người giữ tài khoản", "Holder of an account written down"),
    ("accounts.evidence_added", "Thêm chứng cứ về tài khoản", "Evidence of an account added"),
    ("accounts.import_undone", "Hoàn tác nhập bảng tài khoản", "Import of accounts undone"),
    ("accounts.imported", "Nhập bảng tài khoản", "Accounts imported"),
    ("accounts.review_opened", "Mở đợt rà soát tài khoản", "Review of accounts opened"),
    ("accounts.review_signed", "Ký đợt rà soát tài khoản", "Review of accounts signed"),
    ("accounts.review_written", "Ghi vào đợt rà soát tài khoản", "Review of accounts written"),
    ("asset.attested", "Xác nhận về máy không có agent", "Machine without an agent attested"),
    ("asset.described", "Sửa hồ sơ tài sản", "Asset described"),
    ("asset.evidence_added", "Thêm chứng cứ về máy không có agent", "Evidence of a machine without an agent added"),
    ("asset.import_undone", "Hoàn tác nhập bảng tài sản", "Import of assets undone"),
    ("asset.imported", "Nhập bảng tài sản", "Assets imported"),
    ("audit.witness_disagrees", "Máy chứng kiến nhật ký khác", "A device witnessed another log"),
    ("authority.made_anew", "Tạo lại cơ quan chứng thực", "Certificate authority made anew"),
    ("backup.attested", "Xác nhận bản sao lưu", "Backup attested"),
    ("backup.drilled", "Thử phục hồi bản sao lưu", "Restore of a backup tried"),
    ("backup.evidence_added", "Thêm chứng cứ sao lưu", "Evidence of a backup added"),
    ("backup.expected", "Khai báo sao lưu cần có", "Expected backup stated"),
    ("backup.failed", "Sao lưu không được", "Backup failed"),
    ("backup.made", "Đã sao lưu", "Backup made"),
    ("backup.removed", "Xoá bản sao lưu cũ", "Old backup removed"),
    ("backup.started", "Bắt đầu sao lưu", "Backup started"),
    ("backup.withdrawn", "Rút khai báo sao lưu", "Expected backup withdrawn"),
    ("certificate.adopted", "Nhận chứng thư số của thiết bị", "Certificate of a device adopted"),
    ("certificate.renewed", "Gia hạn chứng thư số", "Certificate renewed"),
    ("change.accepted", "Chấp nhận thay đổi", "Change accepted"),
    ("clock.confirmed", "Xác nhận đồng hồ", "Clock confirmed"),
    ("clock.followed", "Theo đồng hồ của máy", "Clock followed"),
    ("clock.returned", "Đồng hồ trở lại như cũ", "Clock returned"),
    ("clock.stepped", "Đồng hồ bị chỉnh", "Clock stepped"),
    ("config.changed", "Đổi cấu hình", "Configuration changed"),
    ("config.reloaded", "Nạp lại cấu hình", "Configuration reloaded"),
    ("contact.code_sent", "Gửi mã xác minh liên hệ", "Code sent to a contact"),
    ("contact.tested", "Gửi thử liên hệ", "Contact tested"),
    ("contact.verified", "Xác minh liên hệ", "Contact verified"),
    ("cover.added", "Thêm trực thay", "Stand-in added"),
    ("cover.removed", "Bỏ trực thay", "Stand-in removed"),
    ("dashboard.removed", "Xoá bảng theo dõi", "Dashboard removed"),
    ("dashboard.saved", "Lưu bảng theo dõi", "Dashboard saved"),
    ("device.described", "Sửa thông tin thiết bị", "Device described"),
    ("device.enrolled", "Thiết bị gia nhập", "Device enrolled"),
    ("device.fingerprint_changed", "Phần cứng thiết bị thay đổi", "Hardware of a device changed"),
    ("device.quarantined", "Cách ly thiết bị", "Device quarantined"),
    ("device.rebooted", "Thiết bị khởi động lại", "Device rebooted"),
    ("device.registered", "Thêm thiết bị vào danh mục", "Device registered"),
    ("device.released", "Thôi cách ly thiết bị", "Device released from quarantine"),
    ("device.remarked", "Ghi chú về thiết bị", "Remark on a device"),
    ("device.revoked", "Loại thiết bị", "Device removed"),
    ("duty.feed_ended", "Thu hồi lịch trực chia sẻ", "Duty calendar feed ended"),
    ("duty.feed_made", "Tạo lịch trực chia sẻ", "Duty calendar feed made"),
    ("duty.handover", "Bàn giao ca trực", "Duty handed over"),
    ("duty.shift_given", "Ký giao ca trực", "Shift handed over"),
    ("duty.shift_taken", "Ký nhận ca trực", "Shift taken over"),
    ("duty.turn_agreed", "Đồng ý trực thay", "Turn of duty agreed"),
    ("duty.turn_asked", "Nhờ trực thay", "Turn of duty asked for"),
    ("duty.turn_declined", "Từ chối trực thay", "Turn of duty declined"),
    ("duty.turn_lapsed", "Lời nhờ trực thay quá hạn", "Request of a turn lapsed"),
    ("duty.turn_withdrawn", "Thôi nhờ trực thay", "Request of a turn taken back"),
    ("enrolment.approved", "Duyệt yêu cầu gia nhập", "Request of enrolment approved"),
    ("enrolment.refused", "Từ chối yêu cầu gia nhập", "Request of enrolment refused"),
    ("enrolment.waits", "Có máy xin gia nhập", "A machine asks to come in"),
    ("floor.pictured", "Đổi ảnh mặt bằng phòng", "Picture of a room changed"),
    ("floor.placed", "Đặt thiết bị trên mặt bằng", "Devices placed on a floor plan"),
    ("history.corrupt", "Lịch sử số liệu bị hỏng", "History is damaged"),
    ("history.pruned", "Xoá lịch sử số liệu quá hạn", "Old history deleted"),
    ("incident.action", "Xử lý sự cố", "Action on an incident"),
    ("incident.attached", "Đính kèm tệp vào sự cố", "File attached to an incident"),
    ("incident.marked_serious", "Đánh dấu sự cố nghiêm trọng", "Incident marked serious"),
    ("incident.notice_sent", "Ghi đã gửi báo cáo sự cố", "Notice of an incident sent"),
    ("incident.opened", "Mở sự cố", "Incident opened"),
    ("incident.step", "Diễn biến sự cố", "Step of an incident"),
    ("incident.unit_answered", "Ghi trả lời của đơn vị", "Answer of a unit"),
    ("incident.unit_asked", "Giao việc cho đơn vị", "Unit asked"),
    ("incident.unit_withdrawn", "Thôi giao việc cho đơn vị", "Unit asked no more"),
    ("incident.unmarked_serious", "Bỏ đánh dấu sự cố nghiêm trọng", "Incident unmarked"),
    ("inventory.closed", "Kết thúc kiểm kê", "Inventory taking closed"),
    ("inventory.found", "Kiểm kê thấy tài sản ngoài danh mục", "Inventory found what is not in the register"),
    ("inventory.opened", "Mở đợt kiểm kê", "Inventory taking opened"),
    ("inventory.settled", "Xử lý chênh lệch kiểm kê", "Difference of an inventory settled"),
    ("inventory.ticked", "Kiểm kê tài sản", "Asset ticked in an inventory"),
    ("notice.given_up", "Thôi gửi thông báo", "Notice given up"),
    ("notice.resent", "Gửi lại thông báo", "Notice sent again"),
    ("personal.listed", "Liệt kê dữ liệu của một người", "Data of a person listed"),
    ("personal.read", "Xem dữ liệu cá nhân", "Personal data read"),
    ("records.deleted", "Xoá bản ghi quá hạn", "Old records deleted"),
    ("records.exported", "Xuất hồ sơ để điều tra", "Records exported for an investigation"),
    ("records.held", "Giữ lại theo yêu cầu pháp lý", "Legal hold set"),
    ("records.hold_ended", "Thôi giữ lại theo yêu cầu pháp lý", "Legal hold ended"),
    ("report.issued", "Ban hành báo cáo", "Report issued"),
    ("report.registered", "Vào sổ báo cáo", "Report registered"),
    ("report.registration_corrected", "Sửa số, ngày vào sổ của báo cáo", "Registration of a report corrected"),
    ("report.settings_changed", "Sửa thông tin cơ quan trong báo cáo", "Settings of reports changed"),
    ("report.written", "Viết vào báo cáo", "Report written"),
    ("retention.begun", "Bắt đầu xoá theo thời hạn mới", "Deletion by a new rule begun"),
    ("retention.changed", "Đổi thời hạn lưu giữ", "Retention changed"),
    ("sensor.announced", "Có cảm biến mới", "Sensor announced"),
    ("sensor.refused", "Không nhận cảm biến", "Sensor refused"),
    ("settings.applied", "Máy đã nhận cài đặt", "Settings applied"),
    ("settings.refused", "Máy từ chối cài đặt", "Settings refused"),
    ("software.described", "Sửa danh mục phần mềm", "Software described"),
    ("software.import_undone", "Hoàn tác nhập bảng phần mềm", "Import of software undone"),
    ("software.imported", "Nhập bảng phần mềm", "Software imported"),
    ("software.regrouped", "Chuyển quyết định sang phần mềm khác", "Decisions moved with their software"),
    ("store.copied", "Chép kho dữ liệu sang cơ sở dữ liệu khác", "Store copied into another database"),
    ("store.examined", "Kiểm tra kho dữ liệu", "Store examined"),
    ("store.loss_confirmed", "Xác nhận mất dữ liệu", "Loss of the store confirmed"),
    ("store.loss_found", "Phát hiện mất dữ liệu", "Loss of the store found"),
    ("store.made_anew", "Tạo lại kho dữ liệu", "Store made anew"),
    ("store.restored", "Phục hồi kho dữ liệu từ bản sao lưu", "Store restored from a backup"),
    (
        "store.restored_lost",
        "Nhật ký đã mất kể từ bản sao lưu, theo máy chứng kiến",
        "What the log lost since the backup, by a witness",
    ),
    ("token.created", "Tạo mã gia nhập", "Enrolment token created"),
    ("token.ended", "Huỷ mã gia nhập", "Enrolment token ended"),
    ("window.ended", "Kết thúc cửa sổ bảo trì", "Maintenance window ended"),
    ("window.planned", "Đặt cửa sổ bảo trì", "Maintenance window planned"),
];

/// What an action is called, in Vietnamese and in English; none where it is not known here.
#[must_use]
pub fn text_of(action: &str) -> Option<(&'static str, &'static str)> {
    let place = TEXTS.binary_search_by(|(name, ..)| (*name).cmp(action)).ok()?;
    TEXTS.get(place).map(|(_, vi, en)| (*vi, *en))
}

/// Names of the actions whose texts are so.
pub(crate) fn actions_whose(texts: impl Fn(&str, &str) -> bool) -> impl Iterator<Item = &'static str> {
    TEXTS.iter().filter(move |(_, vi, en)| texts(vi, en)).map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_in_the_order_of_their_names_and_are_told_apart() {
        assert!(TEXTS.windows(2).all(|two| two[0].0 < two[1].0));
        let mut all: Vec<&str> = TEXTS.iter().map(|(_, vi, _)| *vi).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), TEXTS.len(), "two actions have one text");
        assert_eq!(text_of("account.signed_in"), Some(("Đăng nhập", "Signed in")));
        assert_eq!(text_of("account"), None);
    }
}
