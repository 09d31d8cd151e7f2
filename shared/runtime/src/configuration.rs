//! Configuration, read once at start.

mod reader;

pub mod task;
pub(crate) mod variables;

pub use reader::InvalidEnvironment;

use reader::Reader;
use variables::variable;
pub use variables::{
    CLOUDFORMATION_ROLE_ARN, DOWNLOAD_CONCURRENCY, EVENT_BUS_NAME, LOG_LEVEL,
    PERMISSIONS_BOUNDARY_ARN, SLACK_API_URL, SLACK_BUTTON_USERS, SLACK_SIGNING_SECRET_NAME,
    SLACK_TEAM_ID, SLACK_WEBHOOK_SECRET_NAME, STATE_BUCKET_NAME, SYNC_LAMBDA_THRESHOLD_BYTES,
};

/// Variables that must be set and are not, all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variables are not set: {}", .0.join(", "))]
pub struct MissingVariables(Vec<&'static str>);

/// What works on deployments needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfiguration {
    pub state_bucket_name: String,
    pub event_bus_name: String,
}

impl StateConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`MissingVariables`].
    pub fn from_environment() -> Result<Self, MissingVariables> {
        Self::read(variable)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariables> {
        let [state_bucket_name, event_bus_name] =
            required([STATE_BUCKET_NAME, EVENT_BUS_NAME], variable)?;
        Ok(Self {
            state_bucket_name,
            event_bus_name,
        })
    }
}

/// What `provision` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionConfiguration {
    /// What all that works on state needs.
    pub state: StateConfiguration,
    pub cloudformation_role_arn: String,
    pub permissions_boundary_arn: String,
}

impl ProvisionConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`MissingVariables`].
    pub fn from_environment() -> Result<Self, MissingVariables> {
        let [
            state_bucket_name,
            event_bus_name,
            cloudformation_role_arn,
            permissions_boundary_arn,
        ] = required(
            [
                STATE_BUCKET_NAME,
                EVENT_BUS_NAME,
                CLOUDFORMATION_ROLE_ARN,
                PERMISSIONS_BOUNDARY_ARN,
            ],
            variable,
        )?;
        Ok(Self {
            state: StateConfiguration {
                state_bucket_name,
                event_bus_name,
            },
            cloudformation_role_arn,
            permissions_boundary_arn,
        })
    }
}

/// What `sync` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncConfiguration {
    /// What all that works on state needs.
    pub state: StateConfiguration,
    /// [`SYNC_LAMBDA_THRESHOLD_BYTES`], where it is set.
    pub threshold_bytes: Option<u64>,
    /// [`DOWNLOAD_CONCURRENCY`]; `None` for what was measured to be best.
    pub concurrency: Option<usize>,
}

impl SyncConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`InvalidEnvironment`].
    pub fn from_environment() -> Result<Self, InvalidEnvironment> {
        Self::read(variable)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEnvironment> {
        let mut reader = Reader::new(variable);
        let configuration = Self {
            state: StateConfiguration {
                state_bucket_name: reader.required(STATE_BUCKET_NAME),
                event_bus_name: reader.required(EVENT_BUS_NAME),
            },
            threshold_bytes: reader.number(SYNC_LAMBDA_THRESHOLD_BYTES, "a whole number of bytes"),
            concurrency: reader.concurrency(),
        };
        reader.finish(configuration)
    }
}

/// What `notify` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyConfiguration {
    /// What all that works on state needs.
    pub state: StateConfiguration,
    pub slack_webhook_secret_name: String,
    /// [`SLACK_API_URL`], where it is set.
    pub slack_api_url: Option<String>,
    /// [`SLACK_BUTTON_USERS`], where messages have buttons.
    pub slack_button_users: Option<String>,
}

impl NotifyConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`MissingVariables`].
    pub fn from_environment() -> Result<Self, MissingVariables> {
        let [state_bucket_name, event_bus_name, slack_webhook_secret_name] = required(
            [STATE_BUCKET_NAME, EVENT_BUS_NAME, SLACK_WEBHOOK_SECRET_NAME],
            variable,
        )?;
        Ok(Self {
            state: StateConfiguration {
                state_bucket_name,
                event_bus_name,
            },
            slack_webhook_secret_name,
            slack_api_url: variable(SLACK_API_URL),
            slack_button_users: variable(SLACK_BUTTON_USERS),
        })
    }
}

/// What `press` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PressConfiguration {
    /// What all that works on state needs.
    pub state: StateConfiguration,
    pub slack_signing_secret_name: String,
    /// Who may press which button, as JSON.
    pub slack_button_users: String,
    /// [`SLACK_TEAM_ID`], where it is set.
    pub slack_team_id: Option<String>,
    /// [`SLACK_API_URL`], where it is set.
    pub slack_api_url: Option<String>,
}

impl PressConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`MissingVariables`].
    pub fn from_environment() -> Result<Self, MissingVariables> {
        let [
            state_bucket_name,
            event_bus_name,
            slack_signing_secret_name,
            slack_button_users,
        ] = required(
            [
                STATE_BUCKET_NAME,
                EVENT_BUS_NAME,
                SLACK_SIGNING_SECRET_NAME,
                SLACK_BUTTON_USERS,
            ],
            variable,
        )?;
        Ok(Self {
            state: StateConfiguration {
                state_bucket_name,
                event_bus_name,
            },
            slack_signing_secret_name,
            slack_button_users,
            slack_team_id: variable(SLACK_TEAM_ID),
            slack_api_url: variable(SLACK_API_URL),
        })
    }
}

fn required<const COUNT: usize>(
    names: [&'static str; COUNT],
    variable: impl Fn(&str) -> Option<String>,
) -> Result<[String; COUNT], MissingVariables> {
    let found = names.map(|name| variable(name).ok_or(name));
    let missing: Vec<&str> = found
        .iter()
        .filter_map(|value| value.as_ref().err().copied())
        .collect();
    if missing.is_empty() {
        Ok(found.map(Result::unwrap_or_default))
    } else {
        Err(MissingVariables(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_variables_are_named_at_once() {
        let error = StateConfiguration::read(|_| None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variables are not set: STATE_BUCKET_NAME, EVENT_BUS_NAME"
        );
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let error = StateConfiguration::read(|name| {
            (name == STATE_BUCKET_NAME).then(|| "state".to_owned())
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variables are not set: EVENT_BUS_NAME"
        );
    }

    #[test]
    fn what_is_set_is_read() {
        let configuration = StateConfiguration::read(|name| Some(name.to_lowercase())).unwrap();
        assert_eq!(configuration.state_bucket_name, "state_bucket_name");
        assert_eq!(configuration.event_bus_name, "event_bus_name");
    }
    /// The environment of `sync` with these variables besides those that it must have.
    fn sync_with(variables: &[(&str, &str)]) -> Result<SyncConfiguration, InvalidEnvironment> {
        SyncConfiguration::read(|name| match name {
            STATE_BUCKET_NAME => Some("state".to_owned()),
            EVENT_BUS_NAME => Some("longshore".to_owned()),
            name => variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned()),
        })
    }

    #[test]
    fn what_sync_is_not_given_it_does_not_know() {
        let configuration = sync_with(&[]).unwrap();
        assert_eq!(configuration.threshold_bytes, None);
        assert_eq!(configuration.concurrency, None);
    }

    #[test]
    fn what_sync_is_given_is_read() {
        let configuration = sync_with(&[
            (SYNC_LAMBDA_THRESHOLD_BYTES, "1000"),
            (DOWNLOAD_CONCURRENCY, "5"),
        ])
        .unwrap();
        assert_eq!(configuration.threshold_bytes, Some(1000));
        assert_eq!(configuration.concurrency, Some(5));
    }

    #[test]
    fn all_that_is_wrong_with_the_environment_of_sync_is_named_at_once() {
        let error = SyncConfiguration::read(|name| match name {
            STATE_BUCKET_NAME => Some("state".to_owned()),
            SYNC_LAMBDA_THRESHOLD_BYTES => Some("20 GB".to_owned()),
            DOWNLOAD_CONCURRENCY => Some("0".to_owned()),
            _ => None,
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment is wrong: EVENT_BUS_NAME is not set; \
             SYNC_LAMBDA_THRESHOLD_BYTES: found `20 GB`, expected a whole number of bytes; \
             DOWNLOAD_CONCURRENCY: found `0`, expected a whole number from 1 to 64"
        );
    }
}
