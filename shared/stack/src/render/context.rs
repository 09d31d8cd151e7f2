//! What a template depends on besides the stack file.

use std::collections::{BTreeMap, BTreeSet};

/// What a template depends on besides the stack file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// The ARN of the policy that limits all roles of the template.
    pub permissions_boundary_arn: Option<String>,
    /// By service and container, the image to put in place of the stack file's, in the same forms.
    pub images: BTreeMap<String, BTreeMap<String, String>>,
    /// The services whose listener rule sends requests to the alternate one of their two target groups; those of the
    /// others go to the first.
    pub on_alternate: BTreeSet<String>,
    /// By the name or ARN that the stack file has, the complete ARN of a secret of Secrets Manager. Without it,
    /// a template names the secret by an ARN that lacks the six characters at its end, where that is possible.
    pub secrets: BTreeMap<String, String>,
    /// Whether a log group that is there is imported by its name when the template is applied, as a change set does with
    /// `ImportExistingResources`. Then the services' log groups outlive a failed creation; otherwise they would be in
    /// the way of the next one.
    pub imports_log_groups: bool,
}

/// How the names of the boundary and of the queue end that the installation's Terraform makes, behind its prefix.
const BOUNDARY: &str = "-permissions-boundary";
const DEAD_LETTERS_OF_SCHEDULES: &str = "-schedule-dead-letters";

impl Context {
    /// The name of the queue in which EventBridge Scheduler leaves the runs that it could not begin: beside the
    /// boundary, the installation that gives it has such a queue, too.
    pub(super) fn dead_letters_of_schedules(&self) -> Option<String> {
        let (_, name) = self.permissions_boundary_arn.as_deref()?.rsplit_once('/')?;
        let prefix = name.strip_suffix(BOUNDARY)?;
        Some(format!("{prefix}{DEAD_LETTERS_OF_SCHEDULES}"))
    }
}
