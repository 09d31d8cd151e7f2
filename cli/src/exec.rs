//! `longshore exec`.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use longshore_policy::route::ServiceId;
use longshore_report::words::short_name;
use longshore_rollout::ports::Cloud;
use longshore_rollout::shells::{Place, Session, Shells, place, start};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::answer::{Answer, Status};
use crate::arguments::ExecArguments;
use crate::terminal;

/// The program that talks to the container: Session Manager's own, as the AWS CLI uses it.
const PLUGIN: &str = "session-manager-plugin";

const HOW_TO_INSTALL: &str = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html";

/// Starts a command in a container of a service that runs, and ends as the plugin ends.
pub async fn run<C: Cloud + Shells>(
    cloud: &C,
    profile: Option<&str>,
    arguments: ExecArguments,
) -> anyhow::Result<Answer> {
    run_with(cloud, OsStr::new(PLUGIN), profile, arguments).await
}

async fn run_with<C: Cloud + Shells>(
    cloud: &C,
    plugin: &OsStr,
    profile: Option<&str>,
    arguments: ExecArguments,
) -> anyhow::Result<Answer> {
    let ExecArguments {
        service,
        task,
        container,
        command,
    } = arguments;
    let service_id = ServiceId {
        stack: service.stack,
        service: service.service,
    };
    // Before ECS starts a command that nobody could talk to.
    look_for(plugin)?;
    let place = place(cloud, &service_id, task.as_deref(), container.as_deref()).await?;
    let task = short_name(&place.task);
    terminal::note(&format!("container {} of task {task}", place.container));
    let session = start(cloud, &service_id, &place, &joined(&command)).await?;
    // Ctrl-C is for the program in the container: the plugin passes it on.
    let _interrupts = signal(SignalKind::interrupt()).context("leave Ctrl-C to the container")?;
    let _quits = signal(SignalKind::quit()).context("leave Ctrl-\\ to the container")?;
    let ended = Command::new(plugin)
        .args(plugin_arguments(&session, &place, profile))
        .status()
        .with_context(|| format!("run {}", plugin.display()))?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(Answer {
        text: String::new(),
        status: match code {
            Some(0) => Status::Good,
            Some(code) => Status::Ended(code),
            None => Status::Bad,
        },
    })
}

fn look_for(plugin: &OsStr) -> anyhow::Result<()> {
    // Without arguments it says that it is installed.
    let mut command = Command::new(plugin);
    let found = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match found {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the program {} is not there, which talks to the container: install it as {HOW_TO_INSTALL} says, into a \
             folder of PATH",
            plugin.display()
        ),
        Err(error) => Err(error).with_context(|| format!("run {}", plugin.display())),
    }
}

/// As the AWS CLI gives them: `aws ecs execute-command`.
fn plugin_arguments(session: &Session, place: &Place, profile: Option<&str>) -> [String; 6] {
    let Session {
        id,
        stream_url,
        token,
        endpoint,
        region,
    } = session;
    let answer = json!({"sessionId": id, "streamUrl": stream_url, "tokenValue": token});
    [
        answer.to_string(),
        region.clone(),
        "StartSession".to_owned(),
        profile.unwrap_or_default().to_owned(),
        json!({"Target": place.target}).to_string(),
        endpoint.trim_end_matches('/').to_owned(),
    ]
}

/// One line, which is split into words again in the container.
fn joined(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "-_./:=@%+,".contains(character);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        }
    });
    quoted.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use longshore_testkit::{FakeCloud, subscriber};
    use serde_json::Value;

    use super::*;

    /// A program in place of the plugin, which writes down what it is given and ends with 7.
    struct Plugin(PathBuf);

    impl Plugin {
        fn new(name: &str) -> Self {
            Self::ending_with(name, "exit 7")
        }

        fn ending_with(name: &str, end: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("exec-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let script = format!(
                "#!/bin/sh\n[ $# -eq 0 ] && exit 0\nprintf '%s\\n' \"$@\" > \"$0.given\"\n{end}\n"
            );
            let program = folder.join(PLUGIN);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            Self(folder)
        }

        fn program(&self) -> PathBuf {
            self.0.join(PLUGIN)
        }

        fn given(&self) -> Vec<String> {
            let given = fs::read_to_string(self.0.join(format!("{PLUGIN}.given")));
            given
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect()
        }
    }

    impl Drop for Plugin {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn arguments() -> ExecArguments {
        ExecArguments {
            service: "shop/api".parse().unwrap(),
            task: None,
            container: None,
            command: ["sh", "-c", "echo it's"].map(str::to_owned).to_vec(),
        }
    }

    #[tokio::test]
    async fn the_plugin_gets_the_session_as_the_aws_cli_gives_it_and_its_status_is_the_end() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.run_with_shells(&api, "0f3c1", true);
        let plugin = Plugin::new("given");
        let program = plugin.program();
        let answer = run_with(&cloud, program.as_os_str(), Some("work"), arguments()).await;
        assert_eq!(answer.unwrap().status, Status::Ended(7));
        let given = plugin.given();
        let session: Value = serde_json::from_str(&given[0]).unwrap();
        assert_eq!(
            session["sessionId"],
            "session of app: sh -c 'echo it'\\''s'"
        );
        assert_eq!(session["tokenValue"], "token");
        let target: Value = serde_json::from_str(&given[4]).unwrap();
        assert_eq!(target["Target"], "ecs:shop_0f3c1_0f3c1-1");
        assert_eq!(
            [&given[1], &given[2], &given[3], &given[5]],
            [
                "eu-west-1",
                "StartSession",
                "work",
                "https://ecs.eu-west-1.amazonaws.com"
            ]
        );
    }

    #[tokio::test]
    async fn without_the_plugin_or_ecs_exec_no_command_is_started_and_what_to_do_is_said() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.run_with_shells(&api, "0f3c1", false);
        let nowhere = OsStr::new("/nowhere/session-manager-plugin");
        let missing = run_with(&cloud, nowhere, None, arguments())
            .await
            .unwrap_err();
        assert!(
            missing.to_string().contains("install-plugin.html"),
            "{missing}"
        );
        let plugin = Plugin::new("off");
        let program = plugin.program();
        let off = run_with(&cloud, program.as_os_str(), None, arguments()).await;
        let off = off.unwrap_err().to_string();
        assert!(off.contains("enable_execute_command: true"), "{off}");
        assert!(plugin.given().is_empty());
        assert!(!cloud.calls().contains(&"ExecuteCommand".to_owned()));
    }

    #[tokio::test]
    async fn ctrl_c_is_left_to_the_plugin_and_ends_neither_it_nor_longshore() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.run_with_shells(&api, "0f3c1", true);
        // As a terminal does, to both; and the program in the container goes on.
        let plugin = Plugin::ending_with("interrupted", "trap '' INT\nkill -INT $PPID $$\nexit 5");
        let program = plugin.program();
        let answer = run_with(&cloud, program.as_os_str(), None, arguments()).await;
        assert_eq!(answer.unwrap().status, Status::Ended(5));
    }

    #[tokio::test]
    async fn a_plugin_that_succeeds_is_a_success_and_one_that_is_killed_is_not() {
        let api = subscriber("api");
        let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
        cloud.run_with_shells(&api, "0f3c1", true);
        for (name, end, expected) in [
            ("good", "exit 0", Status::Good),
            ("killed", "kill -KILL $$", Status::Bad),
        ] {
            let plugin = Plugin::ending_with(name, end);
            let program = plugin.program();
            let answer = run_with(&cloud, program.as_os_str(), None, arguments()).await;
            assert_eq!(answer.unwrap().status, expected, "{end}");
        }
    }

    #[test]
    fn words_stay_the_words_that_they_were_in_the_one_line_that_ecs_takes() {
        for (words, line) in [
            (&["ls", "-l", "/srv/app"][..], "ls -l /srv/app"),
            (&["echo", "two words", ""], "echo 'two words' ''"),
            (
                &["sh", "-c", "exit $((1 + 2)); \"x\""],
                "sh -c 'exit $((1 + 2)); \"x\"'",
            ),
            (&["KEY=value@host:1,2%+"], "KEY=value@host:1,2%+"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(joined(&words), line);
        }
    }
}
