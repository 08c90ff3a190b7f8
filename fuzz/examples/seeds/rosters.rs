//! Rosters: signed, as text, and as drafts.

use std::time::Duration;

use pennyblack_fuzz::world::NOW;
use pennyblack_roster::{Position, RosterDraft, SignedRoster, Validity};
use pennyblack_tlog::NoteSigner;
use pennyblack_tlog::note_key::SignatureType;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Corpus;

pub(crate) fn add(corpus: &mut Corpus) {
    let key = |name: &str, seed| {
        let (name, mut rng) = (name.parse().expect("a name"), StdRng::seed_from_u64(seed));
        NoteSigner::generate(name, SignatureType::Ed25519, &mut rng)
    };
    let governors = [key("a.example", 1), key("b.example", 2)];
    let log = key("cps.example/log", 3);
    let draft = format!(
        "federation fed.example\nthreshold 2\ngovernor {}\ngovernor {} # a comment\n\
         cps https://cps.example operator-a {}\nrelay https://relay.example operator-b\n",
        governors[0].verifier(),
        governors[1].verifier(),
        log.verifier(),
    );
    let times = Validity::new(NOW, NOW.plus(Duration::from_secs(86_400)));
    let roster: RosterDraft = draft.parse().expect("a draft");
    let roster = roster.into_roster(Position::First, times.expect("a day"));
    let text = roster.to_string();
    let mut signed = SignedRoster::sign(roster, &governors[0]).expect("it fits");
    signed.sign_too(&governors[1]).expect("it fits");
    for seed in [draft, text, signed.pin().to_string(), signed.to_string()] {
        corpus.add("roster", seed.as_bytes());
    }
}
