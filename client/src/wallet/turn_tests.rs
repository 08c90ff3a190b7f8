//! Many stores that wait for one wallet, which another process has locked.

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::*;

#[test]
fn those_that_wait_for_a_locked_wallet_take_one_thread_together() {
    let home = tempfile::tempdir().unwrap();
    let wallet = Wallet::open(&home.path().join("wallet.db")).unwrap();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (frees, freed) = oneshot::channel::<()>();
        let (begins, begun) = oneshot::channel();
        let holder = {
            let wallet = wallet.clone();
            tokio::spawn(async move {
                let work = move |wallet: &Wallet| {
                    let _connection = wallet.lock();
                    begins.send(()).unwrap();
                    freed.blocking_recv().unwrap();
                    Ok::<_, WalletError>(())
                };
                wallet.off_thread(work).await
            })
        };
        begun.await.unwrap();
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let wallet = wallet.clone();
                tokio::spawn(async move { wallet.off_thread(Wallet::outbox).await })
            })
            .collect();
        tokio::task::yield_now().await;
        // What has nothing to do with the wallet has a thread all the same.
        let other = tokio::task::spawn_blocking(|| 7);
        let other = tokio::time::timeout(Duration::from_secs(30), other).await;
        assert_eq!(other.unwrap().unwrap(), 7);
        frees.send(()).unwrap();
        holder.await.unwrap().unwrap();
        for one in waiting {
            assert!(one.await.unwrap().unwrap().is_empty());
        }
    });
}
