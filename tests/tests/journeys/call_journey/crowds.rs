//! A block full of other holders' records, in the answer of an honest CPS: nobody's key of
//! one number is hidden, and what was not read is said.

use pennyblack_client::auth_service::{FoundKeys, KeyLookup, OobAuthenticationService};
use pennyblack_pki::{LeafRequest, PkiDirectory, TnAuthEntry};
use pennyblack_protocol::key_record::{Coverage, KEY_RECORD_LIST_MEDIA_TYPE, KeyRecord, Placement};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::NumberRange;
use pennyblack_tests::federation::Federation;
use pennyblack_tests::prepared_answers::PreparedAnswers;

use super::scene::number;
use super::{CALLEE, NOW, QUICK};

/// More than are verified.
const CROWD: usize = 70;

/// A federation in which `narrow` has ten numbers and `other` another SPC.
fn federation() -> Federation {
    let federation = Federation::found(Clock::by_hand(NOW).0).unwrap();
    let mut pki = PkiDirectory::open(&federation.pki()).unwrap();
    for (name, entry) in [
        ("narrow", TnAuthEntry::range(&format!("{CALLEE}+10"))),
        ("other", TnAuthEntry::spc("4529")),
    ] {
        let request = LeafRequest::new(vec![entry.unwrap()]);
        pki.issue(name, &request, None, NOW).unwrap();
    }
    federation
}

/// A record of a fresh key.
fn record(federation: &Federation, name: &str, iss: &str, coverage: &Coverage) -> String {
    let identity = federation.identity(name).unwrap();
    let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
    let record = KeyRecord {
        iat: NOW,
        exp: NOW.plus(std::time::Duration::from_secs(3600)),
        iss: iss.to_owned(),
        coverage: coverage.clone(),
        key: key.config().clone(),
        placement: Placement::at("https://cps.test".parse().unwrap()),
    };
    record.sign(identity.certificate(), identity.key())
}

/// What is found of a block with these records.
async fn look_up(
    federation: &Federation,
    records: Vec<String>,
    prepare: impl FnOnce(&mut OobAuthenticationService),
) -> FoundKeys {
    let json = serde_json::json!({ "records": records }).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {KEY_RECORD_LIST_MEDIA_TYPE}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{json}",
        json.len()
    );
    let cps = PreparedAnswers::start(vec![answer]).await.unwrap();
    let mut caller = federation.caller(cps.address(), QUICK).unwrap();
    prepare(&mut caller);
    let block = KeyLookup::Block { digits: 7 };
    let found = caller.keys_of(&number(CALLEE), block, NOW).await;
    found.unwrap()
}

#[tokio::test]
async fn records_that_name_few_numbers_do_not_hide_those_of_a_narrower_certificate() {
    let federation = federation();
    let range = |count| Coverage::Range(NumberRange::new(number(CALLEE), count).unwrap());
    let mut records: Vec<_> = (0..CROWD)
        .map(|_| record(&federation, "office", CALLEE, &range(2)))
        .collect();
    records.push(record(&federation, "narrow", CALLEE, &range(10)));
    let found = look_up(&federation, records, |_| {}).await;
    let breadth = found.keys[0].breadth();
    assert_eq!((breadth.signer, breadth.record), (10, 10));
    assert_eq!(found.keys.len(), 8);
    // Some of the crowd were not looked at.
    assert!(found.is_partial);
}

#[tokio::test]
async fn records_of_spcs_that_hold_other_numbers_hide_nobody() {
    let federation = federation();
    let spc = |spc: &str| Coverage::Spc(spc.parse().unwrap());
    let mut records: Vec<_> = (0..CROWD)
        .map(|_| record(&federation, "other", "4529", &spc("4529")))
        .collect();
    records.push(record(&federation, "carrier", "683G", &spc("683G")));
    let table = "spc,first,count\n683G,12125550000,1000\n4529,12125551000,1000\n";
    let found = look_up(&federation, records, |caller| {
        caller.numbering = Some(NumberingTable::parse(table.as_bytes()).unwrap());
    })
    .await;
    assert_eq!((found.keys.len(), found.is_partial), (1, false));
    assert_eq!(found.keys[0].record().iss, "683G");
}
