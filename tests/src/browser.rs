//! A real browser without a window, driven over WebDriver (W3C) as its users drive it:
//! Chromium by chromedriver, each in a process of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pennyblack_base::encoding::from_base64_standard;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::port::free_port;
use crate::wait::until;

/// Longest wait for a browser to start, and for a condition in it.
const PATIENCE: Duration = Duration::from_secs(30);

const ADVICE: &str =
    "install it (Debian: apt-get install chromium chromium-driver), as tests/run does";

/// A browser with one page. It ends when this is dropped.
pub struct Browser {
    driver: Child,
    session: String,
    /// The driver's.
    port: u16,
    client: reqwest::Client,
    home: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// When it is not installed.
    pub async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (port, client) = (free_port(), reqwest::Client::new());
        let log = File::create(home.path().join("driver.log")).unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            // The browser's processes are in its group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver cannot be started: {error}; {ADVICE}"));
        let mut browser = Self {
            driver,
            session: String::new(),
            port,
            client,
            home,
        };
        until("chromedriver", PATIENCE, async || {
            let answer = browser.client.get(browser.url("/status")).send();
            answer.await.ok()
        })
        .await;
        browser.open_session().await;
        browser
    }

    async fn open_session(&mut self) {
        let data = self.home.path().join("data");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-proxy-server".to_owned(),
            format!("--user-data-dir={}", data.display()),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium(), "args": arguments },
            "goog:loggingPrefs": { "performance": "ALL" },
        } } });
        let opened = self.post("/session", &capabilities).await;
        self.session = opened["sessionId"].as_str().unwrap().to_owned();
    }

    /// Goes to a page, and waits until it is loaded.
    pub async fn go(&self, url: &str) {
        self.command("url", &json!({ "url": url })).await;
    }

    /// Runs a script in the page, the body of a function, and returns what it returns;
    /// if that is a promise, what it is kept with.
    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.command("execute/sync", &body).await
    }

    /// Waits until the visible text of the page has `text`, and returns all of it.
    pub async fn until_it_says(&self, text: &str) -> String {
        self.until_it_is(text, |said| said.contains(text)).await
    }

    /// Waits until the visible text of the page is as it should be.
    pub async fn until_it_is(&self, what: &str, mut is: impl FnMut(&str) -> bool) -> String {
        let mut last = String::new();
        let waited = tokio::time::timeout(
            PATIENCE,
            until(what, PATIENCE * 2, async || {
                last = self.text().await;
                is(&last).then_some(())
            }),
        );
        let waited = waited.await.is_ok();
        assert!(waited, "{what}: not within {PATIENCE:?}, but:\n{last}");
        last
    }

    /// The visible text of the page.
    pub async fn text(&self) -> String {
        let text = self.run("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("goog/cdp/execute", &body).await
    }

    /// The addresses of all that was asked for since the last time.
    pub async fn requested(&self) -> Vec<String> {
        let events = self
            .command("se/log", &json!({ "type": "performance" }))
            .await;
        let events = events.as_array().unwrap().iter().map(|event| {
            let message = event["message"].as_str().unwrap();
            serde_json::from_str::<Value>(message).unwrap()["message"].clone()
        });
        let sent = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        let addresses = sent.map(|event| event["params"]["request"]["url"].clone());
        addresses
            .map(|address| address.as_str().unwrap().to_owned())
            .collect()
    }

    /// A picture of the page in a window of this width, from its top down to `height`
    /// or its end, as PNG.
    pub async fn picture(&self, width: u32, height: Option<u32>, dark: bool) -> Vec<u8> {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
        let hidden = json!({ "hidden": true });
        self.devtools("Emulation.setScrollbarsHidden", hidden).await;
        self.set_size(width, height.unwrap_or(1_000)).await;
        if height.is_none() {
            let whole = self
                .run("return document.documentElement.scrollHeight")
                .await;
            let whole = u32::try_from(whole.as_u64().unwrap()).unwrap();
            self.set_size(width, whole).await;
        }
        // Two frames later everything is drawn at its new size.
        self.run("return new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")
            .await;
        let picture = self
            .devtools("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        from_base64_standard(picture["data"].as_str().unwrap()).unwrap()
    }

    async fn set_size(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    async fn command(&self, name: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}/{name}", self.session), body)
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(self.url(path)).body(body.to_string());
        let request = request.header("content-type", "application/json");
        let answer = request.send().await.unwrap().text().await.unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path}: {value:#}");
        value
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Asks the driver to end the browser; without an async context, so that a test
    /// that failed does it too.
    fn end_session(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.set_read_timeout(Some(Duration::from_secs(5)))?;
        let session = &self.session;
        write!(
            driver,
            "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        )?;
        // It answers when it is done, and keeps the connection open.
        driver.read(&mut [0; 512]).map(|_| ())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // In peace if it can, for the sake of its files, and whatever happens.
        let _ = self.end_session();
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places =
        std::env::split_paths(&path).flat_map(|place| names.map(|name| place.join(name)));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("Chromium is not there: {ADVICE}"))
}
