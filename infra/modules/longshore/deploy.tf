# deploy: a push, a release file or a manual payload becomes an ECS deployment; on
# a schedule it deploys what events failed to report and closes what they failed to
# close. What was pushed while a stack changed goes out when the stack has settled.
locals {
  deploy_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "${module.state_bucket.arn}/routes/*",
          "${module.state_bucket.arn}/deployments/*",
          "${module.state_bucket.arn}/releases/*",
          "${module.state_bucket.arn}/services/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/schedules/*",
          "${module.state_bucket.arn}/doctor/*",
          "${module.state_bucket.arn}/reconcile/*",
        ]
      },
      {
        # Of a release file, the version the event names, even when the file was
        # written again. Of a document that cannot be read, the last one that can.
        Sid    = "ReadVersions"
        Effect = "Allow"
        Action = ["s3:GetObjectVersion"]
        Resource = [
          "${module.state_bucket.arn}/releases/*",
          "${module.state_bucket.arn}/routes/*",
          "${module.state_bucket.arn}/deployments/*",
          "${module.state_bucket.arn}/services/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/schedules/*",
          "${module.state_bucket.arn}/doctor/*",
        ]
      },
      {
        Sid      = "ListVersions"
        Effect   = "Allow"
        Action   = ["s3:ListBucketVersions"]
        Resource = [module.state_bucket.arn]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "${module.state_bucket.arn}/deployments/*",
          "${module.state_bucket.arn}/services/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/schedules/*",
          "${module.state_bucket.arn}/doctor/*",
          "${module.state_bucket.arn}/reconcile/*",
        ]
      },
      {
        # Without it S3 answers 403 for a key that is missing, and a push to a
        # repository that nobody follows would be an error. A condition on the
        # prefix would take that back: reading an object carries no prefix.
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.state_bucket.arn]
      },
      {
        # The manifest and the configuration say for which architectures an image
        # is, and of which commit. That configuration is a layer to ECR.
        Sid    = "ReadImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchGetImage",
          "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer",
        ]
        Resource = local.repository_arns
      },
      {
        Sid      = "UpdateServices"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
        Resource = local.service_arns
      },
      {
        # ECS's own account of a deployment decides what became of it.
        Sid    = "ReadServiceDeployments"
        Effect = "Allow"
        Action = [
          "ecs:DescribeServiceDeployments",
          "ecs:DescribeServiceRevisions",
          "ecs:ListServiceDeployments",
        ]
        Resource = local.service_history_arns
      },
      {
        Sid      = "RegisterTaskDefinitions"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
        Resource = ["*"]
      },
      {
        # Registering with tags is checked as tagging, too. The condition keeps
        # it from tagging what exists already.
        Sid       = "TagWhatItRegisters"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = [local.task_definition_pattern]
        Condition = { StringEquals = { "ecs:CreateAction" = "RegisterTaskDefinition" } }
      },
      {
        # The tasks before and after a rollout, such as a migration.
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = [local.task_definition_pattern]
        Condition = { ArnLike = { "ecs:cluster" = local.cluster_arns } }
      },
      {
        # Those tasks carry the tags of their definition.
        Sid       = "TagWhatItStarts"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = local.task_arns
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        # Whoever can register a task definition can run code as every role that
        # it can pass: only the roles of the services, given or made by templates,
        # and only to ECS: to its tasks, and to ECS itself, which makes the EBS
        # volumes of tasks.
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.passable_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } }
      },
      {
        # The reconcile asks why the tasks died whose events were lost.
        Sid       = "ListTasks"
        Effect    = "Allow"
        Action    = ["ecs:ListTasks"]
        Resource  = ["*"]
        Condition = { ArnLike = { "ecs:cluster" = local.cluster_arns } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = local.task_arns
      },
      {
        # The reconcile stops tasks of schedules that run for longer than they may.
        Sid       = "StopOverdueTasks"
        Effect    = "Allow"
        Action    = ["ecs:StopTask"]
        Resource  = local.task_arns
        Condition = { ArnLike = { "ecs:cluster" = local.cluster_arns } }
      },
      {
        Sid      = "PublishDeployments"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = [module.event_bus.arn]
      },
    ]
  })
}

module "deploy" {
  source = "../function"

  name         = "${var.prefix}-deploy"
  description  = "Rolls pushed images and release files out to ECS"
  package      = local.package
  handler      = "deploy"
  architecture = var.architecture
  policy       = local.deploy_policy
  environment  = local.environment
  rule_arns = [
    module.image_pushed.arn,
    module.image_cached.arn,
    module.release_written.arn,
    module.stack_settled_for_deploy.arn,
    module.deploy_task_stopped.arn,
    module.rollout_continued.arn,
  ]

  # Less than the lease of a claim (`LEASE` in shared/rollout): an invocation that
  # still runs must not find that another one has taken its claim up.
  timeout_seconds      = 40
  memory_size          = var.memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.deploy
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

module "image_pushed" {
  source = "../rule"

  name        = "${var.prefix}-image-pushed"
  description = "An image was pushed to ECR, or replicated into it"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecr"]
    detail-type = ["ECR Image Action", "ECR Replication Action"]
    detail = {
      action-type = ["PUSH", "REPLICATE"]
      result      = ["SUCCESS"]
    }
  })

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

module "image_cached" {
  source = "../rule"

  name        = "${var.prefix}-image-cached"
  description = "ECR imported an image from the upstream of a pull-through cache"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecr"]
    detail-type = ["ECR Pull Through Cache Action"]
    detail      = { sync-status = ["SUCCESS"] }
  })

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

module "release_written" {
  source = "../rule"

  name        = "${var.prefix}-release-written"
  description = "A release file was written to the state bucket"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [local.state_bucket_name] }
      object = { key = [{ prefix = "releases/" }] }
    }
  })

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

module "stack_settled_for_deploy" {
  source = "../rule"

  name           = "${var.prefix}-stack-settled-deploy"
  description    = "A stack has settled: the pushes that waited for it"
  account_id     = local.account_id
  event_bus_name = module.event_bus.name
  event_pattern  = local.stack_settled_pattern

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

module "deploy_task_stopped" {
  source = "../rule"

  name        = "${var.prefix}-deploy-task-stopped"
  description = "A task that deploy has started stopped"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["STOPPED"]
      startedBy  = [{ prefix = "longshore-deploy/" }]
    }
  })

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

# Nothing in deploy waits. The end of a deployment lets those go that come after
# it, a stable service its tasks begin, and a reconcile that is too much for one
# invocation comes back in parts. Somebody who presses a button in Slack asks for
# what a payload could ask for.
module "rollout_continued" {
  source = "../rule"

  name           = "${var.prefix}-rollout-continued"
  description    = "Longshore published what a rollout or a reconcile goes on with, or what a button asks for"
  account_id     = local.account_id
  event_bus_name = module.event_bus.name
  event_pattern = jsonencode({
    source = ["longshore"]
    detail-type = [
      "Action Requested",
      "Deployment Stabilized",
      "Deployment Succeeded",
      "Deployment Failed",
      "Deployment Rolled Back",
      "Deployment Superseded",
      "Reconcile Shard",
    ]
  })

  function_name         = module.deploy.name
  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

module "reconcile" {
  source = "../schedule"

  name                = "${var.prefix}-reconcile"
  description         = "Deploys and closes what events failed to report"
  account_id          = local.account_id
  schedule_expression = "rate(15 minutes)"
  action              = "reconcile"

  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}

# What deploy counts for it, it may read already, and notify posts what deploy
# publishes.
module "digest" {
  count  = var.digest_schedule == null ? 0 : 1
  source = "../schedule"

  name                = "${var.prefix}-digest"
  description         = "Says in Slack how the deployments of the last seven days went"
  account_id          = local.account_id
  schedule_expression = var.digest_schedule
  time_zone           = var.digest_time_zone
  action              = "digest"

  function_arn          = module.deploy.arn
  dead_letter_queue_arn = module.deploy.dead_letter_queue_arn
}
