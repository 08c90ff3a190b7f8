#![no_main]
//! PASSporTs found in a mailbox (RFC 8225, 8588, 8946): a PASSporT must not be trusted
//! if its signer does not hold the number. Each is a line of header and one of claims.

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::{EveryUrl, NOW, world};
use pennyblack_passport::{
    Call, OrigAuthority, Party, UnverifiedPassport, Verdict, VerifiedPassport, Verifier,
};

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    let _ = UnverifiedPassport::parse(text);
    let party = |number: &str| Party::Number(number.parse().expect("a number"));
    let call = Call {
        orig: party("12155551212"),
        dest: party("12155551213"),
    };
    let verifier = Verifier {
        trust: &world().trust,
        certificates: &EveryUrl,
        authority: OrigAuthority::NumbersOnly,
    };
    let tokens: Vec<String> = compact::tokens(text).collect();
    let verdict = verifier.verify(&tokens, &call, NOW);
    if let Verdict::Valid { passports, .. } = verdict {
        for passport in passports {
            assert!(passport.claims().dest.contain(&call.dest));
            assert_eq!(passport.first().claims().orig, call.orig);
            check_signer(&passport);
        }
    }
}

fn check_signer(passport: &VerifiedPassport) {
    let claims = passport.claims();
    let speaks_for = claims.extension.diverting_party().unwrap_or(&claims.orig);
    assert!(matches!(speaks_for, Party::Number(number)
        if number.to_telephone_number().is_some_and(|number| passport.signer().covers(&number))));
    if let Some(original) = passport.original() {
        check_signer(original);
    }
}
