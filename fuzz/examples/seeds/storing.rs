//! What is stored, retrieved and proven: good requests, sealed messages, keys,
//! evidence of a double spend, a journal.

use pennyblack_fuzz::world::{NOW, World, world};
use pennyblack_sealing::sealed::seal_passport;
use pennyblack_protocol::store_request::{ParsedStore, SignedStoreRequest, StoreHeaders, VerifiedStore, sign_store_request};
use pennyblack_privacypass::token::Token;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Corpus;

pub(crate) fn add(corpus: &mut Corpus) {
    let world = world();
    let token = world
        .issuer
        .token(world.spend_key.nonce(), world.policy.challenges[0]);
    let requests = ["a.b.c", "d.e.f"].map(|passport| request(world, &token, passport));
    for request in &requests {
        corpus.add("store_request", as_input(request));
    }
    let [stored, later] = requests.each_ref().map(|request| verified(world, request));
    let evidence = later.double_spend_after(*stored.record());
    corpus.add("evidence", evidence.to_json());
    super::logs::add(corpus, evidence);
    corpus.add("stored_files", stored.record().to_bytes());

    for key in &world.recipients {
        corpus.add("stored_files", key.to_bytes());
        corpus.add("key_config", key.config().as_bytes());
        corpus.add("key_config", key.config().to_string());
    }
    add_plaintexts(corpus);
    add_journal(corpus);
}

fn request(world: &World, token: &Token, passport: &str) -> SignedStoreRequest {
    let mailbox = world.recipient().config();
    let rng = &mut StdRng::seed_from_u64(4);
    let sealed = seal_passport(mailbox, &world.cps, passport, rng).expect("it fits");
    let (key, cps) = (&world.spend_key, &world.cps);
    sign_store_request(token, key, cps, mailbox.mailbox(), &sealed, NOW).expect("a request")
}

/// As the target `store_request` reads it.
fn as_input(request: &SignedStoreRequest) -> Vec<u8> {
    let [authorization, _, content_digest, signature_input, signature] =
        request.headers().map(|(_, value)| value);
    let lines = [
        authorization,
        content_digest,
        signature_input,
        signature,
        "",
    ]
    .join("\n");
    [lines.as_bytes(), request.body()].concat()
}

fn verified(world: &World, request: &SignedStoreRequest) -> VerifiedStore {
    let [authorization, _, content_digest, signature_input, signature] =
        request.headers().map(|(_, value)| Some(value));
    let headers = StoreHeaders {
        authorization,
        content_digest,
        signature_input,
        signature,
    };
    ParsedStore::parse(&headers, request.body())
        .expect("a parsed request")
        .admit(&world.policy, NOW)
        .and_then(|store| store.verify(&world.issuer.key))
        .expect("a verified request")
}

fn add_plaintexts(corpus: &mut Corpus) {
    corpus.add("sealed_passport", b"\x00\x05a.b.c");
    let sealed = seal_passport(
        world().recipient().config(),
        &world().cps,
        "a.b.c",
        &mut StdRng::seed_from_u64(5),
    );
    corpus.add("sealed_passport", sealed.expect("it fits"));
    // Version, more, filled, next, server time; then the slots.
    let header =
        |filled: u8| [&[1, 1, 0, filled][..], &[0; 7], &[9], &NOW.0.to_be_bytes()].concat();
    corpus.add("envelope", header(0));
    corpus.add("envelope", [header(1), vec![0xab; 2048]].concat());
    corpus.add("envelope", [header(4), vec![0xcd; 4 * 2048]].concat());
}

fn add_journal(corpus: &mut Corpus) {
    let part = |kind: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("a short part");
        [&[kind][..], &length.to_be_bytes(), bytes].concat()
    };
    let (first, record) = (part(0, b"\0\0\0\0"), part(0, b"\0\0\0\x03abc\0\0\0\x01d"));
    corpus.add("journal", [&first[..], &record, &record].concat());
    // A second segment, which says that the first has 80 sound bytes.
    let limit = [&[0, 0, 0, 16][..], &[0; 15], &[80]].concat();
    let torn = part(2, b"PBF1torn");
    let second = part(0, &limit);
    let next = part(3, b"");
    corpus.add(
        "journal",
        [&first[..], &record, &record, &torn, &next, &second, &record].concat(),
    );
}
