//! The CPS's log, read over HTTP by libraries that are not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::time::Duration;

use http::StatusCode;
use pennyblack_service::clock::Clock;
use pennyblack_shared::blind_rsa::TokenVerifyingKey;
use pennyblack_shared::log_entry::{LogEntry, Statement};
use pennyblack_shared::problem::ProblemType;
use pennyblack_shared::token_key::TokenVerifier;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use tlog_tiles::{Checkpoint, Hash, Tile, TileHashReader, TileReader};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const SOON: Duration = Duration::from_secs(30);

/// Tiles over HTTP, for the other library.
struct OverHttp<'a>(&'a World);

impl TileReader for OverHttp<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        let get = async |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "/log/tile/", 1);
            let answer = self.0.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.headers["content-type"], "application/octet-stream");
            answer.body
        };
        let get = |tile| block_in_place(|| Handle::current().block_on(get(tile)));
        Ok(tiles.iter().map(get).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The checkpoint, once it is for so many entries; verified by the other library.
async fn checkpoint(world: &World, size: u64) -> Checkpoint {
    let key = String::from_utf8(world.get("/log/key").await.body).unwrap();
    let key = signed_note::StandardVerifier::new(key.trim_end()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(key)]);
    until("a checkpoint of that size", SOON, async || {
        let answer = world.get("/log/checkpoint").await;
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers["cache-control"], "no-cache");
        let note = signed_note::Note::from_bytes(&answer.body).unwrap();
        note.verify(&known).unwrap();
        let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(checkpoint.origin(), format!("{}/log", world.cps_name()));
        (checkpoint.size() >= size).then_some(checkpoint)
    })
    .await
}

/// The entries of the last bundle, as C2SP tlog-tiles lays them out.
async fn entries(world: &World, size: u64) -> Vec<Vec<u8>> {
    let bundle = world.get(&format!("/log/tile/entries/000.p/{size}")).await;
    let (mut rest, mut entries) = (bundle.body.as_slice(), Vec::new());
    while let Some((size, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*size)));
        entries.push(entry.to_vec());
        rest = after;
    }
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_not_ours_finds_every_double_spend_and_its_proof() {
    const DOUBLE_SPENDS: u64 = 12;
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    for token in world.draw(DOUBLE_SPENDS as usize).await {
        let (first, second) = ("first.of.two", "second.of.two");
        let first = world.spend(&token, &mailbox, first);
        world.store(&first).await.unwrap().assert_created();
        let second = world.spend(&token, &mailbox, second);
        let answer = world.store(&second).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
    }
    // The first entry tells that the key's epoch was opened.
    let size = DOUBLE_SPENDS + 1;
    let checkpoint = checkpoint(world, size).await;
    assert_eq!(checkpoint.size(), size);
    let (root, reader) = (*checkpoint.hash(), OverHttp(world));
    let tree = TileHashReader::new(size, root, &reader);
    let keys = world.issuer_keys().await;
    let mut double_spends = 0;
    for (index, entry) in (0..).zip(entries(world, size).await) {
        let proof = tlog_tiles::prove_record(size, index, &tree).unwrap();
        let leaf = tlog_tiles::record_hash(&entry);
        tlog_tiles::check_record(&proof, size, root, index, leaf).unwrap();
        match LogEntry::parse(&entry).unwrap().statement {
            Statement::KeyEpochOpened { issuer, key, .. } => {
                assert_eq!(index, 0);
                assert_eq!(&issuer, world.issuer_name());
                assert!(keys.iter().any(|listed| listed.id() == key.id()));
            }
            Statement::DoubleSpend(evidence) => {
                let key = keys
                    .iter()
                    .find(|key| key.id() == evidence.token.token_key_id);
                let key = TokenVerifyingKey::from_spki(&key.unwrap().encoded).unwrap();
                evidence.verify(&TokenVerifier::BlindRsa(key)).unwrap();
                double_spends += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(double_spends, DOUBLE_SPENDS);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cps_that_is_killed_after_a_409_has_the_evidence_and_contradicts_no_checkpoint() {
    let world = World::new(Clock::system());
    let _issuer = Process::start(SERVICE, Role::Issuer, &world).await;
    let mut cps = Process::start(SERVICE, Role::Cps, &world).await;
    let mailbox = world.mailbox().await;
    let mut seen: Vec<(u64, Hash)> = Vec::new();
    for life in 0..6 {
        let mut tokens = world.draw(2).await;
        let (token, last) = (tokens.remove(0), tokens.remove(0));
        for (token, passport) in [(&token, "a.b.c"), (&last, "d.e.f")] {
            let request = world.spend(token, &mailbox, passport);
            world.store(&request).await.unwrap().assert_created();
        }
        for token in [&token, &last] {
            let second = world.spend(token, &mailbox, "second.of.two");
            let answer = world.store(&second).await.unwrap();
            assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
        }
        let text = world.get("/log/checkpoint").await.body;
        let note = signed_note::Note::from_bytes(&text).unwrap();
        let before = Checkpoint::from_bytes(note.text()).unwrap();
        seen.push((before.size(), *before.hash()));
        cps.kill();
        cps = Process::start(SERVICE, Role::Cps, &world).await;
        let promised = 2 * (life + 1);
        let lines = world.get("/v1/double-spends").await;
        let lines = String::from_utf8(lines.content().to_vec()).unwrap();
        assert_eq!(lines.lines().count(), promised, "life {life}");
        let after = checkpoint(&world, promised as u64 + 1).await;
        let (root, reader) = (*after.hash(), OverHttp(&world));
        let tree = TileHashReader::new(after.size(), root, &reader);
        for (size, root) in &seen {
            let then = tlog_tiles::tree_hash(*size, &tree).unwrap();
            assert_eq!(then, *root, "life {life}, the checkpoint of {size}");
        }
    }
    cps.kill();
}
