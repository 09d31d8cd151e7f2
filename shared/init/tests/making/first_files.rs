//! Files of other tools become stack files that Longshore takes, and what is lost is said.

use std::fs;
use std::path::PathBuf;

use longshore_init::questions::{Answers, check, next_question};
use longshore_init::{File, Parameters, StackFile, from_answers, from_files, named_files};
use longshore_stack::read::{Selection, environments, read};
use longshore_stack::render::{Context, render};
use longshore_stack::spec::{Scheme, Service, Stack};

use crate::support::parameters;

fn input(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/inputs");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn made_with(names: &[&str], parameters: &Parameters) -> Result<StackFile, String> {
    let contents: Vec<Vec<u8>> = names.iter().map(|name| input(name)).collect();
    let files: Vec<File<'_>> = names
        .iter()
        .zip(&contents)
        .map(|(name, content)| File { name, content })
        .collect();
    from_files(&files, "blog", parameters).map_err(|error| error.to_string())
}

fn made(names: &[&str]) -> StackFile {
    made_with(names, &parameters()).unwrap_or_else(|error| panic!("{error}"))
}

/// The stack of each environment, rendered too.
fn stacks(file: &StackFile) -> Vec<Stack> {
    let bytes = file.text.as_bytes();
    let names = environments(bytes);
    let selections: Vec<Option<&str>> = match &names[..] {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    selections
        .into_iter()
        .map(|environment| {
            let stack = read(bytes, &Selection::Environment(environment))
                .unwrap_or_else(|problems| panic!("{}\n{problems:?}", file.text))
                .stack;
            render(&stack, &Context::default());
            stack
        })
        .collect()
}

fn stack(file: &StackFile) -> Stack {
    stacks(file).remove(0)
}

fn variable<'a>(service: &'a Service, name: &str) -> Option<&'a str> {
    service.environment.get(name).map(|value| value.as_str())
}

/// Asserts that a note of this path says this.
#[track_caller]
fn assert_noted(file: &StackFile, path: &str, words: &str) {
    let notes: Vec<String> = file.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains(path) && note.contains(words)),
        "no note of {path} says {words}:\n{}",
        notes.join("\n")
    );
}

#[test]
fn a_load_balanced_web_service_keeps_its_requests_its_size_and_its_environments() {
    let file = made(&["copilot/frontend.yml"]);
    let all = stacks(&file);
    let [prod, test] = &all[..] else {
        panic!("expected two environments")
    };
    assert_eq!(prod.stack_name(), "frontend-prod");
    assert_eq!(
        prod.load_balancer.as_ref().unwrap().scheme,
        Scheme::InternetFacing
    );
    let service = &prod.services["frontend"];
    assert_eq!((service.cpu, service.memory), (1024, 2048));
    // 300 CPU units and 700 MiB do not exist.
    assert_eq!(
        (
            test.services["frontend"].cpu,
            test.services["frontend"].memory
        ),
        (512, 1024)
    );
    assert_noted(&file, "copilot/frontend.yml", "300 CPU units with 700 MiB");
    let group = service.target_group.as_ref().unwrap();
    assert_eq!(service.container_port, Some(8080));
    assert_eq!(group.path_patterns, ["/app", "/app/*"]);
    assert_eq!(
        group.host_headers,
        ["www.orchard.example", "orchard.example"]
    );
    assert_eq!(group.health_check.path, "/_live");
    assert_eq!(group.health_check.matcher, "200,204");
    assert_eq!(group.health_check.interval_seconds, 15);
    assert_eq!(group.deregistration_delay, 20);
    assert_eq!(service.health_check_grace_period_seconds, Some(90));
    let scaling = service.scaling.as_ref().unwrap();
    assert_eq!((scaling.min_capacity, scaling.max_capacity), (2, 8));
    assert_eq!(scaling.target_cpu_utilization, Some(65.0));
    assert_eq!(scaling.target_requests_per_task, Some(400.0));
    assert_eq!(scaling.scale_out_cooldown, 30);
    assert!(test.services["frontend"].scaling.is_none());
    assert_eq!(variable(service, "REGION_LABEL"), Some("prod-blue"));
    assert_eq!(variable(service, "LOG_LEVEL"), Some("info"));
    assert_eq!(
        variable(&test.services["frontend"], "LOG_LEVEL"),
        Some("debug")
    );
    let password = &service.secrets["DB_PASSWORD"];
    assert_eq!(password.value_from.as_deref(), Some("orchard/db"));
    assert_eq!(password.json_key.as_deref(), Some("password"));
    let key = service.secrets["SESSION_KEY"].value_from.as_deref();
    assert!(
        key.unwrap()
            .ends_with("parameter/copilot/frontend/prod/secrets/SESSION_KEY")
    );
    assert_noted(&file, "image.build", "Longshore does not build images");
    assert_noted(&file, "http.alias", "DNS records");
}

#[test]
fn a_backend_service_keeps_its_sidecar_its_file_system_and_its_health_check() {
    let file = made(&["copilot/ledger.yml"]);
    let stack = stack(&file);
    let service = &stack.services["ledger"];
    assert_eq!(service.image, "ledger:2.4.0");
    assert_eq!(service.desired_count, Some(2));
    assert_eq!(service.ephemeral_storage_size_in_gib, Some(60));
    let check = service.health_check.as_ref().unwrap();
    assert_eq!((check.interval, check.start_period), (20, Some(15)));
    assert_eq!(service.depends_on[0].container_name, "agent");
    let agent = &service.sidecars["agent"];
    assert!(!agent.essential);
    assert_eq!(
        agent.mount_points[0].file_system.as_deref(),
        Some("archive")
    );
    let user = &stack.file_systems["archive"].access_points["data"].posix_user;
    assert_eq!((user.uid, user.gid), (1001, 1002));
    assert!(stack.load_balancer.is_none());
    assert_eq!(
        stack.service_discovery.as_ref().unwrap().namespace,
        "ledger.local"
    );
    assert_noted(&file, "observability", "collector");
    assert_noted(&file, "network.connect", "Service Connect");
    assert_noted(&file, "sidecars.agent.port", "UDP");
}

#[test]
fn a_worker_service_says_what_becomes_of_its_queue_and_hides_its_password() {
    let file = made(&["copilot/mailer.yml"]);
    let stack = stack(&file);
    let service = &stack.services["mailer"];
    assert_eq!(
        service.command,
        ["node", "dist/mailer.js", "--batch", "ten at once"]
    );
    assert_eq!(service.scaling.as_ref().unwrap().max_capacity, 5);
    assert!(!file.text.contains("hunter2"));
    assert_eq!(
        service.secrets["SMTP_PASSWORD"].value_from.as_deref(),
        Some("mailer/mailer/SMTP_PASSWORD")
    );
    assert_eq!(variable(service, "SMTP_HOST"), Some("smtp.example.com"));
    assert_noted(&file, "subscribe", "`queues` of the stack");
    assert_noted(&file, "count.queue_delay", "custom_metrics");
    assert_noted(&file, "variables.SMTP_PASSWORD", "create-secret");
}

#[test]
fn a_scheduled_job_runs_by_the_clock_and_never_beside_it() {
    let file = made(&["copilot/report.yml"]);
    let all = stacks(&file);
    let service = &all[0].services["nightly-report"];
    assert_eq!(service.desired_count, Some(0));
    assert_eq!(
        service.schedules["run"].schedule_expression,
        "cron(0 0 * * ? *)"
    );
    assert!(file.text.contains("cron(15 2 ? * MON-FRI *)"));
    assert_eq!((service.cpu, service.memory), (1024, 3072));
    assert_eq!(service.entry_point, ["python"]);
    assert_noted(&file, "retries", "try again");
}

#[test]
fn a_compose_file_becomes_services_that_find_each_other_without_its_database() {
    let file = made(&["compose/blog.yml"]);
    let stack = stack(&file);
    assert_eq!(stack.name, "blog");
    let names: Vec<&String> = stack.services.keys().collect();
    assert_eq!(names, ["api", "web"]);
    let web = &stack.services["web"];
    assert_eq!(web.image, "blog/web:v1");
    assert_eq!(web.container_port, Some(3000));
    assert!(web.target_group.as_ref().unwrap().path_patterns.is_empty());
    assert_eq!(
        variable(web, "API_URL"),
        Some("http://api.blog.local:4000/v1")
    );
    assert_eq!(variable(web, "THEME"), Some("light"));
    assert!(web.secrets.contains_key("SECRET_KEY"));
    assert_eq!(web.mount_points.len(), 1);
    assert_eq!(web.mount_points[0].file_system.as_deref(), Some("uploads"));
    let file_systems: Vec<&String> = stack.file_systems.keys().collect();
    assert_eq!(file_systems, ["uploads"]);
    let api = &stack.services["api"];
    assert_eq!(api.image, "ghcr.io/acme/blog-api:1.8");
    assert!(!api.image_policy.follows());
    assert_eq!(api.desired_count, Some(3));
    assert_eq!((api.cpu, api.memory), (512, 1024));
    assert_eq!(variable(api, "CACHE_TTL"), Some("300"));
    assert!(!file.text.contains("letmein"));
    assert_noted(&file, "services.db", "Amazon RDS");
    assert_noted(&file, "", "`DATABASE_HOST` of `web` names the host `db`");
    assert_noted(
        &file,
        "services.web.volumes[1]",
        "directory of your computer",
    );
    assert_noted(&file, "services.web.depends_on", "try again");
    assert_noted(
        &file,
        "services.api.healthcheck.timeout",
        "became 2 seconds",
    );
    assert_noted(
        &file,
        "compose/blog.yml:24:9: services.api.environment[0]",
        "secret",
    );
}

#[test]
fn a_compose_service_that_others_wait_for_runs_before_each_deployment() {
    let file = made(&["compose/shop.yml"]);
    let stack = stack(&file);
    assert_eq!(stack.name, "shop");
    let names: Vec<&String> = stack.services.keys().collect();
    assert_eq!(names, ["admin", "app", "worker"]);
    let app = &stack.services["app"];
    // One Dockerfile, one image.
    assert_eq!(app.image, stack.services["worker"].image);
    let task = &app.rollout.before_tasks[0];
    assert_eq!(task.name, "migrate");
    assert_eq!(task.command, ["bundle", "exec", "rails", "db:migrate"]);
    assert_eq!(app.stop_timeout, 45);
    assert!(app.readonly_root_filesystem);
    assert_eq!(app.mount_points[0].container_path, "/tmp");
    assert_eq!(
        app.target_group.as_ref().unwrap().health_check.path,
        "/healthz"
    );
    let admin = &stack.services["admin"];
    assert_eq!(admin.image, "docker.io/acme/admin:2");
    assert_eq!(
        admin.target_group.as_ref().unwrap().path_patterns,
        ["/admin", "/admin/*"]
    );
    assert_noted(&file, "services.worker.cap_add", "no further rights");
    assert_noted(&file, "services.worker.logging", "CloudWatch");
}

#[test]
fn a_running_service_keeps_its_target_group_its_roles_and_its_containers() {
    let mut parameters = parameters();
    parameters.subnet_ids.clear();
    let file = made_with(&["ecs/service.json", "ecs/definition.json"], &parameters).unwrap();
    let stack = stack(&file);
    assert_eq!(
        stack.network.subnet_ids,
        ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"]
    );
    let service = &stack.services["tracker"];
    assert_eq!(service.container_name.as_deref(), Some("app"));
    assert_eq!(service.image, "tracker:5.2.1");
    assert_eq!(service.container_port, Some(5000));
    assert_eq!(service.desired_count, Some(3));
    assert!(service.enable_execute_command);
    assert_eq!(service.capacity_provider_strategy.len(), 2);
    assert_eq!(service.capacity_provider_strategy[1].weight, 3);
    assert_eq!(service.deployment_configuration.maximum_percent, 150);
    assert_eq!(service.security_group_ids, ["sg-0a1b2c3d4e5f60003"]);
    let group = service.target_group.as_ref().unwrap();
    assert!(
        group
            .target_group_arn
            .as_ref()
            .unwrap()
            .contains("targetgroup/tracker")
    );
    assert!(stack.load_balancer.is_none());
    assert_eq!(service.sidecars["nginx"].image, "tracker-nginx:5");
    assert_eq!(service.sidecars["nginx"].container_port, Some(8443));
    assert_eq!(service.secrets["DB_URL"].json_key.as_deref(), Some("url"));
    assert!(
        service.secrets["LICENCE"]
            .value_from
            .as_ref()
            .unwrap()
            .ends_with("parameter/tracker/licence")
    );
    assert!(service.secrets.contains_key("SENTRY_URL"));
    assert!(!file.text.contains("key:pass"));
    // A stack file's own placeholders are not meant.
    assert!(file.text.contains("hello $${name}"));
    assert_eq!(
        service.mount_points[0].file_system.as_deref(),
        Some("media")
    );
    assert_eq!(
        service.task_role_arn.as_deref(),
        Some("arn:aws:iam::123456789012:role/tracker")
    );
    assert_noted(&file, "volumes[0].efsVolumeConfiguration", "copy the files");
    assert_noted(&file, "serviceRegistries", "service_discovery");
    assert_noted(&file, "linuxParameters.capabilities", "not carried over");
    assert_noted(&file, "executionRoleArn", "execution role");
    assert_noted(&file, "", "longshore adopt");
}

#[test]
fn an_ecspresso_definition_says_each_template_that_it_could_not_fill_in() {
    let content = input("ecspresso/ecspresso.yml");
    let file = File {
        name: "ecspresso.yml",
        content: &content,
    };
    assert_eq!(
        named_files(&file).unwrap(),
        ["ecs-task-def.json", "ecs-service-def.json"]
    );
    let file = made(&[
        "ecspresso/ecspresso.yml",
        "ecspresso/ecs-service-def.json",
        "ecspresso/ecs-task-def.json",
    ]);
    let stack = stack(&file);
    assert_eq!(stack.name, "gallery");
    let service = &stack.services["resizer"];
    assert_eq!(service.image, "resizer:v1");
    assert_eq!(service.container_port, Some(3000));
    assert!(service.assign_public_ip);
    assert_eq!(variable(service, "QUALITY"), Some("80"));
    assert!(service.target_group.is_some());
    assert!(!file.text.contains("{{ tfstate"));
    for (path, words) in [
        ("containerDefinitions[0].image", "must_env `IMAGE_TAG`"),
        (
            "containerDefinitions[0].environment[0]",
            "must_env `BUCKET`",
        ),
        ("containerDefinitions[0].secrets[0]", "ssm_arn"),
        ("awsvpcConfiguration.subnets", "--subnet"),
        ("awsvpcConfiguration.securityGroups", "security_group_ids"),
        ("desiredCount", "desired_count"),
        ("taskRoleArn", "task_role_statements"),
        ("loadBalancers[0]", "target_group_arn"),
        ("plugins", "tfstate"),
    ] {
        assert_noted(&file, path, words);
    }
}

#[test]
fn a_terraform_plan_becomes_services_with_what_belongs_to_them() {
    let file = made_with(&["terraform/plan.json"], &Parameters::default()).unwrap();
    let stack = stack(&file);
    assert_eq!(stack.name, "campus");
    assert_eq!(stack.network.vpc_id, "vpc-0a1b2c3d4e5f60000");
    let balancer = stack.load_balancer.as_ref().unwrap();
    assert_eq!(balancer.scheme, Scheme::InternetFacing);
    assert_eq!(balancer.subnet_ids[0], "subnet-0a1b2c3d4e5f60005");
    assert_eq!(balancer.idle_timeout, 120);
    assert_eq!(balancer.certificate_arns.len(), 1);
    let portal = &stack.services["portal"];
    assert_eq!((portal.cpu, portal.memory), (512, 1024));
    assert_eq!(portal.ephemeral_storage_size_in_gib, Some(40));
    assert_eq!(portal.health_check_grace_period_seconds, Some(120));
    assert_eq!(portal.deployment_configuration.minimum_healthy_percent, 50);
    let group = portal.target_group.as_ref().unwrap();
    assert_eq!(group.priority, Some(40));
    assert_eq!(group.host_headers, ["portal.example.com"]);
    assert_eq!(group.path_patterns, ["/portal/*"]);
    assert_eq!(group.health_check.path, "/status");
    assert_eq!(group.deregistration_delay, 15);
    let scaling = portal.scaling.as_ref().unwrap();
    assert_eq!((scaling.min_capacity, scaling.max_capacity), (2, 9));
    assert_eq!(scaling.target_cpu_utilization, Some(55.0));
    assert_eq!(scaling.scale_in_cooldown, 600);
    assert_eq!(stack.services["indexer"].image, "indexer:3");
    assert_noted(&file, "aws_db_instance.main", "stays in Terraform");
    assert_noted(&file, "aws_ecs_cluster.main", "cluster of its own");
}

#[test]
fn answers_become_a_service_behind_a_load_balancer() {
    let parameters = Parameters::default();
    let mut answers = Answers::new();
    let given = [
        ("name", "shop"),
        ("image", "shop/api:v1"),
        ("load_balancer", "internet"),
        ("vpc", "vpc-0a1b2c3d4e5f60000"),
        (
            "subnets",
            "subnet-0a1b2c3d4e5f60001 subnet-0a1b2c3d4e5f60002",
        ),
        (
            "public_subnets",
            "subnet-0a1b2c3d4e5f60005 subnet-0a1b2c3d4e5f60006",
        ),
    ];
    while let Some(question) = next_question(&answers, &parameters) {
        let answer = given
            .iter()
            .find(|(key, _)| *key == question.key)
            .map(|(_, answer)| *answer)
            .or(question.default)
            .unwrap();
        assert_eq!(check(&question, answer), Ok(()));
        answers.insert(question.key, answer.to_owned());
    }
    let file = from_answers(&answers, &parameters).unwrap();
    let stack = stack(&file);
    let service = &stack.services["api"];
    assert_eq!(service.container_port, Some(8080));
    assert_eq!(stack.load_balancer.unwrap().scheme, Scheme::InternetFacing);
}

#[test]
fn a_wrong_answer_is_refused_with_what_is_expected() {
    let answers = Answers::new();
    let question = next_question(&answers, &Parameters::default()).unwrap();
    assert!(
        check(&question, "My Shop")
            .unwrap_err()
            .contains("lowercase")
    );
}

#[test]
fn what_only_the_user_knows_is_asked_for_by_its_option() {
    for (parameters, expected) in [
        (
            Parameters {
                vpc_id: None,
                ..parameters()
            },
            "--vpc",
        ),
        (
            Parameters {
                subnet_ids: Vec::new(),
                ..parameters()
            },
            "--subnet",
        ),
        (
            Parameters {
                public_subnet_ids: vec!["subnet-0a1b2c3d4e5f60005".to_owned()],
                ..parameters()
            },
            "two availability zones",
        ),
    ] {
        let error = made_with(&["copilot/frontend.yml"], &parameters).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_source_that_cannot_be_used_is_refused_with_its_place() {
    for (content, expected) in [
        (
            "name: a\ntype: Load Balanced Web Service\nimage:\n  port: http\n",
            "f.yml:4:9: image.port: expected a number",
        ),
        ("name: a\ntype: Static Site\n", "`Static Site` does not run"),
        (
            "services:\n  a:\n    ports: [1\n",
            ": this cannot be read as YAML",
        ),
        (
            "services:\n  a: {ports: []}\n",
            "neither `image` nor `build`",
        ),
        ("hello: world\n", "this is not a Compose file"),
        (
            "services:\n  db: {image: postgres}\n",
            "no service that a stack file could",
        ),
    ] {
        let file = File {
            name: "f.yml",
            content: content.as_bytes(),
        };
        let error = from_files(&[file], "folder", &parameters()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_key_that_nobody_knows_is_said_and_not_dropped() {
    for name in ["copilot/ledger.yml", "compose/blog.yml"] {
        let content = String::from_utf8(input(name)).unwrap();
        let content = match name {
            "copilot/ledger.yml" => format!("{content}\nfrobnicate: {{a: 1}}\n"),
            _ => content.replace("\n  api:\n", "\n  api:\n    frobnicate: 1\n"),
        };
        let file = File {
            name,
            content: content.as_bytes(),
        };
        let file = from_files(&[file], "blog", &parameters()).unwrap();
        assert_noted(&file, "frobnicate", "not carried over");
    }
}

#[test]
fn a_task_definition_for_instances_gets_the_nearest_size_of_fargate() {
    let file = made(&["ecs/batch.json"]);
    let stack = stack(&file);
    let service = &stack.services["thumbnails"];
    assert_eq!((service.cpu, service.memory), (512, 2048));
    assert_eq!(service.container_port, Some(7000));
    assert_eq!(service.image, "docker.io/acme/thumbnails:1.4");
    assert!(service.repository_credentials.is_some());
    assert_eq!(service.sidecars["cache"].memory_reservation, Some(200));
    assert_noted(&file, "networkMode", "bridge");
    assert_noted(&file, "portMappings[1]", "UDP");
    assert_noted(&file, "logConfiguration", "fluentd");
    assert_noted(&file, "links", "localhost");
    assert_noted(&file, "volumes[0].host.sourcePath", "scratch space");
}

#[test]
fn a_secret_in_a_command_is_hidden_and_said() {
    let content = "services:\n  web:\n    image: acme/web:1\n    command: [serve, --database, \
                   'postgres://shop:hunter2@db/shop']\n";
    let file = File {
        name: "f.yml",
        content: content.as_bytes(),
    };
    let file = from_files(&[file], "shop", &parameters()).unwrap();
    assert!(!file.text.contains("hunter2"), "{}", file.text);
    assert_eq!(stack(&file).services["web"].command[2], "***");
    assert_noted(&file, "services.web.command[2]", "looks like a secret");
}
