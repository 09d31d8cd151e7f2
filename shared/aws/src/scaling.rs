//! How many tasks of a service run: ECS, and Application Auto Scaling where that sets the number.

use longshore_events::arn::ServiceName;
use longshore_rollout::ports::ServiceScaler;
use longshore_state::CallError;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::failed;
use crate::signed::json_call;

impl ServiceScaler for AwsCloud {
    async fn scales_itself(&self, service: &ServiceName) -> Result<bool, CallError> {
        let ServiceName {
            cluster,
            ecs_service,
        } = service;
        let answer: Value = json_call(
            &self.configuration,
            &format!("look whether service {ecs_service} of cluster {cluster} scales by itself"),
            "application-autoscaling",
            "AnyScaleFrontendService.DescribeScalableTargets",
            &json!({
                "ServiceNamespace": "ecs",
                "ResourceIds": [format!("service/{cluster}/{ecs_service}")],
                "ScalableDimension": "ecs:service:DesiredCount",
            }),
        )
        .await?;
        let targets = answer["ScalableTargets"].as_array();
        Ok(targets.is_some_and(|targets| !targets.is_empty()))
    }

    async fn set_desired_count(&self, service: &ServiceName, count: u32) -> Result<(), CallError> {
        let ServiceName {
            cluster,
            ecs_service,
        } = service;
        self.ecs()
            .update_service()
            .cluster(cluster)
            .service(ecs_service)
            .desired_count(i32::try_from(count).unwrap_or(i32::MAX))
            .send()
            .await
            .map(drop)
            .map_err(failed(format!(
                "set {count} tasks of service {ecs_service} of cluster {cluster}"
            )))
    }
}
