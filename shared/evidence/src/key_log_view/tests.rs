mod newest_key;
mod remembered;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::log_entry::Minute;
use pennyblack_privacypass::token::TokenType;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::reader::SourceError;
use pennyblack_tlog::{
    Checkpoint, EntryBundle, Frontier, Hash, NoteSigner, ReadLogError, Tile, TileKind,
};

/// The public key of RFC 9578's test vectors, with another byte in its modulus.
fn key(variant: u16) -> DirectoryKey {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/rfc9578-blindrsa/type2-issuance-test-vectors.json"
    );
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut encoded = hex::decode(vectors[0]["pkS"].as_str().unwrap()).unwrap();
    encoded[200..202].copy_from_slice(&variant.to_be_bytes());
    DirectoryKey {
        token_type: TokenType::BLIND_RSA_2048,
        encoded,
        // Some hundred keys begin on one day.
        not_before: Some(UnixTime(u64::from(variant) * 600)),
    }
}

fn entry(variant: u16) -> Vec<u8> {
    let key = key(variant);
    let statement = Statement::TokenKeyAnnounced {
        key: TokenKey::parse(key.token_type, &key.encoded).unwrap(),
        not_before: key.not_before.unwrap(),
    };
    let minute = Minute::of(UnixTime(0));
    LogEntry { minute, statement }.to_bytes()
}

fn issuer() -> Authority {
    "issuer.example".parse().unwrap()
}

/// An issuer's log as it is served.
struct Served {
    signer: NoteSigner,
    entries: Vec<Vec<u8>>,
    /// Every path that was asked for.
    asked: Mutex<Vec<String>>,
    /// Shown in place of what there is.
    instead: BTreeMap<String, Option<Vec<u8>>>,
}

impl Served {
    fn with(keys: std::ops::Range<u16>) -> Self {
        let name = "issuer.example/log".parse().unwrap();
        let signer = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
        Self {
            signer,
            entries: keys.map(entry).collect(),
            asked: Mutex::default(),
            instead: BTreeMap::new(),
        }
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(instead) = self.instead.get(path) {
            return instead.clone();
        }
        if path == "key" {
            return Some(format!("{}\n", self.signer.verifier()).into_bytes());
        }
        if path == "checkpoint" {
            let mut edge = Frontier::default();
            for entry in &self.entries {
                edge.push(Hash::of_leaf(entry));
            }
            let checkpoint = Checkpoint::new(self.signer.verifier().name(), edge.head());
            let signed = checkpoint.sign(&self.signer).unwrap();
            return Some(signed.to_string().into_bytes());
        }
        let tile: Tile = path.parse().ok()?;
        let start = usize::try_from(tile.start()).unwrap();
        if tile.kind() == (TileKind::Hashes { level: 0 }) {
            let entries = self.entries.get(start..start + usize::from(tile.width()))?;
            let hashes = entries.iter().map(|entry| Hash::of_leaf(entry).0);
            return Some(hashes.flatten().collect());
        }
        let mut bundle = EntryBundle::default();
        for entry in self.entries.get(start..start + usize::from(tile.width()))? {
            bundle.push(entry).unwrap();
        }
        Some(bundle.as_bytes().to_vec())
    }

    /// The paths that were asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn follow(
        &self,
        policy: &LogPolicy,
        memory: Option<KeyLogView>,
    ) -> Result<Option<KeyLogView>, FollowError> {
        self.follow_at(policy, memory, UnixTime(0))
    }

    fn follow_at(
        &self,
        policy: &LogPolicy,
        memory: Option<KeyLogView>,
        now: UnixTime,
    ) -> Result<Option<KeyLogView>, FollowError> {
        let followed = at_once(follow(&issuer(), policy, memory, self, now));
        followed.map_err(|refused| refused.error)
    }
}

impl LogSource for Served {
    async fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.asked.lock().unwrap().push(path.to_owned());
        let content = self.content(path);
        assert!(content.as_ref().is_none_or(|bytes| bytes.len() <= max));
        Ok(content)
    }
}

/// Nothing here waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn followed(served: &mut Served, memory: Option<KeyLogView>) -> KeyLogView {
    let view = served.follow(&LogPolicy::default(), memory);
    view.unwrap().unwrap()
}

#[test]
fn a_key_that_is_in_the_log_for_its_time_is_good_and_no_other_is() {
    let mut served = Served::with(0..3);
    let view = followed(&mut served, None);
    view.require(&key(2)).unwrap();
    let mut moved = key(2);
    moved.not_before = Some(UnixTime(61));
    assert_eq!(
        view.require(&moved).unwrap_err(),
        KeyNotLogged::Moved {
            key: moved.id(),
            listed: UnixTime(61),
            logged: UnixTime(1200)
        }
    );
    let said = view.require(&key(3)).unwrap_err().to_string();
    assert!(said.contains(&key(3).id().to_string()), "{said}");
    assert!(said.contains("issuer.example/log"), "{said}");
}

#[test]
fn each_look_reads_only_what_is_new() {
    let mut served = Served::with(0..600);
    let view = followed(&mut served, None);
    assert_eq!(served.asked().len(), 5);
    let view = followed(&mut served, Some(view));
    assert_eq!(served.asked(), ["checkpoint"]);
    served.entries.push(entry(600));
    let view = followed(&mut served, Some(view));
    assert_eq!(served.asked(), ["checkpoint", "tile/entries/002.p/89"]);
    view.require(&key(600)).unwrap();
    view.require(&key(0)).unwrap();
}

#[test]
fn a_log_that_takes_back_or_changes_what_it_showed_is_named() {
    let mut served = Served::with(0..5);
    let view = followed(&mut served, None);
    let refused = |served: &mut Served| {
        let refused = served.follow(&LogPolicy::default(), Some(view.clone()));
        match refused.unwrap_err() {
            FollowError::Contradiction(error) => error,
            other => panic!("{other}"),
        }
    };
    served.entries.pop();
    let error = refused(&mut served);
    let is_named = matches!(error, ReadLogError::Rollback { known: 5, now: 4 });
    assert!(is_named, "{error}");
    // With another last entry, and with more behind it.
    served.entries.push(entry(6));
    let error = refused(&mut served);
    let is_named = matches!(
        error,
        ReadLogError::Fork {
            size: 5,
            later: 5,
            ..
        }
    );
    assert!(is_named, "{error}");
    served.entries.extend((7..9).map(entry));
    let error = refused(&mut served);
    let is_named = matches!(
        error,
        ReadLogError::Fork {
            size: 5,
            later: 7,
            ..
        }
    );
    assert!(is_named, "{error}");
}

#[test]
fn entries_that_are_forged_on_their_way_accuse_nobody() {
    let mut served = Served::with(0..5);
    let view = followed(&mut served, None);
    served.entries.extend((5..7).map(entry));
    let mut bundle = EntryBundle::default();
    for variant in [0, 1, 2, 3, 4, 5, 9] {
        bundle.push(&entry(variant)).unwrap();
    }
    let path = "tile/entries/000.p/7".to_owned();
    let forged = Some(bundle.as_bytes().to_vec());
    served.instead.insert(path.clone(), forged);
    let refused = served.follow(&LogPolicy::default(), Some(view.clone()));
    assert!(
        matches!(
            refused,
            Err(FollowError::Log(ReadLogError::Diverged {
                known: 5,
                now: 7
            }))
        ),
        "{refused:?}"
    );
    // The right ones are taken as if nothing had been.
    served.instead.remove(&path);
    let view = followed(&mut served, Some(view));
    view.require(&key(6)).unwrap();
}

#[test]
fn from_entries_that_a_log_claims_and_does_not_serve_nothing_follows() {
    let mut served = Served::with(0..2);
    let path = "tile/entries/000.p/2".to_owned();
    served.instead.insert(path.clone(), None);
    let refused = served.follow(&LogPolicy::default(), None).unwrap_err();
    let FollowError::Unserved {
        entries: 2,
        path: missing,
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(*missing, path);
    // It is not said of a log that is seen for the first time that it was there before.
    assert!(!refused.to_string().contains("before"), "{refused}");
    // The same in a log that was seen, and then it is served.
    served.instead.remove(&path);
    let view = followed(&mut served, None);
    served.entries.push(entry(2));
    let more = "tile/entries/000.p/3".to_owned();
    served.instead.insert(more.clone(), None);
    let refused = served.follow(&LogPolicy::default(), Some(view.clone()));
    assert!(matches!(
        refused,
        Err(FollowError::Unserved { entries: 3, .. })
    ));
    served.instead.remove(&more);
    followed(&mut served, Some(view)).require(&key(2)).unwrap();
}

#[test]
fn entries_that_the_checkpoint_is_not_for_are_not_trusted() {
    let mut served = Served::with(0..2);
    let mut bundle = EntryBundle::default();
    bundle.push(&entry(0)).unwrap();
    bundle.push(&entry(7)).unwrap();
    let forged = Some(bundle.as_bytes().to_vec());
    served
        .instead
        .insert("tile/entries/000.p/2".to_owned(), forged);
    let refused = served.follow(&LogPolicy::default(), None).unwrap_err();
    assert!(
        matches!(refused, FollowError::Log(ReadLogError::Root { size: 2 })),
        "{refused}"
    );
}

#[test]
fn a_checkpoint_by_another_key_is_refused() {
    let mut served = Served::with(0..2);
    let view = followed(&mut served, None);
    let other = Served::with(0..2);
    let refused = other.follow(&LogPolicy::default(), Some(view)).unwrap_err();
    assert!(
        matches!(refused, FollowError::Log(ReadLogError::Checkpoint(_))),
        "{refused}"
    );
    // Nor is the key of another issuer's log taken.
    let name = "issuer.elsewhere/log".parse().unwrap();
    served.signer = NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng());
    let refused = served.follow(&LogPolicy::default(), None).unwrap_err();
    assert!(matches!(refused, FollowError::Name { .. }), "{refused}");
}

#[test]
fn what_is_demanded_decides_about_a_log_that_is_not_there() {
    let mut served = Served::with(0..2);
    let view = followed(&mut served, None);
    let key = served.signer.verifier().clone();
    let none = ["key", "checkpoint"].map(|name| (name.to_owned(), None));
    served.instead.extend(none);
    let refused = |demand, key: Option<&VerifierKey>, memory| {
        let policy = LogPolicy::new(demand, key.cloned());
        let followed = served.follow(&policy, memory);
        followed.map(|view| view.is_none())
    };
    assert!(refused(Demand::Published, None, None).unwrap());
    assert!(refused(Demand::Off, None, Some(view.clone())).unwrap());
    let missing = refused(Demand::Required, None, None).unwrap_err();
    assert!(matches!(missing, FollowError::NotPublished(_)), "{missing}");
    // It had one; or its key is known, so it must have one.
    let gone = refused(Demand::Published, None, Some(view.clone())).unwrap_err();
    assert!(matches!(gone, FollowError::Gone), "{gone}");
    let gone = refused(Demand::Published, Some(&key), None).unwrap_err();
    assert!(matches!(gone, FollowError::Gone), "{gone}");
    // And one key is configured, and another was seen.
    let stranger = Served::with(0..0).signer.verifier().clone();
    let other = refused(Demand::Published, Some(&stranger), Some(view)).unwrap_err();
    assert!(matches!(other, FollowError::OtherKey { .. }), "{other}");
}
