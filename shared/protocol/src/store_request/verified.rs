//! What a CPS decides about a store request without looking at any state, in
//! the order of docs/protocol.md section 3: cheap before costly.

use std::fmt;
use std::time::Duration;

use super::parsed::ParsedStore;
use pennyblack_base::authority::Authority;
use pennyblack_base::clock_tolerance;
use pennyblack_base::time::UnixTime;
use pennyblack_evidence::double_spend::{DoubleSpendEvidence, SpendRecord};
use pennyblack_evidence::spend::{
    Created, RequestDigest, SpendSignatureError, signature_base, verify_strictly,
};
use pennyblack_privacypass::token::{ChallengeDigest, TokenKeyId, TokenVerifyError, VerifiedToken};
use pennyblack_privacypass::token_key::TokenVerifier;
use pennyblack_sealing::mailbox::{Kem, MailboxId};
use pennyblack_sealing::sealed::slot_size;

/// How far `created` may lie from the CPS's clock.
///
/// An OOB-AS repeats an unanswered request, byte for byte, for
/// [`Self::RETRY_FOR`], the longest that an entry lives and a PASSporT is fresh:
/// later than that it would store nothing of use. The default accepts those
/// retries from clocks that are up to 30 s off in either direction, and 30 s more, by
/// which signers round `created` down. A request
/// past it is refused *before* the spent set is asked, so its token stays as it
/// was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The oldest signature that is accepted.
    pub max_age: Duration,
    /// The furthest in the future that a signature may be dated.
    pub max_ahead: Duration,
}

impl Freshness {
    /// How long an OOB-AS repeats a request that was not answered.
    pub const RETRY_FOR: Duration = Duration::from_secs(60);

    /// How far the signer's clock may be behind the CPS's. It is less than
    /// [`Self::max_age`], since rounding makes `created` up to half a minute older.
    #[must_use]
    pub fn max_behind(&self) -> Duration {
        self.max_age
            .saturating_sub(Duration::from_secs(Created::GRAIN.into()))
    }

    fn check(&self, created: Created, now: UnixTime) -> Result<(), StoreRefusal> {
        if !created.is_rounded() {
            return Err(StoreRefusal::Unrounded { created });
        }
        let made = created.time();
        if now.since(made) > self.max_age {
            return Err(StoreRefusal::Stale { created, now });
        }
        if made.since(now) > self.max_ahead {
            return Err(StoreRefusal::FromTheFuture { created, now });
        }
        Ok(())
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            max_age: Self::RETRY_FOR + Duration::from_secs(30 + Created::GRAIN as u64),
            max_ahead: clock_tolerance::STORE_REQUEST,
        }
    }
}

/// What a CPS demands of every store request.
#[derive(Debug, Clone)]
pub struct SpendPolicy {
    /// The CPS's own name, as OOB-ASs sign it.
    pub cps: Authority,
    /// The digests of the challenges that this CPS hands out, one for each issuer
    /// that it trusts.
    pub challenges: Vec<ChallengeDigest>,
    /// How far clocks and retries may be off.
    pub freshness: Freshness,
}

/// A store request of the right form that is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreRefusal {
    /// Signed too long ago.
    #[error("signed at {}, and it is {now} here: too old; seal and sign afresh with another token", created.time())]
    Stale {
        /// When it was signed, by the OOB-AS's clock.
        created: Created,
        /// The CPS's clock.
        now: UnixTime,
    },
    /// Signed at a time that is still to come.
    #[error("signed at {}, and it is {now} here: set the OOB-AS's clock", created.time())]
    FromTheFuture {
        /// When it was signed, by the OOB-AS's clock.
        created: Created,
        /// The CPS's clock.
        now: UnixTime,
    },
    /// A time that tells whose clock it is.
    #[error(
        "created={created} is no multiple of {} s: round the time down before signing",
        Created::GRAIN
    )]
    Unrounded {
        /// When it was signed, by the OOB-AS's clock.
        created: Created,
    },
    /// The token was drawn for another CPS or another protocol.
    #[error("the token was drawn for another challenge than this service's")]
    ForeignChallenge,
    /// The ciphertext is not of the size of this mailbox's slots.
    #[error("a {kem} mailbox takes {} bytes of ciphertext, not {actual}", slot_size(*kem))]
    SlotSize {
        /// The KEM of the mailbox's key.
        kem: Kem,
        /// Bytes of the ciphertext.
        actual: usize,
    },
    /// The content is not what `Content-Digest` says.
    #[error("Content-Digest is {claimed}, the content's digest {actual}")]
    ContentDigest {
        /// What the field says.
        claimed: RequestDigest,
        /// What the content has.
        actual: RequestDigest,
    },
    /// The issuer's signature on the token does not hold.
    #[error("token: {0}")]
    Token(#[from] TokenVerifyError),
    /// The signature by the token's nonce does not hold.
    #[error(transparent)]
    Signature(#[from] SpendSignatureError),
}

impl<'a> ParsedStore<'a> {
    /// Checks that the request is meant for this CPS and this moment.
    ///
    /// # Errors
    /// [`StoreRefusal::Unrounded`], [`StoreRefusal::Stale`],
    /// [`StoreRefusal::FromTheFuture`] or [`StoreRefusal::ForeignChallenge`].
    pub fn admit<'p>(
        self,
        policy: &'p SpendPolicy,
        now: UnixTime,
    ) -> Result<AdmittedStore<'a, 'p>, StoreRefusal> {
        policy.freshness.check(self.signature.created, now)?;
        if !policy.challenges.contains(&self.token.challenge_digest) {
            return Err(StoreRefusal::ForeignChallenge);
        }
        Ok(AdmittedStore {
            parsed: self,
            cps: &policy.cps,
        })
    }
}

/// A request meant for this CPS and this moment; token and signature are still
/// unproven. It tells which key and which mailbox the caller has to look up.
#[derive(Debug)]
pub struct AdmittedStore<'a, 'p> {
    parsed: ParsedStore<'a>,
    cps: &'p Authority,
}

impl AdmittedStore<'_, '_> {
    /// All 32 bytes of the key that the token claims to be signed with.
    #[must_use]
    pub const fn token_key_id(&self) -> TokenKeyId {
        self.parsed.token.token_key_id
    }

    /// The mailbox to store into.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.parsed.mailbox
    }

    /// Verifies the request under the live key that [`Self::token_key_id`] names:
    /// content digest, the issuer's signature on the token, the nonce's signature
    /// on the request.
    ///
    /// # Errors
    /// [`StoreRefusal`]. Nothing may be concluded from a refused request about
    /// the holder of the token's nonce: anybody can send it.
    pub fn verify(self, key: &TokenVerifier) -> Result<VerifiedStore, StoreRefusal> {
        let ParsedStore {
            token,
            claimed,
            signature,
            content,
            mailbox,
            sealed,
        } = self.parsed;
        let digest = RequestDigest::of(content);
        if digest != claimed {
            return Err(StoreRefusal::ContentDigest {
                claimed,
                actual: digest,
            });
        }
        let token = key.verify(token)?;
        let base = signature_base(self.cps, digest, signature.created);
        verify_strictly(&token.nonce().0, &base, &signature.signature)?;
        Ok(VerifiedStore {
            token,
            mailbox,
            sealed: sealed.into(),
            record: SpendRecord { digest, signature },
            cps: self.cps.clone(),
        })
    }
}

/// A store request that is proven: its token is the issuer's, and the holder of
/// the token's key signed exactly this content for this CPS.
///
/// Made by [`AdmittedStore::verify`] only.
pub struct VerifiedStore {
    token: VerifiedToken,
    mailbox: MailboxId,
    sealed: Box<[u8]>,
    record: SpendRecord,
    cps: Authority,
}

impl VerifiedStore {
    /// The token: `(token_key_id, nonce)` is what is spent.
    #[must_use]
    pub const fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// The mailbox to store into.
    #[must_use]
    pub const fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Checks that the ciphertext fits a mailbox of this KEM. Comes last: a client
    /// without a token must not learn what a mailbox is like.
    ///
    /// # Errors
    /// [`StoreRefusal::SlotSize`].
    pub const fn check_slot(&self, kem: Kem) -> Result<(), StoreRefusal> {
        if self.sealed.len() == slot_size(kem) {
            return Ok(());
        }
        Err(StoreRefusal::SlotSize {
            kem,
            actual: self.sealed.len(),
        })
    }

    /// The ciphertext, in memory of its own.
    #[must_use]
    pub const fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// What to keep of the spend.
    #[must_use]
    pub const fn record(&self) -> &SpendRecord {
        &self.record
    }

    /// The CPS for which it was signed.
    #[must_use]
    pub const fn cps(&self) -> &Authority {
        &self.cps
    }

    /// The evidence of a double spend: `stored`, the record of the request that was
    /// stored with the same token, and this later request.
    #[must_use]
    pub fn double_spend_after(&self, stored: SpendRecord) -> DoubleSpendEvidence {
        DoubleSpendEvidence {
            token: self.token.token().clone(),
            cps: self.cps.clone(),
            requests: [stored, self.record],
        }
    }
}

impl fmt::Debug for VerifiedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedStore")
            .field("digest", &self.record.digest)
            .finish_non_exhaustive()
    }
}
