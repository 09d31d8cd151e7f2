//! Many small services, for storms.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use longshore_local::client::JsonService;
use longshore_local::control::SlackMessage;
use longshore_local::environment::Environment;
use longshore_local::scene::{push_image, repository_address, serves};
use longshore_local::wait::{Seen, wait_until};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::{PATIENCE, deployments_begun, messages_of, side_by_side};

/// How many services DescribeServices takes.
const AT_ONCE: usize = 10;
/// How many send events at once.
const SENDERS: usize = 8;

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

    /// Waits until this many different messages of Slack are about this fleet and hold all of these words.
    ///
    /// # Errors
    /// When that does not come true.
    pub fn wait_until_published(&self, words: &[&str], count: usize) -> Result<()> {
        let what = format!("{count} messages with {}", words.join(", "));
        wait_until(&what, PATIENCE, || {
            let reported = self.count_published(words)?;
            Ok(if reported == count {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{reported}"))
            })
        })
    }

    /// Checks that ECS has begun this many deployments for each service.
    ///
    /// # Errors
    /// When it has not, or the control server does not answer.
    pub fn check_deployments(&self, expected: usize) -> Result<()> {
        let begun = deployments_begun(&self.environment)?;
        let others: Vec<_> = (0..self.services)
            .map(|number| {
                (
                    number,
                    begun.get(&self.ecs_name(number)).copied().unwrap_or(0),
                )
            })
            .filter(|(_, deployments)| *deployments != expected)
            .collect();
        ensure!(
            others.is_empty(),
            "{expected} deployments expected for each service, and ECS has begun, by the service's number: {others:?}"
        );
        Ok(())
    }

    /// Sends events from several sides at once, each in an order of its own.
    ///
    /// # Errors
    /// When the control server does not answer.
    pub fn send_shuffled(&self, events: &[Value]) -> Result<()> {
        let control = self.environment.control();
        // A step without a divisor in common with the count meets every event once, far from the one before.
        let step = (events.len() * 5 / 8..)
            .find(|step| greatest_common_divisor(*step, events.len()) == 1)
            .unwrap_or(1);
        side_by_side(SENDERS, |sender| {
            (sender..events.len())
                .step_by(SENDERS)
                .try_for_each(|place| control.send_event(&events[place * step % events.len()]))
        })
        .map(drop)
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

fn greatest_common_divisor(one: usize, other: usize) -> usize {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}
