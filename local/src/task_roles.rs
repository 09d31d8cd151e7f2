//! What tasks need before a service is created: their roles and the cluster.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Client, JsonService, QueryService, element};

/// The roles that tasks run with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskRoles {
    /// What the containers may do.
    pub task: String,
    /// What ECS may do for them: pull images, write logs.
    pub execution: String,
}

impl TaskRoles {
    /// Makes the roles, or finds them made already.
    ///
    /// # Errors
    /// When IAM refuses.
    pub fn ensure(client: &Client) -> Result<Self> {
        Ok(Self {
            task: ensure_role(client, "longshore-local-task")?,
            execution: ensure_role(client, "longshore-local-execution")?,
        })
    }

    /// Both, as Terraform wants them.
    #[must_use]
    pub fn arns(&self) -> [&str; 2] {
        [&self.task, &self.execution]
    }
}

fn ensure_role(client: &Client, name: &str) -> Result<String> {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string();
    let parameters = [
        ("RoleName", name),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    let xml = match client.query(QueryService::Iam, "CreateRole", &parameters) {
        Err(error) if error.code() == Some("EntityAlreadyExists") => {
            client.query(QueryService::Iam, "GetRole", &[("RoleName", name)])
        }
        answer => answer,
    }
    .with_context(|| format!("create role {name}"))?;
    element(&xml, "Arn").with_context(|| format!("create role {name}: the answer has no ARN"))
}

/// Makes the cluster, or finds it made already.
///
/// # Errors
/// When ECS refuses.
pub fn ensure_cluster(client: &Client, name: &str) -> Result<()> {
    client
        .json(
            JsonService::Ecs,
            "CreateCluster",
            &json!({"clusterName": name}),
        )
        .with_context(|| format!("create cluster {name}"))?;
    Ok(())
}
