//! Which task this is.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where a container reads about its task: the Amazon ECS Developer Guide, "Task metadata endpoint version
/// 4".
const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

const PATIENCE: Duration = Duration::from_secs(5);

/// The answer is a few KiB.
const LARGEST_ANSWER: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "TaskARN")]
    task_arn: String,
}

/// The task's ARN, by which others know that its leases are over when it stops; outside of ECS, a name of
/// this process.
pub async fn of_this_task() -> String {
    let outside = || format!("process-{}-{:x}", std::process::id(), random());
    let Ok(address) = std::env::var(METADATA) else {
        return outside();
    };
    match tokio::time::timeout(PATIENCE, task_arn(&address)).await {
        Ok(Ok(task_arn)) => task_arn,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "ask ecs which task this is");
            outside()
        }
        Err(_) => {
            tracing::warn!(error = "no answer", "ask ecs which task this is");
            outside()
        }
    }
}

async fn task_arn(address: &str) -> Result<String> {
    let rest = address.strip_prefix("http://").with_context(|| {
        format!("found `{address}`, expected an address that begins with http://")
    })?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(&authority)
        .await
        .with_context(|| format!("connect to {authority}"))?;
    // HTTP/1.0, so that the answer comes in no chunks.
    let request = format!("GET /{path}/task HTTP/1.0\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut stream = stream.take(LARGEST_ANSWER);
    while !is_whole(&answer) && stream.read_buf(&mut answer).await? > 0 {}
    read_answer(&String::from_utf8_lossy(&answer))
}

/// Whether all of an answer has come that says its length; any other ends with the connection.
fn is_whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())
        .is_some_and(|length: usize| body.len() >= length)
}

fn read_answer(answer: &str) -> Result<String> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("answered with status {status}");
    }
    let metadata: Metadata = serde_json::from_str(body).context("read the answer")?;
    Ok(metadata.task_arn)
}

/// A number that nobody else has: the standard library's hash maps are keyed with such ones.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_is_read_from_the_answer_of_ecs() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task/homebrew-sync/0123";
        let answer = format!(
            "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{{\"Cluster\": \"homebrew-sync\", \
             \"TaskARN\": \"{arn}\"}}"
        );
        assert_eq!(read_answer(&answer).unwrap(), arn);
    }

    #[test]
    fn an_answer_is_whole_when_its_length_has_come() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true),
            ("HTTP/1.1 200 OK\r\n\r\n{}", false),
        ] {
            assert_eq!(is_whole(answer.as_bytes()), expected, "{answer}");
        }
    }

    #[test]
    fn another_answer_is_an_error_that_says_what_came() {
        for (answer, problem) in [
            ("", "no end of its head"),
            ("HTTP/1.0 404 Not Found\r\n\r\n", "status 404"),
            ("HTTP/1.0 200 OK\r\n\r\n{}", "read the answer"),
        ] {
            let error = read_answer(answer).unwrap_err();
            assert!(format!("{error:#}").contains(problem), "{error:#}");
        }
    }
}
