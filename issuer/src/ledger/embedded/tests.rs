use pennyblack_storage::disk::DiskFile as _;
use pennyblack_storage::fault_disk::{FaultDisk, SyncFault};
use pennyblack_storage::group_commit::{CommitError, FrameBuilder, StateMachine as _};

use super::*;
use crate::ledger::conformance::{self, draw, repeat};
use crate::quota::Exhausted;

const A: TokenKeyId = TokenKeyId([1; 32]);
const B: TokenKeyId = TokenKeyId([2; 32]);
const C: TokenKeyId = TokenKeyId([3; 32]);

fn open(disk: &FaultDisk, tokens: u64, live: &[TokenKeyId]) -> EmbeddedLedger<FaultDisk> {
    let allowance = Allowance::of_all(tokens);
    EmbeddedLedger::open(Arc::new(disk.clone()), allowance, live).unwrap()
}

fn charge(request: u8, tokens: u32) -> Charge {
    Charge::new("spc:683G".parse().unwrap(), &[request; 32], tokens)
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_loss_of_power() {
    for seed in 0..50 {
        let disk = FaultDisk::default();
        let ledger = open(&disk, 10, &[A]);
        draw(&ledger, A, charge(1, 4)).await.unwrap();
        draw(&ledger, A, charge(2, 5)).await.unwrap();
        let after = disk.after_power_loss(seed);
        drop(ledger);
        let ledger = open(&after, 10, &[A]);
        assert_eq!(repeat(&ledger, A, charge(1, 4)).await, Ok(9));
        assert_eq!(repeat(&ledger, A, charge(2, 5)).await, Ok(9));
        let exhausted = Exhausted {
            drawn: 9,
            allowed: 10,
        };
        assert_eq!(
            draw(&ledger, A, charge(3, 2)).await,
            Err(ChargeError::Exhausted(exhausted))
        );
    }
}

#[tokio::test]
async fn a_charge_that_failed_whether_or_not_it_reached_the_disk_can_be_made_again_once() {
    for fault in [SyncFault::Lost, SyncFault::Persisted] {
        let disk = FaultDisk::default();
        let ledger = open(&disk, 5, &[A]);
        draw(&ledger, A, charge(1, 1)).await.unwrap();
        disk.fail_next_sync(fault);
        let failed = draw(&ledger, A, charge(2, 4)).await;
        assert_eq!(failed, Err(ChargeError::Commit(CommitError::Failed)));
        draw(&ledger, A, charge(2, 4)).await.unwrap();
        let exhausted = Exhausted {
            drawn: 5,
            allowed: 5,
        };
        assert_eq!(
            draw(&ledger, A, charge(3, 1)).await,
            Err(ChargeError::Exhausted(exhausted))
        );
        drop(ledger);
        let ledger = open(&disk, 5, &[A]);
        assert_eq!(
            draw(&ledger, A, charge(3, 1)).await,
            Err(ChargeError::Exhausted(exhausted))
        );
    }
}

#[test]
fn what_is_counted_twice_for_one_drawing_is_taken_back_the_latest_first() {
    let mut accounts = Accounts::open(Arc::new(FaultDisk::default()), &[A]).unwrap();
    let mut frame = FrameBuilder::default();
    let mut decide = |accounts: &mut Accounts<_>, tokens| {
        let charge = charge(1, tokens);
        let limits = Allowance::of_all(9).of(&charge.subject);
        let command = Command::Charge {
            epoch: A,
            charge,
            limits,
            kind: ChargeKind::NewOrRepeated,
            max: None,
        };
        accounts.decide(command, &mut frame)
    };
    // More of the batch could be signed the second time.
    assert_eq!(decide(&mut accounts, 2), Ok(2));
    assert_eq!(decide(&mut accounts, 5), Ok(5));
    accounts.abort();
    assert_eq!(decide(&mut accounts, 2), Ok(2));
}

#[tokio::test]
async fn a_repetition_is_let_through_and_nothing_else() {
    let disk = FaultDisk::default();
    let ledger = open(&disk, 5, &[A]);
    draw(&ledger, A, charge(1, 5)).await.unwrap();
    assert_eq!(repeat(&ledger, A, charge(1, 5)).await, Ok(5));
    assert_eq!(
        repeat(&ledger, A, charge(2, 1)).await,
        Err(ChargeError::NotRepeated)
    );
}

#[tokio::test]
async fn each_epoch_has_its_own_accounts_and_takes_them_along() {
    let disk = FaultDisk::default();
    let ledger = open(&disk, 1, &[A]);
    draw(&ledger, A, charge(1, 1)).await.unwrap();
    assert_eq!(
        draw(&ledger, B, charge(1, 1)).await,
        Err(ChargeError::NoSuchEpoch(B))
    );
    ledger.follow(vec![A, B]).await.unwrap();
    draw(&ledger, B, charge(2, 1)).await.unwrap();
    ledger.follow(vec![B, C]).await.unwrap();
    assert_eq!(
        repeat(&ledger, A, charge(1, 1)).await,
        Err(ChargeError::NoSuchEpoch(A))
    );
    assert_eq!(repeat(&ledger, B, charge(2, 1)).await, Ok(1));
}

#[tokio::test]
async fn the_records_of_past_epochs_leave_the_disk() {
    let disk = FaultDisk::default();
    let ledger = open(&disk, 1000, &[A]);
    let mut live = vec![A];
    let mut sizes = Vec::new();
    let mut max = 0;
    for epoch in 10..40 {
        let next = TokenKeyId([epoch; 32]);
        live = vec![live[live.len() - 1], next];
        ledger.follow(live.clone()).await.unwrap();
        for request in 0..5 {
            draw(&ledger, next, charge(request, 1)).await.unwrap();
        }
        max = max.max(disk.list().unwrap().len());
        sizes.push(size_of(&disk));
    }
    assert!(max <= 4, "{max} files for two live epochs");
    assert!(sizes[29] < 2 * sizes[2], "{sizes:?} bytes");
    drop(ledger);
    let ledger = open(&disk, 1000, &live);
    for request in 0..5 {
        assert_eq!(repeat(&ledger, live[1], charge(request, 1)).await, Ok(5));
    }
}

/// A holder of as many single numbers as a subject may have draws once more.
fn of_long_list(request: u8) -> Charge {
    let numbers = (0..128).map(|number| format!("tn:{}", 12_155_550_100_u64 + 2 * number));
    let list = numbers.collect::<Vec<_>>().join(",");
    Charge::new(list.parse().unwrap(), &[request; 32], 1)
}

/// Bytes in all files, without the zeros that they are begun with.
fn size_of(disk: &FaultDisk) -> usize {
    let sizes = disk.list().unwrap().into_iter().map(|name| {
        let bytes = disk.open(&name).unwrap().read_all().unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0)
    });
    sizes.sum()
}

#[tokio::test]
async fn a_long_list_is_written_once_an_epoch_however_often_its_holder_draws() {
    let disk = FaultDisk::default();
    let mut ledger = open(&disk, 250, &[A]);
    draw(&ledger, A, of_long_list(0)).await.unwrap();
    let (first, list) = (size_of(&disk), of_long_list(0).subject.to_string().len());
    assert!(first > list, "{first} bytes, and a list of {list}");
    // After a restart, and in another segment, too.
    for request in 1..200 {
        if request == 100 {
            drop(ledger);
            ledger = open(&disk, 250, &[A]);
            ledger.follow(vec![A, B]).await.unwrap();
        }
        draw(&ledger, A, of_long_list(request)).await.unwrap();
    }
    let each = (size_of(&disk) - first) / 199;
    println!("{first} bytes of the first draw, {each} of each other one");
    assert!(each < 200, "{each} bytes for a draw");
    draw(&ledger, B, of_long_list(0)).await.unwrap();
    drop(ledger);
    let ledger = open(&disk, 250, &[A, B]);
    assert_eq!(repeat(&ledger, A, of_long_list(199)).await, Ok(200));
    assert_eq!(repeat(&ledger, B, of_long_list(0)).await, Ok(1));
    drop(ledger);

    // Without the segment that has the list nobody knows who drew; unless nobody needs to.
    let first = disk.list().unwrap().into_iter().min().unwrap();
    disk.remove(&first).unwrap();
    let of = |live| EmbeddedLedger::open(Arc::new(disk.clone()), Allowance::of_all(9), live);
    let refused = of(&[A]).unwrap_err();
    assert!(matches!(refused, LedgerError::UnknownSubject), "{refused}");
    of(&[B]).unwrap();
}

#[tokio::test]
async fn a_list_whose_first_record_is_void_is_written_again() {
    for fault in [SyncFault::Lost, SyncFault::Persisted] {
        let disk = FaultDisk::default();
        let ledger = open(&disk, 5, &[A]);
        disk.fail_next_sync(fault);
        let failed = draw(&ledger, A, of_long_list(1)).await;
        assert_eq!(failed, Err(ChargeError::Commit(CommitError::Failed)));
        for request in [1, 2] {
            draw(&ledger, A, of_long_list(request)).await.unwrap();
        }
        drop(ledger);
        let ledger = open(&disk, 5, &[A]);
        assert_eq!(repeat(&ledger, A, of_long_list(2)).await, Ok(2));
    }
}

#[tokio::test]
async fn it_conforms() {
    let disk = FaultDisk::default();
    let open = |live: &[TokenKeyId]| {
        let disk = Arc::new(disk.clone());
        EmbeddedLedger::open(disk, conformance::allowance(), live).unwrap()
    };
    let fresh = open(&conformance::LIVE);
    conformance::check(fresh, async |ledger, live| {
        drop(ledger);
        open(live)
    })
    .await;
}
