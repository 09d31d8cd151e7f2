"""Every type of resource that a stack of Longshore uses: what the template says is what the services show, when it
is made and when it is changed, and nothing is left when it is deleted."""

import json
from pathlib import Path

import yaml

from tests.running_cloud import SERVE, CloudTest, allow, policy, unique
from tests.stacks import Stack, log_group, network, reference, template

SECRET = "very-secret"
_TEMPLATE = Path(__file__).with_name("every_resource.yaml").read_text()
_AMI = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"


def _changed():
    """The same stack with something else in each kind of property."""
    body = yaml.safe_load(_TEMPLATE)
    properties = {name: one["Properties"] for name, one in body["Resources"].items()}
    properties["Task"].update(Cpu="512", Memory="1024")
    properties["Logs"]["RetentionInDays"] = 90
    properties["Balancer"]["LoadBalancerAttributes"][0]["Value"] = "false"
    properties["Rule"]["Priority"] = 20
    properties["Rule"]["Conditions"][0]["PathPatternConfig"]["Values"] = ["/v2/*"]
    properties["Scaling"]["MaxCapacity"] = 9
    properties["Cpu"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = 50
    properties["In"].update(FromPort=3002, ToPort=3002)
    properties["Balancing"]["SecurityGroupIngress"].append(
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
    )
    properties["Files"]["ThroughputMode"] = "elastic"
    del properties["Files"]["ProvisionedThroughputInMibps"]
    properties["Cluster"]["ClusterSettings"][0]["Value"] = "disabled"
    properties["Machines"]["MaxSize"] = "3"
    properties["Launch"]["LaunchTemplateData"]["InstanceType"] = "t3.small"
    del properties["Role"]["Policies"]
    properties["Role"]["Description"] = "of the shop"
    properties["Discovery"]["DnsConfig"]["DnsRecords"][0]["TTL"] = 60
    properties["Alarm"]["Threshold"] = 90
    properties["Service"].update(HealthCheckGracePeriodSeconds=90, AvailabilityZoneRebalancing="DISABLED")
    properties["Provider"]["AutoScalingGroupProvider"]["ManagedScaling"]["TargetCapacity"] = 80
    properties["Targets"]["HealthCheckPath"] = "/ready"
    properties["Https"]["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] = "503"
    certificate = properties["MoreCertificates"]["Certificates"][0]["CertificateArn"]
    certificate["Fn::Sub"] = certificate["Fn::Sub"].replace("second", "third")
    properties["Queue"].update(VisibilityTimeout=60, Tags=[{"Key": "Team", "Value": "orders"}])
    del properties["Queue"]["RedrivePolicy"]
    properties["Topic"].update(DisplayName="Shop", Tags=[{"Key": "Team", "Value": "orders"}])
    del properties["Subscription"]["FilterPolicy"]
    properties["Record"]["AliasTarget"]["EvaluateTargetHealth"] = False
    del body["Resources"]["Dashboard"]
    return json.dumps(body)


class Resources(CloudTest):
    maxDiff = None

    def _shown(self, service, operation, member, **options):
        return getattr(self.cloud.client(service), operation)(**options)[member]

    def _shows(self, service, operation, member, wanted, **options):
        """A service shows what is wanted; a single wanted value is that of a list of one."""
        shown = self._shown(service, operation, member, **options)
        if isinstance(shown, list) and not isinstance(wanted, list):
            self.assertEqual(len(shown), 1, f"{operation}: {shown}")
            shown = shown[0]
        self._is_part(wanted, shown, operation)
        return shown

    def _is_part(self, wanted, shown, what):
        """What is wanted is shown; what the service adds does not matter."""
        if isinstance(wanted, dict):
            self.assertIsInstance(shown, dict, what)
            for name, one in wanted.items():
                self.assertIn(name, shown, what)
                self._is_part(one, shown[name], f"{what}.{name}")
        elif isinstance(wanted, list):
            self.assertEqual(len(wanted), len(shown), f"{what}: {shown}")
            for index, one in enumerate(wanted):
                self._is_part(one, shown[index], f"{what}.{index}")
        else:
            self.assertEqual(wanted, shown, what)

    def test_what_the_template_says_is_what_the_services_show(self):
        name = unique("shop")
        vpc, subnets = network()
        image = self.cloud.image(name, self.cloud.push(name, "v1", SERVE))
        text = policy([allow("*")])
        boundary = self.cloud.client("iam").create_policy(PolicyName=name, PolicyDocument=text)["Policy"]["Arn"]
        given = {"Name": name, "Vpc": vpc, "Subnets": ",".join(subnets), "Image": image}
        zone = self.cloud.client("route53").create_hosted_zone(Name="example.com", CallerReference=name)
        zone = zone["HostedZone"]["Id"].rsplit("/", 1)[-1]
        given.update(PolicyArn=boundary, ApiKey=SECRET, Zone=zone)
        stack, tags = Stack(), [{"Key": "longshore:stack", "Value": name}]
        status = stack.create(None, given, TemplateBody=_TEMPLATE, Tags=tags)
        self.assertEqual(status, "CREATE_COMPLETE", stack.reasons("CREATE_FAILED"))
        names = stack.physical_ids()
        outputs = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in outputs}
        self._containers(name, subnets, image, names, outputs)
        self._scaling(name, names)
        self._network(name, vpc, names)
        self._storage(names)
        self._balancing(vpc, names, outputs)
        self._identity(name, names, boundary)
        self._messaging(name, names, stack)
        alias = self._record(name, zone, AliasTarget={"EvaluateTargetHealth": True})["AliasTarget"]
        self.assertEqual(alias["DNSName"].rstrip("."), outputs["LoadBalancer"])

        status = stack.apply(None, parameters=dict.fromkeys(given), TemplateBody=_changed(), Tags=tags)
        self.assertEqual(status, "UPDATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
        self._updated(name, names, stack.physical_ids())
        drifts = {name: one["StackResourceDriftStatus"] for name, one in stack.drifts().items()}
        self.assertEqual({name: one for name, one in drifts.items() if one != "IN_SYNC"}, {})

        self._record(name, zone, AliasTarget={"EvaluateTargetHealth": False})

        self.assertEqual(stack.delete(), "DELETE_COMPLETE", stack.reasons("DELETE_FAILED"))
        self._deleted(name, vpc, names)
        self._shows("route53", "list_resource_record_sets", "ResourceRecordSets", [{}, {}], HostedZoneId=zone)

    def _containers(self, name, subnets, image, names, outputs):
        container = {
            "image": image,
            "readonlyRootFilesystem": True,
            "stopTimeout": 2,
            "secrets": [{"name": "API_KEY", "valueFrom": names["Secret"]}],
            "logConfiguration": {"options": {"awslogs-group": f"/ecs/{name}"}},
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/bottles", "readOnly": False}],
            "linuxParameters": {"initProcessEnabled": True},
            "healthCheck": {"interval": 30, "retries": 3, "startPeriod": 60, "timeout": 5},
        }
        files = {
            "fileSystemId": names["Files"],
            "transitEncryption": "ENABLED",
            "authorizationConfig": {"accessPointId": names["Point"], "iam": "ENABLED"},
        }
        task = {
            "family": name,
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "executionRoleArn": f"arn:aws:iam::{self.cloud.account}:role/longshore/{names['Role']}",
            "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            "ephemeralStorage": {"sizeInGiB": 30},
            "volumes": [{"name": "data", "efsVolumeConfiguration": files}],
            "containerDefinitions": [container],
        }
        self._shows("ecs", "describe_task_definition", "taskDefinition", task, taskDefinition=names["Task"])
        network = {"subnets": subnets, "securityGroups": [names["Tasks"]], "assignPublicIp": "DISABLED"}
        service = {
            "serviceArn": outputs["Service"],
            "desiredCount": 2,
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
            "deploymentConfiguration": {
                "maximumPercent": 200,
                "minimumHealthyPercent": 100,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True},
            },
            "healthCheckGracePeriodSeconds": 60,
            "loadBalancers": [{"targetGroupArn": names["Targets"], "containerPort": 3001}],
            "networkConfiguration": {"awsvpcConfiguration": network},
            "propagateTags": "SERVICE",
            "platformVersion": "LATEST",
            "availabilityZoneRebalancing": "ENABLED",
            "enableECSManagedTags": True,
        }
        shown = self._shows("ecs", "describe_services", "services", service, cluster=name, services=["api"])
        (registry,) = shown["serviceRegistries"]
        self.assertTrue(registry["registryArn"].endswith(f":service/{names['Discovery']}"))
        discovery = {
            "NamespaceId": names["Namespace"],
            "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]},
            "HealthCheckCustomConfig": {"FailureThreshold": 1},
        }
        self._shows("servicediscovery", "get_service", "Service", discovery, Id=names["Discovery"])
        cluster = {
            "settings": [{"name": "containerInsights", "value": "enhanced"}],
            "configuration": {"executeCommandConfiguration": {"logging": "DEFAULT"}},
            "capacityProviders": ["FARGATE", "FARGATE_SPOT", names["Provider"]],
            "defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
        }
        include = ["SETTINGS", "CONFIGURATIONS", "TAGS"]
        shown = self._shows("ecs", "describe_clusters", "clusters", cluster, clusters=[name], include=include)
        self.assertIn({"key": "longshore:stack", "value": name}, shown["tags"])

    def _provider(self, names, **group):
        wanted, named = {"autoScalingGroupProvider": group}, [names["Provider"]]
        operation = "describe_capacity_providers"
        self._shows("ecs", operation, "capacityProviders", wanted, capacityProviders=named)

    def _targets(self, name, wanted):
        options = {"ServiceNamespace": "ecs", "ResourceIds": [f"service/{name}/api"]}
        operation = "describe_scalable_targets"
        return self._shows("application-autoscaling", operation, "ScalableTargets", wanted, **options)

    def _group(self, names, wanted):
        operation, named = "describe_auto_scaling_groups", [names["Machines"]]
        return self._shows("autoscaling", operation, "AutoScalingGroups", wanted, AutoScalingGroupNames=named)

    def _alarm(self, names, **wanted):
        self._shows("cloudwatch", "describe_alarms", "MetricAlarms", wanted, AlarmNames=[names["Alarm"]])

    def _scaling(self, name, names):
        target = self._targets(name, {"MinCapacity": 2, "MaxCapacity": 4})
        place = f"{self.cloud.region}:{self.cloud.account}"
        self.assertRegex(target["ScalableTargetARN"], rf"^arn:aws:application-autoscaling:{place}:scalable-target/\w+$")
        options = {"ServiceNamespace": "ecs", "ResourceId": f"service/{name}/api"}
        found = self._shown("application-autoscaling", "describe_scaling_policies", "ScalingPolicies", **options)
        tracking = {"TargetValue": 70, "ScaleInCooldown": 300}
        wanted = {
            "cpu": {"PolicyARN": names["Cpu"], "TargetTrackingScalingPolicyConfiguration": tracking},
            "step": {"StepScalingPolicyConfiguration": {"StepAdjustments": [{"ScalingAdjustment": 1}]}},
        }
        self._is_part(wanted, {one["PolicyName"]: one for one in found}, "policies")
        self._alarm(names, Threshold=80.0, TreatMissingData="notBreaching", AlarmActions=[names["Step"]])
        group = {
            "MinSize": 0,
            "MaxSize": 2,
            "NewInstancesProtectedFromScaleIn": True,
            "LaunchTemplate": {"LaunchTemplateId": names["Launch"], "Version": "1"},
            "AvailabilityZones": [f"{self.cloud.region}a", f"{self.cloud.region}b"],
        }
        managed = [tag for tag in self._group(names, group)["Tags"] if tag["Key"] == "AmazonECSManaged"]
        self.assertTrue(managed[0]["PropagateAtLaunch"])
        self._provider(
            names,
            managedScaling={"status": "ENABLED", "targetCapacity": 100},
            managedTerminationProtection="ENABLED",
            managedDraining="ENABLED",
        )

    def _network(self, name, vpc, names):
        groups = [{"Name": "group-id", "Values": [names["Balancing"], names["Tasks"]]}]
        rules = self._shown("ec2", "describe_security_group_rules", "SecurityGroupRules", Filters=groups)
        ingress = {
            "GroupId": names["Tasks"],
            "IsEgress": False,
            "FromPort": 3001,
            "ReferencedGroupInfo": {"GroupId": names["Balancing"]},
            "Description": "from the load balancer",
        }
        wanted = {names["In"]: ingress, names["Out"]: {"GroupId": names["Balancing"], "IsEgress": True}}
        self._is_part(wanted, {one["SecurityGroupRuleId"]: one for one in rules}, "rules")
        # Only what the template says may leave.
        self._ports(names["Balancing"], {80}, {443, 3001})
        log = {
            "ResourceId": vpc,
            "TrafficType": "ALL",
            "LogGroupName": f"/ecs/{name}",
            "MaxAggregationInterval": 60,
            "DeliverLogsPermissionArn": f"arn:aws:iam::{self.cloud.account}:role/longshore/{names['Role']}",
        }
        shown = self._shows("ec2", "describe_flow_logs", "FlowLogs", log, FlowLogIds=[names["Flow"]])
        self.assertIn({"Key": "Team", "Value": "shop"}, shown["Tags"])
        data = {
            "ImageId": _AMI,
            "InstanceType": "t3.micro",
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [{"Ebs": {"Encrypted": True, "VolumeSize": 30, "VolumeType": "gp3"}}],
        }
        operation, version = "describe_launch_template_versions", {"LaunchTemplateData": data}
        self._shows("ec2", operation, "LaunchTemplateVersions", version, LaunchTemplateId=names["Launch"])

    def _ports(self, group, enter, leave=None):
        shown = self._shows("ec2", "describe_security_groups", "SecurityGroups", {}, GroupIds=[group])
        self.assertEqual(sorted(one["FromPort"] for one in shown["IpPermissions"]), sorted(enter))
        if leave is not None:
            self.assertEqual({one["FromPort"] for one in shown["IpPermissionsEgress"]}, leave)

    def _storage(self, names):
        files = {"FileSystemId": names["Files"]}
        system = {
            "Encrypted": True,
            "PerformanceMode": "generalPurpose",
            "ThroughputMode": "provisioned",
            "ProvisionedThroughputInMibps": 100.0,
            "NumberOfMountTargets": 2,
            "Name": "bottles",
        }
        self._shows("efs", "describe_file_systems", "FileSystems", system, **files)
        backup = self._shown("efs", "describe_backup_policy", "BackupPolicy", **files)
        self.assertIn(backup["Status"], ("ENABLED", "ENABLING"))
        lifecycle = [{"TransitionToIA": "AFTER_30_DAYS"}]
        self._shows("efs", "describe_lifecycle_configuration", "LifecyclePolicies", lifecycle, **files)
        policy = self._shown("efs", "describe_file_system_policy", "Policy", **files)
        self.assertEqual(json.loads(policy)["Statement"][0]["Effect"], "Deny")
        owner = {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "755"}
        point = {"PosixUser": {"Uid": 1000, "Gid": 1000}, "RootDirectory": {"Path": "/bottles", "CreationInfo": owner}}
        self._shows("efs", "describe_access_points", "AccessPoints", point, AccessPointId=names["Point"])
        operation, groups = "describe_mount_target_security_groups", [names["Tasks"]]
        self._shows("efs", operation, "SecurityGroups", groups, MountTargetId=names["Mount0"])

    def _balancing(self, vpc, names, outputs):
        balancer = {
            "DNSName": outputs["LoadBalancer"],
            "CanonicalHostedZoneId": outputs["Zone"],
            "Scheme": "internet-facing",
            "VpcId": vpc,
            "SecurityGroups": [names["Balancing"]],
        }
        of_balancer, of_group = {"LoadBalancerArn": names["Balancer"]}, {"TargetGroupArn": names["Targets"]}
        named = [names["Balancer"]]
        shown = self._shows("elbv2", "describe_load_balancers", "LoadBalancers", balancer, LoadBalancerArns=named)
        zones = {one["ZoneName"] for one in shown["AvailabilityZones"]}
        self.assertEqual(zones, {f"{self.cloud.region}a", f"{self.cloud.region}b"})
        attributes = self._shown("elbv2", "describe_load_balancer_attributes", "Attributes", **of_balancer)
        self.assertIn({"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}, attributes)
        self._target_group(
            names,
            HealthCheckPath="/health",
            Matcher={"HttpCode": "200-399"},
            TargetType="ip",
            LoadBalancerArns=[names["Balancer"]],
        )
        attributes = self._shown("elbv2", "describe_target_group_attributes", "Attributes", **of_group)
        self.assertIn({"Key": "deregistration_delay.timeout_seconds", "Value": "30"}, attributes)
        https = self._https(names, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
        self.assertEqual(len(https["Certificates"]), 1)
        self._certificates(names, "second")
        weighted = {"TargetGroups": [{**of_group, "Weight": 1}]}
        self._rule(
            names,
            Priority="10",
            Conditions=[
                {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
                {"Field": "host-header", "HostHeaderConfig": {"Values": ["api.example.com"]}},
            ],
            Actions=[{"Type": "forward", **of_group, "ForwardConfig": weighted}],
        )

    def _target_group(self, names, **wanted):
        named = [names["Targets"]]
        self._shows("elbv2", "describe_target_groups", "TargetGroups", wanted, TargetGroupArns=named)

    def _https(self, names, **wanted):
        return self._shows("elbv2", "describe_listeners", "Listeners", wanted, ListenerArns=[names["Https"]])

    def _certificates(self, names, name):
        wanted = [{"IsDefault": True}, {"IsDefault": False}]
        operation, https = "describe_listener_certificates", {"ListenerArn": names["Https"]}
        found = self._shows("elbv2", operation, "Certificates", wanted, **https)
        self.assertTrue(found[1]["CertificateArn"].endswith(f":certificate/{name}"))

    def _rule(self, names, **wanted):
        self._shows("elbv2", "describe_rules", "Rules", wanted, RuleArns=[names["Rule"]])

    def _role(self, names, **wanted):
        return self._shows("iam", "get_role", "Role", wanted, RoleName=names["Role"])

    def _identity(self, name, names, boundary):
        role = self._role(names, Path="/longshore/", PermissionsBoundary={"PermissionsBoundaryArn": boundary})
        self.assertIn({"Key": "Team", "Value": "shop"}, role["Tags"])
        managed = {"PolicyArn": boundary}
        self._shows("iam", "list_attached_role_policies", "AttachedPolicies", managed, RoleName=names["Role"])
        self._shows("iam", "list_role_policies", "PolicyNames", "logs", RoleName=names["Role"])
        profile = {"Path": "/longshore/", "Roles": [{"RoleName": names["InstanceRole"]}]}
        named = {"InstanceProfileName": names["Profile"]}
        self._shows("iam", "get_instance_profile", "InstanceProfile", profile, **named)
        group, prefix = {"retentionInDays": 30}, f"/ecs/{name}"
        group = self._shows("logs", "describe_log_groups", "logGroups", group, logGroupNamePrefix=prefix)
        self.assertTrue(group["kmsKeyId"].endswith(names["Key"]))
        self._shows("kms", "get_key_rotation_status", "KeyRotationEnabled", True, KeyId=names["Key"])
        secret = {"SecretId": names["Secret"]}
        self._shows("secretsmanager", "get_secret_value", "SecretString", SECRET, **secret)
        self._shows("secretsmanager", "describe_secret", "KmsKeyId", names["Key"], **secret)

    def _queue(self, url, **wanted):
        options = {"QueueUrl": url, "AttributeNames": ["All"]}
        return self._shows("sqs", "get_queue_attributes", "Attributes", wanted, **options)

    def _topic(self, arn, **wanted):
        self._shows("sns", "get_topic_attributes", "Attributes", wanted, TopicArn=arn)

    def _teams(self, names):
        """The tag `Team` of the queue and of the topic."""
        tags = self._shown("sqs", "list_queue_tags", "Tags", QueueUrl=names["Queue"])
        listed = self._shown("sns", "list_tags_for_resource", "Tags", ResourceArn=names["Topic"])
        return tags["Team"], next(tag["Value"] for tag in listed if tag["Key"] == "Team")

    def _messaging(self, name, names, stack):
        dead = self._queue(names["DeadLetters"], MessageRetentionPeriod="1209600", SqsManagedSseEnabled="true")
        queue = self._queue(names["Queue"], VisibilityTimeout="900")
        redrive = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 5}
        self.assertEqual(json.loads(queue["RedrivePolicy"]), redrive)
        self._topic(names["Topic"], KmsMasterKeyId="alias/aws/sns")
        self.assertEqual(self._teams(names), ("shop", "shop"))
        tags = self._shown("sqs", "list_queue_tags", "Tags", QueueUrl=names["Queue"])
        self.assertEqual((tags["longshore:stack"], tags["aws:cloudformation:stack-name"]), (name, stack.name))
        sns = self.cloud.client("sns")
        for kind in ("receipts", "invoices"):
            attributes = {"kind": {"DataType": "String", "StringValue": kind}}
            sns.publish(TopicArn=names["Topic"], Message=kind, MessageAttributes=attributes)
        self.assertEqual([one["Body"] for one in self.cloud.receive(names["Queue"])], ["invoices"])

    def _record(self, name, zone, **wanted):
        records = self._shown("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
        (found,) = [one for one in records if one["Type"] == "A"]
        self._is_part({"Name": f"www.{name}.example.com.", **wanted}, found, "record")
        return found

    def _updated(self, name, before, names):
        replaced = {one for one in before if before[one] != names.get(one)}
        self.assertEqual(replaced, {"Task", "In", "Dashboard"}, "what was replaced")
        task = {"cpu": "512", "memory": "1024", "revision": 2}
        self._shows("ecs", "describe_task_definition", "taskDefinition", task, taskDefinition=names["Task"])
        service = {
            "taskDefinition": names["Task"],
            "desiredCount": 2,
            "runningCount": 2,
            "healthCheckGracePeriodSeconds": 90,
            "availabilityZoneRebalancing": "DISABLED",
        }
        self._shows("ecs", "describe_services", "services", service, cluster=name, services=["api"])
        cluster, named = {"settings": [{"name": "containerInsights", "value": "disabled"}]}, [name]
        shown = self._shows("ecs", "describe_clusters", "clusters", cluster, clusters=named, include=["SETTINGS"])
        self.assertIn(names["Provider"], shown["capacityProviders"])
        self._provider(names, managedScaling={"targetCapacity": 80})
        self._targets(name, {"MinCapacity": 2, "MaxCapacity": 9})
        self._group(names, {"MaxSize": 3, "LaunchTemplate": {"Version": "2"}})
        files, elastic = {"FileSystemId": names["Files"]}, {"ThroughputMode": "elastic"}
        shown = self._shows("efs", "describe_file_systems", "FileSystems", elastic, **files)
        self.assertNotIn("ProvisionedThroughputInMibps", shown)
        host = {"HostHeaderConfig": {"Values": ["api.example.com"]}}
        self._rule(names, Priority="20", Conditions=[{"PathPatternConfig": {"Values": ["/v2/*"]}}, host])
        self._target_group(names, HealthCheckPath="/ready")
        self._https(names, DefaultActions=[{"FixedResponseConfig": {"StatusCode": "503"}}])
        self._certificates(names, "third")
        self._ports(names["Balancing"], {80, 443})
        self._ports(names["Tasks"], {3002})
        self._role(names, Description="of the shop")
        self._shows("iam", "list_role_policies", "PolicyNames", [], RoleName=names["Role"])
        records = {"DnsRecords": [{"Type": "A", "TTL": 60}], "RoutingPolicy": "MULTIVALUE"}
        self._shows("servicediscovery", "get_service", "Service", {"DnsConfig": records}, Id=names["Discovery"])
        self.assertNotIn("RedrivePolicy", self._queue(names["Queue"], VisibilityTimeout="60"))
        self._topic(names["Topic"], DisplayName="Shop")
        self.assertEqual(self._teams(names), ("orders", "orders"))
        unfiltered, arn = {"RawMessageDelivery": "true", "FilterPolicy": "{}"}, names["Subscription"]
        self._shows("sns", "get_subscription_attributes", "Attributes", unfiltered, SubscriptionArn=arn)
        self._alarm(names, Threshold=90.0)
        self._shows("cloudwatch", "list_dashboards", "DashboardEntries", [], DashboardNamePrefix=name)

    def _deleted(self, name, vpc, names):
        clusters = self._shown("ecs", "describe_clusters", "clusters", clusters=[name])
        self.assertFalse([one for one in clusters if one["status"] == "ACTIVE"])
        task, named = {"status": "INACTIVE"}, {"taskDefinition": names["Task"]}
        self._shows("ecs", "describe_task_definition", "taskDefinition", task, **named)
        balancers = self._shown("elbv2", "describe_load_balancers", "LoadBalancers")
        self.assertNotIn(names["Balancer"], [one["LoadBalancerArn"] for one in balancers])
        self._targets(name, [])
        default, of_network = {"GroupName": "default"}, [{"Name": "vpc-id", "Values": [vpc]}]
        self._shows("ec2", "describe_security_groups", "SecurityGroups", default, Filters=of_network)
        files = self._shown("efs", "describe_file_systems", "FileSystems")
        self.assertNotIn(names["Files"], [one["FileSystemId"] for one in files])
        self._shows("sqs", "list_queues", "QueueUrls", [], QueueNamePrefix=name)
        topics = self._shown("sns", "list_topics", "Topics")
        self.assertNotIn(names["Topic"], [one["TopicArn"] for one in topics])
        roles = self._shown("iam", "list_roles", "Roles", PathPrefix="/longshore/")
        self.assertNotIn(names["Role"], [one["RoleName"] for one in roles])


class PlainStacks(CloudTest):
    """What Terraform does with a stack: no change sets."""

    def test_a_stack_is_made_changed_and_deleted_without_change_sets(self):
        stack = Stack()
        client = stack.client

        def body(days):
            return json.dumps(template({"Logs": log_group(days=days)}, Outputs={"Name": {"Value": reference("Logs")}}))

        role = self.cloud.role([allow("logs:*")], principal="cloudformation.amazonaws.com")
        stack.id = client.create_stack(StackName=stack.name, TemplateBody=body(7), RoleARN=role)["StackId"]
        self.assertEqual(stack.settled(), "CREATE_COMPLETE")
        described = client.describe_stacks(StackName=stack.id)["Stacks"][0]
        self.assertEqual(described["RoleARN"], role)
        name = described["Outputs"][0]["OutputValue"]
        client.update_stack(StackName=stack.name, TemplateBody=body(14))
        self.assertEqual(stack.settled(), "UPDATE_COMPLETE")
        found = self.cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        self.assertEqual(found[0]["retentionInDays"], 14)
        with self.assertRaisesRegex(Exception, "No updates are to be performed"):
            client.update_stack(StackName=stack.name, TemplateBody=body(14))
        client.update_stack(StackName=stack.name, TemplateBody=body(8))
        self.assertEqual(stack.settled(), "UPDATE_ROLLBACK_COMPLETE")
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")
