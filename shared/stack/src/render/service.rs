//! Services and their task definitions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::{
    Container, ContainerHealthCheck, DeploymentCircuitBreaker, DeploymentConfiguration, LogMode,
    MountPoint, Text,
};

use super::container_details;
use super::grants;
use super::image;
use super::load_balancer;
use super::metadata;
use super::mirror;
use super::named::{NamedGroup, NamedService, NamedStack};
use super::names::{Kind, Singleton};
use super::peers;
use super::placement::{
    Constraint, NetworkConfiguration, Share, Strategy, constraints, network, shares, strategies,
};
use super::secret;
use super::service_connect;
use super::service_discovery;
use super::storage;
use super::template::{Number, Policy, Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskDefinition {
    container_definitions: Vec<ContainerDefinition>,
    // CloudFormation wants these two as texts.
    cpu: String,
    ephemeral_storage: Option<EphemeralStorage>,
    execution_role_arn: Value,
    family: Value,
    memory: String,
    network_mode: &'static str,
    requires_compatibilities: [&'static str; 1],
    runtime_platform: RuntimePlatform,
    tags: Option<Vec<Tag>>,
    task_role_arn: Value,
    volumes: Option<Vec<Volume>>,
}

impl Properties for TaskDefinition {
    const TYPE: &'static str = "AWS::ECS::TaskDefinition";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimePlatform {
    cpu_architecture: &'static str,
    operating_system_family: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    #[serde(rename = "SizeInGiB")]
    size_in_gib: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    #[serde(rename = "EFSVolumeConfiguration")]
    efs: Option<EfsVolume>,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EfsVolume {
    authorization_config: Authorization,
    filesystem_id: Value,
    transit_encryption: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Authorization {
    access_point_id: Option<Value>,
    #[serde(rename = "IAM")]
    iam: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerDefinition {
    command: Option<Vec<Value>>,
    cpu: Option<u32>,
    depends_on: Option<Vec<Dependency>>,
    entry_point: Option<Vec<Value>>,
    environment: Option<Vec<Variable>>,
    essential: bool,
    firelens_configuration: Option<LogRouting>,
    health_check: Option<HealthCheck>,
    image: Value,
    linux_parameters: Option<LinuxParameters>,
    log_configuration: LogConfiguration,
    memory: Option<u32>,
    memory_reservation: Option<u32>,
    mount_points: Option<Vec<Mount>>,
    name: Value,
    port_mappings: Option<Vec<PortMapping>>,
    privileged: bool,
    readonly_root_filesystem: bool,
    secrets: Option<Vec<SecretVariable>>,
    stop_timeout: u32,
    user: Option<Value>,
    working_directory: Option<Value>,
    #[serde(flatten)]
    details: container_details::Properties,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogRouting {
    options: Option<BTreeMap<String, Value>>,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dependency {
    condition: &'static str,
    container_name: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PortMapping {
    app_protocol: Option<&'static str>,
    container_port: u16,
    name: Option<Value>,
    protocol: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Variable {
    name: String,
    value: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretVariable {
    name: String,
    value_from: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthCheck {
    command: Vec<Value>,
    interval: u32,
    retries: u32,
    start_period: Option<u32>,
    timeout: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LinuxParameters {
    init_process_enabled: Option<bool>,
    shared_memory_size: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    container_path: Value,
    read_only: bool,
    source_volume: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfiguration {
    log_driver: &'static str,
    options: Option<LogOptions>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LogOptions {
    Kept(Box<LogStreams>),
    /// As the task's log router takes them.
    Routed(BTreeMap<String, Value>),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct LogStreams {
    awslogs_group: Value,
    awslogs_region: Value,
    awslogs_stream_prefix: &'static str,
    mode: Option<&'static str>,
    max_buffer_size: Option<Value>,
    awslogs_multiline_pattern: Option<Value>,
    awslogs_datetime_format: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    availability_zone_rebalancing: &'static str,
    capacity_provider_strategy: Option<Vec<Share>>,
    cluster: Value,
    deployment_configuration: Deployment,
    desired_count: Option<u32>,
    #[serde(rename = "EnableECSManagedTags")]
    enable_ecs_managed_tags: bool,
    enable_execute_command: bool,
    health_check_grace_period_seconds: Option<u32>,
    launch_type: Option<&'static str>,
    load_balancers: Option<Vec<Target>>,
    network_configuration: NetworkConfiguration,
    placement_constraints: Option<Vec<Constraint>>,
    placement_strategies: Option<Vec<Strategy>>,
    propagate_tags: &'static str,
    scheduling_strategy: Option<&'static str>,
    service_connect_configuration: Option<service_connect::Configuration>,
    service_name: Value,
    service_registries: Option<[Registry; 1]>,
    tags: Option<Vec<Tag>>,
    task_definition: Value,
}

impl Properties for Service {
    const TYPE: &'static str = "AWS::ECS::Service";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    advanced_configuration: Option<TwoTargetGroups>,
    container_name: Value,
    container_port: u16,
    target_group_arn: Value,
}

/// What ECS needs to move requests from one target group to another.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TwoTargetGroups {
    alternate_target_group_arn: Value,
    production_listener_rule: Value,
    role_arn: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Deployment {
    alarms: Option<Alarms>,
    bake_time_in_minutes: Option<u32>,
    canary_configuration: Option<CanaryConfiguration>,
    deployment_circuit_breaker: CircuitBreaker,
    linear_configuration: Option<LinearConfiguration>,
    maximum_percent: u32,
    minimum_healthy_percent: u32,
    strategy: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LinearConfiguration {
    step_bake_time_in_minutes: u32,
    step_percent: Number,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CanaryConfiguration {
    canary_bake_time_in_minutes: u32,
    canary_percent: Number,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Alarms {
    alarm_names: Vec<Value>,
    enable: bool,
    rollback: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CircuitBreaker {
    enable: bool,
    reset_on_healthy_task: Option<bool>,
    rollback: bool,
    threshold_configuration: Option<Threshold>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Threshold {
    r#type: &'static str,
    value: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Registry {
    registry_arn: Value,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for named_service in named_stack.members() {
        add_task_definition(named_stack, template, named_service);
        add_service(named_stack, template, named_service);
    }
}

fn add_task_definition(
    named_stack: &NamedStack,
    template: &mut Template,
    named_service: NamedService,
) {
    let spec = named_service.spec;
    let task_definition = TaskDefinition {
        family: Value::written(&named_stack.family(named_service)),
        requires_compatibilities: [if named_service.spec.is_on_fargate() {
            "FARGATE"
        } else {
            "EC2"
        }],
        network_mode: "awsvpc",
        cpu: spec.cpu.to_string(),
        memory: spec.memory.to_string(),
        runtime_platform: RuntimePlatform {
            cpu_architecture: spec.cpu_architecture.as_str(),
            operating_system_family: "LINUX",
        },
        ephemeral_storage: spec
            .ephemeral_storage_size_in_gib
            .map(|size_in_gib| EphemeralStorage { size_in_gib }),
        execution_role_arn: named_service.execution_role_arn(),
        task_role_arn: named_service.task_role_arn(),
        volumes: volumes(named_service),
        container_definitions: named_service
            .containers()
            .map(|one| container(named_stack, named_service, one))
            .collect(),
        tags: named_stack.tags(),
    };
    let resource = template.add(
        Kind::TaskDefinition,
        &[named_service.name],
        &task_definition,
    );
    // A revision that is deregistered cannot be rolled back to.
    resource.policies(Policy::Retain, Policy::Retain);
}

fn volumes(named_service: NamedService) -> Option<Vec<Volume>> {
    let volume = |mount: &MountPoint| Volume {
        name: storage::volume_name(mount),
        efs: mount.file_system.as_ref().map(|file_system| EfsVolume {
            filesystem_id: Value::Ref(Kind::FileSystem.id(&[file_system])),
            transit_encryption: "ENABLED",
            authorization_config: Authorization {
                access_point_id: mount.access_point.as_ref().map(|access_point| {
                    Value::Ref(Kind::AccessPoint.id(&[file_system, access_point]))
                }),
                iam: "ENABLED",
            },
        }),
    };
    // Two mount points may show the same volume.
    let mut seen = BTreeSet::new();
    let volumes: Vec<Volume> = named_service
        .containers()
        .flat_map(|container| container.mount_points)
        .map(volume)
        .filter(|volume| seen.insert(volume.name.clone()))
        .collect();
    (!volumes.is_empty()).then_some(volumes)
}

fn container(
    named_stack: &NamedStack,
    named_service: NamedService,
    spec: Container,
) -> ContainerDefinition {
    let sidecar = spec
        .sidecar
        .and_then(|name| named_service.spec.sidecars.get(name));
    let mounts: Vec<Mount> = spec
        .mount_points
        .iter()
        .map(|mount| Mount {
            source_volume: storage::volume_name(mount),
            container_path: Value::written(&mount.container_path),
            read_only: mount.read_only,
        })
        .collect();
    let secrets: Vec<SecretVariable> = spec
        .secrets
        .iter()
        .map(|(variable, secret)| SecretVariable {
            name: variable.clone(),
            value_from: secret::value_from(named_stack, named_service, spec, variable, secret),
        })
        .collect();
    let depends_on = spec.depends_on.iter().map(|dependency| Dependency {
        container_name: Value::written(&dependency.container_name),
        condition: dependency.condition.as_str(),
    });
    ContainerDefinition {
        name: Value::written(spec.name),
        image: image::full_name(
            named_stack
                .preserved(named_service, spec)
                .unwrap_or(spec.image),
        ),
        essential: spec.essential,
        cpu: sidecar.and_then(|sidecar| sidecar.cpu),
        memory: sidecar.and_then(|sidecar| sidecar.memory),
        memory_reservation: sidecar.and_then(|sidecar| sidecar.memory_reservation),
        depends_on: (!spec.depends_on.is_empty()).then(|| depends_on.collect()),
        privileged: false,
        readonly_root_filesystem: spec.readonly_root_filesystem,
        user: spec.user.map(Value::written),
        entry_point: Value::all_written(spec.entry_point),
        command: Value::all_written(spec.command),
        working_directory: spec.working_directory.map(Value::written),
        port_mappings: port_mappings(named_stack, named_service, spec),
        environment: match spec.sidecar {
            Some(_) => as_written(spec.environment),
            None => environment(named_stack, named_service),
        },
        secrets: (!secrets.is_empty()).then_some(secrets),
        health_check: spec.health_check.map(health_check),
        linux_parameters: linux_parameters(named_service, spec),
        stop_timeout: spec.stop_timeout,
        mount_points: (!mounts.is_empty()).then_some(mounts),
        log_configuration: log_configuration(named_service, spec),
        firelens_configuration: sidecar
            .and_then(|sidecar| sidecar.firelens_configuration.as_ref())
            .map(|router| LogRouting {
                r#type: router.r#type.as_str(),
                options: texts(&router.options),
            }),
        details: container_details::render(named_stack, spec.details),
    }
}

fn port_mappings(
    named_stack: &NamedStack,
    named_service: NamedService,
    container: Container,
) -> Option<Vec<PortMapping>> {
    let additional = container.details.additional_container_ports.iter().copied();
    let of_clients = service_connect::port(named_service)
        .filter(|_| container.sidecar.is_none())
        .zip(container.container_port);
    let mappings: Vec<PortMapping> = container
        .container_port
        .into_iter()
        .chain(additional)
        .flat_map(|port| {
            let transports =
                load_balancer::transports(named_stack, named_service, container.name, port);
            let speaks_both = transports.len() > 1;
            let mappings = transports.iter();
            mappings.map(move |transport| (port, *transport, speaks_both))
        })
        .map(|(container_port, protocol, speaks_both)| {
            let named = of_clients
                .filter(|(_, port)| *port == container_port)
                // Both protocols of one port cannot have one name.
                .filter(|_| protocol == "tcp" || !speaks_both);
            let named = named.map(|(named, _)| named);
            PortMapping {
                name: named.map(|(name, _)| Value::written(name)),
                container_port,
                protocol,
                app_protocol: named.and_then(|(_, protocol)| protocol),
            }
        })
        .collect();
    (!mappings.is_empty()).then_some(mappings)
}

fn linux_parameters(named_service: NamedService, container: Container) -> Option<LinuxParameters> {
    let spec = container.details.linux_parameters;
    // The shells of ECS Exec leave processes that somebody has to wait for.
    let with_shells = named_service.spec.enable_execute_command.then_some(true);
    let parameters = LinuxParameters {
        init_process_enabled: spec.init_process_enabled.or(with_shells),
        shared_memory_size: spec.shared_memory_size,
    };
    let is_empty =
        parameters.init_process_enabled.is_none() && parameters.shared_memory_size.is_none();
    (!is_empty).then_some(parameters)
}

/// The service's own container writes to the log router, where there is one; all others, that one
/// included, to the service's log group.
fn log_configuration(named_service: NamedService, container: Container) -> LogConfiguration {
    let mut sidecars = named_service.spec.sidecars.values();
    let is_routed = container.sidecar.is_none()
        && sidecars.any(|sidecar| sidecar.firelens_configuration.is_some());
    if is_routed {
        return LogConfiguration {
            log_driver: "awsfirelens",
            options: texts(&named_service.spec.log_options).map(LogOptions::Routed),
        };
    }
    let delivery = container.details.log_delivery;
    LogConfiguration {
        log_driver: "awslogs",
        options: Some(LogOptions::Kept(Box::new(LogStreams {
            awslogs_group: Value::Ref(Kind::LogGroup.id(&[named_service.name])),
            awslogs_region: Value::Ref("AWS::Region".to_owned()),
            awslogs_stream_prefix: "ecs",
            mode: delivery.mode.map(LogMode::as_str),
            max_buffer_size: delivery.max_buffer_size.as_deref().map(Value::written),
            awslogs_multiline_pattern: delivery.multiline_pattern.as_deref().map(Value::written),
            awslogs_datetime_format: delivery.datetime_format.as_deref().map(Value::written),
        }))),
    }
}

fn texts(values: &BTreeMap<String, Text>) -> Option<BTreeMap<String, Value>> {
    let texts = values.iter();
    let texts = texts.map(|(name, value)| (name.clone(), Value::written(value.as_str())));
    (!values.is_empty()).then(|| texts.collect())
}

/// The environment as the stack file has it.
fn as_written(environment: &BTreeMap<String, Text>) -> Option<Vec<Variable>> {
    let variables = environment.iter().map(|(name, value)| Variable {
        name: name.clone(),
        value: Value::written(value.as_str()),
    });
    (!environment.is_empty()).then(|| variables.collect())
}

/// The environment of the service's own container as the stack file has it, and what follows from the rest of it where it is not
/// there already.
fn environment(named_stack: &NamedStack, named_service: NamedService) -> Option<Vec<Variable>> {
    let spec = named_service.spec;
    let granted = grants::environment(named_service);
    let mut values = mirror::environment(named_stack, named_service);
    for (variable, value) in &granted {
        values.insert(variable, value.clone());
    }
    if let Some(level) = &spec.log_level {
        values.insert("LOG_LEVEL", Value::written(level));
    }
    if let Some(vault) = &spec.vault {
        values.insert("VAULT_ADDR", Value::written(&vault.address));
        values.insert("VAULT_ROLE", Value::written(&vault.role));
        if !vault.paths.is_empty() {
            values.insert("VAULT_SECRET_PATHS", Value::written(&vault.paths.join(",")));
        }
    }
    let mut mounts = spec
        .mount_points
        .iter()
        .filter(|mount| mount.file_system.is_some());
    if let (Some(mount), None) = (mounts.next(), mounts.next()) {
        values.insert("EFS_MOUNT_PATH", Value::written(&mount.container_path));
    }
    // A variable cannot be in both places.
    values.retain(|variable, _| !spec.secrets.contains_key(*variable));
    for (variable, value) in &spec.environment {
        values.insert(variable, Value::written(value.as_str()));
    }
    let variables = values.into_iter().map(|(name, value)| Variable {
        name: name.to_owned(),
        value,
    });
    let variables: Vec<Variable> = variables.collect();
    (!variables.is_empty()).then_some(variables)
}

fn health_check(check: &ContainerHealthCheck) -> HealthCheck {
    HealthCheck {
        command: check
            .command
            .iter()
            .map(|word| Value::written(word))
            .collect(),
        interval: check.interval,
        timeout: check.timeout,
        retries: check.retries,
        start_period: check.start_period,
    }
}

fn add_service(named_stack: &NamedStack, template: &mut Template, named_service: NamedService) {
    let spec = named_service.spec;
    let load_balancers = load_balancers(named_stack, named_service);
    let grace_period = spec.health_check_grace_period_seconds;
    let strategy = shares(named_service);
    let service = Service {
        service_name: Value::written(&named_stack.ecs_service_name(named_service)),
        cluster: Value::Ref(Singleton::Cluster.as_str().to_owned()),
        task_definition: Value::Ref(Kind::TaskDefinition.id(&[named_service.name])),
        // Where the service scales, a count here would undo the scaling at each apply, and where the file
        // says none, what a person or a scaling of their own has set. Without one, ECS starts with one task
        // and leaves the count alone from then on (the AWS CloudFormation Template Reference,
        // AWS::ECS::Service); Application Auto Scaling brings it between the bounds when the service is
        // registered with it.
        desired_count: spec.desired_count.filter(|_| spec.scaling.is_none()),
        // Said in any case: what is on for a service depends on when it was made.
        availability_zone_rebalancing: if spec.rebalances() {
            "ENABLED"
        } else {
            "DISABLED"
        },
        launch_type: strategy
            .is_none()
            .then_some(if spec.is_daemon() { "EC2" } else { "FARGATE" }),
        scheduling_strategy: spec.is_daemon().then_some("DAEMON"),
        capacity_provider_strategy: strategy,
        placement_strategies: strategies(named_service),
        placement_constraints: constraints(named_service),
        network_configuration: network(named_stack, named_service),
        health_check_grace_period_seconds: grace_period
            .or_else(|| load_balancers.is_some().then_some(60)),
        load_balancers,
        deployment_configuration: deployment(named_service),
        service_registries: service_discovery::registry_arn(named_stack, named_service)
            .map(|registry_arn| [Registry { registry_arn }]),
        service_connect_configuration: service_connect::render(named_stack, named_service),
        enable_execute_command: spec.enable_execute_command,
        enable_ecs_managed_tags: true,
        propagate_tags: "SERVICE",
        tags: named_stack.tags(),
    };
    let mut before = load_balancer::dependencies(named_stack, named_service);
    before.extend(storage::dependencies(named_stack, named_service));
    before.extend(peers::dependencies(named_stack, named_service));
    if service.capacity_provider_strategy.is_some() || spec.is_daemon() {
        before.push(Singleton::ClusterCapacity.as_str().to_owned());
    }
    let resource = template.add(Kind::Service, &[named_service.name], &service);
    resource.depends_on(before);
    resource.says(&metadata::of_service(named_stack, named_service));
}

/// Through what requests come to the service, and to which of its containers.
fn load_balancers(named_stack: &NamedStack, named_service: NamedService) -> Option<Vec<Target>> {
    let arns = named_stack.target_group_arns(named_service);
    let targets: Vec<Target> = arns
        .map(|(group, target_group_arn)| {
            let (container_name, container_port) = group.target();
            Target {
                container_name: Value::written(container_name),
                container_port,
                target_group_arn,
                advanced_configuration: two_target_groups(named_stack, &group),
            }
        })
        .collect();
    (!targets.is_empty()).then_some(targets)
}

fn deployment(named_service: NamedService) -> Deployment {
    let spec = &named_service.spec.deployment_configuration;
    let alarms = spec.alarms.iter().map(|name| {
        if name == DeploymentConfiguration::TARGET_ERRORS {
            Value::Ref(Kind::TargetErrorsAlarm.id(&[named_service.name]))
        } else {
            Value::written(name)
        }
    });
    Deployment {
        // Said of rolling deployments, too: what is left out stays as it was.
        strategy: spec.strategy.as_str(),
        bake_time_in_minutes: spec.bake_time(),
        linear_configuration: spec.steps().map(|linear| LinearConfiguration {
            step_percent: Number(linear.step_percent),
            step_bake_time_in_minutes: linear.step_bake_time_in_minutes,
        }),
        canary_configuration: spec.first_step().map(|canary| CanaryConfiguration {
            canary_percent: Number(canary.percent),
            canary_bake_time_in_minutes: canary.bake_time_in_minutes,
        }),
        minimum_healthy_percent: named_service.spec.minimum_healthy_percent(),
        maximum_percent: named_service.spec.maximum_percent(),
        deployment_circuit_breaker: circuit_breaker(&spec.deployment_circuit_breaker),
        alarms: (!spec.alarms.is_empty()).then(|| Alarms {
            alarm_names: alarms.collect(),
            enable: true,
            rollback: true,
        }),
    }
}

fn circuit_breaker(spec: &DeploymentCircuitBreaker) -> CircuitBreaker {
    let spec = spec.settings();
    CircuitBreaker {
        enable: spec.enable,
        rollback: spec.enable && spec.rollback,
        reset_on_healthy_task: spec.reset_on_healthy_task,
        threshold_configuration: spec
            .threshold_configuration
            .as_ref()
            .map(|threshold| Threshold {
                r#type: threshold.r#type.as_str(),
                value: threshold.value,
            }),
    }
}

fn two_target_groups(named_stack: &NamedStack, group: &NamedGroup) -> Option<TwoTargetGroups> {
    named_stack
        .has_two_target_groups(group.named_service)
        .then(|| TwoTargetGroups {
            alternate_target_group_arn: Value::Ref(group.id(Kind::AlternateTargetGroup)),
            production_listener_rule: Value::Ref(group.id(Kind::ListenerRule)),
            role_arn: Value::GetAtt(Singleton::InfrastructureRole.as_str().to_owned(), "Arn"),
        })
}
