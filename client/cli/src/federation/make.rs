//! `federation key`, `new`, `sign` and `merge`: from a draft to a signed roster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use console::style;
use pennyblack_roster::{
    MAX_ROSTER_SIZE, Position, Roster, RosterDraft, RosterError, SignedRoster, Validity, directory,
};
use pennyblack_runtime::clock::Clock;
use pennyblack_storage::{atomic_file, limited_file};
use pennyblack_tlog::note_key::SignatureType;
use pennyblack_tlog::{KeyName, NoteSigner};
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::{at, write};

const DAY: u64 = 86_400;

/// `federation key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack federation key --name carrier-a.example --out carrier-a.governor

The file has mode 0600. A thief of it signs as this governor: keep it where no
service runs. The line that is printed is public, and goes into the draft.")]
pub(crate) struct Key {
    /// The governor's name: its host, without https://, such as carrier-a.example.
    #[arg(long)]
    name: KeyName,
    /// File for the private key. One that is there is left alone.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `federation new`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack federation new draft.txt --out 1.unsigned
  pennyblack federation new draft.txt --after 1.roster --out 2.unsigned

The draft is a text of such lines, in any order; # begins a comment:
  federation fed.example
  threshold 2
  governor KEY                        of `federation key`
  cps https://cps.example OPERATOR KEY...     of GET /log/key
  issuer https://issuer.example OPERATOR KEY...
  relay https://relay.example OPERATOR")]
pub(crate) struct New {
    /// The draft.
    draft: PathBuf,
    /// The roster that it is to follow. Without it the new one is the first.
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Days for which it is valid, from now on.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=30))]
    days: u64,
    /// File for the roster, which nobody has signed yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `federation sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack federation show 1.unsigned
  pennyblack federation sign 1.unsigned --key carrier-a.governor --out 1.a

Look at a roster before you sign it: two rosters with one sequence and enough
signatures prove that governors have forked the federation.")]
pub(crate) struct Sign {
    /// The roster, signed by others or by nobody yet.
    roster: PathBuf,
    /// File of a governor's private key (mode 0600).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File for the roster with this signature, too; may be the same.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `federation merge`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack federation merge 1.a 1.c --out 1.roster")]
pub(crate) struct Merge {
    /// Copies of one roster, each signed by somebody.
    #[arg(required = true, value_name = "FILE")]
    copies: Vec<PathBuf>,
    /// File for the roster with all signatures.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Makes a key.
pub(super) fn key(arguments: &Key) -> Result<Outcome, Failure> {
    let out = &arguments.out;
    if out.exists() {
        return Err(at(out, "it is there already: name a new file with --out"));
    }
    let kind = SignatureType::Ed25519;
    let signer = NoteSigner::generate(arguments.name.clone(), kind, &mut rand::rng());
    let secret = signer.to_secret_text();
    let written = atomic_file::write_private(out, secret.as_bytes());
    written.map_err(|error| at(out, error))?;
    let key = signer.verifier().to_string();
    let json = json!({ "key": key, "file": out });
    Ok(Outcome::done(json, format!("governor {key}")))
}

/// Makes a roster of a draft.
pub(super) fn new(arguments: &New) -> Result<Outcome, Failure> {
    let path = &arguments.draft;
    let draft = limited_file::read_text(path, MAX_ROSTER_SIZE).map_err(|error| at(path, error))?;
    let draft: RosterDraft = draft.parse().map_err(|error| at(path, of_draft(&error)))?;
    let before = arguments.after.as_deref().map(directory::read_file);
    let before = before.transpose()?;
    let origin = before.as_ref().map(|before| &before.roster().origin);
    if let Some(expected) = origin.filter(|origin| *origin != draft.origin()) {
        let found = draft.origin();
        let why = format!("it is of {found}, and the roster before it is of {expected}");
        return Err(at(path, why));
    }
    let position = before.as_ref().map(|before| Position::After(before.pin()));
    let now = Clock::system().now();
    let until = now.plus(Duration::from_secs(arguments.days * DAY));
    let validity = Validity::new(now, until);
    let validity = validity.map_err(|error| Failure::new(Exit::Usage, error))?;
    let roster = draft.into_roster(position.unwrap_or(Position::First), validity);
    write(&arguments.out, &roster.to_string())?;
    let mut text = format!(
        "{} roster {} of {}: {}\n  needs {} of {} governors to sign it",
        style("made").green(),
        roster.sequence(),
        roster.origin,
        arguments.out.display(),
        roster.governors.threshold(),
        roster.governors.keys().len(),
    );
    if let Some(before) = &before {
        let governors = &before.roster().governors;
        text.push_str(&format!(
            ",\n  and {} of the {} of roster {}",
            governors.threshold(),
            governors.keys().len(),
            before.sequence()
        ));
    }
    let json = json!({ "sequence": roster.sequence().get(), "file": arguments.out });
    Ok(Outcome::done(json, text))
}

/// The same of a draft, whose lines are numbered as they were written.
fn of_draft(error: &RosterError) -> String {
    error
        .to_string()
        .replacen("of the roster", "of the draft", 1)
}

/// Signs a roster.
pub(super) fn sign(arguments: &Sign) -> Result<Outcome, Failure> {
    let signer = signer(&arguments.key)?;
    let path = &arguments.roster;
    let signed = match read(path)? {
        Copy::Signed(mut signed) => {
            require_good(path, &signed)?;
            signed.sign_too(&signer).map(|()| signed)
        }
        Copy::Unsigned(roster) => SignedRoster::sign(roster, &signer),
    };
    let signed = signed.map_err(|error| at(path, error))?;
    let key = signer.verifier();
    let mut outcome = written(&signed, &arguments.out)?;
    if !signed.roster().governors.keys().contains(key) {
        let name = key.name();
        outcome.note(&format!(
            "{name} is no governor of this roster with this key; it counts only if it is one of \
             the roster before"
        ));
    }
    Ok(outcome)
}

/// Merges signatures.
pub(super) fn merge(arguments: &Merge) -> Result<Outcome, Failure> {
    let mut merged: Option<SignedRoster> = None;
    for path in &arguments.copies {
        let copy = directory::read_file(path)?;
        require_good(path, &copy)?;
        let Some(merged) = &mut merged else {
            merged = Some(copy);
            continue;
        };
        if copy.digest() != merged.digest() {
            let (found, expected) = (copy.pin(), merged.pin());
            let why = format!("it is another roster, {found}, and not {expected}");
            return Err(at(path, why));
        }
        let added = merged.merge(copy.note().signatures());
        added.map_err(|error| at(path, error))?;
    }
    let merged = merged.ok_or_else(|| Failure::new(Exit::Usage, "no copy of a roster is named"))?;
    written(&merged, &arguments.out)
}

/// Refuses a copy with a forged signature, **before it takes the place of a good one**.
fn require_good(path: &Path, copy: &SignedRoster) -> Result<(), Failure> {
    let signed_by = copy.roster().governors.who_signed(copy.note());
    let forged = |error| {
        let path = path.display();
        Failure::new(Exit::BadSignature, format!("{path}: {error}"))
    };
    signed_by.map(drop).map_err(forged)
}

/// Writes a roster that is good so far, and says who has signed it.
fn written(signed: &SignedRoster, file: &Path) -> Result<Outcome, Failure> {
    let governors = &signed.roster().governors;
    let signed_by = governors.who_signed(signed.note());
    let signed_by = signed_by.map_err(|error| Failure::new(Exit::BadSignature, error))?;
    write(file, &signed.to_string())?;
    let (threshold, count) = (governors.threshold(), signed_by.len());
    let text = format!(
        "{} roster {}: {}\n  signed by {count} of its {} governors, {threshold} are needed\n  \
         pin {}",
        style("written").green(),
        signed.sequence(),
        file.display(),
        governors.keys().len(),
        signed.pin(),
    );
    let names: Vec<_> = signed_by.iter().map(|key| key.name().as_str()).collect();
    let json = json!({
        "sequence": signed.sequence().get(),
        "pin": signed.pin().to_string(),
        "signed_by": names,
        "threshold": threshold,
        "file": file,
    });
    Ok(Outcome::done(json, text))
}

/// A file that `new`, `sign` or `merge` has written.
pub(super) enum Copy {
    /// By somebody.
    Signed(SignedRoster),
    /// By nobody.
    Unsigned(Roster),
}

impl Copy {
    /// What it says.
    pub(super) const fn roster(&self) -> &Roster {
        match self {
            Self::Signed(signed) => signed.roster(),
            Self::Unsigned(roster) => roster,
        }
    }
}

/// Reads such a file, and verifies nothing.
pub(super) fn read(path: &Path) -> Result<Copy, Failure> {
    let text = limited_file::read_text(path, MAX_ROSTER_SIZE).map_err(|error| at(path, error))?;
    // Signatures stand below a blank line.
    let read = match text.contains("\n\n") {
        true => text.parse().map(Copy::Signed),
        false => text.parse().map(Copy::Unsigned),
    };
    read.map_err(|error: RosterError| at(path, error))
}

fn signer(path: &Path) -> Result<NoteSigner, Failure> {
    let bytes = atomic_file::read_private(path);
    let bytes = bytes.map_err(|error| Failure::new(Exit::Failed, error).of_option("--key"))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| at(path, error).of_option("--key"))?;
    let signer = NoteSigner::from_secret_text(text.trim_end());
    let signer = signer.map_err(|error| at(path, error).of_option("--key"))?;
    match signer.verifier().kind() {
        SignatureType::Ed25519 => Ok(signer),
        SignatureType::CosignatureV1 => {
            Err(at(path, "it is the key of a witness, not of a governor").of_option("--key"))
        }
    }
}
