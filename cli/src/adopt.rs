//! `longshore adopt`.

use longshore_policy::image_policy::ImagePolicy;
use longshore_provisioning::adopt::{AdoptRequest, Adoption, adopt};
use longshore_provisioning::ports::ServiceInspector;
use longshore_report::words::image_name;
use longshore_rollout::dry_run::DryRun;
use longshore_rollout::ports::Cloud;

use crate::arguments::{AdoptArguments, Output, PolicyArguments};
use crate::outcome::{DRY_RUN, worker};

/// Writes the route and the record of a service that another tool has made.
pub async fn run<C: Cloud + ServiceInspector>(
    cloud: &C,
    arguments: AdoptArguments,
) -> anyhow::Result<String> {
    let request = AdoptRequest {
        ecs_service: arguments.service.0,
        stack: arguments.stack,
        service: arguments.known_as,
        container: arguments.container,
        repository: arguments.repository,
        image_policy: policy(arguments.policy),
    };
    let adoption = match arguments.dry_run {
        true => adopt(&DryRun::of(cloud), &request, &worker()).await?,
        false => adopt(cloud, &request, &worker()).await?,
    };
    Ok(match arguments.output {
        Output::Json => serde_json::to_string_pretty(&adoption)?,
        Output::Text if arguments.dry_run => text(&adoption, "would be adopted") + "\n\n" + DRY_RUN,
        Output::Text => text(&adoption, "is adopted"),
    })
}

fn policy(arguments: PolicyArguments) -> Option<ImagePolicy> {
    let policy = ImagePolicy {
        tags: arguments.tags,
        semver: arguments.semver,
        tag_pattern: arguments.tag_pattern,
        ..ImagePolicy::default()
    };
    Some(policy).filter(|policy| *policy != ImagePolicy::default())
}

fn text(adoption: &Adoption, adopted: &str) -> String {
    let subscriber = &adoption.subscriber;
    let name = format!("{}/{}", subscriber.stack, subscriber.service);
    let containers = [
        &[subscriber.container.clone()][..],
        &subscriber.other_containers,
    ]
    .concat();
    let mut parts = vec![format!(
        "{name} {adopted}: ECS service {} of cluster {}\n\
         follows:   {} of {}, in routes/{}.json\n\
         container: {}\n\
         runs now:  {}\n\
         next:      {}",
        subscriber.ecs_service,
        subscriber.cluster,
        in_words(&subscriber.image_policy),
        adoption.repository,
        adoption.repository,
        containers.join(", "),
        adoption.running_image,
        next(adoption, &name),
    )];
    if !adoption.roles.is_empty() {
        parts.push(format!(
            "the function `deploy` must be allowed to pass its roles; in Longshore's Terraform:\n  \
             task_role_arns = [\n{}  ]",
            adoption
                .roles
                .iter()
                .map(|role| format!("    \"{role}\",\n"))
                .collect::<String>()
        ));
    }
    parts.push(
        "the Terraform that made the service must leave its task definition alone; in its \
         aws_ecs_service:\n  lifecycle {\n    ignore_changes = [task_definition]\n  }"
            .to_owned(),
    );
    parts.extend(
        adoption
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    parts.join("\n\n")
}

/// What is deployed next, which is never what is there already.
fn next(adoption: &Adoption, name: &str) -> String {
    let newest = match &adoption.newest {
        None => return "the first image that it follows; the repository holds none yet".to_owned(),
        Some(newest) => newest,
    };
    let is_running = adoption.running_image.ends_with(newest.digest.as_str())
        || newest.tag.as_ref().is_some_and(|tag| {
            adoption
                .running_image
                .ends_with(&format!("/{}:{tag}", newest.repository))
        });
    let image = image_name(newest);
    if is_running {
        return format!("what takes the place of {image}");
    }
    format!(
        "what comes after {image}, which is there already and is deployed only by: longshore deploy {name} \
         --image {image}"
    )
}

fn in_words(policy: &ImagePolicy) -> String {
    let pattern = policy.tag_pattern.as_ref();
    if let Some(range) = &policy.semver {
        let within = pattern.map(|pattern| format!(" in tags like {pattern}"));
        return format!("versions {range}{}", within.unwrap_or_default());
    }
    match pattern {
        Some(pattern) => format!("tags like {pattern}"),
        None => format!("tags {}", policy.tags.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use longshore_events::image::Image;
    use longshore_testkit::{digest, subscriber};

    use super::*;

    const RUNNING: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2";

    fn adoption() -> Adoption {
        Adoption {
            repository: "shop/api".to_owned(),
            subscriber: subscriber("api"),
            task_definition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:7".to_owned(),
            running_image: RUNNING.to_owned(),
            newest: Some(Image {
                repository: "shop/api".to_owned(),
                tag: Some("v2".to_owned()),
                digest: digest('2'),
            }),
            roles: vec!["arn:aws:iam::111122223333:role/api-task".to_owned()],
            warnings: vec!["its deployment circuit breaker is off".to_owned()],
        }
    }

    #[test]
    fn an_adoption_says_what_follows_and_what_the_other_tool_must_leave_alone() {
        assert_eq!(
            text(&adoption(), "is adopted"),
            "shop/api is adopted: ECS service api of cluster shop\n\
             follows:   tags v* of shop/api, in routes/shop/api.json\n\
             container: app\n\
             runs now:  111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2\n\
             next:      what takes the place of shop/api:v2\n\n\
             the function `deploy` must be allowed to pass its roles; in Longshore's Terraform:\n  \
             task_role_arns = [\n    \"arn:aws:iam::111122223333:role/api-task\",\n  ]\n\n\
             the Terraform that made the service must leave its task definition alone; in its \
             aws_ecs_service:\n  lifecycle {\n    ignore_changes = [task_definition]\n  }\n\n\
             warning: its deployment circuit breaker is off"
        );
    }

    #[test]
    fn what_is_newer_than_what_runs_is_reported_with_the_command_that_deploys_it() {
        let mut adoption = adoption();
        if let Some(newest) = &mut adoption.newest {
            newest.tag = Some("v3".to_owned());
        }
        assert!(
            text(&adoption, "is adopted").contains("longshore deploy shop/api --image shop/api:v3"),
            "{}",
            text(&adoption, "is adopted")
        );
        adoption.newest = None;
        assert!(text(&adoption, "is adopted").contains("the repository holds none yet"));
    }

    #[test]
    fn a_policy_is_reported_as_it_was_given() {
        let policy = |tags: &[&str], semver: Option<&str>, pattern: Option<&str>| PolicyArguments {
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            semver: semver.map(str::to_owned),
            tag_pattern: pattern.map(str::to_owned),
        };
        for (arguments, expected) in [
            (policy(&["v*", "main"], None, None), Some("tags v*, main")),
            (policy(&[], Some(">=1.2"), None), Some("versions >=1.2")),
            (
                policy(&[], Some("^2"), Some("api-(.*)")),
                Some("versions ^2 in tags like api-(.*)"),
            ),
            (policy(&[], None, Some("[0-9]+")), Some("tags like [0-9]+")),
            (policy(&[], None, None), None),
        ] {
            let words = super::policy(arguments).map(|policy| in_words(&policy));
            assert_eq!(words.as_deref(), expected);
        }
    }
}
