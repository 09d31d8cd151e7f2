//! Who runs this program: what Slack and the history say beside what was asked for.

use std::sync::OnceLock;

use longshore_aws::AwsCloud;
use longshore_events::longshore::Caller;
use longshore_rollout::installation::Installation as _;

use crate::arguments::AwsCommand;

/// Known once AWS was asked; a process has one caller.
static CALLER: OnceLock<Caller> = OnceLock::new();

/// Where pipelines say who started them, and where their run is shown: the variables that GitLab, CircleCI and
/// Buildkite set for every run, by their manuals.
const PIPELINES: [(&str, &str); 3] = [
    ("GITLAB_USER_LOGIN", "CI_PIPELINE_URL"),
    ("CIRCLE_USERNAME", "CIRCLE_BUILD_URL"),
    ("BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_URL"),
];

/// Whether a command asks for something that others hear of.
pub fn is_reported(command: &AwsCommand) -> bool {
    matches!(
        command,
        AwsCommand::Apply(_)
            | AwsCommand::Destroy(_)
            | AwsCommand::Deploy(_)
            | AwsCommand::Rollback(_)
            | AwsCommand::Restart(_)
            | AwsCommand::Scale(_)
            | AwsCommand::Hold(_)
            | AwsCommand::Resume(_)
            | AwsCommand::Approve(_)
            | AwsCommand::Reject(_)
            | AwsCommand::Dashboard(_)
    )
}

/// Finds out who runs this program: the pipeline, where it runs in one, or whoever the credentials are of. What cannot be
/// found out is left out: nobody is kept from deploying by it.
pub async fn look_up(cloud: &AwsCloud) {
    let caller = match of_pipeline(|name| std::env::var(name).ok().filter(|text| !text.is_empty()))
    {
        Some(caller) => Some(caller),
        None => cloud
            .caller()
            .await
            .ok()
            .and_then(|known| of_arn(&known.arn)),
    };
    if let Some(caller) = caller {
        CALLER.get_or_init(|| caller);
    }
}

/// Who runs this program, where that is known.
pub fn caller() -> Option<Caller> {
    CALLER.get().cloned()
}

fn of_pipeline(variable: impl Fn(&str) -> Option<String>) -> Option<Caller> {
    if variable("GITHUB_ACTIONS").is_some() {
        let page = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"];
        let page: Option<Vec<String>> = page.into_iter().map(&variable).collect();
        return Some(Caller {
            name: variable("GITHUB_ACTOR").unwrap_or_else(|| "GitHub Actions".to_owned()),
            run_url: page.map(|page| format!("{}/{}/actions/runs/{}", page[0], page[1], page[2])),
        });
    }
    PIPELINES.into_iter().find_map(|(name, page)| {
        let run_url = variable(page)?;
        Some(Caller {
            name: variable(name).unwrap_or_else(|| "a pipeline".to_owned()),
            run_url: Some(run_url),
        })
    })
}

/// `ada` of `arn:aws:iam::111122223333:user/ada`; of an assumed role the name of its session, which identity providers
/// set to the person's.
fn of_arn(arn: &str) -> Option<Caller> {
    let name = arn.splitn(6, ':').nth(5)?.rsplit('/').next()?;
    (!name.is_empty()).then(|| Caller::named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_as_their_session_or_their_user_is() {
        for (arn, expected) in [
            ("arn:aws:iam::111122223333:user/team/ada", Some("ada")),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/Deployer/ada@example.com",
                Some("ada@example.com"),
            ),
            ("arn:aws:iam::111122223333:root", Some("root")),
            ("", None),
        ] {
            let caller = of_arn(arn);
            assert_eq!(
                caller.map(|caller| caller.name).as_deref(),
                expected,
                "{arn}"
            );
        }
    }

    #[test]
    fn a_pipeline_is_named_with_the_page_of_its_run() {
        let github = |name: &str| {
            let value = match name {
                "GITHUB_ACTIONS" => "true",
                "GITHUB_ACTOR" => "ada",
                "GITHUB_SERVER_URL" => "https://github.com",
                "GITHUB_REPOSITORY" => "shop/api",
                "GITHUB_RUN_ID" => "7",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let caller = of_pipeline(github).unwrap();
        assert_eq!(caller.name, "ada");
        assert_eq!(
            caller.run_url.as_deref(),
            Some("https://github.com/shop/api/actions/runs/7")
        );
        let gitlab = |name: &str| {
            (name == "CI_PIPELINE_URL").then(|| "https://gitlab.example/p/1".to_owned())
        };
        assert_eq!(of_pipeline(gitlab).unwrap().name, "a pipeline");
        assert_eq!(of_pipeline(|_| None), None);
    }
}
