//! A server of files that keeps some of them back.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Serves a log's files, all but those whose path has `withheld` in it: of these it keeps
/// the connection open and sends nothing.
pub(super) struct Slow {
    pub(super) url: String,
    pub(super) withholds: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Slow {
    pub(super) fn serve(files: PathBuf, withheld: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let this = Self {
            url,
            withholds: Arc::new(AtomicBool::new(true)),
            asked: Arc::default(),
        };
        let (withholds, asked) = (Arc::clone(&this.withholds), Arc::clone(&this.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (withholds, asked) = (Arc::clone(&withholds), Arc::clone(&asked));
                let (stream, files) = (stream.unwrap(), files.clone());
                // A client may connect and ask nothing.
                thread::spawn(move || {
                    let Some(path) = request_path(&stream) else {
                        return;
                    };
                    asked.lock().unwrap().push(path.clone());
                    if withholds.load(Ordering::SeqCst) && path.contains(withheld) {
                        // Until the client gives up.
                        let _ = (&stream).read(&mut [0]);
                        return;
                    }
                    answer(stream, &files.join(path));
                });
            }
        });
        this
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn request_path(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1)?;
    Some(path.trim_start_matches('/').to_owned())
}

fn answer(mut stream: TcpStream, file: &Path) {
    let (status, body) = match fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // The reader may have given up.
    let _ = stream.write_all(&[head.into_bytes(), body].concat());
}
