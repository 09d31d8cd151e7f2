//! `longshore`: Longshore's operations for a person at a terminal.
//!
//! It does what the functions do, with the same code, and with the permissions of whoever runs it.

mod adopt;
mod answer;
mod arguments;
mod asking;
mod caller;
mod cost;
mod dashboard;
mod deploy;
mod digest;
mod doctor;
mod excerpt;
mod exec;
mod failures;
mod follow;
mod help;
mod history;
mod hold;
mod init;
mod live;
mod logs;
mod ls;
mod outcome;
mod output;
mod paint;
mod plan;
mod progress;
mod provision;
mod replay;
mod restart;
mod rollback;
mod run;
mod scale;
mod schema;
mod screen;
mod slack;
mod stack_file;
mod status;
mod subject;
mod sync;
mod sync_offline;
mod sync_words;
mod tail;
mod terminal;
mod until;
mod validate;
mod wait;

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context;
use clap::FromArgMatches as _;
use longshore_aws::AwsCloud;
use longshore_provisioning::settings::Settings;
use longshore_rollout::installation::Meant;
use serde_json::json;

use crate::answer::Answer;
use crate::arguments::{Arguments, AwsCommand, Command, Installation, OfflineCommand};
use crate::output::Output;
use crate::sync::MirrorCommand;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let matches = help::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let output = arguments.command.output();
    match run(arguments).await {
        Ok(answer) => {
            // What was followed is printed already.
            if !answer.text.is_empty() {
                terminal::answer(&answer.text);
            }
            answer.status.into()
        }
        Err(error) => {
            terminal::note(&format!("error: {error:#}"));
            if output == Output::Json {
                // Whoever reads the answer gets JSON, whatever it says.
                terminal::answer(&json!({"error": format!("{error:#}")}).to_string());
            }
            ExitCode::FAILURE
        }
    }
}

/// What asks AWS, once that is known.
enum Online {
    Aws(AwsCommand),
    Mirror(MirrorCommand),
}

async fn run(arguments: Arguments) -> anyhow::Result<Answer> {
    let Arguments {
        installation,
        command,
    } = arguments;
    let Installation {
        region,
        profile,
        state_bucket,
        event_bus,
        cloudformation_role_arn,
        permissions_boundary_arn,
    } = installation;
    let mut settings = Settings {
        region: None,
        cloudformation_role_arn,
        permissions_boundary_arn,
    };
    let command = match command {
        Command::Offline(OfflineCommand::Init(arguments)) => {
            let described = match &arguments.from_service {
                None => Vec::new(),
                Some(service) => {
                    let aws = longshore_aws::load_configuration_of(region, profile).await;
                    let described = longshore_aws::described_service(&aws, &service.0).await?;
                    vec![described.0, described.1]
                }
            };
            return Ok(init::run(&arguments, &described)?.into());
        }
        Command::Offline(OfflineCommand::Render(arguments)) => {
            return Ok(provision::render(&arguments, &settings)?.into());
        }
        Command::Offline(OfflineCommand::Cost(arguments)) => {
            return Ok(cost::run(&arguments)?.into());
        }
        Command::Offline(OfflineCommand::Validate(arguments)) => return validate::run(&arguments),
        Command::Offline(OfflineCommand::Schema(arguments)) => {
            return Ok(schema::run(&arguments)?.into());
        }
        Command::Offline(OfflineCommand::Completions(arguments)) => {
            return Ok(help::completions(&arguments)?.into());
        }
        Command::Offline(OfflineCommand::Manual(arguments)) => {
            return Ok(help::manual(&arguments)?.into());
        }
        Command::Slack(command) => return Ok(slack::run(&command, region.as_deref())?.into()),
        Command::Sync(command) => match sync::run_without_aws(command)? {
            ControlFlow::Break(answer) => return Ok(answer),
            ControlFlow::Continue(command) => Online::Mirror(command),
        },
        Command::Aws(command) => Online::Aws(command),
    };
    let state_bucket = state_bucket.context(
        "the bucket that holds Longshore's state is not known: give --state-bucket, or set \
         STATE_BUCKET_NAME",
    )?;
    let aws = longshore_aws::load_configuration_of(region, profile.clone()).await;
    settings.region = aws.region().map(ToString::to_string);
    let cloud = AwsCloud::new(&aws, &state_bucket, &event_bus);
    let command = match command {
        Online::Mirror(command) => {
            if matches!(command, MirrorCommand::Run(_)) {
                caller::look_up(&cloud).await;
            }
            let connect = |private_hosts: &[String]| {
                // Somebody waits for the answer.
                let outage = std::time::Duration::ZERO;
                Ok(longshore_aws::connect(&aws, None, private_hosts, outage)?)
            };
            return sync::run(&cloud, connect, settings.region, command).await;
        }
        Online::Aws(command) => command,
    };
    if caller::is_reported(&command) {
        caller::look_up(&cloud).await;
    }
    let text = match command {
        AwsCommand::Plan(arguments) => provision::run_plan(&cloud, &settings, &arguments).await,
        AwsCommand::Apply(arguments) => provision::run_apply(&cloud, &settings, arguments).await,
        AwsCommand::Destroy(arguments) => {
            provision::run_destroy(&cloud, &settings, arguments).await
        }
        AwsCommand::Drift(arguments) => provision::run_drift(&cloud, &arguments).await,
        AwsCommand::Outputs(arguments) => provision::run_outputs(&cloud, &arguments).await,
        AwsCommand::Deploy(arguments) => return deploy::run(&cloud, arguments).await,
        AwsCommand::Restart(arguments) => return restart::run(&cloud, arguments).await,
        AwsCommand::Scale(arguments) => scale::run(&cloud, arguments).await,
        AwsCommand::Rollback(arguments) => return rollback::run(&cloud, arguments).await,
        AwsCommand::Exec(arguments) => {
            return exec::run(&cloud, profile.as_deref(), arguments).await;
        }
        AwsCommand::Run(arguments) => return run::run(&cloud, arguments).await,
        AwsCommand::Hold(arguments) => return hold::run_hold(&cloud, arguments).await,
        AwsCommand::Resume(arguments) => return hold::run_resume(&cloud, arguments).await,
        AwsCommand::Approve(arguments) => return hold::run_approve(&cloud, arguments).await,
        AwsCommand::Reject(arguments) => hold::run_reject(&cloud, arguments).await,
        AwsCommand::Ls(arguments) => ls::run(&cloud, &arguments).await,
        AwsCommand::Status(arguments) => status::run(&cloud, &arguments).await,
        AwsCommand::History(arguments) => history::run(&cloud, &arguments).await,
        AwsCommand::Digest(arguments) => digest::run(&cloud, &arguments).await,
        AwsCommand::Logs(arguments) => logs::run(&cloud, &arguments).await,
        AwsCommand::Dashboard(arguments) => dashboard::run(&cloud, &cloud, &arguments).await,
        AwsCommand::Adopt(arguments) => adopt::run(&cloud, arguments).await,
        AwsCommand::Replay(arguments) => return replay::run(&cloud, &arguments).await,
        AwsCommand::Doctor(arguments) => {
            let meant = Meant {
                prefix: arguments.prefix.prefix.clone(),
                state_bucket,
                event_bus,
                region: settings.region,
            };
            return doctor::run(&cloud, &meant, &arguments).await;
        }
    }?;
    Ok(text.into())
}
