//! The text of a document as HTML.

use std::fmt::Write as _;

use crate::layout;
use crate::model::{Align, Bars, Block, Run, Table, Text};
use crate::xml::{escape, escaped};

/// How long a full bar is, in the drawing's own measure.
const BAR_LENGTH: u32 = 1_000;

/// A paragraph of a style; what stands in it is markup.
pub(super) fn paragraph(out: &mut String, tag: &str, class: &str, inside: &str) {
    let _ = writeln!(out, "<{tag} class=\"{class}\">{inside}</{tag}>");
}

fn runs(out: &mut String, text: &Text) {
    let mut tagged = |tag: &str, text: &str| {
        let _ = write!(out, "<{tag}>");
        escape(out, text);
        let _ = write!(out, "</{tag}>");
    };
    for piece in text.runs() {
        match piece {
            Run::Plain(text) => tagged("span", text),
            Run::Bold(text) => tagged("b", text),
            Run::Italic(text) => tagged("i", text),
            Run::Blank(blank) => tagged("mark", &layout::blank(&blank.what)),
        }
    }
}

fn marked(sign: &str, text: &Text) -> String {
    let mut inside = sign.to_owned();
    runs(&mut inside, text);
    inside
}

pub(super) fn blocks(out: &mut String, all: &[Block]) {
    for (sign, block) in layout::numbered(all) {
        match block {
            Block::Heading { level, text } => {
                let style = ["Heading1", "Heading2", "Heading3"][usize::from((*level).clamp(1, 3)) - 1];
                let tag = if *level <= 1 { "h2" } else { "h3" };
                paragraph(out, tag, style, &marked(&sign, text));
            }
            Block::Paragraph(text) => paragraph(out, "p", "Body", &marked("", text)),
            Block::List(items) => items.iter().for_each(|item| paragraph(out, "p", "Item", &marked("- ", item))),
            Block::Note(text) => paragraph(out, "p", "Note", &marked("", text)),
            Block::Table(one) => table(out, one),
            Block::Bars(one) => bars(out, one),
        }
    }
}

fn class(align: Align) -> &'static str {
    match align {
        Align::Left => "left",
        Align::Centre => "centre",
        Align::Right => "right",
        Align::Justified => "justified",
    }
}

fn table(out: &mut String, table: &Table) {
    if let Some(title) = &table.title {
        paragraph(out, "p", "TableTitle", &escaped(title));
    }
    let (head, body) = layout::table_styles(table.columns().len());
    out.push_str("<table class=\"lines\">\n<colgroup>");
    for width in table.widths(100) {
        let _ = write!(out, "<col class=\"w{}\">", width.clamp(1, 100));
    }
    out.push_str("</colgroup>\n<thead><tr>");
    for column in table.columns() {
        let _ = write!(out, "<th scope=\"col\" class=\"{}\">{}</th>", head.id, escaped(&column.title));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    if table.rows().is_empty() {
        let (columns, empty) = (table.columns().len(), escaped(table.empty()));
        let _ = writeln!(out, "<tr><td colspan=\"{columns}\" class=\"{} none\">{empty}</td></tr>", body.id);
    }
    for row in table.rows() {
        out.push_str("<tr>");
        for (text, column) in row.iter().zip(table.columns()) {
            let _ = write!(out, "<td class=\"{} {}\">", body.id, class(column.align));
            runs(out, text);
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

fn bars(out: &mut String, bars: &Bars) {
    paragraph(out, "p", "TableTitle", &escaped(&bars.title));
    out.push_str("<table class=\"bars\">\n<colgroup><col class=\"w30\"><col class=\"w50\"><col class=\"w20\"></colgroup>\n<tbody>\n");
    for bar in &bars.items {
        let (name, written) = (escaped(&bar.name), escaped(&bar.written));
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\" class=\"Cell left\">{name}</th><td><svg viewBox=\"0 0 {BAR_LENGTH} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect width=\"{}\" height=\"10\"/></svg></td><td class=\"Cell left\">{written}</td></tr>",
            bars.length(bar, BAR_LENGTH)
        );
    }
    out.push_str("</tbody>\n</table>\n");
}
