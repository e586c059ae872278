//! The pages of docs/ as a book: SUMMARY.md names each of them, and every link leads somewhere.

use crate::tree::{files, read, repository};
use std::collections::BTreeSet;
use std::path::Path;

/// The links of a page that lead into this repository: what stands in `](…)`, without those to other hosts.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// What GitHub and mdBook make of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn the_book_names_every_page() {
    let summary: Vec<String> = links(&read("docs/SUMMARY.md"));
    let named: BTreeSet<String> = summary.iter().map(|page| format!("docs/{page}")).collect();
    assert_eq!(named.len(), summary.len(), "a page is named twice");
    let mut pages: BTreeSet<String> = files("docs", ".md").into_iter().collect();
    pages.remove("docs/SUMMARY.md");
    assert_eq!(named, pages);
}

#[test]
fn every_link_of_the_docs_leads_somewhere() {
    let mut dead = Vec::new();
    let pages = files("docs", ".md").into_iter();
    for page in
        pages.chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned))
    {
        let folder = Path::new(&page).parent().unwrap().to_owned();
        for link in links(&read(&page)) {
            let (file, part) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                repository().join(&page)
            } else {
                repository().join(&folder).join(file)
            };
            let text = std::fs::read_to_string(&target).unwrap_or_default();
            let has_part = || text.lines().any(|line| line.starts_with('#') && anchor(line) == part);
            if !target.exists() || !part.is_empty() && !has_part() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
