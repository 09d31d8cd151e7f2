//! Whether an installation is whole: what `longshore doctor` looks at besides documents.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use longshore_state::store::Address;
use longshore_state::{CallError, DocumentStore, ErrorClass};
use serde::Serialize;
use serde_json::Value;

use self::rights::{Holder, On, asked, lacking};
use crate::lost_events::FUNCTIONS;

pub mod rights;

/// Where Longshore's Terraform writes what it has made.
const LIMITS: &str = "installation/limits.json";

/// The rules of AWS's own bus, without the prefix, and the function that each wakes; a test compares them with the
/// Terraform.
pub const RULES_OF_AWS: [(&str, &str); 11] = [
    ("deploy-task-stopped", "deploy"),
    ("deployment-changed", "watch"),
    ("image-cached", "deploy"),
    ("image-pushed", "deploy"),
    ("release-written", "deploy"),
    ("scheduled-task-runs", "watch"),
    ("stack-changed", "watch"),
    ("stack-imported", "provision"),
    ("stack-written", "provision"),
    ("sync-task-stopped", "sync"),
    ("task-stopped", "watch"),
];

/// The rules of Longshore's bus, without the prefix, and the function that each wakes.
pub const RULES_OF_LONGSHORE: [(&str, &str); 5] = [
    ("notifications", "notify"),
    ("rollout-continued", "deploy"),
    ("shard-completed", "sync"),
    ("stack-settled-deploy", "deploy"),
    ("stack-settled-provision", "provision"),
];

/// The schedules, without the prefix, and the function that each wakes.
pub const SCHEDULES: [(&str, &str); 3] = [
    ("reconcile", "deploy"),
    ("reconcile-stacks", "provision"),
    ("reconcile-syncs", "sync"),
];

/// Those that the Terraform makes only for whoever asks for them.
pub const OPTIONAL_SCHEDULES: [(&str, &str); 1] = [("digest", "deploy")];

/// What is set right by applying the Terraform again.
const APPLY: &str = "apply Longshore's Terraform again";

/// A function as Lambda shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    /// `Active`, `Inactive` (not called for long), `Pending` or `Failed`.
    pub state: String,
    /// Why it is not active.
    pub reason: Option<String>,
    /// `Successful`, `InProgress` or `Failed`.
    pub last_update: String,
    /// The SHA-256 of its package, in Base64.
    pub code: String,
    pub environment: BTreeMap<String, String>,
}

/// A secret as Secrets Manager shows it. Its value is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretState {
    pub has_value: bool,
    /// Whether it is to be deleted soon.
    pub is_deleted: bool,
}

/// Whose credentials are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account's id.
    pub account: String,
    pub arn: String,
}

/// A schedule of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleState {
    pub is_enabled: bool,
    /// The ARN of what it wakes.
    pub target: String,
}

/// Rules by their names, with whether they are enabled.
pub type Rules = BTreeMap<String, bool>;

/// What shows what an installation consists of.
pub trait Installation {
    /// Whose credentials are used.
    fn caller(&self) -> impl Future<Output = Result<Caller, CallError>>;

    /// A function; `None` when there is none of this name.
    fn function(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<FunctionState>, CallError>>;

    /// The rules of a bus whose names begin with `prefix`; `None` when there is no such bus. Without a name, the rules
    /// of AWS's own.
    fn rules(
        &self,
        bus: Option<&str>,
        prefix: &str,
    ) -> impl Future<Output = Result<Option<Rules>, CallError>>;

    /// The ARNs of what a rule of a bus wakes; none where there is no such rule. Without a bus, a rule of AWS's own.
    fn targets(
        &self,
        bus: Option<&str>,
        rule: &str,
    ) -> impl Future<Output = Result<Vec<String>, CallError>>;

    /// A schedule of the group that EventBridge Scheduler has by itself; `None` when there is none of this name.
    fn schedule(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<ScheduleState>, CallError>>;

    /// The ARN of the role of this name, with its path.
    fn role_arn(&self, name: &str) -> impl Future<Output = Result<String, CallError>>;

    /// Which of these actions a user or a role may not do with a resource, as IAM simulates it: policies, boundary and
    /// the organization's count. Nothing is tried.
    fn refused_actions(
        &self,
        arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> impl Future<Output = Result<Vec<String>, CallError>>;

    /// Whether there is a policy of this ARN.
    fn has_policy(&self, arn: &str) -> impl Future<Output = Result<bool, CallError>>;

    /// A secret; `None` when there is none of this name.
    fn secret(&self, name: &str) -> impl Future<Output = Result<Option<SecretState>, CallError>>;

    /// About how many messages a queue holds; `None` when there is none of this name.
    fn queue_length(&self, name: &str) -> impl Future<Output = Result<Option<u64>, CallError>>;
}

/// Which installation is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// How the names of functions, rules and queues begin.
    pub prefix: String,
    pub state_bucket: String,
    pub event_bus: String,
    pub region: Option<String>,
}

/// Something that is wrong with an installation, or that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is meant: `function longshore-deploy`.
    pub about: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
    /// Whether the installation is known to be wrong there; else nobody could look, or it is you who lack a right.
    pub is_known: bool,
}

/// What an installation is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    /// The account and the region, where they are known.
    pub account: Option<String>,
    pub region: Option<String>,
    /// The program of the functions, by the beginning of its SHA-256, where all have the same.
    pub version: Option<String>,
    pub findings: Vec<Finding>,
    /// Whether the documents of its state can be read.
    #[serde(skip)]
    pub is_readable: bool,
}

/// Looks at all that an installation consists of, and says what is wrong with each part and what to do.
pub async fn examine<C: Installation + DocumentStore>(cloud: &C, meant: &Meant) -> Examined {
    let mut doctor = Doctor {
        cloud,
        meant,
        findings: Vec::new(),
    };
    let mut version = None;
    let mut is_readable = false;
    let caller = doctor.caller().await;
    let account = caller.as_ref().map(|caller| caller.account.clone());
    // Without credentials everything else would be said to be wrong, too.
    if let Some(caller) = &caller {
        is_readable = doctor.bucket().await;
        if is_readable {
            doctor.limits(account.as_deref()).await;
        }
        let functions = doctor.functions().await;
        version = doctor.versions(&functions);
        doctor.rules().await;
        doctor.schedules().await;
        doctor.boundary(&functions).await;
        doctor.secrets(&functions).await;
        doctor.queues().await;
        doctor.rights(caller).await;
    }
    Examined {
        account,
        region: meant.region.clone(),
        version,
        findings: doctor.findings,
        is_readable,
    }
}

struct Doctor<'a, C> {
    cloud: &'a C,
    meant: &'a Meant,
    findings: Vec<Finding>,
}

/// The functions that are there, by their names without the prefix.
type Functions = BTreeMap<&'static str, FunctionState>;

impl<C: Installation + DocumentStore> Doctor<'_, C> {
    fn wrong(&mut self, about: String, problem: String, remedy: String) {
        self.findings.push(Finding {
            about,
            problem,
            remedy,
            is_known: true,
        });
    }

    /// That something cannot be looked at, which does not say that it is wrong.
    fn unseen(&mut self, about: String, error: &CallError, right: &str) {
        let remedy = match error.class {
            ErrorClass::Denied => format!("to have it looked at, you need the right to {right}"),
            _ => "ask again".to_owned(),
        };
        self.findings.push(Finding {
            about,
            problem: format!("it cannot be looked at: {error}"),
            remedy,
            is_known: false,
        });
    }

    async fn caller(&mut self) -> Option<Caller> {
        if self.meant.region.as_ref().is_none_or(String::is_empty) {
            self.wrong(
                "region".to_owned(),
                "no region is set".to_owned(),
                "give --region, or set AWS_REGION or the region of the profile".to_owned(),
            );
            return None;
        }
        match self.cloud.caller().await {
            Ok(caller) => Some(caller),
            Err(error) => {
                self.wrong(
                    "credentials".to_owned(),
                    error.to_string(),
                    "log in (aws sso login), or give --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                        .to_owned(),
                );
                None
            }
        }
    }

    /// Whether the state bucket can be read.
    async fn bucket(&mut self) -> bool {
        let bucket = &self.meant.state_bucket;
        let Err(error) = self.cloud.list_documents("installation/").await else {
            return true;
        };
        let about = format!("state bucket {bucket}");
        match error.class {
            ErrorClass::NotFound | ErrorClass::Refused => self.wrong(
                about,
                error.to_string(),
                "give --state-bucket, or set STATE_BUCKET_NAME: terraform output state_bucket_name"
                    .to_owned(),
            ),
            _ => self.unseen(about, &error, "s3:ListBucket"),
        }
        false
    }

    /// Whether the bucket is that of an installation of this account and region.
    async fn limits(&mut self, account: Option<&str>) {
        let about = format!("state bucket {}", self.meant.state_bucket);
        let read = self.cloud.read_document(&Address::of_state(LIMITS)).await;
        let limits: Value = match read {
            Ok(Some((bytes, _))) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Ok(None) => {
                self.wrong(
                    about,
                    format!(
                        "it has no {LIMITS}: no Longshore of this version is installed with it"
                    ),
                    format!("look whether it is the right bucket, or {APPLY}"),
                );
                return;
            }
            Err(error) => return self.unseen(about, &error, "s3:GetObject"),
        };
        let region = self.meant.region.clone();
        for (name, ours) in [("account_id", account), ("region", region.as_deref())] {
            let theirs = limits[name].as_str();
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && ours != theirs
            {
                let (what, remedy) = match name {
                    "region" => ("region", format!("give --region {theirs}")),
                    _ => (
                        "account",
                        format!("use credentials of account {theirs}, or another --state-bucket"),
                    ),
                };
                self.wrong(
                    what.to_owned(),
                    format!(
                        "you work in {what} {ours}, and the installation of bucket {} is in {theirs}",
                        self.meant.state_bucket
                    ),
                    remedy,
                );
            }
        }
    }

    async fn functions(&mut self) -> Functions {
        let mut found = Functions::new();
        for function in FUNCTIONS {
            self.find(function, &mut found).await;
        }
        // Only where messages have buttons.
        let has_buttons = found
            .get("notify")
            .is_some_and(|notify| notify.environment.contains_key("SLACK_BUTTON_USERS"));
        if has_buttons {
            self.find("press", &mut found).await;
        }
        found
    }

    async fn find(&mut self, function: &'static str, found: &mut Functions) {
        let name = format!("{}-{function}", self.meant.prefix);
        let about = format!("function {name}");
        match self.cloud.function(&name).await {
            Ok(Some(state)) => {
                self.function(&about, &state);
                found.insert(function, state);
            }
            Ok(None) => self.wrong(
                about,
                "it is not there".to_owned(),
                format!(
                    "{APPLY}; if its names begin otherwise, give --prefix, and its region with --region"
                ),
            ),
            Err(error) => self.unseen(about, &error, "lambda:GetFunctionConfiguration"),
        }
    }

    fn function(&mut self, about: &str, state: &FunctionState) {
        let reason = state.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        if state.state == "Failed" || state.last_update == "Failed" {
            let which = match state.state == "Failed" {
                true => "its state is Failed",
                false => "its last update failed",
            };
            self.wrong(
                about.to_owned(),
                format!("{which}{reason}"),
                format!("build the package (cargo xtask package) and {APPLY}"),
            );
        }
        let meant = [
            (
                "STATE_BUCKET_NAME",
                &self.meant.state_bucket,
                "--state-bucket",
            ),
            ("EVENT_BUS_NAME", &self.meant.event_bus, "--event-bus"),
        ];
        for (variable, ours, option) in meant {
            let theirs = state.environment.get(variable);
            if theirs == Some(ours) {
                continue;
            }
            let (problem, remedy) = match theirs {
                Some(theirs) => (
                    format!("its {variable} is {theirs}, and yours is {ours}"),
                    format!("give {option} {theirs}, or {APPLY}"),
                ),
                None => (format!("its {variable} is not set"), APPLY.to_owned()),
            };
            self.wrong(about.to_owned(), problem, remedy);
        }
    }

    /// The program of all functions, where they have the same.
    fn versions(&mut self, functions: &Functions) -> Option<String> {
        let short = |code: &str| code.chars().take(12).collect::<String>();
        let mut by_code: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (function, state) in functions {
            by_code.entry(&state.code).or_default().push(function);
        }
        if by_code.len() > 1 {
            let versions: Vec<String> = by_code
                .iter()
                .map(|(code, functions)| format!("{} has {}", functions.join(", "), short(code)))
                .collect();
            self.wrong(
                "functions".to_owned(),
                format!("they do not run the same program: {}", versions.join("; ")),
                APPLY.to_owned(),
            );
            return None;
        }
        by_code.keys().next().map(|code| short(code))
    }

    async fn rules(&mut self) {
        let bus = self.meant.event_bus.clone();
        let prefix = format!("{}-", self.meant.prefix);
        let of_longshore = self.cloud.rules(Some(&bus), &prefix).await;
        match of_longshore {
            Ok(Some(rules)) => {
                self.rules_of(Some(&bus), &rules, &RULES_OF_LONGSHORE)
                    .await;
            }
            Ok(None) => self.wrong(
                format!("event bus {bus}"),
                "it is not there: nothing that Longshore publishes reaches Slack or another function".to_owned(),
                format!("give --event-bus, or {APPLY}"),
            ),
            Err(error) => self.unseen(format!("event bus {bus}"), &error, "events:ListRules"),
        }
        match self.cloud.rules(None, &prefix).await {
            Ok(rules) => {
                self.rules_of(None, &rules.unwrap_or_default(), &RULES_OF_AWS)
                    .await;
            }
            Err(error) => self.unseen("event bus default".to_owned(), &error, "events:ListRules"),
        }
    }

    async fn rules_of(&mut self, bus: Option<&str>, rules: &Rules, expected: &[(&str, &str)]) {
        let name_of_bus = bus.unwrap_or("default");
        for (rule, function) in expected {
            let name = format!("{}-{rule}", self.meant.prefix);
            let about = format!("rule {name} of event bus {name_of_bus}");
            match rules.get(&name) {
                Some(true) => match self.cloud.targets(bus, &name).await {
                    Ok(targets) => self.targets(about, &targets, function),
                    Err(error) => self.unseen(about, &error, "events:ListTargetsByRule"),
                },
                Some(false) => self.wrong(
                    about,
                    "it is disabled: its events wake nobody".to_owned(),
                    format!("aws events enable-rule --name {name} --event-bus-name {name_of_bus}"),
                ),
                None => self.wrong(
                    about,
                    "it is not there: its events wake nobody".to_owned(),
                    APPLY.to_owned(),
                ),
            }
        }
    }

    /// Whether what it wakes is the function.
    fn targets(&mut self, about: String, targets: &[String], function: &str) {
        let name = format!("{}-{function}", self.meant.prefix);
        let ends = format!(":function:{name}");
        if targets.iter().any(|target| target.ends_with(&ends)) {
            return;
        }
        let problem = match targets {
            [] => format!("it has no target: its events do not wake {name}"),
            others => format!("it does not wake {name}, but {}", others.join(", ")),
        };
        self.wrong(about, problem, APPLY.to_owned());
    }

    async fn schedules(&mut self) {
        let needed = SCHEDULES.map(|(schedule, function)| {
            let lost = format!("what {function} missed stays missed");
            (schedule, function, lost, true)
        });
        let optional = OPTIONAL_SCHEDULES.map(|(schedule, function)| {
            let lost = format!("nothing asks {function} for it");
            (schedule, function, lost, false)
        });
        for (schedule, function, lost, is_needed) in needed.into_iter().chain(optional) {
            let name = format!("{}-{schedule}", self.meant.prefix);
            let about = format!("schedule {name}");
            match self.cloud.schedule(&name).await {
                Ok(Some(ScheduleState {
                    is_enabled: true,
                    target,
                })) => self.targets(about, &[target], function),
                Ok(Some(_)) => {
                    self.wrong(about, format!("it is disabled: {lost}"), APPLY.to_owned())
                }
                Ok(None) if is_needed => {
                    self.wrong(about, format!("it is not there: {lost}"), APPLY.to_owned())
                }
                Ok(None) => {}
                Err(error) => self.unseen(about, &error, "scheduler:GetSchedule"),
            }
        }
    }

    /// What whoever asks may not do: no fault of the installation's.
    async fn rights(&mut self, caller: &Caller) {
        let unasked = |because: String, remedy: &str| Finding {
            about: "your rights".to_owned(),
            problem: format!("they could not be asked, because {because}"),
            remedy: remedy.to_owned(),
            is_known: false,
        };
        let needed = "to have them looked at, you need the right to iam:SimulatePrincipalPolicy and, with a role, \
                      iam:GetRole";
        let arn = match Holder::of(&caller.arn) {
            Holder::Root => return,
            Holder::User(arn) => arn,
            Holder::Role(name) => match self.cloud.role_arn(&name).await {
                Ok(arn) => arn,
                Err(error) => return self.findings.push(unasked(error.to_string(), needed)),
            },
            Holder::Other => {
                let because = format!("IAM simulates users and roles, and you are {}", caller.arn);
                let remedy = "try the command: its error names the right that you lack";
                return self.findings.push(unasked(because, remedy));
            }
        };
        let mut refused = BTreeSet::new();
        for (on, actions) in asked() {
            let actions: Vec<&str> = actions.into_iter().collect();
            let resource = self.resource(on, caller);
            match self.cloud.refused_actions(&arn, &actions, &resource).await {
                Ok(actions) => refused.extend(actions.into_iter().map(|action| (on, action))),
                Err(error) => return self.findings.push(unasked(error.to_string(), needed)),
            }
        }
        for (commands, actions) in lacking(&refused) {
            let parts = actions.iter().map(|(on, actions)| {
                let actions = actions.join(", ");
                match on {
                    On::Anything => format!("{actions} on every resource"),
                    on => format!("{actions} on {}", self.resource(*on, caller)),
                }
            });
            let parts: Vec<String> = parts.collect();
            let is_partial = actions.contains_key(&On::Anything);
            self.findings.push(Finding {
                about: format!("your rights: {commands}"),
                problem: format!(
                    "no policy allows you ({arn}) {}{}",
                    parts.join("; "),
                    match is_partial {
                        true => "; with what a policy allows on some resources, it works for these",
                        false => "",
                    }
                ),
                remedy: "if you need it, have these actions allowed".to_owned(),
                is_known: false,
            });
        }
    }

    fn resource(&self, on: On, caller: &Caller) -> String {
        let Meant {
            state_bucket,
            event_bus,
            region,
            ..
        } = self.meant;
        let partition = caller.arn.split(':').nth(1).unwrap_or("aws");
        let region = region.as_deref().unwrap_or_default();
        match on {
            On::Bucket => format!("arn:{partition}:s3:::{state_bucket}"),
            On::Records => {
                format!(
                    "arn:{partition}:s3:::{state_bucket}/deployments/stack/service/current.json"
                )
            }
            On::Bus => format!(
                "arn:{partition}:events:{region}:{}:event-bus/{event_bus}",
                caller.account
            ),
            On::Anything => "*".to_owned(),
        }
    }

    async fn boundary(&mut self, functions: &Functions) {
        let Some(provision) = functions.get("provision") else {
            return;
        };
        let Some(arn) = provision.environment.get("PERMISSIONS_BOUNDARY_ARN") else {
            return self.wrong(
                "permissions boundary".to_owned(),
                "`provision` knows none: its PERMISSIONS_BOUNDARY_ARN is not set".to_owned(),
                APPLY.to_owned(),
            );
        };
        let about = format!("permissions boundary {arn}");
        match self.cloud.has_policy(arn).await {
            Ok(true) => {}
            Ok(false) => self.wrong(
                about,
                "there is no such policy: CloudFormation can make no role".to_owned(),
                APPLY.to_owned(),
            ),
            Err(error) => self.unseen(about, &error, "iam:GetPolicy"),
        }
    }

    async fn secrets(&mut self, functions: &Functions) {
        for (function, variable, holds, without) in [
            (
                "notify",
                "SLACK_WEBHOOK_SECRET_NAME",
                "the webhook or the bot's token",
                "Slack hears nothing",
            ),
            (
                "press",
                "SLACK_SIGNING_SECRET_NAME",
                "the signing secret of the Slack app",
                "no button does anything",
            ),
        ] {
            let Some(state) = functions.get(function) else {
                continue;
            };
            match state.environment.get(variable) {
                Some(name) => self.secret(name, holds, without).await,
                None => self.wrong(
                    "Slack's secret".to_owned(),
                    format!("`{function}` knows none: its {variable} is not set"),
                    APPLY.to_owned(),
                ),
            }
        }
    }

    /// A secret that holds this, and what is so without it.
    async fn secret(&mut self, name: &str, holds: &str, without: &str) {
        let about = format!("secret {name}");
        let put = format!("put {holds} into it, as docs/install.md says: {name}");
        match self.cloud.secret(name).await {
            Ok(None) => self.wrong(
                about,
                format!("it is not there: {without}"),
                format!("make the secret of this name; {put}"),
            ),
            Ok(Some(SecretState {
                is_deleted: true, ..
            })) => self.wrong(
                about,
                format!("it is to be deleted: {without}"),
                format!("aws secretsmanager restore-secret --secret-id {name}"),
            ),
            Ok(Some(SecretState {
                has_value: false, ..
            })) => {
                self.wrong(about, format!("it has no value: {without}"), put);
            }
            Ok(Some(_)) => {}
            Err(error) => self.unseen(about, &error, "secretsmanager:DescribeSecret"),
        }
    }

    async fn queues(&mut self) {
        for function in FUNCTIONS {
            let name = format!("{}-{function}-dead-letters", self.meant.prefix);
            let about = format!("queue {name}");
            match self.cloud.queue_length(&name).await {
                Ok(Some(0)) => {}
                Ok(Some(length)) => self.wrong(
                    about,
                    match length {
                        1 => format!("1 event lies in it that {function} did not handle"),
                        length => format!("{length} events lie in it that {function} did not handle"),
                    },
                    "look with `longshore replay --dry-run`, fix the cause, and put them back with `longshore replay`"
                        .to_owned(),
                ),
                Ok(None) => self.wrong(
                    about,
                    format!("it is not there: events that {function} does not handle are lost"),
                    APPLY.to_owned(),
                ),
                Err(error) => self.unseen(about, &error, "sqs:GetQueueAttributes"),
            }
        }
    }
}

impl Examined {
    /// Whether nothing is known to be wrong.
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_known)
    }

    /// What the findings are about, each once.
    pub fn about(&self) -> BTreeSet<&str> {
        let findings = self.findings.iter();
        findings.map(|finding| finding.about.as_str()).collect()
    }
}
