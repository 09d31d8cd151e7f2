//! Destroying a stack. Data stays unless the stack file says that it goes, and a stack with data must be
//! named twice.

use std::collections::BTreeMap;

use longshore_events::longshore::{ChangeCounts, OperationKind};
use longshore_rollout::documents::StackRecordStore;
use longshore_rollout::stack_record::{Operation, Preserved, StackRecord, flush};
use longshore_state::{CallError, ErrorClass, Worker, unless_lost};
use serde::Serialize;

use crate::apply::StackRequest;
use crate::error::ProvisioningError;
use crate::ports::{DescribedStack, FoundFileSystem, ProvisioningCloud};
use crate::prepare::obstacle;
use crate::settings::Settings;
use crate::template::{DataResource, Holder, Template};
use crate::watch::abandon;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destroyed {
    pub stack: String,
    /// The token of CloudFormation's events.
    pub operation_id: String,
    /// The file systems that stay.
    pub kept: Vec<FoundFileSystem>,
    /// The file systems that go.
    pub deleted: Vec<FoundFileSystem>,
}

/// What destroying a stack would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destruction {
    pub stack: String,
    /// The services that would end, by their names in the stack file.
    pub services: Vec<String>,
    /// How many resources its template has.
    pub resources: usize,
    /// The file systems that would stay.
    pub kept: Vec<FoundFileSystem>,
    /// The file systems that would go.
    pub deleted: Vec<FoundFileSystem>,
    /// Whether it is refused until the stack file says `termination_protection: false`.
    pub protected: bool,
}

/// Says what [`destroy`] would do. Nothing is changed.
///
/// # Errors
/// [`ProvisioningError`]; [`ProvisioningError::Conflict`] where there is no such stack.
pub async fn examine<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
) -> Result<Destruction, ProvisioningError> {
    let Some(described) = cloud.describe(stack).await? else {
        return Err(no_such_stack(stack));
    };
    let Content {
        template,
        kept,
        deleted,
    } = content(cloud, stack).await?;
    let services = services(template.as_ref()).into_iter();
    Ok(Destruction {
        stack: stack.to_owned(),
        services: services.map(|one| one.subscriber.service).collect(),
        resources: template.map_or(0, |template| template.resource_types().len()),
        kept,
        deleted,
        protected: described.termination_protection,
    })
}

/// Begins to delete a stack. One with file systems must be named once more, in `confirmation`.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn destroy<C: ProvisioningCloud>(
    cloud: &C,
    settings: &Settings,
    stack: &str,
    confirmation: Option<&str>,
    request: &StackRequest,
    worker: &Worker,
) -> Result<Destroyed, ProvisioningError> {
    let stored = cloud.load_stack(stack).await?;
    let last = stored.as_ref().map(|(record, _)| &record.operation);
    let is_retry = last.is_some_and(|operation| operation.id == request.id);
    if !is_retry && last.is_some_and(Operation::is_changing) {
        return Err(conflict(
            stack,
            "it is being changed; wait until that is done".to_owned(),
        ));
    }
    let Some(described) = cloud.describe(stack).await? else {
        return Err(no_such_stack(stack));
    };
    if described.status.is_changing() && !is_retry {
        return Err(conflict(stack, obstacle(stack, &described)));
    }
    if described.termination_protection {
        return Err(conflict(
            stack,
            "it is protected: set `termination_protection: false` in its stack file and apply that \
             first"
                .to_owned(),
        ));
    }
    let Content {
        template,
        kept,
        deleted,
    } = content(cloud, stack).await?;
    if !(kept.is_empty() && deleted.is_empty()) && confirmation != Some(stack) {
        return Err(conflict(stack, unconfirmed(stack, &kept, &deleted)));
    }
    let operation = Operation {
        services: services(template.as_ref()),
        stack_id: Some(described.stack_id.clone()),
        ..Operation::begin(
            &request.id,
            OperationKind::Destroy,
            request.source.clone(),
            request.at,
        )
    };
    let resources = template.map_or(0, |template| template.resource_types().len());
    let counts = ChangeCounts {
        remove: u32::try_from(resources).unwrap_or(u32::MAX),
        ..ChangeCounts::default()
    };
    let before = stored.as_ref();
    let record = StackRecord::begin(
        stack,
        before.map(|(record, _)| record),
        operation,
        counts,
        worker,
    );
    let saved = cloud
        .save_stack(&record, before.map(|(_, version)| version))
        .await;
    let version = unless_lost(saved)?.ok_or_else(|| {
        conflict(
            stack,
            "another change of it has just begun; wait until that is done".to_owned(),
        )
    })?;
    let role_arn = settings.cloudformation_role_arn.as_deref();
    if let Err(error) = delete(cloud, &described, role_arn, &request.id).await {
        if matches!(error.class, ErrorClass::Refused | ErrorClass::Denied) {
            abandon(cloud, stack, &request.id, &error.to_string(), worker).await?;
        }
        return Err(error.into());
    }
    flush(cloud, record, version, worker).await?;
    Ok(Destroyed {
        stack: stack.to_owned(),
        operation_id: request.id.clone(),
        kept,
        deleted,
    })
}

/// By its id, so that a stack of the same name that somebody makes meanwhile is not meant.
async fn delete<C: ProvisioningCloud>(
    cloud: &C,
    described: &DescribedStack,
    role_arn: Option<&str>,
    token: &str,
) -> Result<(), CallError> {
    cloud
        .delete_stack(&described.stack_id, role_arn, token)
        .await
}

/// What a stack holds.
struct Content {
    /// `None` where its template is not one of ours.
    template: Option<Template>,
    /// The file systems that stay.
    kept: Vec<FoundFileSystem>,
    /// The file systems that go with it.
    deleted: Vec<FoundFileSystem>,
}

async fn content<C: ProvisioningCloud>(cloud: &C, stack: &str) -> Result<Content, CallError> {
    let body = cloud.template(stack).await?;
    let template = body.as_deref().and_then(Template::parse);
    // A bucket never goes with what is in it: CloudFormation deletes empty ones only.
    let described: Vec<DataResource> = template
        .as_ref()
        .map(Template::data)
        .unwrap_or_default()
        .into_iter()
        .filter(|data| data.holder == Holder::FileSystem)
        .collect();
    let found = match described.as_slice() {
        [] => Vec::new(),
        _ => cloud.file_systems(stack).await?,
    };
    let (kept, deleted) = found.into_iter().partition(|found| {
        !described
            .iter()
            .any(|described| described.name == found.name && described.deleted_with_stack)
    });
    Ok(Content {
        template,
        kept,
        deleted,
    })
}

/// File systems with their ids and sizes.
pub fn list(file_systems: &[FoundFileSystem]) -> String {
    let named = file_systems.iter().map(|file_system| {
        format!(
            "{} ({}, {})",
            file_system.name,
            file_system.file_system_id,
            size(file_system.size_in_bytes)
        )
    });
    named.collect::<Vec<_>>().join(", ")
}

fn unconfirmed(stack: &str, kept: &[FoundFileSystem], deleted: &[FoundFileSystem]) -> String {
    let mut words = "it holds data:".to_owned();
    if !deleted.is_empty() {
        words.push_str(&format!(
            " DELETED with it would be file system {};",
            list(deleted)
        ));
    }
    if !kept.is_empty() {
        words.push_str(&format!(" kept would be file system {};", list(kept)));
    }
    words.push_str(&format!(
        " to destroy it, name it once more: `confirm` of the payload, or `--confirm` of the command, must be \
         `{stack}`"
    ));
    words
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024 && unit + 1 < UNITS.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}

fn services(template: Option<&Template>) -> Vec<Preserved> {
    template
        .and_then(Template::metadata)
        .map(|metadata| {
            metadata
                .services
                .iter()
                .map(|(service, described)| Preserved {
                    subscriber: described.subscriber(&metadata.stack, service),
                    image: None,
                    also: BTreeMap::new(),
                    is_named: false,
                })
                .collect()
        })
        .unwrap_or_default()
}

fn no_such_stack(stack: &str) -> ProvisioningError {
    conflict(stack, "there is no such stack".to_owned())
}

fn conflict(stack: &str, reason: String) -> ProvisioningError {
    ProvisioningError::Conflict {
        operation: "destroy",
        stack: stack.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_reported_in_the_largest_unit_that_is_not_below_one() {
        let cases = [
            (6144, "6 KiB"),
            (13_000_000_000, "12 GiB"),
            (17, "17 bytes"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }
}
