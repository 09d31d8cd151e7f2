# What CloudFormation may do with stacks, and what the roles may that it makes.
mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  # The longest name of a region: the documents must not be too long there.
  mock_data "aws_region" {
    defaults = { name = "ap-southeast-1", region = "ap-southeast-1" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::longshore-state-111122223333-ap-southeast-1" }
  }

  mock_resource "aws_cloudwatch_event_bus" {
    defaults = { arn = "arn:aws:events:ap-southeast-1:111122223333:event-bus/longshore" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/a-role" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/longshore-permissions-boundary" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-1:111122223333:log-group:/aws/lambda/a-function" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-southeast-1:111122223333:a-queue" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:ap-southeast-1:111122223333:rule/a-rule" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:ap-southeast-1:111122223333:function:a-function" }
  }
}

variables {
  package_directory         = "tests/packages"
  slack_webhook_secret_name = "longshore/slack-webhook"
  task_role_arns            = ["arn:aws:iam::111122223333:role/adopted-task"]
  stack_role_arns           = ["arn:aws:iam::111122223333:role/shop-task"]
}

run "only_cloudformation_of_this_account_takes_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.cloudformation.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "cloudformation.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } }
    }]
    error_message = "Somebody else may take the role."
  }

  assert {
    condition     = keys(aws_iam_role_policy_attachment.cloudformation) == ["capacity", "messages", "observation", "read", "roles", "services"]
    error_message = "The role has more or less than its six policies."
  }
}

run "every_statement_has_exactly_these_resources_and_conditions" {
  command = plan

  assert {
    condition = jsonencode({
      for policy in values(output.cloudformation_policies) : jsondecode(policy).Statement[0].Sid => {
        for statement in jsondecode(policy).Statement : statement.Sid => merge(
          { resource = statement.Resource },
          { for key, condition in statement : "condition" => condition if key == "Condition" },
        )
      }
      }) == jsonencode({
      ReadWhatHasNoResourceLevel = {
        ReadWhatHasNoResourceLevel = { resource = ["*"] }
        ReadServices               = { resource = ["arn:aws:ecs:ap-southeast-1:111122223333:*"] }
        ReadData = { resource = [
          "arn:aws:elasticfilesystem:ap-southeast-1:111122223333:access-point/*",
          "arn:aws:elasticfilesystem:ap-southeast-1:111122223333:file-system/*",
          "arn:aws:kms:ap-southeast-1:111122223333:key/*",
          "arn:aws:secretsmanager:ap-southeast-1:111122223333:secret:*",
        ] }
        ReadBuckets = { resource = ["arn:aws:s3:::homebrew-bottles-*"] }
        ReadObservation = { resource = [
          "arn:aws:application-autoscaling:ap-southeast-1:111122223333:scalable-target/*",
          "arn:aws:cloudwatch:ap-southeast-1:111122223333:alarm:*",
          "arn:aws:cloudwatch::111122223333:dashboard/*",
          "arn:aws:events:ap-southeast-1:111122223333:rule/*",
          "arn:aws:logs:ap-southeast-1:111122223333:log-group:*",
          "arn:aws:scheduler:ap-southeast-1:111122223333:schedule/*",
        ] }
        ReadQueuesAndTopics = { resource = [
          "arn:aws:sqs:ap-southeast-1:111122223333:*",
          "arn:aws:sns:ap-southeast-1:111122223333:*",
        ] }
        ReadNamespaces = { resource = [
          "arn:aws:servicediscovery:ap-southeast-1:111122223333:namespace/*",
          "arn:aws:servicediscovery:ap-southeast-1:111122223333:service/*",
        ] }
        ReadRoles = { resource = [
          "arn:aws:iam::111122223333:role/shop-task",
          "arn:aws:iam::111122223333:role/longshore/*",
          "arn:aws:iam::111122223333:instance-profile/longshore/*",
        ] }
        ReadImageParameters = { resource = ["arn:aws:ssm:ap-southeast-1::parameter/aws/service/ecs/*"] }
      }
      ManageServices = {
        ManageServices        = { resource = ["arn:aws:ecs:ap-southeast-1:111122223333:*"] }
        ManageTaskDefinitions = { resource = ["*"] }
        ScaleServices         = { resource = ["arn:aws:application-autoscaling:ap-southeast-1:111122223333:scalable-target/*"] }
        ManageLoadBalancers = { resource = [
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:listener-rule/app/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:listener/app/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:listener/net/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:loadbalancer/app/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:loadbalancer/net/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:targetgroup/*",
        ] }
        ReadClientsOfLogins = { resource = ["arn:aws:cognito-idp:ap-southeast-1:111122223333:userpool/*"] }
        ManageDiscovery = { resource = [
          "arn:aws:servicediscovery:ap-southeast-1:111122223333:namespace/*",
          "arn:aws:servicediscovery:ap-southeast-1:111122223333:service/*",
        ] }
        ManageNamespaces  = { resource = ["*"] }
        ManageHostedZones = { resource = ["arn:aws:route53:::hostedzone/*"] }
        ManageZonesOfNamespaces = {
          resource  = ["arn:aws:route53:::hostedzone/*"]
          condition = { "ForAllValues:StringEquals" = { "route53:ChangeResourceRecordSetsRecordTypes" = ["SOA"] } }
        }
        ReadChangesOfRecords = { resource = ["arn:aws:route53:::change/*"] }
      }
      ManageInstances = {
        ManageInstances = { resource = ["arn:aws:autoscaling:ap-southeast-1:111122223333:autoScalingGroup:*:autoScalingGroupName/*"] }
        ManageNetwork = { resource = [
          "arn:aws:ec2:ap-southeast-1:111122223333:instance/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:launch-template/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:network-interface/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:security-group-rule/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:security-group/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:subnet/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:volume/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:vpc-flow-log/*",
          "arn:aws:ec2:ap-southeast-1:111122223333:vpc/*",
        ] }
        RunInstancesOfGroups = {
          resource = [
            "arn:aws:ec2:ap-southeast-1:111122223333:*",
            "arn:aws:ec2:ap-southeast-1::image/*",
            "arn:aws:ec2:ap-southeast-1::snapshot/*",
          ]
          condition = { ArnLike = { "ec2:LaunchTemplate" = "arn:aws:ec2:ap-southeast-1:111122223333:launch-template/*" } }
        }
        ManageFileSystems = { resource = [
          "arn:aws:elasticfilesystem:ap-southeast-1:111122223333:access-point/*",
          "arn:aws:elasticfilesystem:ap-southeast-1:111122223333:file-system/*",
        ] }
        CreateFileSystems = {
          resource  = ["*"]
          condition = { Bool = { "elasticfilesystem:Encrypted" = "true" } }
        }
        ManageBuckets = { resource = ["arn:aws:s3:::homebrew-bottles-*"] }
        LetFileSystemsUseKeys = {
          resource  = ["arn:aws:kms:ap-southeast-1:111122223333:key/*"]
          condition = { StringEquals = { "kms:ViaService" = "elasticfilesystem.ap-southeast-1.amazonaws.com" } }
        }
      }
      ManageLogGroups = {
        ManageLogGroups = { resource = [
          "arn:aws:logs:ap-southeast-1:111122223333:log-group:/ecs/*",
          "arn:aws:logs:ap-southeast-1:111122223333:log-group:/longshore/*",
        ] }
        LetEventsWriteLogs = { resource = ["*"] }
        ManageAlarms = { resource = [
          "arn:aws:cloudwatch:ap-southeast-1:111122223333:alarm:*",
          "arn:aws:cloudwatch::111122223333:dashboard/*",
        ] }
        ReadMetricsOfScaling = { resource = ["*"] }
        ManageRulesAndSchedules = { resource = [
          "arn:aws:events:ap-southeast-1:111122223333:rule/*",
          "arn:aws:scheduler:ap-southeast-1:111122223333:schedule/*",
        ] }
        CreateSecrets = {
          resource  = ["arn:aws:secretsmanager:ap-southeast-1:111122223333:secret:*/*/*"]
          condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
        }
        ManageSecretsOfStacks = {
          resource  = ["arn:aws:secretsmanager:ap-southeast-1:111122223333:secret:*/*/*"]
          condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
        }
        LetSecretsUseKeys = {
          resource  = ["arn:aws:kms:ap-southeast-1:111122223333:key/*"]
          condition = { StringEquals = { "kms:ViaService" = "secretsmanager.ap-southeast-1.amazonaws.com" } }
        }
        CreateKeys = {
          resource  = ["*"]
          condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
        }
        TagKeys = {
          resource  = ["arn:aws:kms:ap-southeast-1:111122223333:key/*"]
          condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
        }
        ManageKeysOfStacks = {
          resource  = ["arn:aws:kms:ap-southeast-1:111122223333:key/*"]
          condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
        }
        ManageAliases = { resource = ["arn:aws:kms:ap-southeast-1:111122223333:alias/longshore/*"] }
      }
      CreateQueuesAndTopics = {
        CreateQueuesAndTopics = {
          resource = [
            "arn:aws:sqs:ap-southeast-1:111122223333:*",
            "arn:aws:sns:ap-southeast-1:111122223333:*",
          ]
          condition = { Null = { "aws:RequestTag/longshore:stack" = "false" } }
        }
        ManageQueuesAndTopicsOfStacks = {
          resource = [
            "arn:aws:sqs:ap-southeast-1:111122223333:*",
            "arn:aws:sns:ap-southeast-1:111122223333:*",
          ]
          condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
        }
        ManageSubscriptions = { resource = ["*"] }
      }
      GiveRolesRightsWithinTheBoundary = {
        GiveRolesRightsWithinTheBoundary = {
          resource  = ["arn:aws:iam::111122223333:role/longshore/*"]
          condition = { StringEquals = { "iam:PermissionsBoundary" = "arn:aws:iam::111122223333:policy/longshore-permissions-boundary" } }
        }
        ManageRoles            = { resource = ["arn:aws:iam::111122223333:role/longshore/*"] }
        ManageInstanceProfiles = { resource = ["arn:aws:iam::111122223333:instance-profile/longshore/*"] }
        PassTaskRoles = {
          resource  = ["arn:aws:iam::111122223333:role/shop-task", "arn:aws:iam::111122223333:role/longshore/*"]
          condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
        }
        PassRolesOfStacks = {
          resource = ["arn:aws:iam::111122223333:role/longshore/*"]
          condition = { StringEquals = { "iam:PassedToService" = [
            "ec2.amazonaws.com",
            "ecs.amazonaws.com",
            "scheduler.amazonaws.com",
            "vpc-flow-logs.amazonaws.com",
          ] } }
        }
        CreateServiceLinkedRoles = {
          resource = ["arn:aws:iam::111122223333:role/aws-service-role/*"]
          condition = { StringEquals = { "iam:AWSServiceName" = [
            "autoscaling.amazonaws.com",
            "backup.amazonaws.com",
            "ecs.amazonaws.com",
            "ecs.application-autoscaling.amazonaws.com",
            "elasticfilesystem.amazonaws.com",
            "elasticloadbalancing.amazonaws.com",
          ] } }
        }
      }
    })
    error_message = "CloudFormation may work on other resources, or under other conditions."
  }
}

run "every_action_is_named_and_none_is_a_right_to_give_rights" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : [
          statement.Effect == "Allow",
          [for action in statement.Action : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))],
        ]
      ]
    ]))
    error_message = "An action has a wildcard, or a statement is not a plain Allow."
  }

  assert {
    condition = toset(flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : [
          for action in statement.Action : action if startswith(action, "iam:") || startswith(action, "sts:") || startswith(action, "organizations:")
        ]
      ]
      ])) == toset([
      "iam:AddRoleToInstanceProfile",
      "iam:AttachRolePolicy",
      "iam:CreateInstanceProfile",
      "iam:CreateRole",
      "iam:CreateServiceLinkedRole",
      "iam:DeleteInstanceProfile",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:GetInstanceProfile",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListRolePolicies",
      "iam:PassRole",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ])
    error_message = "CloudFormation may do something else with IAM: see that the boundary holds."
  }

  assert {
    condition = alltrue(flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : [
          for action in statement.Action : can(regex("^[a-z0-9-]+:(Describe|List)", action))
          || contains(keys(local.changes_without_resource_level), action)
          || action == "servicediscovery:GetOperation"
        ] if contains(statement.Resource, "*")
      ]
    ]))
    error_message = "A call that can be held to resources is allowed on all of them."
  }

  assert {
    condition = length(setsubtract(keys(local.changes_without_resource_level), flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : statement.Action if contains(statement.Resource, "*")
      ]
    ]))) == 0
    error_message = "A reason is left of a call that is not allowed any more."
  }
}

# CloudFormation runs AutoScalingRollingUpdate itself, with the rights of its role:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html
run "a_rolling_update_of_instances_may_read_and_replace_them" {
  command = plan

  assert {
    condition = length(setsubtract([
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:DescribeScheduledActions",
      "autoscaling:ResumeProcesses",
      "autoscaling:SetDesiredCapacity",
      "autoscaling:SuspendProcesses",
      "autoscaling:TerminateInstanceInAutoScalingGroup",
      "autoscaling:UpdateAutoScalingGroup",
      ], flatten([
        for policy in values(output.cloudformation_policies) : [
          for statement in jsondecode(policy).Statement : statement.Action
        ]
    ]))) == 0
    error_message = "Another instance type, image or subnet would be refused."
  }
}

run "a_secret_with_a_key_is_encrypted_through_secrets_manager_only" {
  command = plan

  assert {
    condition = flatten([
      for statement in jsondecode(output.cloudformation_policies.observation).Statement : statement.Action if statement.Sid == "LetSecretsUseKeys"
    ]) == ["kms:Decrypt", "kms:GenerateDataKey"]
    error_message = "Secrets Manager needs both to write a secret with a key of the account's own."
  }
}

run "who_may_only_read_changes_nothing_and_sees_no_secret" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.cloudformation_policies.read).Statement : [
        for action in statement.Action : can(regex("^[a-z0-9-]+:(Describe|List|Get)", action)) && !contains(["secretsmanager:GetSecretValue", "logs:GetLogEvents", "s3:GetObject"], action)
      ]
    ]))
    error_message = "The policy that provision shares lets it do more than read descriptions."
  }
}

run "what_is_in_buckets_is_out_of_reach" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : [
          for resource in statement.Resource : !startswith(resource, "arn:aws:s3:::") || !strcontains(resource, "/")
        ]
      ]
    ]))
    error_message = "CloudFormation may do something with objects."
  }
}

run "every_document_is_short_enough_for_a_managed_policy" {
  command = plan

  assert {
    # AWS counts the characters without white space.
    condition = alltrue([
      for policy in concat(values(output.cloudformation_policies), [output.permissions_boundary_policy]) :
      length(replace(policy, " ", "")) <= 6144
    ])
    error_message = "AWS takes 6,144 characters of a managed policy, and one of these has more: ${join(", ", [for policy in concat(values(output.cloudformation_policies), [output.permissions_boundary_policy]) : length(replace(policy, " ", ""))])}."
  }
}

run "roles_of_templates_may_at_most_do_this" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in jsondecode(output.permissions_boundary_policy).Statement : statement.Action if statement.Effect == "Allow"
      ])) == toset([
      "cloudwatch:PutMetricData",
      "ec2:DescribeTags",
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:BatchImportUpstreamImage",
      "ecr:CreateRepository",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "ecs:DeregisterContainerInstance",
      "ecs:DiscoverPollEndpoint",
      "ecs:Poll",
      "ecs:RegisterContainerInstance",
      "ecs:RunTask",
      "ecs:StartTelemetrySession",
      "ecs:SubmitAttachmentStateChanges",
      "ecs:SubmitContainerStateChange",
      "ecs:SubmitTaskStateChange",
      "ecs:TagResource",
      "ecs:UpdateContainerInstancesState",
      "elasticfilesystem:ClientMount",
      "elasticfilesystem:ClientRootAccess",
      "elasticfilesystem:ClientWrite",
      "elasticloadbalancing:DeregisterTargets",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeRules",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
      "elasticloadbalancing:ModifyListener",
      "elasticloadbalancing:ModifyRule",
      "elasticloadbalancing:RegisterTargets",
      "events:PutEvents",
      "iam:PassRole",
      "kms:Decrypt",
      "kms:GenerateDataKey",
      "lambda:InvokeFunction",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:GetObjectAttributes",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
      "s3:PutObjectTagging",
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetSecretValue",
      "sns:Publish",
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
      "ssm:GetParameter",
      "ssm:GetParameters",
      "ssm:GetParametersByPath",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
      "sts:GetCallerIdentity",
    ])
    error_message = "The boundary is wider or narrower."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.permissions_boundary_policy).Statement : (
        statement.Sid == "PassTaskRoles" ? jsonencode([statement.Resource, statement.Condition]) == jsonencode([
          ["arn:aws:iam::111122223333:role/shop-task", "arn:aws:iam::111122223333:role/longshore/*"],
          { StringEquals = {
            "aws:PrincipalTag/longshore:purpose" = "schedule"
            "iam:PassedToService"                = "ecs-tasks.amazonaws.com"
          } },
        ]) :
        statement.Sid == "WakeSync" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:lambda:ap-southeast-1:111122223333:function:longshore-sync"]) :
        statement.Sid == "KeepRefusedRuns" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:sqs:ap-southeast-1:111122223333:longshore-schedule-dead-letters"]) :
        statement.Sid == "ShiftTraffic" ? jsonencode(statement.Resource) == jsonencode([
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:listener-rule/app/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:listener/app/*",
          "arn:aws:elasticloadbalancing:ap-southeast-1:111122223333:targetgroup/*",
        ]) :
        statement.Sid == "PublishShards" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:events:ap-southeast-1:111122223333:event-bus/longshore"]) :
        statement.Sid == "UseQueuesAndTopicsOfTheStack" ? jsonencode(statement.Condition) == jsonencode({ StringEquals = {
          "aws:ResourceTag/longshore:stack" = "$${aws:PrincipalTag/longshore:stack}"
        } }) :
        statement.Sid == "UseKeysThroughServices" ? jsonencode(statement.Condition) == jsonencode({ StringLike = { "kms:ViaService" = [
          "elasticfilesystem.*.amazonaws.com",
          "s3.*.amazonaws.com",
          "secretsmanager.*.amazonaws.com",
          "sns.*.amazonaws.com",
          "ssm.*.amazonaws.com",
        ] } }) :
        true
      )
    ])
    error_message = "Within the boundary other roles are passed, other functions woken, other traffic shifted, or keys used directly."
  }

  assert {
    condition = {
      for statement in jsondecode(output.permissions_boundary_policy).Statement :
      statement.Sid => statement.Condition.StringEquals["aws:PrincipalTag/longshore:purpose"]
      if can(statement.Condition.StringEquals["aws:PrincipalTag/longshore:purpose"])
      } == {
      JoinClusters     = "instance"
      RunTasks         = "schedule"
      PassTaskRoles    = "schedule"
      TagWhatIsStarted = ["instance", "schedule"]
      WakeSync         = "schedule"
      KeepRefusedRuns  = "schedule"
      ReadTraffic      = "traffic"
      ShiftTraffic     = "traffic"
    }
    error_message = "A task may start tasks, join clusters, wake functions or shift traffic."
  }
}

run "roles_of_templates_stay_out_of_the_installation" {
  command = plan

  variables {
    permissions_boundary_actions = ["s3:*", "secretsmanager:*", "lambda:*", "events:*", "sqs:*", "logs:*"]
  }

  assert {
    condition = jsonencode([
      for statement in jsondecode(output.permissions_boundary_policy).Statement : statement if statement.Effect == "Deny"
      ]) == jsonencode([
      {
        Sid    = "KeepOutOfLongshore"
        Effect = "Deny"
        Action = ["*"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-ap-southeast-1",
          "arn:aws:s3:::longshore-state-111122223333-ap-southeast-1/*",
          "arn:aws:secretsmanager:ap-southeast-1:111122223333:secret:longshore/slack-webhook-??????",
          "arn:aws:logs:ap-southeast-1:111122223333:log-group:/aws/lambda/longshore-*",
        ]
      },
      {
        Sid       = "KeepOutOfFunctions"
        Effect    = "Deny"
        Action    = ["lambda:*"]
        Resource  = ["arn:aws:lambda:ap-southeast-1:111122223333:function:longshore-*"]
        Condition = { StringNotEquals = { "aws:PrincipalTag/longshore:purpose" = "schedule" } }
      },
      {
        Sid       = "KeepOutOfQueues"
        Effect    = "Deny"
        Action    = ["sqs:*"]
        Resource  = ["arn:aws:sqs:ap-southeast-1:111122223333:longshore-*"]
        Condition = { StringNotEquals = { "aws:PrincipalTag/longshore:purpose" = "schedule" } }
      },
      {
        Sid       = "SayNothingInLongshoresName"
        Effect    = "Deny"
        Action    = ["events:PutEvents"]
        Resource  = ["arn:aws:events:ap-southeast-1:111122223333:event-bus/longshore"]
        Condition = { "ForAnyValue:StringNotEquals" = { "events:detail-type" = "Sync Shard Completed" } }
      },
      {
        Sid      = "KeepOutOfOtherStacksSecrets"
        Effect   = "Deny"
        Action   = ["secretsmanager:*"]
        Resource = ["*"]
        Condition = {
          Null            = { "aws:ResourceTag/longshore:stack" = "false" }
          StringNotEquals = { "aws:ResourceTag/longshore:stack" = "$${aws:PrincipalTag/longshore:stack, '-'}" }
        }
      },
    ])
    error_message = "A task that may do everything reaches what belongs to Longshore or to another stack."
  }
}

run "the_bucket_and_the_bus_refuse_roles_of_templates_and_the_bus_everybody_else" {
  command = plan

  variables {
    operator_arns = ["arn:aws:iam::111122223333:role/operators"]
  }

  assert {
    condition = jsondecode(output.event_bus_policy).Statement == [
      {
        Sid       = "RefuseOthers"
        Effect    = "Deny"
        Principal = "*"
        Action    = "events:PutEvents"
        Resource  = "arn:aws:events:ap-southeast-1:111122223333:event-bus/longshore"
        Condition = { ArnNotLike = { "aws:PrincipalArn" = [
          "arn:aws:iam::111122223333:role/longshore-provision",
          "arn:aws:iam::111122223333:role/longshore-deploy",
          "arn:aws:iam::111122223333:role/longshore-watch",
          "arn:aws:iam::111122223333:role/longshore-sync",
          "arn:aws:iam::111122223333:role/operators",
          "arn:aws:iam::111122223333:role/longshore/*",
        ] } }
      },
      {
        Sid       = "RefuseOtherEvents"
        Effect    = "Deny"
        Principal = "*"
        Action    = "events:PutEvents"
        Resource  = "arn:aws:events:ap-southeast-1:111122223333:event-bus/longshore"
        Condition = {
          ArnLike                       = { "aws:PrincipalArn" = "arn:aws:iam::111122223333:role/longshore/*" }
          "ForAnyValue:StringNotEquals" = { "events:detail-type" = ["Sync Shard Completed"] }
        }
      },
    ]
    error_message = "The bus takes events of others, or refuses those of Longshore."
  }

  assert {
    condition = [
      for statement in jsondecode(output.state_bucket_policy).Statement : statement.Condition if statement.Sid == "RefuseRoles"
    ] == [{ ArnLike = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/longshore/*"] } }]
    error_message = "The state bucket does not refuse roles that stack files make."
  }
}

run "the_boundary_takes_more_actions" {
  command = plan

  variables {
    permissions_boundary_actions = ["dynamodb:GetItem", "sqs:*"]
  }

  assert {
    condition = [
      for statement in jsondecode(output.permissions_boundary_policy).Statement : statement if statement.Sid == "More"
      ] == [{
        Sid      = "More"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "sqs:*"]
        Resource = ["*"]
    }]
    error_message = "The given actions are not in the boundary."
  }
}

run "the_boundary_takes_no_right_to_give_rights" {
  command = plan

  variables {
    permissions_boundary_actions = ["iam:CreateUser"]
  }

  expect_failures = [var.permissions_boundary_actions]
}

run "the_boundary_does_not_take_everything" {
  command = plan

  variables {
    permissions_boundary_actions = ["*"]
  }

  expect_failures = [var.permissions_boundary_actions]
}

run "images_of_instances_may_have_parameters_of_the_account" {
  command = plan

  variables {
    image_parameter_names = ["/images/ecs", "golden"]
  }

  assert {
    condition = [
      for statement in jsondecode(output.cloudformation_policies.read).Statement : statement.Resource if statement.Sid == "ReadImageParameters"
      ] == [[
        "arn:aws:ssm:ap-southeast-1::parameter/aws/service/ecs/*",
        "arn:aws:ssm:ap-southeast-1:111122223333:parameter/images/ecs",
        "arn:aws:ssm:ap-southeast-1:111122223333:parameter/golden",
    ]]
    error_message = "The parameters are not those given."
  }
}

run "an_arn_in_place_of_the_name_of_a_parameter_is_refused" {
  command = plan

  variables {
    image_parameter_names = ["arn:aws:ssm:ap-southeast-1:111122223333:parameter/golden"]
  }

  expect_failures = [var.image_parameter_names]
}

run "names_of_load_balancers_are_made_only_in_the_zones_that_are_given" {
  command = plan

  variables {
    hosted_zone_ids = ["Z0123456789ABCDEFGHIJ"]
  }

  assert {
    condition = [
      for statement in jsondecode(output.cloudformation_policies.services).Statement : statement.Resource if statement.Sid == "ManageRecords"
    ] == [["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]]
    error_message = "The zones are not those given."
  }
}

run "a_name_in_place_of_the_id_of_a_zone_is_refused" {
  command = plan

  variables {
    hosted_zone_ids = ["example.com"]
  }

  expect_failures = [var.hosted_zone_ids]
}
