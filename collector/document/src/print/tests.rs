use super::*;
use crate::model::tests::small;
use crate::model::{Block, Table, Text};

#[test]
fn a_page_needs_no_exception_from_a_strict_policy() {
    let mut document = small();
    document.body.push(Block::paragraph("<script>alert(1)</script> \" onload=\"x"));
    let html = page(&document, Part::Whole, Sheet::Linked("/static/document.css"));
    assert!(html.contains("<link rel=\"stylesheet\" href=\"/static/document.css\">"));
    for never in ["<script", "style=", "<style", " onload=\""] {
        assert!(!html.contains(never), "{never}: {html}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot; onload=&quot;x"));
    assert!(page(&document, Part::Whole, Sheet::Embedded).contains("<style>"));
}

#[test]
fn every_class_that_is_used_has_its_rule() {
    let mut document = small();
    document.kind = crate::model::Kind::Letter;
    document.stamps.secrecy = Some(crate::model::Secrecy::Secret);
    document.head.contact = Some("Số 1".into());
    let mut table = Table::new(&[("a", 1, Align::Left), ("b", 3, Align::Right)], "Không có");
    document.body.push(Block::Table(table.clone()));
    table.push([Text::new().bold("x"), Text::new().blank("k", "điền")]);
    document.body.push(Block::Table(table.titled("Bảng")));
    let sheet = style_sheet();
    let html = fragment(&document, Part::Whole);
    let classes: std::collections::BTreeSet<&str> =
        html.split("class=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap_or_default().split(' ')).collect();
    for class in classes.into_iter().filter(|class| !["", "paper"].contains(class)) {
        let rules = [' ', '{', ',', '.'].iter().any(|end| sheet.contains(&format!(".{class}{end}")));
        assert!(rules, "{class} has no rule");
    }
    assert!(html.contains("[… điền …]") && html.contains("Không có"));
}

#[test]
fn each_part_is_printed_by_itself() {
    let document = small();
    let whole = fragment(&document, Part::Whole);
    assert!(whole.contains("class=\"annex wide\"") && whole.contains("NGHĨA VIỆT NAM"));
    let main = fragment(&document, Part::Main);
    assert!(!main.contains("AnnexLabel") && main.contains("NGHĨA VIỆT NAM"));
    let annex = fragment(&document, Part::Annex(0));
    assert!(annex.contains("class=\"part wide\"") && !annex.contains("NGHĨA VIỆT NAM"));
    assert!(!fragment(&document, Part::Annex(1)).contains("<section"));
}
