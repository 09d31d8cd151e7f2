use std::collections::{BTreeMap, BTreeSet};

use longshore_events::arn::ServiceName;
use longshore_events::cloudformation::StackStatus;
use longshore_policy::image_policy::ImagePolicy;
use longshore_policy::route::Subscriber;
use longshore_policy::settings::RolloutSettings;
use longshore_provisioning::ports::{
    Action, ChangeSet, ChangeSetKind, ChangeSetRequest, Comparison, DescribedStack, Drift,
    FoundBucket, FoundFileSystem, Inventory, ParameterValue, ProvisioningStore, ResourceChange,
    ServingGroup, StackEvent, StackProvisioner, StoredStackFile, TemplateSource,
};
use longshore_rollout::ports::TaskDefinition;
use longshore_stack::check::{Listener, Needs, Subnet, Surroundings};
use longshore_state::{CallError, ErrorClass};
use serde_json::Value;

use crate::account::{Account, FakeStack};
use crate::builders::{noon, task_definition_document};
use crate::fake_cloud::FakeCloud;
use crate::faults::error;

impl FakeStack {
    fn has_finished(&self, verb: &str) -> bool {
        self.status == format!("{verb}_IN_PROGRESS")
    }
}

impl FakeCloud {
    /// Puts a stack file into the state bucket and gives its version.
    pub fn put_stack_file(&self, key: &str, content: &str) -> String {
        let mut account = self.inner.borrow_mut();
        let file = account
            .provisioning
            .files
            .entry(key.to_owned())
            .or_default();
        file.0 = content.as_bytes().to_vec();
        file.1 += 1;
        file.1.to_string()
    }

    /// Makes a repository one that is not there.
    pub fn remove_repository(&self, repository: &str) {
        self.inner
            .borrow_mut()
            .provisioning
            .missing_repositories
            .insert(repository.to_owned());
    }

    /// Makes these the images that their repositories do not hold, each as a stack file names it.
    pub fn lack_images(&self, images: &[&str]) {
        self.inner.borrow_mut().provisioning.missing_images =
            images.iter().map(|image| (*image).to_owned()).collect();
    }

    /// Makes a file system that carries a stack's tags.
    pub fn add_file_system(&self, stack: &str, file_system: FoundFileSystem) {
        self.inner
            .borrow_mut()
            .provisioning
            .file_systems
            .entry(stack.to_owned())
            .or_default()
            .push(file_system);
    }

    /// Makes a bucket that carries a stack's tags.
    pub fn add_bucket(&self, stack: &str, bucket: FoundBucket) {
        self.inner
            .borrow_mut()
            .provisioning
            .buckets
            .entry(stack.to_owned())
            .or_default()
            .push(bucket);
    }

    /// Makes CloudFormation find these differences.
    pub fn set_drift(&self, stack: &str, drifts: Vec<Drift>) {
        self.inner
            .borrow_mut()
            .provisioning
            .drifts
            .insert(stack.to_owned(), drifts);
    }

    /// Puts a service's tasks behind one of its target groups; without that they are behind the first.
    pub fn set_serving_group(&self, subscriber: &Subscriber, group: ServingGroup) {
        self.inner
            .borrow_mut()
            .provisioning
            .serving_groups
            .insert(subscriber.service_name(), group);
    }

    /// A stack's status; `None` when it was never made.
    pub fn stack_status(&self, stack: &str) -> Option<String> {
        let account = self.inner.borrow();
        let stack = account.provisioning.stacks.get(stack)?;
        Some(stack.status.clone())
    }

    /// The token of a stack's last change.
    pub fn stack_token(&self, stack: &str) -> Option<String> {
        let account = self.inner.borrow();
        account.provisioning.stacks.get(stack)?.token.clone()
    }

    pub fn stack_template(&self, stack: &str) -> Option<Value> {
        let account = self.inner.borrow();
        let body = account.provisioning.stacks.get(stack)?.template.as_ref()?;
        serde_json::from_str(body).ok()
    }

    /// A template that was kept for others, by its URL.
    pub fn kept_template(&self, url: &str) -> Option<Value> {
        let account = self.inner.borrow();
        serde_json::from_str(account.provisioning.templates.get(url)?).ok()
    }

    /// The values of a stack's parameters.
    pub fn stack_parameters(&self, stack: &str) -> BTreeMap<String, String> {
        let account = self.inner.borrow();
        account
            .provisioning
            .stacks
            .get(stack)
            .map(|stack| stack.parameters.clone())
            .unwrap_or_default()
    }

    /// The tags that a stack was given last.
    pub fn stack_tags(&self, stack: &str) -> BTreeMap<String, String> {
        let account = self.inner.borrow();
        account
            .provisioning
            .stacks
            .get(stack)
            .map(|stack| stack.tags.clone())
            .unwrap_or_default()
    }

    /// The change sets that are left, by stack.
    pub fn change_sets(&self, stack: &str) -> Vec<String> {
        let account = self.inner.borrow();
        account
            .provisioning
            .stacks
            .get(stack)
            .map(|stack| stack.change_sets.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// CloudFormation does what it was asked to, and ECS runs what the template says.
    pub fn finish_stack(&self, stack: &str) {
        self.end_change(stack, true, "");
    }

    /// CloudFormation gives up and restores what was before.
    pub fn fail_stack(&self, stack: &str, reason: &str) {
        self.end_change(stack, false, reason);
    }

    fn end_change(&self, name: &str, success: bool, reason: &str) {
        let mut account = self.inner.borrow_mut();
        let Some(stack) = account.provisioning.stacks.get_mut(name) else {
            return;
        };
        stack.reason = (!success).then(|| reason.to_owned());
        let status = [
            ("CREATE", "CREATE_COMPLETE", "ROLLBACK_COMPLETE"),
            ("UPDATE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
            ("IMPORT", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
            ("DELETE", "DELETE_COMPLETE", "DELETE_FAILED"),
        ]
        .into_iter()
        .find(|(verb, ..)| stack.has_finished(verb))
        .map(|(_, completed, failed)| if success { completed } else { failed });
        let Some(status) = status else {
            return;
        };
        status.clone_into(&mut stack.status);
        let before = if success {
            stack.previous.clone()
        } else {
            stack.template.clone()
        };
        if !success {
            stack.template = stack.previous.clone();
        }
        if status == "DELETE_COMPLETE" {
            stack.template = None;
        }
        let template = stack.template.clone();
        account.run_services(before.as_deref(), template.as_deref());
    }
}

impl Account {
    /// ECS runs what a template says, as far as that is not what the template `before` says.
    fn run_services(&mut self, before: Option<&str>, template: Option<&str>) {
        let read = |template: &str| serde_json::from_str::<Value>(template).ok();
        let before = before.and_then(read).unwrap_or_default();
        let Some(template) = template.and_then(read) else {
            return;
        };
        let services = template["Metadata"]["Longshore"]["Services"].clone();
        let stack = template["Metadata"]["Longshore"]["Stack"].clone();
        for (service, described) in services.as_object().into_iter().flatten() {
            let text = |field: &str| described[field].as_str().unwrap_or_default().to_owned();
            let subscriber = Subscriber {
                stack: stack.as_str().unwrap_or_default().to_owned(),
                service: service.clone(),
                cluster: text("Cluster"),
                ecs_service: text("EcsService"),
                container: text("Container"),
                other_containers: Vec::new(),
                image_policy: ImagePolicy::default(),
                cpu_architecture: None,
                rollout: RolloutSettings::default(),
            };
            let containers = containers_with(&template, &subscriber.container);
            let Some((_, image)) = containers.first() else {
                continue;
            };
            if self.services.contains_key(&subscriber.service_name())
                && containers == containers_with(&before, &subscriber.container)
            {
                continue;
            }
            let family = subscriber.ecs_service.clone();
            let arn = self.next_arn(&family);
            let mut document = task_definition_document(&arn, &family, image);
            let definition = document["containerDefinitions"][0].clone();
            let definitions = containers.iter().map(|(name, image)| {
                let mut definition = definition.clone();
                definition["name"] = name.clone().into();
                definition["image"] = image.clone().into();
                definition
            });
            document["containerDefinitions"] = definitions.collect();
            let running = self
                .services
                .get(&subscriber.service_name())
                .and_then(|service| self.task_definitions.get(&service.task_definition));
            let is_same = running.is_some_and(|running| {
                running.document["containerDefinitions"] == document["containerDefinitions"]
            });
            if is_same {
                continue;
            }
            self.task_definitions.insert(
                arn.clone(),
                TaskDefinition {
                    document,
                    tags: Vec::new(),
                },
            );
            let name = subscriber.service_name();
            self.services.entry(name.clone()).or_insert_with(|| {
                longshore_rollout::ports::EcsService {
                    task_definition: String::new(),
                    deployments: Vec::new(),
                    messages: Vec::new(),
                    desired_count: 1,
                    running_count: 1,
                }
            });
            let now = self.now.unwrap_or_else(|| noon(0));
            self.begin(&name, &arn, now);
            if let Some(service) = self.services.get_mut(&name) {
                service.deployments.retain(|deployment| deployment.primary);
                for deployment in &mut service.deployments {
                    deployment.rollout_state = longshore_rollout::ports::RolloutState::Completed;
                }
            }
        }
    }
}

/// The containers, with their images, of the task definition of a template that has this one.
fn containers_with(template: &Value, container: &str) -> Vec<(String, String)> {
    let resources = template["Resources"].as_object();
    let mut task_definitions = resources
        .into_iter()
        .flat_map(|resources| resources.values())
        .filter_map(|resource| resource["Properties"]["ContainerDefinitions"].as_array());
    let found = task_definitions.find(|definitions| {
        let mut names = definitions.iter().map(|definition| &definition["Name"]);
        names.any(|name| name == container)
    });
    let containers = found.into_iter().flatten().map(|definition| {
        let image = match &definition["Image"] {
            Value::String(image) => image.clone(),
            substituted => substituted["Fn::Sub"]
                .as_str()
                .unwrap_or_default()
                .replace("${AWS::AccountId}", "111122223333")
                .replace("${AWS::Region}", "eu-west-1")
                .replace("${AWS::URLSuffix}", "amazonaws.com"),
        };
        let name = definition["Name"].as_str().unwrap_or_default();
        (name.to_owned(), image)
    });
    containers.collect()
}

impl StackProvisioner for FakeCloud {
    async fn describe(&self, stack: &str) -> Result<Option<DescribedStack>, CallError> {
        self.call("DescribeStacks", |account| {
            Ok(account
                .provisioning
                .stacks
                .values()
                .find(|known| known.id == stack || known.id.contains(&format!(":stack/{stack}/")))
                .filter(|known| known.status != "DELETE_COMPLETE")
                .map(|known| DescribedStack {
                    stack_id: known.id.clone(),
                    status: known.status.as_str().into(),
                    status_reason: known.reason.clone(),
                    outputs: BTreeMap::new(),
                    termination_protection: known.protected,
                }))
        })
    }

    async fn template(&self, stack: &str) -> Result<Option<String>, CallError> {
        self.call("GetTemplate", |account| {
            let stack = account.provisioning.stacks.get(stack);
            Ok(stack.and_then(|stack| stack.template.clone()))
        })
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSet, CallError> {
        self.call("CreateChangeSet", |account| {
            let provisioning = &mut account.provisioning;
            let body = match &request.template {
                TemplateSource::Body(body) => body.clone(),
                TemplateSource::Url(url) => provisioning
                    .templates
                    .get(url)
                    .cloned()
                    .ok_or_else(|| error("read the template", ErrorClass::Refused))?,
            };
            provisioning.made += 1;
            let id = format!(
                "arn:aws:cloudformation:eu-west-1:111122223333:stack/{}/{}",
                request.stack, provisioning.made
            );
            let stack = provisioning
                .stacks
                .entry(request.stack.clone())
                .or_default();
            match request.kind {
                ChangeSetKind::Create | ChangeSetKind::Import
                    if matches!(stack.status.as_str(), "" | "DELETE_COMPLETE") =>
                {
                    *stack = FakeStack {
                        id,
                        status: "REVIEW_IN_PROGRESS".to_owned(),
                        ..FakeStack::default()
                    };
                }
                ChangeSetKind::Create | ChangeSetKind::Import
                    if stack.status == "REVIEW_IN_PROGRESS" => {}
                ChangeSetKind::Update
                    if StackStatus::from(stack.status.as_str()).takes_updates() => {}
                _ => return Err(error("create change set", ErrorClass::Refused)),
            }
            if request.kind == ChangeSetKind::Import && !request.tags.is_empty() {
                return Err(error("import with tags", ErrorClass::Refused));
            }
            stack.tags.extend(request.tags.clone());
            let parameters: BTreeMap<String, String> = request
                .parameters
                .iter()
                .map(|(key, value)| {
                    let value = match value {
                        ParameterValue::New(value) => value.reveal().to_owned(),
                        ParameterValue::Previous => {
                            stack.parameters.get(key).cloned().unwrap_or_default()
                        }
                    };
                    (key.clone(), value)
                })
                .collect();
            let same = stack
                .template
                .as_ref()
                .is_some_and(|template| substance(template) == substance(&body));
            let answer = if same && stack.parameters == parameters {
                ChangeSet::Empty
            } else {
                ChangeSet::Ready(changes(stack.template.as_deref(), &body))
            };
            stack
                .change_sets
                .insert(request.name.clone(), (request.kind, body, parameters));
            Ok(answer)
        })
    }

    async fn execute_change_set(
        &self,
        stack: &str,
        name: &str,
        token: &str,
    ) -> Result<(), CallError> {
        self.call("ExecuteChangeSet", |account| {
            let stack = account
                .provisioning
                .stacks
                .get_mut(stack)
                .ok_or_else(|| error("execute change set", ErrorClass::Refused))?;
            let (kind, body, parameters) = stack
                .change_sets
                .remove(name)
                .ok_or_else(|| error("execute change set", ErrorClass::NotFound))?;
            stack.change_sets.clear();
            stack.previous = stack.template.replace(body);
            stack.parameters = parameters;
            stack.token = Some(token.to_owned());
            stack.reason = None;
            stack.status = match kind {
                ChangeSetKind::Create => "CREATE_IN_PROGRESS",
                ChangeSetKind::Update => "UPDATE_IN_PROGRESS",
                ChangeSetKind::Import => "IMPORT_IN_PROGRESS",
            }
            .to_owned();
            Ok(())
        })
    }

    async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), CallError> {
        self.call("DeleteChangeSet", |account| {
            if let Some(stack) = account.provisioning.stacks.get_mut(stack) {
                stack.change_sets.remove(name);
            }
            Ok(())
        })
    }

    async fn delete_stack(
        &self,
        stack: &str,
        _role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), CallError> {
        self.call("DeleteStack", |account| {
            let found = account
                .provisioning
                .stacks
                .iter_mut()
                .find(|(name, known)| *name == stack || known.id == stack);
            if let Some((_, known)) = found {
                if known.protected {
                    return Err(error("delete stack", ErrorClass::Refused));
                }
                known.status = "DELETE_IN_PROGRESS".to_owned();
                known.token = Some(token.to_owned());
                known.previous = known.template.clone();
            }
            Ok(())
        })
    }

    async fn delete_remains(
        &self,
        stack_id: &str,
        _role_arn: Option<&str>,
    ) -> Result<(), CallError> {
        self.call("DeleteStack", |account| {
            account
                .provisioning
                .stacks
                .retain(|_, known| known.id != stack_id);
            Ok(())
        })
    }

    async fn set_termination_protection(
        &self,
        stack: &str,
        protected: bool,
    ) -> Result<(), CallError> {
        self.call("UpdateTerminationProtection", |account| {
            if let Some(stack) = account.provisioning.stacks.get_mut(stack) {
                stack.protected = protected;
            }
            Ok(())
        })
    }

    async fn events(&self, _stack: &str) -> Result<Vec<StackEvent>, CallError> {
        self.call("DescribeStackEvents", |_| Ok(Vec::new()))
    }

    async fn drift(&self, stack: &str) -> Result<Vec<Drift>, CallError> {
        self.call("DetectStackDrift", |account| {
            let now = account.now.unwrap_or_else(|| noon(0));
            account.provisioning.compared.insert(stack.to_owned(), now);
            let drifts = account.provisioning.drifts.get(stack);
            Ok(drifts.cloned().unwrap_or_default())
        })
    }

    async fn last_comparison(&self, stack: &str) -> Result<Option<Comparison>, CallError> {
        self.call("DescribeStackResourceDrifts", |account| {
            let drifts = account.provisioning.drifts.get(stack);
            let compared = account.provisioning.compared.get(stack);
            Ok(compared.map(|at| Comparison {
                at: *at,
                drifted: drifts.cloned().unwrap_or_default(),
            }))
        })
    }
}

/// What of a template makes a change: its own metadata and its description do not (AWS CloudFormation User
/// Guide, "CloudFormation template Metadata syntax"), those of its resources do.
fn substance(template: &str) -> Option<Value> {
    let mut template: Value = serde_json::from_str(template).ok()?;
    let parts = template.as_object_mut()?;
    parts.remove("Metadata");
    parts.remove("Description");
    Some(template)
}

/// What changes between two templates, resource by resource.
fn changes(before: Option<&str>, after: &str) -> Vec<ResourceChange> {
    let resources = |body: &str| {
        serde_json::from_str::<Value>(body)
            .ok()
            .and_then(|template| template["Resources"].as_object().cloned())
            .unwrap_or_default()
    };
    let before = before.map(resources).unwrap_or_default();
    let after = resources(after);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let action = match (before.get(name), after.get(name)) {
                (None, Some(_)) => Action::Add,
                (Some(_), None) => Action::Remove,
                (Some(before), Some(after)) if before != after => Action::Change,
                _ => return None,
            };
            let resource = after.get(name).or_else(|| before.get(name))?;
            Some(ResourceChange {
                logical_id: name.clone(),
                physical_id: (action != Action::Add).then(|| name.to_lowercase()),
                resource_type: resource["Type"].as_str().unwrap_or_default().to_owned(),
                action,
                properties: Vec::new(),
            })
        })
        .collect()
}

impl ProvisioningStore for FakeCloud {
    async fn stack_file(&self, stack: &str) -> Result<Option<StoredStackFile>, CallError> {
        self.call("GetObject", |account| {
            let key = format!("stacks/{stack}.yaml");
            let file = account.provisioning.files.get(&key);
            Ok(file.map(|(content, version)| StoredStackFile {
                key,
                version_id: Some(version.to_string()),
                content: content.clone(),
            }))
        })
    }

    async fn put_template(&self, stack: &str, body: &str) -> Result<String, CallError> {
        self.call("PutObject", |account| {
            let templates = &mut account.provisioning.templates;
            let url = format!("https://templates/{stack}/{}", templates.len());
            templates.insert(url.clone(), body.to_owned());
            Ok(url)
        })
    }
}

impl Inventory for FakeCloud {
    async fn surroundings(&self, needs: &Needs) -> Result<Surroundings, CallError> {
        self.call("DescribeSubnets", |account| {
            let missing_repositories = account
                .provisioning
                .missing_repositories
                .intersection(&needs.repositories)
                .cloned()
                .collect();
            let subnets = needs
                .subnets
                .iter()
                .enumerate()
                .map(|(number, subnet)| {
                    let zone = ["eu-west-1a", "eu-west-1b", "eu-west-1c"][number % 3];
                    let subnet_in_zone = Subnet {
                        availability_zone: zone.to_owned(),
                        vpc_id: "vpc-0a1b2c3d4e5f60718".to_owned(),
                    };
                    (subnet.clone(), subnet_in_zone)
                })
                .collect();
            Ok(Surroundings {
                missing_repositories,
                missing_images: needs
                    .images
                    .iter()
                    .filter(|(_, image)| {
                        account
                            .provisioning
                            .missing_images
                            .contains(&image.to_string())
                    })
                    .map(|(path, _)| path.clone())
                    .collect(),
                subnets,
                secrets: needs
                    .secrets
                    .iter()
                    .map(|name| {
                        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret";
                        (name.clone(), format!("{arn}:{name}-AbCdEf"))
                    })
                    .collect(),
                listeners: needs
                    .listeners
                    .iter()
                    .map(|arn| (arn.clone(), Listener::default()))
                    .collect(),
                missing_clusters: BTreeSet::new(),
                missing_file_systems: BTreeSet::new(),
                missing_namespaces: BTreeSet::new(),
                is_on_loopback: false,
            })
        })
    }

    async fn file_systems(&self, stack: &str) -> Result<Vec<FoundFileSystem>, CallError> {
        self.call("DescribeFileSystems", |account| {
            let found = account.provisioning.file_systems.get(stack);
            Ok(found.cloned().unwrap_or_default())
        })
    }

    async fn buckets(
        &self,
        stack: &str,
        names: &BTreeMap<String, String>,
    ) -> Result<Vec<FoundBucket>, CallError> {
        self.call("ListBuckets", |account| {
            let found = account.provisioning.buckets.get(stack);
            let named = found
                .into_iter()
                .flatten()
                .filter(|found| names.contains_key(&found.name));
            Ok(named.cloned().collect())
        })
    }

    async fn serving_group(&self, service: &ServiceName) -> Result<ServingGroup, CallError> {
        self.call("DescribeServiceRevisions", |account| {
            let group = account.provisioning.serving_groups.get(service);
            Ok(group.copied().unwrap_or_default())
        })
    }

    async fn scalable_target_arns(
        &self,
        resource_ids: &[String],
    ) -> Result<BTreeMap<String, String>, CallError> {
        self.call("DescribeScalableTargets", |_| {
            Ok(resource_ids
                .iter()
                .map(|id| (id.clone(), format!("arn:aws:{id}")))
                .collect())
        })
    }
}
