//! EC2 capacity, and on which capacity services run.

use std::collections::BTreeSet;

use longshore_events::words::counted;
use longshore_policy::route::CpuArchitecture;

use super::checked::Checked;
use super::findings::Findings;
use super::forms::is_open;
use super::network::{check_security_groups, check_subnets};

use crate::instances::{architecture_of, has_gpus, size_of, tasks_of};
use crate::path::Path;
use crate::spec::{Capacity, FARGATE, SpotAllocationStrategy, Stack, is_fargate};

/// The ECS-optimised image has a snapshot of this many GiB.
const SMALLEST_VOLUME: u32 = 30;

/// In seconds: the Amazon EC2 User Guide, "Spot Instance interruption notices".
const SPOT_NOTICE: u32 = 120;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    for (name, capacity) in &stack.capacity {
        let path = Path::default().key("capacity").key(name);
        if is_fargate(&name.to_uppercase()) {
            findings.error(
                &path,
                name,
                "this is the name of Fargate's own capacity provider; choose another",
            );
        }
        check_capacity(&path, capacity, findings);
        check_interfaces(stack, &path, name, capacity, findings);
        check_gpus(stack, &path, name, capacity, findings);
        let is_used = stack.services.values().any(|service| {
            let mut shares = service.capacity_provider_strategy.iter();
            service.is_daemon() || shares.any(|share| share.capacity_provider == *name)
        });
        if !is_used {
            findings.warning(
                &path,
                name,
                format!(
                    "no service runs on this capacity, which costs all the same; name it in a service's \
                     `capacity_provider_strategy`: [{{capacity_provider: {name}}}]"
                ),
            );
        }
    }
}

/// Each task has a network interface of its own, and an instance has few of them.
fn check_interfaces(
    stack: &Stack,
    path: &Path,
    name: &str,
    capacity: &Capacity,
    findings: &mut Findings,
) {
    // What does not fit on the least of its types may not fit at all.
    let least = capacity
        .types()
        .filter_map(|instance_type| Some((tasks_of(instance_type)?, instance_type)))
        .min();
    let Some((tasks_of_one, instance_type)) = least else {
        return;
    };
    let tasks_of_one = tasks_of_one.saturating_sub(stack.daemons());
    let fits = u64::from(tasks_of_one) * u64::from(capacity.max_size);
    let wanted = stack.most_tasks_on(name);
    if wanted > fits && capacity.max_size > 0 {
        findings.warning(
            path.key("max_size"),
            capacity.max_size,
            format!(
                "each task has a network interface of its own, and {instance_type} has room for {tasks_of_one} of \
                 them beside its own{}, so that {} can run at most {fits} of the {wanted} tasks that the services \
                 on them may have; let this be larger, take another instance type, or turn on `awsvpcTrunking` \
                 in the account",
                if stack.daemons() > 0 {
                    " and those of services with `scheduling_strategy: DAEMON`"
                } else {
                    ""
                },
                counted(capacity.max_size, "instance"),
            ),
        );
    }
}

/// The image with NVIDIA's drivers, and what runs on it.
fn check_gpus(
    stack: &Stack,
    path: &Path,
    name: &str,
    capacity: &Capacity,
    findings: &mut Findings,
) {
    if !stack.needs_gpus_on(name) {
        return;
    }
    let mut types = capacity.types();
    if let Some(without) = types.find(|instance_type| has_gpus(instance_type) == Some(false)) {
        findings.error(
            path.key(field_of_types(capacity)),
            without,
            "a container of a service on this capacity has `gpu`, and these instances have no GPU that ECS \
             gives to containers; expected a type such as g4dn.xlarge or g5.xlarge",
        );
    } else if capacity.cpu_architecture == CpuArchitecture::Arm
        && capacity.image_ssm_parameter.is_none()
    {
        findings.error_without_value(
            path.key("image_ssm_parameter"),
            "a container of a service on this capacity has `gpu`, and Longshore does not know an image for GPUs \
             with ARM64; name one",
        );
    }
}

fn field_of_types(capacity: &Capacity) -> &'static str {
    if capacity.instance_types.is_empty() {
        "instance_type"
    } else {
        "instance_types"
    }
}

fn check_types(path: &Path, capacity: &Capacity, findings: &mut Findings) {
    let path_of_types = path.key(field_of_types(capacity));
    match (&capacity.instance_type, capacity.instance_types.len()) {
        (None, 0) => findings.error_without_value(
            path.key("instance_type"),
            "there is no instance type, expected `instance_type`, or several `instance_types`",
        ),
        (Some(instance_type), 1..) => findings.error(
            path.key("instance_type"),
            instance_type,
            "there are `instance_types`, too; keep one of the two",
        ),
        // EC2 Auto Scaling's quota: the Amazon EC2 Auto Scaling API Reference, `LaunchTemplate`, `Overrides`.
        (None, number @ 41..) => findings.error(
            &path_of_types,
            number,
            "these are too many instance types, expected at most 40",
        ),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for instance_type in capacity.types() {
        if !seen.insert(instance_type) {
            findings.error(
                &path_of_types,
                instance_type,
                "this instance type is there twice; keep one of them",
            );
        }
        let is_type = instance_type.split_once('.').is_some_and(|(family, size)| {
            let is_part = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
                    })
            };
            is_part(family) && is_part(size)
        });
        if !is_type && !is_open(instance_type) {
            findings.error(
                &path_of_types,
                instance_type,
                "this is not an EC2 instance type, expected one such as t3.small",
            );
        } else if let Some(architecture) = architecture_of(instance_type)
            && architecture != capacity.cpu_architecture
        {
            findings.error(
                path.key("cpu_architecture"),
                capacity.cpu_architecture.as_str(),
                format!(
                    "instances of type {instance_type} cannot run this, expected {}",
                    architecture.as_str()
                ),
            );
        }
    }
    check_spot(path, capacity, findings);
}

fn check_spot(path: &Path, capacity: &Capacity, findings: &mut Findings) {
    let spot = capacity.spot_percentage;
    let base = capacity.on_demand_base_capacity;
    if base > 0 && spot == 0 {
        findings.error(
            path.key("on_demand_base_capacity"),
            base,
            "all instances are on demand; leave it out, or say `spot_percentage`",
        );
    } else if base > capacity.max_size {
        findings.error(
            path.key("on_demand_base_capacity"),
            base,
            format!(
                "there are never this many instances, expected at most `max_size`, {}",
                capacity.max_size
            ),
        );
    }
    if capacity.spot_allocation_strategy != SpotAllocationStrategy::default() && spot == 0 {
        findings.error(
            path.key("spot_allocation_strategy"),
            capacity.spot_allocation_strategy.as_str(),
            "there are no Spot instances; leave it out, or say `spot_percentage`",
        );
    }
    if spot > 0 && capacity.types().count() == 1 {
        findings.warning(
            path.key("spot_percentage"),
            spot,
            "EC2 may have no Spot instance of the one type at times; name several of about one size in \
             `instance_types`",
        );
    }
}

fn check_capacity(path: &Path, capacity: &Capacity, findings: &mut Findings) {
    check_types(path, capacity, findings);
    if capacity.min_size > capacity.max_size {
        findings.error(
            path.key("min_size"),
            capacity.min_size,
            format!(
                "the fewest are more than the most, expected at most `max_size`, {}",
                capacity.max_size
            ),
        );
    }
    let least = if capacity.image_ssm_parameter.is_some() {
        1
    } else {
        SMALLEST_VOLUME
    };
    findings.range(
        path.key("volume_size"),
        capacity.volume_size,
        least,
        16_384,
        "the image does not fit, or EBS does not offer this volume",
    );
    if let Some(parameter) = &capacity.image_ssm_parameter
        && !parameter.starts_with('/')
        && !is_open(parameter)
    {
        findings.error(
            path.key("image_ssm_parameter"),
            parameter,
            "this is not an SSM parameter of an image, expected one such as \
             /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
        );
    }
    if let Some(subnets) = &capacity.subnet_ids {
        check_subnets(&path.key("subnet_ids"), subnets, findings);
    }
    check_security_groups(
        &path.key("security_group_ids"),
        &capacity.security_group_ids,
        0,
        findings,
    );
}

pub(super) fn check_strategy(service: &Checked<'_>, findings: &mut Findings) {
    let strategy = &service.spec.capacity_provider_strategy;
    let path = service.at("capacity_provider_strategy");
    let known = || {
        let own = service.stack.capacity.keys().map(String::as_str);
        FARGATE.into_iter().chain(own)
    };
    let mut seen = BTreeSet::new();
    let mut with_base: Option<&str> = None;
    for (index, share) in strategy.iter().enumerate() {
        let path = path.index(index);
        let provider = share.capacity_provider.as_str();
        // A cluster that exists has capacity of its own.
        let is_known = service.stack.capacity.contains_key(provider)
            || service.stack.cluster.existing.is_some();
        if !is_fargate(provider) && !is_known {
            let advice = findings.advice(provider, known(), "");
            findings.error(
                path.key("capacity_provider"),
                provider,
                format!("there is no capacity `{provider}` in this stack; {advice}"),
            );
        }
        if !seen.insert(provider) {
            findings.error(
                path.key("capacity_provider"),
                provider,
                format!("`{provider}` is in the strategy twice; keep one of them"),
            );
        }
        if share.base > 0
            && let Some(other) = with_base.replace(provider)
        {
            findings.error(
                path.key("base"),
                share.base,
                format!("`{other}` has a base already, expected a base of one provider only"),
            );
        }
        if let Some(capacity) = service.stack.capacity.get(provider) {
            check_fits(service, provider, capacity, findings);
        }
    }
    if !strategy.is_empty() && strategy.iter().all(|share| share.weight == 0) {
        findings.error_without_value(
            &path,
            "all weights are 0, so no task could be placed; expected a weight of 1 or more",
        );
    }
    let on_fargate = strategy
        .iter()
        .filter(|share| is_fargate(&share.capacity_provider))
        .count();
    if on_fargate > 0 && on_fargate < strategy.len() {
        findings.error_without_value(
            &path,
            "Fargate and EC2 are mixed, which ECS does not do in one service; use one of them, or two \
             services",
        );
    }
}

fn check_fits(service: &Checked<'_>, provider: &str, capacity: &Capacity, findings: &mut Findings) {
    let spec = service.spec;
    if spec.cpu_architecture != capacity.cpu_architecture {
        findings.error(
            service.at("cpu_architecture"),
            spec.cpu_architecture.as_str(),
            format!(
                "the instances of `{provider}` are {}, expected the same",
                capacity.cpu_architecture.as_str()
            ),
        );
    }
    if capacity.spot_percentage > 0 {
        for (path, container) in service.containers() {
            if container.stop_timeout > SPOT_NOTICE {
                findings.warning(
                    path.key("stop_timeout"),
                    container.stop_timeout,
                    format!(
                        "EC2 takes Spot instances of `{provider}` back at two minutes' notice, which ends this \
                         container earlier; expected at most {SPOT_NOTICE}"
                    ),
                );
            }
        }
    }
    for instance_type in capacity.types() {
        check_fits_on(service, provider, instance_type, findings);
    }
}

fn check_fits_on(
    service: &Checked<'_>,
    provider: &str,
    instance_type: &str,
    findings: &mut Findings,
) {
    let spec = service.spec;
    let Some((cpu, memory)) = size_of(instance_type) else {
        return;
    };
    if spec.cpu > cpu {
        findings.error(
            service.at("cpu"),
            spec.cpu,
            format!(
                "no task of this size fits on an instance of `{provider}`, expected at most {cpu}, which \
                 {instance_type} has"
            ),
        );
    }
    // The kernel, the ECS agent and Docker need some of it.
    if spec.memory >= memory {
        findings.error(
            service.at("memory"),
            spec.memory,
            format!(
                "no task of this size fits on an instance of `{provider}`, expected less than the {memory} \
                 MiB of {instance_type}, and the system needs some of them"
            ),
        );
    }
}
