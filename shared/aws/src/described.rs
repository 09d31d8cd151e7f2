//! A service of ECS with all that ECS says of it.

use aws_config::SdkConfig;
use longshore_events::arn::ServiceName;
use longshore_state::CallError;
use serde_json::{Value, json};

use crate::error::not_found;
use crate::signed::json_call;

/// The answers of DescribeServices, about one service, and of DescribeTaskDefinition, about what it runs: documents of
/// the Amazon ECS API Reference, with fields that Longshore never heard of.
///
/// # Errors
/// [`CallError`]; [`longshore_state::ErrorClass::NotFound`] when there is no such service.
pub async fn described_service(
    configuration: &SdkConfig,
    service: &ServiceName,
) -> Result<(Value, Value), CallError> {
    let ServiceName {
        cluster,
        ecs_service,
    } = service;
    let operation = format!("describe ECS service {ecs_service} of cluster {cluster}");
    let asked = json!({"cluster": cluster, "services": [ecs_service]});
    let services: Value = ask(configuration, &operation, "DescribeServices", &asked).await?;
    let arn = services["services"][0]["taskDefinition"].as_str();
    let Some(arn) = arn.map(str::to_owned) else {
        return Err(not_found(
            &operation,
            "ECS knows no such service in this region",
        ));
    };
    let operation = format!("describe task definition {arn}");
    let asked = json!({"taskDefinition": arn});
    let definition = ask(configuration, &operation, "DescribeTaskDefinition", &asked).await?;
    Ok((services, definition))
}

async fn ask(
    configuration: &SdkConfig,
    operation: &str,
    action: &str,
    asked: &Value,
) -> Result<Value, CallError> {
    let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
    json_call(configuration, operation, "ecs", &target, asked).await
}
