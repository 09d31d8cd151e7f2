//! What reading a stack file promises.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::read::{Reading, Selection, read, read_value};
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
        problem.value.as_ref().map_or_else(String::new, |value| format!(" ({value})")),
    )
}

#[test]
fn a_stack_file_is_read() {
    let reading = reading(SHOP);
    assert_eq!(reading.stack.stack_name(), "shop");
    assert_eq!(reading.stack.services["api"].memory, 512);
    assert_eq!(reading.stack.services["api"].environment["PORT"].as_str(), "3001");
    assert_eq!(reading.warnings, []);
}

#[test]
fn json_is_read_as_yaml_is_tabs_and_escapes_included() {
    let text = "{\n\t\"name\": \"shop\",\n\t\"network\": {\"vpc_id\": \"vpc-0a1b2c3d\", \"subnet_ids\": \
                [\"subnet-0a1b2c3d\", \"subnet-1a1b2c3d\"]},\n\t\"services\": {\"api\": {\"image\": \
                \"shop\\/api:v1\", \"environment\": {\"FACE\": \"\\ud83d\\ude00\"}, \"cpu\": 256}}}";
    let reading = reading(text);
    assert_eq!(reading.stack.services["api"].image, "shop/api:v1");
    assert_eq!(reading.stack.services["api"].environment["FACE"].as_str(), "😀");
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
        "-:-: services.api.cpu: this is a text, expected a whole number from 0 to 4294967295 (big)"
    );
}
