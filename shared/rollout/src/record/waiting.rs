//! What keeps a request back.

use chrono::{DateTime, Duration, Utc};
use longshore_events::image::Image;
use longshore_events::longshore::{Caller, SkipReason, WaitReason};
use serde::{Deserialize, Serialize};

use super::request::Request;

/// Somebody holds all deployments of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; without it, until somebody resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
}

impl Hold {
    /// Whether the other says the same, be it since another time.
    pub fn says(&self, other: &Self) -> bool {
        (&self.note, &self.until, &self.by) == (&other.note, &other.until, &other.by)
    }
}

/// A push that an image policy allows and that did not go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// What was pushed; its tag is there.
    pub image: Image,
    /// When it was pushed, or its tag was put on an image that was there.
    pub at: DateTime<Utc>,
    /// Why it did not go out.
    pub reason: SkipReason,
    /// The tag that the policy selected instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<String>,
}

impl PassedOver {
    /// Whether somebody may look for it: what runs already is missed by nobody.
    pub fn is_missed(&self) -> bool {
        self.reason != SkipReason::AlreadyRunning
    }

    /// Whether that may change by itself.
    pub fn is_for_now(&self) -> bool {
        matches!(
            self.reason,
            SkipReason::TooYoung | SkipReason::OthersDeploying
        )
    }
}

/// Why and how long a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What it waits for.
    pub why: WaitReason,
    /// Since when it has waited for that.
    pub since: DateTime<Utc>,
    /// When that ends, where it is known.
    pub until: Option<DateTime<Utc>>,
}

/// A request that may not go out yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub request: Request,
    /// The container whose image it replaces.
    pub container: String,
    /// What it waits for.
    pub why: WaitReason,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When that ends, where it is known: the hold, the freeze window, or the time in which it can be
    /// approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Until when it can be approved, once it has waited for that, whatever it waits for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve_by: Option<DateTime<Utc>>,
    /// Whether somebody has approved it.
    #[serde(default)]
    pub approved: bool,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Caller>,
    /// What it was published as waiting for: each is published once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<WaitReason>,
    /// Since when no route names the service any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrouted_since: Option<DateTime<Utc>>,
}

/// How long a request waits for its route to come back: somebody may be editing it.
const ROUTE_RETURNS: Duration = Duration::hours(1);

impl Waiting {
    /// When it is given up because no route names the service any more.
    pub fn given_up_at(&self) -> Option<DateTime<Utc>> {
        self.unrouted_since.map(|since| since + ROUTE_RETURNS)
    }

    /// Whether it waits for the same kind of thing as `why`, whatever else is to be said of that.
    pub(crate) fn is_for(&self, why: &WaitReason) -> bool {
        is_same_kind(&self.why, why)
    }

    /// Whether it was published as waiting for this.
    pub(super) fn is_published(&self, why: &WaitReason) -> bool {
        self.told
            .iter()
            .any(|published| is_same_kind(published, why))
    }
}

fn is_same_kind(one: &WaitReason, other: &WaitReason) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}
