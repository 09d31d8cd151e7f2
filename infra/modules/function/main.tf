# One function with everything that is its own: role, policy, log group and alarms;
# with dead-letter queue and on-failure destination where rules send it events. Whoever
# calls one and waits for its answer hears of a failure otherwise.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Provider 6 says `region`, and warns of `name` and `id`; provider 5 has only those.
  # `lookup` in the whole object works with both, and neither warns.
  present = {
    partition  = data.aws_partition.current.partition
    account_id = data.aws_caller_identity.current.account_id
    region     = try(lookup(data.aws_region.current, "region"), lookup(data.aws_region.current, "name"))
  }

  # Where a test mocks the provider, Terraform makes these up, and what is made of them
  # would be no ARN, which the provider checks all the same.
  partition  = startswith(local.present.partition, "aws") ? local.present.partition : "aws"
  account_id = can(regex("^[0-9]{12}$", local.present.account_id)) ? local.present.account_id : "123456789012"
  region     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", local.present.region)) ? local.present.region : "us-east-1"

  has_queue              = length(var.rule_arns) > 0
  dead_letter_queue_name = "${var.name}-dead-letters"

  # Known before the queue is there: the provider waits half a minute for a queue,
  # and the role and the function need not.
  dead_letter_queue_arn = join(":", [
    "arn",
    local.partition,
    "sqs",
    local.region,
    local.account_id,
    local.dead_letter_queue_name,
  ])

  # What every function may do besides its work: write its own logs and hand
  # over what it could not do.
  runtime_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # Terraform makes the group, so there is no logs:CreateLogGroup: a log
        # group made by Lambda itself would keep its lines for ever.
        Sid      = "WriteOwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
      }],
      local.has_queue ? [{
        # Lambda sends to an on-failure destination with the function's role.
        Sid      = "KeepFailedEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [local.dead_letter_queue_arn]
      }] : [],
    )
  })

  dead_letter_queue_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # EventBridge writes to a target's dead-letter queue as itself, not with
        # a role: the queue must name the rules.
        Sid       = "AcceptUndeliveredEvents"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dead_letter_queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = var.rule_arns } }
      }],
      var.require_tls ? [{
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.dead_letter_queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }] : [],
    )
  })
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "The function ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "work" {
  name   = "work"
  role   = aws_iam_role.this.name
  policy = var.policy
}

resource "aws_iam_role_policy" "runtime" {
  name   = "runtime"
  role   = aws_iam_role.this.name
  policy = local.runtime_policy
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: CloudWatch encrypts every group with its own key; no secret is ever logged
  # checkov:skip=CKV_AWS_338: the lasting record of a deployment is in the state bucket; log lines are for finding faults
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

# One queue for both ways an event can be lost: EventBridge could not hand it to
# the function, or the function failed it three times.
resource "aws_sqs_queue" "dead_letter" {
  count = local.has_queue ? 1 : 0

  name                      = local.dead_letter_queue_name
  policy                    = local.dead_letter_queue_policy
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50: one function a hop and correlated log fields; traces would cost and show nothing more
  # checkov:skip=CKV_AWS_115: reserved concurrency is the account's to give out; see reserved_concurrency
  # checkov:skip=CKV_AWS_116: the on-failure destination below replaces it and keeps the reason with the event; what nobody sends events to needs none
  # checkov:skip=CKV_AWS_117: it talks to AWS's and Slack's public endpoints only; a VPC would need a NAT gateway that costs while idle
  # checkov:skip=CKV_AWS_173: the environment holds names, never a secret
  # checkov:skip=CKV_AWS_272: packages come from the operator's own build, byte for byte reproducible
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  runtime       = "provided.al2023"
  handler       = var.handler
  architectures = [var.architecture]
  s3_bucket     = var.package.bucket
  s3_key        = var.package.key

  memory_size                    = var.memory_size
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # The first event must find the permissions it needs.
  depends_on = [aws_iam_role_policy.work, aws_iam_role_policy.runtime]
}

# AWS checks when this is made that the role may send to the destination.
resource "aws_lambda_function_event_invoke_config" "this" {
  count = local.has_queue ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = var.maximum_event_age_seconds

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letter[0].arn
    }
  }

  depends_on = [aws_iam_role_policy.runtime]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name        = "${var.name}-errors"
  alarm_description = "${var.name} failed: read the log group /aws/lambda/${var.name}."
  namespace         = "AWS/Lambda"
  metric_name       = "Errors"
  dimensions        = { FunctionName = aws_lambda_function.this.function_name }

  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # A function that nobody called did not fail.
  treat_missing_data = "notBreaching"

  alarm_actions = var.alarm_actions
  ok_actions    = var.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  count = local.has_queue ? 1 : 0

  alarm_name        = "${var.name}-dead-letters"
  alarm_description = "${var.name} could not handle an event: it waits in the queue ${var.name}-dead-letters."
  namespace         = "AWS/SQS"
  metric_name       = "ApproximateNumberOfMessagesVisible"
  dimensions        = { QueueName = aws_sqs_queue.dead_letter[0].name }

  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  # SQS stops reporting a queue that nobody touches, also one that is not empty:
  # the alarm stays what it was until somebody empties the queue.
  treat_missing_data = "ignore"

  alarm_actions = var.alarm_actions
  ok_actions    = var.alarm_actions
}

# Every function had a queue once.
moved {
  from = aws_sqs_queue.dead_letter
  to   = aws_sqs_queue.dead_letter[0]
}

moved {
  from = aws_lambda_function_event_invoke_config.this
  to   = aws_lambda_function_event_invoke_config.this[0]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letters
  to   = aws_cloudwatch_metric_alarm.dead_letters[0]
}
