//! The command line.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset};
use clap::{Args, Parser, Subcommand};
use longshore_events::arn::ServiceName;
use longshore_events::image::{Digest, ImageReference};

use crate::cost::CostArguments;
use crate::init::InitArguments;
use crate::schema::SchemaArguments;
use crate::sync_offline::{PlanFiles, SelectionArguments, SyncInventoryArguments};
use crate::validate::ValidateArguments;

pub use crate::output::Output;
pub use crate::stack_file::StackFileArguments;

/// Builds stacks on Amazon ECS from stack files, deploys container images to them, and says what became
/// of it.
#[derive(Debug, Parser)]
#[command(name = "longshore", version)]
pub struct Arguments {
    /// The bucket that holds Longshore's state; `init`, `validate`, `render`, `cost`, `schema` and what
    /// `sync` does with files need none
    #[arg(long, env = "STATE_BUCKET_NAME", global = true)]
    pub state_bucket: Option<String>,
    /// The bus that Longshore publishes its events on
    #[arg(
        long,
        env = "EVENT_BUS_NAME",
        global = true,
        default_value = "longshore"
    )]
    pub event_bus: String,
    /// The role that CloudFormation works with; without one it works with your rights
    #[arg(long, env = "CLOUDFORMATION_ROLE_ARN", global = true)]
    pub cloudformation_role_arn: Option<String>,
    /// The permissions boundary of the roles that templates make
    #[arg(long, env = "PERMISSIONS_BOUNDARY_ARN", global = true)]
    pub permissions_boundary_arn: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What needs no AWS.
    #[command(flatten)]
    Offline(OfflineCommand),
    /// Mirrors of Homebrew's bottles
    #[command(subcommand)]
    Sync(SyncCommand),
    /// What asks AWS, or changes something there.
    #[command(flatten)]
    Aws(AwsCommand),
}

/// What needs no AWS.
#[derive(Debug, Subcommand)]
pub enum OfflineCommand {
    /// Make a first stack file: from answers, or from files of Compose, Copilot, ecspresso, ECS or Terraform
    Init(InitArguments),
    /// Say everything that is wrong with a stack file
    Validate(ValidateArguments),
    /// Print the CloudFormation template of a stack file
    Render(StackFileArguments),
    /// Estimate what a stack costs in a month
    Cost(CostArguments),
    /// Print the JSON Schema by which editors complete stack files
    Schema(SchemaArguments),
}

/// `longshore sync`.
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Say what a sync would do to a mirror, or to one that holds what an inventory says
    Plan(SyncPlanArguments),
    /// Update a mirror to what its index names
    Run(SyncRunArguments),
    /// Show how far the last sync of a mirror is
    Status(StackArguments),
    /// Say which files of a mirror are not what its index names
    Verify(StackArguments),
    /// Print the inventory that a complete sync of an index would leave
    Inventory(SyncInventoryArguments),
}

/// `longshore sync plan`.
#[derive(Debug, Args)]
pub struct SyncPlanArguments {
    /// The stack whose mirror is meant, with its environment, such as bottles-prod; or give two files
    #[arg(
        required_unless_present = "PlanFiles",
        conflicts_with_all = ["PlanFiles", "SelectionArguments"]
    )]
    pub stack: Option<String>,
    /// How it would be done.
    #[command(flatten)]
    pub options: SyncOptionArguments,
    /// What says all of a mirror, so that nobody has to be asked.
    #[command(flatten)]
    pub files: Option<PlanFiles>,
    /// Which bottles of the index in a file; a mirror's stack says it itself.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore sync run`.
#[derive(Debug, Args)]
pub struct SyncRunArguments {
    /// The stack whose mirror is meant, with its environment, such as bottles-prod
    pub stack: String,
    /// Why; shown in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// How it is done.
    #[command(flatten)]
    pub options: SyncOptionArguments,
    /// Where tasks do the work, do not wait for the end, and show no progress
    #[arg(long)]
    pub no_follow: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How a sync is done.
#[derive(Debug, Clone, Copy, Args)]
pub struct SyncOptionArguments {
    /// Compare with a listing of the bucket, not with the inventory that the last sync has left
    #[arg(long)]
    pub check_listing: bool,
    /// From this many bytes on tasks do the work, where the mirror has some; below, this process
    #[arg(long, value_name = "BYTES")]
    pub threshold_bytes: Option<u64>,
}

/// What asks AWS, or changes something there.
#[derive(Debug, Subcommand)]
pub enum AwsCommand {
    /// Show what applying a stack file would change; nothing is changed
    Plan(PlanArguments),
    /// Change a stack to what its file says
    Apply(ApplyArguments),
    /// Delete a stack; its data stays unless its file says otherwise
    Destroy(DestroyArguments),
    /// Show what of a stack is not as its template says
    Drift(StackArguments),
    /// Print what a stack has made: names, ARNs, addresses
    Outputs(StackArguments),
    /// Start a rolling deployment of an image to a service
    Deploy(DeployArguments),
    /// Go back to an earlier deployment of a service
    Rollback(RollbackArguments),
    /// Let no deployment of a service or a stack begin
    Hold(HoldArguments),
    /// Let deployments begin again, first what has waited
    Resume(ResumeArguments),
    /// Let the deployment begin that waits to be approved
    Approve(ApproveArguments),
    /// Show the last deployment of services, what keeps the next one back, and what runs now
    Status(StatusArguments),
    /// Show the deployments of a service that ended, newest first
    History(HistoryArguments),
    /// Show what the tasks wrote that failed in a deployment, or of a schedule
    Logs(LogsArguments),
    /// Deploy from now on to a service that another tool has made
    Adopt(AdoptArguments),
    /// Say which documents of the state cannot be read, and restore them
    Doctor(DoctorArguments),
}

/// `longshore deploy`.
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The image, as <repository>:<tag> or <repository>@sha256:<digest>
    #[arg(long)]
    pub image: ImageReference,
    /// Why; shown in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// Whether to wait for the outcome.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore rollback`.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The number of the deployment to go back to, as `history` shows it; without it, the last that succeeded
    /// with another image
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub to: Option<u32>,
    /// Why; shown in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// Whether to wait for the outcome.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore hold`.
#[derive(Debug, Args)]
pub struct HoldArguments {
    /// The stack, or the service as <stack>/<service>
    pub subject: SubjectArgument,
    /// Until when, such as 2026-12-24T18:00:00+01:00; without it, until somebody resumes
    #[arg(long, value_name = "TIME")]
    pub until: Option<DateTime<FixedOffset>>,
    /// Why; shown in Slack with what waits
    #[arg(long)]
    pub note: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore resume`.
#[derive(Debug, Args)]
pub struct ResumeArguments {
    /// The stack, or the service as <stack>/<service>
    pub subject: SubjectArgument,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore approve`.
#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// Only if this is what waits: the image's digest, sha256:<hex>
    #[arg(long)]
    pub digest: Option<Digest>,
    /// Whether to wait for the outcome.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// How many deployments at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore logs`.
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The deployment's number, as `history` shows it; without it, the newest whose tasks failed
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub deployment: Option<u32>,
    /// A schedule of the service, by its name in the stack file: the last of its tasks that failed
    #[arg(long, conflicts_with = "deployment")]
    pub schedule: Option<String>,
    /// How many lines of each container, the last ones
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub lines: u32,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore adopt`.
#[derive(Debug, Args)]
pub struct AdoptArguments {
    /// The service in ECS, as <cluster>/<service>
    pub service: EcsServiceArgument,
    /// The stack that people are to know it by; without it, the cluster's name
    #[arg(long)]
    pub stack: Option<String>,
    /// The service that people are to know it by; without it, its name in ECS
    #[arg(long = "service", value_name = "SERVICE")]
    pub known_as: Option<String>,
    /// The container whose image is replaced; needed where several have an image of ECR
    #[arg(long)]
    pub container: Option<String>,
    /// The repository to follow; without it, that of the container's image
    #[arg(long)]
    pub repository: Option<String>,
    /// Which images it follows.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Write the last good version of each document back that cannot be read
    #[arg(long)]
    pub repair: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Which images a service follows; without any of them, the tag that the container's image is named by.
#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// Tags, or patterns with `*` and `?`; may be given several times, or with commas
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["semver", "tag_pattern"])]
    pub tags: Vec<String>,
    /// A range of semantic versions, such as `>=1.2, <2`
    #[arg(long)]
    pub semver: Option<String>,
    /// A regular expression for the whole tag; with --semver, its group `version` is the version
    #[arg(long)]
    pub tag_pattern: Option<String>,
}

/// `longshore status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Only this stack, or only this <stack>/<service>
    pub filter: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Whether somebody waits, and for how long.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArguments {
    /// Wait for the outcome. Exit status: 0 it succeeded; 1 it failed, was rolled back or was replaced; 3 it waits for a
    /// person or a time; 4 --timeout-minutes passed
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most; the deployment goes on
    #[arg(
        long,
        value_name = "MINUTES",
        default_value_t = 60,
        requires = "wait",
        value_parser = clap::value_parser!(u32).range(1..=1440)
    )]
    pub timeout_minutes: u32,
}

/// `longshore plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The stack file.
    #[command(flatten)]
    pub stack_file: StackFileArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The stack file.
    #[command(flatten)]
    pub stack_file: StackFileArguments,
    /// Why; shown in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// Do not wait for the end, and show no progress
    #[arg(long)]
    pub no_follow: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore destroy`.
#[derive(Debug, Args)]
pub struct DestroyArguments {
    /// The stack's name, with its environment, such as shop-dev
    pub stack: String,
    /// The stack's name once more; needed when it holds data
    #[arg(long)]
    pub confirm: Option<String>,
    /// Why; shown in Slack
    #[arg(long)]
    pub note: Option<String>,
    /// Do not wait for the end, and show no progress
    #[arg(long)]
    pub no_follow: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore drift` and `longshore outputs`.
#[derive(Debug, Args)]
pub struct StackArguments {
    /// The stack's name, with its environment, such as shop-prod
    pub stack: String,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `<stack>`, or `<stack>/<service>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectArgument {
    /// The stack.
    pub stack: String,
    /// The stack's service; without one, all of them are meant.
    pub service: Option<String>,
}

impl FromStr for SubjectArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && !text.contains('/') {
            return Ok(Self {
                stack: text.to_owned(),
                service: None,
            });
        }
        match text.parse() {
            Ok(ServiceArgument { stack, service }) => Ok(Self {
                stack,
                service: Some(service),
            }),
            Err(_) => Err("expected <stack> or <stack>/<service>, such as shop/api".to_owned()),
        }
    }
}

/// `<cluster>/<service>`, both by their names in ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsServiceArgument(pub ServiceName);

impl FromStr for EcsServiceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(ServiceArgument { stack, service }) => Ok(Self(ServiceName {
                cluster: stack,
                ecs_service: service,
            })),
            Err(_) => Err("expected <cluster>/<service>, such as shop/api".to_owned()),
        }
    }
}

/// `<stack>/<service>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceArgument {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
}

impl FromStr for ServiceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((stack, service))
                if !stack.is_empty() && !service.is_empty() && !service.contains('/') =>
            {
                Ok(Self {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                })
            }
            _ => Err("expected <stack>/<service>, such as shop/api".to_owned()),
        }
    }
}
