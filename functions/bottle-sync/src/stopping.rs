//! Signals: ECS sends SIGTERM, and SIGKILL after the container's `stopTimeout`.

use std::io;

use longshore_transfer::Stop;
use tokio::signal::unix::{SignalKind, signal};

use crate::health::Health;

/// From now on SIGTERM, and SIGINT of a person, request `stop` instead of ending the process.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn listen(stop: &Stop, health: &Health) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let (stop, health) = (stop.clone(), health.clone());
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("asked to stop");
        health.stop();
        stop.request();
    });
    Ok(())
}
