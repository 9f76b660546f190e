//! `ottla-bench floor`: the least that anything can do that takes records from Kafka's clients and gives them to them.
//!
//! It receives, checks the checksum and writes, in one write per batch; a fetch is a `sendfile`. There are no topics (every name
//! is one), no durability, no validation, no indexes on disk, no groups, no limits: a broker's cost is judged by how many times
//! this it takes. A thread for each connection, blocking calls.

mod connection;
mod log;

use anyhow::{Context, Result};
use log::Logs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// An empty directory for the records.
    #[arg(long)]
    dir: PathBuf,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 6)]
    partitions: i32,
}

/// Serves until the process is ended.
pub(crate) fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let listener = TcpListener::bind(args.listen).with_context(|| args.listen.to_string())?;
    let address = listener.local_addr()?;
    let logs = Arc::new(Logs::new(args.dir.clone(), args.partitions));
    println!("ready on {address}");
    for stream in listener.incoming() {
        let (stream, logs) = (stream?, Arc::clone(&logs));
        std::thread::spawn(move || {
            if let Err(error) = connection::serve(stream, address, &logs) {
                eprintln!("a connection ended: {error:#}");
            }
        });
    }
    Ok(())
}
