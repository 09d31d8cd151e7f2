"""stacks/homebrew-bottles-sync.yaml: a mirror with its bucket and its schedule, EFS, a read-only root, scaling
from zero."""

import json

import account
from cloud import CLOUD, Refused
from policies import Role
from stack import Stack, StackCase

SERVICE = "homebrew-bottles-sync"


class HomebrewBottlesSyncTest(StackCase):
    @classmethod
    def setUpClass(cls):
        account.push("homebrew-bottles-sync", "latest")
        cls.stack = Stack("homebrew-bottles-sync-prod", cluster="homebrew-sync")
        cls.stack.apply(account.stack_file("homebrew-bottles-sync"))
        cls.service = cls.stack.service(SERVICE)
        cls.task = cls.stack.task_definition(SERVICE)
        [cls.container] = cls.task["containerDefinitions"]
        [cls.volume] = cls.task["volumes"]
        cls.file_system = cls.volume["efsVolumeConfiguration"]["fileSystemId"]
        cls.access_point = cls.volume["efsVolumeConfiguration"]["authorizationConfig"][
            "accessPointId"
        ]

    def efs(self):
        return CLOUD.client("efs").describe_file_systems(FileSystemId=self.file_system)[
            "FileSystems"
        ][0]

    def test_the_cluster_has_the_name_of_the_file(self):
        self.assertEqual(self.stack.cluster["status"], "ACTIVE")
        self.assertEqual(self.stack.cluster["clusterName"], "homebrew-sync")

    def test_the_task_has_two_processors_eight_gigabytes_and_a_read_only_root(self):
        self.assert_holds(
            self.task, cpu="2048", memory="8192", requiresCompatibilities=["FARGATE"]
        )
        self.assert_holds(
            self.container, readonlyRootFilesystem=True, user="1000:1000", privileged=False
        )
        self.assertEqual(self.container["portMappings"][0]["containerPort"], 8080)
        self.assertFalse(self.service["enableExecuteCommand"])

    def test_the_container_knows_where_to_write_and_what_to_publish(self):
        variables = {one["name"]: one["value"] for one in self.container["environment"]}
        self.assertEqual(
            variables,
            {
                "S3_BUCKET_NAME": f"homebrew-bottles-{CLOUD.account}",
                "EVENT_BUS_NAME": "longshore",
                "SLACK_WEBHOOK_SECRET_NAME": "homebrew-bottles-sync/slack_webhook",
                "AWS_REGION": CLOUD.region,
                "LOG_LEVEL": "INFO",
                "DOWNLOAD_CONCURRENCY": "5",
                "TEMP_STORAGE_PATH": "/tmp/bottles",
                "EFS_MOUNT_PATH": "/tmp/bottles",
            },
        )

    def test_the_mount_is_encrypted_authorised_and_where_temporary_files_go(self):
        [mount] = self.container["mountPoints"]
        self.assert_holds(mount, sourceVolume=self.volume["name"], containerPath="/tmp/bottles")
        self.assertFalse(mount.get("readOnly"))
        self.assert_holds(
            self.volume["efsVolumeConfiguration"],
            transitEncryption="ENABLED",
            authorizationConfig={"accessPointId": self.access_point, "iam": "ENABLED"},
        )

    def test_the_file_system_is_encrypted_fast_and_backed_up(self):
        self.assert_holds(
            self.efs(),
            Encrypted=True,
            PerformanceMode="generalPurpose",
            ThroughputMode="provisioned",
            ProvisionedThroughputInMibps=100,
        )
        backup = CLOUD.client("efs").describe_backup_policy(FileSystemId=self.file_system)
        self.assertEqual(backup["BackupPolicy"]["Status"], "ENABLED")
        policy = json.loads(
            CLOUD.client("efs").describe_file_system_policy(FileSystemId=self.file_system)["Policy"]
        )
        [deny] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
        self.assertIn("aws:SecureTransport", json.dumps(deny["Condition"]))

    def test_there_is_a_mount_target_in_every_subnet_for_the_tasks_only(self):
        efs = CLOUD.client("efs")
        targets = efs.describe_mount_targets(FileSystemId=self.file_system)["MountTargets"]
        self.assertEqual(
            sorted(target["SubnetId"] for target in targets), sorted(account.network().private)
        )
        [own] = self.stack.security_groups_of(SERVICE)
        for target in targets:
            [group] = efs.describe_mount_target_security_groups(
                MountTargetId=target["MountTargetId"]
            )["SecurityGroups"]
            [ingress] = self.stack.security_group(group)["IpPermissions"]
            self.assert_holds(ingress, IpProtocol="tcp", FromPort=2049, ToPort=2049)
            self.assertEqual([pair["GroupId"] for pair in ingress["UserIdGroupPairs"]], [own])

    def test_the_access_point_belongs_to_the_user_of_the_container(self):
        point = CLOUD.client("efs").describe_access_points(AccessPointId=self.access_point)
        [point] = point["AccessPoints"]
        self.assertEqual(point["FileSystemId"], self.file_system)
        self.assert_holds(point["PosixUser"], Uid=1000, Gid=1000)
        self.assertEqual(point["RootDirectory"]["Path"], "/bottles")
        self.assertEqual(
            point["RootDirectory"]["CreationInfo"],
            {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "755"},
        )

    def test_tasks_reach_https_names_and_the_file_system_and_nobody_reaches_them(self):
        [own] = self.stack.security_groups_of(SERVICE)
        described = self.stack.security_group(own)
        self.assertEqual(described["IpPermissions"], [])
        open_ports = sorted(
            (rule["IpProtocol"], rule["FromPort"])
            for rule in described["IpPermissionsEgress"]
            if rule.get("IpRanges")
        )
        self.assertEqual(open_ports, [("tcp", 53), ("tcp", 443), ("udp", 53)])
        [nfs] = [rule for rule in described["IpPermissionsEgress"] if not rule.get("IpRanges")]
        self.assert_holds(nfs, IpProtocol="tcp", FromPort=2049, ToPort=2049)
        network = self.service["networkConfiguration"]["awsvpcConfiguration"]
        self.assertEqual(network["assignPublicIp"], "DISABLED")
        self.assertEqual(sorted(network["subnets"]), sorted(account.network().private))

    def test_the_service_gives_tasks_five_minutes_to_become_healthy(self):
        self.assertEqual(self.service["healthCheckGracePeriodSeconds"], 300)
        self.assertEqual(
            self.container["healthCheck"]["command"], ["CMD", "/bottle-sync", "health"]
        )
        self.assertEqual(self.container["stopTimeout"], 60)

    def test_logs_are_encrypted_with_a_key_of_the_stack_and_kept_for_thirty_days(self):
        [key] = self.stack.ids("AWS::KMS::Key")
        described = CLOUD.client("kms").describe_key(KeyId=key)["KeyMetadata"]
        names = self.stack.ids("AWS::Logs::LogGroup")
        self.assertIn(self.container["logConfiguration"]["options"]["awslogs-group"], names)
        self.assertEqual(len(names), 2)
        for name in names:
            group = self.stack.log_group(name)
            self.assertEqual(group["retentionInDays"], 30)
            self.assertEqual(group["kmsKeyId"], described["Arn"])
        self.assertTrue(
            CLOUD.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        )
        policy = CLOUD.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        self.assertIn(f"logs.{CLOUD.region}.amazonaws.com", policy)

    def test_the_traffic_of_the_vpc_is_logged(self):
        logs = CLOUD.client("ec2").describe_flow_logs(
            Filters=[{"Name": "resource-id", "Values": [account.network().vpc]}]
        )["FlowLogs"]
        [log] = [one for one in logs if one["FlowLogId"] in self.stack.ids("AWS::EC2::FlowLog")]
        self.assertEqual(log["TrafficType"], "ALL")
        self.assertIn(log["LogGroupName"], self.stack.ids("AWS::Logs::LogGroup"))
        role = Role(log["DeliverLogsPermissionArn"])
        self.assertTrue(role.trusts("vpc-flow-logs.amazonaws.com"))
        self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])

    def test_it_scales_from_zero_to_ten_by_cpu_memory_and_its_own_metric(self):
        [target], policies = self.stack.scaling(SERVICE)
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (0, 10))
        by_change = {}
        for policy in policies:
            step = policy["StepScalingPolicyConfiguration"]
            by_change[step["StepAdjustments"][0]["ScalingAdjustment"]] = (
                policy["PolicyARN"],
                step["Cooldown"],
            )
        (out, out_cooldown), (back, back_cooldown) = by_change[1], by_change[-1]
        self.assertEqual((out_cooldown, back_cooldown), (300, 600))

        alarms = self.stack.alarms()
        outs = [alarm for alarm in alarms if alarm["AlarmActions"] == [out]]
        self.assertEqual(
            {alarm["MetricName"]: alarm["Threshold"] for alarm in outs},
            {"CPUUtilization": 70, "MemoryUtilization": 80, "PendingShards": 0.5},
        )
        for alarm in outs:
            self.assert_holds(
                alarm,
                Period=60,
                EvaluationPeriods=2,
                DatapointsToAlarm=2,
                ComparisonOperator="GreaterThanThreshold",
                TreatMissingData="notBreaching",
            )
        [inwards] = [alarm for alarm in alarms if alarm["AlarmActions"] == [back]]
        self.assert_holds(
            inwards,
            EvaluationPeriods=5,
            DatapointsToAlarm=5,
            ComparisonOperator="LessThanThreshold",
        )
        metrics = {
            one["MetricStat"]["Metric"]["MetricName"]
            for one in inwards["Metrics"]
            if "MetricStat" in one
        }
        self.assertEqual(metrics, {"CPUUtilization", "MemoryUtilization", "PendingShards"})

    def test_the_function_is_woken_every_night_with_a_role_for_exactly_that(self):
        scheduler = CLOUD.client("scheduler")
        [name] = self.stack.ids("AWS::Scheduler::Schedule")
        schedule = scheduler.get_schedule(Name=name)
        self.assert_holds(schedule, ScheduleExpression="cron(0 3 * * ? *)", State="ENABLED")
        target = schedule["Target"]
        function = f"arn:aws:lambda:{CLOUD.region}:{CLOUD.account}:function:longshore-sync"
        self.assertEqual(target["Arn"], function)
        self.assertEqual(
            json.loads(target["Input"]),
            {
                "action": "run",
                "stack": "homebrew-bottles-sync-prod",
                "schedule_arn": "<aws.scheduler.schedule-arn>",
                "scheduled_time": "<aws.scheduler.scheduled-time>",
                "execution_id": "<aws.scheduler.execution-id>",
                "attempt_number": "<aws.scheduler.attempt-number>",
            },
        )
        role = Role(target["RoleArn"])
        self.assertTrue(role.trusts("scheduler.amazonaws.com"))
        self.assertEqual(role.boundary, CLOUD.settings["PERMISSIONS_BOUNDARY_ARN"])
        self.assertTrue(role.allows("lambda:InvokeFunction", function))
        self.assertFalse(
            role.allows(
                "lambda:InvokeFunction", function.replace("longshore-sync", "longshore-provision")
            )
        )
        self.assertFalse(role.allows("ecs:RunTask", self.task["taskDefinitionArn"]))

    def test_the_bucket_is_encrypted_private_and_without_remains_of_uploads(self):
        s3 = CLOUD.client("s3")
        [bucket] = self.stack.ids("AWS::S3::Bucket")
        self.assertEqual(bucket, f"homebrew-bottles-{CLOUD.account}")
        encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        [rule] = encryption["Rules"]
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
        blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        self.assertEqual(set(blocks.values()), {True})
        controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        self.assertEqual(controls, [{"ObjectOwnership": "BucketOwnerEnforced"}])
        [lifecycle] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        self.assertEqual(lifecycle["AbortIncompleteMultipartUpload"], {"DaysAfterInitiation": 1})

    def test_what_sync_reads_stands_in_the_template_and_the_outputs(self):
        client = CLOUD.client("cloudformation")
        summary = client.get_template_summary(StackName=self.stack.name)
        mirror = json.loads(summary["Metadata"])["Longshore"]["BottleSync"]
        self.assert_holds(mirror, Service="sync", Cpu=2048, Memory=8192, AssignPublicIp=False)
        self.assertEqual(mirror["CapacityProviderStrategy"], [])
        self.assert_holds(
            mirror["Settings"],
            IndexUrl="https://formulae.brew.sh/api/formula.json",
            RegistryLayout=False,
            MaxTasks=10,
        )
        self.assertNotIn("Deletion", mirror["Settings"])
        outputs = {
            one["OutputKey"]: one["OutputValue"] for one in self.stack.describe()["Outputs"]
        }
        [own] = self.stack.security_groups_of(SERVICE)
        self.assert_holds(
            outputs,
            BottleSyncBucketName=f"homebrew-bottles-{CLOUD.account}",
            BottleSyncClusterArn=self.stack.cluster["clusterArn"],
            BottleSyncTaskDefinitionFamily=self.task["family"],
            BottleSyncContainerName=self.container["name"],
            BottleSyncSubnetIds=",".join(account.network().private),
            BottleSyncSecurityGroupIds=own,
            BottleSyncFileSystemId=self.file_system,
        )

    def test_the_task_role_may_use_this_file_system_this_bucket_and_this_secret_only(self):
        role = Role(self.task["taskRoleArn"])
        prefix = f"arn:aws:elasticfilesystem:{CLOUD.region}:{CLOUD.account}"
        file_system = f"{prefix}:file-system/{self.file_system}"
        through = {
            "elasticfilesystem__AccessPointArn": f"{prefix}:access-point/{self.access_point}"
        }
        self.assertTrue(role.allows("elasticfilesystem:ClientWrite", file_system, **through))
        self.assertFalse(role.allows("elasticfilesystem:ClientWrite", file_system))
        self.assertFalse(
            role.allows("elasticfilesystem:ClientRootAccess", file_system, **through)
        )
        bucket = f"arn:aws:s3:::homebrew-bottles-{CLOUD.account}"
        self.assertTrue(role.allows("s3:PutObject", f"{bucket}/bottle"))
        self.assertTrue(role.allows("s3:ListBucket", bucket))
        self.assertFalse(role.allows("s3:DeleteObject", f"{bucket}/bottle"))
        self.assertFalse(role.allows("s3:PutObject", "arn:aws:s3:::other/bottle"))
        buses = f"arn:aws:events:{CLOUD.region}:{CLOUD.account}:event-bus"
        self.assertTrue(role.allows("events:PutEvents", f"{buses}/longshore"))
        self.assertFalse(role.allows("events:PutEvents", f"{buses}/default"))
        secrets = f"arn:aws:secretsmanager:{CLOUD.region}:{CLOUD.account}:secret"
        self.assertTrue(
            role.allows(
                "secretsmanager:GetSecretValue",
                f"{secrets}:homebrew-bottles-sync/slack_webhook-AbCdEf",
            )
        )
        self.assertFalse(role.allows("secretsmanager:GetSecretValue", f"{secrets}:other-AbCdEf"))

    def test_it_is_protected_in_production(self):
        self.assertTrue(self.stack.describe()["EnableTerminationProtection"])
        with self.assertRaises(Refused) as refused:
            CLOUD.provision("destroy", self.stack.name, confirm=self.stack.name)
        self.assertIn("protected", refused.exception.message)
        self.assertTrue(self.stack.describe()["StackStatus"].endswith("_COMPLETE"))

    def test_everything_is_tagged(self):
        self.assert_tagged(
            self.stack, {"Project": "homebrew-bottles-sync", "Environment": "prod"}
        )

    def test_all_seventeen_outputs_of_its_table_are_reported(self):
        prefix = f"arn:aws:elasticfilesystem:{CLOUD.region}:{CLOUD.account}"
        group = self.container["logConfiguration"]["options"]["awslogs-group"]
        [target], _ = self.stack.scaling(SERVICE)
        [own] = self.stack.security_groups_of(SERVICE)
        log_group = f"arn:aws:logs:{CLOUD.region}:{CLOUD.account}:log-group:{group}"
        outputs = self.stack.outputs()
        self.assertIn(outputs.pop("log_group_arn"), (log_group, f"{log_group}:*"))
        self.assert_holds(
            outputs,
            cluster_name="homebrew-sync",
            cluster_arn=self.stack.cluster["clusterArn"],
            cluster_id=self.stack.cluster["clusterArn"],
            service_name=SERVICE,
            service_arn=self.service["serviceArn"],
            service_id=self.service["serviceArn"],
            task_definition_arn=self.task["taskDefinitionArn"],
            task_definition_family=self.task["family"],
            task_definition_revision=str(self.task["revision"]),
            efs_file_system_id=self.file_system,
            efs_file_system_arn=self.efs()["FileSystemArn"],
            efs_access_point_id=self.access_point,
            efs_access_point_arn=f"{prefix}:access-point/{self.access_point}",
            log_group_name=group,
            auto_scaling_target_arn=target["ScalableTargetARN"],
            security_group_id=own,
        )
