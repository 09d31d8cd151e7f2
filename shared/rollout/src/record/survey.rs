//! What is known of a repository that one call does not list.

use longshore_policy::image_policy::{ImagePolicy, RegistryImage};
use serde::{Deserialize, Serialize};

/// That a repository was listed, and what its policy named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// By which policy.
    pub policy: ImagePolicy,
    /// What the policy named. Of all that was there then, and of what was heard of since, nothing comes after it,
    /// whether it was deployed or not.
    pub newest: RegistryImage,
}
