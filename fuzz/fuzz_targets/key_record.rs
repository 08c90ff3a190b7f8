#![no_main]
//! A recipient's key record (docs/protocol.md section 5), as it comes and with
//! fuzzed JSON inside, and a list of them. No number may be had without authority.

use pennyblack_fuzz::compact;
use pennyblack_fuzz::world::{CARRIER_SPC, NOW, world};
use pennyblack_protocol::key_record::{KeyRecordList, UnverifiedKeyRecord};

pennyblack_fuzz::fuzz_text!(check);

fn check(text: &str) {
    let _ = UnverifiedKeyRecord::parse(text);
    let _ = serde_json::from_str::<KeyRecordList>(text);
    for token in compact::tokens(text) {
        let Ok(record) = UnverifiedKeyRecord::parse(&token) else {
            continue;
        };
        if let Ok(record) = record.verify(&world().chain, Some(&world().numbering), NOW) {
            let spc = CARRIER_SPC.parse().expect("an SPC");
            assert!(record.exp() > NOW);
            assert!(record.numbers().iter().all(|range| {
                let certified = world().chain.tn_auth_list().covers_range(range);
                certified || world().numbering.holds_range(&spc, range)
            }));
        }
    }
}
