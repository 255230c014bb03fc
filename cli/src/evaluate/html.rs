//! The table of an evaluation as a page that needs nothing else.

use carbon_kube_sim::report::html::MARK;
use carbon_kube_trainer::evaluation::table::{Evaluation, Kind, Row, SignalTable};

use super::text::{COLUMNS, cells, sentences, title};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #8884;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}\
.bound{opacity:.65}.default td:first-child{font-weight:700}";

/// The page. The same evaluation gives the same bytes.
pub fn page(evaluation: &Evaluation, forecast: &str, notes: &[String]) -> String {
    let tables: String =
        evaluation.signals.iter().map(|table| section(table, evaluation, forecast)).collect();
    let notes: String =
        notes.iter().map(|note| format!("<p>Note: {}</p>\n", escaped(note))).collect();
    format!(
        "{MARK}<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Evaluation of policies</title><style>{STYLE}</style></head><body>\n\
         <h1>Evaluation of policies</h1>\n{notes}{tables}</body></html>\n"
    )
}

/// One signal, as a section that can stand in any page.
fn section(table: &SignalTable, evaluation: &Evaluation, forecast: &str) -> String {
    let default = table.verdict.default.as_deref();
    let mut html = format!(
        "<section>\n<h2>{}</h2>\n<ul>{}</ul>\n{}",
        escaped(&title(table, evaluation, forecast)),
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
    html.push_str("</section>\n");
    html
}

fn rows(caption: &str, rows: &[Row], default: Option<&str>) -> String {
    let header: String = COLUMNS
        .iter()
        .map(|column| format!("<th scope=\"col\">{}</th>", escaped(column)))
        .collect();
    let body: String = rows.iter().map(|row| line(row, default)).collect();
    format!(
        "<h3>{}</h3>\n<div class=\"wide\"><table><thead><tr>{header}</tr></thead><tbody>\n{body}\
         </tbody></table></div>\n",
        escaped(caption)
    )
}

fn line(row: &Row, default: Option<&str>) -> String {
    let class = match row.kind {
        Kind::Bound => " class=\"bound\"",
        _ if default == Some(row.policy.as_str()) => " class=\"default\"",
        _ => "",
    };
    let cells: String =
        cells(row).iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
    format!("<tr{class}>{cells}</tr>\n")
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
