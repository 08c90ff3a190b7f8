//! A log whose operator states whatever it likes, as files.

use std::fs;
use std::path::Path;
use std::process::Command;

use pennyblack_base::time::UnixTime;
use pennyblack_evidence::log_entry::{LogEntry, Minute, Statement};
use pennyblack_privacypass::blind_rsa::TokenPublicKey;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_tlog::edge::{Edge, TileFile};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{Checkpoint, KeyName, NoteSigner};
use tempfile::TempDir;

use super::ended::{Ended, audit};

const DAY: u64 = 86_400;

/// An operator's log of token keys, as files. Nothing checks what is stated in it.
pub(super) struct Hostile {
    pub(super) home: TempDir,
    pub(super) signer: NoteSigner,
    edge: Edge,
    states: fn(TokenKey, UnixTime) -> Statement,
}

fn opened(key: TokenKey, not_before: UnixTime) -> Statement {
    Statement::KeyEpochOpened {
        // As long as an authority may be, and kept with each key.
        issuer: issuer().parse().unwrap(),
        key,
        not_before,
    }
}

fn announced(key: TokenKey, not_before: UnixTime) -> Statement {
    Statement::TokenKeyAnnounced { key, not_before }
}

/// As long as a name can be.
fn issuer() -> String {
    format!("{}.example", "a".repeat(250))
}

impl Hostile {
    /// The log of a CPS that takes the tokens of [`Self::of_issuer`].
    pub(super) fn of_cps() -> Self {
        Self::new("cps.example/log", opened)
    }

    pub(super) fn of_issuer() -> Self {
        Self::new(&format!("{}/log", issuer()), announced)
    }

    /// The log of an issuer that is read after that one.
    pub(super) fn of_other_issuer() -> Self {
        Self::new("other.example/log", announced)
    }

    fn new(name: &str, states: fn(TokenKey, UnixTime) -> Statement) -> Self {
        let name: KeyName = name.parse().unwrap();
        Self {
            home: tempfile::tempdir().unwrap(),
            signer: NoteSigner::generate(name, SignatureType::Ed25519, &mut rand::rng()),
            edge: Edge::default(),
            states,
        }
    }

    /// States so many more keys, of which so many begin on each day, and signs.
    pub(super) fn state_keys(&mut self, keys: usize, a_day: u32) {
        let mut full = Vec::new();
        for _ in 0..keys {
            let number = self.edge.size();
            let (day, place) = (number / u64::from(a_day), number % u64::from(a_day));
            let begin = UnixTime((20_000 + day) * DAY + place * (DAY / u64::from(a_day)));
            let entry = LogEntry {
                minute: Minute::of(begin),
                statement: (self.states)(key(number), begin),
            };
            self.edge.push(&entry.to_bytes(), &mut full).unwrap();
        }
        full.extend(self.edge.partial(0));
        full.iter().for_each(|file| self.write(file));
        let checkpoint = Checkpoint::new(self.signer.verifier().name(), self.edge.head());
        let signed = checkpoint.sign(&self.signer).unwrap().to_string();
        fs::write(self.home.path().join("checkpoint"), signed).unwrap();
    }

    fn write(&self, file: &TileFile) {
        let path = self.home.path().join(file.tile.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.bytes).unwrap();
    }

    pub(super) fn follow(&self, place: &str, state: &Path) -> Command {
        let mut follow = audit("follow");
        follow.arg(place).arg("--state").arg(state);
        follow.arg("--key").arg(self.signer.verifier().to_string());
        follow
    }

    pub(super) fn follow_files(&self, state: &Path) -> Ended {
        Ended::of(self.follow(self.home.path().to_str().unwrap(), state))
    }
}

fn key(number: u64) -> TokenKey {
    let mut modulus = [0x55; 256];
    modulus[0] = 0x80;
    modulus[8..16].copy_from_slice(&number.to_be_bytes());
    TokenKey::BlindRsa(TokenPublicKey::from_modulus(&modulus).unwrap())
}
