//! Broken installations: each is named with what to do, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use longshore_rollout::installation::rights::NEEDED;
use longshore_rollout::installation::{
    Examined, Meant, OPTIONAL_SCHEDULES, RULES_OF_AWS, RULES_OF_LONGSHORE, SCHEDULES, examine,
};
use longshore_state::ErrorClass;
use longshore_testkit::{FakeCloud, Fault, installed};

/// What is wrong after `breaking` an installation that was whole.
async fn broken(breaking: impl FnOnce(&FakeCloud, &mut Meant)) -> Examined {
    let cloud = FakeCloud::installed();
    let mut meant = installed();
    breaking(&cloud, &mut meant);
    examine(&cloud, &meant).await
}

/// The only thing that is wrong: what it is about, and words of the problem and of what to do.
fn only(examined: &Examined, about: &str, problem: &str, remedy: &str) {
    let [finding] = &examined.findings[..] else {
        panic!("{examined:?}");
    };
    assert_eq!(finding.about, about);
    assert!(finding.problem.contains(problem), "{finding:?}");
    assert!(finding.remedy.contains(remedy), "{finding:?}");
    assert!(!examined.is_whole());
}

#[tokio::test]
async fn an_installation_that_is_whole_has_no_findings_and_says_what_runs() {
    let examined = broken(|_, _| ()).await;
    assert_eq!(examined.findings, []);
    assert!(examined.is_whole());
    assert_eq!(examined.account.as_deref(), Some("111122223333"));
    assert_eq!(examined.version.as_deref(), Some("qqqqqqqqqqqq"));
}

#[tokio::test]
async fn ten_broken_installations_are_each_named_with_what_to_do() {
    let examined = broken(|_, meant| meant.region = None).await;
    only(&examined, "region", "no region is set", "--region");

    let examined = broken(|cloud, _| cloud.installation().caller = None).await;
    only(&examined, "credentials", "Denied", "aws sso login");

    let examined = broken(|cloud, _| {
        cloud.inject_at(
            "ListObjectsV2 installation",
            Fault::Fails(ErrorClass::NotFound),
        );
    })
    .await;
    only(
        &examined,
        "state bucket longshore-state",
        "NotFound",
        "--state-bucket",
    );

    let examined = broken(|cloud, _| cloud.objects().remove("installation/limits.json")).await;
    only(
        &examined,
        "state bucket longshore-state",
        "installation/limits.json",
        "right bucket",
    );

    let examined = broken(|_, meant| meant.region = Some("eu-north-1".to_owned())).await;
    only(
        &examined,
        "region",
        "region eu-north-1",
        "--region eu-west-1",
    );

    let examined = broken(|cloud, _| {
        cloud.installation().functions.remove("longshore-deploy");
    })
    .await;
    only(
        &examined,
        "function longshore-deploy",
        "not there",
        "--prefix",
    );

    let examined = broken(|cloud, _| {
        if let Some(watch) = cloud.installation().functions.get_mut("longshore-watch") {
            watch.state = "Failed".to_owned();
            watch.reason = Some("the role is gone".to_owned());
        }
    })
    .await;
    only(
        &examined,
        "function longshore-watch",
        "Failed: the role is gone",
        "Terraform",
    );

    let examined = broken(|cloud, _| {
        if let Some(sync) = cloud.installation().functions.get_mut("longshore-sync") {
            "another".clone_into(&mut sync.code);
        }
    })
    .await;
    only(&examined, "functions", "sync has another", "Terraform");

    let examined = broken(|cloud, _| {
        if let Some(rules) = cloud.installation().rules.get_mut("default") {
            rules.insert("longshore-image-pushed".to_owned(), false);
        }
    })
    .await;
    only(
        &examined,
        "rule longshore-image-pushed of event bus default",
        "disabled",
        "aws events enable-rule --name longshore-image-pushed",
    );

    let examined = broken(|cloud, _| {
        cloud.installation().rules.remove("longshore");
    })
    .await;
    only(&examined, "event bus longshore", "not there", "--event-bus");

    let examined = broken(|cloud, _| cloud.installation().policies.clear()).await;
    only(
        &examined,
        "permissions boundary arn:aws:iam::111122223333:policy/longshore-boundary",
        "can make no role",
        "Terraform",
    );

    let examined = broken(|cloud, _| {
        let mut installation = cloud.installation();
        for secret in installation.secrets.values_mut() {
            secret.has_value = false;
        }
    })
    .await;
    only(
        &examined,
        "secret longshore/slack-webhook",
        "no value",
        "docs/install.md",
    );

    let examined = broken(|cloud, _| {
        let queue = "longshore-notify-dead-letters".to_owned();
        cloud.installation().queues.insert(queue, 3);
    })
    .await;
    only(
        &examined,
        "queue longshore-notify-dead-letters",
        "3 events lie in it that notify did not handle",
        "longshore replay",
    );
}

#[tokio::test]
async fn where_messages_have_buttons_the_function_that_takes_presses_is_looked_at_with_its_secret()
{
    let with_buttons = |environment: &mut BTreeMap<String, String>| {
        environment.insert("SLACK_BUTTON_USERS".to_owned(), "{}".to_owned());
    };
    let examined = broken(|cloud, _| {
        let mut installation = cloud.installation();
        let notify = installation.functions.get_mut("longshore-notify").unwrap();
        with_buttons(&mut notify.environment);
    })
    .await;
    only(
        &examined,
        "function longshore-press",
        "it is not there",
        "apply Longshore's Terraform again",
    );

    let examined = broken(|cloud, _| {
        let mut installation = cloud.installation();
        let notify = installation.functions.get_mut("longshore-notify").unwrap();
        with_buttons(&mut notify.environment);
        let mut press = notify.clone();
        let name = "longshore/slack-signing".to_owned();
        press
            .environment
            .insert("SLACK_SIGNING_SECRET_NAME".to_owned(), name);
        installation
            .functions
            .insert("longshore-press".to_owned(), press);
    })
    .await;
    only(
        &examined,
        "secret longshore/slack-signing",
        "no button does anything",
        "the signing secret of the Slack app",
    );
}

#[tokio::test]
async fn a_function_of_another_installation_is_named_with_the_option_that_means_it() {
    let examined = broken(|_, meant| "other".clone_into(&mut meant.state_bucket)).await;
    assert_eq!(examined.findings.len(), 5);
    for finding in &examined.findings {
        assert!(
            finding
                .problem
                .contains("is longshore-state, and yours is other")
        );
        assert!(finding.remedy.contains("--state-bucket longshore-state"));
    }
}

#[tokio::test]
async fn what_somebody_may_not_look_at_is_said_with_the_right_and_is_not_called_wrong() {
    let examined = broken(|cloud, _| {
        cloud.inject_at("GetPolicy", Fault::Fails(ErrorClass::Denied));
    })
    .await;
    let [finding] = &examined.findings[..] else {
        panic!("{examined:?}");
    };
    assert!(finding.remedy.contains("iam:GetPolicy"), "{finding:?}");
    assert!(examined.is_whole());
}

#[tokio::test]
async fn rules_and_schedules_that_wake_nobody_are_named() {
    let examined = broken(|cloud, _| {
        cloud
            .installation()
            .targets
            .remove("longshore-task-stopped");
    })
    .await;
    only(
        &examined,
        "rule longshore-task-stopped of event bus default",
        "has no target: its events do not wake longshore-watch",
        "Terraform",
    );

    let examined = broken(|cloud, _| {
        let other = "arn:aws:lambda:eu-west-1:111122223333:function:old-notify".to_owned();
        let mut installation = cloud.installation();
        let name = "longshore-notifications".to_owned();
        installation.targets.insert(name, vec![other]);
    })
    .await;
    only(
        &examined,
        "rule longshore-notifications of event bus longshore",
        "does not wake longshore-notify, but arn:aws:lambda:eu-west-1:111122223333:function:old-notify",
        "Terraform",
    );

    let examined = broken(|cloud, _| {
        cloud.installation().schedules.remove("longshore-reconcile");
    })
    .await;
    only(
        &examined,
        "schedule longshore-reconcile",
        "not there: what deploy missed stays missed",
        "Terraform",
    );

    let examined = broken(|cloud, _| {
        let mut installation = cloud.installation();
        if let Some(schedule) = installation.schedules.get_mut("longshore-reconcile-syncs") {
            schedule.is_enabled = false;
        }
    })
    .await;
    only(
        &examined,
        "schedule longshore-reconcile-syncs",
        "it is disabled",
        "Terraform",
    );

    // Nobody has to have a digest. Whoever has one wants to hear that it does not come.
    let examined = broken(|cloud, _| {
        let mut installation = cloud.installation();
        let mut digest = installation.schedules["longshore-reconcile"].clone();
        digest.is_enabled = false;
        installation
            .schedules
            .insert("longshore-digest".to_owned(), digest);
    })
    .await;
    only(
        &examined,
        "schedule longshore-digest",
        "it is disabled: nothing asks deploy for it",
        "Terraform",
    );
}

#[tokio::test]
async fn what_the_caller_may_not_do_is_said_by_command_and_is_no_fault_of_the_installation() {
    let examined = broken(|cloud, _| {
        let bus = "arn:aws:events:eu-west-1:111122223333:event-bus/longshore";
        let refused = [("ecs:UpdateService", "*"), ("events:PutEvents", bus)];
        cloud.installation().refused = refused
            .map(|(action, resource)| (action.to_owned(), resource.to_owned()))
            .into();
    })
    .await;
    assert!(examined.is_whole());
    let [deploy, scale] = &examined.findings[..] else {
        panic!("{examined:?}");
    };
    assert_eq!(
        deploy.about,
        "your rights: deploy, rollback, restart, approve, hold and resume"
    );
    assert_eq!(
        deploy.problem,
        "no policy allows you (arn:aws:iam::111122223333:user/ada) events:PutEvents on \
         arn:aws:events:eu-west-1:111122223333:event-bus/longshore; ecs:UpdateService on every resource; with what a \
         policy allows on some resources, it works for these"
    );
    assert_eq!(scale.about, "your rights: scale");
}

#[tokio::test]
async fn whoever_may_not_see_drift_reads_that_ls_and_drift_lack_it() {
    let examined = broken(|cloud, _| {
        let action = "cloudformation:DescribeStackResourceDrifts".to_owned();
        cloud.installation().refused = [(action, "*".to_owned())].into();
    })
    .await;
    let about: Vec<&str> = examined
        .findings
        .iter()
        .map(|finding| finding.about.as_str())
        .collect();
    assert_eq!(
        about,
        ["your rights: the drift that ls shows", "your rights: drift"]
    );
    assert!(examined.is_whole());
}

#[tokio::test]
async fn rights_that_could_not_be_asked_are_said_with_the_reason() {
    let role = "arn:aws:sts::111122223333:assumed-role/deployer/ada";
    let federated = "arn:aws:sts::111122223333:federated-user/ada";
    for (arn, failing, because) in [
        (role, Some("GetRole"), "Denied"),
        (role, Some("SimulatePrincipalPolicy"), "Denied"),
        (
            federated,
            None,
            "IAM simulates users and roles, and you are",
        ),
    ] {
        let examined = broken(|cloud, _| {
            if let Some(caller) = &mut cloud.installation().caller {
                arn.clone_into(&mut caller.arn);
            }
            if let Some(failing) = failing {
                cloud.inject_at(failing, Fault::Fails(ErrorClass::Denied));
            }
        })
        .await;
        assert!(examined.is_whole());
        let [finding] = &examined.findings[..] else {
            panic!("{examined:?}");
        };
        assert_eq!(finding.about, "your rights");
        let begins = "they could not be asked, because ";
        assert!(finding.problem.starts_with(begins), "{finding:?}");
        assert!(finding.problem.contains(because), "{finding:?}");
    }
}

#[tokio::test]
async fn nobody_asks_what_the_root_user_may_do() {
    let cloud = FakeCloud::installed();
    if let Some(caller) = &mut cloud.installation().caller {
        "arn:aws:iam::111122223333:root".clone_into(&mut caller.arn);
    }
    let examined = examine(&cloud, &installed()).await;
    assert_eq!(examined.findings, []);
    let calls = cloud.calls();
    assert!(!calls.contains(&"SimulatePrincipalPolicy".to_owned()));
}

/// The text of a file of the Terraform that makes the installation.
fn terraform(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/modules/longshore");
    fs::read_to_string(folder.join(format!("{file}.tf"))).unwrap()
}

/// The names of the modules of one kind, without the prefix, with the functions that they wake.
fn written(kind: &str, function: &str) -> Vec<(String, String)> {
    let mut written = Vec::new();
    for file in ["deploy", "notify", "provision", "sync", "watch"] {
        let text = terraform(file);
        let source = format!("source = \"../{kind}\"");
        let modules = text
            .split("\nmodule ")
            .filter(|module| module.contains(&source));
        for module in modules {
            let (_, name) = module.split_once("\"${var.prefix}-").unwrap();
            let line = module
                .lines()
                .find(|line| line.trim_start().starts_with(function));
            let (_, woken) = line.unwrap().split_once("module.").unwrap();
            written.push((
                name.split('"').next().unwrap().to_owned(),
                woken.split('.').next().unwrap().to_owned(),
            ));
        }
    }
    written.sort();
    written
}

fn known(known: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut known: Vec<(String, String)> = known
        .iter()
        .map(|(name, function)| ((*name).to_owned(), (*function).to_owned()))
        .collect();
    known.sort();
    known
}

#[test]
fn the_rules_and_the_schedules_are_those_of_the_terraform() {
    let rules = [&RULES_OF_AWS[..], &RULES_OF_LONGSHORE].concat();
    let schedules = [&SCHEDULES[..], &OPTIONAL_SCHEDULES].concat();
    assert_eq!(written("rule", "function_name "), known(&rules));
    assert_eq!(written("schedule", "function_arn "), known(&schedules));
}

#[test]
fn deploying_and_applying_by_hand_need_nothing_that_the_functions_do_not_need() {
    for (commands, file) in [
        (
            "deploy, rollback, restart, approve, hold and resume",
            "deploy",
        ),
        ("plan, apply and destroy", "provision"),
        ("drift", "provision"),
    ] {
        let granted = terraform(file);
        let needed = NEEDED.iter().filter(|(known, _, _)| *known == commands);
        let actions: Vec<&str> = needed
            .flat_map(|(_, _, actions)| *actions)
            .copied()
            .collect();
        assert!(!actions.is_empty(), "{commands}");
        for action in actions {
            assert!(
                granted.contains(&format!("\"{action}\"")),
                "{action} in {file}.tf"
            );
        }
    }
}
