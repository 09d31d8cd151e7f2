# watch: what ECS says about a deployment becomes its outcome, and what
# CloudFormation says about a stack becomes the stack's.
locals {
  # Templates name the queue by the prefix, which they have from the boundary's
  # name: see shared/stack/src/render.rs.
  schedule_dead_letters_name = "${var.prefix}-schedule-dead-letters"
  schedule_dead_letters_arn  = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.schedule_dead_letters_name}"

  # What is in the queue is believed, so that it takes messages of schedules only.
  schedule_dead_letters_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "RefuseOthers"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:SendMessage"
        Resource  = local.schedule_dead_letters_arn
        Condition = { ArnNotLike = { "aws:PrincipalArn" = local.template_role_pattern } }
      }],
      var.require_tls ? [{
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.schedule_dead_letters_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }] : [],
    )
  })

  watch_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ReadState"
        Effect = "Allow"
        Action = ["s3:GetObject"]
        Resource = [
          "${module.state_bucket.arn}/services/*",
          "${module.state_bucket.arn}/deployments/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/schedules/*",
        ]
      },
      {
        Sid    = "WriteState"
        Effect = "Allow"
        Action = ["s3:PutObject"]
        Resource = [
          "${module.state_bucket.arn}/deployments/*",
          "${module.state_bucket.arn}/provisions/*",
          "${module.state_bucket.arn}/schedules/*",
        ]
      },
      {
        # Most services of an account are not ours: their keys are missing, and
        # without this S3 answers 403 for them. No condition on the prefix, as
        # reading an object carries none.
        Sid      = "DistinguishMissingFromRefused"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [module.state_bucket.arn]
      },
      {
        Sid      = "ReadServices"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices"]
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
        Condition = { ArnLike = { "ecs:cluster" = local.cluster_arns } }
      },
      {
        Sid      = "ReadTasks"
        Effect   = "Allow"
        Action   = ["ecs:DescribeTasks"]
        Resource = local.task_arns
      },
      {
        # A task of a schedule that failed is started again, where its stack file
        # says so: with the same task definition, in the same cluster.
        Sid       = "RunTasksAgain"
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
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.stack_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        # What a service wrote before its first start failed: Slack shows the last
        # lines, and they are kept in case that the log goes with the stack. The
        # log groups of stack files lie under /ecs.
        Sid      = "ReadLastLines"
        Effect   = "Allow"
        Action   = ["logs:GetLogEvents"]
        Resource = ["${local.log_group_arn}:/ecs/*:log-stream:*"]
      },
      {
        # Whether a stack is Longshore's at all stands in its template.
        Sid    = "ReadStacks"
        Effect = "Allow"
        Action = [
          "cloudformation:DescribeStackEvents",
          "cloudformation:DescribeStacks",
          "cloudformation:GetTemplateSummary",
        ]
        Resource = [local.stack_pattern]
      },
      {
        # Whose a schedule is whose task could not be started.
        Sid      = "ReadSchedules"
        Effect   = "Allow"
        Action   = ["scheduler:GetSchedule"]
        Resource = ["arn:${local.partition}:scheduler:${local.region}:${local.account_id}:schedule/default/*"]
      },
      {
        # Lambda reads the queue with the function's role.
        Sid      = "TakeRefusedRuns"
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = [local.schedule_dead_letters_arn]
      },
      {
        Sid      = "PublishOutcomes"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = [module.event_bus.arn]
      },
    ]
  })
}

module "watch" {
  source = "../function"

  name         = "${var.prefix}-watch"
  description  = "Closes deployments and changes of stacks with what became of them"
  package      = local.package
  handler      = "watch"
  architecture = var.architecture
  policy       = local.watch_policy
  environment  = local.environment
  rule_arns = [
    module.deployment_changed.arn,
    module.task_stopped.arn,
    module.scheduled_task_runs.arn,
    module.stack_changed.arn,
  ]

  memory_size          = var.memory_size
  log_retention_days   = var.log_retention_days
  reserved_concurrency = var.reserved_concurrency.watch
  alarm_actions        = var.alarm_actions
  require_tls          = var.require_tls
}

module "deployment_changed" {
  source = "../rule"

  name        = "${var.prefix}-deployment-changed"
  description = "An ECS deployment began, completed or failed"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change"]
  })

  function_name         = module.watch.name
  function_arn          = module.watch.arn
  dead_letter_queue_arn = module.watch.dead_letter_queue_arn
}

module "task_stopped" {
  source = "../rule"

  name        = "${var.prefix}-task-stopped"
  description = "A task of an ECS service or of a stack file's schedule stopped"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["STOPPED"]
      group      = [{ prefix = "service:" }, { prefix = "longshore-schedule:" }]
    }
  })

  function_name         = module.watch.name
  function_arn          = module.watch.arn
  dead_letter_queue_arn = module.watch.dead_letter_queue_arn
}

# From then on its timeout counts.
module "scheduled_task_runs" {
  source = "../rule"

  name        = "${var.prefix}-scheduled-task-runs"
  description = "A task of a stack file's schedule runs"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      lastStatus = ["RUNNING"]
      group      = [{ prefix = "longshore-schedule:" }]
    }
  })

  function_name         = module.watch.name
  function_arn          = module.watch.arn
  dead_letter_queue_arn = module.watch.dead_letter_queue_arn
}

# Every status with which a change begins or ends. Cleaning up after an update
# changes nothing any more, a stack that was only planned holds nothing, and what
# a completed import means is provision's to know.
module "stack_changed" {
  source = "../rule"

  name        = "${var.prefix}-stack-changed"
  description = "A change of a CloudFormation stack began or ended"
  account_id  = local.account_id
  event_pattern = jsonencode({
    source      = ["aws.cloudformation"]
    detail-type = ["CloudFormation Stack Status Change"]
    detail = {
      status-details = {
        status = [
          "CREATE_IN_PROGRESS",
          "CREATE_FAILED",
          "CREATE_COMPLETE",
          "ROLLBACK_IN_PROGRESS",
          "ROLLBACK_FAILED",
          "ROLLBACK_COMPLETE",
          "UPDATE_IN_PROGRESS",
          "UPDATE_FAILED",
          "UPDATE_COMPLETE",
          "UPDATE_ROLLBACK_IN_PROGRESS",
          "UPDATE_ROLLBACK_FAILED",
          "UPDATE_ROLLBACK_COMPLETE",
          "DELETE_IN_PROGRESS",
          "DELETE_FAILED",
          "DELETE_COMPLETE",
          "IMPORT_IN_PROGRESS",
          "IMPORT_ROLLBACK_IN_PROGRESS",
          "IMPORT_ROLLBACK_FAILED",
          "IMPORT_ROLLBACK_COMPLETE",
        ]
      }
    }
  })

  function_name         = module.watch.name
  function_arn          = module.watch.arn
  dead_letter_queue_arn = module.watch.dead_letter_queue_arn
}

# The runs of stack files' schedules that ECS refused until the retries were
# over. What watch fails to handle goes to its own dead-letter queue.
resource "aws_sqs_queue" "schedule_dead_letters" {
  name                    = local.schedule_dead_letters_name
  policy                  = local.schedule_dead_letters_policy
  sqs_managed_sse_enabled = true

  message_retention_seconds = 1209600
  # Six times as long as the function may take, as Lambda asks for.
  visibility_timeout_seconds = 360

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.watch.dead_letter_queue_arn
    maxReceiveCount     = 5
  })
}

resource "aws_lambda_event_source_mapping" "schedule_dead_letters" {
  event_source_arn = aws_sqs_queue.schedule_dead_letters.arn
  function_name    = module.watch.arn
  # One message that cannot be handled keeps no other back.
  batch_size = 1
}
