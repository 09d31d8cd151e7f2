//! `longshore dashboard`: a page on loopback, made from the state bucket.
//!
//! What documents say is made into what pages show by `view`, and into HTML by `html` and `chart`: these are pure.
//! `reading` reads, `acts` does what the command line does, `guard` says who may ask, and `server` and `export` are the
//! edges.

mod acts;
mod address;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod browser_tests;
mod chart;
mod export;
mod guard;
mod html;
mod reading;
#[cfg(test)]
mod scene;
mod server;
#[cfg(test)]
mod tests;
mod view;
#[cfg(test)]
mod view_tests;

use std::net::Ipv4Addr;

use anyhow::Context as _;
use chrono::Utc;
use longshore_bottles::ports::SyncCloud;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::arguments::DashboardArguments;
use crate::terminal;
use guard::Guard;
use reading::{Reader, Seen};
use server::Dashboard;

/// Serves the pages until somebody ends it, or writes a copy of them.
pub async fn run<C: Seen, M: SyncCloud>(
    cloud: &C,
    mirrors: &M,
    arguments: &DashboardArguments,
) -> anyhow::Result<String> {
    let reader = Reader::new(cloud, mirrors);
    if let Some(directory) = &arguments.export {
        return export::export(&reader, directory, Utc::now()).await;
    }
    let port = arguments.port.unwrap_or_default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| {
            format!("listen on port {port} of loopback: give another --port, or none")
        })?;
    let port = listener.local_addr()?.port();
    // 122 random bits.
    let guard = Guard::new(Uuid::new_v4().simple().to_string(), port);
    terminal::answer(&guard.url());
    terminal::note(
        "Open this address in a browser on this machine. Whoever knows it acts with your credentials: keep it to \
         yourself. Ctrl-C ends it.",
    );
    let dashboard = Dashboard::new(guard, reader, Utc::now);
    tokio::select! {
        () = dashboard.serve(&listener) => {}
        ended = tokio::signal::ctrl_c() => ended.context("wait for Ctrl-C")?,
    }
    Ok(String::new())
}
