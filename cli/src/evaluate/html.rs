//! The table of an evaluation as a page that needs nothing else.

use carbon_kube_sim::report::html::{MARK, STYLE};
use carbon_kube_trainer::evaluation::table::{Kind, Row, SignalTable};

use super::document::Document;
use super::text::{COLUMNS, cells, sentences, title};

/// The page. The same evaluation gives the same bytes.
pub fn page(document: &Document) -> String {
    format!(
        "{MARK}<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Evaluation of policies</title><style>{STYLE}</style></head><body>\n\
         <h1>Evaluation of policies</h1>\n{}</body></html>\n",
        body(document)
    )
}

/// The same as a section of another page: of the report of a run.
pub fn section(document: &Document) -> String {
    format!(
        "<section aria-labelledby=\"evaluation\">\n<h2 id=\"evaluation\">Evaluation by the protocol</h2>\n\
         <p class=\"note\">Not of this run: of the weeks of a year in the standard small world.</p>\n\
         {}</section>\n",
        body(document)
    )
}

fn body(document: &Document) -> String {
    let note = |note: &String| format!("<p class=\"note\">Note: {}</p>\n", escaped(note));
    let notes: String = document.notes.iter().map(note).collect();
    let tables = document.evaluation.signals.iter().map(|table| signal(table, document));
    notes + &tables.collect::<String>()
}

fn signal(table: &SignalTable, document: &Document) -> String {
    let default = table.verdict.default.as_deref();
    let mut html = format!(
        "<h3>{}</h3>\n<ul>{}</ul>\n{}",
        escaped(&title(table, document)),
        sentences(table)
            .iter()
            .map(|sentence| format!("<li>{}</li>", escaped(sentence)))
            .collect::<String>(),
        rows("All zones", &table.overall, default),
    );
    for zone in &table.zones {
        let caption =
            format!("{} ({}), {} weeks from {}", zone.zone, zone.area, zone.weeks, zone.from);
        html.push_str(&rows(&caption, &zone.rows, default));
    }
    html
}

fn rows(caption: &str, rows: &[Row], default: Option<&str>) -> String {
    let header: String = COLUMNS
        .iter()
        .map(|column| format!("<th scope=\"col\">{}</th>", escaped(column)))
        .collect();
    let body: String = rows.iter().map(|row| line(row, default)).collect();
    let caption = escaped(caption);
    format!(
        "<h3>{caption}</h3>\n<div class=\"box\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\
         <table><thead><tr>{header}</tr></thead><tbody>\n{body}</tbody></table></div>\n",
    )
}

fn line(row: &Row, default: Option<&str>) -> String {
    let class = match row.kind {
        Kind::Bound => " class=\"bound\"",
        _ if default == Some(row.policy.as_str()) => " class=\"best\"",
        _ => "",
    };
    let [name, numbers @ ..] = cells(row);
    let name = escaped(&name);
    let numbers = numbers.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat();
    format!("<tr{class}><th scope=\"row\" class=\"name\">{name}</th>{numbers}</tr>\n")
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
