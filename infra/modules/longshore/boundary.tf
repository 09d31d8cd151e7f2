# What a role that a template makes may do at most, whatever its own policies
# say. CloudFormation may make roles only with this boundary, so that somebody
# who writes a stack file cannot give a task more than this.
locals {
  # Where templates put their roles and instance profiles: rights on these roles
  # need not name each of them.
  template_role_pattern = "arn:${local.partition}:iam::${local.account_id}:role/longshore/*"

  # Roles that run in ECS tasks: those that templates make, and the given ones.
  passable_role_arns = concat(var.task_role_arns, [local.template_role_pattern])

  permissions_boundary_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # Pulling images, those of a pull-through cache with their repository, and
          # what the agent of an ECS instance does.
          Sid    = "RunContainers"
          Effect = "Allow"
          Action = [
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
            "ecs:StartTelemetrySession",
            "ecs:SubmitAttachmentStateChanges",
            "ecs:SubmitContainerStateChange",
            "ecs:SubmitTaskStateChange",
            "ecs:UpdateContainerInstancesState",
          ]
          Resource = ["*"]
        },
        {
          Sid    = "TellWhatHappens"
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
          # Only what those services decrypt on a role's behalf.
          Sid      = "UseKeysThroughServices"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource = ["*"]
          Condition = {
            StringLike = {
              "kms:ViaService" = [for service in ["elasticfilesystem", "s3", "secretsmanager", "ssm"] : "${service}.*.amazonaws.com"]
            }
          }
        },
        {
          # A schedule starts a service's task with a role of its own.
          Sid      = "RunTasks"
          Effect   = "Allow"
          Action   = ["ecs:RunTask"]
          Resource = [local.task_definition_pattern]
        },
        {
          Sid    = "TagWhatIsStarted"
          Effect = "Allow"
          Action = ["ecs:TagResource"]
          Resource = [
            "${local.ecs_arn}:container-instance/*",
            "${local.ecs_arn}:task/*",
          ]
          Condition = { StringEquals = { "ecs:CreateAction" = ["RegisterContainerInstance", "RunTask"] } }
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
          Resource = ["*"]
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
        },
        {
          # A schedule wakes sync for a mirror, and the mirror's tasks tell what
          # they have done.
          Sid      = "WakeSync"
          Effect   = "Allow"
          Action   = ["lambda:InvokeFunction"]
          Resource = ["arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.prefix}-sync"]
        },
        {
          Sid      = "TellShards"
          Effect   = "Allow"
          Action   = ["events:PutEvents"]
          Resource = [module.event_bus.arn]
        },
        {
          Sid       = "PassTaskRoles"
          Effect    = "Allow"
          Action    = ["iam:PassRole"]
          Resource  = local.passable_role_arns
          Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
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
