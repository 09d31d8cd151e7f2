//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use longshore_events::image::{DigestPrefix, ImageReference};
use longshore_events::manual::{MOST_DAYS, WEEK};

use crate::cost::CostArguments;
use crate::init::InitArguments;
use crate::schema::SchemaArguments;
use crate::slack::SlackCommand;
use crate::subject::{EcsServiceArgument, ServiceArgument, SubjectArgument};
use crate::sync_offline::{PlanFiles, SelectionArguments, SyncInventoryArguments};
use crate::until::{Since, Until};
use crate::validate::ValidateArguments;

pub use crate::output::Output;
pub use crate::stack_file::StackFileArguments;

/// Builds stacks on Amazon ECS from stack files, deploys container images to them, and says what became
/// of it.
#[derive(Debug, Parser)]
#[command(name = "longshore", version)]
pub struct Arguments {
    /// Where Longshore is, and who asks it.
    #[command(flatten)]
    pub installation: Installation,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The installation of Longshore that is meant, and whose credentials are used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
pub struct Installation {
    /// The AWS region; without it, that of the environment or the profile
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// The profile of AWS's configuration files; without it, that of the environment
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// The bucket that holds Longshore's state; only what reads files alone needs none
    #[arg(long, env = "STATE_BUCKET_NAME", hide_env_values = true, global = true)]
    pub state_bucket: Option<String>,
    /// The bus that Longshore publishes its events on
    #[arg(
        long,
        env = "EVENT_BUS_NAME",
        hide_env_values = true,
        global = true,
        default_value = "longshore"
    )]
    pub event_bus: String,
    /// The role that CloudFormation works with; without one it works with your rights
    #[arg(
        long,
        env = "CLOUDFORMATION_ROLE_ARN",
        hide_env_values = true,
        global = true
    )]
    pub cloudformation_role_arn: Option<String>,
    /// The permissions boundary of the roles that templates make
    #[arg(
        long,
        env = "PERMISSIONS_BOUNDARY_ARN",
        hide_env_values = true,
        global = true
    )]
    pub permissions_boundary_arn: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What needs no AWS.
    #[command(flatten)]
    Offline(OfflineCommand),
    /// Plan, run and verify the syncs of a mirror
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Look at the messages that people get in Slack
    #[command(subcommand)]
    Slack(SlackCommand),
    /// What asks AWS, or changes something there.
    #[command(flatten)]
    Aws(AwsCommand),
}

/// What needs no AWS.
#[derive(Debug, Subcommand)]
pub enum OfflineCommand {
    /// Make a first stack file, from answers or from another tool's files
    #[command(
        after_help = "Examples:\n  longshore init\n  longshore init --from docker-compose.yml --vpc vpc-0a1b2c3d --subnet subnet-0a1b --subnet subnet-2c3d\n  longshore init --from copilot/api/manifest.yml --output shop.yaml"
    )]
    Init(InitArguments),
    /// Say everything that is wrong with a stack file
    #[command(
        after_help = "Examples:\n  longshore validate stacks/shop.yaml\n  longshore validate stacks/shop.yaml --all-environments"
    )]
    Validate(ValidateArguments),
    /// Print the CloudFormation template of a stack file
    #[command(after_help = "Examples:\n  longshore render stacks/shop.yaml --environment prod")]
    Render(StackFileArguments),
    /// Estimate what a stack costs in a month
    #[command(after_help = "Examples:\n  longshore cost stacks/shop.yaml --environment prod")]
    Cost(CostArguments),
    /// Print the JSON Schema by which editors complete stack files
    #[command(after_help = "Examples:\n  longshore schema stack > stack.schema.json")]
    Schema(SchemaArguments),
    /// Print the script by which a shell completes commands and options
    #[command(
        after_help = "Examples:\n  longshore completions bash > ~/.local/share/bash-completion/completions/longshore"
    )]
    Completions(CompletionsArguments),
    /// Write the pages that `man` shows
    Manual(ManualArguments),
}

impl Command {
    /// How to print the answer.
    pub fn output(&self) -> Output {
        match self {
            Self::Offline(command) => match command {
                OfflineCommand::Validate(arguments) => arguments.output,
                OfflineCommand::Cost(arguments) => arguments.output,
                OfflineCommand::Init(_)
                | OfflineCommand::Render(_)
                | OfflineCommand::Schema(_)
                | OfflineCommand::Completions(_)
                | OfflineCommand::Manual(_) => Output::Text,
            },
            Self::Sync(command) => match command {
                SyncCommand::Plan(arguments) => arguments.output,
                SyncCommand::Run(arguments) => arguments.output,
                SyncCommand::Status(arguments) | SyncCommand::Verify(arguments) => arguments.output,
                SyncCommand::Inventory(_) => Output::Text,
            },
            Self::Slack(_) => Output::Text,
            Self::Aws(command) => match command {
                AwsCommand::Plan(arguments) => arguments.output,
                AwsCommand::Apply(arguments) => arguments.output,
                AwsCommand::Destroy(arguments) => arguments.output,
                AwsCommand::Drift(arguments) | AwsCommand::Outputs(arguments) => arguments.output,
                AwsCommand::Deploy(arguments) => arguments.output,
                AwsCommand::Rollback(arguments) => arguments.output,
                AwsCommand::Restart(arguments) => arguments.output,
                AwsCommand::Scale(arguments) => arguments.output,
                AwsCommand::Ls(arguments) => arguments.output,
                AwsCommand::Run(arguments) => arguments.output,
                // What is printed is the program's.
                AwsCommand::Exec(_) => Output::Text,
                AwsCommand::Dashboard(_) => Output::Text,
                AwsCommand::Hold(arguments) => arguments.output,
                AwsCommand::Resume(arguments) => arguments.output,
                AwsCommand::Approve(arguments) => arguments.output,
                AwsCommand::Reject(arguments) => arguments.output,
                AwsCommand::Status(arguments) => arguments.output,
                AwsCommand::History(arguments) => arguments.output,
                AwsCommand::Digest(arguments) => arguments.output,
                AwsCommand::Logs(arguments) => arguments.output,
                AwsCommand::Adopt(arguments) => arguments.output,
                AwsCommand::Doctor(arguments) => arguments.output,
                AwsCommand::Replay(arguments) => arguments.output,
            },
        }
    }
}

/// `longshore dashboard`.
#[derive(Debug, Args)]
pub struct DashboardArguments {
    /// The port on loopback to listen on; without it, one that is free
    #[arg(long, conflicts_with = "export")]
    pub port: Option<u16>,
    /// Write a static copy into this directory instead, from which nothing can be done
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// `longshore completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// Of which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `longshore manual`.
#[derive(Debug, Args)]
pub struct ManualArguments {
    /// The directory to write the pages to; it is made where it is missing
    pub directory: PathBuf,
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
    /// Say what it would do, as `sync plan` does; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
    #[command(after_help = "Examples:\n  longshore plan stacks/shop.yaml --environment prod")]
    Plan(PlanArguments),
    /// Change a stack to what its file says
    #[command(
        after_help = "Examples:\n  longshore apply stacks/shop.yaml --environment prod --note \"more memory\""
    )]
    Apply(ApplyArguments),
    /// Delete a stack; its data stays unless its file says otherwise
    #[command(
        after_help = "Examples:\n  longshore destroy shop-dev --dry-run\n  longshore destroy shop-dev --yes"
    )]
    Destroy(DestroyArguments),
    /// Show what of a stack is not as its template says
    Drift(StackArguments),
    /// Print what a stack has made: names, ARNs, addresses
    Outputs(StackArguments),
    /// Start a rolling deployment of an image to a service
    #[command(after_help = "Examples:\n  longshore deploy shop/api --image shop/api:v2 --wait")]
    Deploy(DeployArguments),
    /// Go back to an earlier deployment of a service
    #[command(
        after_help = "Examples:\n  longshore rollback shop/api --dry-run\n  longshore rollback shop/api --to 41 --note \"the checkout is broken since 42\" --yes --wait"
    )]
    Rollback(RollbackArguments),
    /// Start new tasks of what a service runs, in place of those that run
    #[command(after_help = "Examples:\n  longshore restart shop/api --note \"it leaks\" --wait")]
    Restart(RestartArguments),
    /// Set how many tasks of a service run, where nothing scales it
    #[command(
        after_help = "If the stack file says `desired_count`, its next apply may set that number again: change it there, or\nleave it out. A service with `scaling` is refused: change its `min_capacity` and `max_capacity`.\n\nExamples:\n  longshore scale shop/api 5 --note \"the sale\"\n  longshore scale shop/api 0 --dry-run"
    )]
    Scale(ScaleArguments),
    /// Run a task of a service, show what it writes, and end with its exit status
    #[command(
        after_help = "Examples:\n  longshore run shop/api -- python manage.py migrate --plan\n  longshore run shop/jobs --schedule nightly"
    )]
    Run(RunArguments),
    /// Start a program in a container that runs, such as a shell
    #[command(
        after_help = "Needs the program session-manager-plugin, and `enable_execute_command: true` in the stack file.\n\nExamples:\n  longshore exec shop/api -- sh\n  longshore exec shop/api --container proxy -- nginx -T"
    )]
    Exec(ExecArguments),
    /// Let no deployment of a service or a stack begin
    #[command(
        after_help = "Examples:\n  longshore hold shop --note \"the sale\" --until \"tomorrow 9:00\"\n  longshore hold shop/api --until 2h"
    )]
    Hold(HoldArguments),
    /// Let deployments begin again, first what has waited
    #[command(after_help = "Examples:\n  longshore resume shop")]
    Resume(ResumeArguments),
    /// Let the deployment begin that waits to be approved
    #[command(after_help = "Examples:\n  longshore approve shop/api --wait")]
    Approve(ApproveArguments),
    /// Never let the deployment begin that waits to be approved
    #[command(after_help = "Examples:\n  longshore reject shop/api --digest 1a2b3c4d5e6f")]
    Reject(RejectArguments),
    /// Show all stacks: their last change, their services, and what runs
    #[command(after_help = "Examples:\n  longshore ls\n  longshore ls --output json")]
    Ls(LsArguments),
    /// Show what was deployed last, what keeps the next one back, and what runs
    #[command(after_help = "Examples:\n  longshore status\n  longshore status shop/api --watch")]
    Status(StatusArguments),
    /// Show the deployments of a service that ended, newest first
    #[command(after_help = "Examples:\n  longshore history shop/api --limit 50")]
    History(HistoryArguments),
    /// Say how deployments went in the last days: how many, how well, how fast
    #[command(
        after_help = "The figures of as many days before are beside them.\n\nExamples:\n  longshore digest\n  longshore digest shop --days 30\n  longshore digest --since 2026-11-01T00:00:00Z --output json"
    )]
    Digest(DigestArguments),
    /// Show what failed tasks wrote, or with -f what running tasks write
    #[command(
        after_help = "Examples:\n  longshore logs shop/api\n  longshore logs shop/api --follow --container api\n  longshore logs shop/api --since 2h --output json\n  longshore logs shop/jobs --schedule nightly"
    )]
    Logs(LogsArguments),
    /// Show all of this as a page on this machine, and act from it
    #[command(
        after_help = "The page is served on loopback until you end it, and acts with your credentials.\n\nExamples:\n  longshore dashboard\n  longshore dashboard --port 4100\n  longshore dashboard --export site"
    )]
    Dashboard(DashboardArguments),
    /// Deploy from now on to a service that another tool has made
    #[command(
        after_help = "Examples:\n  longshore adopt production/api --stack shop --tags \"v*\""
    )]
    Adopt(AdoptArguments),
    /// Say what is wrong with the installation and its documents
    #[command(after_help = "Examples:\n  longshore doctor\n  longshore doctor --repair")]
    Doctor(DoctorArguments),
    /// Give the events to the functions again that lie in their dead-letter queues
    #[command(
        after_help = "Examples:\n  longshore replay --dry-run\n  longshore replay --function deploy"
    )]
    Replay(ReplayArguments),
}

/// `longshore deploy`.
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The image, as <repository>:<tag> or <repository>@sha256:<digest>
    #[arg(long)]
    pub image: ImageReference,
    /// Say what would become of it; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
    /// Say where it would go back to; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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

/// `longshore restart`.
#[derive(Debug, Args)]
pub struct RestartArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// Say whether it would be restarted; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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

/// `longshore scale`.
#[derive(Debug, Args)]
pub struct ScaleArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// How many tasks are to run
    #[arg(value_parser = clap::value_parser!(u32).range(0..=5000))]
    pub count: u32,
    /// Say what would be set; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
    /// Why; kept in the service's record
    #[arg(long)]
    pub note: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore ls`.
#[derive(Debug, Args)]
pub struct LsArguments {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// A schedule of the service, by its name in the stack file: runs one task with its command, environment and size
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub schedule: Option<String>,
    /// What the container runs, after `--`; without it, its own command
    #[arg(last = true)]
    pub command: Vec<String>,
    /// Say which task would be started; nothing is
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait for the end, and show nothing of what it writes
    #[arg(long)]
    pub no_follow: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore exec`.
#[derive(Debug, Args)]
pub struct ExecArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// The task, by its id or how that begins; without it, the newest
    #[arg(long)]
    pub task: Option<String>,
    /// The container; without it, the service's own
    #[arg(long)]
    pub container: Option<String>,
    /// The program and its arguments, after `--`
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// `longshore hold`.
#[derive(Debug, Args)]
pub struct HoldArguments {
    /// The stack, or the service as <stack>/<service>
    pub subject: SubjectArgument,
    /// Until when: 2h, 90m, 18:00, "tomorrow 9:00", "2026-12-24 18:00" in this machine's time zone, or
    /// 2026-12-24T18:00:00+01:00; without it, until somebody resumes
    #[arg(long, value_name = "TIME")]
    pub until: Option<Until>,
    /// Say what would be held; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
    /// Say what would be resumed, and what would come of what waits; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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

/// `longshore approve`.
#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// Only if this is what waits: the image's digest, or at least twelve digits of it
    #[arg(long)]
    pub digest: Option<DigestPrefix>,
    /// Say what would begin; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
    /// Whether to wait for the outcome.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore reject`.
#[derive(Debug, Args)]
pub struct RejectArguments {
    /// The service, as <stack>/<service>
    pub service: ServiceArgument,
    /// Only if this is what waits: the image's digest, or at least twelve digits of it
    #[arg(long)]
    pub digest: Option<DigestPrefix>,
    /// Say what would be rejected; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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

/// `longshore digest`.
#[derive(Debug, Args)]
pub struct DigestArguments {
    /// The stack whose deployments are counted; without it, all stacks
    pub stack: Option<String>,
    /// How many days up to now, 90 at most
    #[arg(long, default_value_t = WEEK, conflicts_with = "since", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    pub days: u32,
    /// Since when instead: how long ago, such as 36h, or a time
    #[arg(long, value_name = "TIME")]
    pub since: Option<Since>,
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
    /// Show what the containers of the running tasks write, as it comes, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["deployment", "schedule"])]
    pub follow: bool,
    /// Show what the containers of the running tasks have written: from so long ago on, such as 10m, 2h or 1d, or from a
    /// time such as 2026-12-24T18:00:00+01:00; with --follow 10m unless it is given
    #[arg(long, value_name = "TIME", conflicts_with_all = ["deployment", "schedule"])]
    pub since: Option<Since>,
    /// Only this container
    #[arg(long)]
    pub container: Option<String>,
    /// How many lines of each container that failed, the last ones
    #[arg(long, default_value_t = 50, conflicts_with_all = ["follow", "since"], value_parser = clap::value_parser!(u32).range(1..=10_000))]
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
    /// Say what would be adopted; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
    /// Which installation it is.
    #[command(flatten)]
    pub prefix: PrefixArguments,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `longshore replay`.
#[derive(Debug, Args)]
pub struct ReplayArguments {
    /// Only the events of this function
    #[arg(long, value_parser = longshore_rollout::lost_events::FUNCTIONS)]
    pub function: Option<String>,
    /// Which installation it is.
    #[command(flatten)]
    pub prefix: PrefixArguments,
    /// Show what lies in the queues; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How the names of an installation begin.
#[derive(Debug, Args)]
pub struct PrefixArguments {
    /// How the names of the functions begin: `prefix` of the Terraform
    #[arg(
        long,
        env = "LONGSHORE_PREFIX",
        hide_env_values = true,
        default_value = "longshore"
    )]
    pub prefix: String,
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
    /// Show it again whenever it changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
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
    /// Show what would change, as `plan` does; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
    /// Say what would go and what would stay; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
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
