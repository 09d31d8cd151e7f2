"""A stack as AWS shows it: what is asked for by the names that the stack file gives, not by CloudFormation's ids."""

import unittest
from functools import cached_property

from cloud import CLOUD, NotYet, Change, until

# These take no tags.
UNTAGGED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::EFS::MountTarget",
    "AWS::IAM::InstanceProfile",
    "AWS::KMS::Alias",
    "AWS::Route53::RecordSet",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}


def pairs(tags):
    """Tags as AWS's services list them, as a dictionary."""
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags}


class Stack:
    """A stack by its name; the cluster's name is the stack's unless another is given."""

    def __init__(self, name, cluster=None):
        self.name = name
        self.cluster_name = cluster or name

    # What people do.

    def upload(self, text, ending="yaml"):
        """Writes the stack file; answers its version, by which what Slack shows of it is found."""
        before = len(CLOUD.slack_messages())
        return Change(CLOUD.write(f"stacks/{self.name}.{ending}", text), self.name, before)

    def apply(self, text):
        """Writes the stack file and waits until Slack is notified that the stack is ready."""
        version = self.upload(text)
        self.wait_until_ready(version)
        return version

    def wait_until_ready(self, version):
        def look():
            for bad in (f"Stack failed: {self.name}", "Stack file refused", "Stack unchanged"):
                found = CLOUD.messages(bad, version)
                if found:
                    raise AssertionError(f"{self.name} is not ready:\n{found[-1]}")
            found = CLOUD.messages(f"Stack ready: {self.name}", version)
            # The two are reported by invocations of their own, in any order.
            began = CLOUD.messages(f"Stack applying: {self.name}", version)
            if found and began:
                return began[0], found[-1]
            texts = CLOUD.messages(version)
            if not texts:
                for letter in CLOUD.dead_letters("provision"):
                    if version in letter:
                        raise AssertionError(f"provision failed on {self.name}: {letter}")
            raise NotYet(
                " / ".join(text.split("\n")[0] for text in texts) or "nothing is reported of it"
            )

        return until(f"{self.name} to be ready", look, seconds=240)

    def wait_until_failed(self, version):
        return CLOUD.wait_for_message(f"Stack failed: {self.name}", version, of=version)

    def outputs(self):
        return CLOUD.provision("outputs", self.name)

    # What AWS shows.

    def describe(self):
        """The stack as CloudFormation describes it; None when there is none."""
        cloudformation = CLOUD.client("cloudformation")
        try:
            return cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except cloudformation.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def status(self):
        described = self.describe()
        return described and described["StackStatus"]

    def wait_until_status(self, *wanted):
        def look():
            status = self.status()
            if status in wanted:
                return status
            raise NotYet(status)

        return until(f"stack {self.name} to be {' or '.join(map(str, wanted))}", look)

    @cached_property
    def resources(self):
        """(type, physical id) of every resource."""
        pages = CLOUD.client("cloudformation").get_paginator("list_stack_resources")
        return [
            (resource["ResourceType"], resource["PhysicalResourceId"])
            for page in pages.paginate(StackName=self.name)
            for resource in page["StackResourceSummaries"]
        ]

    def ids(self, resource_type):
        return [physical for kind, physical in self.resources if kind == resource_type]

    def record(self):
        """What Longshore has written down of the stack's last change."""
        return CLOUD.read(f"provisions/{self.name}/current.json")

    @property
    def cluster(self):
        answer = CLOUD.client("ecs").describe_clusters(
            clusters=[self.cluster_name], include=["SETTINGS", "TAGS", "CONFIGURATIONS"]
        )
        return answer["clusters"][0]

    def service(self, name):
        answer = CLOUD.client("ecs").describe_services(
            cluster=self.cluster_name, services=[name], include=["TAGS"]
        )
        if not answer["services"]:
            raise AssertionError(f"there is no service {name} in {self.cluster_name}")
        return answer["services"][0]

    def task_definition(self, service):
        """The task definition that a service runs."""
        return CLOUD.client("ecs").describe_task_definition(
            taskDefinition=self.service(service)["taskDefinition"]
        )["taskDefinition"]

    def container(self, service):
        return self.task_definition(service)["containerDefinitions"][0]

    def running(self, service):
        """The tasks of a service that run."""
        ecs = CLOUD.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster_name, serviceName=service)["taskArns"]
        if not arns:
            return []
        tasks = ecs.describe_tasks(cluster=self.cluster_name, tasks=arns)["tasks"]
        return [task for task in tasks if task["lastStatus"] == "RUNNING"]

    def wait_until_runs(self, service, digest):
        """Waits until a service is stable and all of its tasks run this image."""

        def look():
            described = self.service(service)
            deployments = described["deployments"]
            if len(deployments) != 1 or deployments[0].get("rolloutState") != "COMPLETED":
                states = [(one["status"], one.get("rolloutState")) for one in deployments]
                raise NotYet(f"deployments {states}")
            images = [
                container.get("imageDigest") or container["image"]
                for task in self.running(service)
                for container in task["containers"]
            ]
            if not images or not all(image.endswith(digest) for image in images):
                raise NotYet(f"images {images}")
            return described

        return until(f"{service} to run {digest[:19]}", look)

    def scaling(self, service):
        """The scalable target of a service and its policies, by type."""
        scaling = CLOUD.client("application-autoscaling")
        resource = f"service/{self.cluster_name}/{service}"
        targets = scaling.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=[resource]
        )["ScalableTargets"]
        policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)
        return targets, policies["ScalingPolicies"]

    def tracking(self, service):
        """The target tracking of a service: (target, cooldown out, cooldown in) by metric."""
        _, policies = self.scaling(service)
        found = {}
        for policy in policies:
            tracking = policy["TargetTrackingScalingPolicyConfiguration"]
            metric = tracking["PredefinedMetricSpecification"]["PredefinedMetricType"]
            found[metric] = (
                tracking["TargetValue"],
                tracking.get("ScaleOutCooldown"),
                tracking.get("ScaleInCooldown"),
            )
        return found

    def alarms(self):
        """The stack's alarms."""
        names = self.ids("AWS::CloudWatch::Alarm")
        if not names:
            return []
        return CLOUD.client("cloudwatch").describe_alarms(AlarmNames=names, MaxRecords=100)[
            "MetricAlarms"
        ]

    def security_group(self, group):
        return CLOUD.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]

    def security_groups_of(self, service):
        return self.service(service)["networkConfiguration"]["awsvpcConfiguration"][
            "securityGroups"
        ]

    def log_group(self, name):
        groups = CLOUD.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        found = [group for group in groups if group["logGroupName"] == name]
        return found[0] if found else None

    def route(self, repository):
        """The subscribers of a repository."""
        route = CLOUD.read(f"routes/{repository}.json")
        return route["subscribers"] if route else []

    def wait_for_route(self, repository, subscribers=1):
        """The subscribers of a repository, as soon as there are as many as expected."""

        def look():
            found = self.route(repository)
            if len(found) != subscribers:
                raise NotYet(f"{len(found)} subscribers")
            return found

        return until(f"{repository} to have {subscribers} subscribers", look)

    def tags(self, resource_type, physical):
        """The tags of a resource, asked from its own service."""
        return _TAGS[resource_type](physical)


def _log_group_tags(name):
    arn = f"arn:aws:logs:{CLOUD.region}:{CLOUD.account}:log-group:{name}"
    return CLOUD.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]


def _ec2_tags(physical):
    answer = CLOUD.client("ec2").describe_tags(
        Filters=[{"Name": "resource-id", "Values": [physical]}]
    )
    return pairs(answer["Tags"])


def _ecs_tags(arn):
    return pairs(CLOUD.client("ecs").list_tags_for_resource(resourceArn=arn)["tags"])


def _balancing_tags(arn):
    answer = CLOUD.client("elbv2").describe_tags(ResourceArns=[arn])
    return pairs(answer["TagDescriptions"][0]["Tags"])


def _alarm_tags(name):
    arn = f"arn:aws:cloudwatch:{CLOUD.region}:{CLOUD.account}:alarm:{name}"
    return pairs(CLOUD.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"])


def _dashboard_tags(name):
    arn = f"arn:aws:cloudwatch::{CLOUD.account}:dashboard/{name}"
    return pairs(CLOUD.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"])


def _scalable_target_tags(physical):
    resource = physical.split("|")[0]
    scaling = CLOUD.client("application-autoscaling")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[resource])
    arn = target["ScalableTargets"][0]["ScalableTargetARN"]
    return scaling.list_tags_for_resource(ResourceARN=arn)["Tags"]


def _discovery_tags(physical):
    kind = "namespace" if physical.startswith("ns-") else "service"
    arn = f"arn:aws:servicediscovery:{CLOUD.region}:{CLOUD.account}:{kind}/{physical}"
    return pairs(CLOUD.client("servicediscovery").list_tags_for_resource(ResourceARN=arn)["Tags"])


def _cluster_tags(name):
    answer = CLOUD.client("ecs").describe_clusters(clusters=[name], include=["TAGS"])
    return pairs(answer["clusters"][0]["tags"])


def _capacity_provider_tags(name):
    answer = CLOUD.client("ecs").describe_capacity_providers(
        capacityProviders=[name], include=["TAGS"]
    )
    return pairs(answer["capacityProviders"][0]["tags"])


def _group_tags(name):
    answer = CLOUD.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return pairs(answer["AutoScalingGroups"][0]["Tags"])


def _access_point_tags(physical):
    answer = CLOUD.client("efs").describe_access_points(AccessPointId=physical)
    return pairs(answer["AccessPoints"][0]["Tags"])


def _file_system_tags(physical):
    answer = CLOUD.client("efs").describe_file_systems(FileSystemId=physical)
    return pairs(answer["FileSystems"][0]["Tags"])


def _key_tags(physical):
    tags = CLOUD.client("kms").list_resource_tags(KeyId=physical)["Tags"]
    return {tag["TagKey"]: tag["TagValue"] for tag in tags}


def _rule_tags(physical):
    name = physical.rsplit("/", 1)[-1]
    arn = CLOUD.client("events").describe_rule(Name=name)["Arn"]
    return pairs(CLOUD.client("events").list_tags_for_resource(ResourceARN=arn)["Tags"])


_TAGS = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable_target_tags,
    "AWS::AutoScaling::AutoScalingGroup": _group_tags,
    "AWS::CloudWatch::Alarm": _alarm_tags,
    "AWS::CloudWatch::Dashboard": _dashboard_tags,
    "AWS::EC2::FlowLog": _ec2_tags,
    "AWS::EC2::LaunchTemplate": _ec2_tags,
    "AWS::EC2::SecurityGroup": _ec2_tags,
    "AWS::ECS::CapacityProvider": _capacity_provider_tags,
    "AWS::ECS::Cluster": _cluster_tags,
    "AWS::ECS::Service": _ecs_tags,
    "AWS::ECS::TaskDefinition": _ecs_tags,
    "AWS::EFS::AccessPoint": _access_point_tags,
    "AWS::EFS::FileSystem": _file_system_tags,
    "AWS::ElasticLoadBalancingV2::Listener": _balancing_tags,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _balancing_tags,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancing_tags,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _balancing_tags,
    "AWS::Events::Rule": _rule_tags,
    "AWS::IAM::Role": lambda name: pairs(
        CLOUD.client("iam").list_role_tags(RoleName=name)["Tags"]
    ),
    "AWS::KMS::Key": _key_tags,
    "AWS::S3::Bucket": lambda name: pairs(
        CLOUD.client("s3").get_bucket_tagging(Bucket=name)["TagSet"]
    ),
    "AWS::Logs::LogGroup": _log_group_tags,
    "AWS::SNS::Topic": lambda arn: pairs(CLOUD.client("sns").list_tags_for_resource(ResourceArn=arn)["Tags"]),
    "AWS::SQS::Queue": lambda url: CLOUD.client("sqs").list_queue_tags(QueueUrl=url)["Tags"],
    "AWS::ServiceDiscovery::PrivateDnsNamespace": _discovery_tags,
    "AWS::ServiceDiscovery::Service": _discovery_tags,
}


class StackCase(unittest.TestCase):
    """Tests of one stack."""

    maxDiff = None

    def assert_tagged(self, stack, tags):
        """Everything that takes tags has those of the stack file, and what CloudFormation adds."""
        for resource_type, physical in stack.resources:
            if resource_type in UNTAGGED:
                continue
            with self.subTest(resource_type=resource_type, id=physical):
                found = stack.tags(resource_type, physical)
                self.assertLessEqual(tags.items(), found.items())
                # Its tags are in a property of another name, which CloudFormation adds nothing to.
                if resource_type != "AWS::EC2::LaunchTemplate":
                    self.assertEqual(found.get("longshore:stack"), stack.name)

    def assert_holds(self, whole, **part):
        """These fields have these values; others may be there."""
        for name, value in part.items():
            self.assertEqual(whole.get(name), value, f"{name} of {whole}")
