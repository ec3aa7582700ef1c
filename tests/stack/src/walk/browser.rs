//! Chromium by its driver: the few commands of WebDriver that a walk needs.
//!
//! The crates that speak it turn on features in what the functions are built with, among them one
//! that orders JSON otherwise than it is in production.
//! <https://www.w3.org/TR/webdriver2/>

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// How the browser's window is.
pub struct Window {
    /// In pixels.
    pub width: u32,
    /// Whether it prefers dark pages.
    pub dark: bool,
}

/// Ends the driver, and its browser, with this value.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A browser with one window.
pub(super) struct Browser {
    http: Client,
    session: String,
    _driver: Driver,
}

/// An element's id stands under this name.
/// <https://www.w3.org/TR/webdriver2/#dfn-web-element-identifier>
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Starts the driver and the browser, without a window that is seen.
    ///
    /// # Errors
    /// One of them is not there, or does not start.
    pub(super) async fn start(window: &Window) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is not there: install Debian's chromium and chromium-driver")?;
        let driver = Driver(driver);
        let mut options = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--window-size={},1400", window.width),
        ];
        if window.dark {
            options.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let capabilities = json!({ "goog:chromeOptions": { "args": options } });
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let (http, root) = (Client::new(), format!("http://127.0.0.1:{port}/session"));
        for _ in 0..100 {
            let Ok(made) = send(&http, Method::POST, &root, Some(&wanted)).await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let id = made["sessionId"].as_str().context("a session has an id")?;
            return Ok(Self { session: format!("{root}/{id}"), http, _driver: driver });
        }
        bail!("the browser does not start")
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        send(&self.http, Method::GET, &format!("{}/{path}", self.session), None).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        send(&self.http, Method::POST, &format!("{}/{path}", self.session), Some(body)).await
    }

    pub(super) async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({ "url": url })).await.map(drop)
    }

    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        self.post("refresh", &json!({})).await.map(drop)
    }

    pub(super) async fn address(&self) -> anyhow::Result<String> {
        text(&self.get("url").await?)
    }

    /// The first element of an `XPath`.
    async fn element(&self, path: &str) -> anyhow::Result<String> {
        let found = self.post("element", &json!({ "using": "xpath", "value": path })).await?;
        Ok(format!("element/{}", text(&found[ELEMENT])?))
    }

    /// The text that is seen in the first element of an `XPath`.
    pub(super) async fn text(&self, path: &str) -> anyhow::Result<String> {
        text(&self.get(&format!("{}/text", self.element(path).await?)).await?)
    }

    pub(super) async fn click(&self, path: &str) -> anyhow::Result<()> {
        self.post(&format!("{}/click", self.element(path).await?), &json!({})).await.map(drop)
    }

    pub(super) async fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = format!("{}/value", self.element(path).await?);
        self.post(&path, &json!({ "text": text })).await.map(drop)
    }

    /// Runs a script in the page.
    pub(super) async fn run(&self, script: &str) -> anyhow::Result<()> {
        let call = json!({ "script": script, "args": [] });
        self.post("execute/sync", &call).await.map(drop)
    }

    /// Runs a script that calls its last argument with what it has found.
    pub(super) async fn ask(&self, script: &str) -> anyhow::Result<Value> {
        self.post("execute/async", &json!({ "script": script, "args": [] })).await
    }

    /// What is seen, as PNG.
    pub(super) async fn picture(&self) -> anyhow::Result<Vec<u8>> {
        Ok(STANDARD.decode(text(&self.get("screenshot").await?)?)?)
    }

    /// Closes the window, and so the browser.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        send(&self.http, Method::DELETE, &self.session, None).await.map(drop)
    }
}

async fn send(
    http: &Client,
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> anyhow::Result<Value> {
    let request = http.request(method, url);
    let request = if let Some(body) = body { request.json(body) } else { request };
    let mut answer: Value = request.send().await?.json().await?;
    let value = answer["value"].take();
    if let Some(error) = value["error"].as_str() {
        bail!("{error}: {}", value["message"].as_str().unwrap_or_default());
    }
    Ok(value)
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("not a text: {value}"))
}
