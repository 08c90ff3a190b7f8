//! What operators and readers look up is listed: each metric in docs/operating.md, each
//! decision in docs/decisions/README.md. Tests beside the code hold the lists of problem
//! types, exit codes and configuration keys. And what they are told reads as sentences.

use std::collections::BTreeSet;
use std::fs;

use super::{root, sources};

/// The macros by which metrics are counted.
const MACROS: [&str; 3] = ["counter!(", "gauge!(", "histogram!("];

/// The names of metrics in a source file.
fn counted(text: &str) -> impl Iterator<Item = String> {
    let calls = MACROS.iter().flat_map(|call| text.split(call).skip(1));
    let names = calls.filter_map(|after| after.trim_start().strip_prefix('"'));
    names.filter_map(|after| after.split('"').next().map(str::to_owned))
}

#[test]
fn every_metric_has_a_row_and_every_row_a_metric() {
    let mut in_code = BTreeSet::new();
    for below in ["shared", "issuer", "cps", "client"] {
        for (path, text) in sources(below) {
            let path = path.strip_prefix(root()).unwrap();
            if path.components().all(|part| part.as_os_str() != "tests") {
                in_code.extend(counted(&text));
            }
        }
    }
    let page = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let name = line.strip_prefix("| `pennyblack_")?;
        let end = name.find(['`', '{'])?;
        Some(format!("pennyblack_{}", &name[..end]))
    });
    let documented: BTreeSet<_> = rows.collect();
    assert!(in_code.len() > 15, "{in_code:?}");
    assert_eq!(in_code, documented);
}

#[test]
fn every_decision_is_listed_in_its_order() {
    let decisions = root().join("docs/decisions");
    let files = fs::read_dir(&decisions).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "README.md").collect();
    names.sort();
    let list = fs::read_to_string(decisions.join("README.md")).unwrap();
    let links = list.lines().filter_map(|line| {
        let (_, link) = line.strip_prefix("| [")?.split_once("](")?;
        link.split(')').next().map(str::to_owned)
    });
    assert_eq!(links.collect::<Vec<_>>(), names);
}

/// A continued line that was joined leaves its indentation within the text.
#[test]
fn no_sentence_has_a_run_of_spaces_in_it() {
    let is_broken = |line: &&str| {
        let parts = line.trim_start().split_once("      ");
        parts.is_some_and(|(before, after)| {
            let is_in_text = before.contains('"') && !before.ends_with("\\n");
            let after = after.trim_start();
            is_in_text && after.starts_with(|next: char| next.is_ascii_lowercase())
        })
    };
    let mut broken = Vec::new();
    for below in ["shared", "issuer", "cps", "client", "tests"] {
        for (path, text) in sources(below) {
            let lines = text.lines().filter(is_broken);
            broken.extend(lines.map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
