//! Links into AWS's console.

use longshore_events::longshore::LogStream;
use longshore_events::partition::Partition;

use super::text::link;

/// Where the consoles of the partitions are that are known: the AWS Management Console's own documentation, the Amazon
/// Web Services in China guide, and the AWS GovCloud (US) User Guide.
const CONSOLES: [(&str, &str); 3] = [
    ("aws", "console.aws.amazon.com"),
    ("aws-cn", "console.amazonaws.cn"),
    ("aws-us-gov", "console.amazonaws-us-gov.com"),
];

/// AWS's console in the region that Longshore runs in. Without one, messages have no links into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Console {
    region: Option<(String, &'static str)>,
}

impl Console {
    /// The console of a region, where its partition has one that is known.
    pub fn of_region(region: &str) -> Self {
        let is_region = region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let partition = Partition::of_region(region).name;
        let known = CONSOLES.iter().find(|(name, _)| *name == partition);
        let known = known.filter(|_| is_region && !region.is_empty());
        Self {
            region: known.map(|(_, domain)| (region.to_owned(), *domain)),
        }
    }

    /// `label` as a link to a service of ECS.
    pub(super) fn service(&self, cluster: &str, service: &str, label: &str) -> String {
        let (cluster, service) = (encoded(cluster), encoded(service));
        self.page(label, |region| {
            format!("ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}")
        })
    }

    /// `label` as a link to a task of ECS, by its ARN.
    pub(super) fn task(&self, arn: &str, label: &str) -> Option<String> {
        let (_, path) = arn.split_once(":task/")?;
        let (cluster, id) = path.split_once('/')?;
        let (cluster, id) = (encoded(cluster), encoded(id));
        let page = self.page(label, |region| {
            format!("ecs/v2/clusters/{cluster}/tasks/{id}/configuration?region={region}")
        });
        (page != label).then_some(page)
    }

    /// `label` as a link to what a container wrote. This page wants names that are encoded twice, with `$` for `%`.
    pub(super) fn log(&self, stream: &LogStream, label: &str) -> String {
        let twice = |name: &str| encoded(&encoded(name)).replace('%', "$");
        let (group, stream) = (twice(&stream.log_group), twice(&stream.log_stream));
        self.page(label, |region| {
            format!(
                "cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}"
            )
        })
    }

    /// `label` as a link to the events of a stack, by its ARN.
    pub(super) fn stack_events(&self, stack_id: Option<&str>, label: &str) -> String {
        let Some(stack_id) = stack_id.map(encoded) else {
            return label.to_owned();
        };
        self.page(label, |region| {
            format!("cloudformation/home?region={region}#/stacks/events?stackId={stack_id}")
        })
    }

    fn page(&self, label: &str, path: impl Fn(&str) -> String) -> String {
        match &self.region {
            Some((region, domain)) => link(
                &format!("https://{region}.{domain}/{}", path(region)),
                label,
            ),
            None => label.to_owned(),
        }
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_console() {
        for (region, expected) in [
            ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
            ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
            (
                "us-gov-west-1",
                "https://us-gov-west-1.console.amazonaws-us-gov.com/",
            ),
        ] {
            let link = Console::of_region(region).service("shop", "shop-api", "ECS");
            assert_eq!(
                link,
                format!(
                    "<{expected}ecs/v2/clusters/shop/services/shop-api/deployments?region={region}|ECS>"
                )
            );
        }
        for region in ["us-iso-east-1", "", "eu west"] {
            assert_eq!(Console::of_region(region).service("a", "b", "ECS"), "ECS");
        }
    }

    #[test]
    fn a_log_is_found_whatever_its_name_holds() {
        let stream = LogStream {
            task: String::new(),
            container: "api".to_owned(),
            log_group: "/ecs/shop api".to_owned(),
            log_stream: "ecs/api/0f3c".to_owned(),
        };
        assert_eq!(
            Console::of_region("eu-west-1").log(&stream, "log"),
            "<https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/\
             $252Fecs$252Fshop$2520api/log-events/ecs$252Fapi$252F0f3c|log>"
        );
    }

    #[test]
    fn a_task_and_the_events_of_a_stack_are_linked_by_their_arns() {
        let console = Console::of_region("eu-west-1");
        let task = console.task("arn:aws:ecs:eu-west-1:1:task/shop/0f3c", "task");
        assert_eq!(
            task.as_deref(),
            Some(
                "<https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/shop/tasks/0f3c/configuration?region=eu-west-1|task>"
            )
        );
        assert_eq!(console.task("0f3c", "task"), None);
        let stack =
            console.stack_events(Some("arn:aws:cloudformation:eu-west-1:1:stack/shop/a"), "e");
        assert!(
            stack.ends_with(
                "stackId=arn%3Aaws%3Acloudformation%3Aeu-west-1%3A1%3Astack%2Fshop%2Fa|e>"
            )
        );
        assert_eq!(console.stack_events(None, "events"), "events");
    }
}
