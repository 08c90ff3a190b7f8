#![no_main]
//! Everything that is named by a short text: what is read must be written in a
//! spelling that is read as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use pennyblack_shared::authority::Authority;
use pennyblack_shared::envelope::{Cursor, Slots};
use pennyblack_shared::jws::X5u;
use pennyblack_shared::key_record::CpsUri;
use pennyblack_shared::mailbox::MailboxId;
use pennyblack_shared::passport::OrigId;
use pennyblack_shared::stir::Spc;
use pennyblack_shared::store_request::RequestDigest;
use pennyblack_shared::telephone_number::TelephoneNumber;

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
