//! The ordinary calls: signed by a carrier, stored by it or by another one that got the
//! PASSporT in an Identity header, verified by the callee. In the middle a CPS is killed and
//! comes back.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use pennyblack_base::authority::Authority;
use pennyblack_client::assignments::CallName;
use pennyblack_client::auth_service::{SecondAttempt, ShakenCall, read_passport};
use pennyblack_client::follower::Follower;
use pennyblack_passport::{Attestation, Call, IdentityHeader, Party, UnverifiedPassport};
use pennyblack_protocol::store_request::MAILBOX_SIZE;
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::sealed::slot_size;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::participants::{Callee, Participants};
use super::report::{CallLine, Crash, MailboxCopies, VALID};
use super::services::Services;
use super::storer::Storer;
use super::{Audience, CALLS, DemoError, WhileDoing as _};

/// The calls that are stored while no callee asks. A CPS is killed among them, and the callees
/// ask when it is dead: so what it held alone is not found.
const UNREAD: Range<usize> = CALLS * 2 / 5..CALLS * 3 / 5;
/// So many of them are stored when it dies.
const KILLED_AFTER: usize = CALLS / 10;
/// So many calls are done when it comes back.
const BACK_AFTER: usize = CALLS * 7 / 10;

/// Places every call; also what came of the crash.
pub(super) async fn place(
    cast: &mut Participants,
    services: &mut Services,
    clock: &Clock,
    audience: &dyn Audience,
) -> Result<(Vec<CallLine>, Crash), DemoError> {
    let done = Done {
        audience,
        calls: AtomicUsize::new(0),
    };
    let mut lines = whole_calls(cast, 0..UNREAD.start, None, clock, &done).await?;
    cast.stop_listening().await;
    let unread = unread_calls(cast, services, clock).await?;
    let away = services.killed()?.names.authority()?;
    cast.listen()?;
    let asked = |call: StoredCall| ended(cast, call, Some(&away), &done);
    lines.extend(try_join_all(unread.into_iter().map(asked)).await?);
    let others = UNREAD.end..BACK_AFTER;
    lines.extend(whole_calls(cast, others, Some(&away), clock, &done).await?);

    services.killed()?.start().await?;
    until_all_is_read(cast).await?;
    let mut resent = 0;
    for carrier in [&cast.carrier_a, &cast.carrier_b, &cast.carrier_c] {
        resent += carrier.resend(clock).await?;
    }
    lines.extend(whole_calls(cast, BACK_AFTER..CALLS, None, clock, &done).await?);
    let crash = Crash::of(away, resent, &lines);
    Ok((lines, crash))
}

/// Who is told how many calls are done.
struct Done<'a> {
    audience: &'a dyn Audience,
    calls: AtomicUsize,
}

/// Calls of which each is asked for as soon as it is stored.
async fn whole_calls(
    cast: &Participants,
    calls: Range<usize>,
    away: Option<&Authority>,
    clock: &Clock,
    done: &Done<'_>,
) -> Result<Vec<CallLine>, DemoError> {
    let one = |number| async move {
        let call = stored(cast, number, clock).await?;
        ended(cast, call, away, done).await
    };
    for_each(cast.callees.len(), calls, one).await
}

/// Stores the calls for which nobody asks, and kills a CPS among them.
async fn unread_calls(
    cast: &Participants,
    services: &mut Services,
    clock: &Clock,
) -> Result<Vec<StoredCall>, DemoError> {
    let (so_far, half_way) = (&AtomicUsize::new(0), &Notify::new());
    let one = |number| async move {
        let call = stored(cast, number, clock).await?;
        if so_far.fetch_add(1, Ordering::Relaxed) + 1 == KILLED_AFTER {
            half_way.notify_one();
        }
        Ok(call)
    };
    let crash = async {
        half_way.notified().await;
        services.killed().map(super::cps::Cps::kill)
    };
    let (calls, ()) = tokio::try_join!(for_each(cast.callees.len(), UNREAD, one), crash)?;
    Ok(calls)
}

/// Does this for each call: of one callee after the other, and of all callees at the same time.
async fn for_each<T, F>(
    callees: usize,
    calls: Range<usize>,
    one: impl Fn(usize) -> F,
) -> Result<Vec<T>, DemoError>
where
    F: Future<Output = Result<T, DemoError>>,
{
    let (calls, one) = (&calls, &one);
    let to_callee = |callee: usize| async move {
        let mut done = Vec::new();
        for number in calls.clone().filter(|number| number % callees == callee) {
            done.push((number, one(number).await?));
        }
        Ok::<_, DemoError>(done)
    };
    let done = try_join_all((0..callees).map(to_callee)).await?;
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

/// A call whose PASSporT is stored.
struct StoredCall {
    number: usize,
    /// Without a verdict.
    line: CallLine,
}

async fn stored(
    cast: &Participants,
    number: usize,
    clock: &Clock,
) -> Result<StoredCall, DemoError> {
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
    let copies = store(storer, &header.to_string(), callee, clock).await?;
    let slots = callee.keys.iter().map(|key| slot_size(key.config().kem()));
    let line = CallLine {
        at,
        orig: orig.to_string(),
        dest: callee.number.to_string(),
        stored_by: storer.name,
        looked_up_at: copies.looked_up_at,
        mailboxes: copies.mailboxes,
        size: MAILBOX_SIZE + slots.max().unwrap_or(0),
        verdict: "",
        incomplete: Vec::new(),
        away: None,
    };
    Ok(StoredCall { number, line })
}

/// The callee asks for a call, and may not find what `away` alone has.
async fn ended(
    cast: &Participants,
    call: StoredCall,
    away: Option<&Authority>,
    done: &Done<'_>,
) -> Result<CallLine, DemoError> {
    let StoredCall { number, line } = call;
    let verdict = verify(cast.callee(number)?, &customer(number)?, away).await?;
    let calls = done.calls.fetch_add(1, Ordering::Relaxed) + 1;
    done.audience.calls_done(calls);
    Ok(CallLine {
        verdict: verdict.found.name(),
        incomplete: verdict.incomplete,
        away: away.cloned(),
        ..line
    })
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

/// Where a call was looked up and stored.
pub(super) struct Copies {
    looked_up_at: Authority,
    mailboxes: Vec<MailboxCopies>,
}

/// Stores copies for each key of the callee, as many as its record asks for.
pub(super) async fn store(
    storer: &Storer,
    passport: &str,
    callee: &Callee,
    clock: &Clock,
) -> Result<Copies, DemoError> {
    let oob_as = storer.oob_as()?;
    let passport = read_passport(passport).during("reading a PASSporT")?;
    let (looked_up_at, found) = storer.look_up(&callee.number, clock.now()).await?;
    let (mut mailboxes, second) = (Vec::new(), SecondAttempt::default());
    for key in &found.keys {
        let stored = oob_as.store(&storer.wallet, &passport, key, &second, clock.now());
        let stored = stored.await.during("storing a PASSporT")?.stored;
        let mut cpss: Vec<_> = stored.iter().map(|cps| cps.authority().clone()).collect();
        cpss.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let mailbox = key.mailbox().to_string();
        mailboxes.push(MailboxCopies { mailbox, cpss });
    }
    if mailboxes.len() != callee.keys.len() {
        return Err(DemoError::Never("finding every key of the callee"));
    }
    Ok(Copies {
        looked_up_at,
        mailboxes,
    })
}

/// How long a follower may take to read a mailbox.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the callee finds in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// A PASSporT that is good.
    Valid,
    /// PASSporTs of this call, none of them good.
    Unverifiable,
    /// None of this call.
    NoPassport,
}

impl Found {
    /// In a word.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Valid => VALID,
            Self::Unverifiable => "unverifiable",
            Self::NoPassport => "no PASSporT",
        }
    }
}

/// What the callee finds in every mailbox: the worst counts.
pub(super) struct Verdict {
    pub(super) found: Found,
    /// CPSs that could not be asked.
    pub(super) incomplete: Vec<Authority>,
}

/// What the callee finds, once every CPS was asked but the one that is `away`.
pub(super) async fn verify(
    callee: &Callee,
    orig: &TelephoneNumber,
    away: Option<&Authority>,
) -> Result<Verdict, DemoError> {
    let call = Call {
        orig: Party::from(orig.clone()),
        dest: Party::from(callee.number.clone()),
    };
    let (now, mut incomplete) = (Instant::now(), Vec::new());
    let mut worst = None;
    for recipient in &callee.recipients {
        until_read(&recipient.follower, now, away).await?;
        let verdict = recipient.follower.verdict(&call, CallName::random()).await;
        let mut verdict = verdict.during("looking up whose a PASSporT is")?;
        let found = match () {
            () if verdict.is_valid() => Found::Valid,
            () if verdict.is_unverifiable() => Found::Unverifiable,
            () => Found::NoPassport,
        };
        worst = worst.max(Some(found));
        verdict.incomplete.retain(|cps| !incomplete.contains(cps));
        incomplete.append(&mut verdict.incomplete);
    }
    let found = worst.ok_or(DemoError::Never("a mailbox"))?;
    Ok(Verdict { found, incomplete })
}

/// Waits until the mailbox was read at each CPS but the one that is `away`, by requests that were
/// made at `moment` or later.
async fn until_read(
    follower: &Follower,
    moment: Instant,
    away: Option<&Authority>,
) -> Result<(), DemoError> {
    let mut changes = follower.changes();
    let read = async {
        loop {
            let since = moment.elapsed();
            let status = follower.status();
            let mut there = status.iter().filter(|(_, cps, _)| Some(cps) != away);
            if there.all(|(.., one)| one.read_to_its_end.is_some_and(|ago| ago <= since)) {
                return;
            }
            // The sender cannot be gone: the follower has it.
            let _ = changes.changed().await;
        }
    };
    let read = tokio::time::timeout(PATIENCE, read).await;
    read.map_err(|_| DemoError::Never("reading a mailbox"))
}

/// Waits until every mailbox was read at every CPS.
async fn until_all_is_read(cast: &Participants) -> Result<(), DemoError> {
    let (now, recipients) = (Instant::now(), cast.callees.iter());
    let recipients = recipients.flat_map(|callee| &callee.recipients);
    let read = recipients.map(|recipient| until_read(&recipient.follower, now, None));
    try_join_all(read).await.map(drop)
}
