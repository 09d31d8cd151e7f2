//! Terraform, applied to the local cloud and checked by `cargo xtask test`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::process::{capture, run_logged};
use crate::programs::Programs;
use crate::queues::Queues;
use crate::task_roles::TaskRoles;
use crate::workspace::Workspace;

/// The oldest Terraform that the configurations accept.
pub const OLDEST_TERRAFORM: (u32, u32) = (1, 11);

/// The provider that the configurations use, as mirrors lay it out.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// How deep below the root of the file system a mirror of providers is looked for.
const MIRROR_DEPTH: usize = 3;

/// The version of the Terraform on the path.
///
/// # Errors
/// When there is none, or it is too old.
pub fn version() -> Result<String> {
    let (major, minor) = OLDEST_TERRAFORM;
    let answer = capture(Command::new("terraform").args(["version", "-json"]))
        .with_context(|| format!("terraform {major}.{minor} or newer is needed on the path"))?;
    let answer: Value = serde_json::from_str(&answer).context("read terraform's version")?;
    let version = answer["terraform_version"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < OLDEST_TERRAFORM {
        bail!("terraform {major}.{minor} or newer is needed on the path: it is {version}");
    }
    Ok(version)
}

/// One configuration (a folder with `.tf` files) and where Terraform keeps its own files for it.
#[derive(Debug, Clone)]
pub struct Configuration {
    folder: PathBuf,
    data: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Configuration {
    /// The configuration in `folder`; what Terraform downloads for it goes to `data`.
    #[must_use]
    pub fn new(folder: PathBuf, data: PathBuf) -> Self {
        Self {
            folder,
            data,
            environment: Vec::new(),
        }
    }

    /// Gives a value to one of its variables; not through a file, so that no secret is left on the disk.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment
            .push((format!("TF_VAR_{name}").into(), value.into()));
        self
    }

    /// Keeps every call at this address, and away from the AWS accounts of the person who runs it.
    #[must_use]
    fn on_loopback(mut self, endpoint: &str) -> Self {
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        self.environment.extend(environment);
        self
    }

    /// A Terraform command for it.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("TF_DATA_DIR", &self.data)
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            // Terraform and its provider spend a quarter of their time collecting garbage otherwise.
            .env("GOGC", "400");
        // No setting of the person who runs it leads a call into an AWS account, or elsewhere.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    /// `terraform init`, with a mirror of providers of this machine where there is one.
    ///
    /// # Errors
    /// When it fails; the error shows what Terraform said.
    pub fn initialise(&self, backend: &[String], log: &Path) -> Result<()> {
        let mut command = self.command(&["init", "-input=false", "-no-color", "-reconfigure"]);
        if backend.is_empty() {
            command.arg("-backend=false");
        }
        command.args(
            backend
                .iter()
                .map(|setting| format!("-backend-config={setting}")),
        );
        if let Some(mirror) = mirror() {
            command.arg(format!("-plugin-dir={}", mirror.display()));
        }
        run_logged(&mut command, log)
            .with_context(|| format!("initialise {}", self.folder.display()))
    }
}

/// A folder of this machine that mirrors the provider, looked for once: the first that has it.
/// Terraform asks the public registry where there is none.
#[must_use]
pub fn mirror() -> Option<&'static Path> {
    static MIRROR: OnceLock<Option<PathBuf>> = OnceLock::new();
    MIRROR
        .get_or_init(|| find_mirror(Path::new("/"), MIRROR_DEPTH))
        .as_deref()
}

fn find_mirror(folder: &Path, depth: usize) -> Option<PathBuf> {
    if folder.join(PROVIDER).is_dir() {
        return Some(folder.to_path_buf());
    }
    if depth == 0 {
        return None;
    }
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        // Not through links, which may lead round in circles.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| {
            !["/proc", "/sys", "/dev", "/run"]
                .iter()
                .any(|system| path == Path::new(system))
        })
        .collect();
    folders.sort();
    folders
        .iter()
        .find_map(|folder| find_mirror(folder, depth - 1))
}

/// The queues of an apply, for a machine on which none was made: what `target/local/queues.json` held after one.
pub const QUEUES: &str = "infra/environments/local/queues.json";

/// What the local environment's Terraform made: the outputs that the demo and the tests use. Those by function are
/// asked for by our name of it: `provision`, `deploy`, `watch` or `notify`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    /// The bucket of routes, releases and records.
    pub state_bucket_name: String,
    /// The bus of Longshore's own events.
    pub event_bus_name: String,
    /// The role that CloudFormation works with.
    pub cloudformation_role_arn: String,
    /// The permissions boundary of the roles that templates make.
    pub permissions_boundary_arn: String,
    /// Lambda's name of each function.
    pub function_names: BTreeMap<String, String>,
    /// The role of each function.
    pub role_arns: BTreeMap<String, String>,
    /// The log group of each function.
    pub log_group_names: BTreeMap<String, String>,
    /// Where presses of buttons go.
    pub slack_button_url: String,
    /// The address of each function's dead-letter queue.
    pub dead_letter_queue_urls: BTreeMap<String, String>,
    /// The addresses of these and of all other queues.
    pub queue_urls: BTreeMap<String, String>,
}

/// Applies `infra/environments/local` to a running cloud. The state lies in the cloud's directory and belongs to this
/// run of it: a cloud that was started anew has nothing that an earlier state lists.
///
/// # Errors
/// When Terraform fails; the error shows what it said.
pub fn apply(
    workspace: &Workspace,
    directory: &Path,
    cloud: &Cloud,
    task_roles: &TaskRoles,
    programs: &Programs,
) -> Result<Applied> {
    let log = directory.join("terraform.log");
    let state = directory.join(format!("terraform-{}.tfstate", cloud.pid));
    // Not of one cloud: the next one may be another's, and has the same account and region.
    let kept_queues = workspace.path("target/local/queues.json");
    let queue_urls = if state.exists() {
        BTreeMap::new()
    } else {
        Queues::read(&kept_queues)
            .or_else(|| Queues::read(&workspace.path(QUEUES)))
            .unwrap_or_default()
            .create(&cloud.client())?
    };
    let configuration = Configuration::new(
        workspace.path("infra/environments/local"),
        directory.join("terraform"),
    )
    .on_loopback(&cloud.endpoint)
    .with_variable("endpoint", &cloud.endpoint)
    .with_variable("region", &cloud.region)
    .with_variable("access_key_id", &cloud.access_key_id)
    .with_variable("secret_access_key", &cloud.secret_access_key)
    .with_variable("slack_webhook_url", &cloud.slack_webhook_url)
    .with_variable("slack_api_url", &cloud.slack_api_url)
    .with_variable("slack_signing_secret", &cloud.slack_signing_secret)
    .with_variable("package_directory", &programs.packages.to_string_lossy())
    .with_variable("architecture", programs.architecture)
    .with_variable("task_role_arns", &json!(task_roles.arns()).to_string())
    .with_variable("queue_urls", &json!(queue_urls).to_string())
    // The demo's and the tests' unrelated events are logged at this level.
    .with_variable("log_level", "DEBUG");
    configuration.initialise(&[format!("path={}", state.display())], &log)?;
    run_logged(
        &mut configuration.command(&[
            "apply",
            "-auto-approve",
            "-input=false",
            "-no-color",
            "-parallelism=20",
        ]),
        &log,
    )
    .with_context(|| format!("apply infra/environments/local (log: {})", log.display()))?;
    let outputs = capture(&mut configuration.command(&["output", "-json"]))
        .context("read the outputs of terraform")?;
    let applied = read_outputs(&outputs)?;
    Queues::at(&cloud.client(), &applied.queue_urls)?.write(&kept_queues)?;
    Ok(applied)
}

fn read_outputs(outputs: &str) -> Result<Applied> {
    let outputs: BTreeMap<String, Value> =
        serde_json::from_str(outputs).context("read the outputs of terraform")?;
    let values = outputs
        .into_iter()
        .map(|(name, output)| (name, output["value"].clone()))
        .collect();
    serde_json::from_value(Value::Object(values)).context("read the outputs of terraform")
}

impl Applied {
    /// Lambda's name of a function.
    ///
    /// # Errors
    /// When Terraform made no such function.
    pub fn function_name(&self, function: &str) -> Result<&str> {
        of_function(&self.function_names, function, "function")
    }

    /// The ARN of a function's role.
    ///
    /// # Errors
    /// When Terraform made no such function.
    pub fn role_arn(&self, function: &str) -> Result<&str> {
        of_function(&self.role_arns, function, "role for function")
    }

    /// The name of a function's log group.
    ///
    /// # Errors
    /// When Terraform made no such function.
    pub fn log_group_name(&self, function: &str) -> Result<&str> {
        of_function(&self.log_group_names, function, "log group for function")
    }

    /// The address of a function's dead-letter queue.
    ///
    /// # Errors
    /// When Terraform made no such function.
    pub fn dead_letter_queue_url(&self, function: &str) -> Result<&str> {
        of_function(
            &self.dead_letter_queue_urls,
            function,
            "dead-letter queue for function",
        )
    }
}

fn of_function<'map>(
    map: &'map BTreeMap<String, String>,
    function: &str,
    what: &str,
) -> Result<&'map str> {
    map.get(function)
        .map(String::as_str)
        .with_context(|| format!("terraform made no {what} {function}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_within_the_depth_only() {
        let root = std::env::temp_dir().join(format!("longshore-mirror-{}", std::process::id()));
        let mirror = root.join("a/b");
        std::fs::create_dir_all(mirror.join(PROVIDER)).unwrap();
        let found = find_mirror(&root, 2);
        let not_found = find_mirror(&root, 1);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(mirror));
        assert_eq!(not_found, None);
    }
}
