//! Starts ministack, an AWS on one machine, as a child process on loopback, and ends it with
//! everything it has started, whatever happens.
//!
//! <https://pypi.org/project/ministack/>

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::wait::until;
use super::{key_filter, loopback};

/// A running ministack.
pub struct Ministack {
    child: Child,
    /// The leader of the group in which ministack and its functions run.
    group: u32,
    /// Where all of AWS is served, without a slash at the end.
    pub url: String,
    /// What ministack says, and what the functions say through it.
    pub log: PathBuf,
    filter: JoinHandle<()>,
}

impl Ministack {
    /// Starts it with the programs of a Python environment, and waits until it answers.
    ///
    /// # Errors
    /// It does not start, or listens on more than loopback.
    pub async fn start(venv: &Path, dir: &Path) -> anyhow::Result<Self> {
        let port = free_port().await?;
        let url = format!("http://127.0.0.1:{port}");
        let (api_gateway, filter) = key_filter::serve(&url).await?;
        let log = dir.join("ministack.log");
        let scratch = dir.join("tmp");
        std::fs::create_dir_all(&scratch).context("ministack's temporary files")?;
        let out = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(venv.join("bin/ministack"));
        let child = command
            // Nothing of the caller's environment: functions get all that ministack has.
            .env_clear()
            .envs(environment(&url, port))
            .env("AWS_ENDPOINT_URL_API_GATEWAY", api_gateway)
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &scratch)
            .env("TMPDIR", &scratch)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{}", command.as_std().get_program().display()))?;
        let group = child.id().context("ministack ended at once")?;
        let mut ministack = Self { child, group, url, log, filter };
        ministack.ready(port).await?;
        ministack.only_on_loopback()?;
        Ok(ministack)
    }

    async fn ready(&mut self, port: u16) -> anyhow::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let child = &mut self.child;
        let answers = until("ministack listens", async || {
            if let Some(status) = child.try_wait()? {
                bail!("ministack ended with {status}");
            }
            Ok(TcpStream::connect(address).await.ok())
        });
        answers.await.map(drop).with_context(|| format!("see {}", self.log.display()))
    }

    /// That neither ministack nor a function listens where others could reach it.
    ///
    /// # Errors
    /// One does.
    pub fn only_on_loopback(&self) -> anyhow::Result<()> {
        let Some(listeners) = loopback::listeners(self.group) else { return Ok(()) };
        ensure!(!listeners.is_empty(), "ministack's own port was not found");
        let open: Vec<_> = listeners.iter().filter(|it| !loopback::is_loopback(it)).collect();
        ensure!(open.is_empty(), "ministack listens on more than loopback: {open:?}");
        Ok(())
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        self.filter.abort();
        // The functions are ministack's children: only the group reaches them. The group is
        // our own, made at the start.
        let group = format!("-{}", self.group);
        let _ = std::process::Command::new("kill").args(["-KILL", "--", &group]).status();
    }
}

/// What ministack is told; functions inherit all of it.
fn environment(url: &str, port: u16) -> [(&'static str, String); 10] {
    [
        ("GATEWAY_PORT", port.to_string()),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        // Else it opens a port for everybody.
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("AWS_ENDPOINT_URL", url.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_DEFAULT_REGION", super::aws::REGION.to_owned()),
        // Else it would ask a Docker of this machine to run functions.
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock".to_owned()),
        // As in Cognito, a sign-in fails when its trigger fails.
        ("MINISTACK_COGNITO_PRETOKEN_STRICT", "1".to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ]
}

/// A port that nobody has now. Another program may take it before ministack does; then
/// ministack does not start, and says so.
async fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?.port())
}
