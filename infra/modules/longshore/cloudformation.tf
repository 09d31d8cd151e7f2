# The role that CloudFormation works with: what templates need, and nothing else.
# Only `provision`, and whoever applies a stack with Terraform, may pass it.
#
# A managed policy holds at most 6,144 characters, so there is one a concern. The
# first is for reading alone and is provision's, too: CloudFormation looks for
# drift with the rights of the caller.
locals {
  read_resources_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ReadWhatHasNoResourceLevel"
        Effect = "Allow"
        Action = [
          "application-autoscaling:DescribeScalableTargets",
          "application-autoscaling:DescribeScalingPolicies",
          "application-autoscaling:DescribeScheduledActions",
          "autoscaling:DescribeAutoScalingGroups",
          "autoscaling:DescribeAutoScalingInstances",
          "autoscaling:DescribeInstanceRefreshes",
          "autoscaling:DescribeLifecycleHooks",
          "autoscaling:DescribeLoadBalancers",
          "autoscaling:DescribeLoadBalancerTargetGroups",
          "autoscaling:DescribeNotificationConfigurations",
          "autoscaling:DescribePolicies",
          "autoscaling:DescribeScalingActivities",
          "autoscaling:DescribeScheduledActions",
          "autoscaling:DescribeTags",
          "autoscaling:DescribeTrafficSources",
          "autoscaling:DescribeWarmPool",
          "ec2:DescribeAccountAttributes",
          "ec2:DescribeAvailabilityZones",
          "ec2:DescribeFlowLogs",
          "ec2:DescribeImages",
          "ec2:DescribeInstances",
          "ec2:DescribeInstanceStatus",
          "ec2:DescribeInstanceTypes",
          "ec2:DescribeInternetGateways",
          "ec2:DescribeLaunchTemplates",
          "ec2:DescribeLaunchTemplateVersions",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeRegions",
          "ec2:DescribeSecurityGroupRules",
          "ec2:DescribeSecurityGroups",
          "ec2:DescribeSubnets",
          "ec2:DescribeTags",
          "ec2:DescribeVpcs",
          "ecs:DescribeTaskDefinition",
          "elasticloadbalancing:DescribeCapacityReservation",
          "elasticloadbalancing:DescribeListenerAttributes",
          "elasticloadbalancing:DescribeListenerCertificates",
          "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeLoadBalancerAttributes",
          "elasticloadbalancing:DescribeLoadBalancers",
          "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTags",
          "elasticloadbalancing:DescribeTargetGroupAttributes",
          "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
          "kms:ListAliases",
          "logs:DescribeIndexPolicies",
          "logs:DescribeLogGroups",
          "logs:DescribeResourcePolicies",
          "route53:ListHostedZonesByName",
          "servicediscovery:GetOperation",
          "servicediscovery:ListServices",
          "servicediscovery:ListTagsForResource",
        ]
        Resource = ["*"]
      },
      {
        Sid    = "ReadServices"
        Effect = "Allow"
        Action = [
          "ecs:DescribeCapacityProviders",
          "ecs:DescribeClusters",
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServices",
          "ecs:ListServiceDeployments",
          "ecs:ListTagsForResource",
        ]
        Resource = ["${local.ecs_arn}:*"]
      },
      {
        Sid    = "ReadData"
        Effect = "Allow"
        Action = [
          "elasticfilesystem:DescribeAccessPoints",
          "elasticfilesystem:DescribeBackupPolicy",
          "elasticfilesystem:DescribeFileSystemPolicy",
          "elasticfilesystem:DescribeFileSystems",
          "elasticfilesystem:DescribeLifecycleConfiguration",
          "elasticfilesystem:DescribeMountTargets",
          "elasticfilesystem:DescribeMountTargetSecurityGroups",
          "elasticfilesystem:DescribeReplicationConfigurations",
          "elasticfilesystem:ListTagsForResource",
          "kms:DescribeKey",
          "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus",
          "kms:ListResourceTags",
          "secretsmanager:DescribeSecret",
        ]
        Resource = concat(local.file_system_arns, [
          local.key_pattern,
          "${local.secret_arn}:*",
        ])
      },
      {
        # What a bucket is, never what is in it.
        Sid    = "ReadBuckets"
        Effect = "Allow"
        Action = [
          "s3:GetAccelerateConfiguration",
          "s3:GetAnalyticsConfiguration",
          "s3:GetBucketAbac",
          "s3:GetBucketCORS",
          "s3:GetBucketLogging",
          "s3:GetBucketMetadataTableConfiguration",
          "s3:GetBucketNotification",
          "s3:GetBucketObjectLockConfiguration",
          "s3:GetBucketOwnershipControls",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketTagging",
          "s3:GetBucketVersioning",
          "s3:GetBucketWebsite",
          "s3:GetEncryptionConfiguration",
          "s3:GetIntelligentTieringConfiguration",
          "s3:GetInventoryConfiguration",
          "s3:GetLifecycleConfiguration",
          "s3:GetMetricsConfiguration",
          "s3:GetReplicationConfiguration",
          "s3:ListBucket",
          "s3:ListTagsForResource",
        ]
        Resource = local.bucket_arns
      },
      {
        Sid    = "ReadObservation"
        Effect = "Allow"
        Action = [
          "application-autoscaling:ListTagsForResource",
          "cloudwatch:DescribeAlarms",
          "cloudwatch:GetDashboard",
          "cloudwatch:ListTagsForResource",
          "events:DescribeRule",
          "events:ListTagsForResource",
          "events:ListTargetsByRule",
          "logs:GetDataProtectionPolicy",
          "logs:ListTagsForResource",
          "scheduler:GetSchedule",
        ]
        Resource = [
          local.scalable_target_pattern,
          local.alarm_pattern,
          local.dashboard_pattern,
          local.event_rule_pattern,
          "${local.log_group_arn}:*",
          local.schedule_pattern,
        ]
      },
      {
        Sid    = "ReadQueuesAndTopics"
        Effect = "Allow"
        Action = [
          "sns:GetDataProtectionPolicy",
          "sns:GetTopicAttributes",
          "sns:ListSubscriptionsByTopic",
          "sns:ListTagsForResource",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ListQueueTags",
        ]
        Resource = [local.queue_pattern, local.topic_pattern]
      },
      {
        Sid    = "ReadNamespaces"
        Effect = "Allow"
        Action = [
          "servicediscovery:GetNamespace",
          "servicediscovery:GetService",
          "servicediscovery:GetServiceAttributes",
        ]
        Resource = local.namespace_arns
      },
      {
        Sid    = "ReadRoles"
        Effect = "Allow"
        Action = [
          "iam:GetInstanceProfile",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListRolePolicies",
        ]
        Resource = concat(local.stack_role_arns, [local.instance_profile_pattern])
      },
      {
        # The images of ECS instances are named by parameters.
        Sid      = "ReadImageParameters"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = local.image_parameter_arns
      },
    ]
  })

  services_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid    = "ManageServices"
        Effect = "Allow"
        Action = [
          "ecs:CreateCapacityProvider",
          "ecs:CreateCluster",
          "ecs:CreateService",
          "ecs:DeleteCapacityProvider",
          "ecs:DeleteCluster",
          "ecs:DeleteService",
          "ecs:PutClusterCapacityProviders",
          "ecs:StopServiceDeployment",
          "ecs:TagResource",
          "ecs:UntagResource",
          "ecs:UpdateCapacityProvider",
          "ecs:UpdateCluster",
          "ecs:UpdateClusterSettings",
          "ecs:UpdateService",
        ]
        Resource = ["${local.ecs_arn}:*"]
      },
      {
        Sid      = "ManageTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DeregisterTaskDefinition", "ecs:RegisterTaskDefinition"]
        Resource = ["*"]
      },
      {
        Sid    = "ScaleServices"
        Effect = "Allow"
        Action = [
          "application-autoscaling:DeleteScalingPolicy",
          "application-autoscaling:DeleteScheduledAction",
          "application-autoscaling:DeregisterScalableTarget",
          "application-autoscaling:PutScalingPolicy",
          "application-autoscaling:PutScheduledAction",
          "application-autoscaling:RegisterScalableTarget",
          "application-autoscaling:TagResource",
          "application-autoscaling:UntagResource",
        ]
        Resource = [local.scalable_target_pattern]
      },
      {
        Sid    = "ManageLoadBalancers"
        Effect = "Allow"
        Action = [
          "elasticloadbalancing:AddListenerCertificates",
          "elasticloadbalancing:AddTags",
          "elasticloadbalancing:CreateListener",
          "elasticloadbalancing:CreateLoadBalancer",
          "elasticloadbalancing:CreateRule",
          "elasticloadbalancing:CreateTargetGroup",
          "elasticloadbalancing:DeleteListener",
          "elasticloadbalancing:DeleteLoadBalancer",
          "elasticloadbalancing:DeleteRule",
          "elasticloadbalancing:DeleteTargetGroup",
          "elasticloadbalancing:ModifyListener",
          "elasticloadbalancing:ModifyListenerAttributes",
          "elasticloadbalancing:ModifyLoadBalancerAttributes",
          "elasticloadbalancing:ModifyRule",
          "elasticloadbalancing:ModifyTargetGroup",
          "elasticloadbalancing:ModifyTargetGroupAttributes",
          "elasticloadbalancing:RemoveListenerCertificates",
          "elasticloadbalancing:RemoveTags",
          "elasticloadbalancing:SetIpAddressType",
          "elasticloadbalancing:SetRulePriorities",
          "elasticloadbalancing:SetSecurityGroups",
          "elasticloadbalancing:SetSubnets",
        ]
        Resource = [
          "${local.load_balancing_arn}:listener-rule/app/*",
          "${local.load_balancing_arn}:listener/app/*",
          "${local.load_balancing_arn}:listener/net/*",
          "${local.load_balancing_arn}:loadbalancer/app/*",
          "${local.load_balancing_arn}:loadbalancer/net/*",
          "${local.load_balancing_arn}:targetgroup/*",
        ]
      },
      {
        # Elastic Load Balancing looks the client of a login up with the rights of
        # whoever makes the rule.
        Sid      = "ReadClientsOfLogins"
        Effect   = "Allow"
        Action   = ["cognito-idp:DescribeUserPoolClient"]
        Resource = ["arn:${local.partition}:cognito-idp:${local.region}:${local.account_id}:userpool/*"]
      },
      {
        Sid    = "ManageDiscovery"
        Effect = "Allow"
        Action = [
          "servicediscovery:CreateService",
          "servicediscovery:DeleteNamespace",
          "servicediscovery:DeleteService",
          "servicediscovery:DeleteServiceAttributes",
          "servicediscovery:UpdatePrivateDnsNamespace",
          "servicediscovery:UpdateService",
          "servicediscovery:UpdateServiceAttributes",
        ]
        Resource = local.namespace_arns
      },
      {
        Sid    = "ManageNamespaces"
        Effect = "Allow"
        Action = [
          "servicediscovery:CreatePrivateDnsNamespace",
          "servicediscovery:TagResource",
          "servicediscovery:UntagResource",
          "route53:CreateHostedZone",
        ]
        Resource = ["*"]
      },
      {
        # A private namespace is a hosted zone, which Cloud Map makes with the
        # caller's rights.
        Sid    = "ManageHostedZones"
        Effect = "Allow"
        Action = [
          "route53:AssociateVPCWithHostedZone",
          "route53:DeleteHostedZone",
          "route53:GetHostedZone",
        ]
        Resource = ["arn:${local.partition}:route53:::hostedzone/*"]
      },
      {
        # Of a namespace, Cloud Map changes the SOA record; ECS registers tasks
        # with rights of its own.
        Sid       = "ManageZonesOfNamespaces"
        Effect    = "Allow"
        Action    = ["route53:ChangeResourceRecordSets"]
        Resource  = ["arn:${local.partition}:route53:::hostedzone/*"]
        Condition = { "ForAllValues:StringEquals" = { "route53:ChangeResourceRecordSetsRecordTypes" = ["SOA"] } }
      },
      {
        Sid      = "ReadChangesOfRecords"
        Effect   = "Allow"
        Action   = ["route53:GetChange"]
        Resource = ["arn:${local.partition}:route53:::change/*"]
      },
    ], local.records_statements)
  })

  # The names of load balancers, in the zones that stack files may use.
  records_statements = [
    for statement in [{
      Sid    = "ManageRecords"
      Effect = "Allow"
      Action = [
        "route53:ChangeResourceRecordSets",
        "route53:ListResourceRecordSets",
      ]
      Resource = [for id in var.hosted_zone_ids : "arn:${local.partition}:route53:::hostedzone/${id}"]
    }] : statement if length(var.hosted_zone_ids) > 0
  ]

  capacity_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # A group's rolling update is CloudFormation's own work: it suspends the
        # group's processes, ends its instances and sets how many there are.
        Sid    = "ManageInstances"
        Effect = "Allow"
        Action = [
          "autoscaling:CreateAutoScalingGroup",
          "autoscaling:CreateOrUpdateTags",
          "autoscaling:DeleteAutoScalingGroup",
          "autoscaling:DeleteTags",
          "autoscaling:DisableMetricsCollection",
          "autoscaling:EnableMetricsCollection",
          "autoscaling:ResumeProcesses",
          "autoscaling:SetDesiredCapacity",
          "autoscaling:SuspendProcesses",
          "autoscaling:TerminateInstanceInAutoScalingGroup",
          "autoscaling:UpdateAutoScalingGroup",
        ]
        Resource = ["arn:${local.partition}:autoscaling:${local.region}:${local.account_id}:autoScalingGroup:*:autoScalingGroupName/*"]
      },
      {
        Sid    = "ManageNetwork"
        Effect = "Allow"
        Action = [
          "ec2:AuthorizeSecurityGroupEgress",
          "ec2:AuthorizeSecurityGroupIngress",
          "ec2:CreateFlowLogs",
          "ec2:CreateLaunchTemplate",
          "ec2:CreateLaunchTemplateVersion",
          "ec2:CreateNetworkInterface",
          "ec2:CreateSecurityGroup",
          "ec2:CreateTags",
          "ec2:DeleteFlowLogs",
          "ec2:DeleteLaunchTemplate",
          "ec2:DeleteNetworkInterface",
          "ec2:DeleteSecurityGroup",
          "ec2:DeleteTags",
          "ec2:ModifyLaunchTemplate",
          "ec2:ModifyNetworkInterfaceAttribute",
          "ec2:ModifySecurityGroupRules",
          "ec2:RevokeSecurityGroupEgress",
          "ec2:RevokeSecurityGroupIngress",
          "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
          "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ]
        Resource = [
          "${local.ec2_arn}:instance/*",
          "${local.ec2_arn}:launch-template/*",
          "${local.ec2_arn}:network-interface/*",
          "${local.ec2_arn}:security-group-rule/*",
          "${local.ec2_arn}:security-group/*",
          "${local.ec2_arn}:subnet/*",
          "${local.ec2_arn}:volume/*",
          "${local.ec2_arn}:vpc-flow-log/*",
          "${local.ec2_arn}:vpc/*",
        ]
      },
      {
        # Auto Scaling asks whether whoever gives it a launch template may run
        # instances. Only ever from launch templates of this account.
        Sid    = "RunInstancesOfGroups"
        Effect = "Allow"
        Action = ["ec2:RunInstances"]
        Resource = [
          "${local.ec2_arn}:*",
          "arn:${local.partition}:ec2:${local.region}::image/*",
          "arn:${local.partition}:ec2:${local.region}::snapshot/*",
        ]
        Condition = { ArnLike = { "ec2:LaunchTemplate" = "${local.ec2_arn}:launch-template/*" } }
      },
      {
        Sid    = "ManageFileSystems"
        Effect = "Allow"
        Action = [
          "elasticfilesystem:CreateAccessPoint",
          "elasticfilesystem:CreateMountTarget",
          "elasticfilesystem:DeleteAccessPoint",
          "elasticfilesystem:DeleteFileSystem",
          "elasticfilesystem:DeleteFileSystemPolicy",
          "elasticfilesystem:DeleteMountTarget",
          "elasticfilesystem:DeleteTags",
          "elasticfilesystem:ModifyMountTargetSecurityGroups",
          "elasticfilesystem:PutBackupPolicy",
          "elasticfilesystem:PutFileSystemPolicy",
          "elasticfilesystem:PutLifecycleConfiguration",
          "elasticfilesystem:TagResource",
          "elasticfilesystem:UntagResource",
          "elasticfilesystem:UpdateFileSystem",
          "elasticfilesystem:UpdateFileSystemProtection",
        ]
        Resource = local.file_system_arns
      },
      {
        Sid       = "CreateFileSystems"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:CreateFileSystem"]
        Resource  = ["*"]
        Condition = { Bool = { "elasticfilesystem:Encrypted" = "true" } }
      },
      {
        # Buckets, and nothing that is in them: CloudFormation deletes
        # a bucket only when it is empty.
        Sid    = "ManageBuckets"
        Effect = "Allow"
        Action = [
          "s3:CreateBucket",
          "s3:DeleteBucket",
          "s3:PutBucketOwnershipControls",
          "s3:PutBucketPublicAccessBlock",
          "s3:PutBucketTagging",
          "s3:PutBucketVersioning",
          "s3:PutEncryptionConfiguration",
          "s3:PutLifecycleConfiguration",
          "s3:TagResource",
          "s3:UntagResource",
        ]
        Resource = local.bucket_arns
      },
      {
        # A file system with a key of the account's own: EFS is given the use of
        # it, and nobody else.
        Sid       = "LetFileSystemsUseKeys"
        Effect    = "Allow"
        Action    = ["kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext"]
        Resource  = [local.key_pattern]
        Condition = { StringEquals = { "kms:ViaService" = "elasticfilesystem.${local.region}.amazonaws.com" } }
      },
    ]
  })

  observation_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ManageLogGroups"
        Effect = "Allow"
        Action = [
          "logs:AssociateKmsKey",
          "logs:CreateLogGroup",
          "logs:DeleteLogGroup",
          "logs:DeleteRetentionPolicy",
          "logs:DisassociateKmsKey",
          "logs:PutRetentionPolicy",
          "logs:TagResource",
          "logs:UntagResource",
        ]
        # Templates name the groups /ecs/<stack>/... and /longshore/<stack>/...
        Resource = [for folder in ["ecs", "longshore"] : "${local.log_group_arn}:/${folder}/*"]
      },
      {
        Sid      = "LetEventsWriteLogs"
        Effect   = "Allow"
        Action   = ["logs:DeleteResourcePolicy", "logs:PutResourcePolicy"]
        Resource = ["*"]
      },
      {
        Sid    = "ManageAlarms"
        Effect = "Allow"
        Action = [
          "cloudwatch:DeleteAlarms",
          "cloudwatch:DeleteDashboards",
          "cloudwatch:PutDashboard",
          "cloudwatch:PutMetricAlarm",
          "cloudwatch:TagResource",
          "cloudwatch:UntagResource",
        ]
        Resource = [local.alarm_pattern, local.dashboard_pattern]
      },
      {
        Sid      = "ReadMetricsOfScaling"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData"]
        Resource = ["*"]
      },
      {
        Sid    = "ManageRulesAndSchedules"
        Effect = "Allow"
        Action = [
          "events:DeleteRule",
          "events:PutRule",
          "events:PutTargets",
          "events:RemoveTargets",
          "events:TagResource",
          "events:UntagResource",
          "scheduler:CreateSchedule",
          "scheduler:DeleteSchedule",
          "scheduler:UpdateSchedule",
        ]
        Resource = [local.event_rule_pattern, local.schedule_pattern]
      },
      {
        # Templates name secrets <stack>/<service>/<variable>, and CloudFormation
        # tags them with the stack as it makes them.
        Sid       = "CreateSecrets"
        Effect    = "Allow"
        Action    = ["secretsmanager:CreateSecret", "secretsmanager:TagResource"]
        Resource  = ["${local.secret_arn}:*/*/*"]
        Condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
      },
      {
        # ... and reads and changes only those: a text of a template that refers to
        # another secret is refused here, too.
        Sid    = "ManageSecretsOfStacks"
        Effect = "Allow"
        Action = [
          "secretsmanager:DeleteSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:TagResource",
          "secretsmanager:UntagResource",
          "secretsmanager:UpdateSecret",
        ]
        Resource  = ["${local.secret_arn}:*/*/*"]
        Condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
      },
      {
        # A secret with a key of the account's own: Secrets Manager encrypts it
        # with the rights of the caller.
        Sid       = "LetSecretsUseKeys"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [local.key_pattern]
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
      },
      {
        # A key for logs is made with the stack's tag.
        Sid       = "CreateKeys"
        Effect    = "Allow"
        Action    = ["kms:CreateKey"]
        Resource  = ["*"]
        Condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
      },
      {
        Sid       = "TagKeys"
        Effect    = "Allow"
        Action    = ["kms:TagResource"]
        Resource  = [local.key_pattern]
        Condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
      },
      {
        # ... and only keys with the tag of a stack are changed.
        Sid    = "ManageKeysOfStacks"
        Effect = "Allow"
        Action = [
          "kms:CreateAlias",
          "kms:DeleteAlias",
          "kms:DisableKey",
          "kms:DisableKeyRotation",
          "kms:EnableKey",
          "kms:EnableKeyRotation",
          "kms:PutKeyPolicy",
          "kms:ScheduleKeyDeletion",
          "kms:TagResource",
          "kms:UntagResource",
          "kms:UpdateAlias",
          "kms:UpdateKeyDescription",
        ]
        Resource  = [local.key_pattern]
        Condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
      },
      {
        # An alias is checked beside its key, and has no tags.
        Sid      = "ManageAliases"
        Effect   = "Allow"
        Action   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
        Resource = ["arn:${local.partition}:kms:${local.region}:${local.account_id}:alias/longshore/*"]
      },
    ]
  })

  messages_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Queues and topics are made with the stack's tag.
        Sid    = "CreateQueuesAndTopics"
        Effect = "Allow"
        Action = [
          "sns:CreateTopic",
          "sns:TagResource",
          "sqs:CreateQueue",
          "sqs:TagQueue",
        ]
        Resource  = [local.queue_pattern, local.topic_pattern]
        Condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
      },
      {
        # ... and only those with the tag of a stack are changed.
        Sid    = "ManageQueuesAndTopicsOfStacks"
        Effect = "Allow"
        Action = [
          "sns:DeleteTopic",
          "sns:SetTopicAttributes",
          "sns:Subscribe",
          "sns:TagResource",
          "sns:UntagResource",
          "sqs:DeleteQueue",
          "sqs:SetQueueAttributes",
          "sqs:TagQueue",
          "sqs:UntagQueue",
        ]
        Resource  = [local.queue_pattern, local.topic_pattern]
        Condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
      },
      {
        # Subscriptions are not resources of IAM.
        Sid    = "ManageSubscriptions"
        Effect = "Allow"
        Action = [
          "sns:GetSubscriptionAttributes",
          "sns:SetSubscriptionAttributes",
          "sns:Unsubscribe",
        ]
        Resource = ["*"]
      },
    ]
  })

  roles_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # A role without the boundary cannot be made, and none can be given more
        # rights that lost it.
        Sid    = "GiveRolesRightsWithinTheBoundary"
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy",
          "iam:CreateRole",
          "iam:DeleteRolePolicy",
          "iam:DetachRolePolicy",
          "iam:PutRolePermissionsBoundary",
          "iam:PutRolePolicy",
        ]
        Resource  = [local.template_role_pattern]
        Condition = { StringEquals = { "iam:PermissionsBoundary" = aws_iam_policy.permissions_boundary.arn } }
      },
      {
        Sid    = "ManageRoles"
        Effect = "Allow"
        Action = [
          "iam:DeleteRole",
          "iam:TagRole",
          "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy",
          "iam:UpdateRole",
          "iam:UpdateRoleDescription",
        ]
        Resource = [local.template_role_pattern]
      },
      {
        Sid    = "ManageInstanceProfiles"
        Effect = "Allow"
        Action = [
          "iam:AddRoleToInstanceProfile",
          "iam:CreateInstanceProfile",
          "iam:DeleteInstanceProfile",
          "iam:RemoveRoleFromInstanceProfile",
        ]
        Resource = [local.instance_profile_pattern]
      },
      {
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.stack_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        # Instances, schedules, flow logs and services whose traffic ECS shifts
        # take roles of the stack only.
        Sid      = "PassRolesOfStacks"
        Effect   = "Allow"
        Action   = ["iam:PassRole"]
        Resource = [local.template_role_pattern]
        Condition = {
          StringEquals = {
            "iam:PassedToService" = [
              "ec2.amazonaws.com",
              "ecs.amazonaws.com",
              "scheduler.amazonaws.com",
              "vpc-flow-logs.amazonaws.com",
            ]
          }
        }
      },
      {
        # Those that AWS makes once an account, when a service is first used.
        Sid      = "CreateServiceLinkedRoles"
        Effect   = "Allow"
        Action   = ["iam:CreateServiceLinkedRole"]
        Resource = ["arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/*"]
        Condition = {
          StringEquals = {
            "iam:AWSServiceName" = [
              "autoscaling.amazonaws.com",
              "backup.amazonaws.com",
              "ecs.amazonaws.com",
              "ecs.application-autoscaling.amazonaws.com",
              "elasticfilesystem.amazonaws.com",
              "elasticloadbalancing.amazonaws.com",
            ]
          }
        }
      },
    ]
  })

  cloudformation_policies = {
    read        = local.read_resources_policy
    services    = local.services_policy
    capacity    = local.capacity_policy
    observation = local.observation_policy
    messages    = local.messages_policy
    roles       = local.roles_policy
  }

  ec2_arn                  = "arn:${local.partition}:ec2:${local.region}:${local.account_id}"
  load_balancing_arn       = "arn:${local.partition}:elasticloadbalancing:${local.region}:${local.account_id}"
  secret_arn               = "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret"
  alarm_pattern            = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:*"
  dashboard_pattern        = "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/*"
  event_rule_pattern       = "arn:${local.partition}:events:${local.region}:${local.account_id}:rule/*"
  instance_profile_pattern = "arn:${local.partition}:iam::${local.account_id}:instance-profile/longshore/*"
  key_pattern              = "arn:${local.partition}:kms:${local.region}:${local.account_id}:key/*"
  log_group_arn            = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group"
  queue_pattern            = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:*"
  topic_pattern            = "arn:${local.partition}:sns:${local.region}:${local.account_id}:*"
  scalable_target_pattern  = "arn:${local.partition}:application-autoscaling:${local.region}:${local.account_id}:scalable-target/*"
  schedule_pattern         = "arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/*"

  file_system_pattern = "arn:${local.partition}:elasticfilesystem:${local.region}:${local.account_id}:file-system/*"

  file_system_arns = [
    "arn:${local.partition}:elasticfilesystem:${local.region}:${local.account_id}:access-point/*",
    local.file_system_pattern,
  ]

  namespace_arns = [
    for kind in ["namespace", "service"] :
    "arn:${local.partition}:servicediscovery:${local.region}:${local.account_id}:${kind}/*"
  ]

  # AWS's own parameters belong to no account.
  image_parameter_arns = concat(
    ["arn:${local.partition}:ssm:${local.region}::parameter/aws/service/ecs/*"],
    [
      for name in var.image_parameter_names :
      "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter/${trimprefix(name, "/")}"
    ],
  )
}

resource "aws_iam_role" "cloudformation" {
  name        = "${var.prefix}-cloudformation"
  description = "CloudFormation, at work on Longshore's stacks"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudformation.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Not for a stack of another account that was given this role's name.
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_policy" "cloudformation" {
  for_each = local.cloudformation_policies

  # checkov:skip=CKV_AWS_355: the calls on "*" have no resource level, which a test checks
  # checkov:skip=CKV_AWS_290: as above
  # checkov:skip=CKV_AWS_289: roles are made under one path and within a permissions boundary only
  # checkov:skip=CKV_AWS_286: as above
  # checkov:skip=CKV_AWS_288: it reads the secrets of stacks because it writes them
  name        = "${var.prefix}-stacks-${each.key}"
  description = "What Longshore's stacks need: ${each.key}"
  policy      = each.value
}

resource "aws_iam_role_policy_attachment" "cloudformation" {
  for_each = aws_iam_policy.cloudformation

  role       = aws_iam_role.cloudformation.name
  policy_arn = each.value.arn
}
