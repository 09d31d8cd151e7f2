# provision: a stack file or a payload becomes a CloudFormation stack; when the
# stack has settled, its routes are written.
locals {
  stack_pattern = "arn:${local.partition}:cloudformation:${local.region}:${local.account_id}:stack/*"

  provision_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Templates too: CloudFormation reads them with the caller's rights.
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "${module.state_bucket.arn}/stacks/*",
          "${module.state_bucket.arn}/installation/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/templates/*",
          "${module.state_bucket.arn}/routes/*",
          "${module.state_bucket.arn}/deployments/*",
        ]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/templates/*",
          "${module.state_bucket.arn}/routes/*",
        ]
      },
      {
        # Most stacks have no record yet, and without this S3 answers 403 for
        # what is missing. No condition on the prefix, as reading an object
        # carries none.
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.state_bucket.arn]
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
        Resource = [local.stack_pattern]
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
        # CloudFormation does the work, with rights of its own: provision may
        # give it this role and do none of it itself.
        Sid       = "PassTheRoleOfStacks"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = [aws_iam_role.cloudformation.arn]
        Condition = { StringEquals = { "iam:PassedToService" = "cloudformation.amazonaws.com" } }
      },
      {
        Sid      = "LookImagesUp"
        Effect   = "Allow"
        Action   = ["ecr:DescribeImages", "ecr:DescribeRepositories"]
        Resource = local.repository_arns
      },
      {
        # Behind which of two target groups a service's tasks are; the services
        # themselves are read with CloudFormation's role's reads.
        Sid      = "ReadServiceRevisions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServiceRevisions"]
        Resource = concat(local.service_arns, local.service_revision_arns)
      },
      {
        # A bucket that outlived its stack is found by its name and its tags.
        Sid      = "FindBuckets"
        Effect   = "Allow"
        Action   = ["s3:ListAllMyBuckets"]
        Resource = ["*"]
      },
      {
        # ECS Service Connect may name a namespace that exists by its name; by
        # its id it is read with CloudFormation's role's reads.
        Sid      = "FindNamespaces"
        Effect   = "Allow"
        Action   = ["servicediscovery:ListNamespaces"]
        Resource = ["*"]
      },
      {
        Sid      = "PublishStacks"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = [module.event_bus.arn]
      },
    ]
  })
}

module "provision" {
  source = "../function"

  name         = "${var.prefix}-provision"
  description  = "Builds stacks from stack files with CloudFormation"
  package      = local.package
  handler      = "provision"
  architecture = var.architecture
  policy       = local.provision_policy
  environment = merge(local.environment, {
    CLOUDFORMATION_ROLE_ARN  = aws_iam_role.cloudformation.arn
    PERMISSIONS_BOUNDARY_ARN = aws_iam_policy.permissions_boundary.arn
  })
  rule_arns = [
    module.stack_written.arn,
    module.stack_imported.arn,
    module.stack_settled_for_provision.arn,
  ]

  # A change set of a large stack, and a comparison with what is there, take
  # minutes; the stack itself is not waited for.
  timeout_seconds      = 300
  memory_size          = var.memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.provision
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

# Looking a stack file's surroundings up, and finding drift, is done with the
# rights of the caller.
resource "aws_iam_role_policy_attachment" "provision_reads" {
  role       = module.provision.role_name
  policy_arn = aws_iam_policy.cloudformation["read"].arn
}

module "stack_written" {
  source = "../rule"

  name        = "${var.prefix}-stack-written"
  description = "A stack file was written to the state bucket"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [local.state_bucket_name] }
      object = { key = [{ prefix = "stacks/" }] }
    }
  })

  function_name         = module.provision.name
  function_arn          = module.provision.arn
  dead_letter_queue_arn = module.provision.dead_letter_queue_arn
}

# Taking up what an earlier stack left is the first half of an apply; nobody but
# provision, which goes on with the second, need know.
module "stack_imported" {
  source = "../rule"

  name        = "${var.prefix}-stack-imported"
  description = "CloudFormation adopted what an earlier stack left"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.cloudformation"]
    detail-type = ["CloudFormation Stack Status Change"]
    detail      = { status-details = { status = ["IMPORT_COMPLETE"] } }
  })

  function_name         = module.provision.name
  function_arn          = module.provision.arn
  dead_letter_queue_arn = module.provision.dead_letter_queue_arn
}

module "stack_settled_for_provision" {
  source = "../rule"

  name           = "${var.prefix}-stack-settled-provision"
  description    = "A stack has settled: its routes and the file that waited for it"
  account_id     = local.account_id
  event_bus_name = module.event_bus.name
  event_pattern  = local.stack_settled_pattern

  function_name         = module.provision.name
  function_arn          = module.provision.arn
  dead_letter_queue_arn = module.provision.dead_letter_queue_arn
}

module "reconcile_stacks" {
  source = "../schedule"

  name                = "${var.prefix}-reconcile-stacks"
  description         = "Closes changes of stacks whose events were lost"
  account_id          = local.account_id
  schedule_expression = "rate(15 minutes)"
  action              = "reconcile"

  function_arn          = module.provision.arn
  dead_letter_queue_arn = module.provision.dead_letter_queue_arn
}
