mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1", region = "eu-west-1" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::longshore-state-111122223333-eu-west-1" }
  }

  mock_resource "aws_cloudwatch_event_bus" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:event-bus/longshore" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/a-function" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/a-policy" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/a-function" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:111122223333:a-queue" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:a-function" }
  }
}

override_resource {
  override_during = plan
  target          = aws_iam_role.cloudformation
  values          = { arn = "arn:aws:iam::111122223333:role/longshore-cloudformation" }
}

override_resource {
  override_during = plan
  target          = aws_iam_policy.permissions_boundary
  values          = { arn = "arn:aws:iam::111122223333:policy/longshore-permissions-boundary" }
}

override_resource {
  override_during = plan
  target          = aws_iam_policy.cloudformation["read"]
  values          = { arn = "arn:aws:iam::111122223333:policy/longshore-stacks-read" }
}

variables {
  package_directory         = "tests/packages"
  slack_webhook_secret_name = "longshore/slack-webhook"
  task_role_arns = [
    "arn:aws:iam::111122223333:role/shop-task",
    "arn:aws:iam::111122223333:role/shop-execution",
  ]
  stack_role_arns = ["arn:aws:iam::111122223333:role/shared"]
}

run "deploy_may_do_exactly_this" {
  command = plan

  assert {
    condition = jsondecode(output.policies.deploy.work).Statement == [
      {
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/routes/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/releases/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/services/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/schedules/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/doctor/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/reconcile/*",
        ]
      },
      {
        Sid    = "ReadVersions"
        Effect = "Allow"
        Action = ["s3:GetObjectVersion"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/releases/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/routes/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/services/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/schedules/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/doctor/*",
        ]
      },
      {
        Sid      = "ListVersions"
        Effect   = "Allow"
        Action   = ["s3:ListBucketVersions"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/services/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/schedules/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/doctor/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/reconcile/*",
        ]
      },
      {
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
      {
        Sid      = "ReadImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:aws:ecr:eu-west-1:111122223333:repository/*"]
      },
      {
        Sid      = "UpdateServices"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
        Resource = ["arn:aws:ecs:eu-west-1:111122223333:service/*/*"]
      },
      {
        Sid    = "ReadServiceDeployments"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
        ]
        Resource = [
          "arn:aws:ecs:eu-west-1:111122223333:service/*/*",
          "arn:aws:ecs:eu-west-1:111122223333:service-deployment/*/*",
          "arn:aws:ecs:eu-west-1:111122223333:service-revision/*/*",
        ]
      },
      {
        Sid      = "RegisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
        Resource = ["*"]
      },
      {
        Sid       = "TagWhatItRegisters"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task-definition/*"]
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      },
      {
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task-definition/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid       = "TagWhatItStarts"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid    = "PassTaskRoles"
        Effect = "Allow"
        Action = ["iam:PassRole"]
        Resource = [
          "arn:aws:iam::111122223333:role/shop-task",
          "arn:aws:iam::111122223333:role/shop-execution",
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
      },
      {
        Sid       = "ListTasks"
        Effect    = "Allow"
        Action    = ["ecs:ListTasks"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
      },
      {
        Sid       = "StopOverdueTasks"
        Effect    = "Allow"
        Action    = ["ecs:StopTask"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid      = "PublishDeployments"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]
      },
    ]
    error_message = "deploy may do more or less than its work."
  }
}

run "watch_may_do_exactly_this" {
  command = plan

  assert {
    condition = jsondecode(output.policies.watch.work).Statement == [
      {
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/services/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/schedules/*",
        ]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/schedules/*",
        ]
      },
      {
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
      {
        Sid      = "ReadServices"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices"]
        Resource = ["arn:aws:ecs:eu-west-1:111122223333:service/*/*"]
      },
      {
        Sid    = "ReadServiceDeployments"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
        ]
        Resource = [
          "arn:aws:ecs:eu-west-1:111122223333:service/*/*",
          "arn:aws:ecs:eu-west-1:111122223333:service-deployment/*/*",
          "arn:aws:ecs:eu-west-1:111122223333:service-revision/*/*",
        ]
      },
      {
        Sid      = "ReadTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition"]
        Resource = ["*"]
      },
      {
        Sid       = "ListTasks"
        Effect    = "Allow"
        Action    = ["ecs:ListTasks"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
      },
      {
        Sid       = "RunTasksAgain"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task-definition/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid       = "TagWhatItStarts"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid    = "PassTaskRoles"
        Effect = "Allow"
        Action = ["iam:PassRole"]
        Resource = [
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "ReadLastLines"
        Effect   = "Allow"
        Action   = ["logs:GetLogEvents"]
        Resource = ["arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/*:log-stream:*"]
      },
      {
        Sid    = "ReadStacks"
        Effect = "Allow"
        Action = [
          "cloudformation:DescribeStackEvents",
          "cloudformation:DescribeStacks",
          "cloudformation:GetTemplateSummary",
        ]
        Resource = ["arn:aws:cloudformation:eu-west-1:111122223333:stack/*"]
      },
      {
        Sid      = "ReadSchedules"
        Effect   = "Allow"
        Action   = ["scheduler:GetSchedule"]
        Resource = ["arn:aws:scheduler:eu-west-1:111122223333:schedule/default/*"]
      },
      {
        Sid      = "TakeRefusedRuns"
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = ["arn:aws:sqs:eu-west-1:111122223333:longshore-schedule-dead-letters"]
      },
      {
        Sid      = "PublishOutcomes"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]
      },
    ]
    error_message = "watch may do more or less than its work."
  }
}

run "provision_may_do_exactly_this" {
  command = plan

  assert {
    condition = jsondecode(output.policies.provision.work).Statement == [
      {
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/stacks/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/installation/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/templates/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/routes/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/deployments/*",
        ]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/provisions/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/templates/*",
          "arn:aws:s3:::longshore-state-111122223333-eu-west-1/routes/*",
        ]
      },
      {
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
      {
        Sid    = "ChangeStacks"
        Effect = "Allow"
        Action = [
          "cloudformation:CreateChangeSet",
          "cloudformation:DeleteChangeSet",
          "cloudformation:DeleteStack",
          "cloudformation:DescribeChangeSet",
          "cloudformation:DescribeStackEvents",
          "cloudformation:DescribeStackResourceDrifts",
          "cloudformation:DescribeStacks",
          "cloudformation:DetectStackDrift",
          "cloudformation:DetectStackResourceDrift",
          "cloudformation:ExecuteChangeSet",
          "cloudformation:GetTemplate",
          "cloudformation:GetTemplateSummary",
          "cloudformation:TagResource",
          "cloudformation:UntagResource",
          "cloudformation:UpdateTerminationProtection",
        ]
        Resource = ["arn:aws:cloudformation:eu-west-1:111122223333:stack/*"]
      },
      {
        Sid    = "FollowDriftDetection"
        Effect = "Allow"
        Action = [
          "cloudformation:BatchDescribeTypeConfigurations",
          "cloudformation:DescribeStackDriftDetectionStatus",
        ]
        Resource = ["*"]
      },
      {
        Sid       = "PassTheRoleOfStacks"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = ["arn:aws:iam::111122223333:role/longshore-cloudformation"]
        Condition = { StringEquals = { "iam:PassedToService" = "cloudformation.amazonaws.com" } }
      },
      {
        Sid      = "LookImagesUp"
        Effect   = "Allow"
        Action   = ["ecr:DescribeImages", "ecr:DescribeRepositories"]
        Resource = ["arn:aws:ecr:eu-west-1:111122223333:repository/*"]
      },
      {
        Sid    = "ReadServiceRevisions"
        Effect = "Allow"
        Action = ["ecs:DescribeServiceRevisions"]
        Resource = [
          "arn:aws:ecs:eu-west-1:111122223333:service/*/*",
          "arn:aws:ecs:eu-west-1:111122223333:service-revision/*/*",
        ]
      },
      {
        Sid      = "FindBuckets"
        Effect   = "Allow"
        Action   = ["s3:ListAllMyBuckets"]
        Resource = ["*"]
      },
      {
        Sid      = "FindNamespaces"
        Effect   = "Allow"
        Action   = ["servicediscovery:ListNamespaces"]
        Resource = ["*"]
      },
      {
        Sid      = "PublishStacks"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]
      },
    ]
    error_message = "provision may do more or less than its work."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.provision_reads.policy_arn == "arn:aws:iam::111122223333:policy/longshore-stacks-read"
    error_message = "provision has another managed policy than the one for reading."
  }
}

run "sync_may_do_exactly_this" {
  command = plan

  assert {
    condition = jsondecode(output.policies.sync.work).Statement == [
      {
        Sid      = "KeepMirrors"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1/syncs/*"]
      },
      {
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
      {
        Sid      = "ListMirrors"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::homebrew-bottles-*"]
      },
      {
        Sid      = "FillMirrors"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["arn:aws:s3:::homebrew-bottles-*/*"]
      },
      {
        Sid      = "ReadStacks"
        Effect   = "Allow"
        Action   = ["cloudformation:DescribeStacks", "cloudformation:GetTemplateSummary"]
        Resource = ["arn:aws:cloudformation:eu-west-1:111122223333:stack/*"]
      },
      {
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task-definition/*"]
        Condition = { ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/*"] } }
      },
      {
        Sid       = "TagWhatItStarts"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid    = "PassTaskRoles"
        Effect = "Allow"
        Action = ["iam:PassRole"]
        Resource = [
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = ["arn:aws:ecs:eu-west-1:111122223333:task/*/*"]
      },
      {
        Sid      = "ReadFileSystems"
        Effect   = "Allow"
        Action   = ["elasticfilesystem:DescribeFileSystems", "elasticfilesystem:DescribeMountTargets"]
        Resource = ["arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/*"]
      },
      {
        Sid       = "ChangeThroughput"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:UpdateFileSystem"]
        Resource  = ["arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/*"]
        Condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
      },
      {
        Sid      = "PublishSyncs"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]
      },
    ]
    error_message = "sync may do more or less than its work."
  }
}

run "sync_fills_the_given_mirrors_and_no_others" {
  command = plan

  variables {
    mirror_bucket_names = ["bottles-of-ours", "mirror-*"]
  }

  assert {
    condition = flatten([
      for statement in jsondecode(output.policies.sync.work).Statement : statement.Resource if contains(["ListMirrors", "FillMirrors"], statement.Sid)
      ]) == [
      "arn:aws:s3:::bottles-of-ours",
      "arn:aws:s3:::mirror-*",
      "arn:aws:s3:::bottles-of-ours/*",
      "arn:aws:s3:::mirror-*/*",
    ]
    error_message = "sync may fill other buckets than those given."
  }
}

run "stacks_have_the_given_buckets_and_sync_does_not_fill_them" {
  command = plan

  variables {
    bucket_names = ["shop-*-111122223333"]
  }

  assert {
    condition = toset(flatten([
      for policy in values(output.cloudformation_policies) : [
        for statement in jsondecode(policy).Statement : statement.Resource if contains(["ManageBuckets", "ReadBuckets"], statement.Sid)
      ]
    ])) == toset(["arn:aws:s3:::homebrew-bottles-*", "arn:aws:s3:::shop-*-111122223333"])
    error_message = "CloudFormation may make other buckets than those given."
  }

  assert {
    condition     = !strcontains(jsonencode(output.policies.sync), "shop-")
    error_message = "sync may fill a bucket that is not a mirror."
  }

  assert {
    condition = (
      jsondecode(aws_s3_object.installation.content).bucket_names == ["homebrew-bottles-*", "shop-*-111122223333"]
      && jsondecode(aws_s3_object.installation.content).mirror_bucket_names == ["homebrew-bottles-*"]
    )
    error_message = "provision is not told which buckets stacks may have."
  }
}

run "the_state_bucket_is_not_a_stacks" {
  command = plan

  variables {
    bucket_names = ["longshore-*"]
  }

  expect_failures = [var.bucket_names]
}

run "provision_is_told_the_boundary_that_roles_have" {
  command = plan

  variables {
    permissions_boundary_actions = ["dynamodb:*"]
  }

  assert {
    condition     = jsonencode(jsondecode(aws_s3_object.installation.content).permissions_boundary) == jsonencode(jsondecode(output.permissions_boundary_policy))
    error_message = "What provision checks stack files against is not the boundary."
  }
}

run "not_every_bucket_is_a_mirror" {
  command = plan

  variables {
    mirror_bucket_names = ["*"]
  }

  expect_failures = [var.mirror_bucket_names]
}

run "the_state_bucket_is_not_a_mirror" {
  command = plan

  variables {
    mirror_bucket_names = ["longshore-*"]
  }

  expect_failures = [var.mirror_bucket_names]
}

run "half_a_byte_is_not_a_threshold" {
  command = plan

  variables {
    sync_threshold_bytes = 0.5
  }

  expect_failures = [var.sync_threshold_bytes]
}

run "notify_may_read_its_secret_and_keep_its_messages" {
  command = plan

  assert {
    condition = jsondecode(output.policies.notify.work).Statement == [
      {
        Sid      = "ReadSlackWebhook"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-??????"]
      },
      {
        Sid      = "KeepMessages"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1/messages/*"]
      },
      {
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
      },
    ]
    error_message = "notify may do more or less than its work."
  }
}

run "the_secret_for_slack_is_left_as_it_is_where_its_arn_is_not_given" {
  command = plan

  assert {
    condition     = output.slack_webhook_secret_policy == null
    error_message = "A secret that nobody named by its ARN gets a policy."
  }
}

run "nobody_but_notify_and_named_readers_reads_the_secret_for_slack_and_nobody_is_locked_out" {
  command = plan

  variables {
    slack_webhook_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-AbCdEf"
    slack_secret_reader_arns = ["arn:aws:iam::111122223333:role/rotation"]
  }

  assert {
    condition     = aws_secretsmanager_secret_policy.slack_webhook[0].secret_arn == "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-AbCdEf"
    error_message = "Another secret gets the policy."
  }

  assert {
    condition = jsondecode(output.slack_webhook_secret_policy).Statement == [
      {
        Sid       = "RefuseOtherReaders"
        Effect    = "Deny"
        Principal = "*"
        Action    = "secretsmanager:GetSecretValue"
        Resource  = "*"
        Condition = {
          ArnNotLike = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::111122223333:role/longshore-notify",
              "arn:aws:iam::111122223333:role/rotation",
            ]
          }
        }
      },
    ]
    error_message = "Others may read the secret for Slack, or its policy refuses more than reading, which may lock out whoever administers it."
  }
}

run "not_everybody_is_a_reader_of_the_secret_for_slack" {
  command = plan

  variables {
    slack_secret_reader_arns = ["arn:aws:iam::111122223333:role/*"]
  }

  expect_failures = [var.slack_secret_reader_arns]
}

run "a_name_in_place_of_the_arn_of_the_secret_is_refused" {
  command = plan

  variables {
    slack_webhook_secret_arn = "longshore/slack-webhook"
  }

  expect_failures = [var.slack_webhook_secret_arn]
}

run "no_policy_allows_more_than_named_actions" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : [
            for action in statement.Action : can(regex("^[a-z0-9]+:[A-Za-z]+$", action))
          ]
        ]
      ]
    ]))
    error_message = "An action has a wildcard."
  }

  assert {
    condition = alltrue(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement :
          statement.Effect == "Allow" && !contains(keys(statement), "NotAction") && !contains(keys(statement), "NotResource")
        ]
      ]
    ]))
    error_message = "A statement is not a plain Allow."
  }
}

run "only_calls_without_a_resource_level_are_allowed_on_every_resource" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : [
            for action in statement.Action : contains(keys(local.actions_without_resource_level), action)
          ] if contains(statement.Resource, "*")
        ]
      ]
    ]))
    error_message = "A call that can be held to resources is allowed on all of them."
  }

  assert {
    # A wildcard in the service, region or account would be a resource "*" in disguise.
    condition = alltrue(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : [
            for resource in statement.Resource : can(regex("^([*]|arn:aws:[a-z0-9]+:[a-z0-9-]*:[0-9]*:.+)$", resource))
          ]
        ]
      ]
    ]))
    error_message = "A resource has a wildcard for its service, region or account."
  }

  assert {
    condition = toset(keys(local.actions_without_resource_level)) == toset([
      "cloudformation:BatchDescribeTypeConfigurations",
      "cloudformation:DescribeStackDriftDetectionStatus",
      "ecs:DescribeTaskDefinition",
      "ecs:ListTasks",
      "ecs:RegisterTaskDefinition",
      "s3:ListAllMyBuckets",
      "servicediscovery:ListNamespaces",
    ])
    error_message = "The list of calls without a resource level has grown: see that AWS really has none."
  }

  assert {
    condition     = alltrue([for reason in values(local.actions_without_resource_level) : length(reason) > 20])
    error_message = "A call without a resource level has no reason."
  }
}

run "roles_are_passed_by_deploy_sync_and_watch_to_ecs_and_by_provision_to_cloudformation" {
  command = plan

  assert {
    condition = flatten([
      for function, policies in output.policies : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : {
            function  = function
            resource  = statement.Resource
            condition = statement.Condition
          } if contains(statement.Action, "iam:PassRole")
        ]
      ]
      ]) == [
      {
        function = "deploy"
        resource = [
          "arn:aws:iam::111122223333:role/shop-task",
          "arn:aws:iam::111122223333:role/shop-execution",
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
      },
      {
        function  = "provision"
        resource  = ["arn:aws:iam::111122223333:role/longshore-cloudformation"]
        condition = { StringEquals = { "iam:PassedToService" = "cloudformation.amazonaws.com" } }
      },
      {
        function = "sync"
        resource = [
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        function = "watch"
        resource = [
          "arn:aws:iam::111122223333:role/shared",
          "arn:aws:iam::111122223333:role/longshore/*",
        ]
        condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
    error_message = "Roles are passed by another function, to another service, or other roles than these."
  }

  assert {
    condition = alltrue(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : [
            for action in statement.Action : action == "iam:PassRole" || (!startswith(action, "iam:") && !startswith(action, "sts:"))
          ]
        ]
      ]
    ]))
    error_message = "A function may do something else with IAM than pass roles."
  }
}

run "whoever_reads_a_key_that_may_be_missing_may_list_the_bucket" {
  command = plan

  assert {
    condition = alltrue([
      for function, policies in output.policies : anytrue(flatten([
        for document in values(policies) : [
          for statement in jsondecode(document).Statement :
          contains(statement.Action, "s3:ListBucket")
          && statement.Resource == ["arn:aws:s3:::longshore-state-111122223333-eu-west-1"]
          && !contains(keys(statement), "Condition")
        ]
        ])) if anytrue(flatten([
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : contains(statement.Action, "s3:GetObject")
        ]
      ]))
    ])
    error_message = "A function reads objects without s3:ListBucket on the whole bucket: S3 answers it 403 where a key is missing."
  }

  assert {
    condition = toset([
      for function, policies in output.policies : function if anytrue(flatten([
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : contains(statement.Action, "s3:GetObject")
        ]
      ]))
    ]) == toset(["provision", "deploy", "watch", "sync", "notify"])
    error_message = "A function does not read the state bucket at all."
  }
}

run "functions_that_publish_something_publish_it_on_our_bus_only" {
  command = plan

  assert {
    condition = distinct(flatten([
      for policies in values(output.policies) : [
        for document in values(policies) : [
          for statement in jsondecode(document).Statement : statement.Resource if contains(statement.Action, "events:PutEvents")
        ]
      ]
    ])) == tolist(["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"])
    error_message = "A function may put events on another bus."
  }
}

run "narrow_clusters_and_repositories_reach_every_statement" {
  command = plan

  variables {
    cluster_names    = ["shop", "billing"]
    repository_names = ["shop/*"]
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.policies.deploy.work).Statement :
      statement.Resource == ["arn:aws:ecs:eu-west-1:111122223333:service/shop/*", "arn:aws:ecs:eu-west-1:111122223333:service/billing/*"]
      if statement.Sid == "UpdateServices"
    ])
    error_message = "deploy may update services of other clusters."
  }

  assert {
    condition = [
      for statement in jsondecode(output.policies.deploy.work).Statement : statement.Condition
      if contains(statement.Action, "ecs:RunTask")
    ] == [{ ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/shop", "arn:aws:ecs:eu-west-1:111122223333:cluster/billing"] } }]
    error_message = "deploy may run tasks in other clusters."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.policies.deploy.work).Statement :
      statement.Resource == ["arn:aws:ecr:eu-west-1:111122223333:repository/shop/*"]
      if statement.Sid == "ReadImages"
    ])
    error_message = "deploy may read images of other repositories."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.policies.watch.work).Statement : (
        statement.Sid == "ReadServices" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:ecs:eu-west-1:111122223333:service/shop/*", "arn:aws:ecs:eu-west-1:111122223333:service/billing/*"]) :
        statement.Sid == "ReadTasks" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:ecs:eu-west-1:111122223333:task/shop/*", "arn:aws:ecs:eu-west-1:111122223333:task/billing/*"]) :
        statement.Sid == "ListTasks" ? jsonencode(statement.Condition) == jsonencode({ ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/shop", "arn:aws:ecs:eu-west-1:111122223333:cluster/billing"] } }) :
        true
      )
    ])
    error_message = "watch may read services or tasks of other clusters."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.policies.sync.work).Statement : (
        statement.Sid == "RunTasks" ? jsonencode(statement.Condition) == jsonencode({ ArnLike = { "ecs:cluster" = ["arn:aws:ecs:eu-west-1:111122223333:cluster/shop", "arn:aws:ecs:eu-west-1:111122223333:cluster/billing"] } }) :
        statement.Sid == "ReadTasks" ? jsonencode(statement.Resource) == jsonencode(["arn:aws:ecs:eu-west-1:111122223333:task/shop/*", "arn:aws:ecs:eu-west-1:111122223333:task/billing/*"]) :
        true
      )
    ])
    error_message = "sync may run or read tasks in other clusters."
  }
}

run "without_given_roles_only_those_of_templates_are_passed" {
  command = plan

  variables {
    task_role_arns  = []
    stack_role_arns = []
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.policies.deploy.work).Statement :
      statement.Resource == ["arn:aws:iam::111122223333:role/longshore/*"] if statement.Sid == "PassTaskRoles"
    ])
    error_message = "deploy may pass other roles than those that templates make."
  }
}

run "a_role_with_a_wildcard_is_refused" {
  command = plan

  variables {
    task_role_arns = ["arn:aws:iam::111122223333:role/*"]
  }

  expect_failures = [var.task_role_arns]
}

run "a_role_with_a_wildcard_is_refused_for_stack_files_too" {
  command = plan

  variables {
    stack_role_arns = ["arn:aws:iam::111122223333:role/*"]
  }

  expect_failures = [var.stack_role_arns]
}

run "not_everybody_is_an_operator" {
  command = plan

  variables {
    operator_arns = ["arn:aws:iam::111122223333:role/*"]
  }

  expect_failures = [var.operator_arns]
}

run "an_arn_in_place_of_the_name_of_the_secret_is_refused" {
  command = plan

  variables {
    slack_webhook_secret_name = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-AbCdEf"
  }

  expect_failures = [var.slack_webhook_secret_name]
}
