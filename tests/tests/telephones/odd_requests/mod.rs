//! The gateway alone, asked as odd switches ask. All requests are sent at the same time: most
//! of them wait for something.

mod desk;
mod peer;
mod signing;
mod sip;
mod sip_tcp;
mod verification;

use std::sync::Arc;

use desk::Desk;
use futures_util::future::join_all;

/// Starts the checks. Each has its name.
macro_rules! checks {
    ($desk:expr; $($check:path),+ $(,)?) => {
        vec![$((stringify!($check), tokio::spawn($check(Arc::clone(&$desk))))),+]
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_get_the_answers_that_they_must_get() {
    let desk = Arc::new(Desk::open().await);
    let checks = checks![desk;
        signing::answers_both_specifications,
        signing::stores_out_of_band,
        signing::makes_numbers_canonical,
        signing::takes_one_dest_as_text,
        signing::makes_an_origid,
        signing::refuses_a_request_without_iat,
        signing::refuses_a_request_without_orig,
        signing::refuses_an_attest_that_is_none,
        signing::refuses_an_old_iat,
        signing::refuses_letters_in_a_number,
        signing::passes_over_unknown_members,
        signing::refuses_what_is_not_json,
        signing::refuses_no_body,
        signing::refuses_a_body_without_a_length,
        signing::refuses_another_media_type,
        signing::refuses_to_answer_in_another_media_type,
        signing::refuses_another_path,
        signing::refuses_another_method,
        signing::takes_a_form,
        signing::takes_a_form_with_bare_brackets,
        signing::takes_sip_and_answers_in_header_lines,
        verification::sends_the_request_id_back,
        verification::keeps_a_connection_open,
        verification::finds_nothing,
        verification::requires_no_identity,
        verification::takes_no_passport_of_another_caller,
        verification::goes_on_without_a_callers_number,
        verification::takes_national_numbers,
        verification::finds_a_call_that_was_sent_on,
        verification::refuses_the_identity_of_another_call,
        verification::refuses_a_request_without_time,
        sip::redirects_with_the_identity_in_both_places,
        sip::redirects_with_a_verdict,
        sip::says_404_if_nothing_was_found,
        sip::says_that_it_is_there,
        sip::refuses_other_methods,
        sip::refuses_a_call_within_a_dialog,
        sip::answers_a_retransmission_as_before,
        sip::answers_again_until_the_ack,
        sip::sends_all_vias_back_in_order,
        sip::answers_to_the_port_of_the_via_without_rport,
        sip::reads_compact_header_names,
        sip::believes_the_asserted_identity_before_from,
        sip::signs_the_dialled_number_of_a_ported_one,
        sip::lets_emergency_calls_go,
        sip::lets_calls_without_a_callers_number_go,
        sip::lives_on_after_garbage,
        sip::answers_a_stray_cancel_and_no_stray_ack,
        sip_tcp::reads_an_invite_in_pieces,
        sip_tcp::reads_two_requests_after_a_keep_alive,
        sip_tcp::answers_once,
        sip_tcp::closes_a_connection_whose_next_message_begins_nobody_knows_where,
        sip_tcp::lives_on_when_a_message_breaks_off,
    ];
    let (names, checks): (Vec<_>, Vec<_>) = checks.into_iter().unzip();
    let ended = join_all(checks).await;
    let failed = names.into_iter().zip(ended).filter(|(_, end)| end.is_err());
    let failed: Vec<_> = failed.map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let desk = Arc::into_inner(desk).unwrap();
    desk.close().await;
}
