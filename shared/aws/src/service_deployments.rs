//! ECS's own account of what it does with a service: service deployments and the service revisions that they deploy.

use aws_sdk_ecs::types::{
    CreatedAt, DeploymentStrategy, ServiceDeployment as Described, ServiceDeploymentBrief,
    ServiceDeploymentStatus as Status, ServiceRevision,
};
use aws_smithy_types::DateTime as SdkDateTime;
use chrono::{DateTime, Utc};
use longshore_events::arn::ServiceName;
use longshore_events::longshore::RolloutProgress;
use longshore_provisioning::ports::ServingGroup;
use longshore_rollout::ports::{ServiceDeployment, ServiceDeploymentStatus};
use longshore_state::{CallError, ErrorClass};

use crate::AwsCloud;
use crate::ecs::in_words;
use crate::error::{failed, unreadable};

/// DescribeServiceRevisions takes at most this many revisions. The newest service deployments are listed first, as is seen
/// and not documented: of more of them since a deployment began, the service itself decides.
const REVISIONS_ALLOWED: i32 = 20;

/// The service deployment of this ARN; `None` where ECS does not know it any more.
pub(crate) async fn of_arn(
    cloud: &AwsCloud,
    service: &ServiceName,
    arn: &str,
) -> Result<Option<ServiceDeployment>, CallError> {
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

/// The newest service deployment that deploys `task_definition` to the service and was created since then.
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
    match deploying(cloud, service, &listed, task_definition).await? {
        Some(arn) => of_arn(cloud, service, arn).await,
        None => Ok(None),
    }
}

/// The ARN of the newest of `listed` whose service revision runs `task_definition`.
async fn deploying<'a>(
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
    let revisions = describe_revisions(cloud, service, revisions).await?;
    let runs_it = |arn: &str| {
        revisions.iter().any(|revision| {
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

async fn describe_revisions(
    cloud: &AwsCloud,
    service: &ServiceName,
    arns: Vec<String>,
) -> Result<Vec<ServiceRevision>, CallError> {
    let answer = cloud
        .ecs()
        .describe_service_revisions()
        .set_service_revision_arns(Some(arns))
        .send()
        .await
        .map_err(failed(format!(
            "describe service revisions of {}",
            in_words(service)
        )))?;
    Ok(answer.service_revisions.unwrap_or_default())
}

/// Behind which of its two target groups the tasks of a service are. The service names the two; only its revision says
/// which one it took: the Amazon ECS API Reference, ResolvedConfiguration.
pub(crate) async fn serving_group(
    cloud: &AwsCloud,
    service: &ServiceName,
) -> Result<ServingGroup, CallError> {
    let described = match cloud.active_service(service).await {
        Err(error) if error.class == ErrorClass::NotFound => return Ok(ServingGroup::First),
        described => described?,
    };
    let balancers = described.load_balancers();
    let alternate = balancers
        .iter()
        .find_map(|balancer| balancer.advanced_configuration())
        .and_then(|advanced| advanced.alternate_target_group_arn());
    let Some(alternate) = alternate else {
        return Ok(ServingGroup::First);
    };
    let revisions = described.current_service_revisions();
    if described.deployments().len() > 1 || revisions.len() > 1 {
        return Ok(ServingGroup::Both);
    }
    let unknown = || {
        unreadable(
            format!("find the target group of {}", in_words(service)),
            "ECS does not say behind which one the tasks are",
        )
    };
    let revision = revisions.first().and_then(|revision| revision.arn());
    let revision = revision.ok_or_else(unknown)?;
    let revisions = describe_revisions(cloud, service, vec![revision.to_owned()]).await?;
    let taken: Vec<&str> = revisions
        .iter()
        .filter_map(|revision| revision.resolved_configuration())
        .flat_map(|resolved| resolved.load_balancers())
        .filter_map(|balancer| balancer.target_group_arn())
        .collect();
    // Guessed wrongly, requests would go to where nobody listens.
    if taken.is_empty() {
        return Err(unknown());
    }
    Ok(match taken.contains(&alternate) {
        true => ServingGroup::Alternate,
        false => ServingGroup::First,
    })
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
    let configuration = configuration.as_ref();
    let strategy = configuration.and_then(|configuration| configuration.strategy());
    let shifts = strategy.is_some_and(|strategy| *strategy != DeploymentStrategy::Rolling);
    let bake_time = configuration.and_then(|configuration| configuration.bake_time_in_minutes());
    let breaker =
        configuration.and_then(|configuration| configuration.deployment_circuit_breaker());
    let alarms = configuration
        .and_then(|configuration| configuration.alarms())
        .filter(|alarms| alarms.enable());
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
        arn: described.service_deployment_arn.unwrap_or_default(),
        status,
        reason: rollback
            .or(described.status_reason)
            .filter(|reason| !reason.is_empty())
            .unwrap_or_else(|| format!("ECS says {} and gives no reason", name_of(status))),
        bakes: shifts || bake_time.is_some_and(|minutes| minutes > 0) || alarms.is_some(),
        rolls_back: breaker.is_some_and(|breaker| breaker.enable() && breaker.rollback())
            || alarms.is_some_and(|alarms| alarms.rollback()),
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
