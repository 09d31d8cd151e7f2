//! Schedules of EventBridge Scheduler, which has a path for each and speaks JSON: the EventBridge Scheduler API
//! Reference, GetSchedule.

use longshore_rollout::ports::{ScheduledTask, TaskSchedules};
use longshore_state::CallError;
use serde::Deserialize;

use crate::AwsCloud;
use crate::signed::get;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Schedule {
    target: Target,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    #[serde(default)]
    ecs_parameters: Option<EcsParameters>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsParameters {
    #[serde(default)]
    group: Option<String>,
    task_definition_arn: String,
}

impl TaskSchedules for AwsCloud {
    async fn scheduled_task(
        &self,
        schedule_group: &str,
        schedule_name: &str,
    ) -> Result<Option<ScheduledTask>, CallError> {
        let operation = format!("look at schedule {schedule_name} of group {schedule_group}");
        let path = format!("schedules/{schedule_name}?groupName={schedule_group}");
        let schedule = get(&self.configuration, &operation, "scheduler", &path);
        Ok(schedule.await?.and_then(task_of))
    }
}

/// The task that a schedule starts, if it starts one.
fn task_of(schedule: Schedule) -> Option<ScheduledTask> {
    schedule.target.ecs_parameters.map(|task| ScheduledTask {
        group: task.group.unwrap_or_default(),
        task_definition: task.task_definition_arn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_says_which_task_it_starts_if_it_starts_one() {
        let answer = r#"{"Name": "nightly", "State": "ENABLED", "Target": {
            "Arn": "arn:aws:ecs:eu-west-1:111122223333:cluster/shop", "RoleArn": "arn:aws:iam::111122223333:role/run",
            "EcsParameters": {"Group": "longshore-schedule:shop:api:nightly", "TaskCount": 1,
            "TaskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop-api"}}}"#;
        let task = task_of(serde_json::from_str(answer).unwrap()).unwrap();
        assert_eq!(task.group, "longshore-schedule:shop:api:nightly");
        assert!(task.task_definition.ends_with("/shop-api"));
        let other = r#"{"Target": {"Arn": "arn:aws:lambda:eu-west-1:111122223333:function:sync"}}"#;
        assert_eq!(task_of(serde_json::from_str(other).unwrap()), None);
        assert!(serde_json::from_str::<Schedule>("{}").is_err());
    }
}
