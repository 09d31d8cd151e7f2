//! What reading a stack file promises.

use longshore_events::longshore::Problem;
use longshore_stack::read::{Reading, Selection, environments, read, read_value};
use serde_json::json;

const NO_ENVIRONMENT: Selection<'_> = Selection::Environment(None);

const SHOP: &str = "\
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
services:
  api:
    image: shop/api:v1
    cpu: 256
    environment:
      PORT: 3001
";

/// `SHOP` with the last lines after it.
fn shop_with(rest: &str) -> String {
    format!("{SHOP}{rest}")
}

fn reading(text: &str) -> Reading {
    read(text.as_bytes(), &NO_ENVIRONMENT).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(text: &str) -> Vec<Problem> {
    problems_for(text, &NO_ENVIRONMENT)
}

fn problems_for(text: &str, selection: &Selection<'_>) -> Vec<Problem> {
    match read(text.as_bytes(), selection) {
        Ok(reading) => panic!("{text}\nhas no problem but {:#?}", reading.warnings),
        Err(problems) => problems,
    }
}

/// Every problem, as
/// `line:column: path: message (value)`.
fn lines(text: &str) -> Vec<String> {
    problems(text).iter().map(line).collect()
}

/// The one problem, as `line:column: path: message (value)`.
#[track_caller]
fn the_problem(text: &str) -> String {
    in_one_line(&problems(text))
}

#[track_caller]
fn in_one_line(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(line).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.concat()
}

fn line(problem: &Problem) -> String {
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{}:{}: {}: {}{}",
        number(problem.line),
        number(problem.column),
        problem.path,
        problem.message,
        problem
            .value
            .as_ref()
            .map_or_else(String::new, |value| format!(" ({value})")),
    )
}

#[test]
fn a_stack_file_is_read() {
    let reading = reading(SHOP);
    assert_eq!(reading.stack.stack_name(), "shop");
    assert_eq!(reading.stack.services["api"].memory, 512);
    assert_eq!(
        reading.stack.services["api"].environment["PORT"].as_str(),
        "3001"
    );
    assert_eq!(reading.warnings, []);
}

#[test]
fn json_is_read_as_yaml_is_tabs_and_escapes_included() {
    let text = "{\n\t\"name\": \"shop\",\n\t\"network\": {\"vpc_id\": \"vpc-0a1b2c3d\", \"subnet_ids\": \
                [\"subnet-0a1b2c3d\", \"subnet-1a1b2c3d\"]},\n\t\"services\": {\"api\": {\"image\": \
                \"shop\\/api:v1\", \"environment\": {\"FACE\": \"\\ud83d\\ude00\"}, \"cpu\": 256}}}";
    let reading = reading(text);
    assert_eq!(reading.stack.services["api"].image, "shop/api:v1");
    assert_eq!(
        reading.stack.services["api"].environment["FACE"].as_str(),
        "😀"
    );
}

#[test]
fn a_payload_is_read_and_its_problems_have_paths_without_lines() {
    let mut payload = json!({
        "name": "shop",
        "network": {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]},
        "load_balancer": null,
        "services": {"api": {"image": "shop/api:v1", "family": null}},
    });
    let reading = read_value(&payload, &NO_ENVIRONMENT).unwrap();
    assert_eq!(reading.stack.services["api"].family, None);
    payload["services"]["api"]["cpu"] = json!("big");
    let problems = read_value(&payload, &NO_ENVIRONMENT).unwrap_err();
    assert_eq!(
        in_one_line(&problems),
        "-:-: services.api.cpu: this is a text, expected a whole number (big)"
    );
}

#[test]
fn a_file_that_is_not_a_document_is_refused_with_its_place() {
    for (bytes, expected) in [
        (
            &b""[..],
            "-:-: : the file is empty, expected at least `name`, `network` and `services`",
        ),
        (
            b"# nothing\n",
            "-:-: : the file is empty, expected at least `name`, `network` and `services`",
        ),
        (
            b"name: a\nx: \"\xff\"\n",
            "2:5: : the file is not UTF-8 from here on; save it with that encoding",
        ),
        (
            b"\xff\xfen\x00",
            "1:1: : the file is not UTF-8 from here on; save it with that encoding",
        ),
        (
            b"services:\n\tapi: {}\n",
            "2:2: : this cannot be read as YAML: tabs disallowed within this context (block indentation); \
             indent with spaces",
        ),
        (
            b"name: a\n---\nname: b\n",
            "2:1: : a second document begins here, expected one stack a file",
        ),
        (
            b"name: \"a\n",
            "2:1: : this cannot be read as YAML: invalid indentation in multiline quoted scalar",
        ),
        (
            b"name: *a\n",
            "1:7: : this cannot be read as YAML: while parsing node, found unknown anchor",
        ),
        (
            b"name: &a [*a]\n",
            "1:11: : this alias stands within what it is an alias of",
        ),
        (
            b"- a\n",
            "1:1: : the file holds a list, expected a map with `name`, `network` and `services`",
        ),
        (
            b"text",
            "1:1: : the file holds a text, expected a map with `name`, `network` and `services`",
        ),
    ] {
        let problems = read(bytes, &NO_ENVIRONMENT).unwrap_err();
        assert_eq!(in_one_line(&problems), expected);
    }
}

#[test]
fn a_file_that_is_too_large_or_nested_too_deep_is_refused() {
    let large = shop_with(&"#".repeat(1024 * 1024));
    assert!(the_problem(&large).contains("expected at most 1048576"));
    let deep = shop_with(&format!("tags: {}{}\n", "[".repeat(40), "]".repeat(40)));
    assert_eq!(
        the_problem(&deep),
        "11:38: : lists and maps are nested deeper than 32 levels here"
    );
}

#[test]
fn a_bomb_of_aliases_is_refused_before_it_goes_off() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(
        the_problem(&bomb),
        "5:15: : with what its aliases stand for, the file has more than 40000 values; divide it into several stacks, \
         or use fewer aliases"
    );
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_both_places() {
    assert_eq!(
        the_problem(&shop_with("  api:\n    image: x:y\n")),
        "11:3: : this key is there twice, first in line 6, column 3; keep one of them (api)"
    );
}

#[test]
fn keys_are_texts() {
    assert_eq!(
        lines(&shop_with("[a, b]: c\n? {d: e}\n: f\n~: g\n")),
        [
            "11:1: : the key is a list, expected a text",
            "12:3: : the key is a map, expected a text",
            "14:1: : the key is null, expected a text",
        ]
    );
    let reading = reading(&shop_with("tags: {1: one, true: yes}\n"));
    assert_eq!(reading.stack.tags["1"].as_str(), "one");
    assert_eq!(reading.stack.tags["true"].as_str(), "yes");
}

#[test]
fn anchors_aliases_and_merge_keys_are_followed() {
    let text = "\
name: shop
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
services:
  api: &api
    image: shop/api:v1
    cpu: 512
    memory: 1024
  web:
    <<: *api
    image: shop/web:v1
  both:
    <<: [{memory: 2048}, *api]
";
    let stack = reading(text).stack;
    assert_eq!(stack.services["web"].image, "shop/web:v1");
    assert_eq!(stack.services["web"].cpu, 512);
    assert_eq!(stack.services["both"].memory, 2048);
    assert_eq!(stack.services["both"].cpu, 512);
    let wrong = text.replace("*api\n    image", "shop\n    image");
    assert!(
        lines(&wrong)[0]
            .starts_with("9:5: : `<<` takes the keys of other maps over, but here is a text")
    );
}

#[test]
fn tags_have_no_meaning() {
    assert_eq!(
        the_problem(&shop_with("    family: !Sub x\n")),
        "11:18: : tags have no meaning in a stack file; CloudFormation's pseudo parameters are written into \
         texts, as in `${AWS::Region}` (!Sub)"
    );
    assert_eq!(
        reading(&shop_with("    family: !!str 12\n")).stack.services["api"]
            .family
            .as_deref(),
        Some("12")
    );
}

#[test]
fn texts_of_the_environment_are_as_they_are_written() {
    let text = shop_with(
        "      A: no\n      B: 012\n      C: 2026-01-31\n      D: 0x1F\n      E: TRUE\n      F: 1_000\n      \
         G: on\n      H: 12:30\n      I: \"\"\n      J: |\n        two\n        lines\n",
    );
    let environment = &reading(&text).stack.services["api"].environment;
    for (name, value) in [
        ("A", "no"),
        ("B", "012"),
        ("C", "2026-01-31"),
        ("D", "0x1F"),
        ("E", "TRUE"),
        ("F", "1_000"),
        ("G", "on"),
        ("H", "12:30"),
        ("I", ""),
        ("J", "two\nlines\n"),
    ] {
        assert_eq!(environment[name].as_str(), value);
    }
}

#[test]
fn a_value_of_another_kind_is_refused_with_what_is_expected() {
    for (rest, expected) in [
        (
            "    memory: 1GB\n",
            "11:13: services.api.memory: this is a text, expected a whole number without a unit (1GB)",
        ),
        (
            "    memory: \"512\"\n",
            "11:13: services.api.memory: this is a text, expected a whole number without quotes (512)",
        ),
        (
            "    memory: 512.5\n",
            "11:13: services.api.memory: this is a number, expected a whole number (512.5)",
        ),
        (
            "    memory: -1\n",
            "11:13: services.api.memory: it is out of range, expected 0 or more (-1)",
        ),
        (
            "    memory: 99999999999999999999\n",
            "11:13: services.api.memory: it is out of range, expected 0 or more (99999999999999999999)",
        ),
        (
            "    memory: 0512\n",
            "11:13: services.api.memory: this is a text, expected a whole number; without leading zeros, other bases and `_`, since versions of YAML read them differently (0512)",
        ),
        (
            "    memory: .nan\n",
            "11:13: services.api.memory: this is not a finite number, expected a whole number (.nan)",
        ),
        (
            "    memory: [512]\n",
            "11:5: services.api.memory: this is a list, expected a whole number",
        ),
        (
            "    container_port: 65536\n",
            "11:21: services.api.container_port: it is out of range, expected 1 to 65535 (65536)",
        ),
        (
            "    expected_task_count: .inf\n",
            "11:26: services.api.expected_task_count: this is not a finite number, expected a number that is finite (.inf)",
        ),
        (
            "    expected_task_count: 1e999\n",
            "11:26: services.api.expected_task_count: this is not a finite number, expected a number that is finite (1e999)",
        ),
        (
            "    expected_task_count: NaN\n",
            "11:26: services.api.expected_task_count: this is a text, expected a number (NaN)",
        ),
        (
            "    enable_execute_command: no\n",
            "11:29: services.api.enable_execute_command: this is a text, expected true or false; `no` is a text in YAML 1.2 (no)",
        ),
        (
            "    enable_execute_command: \"true\"\n",
            "11:29: services.api.enable_execute_command: this is a text, expected true or false without quotes (true)",
        ),
        (
            "    user: 1000\n",
            "11:11: services.api.user: this is a whole number, expected a text; put it in quotes: \"1000\" (1000)",
        ),
        (
            "      RATIO: 0.5\n",
            "11:14: services.api.environment.RATIO: this is a number, expected a text; put it in quotes: \"0.5\" (0.5)",
        ),
        (
            "      EMPTY:\n",
            "11:7: services.api.environment.EMPTY: this is nothing, expected a text",
        ),
        (
            "      EMPTY: ~\n",
            "11:14: services.api.environment.EMPTY: this is null, expected a text; write \"\" for an empty one (~)",
        ),
        (
            "    command: run it\n",
            "11:14: services.api.command: this is a text, expected a list of texts; write [\"run\", \"it\"] (run it)",
        ),
        (
            "    command: {a: b}\n",
            "11:5: services.api.command: this is a map, expected a list of texts",
        ),
        (
            "    mount_points: [/data]\n",
            "11:20: services.api.mount_points[0]: this is a text, expected a map (/data)",
        ),
        (
            "    scaling: fast\n",
            "11:14: services.api.scaling: this is a text, expected a map (fast)",
        ),
        (
            "    cpu_architecture: arm\n",
            "11:23: services.api.cpu_architecture: it is not known, expected `X86_64` or `ARM64` (arm)",
        ),
        (
            "    cpu_architecture: arm64\n",
            "11:23: services.api.cpu_architecture: it is not known, expected `X86_64` or `ARM64`; did you mean `ARM64`? (arm64)",
        ),
        (
            "    cpu_architecture: 64\n",
            "11:23: services.api.cpu_architecture: it is not known, expected `X86_64` or `ARM64` (64)",
        ),
    ] {
        assert_eq!(the_problem(&shop_with(rest)), expected);
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (rest, expected) in [
        (
            "    memroy: 512\n",
            "11:5: services.api.memroy: there is no such key; did you mean `memory`? (memroy)",
        ),
        (
            "    port: 3001\n",
            "11:5: services.api.port: there is no such key; did you mean `container_port`? (port)",
        ),
        (
            "    desiredCount: 2\n",
            "11:5: services.api.desiredCount: there is no such key; did you mean `desired_count`? (desiredCount)",
        ),
        (
            "    cluster_name: x\n",
            "11:5: services.api.cluster_name: there is no such key; it belongs into `cluster` (cluster_name)",
        ),
        (
            "    security_groups: [sg-1]\n",
            "11:5: services.api.security_groups: there is no such key; did you mean \
             `security_group_ids`? (security_groups)",
        ),
        (
            "    portMappings: [{containerPort: 80}]\n",
            "11:5: services.api.portMappings: there is no such key; use `container_port` and \
             `additional_container_ports` (portMappings)",
        ),
        (
            "    replicas: 2\n",
            "11:5: services.api.replicas: there is no such key; use `desired_count` (replicas)",
        ),
        (
            "version: 1\n",
            "11:1: version: there is no such key; a stack file has no version (version)",
        ),
        (
            "    zebra: x\n",
            "11:5: services.api.zebra: there is no such key; `longshore schema stack` lists the known keys; what CloudFormation has besides is said in `services.<service>.overrides` (zebra)",
        ),
        (
            "cluster: {zebra: x}\n",
            "11:11: cluster.zebra: there is no such key; expected one of `cluster_name`, `container_insights`, `existing` (zebra)",
        ),
        (
            "service: {}\n",
            "11:1: service: there is no such key; did you mean `services`? (service)",
        ),
        (
            "container_port: 80\n",
            "11:1: container_port: there is no such key; it belongs into `services.<name>` or `services.<name>.sidecars.<name>` or `services.<name>.target_group` (container_port)",
        ),
    ] {
        assert_eq!(the_problem(&shop_with(rest)), expected);
    }
}

#[test]
fn what_is_missing_is_reported_at_the_key_that_lacks_it() {
    assert_eq!(
        lines("tags: {}\n"),
        [
            "1:1: name: it is missing (the stack's name), expected a text",
            "1:1: network: it is missing (the VPC and the subnets), expected a map",
            "1:1: services: it is missing (the services, by name), expected a map",
        ]
    );
    assert_eq!(
        lines(&shop_with(
            "    mount_points:\n      - {read_only: true}\n  web:\n    cpu: 256\n"
        )),
        [
            "12:9: services.api.mount_points[0].container_path: it is missing (where the container \
             sees it), expected a text",
            "13:3: services.web.image: it is missing (the image of the first deployment), expected a text",
        ]
    );
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = "\
name: Shop
network:
  vpc_id: main
  subnet_ids: [subnet-1, subnet-2]
  zone: a
services:
  api:
    image: shop/api:v1
    cpu: 300
  web:
    memory: big
  web:
    image: shop/web:v1
";
    let places: Vec<String> = problems(text)
        .iter()
        .map(|problem| {
            format!(
                "{}:{} {}",
                problem.line.unwrap(),
                problem.column.unwrap(),
                problem.path
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            "1:7 name",
            "3:11 network.vpc_id",
            "5:3 network.zone",
            "9:10 services.api.cpu",
            "10:3 services.web.image",
            "11:13 services.web.memory",
            "12:3 ",
        ]
    );
    let text = text.replace("    memory: big\n  web:\n", "");
    let places: Vec<String> = problems(&text)
        .iter()
        .map(|problem| problem.path.clone())
        .collect();
    assert_eq!(
        places,
        ["name", "network.vpc_id", "network.zone", "services.api.cpu"]
    );
}

#[test]
fn a_rule_is_not_reported_to_be_broken_by_what_only_follows_from_another_problem() {
    // `cpus` is taken for `cpu`, and 4096 MiB go with 1024 units; of the memory of `web` nothing is known.
    let found = problems(&shop_with(
        "    cpus: 1024\n    memory: 4096\n  web: {image: \"shop/web:v1\", cpu: 1024, memory: big}\n  batch: big\n\
         capacity: {main: small}\n",
    ).replace("    cpu: 256\n", ""));
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "services.api.cpus",
            "services.web.memory",
            "services.batch",
            "capacity.main"
        ]
    );
}

#[test]
fn what_is_wrong_with_one_field_hides_nothing_about_another() {
    let found = problems(&shop_with(
        "    desired_count: many\n    image: \"shop/api:\"\n    health_check: {command: [x], interval: 1}\n",
    ).replace("    cpu: 256\n", "    cpu: 300\n").replace("    image: shop/api:v1\n", ""));
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    for path in [
        "services.api.desired_count",
        "services.api.image",
        "services.api.health_check.interval",
        "services.api.cpu",
    ] {
        assert!(paths.contains(&path), "{path} is not among {paths:?}");
    }
}

#[test]
fn every_field_that_is_looked_at_together_with_others_is_a_field_of_a_service() {
    let source = include_str!("../src/read.rs");
    let start = source.find("const LOOKED_AT_TOGETHER").unwrap();
    let table = &source[start..start + source[start..].find("];").unwrap()];
    let schema = longshore_stack::read::schema();
    let fields = schema["$defs"]["ServiceOverlay"]["properties"]
        .as_object()
        .unwrap();
    for field in table.split('"').skip(1).step_by(2) {
        assert!(fields.contains_key(field), "{field}");
    }
}

#[test]
fn what_was_probably_meant_by_an_unknown_key_makes_no_second_problem() {
    let found = problems(&shop_with(
        "    memroy: big\n  web: {imgae: x, cpus: 300}\n",
    ));
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "services.api.memroy",
            "services.web.imgae",
            "services.web.cpus"
        ]
    );
}

#[test]
fn of_very_many_problems_the_first_hundred_are_reported() {
    let text = |keys: usize| {
        let keys: String = (0..keys)
            .map(|number| format!("    zebra{number}: x\n"))
            .collect();
        shop_with(&keys)
    };
    assert_eq!(problems(&text(100)).len(), 100);
    let long = format!("? {}\n: x\n", "z".repeat(256));
    assert!(format!("{:?}", problems(&shop_with(&long))).len() < 1000);
    let found = problems(&text(15_000));
    assert_eq!(found.len(), 101);
    assert_eq!(found[99].line, Some(110));
    assert_eq!(
        line(&found[100]),
        "-:-: : there are 14900 more problems; fix these first"
    );
}

#[test]
fn nothing_written_for_a_key_with_defaults_is_warned_of() {
    let reading = reading(&shop_with("events:\nalarms: {}\n"));
    assert!(reading.stack.events.is_none() && reading.stack.alarms.is_some());
    assert_eq!(
        in_one_line(&reading.warnings),
        "11:1: events: nothing is written here, so it is as if the key were left out; write `{}` for it with all \
         its defaults"
    );
}

const ENVIRONMENTS: &str = "\
name: shop
network: {vpc_id: vpc-1, subnet_ids: [subnet-1, subnet-2]}
tags: {Environment: \"${environment}\", Stack: \"${stack}\", Old: x}
services:
  api:
    image: shop/api:v1
    command: [serve, --stack, \"${stack}\"]
    health_check: {command: [CMD, check], interval: 10}
environments:
  dev:
  prod:
    tags: {Old: null, New: y}
    services:
      api:
        cpu: 1024
        memory: 2048
        command: [serve]
        health_check: {interval: 20}
      web: {image: \"shop/web:${AWS::Region}\", family: null}
";

fn prod(text: &str) -> Result<Reading, Vec<Problem>> {
    read(text.as_bytes(), &Selection::Environment(Some("prod")))
}

#[test]
fn an_environment_is_laid_over_the_file() {
    let dev = read(ENVIRONMENTS.as_bytes(), &Selection::StackName("shop-dev"))
        .unwrap()
        .stack;
    assert_eq!(dev.stack_name(), "shop-dev");
    assert_eq!(dev.tags["Environment"].as_str(), "dev");
    assert_eq!(
        dev.services["api"].command,
        ["serve", "--stack", "shop-dev"]
    );
    assert_eq!(dev.services.len(), 1);

    let prod = prod(&ENVIRONMENTS.replace("shop/web:${AWS::Region}", "shop/web:v1"))
        .unwrap()
        .stack;
    assert_eq!(prod.environment.as_deref(), Some("prod"));
    assert_eq!(
        prod.tags.keys().collect::<Vec<_>>(),
        ["Environment", "New", "Stack"]
    );
    let api = &prod.services["api"];
    assert_eq!(
        (api.cpu, api.memory, api.image.as_str()),
        (1024, 2048, "shop/api:v1")
    );
    assert_eq!(api.command, ["serve"]);
    let health = api.health_check.as_ref().unwrap();
    assert_eq!(
        (health.command.as_slice(), health.interval),
        (&["CMD".to_owned(), "check".to_owned()][..], 20)
    );
    assert_eq!(prod.services.len(), 2);
    assert_eq!(environments(ENVIRONMENTS.as_bytes()), ["dev", "prod"]);
}

#[test]
fn a_problem_of_an_overlay_is_reported_at_its_own_place() {
    let found = prod(&ENVIRONMENTS.replace("cpu: 1024", "cpu: 300")).unwrap_err();
    assert!(found.iter().any(|problem| {
        (problem.line, problem.column, problem.path.as_str())
            == (Some(15), Some(14), "services.api.cpu")
    }));
    let network = ENVIRONMENTS.replace(
        "    tags: {Old",
        "    network: {subnet_ids: [subnet-1, subnet-1]}\n    tags: {Old",
    );
    let found = prod(&network).unwrap_err();
    assert!(found.iter().any(|problem| {
        (problem.line, problem.path.as_str()) == (Some(12), "network.subnet_ids[1]")
    }));
}

#[test]
fn every_overlay_is_checked_whichever_is_chosen() {
    let text = ENVIRONMENTS
        .replace("cpu: 1024", "cpus: 1024")
        .replace("shop/web:${AWS::Region}", "shop/web:${HOME}");
    let found = problems_for(&text, &Selection::Environment(Some("dev")));
    let lines: Vec<String> = found.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "15:9: environments.prod.services.api.cpus: there is no such key; \
             did you mean `cpu`? (cpus)",
            "19:20: environments.prod.services.web.image: expected `${environment}`, `${stack}`, \
             `${AWS::AccountId}`, `${AWS::Partition}`, `${AWS::Region}`, `${AWS::URLSuffix}`; write `$${` where a \
             text is to hold `${` (${HOME})",
        ]
    );
}

#[test]
fn removing_what_is_needed_is_reported() {
    let found =
        prod(&ENVIRONMENTS.replace("        cpu: 1024\n", "        image: null\n")).unwrap_err();
    assert!(
        found
            .iter()
            .any(|problem| problem.path == "services.api.image"
                && problem.message.starts_with("it is missing")
                && problem.line == Some(5))
    );
}

#[test]
fn a_selection_that_the_file_does_not_have_is_refused_with_what_it_has() {
    for (selection, expected) in [
        (
            Selection::Environment(None),
            "this file has environments, and none of them was chosen: `dev`, `prod`",
        ),
        (
            Selection::Environment(Some("prd")),
            "this file has no environment `prd`, but `dev`, `prod`; did you mean `prod`?",
        ),
        (
            Selection::StackName("shop"),
            "this file describes `shop-dev`, `shop-prod`, but it is read as the file of stack `shop`; name it \
             after one of them",
        ),
    ] {
        let found = problems_for(ENVIRONMENTS, &selection);
        assert_eq!(
            in_one_line(&found),
            format!("1:7: environments: {expected}")
        );
    }
    for (selection, expected) in [
        (
            Selection::Environment(Some("prod")),
            "environment `prod` was asked for, but this file has no `environments`",
        ),
        (
            Selection::StackName("store"),
            "this file describes stack `shop`, but it is read as the file of stack `store`; change its name or the \
             file's",
        ),
    ] {
        let found = problems_for(SHOP, &selection);
        assert_eq!(
            in_one_line(&found),
            format!("1:7: environments: {expected}")
        );
    }
    assert!(read(SHOP.as_bytes(), &Selection::StackName("shop")).is_ok());
}

#[test]
fn environments_have_names_and_content() {
    for (environments, expected) in [
        ("{}", "environments: `environments` is empty, expected"),
        ("[dev]", "environments: `environments` is a list, expected"),
        (
            "{Dev: {}}",
            "environments.Dev: an environment is named with lowercase letters",
        ),
        (
            "{-a: {}}",
            "environments.-a: an environment is named with lowercase letters",
        ),
        (
            "{dev: big}",
            "environments.dev: this is a text, expected a map",
        ),
        (
            "{dev: {name: x}}",
            "environments.dev.name: the name is the same in every environment",
        ),
        (
            "{dev: {environments: {}}}",
            "environments.dev.environments: there is no such key",
        ),
    ] {
        let text = shop_with(&format!("environments: {environments}\n"));
        let found = problems_for(&text, &Selection::Environment(Some("dev")));
        assert!(
            found.iter().any(|problem| line(problem).contains(expected)),
            "{environments}: {found:#?}"
        );
    }
}

#[test]
fn of_more_environments_than_a_file_may_have_the_first_are_named() {
    let many: String = (0..60)
        .map(|number| format!("e{number:02}: {{}}, "))
        .collect();
    let text = shop_with(&format!("environments: {{{many}}}\n"));
    let names = environments(text.as_bytes());
    assert_eq!(names.len(), 50);
    assert_eq!(names.last().map(String::as_str), Some("e49"));
}

#[test]
fn an_environment_is_filled_in_only_where_there_are_environments() {
    assert_eq!(
        the_problem(&shop_with("      STAGE: ${environment}\n")),
        "11:14: services.api.environment.STAGE: this file has no `environments`, so `${environment}` stands for \
         nothing (${environment})"
    );
    let reading = reading(&shop_with("      A: $${HOME} ${AWS::Region}\n"));
    assert_eq!(
        reading.stack.services["api"].environment["A"].as_str(),
        "$${HOME} ${AWS::Region}"
    );
}

#[test]
fn values_of_secrets_are_taken_as_they_are_and_never_shown() {
    let reading = reading(&shop_with(
        "    secrets:\n      A: {value: \"hunter2${HOME}$${\"}\n      B: {value: 0123}\n",
    ));
    let secrets = &reading.stack.services["api"].secrets;
    assert_eq!(
        secrets["A"].value.as_ref().unwrap().reveal(),
        "hunter2${HOME}$${"
    );
    assert_eq!(secrets["B"].value.as_ref().unwrap().reveal(), "0123");
    assert!(!format!("{reading:?}").contains("hunter2"));
    for secrets in [
        "hunter2",
        "[hunter2]",
        "{A: hunter2}",
        "{A: [hunter2]}",
        "{A: {value: [hunter2]}}",
        "{A: {value: {x: hunter2}}}",
        "{A: {value: hunter2, json_key: x}}",
        "{A: {value: hunter2, value_from: x}}",
        "{A: {value: hunter2, valeu: hunter2}}",
        "{A: {valeu: hunter2}}",
        "{A: {value_from: \"hunter2 !\"}}",
    ] {
        let text = shop_with(&format!("    secrets: {secrets}\n"));
        let found = format!("{:?}", problems(&text));
        assert!(!found.contains("hunter2"), "{secrets}: {found}");
    }
    let found = problems(&shop_with("      URL: postgres://u:hunter2@db/${HOME}\n"));
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn a_value_that_needs_quotes_is_reported_and_so_is_everything_else() {
    let text = "\
name: shop
network: {vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]}
services:
  api:
    image: shop/api:v1
    cpu: 300
    secrets:
      DB:
        value_from: arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf:password::
";
    let lines = lines(text);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].starts_with("6:10: services.api.cpu"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("9:21: : "), "{}", lines[1]);
    assert!(
        lines[1].contains("name the secret without what follows its name"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_secret_that_is_a_text_is_refused_with_the_form_that_it_has() {
    let problem = the_problem(&shop_with("    secrets: {DB: shop/db}\n"));
    assert_eq!(
        problem,
        "11:19: services.api.secrets.DB: this is a text, expected a map such as {value_from: shop/database}"
    );
}

#[test]
fn of_a_misspelt_key_only_the_key_is_reported() {
    let lines = lines(&shop_with(
        "    healthcheck: {test: \"curl -f http://localhost/\", interval: 30s}\n",
    ));
    let places: Vec<&str> = lines
        .iter()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(places, ["services.api.healthcheck"], "{lines:#?}");
    assert!(
        lines[0].contains("did you mean `health_check`?"),
        "{lines:#?}"
    );
}

#[test]
fn texts_of_an_environment_stay_as_they_are_written() {
    let words = [
        "True",
        "on",
        "y",
        "1_000",
        "0x1F",
        "0o14",
        "+1",
        "-0",
        "12:34:56",
        "2024-01-01",
        "0777",
        "9223372036854775808",
        "12345678901234567890123",
        "=",
        "1,000",
    ];
    let variables: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(number, word)| format!("      V{number}: {word}\n"))
        .collect();
    let reading = reading(&shop_with(&variables.concat()));
    let environment = &reading.stack.services["api"].environment;
    for (number, word) in words.iter().enumerate() {
        assert_eq!(environment[&format!("V{number}")].as_str(), *word);
    }
}
