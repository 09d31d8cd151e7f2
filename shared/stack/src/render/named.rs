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

    /// The target group that is the service's own, behind the stack's load balancer or a listener that exists.
    pub(super) fn own_target_group(
        &self,
        named_service: NamedService<'a>,
    ) -> Option<&'a TargetGroup> {
        let target_group = named_service.spec.target_group.as_ref()?;
        let is_behind = target_group.listener_arn.is_some() || self.stack.load_balancer.is_some();
        (target_group.target_group_arn.is_none() && is_behind).then_some(target_group)
    }

    /// As [`Self::own_target_group`], of a service behind the stack's own load balancer.
    pub(super) fn target_group_behind_own(
        &self,
        named_service: NamedService<'a>,
    ) -> Option<&'a TargetGroup> {
        let target_group = self.own_target_group(named_service)?;
        target_group.listener_arn.is_none().then_some(target_group)
    }

    /// As [`Self::own_target_group`], of a service that gets requests of HTTP.
    pub(super) fn target_group_of_requests(
        &self,
        named_service: NamedService<'a>,
    ) -> Option<&'a TargetGroup> {
        let target_group = self.own_target_group(named_service)?;
        (!self.is_behind_network(named_service)).then_some(target_group)
    }

    /// Whether the service is behind a Network Load Balancer of the stack's own.
    pub(super) fn is_behind_network(&self, named_service: NamedService<'a>) -> bool {
        self.stack.has_network_load_balancer()
            && self.target_group_behind_own(named_service).is_some()
    }

    /// The security groups of the load balancer that the service is behind.
    pub(super) fn groups_in_front(&self, named_service: NamedService<'a>) -> Vec<Value> {
        let Some(target_group) = self.own_target_group(named_service) else {
            return Vec::new();
        };
        let (existing, own) = match (&target_group.listener_arn, &self.stack.load_balancer) {
            (None, Some(own)) => (&own.security_group_ids, self.load_balancer_security_group()),
            _ => (&target_group.load_balancer_security_group_ids, None),
        };
        let existing = existing.iter().map(|id| Value::written(id));
        existing.chain(own).collect()
    }

    /// The ports of the service that its load balancer reaches, with their protocols: that of requests, for datagrams as
    /// well where they come beside connections, and that of health checks where it is another one.
    pub(super) fn ports_in_front(
        &self,
        named_service: NamedService<'a>,
    ) -> Vec<(&'static str, u16)> {
        let Some(target_group) = self.own_target_group(named_service) else {
            return Vec::new();
        };
        let protocol = target_group.listener_protocol.unwrap_or_default();
        let transports = protocol.transports().iter();
        let mut ports: Vec<_> = transports
            .map(|transport| (*transport, named_service.port()))
            .collect();
        let of_health = target_group.health_check.port.map(|port| ("tcp", port));
        ports.extend(of_health.filter(|of_health| !ports.contains(of_health)));
        ports
    }

    /// The target group that requests come through, if they come through one.
    pub(super) fn target_group_arn(&self, named_service: NamedService<'a>) -> Option<Value> {
        let target_group = named_service.spec.target_group.as_ref()?;
        match &target_group.target_group_arn {
            Some(arn) => Some(Value::written(arn)),
            None => self
                .own_target_group(named_service)
                .map(|_| Value::Ref(Kind::TargetGroup.id(&[named_service.name]))),
        }
    }

    /// Whether ECS moves the service's requests from one target group to another.
    pub(super) fn has_two_target_groups(&self, named_service: NamedService<'a>) -> bool {
        named_service.shifts_requests() && self.own_target_group(named_service).is_some()
    }

    /// The kinds of its own target groups.
    pub(super) fn own_target_groups(&self, named_service: NamedService<'a>) -> &'static [Kind] {
        match self.own_target_group(named_service) {
            None => &[],
            Some(_) if named_service.shifts_requests() => {
                &[Kind::TargetGroup, Kind::AlternateTargetGroup]
            }
            Some(_) => &[Kind::TargetGroup],
        }
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

    /// What CloudWatch calls the load balancer that the service is behind, as a part of a text for
    /// [`Value::sub`]. A listener's ARN holds that: `…:listener/app/<name>/<id>/<listener>`.
    pub(super) fn load_balancer_full_name(self) -> String {
        let target_group = self.spec.target_group.as_ref();
        let existing = target_group.and_then(|group| {
            let (_, listener) = group.listener_arn.as_ref()?.split_once(":listener/")?;
            let (load_balancer, _) = listener.rsplit_once('/')?;
            Some(load_balancer.to_owned())
        });
        existing.unwrap_or_else(|| "${LoadBalancer.LoadBalancerFullName}".to_owned())
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

    /// The container and the port that requests come to.
    pub(super) fn target(self) -> (&'a str, u16) {
        // A service without a port and behind a load balancer is refused when its file is checked.
        let target = self.spec.target(self.name);
        target.unwrap_or((self.container_name(), 80))
    }

    /// The port that requests come to.
    pub(super) fn port(self) -> u16 {
        self.target().1
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
