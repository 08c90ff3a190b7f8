use pennyblack_client::follower::PassportRefusals;

use super::*;

#[test]
fn what_was_found_at_one_cps_is_no_reason_while_another_was_not_read() {
    let mut verdict = FollowerVerdict {
        passports: Vec::new(),
        of_other_calls: 0,
        unrecorded: None,
        refused: PassportRefusals {
            count: 1,
            ..PassportRefusals::default()
        },
        incomplete: vec!["cps.example".parse().unwrap()],
        waiting: 1,
    };
    assert_eq!(reason_of(&verdict), Reason::MailboxUnread);
    verdict.incomplete.clear();
    assert_eq!(reason_of(&verdict), Reason::NotVerifiable);
    verdict.refused.count = 0;
    assert_eq!(reason_of(&verdict), Reason::CertificateAwaited);
}
