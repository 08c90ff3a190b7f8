//! **Every exit code that the documents list is held by a test that runs into it.** That they
//! list the codes of the program, and no others, is a test of the program's own.

use std::collections::BTreeSet;

use super::rows;

/// A code, and the test that runs into it: its file, its name, and what it says of the code.
struct Elsewhere {
    code: u8,
    file: &'static str,
    test: &'static str,
    says: &'static str,
}

/// Codes that take more than a command and a few files to bring about. What the library calls
/// a misbehaviour has the code of that name.
const ELSEWHERE: [Elsewhere; 12] = [
    Elsewhere {
        code: 10,
        file: include_str!("../audit_limits.rs"),
        test: "a_run_ends_at_its_time_limit_and_the_next_one_goes_on_from_there",
        says: "UNFINISHED",
    },
    Elsewhere {
        code: 14,
        file: include_str!("../federation/making.rs"),
        test: "a_roster_is_good_for_so_long_and_then_for_storing_and_then_for_nothing",
        says: "NOT_CURRENT",
    },
    Elsewhere {
        code: 15,
        file: include_str!("../directory/watching.rs"),
        test: "a_rogue_record_for_a_block_is_told_of_within_two_rounds_and_one_that_is_withheld_too",
        says: "FOREIGN_RECORD",
    },
    Elsewhere {
        code: 20,
        file: include_str!("../compare.rs"),
        test: "an_operator_who_forks_the_log_for_one_auditor_is_named",
        says: "FORK",
    },
    Elsewhere {
        code: 21,
        file: include_str!("../compare.rs"),
        test: "an_operator_who_forks_the_log_for_one_auditor_is_named",
        says: "ROLLBACK",
    },
    Elsewhere {
        code: 22,
        file: include_str!("../practice.rs"),
        test: "the_exercise_plants_a_double_spend_that_the_commands_it_prints_find_and_prove",
        says: "REWRITTEN_ENTRY",
    },
    Elsewhere {
        code: 23,
        file: include_str!("../audit_limits.rs"),
        test: "what_is_withheld_of_an_issuers_log_makes_no_key_unknown_and_costs_nothing_that_was_read",
        says: "MISSING_TILE",
    },
    Elsewhere {
        code: 25,
        file: include_str!("../../../../../tests/tests/logs/audit/accusations.rs"),
        test: "forged_evidence_accuses_nobody",
        says: "Misbehaviour::FalseAccusation",
    },
    Elsewhere {
        code: 26,
        file: include_str!("../../../../../tests/tests/logs/audit/wrong_entries.rs"),
        test: "what_was_signed_with_a_wrong_entry_is_not_taken_back_unnoticed",
        says: "Misbehaviour::MoreSpentThanIssued",
    },
    Elsewhere {
        code: 29,
        file: include_str!("../../../../../tests/tests/logs/audit/wrong_entries.rs"),
        test: "what_was_signed_with_a_wrong_entry_is_not_taken_back_unnoticed",
        says: "Misbehaviour::Contradiction",
    },
    Elsewhere {
        code: 30,
        file: include_str!("../audit_limits.rs"),
        test: "a_log_of_very_many_keys_is_refused_after_those_of_one_day",
        says: "EXCESS",
    },
    Elsewhere {
        code: 31,
        file: include_str!("../../../../audit/src/book/tests.rs"),
        test: "two_keys_that_begin_close_to_each_other_are_found_also_by_a_later_run",
        says: "Misbehaviour::KeysTooClose",
    },
];

/// The codes of the tables in the documents.
fn documented() -> BTreeSet<u8> {
    let documents = [
        include_str!("../../../../../docs/problems.md"),
        include_str!("../../../../../docs/auditing.md"),
    ];
    let lines = documents.iter().flat_map(|document| document.lines());
    let first_cells = lines.filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    first_cells.filter_map(|cell| cell.parse().ok()).collect()
}

#[test]
fn each_documented_exit_code_has_a_test_that_runs_into_it() {
    let rows = rows::all().map(|row| row.exit);
    let elsewhere = ELSEWHERE.iter().map(|test| test.code);
    let held: BTreeSet<u8> = rows.chain(elsewhere).collect();
    assert_eq!(documented(), held);
}

#[test]
fn the_tests_that_are_named_for_exit_codes_are_there() {
    for Elsewhere {
        code,
        file,
        test,
        says,
    } in ELSEWHERE
    {
        let body = file.split(&format!("fn {test}(")).nth(1);
        let body = body.unwrap_or_else(|| panic!("{code}: there is no test {test}"));
        let body = body.split("\n}\n").next().unwrap();
        assert!(body.contains(says), "{code}: {test} says nothing of {says}");
    }
}
