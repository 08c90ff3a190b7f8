//! Every link from one page to another leads to a page, and to a heading, that is there.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// Where pages are.
const PLACES: [&str; 4] = ["", "docs", "docs/decisions", "docs/switches"];

/// The Markdown files of all places.
fn pages() -> Vec<PathBuf> {
    let files = PLACES
        .iter()
        .flat_map(|place| fs::read_dir(root().join(place)).unwrap())
        .map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// A page's lines without its blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What a link to this heading ends in: GitHub keeps letters, digits, `_` and `-`.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().map(|one| if one == ' ' { '-' } else { one });
    kept.filter(|one| one.is_alphanumeric() || matches!(one, '_' | '-'))
        .collect()
}

/// Where the links of a line lead, within these pages.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split("](").skip(1);
    let targets = after.filter_map(|text| text.split(')').next());
    targets.filter(|target| !target.starts_with("http"))
}

/// Whether a page has the heading that a link names.
fn has_heading(page: &Path, named: &str) -> bool {
    let text = fs::read_to_string(page).unwrap();
    let mut headings = prose(&text).filter(|line| line.starts_with('#'));
    headings.any(|heading| anchor(heading) == named)
}

#[test]
fn every_link_between_pages_leads_to_a_page_and_a_heading_that_are_there() {
    let (mut links, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in prose(&text).flat_map(targets) {
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            if !to.exists() || !(heading.is_empty() || has_heading(&to, heading)) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 300, "{links} links");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
