//! Task definitions and services of ECS, in the words of its API.

use std::collections::BTreeMap;

use crate::document::Block;
use crate::draft::Draft;
use crate::fields::Fields;
use crate::notes::Notes;
use crate::source::{Fault, Node, Place};
use crate::values::{
    literal, literals, part_name, secret_source, set_image, set_secret, set_size, set_variable,
};

/// What `describe-task-definition` and `describe-services` say and nobody sets.
const OF_A_RUNNING_SERVICE: [&str; 24] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "requiresCompatibilities",
    "registeredAt",
    "registeredBy",
    "serviceArn",
    "clusterArn",
    "runningCount",
    "pendingCount",
    "taskDefinition",
    "deployments",
    "taskSets",
    "events",
    "createdAt",
    "createdBy",
    "roleArn",
    "currentServiceDeployment",
    "currentServiceRevisions",
    "resourceManagementType",
    "role",
    "cluster",
];

/// What a mount point means: a volume's file system, or scratch space.
type Volumes = BTreeMap<String, Option<String>>;

/// Adds a service to a draft: what its task definition says, and what the ECS service says, if there is one.
///
/// # Errors
/// Values of another kind than ECS takes, and a task definition without containers.
pub fn add_service(
    draft: &mut Draft,
    name: &str,
    mut definition: Fields,
    service: Option<Fields>,
) -> Result<(), Fault> {
    let name = part_name(name);
    let mut service = service;
    let mut behind = Vec::new();
    if let Some(service) = &mut service {
        behind = service.maps("loadBalancers")?;
    }
    let target = match behind.first_mut() {
        Some(first) => first.text("containerName")?,
        None => None,
    };
    let place = definition.place.clone();
    let mut containers = definition.maps("containerDefinitions")?;
    let main = main_container(&containers, target.as_deref());
    if containers.is_empty() {
        return Err(Fault::at(&place, "`containerDefinitions` has no container"));
    }
    let containers_size = containers_size(&mut containers)?;
    let own = containers.remove(main);

    let volumes = volumes(draft, &mut definition)?;
    let mut block = Block::default();
    let own_name = container(draft, &name, own, &volumes, &mut block, true)?;
    if own_name.as_deref().is_some_and(|own| own != name) {
        block.set_some("container_name", own_name);
    }
    for sidecar in containers {
        let mut inner = Block::default();
        let sidecar_place = sidecar.place.clone();
        let Some(sidecar_name) = container(draft, &name, sidecar, &volumes, &mut inner, false)?
        else {
            return Err(Fault::at(&sidecar_place, "the container has no `name`"));
        };
        block.block("sidecars").set(&sidecar_name, inner);
    }
    definition_details(draft, &mut definition, containers_size, &mut block)?;
    definition.rest(&mut draft.notes, advice);
    draft.services.set(&name, block);
    if let Some(service) = service {
        service_details(draft, &name, service, behind)?;
    }
    Ok(())
}

/// The container that the load balancer knows, or the first essential one.
fn main_container(containers: &[Fields], target: Option<&str>) -> usize {
    let named = containers.iter().position(|container| {
        target.is_some() && container.clone().text("name").ok().flatten().as_deref() == target
    });
    let essential = containers
        .iter()
        .position(|container| container.clone().flag("essential").ok().flatten() != Some(false));
    named.or(essential).unwrap_or_default()
}

/// CPU units and MiB of all containers together, where the task has no size of its own.
fn containers_size(containers: &mut [Fields]) -> Result<(u32, u32), Fault> {
    let mut size = (0_u32, 0_u32);
    for container in containers {
        let mut container = container.clone();
        let memory = container.whole("memory")?;
        let reserved = container.whole("memoryReservation")?;
        size.0 = size
            .0
            .saturating_add(container.whole("cpu")?.unwrap_or_default());
        size.1 = size
            .1
            .saturating_add(memory.or(reserved).unwrap_or_default());
    }
    Ok(size)
}

fn definition_details(
    draft: &mut Draft,
    definition: &mut Fields,
    containers_size: (u32, u32),
    block: &mut Block,
) -> Result<(), Fault> {
    let place = definition.place.clone();
    let notes = &mut draft.notes;
    definition.skip(&OF_A_RUNNING_SERVICE);
    definition.skip(&["family"]);
    let cpu = definition.text("cpu")?;
    let memory = definition.text("memory")?;
    let mut size = (
        cpu.as_deref().and_then(units),
        memory.as_deref().and_then(task_memory),
    );
    for (key, text, number) in [("cpu", &cpu, size.0), ("memory", &memory, size.1)] {
        if let (Some(text), None) = (text, number) {
            notes.add(
                &place.key(key),
                format!("not carried over: `{text}` is not a size; say `{key}` yourself"),
            );
        }
    }
    if size == (None, None) && containers_size != (0, 0) {
        let some = |number| Some(number).filter(|number| *number > 0);
        size = (some(containers_size.0), some(containers_size.1));
    }
    set_size(block, size, &place, notes);
    if let Some(mode) = definition.text("networkMode")?
        && mode != "awsvpc"
    {
        notes.add(
            &place.key("networkMode"),
            format!(
                "not carried over: `{mode}`; each task has a network interface of its own (`awsvpc`), so no port of a \
                 host is mapped and containers of a task reach each other at localhost"
            ),
        );
    }
    if let Some(mut platform) = definition.map("runtimePlatform")? {
        match platform.text("cpuArchitecture")?.as_deref() {
            Some("ARM64") => block.set("cpu_architecture", "ARM64"),
            Some("X86_64") | None => {}
            Some(other) => notes.add(
                &platform.place.key("cpuArchitecture"),
                format!("not carried over: `{other}`; a task is X86_64 or ARM64"),
            ),
        }
        match platform.text("operatingSystemFamily")?.as_deref() {
            Some("LINUX") | None => {}
            Some(other) => notes.add(
                &platform.place.key("operatingSystemFamily"),
                format!("not carried over: `{other}`; Longshore runs Linux containers only"),
            ),
        }
        platform.rest(notes, advice);
    }
    if let Some(mut storage) = definition.map("ephemeralStorage")? {
        let size = storage.whole("sizeInGiB")?;
        block.set_some(
            "ephemeral_storage_size_in_gib",
            size.filter(|size| *size > 20),
        );
        storage.rest(notes, advice);
    }
    if definition.text("executionRoleArn")?.is_some() {
        notes.add(
            &place.key("executionRoleArn"),
            "not carried over: the stack makes an execution role that may pull these images, write these logs and \
             read these secrets; `execution_role_arn` keeps yours",
        );
    }
    if let Some(role) = definition.text("taskRoleArn")? {
        set_role(block, &role, &place.key("taskRoleArn"), notes);
    }
    Ok(())
}

fn set_role(block: &mut Block, role: &str, place: &Place, notes: &mut Notes) {
    if role.starts_with("arn:") {
        block.set("task_role_arn", role);
        notes.add(
            place,
            "the role stays where it is made; allow Longshore's `deploy` function to pass it, or say what the \
             containers may do in `task_role_statements`",
        );
    } else {
        notes.add(
            place,
            "not carried over: name the role's ARN in `task_role_arn`, or say what the containers may do in \
             `task_role_statements`",
        );
    }
}

/// CPU units: `512`, or vCPUs as in `.5 vCPU`.
fn units(text: &str) -> Option<u32> {
    let lowercase = text.to_lowercase();
    match lowercase.strip_suffix("vcpu") {
        Some(number) => {
            let number: f64 = number.trim().parse().ok()?;
            Some((number * 1024.0) as u32)
        }
        None => text.trim().parse().ok(),
    }
}

/// MiB: `1024`, or as in `1 GB`.
fn task_memory(text: &str) -> Option<u32> {
    let lowercase = text.to_lowercase();
    match lowercase.strip_suffix("gb") {
        Some(number) => {
            let number: f64 = number.trim().parse().ok()?;
            Some((number * 1024.0) as u32)
        }
        None => text.trim().parse().ok(),
    }
}

fn volumes(draft: &mut Draft, definition: &mut Fields) -> Result<Volumes, Fault> {
    let mut volumes = Volumes::new();
    for mut volume in definition.maps("volumes")? {
        let Some(name) = volume.text("name")? else {
            return Err(Fault::at(&volume.place, "the volume has no `name`"));
        };
        let mut file_system = None;
        if let Some(mut efs) = volume.map("efsVolumeConfiguration")? {
            let id = efs.text("fileSystemId")?.unwrap_or_default();
            let key = draft.file_system(&name);
            draft.stack.block("file_systems").comment(
                &key,
                format!(
                    "New and empty, in place of {}: copy the files.",
                    literal(&id)
                ),
            );
            draft.notes.add(
                &efs.place,
                format!(
                    "a stack makes its own file systems: `{key}` begins empty and `{id}` stays; copy the files \
                     before the first requests, for example with AWS DataSync"
                ),
            );
            // Encrypted and authorised by IAM always.
            efs.skip(&["transitEncryption", "transitEncryptionPort"]);
            if let Some(root) = efs.take("rootDirectory")
                && root.scalar().is_some_and(|root| root != "/")
            {
                draft.notes.add(
                    &root.place,
                    "not carried over: say an access point with this directory in `file_systems`",
                );
            }
            if let Some(mut access) = efs.map("authorizationConfig")? {
                access.skip(&["iam"]);
                if let Some(point) = access.take("accessPointId") {
                    draft.notes.add(
                        &point.place,
                        "not carried over: say the access point's user and directory in `access_points` of the file \
                         system, and name it in `mount_points`",
                    );
                }
                access.rest(&mut draft.notes, advice);
            }
            efs.rest(&mut draft.notes, advice);
            file_system = Some(key);
        }
        if let Some(mut host) = volume.map("host")?
            && let Some(path) = host.take("sourcePath")
        {
            draft.notes.add(
                &path.place,
                "not carried over: a directory of an instance; containers get scratch space of the task's there",
            );
        }
        volume.rest(&mut draft.notes, advice);
        volumes.insert(name, file_system);
    }
    Ok(volumes)
}

/// Says what a container definition says, and returns the container's name.
fn container(
    draft: &mut Draft,
    service: &str,
    mut fields: Fields,
    volumes: &Volumes,
    block: &mut Block,
    is_own: bool,
) -> Result<Option<String>, Fault> {
    let place = fields.place.clone();
    let owner = draft.owner(service);
    let name = fields.text("name")?;
    let notes = &mut draft.notes;
    let Some(image) = fields.text("image")? else {
        return Err(Fault::at(&place, "the container has no `image`"));
    };
    if image.contains("{{") {
        let tag_is_unknown = image
            .rsplit_once(':')
            .filter(|(repository, tag)| tag.contains("{{") && !repository.contains("{{"));
        let shown = match tag_is_unknown {
            Some((repository, _)) => format!("{repository}:v1"),
            None => format!("{owner}:v1"),
        };
        set_image(block, &shown, is_own);
        block.comment("image", "Put in the image that runs now.");
        notes.add(
            &place.key("image"),
            format!("not carried over: the template `{image}`; put in the image that runs now, such as `{shown}`"),
        );
    } else if is_on_docker_hub(&image) {
        set_image(block, &crate::values::docker_image(&image), is_own);
    } else {
        set_image(block, &image, is_own);
    }
    let essential = fields.flag("essential")?;
    let cpu = fields.whole("cpu")?;
    let memory = fields.whole("memory")?;
    let reserved = fields.whole("memoryReservation")?;
    if !is_own {
        if essential == Some(false) {
            block.set("essential", false);
        }
        block.set_some("cpu", cpu.filter(|cpu| *cpu > 0));
        block.set_some("memory", memory);
        block.set_some("memory_reservation", reserved);
    }
    ports(&mut fields, block, notes)?;
    block.set_filled("entry_point", literals(&fields.texts("entryPoint")?));
    block.set_filled("command", literals(&fields.texts("command")?));
    block.set_some("working_directory", fields.text("workingDirectory")?);
    block.set_some("user", fields.text("user")?);
    for mut variable in fields.maps("environment")? {
        let variable_place = variable.place.clone();
        let (Some(key), Some(value)) = (variable.text("name")?, variable.text("value")?) else {
            continue;
        };
        if value.contains("{{") {
            let key_shown = key.as_str();
            if longshore_stack::check::is_secret(key_shown, "unknown") {
                set_secret(block, &owner, key_shown);
            } else {
                block.block("environment").set(key_shown, "");
                block
                    .block("environment")
                    .comment(key_shown, format!("Was the template {value}."));
            }
            notes.add(
                &variable_place,
                format!("not carried over: `{key}` has the template `{value}`; put in its value"),
            );
            continue;
        }
        set_variable(block, &owner, (&key, &value), &variable_place, notes);
    }
    for mut secret in fields.maps("secrets")? {
        let secret_place = secret.place.clone();
        let (Some(key), Some(from)) = (secret.text("name")?, secret.text("valueFrom")?) else {
            continue;
        };
        if from.contains("{{") {
            set_secret(block, &owner, &key);
            notes.add(
                &secret_place,
                format!(
                    "not carried over: the template `{from}`; name the secret of `{key}` in `value_from`"
                ),
            );
            continue;
        }
        let source = secret_source(&from, &secret_place, notes);
        block.block("secrets").set(&key, source);
    }
    if let Some(mut check) = fields.map("healthCheck")? {
        let command = check.texts("command")?;
        if command.first().is_none_or(|first| first != "NONE") {
            let mut inner = Block::with("command", literals(&command));
            for (key, name) in [
                ("interval", "interval"),
                ("timeout", "timeout"),
                ("retries", "retries"),
                ("startPeriod", "start_period"),
            ] {
                inner.set_some(name, check.whole(key)?);
            }
            block.set("health_check", inner);
        }
        check.rest(notes, advice);
    }
    block.set_some("stop_timeout", fields.whole("stopTimeout")?);
    block.set_some("start_timeout", fields.whole("startTimeout")?);
    if fields.flag("readonlyRootFilesystem")? == Some(true) {
        block.set("readonly_root_filesystem", true);
    }
    let mut mounts = Vec::new();
    for mut mount in fields.maps("mountPoints")? {
        let volume = mount.text("sourceVolume")?.unwrap_or_default();
        let mut inner = Block::default();
        inner.set_some("file_system", volumes.get(&volume).cloned().flatten());
        inner.set_some("container_path", mount.text("containerPath")?);
        if mount.flag("readOnly")? == Some(true) {
            inner.set("read_only", true);
        }
        mount.rest(notes, advice);
        mounts.push(inner);
    }
    block.set_filled("mount_points", mounts);
    let mut waits = Vec::new();
    for mut wait in fields.maps("dependsOn")? {
        let mut inner = Block::default();
        inner.set_some("container_name", wait.text("containerName")?);
        inner.set_some("condition", wait.text("condition")?);
        waits.push(inner);
    }
    block.set_filled("depends_on", waits);
    details(&mut fields, block, notes)?;
    logs(&mut fields, block, is_own, notes)?;
    fields.rest(notes, advice);
    Ok(name)
}

fn is_on_docker_hub(image: &str) -> bool {
    longshore_events::registry::ImageName::of(image)
        .registry
        .is_none()
}

fn ports(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let mut ports = Vec::new();
    for mut mapping in fields.maps("portMappings")? {
        let place = mapping.place.clone();
        if mapping.text("protocol")?.as_deref() == Some("udp") {
            notes.add(&place, "not carried over: a port of UDP");
            continue;
        }
        ports.extend(mapping.whole("containerPort")?);
        // The host's port is the container's, and names are those of Service Connect.
        mapping.skip(&["hostPort", "name", "appProtocol"]);
        mapping.rest(notes, advice);
    }
    ports.dedup();
    let mut ports = ports.into_iter();
    block.set_some("container_port", ports.next());
    block.set_filled("additional_container_ports", ports.collect::<Vec<u32>>());
    Ok(())
}

fn details(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let mut limits = Vec::new();
    for mut limit in fields.maps("ulimits")? {
        let mut inner = Block::default();
        inner.set_some("name", limit.text("name")?);
        inner.set_some("soft_limit", limit.whole("softLimit")?);
        inner.set_some("hard_limit", limit.whole("hardLimit")?);
        limits.push(inner);
    }
    block.set_filled("ulimits", limits);
    if let Some(mut linux) = fields.map("linuxParameters")? {
        if linux.flag("initProcessEnabled")? == Some(true) {
            block.set(
                "linux_parameters",
                Block::with("init_process_enabled", true),
            );
        }
        linux.rest(notes, advice);
    }
    if let Some(mut labels) = fields.map("dockerLabels")? {
        let mut inner = Block::default();
        for (key, value) in labels.all() {
            inner.set_some(&key, value.scalar().map(|value| literal(&value)));
        }
        block.set_filled("docker_labels", inner);
    }
    let mut files = Vec::new();
    for mut file in fields.maps("environmentFiles")? {
        files.extend(file.text("value")?);
    }
    block.set_filled("environment_files", files);
    if let Some(mut policy) = fields.map("restartPolicy")? {
        if policy.flag("enabled")? == Some(true) {
            let codes = policy.texts("ignoredExitCodes")?;
            let mut inner = Block::default();
            let codes: Vec<u32> = codes.iter().filter_map(|code| code.parse().ok()).collect();
            inner.set_filled("ignored_exit_codes", codes);
            inner.set_some(
                "restart_attempt_period",
                policy.whole("restartAttemptPeriod")?,
            );
            block.set("restart_policy", inner);
        }
        policy.rest(notes, advice);
    }
    if let Some(mut credentials) = fields.map("repositoryCredentials")? {
        let mut inner = Block::default();
        inner.set_some(
            "credentials_parameter",
            credentials.text("credentialsParameter")?,
        );
        block.set("repository_credentials", inner);
    }
    if let Some(mut router) = fields.map("firelensConfiguration")? {
        let mut inner = Block::default();
        inner.set_some("type", router.text("type")?);
        if let Some(mut options) = router.map("options")? {
            let options = texts(&mut options);
            inner.set_filled("options", options);
        }
        block.set("firelens_configuration", inner);
    }
    Ok(())
}

fn texts(fields: &mut Fields) -> Block {
    let mut block = Block::default();
    for (key, value) in fields.all() {
        block.set_some(&key, value.scalar().map(|value| literal(&value)));
    }
    block
}

/// Logs go to the service's log group, whatever group they went to.
fn logs(
    fields: &mut Fields,
    block: &mut Block,
    is_own: bool,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let Some(mut logs) = fields.map("logConfiguration")? else {
        return Ok(());
    };
    let place = logs.place.clone();
    let driver = logs.text("logDriver")?.unwrap_or_default();
    let options = logs.map("options")?;
    match (driver.as_str(), options) {
        ("awslogs", options) => {
            if let Some(mut options) = options {
                if let Some(group) = options.text("awslogs-group")? {
                    notes.add(
                        &place,
                        format!(
                            "logs go to the stack's own log group `/ecs/<stack>/<service>`; `{group}` keeps what it has"
                        ),
                    );
                }
                options.skip(&["awslogs-region", "awslogs-stream-prefix", "awslogs-create-group"]);
                let mut delivery = Block::default();
                for (key, name) in [
                    ("mode", "mode"),
                    ("max-buffer-size", "max_buffer_size"),
                    ("awslogs-multiline-pattern", "multiline_pattern"),
                    ("awslogs-datetime-format", "datetime_format"),
                ] {
                    delivery.set_some(name, options.text(key)?);
                }
                block.set_filled("log_delivery", delivery);
                options.rest(notes, advice);
            }
        }
        ("awsfirelens", Some(mut options)) if is_own => {
            block.set_filled("log_options", texts(&mut options));
        }
        _ => notes.add(
            &place,
            format!(
                "not carried over: the log driver `{driver}`; logs go to CloudWatch Logs, or through a log router among \
                 the `sidecars`"
            ),
        ),
    }
    logs.rest(notes, advice);
    Ok(())
}

fn service_details(
    draft: &mut Draft,
    name: &str,
    mut fields: Fields,
    behind: Vec<Fields>,
) -> Result<(), Fault> {
    let place = fields.place.clone();
    fields.skip(&OF_A_RUNNING_SERVICE);
    // The new service runs beside the old one until somebody deletes that, so it has a name of its own.
    fields.skip(&[
        "serviceName",
        "tags",
        "enableECSManagedTags",
        "propagateTags",
    ]);
    if let Some(mut network) = fields.map("networkConfiguration")? {
        if let Some(mut vpc) = network.map("awsvpcConfiguration")? {
            let subnets = vpc.texts("subnets")?;
            if subnets.iter().any(|subnet| subnet.contains("{{")) {
                draft.notes.add(
                    &vpc.place.key("subnets"),
                    "not carried over: subnets that are a template; give `--subnet`",
                );
            }
            draft.default_subnets(subnets);
            let groups = vpc.texts("securityGroups")?;
            let (known, templates): (Vec<String>, Vec<String>) = groups
                .into_iter()
                .partition(|group| group.starts_with("sg-"));
            if !templates.is_empty() {
                draft.notes.add(
                    &vpc.place.key("securityGroups"),
                    "not carried over: security groups without an id; name them in `security_group_ids`, or say in \
                     `security_group` who may connect",
                );
            }
            let service = draft.services.block(name);
            service.set_filled("security_group_ids", known);
            if vpc.text("assignPublicIp")?.as_deref() == Some("ENABLED") {
                service.set("assign_public_ip", true);
            }
            vpc.rest(&mut draft.notes, advice);
        }
        network.rest(&mut draft.notes, advice);
    }
    target_groups(draft, name, behind)?;
    let service = draft.services.block(name);
    let notes = &mut draft.notes;
    if let Some(node) = fields.take("desiredCount") {
        match node.scalar().and_then(|count| count.parse::<u32>().ok()) {
            Some(count) => service.set("desired_count", count),
            None => notes.add(
                &node.place,
                "not carried over: say `desired_count` yourself",
            ),
        }
    }
    service.set_some(
        "health_check_grace_period_seconds",
        fields
            .whole("healthCheckGracePeriodSeconds")?
            .filter(|seconds| *seconds > 0 && service.has("target_group")),
    );
    if fields.flag("enableExecuteCommand")? == Some(true) {
        service.set("enable_execute_command", true);
    }
    if fields.text("availabilityZoneRebalancing")?.as_deref() == Some("DISABLED") {
        service.set("availability_zone_rebalancing", false);
    }
    if let Some(launch_type) = fields.text("launchType")?
        && launch_type != "FARGATE"
    {
        notes.add(
            &place.key("launchType"),
            format!(
                "not carried over: `{launch_type}`; the tasks run on Fargate, until you describe instances in \
                 `capacity` and name them in `capacity_provider_strategy`"
            ),
        );
    }
    let mut shares = Vec::new();
    for mut share in fields.maps("capacityProviderStrategy")? {
        let provider = share.text("capacityProvider")?.unwrap_or_default();
        if !provider.starts_with("FARGATE") {
            notes.add(
                &share.place,
                format!(
                    "not carried over: the capacity provider `{provider}`; describe its instances in `capacity`"
                ),
            );
            continue;
        }
        let mut inner = Block::with("capacity_provider", provider);
        inner.set_some(
            "weight",
            share.whole("weight")?.filter(|weight| *weight != 1),
        );
        inner.set_some("base", share.whole("base")?.filter(|base| *base > 0));
        shares.push(inner);
    }
    service.set_filled("capacity_provider_strategy", shares);
    for (key, usual) in [
        ("platformVersion", "LATEST"),
        ("platformFamily", "Linux"),
        ("schedulingStrategy", "REPLICA"),
    ] {
        if let Some(value) = fields.text(key)?
            && value != usual
            && !(key == "platformVersion" && value == "1.4.0")
        {
            notes.add(&place.key(key), format!("not carried over: `{value}`"));
        }
    }
    if let Some(mut controller) = fields.map("deploymentController")?
        && let Some(kind) = controller.text("type")?
        && kind != "ECS"
    {
        notes.add(
            &controller.place,
            format!(
                "not carried over: `{kind}`; ECS itself shifts requests, if `deployment_configuration` has the strategy \
                 BLUE_GREEN, LINEAR or CANARY"
            ),
        );
    }
    if let Some(deployment) = fields.map("deploymentConfiguration")? {
        deployment_configuration(deployment, service, notes)?;
    }
    fields.rest(notes, advice);
    Ok(())
}

fn target_groups(draft: &mut Draft, name: &str, behind: Vec<Fields>) -> Result<(), Fault> {
    for (index, mut group) in behind.into_iter().enumerate() {
        let place = group.place.clone();
        let arn = group.text("targetGroupArn")?;
        group.skip(&["containerName", "loadBalancerName"]);
        let port = group.whole("containerPort")?;
        let service = draft.services.block(name);
        if index > 0 {
            draft.notes.add(
                &place,
                "not carried over: a further target group; say it in `target_groups`",
            );
            continue;
        }
        if let Some(port) = port
            && service.text("container_port") != Some(&port.to_string())
        {
            let before = service
                .text("container_port")
                .and_then(|text| text.parse().ok());
            service.set("container_port", port);
            service.set_filled(
                "additional_container_ports",
                before.into_iter().collect::<Vec<u32>>(),
            );
        }
        match arn {
            Some(arn) if arn.starts_with("arn:") => {
                service.set("target_group", Block::with("target_group_arn", arn));
                draft.notes.add(
                    &place,
                    "the new service registers its tasks with the target group that exists, beside the old service's: \
                     stop the old one when the new one is healthy",
                );
            }
            _ => {
                service.set("target_group", Block::default());
                service.comment(
                    "target_group",
                    "Behind a load balancer of the stack's own; or name a `target_group_arn` that exists.",
                );
                draft.notes.add(
                    &place,
                    "the target group's ARN is not known: the service is behind a load balancer of the stack's own, \
                     until you name `target_group_arn`",
                );
            }
        }
        group.rest(&mut draft.notes, advice);
    }
    Ok(())
}

/// How deployments replace tasks.
fn deployment_configuration(
    mut fields: Fields,
    service: &mut Block,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let mut block = Block::default();
    let least = fields.whole("minimumHealthyPercent")?;
    let most = fields.whole("maximumPercent")?;
    block.set_some(
        "minimum_healthy_percent",
        least.filter(|least| *least != 100),
    );
    block.set_some("maximum_percent", most.filter(|most| *most != 200));
    if let Some(mut breaker) = fields.map("deploymentCircuitBreaker")? {
        let enable = breaker.flag("enable")?.unwrap_or_default();
        let rollback = breaker.flag("rollback")?.unwrap_or_default();
        match (enable, rollback) {
            (true, true) => {}
            (true, false) => {
                block.set("deployment_circuit_breaker", Block::with("rollback", false))
            }
            (false, _) => block.set("deployment_circuit_breaker", false),
        }
        breaker.rest(notes, advice);
    }
    if let Some(strategy) = fields.text("strategy")?
        && strategy != "ROLLING"
    {
        notes.add(
            &fields.place.key("strategy"),
            format!(
                "not carried over: `{strategy}`; say it in `deployment_configuration` when the service runs: \
                 docs/images-and-rollouts.md"
            ),
        );
    }
    if let Some(mut alarms) = fields.map("alarms")? {
        let names = alarms.texts("alarmNames")?;
        if alarms.flag("enable")? == Some(true) {
            block.set_filled("alarms", names);
        }
        alarms.skip(&["rollback"]);
    }
    // Only of the other strategies.
    fields.skip(&["bakeTimeInMinutes"]);
    fields.rest(notes, advice);
    service.set_filled("deployment_configuration", block);
    Ok(())
}

/// How the number of tasks follows the load, from Application Auto Scaling: the limits, and target tracking.
///
/// # Errors
/// Values of another kind than AWS takes.
pub fn set_scaling(
    draft: &mut Draft,
    name: &str,
    target: Option<Fields>,
    policies: Vec<Fields>,
) -> Result<(), Fault> {
    let Some(mut target) = target else {
        return Ok(());
    };
    let mut block = Block::default();
    block.set_some("min_capacity", target.whole("minCapacity")?);
    block.set_some("max_capacity", target.whole("maxCapacity")?);
    let mut is_tracked = false;
    for mut policy in policies {
        let place = policy.place.clone();
        let Some(mut tracking) = policy.map("targetTrackingScalingPolicyConfiguration")? else {
            draft.notes.add(
                &place,
                "not carried over: a policy without target tracking; say what to scale by in `scaling`",
            );
            continue;
        };
        let value = tracking.number("targetValue")?;
        let metric = match tracking.map("predefinedMetricSpecification")? {
            Some(mut metric) => metric.text("predefinedMetricType")?.unwrap_or_default(),
            None => String::new(),
        };
        let key = match metric.as_str() {
            "ECSServiceAverageCPUUtilization" => "target_cpu_utilization",
            "ECSServiceAverageMemoryUtilization" => "target_memory_utilization",
            "ALBRequestCountPerTarget" => "target_requests_per_task",
            _ => {
                draft.notes.add(
                    &place,
                    "not carried over: a metric of your own; say it in `scaling.custom_metrics`",
                );
                continue;
            }
        };
        let service = draft.services.block(name);
        if key == "target_requests_per_task"
            && service.block("target_group").has("target_group_arn")
        {
            draft.notes.add(
                &place,
                "not carried over: requests can be counted behind the stack's own load balancer only",
            );
            continue;
        }
        is_tracked = true;
        block.set_some(key, value);
        for (from, to, usual) in [
            ("scaleOutCooldown", "scale_out_cooldown", 60),
            ("scaleInCooldown", "scale_in_cooldown", 300),
        ] {
            let seconds = tracking.whole(from)?;
            block.set_some(to, seconds.filter(|seconds| *seconds != usual));
        }
        tracking.skip(&["disableScaleIn"]);
        tracking.rest(&mut draft.notes, advice);
    }
    let service = draft.services.block(name);
    if !is_tracked {
        block.set("target_cpu_utilization", 70_u32);
        block.comment("target_cpu_utilization", "Say by what to scale.");
    }
    service.set("scaling", block);
    service.remove("desired_count");
    Ok(())
}

/// A list in a node of JSON that must be one map: `services` of `describe-services`.
///
/// # Errors
/// When it is not exactly one.
pub fn only(place: &Place, items: Vec<Node>, what: &str) -> Result<Fields, Fault> {
    let count = items.len();
    let mut items = items.into_iter();
    match (items.next(), items.next()) {
        (Some(node), None) => Fields::of(node),
        _ => Err(Fault::at(
            place,
            format!("{count} {what} are described here, expected one"),
        )),
    }
}

/// What to do instead of a key of ECS.
fn advice(key: &str) -> Option<&'static str> {
    Some(match key {
        "serviceRegistries" => {
            "`service_discovery` of the stack makes a namespace in which services find each other"
        }
        "serviceConnectConfiguration" => {
            "say it in `service_connect` of the service; it needs `service_discovery` of the stack"
        }
        "placementConstraints" => "it is for instances; say it in `placement_constraints`",
        "placementStrategy" => "it is for instances; say it in `placement_strategies`",
        "resourceRequirements" => "GPUs are said in `gpu`",
        "extraHosts" | "dnsServers" | "dnsSearchDomains" | "hostname" => {
            "each task has a network interface of its own, with which ECS does not take it"
        }
        "links" => "containers of a task reach each other at localhost",
        "systemControls"
        | "privileged"
        | "dockerSecurityOptions"
        | "interactive"
        | "pseudoTerminal"
        | "versionConsistency"
        | "pidMode"
        | "ipcMode"
        | "proxyConfiguration"
        | "enableFaultInjection" => "if you need it, `overrides.task_definition` can say it",
        "tags" => "say tags in `tags` of the stack",
        "dockerVolumeConfiguration"
        | "fsxWindowsFileServerVolumeConfiguration"
        | "configuredAtLaunch"
        | "volumeConfigurations" => {
            "containers get scratch space of the task's there, or say a file system"
        }
        "secretOptions" => "give the log router the secret in its `secrets`",
        "monitoring" => "Longshore watches services itself; `alarms` makes alarms",
        "vpcLatticeConfigurations" => {
            "services are reached by load balancers, DNS and Service Connect"
        }
        _ => return None,
    })
}
