//! `environment.json`: what there is to work with in a running local cloud after Terraform was applied.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::cloud::Cloud;
use crate::control::Control;
use crate::task_roles::{TaskRoles, ensure_cluster};
use crate::terraform::{self, Applied};
use crate::workspace::Workspace;

pub use crate::programs::Programs;

/// The environment variable that names a cloud's directory to the end-to-end tests.
pub const DIRECTORY_VARIABLE: &str = "LONGSHORE_LOCAL_DIRECTORY";

/// The cluster that is made for services.
pub const CLUSTER: &str = "longshore";

/// A local cloud with Longshore installed in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Environment {
    /// The cloud that it runs in.
    pub cloud: Cloud,
    /// The cluster for services.
    pub cluster: String,
    /// The roles of the services' tasks, which the deploy function may pass.
    pub task_roles: TaskRoles,
    /// What Terraform made.
    pub applied: Applied,
    /// The program of the task that transfers bottles; the cloud's own copy.
    pub bottle_sync: PathBuf,
}

fn path(directory: &Path) -> PathBuf {
    directory.join("environment.json")
}

/// A copy of a program in the cloud's directory: a program that runs cannot be built anew.
fn own_copy(program: &Path, directory: &Path) -> Result<PathBuf> {
    let copy = directory.join("bottle-sync");
    let unfinished = directory.join("bottle-sync.unfinished");
    std::fs::copy(program, &unfinished)
        .and_then(|_| std::fs::rename(&unfinished, &copy))
        .with_context(|| format!("copy {} to {}", program.display(), copy.display()))?;
    Ok(copy)
}

impl Environment {
    /// Installs Longshore into a cloud: the roles of tasks, Terraform, the cluster; writes `environment.json`.
    /// `progress` gets what is being done.
    ///
    /// # Errors
    /// When a call is refused or Terraform fails.
    pub fn install(
        workspace: &Workspace,
        directory: &Path,
        cloud: Cloud,
        programs: &Programs,
        mut progress: impl FnMut(&str),
    ) -> Result<Self> {
        let client = cloud.client();
        progress("creating the roles of tasks and the cluster");
        let task_roles = TaskRoles::ensure(&client)?;
        ensure_cluster(&client, CLUSTER)?;
        progress("applying infra/environments/local");
        let applied = terraform::apply(workspace, directory, &cloud, &task_roles, programs)?;
        let environment = Self {
            cloud,
            cluster: CLUSTER.to_owned(),
            task_roles,
            applied,
            bottle_sync: own_copy(&programs.bottle_sync, directory)?,
        };
        environment.write(directory)?;
        Ok(environment)
    }

    /// For this user only: it holds the local cloud's keys.
    fn write(&self, directory: &Path) -> Result<()> {
        let path = path(directory);
        let text = serde_json::to_string_pretty(self).context("write the environment as JSON")?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("write {}", path.display()))
    }

    /// Reads it from a cloud's directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = path(directory);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("read {} (is the local cloud up?)", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
    }

    /// The one that [`DIRECTORY_VARIABLE`] names.
    ///
    /// # Errors
    /// When the variable is not set or the cloud is not up.
    pub fn of_this_process() -> Result<Self> {
        let directory = std::env::var_os(DIRECTORY_VARIABLE)
            .with_context(|| format!("{DIRECTORY_VARIABLE} is not set: run cargo xtask test"))?;
        Self::read(Path::new(&directory))
    }

    /// A client with the administrator's credentials.
    #[must_use]
    pub fn client(&self) -> Client {
        self.cloud.client()
    }

    /// The control server.
    #[must_use]
    pub fn control(&self) -> Control {
        self.cloud.control()
    }

    /// The variables that point any AWS client, and a person, at it.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.cloud.endpoint.clone()),
            ("AWS_REGION", self.cloud.region.clone()),
            ("AWS_DEFAULT_REGION", self.cloud.region.clone()),
            ("AWS_ACCESS_KEY_ID", self.cloud.access_key_id.clone()),
            (
                "AWS_SECRET_ACCESS_KEY",
                self.cloud.secret_access_key.clone(),
            ),
            ("STATE_BUCKET_NAME", self.applied.state_bucket_name.clone()),
            ("EVENT_BUS_NAME", self.applied.event_bus_name.clone()),
            (
                "CLOUDFORMATION_ROLE_ARN",
                self.applied.cloudformation_role_arn.clone(),
            ),
            (
                "PERMISSIONS_BOUNDARY_ARN",
                self.applied.permissions_boundary_arn.clone(),
            ),
            ("ECS_CLUSTER", self.cluster.clone()),
            (
                "SLACK_MESSAGES_URL",
                format!("{}/slack/messages", self.cloud.control),
            ),
        ]
    }
}
