//! What one certificate can take of the key directory (docs/protocol.md section 5): room,
//! the answers of others, and the tokens of an OOB-AS.

use http::StatusCode;
use pennyblack_base::problem::ProblemType;
use pennyblack_client::identity::StirIdentity;
use pennyblack_pki::{LeafRequest, TnAuthEntry};
use pennyblack_protocol::key_record::{
    KeyRecord, KeyRecordList, MAX_KEY_RECORD_SIZE, MAX_RECORDS_OF_BLOCK, MAX_RECORDS_OF_NUMBER,
};
use pennyblack_sealing::mailbox::Kem;
use pennyblack_stir::jws::{CertificateReference, X5c};
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::{FIRST_NUMBER, World, identity_of};

/// Records of common size for which the directory has room: a block of numbers has a 64th.
const CAPACITY: usize = 20_000;
/// More records than any certificate may have here.
const TOO_MANY: usize = 100;
/// Bytes of records, and of their index, that a certificate for one number may have.
const BYTES_OF_NUMBER: usize = 160 * 1024;

/// A directory, and certificates of one number.
async fn scene(certificates: &[&str]) -> (Scene, Vec<StirIdentity>) {
    let scene = Scene::open_with(|world| {
        world.cps.key_records.capacity = CAPACITY;
        let now = world.clock.now();
        for name in certificates {
            let one = TnAuthEntry::one(FIRST_NUMBER).unwrap();
            let request = LeafRequest::new(vec![one]);
            world.pki.issue(name, &request, None, now).unwrap();
        }
    })
    .await;
    let identity = |name: &&str| identity_of(&scene.world.pki, name);
    let identities = certificates.iter().map(identity).collect();
    (scene, identities)
}

/// A record of a fresh key.
fn record(world: &World, identity: &StirIdentity) -> KeyRecord {
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    mailbox.record(identity, world.cps_name(), world.clock.now())
}

fn signed(record: &KeyRecord, identity: &StirIdentity) -> String {
    record.sign(identity.certificate(), identity.key())
}

/// Registers records until one is refused: how many there were, their bytes, and why no
/// more.
async fn fill(world: &World, identity: &StirIdentity) -> (usize, usize, ProblemType) {
    let (mut count, mut bytes) = (0, 0);
    loop {
        let token = signed(&record(world, identity), identity);
        let answer = world.put_record(&token).await;
        if answer.status != StatusCode::CREATED {
            return (count, bytes, answer.problem());
        }
        (count, bytes) = (count + 1, bytes + token.len());
        assert!(count < TOO_MANY, "one certificate fills the directory");
    }
}

async fn list(world: &World, look_up: &str) -> (KeyRecordList, usize) {
    let answer = world.get(&format!("/v1/keys{look_up}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{look_up}");
    let content = answer.content();
    (serde_json::from_slice(content).unwrap(), content.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_one_number_takes_little_room_however_often_it_is_renewed() {
    let (scene, certificates) = scene(&["first", "renewed"]).await;
    let world = &scene.world;
    let [first, renewed] = certificates.as_slice() else {
        panic!("two certificates");
    };
    let (count, bytes, why) = fill(world, first).await;
    assert_eq!(why, ProblemType::TooManyKeyRecords);
    assert!(
        count >= 16 && bytes < BYTES_OF_NUMBER,
        "{count}: {bytes} bytes"
    );
    assert_eq!(fill(world, renewed).await, (0, 0, why));

    // Other spellings are none.
    for iss in [
        "1-2125550100",
        "+12125550100",
        "1 2125550100",
        "(1)2125550100",
    ] {
        let iss = iss.to_owned();
        let spelled = KeyRecord {
            iss,
            ..record(world, first)
        };
        let answer = world.put_record(&signed(&spelled, first)).await;
        assert_eq!(answer.problem(), ProblemType::MalformedKeyRecord);
    }
    // Another holder gets in, and a holder of more numbers beside that one.
    let other = record(world, &world.holder);
    let put = world.put_record(&signed(&other, &world.holder)).await;
    put.assert_created();

    let (found, size) = list(world, &format!("/{FIRST_NUMBER}")).await;
    println!("{count} records of {bytes} bytes, an answer of {size}");
    assert_eq!(found.records.len(), MAX_RECORDS_OF_NUMBER.min(count + 1));
    assert!(size < MAX_RECORDS_OF_NUMBER * MAX_KEY_RECORD_SIZE);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_in_a_record_are_bounded_before_anything_is_verified() {
    let (scene, _) = scene(&[]).await;
    let world = &scene.world;
    let holder = &world.holder;
    let CertificateReference::X5c(x5c) = holder.certificate() else {
        panic!("no certificates");
    };
    let mut long = x5c.certificates().to_vec();
    long.push(vec![0x30; 8_000]);
    let long = CertificateReference::X5c(X5c::new(long).unwrap());
    let token = record(world, holder).sign(&long, holder.key());
    assert!(token.len() > MAX_KEY_RECORD_SIZE);
    let answer = world.put_record(&token).await;
    assert_eq!(answer.problem(), ProblemType::MalformedKeyRecord);
    assert!(answer.text().contains("at most 12288"), "{}", answer.text());
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_number_comes_before_the_holder_of_its_block() {
    let (scene, certificates) = scene(&["one"]).await;
    let world = &scene.world;
    for _ in 0..MAX_RECORDS_OF_NUMBER + 8 {
        let token = signed(&record(world, &world.holder), &world.holder);
        world.put_record(&token).await.assert_created();
    }
    let own = signed(&record(world, &certificates[0]), &certificates[0]);
    world.put_record(&own).await.assert_created();
    let (found, _) = list(world, &format!("/{FIRST_NUMBER}")).await;
    assert_eq!(found.records.len(), MAX_RECORDS_OF_NUMBER);
    assert_eq!(found.records[0], own);
    assert_eq!(list(world, &format!("/{FIRST_NUMBER}")).await.0, found);

    // The block of the crowded number is answered, with all of its neighbours.
    let neighbour = Mailbox::new(Kem::DhkemX25519, "12125550101");
    let neighbour = neighbour.record(&world.holder, world.cps_name(), world.clock.now());
    let neighbour = signed(&neighbour, &world.holder);
    world.put_record(&neighbour).await.assert_created();
    let (block, _) = list(world, "?prefix=1212555").await;
    assert_eq!(block.records.len(), MAX_RECORDS_OF_BLOCK + 1);
    assert!(block.records.contains(&own) && block.records.contains(&neighbour));
    assert_eq!(block.next, None);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_block_go_on_where_an_answer_says() {
    let (scene, _) = scene(&[]).await;
    let world = &scene.world;
    let token = signed(&record(world, &world.holder), &world.holder);
    world.put_record(&token).await.assert_created();
    let before = list(world, "?prefix=1212555&after=11-1212").await.0;
    assert_eq!(before.records, [token]);
    let after = list(world, "?prefix=1212555&after=11-12125550100").await.0;
    assert_eq!(after, KeyRecordList::default());
    for cursor in ["", "11", "11-12125550100x", "99-1", "1-12125", "x-1"] {
        let answer = world
            .get(&format!("/v1/keys?prefix=1212555&after={cursor}"))
            .await;
        assert_eq!(answer.problem(), ProblemType::MalformedPageRequest);
    }
    scene.close().await;
}
