//! ECS's own account of what it does with a service: service deployments and the service revisions that they bring.

use aws_sdk_ecs::types::{
    CreatedAt, DeploymentStrategy, ServiceDeployment as Described, ServiceDeploymentBrief,
    ServiceDeploymentStatus as Status,
};
use aws_smithy_types::DateTime as SdkDateTime;
use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::longshore::RolloutProgress;
use longshore_rollout::ports::{ServiceDeployment, ServiceDeploymentStatus};
use longshore_state::CallError;

use crate::AwsCloud;
use crate::error::failed;
use crate::services::in_words;

/// DescribeServiceRevisions takes at most this many revisions, and the newest service deployments are listed first.
const REVISIONS_ALLOWED: i32 = 20;

/// The newest service deployment that brings `task_definition` to the service and was created since then.
pub(crate) async fn newest(
    cloud: &AwsCloud,
    service: &ServiceName,
    task_definition: &str,
    since: DateTime<Utc>,
) -> Result<Option<ServiceDeployment>, CallError> {
    let listed = cloud
        .ecs()
        .list_service_deployments()
        .cluster(&service.cluster)
        .service(&service.ecs_service)
        .created_at(
            CreatedAt::builder()
                .after(SdkDateTime::from_secs(since.timestamp()))
                .build(),
        )
        .max_results(REVISIONS_ALLOWED)
        .send()
        .await
        .map_err(failed(format!(
            "list service deployments of {}",
            in_words(service)
        )))?;
    let listed = listed.service_deployments.unwrap_or_default();
    let Some(arn) = bringing(cloud, service, &listed, task_definition).await? else {
        return Ok(None);
    };
    let described = cloud
        .ecs()
        .describe_service_deployments()
        .service_deployment_arns(arn)
        .send()
        .await
        .map_err(failed(format!(
            "describe a service deployment of {}",
            in_words(service)
        )))?;
    let described = described.service_deployments.unwrap_or_default();
    Ok(described.into_iter().next().map(account))
}

/// The ARN of the newest of `listed` whose service revision runs `task_definition`.
async fn bringing<'a>(
    cloud: &AwsCloud,
    service: &ServiceName,
    listed: &'a [ServiceDeploymentBrief],
    task_definition: &str,
) -> Result<Option<&'a str>, CallError> {
    let mut revisions: Vec<String> = listed
        .iter()
        .filter_map(|brief| brief.target_service_revision_arn())
        .map(str::to_owned)
        .collect();
    revisions.sort();
    revisions.dedup();
    if revisions.is_empty() {
        return Ok(None);
    }
    let described = cloud
        .ecs()
        .describe_service_revisions()
        .set_service_revision_arns(Some(revisions))
        .send()
        .await
        .map_err(failed(format!(
            "describe service revisions of {}",
            in_words(service)
        )))?;
    let runs_it = |arn: &str| {
        described.service_revisions().iter().any(|revision| {
            revision.service_revision_arn() == Some(arn)
                && revision.task_definition() == Some(task_definition)
        })
    };
    Ok(listed
        .iter()
        .filter(|brief| brief.target_service_revision_arn().is_some_and(runs_it))
        .max_by_key(|brief| brief.created_at().map(SdkDateTime::as_nanos))
        .and_then(ServiceDeploymentBrief::service_deployment_arn))
}

fn account(described: Described) -> ServiceDeployment {
    let status = match described.status {
        Some(Status::Successful) => ServiceDeploymentStatus::Successful,
        Some(Status::Stopped) => ServiceDeploymentStatus::Stopped,
        Some(Status::RollbackRequested | Status::RollbackInProgress) => {
            ServiceDeploymentStatus::RollingBack
        }
        Some(Status::RollbackSuccessful) => ServiceDeploymentStatus::RolledBack,
        Some(Status::RollbackFailed) => ServiceDeploymentStatus::RollbackFailed,
        _ => ServiceDeploymentStatus::InProgress,
    };
    let configuration = described.deployment_configuration;
    let shifts = configuration.as_ref().is_some_and(|configuration| {
        let strategy = configuration.strategy();
        strategy.is_some_and(|strategy| *strategy != DeploymentStrategy::Rolling)
    });
    let watches = configuration.as_ref().is_some_and(|configuration| {
        configuration.bake_time_in_minutes().unwrap_or_default() > 0
            || configuration.alarms().is_some_and(|alarms| alarms.enable())
    });
    let weight = described
        .target_service_revision
        .and_then(|target| target.requested_production_traffic_weight);
    let progress = described
        .lifecycle_stage
        .filter(|_| shifts)
        .map(|stage| RolloutProgress {
            stage: stage.as_str().to_owned(),
            shifted_percent: weight.and_then(percent),
        });
    let rollback = described.rollback.and_then(|rollback| rollback.reason);
    ServiceDeployment {
        status,
        reason: rollback
            .or(described.status_reason)
            .filter(|reason| !reason.is_empty())
            .unwrap_or_else(|| format!("ECS says {} and gives no reason", name_of(status))),
        bakes: shifts || watches,
        progress,
    }
}

fn name_of(status: ServiceDeploymentStatus) -> &'static str {
    match status {
        ServiceDeploymentStatus::InProgress => "that the deployment goes on",
        ServiceDeploymentStatus::Successful => "that the deployment was successful",
        ServiceDeploymentStatus::Stopped => "that the deployment was stopped",
        ServiceDeploymentStatus::RollingBack => "that the deployment is rolled back",
        ServiceDeploymentStatus::RolledBack => "that the deployment was rolled back",
        ServiceDeploymentStatus::RollbackFailed => "that the rollback failed",
    }
}

/// A weight of 0.0 to 100.0 as whole percents.
fn percent(weight: f64) -> Option<u8> {
    (0..=100).find(|percent| f64::from(*percent) >= weight.round())
}
