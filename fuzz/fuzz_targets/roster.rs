#![no_main]
//! The roster of a federation, the pin that names one, and the draft of one
//! (docs/protocol.md section 12).

use pennyblack_roster::{Chain, Member, Pin, Position, Roster, RosterDraft, SignedRoster, Validity};

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    if let Ok(pin) = text.parse::<Pin>() {
        assert_eq!(pin.to_string(), text);
    }
    if let Ok(roster) = text.parse::<Roster>() {
        assert_eq!(roster.to_string(), text);
        for member in roster.members.iter() {
            let operator = roster.operator_of(member.uri().authority());
            assert_eq!(operator, Some(Member::operator(member)));
        }
    }
    if let Ok(signed) = text.parse::<SignedRoster>() {
        assert_eq!(signed.to_string(), text);
        check_chain(signed);
    }
    if let Ok(draft) = text.parse::<RosterDraft>() {
        let times = Validity::new(
            pennyblack_fuzz::world::NOW,
            pennyblack_fuzz::world::NOW.plus(std::time::Duration::from_secs(1)),
        );
        let roster = draft.into_roster(Position::First, times.expect("a second"));
        assert_eq!(roster.to_string().parse(), Ok(roster));
    }
}

/// What begins a chain is signed by its governors, and is known to it.
fn check_chain(signed: SignedRoster) {
    let Ok(mut chain) = Chain::begin(&signed.pin(), signed.clone()) else {
        return;
    };
    let governors = &signed.roster().governors;
    let who = governors.who_signed(signed.note()).expect("no forged one");
    assert!(who.len() >= governors.threshold());
    assert!(chain.offer(signed).is_ok());
}
