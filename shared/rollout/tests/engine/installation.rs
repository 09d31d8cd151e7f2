//! Broken installations: each is named with what to do, and nothing else is.

use std::fs;
use std::path::Path;

use longshore_rollout::installation::{Examined, Meant, RULES_OF_AWS, RULES_OF_LONGSHORE, examine};
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

    let examined = broken(|cloud, _| cloud.installation().account = None).await;
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

#[test]
fn the_rules_are_those_of_the_terraform() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/modules/longshore");
    let mut written = Vec::new();
    for file in ["deploy", "notify", "provision", "sync", "watch"] {
        let text = fs::read_to_string(folder.join(format!("{file}.tf"))).unwrap();
        let modules = text
            .split("\nmodule ")
            .filter(|module| module.contains("source = \"../rule\""));
        for module in modules {
            let (_, name) = module.split_once("\"${var.prefix}-").unwrap();
            written.push(name.split('"').next().unwrap().to_owned());
        }
    }
    written.sort();
    let mut known: Vec<&str> = [&RULES_OF_AWS[..], &RULES_OF_LONGSHORE].concat();
    known.sort_unstable();
    assert_eq!(written, known);
}
