//! A stack file that is being made.

use longshore_stack::check::is_secret;
use longshore_stack::read::{Selection, environments, read};

use crate::document::{Block, Value};
use crate::notes::{Note, Notes};
use crate::values::part_name;

/// What only the user knows, because the source does not say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// The stack's name, in place of the source's.
    pub name: Option<String>,
    /// The VPC, in place of the source's.
    pub vpc_id: Option<String>,
    /// The subnets of tasks, in place of the source's.
    pub subnet_ids: Vec<String>,
    /// The public subnets of a load balancer that the internet reaches. Without any it is internal, in the subnets of
    /// the tasks.
    pub public_subnet_ids: Vec<String>,
}

/// A stack file, and what it does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct StackFile {
    /// YAML.
    pub text: String,
    /// What could not be carried over, in the order of the source.
    pub notes: Vec<Note>,
}

/// What keeps a stack file from being made although the source could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Nobody said which VPC.
    #[error("the VPC is not known: give `--vpc`, such as `--vpc vpc-0a1b2c3d4e5f60718`")]
    Vpc,
    /// Nobody said which subnets.
    #[error(
        "the subnets of the tasks are not known: give `--subnet` once for each, in at least two availability zones"
    )]
    Subnets,
    /// A load balancer needs two.
    #[error(
        "a load balancer needs subnets in two availability zones, and only `{0}` is known: give `--subnet` twice, or \
         `--public-subnet` twice if the internet is to reach it"
    )]
    SecondSubnet(String),
    /// Nothing was left to describe.
    #[error("{0} describes no service that a stack file could: {1}")]
    Services(String, String),
    /// Longshore would not take the stack file that follows.
    #[error("the stack file that follows from this is not valid, so nothing was written:\n{0}")]
    NotValid(String),
}

/// The order of the top keys.
const STACK: [&str; 12] = [
    "name",
    "tags",
    "network",
    "cluster",
    "capacity",
    "file_systems",
    "load_balancer",
    "service_discovery",
    "logs",
    "dashboard",
    "services",
    "environments",
];

/// The order of a load balancer's keys.
const LOAD_BALANCER: [&str; 5] = [
    "scheme",
    "subnet_ids",
    "ingress_cidr_ips",
    "certificate_arns",
    "idle_timeout",
];

/// The order of a service's keys, and of a sidecar's: what it is, how large, what it gets, how it is reached,
/// deployed and scaled.
const SERVICE: [&str; 48] = [
    "image",
    "image_policy",
    "service_name",
    "container_name",
    "family",
    "essential",
    "firelens_configuration",
    "container_port",
    "additional_container_ports",
    "cpu",
    "memory",
    "memory_reservation",
    "cpu_architecture",
    "ephemeral_storage_size_in_gib",
    "entry_point",
    "command",
    "working_directory",
    "user",
    "environment",
    "environment_files",
    "secrets",
    "log_options",
    "health_check",
    "stop_timeout",
    "start_timeout",
    "readonly_root_filesystem",
    "enable_execute_command",
    "mount_points",
    "ulimits",
    "linux_parameters",
    "docker_labels",
    "restart_policy",
    "log_delivery",
    "repository_credentials",
    "depends_on",
    "sidecars",
    "capacity_provider_strategy",
    "subnet_ids",
    "security_group_ids",
    "security_group",
    "assign_public_ip",
    "target_group",
    "health_check_grace_period_seconds",
    "desired_count",
    "scaling",
    "schedules",
    "deployment_configuration",
    "rollout",
];

/// Private addresses, from which a VPC has its own.
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/// A stack file that is being made.
#[derive(Debug, Default)]
pub struct Draft {
    /// What the file is made from, for its first line.
    pub origin: String,
    /// The stack's name.
    pub name: String,
    pub vpc_id: Option<String>,
    pub subnet_ids: Vec<String>,
    /// Of the load balancer; none where the source does not say.
    pub load_balancer_subnet_ids: Vec<String>,
    /// The other top keys.
    pub stack: Block,
    pub services: Block,
    pub environments: Block,
    pub notes: Notes,
}

impl Draft {
    /// A draft of a stack of this name; the name in the parameters wins.
    pub fn new(origin: &str, name: &str, parameters: &Parameters) -> Self {
        Self {
            origin: origin.to_owned(),
            name: parameters.name.clone().unwrap_or_else(|| part_name(name)),
            vpc_id: parameters.vpc_id.clone(),
            subnet_ids: parameters.subnet_ids.clone(),
            load_balancer_subnet_ids: parameters.public_subnet_ids.clone(),
            ..Self::default()
        }
    }

    /// The stack's and a service's name, from which names of secrets are made.
    pub fn owner(&self, service: &str) -> String {
        format!("{}/{service}", self.name)
    }

    /// Says what the source says of the VPC, unless the user did.
    pub fn default_vpc(&mut self, vpc_id: Option<String>) {
        if self.vpc_id.is_none() {
            self.vpc_id = vpc_id.filter(|id| id.starts_with("vpc-"));
        }
    }

    /// Says what the source says of the tasks' subnets, unless the user did.
    pub fn default_subnets(&mut self, ids: Vec<String>) {
        if self.subnet_ids.is_empty() {
            self.subnet_ids = ids
                .into_iter()
                .filter(|id| id.starts_with("subnet-"))
                .collect();
        }
    }

    /// A file system of the stack; returns its name.
    pub fn file_system(&mut self, name: &str) -> String {
        let name = part_name(name);
        self.stack.block("file_systems").block(&name);
        name
    }

    /// Lets services find each other, and lets what has a private address reach this one.
    pub fn discover(&mut self, service: &str) {
        if !self.stack.has("service_discovery") {
            let namespace = format!("{}.local", self.name);
            let block = Block::with("namespace", namespace.as_str());
            self.stack.set("service_discovery", block);
            self.stack.comment(
                "service_discovery",
                format!("Services find each other as <service>.{namespace}."),
            );
        }
        let service = self.services.block(service);
        if !service.has("security_group") && !service.has("security_group_ids") {
            let rules: Vec<Block> = PRIVATE
                .iter()
                .map(|range| Block::with("cidr_ip", *range))
                .collect();
            service.set("security_group", Block::with("ingress", rules));
            service.comment(
                "security_group",
                "Who may connect: narrow this to your VPC's range.",
            );
        }
    }

    /// The text and the notes.
    ///
    /// # Errors
    /// What is missing, or what Longshore refuses.
    pub fn finish(mut self) -> Result<StackFile, Missing> {
        if self.services.is_empty() {
            let why = self.notes.all.iter().map(ToString::to_string);
            let why: Vec<String> = why.take(5).collect();
            return Err(Missing::Services(self.origin, why.join("; ")));
        }
        self.hide_secrets();
        let vpc_id = self.vpc_id.take().ok_or(Missing::Vpc)?;
        if self.subnet_ids.is_empty() {
            return Err(Missing::Subnets);
        }
        self.add_load_balancer()?;
        let mut stack = Block::with("name", self.name.as_str());
        stack.set(
            "network",
            Block::with("vpc_id", vpc_id).and("subnet_ids", self.subnet_ids.clone()),
        );
        for key in self.stack.keys() {
            if let Some(value) = self.stack.get(&key) {
                stack.set(&key, value.clone());
            }
            for comment in self.stack.comments(&key) {
                stack.comment(&key, comment);
            }
        }
        for name in self.services.keys() {
            arrange(self.services.block(&name));
        }
        stack.set("services", self.services);
        for name in self.environments.keys() {
            let services = self.environments.block(&name);
            if services.has("services") {
                let services = services.block("services");
                for service in services.keys() {
                    arrange(services.block(&service));
                }
            }
        }
        stack.set_filled("environments", self.environments);
        stack.sort_by(&STACK);
        let text = format!(
            "# Made by `longshore init` from {}. Check it with `longshore validate`.\n{}",
            self.origin,
            stack.to_yaml()
        );
        refuse_errors(&text)?;
        Ok(StackFile {
            text,
            notes: self.notes.all,
        })
    }

    /// Hides what looks like a secret where no variable could be made of it: in commands, labels and options.
    fn hide_secrets(&mut self) {
        let mut found = Vec::new();
        self.services.hide("services", &is_secret, &mut found);
        self.environments
            .hide("environments", &is_secret, &mut found);
        for path in found {
            self.notes.general(format!(
                "`{path}` looks like a secret, so `***` stands there in the stack file: let the container take it from a \
                 variable of `secrets`"
            ));
        }
    }

    /// A load balancer, if a service is behind one of the stack's.
    fn add_load_balancer(&mut self) -> Result<(), Missing> {
        let is_needed = self.services.keys().iter().any(|name| {
            let service = self.services.block(name);
            service.has("target_group") && !service.block("target_group").has("target_group_arn")
        });
        if !is_needed {
            self.stack.remove("load_balancer");
            return Ok(());
        }
        let is_public = !self.load_balancer_subnet_ids.is_empty();
        let subnet_ids = match is_public {
            true => self.load_balancer_subnet_ids.clone(),
            false => self.subnet_ids.clone(),
        };
        if let [only] = &subnet_ids[..] {
            return Err(Missing::SecondSubnet(only.clone()));
        }
        let block = self.stack.block("load_balancer");
        if !block.has("scheme") && is_public {
            block.set("scheme", "internet-facing");
        }
        let is_internal = block.text("scheme") != Some("internet-facing");
        block.set("subnet_ids", subnet_ids);
        if is_internal && !block.has("ingress_cidr_ips") && !block.has("security_group_ids") {
            block.set("ingress_cidr_ips", PRIVATE.to_vec());
            block.comment(
                "ingress_cidr_ips",
                "Who may connect to this internal load balancer.",
            );
        }
        block.sort_by(&LOAD_BALANCER);
        if !block.has("certificate_arns") {
            self.stack.comment(
                "load_balancer",
                "HTTP only: name a certificate in `certificate_arns` for HTTPS.",
            );
        }
        Ok(())
    }
}

/// Puts a service's keys into order.
fn arrange(service: &mut Block) {
    service.sort_by(&SERVICE);
    if let Some(Value::Map(_)) = service.get("sidecars") {
        let sidecars = service.block("sidecars");
        for name in sidecars.keys() {
            sidecars.block(&name).sort_by(&SERVICE);
        }
    }
}

/// What Longshore itself says of the text, in all environments.
fn refuse_errors(text: &str) -> Result<(), Missing> {
    let names = environments(text.as_bytes());
    let selections: Vec<Option<&str>> = match &names[..] {
        [] => vec![None],
        _ => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    for environment in selections {
        if let Err(problems) = read(text.as_bytes(), &Selection::Environment(environment)) {
            let errors: Vec<String> = problems
                .iter()
                .filter(|problem| problem.severity == longshore_events::longshore::Severity::Error)
                .map(|problem| match &problem.value {
                    Some(value) => format!("{}: `{value}`: {}", problem.path, problem.message),
                    None => format!("{}: {}", problem.path, problem.message),
                })
                .collect();
            return Err(Missing::NotValid(errors.join("\n")));
        }
    }
    Ok(())
}
