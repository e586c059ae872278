//! The overview as one page of HTML: no scripts, nothing from the network, light and dark, for every width.
//!
//! What is drawn is also said in words, and stands in a table.

mod axis;
mod backups;
mod chart;
mod escape;
mod name;
mod said;
mod tables;

use super::facts::{NameFacts, Overview};
use crate::stored::format::names::Timestamp;
use escape::Escaped;
use said::{badge, bytes, minute, since, wide};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// The page.
pub fn page(overview: &Overview) -> String {
    let store = Escaped(&overview.store);
    let made = Escaped(minute(overview.made_at));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Backups in {store}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Backups</h1>\n\
         <p class=\"store\">{store}</p>\n<p class=\"quiet\">as of {made}, all times in UTC</p>\n</header>\n<main>\n"
    );
    match &overview.names[..] {
        [] => html.push_str("<p>There is no backup.</p>\n"),
        [_] => {}
        names => html.push_str(&contents(names, overview.made_at)),
    }
    for (number, facts) in overview.names.iter().enumerate() {
        html.push_str(&name::section(number, facts, overview));
    }
    let tool = concat!("pgstow ", env!("CARGO_PKG_VERSION"));
    let _ =
        write!(html, "</main>\n<footer><p class=\"quiet\">Made by {tool}</p></footer>\n</body>\n</html>\n");
    html
}

/// One line for each name, with a link.
fn contents(names: &[NameFacts], now: Timestamp) -> String {
    let mut rows = String::new();
    for (number, facts) in names.iter().enumerate() {
        let newest = facts.newest();
        let (age, size) = match newest {
            Some(newest) => (since(newest.started_at, now), bytes(newest.stored_bytes)),
            None => ("—".to_owned(), "—".to_owned()),
        };
        let proof = facts.proven_at.map_or_else(|| "none".to_owned(), |proven| since(proven, now));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\"><a href=\"#name-{number}\">{}</a></th><td>{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{age}</td><td class=\"number\">{size}</td><td class=\"number\">{proof}</td></tr>",
            Escaped(&facts.name),
            badge(facts.state),
            facts.number(),
        );
    }
    format!(
        "<nav aria-label=\"Names\">\n{}</nav>\n",
        wide(
            "All names",
            &format!(
                "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">State</th>\
                 <th scope=\"col\" class=\"number\">Backups</th><th scope=\"col\" class=\"number\">Newest</th>\
                 <th scope=\"col\" class=\"number\">Size</th><th scope=\"col\" class=\"number\">Last proof</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
            )
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_no_network_and_no_script() {
        for foreign in ["url(", "@import", "http:", "https:"] {
            assert!(!STYLE.contains(foreign), "{foreign}");
        }
    }
}
