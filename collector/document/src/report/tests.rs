use jiff::civil::{date, datetime};

use super::clause::{self, ArticleState, ClauseReport, Evidence, Figure, Gap, ReportPeriod};
use super::handover::{self, Handover};
use super::incident::{self, AffectedDevice, CourseEntry, IncidentRecord};
use super::maintenance::{self, MaintainedDevice, MaintenanceFault, MaintenanceRecord};
use super::restore::{self, RestoreCertificate};
use super::{Office, Value, change};
use crate::layout;
use crate::legal::{Pack, Packs};
use crate::model::{Block, Document, Signature};
use crate::wording::NO_DATA;

fn office() -> Office {
    Office {
        parent: Some("Sở Khoa học và Công nghệ".into()),
        agency: "Trung tâm Điều hành".into(),
        abbreviation: "TTĐH".into(),
        place: "An Giang".into(),
        contact: None,
        signature: Signature::of("Giám đốc", Some("Nguyễn Văn A")),
        addressees: vec!["Ủy ban nhân dân tỉnh".into()],
        recipients: vec!["Như trên".into(), "Lưu: VT".into()],
    }
}

fn pack() -> Pack {
    Packs::read(&[]).unwrap().get("qd-1043-2022-an-giang").unwrap().clone()
}

/// What a document says, line by line.
fn text(document: &Document) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let heading = layout::heading(document);
    line(format!("{} / {}", heading.title.unwrap_or_default(), document.summary));
    document.bases.iter().for_each(|basis| line(basis.clone()));
    let body = document.closed_body();
    let annexes = document.annexes.iter().flat_map(|annex| &annex.body);
    for (sign, block) in layout::numbered(&body).chain(annexes.map(|block| (String::new(), block))) {
        match block {
            Block::Heading { text, .. } => line(format!("{sign}{}", layout::plain(text))),
            Block::Paragraph(text) => line(layout::plain(text)),
            Block::Note(text) => line(format!("({})", layout::plain(text))),
            Block::List(items) => items.iter().for_each(|item| line(format!("- {}", layout::plain(item)))),
            Block::Bars(bars) => bars.items.iter().for_each(|bar| line(format!("= {}: {}", bar.name, bar.written))),
            Block::Table(table) => {
                let titles: Vec<&str> = table.columns().iter().map(|column| column.title.as_str()).collect();
                line(format!("| {}", titles.join(" | ")));
                if table.rows().is_empty() {
                    line(format!("| {}", table.empty()));
                }
                for row in table.rows() {
                    line(format!("| {}", row.iter().map(layout::plain).collect::<Vec<_>>().join(" | ")));
                }
            }
        }
    }
    out
}

fn quarter() -> ClauseReport {
    let figure = |name: &str, now, before| Figure { name: name.to_owned(), now, before };
    let of = |part, whole| Value::Of { part, whole };
    let labels = ArticleState {
        number: "6.1".into(),
        figures: vec![
            figure("Thiết bị đã dán nhãn", of(187, 200), Some(of(150, 198))),
            figure("Nhãn in lại", Value::Count(4), None),
        ],
        evidence: vec![Evidence { what: "Sổ thiết bị".into(), place: "Trang Thiết bị".into() }],
        gaps: vec![
            Gap {
                key: "unlabelled".into(),
                what: "13 thiết bị chưa dán nhãn".into(),
                who: Some("Tổ Vận hành".into()),
                by: Some(date(2027, 1, 15)),
            },
            Gap { key: "labels-twice".into(), what: "2 nhãn trùng".into(), who: None, by: None },
        ],
        ..ArticleState::default()
    };
    let passwords = ArticleState {
        number: "13".into(),
        figures: vec![
            figure("Quá hạn", Value::Count(0), Some(Value::Count(2))),
            figure("Không rõ ngày đổi", Value::Unknown("chưa có xác nhận".into()), Some(Value::Count(4))),
        ],
        ..ArticleState::default()
    };
    let training =
        ArticleState { number: "16.1-5".into(), text: Some("Đã mở 02 lớp.".into()), ..ArticleState::default() };
    ClauseReport {
        office: office(),
        period: ReportPeriod::quarter(2026, 4),
        date: Some(date(2027, 1, 5)),
        articles: vec![labels, passwords, training],
        overview: None,
        outlook: Some("Dán đủ nhãn.".into()),
    }
}

/// `IOC_GOLDEN=write cargo test -p ioc-document` writes it anew, to be looked at in the difference.
#[test]
fn the_clause_report_says_what_is_known_article_by_article() {
    let found = text(&clause::document(&quarter(), &pack()));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/clause.golden.txt");
    if std::env::var_os("IOC_GOLDEN").is_some() {
        std::fs::write(golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(golden).unwrap_or_default(), "{found}");
}

#[test]
fn what_nobody_knows_is_never_zero() {
    let input = ClauseReport { articles: Vec::new(), outlook: None, ..quarter() };
    let pack = pack();
    let document = clause::document(&input, &pack);
    let found = text(&document);
    let figures: usize = pack.articles.iter().map(|article| article.figures.len()).sum();
    for article in &pack.articles {
        for figure in &article.figures {
            assert!(found.contains(&format!("| {figure} | {NO_DATA} | {NO_DATA} | {NO_DATA}\n")), "{figure}");
        }
    }
    assert!(found.contains(&format!("| 2 | Chỉ tiêu có số liệu | 0/{figures} (0,0%)")), "{found}");
    assert!(!found.contains("Không ghi nhận tồn tại trong kỳ"), "nothing was looked at");
    let inputs = pack.articles.iter().filter(|article| article.input).count();
    assert_eq!(document.blanks().len(), inputs + 2, "what people know, the overview and the outlook");
}

#[test]
fn figures_are_compared_where_they_can_be() {
    let of = |part, whole| Value::Of { part, whole };
    assert_eq!(change(&of(9, 10), Some(&of(8, 10))), "tăng 10,0 điểm %");
    assert_eq!(change(&Value::Count(5), Some(&Value::Count(5))), "không đổi");
    assert_eq!(change(&Value::Seconds(30), Some(&Value::Seconds(90))), "giảm 1 phút");
    assert_eq!(change(&Value::Percent(99.5), Some(&Value::Percent(99.9))), "giảm 0,40 điểm %");
    assert_eq!(change(&Value::Count(5), None), NO_DATA);
    assert_eq!(change(&Value::Count(5), Some(&Value::Unknown(String::new()))), NO_DATA);
    assert_eq!(change(&of(0, 0), Some(&of(1, 2))), "kỳ trước: 1/2 (50,0%)");
    assert_eq!(change(&Value::Unknown("x".into()), Some(&Value::Count(2))), format!("{NO_DATA}; kỳ trước: 2"));
    assert_eq!(of(0, 0).written(), "0/0");
    assert_eq!(of(999, 1_000).written(), "999/1.000 (99,9%)");
    assert_eq!(of(99_999, 100_000).written(), "99.999/100.000 (99,9%)", "only all of them are 100 %");
    assert_eq!(Value::Percent(f64::NAN).written(), NO_DATA);
    assert!(!Value::Percent(f64::NAN).is_known());
}

#[test]
fn a_quarter_begins_and_ends_with_the_calendars() {
    let quarter = ReportPeriod::quarter(2028, 1);
    assert_eq!((quarter.from, quarter.to), (date(2028, 1, 1), date(2028, 3, 31)));
    assert_eq!(quarter.name, "quý I năm 2028");
    assert_eq!(ReportPeriod::quarter(2026, 9), ReportPeriod::quarter(2026, 4));
}

#[test]
fn the_record_of_an_incident_asks_for_what_article_10_2_wants() {
    let at = |hour, minute| datetime(2026, 11, 5, hour, minute, 0, 0);
    let mut input = IncidentRecord {
        office: office(),
        date: None,
        number: 12,
        title: "Đĩa hỏng".into(),
        device: Some("srv-07".into()),
        place: None,
        devices: Vec::new(),
        more_devices: 0,
        severity: "Nghiêm trọng".into(),
        began: at(8, 5),
        told: Some(at(8, 6)),
        acknowledged: None,
        resolved: None,
        backup: None,
        safety: None,
        course: vec![CourseEntry { at: at(8, 5), who: None, what: "Báo lỗi đọc".into() }],
        cause: Some("Đĩa cũ".into()),
        consequence: None,
        remedy: None,
        participants: Vec::new(),
        signatures: vec![Signature::of("Người lập", None), Signature::of("Tổ trưởng", None)],
    };
    let document = incident::document(&input);
    let keys: Vec<&str> = document.blanks().iter().map(|blank| blank.key.as_str()).collect();
    assert_eq!(keys, ["10.2a", "10.2b", "consequence", "10.2c/remedy"]);
    let found = text(&document);
    for line in [
        "| Nơi đặt | không có dữ liệu",
        "| Báo tới người trực | 08:06 05/11/2026 (sau 1 phút)",
        "| Tiếp nhận | chưa tiếp nhận",
        "| 1 | 08:05 05/11/2026 | Hệ thống | Báo lỗi đọc",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    let affected = |name: &str, ended| AffectedDevice { name: name.into(), place: None, began: at(8, 5), ended };
    input.devices = vec![affected("srv-07", None), affected("srv-08 (nhãn A-8)", Some(at(9, 0)))];
    input.more_devices = 1_200;
    let found = text(&incident::document(&input));
    for line in [
        "| Thiết bị | 1.202 thiết bị, danh sách bên dưới",
        "| 1 | srv-07 | không có dữ liệu | 08:05 05/11/2026 | chưa khắc phục xong",
        "| 2 | srv-08 (nhãn A-8) | không có dữ liệu | 08:05 05/11/2026 | 09:00 05/11/2026",
        "Còn 1.200 thiết bị khác",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    input.told = Some(at(8, 0));
    assert!(text(&incident::document(&input)).contains("(trước thời điểm phát hiện)"));
    assert_eq!(incident::document(&input).recipients, ["Lưu: VT"], "minutes go up to nobody");
}

#[test]
fn a_shift_hands_over_what_is_open() {
    let input = Handover {
        office: office(),
        from: datetime(2026, 2, 4, 18, 0, 0, 0),
        to: datetime(2026, 2, 5, 6, 0, 0, 0),
        giving: vec!["Lê Thị Hoa, trực vận hành".into()],
        taking: Vec::new(),
        open: Vec::new(),
        more: 7,
        happened: vec![(datetime(2026, 2, 4, 21, 5, 0, 0), "Mở sự cố: Đĩa đầy".into(), String::new())],
        more_happened: 2,
        signed: vec!["Bên giao: Lê Thị Hoa, lúc 05 giờ 58".into()],
        resolved: None,
        tasks: vec!["Bảo trì UPS".into(), "Gọi nhà cung cấp".into()],
        condition: None,
        remarks: None,
    };
    let document = handover::document(&input);
    let found = text(&document);
    for line in [
        "BIÊN BẢN / Bàn giao ca trực ngày 05 tháng 02 năm 2026",
        "| Không có sự cố đang xử lý",
        "(Còn 7 sự cố khác đang xử lý",
        "Số sự cố đã khắc phục xong trong ca: không có dữ liệu.",
        "Mở sự cố: Đĩa đầy",
        "(Còn 2 việc khác",
        "- Bên giao: Lê Thị Hoa, lúc 05 giờ 58.",
        "- Bảo trì UPS;\n- Gọi nhà cung cấp.",
        "ký biên bản./.",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    assert_eq!(document.signatures[0].name.as_deref(), Some("Lê Thị Hoa"));
    assert_eq!(document.blanks().iter().map(|blank| blank.key.as_str()).collect::<Vec<_>>(), ["taking", "condition"]);
}

#[test]
fn the_record_of_maintenance_says_whether_operation_was_interrupted() {
    let at = |hour, minute| datetime(2026, 11, 5, hour, minute, 0, 0);
    let mut input = MaintenanceRecord {
        office: office(),
        title: "Thay đĩa".into(),
        from: at(1, 0),
        until: at(3, 0),
        ended: Some(at(2, 30)),
        planned_by: None,
        overruled: vec!["Máy dự phòng đang tắt".into()],
        devices: vec![MaintainedDevice { name: "srv-07".into(), label: "TS-07".into(), place: String::new() }],
        more: 3,
        more_faults: 3,
        faults: vec![MaintenanceFault {
            device: "srv-07".into(),
            what: "Mất liên lạc".into(),
            from: at(1, 5),
            until: None,
        }],
        silent_s: Some(3_600),
        responsible: Signature::of("Giám đốc", Some("Nguyễn Văn A")),
    };
    let document = maintenance::document(&input);
    let found = text(&document);
    for line in [
        "BIÊN BẢN / Bảo trì: Thay đĩa",
        "| Kết thúc | 02:30 05/11/2026",
        "| Người lập kế hoạch | không có dữ liệu",
        "| Thời gian thiết bị mất liên lạc | 1 giờ",
        "- Máy dự phòng đang tắt.",
        "| 1 | srv-07 | TS-07 | không có dữ liệu",
        "(Còn 3 thiết bị khác.)",
        "| srv-07 | Mất liên lạc | 01:05 05/11/2026 | chưa hết",
        "(Còn 3 lỗi khác của các thiết bị này",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    assert_eq!(document.blanks().iter().map(|blank| blank.key.as_str()).collect::<Vec<_>>(), ["work", "result"]);
    // Not interrupted, and not known, are two things.
    for (silent, words) in [(Some(0), "| không gián đoạn"), (None, "| không có dữ liệu: không thiết bị nào báo về")]
    {
        input.silent_s = silent;
        assert!(text(&maintenance::document(&input)).contains(words));
    }
}

#[test]
fn the_certificate_of_restore_says_what_came_of_it_and_what_was_looked_at() {
    let mut input = RestoreCertificate {
        office: office(),
        archive: "ioc-000012.tar.lz4.age".into(),
        sha256: "ab".repeat(32),
        backed_up: datetime(2026, 11, 4, 22, 0, 0, 0),
        restored: datetime(2026, 11, 5, 2, 0, 0, 0),
        took_ms: 12_340,
        failure: None,
        checks: vec!["42 tables have the rows that were backed up".into()],
        tables: 42,
        rows: 1_234_567,
        files: 9,
        bytes: 1_000_000,
        product: "0.1.0".into(),
        responsible: Signature::of("Giám đốc", None),
    };
    let found = text(&restore::document(&input));
    for line in [
        "BIÊN BẢN / Diễn tập phục hồi dữ liệu ngày 05 tháng 11 năm 2026",
        "| Kết quả | ĐẠT: phục hồi được nguyên trạng",
        "| Thời gian phục hồi | 12,3 giây",
        "| Bảng, dòng đã đối chiếu | 42 bảng, 1.234.567 dòng",
        "- 42 tables have the rows that were backed up.",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    (input.failure, input.checks) = (Some("tệp bị hỏng".into()), Vec::new());
    let found = text(&restore::document(&input));
    assert!(found.contains("KHÔNG ĐẠT: tệp bị hỏng") && found.contains("Chưa kiểm tra được nội dung nào."), "{found}");
}
