//! Documents as a made-up centre would issue them, and worse ones: names of 300 characters, writing from right to left, nothing at all.

use ioc_document::legal::{PackKind, Packs};
use ioc_document::model::{
    Align, Annex, Authority, Block, Document, Kind, Secrecy, Signature, Stamps, Table, Text, Urgency,
};
use ioc_document::report::account_review::{self, AccountReviewRecord, ElectronicSignature, ReviewedAccount};
use ioc_document::report::clause::{self, ArticleState, ClauseReport, Evidence, Figure, Gap, ReportPeriod};
use ioc_document::report::handover::{self, Handover, OpenIncident};
use ioc_document::report::incident::{self, AffectedDevice, CourseEntry, IncidentRecord};
use ioc_document::report::inventory::{self, Counted, CountedAsset, FoundThing, InventoryMinutes};
use ioc_document::report::maintenance::{self, MaintainedDevice, MaintenanceFault, MaintenanceRecord};
use ioc_document::report::notice::{self, IncidentNotice};
use ioc_document::report::restore::{self, RestoreCertificate};
use ioc_document::report::{Office, Value};
use jiff::civil::{Date, date, datetime};

/// A name that no column has room for.
pub(crate) fn long_name() -> String {
    "máy-chủ-rất-dài-không-có-dấu-cách-".chars().cycle().take(300).collect()
}

fn office() -> Office {
    let deputy = Authority::Deputy { head: "Giám đốc".into(), title: "Phó Giám đốc".into() };
    Office {
        parent: Some("Sở Khoa học và Công nghệ".into()),
        agency: "Trung tâm Giám sát, điều hành thông minh".into(),
        abbreviation: "TTGSĐH".into(),
        place: "An Giang".into(),
        contact: Some("Số 1 đường Thử nghiệm, phường Thử nghiệm. Điện thoại: 0000 000 000".into()),
        signature: Signature { for_body: None, authority: deputy, name: Some("Nguyễn Thị Ánh Nguyệt".into()) },
        addressees: vec!["Ủy ban nhân dân tỉnh".into()],
        recipients: vec!["Như trên".into(), "Sở Khoa học và Công nghệ".into(), "Lưu: VT, VH".into()],
    }
}

fn figure(name: &str, now: Value, before: Option<Value>) -> Figure {
    Figure { name: name.into(), now, before }
}

fn state(number: &str, figures: Vec<Figure>) -> ArticleState {
    let evidence = vec![Evidence {
        what: format!("Số liệu của Điều {number} trong kỳ"),
        place: format!("Trang Báo cáo, mục {number}; nhật ký từ bản ghi 10.214 đến 18.930"),
    }];
    ArticleState { number: number.into(), figures, evidence, ..ArticleState::default() }
}

fn gap(what: &str, who: Option<&str>, by: Option<Date>) -> Gap {
    Gap { key: "some".into(), what: what.into(), who: who.map(str::to_owned), by }
}

/// A quarter of a centre: some is well, some is not, some nobody knows.
pub(crate) fn quarter() -> Document {
    let amount = |number, decimals, unit: &str| Value::Amount { number, decimals, unit: unit.into() };
    let of = |part, whole| Value::Of { part, whole };
    let mut network = state(
        "5.1",
        vec![
            figure("Thời gian mạng hoạt động", Value::Percent(99.97), Some(Value::Percent(99.81))),
            figure("Mức sử dụng băng thông cao nhất", amount(71.4, 1, "%"), Some(amount(64.0, 1, "%"))),
            figure("Vi phạm được ghi nhận", Value::Count(3), Some(Value::Count(5))),
        ],
    );
    network.chart = Some(clause::percents(
        "Thời gian mạng hoạt động theo tháng",
        &[("Tháng 10", Some(99.92)), ("Tháng 11", Some(100.0)), ("Tháng 12", None)],
    ));
    let mut labels = state("6.1", vec![figure("Thiết bị đã dán nhãn", of(187, 200), Some(of(150, 198)))]);
    labels.gaps = vec![
        gap(
            "13 thiết bị chưa dán nhãn, trong đó 4 máy trạm tại phòng trực",
            Some("Trần Văn Bình, Tổ Vận hành"),
            Some(date(2027, 1, 15)),
        ),
        gap(&format!("Thiết bị {} chưa có người phụ trách", long_name()), None, None),
    ];
    let told = state(
        "6.2",
        vec![
            figure("Trung vị thời gian báo", Value::Seconds(41), Some(Value::Seconds(95))),
            figure("Thời gian báo lâu nhất", Value::Seconds(1_260), None),
            figure("Báo muộn", of(1, 24), Some(of(4, 31))),
        ],
    );
    let backup = state(
        "7",
        vec![
            figure("Bản sao lưu còn mới", of(38, 40), Some(of(40, 40))),
            figure(
                "Kết quả diễn tập phục hồi",
                Value::Word("Đạt".into()),
                Some(Value::Unknown("chưa diễn tập".into())),
            ),
        ],
    );
    let mut passwords = state(
        "13",
        vec![
            figure("Sắp đến hạn", Value::Count(6), Some(Value::Count(2))),
            figure("Quá hạn", Value::Count(2), Some(Value::Count(0))),
            figure("Không rõ ngày đổi", Value::Unknown("4 thiết bị chưa có xác nhận".into()), None),
        ],
    );
    passwords.gaps =
        vec![gap("2 tài khoản quản trị quá hạn đổi mật khẩu", Some("Quản trị hệ thống"), Some(date(2026, 12, 31)))];
    let mut training = ArticleState { number: "16.1-5".into(), ..ArticleState::default() };
    training.text = Some("Đã tổ chức 02 lớp hướng dẫn cho 35 người vận hành của các đơn vị.".into());
    let input = ClauseReport {
        office: office(),
        period: ReportPeriod::quarter(2026, 4),
        date: Some(date(2027, 1, 5)),
        articles: vec![network, labels, told, backup, passwords, training],
        overview: Some("Trong kỳ, Trung tâm hoạt động ổn định; không có sự cố nghiêm trọng.".into()),
        outlook: None,
    };
    let packs = Packs::read(&[]).unwrap();
    clause::document(&input, packs.in_force(PackKind::Regulation, date(2026, 12, 31), None).unwrap())
}

/// The same of a centre of which nothing is known.
pub(crate) fn empty_quarter() -> Document {
    let input = ClauseReport {
        office: Office { contact: None, addressees: Vec::new(), ..office() },
        period: ReportPeriod::quarter(2026, 4),
        date: None,
        articles: Vec::new(),
        overview: None,
        outlook: None,
    };
    let packs = Packs::read(&[]).unwrap();
    clause::document(&input, packs.get("qd-1043-2022-an-giang").unwrap())
}

/// An incident with names that come from anywhere.
pub(crate) fn incident() -> Document {
    incident::document(&incident_record())
}

/// An incident that so many devices failed under.
pub(crate) fn storm(devices: u32) -> Document {
    let affected = |number: u32| AffectedDevice {
        name: if number == 1 { long_name() } else { format!("srv-{number:05} (nhãn A-{number})") },
        place: (!number.is_multiple_of(3)).then(|| format!("Phòng máy chủ/Tủ {number}")),
        began: datetime(2026, 11, 5, 8, 5, 0, 0),
        ended: (!number.is_multiple_of(2)).then(|| datetime(2026, 11, 5, 9, 40, 0, 0)),
    };
    let devices = (1..=devices).map(affected).collect();
    incident::document(&IncidentRecord { device: None, devices, more_devices: 31, ..incident_record() })
}

fn incident_record() -> IncidentRecord {
    let at = |hour, minute| datetime(2026, 11, 5, hour, minute, 0, 0);
    let entry = |hour, minute, who: Option<&str>, what: &str| CourseEntry {
        at: at(hour, minute),
        who: who.map(str::to_owned),
        what: what.into(),
    };
    IncidentRecord {
        office: office(),
        date: Some(date(2026, 11, 6)),
        number: 1_204,
        title: "Ổ đĩa máy chủ dữ liệu hỏng".into(),
        device: Some(format!("{} <b>&amp;</b> \u{202e}tsil\u{2066} שלום 🖨️", long_name())),
        place: Some("Phòng máy chủ, tủ R2, U14".into()),
        devices: Vec::new(),
        more_devices: 0,
        severity: "Nghiêm trọng".into(),
        began: at(8, 5),
        told: Some(at(8, 6)),
        acknowledged: Some(at(8, 19)),
        resolved: None,
        backup: Some("Bản sao lưu đêm 04/11/2026, mã đối chiếu 9f3c…".into()),
        safety: None,
        course: vec![
            entry(8, 5, None, "Đĩa sdb báo lỗi đọc, mảng RAID chuyển sang trạng thái suy giảm."),
            entry(8, 19, Some("Lê Thị Hoa"), "Tiếp nhận, báo lãnh đạo phụ trách."),
            entry(9, 40, Some("Lê Thị Hoa"), "Thay đĩa dự phòng, bắt đầu đồng bộ."),
        ],
        cause: Some("Đĩa đã dùng hơn 6 năm.".into()),
        consequence: Some("Không mất dữ liệu; tốc độ đọc giảm trong 3 giờ.".into()),
        remedy: None,
        participants: vec!["Lê Thị Hoa, trực vận hành".into(), "Phạm Văn Dũng, Tổ trưởng".into()],
        signatures: vec![
            Signature::of("Người lập", Some("Lê Thị Hoa")),
            Signature::of("Tổ trưởng", Some("Phạm Văn Dũng")),
        ],
    }
}

/// The end of a shift.
pub(crate) fn shift() -> Document {
    handover::document(&Handover {
        office: office(),
        from: datetime(2026, 2, 4, 18, 0, 0, 0),
        to: datetime(2026, 2, 5, 6, 0, 0, 0),
        giving: vec!["Lê Thị Hoa, trực vận hành".into()],
        taking: vec!["Phạm Văn Dũng, trực vận hành".into()],
        open: vec![OpenIncident {
            number: 1_204,
            title: "Ổ đĩa máy chủ dữ liệu hỏng".into(),
            device: Some("srv-07".into()),
            since: datetime(2026, 2, 4, 20, 11, 0, 0),
            state: "Đang sửa, Lê Thị Hoa".into(),
        }],
        more: 0,
        happened: vec![(datetime(2026, 2, 4, 21, 5, 0, 0), "Mở sự cố: Đĩa đầy".into(), String::new())],
        more_happened: 2,
        signed: vec!["Bên giao: Lê Thị Hoa, lúc 05 giờ 58".into()],
        resolved: Some(2),
        tasks: vec!["Bảo trì UPS phòng hiển thị lúc 09:00".into(), "Gọi nhà cung cấp về đĩa thay thế".into()],
        condition: None,
        remarks: Some("Chìa khoá tủ R2 để tại phòng trực.".into()),
    })
}

/// Maintenance of a device with a name that no column has room for.
pub(crate) fn maintenance() -> Document {
    maintenance::document(&MaintenanceRecord {
        office: office(),
        title: "Thay ắc quy UPS phòng hiển thị <2 bộ>".into(),
        from: datetime(2026, 2, 5, 9, 0, 0, 0),
        until: datetime(2026, 2, 5, 11, 0, 0, 0),
        ended: Some(datetime(2026, 2, 5, 10, 40, 0, 0)),
        planned_by: Some("Lê Thị Hoa".into()),
        overruled: vec!["UPS thứ hai đang lỗi".into()],
        devices: vec![MaintainedDevice {
            name: long_name(), label: "TS-0007".into(), place: "Phòng hiển thị".into()
        }],
        more: 199,
        faults: vec![MaintenanceFault {
            device: long_name(),
            what: "Chạy bằng ắc quy".into(),
            from: datetime(2026, 2, 5, 9, 12, 0, 0),
            until: None,
        }],
        more_faults: 3,
        silent_s: Some(95),
        responsible: Signature::of("Tổ trưởng", Some("Phạm Văn Dũng")),
    })
}

/// A drill that failed, of an archive with a name that no column has room for.
pub(crate) fn restore() -> Document {
    restore::document(&RestoreCertificate {
        office: office(),
        archive: long_name(),
        sha256: "ab".repeat(32),
        backed_up: datetime(2026, 2, 1, 2, 0, 0, 0),
        restored: datetime(2026, 2, 1, 3, 0, 0, 0),
        took_ms: 81_234,
        failure: Some("bảng incident: 1.204 dòng, bản sao lưu có 1.205".into()),
        checks: vec!["Chữ ký của bản sao lưu".into(), "Chuỗi băm của nhật ký kiểm toán".into()],
        tables: 74,
        rows: 10_482_113,
        files: 12,
        bytes: 5_300_000_000,
        product: "0.1.0".into(),
        responsible: Signature::of("Giám đốc", Some("Trần Bình")),
    })
}

/// An inventory taking of so many assets, and of none.
pub(crate) fn inventory(count: usize) -> Document {
    let asset = |n: usize| CountedAsset {
        name: if n == 3 { long_name() } else { format!("Máy trạm {n}") },
        label: format!("TS-{n:05}"),
        kind: "Máy trạm".into(),
        serial: format!("SN{n}"),
        place: "Phòng 1/Tủ 2".into(),
        counted: Counted::ALL[n % Counted::ALL.len()],
        found_at: if n % 5 == 2 { "Phòng 9".into() } else { String::new() },
        remark: String::new(),
    };
    let find = FoundThing {
        what: "Máy in không nhãn & không sê-ri".into(),
        label: String::new(),
        serial: String::new(),
        place: "Hành lang".into(),
        remark: "đưa vào danh mục".into(),
    };
    inventory::document(&InventoryMinutes {
        office: office(),
        date: Some(date(2026, 2, 5)),
        number: 4,
        place: String::new(),
        opened: datetime(2026, 2, 4, 8, 0, 0, 0),
        closed: Some(datetime(2026, 2, 5, 16, 0, 0, 0)),
        members: vec![("Trần Bình".into(), "Giám đốc".into()), ("Lê Thị Hoa".into(), String::new())],
        counted_by: vec!["Lê Thị Hoa".into()],
        remark: "Bổ sung nhãn trong tháng.".into(),
        assets: (0..count).map(asset).collect(),
        finds: if count == 0 { Vec::new() } else { vec![find] },
    })
}

/// The notice of a serious incident, of which nobody has written anything yet.
pub(crate) fn notice() -> Document {
    notice::document(&IncidentNotice {
        office: office(),
        date: Some(date(2026, 2, 5)),
        form: "BÁO CÁO SỰ CỐ".into(),
        to: "Cục An ninh mạng và phòng, chống tội phạm sử dụng công nghệ cao".into(),
        law: "Khoản 2 Điều 31 Nghị định 331/2026/NĐ-CP".into(),
        due: datetime(2026, 2, 5, 20, 11, 0, 0),
        as_of: datetime(2026, 2, 5, 8, 0, 0, 0),
        number: 1_204,
        title: long_name(),
        reason: "gián đoạn dịch vụ công".into(),
        devices: vec![long_name()],
        affected: None,
        severity: "Nghiêm trọng".into(),
        state: "Đang sửa".into(),
        found: datetime(2026, 2, 4, 20, 11, 0, 0),
        told: Some(datetime(2026, 2, 4, 20, 11, 9, 0)),
        acknowledged: None,
        resolved: None,
        course: Vec::new(),
        texts: std::collections::BTreeMap::new(),
    })
}

/// A review of sixty accounts, one of them with a name that no column has room for.
pub(crate) fn account_review() -> Document {
    let row = |number: usize| ReviewedAccount {
        system: format!("Máy chủ dữ liệu {number}"),
        name: if number == 7 { long_name() } else { format!("nguoi.dung.{number}") },
        role: "quản trị (group sudo)".into(),
        holder: if number.is_multiple_of(5) { String::new() } else { "Nguyễn Thị Ánh Nguyệt".into() },
        last_sign_in: (!number.is_multiple_of(3)).then(|| datetime(2026, 9, 1, 8, 0, 0, 0)),
        never_signed_in: number == 3,
        password_changed: Some(datetime(2026, 10, 5, 0, 0, 0, 0)),
        findings: if number.is_multiple_of(4) { vec!["không đăng nhập quá hạn".into()] } else { Vec::new() },
        verdict: if number.is_multiple_of(4) { "Khoá" } else { "Giữ" }.into(),
        reason: if number.is_multiple_of(4) { "đã chuyển công tác".into() } else { String::new() },
        kept: !number.is_multiple_of(4),
    };
    account_review::document(&AccountReviewRecord {
        office: office(),
        number: 2,
        opened: datetime(2026, 11, 20, 9, 0, 0, 0),
        reviewers: vec!["Lê Thị Hoa (hoa)".into()],
        limits: vec!["tài khoản không đăng nhập quá 45 ngày".into(), "rà soát 6 tháng một lần".into()],
        rows: (1..=60).map(row).collect(),
        next_due: Some(date(2027, 5, 29)),
        signed: Some(ElectronicSignature {
            at: datetime(2026, 11, 29, 8, 5, 0, 0),
            by: "Trần Văn Bình (binh)".into(),
            sha256: "0123456789abcdef".repeat(4),
        }),
    })
}

/// A letter with stamps, several addressees and signers, two annexes and a table that goes over pages.
pub(crate) fn letter(rows: usize) -> Document {
    let mut document = shift();
    document.kind = Kind::Letter;
    document.summary = "phối hợp rà soát thiết bị công nghệ thông tin tại các phòng".into();
    document.addressees = vec!["Sở Nội vụ".into(), "Công an tỉnh".into()];
    document.stamps = Stamps {
        secrecy: Some(Secrecy::Secret),
        urgency: Some(Urgency::Express),
        circulation: Some("Lưu hành nội bộ".into()),
    };
    document.head.number = Some(7);
    let columns = [
        ("TT", 2, Align::Centre),
        ("Tên thiết bị", 6, Align::Left),
        ("Nhãn", 3, Align::Left),
        ("Loại", 3, Align::Left),
        ("Địa chỉ IP", 3, Align::Left),
        ("Số sê-ri", 3, Align::Left),
        ("Nơi đặt", 3, Align::Left),
        ("Người phụ trách", 4, Align::Left),
        ("Tình trạng", 3, Align::Left),
    ];
    let mut table = Table::new(&columns, "Không có thiết bị");
    for n in 1..=rows {
        let name = if n == 2 { long_name() } else { format!("Máy trạm {n}") };
        let blank = || Text::new().blank(format!("device/{n}/owner"), "người phụ trách");
        let cell = |text: &str| Text::from(text);
        table.push([
            n.to_string().into(),
            name.into(),
            format!("AG-{n:05}").into(),
            cell("Máy trạm"),
            format!("10.0.{}.{}", n / 250, n % 250).into(),
            format!("SN{n:08}").into(),
            cell("Phòng trực"),
            blank(),
            cell("Đang dùng"),
        ]);
    }
    let annex = |title: &str, landscape, body| Annex { title: title.into(), landscape, body };
    document.annexes = vec![
        annex("Danh mục thiết bị", true, vec![Block::Table(table)]),
        annex("Yêu cầu về nhãn", false, vec![Block::heading(1, "Nhãn"), Block::paragraph("Nhãn dán ở mặt trước.")]),
    ];
    document
}
