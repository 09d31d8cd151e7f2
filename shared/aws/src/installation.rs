//! What an installation consists of, as AWS shows it.

use std::collections::BTreeMap;

use aws_config::{Region, SdkConfig};
use longshore_events::partition::Partition;
use longshore_rollout::installation::{FunctionState, Installation, Rules, SecretState};
use longshore_rollout::lost_events::DeadLetterQueues;
use longshore_state::{CallError, ErrorClass};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::{failed, unreadable};
use crate::signed::{Query, RestCall, json_call};

/// The answer to GetCallerIdentity: the AWS Security Token Service API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    account: String,
    arn: String,
}

/// The answer to GetFunctionConfiguration: the AWS Lambda API Reference.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Function {
    state: String,
    state_reason: Option<String>,
    last_update_status: String,
    last_update_status_reason: Option<String>,
    code_sha256: String,
    environment: Environment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, String>,
}

/// IAM has one endpoint in a partition: the AWS General Reference, "AWS Identity and Access Management endpoints".
fn of_iam(configuration: &SdkConfig) -> SdkConfig {
    let region = configuration.region().map(AsRef::as_ref);
    let region = match Partition::of_region(region.unwrap_or_default()).name {
        "aws" => "us-east-1",
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => region.unwrap_or_default(),
    };
    let region = Region::new(region.to_owned());
    configuration.to_builder().region(region).build()
}

impl AwsCloud {
    async fn caller(&self) -> Result<Caller, CallError> {
        Query::new("GetCallerIdentity", "2011-06-15")
            .send(
                &self.configuration,
                "look whose credentials these are",
                "sts",
            )
            .await
    }

    /// The ARN of whoever has the credentials that calls are signed with.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn caller_arn(&self) -> Result<String, CallError> {
        Ok(self.caller().await?.arn)
    }
}

impl Installation for AwsCloud {
    async fn account(&self) -> Result<String, CallError> {
        Ok(self.caller().await?.account)
    }

    async fn function(&self, name: &str) -> Result<Option<FunctionState>, CallError> {
        let operation = format!("look at function {name}");
        let call = RestCall {
            operation: &operation,
            service: "lambda",
            method: "GET",
            path: &format!("2015-03-31/functions/{name}/configuration"),
            headers: &[],
            body: String::new(),
        };
        let body = match call.send(&self.configuration).await {
            Ok(body) => body,
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let function: Function = serde_json::from_slice(&body)
            .map_err(|error| unreadable(operation, error.to_string()))?;
        Ok(Some(FunctionState {
            state: function.state,
            reason: function.state_reason.or(function.last_update_status_reason),
            last_update: function.last_update_status,
            code: function.code_sha256,
            environment: function.environment.variables,
        }))
    }

    async fn rules(&self, bus: Option<&str>, prefix: &str) -> Result<Option<Rules>, CallError> {
        let operation = format!("list the rules of event bus {}", bus.unwrap_or("default"));
        let mut rules = Rules::new();
        let mut token = Value::Null;
        loop {
            let mut request = json!({"NamePrefix": prefix, "Limit": 100});
            if let Some(bus) = bus {
                request["EventBusName"] = json!(bus);
            }
            if !token.is_null() {
                request["NextToken"] = token;
            }
            let answer: Result<Value, CallError> = json_call(
                &self.configuration,
                &operation,
                "events",
                "AWSEvents.ListRules",
                &request,
            )
            .await;
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let listed = answer["Rules"].as_array().into_iter().flatten();
            rules.extend(listed.filter_map(|rule| {
                let name = rule["Name"].as_str()?.to_owned();
                // A rule may also take events of CloudTrail: ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS.
                Some((name, rule["State"].as_str()?.starts_with("ENABLED")))
            }));
            token = answer["NextToken"].take();
            if token.is_null() {
                return Ok(Some(rules));
            }
        }
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, CallError> {
        let operation = format!("look at policy {arn}");
        let found: Result<IgnoredAny, CallError> = Query::new("GetPolicy", "2010-05-08")
            .with("PolicyArn", arn)
            .send(&of_iam(&self.configuration), &operation, "iam")
            .await;
        match found {
            Ok(IgnoredAny) => Ok(true),
            Err(error) if error.class == ErrorClass::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn secret(&self, name: &str) -> Result<Option<SecretState>, CallError> {
        let described = self
            .secrets_manager()
            .describe_secret()
            .secret_id(name)
            .send()
            .await
            .map_err(failed(format!("look at secret {name}")));
        let described = match described {
            Ok(described) => described,
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let versions = described.version_ids_to_stages();
        let mut stages = versions
            .into_iter()
            .flat_map(|stages| stages.values().flatten());
        Ok(Some(SecretState {
            has_value: stages.any(|stage| stage == "AWSCURRENT"),
            is_deleted: described.deleted_date().is_some(),
        }))
    }

    async fn queue_length(&self, name: &str) -> Result<Option<u64>, CallError> {
        let Some(queue_url) = self.queue_url(name).await? else {
            return Ok(None);
        };
        let request = json!({
            "QueueUrl": queue_url,
            "AttributeNames": ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        });
        let operation = format!("look at queue {name}");
        let answer: Value = self.sqs(&operation, "GetQueueAttributes", &request).await?;
        let number = |attribute: &str| {
            let number = answer["Attributes"][attribute].as_str();
            number
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or_default()
        };
        Ok(Some(
            number("ApproximateNumberOfMessages") + number("ApproximateNumberOfMessagesNotVisible"),
        ))
    }
}
