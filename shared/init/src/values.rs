//! Values that several sources have, and what they are in a stack file.

use longshore_events::registry::ImageName;
use longshore_stack::check::{fargate_size, is_secret};

use crate::document::{Block, Value};
use crate::notes::Notes;
use crate::source::Place;

/// A name of a part of a stack: lowercase letters, digits and hyphens between them.
pub fn part_name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        match character {
            'a'..='z' | '0'..='9' => name.push(character),
            'A'..='Z' => name.push(character.to_ascii_lowercase()),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_matches('-');
    let name = match name.chars().next() {
        Some(first) if first.is_ascii_lowercase() => name.to_owned(),
        _ => format!("s{name}"),
    };
    // A stack's name has at most 40 characters, and some are for the environment.
    let short: String = name.chars().take(30).collect();
    short.trim_matches('-').to_owned()
}

/// A text that stands for itself, whatever a stack file's placeholders are.
pub fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A value of `environment`: numbers and booleans need no quotes there.
pub fn variable(text: &str) -> Value {
    let is_number = text
        .parse::<u32>()
        .is_ok_and(|number| number.to_string() == text);
    match text {
        "true" | "false" => Value::Plain(text.to_owned()),
        _ if is_number => Value::Plain(text.to_owned()),
        _ => Value::Text(literal(text)),
    }
}

/// Says an environment variable; one whose value is a secret becomes one of `secrets`, without the value.
///
/// `owner` is the stack's and the service's name, from which the secret's name is made.
pub fn set_variable(
    container: &mut Block,
    owner: &str,
    (name, value): (&str, &str),
    place: &Place,
    notes: &mut Notes,
) {
    if is_secret(name, value) {
        let secret = set_secret(container, owner, name);
        notes.add(
            place,
            format!(
                "this looks like a secret, so its value is not in the stack file: put it into Secrets Manager \
                 as `{secret}`, for example with `aws secretsmanager create-secret --name {secret} \
                 --secret-string …`"
            ),
        );
        return;
    }
    container.block("environment").set(name, variable(value));
}

/// Says a secret that is still to be made, and returns its name.
pub fn set_secret(container: &mut Block, owner: &str, name: &str) -> String {
    let secret = format!("{owner}/{name}");
    let secrets = container.block("secrets");
    secrets.set(name, Block::with("value_from", secret.as_str()));
    secrets.comment(name, "Make this secret first.");
    secret
}

/// Where a secret comes from, as ECS writes it: an ARN, or the name of a parameter of SSM.
pub fn secret_source(value_from: &str, place: &Place, notes: &mut Notes) -> Block {
    if !value_from.starts_with("arn:") {
        return parameter(value_from);
    }
    let parts: Vec<&str> = value_from.splitn(8, ':').collect();
    let [_, _, "secretsmanager", _, _, _, name, rest] = parts[..] else {
        return Block::with("value_from", value_from);
    };
    let arn = value_from[..value_from.len() - rest.len() - 1].to_owned();
    let arn = match name {
        "" => value_from.to_owned(),
        _ => arn,
    };
    let (key, version) = rest.split_once(':').unwrap_or((rest, ""));
    if !version.trim_matches(':').is_empty() {
        notes.add(
            place,
            "not carried over: the stage or version of the secret; containers get the current one",
        );
    }
    let mut block = Block::with("value_from", arn);
    if !key.is_empty() {
        block.set("json_key", key);
    }
    block
}

/// A parameter of SSM by its name.
pub fn parameter(name: &str) -> Block {
    let name = name.trim_start_matches('/');
    let arn = format!(
        "arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter/{name}"
    );
    Block::with("value_from", arn)
}

/// Says a service's image. One of a registry other than ECR is not followed, since its pushes wake nobody.
pub fn set_image(container: &mut Block, image: &str, is_service: bool) {
    let name = ImageName::of(image);
    let image = match name.ecr() {
        // Of this account, as far as anybody knows: pushes to it are deployed.
        Some(_) => image.split_once('/').map_or(image, |(_, rest)| rest),
        None => image,
    };
    let is_elsewhere = name.registry.is_some() && name.ecr().is_none();
    container.set("image", literal(image));
    if is_elsewhere && is_service {
        container.set("image_policy", Block::with("tags", Vec::<&str>::new()));
        container.comment(
            "image_policy",
            "An image of another registry: it changes when this file names another one.",
        );
    }
}

/// An image by its complete name: without a registry, Docker means Docker Hub.
pub fn docker_image(image: &str) -> String {
    let name = ImageName::of(image);
    match name.registry {
        Some(_) => image.to_owned(),
        None if name.repository.contains('/') => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

/// Says the size of a task on Fargate that has at least these CPU units and MiB; the defaults are not written.
pub fn set_size(
    service: &mut Block,
    (cpu, memory): (Option<u32>, Option<u32>),
    place: &Place,
    notes: &mut Notes,
) {
    if cpu.is_none() && memory.is_none() {
        return;
    }
    let asked = (cpu.unwrap_or(256), memory.unwrap_or(512));
    let size = fargate_size(asked.0, asked.1);
    if size != asked
        && (cpu.is_some_and(|cpu| cpu != size.0) || memory.is_some_and(|memory| memory != size.1))
    {
        notes.add(
            place,
            format!(
                "{} CPU units with {} MiB of memory became {} with {}, the nearest size that Fargate has",
                asked.0, asked.1, size.0, size.1
            ),
        );
    }
    service.set("cpu", size.0);
    service.set("memory", size.1);
}

/// Seconds of a duration as Compose and Copilot write it: `1m30s`, `500ms`, `90`. Rounded up.
pub fn seconds(text: &str) -> Option<u32> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|next: char| !next.is_ascii_digit() && next != '.');
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let number: f64 = number.parse().ok()?;
        let end = after.find(|next: char| next.is_ascii_digit());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        total += number
            * match unit {
                "us" => 0.000_001,
                "ms" => 0.001,
                "s" | "" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = after;
    }
    (total <= f64::from(u32::MAX)).then(|| f64::ceil(total) as u32)
}

/// MiB of a size as Docker writes it: `512m`, `1.5GB`, bytes without a unit. Rounded up.
pub fn mebibytes(text: &str) -> Option<u32> {
    let text = text.trim().to_lowercase();
    let end = text
        .find(|next: char| !next.is_ascii_digit() && next != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let bytes = number
        * match unit.trim().trim_end_matches("ib").trim_end_matches('b') {
            "" => 1.0,
            "k" => 1024.0,
            "m" => 1024.0 * 1024.0,
            "g" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
    let size = (bytes / 1024.0 / 1024.0).ceil();
    (size <= f64::from(u32::MAX)).then_some(size as u32)
}

/// A command in one text as the words of it, as a shell takes them apart.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(end), _) if character == end => quote = None,
            (Some('\''), _) => word.get_or_insert_default().push(character),
            (_, '\\') => {
                if let Some(next) = characters.next() {
                    word.get_or_insert_default().push(next);
                }
            }
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// The words of a command as texts of a stack file.
pub fn literals(words: &[String]) -> Vec<String> {
    words.iter().map(|word| literal(word)).collect()
}

/// The path that a health check by `curl` or `wget` asks for on this computer.
pub fn checked_path(command: &[String]) -> Option<String> {
    let text = command.join(" ");
    let hosts = ["://localhost", "://127.0.0.1", "://0.0.0.0"];
    let rest = hosts
        .iter()
        .find_map(|host| text.split_once(host).map(|(_, rest)| rest))?;
    let rest = rest.strip_prefix(':').map_or(rest, |rest| {
        rest.trim_start_matches(|next: char| next.is_ascii_digit())
    });
    let path: String = rest
        .chars()
        .take_while(|next| !next.is_whitespace() && !"'\"|;)".contains(*next))
        .collect();
    Some(if path.starts_with('/') {
        path
    } else {
        "/".to_owned()
    })
}

/// What EventBridge Scheduler calls a schedule of Copilot or cron: `@daily`, `@every 1h`, `0 9 * * MON-FRI`,
/// `cron(…)`, `rate(…)`.
pub fn schedule(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with("cron(") || text.starts_with("rate(") {
        return Some(text.to_owned());
    }
    if let Some(every) = text.strip_prefix("@every ") {
        let minutes = seconds(every)?.div_ceil(60).max(1);
        let unit = if minutes == 1 { "minute" } else { "minutes" };
        return Some(format!("rate({minutes} {unit})"));
    }
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => text,
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return None;
    };
    // AWS wants a question mark for one of the two, and counts from Sunday as 1.
    let (day, weekday) = match (day, weekday) {
        (_, "*" | "?") => (if day == "?" { "*" } else { day }, "?".to_owned()),
        ("*" | "?", _) => ("?", weekdays(weekday)?),
        _ => return None,
    };
    Some(format!("cron({minute} {hour} {day} {month} {weekday} *)"))
}

/// Days of the week as AWS counts them.
fn weekdays(text: &str) -> Option<String> {
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let day = |text: &str| match text.parse::<usize>() {
        Ok(number) => names.get(number).map(|name| (*name).to_owned()),
        Err(_) => Some(text.to_uppercase()),
    };
    let ranges: Option<Vec<String>> = text
        .split(',')
        .map(|range| match range.split_once('-') {
            Some((first, last)) => Some(format!("{}-{}", day(first)?, day(last)?)),
            None => day(range),
        })
        .collect();
    ranges.map(|ranges| ranges.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_docker_writes_them() {
        for (text, expected) in [
            ("1m30s", Some(90)),
            ("500ms", Some(1)),
            ("10", Some(10)),
            ("2h", Some(7200)),
            ("soon", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for (text, expected) in [
            ("512m", Some(512)),
            ("1.5GB", Some(1536)),
            ("1Gi", None),
            ("536870912", Some(512)),
            ("300MiB", Some(300)),
        ] {
            assert_eq!(mebibytes(text), expected, "{text}");
        }
    }

    #[test]
    fn schedules_are_those_of_eventbridge_scheduler() {
        for (text, expected) in [
            ("@daily", Some("cron(0 0 * * ? *)")),
            ("@every 90m", Some("rate(90 minutes)")),
            ("30 6 * * 1-5", Some("cron(30 6 ? * MON-FRI *)")),
            ("0 0 * * 0", Some("cron(0 0 ? * SUN *)")),
            ("0 4 1 * *", Some("cron(0 4 1 * ? *)")),
            ("rate(1 hour)", Some("rate(1 hour)")),
            ("0 4 1 * MON", None),
            ("whenever", None),
        ] {
            assert_eq!(schedule(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        assert_eq!(
            words("sh -c 'run --all \"now\"' a\\ b \"\""),
            ["sh", "-c", "run --all \"now\"", "a b", ""]
        );
    }

    #[test]
    fn the_path_of_a_health_check_is_found_in_its_command() {
        let path = |text: &str| checked_path(&[text.to_owned()]);
        assert_eq!(
            path("curl -f http://localhost:8080/healthz || exit 1").as_deref(),
            Some("/healthz")
        );
        assert_eq!(path("wget -q http://127.0.0.1:80").as_deref(), Some("/"));
        assert_eq!(path("pg_isready"), None);
    }

    #[test]
    fn a_secret_of_secrets_manager_loses_nothing_but_its_version() {
        let mut notes = Notes::default();
        let file = crate::source::File {
            name: "f",
            content: b"a",
        };
        let place = crate::source::read(&file).unwrap().place;
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/db-AbCdEf";
        let block = secret_source(&format!("{arn}:password::"), &place, &mut notes);
        assert_eq!(block.text("value_from"), Some(arn));
        assert_eq!(block.text("json_key"), Some("password"));
        assert_eq!(
            secret_source(arn, &place, &mut notes).text("value_from"),
            Some(arn)
        );
        assert!(notes.all.is_empty());
        secret_source(&format!("{arn}::AWSPREVIOUS:"), &place, &mut notes);
        assert_eq!(notes.all.len(), 1);
    }

    #[test]
    fn names_are_those_that_a_stack_takes() {
        for (text, expected) in [("My_Shop API", "my-shop-api"), ("2fa", "s2fa"), ("--", "s")] {
            assert_eq!(part_name(text), expected);
        }
    }
}
