//! A disk that an older copy was put on.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn an_older_copy_of_a_store_is_refused_until_it_is_accepted() {
    let home = tempfile::tempdir().unwrap();
    let [directory, backup] = ["store", "backup"].map(|name| home.path().join(name));
    let open = || EmbeddedStore::open_counted(&directory, LIMITS, Hand::new().clock());
    let store = open().unwrap();
    for token in [1, 2] {
        store
            .spend_and_append(spend(token, 1, 1, 1), START)
            .await
            .unwrap();
    }
    drop(store);
    copy(&directory, &backup);
    let store = open().unwrap();
    store
        .spend_and_append(spend(1, 2, 1, 1), START)
        .await
        .unwrap();
    store.persist_counts().await.unwrap();
    // What is closed has no spends any more.
    store.close_epoch(TokenKeyId([2; 32])).await.unwrap();
    drop(store);
    drop(open().unwrap());
    fs::remove_dir_all(&directory).unwrap();
    copy(&backup, &directory);
    let older = open().err().expect("the older copy is opened").to_string();
    assert!(older.contains("knows of 1 spent tokens"), "{older}");
    assert!(older.contains("--accept-older-store"), "{older}");
    SpentCounts::beside(&directory).forget().unwrap();
    assert!(open().is_ok());
}
