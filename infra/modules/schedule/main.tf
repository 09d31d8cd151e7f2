# One EventBridge schedule, the function it wakes, and the role that lets it.
resource "aws_iam_role" "this" {
  name        = var.name
  description = "The schedule ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Not for a schedule of another account that was given this role's name.
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name   = "wake"
  role   = aws_iam_role.this.name
  policy = local.policy
}

locals {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WakeFunction"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [var.function_arn]
      },
      {
        # Scheduler sends to a dead-letter queue with the schedule's role.
        Sid      = "KeepUndelivered"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [var.dead_letter_queue_arn]
      },
    ]
  })

  # Scheduler fills the context attributes in; the function refuses any field
  # that it does not know.
  input = jsonencode({
    action         = var.action
    schedule_arn   = "<aws.scheduler.schedule-arn>"
    scheduled_time = "<aws.scheduler.scheduled-time>"
    execution_id   = "<aws.scheduler.execution-id>"
    attempt_number = "<aws.scheduler.attempt-number>"
  })
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297: the input holds no data of anybody's, only what to do
  name        = var.name
  description = var.description

  schedule_expression          = var.schedule_expression
  schedule_expression_timezone = var.time_zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.function_arn
    role_arn = aws_iam_role.this.arn
    # jsonencode writes < and > as escapes, which Scheduler would not find.
    input = replace(replace(local.input, "\\u003c", "<"), "\\u003e", ">")

    # The next run comes soon enough: a late one is of no use.
    retry_policy {
      maximum_event_age_in_seconds = 600
      maximum_retry_attempts       = 3
    }

    dead_letter_config {
      arn = var.dead_letter_queue_arn
    }
  }

  depends_on = [aws_iam_role_policy.this]
}
