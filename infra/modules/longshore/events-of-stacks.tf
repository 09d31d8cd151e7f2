# EventBridge writes the events of stacks (`events` in a stack file) to a log group
# of each stack, which a resource policy of CloudWatch Logs must allow. An account
# has room for ten in a region, so there is one for all stacks.
resource "aws_cloudwatch_log_resource_policy" "events_of_stacks" {
  policy_name = "${var.prefix}-events-of-stacks"

  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "WriteEventsOfStacks"
        Effect    = "Allow"
        Principal = { Service = ["delivery.logs.amazonaws.com", "events.amazonaws.com"] }
        Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource  = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/longshore/*/events:*"
      },
    ]
  })
}
