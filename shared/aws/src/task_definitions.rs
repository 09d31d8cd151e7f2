//! Task definitions as the JSON that ECS speaks, past the SDK's types: these know only the fields
//! that ECS had when they were generated, and would drop what AWS added since.

use std::sync::{Arc, OnceLock};

use aws_sdk_ecs::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ecs::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecs::error::BoxError;
use aws_sdk_ecs::types::TaskDefinitionField;
use aws_smithy_types::body::SdkBody;
use longshore_rollout::ports::{Tag, TaskDefinition};
use longshore_state::CallError;
use serde_json::Value;

use crate::error::{failed, unreadable};
use crate::{AwsCloud, one_slow_attempt};

/// Keeps the body of an answer as it came.
#[derive(Debug, Clone, Default)]
struct AnswerBody(Arc<OnceLock<Vec<u8>>>);

impl Intercept for AnswerBody {
    fn name(&self) -> &'static str {
        "AnswerBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = context.response().body().bytes()
            && context.response().status().is_success()
        {
            self.0.get_or_init(|| body.to_vec());
        }
        Ok(())
    }
}

pub(crate) async fn describe(cloud: &AwsCloud, arn: &str) -> Result<TaskDefinition, CallError> {
    let operation = format!("describe task definition {arn}");
    let body = AnswerBody::default();
    cloud
        .ecs()
        .describe_task_definition()
        .task_definition(arn)
        .include(TaskDefinitionField::Tags)
        .customize()
        .interceptor(body.clone())
        .send()
        .await
        .map_err(failed(&operation))?;
    let body = body
        .0
        .get()
        .ok_or_else(|| unreadable(&operation, "ECS gave no body"))?;
    let mut answer: Value =
        serde_json::from_slice(body).map_err(|error| unreadable(&operation, error.to_string()))?;
    let tags: Vec<Tag> = match answer.get_mut("tags").map(Value::take) {
        None | Some(Value::Null) => Vec::new(),
        Some(tags) => serde_json::from_value(tags)
            .map_err(|error| unreadable(&operation, format!("field `tags`: {error}")))?,
    };
    Ok(TaskDefinition {
        document: answer["taskDefinition"].take(),
        tags,
    })
}

pub(crate) async fn register(cloud: &AwsCloud, request: &Value) -> Result<String, CallError> {
    let family = request
        .get("family")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let operation = format!("register task definition of family {family}");
    let body = request.to_string();
    let answer = cloud
        .ecs()
        .register_task_definition()
        .family(family)
        .set_container_definitions(Some(Vec::new()))
        .customize()
        // A second request would make a second revision.
        .config_override(Builder::new().timeout_config(one_slow_attempt()))
        .mutate_request(move |request| {
            request
                .headers_mut()
                .insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.as_str());
        })
        .send()
        .await
        .map_err(failed(&operation))?;
    answer
        .task_definition
        .and_then(|task_definition| task_definition.task_definition_arn)
        .ok_or_else(|| unreadable(operation, "ECS gave no ARN"))
}
