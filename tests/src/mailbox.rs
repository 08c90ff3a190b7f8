//! A recipient's side in plain protocol: its key, the record that publishes it,
//! and what it reads out of envelopes.

use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_client::identity::StirIdentity;
use pennyblack_protocol::key_record::{Coverage, KeyRecord, Placement};
use pennyblack_sealing::envelope::{Page, open_envelope};
use pennyblack_sealing::mailbox::{Kem, KeyConfig, MailboxId, RecipientKey};
use pennyblack_sealing::sealed::open_passport;
use pennyblack_stir::telephone_number::TelephoneNumber;

/// A mailbox and the number it answers for.
#[derive(Debug)]
pub struct Mailbox {
    key: RecipientKey,
    number: TelephoneNumber,
}

impl Mailbox {
    /// A new key for `number`.
    #[must_use]
    pub fn new(kem: Kem, number: &str) -> Self {
        Self {
            key: RecipientKey::generate(kem, &mut rand::rng()).unwrap(),
            number: TelephoneNumber::from_canonical(number).unwrap(),
        }
    }

    /// For somebody else who opens what is in it.
    #[must_use]
    pub fn copy_of_key(&self) -> RecipientKey {
        RecipientKey::from_bytes(&self.key.to_bytes()).unwrap()
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> MailboxId {
        self.key.mailbox()
    }

    /// What OOB-ASs seal to.
    #[must_use]
    pub const fn config(&self) -> &KeyConfig {
        self.key.config()
    }

    /// The number it answers for.
    #[must_use]
    pub const fn number(&self) -> &TelephoneNumber {
        &self.number
    }

    /// What its holder publishes, for a day.
    #[must_use]
    pub fn record(&self, holder: &StirIdentity, cps: &Authority, now: UnixTime) -> KeyRecord {
        KeyRecord {
            iat: now,
            exp: now.plus(Duration::from_secs(86_400)),
            iss: holder.iss().to_owned(),
            coverage: Coverage::Number(self.number.clone()),
            key: self.config().clone(),
            placement: Placement::at(format!("http://{cps}").parse().unwrap()),
        }
    }

    /// Opens an envelope.
    #[must_use]
    pub fn open(&self, cps: &Authority, envelope: &[u8]) -> Page {
        open_envelope(&self.key, cps, envelope).unwrap()
    }

    /// Opens the entries of a page.
    #[must_use]
    pub fn read(&self, cps: &Authority, page: &Page) -> Vec<String> {
        let entries = page.entries();
        entries
            .map(|entry| open_passport(&self.key, cps, entry).unwrap())
            .collect()
    }
}
