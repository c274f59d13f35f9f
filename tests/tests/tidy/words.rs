//! One word for one thing in what people read in Vietnamese: words that were given up do not come back.

use std::path::Path;

use super::{ROOT, tracked};

/// A word that was given up, and what is said instead (the house's glossary: docs/glossary.md).
const GIVEN_UP: &[(&str, &str)] = &[
    ("khóa", "khoá"),
    ("hủy", "huỷ"),
    ("xóa", "xoá"),
    ("nghe lần cuối", "lần báo gần nhất"),
    ("hỏi lần cuối", "yêu cầu gần nhất"),
    ("lần cuối tốt", "lần gần nhất thành công"),
    ("tạm vắng", "ngừng có báo trước"),
    ("chưa từng báo", "chưa báo cáo"),
    ("tác tử", "agent"),
    ("ghi danh", "đăng ký"),
    ("đầu đo", "mục đo"),
    ("phép đo", "mục đo"),
    ("tường màn hình", "màn hình ghép"),
    ("chứng chỉ", "chứng thư số"),
    ("cơ quan cấp của bộ thu", "tổ chức chứng thực (CA) của bộ thu"),
    ("vi chương trình", "firmware"),
    ("phần mềm trong máy", "firmware"),
    ("đĩa có cung", "đĩa có sector"),
    ("lành lặn", "tốt, nguyên vẹn"),
    ("bộ máy quét", "công cụ quét"),
    ("dùng cho việc gì", "mục đích sử dụng"),
    ("không ai được bảo trì", "tạm dừng mọi hoạt động bảo trì"),
    ("đã nghe lại thiết bị", "thiết bị đã báo cáo trở lại"),
];

/// Where people read Vietnamese: pages, notices and reasons, rules and packs, the documents.
const READ: &[&str] = &["collector", "common/src", "config", "docs/vi", "docs/glossary.md"];
/// The search finds whatever people write, in either way of writing.
const EITHER_WAY: &str = "collector/store/src/search";

#[test]
fn words_that_were_given_up_do_not_come_back() {
    let mut found = Vec::new();
    for path in tracked() {
        let name = path.to_string_lossy().into_owned();
        let kind = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let is_read =
            READ.iter().any(|place| name.starts_with(place)) && ["rs", "ftl", "toml", "md", "html"].contains(&kind);
        if !is_read || name.starts_with(EITHER_WAY) || name.starts_with("collector/store/src/contract/search") {
            continue;
        }
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            for (word, instead) in GIVEN_UP.iter().filter(|(word, _)| lower.contains(word)) {
                found.push(format!("{name}:{}: found {word:?}; say {instead:?}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
