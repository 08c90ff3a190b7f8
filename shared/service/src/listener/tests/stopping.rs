//! A listener that is told to stop.

use super::*;

#[tokio::test]
async fn stopping_lets_an_open_request_finish_and_takes_no_new_connection() {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        get(|| async move {
            begun.notify_one();
            release.notified().await;
            "finished"
        })
    };
    let running = start(patient(), Router::new().route("/", slow)).await;
    let mut stream = connect(&running).await;
    let mut idle = connect(&running).await;
    stream.write_all(REQUEST).await.unwrap();
    begun.notified().await;
    running.shutdown.trigger();
    // The idle one is closed at once, which also shows that the drain has begun.
    until_closed(&mut idle).await;
    release.notify_one();
    let answer = until_closed(&mut stream).await;
    assert!(answer.ends_with(b"finished"));
    running.task.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let begun = Arc::new(Notify::new());
    let never = {
        let begun = Arc::clone(&begun);
        get(|| async move {
            begun.notify_one();
            std::future::pending::<&str>().await
        })
    };
    let running = start(
        Limits {
            drain: SHORT,
            ..patient()
        },
        Router::new().route("/", never),
    )
    .await;
    let mut stream = connect(&running).await;
    stream.write_all(REQUEST).await.unwrap();
    begun.notified().await;
    running.shutdown.trigger();
    timeout(LONG, running.task)
        .await
        .expect("never stopped")
        .unwrap();
    assert_eq!(until_closed(&mut stream).await, b"");
}
