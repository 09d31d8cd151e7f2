//! Every rule, with a stack that breaks it and one that keeps it.

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::check::{
    Subnet, Surroundings, check_surroundings, check_without_surroundings, needs, wait_for_images,
};
use longshore_stack::read::{Reading, Selection, read};
use longshore_stack::spec::Stack;

/// Two services, one of them behind the load balancer; an access point on a file system; instances.
const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
load_balancer:
  subnet_ids: [subnet-2a1b2c3d, subnet-3a1b2c3d]
  ingress_cidr_ips: [10.0.0.0/8]
capacity:
  main: {instance_type: t3.small}
file_systems:
  data:
    access_points:
      app: {posix_user: {uid: 1000, gid: 1000}}
services:
  api:
    image: shop/api:v1
    container_port: 8080
    target_group: {}
  batch:
    image: shop/batch:v1
    cpu: 512
    memory: 1024
    capacity_provider_strategy: [{capacity_provider: main}]
    mount_points: [{file_system: data, access_point: app, container_path: /data}]
"#;

fn shop(overlay: &str) -> Result<Reading, Vec<Problem>> {
    let text = format!("{SHOP}environments:\n  test: {overlay}\n");
    read(text.as_bytes(), &Selection::Environment(Some("test")))
}

/// Every problem of the shop with this laid over it.
fn problems(overlay: &str) -> Vec<Problem> {
    match shop(overlay) {
        Ok(reading) => reading.warnings,
        Err(problems) => problems,
    }
}

/// A stack that breaks a rule, at a path and with words; and one that keeps it.
struct Rule {
    severity: Severity,
    at: &'static str,
    says: &'static str,
    breaks: &'static str,
    keeps: &'static str,
}

const fn error(
    at: &'static str,
    says: &'static str,
    breaks: &'static str,
    keeps: &'static str,
) -> Rule {
    Rule {
        severity: Severity::Error,
        at,
        says,
        breaks,
        keeps,
    }
}

const fn warning(
    at: &'static str,
    says: &'static str,
    breaks: &'static str,
    keeps: &'static str,
) -> Rule {
    Rule {
        severity: Severity::Warning,
        at,
        says,
        breaks,
        keeps,
    }
}

/// Whether a problem is at a path; what each key takes by itself is found in the overlay already.
fn is_at(problem: &Problem, path: &str) -> bool {
    let within = |path: &str| path.trim_start_matches("environments.test.").to_owned();
    within(&problem.path) == within(path)
}

/// Holds each rule against both of its stacks.
#[track_caller]
fn hold(rules: &[Rule]) {
    let mut wrong = Vec::new();
    for rule in rules {
        let found = problems(rule.breaks);
        let is_meant = |problem: &&Problem| {
            is_at(problem, rule.at)
                && problem.message.contains(rule.says)
                && problem.severity == rule.severity
        };
        if found.iter().filter(is_meant).count() != 1 {
            wrong.push(format!(
                "{} was to say {:?} at {}: {found:#?}",
                rule.breaks, rule.says, rule.at
            ));
        }
        let found = problems(rule.keeps);
        if !found.is_empty() {
            wrong.push(format!("{} was to be good: {found:#?}", rule.keeps));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The one problem of a stack that differs from the shop in this, and whether that keeps it from being applied.
#[track_caller]
fn the_one_problem(overlay: &str) -> (String, String, Severity) {
    let mut found = problems(overlay);
    assert_eq!(found.len(), 1, "{found:#?}");
    let problem = found.remove(0);
    assert!(problem.line.is_some() && problem.column.is_some());
    (problem.path, problem.message, problem.severity)
}

#[test]
fn what_aws_has_room_for_is_all_that_a_stack_may_have() {
    let long = |length: usize| "x".repeat(length);
    let names = |count: usize| {
        let names: Vec<String> = (0..count)
            .map(|number| format!("subnet-0{number:02}"))
            .collect();
        names.join(", ")
    };
    for (overlay, path, says) in [
        // A parameter of CloudFormation's.
        (
            format!(
                "{{services: {{api: {{secrets: {{KEY: {{value: {}}}}}}}}}}}",
                long(4097)
            ),
            "services.api.secrets.KEY.value",
            "has 4097 bytes",
        ),
        (
            format!(
                "{{services: {{api: {{environment: {{A: {}, B: {}}}}}}}}}",
                long(32_768),
                long(32_768)
            ),
            "services.api",
            "expected at most 65536",
        ),
        (
            format!(
                "{{services: {{api: {{rollout: {{before_tasks: [{{name: migrate, command: [{}]}}]}}}}}}}}",
                long(8192)
            ),
            "services.api.rollout.before_tasks[0]",
            "expected at most 8192",
        ),
        (
            format!(
                "{{services: {{api: {{schedules: {{night: {{schedule_expression: rate(1 day), command: [{}]}}}}}}}}}}",
                long(8192)
            ),
            "services.api.schedules.night.command",
            "expected at most 8192",
        ),
        (
            format!("{{network: {{subnet_ids: [{}]}}}}", names(17)),
            "network.subnet_ids",
            "expected at most 16",
        ),
        (
            format!("{{services: {{api: {{subnet_ids: [{}]}}}}}}", names(17)),
            "services.api.subnet_ids",
            "expected at most 16",
        ),
    ] {
        let (found, message, severity) = the_one_problem(&overlay);
        assert_eq!(
            (found.as_str(), severity),
            (path, Severity::Error),
            "{message}"
        );
        assert!(message.contains(says), "{message}");
    }
    for overlay in [
        format!(
            "{{services: {{api: {{secrets: {{KEY: {{value: {}}}}}}}}}}}",
            long(4096)
        ),
        format!(
            "{{services: {{api: {{environment: {{A: {}}}}}}}}}",
            long(60_000)
        ),
        format!(
            "{{services: {{api: {{rollout: {{before_tasks: [{{name: migrate, command: [{}]}}]}}}}}}}}",
            long(8000)
        ),
        format!("{{network: {{subnet_ids: [{}]}}}}", names(16)),
    ] {
        assert_eq!(problems(&overlay), []);
    }
}

#[test]
fn a_task_has_ten_containers_and_a_sidecar_may_have_the_image_of_the_service() {
    let sidecars = |count: usize| {
        let sidecars: Vec<String> = (0..count)
            .map(|number| format!("s{number}: {{image: \"shop/s{number}:v1\"}}"))
            .collect();
        format!(
            "{{services: {{api: {{sidecars: {{{}}}}}}}}}",
            sidecars.join(", ")
        )
    };
    let (path, message, _) = the_one_problem(&sidecars(10));
    assert_eq!(path, "services.api.sidecars");
    assert!(message.contains("at most 10 containers"), "{message}");
    assert_eq!(problems(&sidecars(9)), []);
    let twin = "{services: {api: {depends_on: [{container_name: migrate, condition: SUCCESS}], sidecars: \
                {migrate: {image: \"shop/api:v1\", command: [migrate], essential: false}}}}}";
    assert_eq!(problems(twin), []);
}

#[test]
fn the_name_that_tasks_are_started_by_is_one_that_ecs_takes() {
    let service = "x".repeat(64);
    let stack = "s".repeat(40);
    let file = |environment: &str| {
        format!(
            "name: {stack}\n\
             network: {{vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}}\n\
             services:\n  {service}:\n    image: shop/x:v1\n    \
             rollout: {{after_tasks: [{{name: test, command: [test]}}]}}\n\
             environments: {{{environment}: {{}}}}\n"
        )
    };
    let found = |environment: &str| {
        read(
            file(environment).as_bytes(),
            &Selection::Environment(Some(environment)),
        )
    };
    assert!(found("a").is_ok());
    let problems = found("production").unwrap_err();
    assert_eq!(problems[0].path, format!("services.{service}.rollout"));
    assert!(
        problems[0].message.contains("has 133 characters"),
        "{problems:#?}"
    );
}

#[test]
fn a_role_holds_only_so_many_characters_of_policies() {
    let secrets: Vec<String> = (0..110)
        .map(|number| {
            format!(
                "S{number}: {{value_from: shop/a-rather-long-name-of-a-secret/{number}/of-many}}"
            )
        })
        .collect();
    let overlay = format!(
        "{{services: {{api: {{secrets: {{{}}}}}}}}}",
        secrets.join(", ")
    );
    let (path, message, severity) = the_one_problem(&overlay);
    assert_eq!(
        (path.as_str(), severity),
        ("services.api.secrets", Severity::Error)
    );
    assert!(message.contains("expected at most 10240"), "{message}");
}

#[test]
fn the_first_image_is_named_as_the_policy_wants_its_successors() {
    for (image, policy, is_reported) in [
        ("shop/api:v1.0", "{semver: \"1\"}", true),
        ("shop/api:v2.0.0", "{semver: \"1\"}", true),
        ("shop/api:v1.0.0", "{semver: \"1\"}", false),
        ("shop/api:first", "{semver: \"1\"}", false),
        ("shop/api:v1", "{tags: [prod]}", false),
        ("shop/api:v1", "{tags: [\"prod-*\"]}", true),
    ] {
        let overlay =
            format!("{{services: {{api: {{image: \"{image}\", image_policy: {policy}}}}}}}");
        if is_reported {
            let (path, message, severity) = the_one_problem(&overlay);
            assert_eq!(
                (path.as_str(), severity),
                ("services.api.image", Severity::Warning)
            );
            assert!(message.contains("are never deployed"), "{message}");
        } else {
            assert_eq!(problems(&overlay), [], "{image} {policy}");
        }
    }
}

#[test]
fn the_shop_itself_has_no_problem() {
    assert_eq!(problems("{}"), []);
}

#[test]
fn tasks_have_sizes_that_fargate_and_the_instances_have() {
    hold(&[
        error(
            "services.api.cpu",
            "expected 256, 512, 1024, 2048, 4096, 8192 or 16384",
            "{services: {api: {cpu: 300}}}",
            "{services: {api: {cpu: 512, memory: 1024}}}",
        ),
        error(
            "services.api.memory",
            "expected 2048 to 8192 in steps of 1024",
            "{services: {api: {cpu: 1024, memory: 512}}}",
            "{services: {api: {cpu: 1024, memory: 8192}}}",
        ),
        error(
            "services.api.memory",
            "expected 512, 1024 or 2048",
            "{services: {api: {memory: 768}}}",
            "{services: {api: {memory: 2048}}}",
        ),
        error(
            "services.api.memory",
            "expected 16384 to 61440 in steps of 4096",
            "{services: {api: {cpu: 8192, memory: 17408}}}",
            "{services: {api: {cpu: 8192, memory: 20480}}}",
        ),
        error(
            "services.api.memory",
            "expected 32768 to 122880 in steps of 8192",
            "{services: {api: {cpu: 16384, memory: 122881}}}",
            "{services: {api: {cpu: 16384, memory: 122880}}}",
        ),
        error(
            "services.batch.cpu",
            "expected at most 2048",
            "{services: {batch: {cpu: 4096}}}",
            "{services: {batch: {cpu: 2048}}}",
        ),
        error(
            "services.batch.cpu",
            "expected 128 to 196608",
            "{services: {batch: {cpu: 100}}}",
            "{services: {batch: {cpu: 128}}}",
        ),
        error(
            "services.batch.memory",
            "expected less than the 2048 MiB of t3.small",
            "{services: {batch: {memory: 2048}}}",
            "{services: {batch: {memory: 1900}}}",
        ),
        error(
            "services.batch.memory",
            "expected 6 or more",
            "{services: {batch: {memory: 5}}}",
            "{services: {batch: {memory: 6}}}",
        ),
        error(
            "services.batch.cpu_architecture",
            "the instances of `main` are X86_64",
            "{services: {batch: {cpu_architecture: ARM64}}}",
            "{capacity: {main: {instance_type: t4g.small, cpu_architecture: ARM64}}, services: {batch: {cpu_architecture: ARM64}}}",
        ),
        error(
            "services.api.ephemeral_storage_size_in_gib",
            "expected 21 to 200",
            "{services: {api: {ephemeral_storage_size_in_gib: 20}}}",
            "{services: {api: {ephemeral_storage_size_in_gib: 21}}}",
        ),
        error(
            "services.batch.ephemeral_storage_size_in_gib",
            "only tasks on Fargate",
            "{services: {batch: {ephemeral_storage_size_in_gib: 30}}}",
            "{capacity: {main: {volume_size: 60}}}",
        ),
        error(
            "services.api.stop_timeout",
            "expected 0 to 120",
            "{services: {api: {stop_timeout: 121}}}",
            "{services: {batch: {stop_timeout: 600}}}",
        ),
    ]);
}

#[test]
fn images_are_named_with_a_version_that_stays() {
    hold(&[
        error(
            "services.api.image",
            "expected <repository>:<tag> or <repository>@sha256:<digest>",
            "{services: {api: {image: shop/api}}}",
            "{services: {api: {image: \"shop/api:1.2\"}}}",
        ),
        error(
            "services.api.image",
            "an image of another registry begins with it",
            "{services: {api: {image: nginx}}}",
            "{services: {api: {image: \"docker.io/library/nginx:1.29\"}}}",
        ),
        error(
            "services.api.image",
            "expected <registry>/<repository>:<tag>",
            "{services: {api: {image: \"ghcr.io/Shop/api:v1\"}}}",
            "{services: {api: {image: \"ghcr.io/shop/api:v1\"}}}",
        ),
        warning(
            "services.api.image",
            "`latest` is another image after every push",
            "{services: {api: {image: \"shop/api:latest\"}}}",
            "{services: {api: {image: \"shop/api:v2\"}}}",
        ),
        warning(
            "services.api.image",
            "no tag means `latest`",
            "{services: {api: {image: ghcr.io/shop/api}}}",
            "{services: {api: {image: \"ghcr.io/shop/api@sha256:0000000000000000000000000000000000000000000000000000000000000000\"}}}",
        ),
        error(
            "services.api.image_policy.tags[1]",
            "no tag can be like this",
            "{services: {api: {image_policy: {tags: [v*, \"a b\"]}}}}",
            "{services: {api: {image_policy: {tags: [\"v*\", \"release-?\"]}}}}",
        ),
        warning(
            "services.api.image_policy",
            "pushes to other registries are not heard of",
            "{services: {api: {image: \"ghcr.io/shop/api:v1\", image_policy: {tags: [\"v*\"]}}}}",
            "{services: {api: {image: \"ghcr.io/shop/api:v1\", image_policy: {tags: []}}}}",
        ),
    ]);
}

#[test]
fn an_image_policy_says_one_thing_and_what_can_be_followed() {
    hold(&[
        error(
            "services.api.image_policy.semver",
            "`tags` say already which images are deployed",
            "{services: {api: {image_policy: {tags: [\"v*\"], semver: \">=1\"}}}}",
            "{services: {api: {image: \"shop/api:v1.0.0\", image_policy: {semver: \">=1, <2\"}}}}",
        ),
        error(
            "services.api.image_policy.tag_pattern",
            "`tags` say already which images are deployed",
            "{services: {api: {image_policy: {tags: [], tag_pattern: \"v.+\"}}}}",
            "{services: {api: {image: \"shop/api:main-0123abc\", image_policy: {tag_pattern: \"main-[0-9a-f]{7}\"}}}}",
        ),
        error(
            "services.api.image_policy.semver",
            "expected a range such as `>=1.2, <2`",
            "{services: {api: {image: \"shop/api:v1.0.0\", image_policy: {semver: newest}}}}",
            "{services: {api: {image: \"shop/api:v1.2.0\", image_policy: {semver: \"^1.2\", minimum_age_minutes: 10}}}}",
        ),
        error(
            "services.api.image_policy.tag_pattern",
            "`v(`: ",
            "{services: {api: {image_policy: {tag_pattern: \"v(\"}}}}",
            "{services: {api: {image: \"shop/api:v\", image_policy: {tag_pattern: \"v()\"}}}}",
        ),
        error(
            "services.api.image_policy.tag_pattern",
            "a group says where in the tag the version is",
            "{services: {api: {image: \"shop/api:v1.0.0\", image_policy: {semver: \"1\", tag_pattern: \"api-.+\"}}}}",
            "{services: {api: {image: \"shop/api:api-1.0.0\", image_policy: {semver: \"1\", tag_pattern: \"api-(.+)\"}}}}",
        ),
        error(
            "services.api.image_policy.moved_tags",
            "one exact tag is followed wherever it moves",
            "{services: {api: {image_policy: {tags: [release], moved_tags: false}}}}",
            "{services: {api: {image: \"shop/api:release-1\", image_policy: {tags: [\"release-*\"], moved_tags: false}}}}",
        ),
        error(
            "services.api.sidecars.proxy.image_policy",
            "it has the very image of the service",
            "{services: {api: {sidecars: {proxy: {image: \"shop/api:v1\", image_policy: {}}}}}}",
            "{services: {api: {sidecars: {proxy: {image: \"shop/api:v1\"}}}}}",
        ),
        error(
            "services.api.sidecars.proxy.image_policy",
            "container `api` follows repository shop/api already",
            "{services: {api: {sidecars: {proxy: {image: \"shop/api:proxy\", image_policy: {tags: [proxy]}}}}}}",
            "{services: {api: {sidecars: {proxy: {image: \"shop/proxy:v1\", image_policy: {tags: [proxy]}}}}}}",
        ),
        error(
            "services.api.sidecars.two.image_policy",
            "container `one` follows repository shop/proxy already",
            "{services: {api: {sidecars: {one: {image: \"shop/proxy:v1\", image_policy: {}}, two: {image: \"shop/proxy:v1\", image_policy: {tags: [v2]}}}}}}",
            "{services: {api: {sidecars: {one: {image: \"shop/proxy:v1\", image_policy: {}}, two: {image: \"shop/proxy:v1\", image_policy: {}}}}}}",
        ),
        warning(
            "services.api.sidecars.proxy.image_policy",
            "pushes to other registries are not heard of",
            "{services: {api: {sidecars: {proxy: {image: \"ghcr.io/shop/proxy:v1\", image_policy: {}}}}}}",
            "{services: {api: {sidecars: {proxy: {image: \"ghcr.io/shop/proxy:v1\"}}}}}",
        ),
    ]);
}

#[test]
fn deployments_can_go_as_the_rollout_says() {
    hold(&[
        error(
            "services.api.rollout.deadline_minutes",
            "expected 1 to 10080",
            "{services: {api: {rollout: {deadline_minutes: 0}}}}",
            "{services: {api: {rollout: {deadline_minutes: 1}}}}",
        ),
        error(
            "services.api.rollout.deadline_minutes",
            "the bake times alone take 59 minutes",
            "{services: {api: {rollout: {deadline_minutes: 59}, deployment_configuration: {strategy: LINEAR}}}}",
            "{services: {api: {rollout: {deadline_minutes: 60}, deployment_configuration: {strategy: LINEAR}}}}",
        ),
        error(
            "services.api.rollout.after[0]",
            "did you mean `batch`?",
            "{services: {api: {rollout: {after: [bacth]}}}}",
            "{services: {api: {rollout: {after: [batch]}}, batch: {image: \"shop/api:v1\"}}}",
        ),
        error(
            "services.api.rollout.after[0]",
            "cannot come after itself",
            "{services: {api: {rollout: {after: [api]}}}}",
            "{services: {api: {rollout: {after: []}}}}",
        ),
        error(
            "services.api.rollout.after[1]",
            "in the list twice",
            "{services: {api: {rollout: {after: [batch, batch]}}, batch: {image: \"shop/api:v1\"}}}",
            "{services: {api: {rollout: {after: [batch]}}, batch: {image: \"shop/api:v2\"}}}",
        ),
        error(
            "services.api.rollout.after[0]",
            "not deployed by the same pushes",
            "{services: {api: {rollout: {after: [batch]}}}}",
            "{services: {api: {image: \"shop/batch:v1\", rollout: {after: [batch]}}}}",
        ),
        error(
            "services.api.rollout.after[0]",
            "would wait for ever",
            "{services: {api: {rollout: {after: [batch]}}, batch: {image: \"shop/api:v1\", image_policy: {tags: []}}}}",
            "{services: {api: {rollout: {after: [batch]}}, batch: {image: \"shop/api:v1\", image_policy: {}}}}",
        ),
        warning(
            "services.api.rollout.after[0]",
            "has another `image_policy`",
            "{services: {api: {rollout: {after: [batch]}}, batch: {image: \"shop/api:v1.0.0\", image_policy: {semver: \"1\"}}}}",
            "{services: {api: {image: \"shop/api:v1.0.0\", image_policy: {semver: \"1\"}, rollout: {after: [batch]}}, batch: {image: \"shop/api:v1.0.0\", image_policy: {semver: \"1\"}}}}",
        ),
        error(
            "services.batch.rollout.after[0]",
            "comes after this service itself",
            "{services: {api: {rollout: {after: [web]}}, web: {image: \"shop/api:v1\", rollout: {after: [batch]}}, batch: {image: \"shop/api:v1\", rollout: {after: [api]}}}}",
            "{services: {api: {rollout: {after: [web]}}, web: {image: \"shop/api:v1\", rollout: {after: [batch]}}, batch: {image: \"shop/api:v1\"}}}",
        ),
        error(
            "services.api.rollout.before_tasks[0].name",
            "a name of a task",
            "{services: {api: {rollout: {before_tasks: [{name: Migrate, command: [m]}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: migrate-2, command: [m]}]}}}}",
        ),
        error(
            "services.api.rollout.after_tasks[0].name",
            "another task of this service has this name",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m]}], after_tasks: [{name: a, command: [m]}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m]}], after_tasks: [{name: b, command: [m]}]}}}}",
        ),
        error(
            "services.api.rollout.after_tasks[0].command",
            "expected a command",
            "{services: {api: {rollout: {after_tasks: [{name: a, command: []}]}}}}",
            "{services: {api: {rollout: {after_tasks: [{name: a, command: [run]}]}}}}",
        ),
        error(
            "services.api.rollout.before_tasks[0].timeout_minutes",
            "expected 1 to 1440",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], timeout_minutes: 0}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], timeout_minutes: 1440}]}}}}",
        ),
        error(
            "services.api.rollout.before_tasks[0].environment.A",
            "CloudFormation does not see tasks of deployments",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {A: \"${AWS::Region}\"}}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {A: \"$${B} ${stack}\"}}]}}}}",
        ),
        error(
            "services.api.rollout.before_tasks[0].environment[\"A B\"]",
            "no environment variable can be named so",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {\"A B\": c}}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {A_B: 1}}]}}}}",
        ),
        warning(
            "services.api.rollout.before_tasks[0].environment.DATABASE",
            "a URL with a password",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {DATABASE: \"postgres://a:b@c/d\"}}]}}}}",
            "{services: {api: {rollout: {before_tasks: [{name: a, command: [m], environment: {DATABASE: \"postgres://c/d\"}}]}}}}",
        ),
        error(
            "services.api.rollout.freeze_windows[1].cron",
            "expected five fields",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, duration_minutes: 60}, {cron: 0 18 * * ? *, duration_minutes: 60}]}}}}",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, duration_minutes: 60}, {cron: 0 18 24 12 *, duration_minutes: 60}]}}}}",
        ),
        error(
            "services.api.rollout.freeze_windows[0].time_zone",
            "expected a name of the IANA's",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, time_zone: Europe/Entenhausen, duration_minutes: 60}]}}}}",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, time_zone: Europe/Berlin, duration_minutes: 60}]}}}}",
        ),
        error(
            "services.api.rollout.freeze_windows[0].duration_minutes",
            "expected 1 to 44640",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, duration_minutes: 50000}]}}}}",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 18 * * FRI, duration_minutes: 3600}]}}}}",
        ),
        error(
            "services.api.rollout.freeze_windows",
            "leave no pause",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 0 * * *, duration_minutes: 720}, {cron: 0 12 * * *, duration_minutes: 720}]}}}}",
            "{services: {api: {rollout: {freeze_windows: [{cron: 0 0 * * *, duration_minutes: 720}, {cron: 0 12 * * *, duration_minutes: 719}]}}}}",
        ),
        error(
            "services.api.rollout.approval.expires_after_minutes",
            "expected 1 to 43200",
            "{services: {api: {rollout: {approval: {expires_after_minutes: 0}}}}}",
            "{services: {api: {rollout: {approval: {}}}}}",
        ),
    ]);
}

#[test]
fn tasks_are_replaced_by_a_strategy_that_ecs_has_and_with_what_it_needs() {
    hold(&[
        error(
            "services.api.deployment_configuration.bake_time_in_minutes",
            "a rolling deployment keeps no old tasks",
            "{services: {api: {deployment_configuration: {bake_time_in_minutes: 5}}}}",
            "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN, bake_time_in_minutes: 5}}}}",
        ),
        error(
            "services.api.deployment_configuration.bake_time_in_minutes",
            "expected 0 to 1440",
            "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN, bake_time_in_minutes: 1441}}}}",
            "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN, bake_time_in_minutes: 0}}}}",
        ),
        error(
            "services.api.deployment_configuration.maximum_percent",
            "all new tasks are started beside the old ones",
            "{services: {api: {deployment_configuration: {strategy: CANARY, maximum_percent: 150}}}}",
            "{services: {api: {deployment_configuration: {strategy: CANARY}}}}",
        ),
        error(
            "services.api.deployment_configuration.linear",
            "the steps of `strategy: LINEAR`, but it is CANARY",
            "{services: {api: {deployment_configuration: {strategy: CANARY, linear: {}}}}}",
            "{services: {api: {deployment_configuration: {strategy: LINEAR, linear: {}}}}}",
        ),
        error(
            "services.api.deployment_configuration.canary",
            "the steps of `strategy: CANARY`, but it is ROLLING",
            "{services: {api: {deployment_configuration: {canary: {}}}}}",
            "{services: {api: {deployment_configuration: {strategy: CANARY, canary: {percent: 0.1}}}}}",
        ),
        error(
            "services.api.deployment_configuration.linear.step_percent",
            "expected 3 to 100",
            "{services: {api: {deployment_configuration: {strategy: LINEAR, linear: {step_percent: 2.9}}}}}",
            "{services: {api: {deployment_configuration: {strategy: LINEAR, linear: {step_percent: 3.3}}}}}",
        ),
        error(
            "services.api.deployment_configuration.canary.percent",
            "expected 0.1 to 100.0 in steps of 0.1",
            "{services: {api: {deployment_configuration: {strategy: CANARY, canary: {percent: 0.25}}}}}",
            "{services: {api: {deployment_configuration: {strategy: CANARY, canary: {percent: 0.3}}}}}",
        ),
        error(
            "services.api.deployment_configuration.canary.bake_time_in_minutes",
            "expected 0 to 1440",
            "{services: {api: {deployment_configuration: {strategy: CANARY, canary: {bake_time_in_minutes: 1500}}}}}",
            "{services: {api: {deployment_configuration: {strategy: CANARY, canary: {bake_time_in_minutes: 1440}}}}}",
        ),
        error(
            "services.batch.deployment_configuration.strategy",
            "none come through a load balancer",
            "{services: {batch: {deployment_configuration: {strategy: LINEAR}}}}",
            "{services: {batch: {deployment_configuration: {strategy: BLUE_GREEN}}}}",
        ),
        error(
            "services.batch.target_group.target_group_arn",
            "BLUE_GREEN needs a second target group",
            "{services: {batch: {container_port: 80, target_group: {target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/a/b\"}, deployment_configuration: {strategy: BLUE_GREEN}}}}",
            "{services: {batch: {container_port: 80, target_group: {target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/a/b\"}}}}",
        ),
        error(
            "services.api.scaling.target_requests_per_task",
            "they go to two by turns",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 5}, deployment_configuration: {strategy: BLUE_GREEN}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 5}}}}",
        ),
        error(
            "services.batch.target_group.priority",
            "service `api` has this place among the rules",
            "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN}}, batch: {container_port: 80, target_group: {path_patterns: [/b], priority: 50000}}}}",
            "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN}}, batch: {container_port: 80, target_group: {path_patterns: [/b], priority: 49999}}}}",
        ),
        error(
            "services.api.deployment_configuration.alarms[0]",
            "it is not made; add `alarms` to the stack",
            "{services: {api: {deployment_configuration: {alarms: [target_5xx_count]}}}}",
            "{alarms: {}, services: {api: {deployment_configuration: {alarms: [target_5xx_count]}}}}",
        ),
        error(
            "services.api.deployment_configuration.alarms[1]",
            "in the list twice",
            "{services: {api: {deployment_configuration: {alarms: [a, a]}}}}",
            "{services: {api: {deployment_configuration: {alarms: [a, b]}}}}",
        ),
        error(
            "services.api.deployment_configuration.alarms[0]",
            "expected its name, not its ARN",
            "{services: {api: {deployment_configuration: {alarms: [\"arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a\"]}}}}",
            "{services: {api: {deployment_configuration: {alarms: [\"shop/${stack} errors\"]}}}}",
        ),
    ]);
}

#[test]
fn sidecars_fit_into_the_task_and_wait_for_what_can_come() {
    hold(&[
        error(
            "services.api.sidecars[\"a b\"]",
            "a name of a container",
            "{services: {api: {sidecars: {\"a b\": {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {sidecars: {a-b: {image: \"shop/x:v1\"}}}}}",
        ),
        error(
            "services.api.sidecars.api",
            "the name of the service's own container",
            "{services: {api: {sidecars: {api: {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {container_name: app, sidecars: {api: {image: \"shop/x:v1\"}}}}}",
        ),
        error(
            "services.api.sidecars.a.image",
            "expected <repository>:<tag>",
            "{services: {api: {sidecars: {a: {image: shop/x}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\"}}}}}",
        ),
        error(
            "services.api.sidecars.a.container_port",
            "container `api` listens there",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", container_port: 8080}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", container_port: 8081}}}}}",
        ),
        error(
            "services.api.cpu",
            "256 CPU units are reserved for the sidecars",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", cpu: 128}, b: {image: \"shop/x:v1\", cpu: 128}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", cpu: 128}, b: {image: \"shop/x:v1\", cpu: 64}}}}}",
        ),
        error(
            "services.api.memory",
            "512 MiB are reserved for the sidecars",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 512}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 512, memory_reservation: 64}}}}}",
        ),
        error(
            "services.api.sidecars.a.memory_reservation",
            "expected less than `memory`, 64",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 64, memory_reservation: 64}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 65, memory_reservation: 64}}}}}",
        ),
        error(
            "services.api.sidecars.a.memory",
            "the whole task has less",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 513, memory_reservation: 9}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", memory: 511}}}}}",
        ),
        error(
            "services.api.depends_on[0].container_name",
            "expected one of `api`, `a`",
            "{services: {api: {depends_on: [{container_name: b, condition: START}], sidecars: {a: {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {depends_on: [{container_name: a, condition: START}], sidecars: {a: {image: \"shop/x:v1\"}}}}}",
        ),
        error(
            "services.api.depends_on[0].condition",
            "nothing says when `a` is healthy",
            "{services: {api: {depends_on: [{container_name: a, condition: HEALTHY}], sidecars: {a: {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {depends_on: [{container_name: a, condition: HEALTHY}], sidecars: {a: {image: \"shop/x:v1\", health_check: {command: [CMD, x]}}}}}}",
        ),
        error(
            "services.api.depends_on[0].condition",
            "let it be `essential: false`",
            "{services: {api: {depends_on: [{container_name: a, condition: SUCCESS}], sidecars: {a: {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {depends_on: [{container_name: a, condition: SUCCESS}], sidecars: {a: {image: \"shop/x:v1\", essential: false}}}}}",
        ),
        error(
            "services.api.sidecars.a.depends_on[0].container_name",
            "would wait for each other",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", depends_on: [{container_name: a, condition: START}]}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", depends_on: [{container_name: api, condition: START}]}}}}}",
        ),
        error(
            "services.api.target_group.container_name",
            "the task has no container `proxy`",
            "{services: {api: {target_group: {container_name: proxy}}}}",
            "{services: {api: {target_group: {container_name: proxy}, sidecars: {proxy: {image: \"shop/x:v1\", container_port: 80}}}}}",
        ),
        error(
            "services.api.target_group.container_name",
            "add `container_port` to this container",
            "{services: {api: {target_group: {container_name: proxy}, sidecars: {proxy: {image: \"shop/x:v1\"}}}}}",
            "{services: {api: {target_group: {container_name: api}}}}",
        ),
        error(
            "services.api.sidecars.a.secrets.KEY",
            "`KEY` is in `environment` too",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", environment: {KEY: x}, secrets: {KEY: {value: y}}}}}}}",
            "{services: {api: {environment: {KEY: x}, sidecars: {a: {image: \"shop/x:v1\", secrets: {KEY: {value: y}}}}}}}",
        ),
        error(
            "services.api.sidecars.a.stop_timeout",
            "Fargate does not wait this many seconds",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", stop_timeout: 121}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", stop_timeout: 120}}}}}",
        ),
        error(
            "services.api.log_options",
            "no sidecar is a log router",
            "{services: {api: {log_options: {Name: http}}}}",
            "{services: {api: {log_options: {Name: http}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit}}}}}}",
        ),
        error(
            "services.api.log_options.name",
            "fluentbit needs `Name`, written so",
            "{services: {api: {log_options: {name: http, Port: 443}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit}}}}}}",
            "{services: {api: {log_options: {Name: http, Port: 443}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit}}}}}}",
        ),
        error(
            "services.api.log_options",
            "fluentd needs `@type`",
            "{services: {api: {log_options: {Name: http}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentd}}}}}}",
            "{services: {api: {log_options: {exclude-pattern: ^debug}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentd}}}}}}",
        ),
        error(
            "services.api.sidecars.b.firelens_configuration",
            "`a` is the task's log router already",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit}}, b: {image: \"shop/x:v1\", firelens_configuration: {type: fluentd}}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\"}, b: {image: \"shop/x:v1\", firelens_configuration: {type: fluentd}}}}}}",
        ),
        error(
            "services.api.sidecars.a.firelens_configuration.options.enable-logs",
            "ECS does not allow this option",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit, options: {enable-logs: true}}}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit, options: {enable-ecs-log-metadata: true}}}}}}}",
        ),
        error(
            "services.api.sidecars.a.firelens_configuration.options.config-file-type",
            "tasks on Fargate take a file of the image only",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit, options: {config-file-type: s3}}}}}}}",
            "{services: {batch: {sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit, options: {config-file-type: s3}}}}}}}",
        ),
        warning(
            "services.api.log_options.apikey",
            "move it to the log router's `secrets`",
            "{services: {api: {log_options: {Name: http, apikey: x1y2z3}, sidecars: {a: {image: \"shop/x:v1\", firelens_configuration: {type: fluentbit}}}}}}",
            "{services: {api: {log_options: {Name: http, apikey: \"$${API_KEY}\"}, sidecars: {a: {image: \"shop/x:v1\", secrets: {API_KEY: {value: x}}, firelens_configuration: {type: fluentbit}}}}}}",
        ),
        warning(
            "services.api.sidecars.a.environment.PASSWORD",
            "is the name of a secret",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", environment: {PASSWORD: hunter2}}}}}}",
            "{services: {api: {sidecars: {a: {image: \"shop/x:v1\", secrets: {PASSWORD: {value: hunter2}}}}}}}",
        ),
    ]);
}

#[test]
fn names_are_those_that_aws_takes_and_differ() {
    hold(&[
        error(
            "services[\"a b\"]",
            "this is not a name, expected letters",
            "{services: {\"a b\": {image: \"shop/x:v1\", service_name: x}}}",
            "{services: {a-b: {image: \"shop/x:v1\"}}}",
        ),
        error(
            "services.my_api",
            "differ only in hyphens, underscores or case",
            "{services: {my-api: {image: \"shop/x:v1\"}, my_api: {image: \"shop/y:v1\"}}}",
            "{services: {my-api: {image: \"shop/x:v1\"}, my-api2: {image: \"shop/y:v1\"}}}",
        ),
        error(
            "services.a-b.secrets.C",
            "`services.a.secrets.B_C` and this differ only in hyphens",
            "{services: {a: {image: \"shop/x:v1\", secrets: {B_C: {value: x}}}, a-b: {image: \"shop/y:v1\", secrets: {C: {value: x}}}}}",
            "{services: {a: {image: \"shop/x:v1\", secrets: {B_C: {value: x}}}, b: {image: \"shop/y:v1\", secrets: {C: {value: x}}}}}",
        ),
        error(
            "cluster.cluster_name",
            "a name of a cluster",
            "{cluster: {cluster_name: \"my cluster\"}}",
            "{cluster: {cluster_name: my-cluster}}",
        ),
        error(
            "cluster.cluster_name",
            "holds no pseudo parameter",
            "{cluster: {cluster_name: \"shop-${AWS::Region}\"}}",
            "{cluster: {cluster_name: \"${stack}-cluster\"}}",
        ),
        error(
            "services.batch.service_name",
            "services `api` and `batch` have the same ECS service name",
            "{services: {batch: {service_name: shop-test-api}}}",
            "{services: {batch: {service_name: shop-test-web}}}",
        ),
        error(
            "services.batch.family",
            "have the same task definition family",
            "{services: {api: {family: x}, batch: {family: x}}}",
            "{services: {api: {family: x}, batch: {family: y}}}",
        ),
        error(
            "services.api.container_name",
            "a name of a container",
            "{services: {api: {container_name: a/b}}}",
            "{services: {api: {container_name: a_b}}}",
        ),
        error(
            "services.api.service_name",
            "a name of a service",
            "{services: {api: {service_name: a.b}}}",
            "{services: {api: {service_name: a-b}}}",
        ),
        error(
            "tags[\"aws:x\"]",
            "AWS's own",
            "{tags: {\"aws:x\": y}}",
            "{tags: {\"our:x\": y}}",
        ),
        error(
            "tags[\"Longshore:x\"]",
            "Longshore's own",
            "{tags: {\"Longshore:x\": y}}",
            "{tags: {\"shop:x\": y}}",
        ),
        error(
            "tags[\"a!b\"]",
            "a key of a tag",
            "{tags: {\"a!b\": y}}",
            "{tags: {\"a=b\": y}}",
        ),
        error(
            "tags.a",
            "a value of a tag",
            "{tags: {a: \"x?\"}}",
            "{tags: {a: \"x/${AWS::Region}\"}}",
        ),
        error(
            "service_discovery.namespace",
            "this is not a DNS name",
            "{service_discovery: {namespace: shop..local}}",
            "{service_discovery: {namespace: shop.local}}",
        ),
        error(
            "service_discovery.ttl",
            "expected 0 to 2147483647",
            "{service_discovery: {namespace: shop.local, ttl: 4000000000}}",
            "{service_discovery: {namespace: shop.local, ttl: 0}}",
        ),
        error(
            "services.my_api",
            "a service that is found by DNS",
            "{service_discovery: {namespace: shop.local}, services: {my_api: {image: \"shop/x:v1\", container_port: 1}}}",
            "{service_discovery: {namespace: shop.local}, services: {my_api: {image: \"shop/x:v1\"}}}",
        ),
        error(
            "services.api.service_discovery",
            "has no `service_discovery`",
            "{services: {api: {service_discovery: true}}}",
            "{service_discovery: {namespace: shop.local}, services: {api: {service_discovery: true}}}",
        ),
    ]);
    let name = |name: &str| {
        let text = SHOP.replacen("name: shop", &format!("name: {name}"), 1);
        read(text.as_bytes(), &Selection::Environment(None))
    };
    assert!(name("shop-2").is_ok());
    let long = "a".repeat(41);
    for bad in ["Shop", "2shop", "shop-", "sh_op", "${stack}", long.as_str()] {
        let problems = name(bad).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert_eq!(problems[0].path, "name");
        assert_eq!((problems[0].line, problems[0].column), (Some(2), Some(7)));
    }
}

#[test]
fn too_many_tags_are_refused() {
    let tags = |count: usize| {
        let tags: Vec<String> = (0..count).map(|number| format!("t{number}: x")).collect();
        problems(&format!("{{tags: {{{}}}}}", tags.join(", ")))
    };
    assert_eq!(tags(45), []);
    assert!(tags(46)[0].message.contains("expected at most 45"));
}

#[test]
fn variables_can_be_set_and_are_set_once() {
    hold(&[
        error(
            "services.api.environment[\"A B\"]",
            "no environment variable can be named so",
            "{services: {api: {environment: {\"A B\": x}}}}",
            "{services: {api: {environment: {A_B: x}}}}",
        ),
        warning(
            "services.api.environment[\"a.b\"]",
            "shells cannot read",
            "{services: {api: {environment: {a.b: x}}}}",
            "{services: {api: {environment: {a_b: x}}}}",
        ),
        warning(
            "services.api.environment.AWS_EXECUTION_ENV",
            "ECS sets this variable itself",
            "{services: {api: {environment: {AWS_EXECUTION_ENV: x}}}}",
            "{services: {api: {environment: {AWS_REGION: x}}}}",
        ),
        error(
            "services.api.secrets.X",
            "is in `environment` too",
            "{services: {api: {environment: {X: x}, secrets: {X: {value_from: x}}}}}",
            "{services: {api: {environment: {Y: x}, secrets: {X: {value_from: x}}}}}",
        ),
        error(
            "services.api.environment.LOG_LEVEL",
            "`log_level` says `INFO`",
            "{services: {api: {log_level: INFO, environment: {LOG_LEVEL: DEBUG}}}}",
            "{services: {api: {log_level: INFO, environment: {LOG_LEVEL: INFO}}}}",
        ),
        error(
            "services.api.environment.VAULT_ADDR",
            "`vault.address` says",
            "{services: {api: {vault: {address: \"https://v\", role: r}, environment: {VAULT_ADDR: \"https://w\"}}}}",
            "{services: {api: {vault: {address: \"https://v\", role: r}}}}",
        ),
        warning(
            "services.api.environment.PORT",
            "requests come to `container_port`, 8080",
            "{services: {api: {environment: {PORT: 3000}}}}",
            "{services: {api: {environment: {PORT: 8080}}}}",
        ),
        error(
            "services.api.container_port",
            "expected 1 to 65535",
            "{services: {api: {container_port: 0}}}",
            "{services: {api: {container_port: 1}}}",
        ),
        error(
            "services.api.working_directory",
            "an absolute path",
            "{services: {api: {working_directory: app}}}",
            "{services: {api: {working_directory: /app}}}",
        ),
        error(
            "services.api.user",
            "this is not a user",
            "{services: {api: {user: \"1:2:3\"}}}",
            "{services: {api: {user: \"1000:1000\"}}}",
        ),
        warning(
            "services.api.vault.address",
            "without encryption",
            "{services: {api: {vault: {address: \"http://v\", role: r}}}}",
            "{services: {api: {vault: {address: \"https://v:8200\", role: r}}}}",
        ),
        error(
            "services.api.vault.address",
            "this is not a URL",
            "{services: {api: {vault: {address: v, role: r}}}}",
            "{services: {api: {vault: {address: \"https://${AWS::Region}.v\", role: r}}}}",
        ),
        error(
            "services.api.secrets.LOG_LEVEL",
            "`log_level` sets this variable too",
            "{services: {api: {log_level: INFO, secrets: {LOG_LEVEL: {value_from: x}}}}}",
            "{services: {api: {secrets: {LOG_LEVEL: {value_from: x}}}}}",
        ),
        error(
            "services.api.vault.role",
            "the role is empty",
            "{services: {api: {vault: {address: \"https://v\", role: \"\"}}}}",
            "{services: {api: {vault: {address: \"https://v\", role: r, paths: [a, b]}}}}",
        ),
    ]);
}

#[test]
fn secrets_have_one_source() {
    hold(&[
        error(
            "services.api.secrets.X",
            "there are two sources",
            "{services: {api: {secrets: {X: {value_from: a, value: b}}}}}",
            "{services: {api: {secrets: {X: {value: b}}}}}",
        ),
        error(
            "services.api.secrets.X",
            "there is no source",
            "{services: {api: {secrets: {X: {}}}}}",
            "{services: {api: {secrets: {X: {value_from: a}}}}}",
        ),
        error(
            "services.api.secrets.X.value",
            "the value is empty",
            "{services: {api: {secrets: {X: {value: \"\"}}}}}",
            "{services: {api: {secrets: {X: {value: 5}}}}}",
        ),
        error(
            "services.api.secrets.X.json_key",
            "a key is taken out of a secret that `value_from` names",
            "{services: {api: {secrets: {X: {value: a, json_key: b}}}}}",
            "{services: {api: {secrets: {X: {value_from: a, json_key: b}}}}}",
        ),
        error(
            "services.api.secrets.X.kms_key_arn",
            "this is not an ARN of a KMS key",
            "{services: {api: {secrets: {X: {value: a, kms_key_arn: alias/x}}}}}",
            "{services: {api: {secrets: {X: {value: a, kms_key_arn: \"arn:aws:kms:eu-west-1:1:key/x\"}}}}}",
        ),
        error(
            "services.api.secrets.X.json_key",
            "not out of SSM parameters",
            "{services: {api: {secrets: {X: {value_from: \"arn:aws:ssm:eu-west-1:111122223333:parameter/a\", json_key: b}}}}}",
            "{services: {api: {secrets: {X: {value_from: \"arn:aws:ssm:eu-west-1:111122223333:parameter/a\"}}}}}",
        ),
        error(
            "services.api.secrets.X.json_key",
            "expected one without colons",
            "{services: {api: {secrets: {X: {value_from: a, json_key: \"b::\"}}}}}",
            "{services: {api: {secrets: {X: {value_from: a, json_key: b}}}}}",
        ),
        error(
            "services.api.secrets.X.value_from",
            "this is not an ARN of a secret",
            "{services: {api: {secrets: {X: {value_from: \"arn:aws:s3:::bucket\"}}}}}",
            "{services: {api: {secrets: {X: {value_from: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf\"}}}}}",
        ),
        error(
            "services.api.secrets.X.value_from",
            "write the key into `json_key`",
            "{services: {api: {secrets: {X: {value_from: \"arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf:key::\"}}}}}",
            "{services: {api: {secrets: {X: {value_from: \"arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:a\"}}}}}",
        ),
        error(
            "services.api.secrets.X.value_from",
            "a value itself belongs into `value`",
            "{services: {api: {secrets: {X: {value_from: \"p&ss word\"}}}}}",
            "{services: {api: {secrets: {X: {value_from: \"shop/api_key@1\"}}}}}",
        ),
    ]);
}

#[test]
fn what_looks_like_a_secret_in_plain_text_is_reported_without_showing_it() {
    hold(&[
        warning(
            "services.api.environment.DATABASE_URL",
            "a URL with a password",
            "{services: {api: {environment: {DATABASE_URL: \"postgres://me:hunter2@db/shop\"}}}}",
            "{services: {api: {secrets: {DATABASE_URL: {value: \"postgres://me:hunter2@db/shop\"}}}}}",
        ),
        warning(
            "services.api.environment.API_KEY",
            "is the name of a secret",
            "{services: {api: {environment: {API_KEY: abc}}}}",
            "{services: {api: {environment: {API_KEY_NAME: abc}}}}",
        ),
        warning(
            "services.api.command[1]",
            "an access key of AWS",
            "{services: {api: {command: [run, AKIAIOSFODNN7EXAMPLE]}}}",
            "{services: {api: {command: [run, AKIA]}}}",
        ),
    ]);
    let found = problems(
        "{services: {api: {environment: {DATABASE_URL: \"postgres://me:hunter2@db/shop\"}}}}",
    );
    assert_eq!(found[0].value.as_deref(), Some("***"));
    assert!(found[0].message.contains("Secrets Manager"));
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn health_checks_are_within_limits_and_ask_the_container() {
    hold(&[
        error(
            "services.api.health_check.command",
            "ECS does not know how to run this",
            "{services: {api: {health_check: {command: [curl, x]}}}}",
            "{services: {api: {health_check: {command: [CMD, curl, x]}}}}",
        ),
        error(
            "services.api.health_check.command",
            "`CMD-SHELL` takes one text",
            "{services: {api: {health_check: {command: [CMD-SHELL, curl, x]}}}}",
            "{services: {api: {health_check: {command: [CMD-SHELL, curl x]}}}}",
        ),
        error(
            "services.api.health_check.interval",
            "expected 5 to 300",
            "{services: {api: {health_check: {command: [CMD, x], interval: 4}}}}",
            "{services: {api: {health_check: {command: [CMD, x], interval: 300}}}}",
        ),
        error(
            "services.api.health_check.timeout",
            "expected 2 to 60",
            "{services: {api: {health_check: {command: [CMD, x], timeout: 61}}}}",
            "{services: {api: {health_check: {command: [CMD, x], timeout: 60}}}}",
        ),
        error(
            "services.api.health_check.retries",
            "expected 1 to 10",
            "{services: {api: {health_check: {command: [CMD, x], retries: 0}}}}",
            "{services: {api: {health_check: {command: [CMD, x], retries: 10}}}}",
        ),
        error(
            "services.api.health_check.start_period",
            "expected 0 to 300",
            "{services: {api: {health_check: {command: [CMD, x], start_period: 301}}}}",
            "{services: {api: {health_check: {command: [CMD, x], start_period: 300}}}}",
        ),
        warning(
            "services.api.health_check.command",
            "the check asks port 3000",
            "{services: {api: {health_check: {command: [CMD-SHELL, \"curl -f http://localhost:3000/health\"]}}}}",
            "{services: {api: {health_check: {command: [CMD-SHELL, \"curl -f http://localhost:8080/health\"]}}}}",
        ),
        warning(
            "services.api.health_check_grace_period_seconds",
            "may still be starting",
            "{services: {api: {health_check_grace_period_seconds: 10, health_check: {command: [CMD, x], start_period: 60}}}}",
            "{services: {api: {health_check_grace_period_seconds: 60, health_check: {command: [CMD, x], start_period: 60}}}}",
        ),
        error(
            "services.api.target_group.health_check.path",
            "this is not a path",
            "{services: {api: {target_group: {health_check: {path: health}}}}}",
            "{services: {api: {target_group: {health_check: {path: /}}}}}",
        ),
        error(
            "services.api.target_group.health_check.timeout_seconds",
            "expected less than `interval_seconds`, 10",
            "{services: {api: {target_group: {health_check: {interval_seconds: 10, timeout_seconds: 10}}}}}",
            "{services: {api: {target_group: {health_check: {interval_seconds: 10, timeout_seconds: 9}}}}}",
        ),
        error(
            "services.api.target_group.health_check.interval_seconds",
            "expected 5 to 300",
            "{services: {api: {target_group: {health_check: {interval_seconds: 301}}}}}",
            "{services: {api: {target_group: {health_check: {interval_seconds: 300}}}}}",
        ),
        error(
            "services.api.target_group.health_check.timeout_seconds",
            "expected 2 to 120",
            "{services: {api: {target_group: {health_check: {interval_seconds: 200, timeout_seconds: 121}}}}}",
            "{services: {api: {target_group: {health_check: {interval_seconds: 200, timeout_seconds: 120}}}}}",
        ),
        error(
            "services.api.target_group.health_check.healthy_threshold_count",
            "expected 2 to 10",
            "{services: {api: {target_group: {health_check: {healthy_threshold_count: 1}}}}}",
            "{services: {api: {target_group: {health_check: {healthy_threshold_count: 10}}}}}",
        ),
        error(
            "services.api.target_group.health_check.matcher",
            "expected codes from 200 to 499",
            "{services: {api: {target_group: {health_check: {matcher: \"2xx\"}}}}}",
            "{services: {api: {target_group: {health_check: {matcher: \"200-299,301\"}}}}}",
        ),
    ]);
}

#[test]
fn the_load_balancer_is_in_two_zones_and_its_rules_have_places() {
    const TWO: &str = "{services: {api: {target_group: {path_patterns: [/api/*], priority: 10}}, web: {image: \"shop/web:v1\", container_port: 80, target_group: {host_headers: [web.shop.example], priority: 20}}}}";
    hold(&[
        error(
            "load_balancer.subnet_ids",
            "at least two availability zones",
            "{load_balancer: {subnet_ids: [subnet-2]}}",
            "{load_balancer: {subnet_ids: [subnet-2, subnet-3]}}",
        ),
        error(
            "load_balancer.subnet_ids[1]",
            "is in the list twice",
            "{load_balancer: {subnet_ids: [subnet-2, subnet-2, subnet-3]}}",
            "{}",
        ),
        error(
            "load_balancer.subnet_ids[0]",
            "this is not an id of a subnet",
            "{load_balancer: {subnet_ids: [vpc-2, subnet-3]}}",
            "{load_balancer: {subnet_ids: [\"${AWS::Region}\", subnet-3]}}",
        ),
        warning(
            "load_balancer",
            "is not encrypted",
            "{load_balancer: {scheme: internet-facing}}",
            "{load_balancer: {scheme: internet-facing, certificate_arns: [\"arn:aws:acm:eu-west-1:111122223333:certificate/x\"]}}",
        ),
        error(
            "load_balancer.certificate_arns[0]",
            "an ARN of a certificate",
            "{load_balancer: {certificate_arns: [x]}}",
            "{load_balancer: {certificate_arns: [\"arn:aws:acm:eu-west-1:111122223333:certificate/x\"]}}",
        ),
        error(
            "load_balancer.certificate_arns[1]",
            "in the list twice",
            "{load_balancer: {certificate_arns: [\"arn:aws:acm:eu-west-1:1:certificate/x\", \"arn:aws:acm:eu-west-1:1:certificate/x\"]}}",
            "{load_balancer: {certificate_arns: [\"arn:aws:acm:eu-west-1:1:certificate/x\", \"arn:aws:acm:eu-west-1:1:certificate/y\"]}}",
        ),
        warning(
            "load_balancer",
            "nobody may connect",
            "{load_balancer: {ingress_cidr_ips: null}}",
            "{load_balancer: {ingress_cidr_ips: null, security_group_ids: [sg-1]}}",
        ),
        error(
            "load_balancer.ingress_cidr_ips",
            "groups that exist are named",
            "{load_balancer: {security_group_ids: [sg-1]}}",
            "{load_balancer: {security_group_ids: []}}",
        ),
        error(
            "load_balancer.ingress_cidr_ips[0]",
            "an IPv4 range",
            "{load_balancer: {ingress_cidr_ips: [10.0.0.0]}}",
            "{load_balancer: {ingress_cidr_ips: [10.0.0.0/16]}}",
        ),
        error(
            "load_balancer.security_group_ids[0]",
            "an id of a security group",
            "{load_balancer: {ingress_cidr_ips: null, security_group_ids: [web]}}",
            "{load_balancer: {ingress_cidr_ips: null, security_group_ids: [sg-1]}}",
        ),
        error(
            "load_balancer.idle_timeout",
            "expected 1 to 4000",
            "{load_balancer: {idle_timeout: 0}}",
            "{load_balancer: {idle_timeout: 4000}}",
        ),
        error(
            "load_balancer.ssl_policy",
            "a policy of Elastic Load Balancing",
            "{load_balancer: {ssl_policy: TLS13}}",
            "{load_balancer: {ssl_policy: ELBSecurityPolicy-TLS13-1-3-2021-06}}",
        ),
        error(
            "load_balancer.access_logs_bucket",
            "a name of a bucket",
            "{load_balancer: {access_logs_bucket: My_Bucket}}",
            "{load_balancer: {access_logs_bucket: my-logs}}",
        ),
        warning(
            "load_balancer",
            "no service is behind",
            "{services: {api: {target_group: null}}}",
            "{load_balancer: null, services: {api: {target_group: null}}}",
        ),
        error(
            "services.api.target_group",
            "the stack has no `load_balancer`",
            "{load_balancer: null}",
            "{load_balancer: null, services: {api: {target_group: {target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/x/1\"}}}}",
        ),
        error(
            "services.api.target_group",
            "add `container_port`",
            "{services: {api: {container_port: null}}}",
            "{services: {api: {container_port: 80}}}",
        ),
        error(
            "services.api.target_group.target_group_arn",
            "an ARN of a target group",
            "{load_balancer: null, services: {api: {target_group: {target_group_arn: x}}}}",
            "{load_balancer: null, services: {api: {target_group: {target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/x/1\"}}}}",
        ),
        error(
            "services.api.target_group.deregistration_delay",
            "are not this stack's",
            "{load_balancer: null, services: {api: {target_group: {deregistration_delay: 5, target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1\"}}}}",
            "{services: {api: {target_group: {deregistration_delay: 5}}}}",
        ),
        error(
            "services.api.target_group.health_check",
            "are not this stack's",
            "{load_balancer: null, services: {api: {target_group: {health_check: {path: /}, target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1\"}}}}",
            "{services: {api: {target_group: {health_check: {path: /}}}}}",
        ),
        error(
            "services.api.target_group",
            "add `priority`",
            "{services: {api: {target_group: {path_patterns: [/api/*]}}}}",
            TWO,
        ),
        error(
            "services.api.target_group.priority",
            "which has no priority",
            "{services: {api: {target_group: {priority: 1}}}}",
            TWO,
        ),
        error(
            "services.api.target_group.priority",
            "expected 1 to 50000",
            "{services: {api: {target_group: {path_patterns: [/api/*], priority: 50001}}}}",
            "{services: {api: {target_group: {path_patterns: [/api/*], priority: 50000}}}}",
        ),
        error(
            "services.web.target_group.priority",
            "service `api` has this priority already",
            "{services: {api: {target_group: {path_patterns: [/api/*], priority: 10}}, web: {image: \"shop/web:v1\", container_port: 80, target_group: {host_headers: [web.shop.example], priority: 10}}}}",
            TWO,
        ),
        error(
            "services.web.target_group",
            "services `api` and `web` would both get",
            "{services: {web: {image: \"shop/web:v1\", container_port: 80, target_group: {}}}}",
            "{services: {web: {image: \"shop/web:v1\", container_port: 80, target_group: {path_patterns: [/web], priority: 1}}}}",
        ),
        error(
            "services.api.target_group.path_patterns[0]",
            "a pattern of paths",
            "{services: {api: {target_group: {path_patterns: [api], priority: 1}}}}",
            TWO,
        ),
        error(
            "services.api.target_group.host_headers[0]",
            "this is not a host",
            "{services: {api: {target_group: {host_headers: [\"https://x\"], priority: 1}}}}",
            TWO,
        ),
        error(
            "services.api.target_group.host_headers[0]",
            "after the last one only letters",
            "{services: {api: {target_group: {host_headers: [shop-api], priority: 1}}}}",
            "{services: {api: {target_group: {host_headers: [\"*.shop.example\"], priority: 1}}}}",
        ),
        error(
            "services.api.target_group.host_headers[0]",
            "after the last one only letters",
            "{services: {api: {target_group: {host_headers: [\"shop.*\"], priority: 1}}}}",
            "{services: {api: {target_group: {host_headers: [\"sh?p.example\"], priority: 1}}}}",
        ),
        error(
            "services.api.target_group",
            "too many paths and hosts",
            "{services: {api: {target_group: {path_patterns: [/1, /2, /3, /4, /5, /6], priority: 1}}}}",
            "{services: {api: {target_group: {path_patterns: [/1, /2, /3, /4, /5], priority: 1}}}}",
        ),
        error(
            "services.api.target_group",
            "too many `*` and `?`",
            "{services: {api: {target_group: {path_patterns: [/*/*/*, /*/*/*/*], priority: 1}}}}",
            "{services: {api: {target_group: {path_patterns: [/*/*/*, /*/*/*], priority: 1}}}}",
        ),
        error(
            "services.api.target_group.deregistration_delay",
            "expected 0 to 3600",
            "{services: {api: {target_group: {deregistration_delay: 3601}}}}",
            "{services: {api: {target_group: {deregistration_delay: 0}}}}",
        ),
        error(
            "services.api.target_group.stickiness_duration",
            "expected 1 to 604800",
            "{services: {api: {target_group: {stickiness_duration: 0}}}}",
            "{services: {api: {target_group: {stickiness_duration: 60}}}}",
        ),
    ]);
}

#[test]
fn networks_are_named_by_ids_and_rules_say_who_and_where() {
    hold(&[
        error(
            "network.vpc_id",
            "an id of a VPC",
            "{network: {vpc_id: main}}",
            "{network: {vpc_id: vpc-1}}",
        ),
        error(
            "network.subnet_ids",
            "there is no subnet",
            "{network: {subnet_ids: []}}",
            "{}",
        ),
        warning(
            "network.subnet_ids",
            "one availability zone",
            "{network: {subnet_ids: [subnet-1]}}",
            "{}",
        ),
        error(
            "services.api.subnet_ids[0]",
            "an id of a subnet",
            "{services: {api: {subnet_ids: [x]}}}",
            "{services: {api: {subnet_ids: [subnet-1]}}}",
        ),
        error(
            "services.api.security_group_ids[0]",
            "an id of a security group",
            "{services: {api: {security_group_ids: [x]}}}",
            "{services: {api: {security_group_ids: [sg-1]}}}",
        ),
        error(
            "services.api.security_group_ids",
            "expected at most 5",
            "{services: {api: {security_group_ids: [sg-1, sg-2, sg-3, sg-4, sg-5], security_group: {}}}}",
            "{services: {api: {security_group_ids: [sg-1, sg-2, sg-3, sg-4, sg-5]}}}",
        ),
        error(
            "services.batch.assign_public_ip",
            "only tasks on Fargate",
            "{services: {batch: {assign_public_ip: true}}}",
            "{services: {api: {assign_public_ip: true}}}",
        ),
        error(
            "services.api.security_group.ingress[0]",
            "exactly one of",
            "{services: {api: {security_group: {ingress: [{from_port: 80}]}}}}",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8}]}}}}",
        ),
        error(
            "services.api.security_group.ingress[0]",
            "exactly one of",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8, security_group_id: sg-1}]}}}}",
            "{services: {api: {security_group: {ingress: [{security_group_id: sg-1}]}}}}",
        ),
        error(
            "services.batch.security_group.ingress[0]",
            "add `from_port`",
            "{services: {batch: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8}]}}}}",
            "{services: {batch: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8, from_port: 22}]}}}}",
        ),
        error(
            "services.api.security_group.egress[0]",
            "the rule does not name a port",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0}]}}}}",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, from_port: 443}]}}}}",
        ),
        error(
            "services.api.security_group.egress[0]",
            "all protocols have no ports",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, ip_protocol: \"-1\", from_port: 443}]}}}}",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, ip_protocol: \"-1\"}]}}}}",
        ),
        error(
            "services.api.security_group.egress[0].ip_protocol",
            "this is not a protocol",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, ip_protocol: http, from_port: 443}]}}}}",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, ip_protocol: udp, from_port: 53}]}}}}",
        ),
        error(
            "services.api.security_group.egress[0].to_port",
            "expected 443 or more",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, from_port: 443, to_port: 80}]}}}}",
            "{services: {api: {security_group: {egress: [{cidr_ip: 0.0.0.0/0, from_port: 443, to_port: 444}]}}}}",
        ),
        error(
            "services.api.security_group.ingress[0].to_port",
            "no first one",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8, to_port: 80}]}}}}",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8, from_port: 80, to_port: 80}]}}}}",
        ),
        error(
            "services.api.security_group.ingress[0].cidr_ip",
            "an IPv4 range",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/33}]}}}}",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/32}]}}}}",
        ),
        error(
            "services.api.security_group.ingress[0].prefix_list_id",
            "not such an id",
            "{services: {api: {security_group: {ingress: [{prefix_list_id: x}]}}}}",
            "{services: {api: {security_group: {ingress: [{prefix_list_id: pl-1}]}}}}",
        ),
        error(
            "services.api.security_group.ingress[0].description",
            "EC2 takes at most 255",
            "{services: {api: {security_group: {ingress: [{prefix_list_id: pl-1, description: é}]}}}}",
            "{services: {api: {security_group: {ingress: [{prefix_list_id: pl-1, description: \"e (f)\"}]}}}}",
        ),
        warning(
            "services.api.security_group.ingress[0].cidr_ip",
            "everybody may connect",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 0.0.0.0/0}]}}}}",
            "{services: {api: {security_group: {ingress: [{cidr_ip: 10.0.0.0/8}]}}}}",
        ),
    ]);
}

#[test]
fn capacity_is_there_is_used_and_is_of_one_kind() {
    hold(&[
        error(
            "capacity.main.instance_type",
            "an EC2 instance type",
            "{capacity: {main: {instance_type: small}}}",
            "{capacity: {main: {instance_type: m5.large}}}",
        ),
        error(
            "capacity.main.cpu_architecture",
            "expected ARM64",
            "{capacity: {main: {instance_type: t4g.small}}}",
            "{capacity: {main: {instance_type: t4g.small, cpu_architecture: ARM64}}, services: {batch: {cpu_architecture: ARM64}}}",
        ),
        error(
            "capacity.main.min_size",
            "expected at most `max_size`, 4",
            "{capacity: {main: {min_size: 5}}}",
            "{capacity: {main: {min_size: 4}}}",
        ),
        error(
            "capacity.main.max_size",
            "expected 1 or more",
            "{capacity: {main: {min_size: 0, max_size: 0}}}",
            "{capacity: {main: {min_size: 0, max_size: 1}}}",
        ),
        error(
            "capacity.main.target_capacity",
            "expected 1 to 100",
            "{capacity: {main: {target_capacity: 101}}}",
            "{capacity: {main: {target_capacity: 80}}}",
        ),
        // An instance has an interface for itself and two for tasks.
        warning(
            "capacity.main.max_size",
            "4 instances can run at most 8 of the 9 tasks",
            "{services: {batch: {scaling: {max_capacity: 9, target_cpu_utilization: 70}}}}",
            "{services: {batch: {scaling: {max_capacity: 8, target_cpu_utilization: 70}}}}",
        ),
        error(
            "capacity.main.instance_warmup_period",
            "expected 0 to 3600",
            "{capacity: {main: {instance_warmup_period: 3601}}}",
            "{capacity: {main: {instance_warmup_period: 3600}}}",
        ),
        error(
            "capacity.main.volume_size",
            "expected 30 to 16384",
            "{capacity: {main: {volume_size: 20}}}",
            "{capacity: {main: {volume_size: 20, image_ssm_parameter: /my/image}}}",
        ),
        error(
            "capacity.main.image_ssm_parameter",
            "an SSM parameter",
            "{capacity: {main: {image_ssm_parameter: ami-1}}}",
            "{capacity: {main: {image_ssm_parameter: /my/image}}}",
        ),
        error(
            "capacity.FARGATE",
            "Fargate's own",
            "{capacity: {FARGATE: {instance_type: t3.small}}, services: {batch: {capacity_provider_strategy: [{capacity_provider: FARGATE}]}}}",
            "{}",
        ),
        warning(
            "capacity.spare",
            "no service runs on this capacity",
            "{capacity: {spare: {instance_type: t3.small}}}",
            "{capacity: {spare: {instance_type: t3.small}}, services: {batch: {capacity_provider_strategy: [{capacity_provider: spare}, {capacity_provider: main}]}}}",
        ),
        error(
            "services.batch.capacity_provider_strategy[0].capacity_provider",
            "did you mean `main`?",
            "{services: {batch: {capacity_provider_strategy: [{capacity_provider: mian}]}}}",
            "{}",
        ),
        error(
            "services.batch.capacity_provider_strategy[1].capacity_provider",
            "in the strategy twice",
            "{services: {batch: {capacity_provider_strategy: [{capacity_provider: main}, {capacity_provider: main}]}}}",
            "{}",
        ),
        error(
            "services.batch.capacity_provider_strategy",
            "Fargate and EC2 are mixed",
            "{services: {batch: {capacity_provider_strategy: [{capacity_provider: main}, {capacity_provider: FARGATE}]}}}",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE_SPOT, weight: 4}, {capacity_provider: FARGATE, base: 1}]}}}",
        ),
        error(
            "services.api.capacity_provider_strategy[1].base",
            "a base of one provider only",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE_SPOT, base: 1}, {capacity_provider: FARGATE, base: 1}]}}}",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE_SPOT, base: 1}, {capacity_provider: FARGATE}]}}}",
        ),
        error(
            "services.api.capacity_provider_strategy",
            "all weights are 0",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE, weight: 0}]}}}",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE, weight: 0, base: 1}, {capacity_provider: FARGATE_SPOT}]}}}",
        ),
        error(
            "services.api.capacity_provider_strategy[0].weight",
            "expected 0 to 1000",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE, weight: 1001}]}}}",
            "{services: {api: {capacity_provider_strategy: [{capacity_provider: FARGATE, weight: 1000}]}}}",
        ),
    ]);
}

#[test]
fn file_systems_are_what_efs_has_and_mounts_can_be_written() {
    hold(&[
        error(
            "file_systems.data.throughput_mode",
            "add `provisioned_throughput_in_mibps`",
            "{file_systems: {data: {throughput_mode: provisioned}}}",
            "{file_systems: {data: {throughput_mode: provisioned, provisioned_throughput_in_mibps: 100}}}",
        ),
        error(
            "file_systems.data.provisioned_throughput_in_mibps",
            "add `throughput_mode: provisioned`",
            "{file_systems: {data: {provisioned_throughput_in_mibps: 100}}}",
            "{file_systems: {data: {throughput_mode: elastic}}}",
        ),
        error(
            "file_systems.data.provisioned_throughput_in_mibps",
            "expected 1 to 3414",
            "{file_systems: {data: {throughput_mode: provisioned, provisioned_throughput_in_mibps: 0.5}}}",
            "{file_systems: {data: {throughput_mode: provisioned, provisioned_throughput_in_mibps: 1.5}}}",
        ),
        error(
            "file_systems.data.performance_mode",
            "no elastic throughput in this mode",
            "{file_systems: {data: {throughput_mode: elastic, performance_mode: maxIO}}}",
            "{file_systems: {data: {throughput_mode: bursting, performance_mode: maxIO}}}",
        ),
        error(
            "file_systems.data.kms_key_id",
            "this is not a KMS key",
            "{file_systems: {data: {kms_key_id: my key}}}",
            "{file_systems: {data: {kms_key_id: alias/data}}}",
        ),
        error(
            "file_systems.data.subnet_ids[0]",
            "an id of a subnet",
            "{file_systems: {data: {subnet_ids: [x]}}}",
            "{file_systems: {data: {subnet_ids: [subnet-1, subnet-2]}}}",
        ),
        error(
            "file_systems.data.access_points.app.root_directory.permissions",
            "these are not permissions",
            "{file_systems: {data: {access_points: {app: {root_directory: {permissions: \"8\"}}}}}}",
            "{file_systems: {data: {access_points: {app: {root_directory: {permissions: \"0755\"}}}}}}",
        ),
        error(
            "file_systems.data.access_points.app.root_directory.path",
            "EFS does not allow this path",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: data}}}}}}",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: /a/b/c/d}}}}}}",
        ),
        error(
            "file_systems.data.access_points.app.root_directory.path",
            "EFS does not allow this path",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: /a/.b}}}}}}",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: /a/b.c}}}}}}",
        ),
        error(
            "file_systems.data.access_points.app.root_directory.path",
            "EFS does not allow this path",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: \"/a&b\"}}}}}}",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: \"/a b\"}}}}}}",
        ),
        error(
            "file_systems.data.access_points.app.root_directory.path",
            "EFS does not allow this path",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: /a/}}}}}}",
            "{file_systems: {data: {access_points: {app: {root_directory: {path: /}}}}}}",
        ),
        error(
            "file_systems.data.expected_size_in_gib",
            "expected 0 or more",
            "{file_systems: {data: {expected_size_in_gib: -1}}}",
            "{file_systems: {data: {expected_size_in_gib: 0}}}",
        ),
        warning(
            "file_systems.spare",
            "no service mounts this file system",
            "{file_systems: {spare: {}}}",
            "{file_systems: {spare: {}}, services: {api: {mount_points: [{file_system: spare, container_path: /x}]}}}",
        ),
        error(
            "services.batch.mount_points[0].file_system",
            "did you mean `data`?",
            "{services: {batch: {mount_points: [{file_system: dta, container_path: /data}]}}}",
            "{}",
        ),
        error(
            "services.batch.mount_points[0].access_point",
            "expected one of `app`",
            "{services: {batch: {mount_points: [{file_system: data, access_point: zebra, container_path: /data}]}}}",
            "{}",
        ),
        error(
            "services.batch.mount_points[1].access_point",
            "add `file_system`",
            "{services: {batch: {mount_points: [{file_system: data, container_path: /data}, {access_point: app, container_path: /x}]}}}",
            "{}",
        ),
        error(
            "services.api.mount_points[1].container_path",
            "mount_points[0] is at this path already",
            "{services: {api: {mount_points: [{container_path: /x}, {container_path: /x/}]}}}",
            "{services: {api: {mount_points: [{container_path: /x}, {container_path: /x/y}]}}}",
        ),
        error(
            "services.api.mount_points[0].container_path",
            "expected an absolute path below /",
            "{services: {api: {mount_points: [{container_path: /}]}}}",
            "{services: {api: {mount_points: [{container_path: /x}]}}}",
        ),
        warning(
            "services.batch.mount_points[0]",
            "the root of a new file system is root's",
            "{services: {batch: {user: \"1000\", mount_points: [{file_system: data, container_path: /data}]}}}",
            "{services: {batch: {user: \"1000\"}}}",
        ),
        error(
            "services.api.enable_execute_command",
            "read-only root file system",
            "{services: {api: {readonly_root_filesystem: true, enable_execute_command: true}}}",
            "{services: {api: {readonly_root_filesystem: true}, batch: {enable_execute_command: true}}}",
        ),
        error(
            "services.api.environment.TEMP_STORAGE_PATH",
            "nothing is mounted there",
            "{services: {api: {readonly_root_filesystem: true, environment: {TEMP_STORAGE_PATH: /tmp/x}, mount_points: [{container_path: /tmp/xy}]}}}",
            "{services: {api: {readonly_root_filesystem: true, environment: {TEMP_STORAGE_PATH: /tmp/x}, mount_points: [{container_path: /tmp}]}}}",
        ),
        error(
            "services.batch.environment.TEMP_STORAGE_PATH",
            "mounted read-only",
            "{services: {batch: {environment: {TEMP_STORAGE_PATH: /data}, mount_points: [{file_system: data, container_path: /data, read_only: true}]}}}",
            "{services: {batch: {environment: {TEMP_STORAGE_PATH: /data/x}}}}",
        ),
        warning(
            "services.api.environment.TEMP_STORAGE_PATH",
            "the scratch space at /tmp is root's",
            "{services: {api: {user: \"1000\", environment: {TEMP_STORAGE_PATH: /tmp}, mount_points: [{container_path: /tmp}]}}}",
            "{services: {api: {user: root, environment: {TEMP_STORAGE_PATH: /tmp}, mount_points: [{container_path: /tmp}]}}}",
        ),
    ]);
}

#[test]
fn buckets_have_names_that_s3_takes_and_that_differ() {
    const MINE: &str = "expected 3 to 63 lowercase letters";
    hold(&[
        error(
            "buckets.bottles.bucket_name",
            MINE,
            "{buckets: {bottles: {bucket_name: Bottles}}}",
            "{buckets: {bottles: {bucket_name: bottles}}}",
        ),
        error(
            "buckets.bottles.bucket_name",
            MINE,
            "{buckets: {bottles: {bucket_name: bottles.example}}}",
            "{buckets: {bottles: {bucket_name: 'bottles-${AWS::AccountId}-${AWS::Region}'}}}",
        ),
        error(
            "buckets.bottles.bucket_name",
            MINE,
            "{buckets: {bottles: {bucket_name: 'a-name-that-is-too-long-with-the-account-that-comes-${AWS::AccountId}'}}}",
            "{buckets: {bottles: {bucket_name: 'a-name-that-is-not-too-long-with-the-account-${AWS::AccountId}'}}}",
        ),
        error(
            "buckets.Bottles",
            "the bucket would be shop-test-Bottles-${AWS::AccountId}",
            "{buckets: {Bottles: {}}}",
            "{buckets: {Bottles: {bucket_name: bottles}}}",
        ),
        error(
            "buckets.two.bucket_name",
            "bucket `one` has this name already",
            "{buckets: {one: {bucket_name: same}, two: {bucket_name: same}}}",
            "{buckets: {one: {bucket_name: same}, two: {bucket_name: other}}}",
        ),
        error(
            "buckets.a_b",
            "differ only in hyphens",
            "{buckets: {a-b: {bucket_name: one}, a_b: {bucket_name: two}}}",
            "{buckets: {a-b: {bucket_name: one}, a_c: {bucket_name: two}}}",
        ),
        error(
            "buckets.bottles.noncurrent_version_days",
            "expected 1 to 36500",
            "{buckets: {bottles: {noncurrent_version_days: 0}}}",
            "{buckets: {bottles: {noncurrent_version_days: 1}}}",
        ),
        error(
            "buckets.bottles.expected_size_in_gib",
            "expected",
            "{buckets: {bottles: {expected_size_in_gib: -1}}}",
            "{buckets: {bottles: {expected_size_in_gib: 0.5}}}",
        ),
    ]);
}

/// The shop with a mirror that says this.
fn mirror(says: &str) -> String {
    format!("{{buckets: {{bottles: {{}}}}, bottle_sync: {{bucket: bottles, {says}}}}}")
}

#[test]
fn a_mirror_is_in_a_bucket_of_the_stack_and_its_tasks_on_fargate() {
    const THROUGHPUT: &str = "file_systems: {data: {throughput_mode: provisioned, \
        provisioned_throughput_in_mibps: 100}}, services: {api: {mount_points: [{file_system: data, \
        access_point: app, container_path: /data}]}}, buckets: {bottles: {}}, bottle_sync: {bucket: bottles";
    let raised = |says: &str| format!("{{{THROUGHPUT}, {says}}}}}");
    let of_api = |says: &str| {
        format!(
            "{{buckets: {{bottles: {{}}}}, bottle_sync: {{bucket: bottles, service: api}}, \
             services: {{api: {{{says}}}}}}}"
        )
    };
    let patient = |says: &str| {
        of_api(&format!("environment: {{{says}}}"))
            .replace("service: api", "service: api, outage_patience_minutes: 45")
    };
    for (at, says, breaks, keeps) in [
        (
            "bottle_sync.bucket",
            "the stack has no bucket `bottle`; did you mean `bottles`?",
            "{buckets: {bottles: {}}, bottle_sync: {bucket: bottle}}".to_owned(),
            mirror(""),
        ),
        (
            "bottle_sync.bucket",
            "add it to `buckets`",
            "{bottle_sync: {bucket: bottles}}".to_owned(),
            mirror(""),
        ),
        (
            "bottle_sync.service",
            "the stack has no service `sync`",
            mirror("service: sync"),
            mirror("service: api"),
        ),
        (
            "bottle_sync.service",
            "its tasks run on instances",
            mirror("service: batch"),
            mirror("service: api"),
        ),
        (
            "services.api.environment.S3_BUCKET_NAME",
            "expected shop-test-bottles-${AWS::AccountId}",
            of_api("environment: {S3_BUCKET_NAME: other}"),
            of_api("environment: {S3_BUCKET_NAME: 'shop-test-bottles-${AWS::AccountId}'}"),
        ),
        (
            "services.api.environment.EVENT_BUS_NAME",
            "expected longshore",
            of_api("environment: {EVENT_BUS_NAME: other}"),
            of_api("environment: {EVENT_BUS_NAME: longshore}"),
        ),
        (
            "services.api.environment.OUTAGE_PATIENCE_SECONDS",
            "expected 2700",
            patient("OUTAGE_PATIENCE_SECONDS: '1800'"),
            patient("OUTAGE_PATIENCE_SECONDS: '2700'"),
        ),
        (
            "services.api.environment.OUTAGE_PATIENCE_SECONDS",
            "expected 2700",
            patient("OUTAGE_PATIENCE_SECONDS: '1800'"),
            of_api("environment: {OUTAGE_PATIENCE_SECONDS: '1800'}"),
        ),
        (
            "bottle_sync.schedule_expression",
            "this is not a schedule",
            mirror("schedule_expression: nightly"),
            mirror("schedule_expression: cron(0 3 * * ? *)"),
        ),
        (
            "bottle_sync.schedule_expression_timezone",
            "this is not a time zone",
            mirror("schedule_expression_timezone: +01"),
            mirror("schedule_expression_timezone: Europe/Berlin"),
        ),
        (
            "bottle_sync.index_url",
            "this is not a URL of an index",
            mirror("index_url: http://mirror.example:80/api/formula.json"),
            mirror(
                "index_url: http://mirror.example:80/api/formula.json, private_hosts: [mirror.example:80]",
            ),
        ),
        (
            "bottle_sync.index_url",
            "this is not a URL of an index",
            mirror("index_url: formula.json"),
            mirror("index_url: https://mirror.example/api/formula.json"),
        ),
        (
            "bottle_sync.index_url",
            "this is not a URL of an index",
            mirror("index_url: 'https://${AWS::Region}.mirror.example/formula.json'"),
            mirror("index_url: 'https://${environment}.mirror.example/formula.json'"),
        ),
        (
            "bottle_sync.private_hosts[0]",
            "this is not a host",
            mirror("private_hosts: [mirror.example]"),
            mirror("private_hosts: [mirror.example:8443, 10.0.0.1:80]"),
        ),
        (
            "bottle_sync.private_hosts[1]",
            "link-local and metadata addresses are not asked",
            mirror("private_hosts: [mirror.example:8443, 169.254.169.254:80]"),
            mirror("private_hosts: [mirror.example:8443, 169.253.169.254:80]"),
        ),
        (
            "bottle_sync.index_url",
            "link-local and metadata addresses are not asked",
            mirror("index_url: https://169.254.169.254/api/formula.json"),
            mirror("index_url: https://169.253.169.254/api/formula.json"),
        ),
        (
            "bottle_sync.platforms[0]",
            "this is not a tag of a platform",
            mirror("platforms: [arm64-tahoe]"),
            mirror("platforms: [arm64_tahoe]"),
        ),
        (
            "bottle_sync.formulae[0]",
            "this is not a name of a formula",
            mirror("formulae: [../git]"),
            mirror("formulae: [\"python@*\", mysql++]"),
        ),
        (
            "bottle_sync.function_name",
            "Lambda does not allow this name",
            mirror("function_name: 'arn:aws:lambda:x'"),
            mirror("function_name: harbour-sync"),
        ),
        (
            "bottle_sync.event_bus_name",
            "EventBridge does not allow this name",
            mirror("event_bus_name: a/b"),
            mirror("event_bus_name: a.b"),
        ),
        (
            "bottle_sync.deletion.grace_days",
            "expected 0 to 36500",
            mirror("deletion: {grace_days: 40000}"),
            mirror("deletion: {grace_days: 0}"),
        ),
        (
            "bottle_sync.deletion.max_files",
            "expected 1 to 10000000",
            mirror("deletion: {max_files: 0}"),
            mirror("deletion: {max_files: 1}"),
        ),
        (
            "bottle_sync.deletion.max_share_percent",
            "expected 1 to 100",
            mirror("deletion: {max_share_percent: 101}"),
            mirror("deletion: {max_share_percent: 100}"),
        ),
        (
            "bottle_sync.outage_patience_minutes",
            "expected 0 to 360",
            mirror("outage_patience_minutes: 361"),
            mirror("outage_patience_minutes: 360"),
        ),
        (
            "bottle_sync.raised_throughput_in_mibps",
            "there is no throughput to raise",
            raised("raised_throughput_in_mibps: 300"),
            raised("service: api, raised_throughput_in_mibps: 300"),
        ),
        (
            "bottle_sync.raised_throughput_in_mibps",
            "this raises nothing",
            raised("service: api, raised_throughput_in_mibps: 100"),
            raised("service: api, raised_throughput_in_mibps: 101"),
        ),
    ] {
        let found = problems(&breaks);
        assert!(
            found.len() == 1
                && is_at(&found[0], at)
                && found[0].message.contains(says)
                && found[0].severity == Severity::Error,
            "{breaks} was to say {says:?} at {at}: {found:#?}"
        );
        assert_eq!(problems(&keeps), [], "{keeps}");
    }
}

#[test]
fn a_name_that_no_formula_can_have_is_warned_of() {
    let found = problems(&mirror("formulae: [Wget, \"x?\"]"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].severity),
        ("bottle_sync.formulae[0]", Severity::Warning)
    );
    assert!(found[0].message.contains("lower case"));
}

#[test]
fn the_smallest_mirror_has_no_warning() {
    let stack = "name: homebrew-bottles
network: {vpc_id: vpc-0a1b2c3d4e5f60718, subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-0b1c2d3e4f5061728]}
buckets: {bottles: {}}
bottle_sync: {bucket: bottles, schedule_expression: cron(0 3 * * ? *), platforms: [arm64_tahoe, x86_64_linux]}
services: {}
";
    let reading = read(stack.as_bytes(), &Selection::Environment(None)).unwrap();
    assert_eq!(reading.warnings, []);
}

#[test]
fn a_role_of_somebody_else_is_given_no_right_to_a_mirror() {
    let found = problems(
        "{buckets: {bottles: {}}, bottle_sync: {bucket: bottles, service: api}, \
         services: {api: {task_role_arn: 'arn:aws:iam::123456789012:role/run'}}}",
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(
        (found[0].path.as_str(), found[0].severity),
        ("services.api.task_role_arn", Severity::Warning)
    );
}

#[test]
fn services_scale_by_something_and_can_come_back_from_none() {
    hold(&[
        error(
            "services.api.scaling.min_capacity",
            "expected at most `max_capacity`, 2",
            "{services: {api: {scaling: {min_capacity: 3, max_capacity: 2, target_cpu_utilization: 70}}}}",
            "{services: {api: {scaling: {min_capacity: 2, max_capacity: 2, target_cpu_utilization: 70}}}}",
        ),
        error(
            "services.api.scaling.max_capacity",
            "expected 1 to 5000",
            "{services: {api: {scaling: {min_capacity: 0, max_capacity: 0, target_cpu_utilization: 70}}}}",
            "{services: {api: {scaling: {max_capacity: 5000, target_cpu_utilization: 70}}}}",
        ),
        error(
            "services.api.scaling",
            "there is nothing to scale by",
            "{services: {api: {scaling: {max_capacity: 2}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_memory_utilization: 80}}}}",
        ),
        error(
            "services.api.scaling.target_cpu_utilization",
            "expected 0 to 100",
            "{services: {api: {scaling: {max_capacity: 2, target_cpu_utilization: 101}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_cpu_utilization: 99.5}}}}",
        ),
        error(
            "services.batch.scaling.target_requests_per_task",
            "add `target_group`",
            "{services: {batch: {scaling: {max_capacity: 2, target_requests_per_task: 100}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 100}}}}",
        ),
        error(
            "services.api.scaling.target_requests_per_task",
            "not behind `target_group_arn`",
            "{load_balancer: null, services: {api: {target_group: {target_group_arn: \"arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/x/1\"}, scaling: {max_capacity: 2, target_requests_per_task: 100}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 0.5}}}}",
        ),
        error(
            "services.api.scaling.target_requests_per_task",
            "expected more than 0",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 0}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_requests_per_task: 1}}}}",
        ),
        warning(
            "services.api.scaling.min_capacity",
            "that could bring it back",
            "{services: {api: {scaling: {min_capacity: 0, max_capacity: 2, target_cpu_utilization: 70}}}}",
            "{services: {api: {scaling: {min_capacity: 0, max_capacity: 2, custom_metrics: [{namespace: Shop, metric_name: Waiting, target_value: 10}]}}}}",
        ),
        error(
            "services.api.scaling.custom_metrics[0].target_value",
            "expected more than 0",
            "{services: {api: {scaling: {max_capacity: 2, custom_metrics: [{namespace: Shop, metric_name: Waiting, target_value: 0}]}}}}",
            "{services: {api: {scaling: {max_capacity: 2, custom_metrics: [{namespace: AWS/SQS, metric_name: Waiting, target_value: 0.1}]}}}}",
        ),
        error(
            "services.api.scaling.custom_metrics[0].namespace",
            "CloudWatch does not allow this name",
            "{services: {api: {scaling: {max_capacity: 2, custom_metrics: [{namespace: \"\", metric_name: Waiting, target_value: 1}]}}}}",
            "{services: {api: {scaling: {max_capacity: 2, custom_metrics: [{namespace: S, metric_name: Waiting, target_value: 1}]}}}}",
        ),
        error(
            "services.api.scaling.scale_in_evaluation_periods",
            "expected 1 to 1440",
            "{services: {api: {scaling: {max_capacity: 2, target_cpu_utilization: 70, scale_in_evaluation_periods: 0}}}}",
            "{services: {api: {scaling: {max_capacity: 2, target_cpu_utilization: 70, scale_in_evaluation_periods: 5}}}}",
        ),
        error(
            "services.api.desired_count",
            "expected 0 to 5000",
            "{services: {api: {desired_count: 5001}}}",
            "{services: {api: {desired_count: 0}}}",
        ),
    ]);
}

#[test]
fn schedules_are_as_the_scheduler_takes_them() {
    hold(&[
        error(
            "services.api.schedules.night.schedule_expression",
            "this is not a schedule",
            "{services: {api: {schedules: {night: {schedule_expression: daily}}}}}",
            "{services: {api: {schedules: {night: {schedule_expression: rate(1 day)}}}}}",
        ),
        error(
            "services.api.schedules.night.schedule_expression",
            "has 5 fields",
            "{services: {api: {schedules: {night: {schedule_expression: cron(0 3 * * *)}}}}}",
            "{services: {api: {schedules: {night: {schedule_expression: cron(0 3 * * ? *)}}}}}",
        ),
        error(
            "services.api.schedules.night.schedule_expression_timezone",
            "this is not a time zone",
            "{services: {api: {schedules: {night: {schedule_expression: rate(1 day), schedule_expression_timezone: \"+01:00\"}}}}}",
            "{services: {api: {schedules: {night: {schedule_expression: rate(1 day), schedule_expression_timezone: Europe/Berlin}}}}}",
        ),
        error(
            "services.api.schedules.night.task_count",
            "expected 1 to 10",
            "{services: {api: {schedules: {night: {schedule_expression: rate(1 day), task_count: 11}}}}}",
            "{services: {api: {schedules: {night: {schedule_expression: rate(1 day), task_count: 10}}}}}",
        ),
        error(
            "services.api.schedules[\"a b\"]",
            "this is not a name",
            "{services: {api: {schedules: {\"a b\": {schedule_expression: rate(1 day)}}}}}",
            "{services: {api: {schedules: {a-b: {schedule_expression: rate(1 day)}}}}}",
        ),
    ]);
}

#[test]
fn deployments_can_replace_tasks() {
    hold(&[
        error(
            "services.api.deployment_configuration.maximum_percent",
            "more than `minimum_healthy_percent`, 100",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 100, maximum_percent: 100}}}}",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 0, maximum_percent: 100}}}}",
        ),
        error(
            "services.api.deployment_configuration.minimum_healthy_percent",
            "expected 0 to 100",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 101}}}}",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 50}}}}",
        ),
        error(
            "services.api.deployment_configuration.maximum_percent",
            "expected 100 to 200",
            "{services: {api: {deployment_configuration: {maximum_percent: 201}}}}",
            "{services: {api: {deployment_configuration: {maximum_percent: 150}, desired_count: 2}}}",
        ),
        warning(
            "services.api.deployment_configuration",
            "so that none can be replaced",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 50, maximum_percent: 100}}}}",
            "{services: {api: {deployment_configuration: {minimum_healthy_percent: 50, maximum_percent: 100}, desired_count: 2}}}",
        ),
        error(
            "services.api.availability_zone_rebalancing",
            "`maximum_percent`, 100, leaves no room",
            "{services: {api: {desired_count: 2, availability_zone_rebalancing: true, deployment_configuration: \
             {minimum_healthy_percent: 50, maximum_percent: 100}}}}",
            "{services: {api: {desired_count: 2, availability_zone_rebalancing: false, deployment_configuration: \
             {minimum_healthy_percent: 50, maximum_percent: 100}}}}",
        ),
        error(
            "services.api.deployment_configuration.deployment_circuit_breaker.threshold_configuration.value",
            "expected 1 or more",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: \
             {threshold_configuration: {type: COUNT, value: 0}}}}}}",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: \
             {enable: true, rollback: true, threshold_configuration: {type: COUNT, value: 3}}}}}}",
        ),
        error(
            "services.api.deployment_configuration.deployment_circuit_breaker.threshold_configuration",
            "while the circuit breaker is off",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: \
             {enable: false, threshold_configuration: {type: COUNT, value: 3}}}}}}",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: {enable: false}}}}}",
        ),
        error(
            "environments.test.services.api.deployment_configuration.deployment_circuit_breaker",
            "expected true, false or a map",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: often}}}}",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: {reset_on_healthy_task: false}}}}}",
        ),
        warning(
            "services.api.deployment_configuration.deployment_circuit_breaker.rollback",
            "nothing goes back",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: {rollback: false}}}}}",
            "{services: {api: {deployment_configuration: {deployment_circuit_breaker: true}}}}",
        ),
    ]);
}

#[test]
fn logs_alarms_and_roles_are_what_aws_has() {
    hold(&[
        error(
            "logs.retention_in_days",
            "expected 1, 3, 5, 7, 14, 30",
            "{logs: {retention_in_days: 31}}",
            "{logs: {retention_in_days: 90}}",
        ),
        error(
            "network.flow_logs.retention_in_days",
            "does not keep logs for 2 days",
            "{network: {flow_logs: {retention_in_days: 2}}}",
            "{network: {flow_logs: {retention_in_days: 3}}}",
        ),
        error(
            "events.retention_in_days",
            "does not keep logs for 2 days",
            "{events: {retention_in_days: 2}}",
            "{events: {}}",
        ),
        error(
            "logs.encryption",
            "add `kms_key_id`",
            "{logs: {encryption: kms_key}}",
            "{logs: {encryption: kms_key, kms_key_id: \"arn:aws:kms:eu-west-1:111122223333:key/x\"}}",
        ),
        error(
            "logs.kms_key_id",
            "add `encryption: kms_key`",
            "{logs: {kms_key_id: \"arn:aws:kms:eu-west-1:111122223333:key/x\"}}",
            "{logs: {encryption: stack_key}}",
        ),
        error(
            "logs.kms_key_id",
            "the ARN of a key",
            "{logs: {encryption: kms_key, kms_key_id: alias/x}}",
            "{logs: {encryption: kms_key, kms_key_id: \"arn:aws:kms:${AWS::Region}:${AWS::AccountId}:key/x\"}}",
        ),
        error(
            "alarms.alarm_actions[0]",
            "this is not an ARN",
            "{alarms: {alarm_actions: [me@shop.example]}}",
            "{alarms: {alarm_actions: [\"arn:aws:sns:eu-west-1:1:x\"]}}",
        ),
        warning(
            "cluster.container_insights",
            "stays silent",
            "{alarms: {}, cluster: {container_insights: disabled}}",
            "{alarms: {}, cluster: {container_insights: enhanced}}",
        ),
        error(
            "alarms.cpu_utilization",
            "at most 100",
            "{alarms: {cpu_utilization: 0}}",
            "{alarms: {cpu_utilization: 80}}",
        ),
        error(
            "alarms.target_5xx_count",
            "expected 0 or more",
            "{alarms: {target_5xx_count: -1}}",
            "{alarms: {target_5xx_count: 0}}",
        ),
        error(
            "services.api.task_role_arn",
            "an ARN of a role",
            "{services: {api: {task_role_arn: role/x}}}",
            "{services: {api: {task_role_arn: \"arn:aws:iam::111122223333:role/x\"}}}",
        ),
        warning(
            "services.api.task_role_arn",
            "a role of another stack",
            "{services: {api: {task_role_arn: \"arn:aws:iam::111122223333:role/longshore/billing-TaskRoleApi-1\"}}}",
            "{services: {api: {task_role_arn: \"arn:aws:iam::111122223333:role/longshore/shop-test-TaskRoleApi-1\"}}}",
        ),
        warning(
            "services.api.execution_role_arn",
            "a role of another stack",
            "{services: {api: {execution_role_arn: \"arn:aws:iam::1:role/longshore/shop-ExecutionRoleApi-1\"}}}",
            "{services: {api: {execution_role_arn: \"arn:aws:iam::1:role/shop\"}}}",
        ),
        error(
            "services.api.task_role_policy_arns",
            "attach them to that one",
            "{services: {api: {task_role_arn: \"arn:aws:iam::1:role/x\", task_role_policy_arns: [\"arn:aws:iam::aws:policy/x\"]}}}",
            "{services: {api: {task_role_policy_arns: [\"arn:aws:iam::aws:policy/x\"]}}}",
        ),
        error(
            "services.api.execution_role_policy_arns[0]",
            "an ARN of a policy",
            "{services: {api: {execution_role_policy_arns: [x]}}}",
            "{services: {api: {execution_role_policy_arns: [\"arn:${AWS::Partition}:iam::aws:policy/x\"]}}}",
        ),
        error(
            "services.api.task_role_statements",
            "or leave `task_role_arn` out",
            "{services: {api: {task_role_arn: \"arn:aws:iam::1:role/x\", task_role_statements: [{actions: [\"s3:GetObject\"], resources: [\"arn:aws:s3:::x/*\"]}]}}}",
            "{services: {api: {task_role_statements: [{actions: [\"s3:GetObject\"], resources: [\"arn:aws:s3:::x/*\"]}]}}}",
        ),
        error(
            "services.api.task_role_statements[0].actions",
            "says nothing",
            "{services: {api: {task_role_statements: [{actions: [], resources: [\"*\"]}]}}}",
            "{services: {api: {task_role_statements: [{actions: [\"s3:List*\"], resources: [\"*\"]}]}}}",
        ),
        error(
            "services.api.task_role_statements[0].actions[0]",
            "this is not an action",
            "{services: {api: {task_role_statements: [{actions: [GetObject], resources: [\"*\"]}]}}}",
            "{services: {api: {task_role_statements: [{actions: [\"s3:GetObject\"], resources: [\"*\"]}]}}}",
        ),
        error(
            "services.api.task_role_statements[0].resources[0]",
            "this is not an ARN",
            "{services: {api: {task_role_statements: [{actions: [\"s3:GetObject\"], resources: [bucket]}]}}}",
            "{services: {api: {task_role_statements: [{actions: [\"s3:GetObject\"], resources: [\"arn:aws:s3:::bucket/*\"]}]}}}",
        ),
        warning(
            "services.api.task_role_statements[0]",
            "everything with everything",
            "{services: {api: {task_role_statements: [{actions: [\"*\"], resources: [\"*\"]}]}}}",
            "{services: {api: {task_role_statements: [{effect: Deny, actions: [\"*\"], resources: [\"*\"]}]}}}",
        ),
        error(
            "services.api.expected_task_count",
            "expected 0 or more",
            "{services: {api: {expected_task_count: -0.5}}}",
            "{services: {api: {expected_task_count: 0.5}}}",
        ),
        error(
            "network.expected_data_out_gib_per_month",
            "expected 0 or more",
            "{network: {expected_data_out_gib_per_month: -1}}",
            "{network: {expected_data_out_gib_per_month: 0}}",
        ),
        error(
            "network.expected_cross_zone_gib_per_month",
            "expected 0 or more",
            "{network: {expected_cross_zone_gib_per_month: -1}}",
            "{network: {expected_cross_zone_gib_per_month: 0}}",
        ),
        error(
            "network.flow_logs.expected_gib_per_month",
            "expected 0 or more",
            "{network: {flow_logs: {expected_gib_per_month: -1}}}",
            "{network: {flow_logs: {expected_gib_per_month: 0}}}",
        ),
        error(
            "events.expected_gib_per_month",
            "expected 0 or more",
            "{events: {expected_gib_per_month: -1}}",
            "{events: {expected_gib_per_month: 0}}",
        ),
        error(
            "load_balancer.expected_capacity_units",
            "expected 0 or more",
            "{load_balancer: {expected_capacity_units: -1}}",
            "{load_balancer: {expected_capacity_units: 0}}",
        ),
        error(
            "capacity.main.expected_instance_count",
            "expected 0 or more",
            "{capacity: {main: {expected_instance_count: -1}}}",
            "{capacity: {main: {expected_instance_count: 0}}}",
        ),
        error(
            "file_systems.data.expected_read_gib_per_month",
            "expected 0 or more",
            "{file_systems: {data: {expected_read_gib_per_month: -1}}}",
            "{file_systems: {data: {expected_read_gib_per_month: 0}}}",
        ),
        error(
            "file_systems.data.expected_written_gib_per_month",
            "expected 0 or more",
            "{file_systems: {data: {expected_written_gib_per_month: -1}}}",
            "{file_systems: {data: {expected_written_gib_per_month: 0}}}",
        ),
        error(
            "file_systems.data.expected_requests_per_month",
            "expected 0 or more",
            "{file_systems: {data: {expected_requests_per_month: -1}}}",
            "{file_systems: {data: {expected_requests_per_month: 0}}}",
        ),
        error(
            "logs.expected_gib_per_month",
            "expected 0 or more",
            "{logs: {expected_gib_per_month: -1}}",
            "{logs: {expected_gib_per_month: 5}}",
        ),
    ]);
}

#[test]
fn a_stack_is_not_larger_than_cloudformation_takes() {
    let stack_of = |services: usize| {
        let services: String = (0..services)
            .map(|number| format!("s{number}: {{image: \"shop/x:v1\"}}, "))
            .collect();
        problems(&format!("{{services: {{{services}}}}}"))
    };
    assert_eq!(stack_of(40), []);
    let found = stack_of(200);
    assert_eq!(found[0].path, "services");
    assert!(
        found[0]
            .message
            .contains("expected at most the 500 that CloudFormation takes"),
        "{found:#?}"
    );
    let secrets: String = (0..201)
        .map(|number| format!("S{number}: {{value: x}}, "))
        .collect();
    let found = problems(&format!(
        "{{services: {{api: {{secrets: {{{secrets}}}}}}}}}"
    ));
    assert!(
        found[0].message.contains("at most the 200 parameters"),
        "{found:#?}"
    );
}

#[test]
fn an_empty_stack_is_only_warned_of() {
    let text =
        "name: shop\nnetwork: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}\nservices: {}\n";
    let reading = read(text.as_bytes(), &Selection::Environment(None)).unwrap();
    assert_eq!(reading.warnings[0].path, "services");
}

fn subnet(zone: &str, vpc: &str) -> Subnet {
    Subnet {
        availability_zone: zone.to_owned(),
        vpc_id: vpc.to_owned(),
    }
}

/// Everything that the shop needs.
fn surroundings() -> Surroundings {
    let subnets = [
        ("subnet-0a1b2c3d", "a"),
        ("subnet-1a1b2c3d", "b"),
        ("subnet-2a1b2c3d", "a"),
        ("subnet-3a1b2c3d", "b"),
    ];
    Surroundings {
        subnets: subnets
            .map(|(id, zone)| (id.to_owned(), subnet(zone, "vpc-0a1b2c3d")))
            .into(),
        ..Surroundings::default()
    }
}

// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
#[cfg(test)]
fn located(overlay: &str, surroundings: &Surroundings) -> Vec<Problem> {
    let reading = shop(overlay).unwrap();
    reading.locate(check_surroundings(&reading.stack, surroundings))
}

#[test]
fn no_stack_names_an_address_at_which_a_machine_answers_however_it_is_written() {
    for host in [
        "169.254.169.254:80",
        "169.254.170.2:80",
        "169.254.100.1:9001",
        "2852039166:80",
        "0xa9fea9fe:80",
        "0251.0376.0251.0376:80",
        "169.254.43518:80",
        "169.254.169.254",
        "[fe80::1]:80",
        "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:a9fe:a9fe]:80",
        "[64:ff9b::a9fe:a9fe]:80",
    ] {
        let found = problems(&mirror(&format!("private_hosts: [\"{host}\"]")));
        assert!(
            found.len() == 1
                && found[0].path == "bottle_sync.private_hosts[0]"
                && found[0]
                    .message
                    .contains("are not asked, whatever is listed here")
                && found[0].severity == Severity::Error,
            "{host}: {found:#?}"
        );
    }
}

#[test]
fn a_mirror_names_loopback_on_a_local_cloud_only() {
    let on_loopback = Surroundings {
        is_on_loopback: true,
        ..surroundings()
    };
    let in_an_account = surroundings();
    for host in [
        "localhost:8080",
        "LOCALHOST:8080",
        "registry.localhost:8080",
        "127.0.0.1:9001",
        "127.1:9001",
        "2130706433:9001",
        "0x7f.0.0.1:9001",
        "0.0.0.0:9001",
    ] {
        let reading = shop(&mirror(&format!("private_hosts: [\"{host}\"]"))).unwrap();
        let found = |problems: Vec<Problem>| -> Vec<Problem> {
            let of_mirror = |problem: &Problem| problem.path.starts_with("bottle_sync");
            problems.into_iter().filter(of_mirror).collect()
        };
        let planned = found(reading.locate(check_surroundings(&reading.stack, &in_an_account)));
        let validated = found(reading.locate(check_without_surroundings(&reading.stack)));
        assert_eq!(planned, validated, "{host}");
        assert!(
            planned.len() == 1
                && planned[0].path == "bottle_sync.private_hosts[0]"
                && planned[0].message.contains("on a local cloud only")
                && planned[0].severity == Severity::Error,
            "{host}: {planned:#?}"
        );
        let local = found(reading.locate(check_surroundings(&reading.stack, &on_loopback)));
        assert_eq!(local, [], "{host}");
    }
    let index = shop(&mirror("index_url: https://localhost/api/formula.json")).unwrap();
    let found = index.locate(check_without_surroundings(&index.stack));
    assert_eq!(found[0].path, "bottle_sync.index_url");
}

#[test]
fn what_must_be_there_is_asked_for() {
    let reading = shop(
        "{services: {api: {secrets: {A: {value_from: a}, B: {value_from: \"arn:aws:ssm:r:1:parameter/b\"}, C: {value: c}, \
         D: {value_from: \"${AWS::Region}/d\"}}}, web: {image: \"ghcr.io/shop/web:v1\", subnet_ids: [subnet-9]}}}",
    )
    .unwrap();
    let needs = needs(&reading.stack);
    assert_eq!(
        needs.repositories,
        BTreeSet::from(["shop/api".to_owned(), "shop/batch".to_owned()])
    );
    assert_eq!(
        needs
            .images
            .iter()
            .map(|(name, image)| format!("{name} {image}"))
            .collect::<Vec<_>>(),
        ["services.api shop/api:v1", "services.batch shop/batch:v1"]
    );
    assert_eq!(needs.secrets, BTreeSet::from(["a".to_owned()]));
    assert_eq!(needs.subnets.len(), 5);
    assert_eq!(located("{}", &surroundings()), []);
    let mut there = surroundings();
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-AbCdEf";
    there.secrets.insert("a".to_owned(), arn.to_owned());
    let overlay = "{services: {api: {secrets: {A: {value_from: a}}}}}";
    assert_eq!(located(overlay, &there), []);
}

#[test]
fn a_name_that_looks_like_the_end_of_an_arn_is_reported_where_nobody_is_asked() {
    for (name, is_reported) in [
        ("shop/prod/app-config", true),
        ("shop/prod/config", false),
        ("shop/prod/app-configs", false),
        // A complete ARN is what it looks like.
        (
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop-AbCdEf",
            false,
        ),
    ] {
        let overlay =
            format!("{{services: {{api: {{secrets: {{A: {{value_from: \"{name}\"}}}}}}}}}}");
        let reading = shop(&overlay).unwrap();
        assert_eq!(reading.warnings, [], "`plan` asks for it");
        let found = reading.locate(check_without_surroundings(&reading.stack));
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        if is_reported {
            assert_eq!(paths, ["services.api.secrets.A.value_from"], "{name}");
            assert_eq!(found[0].severity, Severity::Warning);
            assert!(found[0].line.is_some());
        } else {
            assert!(paths.is_empty(), "{name}: {found:#?}");
        }
    }
}

#[test]
fn what_is_not_there_is_reported_at_its_place() {
    let mut missing = surroundings();
    missing.missing_repositories.insert("shop/api".to_owned());
    missing.missing_images = ["services.api".to_owned(), "services.batch".to_owned()].into();
    missing.subnets.remove("subnet-1a1b2c3d");
    missing
        .subnets
        .insert("subnet-3a1b2c3d".to_owned(), subnet("b", "vpc-2"));
    let found = located(
        "{services: {api: {secrets: {A: {value_from: a}}}}}",
        &missing,
    );
    let lines: Vec<String> = found
        .iter()
        .map(|problem| {
            format!(
                "{}: {}: {}",
                problem.line.unwrap(),
                problem.path,
                problem.message
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "5: network.subnet_ids[1]: there is no subnet subnet-1a1b2c3d in this account and region; correct \
             network.subnet_ids[1]",
            "7: load_balancer.subnet_ids[1]: subnet subnet-3a1b2c3d is in vpc-2, expected one of the stack's VPC \
             vpc-0a1b2c3d",
            "17: services.api.image: no ECR repository shop/api in this account and region: create it, or correct \
             services.api.image",
            "21: services.batch.image: ECR repository shop/batch does not hold image shop/batch:v1: push it first, or \
             correct services.batch.image; ECS would try for hours to start tasks without it",
            "27: services.api.secrets.A.value_from: there is no secret `a` in Secrets Manager of this account and \
             region: create it, or correct services.api.secrets.A.value_from",
        ]
    );
}

/// The shop with this laid over it, whose service api has no image yet, after it was decided what waits.
// Clippy takes the functions beside `#[test]` functions for tests only when it is configured so.
#[cfg(test)]
fn waiting(overlay: &str) -> (Stack, Vec<Problem>, Vec<Problem>) {
    let reading = shop(overlay).unwrap();
    let mut stack = reading.stack.clone();
    let mut surroundings = surroundings();
    surroundings.missing_images = ["services.api".to_owned()].into();
    let waiting = wait_for_images(&mut stack, &mut surroundings, |service| service == "api");
    let problems = reading.locate(check_surroundings(&stack, &surroundings));
    let errors = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error);
    (stack, reading.locate(waiting), errors.collect())
}

#[test]
fn a_service_whose_image_is_not_there_yet_waits_without_tasks_and_is_told_how_many_it_gets() {
    for (overlay, first_tasks) in [
        ("{services: {api: {desired_count: 3}}}", 3),
        (
            "{services: {api: {scaling: {min_capacity: 2, max_capacity: 4, target_cpu_utilization: 70}}}}",
            2,
        ),
    ] {
        let (stack, waiting, errors) = waiting(overlay);
        assert_eq!(errors, [], "{overlay}");
        assert_eq!(waiting.len(), 1, "{overlay}");
        assert_eq!(waiting[0].path, "services.api.image");
        assert_eq!(waiting[0].severity, Severity::Warning);
        assert!(
            waiting[0].message.contains(
                "does not hold image shop/api:v1 yet, so the service waits without tasks: push it"
            ),
            "{}",
            waiting[0].message
        );
        let api = &stack.services["api"];
        assert_eq!(api.desired_count, Some(0), "{overlay}");
        assert!(api.scaling.is_none(), "{overlay}");
        assert_eq!(api.rollout.first_tasks, Some(first_tasks), "{overlay}");
    }
}

#[test]
fn a_service_that_cannot_run_without_tasks_is_refused_without_its_image() {
    let overlay = "{services: {api: {deployment_configuration: {strategy: BLUE_GREEN}}}}";
    let (stack, waiting, errors) = waiting(overlay);
    assert_eq!(waiting, []);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].message.contains("push it first"), "{errors:#?}");
    assert_eq!(stack.services["api"].rollout.first_tasks, None);
}

#[test]
fn a_load_balancer_has_one_subnet_a_zone() {
    let mut surroundings = surroundings();
    let third = "subnet-4a1b2c3d";
    surroundings
        .subnets
        .insert(third.to_owned(), subnet("a", "vpc-0a1b2c3d"));
    let overlay =
        format!("{{load_balancer: {{subnet_ids: [subnet-2a1b2c3d, subnet-3a1b2c3d, {third}]}}}}");
    let found = located(&overlay, &surroundings);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].path, "load_balancer.subnet_ids[2]");
    assert!(
        found[0]
            .message
            .contains("subnets subnet-2a1b2c3d and subnet-4a1b2c3d are both in a"),
        "{found:#?}"
    );
}

#[test]
fn zones_are_those_that_load_balancers_and_file_systems_need() {
    let mut one_zone = surroundings();
    one_zone.subnets = BTreeMap::from(
        [
            "subnet-0a1b2c3d",
            "subnet-1a1b2c3d",
            "subnet-2a1b2c3d",
            "subnet-3a1b2c3d",
        ]
        .map(|id| (id.to_owned(), subnet("a", "vpc-0a1b2c3d"))),
    );
    let found = located("{}", &one_zone);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].path, "load_balancer.subnet_ids");
    assert!(found[0].message.contains("all subnets are in a"));
    assert_eq!(found[1].path, "file_systems.data.subnet_ids");
    assert!(found[1].message.contains("one mount target a zone"));
}
