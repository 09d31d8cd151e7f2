//! The template's outputs, by the names that [`crate::outputs`] reads.

use super::named::{NamedService, NamedStack};
use super::names::{Kind, Singleton, logical_id};
use super::output_names::{OF_ACCESS_POINT, OF_BUCKET, OF_CAPACITY, OF_FILE_SYSTEM, OF_SERVICE};
use super::scaling;
use super::template::{Template, Value};

/// Up to how many services each service's own resources are among the outputs; CloudFormation takes 200 outputs.
/// Beyond, ECS gives the rest of a service by its ARN.
const MOST_SERVICES_IN_FULL: usize = 18;

/// How long an output's value may be.
const LONGEST_VALUE: usize = 1024;

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    of_stack(named_stack, template);
    let stack = named_stack.stack;
    add_list(template, "Services", stack.services.keys().cloned());
    for named_service in named_stack.members() {
        let id = logical_id(named_service.name);
        for (name, output) in OF_SERVICE {
            if let Some(value) = of_service(named_stack, named_service, name) {
                template.add_output([output, &id].concat(), value);
            }
        }
    }
    add_list(template, "Capacity", stack.capacity.keys().cloned());
    for name in stack.capacity.keys() {
        let values = [
            Value::Ref(Kind::AutoScalingGroup.id(&[name])),
            Value::Ref(Kind::CapacityProvider.id(&[name])),
        ];
        for ((_, output), value) in OF_CAPACITY.into_iter().zip(values) {
            template.add_output(format!("{output}{}", logical_id(name)), value);
        }
    }
    add_list(template, "Buckets", stack.buckets.keys().cloned());
    for name in stack.buckets.keys() {
        let id = Kind::Bucket.id(&[name]);
        let values = [Value::Ref(id.clone()), Value::GetAtt(id, "Arn")];
        for ((_, output), value) in OF_BUCKET.into_iter().zip(values) {
            template.add_output(format!("{output}{}", logical_id(name)), value);
        }
    }
    add_list(template, "FileSystems", stack.file_systems.keys().cloned());
    let points = stack.file_systems.iter().flat_map(|(name, file_system)| {
        let points = file_system.access_points.keys();
        points.map(move |point| format!("{name}/{point}"))
    });
    add_list(template, "AccessPoints", points);
    for (name, file_system) in &stack.file_systems {
        let id = Kind::FileSystem.id(&[name]);
        let values = [Value::Ref(id.clone()), Value::GetAtt(id, "Arn")];
        for ((_, output), value) in OF_FILE_SYSTEM.into_iter().zip(values) {
            template.add_output(format!("{output}{}", logical_id(name)), value);
        }
        for point in file_system.access_points.keys() {
            let id = Kind::AccessPoint.id(&[name, point]);
            let values = [Value::Ref(id.clone()), Value::GetAtt(id, "Arn")];
            for ((_, output), value) in OF_ACCESS_POINT.into_iter().zip(values) {
                let names = format!("{}{}", logical_id(name), logical_id(point));
                template.add_output(format!("{output}{names}"), value);
            }
        }
    }
}

fn of_stack(named_stack: &NamedStack, template: &mut Template) {
    let mut add = |name: &str, value| template.add_output(name.to_owned(), value);
    let id = |one: Singleton| one.as_str().to_owned();
    if named_stack.stack.has_cluster() {
        add("ClusterName", Value::Ref(id(Singleton::Cluster)));
        add("ClusterArn", Value::GetAtt(id(Singleton::Cluster), "Arn"));
    }
    if named_stack.stack.load_balancer.is_some() {
        let of = |attribute| Value::GetAtt(id(Singleton::LoadBalancer), attribute);
        add("LoadBalancerArn", Value::Ref(id(Singleton::LoadBalancer)));
        add("LoadBalancerDnsName", of("DNSName"));
        add("LoadBalancerZoneId", of("CanonicalHostedZoneID"));
    }
    if let Some(group) = named_stack.load_balancer_security_group() {
        add("LoadBalancerSecurityGroupId", group);
    }
    if named_stack.stack.service_discovery.is_some() {
        add(
            "NamespaceId",
            Value::GetAtt(id(Singleton::DiscoveryNamespace), "Id"),
        );
    }
    if named_stack.stack.events.is_some() {
        add(
            "EventsLogGroupName",
            Value::Ref(id(Singleton::EventsLogGroup)),
        );
    }
}

/// The value of a service's output, where it has one of its own.
fn of_service(named_stack: &NamedStack, named_service: NamedService, name: &str) -> Option<Value> {
    let services = named_stack.stack.services.len();
    let only = services == 1;
    let in_full = services <= MOST_SERVICES_IN_FULL;
    let service = || Kind::Service.id(&[named_service.name]);
    let log_group = || Kind::LogGroup.id(&[named_service.name]);
    let task_definition = || Value::Ref(Kind::TaskDefinition.id(&[named_service.name]));
    match name {
        "service_arn" => Some(Value::Ref(service())),
        "task_definition_arn" => Some(task_definition()),

        // Where it is not said, it is the service's name.
        "container_name" if in_full => (only
            || named_service.container_name() != named_service.name)
            .then(|| Value::written(named_service.container_name())),
        // Without the `:*` that CloudFormation puts at its end.
        "log_group_arn" if in_full => Some(Value::sub(format!(
            "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{}}}",
            log_group()
        ))),
        "security_group_id" if in_full => named_service.security_groups().into_iter().next_back(),
        "task_execution_role_arn" if in_full => Some(named_service.execution_role_arn()),
        "task_role_arn" if in_full => Some(named_service.task_role_arn()),
        // Of several, the first one, as of one.
        "target_group_arn" if in_full => {
            let mut arns = named_stack.target_group_arns(named_service);
            arns.next()
                .filter(|(group, _)| group.is_first())
                .map(|(_, arn)| arn)
        }
        "auto_scaling_target_resource_id" if in_full => {
            let scaling = named_service.spec.scaling.as_ref();
            scaling.map(|_| scaling::resource_id(named_service))
        }

        "service_name" if only => Some(Value::GetAtt(service(), "Name")),
        "task_definition_family" if only => {
            Some(Value::written(&named_stack.family(named_service)))
        }
        // `arn:aws:ecs:<region>:<account>:task-definition/<family>:<revision>`
        "task_definition_revision" if only => Some(task_definition().part(6, ":")),
        "log_group_name" if only => Some(Value::Ref(log_group())),
        _ => None,
    }
}

/// Adds names as a list, which goes on in a further output where it is too long for one.
pub(super) fn add_list(template: &mut Template, list: &str, names: impl Iterator<Item = String>) {
    let mut parts: Vec<String> = Vec::new();
    for name in names {
        match parts.last_mut() {
            Some(part) if part.len() + 1 + name.len() <= LONGEST_VALUE => {
                part.push(',');
                part.push_str(&name);
            }
            _ => parts.push(name),
        }
    }
    for (index, part) in parts.into_iter().enumerate() {
        let output = match index {
            0 => list.to_owned(),
            _ => format!("{list}{}", index + 1),
        };
        template.add_output(output, Value::Text(part));
    }
}
