# What a role that a template makes may do at most, whatever its own policies
# say. CloudFormation may make roles only with this boundary, so that somebody
# who writes a stack file cannot give a task more than this.
locals {
  # Where templates put their roles and instance profiles: rights on these roles
  # need not name each of them.
  template_role_pattern = "arn:${local.partition}:iam::${local.account_id}:role/longshore/*"

  # Roles that stack files may name, and those that templates make.
  stack_role_arns = concat(var.stack_role_arns, [local.template_role_pattern])

  # All roles that run in ECS tasks: those of adopted services, too.
  passable_role_arns = concat(var.task_role_arns, local.stack_role_arns)

  # What nobody but Longshore itself, and people, has any business with.
  installation_arns = concat(
    [
      module.state_bucket.arn,
      "${module.state_bucket.arn}/*",
      local.slack_webhook_secret_arn,
      "${local.log_group_arn}:/aws/lambda/${var.prefix}-*",
    ],
    local.slack_signing_secret_arns,
  )

  # What a role of a template is for, where it is not a task: a tag that a stack
  # file cannot set. Only such roles need these rights, and what they may do is
  # not the stack file's to say.
  for_schedules = { StringEquals = { "aws:PrincipalTag/longshore:purpose" = "schedule" } }
  for_instances = { StringEquals = { "aws:PrincipalTag/longshore:purpose" = "instance" } }
  for_traffic   = { StringEquals = { "aws:PrincipalTag/longshore:purpose" = "traffic" } }

  permissions_boundary_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # Those of a pull-through cache are pulled with their repository.
          Sid    = "PullImages"
          Effect = "Allow"
          Action = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:BatchImportUpstreamImage",
            "ecr:CreateRepository",
            "ecr:GetAuthorizationToken",
            "ecr:GetDownloadUrlForLayer",
          ]
          Resource = ["*"]
        },
        {
          # What the agent of an ECS instance does. A task that could join another
          # stack's cluster would be given its tasks, with their roles.
          Sid    = "JoinClusters"
          Effect = "Allow"
          Action = [
            "ec2:DescribeTags",
            "ecs:DeregisterContainerInstance",
            "ecs:DiscoverPollEndpoint",
            "ecs:Poll",
            "ecs:RegisterContainerInstance",
            "ecs:StartTelemetrySession",
            "ecs:SubmitAttachmentStateChanges",
            "ecs:SubmitContainerStateChange",
            "ecs:SubmitTaskStateChange",
            "ecs:UpdateContainerInstancesState",
          ]
          Resource  = ["*"]
          Condition = local.for_instances
        },
        {
          Sid    = "PublishWhatHappens"
          Effect = "Allow"
          Action = [
            "cloudwatch:PutMetricData",
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
          ]
          Resource = ["*"]
        },
        {
          # The four that ECS Exec needs.
          Sid    = "OpenShells"
          Effect = "Allow"
          Action = [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
          ]
          Resource = ["*"]
        },
        {
          Sid    = "UseData"
          Effect = "Allow"
          Action = [
            "elasticfilesystem:ClientMount",
            "elasticfilesystem:ClientRootAccess",
            "elasticfilesystem:ClientWrite",
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
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:GetParametersByPath",
            "sts:GetCallerIdentity",
          ]
          Resource = ["*"]
        },
        {
          # Queues and topics of the role's own stack, which has tagged both.
          Sid    = "UseQueuesAndTopicsOfTheStack"
          Effect = "Allow"
          Action = [
            "sns:Publish",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
          ]
          Resource  = ["*"]
          Condition = { StringEquals = { "aws:ResourceTag/longshore:stack" = "$${aws:PrincipalTag/longshore:stack}" } }
        },
        {
          # Only what those services decrypt on a role's behalf.
          Sid      = "UseKeysThroughServices"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource = ["*"]
          Condition = {
            StringLike = {
              "kms:ViaService" = [for service in ["elasticfilesystem", "s3", "secretsmanager", "sns", "ssm"] : "${service}.*.amazonaws.com"]
            }
          }
        },
        {
          # A schedule starts a service's task with a role of its own. Tasks start
          # no tasks: they could start another stack's, with its roles.
          Sid       = "RunTasks"
          Effect    = "Allow"
          Action    = ["ecs:RunTask"]
          Resource  = [local.task_definition_pattern]
          Condition = local.for_schedules
        },
        {
          Sid       = "PassTaskRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = local.stack_role_arns
          Condition = { StringEquals = merge({ "iam:PassedToService" = "ecs-tasks.amazonaws.com" }, local.for_schedules.StringEquals) }
        },
        {
          Sid    = "TagWhatIsStarted"
          Effect = "Allow"
          Action = ["ecs:TagResource"]
          Resource = [
            "${local.ecs_arn}:container-instance/*",
            "${local.ecs_arn}:task/*",
          ]
          Condition = {
            StringEquals = {
              "ecs:CreateAction"                   = ["RegisterContainerInstance", "RunTask"]
              "aws:PrincipalTag/longshore:purpose" = ["instance", "schedule"]
            }
          }
        },
        {
          # A schedule wakes sync for a mirror.
          Sid       = "WakeSync"
          Effect    = "Allow"
          Action    = ["lambda:InvokeFunction"]
          Resource  = ["arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.prefix}-sync"]
          Condition = local.for_schedules
        },
        {
          # Where EventBridge Scheduler leaves, with the schedule's role, the runs
          # that it could not begin.
          Sid       = "KeepRefusedRuns"
          Effect    = "Allow"
          Action    = ["sqs:SendMessage"]
          Resource  = [local.schedule_dead_letters_arn]
          Condition = local.for_schedules
        },
        {
          # ECS shifts the traffic of a blue/green deployment with a role of the
          # stack: what AmazonECSInfrastructureRolePolicyForLoadBalancers allows.
          Sid    = "ReadTraffic"
          Effect = "Allow"
          Action = [
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
          ]
          Resource  = ["*"]
          Condition = local.for_traffic
        },
        {
          Sid    = "ShiftTraffic"
          Effect = "Allow"
          Action = [
            "elasticloadbalancing:DeregisterTargets",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:ModifyRule",
            "elasticloadbalancing:RegisterTargets",
          ]
          Resource = [
            "${local.load_balancing_arn}:listener-rule/app/*",
            "${local.load_balancing_arn}:listener/app/*",
            "${local.load_balancing_arn}:targetgroup/*",
          ]
          Condition = local.for_traffic
        },
        {
          # A mirror's tasks publish what they have done, and nothing else.
          Sid      = "PublishShards"
          Effect   = "Allow"
          Action   = ["events:PutEvents"]
          Resource = [module.event_bus.arn]
          Condition = {
            "ForAllValues:StringEquals" = {
              "events:source"      = "longshore"
              "events:detail-type" = "Sync Shard Completed"
            }
          }
        },
        {
          # Whatever the other statements and the role's own policies allow.
          Sid      = "KeepOutOfLongshore"
          Effect   = "Deny"
          Action   = ["*"]
          Resource = local.installation_arns
        },
        {
          # A schedule wakes sync, and may do so by the statement above only.
          Sid       = "KeepOutOfFunctions"
          Effect    = "Deny"
          Action    = ["lambda:*"]
          Resource  = ["arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.prefix}-*"]
          Condition = { StringNotEquals = local.for_schedules.StringEquals }
        },
        {
          # The same for queues.
          Sid       = "KeepOutOfQueues"
          Effect    = "Deny"
          Action    = ["sqs:*"]
          Resource  = ["arn:${local.partition}:sqs:${local.region}:${local.account_id}:${var.prefix}-*"]
          Condition = { StringNotEquals = local.for_schedules.StringEquals }
        },
        {
          Sid       = "SayNothingInLongshoresName"
          Effect    = "Deny"
          Action    = ["events:PutEvents"]
          Resource  = [module.event_bus.arn]
          Condition = { "ForAnyValue:StringNotEquals" = { "events:detail-type" = "Sync Shard Completed" } }
        },
        {
          # Secrets that no stack made have no such tag.
          Sid      = "KeepOutOfOtherStacksSecrets"
          Effect   = "Deny"
          Action   = ["secretsmanager:*"]
          Resource = ["*"]
          Condition = {
            Null            = { "aws:ResourceTag/longshore:stack" = "false" }
            StringNotEquals = { "aws:ResourceTag/longshore:stack" = "$${aws:PrincipalTag/longshore:stack, '-'}" }
          }
        },
      ],
      length(var.permissions_boundary_actions) == 0 ? [] : [{
        Sid      = "More"
        Effect   = "Allow"
        Action   = var.permissions_boundary_actions
        Resource = ["*"]
      }],
    )
  })
}

resource "aws_iam_policy" "permissions_boundary" {
  # checkov:skip=CKV_AWS_288: a boundary gives nothing, it only limits; each role's own policy names its resources
  # checkov:skip=CKV_AWS_290: as above
  # checkov:skip=CKV_AWS_355: as above
  name        = "${var.prefix}-permissions-boundary"
  description = "What roles of Longshore's stacks may do at most"
  policy      = local.permissions_boundary_policy
}
