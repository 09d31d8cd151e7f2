//! From answers to a few questions.

use std::collections::BTreeMap;

use longshore_stack::check::fargate_size;

use crate::document::Block;
use crate::draft::{Draft, Parameters};
use crate::values::{part_name, set_image};

/// Something that somebody at a terminal is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// What it is about; the key of its answer.
    pub key: &'static str,
    /// The question.
    pub text: &'static str,
    /// What an empty answer means; none where one is needed.
    pub default: Option<&'static str>,
}

/// Answers by the keys of their questions.
pub type Answers = BTreeMap<&'static str, String>;

const QUESTIONS: [Question; 9] = [
    question("name", "Name of the stack", None),
    question("service", "Name of its first service", Some("api")),
    question("image", "Its image in ECR, as <repository>:<tag>", None),
    question("port", "Port that it listens on, or none", Some("8080")),
    question(
        "load_balancer",
        "Who sends it requests: internet, vpc or nobody",
        Some("vpc"),
    ),
    question(
        "path",
        "Path that it answers with 200 when it is healthy",
        Some("/health"),
    ),
    question("vpc", "VPC, as vpc-…", None),
    question(
        "subnets",
        "Subnets of the tasks, as subnet-…, in two availability zones, with a blank between them",
        None,
    ),
    question(
        "public_subnets",
        "Public subnets of the load balancer, with a blank between them",
        None,
    ),
];

const fn question(
    key: &'static str,
    text: &'static str,
    default: Option<&'static str>,
) -> Question {
    Question { key, text, default }
}

/// The next question, after those that are answered or that the parameters answer; none when all is known.
pub fn next_question(answers: &Answers, parameters: &Parameters) -> Option<Question> {
    let answer = |key: &str| answers.get(key).map(String::as_str);
    let has_port = answer("port") != Some("none");
    let is_asked = |key: &str| match key {
        "name" => parameters.name.is_none(),
        "load_balancer" => has_port && parameters.public_subnet_ids.is_empty(),
        "path" => has_port && answer("load_balancer") != Some("nobody"),
        "vpc" => parameters.vpc_id.is_none(),
        "subnets" => parameters.subnet_ids.is_empty(),
        "public_subnets" => {
            answer("load_balancer") == Some("internet") && parameters.public_subnet_ids.is_empty()
        }
        _ => true,
    };
    QUESTIONS
        .into_iter()
        .find(|question| !answers.contains_key(question.key) && is_asked(question.key))
}

/// Says what is wrong with an answer, if anything is.
///
/// # Errors
/// What is expected.
pub fn check(question: &Question, answer: &str) -> Result<(), String> {
    let words: Vec<&str> = answer.split_whitespace().collect();
    let is_right = match question.key {
        "name" | "service" => !answer.is_empty() && part_name(answer) == answer,
        "image" => !answer.is_empty() && !answer.contains(char::is_whitespace),
        "port" => answer == "none" || answer.parse::<u16>().is_ok_and(|port| port > 0),
        "load_balancer" => ["internet", "vpc", "nobody"].contains(&answer),
        "path" => answer.starts_with('/'),
        "vpc" => answer.starts_with("vpc-") && words.len() == 1,
        "subnets" => !words.is_empty() && words.iter().all(|word| word.starts_with("subnet-")),
        _ => words.len() >= 2 && words.iter().all(|word| word.starts_with("subnet-")),
    };
    if is_right {
        return Ok(());
    }
    Err(match question.key {
        "name" | "service" => {
            "expected a lowercase letter, then lowercase letters, digits and hyphens, at most 30 in all"
        }
        "image" => "expected an image such as shop/api:v1",
        "port" => "expected a number from 1 to 65535, or none",
        "load_balancer" => "expected internet, vpc or nobody",
        "path" => "expected a path such as /health",
        "vpc" => "expected an id such as vpc-0a1b2c3d4e5f60718",
        "subnets" => "expected ids such as subnet-0a1b2c3d4e5f60718",
        _ => "expected at least two ids such as subnet-0a1b2c3d4e5f60718",
    }
    .to_owned())
}

/// A stack with the one service of the answers. Questions without an answer have their defaults.
pub fn draft(answers: &Answers, parameters: &Parameters) -> Draft {
    let answer = |key: &str| {
        let default = QUESTIONS.iter().find(|question| question.key == key);
        let default = default.and_then(|question| question.default);
        let answer = answers.get(key).map(String::as_str);
        answer.or(default).unwrap_or_default()
    };
    let ids = |key: &str| -> Vec<String> {
        let words = answer(key).split_whitespace();
        words.map(str::to_owned).collect()
    };
    let mut draft = Draft::new("answers", answer("name"), parameters);
    draft.default_vpc(Some(answer("vpc").to_owned()));
    draft.default_subnets(ids("subnets"));
    if draft.load_balancer_subnet_ids.is_empty() {
        draft.load_balancer_subnet_ids = ids("public_subnets");
    }
    let mut service = Block::default();
    set_image(&mut service, answer("image"), true);
    let (cpu, memory) = fargate_size(256, 512);
    service.set("cpu", cpu);
    service.set("memory", memory);
    if let Ok(port) = answer("port").parse::<u32>() {
        service.set("container_port", port);
        if answer("load_balancer") != "nobody" {
            let check = Block::with("path", answer("path"));
            service.set("target_group", Block::with("health_check", check));
        }
    }
    draft.services.set(answer("service"), service);
    draft
}
