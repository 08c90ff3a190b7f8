#![no_main]
//! Everything that is named by a short text: what is read must be written in a
//! spelling that is read as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use pennyblack_base::authority::Authority;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_stir::jws::X5u;
use pennyblack_base::cps_uri::CpsUri;
use pennyblack_sealing::mailbox::MailboxId;
use pennyblack_passport::OrigId;
use pennyblack_stir::Spc;
use pennyblack_evidence::spend::RequestDigest;
use pennyblack_stir::telephone_number::TelephoneNumber;

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    check_spelling::<Authority>(text);
    check_spelling::<Cursor>(text);
    check_spelling::<Slots>(text);
    check_spelling::<X5u>(text);
    check_spelling::<CpsUri>(text);
    check_spelling::<MailboxId>(text);
    check_spelling::<Spc>(text);
    check_spelling::<TelephoneNumber>(text);
    let _ = text.parse::<OrigId>();
    let _ = TelephoneNumber::from_canonical(text);
    if let Ok(digest) = RequestDigest::from_field(text) {
        assert_eq!(RequestDigest::from_field(&digest.to_field()), Ok(digest));
    }
}

fn check_spelling<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert_eq!(name.to_string().parse().ok(), Some(name));
    }
}
