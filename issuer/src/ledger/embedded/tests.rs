use pennyblack_storage::fault_disk::{FaultDisk, SyncFault};
use pennyblack_storage::group_commit::CommitError;

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
    let mut max = 0;
    for epoch in 10..40 {
        let next = TokenKeyId([epoch; 32]);
        live = vec![live[live.len() - 1], next];
        ledger.follow(live.clone()).await.unwrap();
        for request in 0..5 {
            draw(&ledger, next, charge(request, 1)).await.unwrap();
        }
        max = max.max(disk.list().unwrap().len());
    }
    assert!(max <= 4, "{max} files for two live epochs");
    drop(ledger);
    let ledger = open(&disk, 1000, &live);
    for request in 0..5 {
        assert_eq!(repeat(&ledger, live[1], charge(request, 1)).await, Ok(5));
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
