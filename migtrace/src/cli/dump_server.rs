//! The options of a flight recording that answers over HTTP, and its server.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result, bail};
use migtrace::{
    serve::{dump, http},
    trace::Output,
};
use tokio::{runtime::Runtime, sync::mpsc};

use super::web::{self, WebArgs};

#[derive(clap::Args)]
pub(crate) struct DumpArgs {
    /// With --flight: answer `GET /dump?last=DURATION` on this address and port with a trace of the last events, such as
    /// 127.0.0.1:9436. Without `last`, all that is kept
    #[arg(long, value_name = "ADDR", requires = "flight", value_parser = web::address)]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    web: WebArgs,
}

/// A running server, and the clients that wait for events. It ends when it is dropped; responses in progress are cut off.
#[derive(Default)]
pub(crate) struct DumpServer {
    running: Option<(Runtime, mpsc::Receiver<dump::Ask>)>,
}

impl DumpServer {
    /// Listens if the options say so, on threads without capabilities. Traces are named after `output`.
    ///
    /// # Errors
    /// The address is in use, or the --web-config file cannot be used.
    pub(crate) async fn start(args: &DumpArgs, output: &Path) -> Result<Self> {
        let Some(address) = args.listen else {
            if args.web.is_given() {
                bail!("--web-config requires --listen");
            }
            return Ok(Self::default());
        };
        // From here on an error ends the runtime by `drop`, not inside of the caller's.
        let (ask, asks) = mpsc::channel(http::CONNECTIONS);
        let server = Self { running: Some((web::runtime()?, asks)) };
        let Some((runtime, _)) = &server.running else { return Ok(server) };
        let web = args.web.clone();
        let output = output.to_owned();
        let started = runtime.spawn(async move {
            let listener = http::listen(address).await?;
            let address = listener.local_addr().context("asking for the address")?;
            let (web, scheme) = web.secure(address).await?;
            tokio::spawn(http::answer(listener, dump::router(ask, &output), web, dump::CONNECTION_TIME));
            Ok::<_, anyhow::Error>(format!("{scheme}://{address}/dump"))
        });
        let url = started.await.context("starting the server")??;
        eprintln!("migtrace: `curl -OJ {url}?last=1m` saves the last minute");
        Ok(server)
    }

    /// The next client. Without a server there is none, ever.
    pub(crate) async fn next(&mut self) -> Option<dump::Ask> {
        match &mut self.running {
            Some((_, asks)) => asks.recv().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for DumpServer {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

/// Answers a client, if there is one, with what `output` has in memory.
///
/// # Errors
/// As [`Output::snapshot`].
pub(crate) fn answer(ask: Option<dump::Ask>, output: &mut Output, now_ns: u64) -> migtrace::trace::Result<()> {
    if let Some(ask) = ask {
        // The client may have disconnected meanwhile.
        let _ = ask.send(output.snapshot(now_ns)?);
    }
    Ok(())
}
