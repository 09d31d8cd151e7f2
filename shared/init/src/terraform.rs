//! From the plan that `terraform show -json <plan>` prints: services of ECS with what belongs to them.
//!
//! A plan has planned values, in which everything is missing that only AWS knows, and the configuration, which says what
//! refers to what. Terraform's words become those of ECS's API, which `ecs` reads.

use std::collections::BTreeMap;

use crate::document::Block;
use crate::draft::{Draft, Parameters};
use crate::ecs::{add_service, set_scaling};
use crate::fields::Fields;
use crate::source::{Content, Fault, Node, Place};
use crate::values::part_name;

/// A managed resource of the plan.
struct Resource {
    /// Its address without indices, such as `module.shop.aws_ecs_service.api`.
    address: String,
    kind: String,
    name: String,
    values: Node,
}

/// What each attribute of each resource refers to: addresses without indices.
type References = BTreeMap<(String, String), Vec<String>>;

struct Plan {
    resources: Vec<Resource>,
    references: References,
}

/// Whether this is a plan.
pub fn is_plan(node: &Node) -> bool {
    node.get("planned_values").is_some() || node.get("terraform_version").is_some()
}

/// A stack with the services of a plan.
///
/// # Errors
/// Values of another kind than Terraform's provider of AWS has.
pub fn draft(node: &Node, folder: &str, parameters: &Parameters) -> Result<Draft, Fault> {
    let plan = Plan::of(node)?;
    let cluster = plan.of_kind("aws_ecs_cluster").next();
    let cluster_name = cluster.and_then(|cluster| text(&cluster.values, "name"));
    let name = cluster_name.unwrap_or_else(|| folder.to_owned());
    let mut draft = Draft::new("a Terraform plan", &name, parameters);
    for resource in &plan.resources {
        draft.default_vpc(text(&resource.values, "vpc_id"));
    }
    let mut used = Vec::new();
    for service in plan.of_kind("aws_ecs_service") {
        add(&mut draft, &plan, service, &mut used)?;
    }
    load_balancer(&mut draft, &plan, &mut used);
    for resource in &plan.resources {
        if used.contains(&resource.address) {
            continue;
        }
        draft
            .notes
            .add(&resource.values.place, advice(&resource.kind));
    }
    Ok(draft)
}

impl Plan {
    fn of(node: &Node) -> Result<Self, Fault> {
        let Some(root) = node
            .get("planned_values")
            .and_then(|values| values.get("root_module"))
        else {
            return Err(Fault::at(
                &node.place,
                "there are no `planned_values`; print the plan with `terraform show -json <plan>`",
            ));
        };
        let mut plan = Self {
            resources: Vec::new(),
            references: References::new(),
        };
        plan.collect(root, &node.place);
        if let Some(root) = node
            .get("configuration")
            .and_then(|configuration| configuration.get("root_module"))
        {
            plan.refer(root, "");
        }
        Ok(plan)
    }

    fn collect(&mut self, module: &Node, file: &Place) {
        for resource in module.get("resources").map(Node::items).unwrap_or_default() {
            let part = |key: &str| text(resource, key).unwrap_or_default();
            let Some(values) = resource.get("values") else {
                continue;
            };
            if part("mode") == "data" {
                continue;
            }
            let address = part("address");
            self.resources.push(Resource {
                kind: part("type"),
                name: part("name"),
                values: moved(values.clone(), &file.key(&address)),
                address: without_indices(&address),
            });
        }
        for child in module
            .get("child_modules")
            .map(Node::items)
            .unwrap_or_default()
        {
            self.collect(child, file);
        }
    }

    fn refer(&mut self, module: &Node, prefix: &str) {
        for resource in module.get("resources").map(Node::items).unwrap_or_default() {
            let address = text(resource, "address").unwrap_or_default();
            let address = format!("{prefix}{address}");
            let Some(Content::Map(expressions)) =
                resource.get("expressions").map(|node| &node.content)
            else {
                continue;
            };
            for (attribute, expression) in expressions {
                let mut found = Vec::new();
                references(expression, &mut found);
                let found = found
                    .into_iter()
                    .map(|reference| {
                        let reference = without_indices(&reference);
                        let parts: Vec<&str> = reference.split('.').take(2).collect();
                        format!("{prefix}{}", parts.join("."))
                    })
                    .collect();
                self.references
                    .insert((address.clone(), attribute.clone()), found);
            }
        }
        let Some(Content::Map(calls)) = module.get("module_calls").map(|node| &node.content) else {
            return;
        };
        for (name, call) in calls {
            if let Some(module) = call.get("module") {
                self.refer(module, &format!("{prefix}module.{name}."));
            }
        }
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Resource> {
        let resources = self.resources.iter();
        resources.filter(move |resource| resource.kind == kind)
    }

    /// Whether an attribute of one resource refers to another one, by the configuration or by a value that both have.
    fn refers(&self, from: &Resource, attribute: &str, to: &Resource) -> bool {
        let key = (from.address.clone(), attribute.to_owned());
        let is_named = self
            .references
            .get(&key)
            .is_some_and(|found| found.contains(&to.address));
        let mut known = ["arn", "id"]
            .iter()
            .filter_map(|attribute| text(&to.values, attribute));
        is_named
            || known.any(|value| {
                from.values
                    .get(attribute)
                    .is_some_and(|node| holds(node, &value))
            })
    }

    /// The first resource of a kind that an attribute refers to, or the only one that there is.
    fn referred(&self, from: &Resource, attribute: &str, kind: &str) -> Option<&Resource> {
        let named = self
            .of_kind(kind)
            .find(|to| self.refers(from, attribute, to));
        let mut all = self.of_kind(kind);
        match (named, all.next(), all.next()) {
            (Some(named), ..) => Some(named),
            (None, Some(only), None) => Some(only),
            _ => None,
        }
    }
}

fn add(
    draft: &mut Draft,
    plan: &Plan,
    service: &Resource,
    used: &mut Vec<String>,
) -> Result<(), Fault> {
    used.push(service.address.clone());
    let place = &service.values.place;
    let Some(definition) = plan.referred(service, "task_definition", "aws_ecs_task_definition")
    else {
        draft.notes.add(
            place,
            "not carried over: its task definition is not in this plan; make the stack file from the running service \
             with the answers of `aws ecs describe-services` and `aws ecs describe-task-definition`",
        );
        return Ok(());
    };
    used.push(definition.address.clone());
    let Some(definition) = task_definition(definition)? else {
        draft.notes.add(
            &definition.values.place.key("container_definitions"),
            "not carried over: they are not known before they are applied; plan again once what they need exists",
        );
        return Ok(());
    };
    let name = text(&service.values, "name").unwrap_or_else(|| service.name.clone());
    let groups: Vec<&Resource> = plan
        .of_kind("aws_lb_target_group")
        .chain(plan.of_kind("aws_alb_target_group"))
        .filter(|group| plan.refers(service, "load_balancer", group))
        .collect();
    let service_fields = Fields::of(ecs_service(&service.values, !groups.is_empty()))?;
    add_service(draft, &name, Fields::of(definition)?, Some(service_fields))?;
    let key = part_name(&name);
    if let Some(group) = groups.first() {
        used.push(group.address.clone());
        target_group(draft, plan, &key, group, used)?;
    }
    let target = plan.of_kind("aws_appautoscaling_target").find(|target| {
        plan.refers(target, "resource_id", service)
            || text(&target.values, "resource_id")
                .is_some_and(|id| id.ends_with(&format!("/{name}")))
    });
    if let Some(target) = target {
        used.push(target.address.clone());
        let policies: Vec<&Resource> = plan
            .of_kind("aws_appautoscaling_policy")
            .filter(|policy| {
                let id = text(&target.values, "resource_id");
                plan.refers(policy, "resource_id", target)
                    || plan.refers(policy, "resource_id", service)
                    || (id.is_some() && text(&policy.values, "resource_id") == id)
            })
            .collect();
        used.extend(policies.iter().map(|policy| policy.address.clone()));
        let policies: Result<Vec<Fields>, Fault> = policies
            .iter()
            .map(|policy| Fields::of(as_api(policy.values.clone())))
            .collect();
        let target = Fields::of(as_api(target.values.clone()))?;
        set_scaling(draft, &key, Some(target), policies?)?;
    }
    Ok(())
}

/// A task definition in the words of ECS's API; none if its containers are not known yet.
fn task_definition(resource: &Resource) -> Result<Option<Node>, Fault> {
    let values = &resource.values;
    let Some(json) = text(values, "container_definitions") else {
        return Ok(None);
    };
    let place = values.place.key("container_definitions");
    let containers = serde_json::from_str(&json)
        .map_err(|error| Fault::at(&place, format!("this cannot be read as JSON: {error}")))?;
    let mut entries = vec![(
        "containerDefinitions".to_owned(),
        Node::of_json(containers, place),
    )];
    if let Content::Map(all) = &values.content {
        for (key, value) in all {
            let name = match key.as_str() {
                "container_definitions"
                | "arn"
                | "arn_without_revision"
                | "id"
                | "revision"
                | "skip_destroy"
                | "track_latest"
                | "tags_all"
                | "region"
                | "enable_fault_injection" => continue,
                "volume" => "volumes".to_owned(),
                key => camel_case(key),
            };
            let mut value = as_api(value.clone());
            if name == "volumes" {
                value = without_defaults_of_volumes(value);
            }
            entries.push((name, value));
        }
    }
    Ok(Some(Node {
        place: values.place.clone(),
        content: Content::Map(entries),
    }))
}

/// Volumes without what Terraform says of every volume.
fn without_defaults_of_volumes(volumes: Node) -> Node {
    let content = match volumes.content {
        Content::List(items) => Content::List(
            items
                .into_iter()
                .map(|item| {
                    let content = match item.content {
                        Content::Map(mut entries) => {
                            entries.retain(|(key, node)| {
                                key != "configureAtLaunch"
                                    && !(key == "hostPath" && node.is_empty())
                            });
                            Content::Map(entries)
                        }
                        content => content,
                    };
                    Node { content, ..item }
                })
                .collect(),
        ),
        content => content,
    };
    Node { content, ..volumes }
}

/// A service in the words of ECS's API.
fn ecs_service(values: &Node, has_own_target_group: bool) -> Node {
    let mut entries = Vec::new();
    let mut deployment = Vec::new();
    let Content::Map(all) = &values.content else {
        return values.clone();
    };
    for (key, value) in all {
        let api = as_api(value.clone());
        match key.as_str() {
            "network_configuration" => {
                let content = match api.content {
                    Content::Map(mut inner) => {
                        for (name, node) in &mut inner {
                            if name == "assignPublicIp" {
                                let is_public = node.scalar().as_deref() == Some("true");
                                let text = if is_public { "ENABLED" } else { "DISABLED" };
                                node.content = Content::Text(text.to_owned());
                            }
                        }
                        Content::Map(inner)
                    }
                    content => content,
                };
                let place = api.place.clone();
                let inner = Node {
                    place: place.clone(),
                    content,
                };
                let content = Content::Map(vec![("awsvpcConfiguration".to_owned(), inner)]);
                entries.push(("networkConfiguration".to_owned(), Node { place, content }));
            }
            "load_balancer" => entries.push((
                "loadBalancers".to_owned(),
                if has_own_target_group {
                    without_target_groups(api)
                } else {
                    api
                },
            )),
            "deployment_minimum_healthy_percent" => {
                deployment.push(("minimumHealthyPercent".to_owned(), api));
            }
            "deployment_maximum_percent" => deployment.push(("maximumPercent".to_owned(), api)),
            "deployment_circuit_breaker" | "alarms" => deployment.push((camel_case(key), api)),
            "name" => entries.push(("serviceName".to_owned(), api)),
            "id"
            | "arn"
            | "force_new_deployment"
            | "wait_for_steady_state"
            | "triggers"
            | "timeouts"
            | "tags_all"
            | "force_delete"
            | "region"
            | "iam_role"
            | "sigint_rollback"
            | "enable_ecs_managed_tags" => {}
            "deployment_configuration" => {
                if let Content::Map(inner) = api.content {
                    deployment.extend(inner);
                }
            }
            _ => entries.push((camel_case(key), api)),
        }
    }
    if !deployment.is_empty() {
        let node = Node {
            place: values.place.clone(),
            content: Content::Map(deployment),
        };
        entries.push(("deploymentConfiguration".to_owned(), node));
    }
    Node {
        place: values.place.clone(),
        content: Content::Map(entries),
    }
}

/// Where the target group is in the plan, its ARN is the old one's: the stack has a load balancer of its own.
fn without_target_groups(node: Node) -> Node {
    let content = match node.content {
        Content::List(items) => {
            Content::List(items.into_iter().map(without_target_groups).collect())
        }
        Content::Map(mut entries) => {
            entries.retain(|(key, _)| key != "targetGroupArn" && key != "elbName");
            Content::Map(entries)
        }
        content => content,
    };
    Node { content, ..node }
}

fn target_group(
    draft: &mut Draft,
    plan: &Plan,
    service: &str,
    group: &Resource,
    used: &mut Vec<String>,
) -> Result<(), Fault> {
    let mut fields = Fields::of(group.values.clone())?;
    let mut block = Block::default();
    let rules = plan
        .of_kind("aws_lb_listener_rule")
        .chain(plan.of_kind("aws_alb_listener_rule"))
        .filter(|rule| plan.refers(rule, "action", group));
    for (index, rule) in rules.enumerate() {
        used.push(rule.address.clone());
        if index > 0 {
            draft.notes.add(
                &rule.values.place,
                "not carried over: a further rule of the service; `resources` can add it: docs/stacks.md",
            );
            continue;
        }
        for condition in rule
            .values
            .get("condition")
            .map(Node::items)
            .unwrap_or_default()
        {
            conditions(draft, condition, &mut block);
        }
        let priority = text(&rule.values, "priority").and_then(|text| text.parse::<u32>().ok());
        if block.has("path_patterns") || block.has("host_headers") {
            block.set("priority", priority.unwrap_or(10));
        }
    }
    let mut check = Block::default();
    for mut inner in fields.maps("health_check")? {
        for (from, to) in [("path", "path"), ("matcher", "matcher")] {
            check.set_some(to, inner.text(from)?.filter(|text| !text.is_empty()));
        }
        for (from, to) in [
            ("interval", "interval_seconds"),
            ("timeout", "timeout_seconds"),
            ("healthy_threshold", "healthy_threshold_count"),
            ("unhealthy_threshold", "unhealthy_threshold_count"),
        ] {
            check.set_some(to, inner.whole(from)?);
        }
    }
    if !check.has("path") {
        check.set("path", "/");
    }
    block.set("health_check", check);
    // What AWS says where Terraform does not.
    let delay = fields.whole("deregistration_delay")?.unwrap_or(300);
    block.set("deregistration_delay", delay);
    for mut stickiness in fields.maps("stickiness")? {
        if stickiness.flag("enabled")? == Some(true) {
            block.set_some("stickiness_duration", stickiness.whole("cookie_duration")?);
        }
    }
    draft.services.block(service).replace("target_group", block);
    Ok(())
}

fn conditions(draft: &mut Draft, condition: &Node, block: &mut Block) {
    let Content::Map(entries) = &condition.content else {
        return;
    };
    for (key, node) in entries {
        let values: Vec<String> = node
            .items()
            .iter()
            .filter_map(|item| item.get("values"))
            .flat_map(Node::items)
            .filter_map(Node::scalar)
            .collect();
        match key.as_str() {
            "path_pattern" if !values.is_empty() => block.set("path_patterns", values),
            "host_header" if !values.is_empty() => block.set("host_headers", values),
            _ if node.is_empty() => {}
            _ => draft.notes.add(
                &node.place,
                "not carried over: a condition other than paths and hosts; `resources` can add a rule",
            ),
        }
    }
}

/// The load balancer, if a service is behind one of the stack's own.
fn load_balancer(draft: &mut Draft, plan: &Plan, used: &mut Vec<String>) {
    let is_needed = draft.services.keys().iter().any(|name| {
        let service = draft.services.block(name);
        service.has("target_group") && !service.block("target_group").has("target_group_arn")
    });
    if !is_needed {
        return;
    }
    let mut balancers = plan.of_kind("aws_lb").chain(plan.of_kind("aws_alb"));
    let Some(balancer) = balancers.next() else {
        return;
    };
    used.push(balancer.address.clone());
    let subnets: Vec<String> = balancer
        .values
        .get("subnets")
        .map(Node::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Node::scalar)
        .filter(|id| id.starts_with("subnet-"))
        .collect();
    let is_internal = text(&balancer.values, "internal").as_deref() == Some("true");
    if draft.load_balancer_subnet_ids.is_empty() {
        draft.load_balancer_subnet_ids = subnets;
    }
    let block = draft.stack.block("load_balancer");
    if is_internal {
        block.set("scheme", "internal");
    }
    let idle = text(&balancer.values, "idle_timeout").and_then(|text| text.parse::<u32>().ok());
    block.set_some("idle_timeout", idle.filter(|seconds| *seconds != 60));
    let mut certificates = Vec::new();
    for listener in plan
        .of_kind("aws_lb_listener")
        .chain(plan.of_kind("aws_alb_listener"))
    {
        used.push(listener.address.clone());
        match text(&listener.values, "certificate_arn") {
            Some(arn) => certificates.push(arn),
            None if text(&listener.values, "protocol").as_deref() == Some("HTTPS") => {
                draft.notes.add(
                    &listener.values.place,
                    "not carried over: its certificate is not known before it is applied; name its ARN in \
                     `load_balancer.certificate_arns`",
                );
            }
            None => {}
        }
    }
    block.set_filled("certificate_arns", certificates);
    draft.notes.add(
        &balancer.values.place,
        "the stack makes a load balancer of its own: point the DNS records to it when its services are healthy, then \
         remove this one",
    );
}

/// Maps in the words of AWS's APIs: names in camelCase, and single blocks without their list.
fn as_api(node: Node) -> Node {
    const SINGLE: [&str; 14] = [
        "network_configuration",
        "deployment_circuit_breaker",
        "deployment_controller",
        "deployment_configuration",
        "alarms",
        "service_connect_configuration",
        "efs_volume_configuration",
        "docker_volume_configuration",
        "authorization_config",
        "ephemeral_storage",
        "runtime_platform",
        "proxy_configuration",
        "target_tracking_scaling_policy_configuration",
        "predefined_metric_specification",
    ];
    let last = node.place.path.rsplit('.').next().unwrap_or_default();
    let is_single = SINGLE.contains(&last);
    let content = match node.content {
        Content::List(mut items) if is_single && items.len() <= 1 => match items.pop() {
            Some(only) => as_api(only).content,
            None => Content::Null,
        },
        Content::List(items) => Content::List(items.into_iter().map(as_api).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let name = match key.as_str() {
                        "authorization_config" => "authorizationConfig".to_owned(),
                        "size_in_gib" => "sizeInGiB".to_owned(),
                        key => camel_case(key),
                    };
                    (name, as_api(value))
                })
                .collect(),
        ),
        content => content,
    };
    Node {
        place: node.place,
        content,
    }
}

fn camel_case(key: &str) -> String {
    let mut name = String::new();
    let mut is_start = false;
    for character in key.chars() {
        match character {
            '_' => is_start = true,
            _ if is_start => {
                name.extend(character.to_uppercase());
                is_start = false;
            }
            _ => name.push(character),
        }
    }
    name
}

/// The same value, known by the resource's address and not by its place in the plan.
fn moved(node: Node, place: &Place) -> Node {
    let content = match node.content {
        Content::List(items) => Content::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| moved(item, &place.item(index)))
                .collect(),
        ),
        Content::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let value = moved(value, &place.key(&key));
                    (key, value)
                })
                .collect(),
        ),
        content => content,
    };
    Node {
        place: place.clone(),
        content,
    }
}

fn references(node: &Node, found: &mut Vec<String>) {
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| references(item, found)),
        Content::Map(entries) => {
            for (key, value) in entries {
                if key == "references" {
                    found.extend(value.items().iter().filter_map(Node::scalar));
                } else {
                    references(value, found);
                }
            }
        }
        _ => {}
    }
}

fn holds(node: &Node, value: &str) -> bool {
    match &node.content {
        Content::List(items) => items.iter().any(|item| holds(item, value)),
        Content::Map(entries) => entries.iter().any(|(_, inner)| holds(inner, value)),
        Content::Text(text) => text == value,
        _ => false,
    }
}

/// An address without `[0]` and `["key"]`.
fn without_indices(address: &str) -> String {
    let mut result = String::new();
    let mut depth = 0;
    for character in address.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => result.push(character),
            _ => {}
        }
    }
    result
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::scalar)
}

/// What becomes of a resource that is not a part of a service.
fn advice(kind: &str) -> &'static str {
    match kind {
        "aws_ecs_cluster" | "aws_ecs_cluster_capacity_providers" => {
            "the stack makes a cluster of its own; `cluster.cluster_name` names it"
        }
        "aws_cloudwatch_log_group" => {
            "the stack makes a log group for each service: `/ecs/<stack>/<service>`; this one keeps what it has"
        }
        "aws_iam_role"
        | "aws_iam_policy"
        | "aws_iam_role_policy"
        | "aws_iam_role_policy_attachment"
        | "aws_iam_policy_document" => {
            "the stack makes the services' roles: say what containers may do in `task_role_statements` or \
             `task_role_policy_arns`"
        }
        "aws_security_group"
        | "aws_security_group_rule"
        | "aws_vpc_security_group_ingress_rule"
        | "aws_vpc_security_group_egress_rule" => {
            "the stack makes security groups for its load balancer and its services; `security_group` says who may \
             connect besides"
        }
        "aws_ecr_repository" | "aws_ecr_lifecycle_policy" | "aws_ecr_repository_policy" => {
            "it stays in Terraform: Longshore deploys what is pushed to it"
        }
        "aws_efs_file_system" | "aws_efs_mount_target" | "aws_efs_access_point" => {
            "the stack makes file systems of its own, which begin empty; `file_system_id` names one that exists"
        }
        "aws_sqs_queue" | "aws_sns_topic" | "aws_sns_topic_subscription" => {
            "it can stay in Terraform; `queues` and `topics` of a stack make its own"
        }
        "aws_route53_record" => {
            "it can stay in Terraform; `load_balancer.dns` makes names of the stack's load balancer"
        }
        "aws_ecs_service" | "aws_ecs_task_definition" => {
            "not carried over: no service of the plan runs it; schedules of a service can start tasks: `schedules`"
        }
        "aws_lb"
        | "aws_alb"
        | "aws_lb_listener"
        | "aws_alb_listener"
        | "aws_lb_listener_rule"
        | "aws_alb_listener_rule"
        | "aws_lb_target_group"
        | "aws_alb_target_group"
        | "aws_lb_listener_certificate" => {
            "not carried over: no service was found behind it, or the stack's load balancer says it in another way"
        }
        "aws_appautoscaling_target" | "aws_appautoscaling_policy" => {
            "not carried over: no service was found that it scales; say it in `scaling`"
        }
        "aws_appautoscaling_scheduled_action" => "not carried over: say it in `scaling.scheduled`",
        "aws_cloudwatch_metric_alarm" => {
            "it stays in Terraform; `alarms` makes alarms for all services"
        }
        "aws_service_discovery_private_dns_namespace" | "aws_service_discovery_service" => {
            "`service_discovery` of the stack makes a namespace in which services find each other"
        }
        "aws_cloudwatch_event_rule" | "aws_cloudwatch_event_target" | "aws_scheduler_schedule" => {
            "if it starts tasks, say it in `schedules` of the service"
        }
        _ => "it stays in Terraform: a stack file has no key for it",
    }
}
