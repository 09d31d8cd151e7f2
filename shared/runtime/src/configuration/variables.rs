//! The names of the variables. Every one is named here, or in [`super::task`], and nowhere else.

use std::env;

/// The bucket that holds routes, release files and deployment records.
pub const STATE_BUCKET_NAME: &str = "STATE_BUCKET_NAME";
/// The bus that Longshore publishes its events on.
pub const EVENT_BUS_NAME: &str = "EVENT_BUS_NAME";
/// The name of the secret that says where messages go: a webhook's URL, or a bot's token and channel.
pub const SLACK_WEBHOOK_SECRET_NAME: &str = "SLACK_WEBHOOK_SECRET_NAME";
/// The name of the secret that holds the signing secret of the Slack app.
pub const SLACK_SIGNING_SECRET_NAME: &str = "SLACK_SIGNING_SECRET_NAME";
/// Who may press which button, as JSON: ids of people by action.
pub const SLACK_BUTTON_USERS: &str = "SLACK_BUTTON_USERS";
/// The id of the workspace whose people may press buttons; without it, those of any.
pub const SLACK_TEAM_ID: &str = "SLACK_TEAM_ID";
/// Where Slack's Web API is, in place of Slack's own: a fake on loopback, for tests. Nothing else needs
/// it.
pub const SLACK_API_URL: &str = "SLACK_API_URL";
/// The role that CloudFormation works with.
pub const CLOUDFORMATION_ROLE_ARN: &str = "CLOUDFORMATION_ROLE_ARN";
/// The permissions boundary of the roles that templates make.
pub const PERMISSIONS_BOUNDARY_ARN: &str = "PERMISSIONS_BOUNDARY_ARN";
/// From how many bytes on a bottle sync runs in tasks instead of the function.
pub const SYNC_LAMBDA_THRESHOLD_BYTES: &str = "SYNC_LAMBDA_THRESHOLD_BYTES";
/// How many files are transferred at once.
pub const DOWNLOAD_CONCURRENCY: &str = "DOWNLOAD_CONCURRENCY";
/// How much is logged: one of [`crate::logs::LEVELS`].
pub const LOG_LEVEL: &str = "LOG_LEVEL";

/// A variable's value; an empty one counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
