//! One holder has one record of a key, however it is spelled.

use super::*;

/// In the field `683g` and `683G` are two spellings of one company's code.
#[test]
fn a_record_replaces_one_that_spells_its_signer_in_another_case() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_spc());
    let mut policy = policy(&[&holder], home.path());
    let table = b"spc,first,count\n683G,12125550000,1000\n";
    let read = || NumberingTable::parse(table);
    policy.numbering = Some(FromFiles::open("the table of a test", read).unwrap());
    let directory = KeyDirectory::unread(policy);
    let first = KeyRecord {
        iss: "683g".to_owned(),
        ..holder.record()
    };
    let second = KeyRecord {
        iss: "683G".to_owned(),
        ..renewed(&first, 3_600)
    };
    for record in [&first, &second] {
        directory.register(&holder.sign(record), LATER).unwrap();
    }
    assert_eq!(listed(&directory), [holder.sign(&second)]);
}
