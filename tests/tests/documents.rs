//! Documents as other programs see them: LibreOffice and Chromium lay them out on paper, where they are measured against Decree 30/2020; python-docx opens
//! them. What has no place here is what the documents say; that is held in `ioc-document`.

use std::path::{Path, PathBuf};
use std::process::Output;

use ioc_document::model::Document;
use ioc_document::print::{self, Part, Sheet};
use ioc_document::{docx, layout};
use ioc_tests::harness::python;

mod samples;

/// What may lie between a measure and what is found, mm: borders, and how programs round.
const NEAR_MM: f64 = 1.0;
/// The middle of the head's columns, of the text, and of the columns of the signature.
const AGENCY_MM: f64 = layout::LEFT_MM + layout::AGENCY_COLUMN_MM / 2.0;
const NATION_MM: f64 = layout::LEFT_MM + layout::AGENCY_COLUMN_MM + layout::NATION_COLUMN_MM / 2.0;
const TEXT_MM: f64 = layout::SHORT_SIDE_MM - layout::LEFT_MM - layout::RIGHT_MM;
const MIDDLE_MM: f64 = layout::LEFT_MM + TEXT_MM / 2.0;
const SIGNER_MM: f64 = layout::LEFT_MM + TEXT_MM * 0.75;

/// Fonts without Liberation Serif: it stands in for Times New Roman but has neither ơ nor ư, which then come from another font, and what reads
/// the PDF takes a word of two fonts for several.
const FONTS: &str = "<?xml version=\"1.0\"?><fontconfig><include>/etc/fonts/fonts.conf</include><selectfont><rejectfont><pattern>\
    <patelt name=\"family\"><string>Liberation Serif</string></patelt></pattern></rejectfont></selectfont></fontconfig>";

pub(crate) fn run(dir: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Output {
    let (program, fonts) = (program.as_ref(), dir.join("fonts.conf"));
    std::fs::write(&fonts, FONTS).unwrap();
    #[allow(clippy::disallowed_methods, reason = "starts what people open documents with")]
    let output = std::process::Command::new(program).args(arguments).env("FONTCONFIG_FILE", fonts).output();
    let output = output.unwrap_or_else(|e| panic!("{program:?}: {e}; scripts/test installs it"));
    assert!(output.status.success(), "{program:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A word, or several in a line, and where it stands, mm from the left upper corner.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) text: String,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Words {
    fn centre(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }
}

/// A page, mm.
#[derive(Debug)]
pub(crate) struct Paper {
    width: f64,
    height: f64,
    words: Vec<Words>,
}

impl Paper {
    /// Words that follow each other.
    pub(crate) fn find(&self, phrase: &str) -> Words {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        let found =
            self.words.windows(wanted.len()).find(|all| all.iter().zip(&wanted).all(|(one, word)| one.text == *word));
        let all = found.unwrap_or_else(|| panic!("{phrase} is not there: {}", self.text()));
        let edge = |of: fn(&Words) -> f64, pick: fn(f64, f64) -> f64| all.iter().map(of).reduce(pick).unwrap();
        Words {
            text: phrase.to_owned(),
            left: edge(|one| one.left, f64::min),
            top: edge(|one| one.top, f64::min),
            right: edge(|one| one.right, f64::max),
            bottom: edge(|one| one.bottom, f64::max),
        }
    }

    pub(crate) fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn begins_an_annex(&self) -> bool {
        self.text().contains("(Kèm theo")
    }

    /// What stands in the top margin: the page's number, or nothing.
    fn number(&self) -> Option<&Words> {
        let above: Vec<&Words> = self.words.iter().filter(|word| word.bottom < layout::TOP_MM).collect();
        assert!(above.len() <= 1, "{above:?}");
        above.first().copied()
    }

    /// Nothing stands in the margins but the number above and, on the first page, the address below.
    pub(crate) fn keeps_its_margins(&self) {
        for word in
            self.words.iter().filter(|word| word.bottom > layout::TOP_MM && word.top < self.height - layout::TOP_MM)
        {
            let inside = word.left > layout::LEFT_MM - NEAR_MM
                && word.right < self.width - layout::RIGHT_MM + NEAR_MM
                && word.top > layout::TOP_MM - NEAR_MM
                && word.bottom < self.height - layout::TOP_MM + NEAR_MM;
            assert!(inside, "{word:?} stands in a margin");
        }
        if let Some(number) = self.number() {
            near(
                "the number's middle",
                number.centre(),
                layout::LEFT_MM + (self.width - layout::LEFT_MM - layout::RIGHT_MM) / 2.0,
            );
            assert!(number.top > 7.0, "{number:?}");
        }
    }
}

fn near(what: &str, found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= NEAR_MM, "{what}: {found:.1} mm; wanted are {wanted:.1}");
}

fn papers(dir: &Path, pdf: &Path) -> Vec<Paper> {
    let listed = run(dir, "pdftotext", &["-bbox", pdf.to_str().unwrap(), "-"]).stdout;
    let listed = String::from_utf8(listed).unwrap();
    let number = |line: &str, name: &str| -> f64 {
        let rest = line.split(&format!(" {name}=\"")).nth(1).unwrap_or_else(|| panic!("{line}"));
        rest.split('"').next().unwrap().parse::<f64>().unwrap() * 25.4 / 72.0
    };
    let mut papers: Vec<Paper> = Vec::new();
    for line in listed.lines().map(str::trim) {
        if line.starts_with("<page ") {
            papers.push(Paper { width: number(line, "width"), height: number(line, "height"), words: Vec::new() });
        } else if line.starts_with("<word ") {
            let text = line.split('>').nth(1).unwrap_or_default().split("</").next().unwrap_or_default();
            let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let [left, top, right, bottom] = ["xMin", "yMin", "xMax", "yMax"].map(|name| number(line, name));
            // A first page's number is written as nothing, by a sign without width.
            if text != "\u{200b}" {
                papers.last_mut().unwrap().words.push(Words { text, left, top, right, bottom });
            }
        }
    }
    papers
}

/// As LibreOffice prints what is given to people to be edited.
fn by_libreoffice(dir: &Path, name: &str, document: &Document) -> Vec<Paper> {
    converted(dir, &written(dir, name, document))
}

/// A DOCX as LibreOffice prints it.
pub(crate) fn converted(dir: &Path, file: &Path) -> Vec<Paper> {
    let profile = format!("-env:UserInstallation=file://{}", dir.join("libreoffice").display());
    let (to, path) = (dir.to_str().unwrap(), file.to_str().unwrap());
    run(dir, "soffice", &["--headless", &profile, "--convert-to", "pdf", "--outdir", to, path]);
    papers(dir, &file.with_extension("pdf"))
}

/// As Chromium prints the print view.
fn by_chromium(dir: &Path, document: &Document, part: Part) -> Vec<Paper> {
    let (page, pdf) = (dir.join("page.html"), dir.join("page.pdf"));
    std::fs::write(&page, print::page(document, part, Sheet::Embedded)).unwrap();
    let profile = format!("--user-data-dir={}", dir.join("chromium").display());
    let to = format!("--print-to-pdf={}", pdf.display());
    let quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-pdf-header-footer"];
    run(dir, "chromium", &[quiet.as_slice(), &[&profile, &to, &format!("file://{}", page.display())]].concat());
    papers(dir, &pdf)
}

fn written(dir: &Path, name: &str, document: &Document) -> PathBuf {
    let file = dir.join(format!("{name}.docx"));
    std::fs::write(&file, docx::write(document).unwrap()).unwrap();
    file
}

/// The figures of Decree 30/2020, Annex I, on the first page and on the one with the signature.
fn lies_as_the_decree_has_it(papers: &[Paper]) {
    for paper in papers {
        paper.keeps_its_margins();
    }
    let first = &papers[0];
    near("width", first.width, layout::SHORT_SIDE_MM);
    near("height", first.height, layout::LONG_SIDE_MM);
    assert!(first.number().is_none(), "the first page has no number");
    let (nation, motto) = (first.find(layout::NATION), first.find(layout::MOTTO));
    near("the nation's name", nation.centre(), NATION_MM);
    near("its width in 13 points", nation.right - nation.left, 95.7);
    near("its top", nation.top, layout::TOP_MM);
    near("the motto", motto.centre(), NATION_MM);
    near("its width in 14 points", motto.right - motto.left, 60.5);
    assert!(motto.top > nation.top + 3.0, "{nation:?} {motto:?}");
    near("the agency", first.find("ĐIỀU HÀNH THÔNG MINH").centre(), AGENCY_MM);
    let (number, date) = (first.find("Số:"), first.find("An Giang, ngày 05 tháng 01 năm 2027"));
    let mark = first.find("/BC-TTGSĐH");
    near("the number", f64::midpoint(number.left, mark.right), AGENCY_MM);
    near("the date", date.centre(), NATION_MM);
    near("number and date in one line", number.bottom, date.bottom);
    near("the title", first.find("BÁO CÁO").centre(), MIDDLE_MM);
    near("the summary", first.find("Tình hình hoạt động quý IV năm 2026").centre(), MIDDLE_MM);

    let last = papers.iter().find(|paper| paper.text().contains("Nơi nhận:")).unwrap();
    let (title, name) = (last.find("KT. GIÁM ĐỐC"), last.find("Nguyễn Thị Ánh Nguyệt"));
    near("the signer's title", title.centre(), SIGNER_MM);
    near("the signer", name.centre(), SIGNER_MM);
    let room = name.top - last.find("PHÓ GIÁM ĐỐC").bottom;
    assert!((20.0..40.0).contains(&room), "{room} mm for signature and seal");
    let recipients = last.find("Nơi nhận:");
    near("who gets it", recipients.left, layout::LEFT_MM);
    assert!((recipients.top - title.top).abs() < 3.0, "side by side: {recipients:?} {title:?}");
    assert!(
        last.text().contains("./. Nơi nhận:"),
        "it ends as documents end, on the page of its signature: {}",
        last.text()
    );
}

#[test]
fn what_people_edit_lies_on_paper_as_the_decree_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let papers = by_libreoffice(dir.path(), "quarter", &samples::quarter());
    let annex = papers.iter().position(Paper::begins_an_annex).unwrap();
    lies_as_the_decree_has_it(&papers[..annex]);
    for (at, paper) in papers[..annex].iter().enumerate().skip(1) {
        assert_eq!(paper.number().unwrap().text, (at + 1).to_string());
    }
    assert!(
        papers[0].words.iter().any(|word| word.top > layout::LONG_SIDE_MM - layout::TOP_MM),
        "the address is at the foot"
    );
    let annex = &papers[annex];
    near("on its side", annex.width, layout::LONG_SIDE_MM);
    assert!(annex.number().is_none(), "an annex counts anew");
}

#[test]
fn annexes_count_their_own_pages_and_heads_of_tables_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let document = samples::letter(60);
    let papers = by_libreoffice(dir.path(), "letter", &document);
    let first = &papers[0];
    for word in ["MẬT", "HỎA TỐC", "LƯU HÀNH NỘI BỘ", "Số: 07/TTGSĐH", "- Công an tỉnh."] {
        first.find(word);
    }
    assert!(first.find("V/v phối").top > first.find("Số:").bottom);
    let begins: Vec<usize> = (0..papers.len()).filter(|at| papers[*at].begins_an_annex()).collect();
    let [one, two] = begins[..] else { panic!("{begins:?}") };
    assert!(two - one >= 3, "the table goes over pages: {begins:?}");
    for (at, paper) in papers[one..two].iter().enumerate() {
        paper.keeps_its_margins();
        assert_eq!(paper.number().map(|number| number.text.clone()), (at > 0).then(|| (at + 1).to_string()));
        let (head, body) = (paper.find("Người phụ trách"), paper.find("Đang dùng"));
        assert!(head.bottom < body.top && head.top < 60.0, "{head:?} {body:?}");
    }
    assert!(papers[two].number().is_none() && papers[two].width < 211.0);

    // Printed by a browser, each part has its own numbers; all at once, annexes have none, which is less wrong than others'.
    let part = by_chromium(dir.path(), &document, Part::Annex(0));
    assert!(part.len() >= 2);
    for (at, paper) in part.iter().enumerate() {
        paper.keeps_its_margins();
        near("on its side", paper.width, layout::LONG_SIDE_MM);
        assert_eq!(paper.number().map(|number| number.text.clone()), (at > 0).then(|| (at + 1).to_string()));
        paper.find("Người phụ trách");
    }
    let whole = by_chromium(dir.path(), &document, Part::Whole);
    let annex = whole.iter().position(Paper::begins_an_annex).unwrap();
    assert!(whole[annex..].iter().all(|paper| paper.number().is_none()));
}

#[test]
fn what_browsers_print_lies_as_the_decree_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let papers = by_chromium(dir.path(), &samples::quarter(), Part::Main);
    lies_as_the_decree_has_it(&papers);
    for (at, paper) in papers.iter().enumerate().skip(1) {
        assert_eq!(paper.number().unwrap().text, (at + 1).to_string());
    }
}

#[test]
fn names_from_anywhere_stay_names() {
    let dir = tempfile::tempdir().unwrap();
    let papers = by_libreoffice(dir.path(), "incident", &samples::incident());
    papers.iter().for_each(Paper::keeps_its_margins);
    let text: String = papers.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
    assert!(text.contains("<b>&amp;</b>") && !text.contains('\u{202e}'), "{text}");
    assert!(text.replace(' ', "").contains(&samples::long_name()), "nothing of a long name is cut: {text}");
    for words in ["NGƯỜI LẬP", "TỔ TRƯỞNG"] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn a_review_of_accounts_has_its_list_as_an_annex_on_its_side() {
    let dir = tempfile::tempdir().unwrap();
    let papers = by_libreoffice(dir.path(), "review", &samples::account_review());
    papers.iter().for_each(Paper::keeps_its_margins);
    papers[0].find("BIÊN BẢN");
    let annex = (0..papers.len()).find(|at| papers[*at].begins_an_annex()).expect("an annex");
    near("on its side", papers[annex].width, layout::LONG_SIDE_MM);
    let text: String = papers.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
    for words in ["08:05 29/11/2026", "29/05/2027", "Khoá: đã chuyển công tác", "nguoi.dung.60"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.replace(' ', "").contains(&samples::long_name()), "nothing of a long name is cut: {text}");
}

#[test]
fn bars_are_drawn_with_their_names_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let papers = by_libreoffice(dir.path(), "quarter", &samples::quarter());
    let drawn = papers.iter().find(|paper| paper.text().contains("Tháng 10: 99,92%")).expect("a chart");
    // Names stand below each other at the left, the scale below them; nothing of it leaves the text.
    let (first, last) = (drawn.find("Tháng 10: 99,92%"), drawn.find("Tháng 12: không có dữ liệu"));
    assert!(
        first.top < last.top && last.right < MIDDLE_MM && first.left > layout::LEFT_MM - NEAR_MM,
        "{first:?} {last:?}"
    );
    let end = drawn.words.iter().find(|word| word.text == "100" && word.top > last.top).expect("the end of the scale");
    assert!(end.centre() > MIDDLE_MM && end.right < layout::SHORT_SIDE_MM - layout::RIGHT_MM + NEAR_MM, "{end:?}");
    // It is what the print view shows.
    let printed = by_chromium(dir.path(), &samples::quarter(), Part::Main);
    let text: String = printed.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
    for words in ["Tháng 10 Tháng 11 Tháng 12", "99,92% 100,00% không có dữ liệu"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn records_of_one_thing_keep_the_margins_whatever_names_have() {
    let dir = tempfile::tempdir().unwrap();
    let documents = [
        ("storm", samples::storm(60), "Còn 31 thiết bị khác"),
        ("maintenance", samples::maintenance(), "Thay ắc quy UPS phòng hiển thị <2 bộ>"),
        ("restore", samples::restore(), "KHÔNG ĐẠT: bảng incident"),
        ("inventory", samples::inventory(60), "Máy in không nhãn & không sê-ri"),
        ("nothing", samples::inventory(0), "Thành phần kiểm kê"),
        ("notice", samples::notice(), "Khoản 2 Điều 31 Nghị định 331/2026/NĐ-CP"),
    ];
    let files: Vec<String> =
        documents.iter().map(|(name, document, _)| written(dir.path(), name, document).display().to_string()).collect();
    // All of them by one start of the program, which takes longest.
    let profile = format!("-env:UserInstallation=file://{}", dir.path().join("libreoffice").display());
    let to = dir.path().to_str().unwrap();
    let arguments = ["--headless", &profile, "--convert-to", "pdf", "--outdir", to];
    let arguments: Vec<&str> = arguments.into_iter().chain(files.iter().map(String::as_str)).collect();
    run(dir.path(), "soffice", &arguments);
    for (name, _, words) in documents {
        let papers = papers(dir.path(), &dir.path().join(format!("{name}.pdf")));
        papers.iter().for_each(Paper::keeps_its_margins);
        papers[0].find("CỘNG HÒA");
        let text: String = papers.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{name}: {text}");
        assert!(
            matches!(name, "nothing" | "storm") || text.replace(' ', "").contains(&samples::long_name()),
            "{name}: {text}"
        );
    }
}

/// Sections, whether each one's first page has its own head, tables and rows, charts with their words, and what the document is called.
const OPEN: &str = "
import sys, docx, docx.enum.shape
for path in sys.argv[1:]:
    d = docx.Document(path)
    heads = all(s.different_first_page_header_footer and not s.first_page_header.paragraphs[0].text for s in d.sections)
    charts = [s for s in d.inline_shapes if s.type == docx.enum.shape.WD_INLINE_SHAPE.CHART and s._inline.docPr.get('descr')]
    parts = [r.target_part for r in d.part.rels.values() if r.reltype.endswith('/chart')]
    numbers = [r.target_part.blob[:2] for p in parts for r in p.rels.values()]
    assert len(charts) == len(parts) == len(numbers) and all(n == b'PK' for n in numbers)
    print(len(d.sections), heads, len(d.tables), max(len(t._tbl.tr_lst) for t in d.tables), len(charts), d.core_properties.title, sep='|')
";

#[test]
fn python_docx_opens_every_document() {
    let dir = tempfile::tempdir().unwrap();
    let documents = [
        ("quarter", samples::quarter()),
        ("empty", samples::empty_quarter()),
        ("incident", samples::incident()),
        ("storm", samples::storm(1_000)),
        ("shift", samples::shift()),
        ("review", samples::account_review()),
        ("letter", samples::letter(10_000)),
        ("maintenance", samples::maintenance()),
        ("restore", samples::restore()),
        ("inventory", samples::inventory(10_000)),
        ("nothing to count", samples::inventory(0)),
        ("notice", samples::notice()),
    ];
    let files: Vec<String> =
        documents.iter().map(|(name, document)| written(dir.path(), name, document).display().to_string()).collect();
    let arguments: Vec<&str> = ["-c", OPEN].into_iter().chain(files.iter().map(String::as_str)).collect();
    let said = String::from_utf8(run(dir.path(), python(), &arguments).stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), documents.len(), "{said}");
    for (line, (name, document)) in lines.iter().zip(&documents) {
        assert!(line.starts_with(&format!("{}|True|", 1 + document.annexes.len())), "{name}: {line}");
        assert!(line.contains(&document.summary), "{name}: {line}");
    }
    assert!(lines[6].contains("|10001|"), "a head and ten thousand rows: {}", lines[6]);
    assert!(lines[0].contains("|1|Báo cáo"), "a chart: {}", lines[0]);
}
