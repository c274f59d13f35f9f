//! Sinks for the demo: takes webhooks and mail, and shows them.

use std::net::SocketAddr;

use clap::Parser;
use ioc_tests::sink;
use tokio::net::TcpListener;

/// Takes webhooks and mail, and shows them on standard output.
#[derive(Parser)]
struct Cli {
    /// Address for webhooks.
    #[arg(long, default_value = "127.0.0.1:9080")]
    http: SocketAddr,
    /// Address for mail.
    #[arg(long, default_value = "127.0.0.1:9025")]
    smtp: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let http = TcpListener::bind(cli.http).await?;
    let smtp = TcpListener::bind(cli.smtp).await?;
    tokio::join!(sink::webhooks(http, Default::default(), |_| 200, true), sink::mail(smtp, Default::default(), true));
    Ok(())
}
