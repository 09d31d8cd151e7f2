//! What comes of reconciling a deployment.

use serde::Serialize;

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchOutcome {
    /// It concerns no deployment of ours that is open.
    Ignored,
    /// Something was learned; the outcome is still open.
    Noted,
    /// The service is stable on the deployment, whose tasks are still to run.
    Verifying,
    /// The deployment succeeded.
    Succeeded,
    /// The deployment failed.
    Failed,
    /// The deployment was rolled back.
    RolledBack,
    /// Another deployment took its place.
    Superseded,
}
