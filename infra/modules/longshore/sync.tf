# sync: a mirror of Homebrew's bottles becomes what the index names, by the
# function itself or by tasks that it starts. It is woken by the schedules of
# stacks, which have roles of their own, and by what becomes of its tasks.
locals {
  mirror_arns = [for name in var.mirror_bucket_names : "arn:${local.partition}:s3:::${name}"]
  bucket_arns = concat(local.mirror_arns, [for name in var.bucket_names : "arn:${local.partition}:s3:::${name}"])

  sync_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Which stacks have mirrors: all else about them is in their own buckets.
        Sid      = "KeepMirrors"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = ["${module.state_bucket.arn}/syncs/*"]
      },
      {
        # The reconcile lists syncs/. No condition on the prefix, as reading an
        # object carries none, and without this S3 answers 403 for what is
        # missing.
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.state_bucket.arn]
      },
      {
        # A mirror is compared with its listing, and a file that is missing is
        # none that is refused.
        Sid      = "ListMirrors"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = local.mirror_arns
      },
      {
        Sid    = "FillMirrors"
        Effect = "Allow"
        Action = [
          "s3:AbortMultipartUpload",
          "s3:DeleteObject",
          "s3:GetObject",
          "s3:PutObject",
        ]
        Resource = [for arn in local.mirror_arns : "${arn}/*"]
      },
      {
        # What a stack says of its mirror stands in its template and outputs.
        Sid      = "ReadStacks"
        Effect   = "Allow"
        Action   = ["cloudformation:DescribeStacks", "cloudformation:GetTemplateSummary"]
        Resource = [local.stack_pattern]
      },
      {
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = ["ecs:RunTask"]
        Resource  = [local.task_definition_pattern]
        Condition = { ArnLike = { "ecs:cluster" = local.cluster_arns } }
      },
      {
        # Tasks carry the tags of their definition.
        Sid       = "TagWhatItStarts"
        Effect    = "Allow"
        Action    = ["ecs:TagResource"]
        Resource  = local.task_arns
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      },
      {
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.stack_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = local.task_arns
      },
      {
        Sid      = "ReadFileSystems"
        Effect   = "Allow"
        Action   = ["elasticfilesystem:DescribeFileSystems", "elasticfilesystem:DescribeMountTargets"]
        Resource = [local.file_system_pattern]
      },
      {
        # Throughput is raised for a run, and only of what a stack has made.
        Sid       = "ChangeThroughput"
        Effect    = "Allow"
        Action    = ["elasticfilesystem:UpdateFileSystem"]
        Resource  = [local.file_system_pattern]
        Condition = { Null = { "aws:ResourceTag/longshore:stack" = "false" } }
      },
      {
        Sid      = "PublishSyncs"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = [module.event_bus.arn]
      },
    ]
  })
}

module "sync" {
  source = "../function"

  name         = "${var.prefix}-sync"
  description  = "Updates mirrors of Homebrew's bottles to what the index names"
  package      = local.package
  handler      = "sync"
  architecture = var.architecture
  policy       = local.sync_policy
  environment = merge(local.environment, {
    SYNC_LAMBDA_THRESHOLD_BYTES = tostring(var.sync_threshold_bytes)
  })
  rule_arns = [module.shard_completed.arn, module.sync_task_stopped.arn]

  # Files come over in it, for as long as Lambda lets it and as fast as a whole
  # processor encrypts what goes through.
  timeout_seconds      = 900
  memory_size          = var.sync_memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.sync
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

module "shard_completed" {
  source = "../rule"

  name           = "${var.prefix}-shard-completed"
  description    = "A task has done its part of a sync"
  account_id     = local.account_id
  event_bus_name = module.event_bus.name
  event_pattern = jsonencode({
    source      = ["longshore"]
    detail-type = ["Sync Shard Completed"]
  })

  function_name         = module.sync.name
  function_arn          = module.sync.arn
  dead_letter_queue_arn = module.sync.dead_letter_queue_arn
}

module "sync_task_stopped" {
  source = "../rule"

  name        = "${var.prefix}-sync-task-stopped"
  description = "A task that sync has started stopped"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["STOPPED"]
      startedBy  = [{ prefix = "longshore-sync/" }]
    }
  })

  function_name         = module.sync.name
  function_arn          = module.sync.arn
  dead_letter_queue_arn = module.sync.dead_letter_queue_arn
}

# Every minute, since a service without tasks is started again by how many
# shards wait, and its alarms look at every minute. A reconcile that finds nothing
# open lists one folder and reads one object a mirror.
module "reconcile_syncs" {
  source = "../schedule"

  name                = "${var.prefix}-reconcile-syncs"
  description         = "Goes on with syncs whose events were lost and counts the shards that wait"
  account_id          = local.account_id
  schedule_expression = "rate(1 minute)"
  action              = "reconcile"

  function_arn          = module.sync.arn
  dead_letter_queue_arn = module.sync.dead_letter_queue_arn
}
