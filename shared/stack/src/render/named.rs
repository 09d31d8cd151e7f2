//! What every part of a template is rendered from.

use crate::references::has_dynamic_reference;
use crate::spec::{
    Container, DeploymentStrategy, LoadBalancerType, Scaling, Service, Stack, TargetGroup,
};

use super::context::Context;
use super::names::{Kind, Singleton};
use super::template::{Tag, Value};

/// A stack with the names and tags that all its resources share.
pub(super) struct NamedStack<'a> {
    pub(super) stack: &'a Stack,
    pub(super) context: &'a Context,
    pub(super) stack_name: String,
    pub(super) cluster_name: String,
    tags: Vec<Tag>,
}

/// A service of the stack with its names.
#[derive(Clone, Copy)]
pub(super) struct NamedService<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a Service,
}

/// One of the ways in which requests come to a service, with its names.
#[derive(Clone)]
pub(super) struct NamedGroup<'a> {
    pub(super) named_service: NamedService<'a>,
    pub(super) spec: &'a TargetGroup,
    /// What tells it from the service's first one, which is called after the service alone.
    further: Vec<String>,
}

impl<'a> NamedStack<'a> {
    pub(super) fn new(stack: &'a Stack, context: &'a Context) -> Self {
        let tags = stack.tags.iter().map(|(key, value)| Tag {
            key: key.clone(),
            value: Value::written(value.as_str()),
        });
        Self {
            stack,
            context,
            stack_name: stack.stack_name(),
            cluster_name: stack.cluster_name(),
            tags: tags.collect(),
        }
    }

    /// The image that takes the place of the stack file's. It comes from a record or a task definition, which no
    /// check of a stack file has seen.
    pub(super) fn preserved(
        &self,
        named_service: NamedService,
        container: Container,
    ) -> Option<&'a str> {
        let images = self.context.images.get(named_service.name)?;
        let image = images.get(container.name)?;
        (!has_dynamic_reference(image)).then_some(image)
    }

    /// The tags of a resource.
    pub(super) fn tags(&self) -> Option<Vec<Tag>> {
        (!self.tags.is_empty()).then(|| self.tags.clone())
    }

    /// The tags of a resource that has some of its own.
    pub(super) fn tags_and(
        &self,
        own: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Vec<Tag> {
        let own = own.into_iter().map(|(key, value)| Tag {
            key: key.to_owned(),
            value: Value::Text(value),
        });
        self.tags.iter().cloned().chain(own).collect()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = NamedService<'a>> {
        let services = &self.stack.services;
        services
            .iter()
            .map(|(name, spec)| NamedService { name, spec })
    }

    /// The service of this name.
    pub(super) fn member(&self, name: &str) -> Option<NamedService<'a>> {
        let (name, spec) = self.stack.services.get_key_value(name)?;
        Some(NamedService { name, spec })
    }

    pub(super) fn subnet_ids(&self, own: Option<&Vec<String>>) -> Vec<Value> {
        let ids = own.unwrap_or(&self.stack.network.subnet_ids);
        ids.iter().map(|id| Value::written(id)).collect()
    }

    pub(super) fn ecs_service_name(&self, named_service: NamedService) -> String {
        self.stack.ecs_service_name(named_service.name)
    }

    pub(super) fn family(&self, named_service: NamedService) -> String {
        let family = named_service.spec.family.clone();
        family.unwrap_or_else(|| self.ecs_service_name(named_service))
    }

    pub(super) fn log_group_name(&self, named_service: NamedService) -> String {
        format!("/ecs/{}/{}", self.stack_name, named_service.name)
    }

    /// The target groups that are the service's own, behind the stack's load balancer or a listener that exists.
    pub(super) fn own_target_groups(
        &self,
        named_service: NamedService<'a>,
    ) -> impl Iterator<Item = NamedGroup<'a>> {
        let has_own = self.stack.load_balancer.is_some();
        let groups = named_service.target_groups().into_iter();
        groups.filter(move |group| {
            group.spec.target_group_arn.is_none() && (group.spec.listener_arn.is_some() || has_own)
        })
    }

    /// As [`Self::own_target_groups`], of those behind the stack's own load balancer.
    pub(super) fn target_groups_behind_own(
        &self,
        named_service: NamedService<'a>,
    ) -> impl Iterator<Item = NamedGroup<'a>> {
        let groups = self.own_target_groups(named_service);
        groups.filter(|group| group.spec.listener_arn.is_none())
    }

    /// As [`Self::own_target_groups`], of those that get requests of HTTP.
    pub(super) fn target_groups_of_requests(
        &self,
        named_service: NamedService<'a>,
    ) -> impl Iterator<Item = NamedGroup<'a>> {
        let groups = self.own_target_groups(named_service);
        groups.filter(|group| !self.is_behind_network(group))
    }

    /// The service's first target group, if requests of HTTP come through it and it is the stack's.
    pub(super) fn first_of_requests(
        &self,
        named_service: NamedService<'a>,
    ) -> Option<NamedGroup<'a>> {
        let mut groups = self.target_groups_of_requests(named_service);
        groups.next().filter(NamedGroup::is_first)
    }

    /// Whether a target group is behind a Network Load Balancer of the stack's own.
    pub(super) fn is_behind_network(&self, group: &NamedGroup<'a>) -> bool {
        self.stack.has_network_load_balancer()
            && group.spec.target_group_arn.is_none()
            && group.spec.listener_arn.is_none()
    }

    /// The security groups of the load balancer that a target group is behind.
    pub(super) fn groups_in_front(&self, group: &NamedGroup<'a>) -> Vec<Value> {
        let (existing, own) = match (&group.spec.listener_arn, &self.stack.load_balancer) {
            (None, Some(own)) => (&own.security_group_ids, self.load_balancer_security_group()),
            _ => (&group.spec.load_balancer_security_group_ids, None),
        };
        let existing = existing.iter().map(|id| Value::written(id));
        existing.chain(own).collect()
    }

    /// What requests come through: the service's target groups, made or existing.
    pub(super) fn target_group_arns(
        &self,
        named_service: NamedService<'a>,
    ) -> impl Iterator<Item = (NamedGroup<'a>, Value)> {
        let has_own = self.stack.load_balancer.is_some();
        let groups = named_service.target_groups().into_iter();
        groups.filter_map(move |group| {
            let arn = match &group.spec.target_group_arn {
                Some(arn) => Value::written(arn),
                None if has_own || group.spec.listener_arn.is_some() => {
                    Value::Ref(group.id(Kind::TargetGroup))
                }
                None => return None,
            };
            Some((group, arn))
        })
    }

    /// Whether ECS moves the service's requests from one target group to another.
    pub(super) fn has_two_target_groups(&self, named_service: NamedService<'a>) -> bool {
        named_service.shifts_requests() && self.own_target_groups(named_service).next().is_some()
    }

    /// Whether the load balancer has a security group of its own, and what it is called.
    pub(super) fn load_balancer_security_group(&self) -> Option<Value> {
        let load_balancer = self.stack.load_balancer.as_ref()?;
        load_balancer
            .security_group_ids
            .is_empty()
            .then(|| group_id(Singleton::LoadBalancerSecurityGroup.as_str().to_owned()))
    }

    /// The listener that requests for the services come through, of an Application Load Balancer.
    pub(super) fn listener(&self) -> Option<Singleton> {
        let load_balancer = self.stack.load_balancer.as_ref()?;
        if load_balancer.r#type == LoadBalancerType::Network {
            return None;
        }
        Some(if load_balancer.certificate_arns.is_empty() {
            Singleton::HttpListener
        } else {
            Singleton::HttpsListener
        })
    }
}

impl<'a> NamedService<'a> {
    pub(super) fn container_name(self) -> &'a str {
        self.spec.container_name.as_deref().unwrap_or(self.name)
    }

    /// The containers of its tasks, its own first.
    pub(super) fn containers(self) -> impl Iterator<Item = Container<'a>> + Clone {
        self.spec.containers(self.name)
    }

    /// Whether ECS starts all new tasks first and then lets requests go to them.
    pub(super) fn shifts_requests(self) -> bool {
        self.spec.deployment_configuration.strategy != DeploymentStrategy::Rolling
    }

    pub(super) fn has_own_security_group(self) -> bool {
        self.spec.security_group.is_some() || self.spec.security_group_ids.is_empty()
    }

    /// Whether its own security group lets out only what is said.
    pub(super) fn restricts_egress(self) -> bool {
        let own = self.spec.security_group.as_ref();
        own.is_some_and(|group| group.egress.is_some())
    }

    /// All its security groups, those that exist first.
    pub(super) fn security_groups(self) -> Vec<Value> {
        let groups = self.named_security_groups().into_iter();
        groups.map(|(_, group)| group).collect()
    }

    /// All its security groups, with the names that logical ids of something of each of them have.
    pub(super) fn named_security_groups(self) -> Vec<(Vec<&'a str>, Value)> {
        let existing = self.spec.security_group_ids.iter();
        let existing = existing.map(|id| (vec![self.name, id.as_str()], Value::written(id)));
        let own = self.has_own_security_group().then(|| {
            let id = group_id(Kind::SecurityGroup.id(&[self.name]));
            (vec![self.name], id)
        });
        existing.chain(own).collect()
    }

    /// The ways in which requests come to it.
    pub(super) fn target_groups(self) -> Vec<NamedGroup<'a>> {
        let mut groups: Vec<NamedGroup> = Vec::new();
        for spec in self.spec.all_target_groups() {
            let mut group = NamedGroup {
                named_service: self,
                spec,
                further: Vec::new(),
            };
            if !groups.is_empty() {
                group.further = group.names();
                // By its place in front, where another one is called so already.
                if groups.iter().any(|other| other.further == group.further) {
                    let place = spec.priority.or(spec.listener_port.map(u32::from));
                    let place =
                        place.map_or_else(|| "default".to_owned(), |place| place.to_string());
                    group.further.push(format!("at{place}"));
                }
            }
            groups.push(group);
        }
        groups
    }

    /// The role that ECS starts its tasks with.
    pub(super) fn execution_role_arn(self) -> Value {
        self.role_arn(self.spec.execution_role_arn.as_deref(), Kind::ExecutionRole)
    }

    /// The role that its container has.
    pub(super) fn task_role_arn(self) -> Value {
        self.role_arn(self.spec.task_role_arn.as_deref(), Kind::TaskRole)
    }

    fn role_arn(self, existing: Option<&str>, own: Kind) -> Value {
        existing.map_or_else(
            || Value::GetAtt(own.id(&[self.name]), "Arn"),
            Value::written,
        )
    }
}

impl<'a> NamedGroup<'a> {
    /// Whether it is the service's first one, whose names are those of a service's only one.
    pub(super) fn is_first(&self) -> bool {
        self.further.is_empty()
    }

    /// The logical id of what is of this kind and belongs to it.
    pub(super) fn id(&self, kind: Kind) -> String {
        kind.id(&self.all_names())
    }

    /// The names in logical ids, that of the service first.
    pub(super) fn all_names(&self) -> Vec<&str> {
        let further = self.further.iter().map(String::as_str);
        std::iter::once(self.named_service.name)
            .chain(further)
            .collect()
    }

    /// What tells it from the service's first one: where requests come to, and through which listener, if that exists.
    fn names(&self) -> Vec<String> {
        let (container, port) = self.target();
        let mut names = Vec::new();
        if container != self.named_service.container_name() {
            names.push(container.to_owned());
        }
        names.push(port.to_string());
        let listener = self.spec.listener_arn.as_deref();
        let listener = listener.and_then(|listener| listener.rsplit('/').next());
        names.extend(listener.map(str::to_owned));
        names
    }

    /// Whether its requests come by a rule of a listener of the stack's or of one that exists. Where ECS moves requests, it
    /// changes a rule, and the listener's default is none that it takes: what no other service gets comes by the last
    /// rule, then.
    pub(super) fn has_rule(&self) -> bool {
        self.spec.is_conditional() || self.named_service.shifts_requests()
    }

    /// The kinds of target groups that it has: two, where ECS moves requests from one to the other.
    pub(super) fn kinds(&self) -> &'static [Kind] {
        if self.named_service.shifts_requests() {
            &[Kind::TargetGroup, Kind::AlternateTargetGroup]
        } else {
            &[Kind::TargetGroup]
        }
    }

    /// The container and the port that requests come to.
    pub(super) fn target(&self) -> (&'a str, u16) {
        let named_service = self.named_service;
        // A service without a port and behind a load balancer is refused when its file is checked.
        let target = named_service.spec.target(named_service.name, self.spec);
        target.unwrap_or((named_service.container_name(), 80))
    }

    /// The ports that the load balancer reaches, with their protocols: that of requests, for datagrams as well where they
    /// come beside connections, and that of health checks where it is another one.
    pub(super) fn ports(&self) -> Vec<(&'static str, u16)> {
        let (_, port) = self.target();
        let protocol = self.spec.listener_protocol.unwrap_or_default();
        let transports = protocol.transports().iter();
        let mut ports: Vec<_> = transports.map(|transport| (*transport, port)).collect();
        let of_health = self.spec.health_check.port.map(|port| ("tcp", port));
        ports.extend(of_health.filter(|of_health| !ports.contains(of_health)));
        ports
    }

    /// What CloudWatch calls the load balancer in front of it, as a part of a text for [`Value::sub`]. A listener's ARN
    /// holds that: `…:listener/app/<name>/<id>/<listener>`.
    pub(super) fn load_balancer_full_name(&self) -> String {
        let existing = self.spec.listener_arn.as_ref().and_then(|listener| {
            let (_, listener) = listener.split_once(":listener/")?;
            let (load_balancer, _) = listener.rsplit_once('/')?;
            Some(load_balancer.to_owned())
        });
        existing.unwrap_or_else(|| "${LoadBalancer.LoadBalancerFullName}".to_owned())
    }
}

/// The id of a security group of the stack's own.
pub(super) fn group_id(logical_id: String) -> Value {
    Value::GetAtt(logical_id, "GroupId")
}

/// Whether a service scales by alarms of the stack's own. Where nothing may run it has to: tracking
/// a target multiplies the number of tasks, which leads neither to zero nor away from it.
pub(super) fn scales_by_steps(scaling: &Scaling) -> bool {
    scaling.scale_out_evaluation_periods.is_some()
        || scaling.scale_in_evaluation_periods.is_some()
        || scaling.min_capacity == 0
}
