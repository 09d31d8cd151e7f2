# One rule, the function it wakes, and the permission to do so.
locals {
  # A bus may take events of other accounts, which look the same but for this.
  event_pattern = jsonencode(merge(jsondecode(var.event_pattern), { account = [var.account_id] }))
}

resource "aws_cloudwatch_event_rule" "this" {
  name           = var.name
  description    = var.description
  event_bus_name = var.event_bus_name
  event_pattern  = local.event_pattern
}

# Only this rule, not everything that EventBridge does in the account.
resource "aws_lambda_permission" "this" {
  statement_id  = var.name
  function_name = var.function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}

resource "aws_cloudwatch_event_target" "this" {
  rule           = aws_cloudwatch_event_rule.this.name
  event_bus_name = aws_cloudwatch_event_rule.this.event_bus_name
  target_id      = "function"
  arn            = var.function_arn

  # AWS's own maximum: an outage of Lambda loses nothing that a queue could keep.
  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = var.dead_letter_queue_arn
  }

  # A target without its permission sends its first events to the queue.
  depends_on = [aws_lambda_permission.this]
}
