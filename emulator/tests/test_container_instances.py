"""EC2 instances join a cluster only if their role may do what the agent of ECS needs, and are rolled with the rights of
the stack's role."""

import base64

from tests.running_cloud import SERVE, CloudTest, allow, error_code, unique, wait_until
from tests.stacks import Stack, attribute, network, reference, resource, service_role, template, whole

# As AWS's guide has it, of the instance role of ECS.
AGENT = (
    "ecs:DiscoverPollEndpoint", "ecs:Poll", "ecs:RegisterContainerInstance", "ecs:StartTelemetrySession", "ecs:Submit*",
)
TAGGING = ("ec2:DescribeTags", "ecs:TagResource")
ROLLING = (
    "autoscaling:DescribeScheduledActions", "autoscaling:SuspendProcesses", "autoscaling:SetDesiredCapacity",
    "autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:DescribeScalingActivities",
    "autoscaling:ResumeProcesses",
)


class Joining(CloudTest):
    def setUp(self):
        self.cluster = self.cloud.cluster()
        self.ecs = self.cloud.client("ecs")

    def _group(self, actions, tags_from_ec2=False, size=1, most=1):
        """A group of instances, and a capacity provider of the same name for it."""
        name = unique("capacity")
        iam, scaling = self.cloud.client("iam"), self.cloud.client("autoscaling")
        role = self.cloud.role([allow(list(actions))], "ec2.amazonaws.com").rsplit("/", 1)[-1]
        profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
        text = f"#!/bin/bash\ncat >> /etc/ecs/ecs.config <<'END'\nECS_CLUSTER={self.cluster}\n"
        text += "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM=ec2_instance\n" if tags_from_ec2 else ""
        data = {
            "ImageId": "ami-1",
            "IamInstanceProfile": {"Arn": profile},
            "UserData": base64.b64encode(f"{text}END\n".encode()).decode(),
        }
        self.cloud.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        tag = {"Key": "Name", "Value": name, "ResourceId": name, "ResourceType": "auto-scaling-group"}
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=most,
            DesiredCapacity=size,
            LaunchTemplate={"LaunchTemplateName": name, "Version": "$Latest"},
            Tags=[{**tag, "PropagateAtLaunch": True}],
        )
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        provider = {"autoScalingGroupArn": group["AutoScalingGroupARN"], "managedScaling": {"status": "ENABLED"}}
        self.ecs.create_capacity_provider(name=name, autoScalingGroupProvider=provider)
        return name

    def _joined(self):
        return self.ecs.list_container_instances(cluster=self.cluster)["containerInstanceArns"]

    def _refused(self, group):
        found = self.cloud.control("GET", "/container-instances")[2]
        return [one["refused"] for one in found if one["group"] == group]

    def test_an_instance_joins_whose_role_may_do_what_the_agent_needs(self):
        group = self._group(AGENT, size=0)
        self.cloud.client("autoscaling").set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=1)
        self.assertEqual(len(self._joined()), 1)
        self.assertIn(f":container-instance/{self.cluster}/", self._joined()[0])

    def test_each_right_that_is_missing_keeps_the_instance_out(self):
        for missing, name in (
            ("ecs:DiscoverPollEndpoint", "ecs:DiscoverPollEndpoint"),
            ("ecs:RegisterContainerInstance", "ecs:RegisterContainerInstance"),
            ("ecs:Poll", "ecs:Poll"),
            ("ecs:Submit*", "ecs:SubmitAttachmentStateChanges"),
        ):
            (reason,) = self._refused(self._group([one for one in AGENT if one != missing]))
            self.assertTrue(reason.endswith(f" may not {name}"), reason)
        self.assertEqual(self._joined(), [])

    def test_copying_the_instances_tags_needs_the_right_to_read_and_to_give_them(self):
        for right in TAGGING:
            (reason,) = self._refused(self._group([*AGENT, right], tags_from_ec2=True))
            self.assertIn("may not", reason)
        self.assertEqual(self._joined(), [])
        self._group([*AGENT, *TAGGING], tags_from_ec2=True)
        self.assertEqual(len(self._joined()), 1)

    def test_a_service_runs_where_an_instance_has_joined_and_waits_where_none_has(self):
        good, bad = self._group(AGENT, size=0), self._group(AGENT[1:], size=0)
        definition = self.cloud.register("api", self.cloud.built(f"shop/{self.cluster}", SERVE), {
            "requiresCompatibilities": ["EC2"], "networkMode": "bridge",
        })
        for name, provider in (("good", good), ("bad", bad)):
            strategy = [{"capacityProvider": provider, "weight": 1}]
            options = {"taskDefinition": definition, "desiredCount": 1, "capacityProviderStrategy": strategy}
            self.ecs.create_service(cluster=self.cluster, serviceName=name, **options)

        def runs():
            return self.cloud.service(self.cluster, "good")["runningCount"] == 1

        wait_until("the service runs on an instance that was started for it", runs)
        messages = [event["message"] for event in self.cloud.service(self.cluster, "bad")["events"]]
        self.assertIn("Reason: No Container Instances were found in your cluster.", " ".join(messages))
        self.assertEqual(self.cloud.service(self.cluster, "bad")["runningCount"], 0)
        refused = error_code(
            self.ecs.run_task,
            cluster=self.cluster,
            taskDefinition=definition,
            capacityProviderStrategy=[{"capacityProvider": bad, "weight": 1}],
        )
        self.assertEqual(refused[0], "InvalidParameterException")

    def test_a_daemon_has_one_task_on_each_instance_and_follows_them(self):
        group = self._group(AGENT, size=0, most=2)
        definition = self.cloud.register("agent", self.cloud.built(f"shop/{self.cluster}", SERVE), {
            "requiresCompatibilities": ["EC2"], "networkMode": "bridge",
        })
        self.ecs.create_service(
            cluster=self.cluster,
            serviceName="agent",
            taskDefinition=definition,
            launchType="EC2",
            schedulingStrategy="DAEMON",
            deploymentConfiguration={"maximumPercent": 100, "minimumHealthyPercent": 0},
        )

        def places():
            arns = self.ecs.list_tasks(cluster=self.cluster, serviceName="agent")["taskArns"]
            tasks = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []
            return sorted(one["containerInstanceArn"] for one in tasks if one["lastStatus"] == "RUNNING")

        scaling = self.cloud.client("autoscaling")
        for size in (2, 1):
            scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=size)
            self.assertEqual(len(self._joined()), size)
            wait_until(f"a task on each of {size} instances", lambda: places() == sorted(self._joined()))
        self.assertEqual(self.cloud.service(self.cluster, "agent")["desiredCount"], 1)


class Rolling(CloudTest):
    def setUp(self):
        self.subnets = network()[1]

    def _template(self, instance_type, most="2"):
        data = {"ImageId": "ami-1", "InstanceType": instance_type}
        version = {"LaunchTemplateId": reference("Launch"), "Version": attribute("Launch", "LatestVersionNumber")}
        group = resource(
            "AWS::AutoScaling::AutoScalingGroup",
            MinSize="1",
            MaxSize=most,
            VPCZoneIdentifier=self.subnets,
            LaunchTemplate=version,
        )
        rolling = {"MinInstancesInService": 1, "SuspendProcesses": ["AZRebalance", "ScheduledActions"]}
        group["UpdatePolicy"] = {"AutoScalingRollingUpdate": rolling}
        return template({"Launch": resource("AWS::EC2::LaunchTemplate", LaunchTemplateData=data), "Machines": group})

    def _stack(self, actions):
        """A stack whose role may make and change its group, and do these things of a rolling update."""
        kept = [f"autoscaling:{one}" for one in (
            "CreateAutoScalingGroup", "UpdateAutoScalingGroup", "DeleteAutoScalingGroup", "DescribeAutoScalingGroups",
            "CreateOrUpdateTags",
        )]
        stack = Stack(role=service_role([whole("ec2:*"), whole([*kept, *actions])])).made(self._template("t3.micro"))
        return stack

    def _instances(self, stack):
        name = stack.physical_ids()["Machines"]
        scaling = self.cloud.client("autoscaling")
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return [one["InstanceId"] for one in group["Instances"]]

    def test_another_instance_type_replaces_the_instances(self):
        stack = self._stack(ROLLING)
        before = self._instances(stack)
        self.assertEqual(stack.apply(self._template("t3.small")), "UPDATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
        after = self._instances(stack)
        self.assertEqual((len(before), len(after)), (1, 1))
        self.assertNotEqual(before, after)
        # Another size alone rolls nothing.
        self.assertEqual(stack.apply(self._template("t3.small", most="3")), "UPDATE_COMPLETE")
        self.assertEqual(self._instances(stack), after)

    def test_each_right_that_is_missing_fails_the_update(self):
        for missing in ROLLING:
            with self.subTest(missing):
                stack = self._stack([one for one in ROLLING if one != missing])
                stack.apply(self._template("t3.small"))
                self.assertIn(missing, stack.reasons("UPDATE_FAILED")["Machines"])

    def test_a_group_of_several_types_shows_them_and_is_rolled_when_they_change(self):
        def mixed(*types):
            body = self._template("t3.micro")
            group = body["Resources"]["Machines"]["Properties"]
            specification = group.pop("LaunchTemplate")
            overrides = [{"InstanceType": one} for one in types]
            group["MixedInstancesPolicy"] = {
                "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
                "LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides},
            }
            return body

        stack = Stack().made(mixed("m7i.large", "m6i.large"))
        name, before = stack.physical_ids()["Machines"], self._instances(stack)
        scaling = self.cloud.client("autoscaling")
        (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        policy = group["MixedInstancesPolicy"]
        self.assertEqual(policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"], 0)
        types = [one["InstanceType"] for one in policy["LaunchTemplate"]["Overrides"]]
        self.assertEqual(types, ["m7i.large", "m6i.large"])
        self.assertEqual(stack.drifts()["Machines"]["StackResourceDriftStatus"], "IN_SYNC")
        self.assertEqual(stack.apply(mixed("m7i.large")), "UPDATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
        self.assertNotEqual(self._instances(stack), before)
