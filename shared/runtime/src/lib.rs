//! What every Longshore process does when it starts: configuration, logs, metrics, Lambda.

pub mod configuration;
pub mod lambda;
pub mod logs;
pub mod metrics;
