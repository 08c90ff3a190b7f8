use pennyblack_stir::test_pki::{NOW, TestPki};
use rusqlite::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A CPS that has stored everything.
async fn cps() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = client.write_all(answer).await;
        }
    });
    url
}

#[tokio::test]
async fn what_was_stored_is_stored_though_the_wallet_cannot_note_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("wallet.db");
    let wallet = Wallet::open(&path).unwrap();
    let cps = cps().await;
    let file = Connection::open(&path).unwrap();
    let sql = format!(
        "INSERT INTO outbox (nonce, url, headers, body, created)
             VALUES (x'01', '{cps}/v1/passports', '[]', x'02', {});
         CREATE TRIGGER full BEFORE DELETE ON outbox BEGIN SELECT RAISE(FAIL, 'full'); END;",
        NOW.0
    );
    file.execute_batch(&sql).unwrap();
    let service = OobAuthenticationService {
        cps: cps.parse().unwrap(),
        http: HttpOptions::default(),
        transport: Arc::new(HttpOptions::default()),
        trust: TestPki::new().trust(),
        numbering: None,
        certificates: CertificateStores::default(),
        minimum_age: Duration::ZERO,
        max_copies: 1,
        retry: RetryPolicy::NONE,
        clock_gaps: ClockGaps::default(),
    };
    let resent = service.delivery().resend(&wallet, NOW).await.unwrap();
    assert_eq!((resent.stored, resent.left), (1, 0));
    assert_eq!(wallet.outbox().unwrap().len(), 1);
    file.execute_batch("DROP TRIGGER full").unwrap();
    let again = service.delivery().resend(&wallet, NOW).await.unwrap();
    assert_eq!(again.stored, 1);
    assert!(wallet.outbox().unwrap().is_empty());
}
