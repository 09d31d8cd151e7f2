//! What came of the deployments of some days, in figures.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What came of the deployments of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsDigest {
    /// Who asked: the same for each time that the same is asked for, so that people hear of it once.
    pub digest_id: String,
    /// The stack whose deployments these are; without one, those of all stacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// When the period began.
    pub since: DateTime<Utc>,
    /// When it was over; this moment does not belong to it.
    pub until: DateTime<Utc>,
    pub figures: DeploymentFigures,
    /// The same of the period of the same length before.
    pub before: DeploymentFigures,
    /// The services whose deployments failed most often, those with most failures first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_most: Vec<ServiceFailures>,
    /// Services of which not every deployment of the two periods could be counted: there were too many, or a document is
    /// damaged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub counted_in_part: u32,
}

/// What came of the deployments that ended in a period. Those that others took the place of say nothing of how well
/// deploying goes: they are counted apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFigures {
    /// Services of which a deployment ended.
    pub services: u32,
    pub succeeded: u32,
    /// Those that failed where nothing was restored.
    pub failed: u32,
    /// Those that failed and whose services are stable again on what ran before.
    pub rolled_back: u32,
    /// Those that another deployment took the place of.
    pub superseded: u32,
    /// How many of all these were asked for to go back to an earlier deployment.
    pub rollbacks_asked_for: u32,
    /// From the push to the stable service, of the pushes that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<Times>,
    /// From a failure to the next success of the same service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_restore: Option<Times>,
    /// Services whose last failure no success had followed when the period was over.
    pub not_restored: u32,
}

impl DeploymentFigures {
    /// How many deployments succeeded or failed.
    pub fn deployments(&self) -> u32 {
        self.succeeded.saturating_add(self.all_failed())
    }

    /// How many failed, whatever ran afterwards.
    pub fn all_failed(&self) -> u32 {
        self.failed.saturating_add(self.rolled_back)
    }
}

/// How long something took, some times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How many times.
    pub count: u32,
    /// Half of them took at most this many seconds.
    pub median_seconds: u64,
    /// What took longest.
    pub longest_seconds: u64,
    /// Whose that was.
    pub longest_of: ServiceOfStack,
}

/// A service of a stack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceOfStack {
    pub stack: String,
    pub service: String,
}

/// How many deployments of a service failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFailures {
    pub stack: String,
    pub service: String,
    /// How many failed, whatever ran afterwards.
    pub failed: u32,
    /// How many succeeded or failed.
    pub deployments: u32,
}

/// serde hands over a reference.
fn is_zero(number: &u32) -> bool {
    *number == 0
}
