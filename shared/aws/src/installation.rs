//! What an installation consists of, as AWS shows it.

use std::collections::BTreeMap;

use aws_config::{Region, SdkConfig};
use longshore_events::partition::Partition;
use longshore_rollout::installation::{
    Caller, FunctionState, Installation, Rules, ScheduleState, SecretState,
};
use longshore_rollout::lost_events::DeadLetterQueues;
use longshore_state::{CallError, if_there};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::AwsCloud;
use crate::error::failed;
use crate::signed::{Query, get, json_call};

/// The answer to GetCallerIdentity: the AWS Security Token Service API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    account: String,
    arn: String,
}

/// The answer to GetSchedule: the EventBridge Scheduler API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Schedule {
    state: String,
    target: ScheduleTarget,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleTarget {
    arn: String,
}

/// The answer to GetRole: the AWS Identity and Access Management API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundRole {
    role: Role,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Role {
    arn: String,
}

/// A page of the answer to SimulatePrincipalPolicy: the AWS Identity and Access Management API Reference.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simulated {
    evaluation_results: Vec<Evaluation>,
    #[serde(default)]
    marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Evaluation {
    eval_action_name: String,
    eval_decision: String,
    #[serde(default)]
    organizations_decision_detail: Option<OrganizationsDecision>,
}

/// What the policies of the account's organization say, where it is in one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OrganizationsDecision {
    allowed_by_organizations: String,
}

impl Evaluation {
    fn is_allowed(&self) -> bool {
        let organization = self.organizations_decision_detail.as_ref();
        self.eval_decision == "allowed"
            && organization.is_none_or(|decision| decision.allowed_by_organizations != "false")
    }
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

impl Installation for AwsCloud {
    async fn caller(&self) -> Result<Caller, CallError> {
        let caller: CallerIdentity = Query::new("GetCallerIdentity", "2011-06-15")
            .send(
                &self.configuration,
                "look whose credentials these are",
                "sts",
            )
            .await?;
        Ok(Caller {
            account: caller.account,
            arn: caller.arn,
        })
    }

    async fn targets(&self, bus: Option<&str>, rule: &str) -> Result<Vec<String>, CallError> {
        let operation = format!("list the targets of rule {rule}");
        let mut request = json!({"Rule": rule});
        if let Some(bus) = bus {
            request["EventBusName"] = json!(bus);
        }
        // A rule has five targets at most, and a page a hundred.
        let answer = json_call::<Value>(
            &self.configuration,
            &operation,
            "events",
            "AWSEvents.ListTargetsByRule",
            &request,
        );
        let answer = if_there(answer.await)?.unwrap_or_default();
        let targets = answer["Targets"].as_array().into_iter().flatten();
        Ok(targets
            .filter_map(|target| target["Arn"].as_str())
            .map(str::to_owned)
            .collect())
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleState>, CallError> {
        let operation = format!("look at schedule {name}");
        let path = format!("schedules/{name}");
        let schedule = get::<Schedule>(&self.configuration, &operation, "scheduler", &path).await?;
        Ok(schedule.map(|schedule| ScheduleState {
            is_enabled: schedule.state == "ENABLED",
            target: schedule.target.arn,
        }))
    }

    async fn role_arn(&self, name: &str) -> Result<String, CallError> {
        let operation = format!("look at role {name}");
        let found: FoundRole = Query::new("GetRole", "2010-05-08")
            .with("RoleName", name)
            .send(&of_iam(&self.configuration), &operation, "iam")
            .await?;
        Ok(found.role.arn)
    }

    async fn refused_actions(
        &self,
        arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<String>, CallError> {
        let operation = format!("simulate the rights of {arn}");
        let mut refused = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let mut query = Query::new("SimulatePrincipalPolicy", "2010-05-08")
                .with("PolicySourceArn", arn)
                .with("ResourceArns.member.1", resource)
                .with_some("Marker", marker.as_deref());
            for (number, action) in actions.iter().enumerate() {
                query = query.with(&format!("ActionNames.member.{}", number + 1), action);
            }
            let page: Simulated = query
                .send(&of_iam(&self.configuration), &operation, "iam")
                .await?;
            let results = page.evaluation_results.into_iter();
            let not_allowed = results.filter(|evaluation| !evaluation.is_allowed());
            refused.extend(not_allowed.map(|evaluation| evaluation.eval_action_name));
            marker = page.marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(refused);
            }
        }
    }

    async fn function(&self, name: &str) -> Result<Option<FunctionState>, CallError> {
        let operation = format!("look at function {name}");
        let path = format!("2015-03-31/functions/{name}/configuration");
        let function = get::<Function>(&self.configuration, &operation, "lambda", &path).await?;
        Ok(function.map(|function| FunctionState {
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
            let answer = json_call::<Value>(
                &self.configuration,
                &operation,
                "events",
                "AWSEvents.ListRules",
                &request,
            );
            let Some(mut answer) = if_there(answer.await)? else {
                return Ok(None);
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
        Ok(if_there(found)?.is_some())
    }

    async fn secret(&self, name: &str) -> Result<Option<SecretState>, CallError> {
        let described = self
            .secrets_manager()
            .describe_secret()
            .secret_id(name)
            .send()
            .await
            .map_err(failed(format!("look at secret {name}")));
        let Some(described) = if_there(described)? else {
            return Ok(None);
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
