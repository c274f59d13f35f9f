//! The files that a DOCX is made of.

use super::markup::{
    CONTACT_FOOTER, EMPTY_FOOTER, EMPTY_HEADER, NUMBERED_HEADER, justification, paragraph, run, twips,
};
use super::{DocxError, body, chart};
use crate::layout::{STYLES, Style};
use crate::model::Document;
use crate::wording;
use crate::xml::escaped;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const W: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
                 xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";

/// A file of the archive.
pub(super) type Part = (String, Vec<u8>);

/// Names and contents of all files, in the order in which readers want them.
///
/// # Errors
/// [`DocxError`] when the numbers of a chart cannot be packed.
pub(super) fn all(document: &Document) -> Result<Vec<Part>, DocxError> {
    let (text, charts) = body::whole(document);
    let relation =
        |id: &str, kind: &str, target: &str| format!("<Relationship Id=\"{id}\" Type=\"{kind}\" Target=\"{target}\"/>");
    let relations = |all: &[String]| {
        format!("{XML}<Relationships xmlns=\"{PACKAGE}/relationships\">{}</Relationships>", all.concat())
    };
    let own = |id: &str, kind: &str, target: &str| relation(id, &format!("{OFFICE}/{kind}"), target);
    let top = [
        own("rId1", "officeDocument", "word/document.xml"),
        relation("rId2", &format!("{PACKAGE}/relationships/metadata/core-properties"), "docProps/core.xml"),
    ];
    let mut word = vec![
        own("rId1", "styles", "styles.xml"),
        own("rId2", "settings", "settings.xml"),
        own(NUMBERED_HEADER, "header", "header1.xml"),
        own(EMPTY_HEADER, "header", "header2.xml"),
        own(CONTACT_FOOTER, "footer", "footer1.xml"),
        own(EMPTY_FOOTER, "footer", "footer2.xml"),
    ];
    word.extend((1..=charts.len()).map(|n| own(&chart::relation(n), "chart", &format!("charts/chart{n}.xml"))));
    let number = "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText xml:space=\"preserve\"> PAGE </w:instrText></w:r>\
                  <w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>2</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r>";
    let part = |kind: &str, inside: &str| format!("{XML}<w:{kind} {W}>{inside}</w:{kind}>");
    let contact = document.head.contact.as_ref().map_or_else(
        || paragraph("Contact", "", ""),
        |text| {
            let rule = "<w:pBdr><w:top w:val=\"single\" w:sz=\"6\" w:space=\"4\" w:color=\"000000\"/></w:pBdr>";
            paragraph("Contact", rule, &run("", text))
        },
    );
    let texts = [
        ("[Content_Types].xml", content_types(charts.len())),
        ("_rels/.rels", relations(&top)),
        ("docProps/core.xml", core(document)),
        ("word/_rels/document.xml.rels", relations(&word)),
        ("word/document.xml", part("document", &format!("<w:body>{text}</w:body>"))),
        ("word/styles.xml", styles()),
        ("word/settings.xml", settings()),
        ("word/header1.xml", part("hdr", &paragraph("PageNumber", "", number))),
        ("word/header2.xml", part("hdr", &paragraph("PageNumber", "", ""))),
        ("word/footer1.xml", part("ftr", &contact)),
        ("word/footer2.xml", part("ftr", &paragraph("Contact", "", ""))),
    ];
    let mut out: Vec<Part> = texts.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    for (n, bars) in (1..).zip(&charts) {
        let workbook = own("rId1", "package", &format!("../embeddings/chart{n}.xlsx"));
        out.push((format!("word/charts/chart{n}.xml"), chart::part(bars).into_bytes()));
        out.push((format!("word/charts/_rels/chart{n}.xml.rels"), relations(&[workbook]).into_bytes()));
        out.push((format!("word/embeddings/chart{n}.xlsx"), chart::numbers(bars)?));
    }
    Ok(out)
}

fn content_types(charts: usize) -> String {
    let part = |name: &str, kind: &str| format!("<Override PartName=\"/{name}\" ContentType=\"{kind}+xml\"/>");
    let word = |name: &str, kind: &str| part(&format!("word/{name}.xml"), &format!("{WORD}.{kind}"));
    let chart = |n: usize| {
        part(&format!("word/charts/chart{n}.xml"), "application/vnd.openxmlformats-officedocument.drawingml.chart")
    };
    let parts = [
        part("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties"),
        word("document", "document.main"),
        word("styles", "styles"),
        word("settings", "settings"),
        word("header1", "header"),
        word("header2", "header"),
        word("footer1", "footer"),
        word("footer2", "footer"),
    ];
    let workbooks = if charts > 0 {
        format!("<Default Extension=\"xlsx\" ContentType=\"{}\"/>", crate::workbook::CONTENT_TYPE)
    } else {
        String::new()
    };
    format!(
        "{XML}<Types xmlns=\"{PACKAGE}/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>{workbooks}{}{}</Types>",
        parts.concat(),
        (1..=charts).map(chart).collect::<String>()
    )
}

/// What the document is called, and by whom it is: neither a person nor a moment that nobody gave.
fn core(document: &Document) -> String {
    let kind = document
        .kind
        .title()
        .map_or_else(|| "Công văn".to_owned(), |title| wording::capitalised(&title.to_lowercase()));
    let title = format!("{kind}: {}", document.summary);
    let created = document.head.date.map_or_else(String::new, |date| {
        format!("<dcterms:created xsi:type=\"dcterms:W3CDTF\">{date}T00:00:00Z</dcterms:created>")
    });
    format!(
        "{XML}<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:dcterms=\"http://purl.org/dc/terms/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <dc:title>{}</dc:title><dc:creator>{}</dc:creator><dc:language>vi-VN</dc:language>{created}</cp:coreProperties>",
        escaped(&title),
        escaped(&document.head.agency)
    )
}

fn settings() -> String {
    format!(
        "{XML}<w:settings {W}><w:zoom w:percent=\"100\"/><w:defaultTabStop w:val=\"720\"/>\
         <w:characterSpacingControl w:val=\"doNotCompress\"/>\
         <w:compat><w:compatSetting w:name=\"compatibilityMode\" w:uri=\"http://schemas.microsoft.com/office/word\" w:val=\"15\"/></w:compat>\
         <w:themeFontLang w:val=\"vi-VN\"/></w:settings>"
    )
}

fn style(style: &Style) -> String {
    let flag = |set: bool, tag: &str| if set { format!("<w:{tag}/>") } else { String::new() };
    let twentieths = |points: f64| (points * 20.0).round() as u32;
    let half_points = (style.size_pt * 2.0).round() as u32;
    let outline =
        style.outline.checked_sub(1).map_or_else(String::new, |level| format!("<w:outlineLvl w:val=\"{level}\"/>"));
    let first = if style.first_mm > 0.0 {
        format!("<w:ind w:firstLine=\"{}\"/>", twips(style.first_mm))
    } else {
        String::new()
    };
    format!(
        "<w:style w:type=\"paragraph\" w:styleId=\"{}\"{}><w:name w:val=\"{}\"/><w:basedOn w:val=\"Normal\"/><w:qFormat/>\
         <w:pPr>{}<w:spacing w:before=\"{}\" w:after=\"{}\"/>{first}<w:jc w:val=\"{}\"/>{outline}</w:pPr>\
         <w:rPr>{}{}<w:sz w:val=\"{half_points}\"/><w:szCs w:val=\"{half_points}\"/></w:rPr></w:style>",
        style.id,
        // Names in lower case are the word processor's own.
        if style.name.starts_with(char::is_lowercase) { "" } else { " w:customStyle=\"1\"" },
        style.name,
        flag(style.keep_next, "keepNext"),
        twentieths(style.before_pt),
        twentieths(style.after_pt),
        justification(style.align),
        flag(style.bold, "b") + &flag(style.bold, "bCs"),
        flag(style.italic, "i") + &flag(style.italic, "iCs"),
    )
}

fn styles() -> String {
    let all: String = STYLES.iter().map(style).collect();
    format!(
        "{XML}<w:styles {W}><w:docDefaults><w:rPrDefault><w:rPr>\
         <w:rFonts w:ascii=\"Times New Roman\" w:hAnsi=\"Times New Roman\" w:eastAsia=\"Times New Roman\" w:cs=\"Times New Roman\"/>\
         <w:color w:val=\"000000\"/><w:sz w:val=\"28\"/><w:szCs w:val=\"28\"/><w:lang w:val=\"vi-VN\" w:eastAsia=\"vi-VN\" w:bidi=\"ar-SA\"/></w:rPr></w:rPrDefault>\
         <w:pPrDefault><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"240\" w:lineRule=\"auto\"/></w:pPr></w:pPrDefault></w:docDefaults>\
         <w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/><w:qFormat/></w:style>\
         <w:style w:type=\"table\" w:default=\"1\" w:styleId=\"TableNormal\"><w:name w:val=\"Normal Table\"/><w:uiPriority w:val=\"99\"/>\
         <w:tblPr><w:tblInd w:w=\"0\" w:type=\"dxa\"/><w:tblCellMar><w:left w:w=\"0\" w:type=\"dxa\"/><w:right w:w=\"0\" w:type=\"dxa\"/></w:tblCellMar></w:tblPr></w:style>\
         {all}</w:styles>"
    )
}
