//! The ordinary calls: signed by a carrier, stored by it or by another one that
//! got the PASSporT in an Identity header, verified by the callee. In the middle
//! the CPS is killed and comes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use pennyblack_passport::{Attestation, Call, IdentityHeader, Party, UnverifiedPassport};
use pennyblack_protocol::store_request::MAILBOX_SIZE;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::sealed::slot_size;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::participants::{Callee, Participants, Recipient};
use super::report::{CallLine, VALID};
use super::services::Services;
use super::storer::Storer;
use super::{Audience, CALLS, DemoError, WhileDoing as _};
use pennyblack_client::assignments::CallName;
use pennyblack_client::auth_service::{KeyLookup, SecondAttempt, ShakenCall, read_passport};

/// So many calls are done when the CPS dies.
const CRASH_AFTER: usize = CALLS / 2;

/// Places every call. Each callee has one after the other, and all have theirs at the same
/// time.
pub(super) async fn place(
    cast: &Participants,
    services: &mut Services,
    clock: &Clock,
    audience: &dyn Audience,
) -> Result<Vec<CallLine>, DemoError> {
    let (done, half_way) = (AtomicUsize::new(0), Notify::new());
    let to_callee = async |place: usize| {
        let mut lines = Vec::new();
        for number in (place..CALLS).step_by(cast.callees.len()) {
            lines.push((number, one_call(cast, number, clock).await?));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            audience.calls_done(done);
            if done == CRASH_AFTER {
                half_way.notify_one();
            }
        }
        Ok::<_, DemoError>(lines)
    };
    let calls = try_join_all((0..cast.callees.len()).map(to_callee));
    // The storers do not know; they repeat the same requests until they are answered.
    let crash = async {
        half_way.notified().await;
        services.kill_cps();
        services.restart_cps().await
    };
    let (lines, ()) = tokio::try_join!(calls, crash)?;
    let mut lines: Vec<_> = lines.into_iter().flatten().collect();
    lines.sort_by_key(|(number, _)| *number);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

async fn one_call(
    cast: &Participants,
    number: usize,
    clock: &Clock,
) -> Result<CallLine, DemoError> {
    let callee = cast.callee(number)?;
    let (signer, storer) = match number % 3 {
        0 => (&cast.carrier_a, &cast.carrier_a),
        1 => (&cast.carrier_b, &cast.carrier_b),
        _ => (&cast.carrier_a, &cast.carrier_c),
    };
    let orig = customer(number)?;
    let at = clock.now();
    let passport = sign(signer, &orig, callee, clock)?;
    // What the other carrier gets is the header's value.
    let header = UnverifiedPassport::parse(&passport)
        .during("reading a PASSporT")
        .and_then(|passport| IdentityHeader::new(passport).during("making a header"))?;
    let mailboxes = store(storer, &header.to_string(), callee, clock).await?;
    let verdict = verify(callee, &orig).await?;
    let size = callee.recipients.iter().map(slot).max();
    Ok(CallLine {
        at,
        orig: orig.to_string(),
        dest: callee.number.to_string(),
        stored_by: storer.name,
        verdict: name(verdict),
        mailboxes,
        size: MAILBOX_SIZE + size.unwrap_or(0),
    })
}

fn slot(recipient: &Recipient) -> usize {
    slot_size(recipient.key.config().kem())
}

/// The number of the customer who makes this call.
pub(super) fn customer(number: usize) -> Result<TelephoneNumber, DemoError> {
    format!("1732555{:04}", 1000 + number)
        .parse()
        .during("a number")
}

/// A SHAKEN PASSporT of `signer` for a call of this moment.
pub(super) fn sign(
    signer: &Storer,
    orig: &TelephoneNumber,
    callee: &Callee,
    clock: &Clock,
) -> Result<String, DemoError> {
    let call = ShakenCall {
        orig: orig.clone(),
        dest: callee.number.clone(),
        attest: Attestation::Full,
        x5u: Some(signer.x5u.clone()),
    };
    let signed = call.sign(&signer.identity, clock.now());
    signed.during("signing a PASSporT")
}

/// Stores a copy for each key of the callee, and says in which mailboxes.
pub(super) async fn store(
    storer: &Storer,
    passport: &str,
    callee: &Callee,
    clock: &Clock,
) -> Result<Vec<String>, DemoError> {
    let oob_as = storer.oob_as()?;
    let passport = read_passport(passport).during("reading a PASSporT")?;
    let found = oob_as
        .keys_of(&callee.number, KeyLookup::Number, clock.now())
        .await
        .during("looking up keys")?;
    let (mut mailboxes, second) = (Vec::new(), SecondAttempt::default());
    for key in &found.keys {
        oob_as
            .store(&storer.wallet, &passport, key, &second, clock.now())
            .await
            .during("storing a PASSporT")?;
        mailboxes.push(key.mailbox().to_string());
    }
    if mailboxes.len() != callee.recipients.len() {
        return Err(DemoError::Never("finding every key of the callee"));
    }
    Ok(mailboxes)
}

/// How long a follower may take to read a mailbox while the CPS starts again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the callee finds in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// One PASSporT, which is good.
    Valid,
    /// A good one, more than once.
    StoredTwice,
    /// PASSporTs of this call, none of them good.
    Unverifiable,
    /// None of this call.
    NoPassport,
}

/// What the callee finds, in every mailbox; the worst counts.
pub(super) async fn verify(callee: &Callee, orig: &TelephoneNumber) -> Result<Found, DemoError> {
    let call = Call {
        orig: Party::from(orig.clone()),
        dest: Party::from(callee.number.clone()),
    };
    let now = Instant::now();
    let mut worst = None;
    for recipient in &callee.recipients {
        let read = tokio::time::timeout(PATIENCE, recipient.follower.read_since(now)).await;
        read.map_err(|_| DemoError::Never("reading a mailbox"))?;
        let verdict = recipient.follower.verdict(&call, CallName::random()).await;
        let verdict = verdict.during("looking up whose a PASSporT is")?;
        let found = recipient.follower.totals().passports;
        let more = found - recipient.found.swap(found, Ordering::Relaxed);
        let found = match more {
            _ if verdict.is_unverifiable() => Found::Unverifiable,
            _ if verdict.is_no_passport() => Found::NoPassport,
            1 => Found::Valid,
            _ => Found::StoredTwice,
        };
        if !matches!(worst, Some(Found::NoPassport | Found::Unverifiable)) {
            worst = Some(found);
        }
    }
    worst.ok_or(DemoError::Never("a mailbox"))
}

/// A verdict in a word.
pub(super) const fn name(found: Found) -> &'static str {
    match found {
        Found::Valid => VALID,
        Found::StoredTwice => "stored twice",
        Found::Unverifiable => "unverifiable",
        Found::NoPassport => "no PASSporT",
    }
}
