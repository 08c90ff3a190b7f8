use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn no_two_types_share_a_name() {
    let names: HashSet<_> = ProblemType::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), ProblemType::ALL.len());
    for name in names {
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        );
    }
}

#[test]
fn every_type_stands_in_the_documentation_as_it_is() {
    let page = include_str!("../../../../docs/problems.md");
    for kind in ProblemType::ALL {
        let row = documentation_row(*kind);
        assert!(
            page.contains(&row),
            "docs/problems.md lacks this line:\n{row}"
        );
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows,
        ProblemType::ALL.len(),
        "docs/problems.md has lines too many"
    );
}

#[test]
fn what_was_wrong_and_what_to_do_are_two_sentences() {
    let detail = |what: &str| ProblemType::Internal.because(what).detail;
    let advice = ProblemType::Internal.advice();
    assert_eq!(detail("expired"), format!("expired. {advice}"));
    assert_eq!(
        detail("is the clock right?"),
        format!("is the clock right? {advice}")
    );
}

fn documentation_row(kind: ProblemType) -> String {
    let (name, status, title, advice) = (kind.name(), kind.status(), kind.title(), kind.advice());
    let retry = kind
        .retry_after()
        .map_or("-".to_owned(), |seconds| format!("{seconds} s"));
    format!("| `{name}` | {status} | {title} | {retry} | {advice} |\n")
}

#[test]
fn too_many_and_unavailable_say_when_to_come_back_and_no_others_do() {
    for kind in ProblemType::ALL {
        let later = matches!(kind.status(), 429 | 503);
        assert_eq!(kind.retry_after().is_some(), later, "{}", kind.name());
    }
}

#[test]
fn a_document_says_what_was_wrong_and_what_to_do() {
    let problem = ProblemType::QuotaExceeded.because("683G has drawn 1000 of 1000 tokens");
    assert_eq!(problem.status, 429);
    assert!(
        problem
            .detail
            .starts_with("683G has drawn 1000 of 1000 tokens. Wait")
    );
}

#[test]
fn a_strangers_document_is_read_with_the_defaults_of_the_rfc() {
    let problem: Problem = serde_json::from_str(r#"{"balance": 30}"#).unwrap();
    assert_eq!(problem.kind, "about:blank");
    assert_eq!(problem.problem_type(), None);
}

proptest! {
    #[test]
    fn a_document_comes_back_as_it_went(
        kind in proptest::sample::select(ProblemType::ALL),
        reason in "\\PC{0,40}",
    ) {
        let problem = kind.because(&reason);
        let back: Problem = serde_json::from_str(&problem.to_json()).unwrap();
        prop_assert_eq!(back.problem_type(), Some(kind));
        prop_assert_eq!(back, problem);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = serde_json::from_str::<Problem>(&text);
    }
}
