use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::yield_now;

use super::*;

/// A stream that counts how often it is written to.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The stream, its other end, which has room for so many bytes, and the count.
fn counting(room: usize) -> (Gathered<Counting>, DuplexStream, Arc<AtomicUsize>) {
    let (stream, far) = duplex(room);
    let writes = Arc::default();
    let counting = Counting {
        stream,
        writes: Arc::clone(&writes),
    };
    (Gathered::new(counting), far, writes)
}

#[tokio::test]
async fn what_several_write_leaves_at_once() {
    let (gathered, mut far, writes) = counting(1 << 20);
    let mut stream = gathered.clone();
    let work = async {
        for answer in 0..3_u8 {
            stream.write_all(&[answer; 100]).await.unwrap();
            stream.flush().await.unwrap();
            // Other tasks make the next.
            yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    let mut read = vec![0; 300];
    tokio::select! {
        () = gathered.drive(work) => {}
        all = far.read_exact(&mut read) => drop(all.unwrap()),
    }
    assert_eq!(read, [[0; 100], [1; 100], [2; 100]].concat());
    assert!(writes.load(Ordering::Relaxed) < 3);
}

#[tokio::test]
async fn a_stream_that_takes_nothing_holds_back_who_writes() {
    let (gathered, far, _) = counting(1_000);
    let mut stream = gathered.clone();
    let written = AtomicUsize::new(0);
    let work = async {
        while let Ok(size) = stream.write(&[7; 10_000]).await {
            written.fetch_add(size, Ordering::Relaxed);
            stream.flush().await.unwrap();
        }
    };
    let idle = async {
        for _ in 0..100 {
            yield_now().await;
        }
    };
    tokio::select! {
        () = gathered.drive(work) => panic!("it goes on"),
        () = idle => {}
    }
    let held = written.load(Ordering::Relaxed);
    assert!(held <= MOST + 1_000, "{held}");
    drop(far);
}

#[tokio::test]
async fn the_writer_hears_that_the_other_end_is_gone() {
    let (gathered, far, _) = counting(1_000);
    drop(far);
    let mut stream = gathered.clone();
    let work = async {
        loop {
            let written = stream.write_all(b"x").await;
            if written.and(stream.flush().await).is_err() {
                return;
            }
            yield_now().await;
        }
    };
    gathered.drive(work).await;
}

#[tokio::test]
async fn the_end_comes_after_all_that_was_written() {
    let (gathered, mut far, _) = counting(1_000);
    let mut stream = gathered.clone();
    let work = async move {
        stream.write_all(&[7; 50_000]).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let driven = tokio::spawn(async move { gathered.drive(work).await });
    let mut read = Vec::new();
    far.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, [7; 50_000]);
    driven.await.unwrap();
}
