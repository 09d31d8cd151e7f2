//! Many small services, for storms.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use longshore_local::client::JsonService;
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::scene::{push_image, repository_address, serves};
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::{PATIENCE, messages_of};

/// How many services DescribeServices takes.
const AT_ONCE: usize = 10;

/// Services of one task each; several follow the same repository by the tags `v*`.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The cloud.
    pub environment: Environment,
    stack: String,
    repositories: usize,
    services: usize,
}

/// What ECS shows of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The image of its only container, as its task definition names it.
    pub image: String,
    /// Whether its only deployment is completed.
    pub is_stable: bool,
}

impl Fleet {
    /// Creates this many repositories and services, and waits until these run. Nobody follows the repositories yet.
    ///
    /// # Errors
    /// When the cloud is not up, or the services do not come up.
    pub fn new(stack: &str, repositories: usize, services: usize) -> Result<Self> {
        let fleet = Self {
            environment: Environment::of_this_process()?,
            stack: stack.to_owned(),
            repositories,
            services,
        };
        for number in 0..repositories {
            fleet.push(number, "initial", &serves("initial"))?;
        }
        for number in 0..services {
            fleet.create(number)?;
        }
        wait_until("all services to be stable", PATIENCE, || {
            let shown = fleet.shown()?;
            let stable = shown.values().filter(|shown| shown.is_stable).count();
            Ok(if stable == services {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{stable} are"))
            })
        })?;
        Ok(fleet)
    }

    /// The repository of this number.
    #[must_use]
    pub fn repository(&self, number: usize) -> String {
        format!("{}/image-{number}", self.stack)
    }

    /// The repository that a service follows.
    #[must_use]
    pub fn repository_of(&self, service: usize) -> usize {
        service % self.repositories
    }

    /// Longshore's name of a service.
    #[must_use]
    pub fn name(&self, service: usize) -> String {
        format!("service-{service}")
    }

    /// Pushes an image; answers its digest.
    ///
    /// # Errors
    /// When ECR refuses.
    pub fn push(&self, repository: usize, tag: &str, command: &[String]) -> Result<String> {
        let client = self.environment.client();
        push_image(&client, &self.repository(repository), tag, command)
    }

    /// Lets the services follow their repositories.
    ///
    /// # Errors
    /// When S3 refuses.
    pub fn follow(&self) -> Result<()> {
        for repository in 0..self.repositories {
            let subscribers: Vec<Value> = (0..self.services)
                .filter(|service| self.repository_of(*service) == repository)
                .map(|service| {
                    json!({
                        "stack": self.stack,
                        "service": self.name(service),
                        "cluster": self.environment.cluster,
                        "ecs_service": self.ecs_name(service),
                        "container": "app",
                        "image_policy": {"tags": ["v*"]},
                    })
                })
                .collect();
            let repository = self.repository(repository);
            let key = format!("routes/{repository}.json");
            let route = json!({"repository": repository, "subscribers": subscribers}).to_string();
            let bucket = &self.environment.applied.state_bucket_name;
            self.environment
                .client()
                .put_object(bucket, &key, &route)
                .with_context(|| format!("write {key}"))?;
        }
        Ok(())
    }

    /// The events of all pushes of images with one of these tags, as the cloud sent them.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn pushes(&self, has_tag: impl Fn(&str) -> bool) -> Result<Vec<Value>> {
        let prefix = format!("{}/", self.stack);
        let mut events = self.environment.control().events()?;
        events.retain(|event| {
            let detail = &event["detail"];
            event["source"] == "aws.ecr"
                && detail["action-type"] == "PUSH"
                && detail["repository-name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with(&prefix))
                && detail["image-tag"].as_str().is_some_and(&has_tag)
        });
        Ok(events)
    }

    /// What ECS shows of each service, by its number.
    ///
    /// # Errors
    /// When ECS refuses.
    pub fn shown(&self) -> Result<BTreeMap<usize, Shown>> {
        let client = self.environment.client();
        let mut shown = BTreeMap::new();
        let numbers: Vec<usize> = (0..self.services).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let names: Vec<String> = numbers
                .iter()
                .map(|number| self.ecs_name(*number))
                .collect();
            let request = json!({"cluster": self.environment.cluster, "services": names});
            let described = client
                .json(JsonService::Ecs, "DescribeServices", &request)
                .context("describe the services of the fleet")?;
            for (number, name) in numbers.iter().zip(&names) {
                let mut services = described["services"].as_array().into_iter().flatten();
                let service = services
                    .find(|service| service["serviceName"] == name.as_str())
                    .with_context(|| format!("{name} is not there"))?;
                let deployments = service["deployments"].as_array();
                let is_stable = deployments.is_some_and(|deployments| {
                    deployments.len() == 1
                        && deployments[0]["rolloutState"] == "COMPLETED"
                        && service["runningCount"] == 1
                });
                let described = client.json(
                    JsonService::Ecs,
                    "DescribeTaskDefinition",
                    &json!({"taskDefinition": service["taskDefinition"]}),
                )?;
                let definition = &described["taskDefinition"]["containerDefinitions"][0];
                let image = definition["image"].as_str().unwrap_or_default().to_owned();
                shown.insert(*number, Shown { image, is_stable });
            }
        }
        Ok(shown)
    }

    /// Waits until each service is stable on the image of the digest that is expected of it.
    ///
    /// # Errors
    /// When that does not come true.
    pub fn wait_until_stable(&self, expected: impl Fn(usize) -> String) -> Result<()> {
        wait_until("each service to be stable on its image", PATIENCE, || {
            let shown = self.shown()?;
            let others: Vec<String> = shown
                .iter()
                .filter(|(number, shown)| {
                    !shown.is_stable || !shown.image.ends_with(&expected(**number))
                })
                .map(|(number, shown)| format!("{}: {shown:?}", self.name(*number)))
                .collect();
            Ok(match others.first() {
                None => Seen::Yes(()),
                Some(first) => Seen::NotYet(format!("{} are not, as {first}", others.len())),
            })
        })
    }

    /// How many different messages of Slack are about this fleet and hold all of these words. A function that is cut off
    /// between posting and writing that down posts the same once more.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn count_published(&self, words: &[&str]) -> Result<usize> {
        let messages = messages_of(&self.environment, &self.stack)?;
        let reported: BTreeSet<&str> = messages
            .iter()
            .filter(|message| message.says(words))
            .map(SlackMessage::fallback)
            .collect();
        Ok(reported.len())
    }

    /// How many deployments ECS has begun for each service, by its number: one that made the service, and one each time
    /// that somebody gave it another task definition. The deployments by which ECS rolls back are left out.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn deployments(&self) -> Result<BTreeMap<usize, usize>> {
        let mut begun: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let events = self.environment.control().events()?;
        for event in &events {
            let detail = &event["detail"];
            let is_rollback = detail["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("rolling back"));
            if detail["eventName"] == "SERVICE_DEPLOYMENT_IN_PROGRESS"
                && !is_rollback
                && let Some(service) = event["resources"][0].as_str()
                && let Some(deployment) = detail["deploymentId"].as_str()
            {
                begun.entry(service).or_default().insert(deployment);
            }
        }
        let counts = (0..self.services).map(|number| {
            let end = format!("/{}", self.ecs_name(number));
            let of_service = begun.iter().filter(|(arn, _)| arn.ends_with(&end));
            let count = of_service.map(|(_, deployments)| deployments.len()).sum();
            (number, count)
        });
        Ok(counts.collect())
    }

    /// Lets no more than this many invocations of a function run at once, as an account's limit does; more wait.
    ///
    /// # Errors
    /// When Lambda refuses.
    pub fn limit(&self, function: &str, invocations: u32) -> Result<()> {
        let name = self.environment.applied.function_name(function)?;
        let path = format!("/2017-10-31/functions/{name}/concurrency");
        let limit = json!({"ReservedConcurrentExecutions": invocations});
        self.environment
            .client()
            .lambda("PutFunctionConcurrency", Method::PUT, &path, &limit)
            .with_context(|| format!("limit how many invocations of {name} run at once"))
            .map(drop)
    }

    /// Waits until these functions have worked on all events that they were given. A slow machine may take long: only a
    /// standstill is an error.
    ///
    /// # Errors
    /// When events are left and none of them is worked on, or the control server does not answer.
    pub fn wait_until_drained(&self, functions: &[&str]) -> Result<()> {
        let names = functions
            .iter()
            .map(|function| self.environment.applied.function_name(function))
            .collect::<Result<Vec<_>>>()?;
        let left = || {
            let invocations = self.environment.control().invocations()?;
            let left = names.iter().filter_map(|name| invocations.get(*name));
            anyhow::Ok(left.map(|left| left.waiting + left.running).sum::<u64>())
        };
        loop {
            let before = left()?;
            if before == 0 {
                return Ok(());
            }
            wait_until("functions to work on the events", PATIENCE, || {
                let now = left()?;
                Ok(if now < before {
                    Seen::Yes(())
                } else {
                    Seen::NotYet(format!("{now} events are left for {}", names.join(", ")))
                })
            })?;
        }
    }

    /// Takes such a limit away.
    ///
    /// # Errors
    /// When Lambda refuses.
    pub fn unlimit(&self, function: &str) -> Result<()> {
        let name = self.environment.applied.function_name(function)?;
        let path = format!("/2017-10-31/functions/{name}/concurrency");
        self.environment
            .client()
            .lambda(
                "DeleteFunctionConcurrency",
                Method::DELETE,
                &path,
                &Value::Null,
            )
            .with_context(|| format!("let any number of invocations of {name} run"))
            .map(drop)
    }

    fn ecs_name(&self, service: usize) -> String {
        format!("{}-{}", self.stack, self.name(service))
    }

    fn create(&self, service: usize) -> Result<()> {
        let client = self.environment.client();
        let name = self.ecs_name(service);
        let repository = self.repository(self.repository_of(service));
        let address = repository_address(&client, &repository)?;
        let definition = json!({
            "family": name,
            "taskRoleArn": self.environment.task_roles.task,
            "executionRoleArn": self.environment.task_roles.execution,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{
                "name": "app",
                "image": format!("{address}:initial"),
                "essential": true,
                "stopTimeout": 2,
            }],
        });
        let registered = client
            .json(JsonService::Ecs, "RegisterTaskDefinition", &definition)
            .with_context(|| format!("register the first task definition of {name}"))?;
        let request = json!({
            "cluster": self.environment.cluster,
            "serviceName": name,
            "taskDefinition": registered["taskDefinition"]["taskDefinitionArn"],
            "desiredCount": 1,
            "launchType": "FARGATE",
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": true, "rollback": true},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-local"]}},
        });
        client
            .json(JsonService::Ecs, "CreateService", &request)
            .with_context(|| format!("create service {name}"))
            .map(drop)
    }
}
