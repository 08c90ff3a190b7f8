use std::sync::atomic::{AtomicBool, Ordering};

use pennyblack_logserver::AppendError;
use pennyblack_logserver::nodes::{NotStated, StateError};
use pennyblack_privacypass::token::TokenKeyId;
use pennyblack_storage::disk::RealDisk;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::*;
use crate::ledger::ChargeKind;
use crate::ledger::embedded::EmbeddedLedger;
use crate::quota::{Allowance, Charge};
use crate::signer::KeyType;
use crate::token_keys::KeyPlan;
use crate::token_keys::key_files::KeyFiles;
use crate::token_keys::schedule::KeySchedule;

const NOW: UnixTime = UnixTime(1_790_000_000);
const PLAN: KeyPlan = KeyPlan {
    schedule: KeySchedule {
        epoch: Duration::from_secs(86_400),
        announce_ahead: Duration::from_secs(7_200),
    },
    key_type: KeyType::VoprfRistretto255,
};

/// What a register is asked, each with the way to answer.
#[derive(Debug)]
enum RequestedTokens {
    Announce(Vec<u8>),
    Total(Vec<TokenKeyId>),
}

type Answer = Result<(), KeyLogError>;
type Rotation = tokio::task::JoinHandle<Result<UnixTime, RotationError>>;

/// A register that takes as long, and answers what, its test likes.
struct Held {
    asks: mpsc::UnboundedSender<(RequestedTokens, oneshot::Sender<Answer>)>,
    /// Another node, which states the totals, has not done so yet.
    totals_are_due: AtomicBool,
}

impl Held {
    async fn ask(&self, asked: RequestedTokens) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.asks.send((asked, answer)).unwrap();
        answered.await.unwrap()
    }
}

impl KeyRegister for Held {
    fn begins(&self) -> Vec<UnixTime> {
        Vec::new()
    }

    async fn announce(&self, directory: &[u8], _now: UnixTime) -> Answer {
        self.ask(RequestedTokens::Announce(directory.to_vec()))
            .await
    }

    async fn total(
        &self,
        in_use: &[TokenKeyId],
        withdrawn: &[TokenKeyId],
        _: &ChosenLedger,
        _: UnixTime,
    ) -> Result<Vec<TokenKeyId>, KeyLogError> {
        self.ask(RequestedTokens::Total(in_use.to_vec())).await?;
        match self.totals_are_due.load(Ordering::Relaxed) {
            true => Ok(Vec::new()),
            false => Ok(withdrawn.to_vec()),
        }
    }
}

/// Keys and accounts, and the other side of the register.
struct Scene {
    keys: Arc<TokenKeys>,
    ledger: Arc<ChosenLedger>,
    register: Arc<Held>,
    asked: Mutex<mpsc::UnboundedReceiver<(RequestedTokens, oneshot::Sender<Answer>)>>,
    directory: TempDir,
}

impl Scene {
    fn open() -> Self {
        let directory = TempDir::new().unwrap();
        let files = KeyFiles::open(&directory.path().join("keys")).unwrap();
        let keys = TokenKeys::open(Box::new(files), PLAN, &[], NOW).unwrap();
        let keys = keys.publish();
        let disk = RealDisk::open(&directory.path().join("quota")).unwrap();
        let allowance = Allowance::of_all(10);
        let live: Vec<_> = keys.live().ids().collect();
        let ledger = EmbeddedLedger::open(Arc::new(disk), allowance, &live).unwrap();
        let (register, asked) = mpsc::unbounded_channel();
        Self {
            keys: Arc::new(keys),
            ledger: Arc::new(ChosenLedger::Embedded(ledger)),
            register: Arc::new(Held {
                asks: register,
                totals_are_due: AtomicBool::new(false),
            }),
            asked: Mutex::new(asked),
            directory,
        }
    }

    /// Rotates in a task of its own.
    fn rotate(&self, now: UnixTime) -> Rotation {
        let (keys, ledger) = (Arc::clone(&self.keys), Arc::clone(&self.ledger));
        let register = Arc::clone(&self.register);
        tokio::spawn(async move { rotate(&keys, &ledger, &*register, now).await })
    }

    async fn asked(&self) -> (RequestedTokens, oneshot::Sender<Answer>) {
        self.asked.lock().await.recv().await.unwrap()
    }

    /// Has the register agree to everything until the rotation has ended.
    async fn agree(&self, rotation: Rotation) {
        let mut asked = self.asked.lock().await;
        let agreeing = async {
            while let Some((_, answer)) = asked.recv().await {
                answer.send(Ok(())).unwrap();
            }
        };
        tokio::select! {
            outcome = rotation => { outcome.unwrap().unwrap(); }
            () = agreeing => {}
        }
    }

    fn live(&self) -> Vec<TokenKeyId> {
        self.keys.live().ids().collect()
    }

    async fn draw(&self, epoch: TokenKeyId) -> Result<u64, ChargeError> {
        let charge = Charge::new("spc:683G".parse().unwrap(), &[1; 32], 1);
        let kind = ChargeKind::NewOrRepeated;
        self.ledger.charge(epoch, charge, kind, None).await
    }
}

fn refused() -> Answer {
    Err(StateError::from(NotStated::Statement(AppendError::Full.into())).into())
}

#[tokio::test]
async fn a_key_is_listed_only_when_it_is_in_the_log_and_has_accounts() {
    let scene = Scene::open();
    let before = scene.keys.live();
    let announced = NOW.plus(PLAN.schedule.epoch - PLAN.schedule.announce_ahead);

    // The log is slow: nobody is shown the key that waits for it.
    let rotation = scene.rotate(announced);
    let (RequestedTokens::Announce(directory), answer) = scene.asked().await else {
        panic!("something else was asked first");
    };
    assert_ne!(directory, before.directory());
    assert_eq!(scene.keys.live().directory(), before.directory());

    // It fails: nor then.
    answer.send(refused()).unwrap();
    let said = rotation.await.unwrap().unwrap_err().to_string();
    assert!(said.contains("the log's tiles cannot be written"), "{said}");
    assert_eq!(scene.keys.live().directory(), before.directory());
    scene.draw(scene.live()[0]).await.unwrap();

    // It works again: the same key, and tokens can be drawn of it once it is shown.
    let rotation = scene.rotate(announced);
    let (RequestedTokens::Announce(again), answer) = scene.asked().await else {
        panic!("something else was asked first");
    };
    assert_eq!(again, directory);
    answer.send(Ok(())).unwrap();
    let (RequestedTokens::Total(live), answer) = scene.asked().await else {
        panic!("something else was asked next");
    };
    assert_eq!(scene.keys.live().directory(), directory);
    assert_eq!(scene.live(), live);
    for epoch in live {
        scene.draw(epoch).await.unwrap();
    }
    answer.send(Ok(())).unwrap();
    rotation.await.unwrap().unwrap();
}

#[tokio::test]
async fn accounts_stay_until_their_total_is_in_the_log() {
    let scene = Scene::open();
    let first = scene.live()[0];
    scene.draw(first).await.unwrap();
    let mut start = NOW;
    for _ in 0..2 {
        start = start.plus(PLAN.schedule.epoch);
        let announced = start.minus(PLAN.schedule.announce_ahead);
        scene.agree(scene.rotate(announced)).await;
    }
    // The third key begins, and the first is withdrawn.
    let rotation = scene.rotate(start);
    let (_, answer) = scene.asked().await;
    answer.send(Ok(())).unwrap();
    let (RequestedTokens::Total(live), answer) = scene.asked().await else {
        panic!("something else was asked next");
    };
    assert!(!live.contains(&first));
    let ChosenLedger::Embedded(ledger) = &*scene.ledger else {
        panic!("other accounts");
    };
    assert_eq!(ledger.total(first).await, Ok(1));
    answer.send(refused()).unwrap();
    rotation.await.unwrap().unwrap_err();
    assert_eq!(ledger.total(first).await, Ok(1));

    // Another node states it: the key, which says what is to be forgotten, stays until
    // it was seen to.
    let keys = || {
        std::fs::read_dir(scene.directory.path().join("keys"))
            .unwrap()
            .count()
    };
    let before = keys();
    scene.register.totals_are_due.store(true, Ordering::Relaxed);
    scene.agree(scene.rotate(start)).await;
    assert_eq!(keys(), before);
    scene
        .register
        .totals_are_due
        .store(false, Ordering::Relaxed);
    scene.agree(scene.rotate(start)).await;
    let gone = Err(ChargeError::NoSuchEpoch(first));
    assert_eq!(ledger.total(first).await, gone);
    assert!(keys() < before);
}

#[tokio::test]
async fn a_key_that_another_node_has_not_announced_yet_waits_and_the_others_go_on() {
    let scene = Scene::open();
    let before = scene.keys.live();
    let announced = NOW.plus(PLAN.schedule.epoch - PLAN.schedule.announce_ahead);
    let rotation = scene.rotate(announced);
    let (_, answer) = scene.asked().await;
    let key = TokenKeyId([7; 32]);
    answer.send(Err(KeyLogError::Unannounced { key })).unwrap();
    let next = rotation.await.unwrap().unwrap();
    assert!(next > announced && next <= announced.plus(Duration::from_secs(15)));
    assert_eq!(scene.keys.live().directory(), before.directory());
    scene.draw(scene.live()[0]).await.unwrap();
    scene.agree(scene.rotate(next)).await;
    assert_ne!(scene.keys.live().directory(), before.directory());
}
