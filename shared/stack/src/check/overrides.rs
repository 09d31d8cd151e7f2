//! Overrides and further resources: that CloudFormation takes them, and that they break nothing which Longshore
//! promises.

mod refused;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::findings::Findings;
use crate::path::Path;
use crate::properties::{Expected, Property, of_type};
use crate::render::Rendered;
use crate::render::output_names;
use crate::render::overrides::{Change, changes, is_function, is_reserved, name_in_list};
use crate::render::volume_name;
use crate::spec::{DeploymentStrategy, FurtherResource, Patch, Stack};
use refused::{
    FURTHER_TYPES, instead_of, refusal, refusal_of_attribute, refusal_of_further, refusal_of_name,
    refusal_of_removal,
};

/// What CloudFormation fills in.
const PSEUDO_PARAMETERS: [&str; 6] = [
    "AWS::AccountId",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// The functions that may be used. `Fn::Sub` is not among them: texts have its pseudo parameters as they are.
const FUNCTIONS: [&str; 5] = ["Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split"];

/// CloudFormation's limit for the outputs of a stack.
const MOST_OUTPUTS: usize = 200;

pub(super) fn check(stack: &Stack, rendered: &Rendered, findings: &mut Findings) {
    let has_changes = changes(stack).next().is_some();
    if !has_changes && stack.resources.is_empty() && stack.outputs.is_empty() {
        return;
    }
    let mut checking = Checking {
        stack,
        types: &rendered.resource_types,
        outputs: rendered.outputs.len(),
        findings,
    };
    for change in changes(stack) {
        checking.change(&change);
    }
    for (id, resource) in &stack.resources {
        checking.resource(id, resource);
    }
    checking.outputs();
}

struct Checking<'a> {
    stack: &'a Stack,
    /// The types of the template's resources, by logical id.
    types: &'a BTreeMap<String, String>,
    /// How many outputs the template has.
    outputs: usize,
    findings: &'a mut Findings,
}

/// Where in a resource's properties something is, and whose they are.
#[derive(Clone)]
struct Place<'a> {
    resource_type: &'a str,
    /// Without items and names in lists: `ContainerDefinitions.LinuxParameters`.
    property: String,
    path: Path,
    origin: Origin<'a>,
}

#[derive(Clone, Copy)]
enum Origin<'a> {
    /// A patch, of this service or of the stack.
    Override(Option<&'a str>),
    /// A further resource.
    Further,
}

impl Place<'_> {
    fn field(&self, name: &str) -> Self {
        let dot = if self.property.is_empty() { "" } else { "." };
        Self {
            property: format!("{}{dot}{name}", self.property),
            path: self.path.key(name),
            ..self.clone()
        }
    }

    fn item(&self, index: usize) -> Self {
        Self {
            path: self.path.index(index),
            ..self.clone()
        }
    }

    fn named(&self, name: &str) -> Self {
        Self {
            path: self.path.key(name),
            ..self.clone()
        }
    }

    fn name(&self) -> &str {
        self.property.rsplit('.').next().unwrap_or_default()
    }
}

impl Checking<'_> {
    fn change(&mut self, change: &Change<'_>) {
        let root = Path::default();
        let mut path = match change.service {
            Some(service) => root.key("services").key(service),
            None => root,
        };
        path = path.key("overrides").key(change.key);
        if let Some(name) = change.name {
            path = path.key(name);
        }
        let mut there = change.ids.iter().filter_map(|id| self.types.get(id));
        let Some(resource_type) = there.next() else {
            let whose = match change.service {
                Some(_) => "the service",
                None => "the stack",
            };
            let what = match change.name {
                Some(name) => format!("`{name}` among its `{}`", change.key),
                None => format!("`{}` that could be changed", change.key),
            };
            let advice = made_by(change.key);
            self.findings
                .error_without_value(path, format!("{whose} has no {what}; {advice}"));
            return;
        };
        let place = Place {
            resource_type,
            property: String::new(),
            path,
            origin: Origin::Override(change.service),
        };
        self.properties(&place, change.patch);
    }

    fn resource(&mut self, id: &str, resource: &FurtherResource) {
        let path = Path::default().key("resources").key(id);
        let is_id =
            (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            self.findings.error(
                &path,
                id,
                "this is not a logical id, expected 1 to 255 letters and digits",
            );
        } else if is_reserved(id) {
            self.findings.error(
                &path,
                id,
                "resources of Longshore's own are called so, or begin so; give it a name that ends so instead, \
                 such as `AdminTargetGroup` for `TargetGroupAdmin`",
            );
        }
        let at = path.key("Type");
        if !FURTHER_TYPES.contains(&resource.r#type.as_str()) {
            let advice = self.findings.advice(
                &resource.r#type,
                FURTHER_TYPES.into_iter(),
                "`longshore schema stack` lists what is known",
            );
            let message = match instead_of(&resource.r#type) {
                Some(instead) => format!("a stack file cannot add this type: {instead}"),
                None => format!(
                    "a stack file cannot add this type, for the role that CloudFormation works with has no right \
                     to make it; make it elsewhere and name it here, or: {advice}"
                ),
            };
            self.findings.error(&at, &resource.r#type, message);
            return;
        }
        for (index, before) in resource.depends_on.iter().enumerate() {
            if !self.types.contains_key(before) {
                self.unknown_id(&path.key("DependsOn").index(index), before);
            }
        }
        let place = Place {
            resource_type: &resource.r#type,
            property: String::new(),
            path: path.key("Properties"),
            origin: Origin::Further,
        };
        self.properties(&place, &resource.properties);
        if resource.r#type == "AWS::ElasticLoadBalancingV2::ListenerRule" {
            self.priority(&place.field("Priority"), &resource.properties);
        }
        if resource.r#type == "AWS::Logs::LogGroup"
            && !resource.properties.contains_key("LogGroupName")
        {
            self.log_group_name(&place.field("LogGroupName"), &Value::Null);
        }
    }

    /// A rule's place among those of the services on the same listener.
    fn priority(&mut self, place: &Place<'_>, properties: &Patch) {
        let Some(priority) = properties
            .get("Priority")
            .and_then(|value| value.0.as_u64())
        else {
            return;
        };
        let listener = properties.get("ListenerArn");
        let listener = listener.and_then(|value| match &value.0["Ref"] {
            Value::String(id) => Some(id.as_str()),
            _ => attribute_of(&value.0).map(|(id, _)| id),
        });
        let is_of_services = |id: &str| {
            let has_certificate = self.types.contains_key("HttpsListener");
            id == if has_certificate {
                "HttpsListener"
            } else {
                "HttpListener"
            }
        };
        if !listener.is_some_and(is_of_services) {
            return;
        }
        let mut services = self.stack.services.iter();
        let taken = services.find(|(_, spec)| {
            let own = spec.all_target_groups();
            let own = own.filter(|group| group.listener_arn.is_none());
            let mut of_service = own.filter_map(|group| group.priority);
            of_service.any(|of_service| u64::from(of_service) == priority)
        });
        if let Some((service, _)) = taken {
            let message =
                format!("the rule of service `{service}` has this priority; give another one");
            self.findings.error(&place.path, priority, message);
        }
    }

    fn outputs(&mut self) {
        let path = Path::default().key("outputs");
        for (name, value) in &self.stack.outputs {
            let path = path.key(name);
            let is_name = (1..=255).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_name {
                self.findings.error(
                    &path,
                    name,
                    "this is not a name of an output, expected 1 to 255 letters and digits",
                );
            } else if output_names::is_reserved(name) {
                self.findings.error(
                    &path,
                    name,
                    "outputs of Longshore's own are called so, or begin so; give it another name",
                );
            }
            match &value.0 {
                Value::Array(_) | Value::Null => self.findings.error_without_value(
                    &path,
                    "this is not a value of an output, expected a text or a function, such as `{Ref: Cluster}`",
                ),
                value @ Value::Object(_) if !is_function(value) => self.findings.error_without_value(
                    &path,
                    "this is a map, expected a text or a function alone, such as `{Ref: Cluster}`",
                ),
                value => self.functions_in(&path, value),
            }
        }
        let outputs = self.outputs;
        if outputs > MOST_OUTPUTS {
            self.findings.error(
                path,
                outputs,
                format!("the stack has too many outputs, expected at most {MOST_OUTPUTS}"),
            );
        }
    }

    fn properties(&mut self, place: &Place<'_>, patch: &Patch) {
        let Some(properties) = of_type(place.resource_type) else {
            return;
        };
        let Expected::Fields(known) = properties.expected() else {
            return;
        };
        for (name, value) in patch {
            let place = place.field(name);
            match known.get(name) {
                Some(schema) => self.value(&place, &value.0, properties.field(schema)),
                None => self.unknown_property(&place, known.keys()),
            }
        }
    }

    fn unknown_property<'k>(
        &mut self,
        place: &Place<'_>,
        known: impl Iterator<Item = &'k String> + Clone,
    ) {
        let known = known.map(String::as_str);
        let advice = self
            .findings
            .advice(place.name(), known, "none is known here");
        let message = format!(
            "{} has no such property here; {advice}",
            place.resource_type
        );
        self.findings.error(&place.path, place.name(), message);
    }

    fn value(&mut self, place: &Place<'_>, value: &Value, property: Property<'_>) {
        if self.is_refused(place, value) {
            return;
        }
        if value.is_null() {
            return;
        }
        if is_function(value) {
            self.function(&place.path, value);
            return;
        }
        match (property.expected(), value) {
            (Expected::Fields(known), Value::Object(fields)) => {
                for (name, value) in fields {
                    let place = place.field(name);
                    match known.get(name) {
                        Some(schema) => self.value(&place, value, property.field(schema)),
                        None => self.unknown_property(&place, known.keys()),
                    }
                }
            }
            (Expected::List(item), Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    self.value(&place.item(index), value, item);
                }
            }
            (Expected::List(item), Value::Object(changes))
                if matches!(place.origin, Origin::Override(_))
                    && name_in_list(place.name()).is_some() =>
            {
                self.items(place, changes, item);
            }
            (Expected::Anything, value) => self.anything(place, value),
            (Expected::Scalar, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {}
            (expected, _) => {
                let expected = match expected {
                    Expected::Fields(_) => "a map",
                    Expected::List(_) => "a list",
                    Expected::Scalar | Expected::Anything => "a text, a number or a boolean",
                };
                let message = format!(
                    "`{}` is not of this kind, expected {expected}",
                    place.name()
                );
                self.findings.error_without_value(&place.path, message);
            }
        }
    }

    /// The items of a list that a map changes by their names.
    fn items(
        &mut self,
        place: &Place<'_>,
        changes: &serde_json::Map<String, Value>,
        item: Property<'_>,
    ) {
        let containers: Option<Vec<&str>> = match (place.name(), place.origin) {
            ("ContainerDefinitions", Origin::Override(Some(service))) => {
                let spec = self.stack.services.get(service);
                spec.map(|spec| {
                    spec.containers(service)
                        .map(|container| container.name)
                        .collect()
                })
            }
            _ => None,
        };
        let volumes: Option<BTreeSet<String>> = match (place.name(), place.origin) {
            ("Volumes", Origin::Override(Some(service))) => {
                let spec = self.stack.services.get(service);
                spec.map(|spec| {
                    let containers = spec.containers(service);
                    let mounts = containers.flat_map(|container| container.mount_points);
                    mounts.map(volume_name).collect()
                })
            }
            _ => None,
        };
        let of_attributes = place.name().ends_with("Attributes");
        for (name, change) in changes {
            let place = place.named(name);
            if let Some(volumes) = &volumes
                && !volumes.contains(name)
            {
                self.findings.warning(
                    &place.path,
                    name,
                    "no container mounts this volume, so that nobody sees what is in it; `mount_points` mount the \
                     stack's `file_systems` and scratch space",
                );
            }
            if let Some(containers) = &containers
                && !containers.contains(&name.as_str())
            {
                let known = containers.iter().copied();
                let advice = self.findings.advice(name, known, "the service has none");
                let message = format!("the task has no such container; {advice}");
                self.findings.error(&place.path, name, message);
                continue;
            }
            if let Some(why) = refusal_of_attribute(name) {
                let message = format!("`{name}` cannot be overridden: {why}");
                self.findings.error_without_value(&place.path, message);
                continue;
            }
            match change {
                Value::Null if containers.is_some() => self.findings.error_without_value(
                    &place.path,
                    "a container cannot be removed here; leave it out of `sidecars`",
                ),
                // The value of an attribute is a text, whatever the items of the list are.
                Value::Object(_) if of_attributes && !is_function(change) => {
                    self.findings.error_without_value(
                        &place.path,
                        "this is the value of an attribute, expected a text, a number or a boolean",
                    );
                }
                Value::Object(_) if of_attributes => self.function(&place.path, change),
                Value::Object(_) => self.value(&place, change, item),
                // The value of an attribute.
                Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null
                    if of_attributes => {}
                _ => {
                    let message = "this is not a map of what is different";
                    self.findings.error_without_value(&place.path, message);
                }
            }
        }
    }

    /// What no schema describes.
    fn anything(&mut self, place: &Place<'_>, value: &Value) {
        if self.is_refused(place, value) {
            return;
        }
        match value {
            value if is_function(value) => self.function(&place.path, value),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.anything(&place.field(name), value);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    self.anything(&place.item(index), value);
                }
            }
            _ => {}
        }
    }

    /// Notes why something cannot be said, if it cannot.
    fn is_refused(&mut self, place: &Place<'_>, value: &Value) -> bool {
        let why = refusal_of_name(place.name())
            .map(str::to_owned)
            .or_else(|| match place.origin {
                Origin::Override(_) => {
                    let refusal = match value {
                        Value::Null => refusal_of_removal,
                        _ => refusal,
                    };
                    refusal(place.resource_type, &place.property).map(str::to_owned)
                }
                Origin::Further => {
                    refusal_of_further(place.resource_type, &place.property).map(str::to_owned)
                }
            })
            .or_else(|| self.refusal_of_value(place, value));
        let Some(why) = why else {
            return false;
        };
        let cannot = match place.origin {
            Origin::Override(_) => "cannot be overridden",
            Origin::Further => "cannot be set here",
        };
        let message = format!("`{}` {cannot}: {why}", place.name());
        self.findings.error_without_value(&place.path, message);
        true
    }

    /// Why a value is refused where another one is not.
    fn refusal_of_value(&mut self, place: &Place<'_>, value: &Value) -> Option<String> {
        let service = match place.origin {
            Origin::Override(Some(service)) => self.stack.services.get(service),
            _ => None,
        };
        let shifts = service.is_some_and(|service| {
            service.deployment_configuration.strategy != DeploymentStrategy::Rolling
        });
        let is_override = matches!(place.origin, Origin::Override(_));
        // A list, or an item of it.
        let all = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        let why = match (place.resource_type, place.property.as_str()) {
            _ if is_override
                && name_in_list(place.name()).is_some()
                && (!value.is_object() || is_function(value)) =>
            {
                "give a map of what is different, by name; a list would replace what Longshore renders"
            }
            ("AWS::ECS::TaskDefinition", "PidMode" | "IpcMode")
                if *value != "task" && !value.is_null() =>
            {
                "only `task` keeps the containers apart from those of other tasks"
            }
            (
                "AWS::ECS::TaskDefinition",
                "ContainerDefinitions.LinuxParameters.Capabilities.Add",
            ) if all.iter().any(|one| one != "SYS_PTRACE") => {
                "only `SYS_PTRACE` keeps a container within its task"
            }
            ("AWS::ElasticLoadBalancingV2::ListenerRule", "Actions") if shifts => {
                "ECS moves the service's requests by the rule's actions"
            }
            ("AWS::ECS::Service", "LoadBalancers") if shifts => {
                "ECS moves the service's requests between the target groups that are named here"
            }
            ("AWS::AutoScaling::AutoScalingGroup", "LaunchTemplate") if !value.is_null() => {
                "its instances start from the launch template of the capacity; null removes it, beside a \
                 `MixedInstancesPolicy` that names `LaunchTemplate<capacity>`"
            }
            ("AWS::Logs::LogGroup", "LogGroupName") => {
                self.log_group_name(place, value);
                return None;
            }
            (_, _)
                if own(place)
                    .is_some_and(|own| !value.is_null() && !self.refers_to(value, own)) =>
            {
                let example = own(place).and_then(|(resource_type, attributes)| {
                    let mut types = self.types.iter();
                    let (id, _) = types.find(|(_, of)| *of == resource_type)?;
                    Some(match attributes.first()? {
                        &"Ref" => format!(", such as `{{Ref: {id}}}`"),
                        attribute => format!(", such as `{{Fn::GetAtt: [{id}, {attribute}]}}`"),
                    })
                });
                return Some(format!(
                    "expected a resource of this stack{}; another stack's is not this one's to change",
                    example.unwrap_or_default()
                ));
            }
            (
                "AWS::CloudWatch::Alarm",
                "AlarmActions" | "OKActions" | "InsufficientDataActions",
            ) if !value.is_null() && !all.iter().all(|one| self.is_alarm_action(one)) => {
                "expected a list of ARNs of SNS topics and of references to scaling policies of this stack"
            }
            (_, property)
                if (property == "Type" || property.ends_with(".Type"))
                    && matches!(
                        value.as_str(),
                        Some("authenticate-cognito" | "authenticate-oidc")
                    ) =>
            {
                "use `target_group.authenticate` of a service, which names the secret of `authenticate-oidc` where \
                 no template shows it"
            }
            ("AWS::ElasticLoadBalancingV2::LoadBalancer", "Type") => "use `load_balancer.type`",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn log_group_name(&mut self, place: &Place<'_>, value: &Value) {
        let name = self.stack.stack_name();
        let is_own = value.as_str().is_some_and(|text| {
            ["ecs", "longshore"]
                .iter()
                .any(|folder| text.starts_with(&format!("/{folder}/{name}/")))
        });
        if !is_own {
            self.findings.error_without_value(
                &place.path,
                format!(
                    "expected a name that begins with `/longshore/{name}/`: the role that CloudFormation works with \
                     makes log groups there only"
                ),
            );
        }
    }

    fn refers_to(&self, value: &Value, (resource_type, attributes): Own) -> bool {
        let reference = value["Ref"].as_str().map(|id| (id, "Ref"));
        let reference = reference.or_else(|| attribute_of(value));
        is_function(value)
            && reference.is_some_and(|(id, attribute)| {
                self.types.get(id).is_some_and(|of| of == resource_type)
                    && attributes.contains(&attribute)
            })
    }

    fn is_alarm_action(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let text = text.replace("${AWS::Partition}", "aws");
                let mut parts = text.split(':');
                parts.next() == Some("arn") && parts.nth(1) == Some("sns")
            }
            value => self.refers_to(
                value,
                (
                    "AWS::ApplicationAutoScaling::ScalingPolicy",
                    &["Ref", "Arn"],
                ),
            ),
        }
    }

    /// Functions anywhere in a value.
    fn functions_in(&mut self, path: &Path, value: &Value) {
        match value {
            value if is_function(value) => self.function(path, value),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.functions_in(&path.key(name), value);
                }
            }
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    self.functions_in(&path.index(index), value);
                }
            }
            _ => {}
        }
    }

    fn function(&mut self, path: &Path, value: &Value) {
        let fields = value.as_object();
        let only = fields.filter(|fields| fields.len() == 1);
        let Some((name, argument)) = only.and_then(|fields| fields.iter().next()) else {
            let message = "a function stands alone in its map, such as `{Ref: Cluster}`";
            self.findings.error_without_value(path, message);
            return;
        };
        match (name.as_str(), argument) {
            ("Ref", Value::String(id)) => {
                if !self.types.contains_key(id) && !PSEUDO_PARAMETERS.contains(&id.as_str()) {
                    self.unknown_id(path, id);
                }
            }
            ("Fn::GetAtt", _) => match attribute_of(value) {
                Some((id, _)) if self.types.contains_key(id) => {}
                Some((id, _)) => self.unknown_id(path, id),
                None => self.findings.error_without_value(
                    path,
                    "expected a logical id and an attribute, such as `{Fn::GetAtt: [LoadBalancer, DNSName]}`",
                ),
            },
            ("Fn::Join" | "Fn::Select" | "Fn::Split", Value::Array(arguments)) if arguments.len() == 2 => {
                for (index, argument) in arguments.iter().enumerate() {
                    self.argument(&path.key(name).index(index), argument);
                }
            }
            (name, _) if FUNCTIONS.contains(&name) => self.findings.error_without_value(
                path,
                format!("these are not the arguments of `{name}`, expected a list of two, or a text for `Ref`"),
            ),
            (name, _) => self.findings.error(
                path,
                name,
                format!(
                    "a stack file cannot use this function, expected one of `{}`; write `${{AWS::Region}}` and the \
                     like in the text itself",
                    FUNCTIONS.join("`, `")
                ),
            ),
        }
    }

    /// An argument of a function. Out of texts with braces, several could make a dynamic reference together.
    fn argument(&mut self, path: &Path, value: &Value) {
        match value {
            Value::String(text) if has_braces(text) => self.findings.error_without_value(
                path,
                "a text within a function cannot have braces, other than those of `${AWS::Region}` and the like",
            ),
            value if is_function(value) => self.function(path, value),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.argument(&path.index(index), item);
                }
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {}
            Value::Object(_) | Value::Null => {
                let message = "expected a text, a list or a function";
                self.findings.error_without_value(path, message);
            }
        }
    }

    fn unknown_id(&mut self, path: &Path, id: &str) {
        let known = self.types.keys().map(String::as_str);
        let advice = match self.types.len() {
            0..=12 => self.findings.advice(id, known, "the stack has none"),
            _ => match crate::nearest::nearest(id, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`longshore render` shows those that there are".to_owned(),
            },
        };
        let message = format!("the template has no resource of this logical id; {advice}");
        self.findings.error(path, id, message);
    }
}

/// A type of resource, and the attributes that identify one; `Ref` is among them. Others are texts that a stack file
/// chooses, such as the name of a cluster.
type Own = (&'static str, &'static [&'static str]);

/// What a property must refer to that names what is changed or added to: something of the stack's own.
fn own(place: &Place<'_>) -> Option<Own> {
    let is_further = matches!(place.origin, Origin::Further);
    let (resource_type, property) = (place.resource_type, place.property.as_str());
    Some(match (resource_type, property) {
        ("AWS::ECS::Service", "ServiceConnectConfiguration.Namespace")
        | ("AWS::ECS::Cluster", "ServiceConnectDefaults.Namespace") => {
            ("AWS::ServiceDiscovery::PrivateDnsNamespace", &["Arn"])
        }
        ("AWS::AutoScaling::AutoScalingGroup", property)
            if property.ends_with(".LaunchTemplateId") =>
        {
            ("AWS::EC2::LaunchTemplate", &["Ref", "LaunchTemplateId"])
        }
        ("AWS::EC2::SecurityGroupEgress" | "AWS::EC2::SecurityGroupIngress", "GroupId")
            if is_further =>
        {
            ("AWS::EC2::SecurityGroup", &["Ref", "GroupId"])
        }
        ("AWS::ElasticLoadBalancingV2::Listener", "LoadBalancerArn") if is_further => (
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            &["Ref", "LoadBalancerArn"],
        ),
        (
            "AWS::ElasticLoadBalancingV2::ListenerCertificate"
            | "AWS::ElasticLoadBalancingV2::ListenerRule",
            "ListenerArn",
        ) if is_further => (
            "AWS::ElasticLoadBalancingV2::Listener",
            &["Ref", "ListenerArn"],
        ),
        ("AWS::ApplicationAutoScaling::ScalingPolicy", "ScalingTargetId") if is_further => {
            ("AWS::ApplicationAutoScaling::ScalableTarget", &["Ref"])
        }
        _ => return None,
    })
}

/// The logical id and the attribute of `Fn::GetAtt`.
fn attribute_of(value: &Value) -> Option<(&str, &str)> {
    match value.get("Fn::GetAtt")? {
        Value::String(text) => text.split_once('.'),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(id), Value::String(attribute)] => Some((id, attribute)),
            _ => None,
        },
        _ => None,
    }
}

fn has_braces(text: &str) -> bool {
    // `$${` is an escape, which leaves a brace.
    if text.contains("$${") {
        return true;
    }
    let mut rest = text.to_owned();
    for name in [
        "AWS::AccountId",
        "AWS::Partition",
        "AWS::Region",
        "AWS::URLSuffix",
    ] {
        rest = rest.replace(&format!("${{{name}}}"), "");
    }
    rest.contains(['{', '}'])
}

/// What makes a stack have that which a key of `overrides` changes.
fn made_by(key: &str) -> &'static str {
    match key {
        "target_group" | "listener_rule" => {
            "it has one with `target_group`, behind a `load_balancer` of the stack or a `listener_arn`; a rule also needs paths or hosts"
        }
        "service_discovery" => {
            "it has one with the stack's `service_discovery` and a `container_port`"
        }
        "scalable_target" | "cpu_tracking" | "memory_tracking" | "request_tracking" => {
            "it has one with `scaling` and the target of that name"
        }
        "scale_out_policy" | "scale_in_policy" => "it has one with `scaling` that goes by steps",
        "cpu_alarm"
        | "memory_alarm"
        | "running_tasks_alarm"
        | "target_errors_alarm"
        | "target_health_alarm" => "it has one with the stack's `alarms`",
        "load_balancer" | "listener" | "http_listener" => "it has one with `load_balancer`",
        "schedules" | "file_systems" | "capacity" => "name one that is there",
        _ => "it has one with services",
    }
}
