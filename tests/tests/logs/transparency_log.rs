//! The CPS's log, read over HTTP by libraries that are not ours.

use std::ops::Range;
use std::time::Duration;

use http::StatusCode;
use pennyblack_base::authority::Authority;
use pennyblack_base::problem::ProblemType;
use pennyblack_evidence::log_entry::{EpochTotals, LogEntry, Statement};
use pennyblack_privacypass::blind_rsa::TokenVerifyingKey;
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_runtime::clock::Clock;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::process::{Process, Role};
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use tlog_tiles::{Checkpoint, Hash, Tile, TileHashReader, TileReader};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

const SERVICE: &str = env!("CARGO_BIN_EXE_service");
const SOON: Duration = Duration::from_secs(30);
/// Longest wait for two days by the clock that the test sets, in which keys are made.
const TWO_DAYS: Duration = Duration::from_secs(180);

async fn get(world: &World, service: &Authority, path: &str) -> Answer {
    let url = format!("http://{service}{path}");
    Answer::to(world.client.get(url)).await.unwrap()
}

/// Tiles over HTTP, for the other library.
struct OverHttp<'a>(&'a World, &'a Authority);

impl TileReader for OverHttp<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        let tile_of = async |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "/log/tile/", 1);
            let answer = get(self.0, self.1, &path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.headers["content-type"], "application/octet-stream");
            answer.body
        };
        let tile_of = |tile| block_in_place(|| Handle::current().block_on(tile_of(tile)));
        Ok(tiles.iter().map(tile_of).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The checkpoint, once it is for so many entries; verified by the other library.
async fn checkpoint(world: &World, service: &Authority, size: u64) -> Checkpoint {
    let key = get(world, service, "/log/key").await.body;
    let key = String::from_utf8(key).unwrap();
    let key = signed_note::StandardVerifier::new(key.trim_end()).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(key)]);
    until("a checkpoint of that size", SOON, async || {
        let answer = get(world, service, "/log/checkpoint").await;
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers["cache-control"], "no-cache");
        let note = signed_note::Note::from_bytes(&answer.body).unwrap();
        note.verify(&known).unwrap();
        let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(checkpoint.origin(), format!("{service}/log"));
        (checkpoint.size() >= size).then_some(checkpoint)
    })
    .await
}

/// The entries of the last bundle, as C2SP tlog-tiles lays them out.
async fn entries(world: &World, service: &Authority, size: u64) -> Vec<Vec<u8>> {
    let path = format!("/log/tile/entries/000.p/{size}");
    let bundle = get(world, service, &path).await;
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
    let mut seen: Vec<Checkpoint> = Vec::new();
    for (spent, token) in (1..).zip(world.draw(DOUBLE_SPENDS as usize).await) {
        let (first, second) = ("first.of.two", "second.of.two");
        let first = world.spend(&token, &mailbox, first);
        world.store(&first).await.unwrap().assert_created();
        let second = world.spend(&token, &mailbox, second);
        let answer = world.store(&second).await.unwrap();
        assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
        // It looks now and then; the first entries tell that the key's epoch was opened, and
        // of the mailbox's record.
        if spent % 5 == 1 || spent == DOUBLE_SPENDS {
            seen.push(checkpoint(world, world.cps_name(), spent + 2).await);
        }
    }
    assert_eq!(seen.len(), 4);
    let (checkpoint, size) = (seen.pop().unwrap(), DOUBLE_SPENDS + 2);
    assert_eq!(checkpoint.size(), size);
    let (root, reader) = (*checkpoint.hash(), OverHttp(world, world.cps_name()));
    let tree = TileHashReader::new(size, root, &reader);
    // Whatever it saw before is the beginning of what it sees now.
    for before in &seen {
        let proof = tlog_tiles::prove_tree(size, before.size(), &tree).unwrap();
        tlog_tiles::check_tree(&proof, size, root, before.size(), *before.hash()).unwrap();
        let other = Hash([9; 32]);
        tlog_tiles::check_tree(&proof, size, root, before.size(), other).unwrap_err();
    }
    let keys = world.issuer_keys().await;
    let (mut double_spends, mut records) = (0, 0);
    for (index, entry) in (0..).zip(entries(world, world.cps_name(), size).await) {
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
            Statement::KeyRecordPublished(_) => records += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((double_spends, records), (DOUBLE_SPENDS, 1));
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
        let after = checkpoint(&world, world.cps_name(), promised as u64 + 1).await;
        let (root, reader) = (*after.hash(), OverHttp(&world, world.cps_name()));
        let tree = TileHashReader::new(after.size(), root, &reader);
        for (size, root) in &seen {
            let then = tlog_tiles::tree_hash(*size, &tree).unwrap();
            assert_eq!(then, *root, "life {life}, the checkpoint of {size}");
        }
    }
    cps.kill();
}

/// How long an hour of the services' clock takes at least, where it is moved by hand.
const AN_HOUR_TAKES: Duration = Duration::from_millis(150);

/// What a log says, as far as it is under a checkpoint.
async fn statements(world: &World, service: &Authority) -> Vec<LogEntry> {
    let size = checkpoint(world, service, 0).await.size();
    let entries = match size {
        0 => Vec::new(),
        size => entries(world, service, size).await,
    };
    entries
        .iter()
        .map(|one| LogEntry::parse(one).unwrap())
        .collect()
}

/// Lets an hour go by. The services work while it passes: a CPS that comes by a key only
/// after its beginning refuses it, since it was not announced ahead.
async fn pass_an_hour(scene: &Scene) {
    tokio::time::sleep(AN_HOUR_TAKES).await;
    scene.hand.advance(Duration::from_secs(3600));
}

/// What a CPS has counted of a key, once it has closed the key's epoch.
fn totals_of(key: TokenKeyId, log: &[LogEntry]) -> Option<EpochTotals> {
    log.iter().find_map(|entry| match entry.statement {
        Statement::KeyEpochClosed {
            token_key_id,
            totals,
        } if token_key_id == key => Some(totals),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_token_one_is_in_the_log_and_its_epochs_totals_have_the_others() {
    let scene = Scene::open().await;
    let (mailbox, token) = (scene.world.mailbox().await, scene.world.draw_one().await);
    let key = scene.world.signing_key().await.id();
    let store = async |world: &World, passport: String| {
        let request = world.spend(&token, &mailbox, &passport);
        world.store(&request).await.unwrap()
    };
    let refuse = async |world: &World, times: Range<usize>| {
        for time in times {
            let answer = store(world, format!("further.{time}.x")).await;
            assert_eq!(answer.problem(), ProblemType::TokenAlreadySpent);
        }
    };
    let stored = store(&scene.world, "first.of.many".to_owned()).await;
    stored.assert_created();
    refuse(&scene.world, 0..5).await;
    // The clock stands still, so this life writes what it has counted when it ends.
    let scene = scene.restart().await;
    refuse(&scene.world, 5..9).await;
    let log = until("the totals of the key", TWO_DAYS, async || {
        pass_an_hour(&scene).await;
        let log = statements(&scene.world, scene.world.cps_name()).await;
        totals_of(key, &log).is_some().then_some(log)
    })
    .await;
    let totals = EpochTotals {
        spent: 1,
        replayed: 0,
        refused: 9,
        further_double_spends: 8,
    };
    assert_eq!(totals_of(key, &log), Some(totals));
    let double_spends = log.iter();
    let double_spends =
        double_spends.filter(|entry| matches!(entry.statement, Statement::DoubleSpend(_)));
    assert_eq!(double_spends.count(), 1);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_in_the_issuers_log_before_it_signs_and_the_totals_of_both_logs_agree() {
    const DRAWN: usize = 7;
    const SPENT: usize = 3;
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let first = world.signing_key().await.id();
    for token in world.draw(DRAWN).await.iter().take(SPENT) {
        let request = world.spend(token, &mailbox, "a.b.c");
        for _ in 0..2 {
            world.store(&request).await.unwrap().assert_created();
        }
    }
    // Two days later the key is neither signed with nor redeemable.
    let (issued, totals) = until("the totals of the first key", TWO_DAYS, async || {
        pass_an_hour(&scene).await;
        let issuer = statements(world, world.issuer_name()).await;
        let issued = issuer.iter().find_map(|entry| match entry.statement {
            Statement::IssuanceTotal {
                token_key_id,
                issued,
            } if token_key_id == first => Some(issued),
            _ => None,
        });
        let cps = statements(world, world.cps_name()).await;
        issued.zip(totals_of(first, &cps))
    })
    .await;
    assert_eq!(issued, DRAWN as u64);
    assert_eq!(totals.spent, SPENT as u64);
    assert_eq!(totals.replayed, SPENT as u64);
    assert_eq!(totals.refused, 0);
    // All keys but the one that an issuer begins with were announced ahead.
    let mut announced = Vec::new();
    for entry in statements(world, world.issuer_name()).await {
        if let Statement::TokenKeyAnnounced { key, not_before } = entry.statement {
            assert!(announced.is_empty() || entry.minute.start() < not_before);
            announced.push(key.id());
        }
    }
    assert!(announced.len() > 2, "{announced:?}");
    for key in world.issuer_keys().await {
        assert!(announced.contains(&key.id()));
    }
    scene.close().await;
}
