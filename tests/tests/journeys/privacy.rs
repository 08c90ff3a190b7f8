//! What polls, files and logs tell: nothing of who stored, nothing of what lies
//! in a mailbox.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use pennyblack_base::encoding::{base64_standard, from_base64url};
use pennyblack_base::problem::ProblemType;
use pennyblack_privacypass::issuance::BATCH_REQUEST_TYPE;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{LogConfig, LogLevel};
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use pennyblack_stir::jws::CertificateReference;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::drawing::{Spendable, attestation, blind_signatures};
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::needles::{Needles, all_files};
use pennyblack_tests::process::{Process, Role, write_config};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::world::{CARRIER_SPC, FIRST_NUMBER, World};

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
/// Where the carrier's requests come from, unlike everybody else's.
const CARRIER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 45, 67, 89);
/// Two answers that share so many bytes in a row share more than chance.
const RUN: usize = 16;
const NOTHING: BTreeMap<String, String> = BTreeMap::new();

#[tokio::test(flavor = "multi_thread")]
async fn answers_for_an_empty_a_full_and_an_unknown_mailbox_are_random_strings_of_one_length() {
    let scene = Scene::open().await;
    let world = &scene.world;
    let (full, empty) = (world.mailbox().await, world.mailbox().await);
    for token in world.draw(4).await {
        let request = world.spend(&token, &full, "a.b.c");
        world.store(&request).await.unwrap().assert_created();
    }
    let mut seen = HashSet::new();
    let mut lengths = HashSet::new();
    for mailbox in [full.id(), empty.id(), MailboxId(rand::random())] {
        for _ in 0..2 {
            let answer = world.poll(mailbox, Slots::Four, Cursor::START).await;
            lengths.insert((answer.content().len(), answer.headers.len()));
            for run in answer.content().windows(RUN) {
                assert!(
                    seen.insert(run.to_vec()),
                    "two answers have bytes in common"
                );
            }
        }
    }
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    assert_eq!(world.read(&full).await.len(), 4);
    assert!(world.read(&empty).await.is_empty());
    scene.close().await;
}

/// What passed between the carrier and both services.
struct Journey {
    jwts: Vec<String>,
    blinded: Vec<Vec<u8>>,
    blind_signatures: Vec<Vec<u8>>,
    tokens: Vec<Spendable>,
    stores: Vec<SignedStoreRequest>,
    mailbox: Mailbox,
    key_record: String,
}

/// Draws, spends, repeats, spends twice, is refused, and polls.
async fn travel(world: &World) -> Journey {
    let mailbox = Mailbox::new(Kem::DhkemX25519, FIRST_NUMBER);
    let record = mailbox.record(&world.holder, world.cps_name(), world.clock.now());
    let key_record = record.sign(world.holder.certificate(), world.holder.key());
    world.put_record(&key_record).await.assert_created();
    let drawing = world.drawing(3).await;
    let (blinded, body) = (drawing.blinded(), drawing.body());
    let jwts: Vec<_> = (0..2)
        .map(|_| {
            attestation(
                &world.carrier,
                world.issuer_name(),
                &body,
                world.clock.now(),
            )
        })
        .collect();
    // The second time as if the first answer was lost.
    world.send_drawing_as(&jwts[0], body.clone()).await.unwrap();
    let answer = world.send_drawing_as(&jwts[1], body.clone()).await.unwrap();
    let blind_signatures = blind_signatures(answer.content());
    let tokens = drawing.finish(answer.content());
    // Refused: the JWT is for another body.
    let refused = world
        .send_drawing_as(&jwts[0], [body, vec![0]].concat())
        .await;
    let refused = refused.unwrap();
    assert_eq!(refused.problem(), ProblemType::AttestationBodyMismatch);

    let mut stores: Vec<_> = tokens
        .iter()
        .map(|token| world.spend(token, &mailbox, "a.b.c"))
        .collect();
    stores.push(world.spend(&tokens[0], &mailbox, "d.e.f"));
    let mut answers = Vec::new();
    for request in &stores {
        answers.push(world.store(request).await.unwrap());
    }
    assert_eq!(answers[3].problem(), ProblemType::TokenAlreadySpent);
    answers.truncate(3);
    answers.iter().for_each(Answer::assert_created);
    assert_eq!(world.read(&mailbox).await.len(), 3);
    Journey {
        jwts,
        blinded,
        blind_signatures,
        tokens,
        stores,
        mailbox,
        key_record,
    }
}

/// Everything that a service has written, to files or to its log.
fn written(role: Role, data: &Path, world: &World) -> Vec<u8> {
    let mut all = all_files(data);
    for path in Process::output(role, world) {
        all.extend(fs::read(path).unwrap());
    }
    all
}

/// What the issuer learns of the carrier.
fn issuers_side(journey: &Journey) -> Needles {
    let mut needles = Needles::default();
    // Four characters may stand in any base64; after one of these they are an SPC.
    for before in [":", "\"", " ", "=", "\x04"] {
        let spc = format!("{before}{CARRIER_SPC}");
        needles.add_whole("the carrier's SPC", spc.as_bytes());
    }
    for jwt in &journey.jwts {
        needles.add_text("the attestation", jwt);
        for part in jwt.split('.') {
            needles.add("the attestation's inside", &from_base64url(part).unwrap());
        }
    }
    for blinded in &journey.blinded {
        needles.add("a blinded message", blinded);
    }
    for signature in &journey.blind_signatures {
        needles.add("a blind signature", signature);
    }
    needles
}

/// What the CPS learns of the token and its use.
fn cps_side(journey: &Journey) -> Needles {
    let mut needles = Needles::default();
    needles.add("the mailbox", &journey.mailbox.id().0);
    for Spendable { token, .. } in &journey.tokens {
        needles.add("a nonce", &token.nonce.0);
        needles.add("an authenticator", &token.authenticator);
    }
    for store in &journey.stores {
        needles.add("a sealed PASSporT", &store.body()[32..]);
        for (_, value) in store
            .headers()
            .iter()
            .filter(|(name, _)| *name == "signature")
        {
            needles.add_text("a spend signature", value);
        }
    }
    needles
}

/// What anybody may know, and so links nothing.
fn public(world: &World, key_record: &str) -> Vec<Vec<u8>> {
    let mut all = vec![key_record.as_bytes().to_vec()];
    for part in key_record.split('.') {
        all.push(from_base64url(part).unwrap());
    }
    all.extend([Role::Issuer, Role::Cps].map(|role| fs::read(write_config(role, world)).unwrap()));
    let CertificateReference::X5c(chain) = world.carrier.certificate() else {
        panic!("no chain");
    };
    // The authority above the carrier is above everybody.
    for above in &chain.certificates()[1..] {
        all.push(above.clone());
        all.push(base64_standard(above).into_bytes());
    }
    all.push(BATCH_REQUEST_TYPE.as_bytes().to_vec());
    // A claim beside the issuer's name looks like what the directory says of it.
    all.push(format!("\":\"{}\",\"request", world.issuer_name()).into_bytes());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_services_keep_and_log_put_together_links_no_oob_as_to_a_token() {
    let mut world = World::new(Clock::system());
    let debug = LogConfig {
        level: LogLevel::Debug,
        ..LogConfig::default()
    };
    (world.issuer.log, world.cps.log) = (debug.clone(), debug);
    world.client = reqwest::Client::builder()
        .no_proxy()
        .local_address(IpAddr::from(CARRIER_ADDRESS))
        .build()
        .unwrap();
    let issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let cps = Process::start(SERVICE, Role::Cps, &world).await;
    let journey = travel(&world).await;
    issuer.kill();
    cps.kill();
    let kept_by_issuer = written(Role::Issuer, &world.issuer.issuer.data_directory, &world);
    let kept_by_cps = written(Role::Cps, &world.cps.cps.data_directory, &world);

    let (mut carrier, mut spends) = (issuers_side(&journey), cps_side(&journey));
    for known in public(&world, &journey.key_record) {
        carrier.forgive(&known);
        spends.forgive(&known);
    }
    assert_eq!(carrier.found_in(&kept_by_cps), NOTHING, "at the CPS");
    assert_eq!(spends.found_in(&kept_by_issuer), NOTHING, "at the issuer");
    // Nobody keeps the address, which both have seen.
    let mut address = Needles::default();
    address.add_whole(
        "the carrier's address",
        CARRIER_ADDRESS.to_string().as_bytes(),
    );
    address.add_whole("the carrier's address", &CARRIER_ADDRESS.octets());
    assert_eq!(address.found_in(&kept_by_issuer), NOTHING, "at the issuer");
    assert_eq!(address.found_in(&kept_by_cps), NOTHING, "at the CPS");

    // The same search finds what each side does keep of its own.
    let found = |needles: &Needles, kept: &[u8], name| needles.found_in(kept).contains_key(name);
    assert!(found(&carrier, &kept_by_issuer, "the carrier's SPC"));
    for name in [
        "a nonce",
        "an authenticator",
        "the mailbox",
        "a sealed PASSporT",
    ] {
        assert!(
            found(&spends, &kept_by_cps, name),
            "{name} is not where it must be"
        );
    }
}

#[test]
fn the_search_finds_one_planted_piece_in_every_encoding() {
    let secret: [u8; 64] = rand::random();
    let mut needles = Needles::default();
    needles.add("secret", &secret);
    let clean: Vec<u8> = (0..4096).map(|_| rand::random()).collect();
    assert_eq!(needles.found_in(&clean), NOTHING);
    let piece = &secret[21..33];
    for planted in [
        piece.to_vec(),
        hex::encode(piece).into_bytes(),
        hex::encode_upper(piece).into_bytes(),
        base64_standard(piece).into_bytes(),
        base64_standard(&secret[22..34]).into_bytes(),
        base64_standard(&secret[23..35]).into_bytes(),
    ] {
        let mut haystack = clean.clone();
        haystack.splice(1000..1000, planted);
        assert!(!needles.found_in(&haystack).is_empty());
    }
    needles.forgive(&secret);
    assert!(needles.found_in(piece).is_empty());
}
