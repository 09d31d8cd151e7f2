//! Which mirrors there are: what their stacks' templates and outputs say of them.

use std::collections::BTreeMap;

use longshore_bottles::mirrors::{MIRRORS, MirrorEntry, MirrorKey};
use longshore_bottles::ports::Mirrors;
use longshore_bottles::settings::{CapacityShare, MirrorLocation, MirrorSettings, TaskLocation};
use longshore_provisioning::ports::StackProvisioner;
use longshore_state::document::{names, overwrite};
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde_json::Value;

use crate::AwsCloud;
use crate::error::not_found;

/// `Metadata.Longshore.BottleSync` of a template.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    settings: MirrorSettings,
    service: Option<String>,
}

/// What tasks are started with, as far as the stack file says it: beside `Service`, where there is one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks {
    cpu: u32,
    memory: u32,
    assign_public_ip: bool,
    capacity_provider_strategy: Vec<Share>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Share {
    capacity_provider: String,
    weight: i32,
    base: i32,
}

impl Mirrors for AwsCloud {
    async fn mirror(&self, stack: &str) -> Result<(MirrorSettings, MirrorLocation), CallError> {
        let operation = format!("find the mirror of stack {stack}");
        let Some(described) = self.describe(stack).await? else {
            return Err(not_found(operation, "there is no such stack"));
        };
        let metadata = self.template_metadata(stack).await?.unwrap_or_default();
        mirror(stack, &metadata, &described.outputs).map_err(|message| CallError {
            operation,
            class: ErrorClass::Refused,
            code: None,
            message,
        })
    }

    async fn mirrors(&self) -> Result<Vec<String>, CallError> {
        names(self, MIRRORS, ".json").await
    }

    async fn add_mirror(&self, stack: &str) -> Result<(), CallError> {
        let entry = MirrorEntry {
            stack: stack.to_owned(),
        };
        overwrite(self, &MirrorKey(stack), &entry).await.map(drop)
    }
}

/// A mirror by its template's metadata and its stack's outputs, or what is wrong with them.
fn mirror(
    stack: &str,
    metadata: &Value,
    outputs: &BTreeMap<String, String>,
) -> Result<(MirrorSettings, MirrorLocation), String> {
    let metadata = metadata
        .pointer("/Longshore/BottleSync")
        .ok_or("it has no `bottle_sync`: add one to its stack file and apply it")?;
    let unreadable = |error| format!("`bottle_sync` in the template cannot be read: {error}");
    let Metadata { settings, service } = Metadata::deserialize(metadata).map_err(unreadable)?;
    let tasks = service
        .map(|_| Tasks::deserialize(metadata).map_err(unreadable))
        .transpose()?;
    let output = |name: &str| {
        outputs.get(name).cloned().ok_or_else(|| {
            format!(
                "it has no output {name}: wait until its change has ended, or apply its stack file again"
            )
        })
    };
    let list = |name: &str| {
        output(name).map(|ids| {
            ids.split(',')
                .map(|id| id.trim().to_owned())
                .filter(|id| !id.is_empty())
                .collect()
        })
    };
    let tasks = tasks
        .map(|tasks| {
            Ok::<_, String>(TaskLocation {
                cluster_arn: output("BottleSyncClusterArn")?,
                task_definition_family: output("BottleSyncTaskDefinitionFamily")?,
                container_name: output("BottleSyncContainerName")?,
                subnet_ids: list("BottleSyncSubnetIds")?,
                security_group_ids: list("BottleSyncSecurityGroupIds")?,
                assign_public_ip: tasks.assign_public_ip,
                capacity_provider_strategy: tasks
                    .capacity_provider_strategy
                    .into_iter()
                    .map(|share| CapacityShare {
                        capacity_provider: share.capacity_provider,
                        weight: share.weight,
                        base: share.base,
                    })
                    .collect(),
                file_system_id: outputs.get("BottleSyncFileSystemId").cloned(),
                cpu: tasks.cpu,
                memory: tasks.memory,
            })
        })
        .transpose()?;
    let place = MirrorLocation {
        stack: stack.to_owned(),
        bucket: output("BottleSyncBucketName")?,
        tasks,
    };
    Ok((settings, place))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a stack with a mirror renders, and what its outputs are.
    const RENDERED: &str = include_str!("../../stack/tests/fixtures/bottle-sync.json");

    fn rendered() -> (Value, BTreeMap<String, String>) {
        let fixture: Value = serde_json::from_str(RENDERED).unwrap();
        let outputs = serde_json::from_value(fixture["Outputs"].clone()).unwrap();
        (
            json!({"Longshore": {"BottleSync": fixture["Metadata"]}}),
            outputs,
        )
    }

    #[test]
    fn what_stacks_render_is_read() {
        let (metadata, outputs) = rendered();
        let (settings, place) = mirror("bottles", &metadata, &outputs).unwrap();
        let written = &metadata["Longshore"]["BottleSync"];
        assert_eq!(settings.index_url, written["Settings"]["IndexUrl"]);
        assert_eq!(settings.max_tasks, written["Settings"]["MaxTasks"]);
        assert_eq!(place.stack, "bottles");
        assert_eq!(place.bucket, outputs["BottleSyncBucketName"]);
        let tasks = place.tasks.unwrap();
        assert_eq!(tasks.cpu, written["Cpu"]);
        assert_eq!(tasks.memory, written["Memory"]);
        assert_eq!(
            tasks.subnet_ids.join(","),
            outputs["BottleSyncSubnetIds"].replace(' ', "")
        );
        assert_eq!(
            tasks.capacity_provider_strategy.len(),
            written["CapacityProviderStrategy"]
                .as_array()
                .unwrap()
                .len()
        );
        assert_eq!(
            tasks.file_system_id.as_ref(),
            outputs.get("BottleSyncFileSystemId")
        );
    }

    #[test]
    fn a_mirror_without_a_service_has_no_tasks() {
        let (mut metadata, outputs) = rendered();
        let written = metadata["Longshore"]["BottleSync"].as_object_mut().unwrap();
        written.retain(|name, _| name == "Settings");
        let outputs = outputs
            .into_iter()
            .filter(|(name, _)| name == "BottleSyncBucketName")
            .collect();
        let (_, place) = mirror("bottles", &metadata, &outputs).unwrap();
        assert_eq!(place.tasks, None);
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let (metadata, outputs) = rendered();
        let without = |name: &str| {
            let mut outputs = outputs.clone();
            outputs.remove(name);
            mirror("bottles", &metadata, &outputs).unwrap_err()
        };
        assert_eq!(
            without("BottleSyncBucketName"),
            "it has no output BottleSyncBucketName: wait until its change has ended, or apply its stack file again"
        );
        assert!(without("BottleSyncClusterArn").contains("BottleSyncClusterArn"));
        let none = mirror("shop", &json!({"Longshore": {}}), &outputs).unwrap_err();
        assert_eq!(
            none,
            "it has no `bottle_sync`: add one to its stack file and apply it"
        );
        let mut half = metadata.clone();
        half["Longshore"]["BottleSync"]
            .as_object_mut()
            .unwrap()
            .remove("Cpu");
        let unreadable = mirror("bottles", &half, &outputs).unwrap_err();
        assert!(unreadable.contains("Cpu"), "{unreadable}");
    }
}
