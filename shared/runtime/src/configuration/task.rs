//! What the task that transfers bottles reads from its environment.

use std::num::{NonZeroU16, NonZeroU64};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::reader::{InvalidEnvironment, Reader};
use super::variables::{EVENT_BUS_NAME, LOG_LEVEL, SLACK_WEBHOOK_SECRET_NAME, variable};
use crate::logs;

/// The bucket that files are transferred into.
pub const S3_BUCKET_NAME: &str = "S3_BUCKET_NAME";
/// Where the beginnings of large files are kept while they come.
pub const TEMP_STORAGE_PATH: &str = "TEMP_STORAGE_PATH";
/// Where the file system is mounted that outlives the task.
pub const EFS_MOUNT_PATH: &str = "EFS_MOUNT_PATH";
/// At most this many bytes a second come in.
pub const BANDWIDTH_LIMIT_BYTES_PER_SECOND: &str = "BANDWIDTH_LIMIT_BYTES_PER_SECOND";
/// For how many seconds an outage of the source or of S3 is waited out.
pub const OUTAGE_PATIENCE_SECONDS: &str = "OUTAGE_PATIENCE_SECONDS";
/// Hosts with their ports, by commas, that may be in a private network or speak plain HTTP.
pub const PRIVATE_SOURCE_HOSTS: &str = "PRIVATE_SOURCE_HOSTS";
/// The port that the health is served on.
pub const PORT: &str = "PORT";

/// The port where [`PORT`] is not set, as the stack file of the bottles has it.
const DEFAULT_PORT: u16 = 8080;

/// What the task needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskConfiguration {
    /// [`S3_BUCKET_NAME`].
    pub bucket_name: String,
    /// [`DOWNLOAD_CONCURRENCY`]; `None` for what was measured to be best.
    pub concurrency: Option<usize>,
    /// [`BANDWIDTH_LIMIT_BYTES_PER_SECOND`].
    pub bandwidth_limit: Option<u64>,
    /// [`OUTAGE_PATIENCE_SECONDS`]; `None` for half an hour.
    pub outage_patience: Option<Duration>,
    /// Where the beginnings of large files are kept, so that the next task goes on where this one stopped:
    /// [`TEMP_STORAGE_PATH`] where it lies on the file system of [`EFS_MOUNT_PATH`] or where there is none,
    /// else [`EFS_MOUNT_PATH`], because nothing beside it outlives the task.
    pub resume_directory: Option<PathBuf>,
    /// [`PRIVATE_SOURCE_HOSTS`].
    pub private_hosts: Vec<String>,
    pub event_bus_name: Option<String>,
    /// [`SLACK_WEBHOOK_SECRET_NAME`]. Used only where there is no bus on which others hear what to post.
    pub slack_webhook_secret_name: Option<String>,
    pub port: u16,
}

impl TaskConfiguration {
    /// Reads it from the process's environment.
    ///
    /// # Errors
    /// [`InvalidEnvironment`].
    pub fn from_environment() -> Result<Self, InvalidEnvironment> {
        Self::read(variable)
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEnvironment> {
        let mut reader = Reader::new(variable);
        let configuration = Self {
            bucket_name: reader.required(S3_BUCKET_NAME),
            concurrency: reader.concurrency(),
            bandwidth_limit: reader
                .number::<NonZeroU64>(
                    BANDWIDTH_LIMIT_BYTES_PER_SECOND,
                    "a whole number of bytes above 0",
                )
                .map(NonZeroU64::get),
            outage_patience: reader
                .number::<u32>(OUTAGE_PATIENCE_SECONDS, "a whole number of seconds")
                .map(|seconds| Duration::from_secs(seconds.into())),
            resume_directory: reader.resume_directory(),
            private_hosts: reader.private_hosts(),
            event_bus_name: reader.text(EVENT_BUS_NAME),
            slack_webhook_secret_name: reader.text(SLACK_WEBHOOK_SECRET_NAME),
            port: reader.port(),
        };
        reader.check_log_level();
        reader.finish(configuration)
    }
}

/// The port of the health endpoint, for who asks it.
///
/// # Errors
/// [`InvalidEnvironment`].
pub fn port_from_environment() -> Result<u16, InvalidEnvironment> {
    let mut reader = Reader::new(variable);
    let port = reader.port();
    reader.finish(port)
}

impl<V: Fn(&str) -> Option<String>> Reader<V> {
    fn port(&mut self) -> u16 {
        self.number::<NonZeroU16>(PORT, "a port from 1 to 65535")
            .map_or(DEFAULT_PORT, NonZeroU16::get)
    }

    fn directory(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.text(name)?;
        let path = Path::new(&text);
        let climbs = path
            .components()
            .any(|component| component == Component::ParentDir);
        if !path.is_absolute() || climbs {
            self.refuse(name, &text, "an absolute path without `..`");
        }
        Some(path.to_path_buf())
    }

    fn resume_directory(&mut self) -> Option<PathBuf> {
        let temporary = self.directory(TEMP_STORAGE_PATH);
        let mounted = self.directory(EFS_MOUNT_PATH);
        match (temporary, mounted) {
            (Some(temporary), Some(mounted)) if !temporary.starts_with(&mounted) => Some(mounted),
            (Some(temporary), _) => Some(temporary),
            (None, mounted) => mounted,
        }
    }

    fn private_hosts(&mut self) -> Vec<String> {
        let Some(text) = self.text(PRIVATE_SOURCE_HOSTS) else {
            return Vec::new();
        };
        let hosts: Vec<String> = text
            .split(',')
            .map(|host| host.trim().to_owned())
            .filter(|host| !host.is_empty())
            .collect();
        let is_host = |host: &String| {
            host.rsplit_once(':').is_some_and(|(name, port)| {
                !name.is_empty() && !name.contains('/') && port.parse::<NonZeroU16>().is_ok()
            })
        };
        if let Some(wrong) = hosts.iter().find(|host| !is_host(host)) {
            self.refuse(
                PRIVATE_SOURCE_HOSTS,
                wrong,
                "hosts with their ports, separated by commas: mirror.internal:8080",
            );
        }
        hosts
    }

    fn check_log_level(&mut self) {
        if let Some(text) = self.text(LOG_LEVEL)
            && logs::level(&text).is_none()
        {
            self.refuse(LOG_LEVEL, &text, logs::LEVELS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DOWNLOAD_CONCURRENCY;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<TaskConfiguration, InvalidEnvironment> {
        TaskConfiguration::read(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_bucket_is_all_that_must_be_said() {
        assert_eq!(
            read(&[(S3_BUCKET_NAME, "bottles")]).unwrap(),
            TaskConfiguration {
                bucket_name: "bottles".to_owned(),
                concurrency: None,
                bandwidth_limit: None,
                outage_patience: None,
                resume_directory: None,
                private_hosts: Vec::new(),
                event_bus_name: None,
                slack_webhook_secret_name: None,
                port: 8080,
            }
        );
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once_with_what_was_expected() {
        let error = read(&[
            (DOWNLOAD_CONCURRENCY, "many"),
            (BANDWIDTH_LIMIT_BYTES_PER_SECOND, "0"),
            (OUTAGE_PATIENCE_SECONDS, "30m"),
            (TEMP_STORAGE_PATH, "bottles"),
            (EFS_MOUNT_PATH, "/mnt/../etc"),
            (PRIVATE_SOURCE_HOSTS, "mirror.internal"),
            (PORT, "70000"),
            (LOG_LEVEL, "LOUD"),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment is wrong: S3_BUCKET_NAME is not set; \
             DOWNLOAD_CONCURRENCY: found `many`, expected a whole number from 1 to 64; \
             BANDWIDTH_LIMIT_BYTES_PER_SECOND: found `0`, expected a whole number of bytes above 0; \
             OUTAGE_PATIENCE_SECONDS: found `30m`, expected a whole number of seconds; \
             TEMP_STORAGE_PATH: found `bottles`, expected an absolute path without `..`; \
             EFS_MOUNT_PATH: found `/mnt/../etc`, expected an absolute path without `..`; \
             PRIVATE_SOURCE_HOSTS: found `mirror.internal`, expected hosts with their ports, separated by \
             commas: mirror.internal:8080; \
             PORT: found `70000`, expected a port from 1 to 65535; \
             LOG_LEVEL: found `LOUD`, expected DEBUG, INFO, WARNING, ERROR or CRITICAL"
        );
    }

    #[test]
    fn a_concurrency_that_memory_does_not_allow_is_refused() {
        for (text, allowed) in [("0", false), ("1", true), ("64", true), ("65", false)] {
            let read = read(&[(S3_BUCKET_NAME, "bottles"), (DOWNLOAD_CONCURRENCY, text)]);
            assert_eq!(read.is_ok(), allowed, "{text}");
        }
    }

    #[test]
    fn large_files_resume_on_what_outlives_the_task() {
        for (temporary, mounted, expected) in [
            (None, None, None),
            (Some("/tmp/bottles"), None, Some("/tmp/bottles")),
            (None, Some("/mnt/efs"), Some("/mnt/efs")),
            (
                Some("/mnt/efs/parts"),
                Some("/mnt/efs"),
                Some("/mnt/efs/parts"),
            ),
            (Some("/mnt/efs"), Some("/mnt/efs"), Some("/mnt/efs")),
            (Some("/tmp/bottles"), Some("/mnt/efs"), Some("/mnt/efs")),
            (Some("/mnt/efsother"), Some("/mnt/efs"), Some("/mnt/efs")),
        ] {
            let variables: Vec<(&str, &str)> = [
                Some((S3_BUCKET_NAME, "bottles")),
                temporary.map(|path| (TEMP_STORAGE_PATH, path)),
                mounted.map(|path| (EFS_MOUNT_PATH, path)),
            ]
            .into_iter()
            .flatten()
            .collect();
            assert_eq!(
                read(&variables).unwrap().resume_directory,
                expected.map(PathBuf::from),
                "{temporary:?} {mounted:?}"
            );
        }
    }

    #[test]
    fn private_hosts_are_separated_by_commas() {
        let configuration = read(&[
            (S3_BUCKET_NAME, "bottles"),
            (PRIVATE_SOURCE_HOSTS, "127.0.0.1:8081, mirror.internal:80,"),
        ])
        .unwrap();
        assert_eq!(
            configuration.private_hosts,
            ["127.0.0.1:8081", "mirror.internal:80"]
        );
    }
}
