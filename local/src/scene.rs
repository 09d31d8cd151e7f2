//! What the demo and the end-to-end tests put into the cloud and look for in it: images, services, routes, tasks.

use anyhow::{Context, Result, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::archive;
use crate::client::{CallError, Client, Credentials, JsonService, QueryService, element};
use crate::environment::Environment;
pub use crate::images::{fails, push_image, push_index, push_program, repository_address, serves};
use crate::wait::Seen;

/// The tag of the image that a service is created with. Nobody follows it: its push is not a deployment.
pub const FIRST_TAG: &str = "initial";

/// A function that answers the credentials it was given.
const CREDENTIALS_FUNCTION: &str = r#"
import os


def handler(event, context):
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: os.environ[name] for name in names}
"#;

/// What stack files take for granted: a VPC with a subnet in each of two zones.
#[derive(Debug, Clone)]
pub struct Network {
    pub vpc: String,
    /// The subnets' ids.
    pub subnets: [String; 2],
}

impl Network {
    /// Makes it.
    ///
    /// # Errors
    /// When EC2 refuses.
    pub fn create(environment: &Environment) -> Result<Self> {
        let client = environment.client();
        let xml = client
            .query(
                QueryService::Ec2,
                "CreateVpc",
                &[("CidrBlock", "10.0.0.0/16")],
            )
            .context("create a VPC")?;
        let vpc = element(&xml, "vpcId").context("create a VPC: the answer has no id")?;
        let subnet = |zone: &str, block: &str| {
            let zone = format!("{}{zone}", environment.cloud.region);
            let parameters = [
                ("VpcId", vpc.as_str()),
                ("AvailabilityZone", zone.as_str()),
                ("CidrBlock", block),
            ];
            let xml = client
                .query(QueryService::Ec2, "CreateSubnet", &parameters)
                .with_context(|| format!("create a subnet in {zone}"))?;
            element(&xml, "subnetId")
                .with_context(|| format!("create a subnet in {zone}: the answer has no id"))
        };
        let subnets = [subnet("a", "10.0.0.0/24")?, subnet("b", "10.0.1.0/24")?];
        Ok(Self { vpc, subnets })
    }
}

/// Asks for a stack by a stack file; answers its key.
///
/// # Errors
/// When S3 refuses.
pub fn put_stack_file(environment: &Environment, stack: &str, text: &str) -> Result<String> {
    let key = format!("stacks/{stack}.yaml");
    environment
        .client()
        .put_object(&environment.applied.state_bucket_name, &key, text)
        .with_context(|| format!("write {key}"))?;
    Ok(key)
}

/// CloudFormation's status of a stack; `None` when there is no stack of this name.
///
/// # Errors
/// When CloudFormation refuses to say.
pub fn stack_status(environment: &Environment, stack: &str) -> Result<Option<String>> {
    let described = environment.client().query(
        QueryService::CloudFormation,
        "DescribeStacks",
        &[("StackName", stack)],
    );
    match described {
        Ok(xml) => Ok(element(&xml, "StackStatus")),
        Err(CallError::Refused { message, .. }) if message.contains("does not exist") => Ok(None),
        Err(error) => Err(error).with_context(|| format!("describe stack {stack}")),
    }
}

/// A service of two tasks with one container, and who follows its repository.
#[derive(Debug, Clone)]
pub struct Service {
    /// Longshore's name of the stack.
    pub stack: String,
    /// Longshore's name of the service, which is also ECS's and the container's.
    pub name: String,
    /// The ECR repository that it follows.
    pub repository: String,
    /// The tags that it follows: names, or globs with `*` and `?`.
    pub tags: Vec<String>,
}

impl Service {
    /// ECS's name of it, unique to the stack.
    #[must_use]
    pub fn ecs_name(&self) -> String {
        format!("{}-{}", self.stack, self.name)
    }

    /// Pushes a first image with [`FIRST_TAG`], creates the service with two tasks of it, and writes the route.
    /// Answers the first image's digest. The tasks need not run yet.
    ///
    /// # Errors
    /// When a call is refused.
    pub fn create(&self, environment: &Environment) -> Result<String> {
        let client = environment.client();
        let digest = push_image(
            &client,
            &self.repository,
            FIRST_TAG,
            &serves(&format!("{} {FIRST_TAG} is serving", self.name)),
        )?;
        let address = repository_address(&client, &self.repository)?;
        let definition = client
            .json(
                JsonService::Ecs,
                "RegisterTaskDefinition",
                &self.task_definition(environment, &format!("{address}@{digest}")),
            )
            .with_context(|| {
                format!("register the first task definition of {}", self.ecs_name())
            })?;
        client
            .json(
                JsonService::Ecs,
                "CreateService",
                &json!({
                    "cluster": environment.cluster,
                    "serviceName": self.ecs_name(),
                    "taskDefinition": definition["taskDefinition"]["taskDefinitionArn"],
                    "desiredCount": 2,
                    "launchType": "FARGATE",
                    "deploymentConfiguration": {
                        "deploymentCircuitBreaker": {"enable": true, "rollback": true},
                        "minimumHealthyPercent": 100,
                        "maximumPercent": 200,
                    },
                    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-local"]}},
                }),
            )
            .with_context(|| format!("create service {}", self.ecs_name()))?;
        put_route(environment, &self.repository, &[self])?;
        Ok(digest)
    }

    fn task_definition(&self, environment: &Environment, image: &str) -> Value {
        json!({
            "family": self.ecs_name(),
            "taskRoleArn": environment.task_roles.task,
            "executionRoleArn": environment.task_roles.execution,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{
                "name": self.name,
                "image": image,
                "essential": true,
                "stopTimeout": 2,
                "environment": [{"name": "SERVICE", "value": self.name}],
            }],
            "tags": [{"key": "owner", "value": self.stack}],
        })
    }

    /// Asks for an image by a release file.
    ///
    /// # Errors
    /// When S3 refuses.
    pub fn put_release(&self, environment: &Environment, content: &Value) -> Result<String> {
        let key = format!("releases/{}/{}.json", self.stack, self.name);
        environment
            .client()
            .put_object(
                &environment.applied.state_bucket_name,
                &key,
                &content.to_string(),
            )
            .with_context(|| format!("write {key}"))?;
        Ok(key)
    }

    /// The service as ECS describes it.
    ///
    /// # Errors
    /// When ECS refuses or does not know it.
    pub fn describe(&self, environment: &Environment) -> Result<Value> {
        let request = json!({"cluster": environment.cluster, "services": [self.ecs_name()]});
        let answer = environment
            .client()
            .json(JsonService::Ecs, "DescribeServices", &request)
            .with_context(|| format!("describe service {}", self.ecs_name()))?;
        match &answer["services"][0] {
            Value::Null => bail!(
                "describe service {}: {}",
                self.ecs_name(),
                answer["failures"]
            ),
            service => Ok(service.clone()),
        }
    }

    /// The task definition that ECS runs for it.
    ///
    /// # Errors
    /// When ECS refuses.
    pub fn task_definition_in_use(&self, environment: &Environment) -> Result<Value> {
        let service = self.describe(environment)?;
        let answer = environment
            .client()
            .json(
                JsonService::Ecs,
                "DescribeTaskDefinition",
                &json!({"taskDefinition": service["taskDefinition"]}),
            )
            .with_context(|| format!("describe the task definition of {}", self.ecs_name()))?;
        Ok(answer["taskDefinition"].clone())
    }

    /// How many task definitions were registered for it.
    ///
    /// # Errors
    /// When ECS refuses.
    pub fn count_task_definitions(&self, environment: &Environment) -> Result<usize> {
        let answer = environment
            .client()
            .json(
                JsonService::Ecs,
                "ListTaskDefinitions",
                &json!({"familyPrefix": self.ecs_name()}),
            )
            .with_context(|| format!("list the task definitions of {}", self.ecs_name()))?;
        Ok(answer["taskDefinitionArns"].as_array().map_or(0, Vec::len))
    }

    /// The exit codes of the containers of this image whose tasks have stopped, as long as ECS remembers them.
    ///
    /// # Errors
    /// When ECS refuses.
    pub fn exit_codes(&self, environment: &Environment, digest: &str) -> Result<Vec<i64>> {
        let tasks = self.tasks(environment, "STOPPED")?;
        Ok(tasks
            .iter()
            .filter(|task| runs_image(task, digest))
            .filter_map(|task| task["containers"][0]["exitCode"].as_i64())
            .collect())
    }

    fn tasks(&self, environment: &Environment, desired_status: &str) -> Result<Vec<Value>> {
        let client = environment.client();
        let list = json!({
            "cluster": environment.cluster,
            "serviceName": self.ecs_name(),
            "desiredStatus": desired_status,
        });
        let listed = client
            .json(JsonService::Ecs, "ListTasks", &list)
            .with_context(|| format!("list the tasks of {}", self.ecs_name()))?;
        if listed["taskArns"].as_array().is_none_or(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let describe = json!({"cluster": environment.cluster, "tasks": listed["taskArns"]});
        let described = client
            .json(JsonService::Ecs, "DescribeTasks", &describe)
            .with_context(|| format!("describe the tasks of {}", self.ecs_name()))?;
        Ok(described["tasks"].as_array().cloned().unwrap_or_default())
    }

    /// Whether ECS has started exactly two tasks of this image and no others, each with a process of
    /// this machine.
    ///
    /// # Errors
    /// When the cloud refuses to say.
    pub fn runs(&self, environment: &Environment, digest: &str) -> Result<Seen<Running>> {
        let service = self.describe(environment)?;
        let deployments = service["deployments"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let [deployment] = deployments else {
            return Ok(Seen::NotYet(format!(
                "{} deployments in progress",
                deployments.len()
            )));
        };
        if deployment["rolloutState"] != "COMPLETED" {
            return Ok(Seen::NotYet(format!(
                "the deployment is {}",
                deployment["rolloutState"]
            )));
        }
        let tasks = self.tasks(environment, "RUNNING")?;
        let of_image = tasks
            .iter()
            .filter(|task| task["lastStatus"] == "RUNNING" && runs_image(task, digest))
            .count();
        if of_image != 2 || tasks.len() != 2 {
            return Ok(Seen::NotYet(format!(
                "{of_image} of {} tasks run {}",
                tasks.len(),
                short_digest(digest)
            )));
        }
        let arns: Vec<&str> = tasks
            .iter()
            .filter_map(|task| task["taskArn"].as_str())
            .collect();
        let containers: Vec<_> = environment
            .control()
            .containers()?
            .into_iter()
            .filter(|container| {
                container
                    .task
                    .as_deref()
                    .is_some_and(|task| arns.contains(&task))
            })
            .collect();
        let dead = containers
            .iter()
            .any(|container| container.pid.is_some_and(|pid| !crate::process::runs(pid)));
        if dead || containers.len() != 2 {
            return Ok(Seen::NotYet(format!(
                "{} containers of 2 tasks run",
                containers.len()
            )));
        }
        Ok(Seen::Yes(Running {
            processes: containers
                .iter()
                .filter_map(|container| container.pid)
                .collect(),
        }))
    }
}

/// A service as a route names it.
#[must_use]
pub fn subscriber(environment: &Environment, service: &Service) -> Value {
    json!({
        "stack": service.stack,
        "service": service.name,
        "cluster": environment.cluster,
        "ecs_service": service.ecs_name(),
        "container": service.name,
        "image_policy": {"tags": service.tags},
    })
}

/// Writes who follows a repository: these services and no others.
///
/// # Errors
/// When S3 refuses.
pub fn put_route(
    environment: &Environment,
    repository: &str,
    subscribers: &[&Service],
) -> Result<()> {
    let subscribers: Vec<Value> = subscribers
        .iter()
        .map(|service| subscriber(environment, service))
        .collect();
    let key = format!("routes/{repository}.json");
    let route = json!({"repository": repository, "subscribers": subscribers}).to_string();
    environment
        .client()
        .put_object(&environment.applied.state_bucket_name, &key, &route)
        .with_context(|| format!("write {key}"))?;
    Ok(())
}

/// Who follows a repository, as its route says; nobody where there is no route.
///
/// # Errors
/// When S3 refuses, or the route cannot be read.
pub fn subscribers(environment: &Environment, repository: &str) -> Result<Vec<Value>> {
    let key = format!("routes/{repository}.json");
    let text = environment
        .client()
        .get_object(&environment.applied.state_bucket_name, &key)
        .with_context(|| format!("read {key}"))?;
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let route: Value = serde_json::from_str(&text).with_context(|| format!("read {key}"))?;
    Ok(route["subscribers"].as_array().cloned().unwrap_or_default())
}

/// What [`Service::runs`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The processes of the two tasks; empty where a Docker engine runs them.
    pub processes: Vec<u32>,
}

fn runs_image(task: &Value, digest: &str) -> bool {
    task["containers"].as_array().is_some_and(|containers| {
        containers.iter().any(|container| {
            container["imageDigest"] == digest
                || container["image"]
                    .as_str()
                    .is_some_and(|image| image.ends_with(digest))
        })
    })
}

/// The first digits of a digest, as people read it.
#[must_use]
pub fn short_digest(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

/// The temporary credentials that Lambda gives to functions with this role. Nobody may assume such a role but Lambda,
/// so a function that answers its own credentials is made, invoked and deleted.
///
/// # Errors
/// When a call is refused or the function fails.
pub fn credentials_of_function_role(client: &Client, role: &str) -> Result<Credentials> {
    let name = format!("longshore-local-credentials-{}", std::process::id());
    let archive = archive::of_one_file(
        "index.py",
        0o644,
        CREDENTIALS_FUNCTION.as_bytes(),
        archive::Compression::Fastest,
    )?;
    let body = json!({
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": role,
        "Code": {"ZipFile": BASE64_STANDARD.encode(archive)},
    });
    client
        .lambda(
            "CreateFunction",
            Method::POST,
            "/2015-03-31/functions",
            &body,
        )
        .with_context(|| format!("create function {name} with role {role}"))?;
    let answer = client.invoke(&name, &json!({}));
    client
        .lambda(
            "DeleteFunction",
            Method::DELETE,
            &format!("/2015-03-31/functions/{name}"),
            &Value::Null,
        )
        .with_context(|| format!("delete function {name}"))?;
    let answer = match answer.with_context(|| format!("invoke function {name}"))? {
        Ok(answer) => answer,
        Err(error) => bail!("function {name} failed: {error}"),
    };
    let field = |field: &str| {
        answer[field]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("function {name} answered no {field}"))
    };
    Ok(Credentials {
        access_key_id: field("AWS_ACCESS_KEY_ID")?,
        secret_access_key: field("AWS_SECRET_ACCESS_KEY")?,
        session_token: Some(field("AWS_SESSION_TOKEN")?),
    })
}

/// What a function wrote to its log, oldest first.
///
/// # Errors
/// When the log cannot be read.
pub fn function_log(environment: &Environment, function: &str) -> Result<Vec<String>> {
    log_lines(environment, environment.applied.log_group_name(function)?)
}

/// What was written to a log group, oldest first.
///
/// # Errors
/// When the log cannot be read.
pub fn log_lines(environment: &Environment, group: &str) -> Result<Vec<String>> {
    log_lines_since(environment, group, 0)
}

/// The same, of lines from this time on, in milliseconds since 1970.
///
/// # Errors
/// When the log cannot be read.
pub fn log_lines_since(environment: &Environment, group: &str, since: u64) -> Result<Vec<String>> {
    let client = environment.client();
    let mut lines = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut request = json!({"logGroupName": group, "startTime": since});
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let page = client
            .json(JsonService::Logs, "FilterLogEvents", &request)
            .with_context(|| format!("read log group {group}"))?;
        let events = page["events"].as_array().map_or(&[][..], Vec::as_slice);
        lines.extend(
            events
                .iter()
                .filter_map(|event| event["message"].as_str().map(str::to_owned)),
        );
        token = page["nextToken"].clone();
        if token.is_null() || events.is_empty() {
            return Ok(lines);
        }
    }
}

/// The bodies of the messages in a function's dead-letter queue; they stay there.
///
/// # Errors
/// When the queue cannot be read.
pub fn dead_letters(environment: &Environment, function: &str) -> Result<Vec<String>> {
    let address = environment.applied.dead_letter_queue_url(function)?;
    let request = json!({"QueueUrl": address, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0});
    let answer = environment
        .client()
        .json(JsonService::Sqs, "ReceiveMessage", &request)
        .with_context(|| format!("read queue {address}"))?;
    let messages = answer["Messages"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(messages
        .iter()
        .filter_map(|message| message["Body"].as_str().map(str::to_owned))
        .collect())
}

/// Sends the events in a function's dead-letter queue to the function again, as `docs/operating.md` says, and takes them
/// out of the queue; answers how many there were.
///
/// # Errors
/// When a call is refused.
pub fn resend_dead_letters(environment: &Environment, function: &str) -> Result<usize> {
    let client = environment.client();
    let address = environment.applied.dead_letter_queue_url(function)?;
    let name = environment.applied.function_name(function)?;
    let mut resent = 0;
    loop {
        let request = json!({"QueueUrl": address, "MaxNumberOfMessages": 10});
        let answer = client
            .json(JsonService::Sqs, "ReceiveMessage", &request)
            .with_context(|| format!("read queue {address}"))?;
        let messages = answer["Messages"].as_array().map_or(&[][..], Vec::as_slice);
        if messages.is_empty() {
            return Ok(resent);
        }
        for message in messages {
            let body = message["Body"].as_str().unwrap_or_default();
            let letter: Value = serde_json::from_str(body)
                .with_context(|| format!("read a message of {address}"))?;
            // Lambda's record of a failed invocation holds the event; a rule or a schedule sends the event itself.
            let event = letter.get("requestPayload").unwrap_or(&letter);
            client
                .invoke_later(name, event)
                .with_context(|| format!("send {event} to {name} again"))?;
            let message = json!({"QueueUrl": address, "ReceiptHandle": message["ReceiptHandle"]});
            client
                .json(JsonService::Sqs, "DeleteMessage", &message)
                .with_context(|| format!("delete a message of {address}"))?;
            resent += 1;
        }
    }
}

/// Whether a call was refused because the caller's policies do not allow it; answers what AWS said.
///
/// # Errors
/// When it was allowed, or failed for another reason.
pub fn refused<T>(call: Result<T, CallError>) -> Result<String> {
    match call {
        Ok(_) => bail!("the call was allowed"),
        Err(error) if error.is_access_denied() => Ok(error.to_string()),
        Err(error) => Err(error).context("the call failed for another reason than its permissions"),
    }
}
