mod costs;

use futures_util::future::BoxFuture;
use pennyblack_http::{
    HttpError, KeptFreshClients, Route, RouteError, RouteFault, RoutedAnswer, RoutedRequest,
};
use pennyblack_stir::test_pki::{NOW, TestPki};
use rusqlite::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A CPS that has stored everything.
async fn cps() -> String {
    let stored = "HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    answering(stored.to_owned()).await
}

/// A CPS that answers so.
async fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// A relay that nobody reaches.
#[derive(Debug)]
struct Away {
    allows_direct: bool,
}

impl Route for Away {
    fn carry<'a>(
        &'a self,
        request: RoutedRequest<'a>,
    ) -> BoxFuture<'a, Result<RoutedAnswer, HttpError>> {
        let error = RouteError {
            url: request.url.to_owned(),
            sentence: "away".to_owned(),
            fault: RouteFault::NoRelay,
        };
        Box::pin(async { Err(error.into()) })
    }

    fn check(&self, _url: &str) -> Result<(), RouteError> {
        Ok(())
    }

    fn allows_direct(&self) -> bool {
        self.allows_direct
    }
}

#[tokio::test]
async fn what_only_relays_may_carry_leaves_by_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("wallet.db");
    let wallet = Wallet::open(&path).unwrap();
    let cps = cps().await;
    let file = Connection::open(&path).unwrap();
    let sql = format!(
        "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
             VALUES (x'01', '{cps}/v1/passports', '[]', x'02', {}, 1);",
        NOW.0
    );
    file.execute_batch(&sql).unwrap();
    let resend = async |http: HttpOptions| {
        let fresh = Arc::new(http.fresh_clients().unwrap());
        let kept = Arc::new(KeptFreshClients::open(http.clone()).unwrap());
        let transports: [Arc<dyn StoreTransport>; 3] = [Arc::new(http), fresh, kept];
        let mut totals = Vec::new();
        for transport in transports {
            let delivery = StoreDelivery {
                transport,
                retry: RetryPolicy::NONE,
                clock_gaps: ClockGaps::default(),
            };
            let resent = delivery.resend(&wallet, NOW).await.unwrap();
            totals.push((resent.stored, resent.left, resent.withheld));
        }
        totals
    };
    let direct = HttpOptions::default();
    let by = |allows_direct| direct.routed(Arc::new(Away { allows_direct }));
    assert_eq!(resend(direct.clone()).await, [(0, 0, 1); 3]);
    assert_eq!(resend(by(true)).await, [(0, 0, 1); 3]);
    assert_eq!(resend(by(false)).await, [(0, 1, 0); 3]);
    // What may leave by any way does.
    file.execute_batch("UPDATE outbox SET relays_only = 0")
        .unwrap();
    assert_eq!(resend(direct.clone()).await[0], (1, 0, 0));
}

#[tokio::test]
async fn what_was_stored_is_stored_though_the_wallet_cannot_note_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("wallet.db");
    let wallet = Wallet::open(&path).unwrap();
    let cps = cps().await;
    let file = Connection::open(&path).unwrap();
    let sql = format!(
        "INSERT INTO outbox (nonce, url, headers, body, created, relays_only)
             VALUES (x'01', '{cps}/v1/passports', '[]', x'02', {}, 0);
         CREATE TRIGGER full BEFORE DELETE ON outbox BEGIN SELECT RAISE(FAIL, 'full'); END;",
        NOW.0
    );
    file.execute_batch(&sql).unwrap();
    let service = OobAuthenticationService {
        keys: KeySource::Cps(cps.parse().unwrap()),
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
