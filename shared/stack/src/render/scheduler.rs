//! Schedules of EventBridge Scheduler.

use serde::Serialize;

use crate::spec;

use super::placement::{NetworkConfiguration, Share};
use super::template::{Properties, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SchedulerSchedule {
    pub(super) description: String,
    pub(super) flexible_time_window: FlexibleTimeWindow,
    pub(super) schedule_expression: Value,
    pub(super) schedule_expression_timezone: Value,
    pub(super) state: &'static str,
    pub(super) target: Target,
}

impl Properties for SchedulerSchedule {
    const TYPE: &'static str = "AWS::Scheduler::Schedule";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FlexibleTimeWindow {
    pub(super) mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub(super) arn: Value,
    pub(super) dead_letter_config: Option<DeadLetterConfig>,
    pub(super) ecs_parameters: Option<EcsParameters>,
    pub(super) input: Option<Value>,
    pub(super) retry_policy: RetryPolicy,
    pub(super) role_arn: Value,
}

/// Where runs go that the target refused until the retries were over.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeadLetterConfig {
    pub(super) arn: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EcsParameters {
    pub(super) capacity_provider_strategy: Option<Vec<Share>>,
    #[serde(rename = "EnableECSManagedTags")]
    pub(super) enable_ecs_managed_tags: bool,
    pub(super) enable_execute_command: bool,
    /// By which `watch` knows whose the task is.
    pub(super) group: String,
    pub(super) launch_type: Option<&'static str>,
    pub(super) network_configuration: NetworkConfiguration,
    pub(super) propagate_tags: &'static str,
    pub(super) task_count: u32,
    pub(super) task_definition_arn: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RetryPolicy {
    maximum_event_age_in_seconds: u32,
    maximum_retry_attempts: u32,
}

impl RetryPolicy {
    pub(super) fn of(spec: &spec::RetryPolicy) -> Self {
        Self {
            maximum_event_age_in_seconds: spec.maximum_event_age_in_seconds,
            maximum_retry_attempts: spec.maximum_retry_attempts,
        }
    }
}
