"""Every type of resource that a stack of Longshore uses: what the template says is what the services show, when it
is made and when it is changed, and nothing is left when it is deleted."""

import copy
import json
import unittest

from tests.running_cloud import SERVE, allow, cloud, unique
from tests.stacks import Stack, attribute, document, network, reference, template, trust

SECRET = "very-secret"


def _resources(name, vpc, subnets, image, account, region):
    logs = document(allow("logs:*"))
    everybody = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
    return {
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"Description": "shop", "EnableKeyRotation": True, "KeyPolicy": everybody},
        },
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": f"alias/{name}", "TargetKeyId": reference("Key")},
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": f"/ecs/{name}",
                "RetentionInDays": 30,
                "KmsKeyId": attribute("Key", "Arn"),
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Path": "/longshore/",
                "AssumeRolePolicyDocument": trust("ecs-tasks.amazonaws.com"),
                "PermissionsBoundary": reference("Boundary"),
                "Policies": [{"PolicyName": "logs", "PolicyDocument": logs}],
                "ManagedPolicyArns": [reference("Managed")],
                "Tags": [{"Key": "Team", "Value": "shop"}],
            },
        },
        "Boundary": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document(allow("*"))}},
        "Managed": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": logs, "Path": "/longshore/", "Description": "logs"},
        },
        "InstanceRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": trust("ec2.amazonaws.com")},
        },
        "Inline": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "inline", "PolicyDocument": logs, "Roles": [reference("InstanceRole")]},
        },
        "Profile": {
            "Type": "AWS::IAM::InstanceProfile",
            "Properties": {"Path": "/longshore/", "Roles": [reference("InstanceRole")]},
        },
        "Balancing": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "load balancer",
                "VpcId": vpc,
                "SecurityGroupIngress": [
                    {
                        "IpProtocol": "tcp",
                        "FromPort": 80,
                        "ToPort": 80,
                        "CidrIp": "0.0.0.0/0",
                        "Description": "web",
                    }
                ],
                "SecurityGroupEgress": [
                    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
                ],
            },
        },
        "Tasks": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "tasks", "VpcId": vpc},
        },
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": attribute("Tasks", "GroupId"),
                "IpProtocol": "tcp",
                "FromPort": 3001,
                "ToPort": 3001,
                "SourceSecurityGroupId": attribute("Balancing", "GroupId"),
                "Description": "from the load balancer",
            },
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {
                "GroupId": attribute("Balancing", "GroupId"),
                "IpProtocol": "tcp",
                "FromPort": 3001,
                "ToPort": 3001,
                "DestinationSecurityGroupId": attribute("Tasks", "GroupId"),
            },
        },
        "Flow": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceId": vpc,
                "ResourceType": "VPC",
                "TrafficType": "ALL",
                "LogGroupName": reference("Logs"),
                "DeliverLogsPermissionArn": attribute("Role", "Arn"),
                "MaxAggregationInterval": 60,
                "Tags": [{"Key": "Team", "Value": "shop"}],
            },
        },
        "Launch": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
                    "InstanceType": "t3.micro",
                    "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
                    "IamInstanceProfile": {"Arn": attribute("Profile", "Arn")},
                    "UserData": {"Fn::Base64": {"Fn::Sub": "ECS_CLUSTER=${Cluster}"}},
                    "BlockDeviceMappings": [
                        {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 30, "VolumeType": "gp3"}}
                    ],
                }
            },
        },
        "Machines": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "0",
                "MaxSize": "2",
                "DesiredCapacity": "0",
                "VPCZoneIdentifier": subnets,
                "LaunchTemplate": {
                    "LaunchTemplateId": reference("Launch"),
                    "Version": attribute("Launch", "LatestVersionNumber"),
                },
                "NewInstancesProtectedFromScaleIn": True,
                "Tags": [{"Key": "AmazonECSManaged", "Value": "true", "PropagateAtLaunch": True}],
            },
        },
        "Provider": {
            "Type": "AWS::ECS::CapacityProvider",
            "Properties": {
                "AutoScalingGroupProvider": {
                    "AutoScalingGroupArn": attribute("Machines", "AutoScalingGroupARN"),
                    "ManagedScaling": {"Status": "ENABLED", "TargetCapacity": 100},
                    "ManagedTerminationProtection": "ENABLED",
                    "ManagedDraining": "ENABLED",
                }
            },
        },
        "Cluster": {
            "Type": "AWS::ECS::Cluster",
            "Properties": {
                "ClusterName": name,
                "ClusterSettings": [{"Name": "containerInsights", "Value": "enhanced"}],
                "Configuration": {"ExecuteCommandConfiguration": {"Logging": "DEFAULT"}},
            },
        },
        "Associations": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": reference("Cluster"),
                "CapacityProviders": ["FARGATE", "FARGATE_SPOT", reference("Provider")],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": "FARGATE", "Weight": 1}],
            },
        },
        "Files": {
            "Type": "AWS::EFS::FileSystem",
            "Properties": {
                "Encrypted": True,
                "PerformanceMode": "generalPurpose",
                "ThroughputMode": "provisioned",
                "ProvisionedThroughputInMibps": 100,
                "BackupPolicy": {"Status": "ENABLED"},
                "LifecyclePolicies": [{"TransitionToIA": "AFTER_30_DAYS"}],
                "FileSystemPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": {"AWS": "*"},
                            "Action": "*",
                            "Resource": "*",
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
                "FileSystemTags": [{"Key": "Name", "Value": "bottles"}],
            },
        },
        **{
            f"Mount{index}": {
                "Type": "AWS::EFS::MountTarget",
                "Properties": {
                    "FileSystemId": reference("Files"),
                    "SubnetId": subnet,
                    "SecurityGroups": [attribute("Tasks", "GroupId")],
                },
            }
            for index, subnet in enumerate(subnets)
        },
        "Point": {
            "Type": "AWS::EFS::AccessPoint",
            "Properties": {
                "FileSystemId": reference("Files"),
                "PosixUser": {"Uid": "1000", "Gid": "1000"},
                "RootDirectory": {
                    "Path": "/bottles",
                    "CreationInfo": {"OwnerUid": "1000", "OwnerGid": "1000", "Permissions": "755"},
                },
            },
        },
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {
                "Subnets": subnets,
                "SecurityGroups": [attribute("Balancing", "GroupId")],
                "Scheme": "internet-facing",
                "LoadBalancerAttributes": [
                    {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}
                ],
            },
        },
        "Targets": {
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": {
                "VpcId": vpc,
                "Port": 3001,
                "Protocol": "HTTP",
                "TargetType": "ip",
                "HealthCheckPath": "/health",
                "HealthCheckIntervalSeconds": 30,
                "Matcher": {"HttpCode": "200-399"},
                "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}],
            },
        },
        "Http": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": reference("Balancer"),
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [
                    {
                        "Type": "redirect",
                        "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
                    }
                ],
            },
        },
        "Https": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": reference("Balancer"),
                "Port": 443,
                "Protocol": "HTTPS",
                "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
                "Certificates": [
                    {"CertificateArn": f"arn:aws:acm:{region}:{account}:certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3"}
                ],
                "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
            },
        },
        "Rule": {
            "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Properties": {
                "ListenerArn": reference("Https"),
                "Priority": 10,
                "Conditions": [
                    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
                    {"Field": "host-header", "HostHeaderConfig": {"Values": ["api.example.com"]}},
                ],
                "Actions": [
                    {
                        "Type": "forward",
                        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": reference("Targets"), "Weight": 1}]},
                    }
                ],
            },
        },
        "Namespace": {
            "Type": "AWS::ServiceDiscovery::PrivateDnsNamespace",
            "Properties": {"Name": f"{name}.local", "Vpc": vpc},
        },
        "Discovery": {
            "Type": "AWS::ServiceDiscovery::Service",
            "Properties": {
                "Name": "api",
                "NamespaceId": reference("Namespace"),
                "DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 10}]},
                "HealthCheckCustomConfig": {"FailureThreshold": 1},
            },
        },
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Name": f"{name}/api/API_KEY",
                "SecretString": reference("ApiKey"),
                "KmsKeyId": reference("Key"),
            },
        },
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": name,
                "Cpu": "256",
                "Memory": "512",
                "NetworkMode": "awsvpc",
                "RequiresCompatibilities": ["FARGATE"],
                "ExecutionRoleArn": attribute("Role", "Arn"),
                "TaskRoleArn": attribute("Role", "Arn"),
                "RuntimePlatform": {"CpuArchitecture": "X86_64", "OperatingSystemFamily": "LINUX"},
                "EphemeralStorage": {"SizeInGiB": 30},
                "Volumes": [
                    {
                        "Name": "data",
                        "EFSVolumeConfiguration": {
                            "FilesystemId": reference("Files"),
                            "TransitEncryption": "ENABLED",
                            "AuthorizationConfig": {"AccessPointId": reference("Point"), "IAM": "ENABLED"},
                        },
                    }
                ],
                "ContainerDefinitions": [
                    {
                        "Name": "api",
                        "Image": image,
                        "Essential": True,
                        "ReadonlyRootFilesystem": True,
                        "StopTimeout": 2,
                        "Secrets": [{"Name": "API_KEY", "ValueFrom": reference("Secret")}],
                        "PortMappings": [{"ContainerPort": 3001}],
                        "LogConfiguration": {
                            "LogDriver": "awslogs",
                            "Options": {
                                "awslogs-group": reference("Logs"),
                                "awslogs-region": region,
                                "awslogs-stream-prefix": "api",
                            },
                        },
                        "MountPoints": [{"SourceVolume": "data", "ContainerPath": "/bottles", "ReadOnly": False}],
                        "LinuxParameters": {"InitProcessEnabled": True},
                        "HealthCheck": {
                            "Command": ["CMD-SHELL", "true"],
                            "Interval": 30,
                            "Retries": 3,
                            "StartPeriod": 60,
                            "Timeout": 5,
                        },
                    }
                ],
                "Tags": [{"Key": "Team", "Value": "shop"}],
            },
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "DependsOn": ["Rule", "Associations"],
            "Properties": {
                "ServiceName": "api",
                "Cluster": reference("Cluster"),
                "TaskDefinition": reference("Task"),
                "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE", "Weight": 1, "Base": 0}],
                "DeploymentConfiguration": {
                    "MaximumPercent": 200,
                    "MinimumHealthyPercent": 100,
                    "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
                    "Alarms": {"AlarmNames": ["errors"], "Enable": True, "Rollback": True},
                },
                "HealthCheckGracePeriodSeconds": 60,
                "LoadBalancers": [
                    {"ContainerName": "api", "ContainerPort": 3001, "TargetGroupArn": reference("Targets")}
                ],
                "ServiceRegistries": [{"RegistryArn": attribute("Discovery", "Arn")}],
                "NetworkConfiguration": {
                    "AwsvpcConfiguration": {
                        "Subnets": subnets,
                        "SecurityGroups": [attribute("Tasks", "GroupId")],
                        "AssignPublicIp": "DISABLED",
                    }
                },
                "PropagateTags": "SERVICE",
                "PlatformVersion": "LATEST",
                "AvailabilityZoneRebalancing": "ENABLED",
                "EnableECSManagedTags": True,
            },
        },
        "Scaling": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {
                "ServiceNamespace": "ecs",
                "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceId": {"Fn::Sub": "service/${Cluster}/${Service.Name}"},
                "MinCapacity": 2,
                "MaxCapacity": 4,
            },
        },
        "Cpu": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": "cpu",
                "PolicyType": "TargetTrackingScaling",
                "ScalingTargetId": reference("Scaling"),
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 70,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
                    "ScaleInCooldown": 300,
                    "ScaleOutCooldown": 60,
                },
            },
        },
        "Step": {
            "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
            "Properties": {
                "PolicyName": "step",
                "PolicyType": "StepScaling",
                "ScalingTargetId": reference("Scaling"),
                "StepScalingPolicyConfiguration": {
                    "AdjustmentType": "ChangeInCapacity",
                    "Cooldown": 300,
                    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
                },
            },
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": reference("Key")}},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "AWS/ECS",
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": "ClusterName", "Value": reference("Cluster")}],
                "Statistic": "Average",
                "Period": 60,
                "EvaluationPeriods": 2,
                "Threshold": 80,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [reference("Step"), reference("Topic")],
            },
        },
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": name, "DashboardBody": '{"widgets": []}'},
        },
        "Setting": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "one"}},
    }


class Resources(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.cloud = cloud()

    def _shown(self, service, operation, member, **options):
        return getattr(self.cloud.client(service), operation)(**options)[member]

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
        digest = self.cloud.push(name, "v1", SERVE)
        image = self.cloud.image(name, digest)
        resources = _resources(name, vpc, subnets, image, self.cloud.account, self.cloud.region)
        sections = {
            "Parameters": {"ApiKey": {"Type": "String", "NoEcho": True}},
            "Outputs": {
                "LoadBalancer": {"Value": attribute("Balancer", "DNSName")},
                "Service": {"Value": attribute("Service", "ServiceArn")},
                "Zone": {"Value": attribute("Balancer", "CanonicalHostedZoneID")},
            },
        }
        stack = Stack()
        tags = [{"Key": "longshore:stack", "Value": name}]
        status = stack.create(template(resources, **sections), {"ApiKey": SECRET}, Tags=tags)
        self.assertEqual(status, "CREATE_COMPLETE", stack.reasons("CREATE_FAILED"))
        names = stack.physical_ids()
        self._created(stack, name, vpc, subnets, image, names)

        changed = self._changed(resources)
        status = stack.apply(template(changed, **sections), parameters={"ApiKey": None}, Tags=tags)
        self.assertEqual(status, "UPDATE_COMPLETE", stack.reasons("UPDATE_FAILED"))
        self._updated(name, names, stack.physical_ids())
        drifts = {name: one["StackResourceDriftStatus"] for name, one in stack.drifts().items()}
        self.assertEqual({name: one for name, one in drifts.items() if one != "IN_SYNC"}, {})

        self.assertEqual(stack.delete(), "DELETE_COMPLETE", stack.reasons("DELETE_FAILED"))
        self._deleted(name, vpc, names)

    def _created(self, stack, name, vpc, subnets, image, names):
        outputs = stack.client.describe_stacks(StackName=stack.name)["Stacks"][0]["Outputs"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in outputs}
        (task,) = [self._shown("ecs", "describe_task_definition", "taskDefinition", taskDefinition=names["Task"])]
        self._is_part(
            {
                "family": name,
                "cpu": "256",
                "memory": "512",
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "executionRoleArn": f"arn:aws:iam::{self.cloud.account}:role/longshore/{names['Role']}",
                "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
                "ephemeralStorage": {"sizeInGiB": 30},
                "volumes": [
                    {
                        "name": "data",
                        "efsVolumeConfiguration": {
                            "fileSystemId": names["Files"],
                            "transitEncryption": "ENABLED",
                            "authorizationConfig": {"accessPointId": names["Point"], "iam": "ENABLED"},
                        },
                    }
                ],
                "containerDefinitions": [
                    {
                        "image": image,
                        "readonlyRootFilesystem": True,
                        "stopTimeout": 2,
                        "secrets": [{"name": "API_KEY", "valueFrom": names["Secret"]}],
                        "logConfiguration": {"options": {"awslogs-group": f"/ecs/{name}"}},
                        "mountPoints": [{"sourceVolume": "data", "containerPath": "/bottles", "readOnly": False}],
                        "linuxParameters": {"initProcessEnabled": True},
                        "healthCheck": {"interval": 30, "retries": 3, "startPeriod": 60, "timeout": 5},
                    }
                ],
            },
            task,
            "task definition",
        )
        (service,) = self._shown("ecs", "describe_services", "services", cluster=name, services=["api"])
        self.assertEqual(outputs["Service"], service["serviceArn"])
        self._is_part(
            {
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
                "networkConfiguration": {
                    "awsvpcConfiguration": {
                        "subnets": subnets,
                        "securityGroups": [names["Tasks"]],
                        "assignPublicIp": "DISABLED",
                    }
                },
                "propagateTags": "SERVICE",
                "platformVersion": "LATEST",
                "availabilityZoneRebalancing": "ENABLED",
                "enableECSManagedTags": True,
            },
            service,
            "service",
        )
        (registry,) = service["serviceRegistries"]
        self.assertTrue(registry["registryArn"].endswith(f":service/{names['Discovery']}"))
        (cluster,) = self._shown(
            "ecs", "describe_clusters", "clusters", clusters=[name], include=["SETTINGS", "CONFIGURATIONS", "TAGS"]
        )
        self._is_part(
            {
                "settings": [{"name": "containerInsights", "value": "enhanced"}],
                "configuration": {"executeCommandConfiguration": {"logging": "DEFAULT"}},
                "capacityProviders": ["FARGATE", "FARGATE_SPOT", names["Provider"]],
                "defaultCapacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
            },
            cluster,
            "cluster",
        )
        self.assertIn({"key": "longshore:stack", "value": name}, cluster["tags"])
        (provider,) = self._shown(
            "ecs", "describe_capacity_providers", "capacityProviders", capacityProviders=[names["Provider"]]
        )
        self._is_part(
            {
                "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
                "managedTerminationProtection": "ENABLED",
                "managedDraining": "ENABLED",
            },
            provider["autoScalingGroupProvider"],
            "capacity provider",
        )
        (target,) = self._shown(
            "application-autoscaling",
            "describe_scalable_targets",
            "ScalableTargets",
            ServiceNamespace="ecs",
            ResourceIds=[f"service/{name}/api"],
        )
        self._is_part({"MinCapacity": 2, "MaxCapacity": 4}, target, "scalable target")
        self.assertRegex(
            target["ScalableTargetARN"],
            rf"^arn:aws:application-autoscaling:{self.cloud.region}:{self.cloud.account}:scalable-target/\w+$",
        )
        policies = self._shown(
            "application-autoscaling", "describe_scaling_policies", "ScalingPolicies",
            ServiceNamespace="ecs", ResourceId=f"service/{name}/api",
        )
        policies = {one["PolicyName"]: one for one in policies}
        self._is_part(
            {
                "PolicyARN": names["Cpu"],
                "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70, "ScaleInCooldown": 300},
            },
            policies["cpu"],
            "policy",
        )
        (adjustment,) = policies["step"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
        self.assertEqual(adjustment["ScalingAdjustment"], 1)
        self._network(name, vpc, names)
        self._storage(names)
        self._balancing(name, vpc, subnets, names, outputs)
        self._identity(name, names)
        (alarm,) = self._shown("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[names["Alarm"]])
        self._is_part(
            {"Threshold": 80.0, "TreatMissingData": "notBreaching", "AlarmActions": [names["Step"], names["Topic"]]},
            alarm,
            "alarm",
        )
        found = self._shown("servicediscovery", "get_service", "Service", Id=names["Discovery"])
        self._is_part(
            {
                "NamespaceId": names["Namespace"],
                "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]},
                "HealthCheckCustomConfig": {"FailureThreshold": 1},
            },
            found,
            "discovery",
        )

    def _network(self, name, vpc, names):
        rules = self._shown(
            "ec2", "describe_security_group_rules", "SecurityGroupRules",
            Filters=[{"Name": "group-id", "Values": [names["Balancing"], names["Tasks"]]}],
        )
        rules = {one["SecurityGroupRuleId"]: one for one in rules}
        self._is_part(
            {
                "GroupId": names["Tasks"],
                "IsEgress": False,
                "FromPort": 3001,
                "ReferencedGroupInfo": {"GroupId": names["Balancing"]},
                "Description": "from the load balancer",
            },
            rules[names["In"]],
            "ingress",
        )
        self._is_part({"GroupId": names["Balancing"], "IsEgress": True}, rules[names["Out"]], "egress")
        (group,) = self._shown("ec2", "describe_security_groups", "SecurityGroups", GroupIds=[names["Balancing"]])
        self.assertEqual(len(group["IpPermissions"]), 1)
        # Only what the template says may leave.
        self.assertEqual({one["FromPort"] for one in group["IpPermissionsEgress"]}, {443, 3001})
        (log,) = self._shown("ec2", "describe_flow_logs", "FlowLogs", FlowLogIds=[names["Flow"]])
        self._is_part(
            {
                "ResourceId": vpc,
                "TrafficType": "ALL",
                "LogGroupName": f"/ecs/{name}",
                "MaxAggregationInterval": 60,
                "DeliverLogsPermissionArn": f"arn:aws:iam::{self.cloud.account}:role/longshore/{names['Role']}",
            },
            log,
            "flow log",
        )
        self.assertIn({"Key": "Team", "Value": "shop"}, log["Tags"])
        (version,) = self._shown(
            "ec2", "describe_launch_template_versions", "LaunchTemplateVersions", LaunchTemplateId=names["Launch"]
        )
        self._is_part(
            {
                "ImageId": "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
                "InstanceType": "t3.micro",
                "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
                "BlockDeviceMappings": [{"Ebs": {"Encrypted": True, "VolumeSize": 30, "VolumeType": "gp3"}}],
            },
            version["LaunchTemplateData"],
            "launch template",
        )
        (group,) = self._shown(
            "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups",
            AutoScalingGroupNames=[names["Machines"]],
        )
        self._is_part(
            {
                "MinSize": 0,
                "MaxSize": 2,
                "NewInstancesProtectedFromScaleIn": True,
                "LaunchTemplate": {"LaunchTemplateId": names["Launch"], "Version": "1"},
                "AvailabilityZones": [f"{self.cloud.region}a", f"{self.cloud.region}b"],
            },
            group,
            "group",
        )
        managed = next(tag for tag in group["Tags"] if tag["Key"] == "AmazonECSManaged")
        self.assertTrue(managed["PropagateAtLaunch"])

    def _storage(self, names):
        (files,) = self._shown("efs", "describe_file_systems", "FileSystems", FileSystemId=names["Files"])
        self._is_part(
            {
                "Encrypted": True,
                "PerformanceMode": "generalPurpose",
                "ThroughputMode": "provisioned",
                "ProvisionedThroughputInMibps": 100.0,
                "NumberOfMountTargets": 2,
                "Name": "bottles",
            },
            files,
            "file system",
        )
        backup = self._shown("efs", "describe_backup_policy", "BackupPolicy", FileSystemId=names["Files"])
        self.assertIn(backup["Status"], ("ENABLED", "ENABLING"))
        lifecycle = self._shown(
            "efs", "describe_lifecycle_configuration", "LifecyclePolicies", FileSystemId=names["Files"]
        )
        self.assertEqual(lifecycle, [{"TransitionToIA": "AFTER_30_DAYS"}])
        policy = self._shown("efs", "describe_file_system_policy", "Policy", FileSystemId=names["Files"])
        self.assertEqual(json.loads(policy)["Statement"][0]["Effect"], "Deny")
        (point,) = self._shown("efs", "describe_access_points", "AccessPoints", AccessPointId=names["Point"])
        self._is_part(
            {
                "PosixUser": {"Uid": 1000, "Gid": 1000},
                "RootDirectory": {
                    "Path": "/bottles",
                    "CreationInfo": {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "755"},
                },
            },
            point,
            "access point",
        )
        groups = self._shown(
            "efs", "describe_mount_target_security_groups", "SecurityGroups", MountTargetId=names["Mount0"]
        )
        self.assertEqual(groups, [names["Tasks"]])

    def _balancing(self, name, vpc, subnets, names, outputs):
        (balancer,) = self._shown(
            "elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=[names["Balancer"]]
        )
        self.assertEqual(outputs["LoadBalancer"], balancer["DNSName"])
        self.assertEqual(outputs["Zone"], balancer["CanonicalHostedZoneId"])
        self._is_part(
            {"Scheme": "internet-facing", "VpcId": vpc, "SecurityGroups": [names["Balancing"]]}, balancer, "balancer"
        )
        self.assertEqual(
            {one["ZoneName"] for one in balancer["AvailabilityZones"]},
            {f"{self.cloud.region}a", f"{self.cloud.region}b"},
        )
        attributes = self._shown(
            "elbv2", "describe_load_balancer_attributes", "Attributes", LoadBalancerArn=names["Balancer"]
        )
        self.assertIn({"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}, attributes)
        (group,) = self._shown("elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=[names["Targets"]])
        self._is_part(
            {
                "HealthCheckPath": "/health",
                "Matcher": {"HttpCode": "200-399"},
                "TargetType": "ip",
                "LoadBalancerArns": [names["Balancer"]],
            },
            group,
            "target group",
        )
        attributes = self._shown(
            "elbv2", "describe_target_group_attributes", "Attributes", TargetGroupArn=names["Targets"]
        )
        self.assertIn({"Key": "deregistration_delay.timeout_seconds", "Value": "30"}, attributes)
        (https,) = self._shown("elbv2", "describe_listeners", "Listeners", ListenerArns=[names["Https"]])
        self.assertEqual(https["SslPolicy"], "ELBSecurityPolicy-TLS13-1-2-2021-06")
        self.assertEqual(len(https["Certificates"]), 1)
        (rule,) = self._shown("elbv2", "describe_rules", "Rules", RuleArns=[names["Rule"]])
        self._is_part(
            {
                "Priority": "10",
                "Conditions": [
                    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
                    {"Field": "host-header", "HostHeaderConfig": {"Values": ["api.example.com"]}},
                ],
                "Actions": [
                    {
                        "Type": "forward",
                        "TargetGroupArn": names["Targets"],
                        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": names["Targets"], "Weight": 1}]},
                    }
                ],
            },
            rule,
            "rule",
        )

    def _identity(self, name, names):
        role = self._shown("iam", "get_role", "Role", RoleName=names["Role"])
        self._is_part(
            {"Path": "/longshore/", "PermissionsBoundary": {"PermissionsBoundaryArn": names["Boundary"]}}, role, "role"
        )
        self.assertIn({"Key": "Team", "Value": "shop"}, role["Tags"])
        attached = self._shown("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=names["Role"])
        self.assertEqual([one["PolicyArn"] for one in attached], [names["Managed"]])
        self.assertIn(":policy/longshore/", names["Managed"])
        inline = self._shown("iam", "list_role_policies", "PolicyNames", RoleName=names["InstanceRole"])
        self.assertEqual(inline, ["inline"])
        profile = self._shown("iam", "get_instance_profile", "InstanceProfile", InstanceProfileName=names["Profile"])
        self.assertEqual([one["RoleName"] for one in profile["Roles"]], [names["InstanceRole"]])
        self.assertEqual(profile["Path"], "/longshore/")
        (group,) = self._shown("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=f"/ecs/{name}")
        self._is_part({"retentionInDays": 30}, group, "log group")
        self.assertTrue(group["kmsKeyId"].endswith(names["Key"]))
        self.assertTrue(self._shown("kms", "get_key_rotation_status", "KeyRotationEnabled", KeyId=names["Key"]))
        value = self._shown("secretsmanager", "get_secret_value", "SecretString", SecretId=names["Secret"])
        self.assertEqual(value, SECRET)
        self.assertEqual(
            self._shown("secretsmanager", "describe_secret", "KmsKeyId", SecretId=names["Secret"]), names["Key"]
        )

    def _changed(self, resources):
        new = copy.deepcopy(resources)
        properties = {name: one["Properties"] for name, one in new.items()}
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
        properties["Setting"]["Value"] = "two"
        del new["Dashboard"]
        return new

    def _updated(self, name, before, names):
        self.assertEqual(
            {one for one in before if before[one] != names.get(one)}, {"Task", "In", "Dashboard"}, "what was replaced"
        )
        task = self._shown("ecs", "describe_task_definition", "taskDefinition", taskDefinition=names["Task"])
        self.assertEqual((task["cpu"], task["memory"], task["revision"]), ("512", "1024", 2))
        (service,) = self._shown("ecs", "describe_services", "services", cluster=name, services=["api"])
        self._is_part(
            {
                "taskDefinition": names["Task"],
                "desiredCount": 2,
                "runningCount": 2,
                "healthCheckGracePeriodSeconds": 90,
                "availabilityZoneRebalancing": "DISABLED",
            },
            service,
            "service",
        )
        (cluster,) = self._shown("ecs", "describe_clusters", "clusters", clusters=[name], include=["SETTINGS"])
        self.assertEqual(cluster["settings"], [{"name": "containerInsights", "value": "disabled"}])
        self.assertIn(names["Provider"], cluster["capacityProviders"])
        (provider,) = self._shown(
            "ecs", "describe_capacity_providers", "capacityProviders", capacityProviders=[names["Provider"]]
        )
        self.assertEqual(provider["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"], 80)
        (target,) = self._shown(
            "application-autoscaling", "describe_scalable_targets", "ScalableTargets",
            ServiceNamespace="ecs", ResourceIds=[f"service/{name}/api"],
        )
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (2, 9))
        (group,) = self._shown(
            "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups",
            AutoScalingGroupNames=[names["Machines"]],
        )
        self.assertEqual((group["MaxSize"], group["LaunchTemplate"]["Version"]), (3, "2"))
        (files,) = self._shown("efs", "describe_file_systems", "FileSystems", FileSystemId=names["Files"])
        self.assertEqual(files["ThroughputMode"], "elastic")
        self.assertNotIn("ProvisionedThroughputInMibps", files)
        (rule,) = self._shown("elbv2", "describe_rules", "Rules", RuleArns=[names["Rule"]])
        self.assertEqual(rule["Priority"], "20")
        self.assertEqual(rule["Conditions"][0]["PathPatternConfig"]["Values"], ["/v2/*"])
        (targets,) = self._shown("elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=[names["Targets"]])
        self.assertEqual(targets["HealthCheckPath"], "/ready")
        (https,) = self._shown("elbv2", "describe_listeners", "Listeners", ListenerArns=[names["Https"]])
        self.assertEqual(https["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"], "503")
        (group,) = self._shown("ec2", "describe_security_groups", "SecurityGroups", GroupIds=[names["Balancing"]])
        self.assertEqual({one["FromPort"] for one in group["IpPermissions"]}, {80, 443})
        (group,) = self._shown("ec2", "describe_security_groups", "SecurityGroups", GroupIds=[names["Tasks"]])
        self.assertEqual([one["FromPort"] for one in group["IpPermissions"]], [3002])
        role = self._shown("iam", "get_role", "Role", RoleName=names["Role"])
        self.assertEqual(role["Description"], "of the shop")
        self.assertEqual(self._shown("iam", "list_role_policies", "PolicyNames", RoleName=names["Role"]), [])
        found = self._shown("servicediscovery", "get_service", "Service", Id=names["Discovery"])
        self.assertEqual(found["DnsConfig"]["DnsRecords"], [{"Type": "A", "TTL": 60}])
        self.assertEqual(found["DnsConfig"]["RoutingPolicy"], "MULTIVALUE")
        (alarm,) = self._shown("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[names["Alarm"]])
        self.assertEqual(alarm["Threshold"], 90.0)
        dashboards = self._shown("cloudwatch", "list_dashboards", "DashboardEntries", DashboardNamePrefix=name)
        self.assertEqual(dashboards, [])

    def _deleted(self, name, vpc, names):
        clusters = self._shown("ecs", "describe_clusters", "clusters", clusters=[name])
        self.assertFalse([one for one in clusters if one["status"] == "ACTIVE"])
        task = self._shown("ecs", "describe_task_definition", "taskDefinition", taskDefinition=names["Task"])
        self.assertEqual(task["status"], "INACTIVE")
        balancers = self._shown("elbv2", "describe_load_balancers", "LoadBalancers")
        self.assertNotIn(names["Balancer"], [one["LoadBalancerArn"] for one in balancers])
        targets = self._shown(
            "application-autoscaling", "describe_scalable_targets", "ScalableTargets",
            ServiceNamespace="ecs", ResourceIds=[f"service/{name}/api"],
        )
        self.assertEqual(targets, [])
        groups = self._shown("ec2", "describe_security_groups", "SecurityGroups", Filters=[
            {"Name": "vpc-id", "Values": [vpc]}
        ])
        self.assertEqual([one["GroupName"] for one in groups if one["GroupName"] != "default"], [])
        files = self._shown("efs", "describe_file_systems", "FileSystems")
        self.assertNotIn(names["Files"], [one["FileSystemId"] for one in files])
        roles = self._shown("iam", "list_roles", "Roles", PathPrefix="/longshore/")
        self.assertNotIn(names["Role"], [one["RoleName"] for one in roles])


class PlainStacks(unittest.TestCase):
    """What Terraform does with a stack: no change sets."""

    def test_a_stack_is_made_changed_and_deleted_without_change_sets(self):
        stack = Stack()
        client = stack.client

        def body(days):
            group = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": days}}
            return json.dumps(template({"Logs": group}, Outputs={"Name": {"Value": reference("Logs")}}))

        role = cloud().role([allow("logs:*")], principal="cloudformation.amazonaws.com")
        stack.id = client.create_stack(StackName=stack.name, TemplateBody=body(7), RoleARN=role)["StackId"]
        self.assertEqual(stack.settled(), "CREATE_COMPLETE")
        described = client.describe_stacks(StackName=stack.id)["Stacks"][0]
        self.assertEqual(described["RoleARN"], role)
        name = described["Outputs"][0]["OutputValue"]
        client.update_stack(StackName=stack.name, TemplateBody=body(14))
        self.assertEqual(stack.settled(), "UPDATE_COMPLETE")
        found = cloud().client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        self.assertEqual(found[0]["retentionInDays"], 14)
        with self.assertRaisesRegex(Exception, "No updates are to be performed"):
            client.update_stack(StackName=stack.name, TemplateBody=body(14))
        client.update_stack(StackName=stack.name, TemplateBody=body(8))
        self.assertEqual(stack.settled(), "UPDATE_ROLLBACK_COMPLETE")
        self.assertEqual(stack.delete(), "DELETE_COMPLETE")


if __name__ == "__main__":
    unittest.main()
