//! The tables of a name: their sizes, how they changed, and how they grew.

use super::axis::Axis;
use super::chart;
use super::escape::Escaped;
use super::said::{bytes, minute, wide};
use crate::overview::facts::NameFacts;
use crate::overview::growth::Growth;
use crate::units::count;
use indicatif::HumanCount;
use std::fmt::Write;

/// Tables that are shown before the others are folded.
const TABLES: usize = 12;

/// The tables, largest first.
pub(super) fn growth(facts: &NameFacts, tables: &[Growth]) -> String {
    let moments = || tables.iter().flat_map(|growth| &growth.sizes).map(|size| size.at);
    let (Some(first), Some(last)) = (moments().min(), moments().max()) else { return String::new() };
    let axis = Axis { first, last };
    // One moment has no growth.
    let grows = first < last;
    let change = if grows { "<th scope=\"col\" class=\"number\">Change</th>" } else { "" };
    let trend = if grows { "<th scope=\"col\">Growth</th>" } else { "" };
    let table = |label: &str, tables: &[Growth]| {
        let rows: String = tables.iter().map(|growth| row(growth, &axis, grows)).collect();
        let head = format!(
            "<th scope=\"col\">Table</th><th scope=\"col\" class=\"number\">Size</th>{change}\
             <th scope=\"col\" class=\"number\">Rows</th>{change}{trend}"
        );
        let table = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n");
        wide(&format!("{label} of {}", facts.name), &table)
    };
    let (shown, folded) = tables.split_at(tables.len().min(TABLES));
    let since = if grows { format!(", and their change since {}", minute(first)) } else { String::new() };
    let mut html = format!("<h3>Tables</h3>\n<p>Sizes in the dump of {}{since}.</p>\n", minute(last));
    html.push_str(&table("The largest tables", shown));
    if !folded.is_empty() {
        let (summary, more) = (count(folded.len(), "more table"), table("More tables", folded));
        let _ = write!(html, "<details><summary>{summary}</summary>\n{more}</details>\n");
    }
    html
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more")]
fn row(growth: &Growth, axis: &Axis, grows: bool) -> String {
    let first = growth.sizes.first().filter(|size| size.at == axis.first);
    let now = growth.now(axis.last);
    let number = |number: u64| HumanCount(number).to_string();
    let (bytes_now, rows_now) = (now.map(|size| size.bytes), now.and_then(|size| size.rows));
    let cell = |text: String| format!("<td class=\"number\">{text}</td>");
    let changed = |before: Option<u64>, now: Option<u64>, said: &dyn Fn(u64) -> String| match grows {
        true => cell(change(before, now, said)),
        false => String::new(),
    };
    let mut html = format!("<tr><th scope=\"row\">{}</th>", Escaped(&growth.table));
    html.push_str(&cell(bytes_now.map_or_else(dash, bytes)));
    html.push_str(&changed(first.map(|size| size.bytes), bytes_now, &bytes));
    html.push_str(&cell(rows_now.map_or_else(dash, number)));
    html.push_str(&changed(first.and_then(|size| size.rows), rows_now, &number));
    if grows {
        let values = growth.sizes.iter().map(|size| (axis.at(size.at), size.bytes as f64));
        let sentence = format!("{} over time", growth.table);
        let drawn = chart::line("spark", &values.collect::<Vec<_>>(), &sentence);
        let _ = write!(html, "<td>{drawn}</td>");
    }
    html.push_str("</tr>\n");
    html
}

fn dash() -> String {
    "—".to_owned()
}

/// How much more or less it is; what was not there before, or is not there now, has no change.
fn change(before: Option<u64>, now: Option<u64>, said: &dyn Fn(u64) -> String) -> String {
    match (before, now) {
        (Some(before), Some(now)) if before == now => "0".to_owned(),
        (Some(before), Some(now)) if before < now => format!("+{}", said(now - before)),
        (Some(before), Some(now)) => format!("−{}", said(before - now)),
        _ => dash(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_its_direction() {
        let said = |number: u64| number.to_string();
        let one = |before, now| change(before, now, &said);
        assert_eq!((one(Some(5), Some(7)).as_str(), one(Some(7), Some(5)).as_str()), ("+2", "−2"));
        assert_eq!((one(Some(5), Some(5)).as_str(), one(None, Some(5)).as_str()), ("0", "—"));
    }
}
