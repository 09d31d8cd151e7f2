# Name and ARN come from the invoke configuration too, so that a rule is pointed
# at the function only when nothing it sends can be lost.
output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
  depends_on  = [aws_lambda_function_event_invoke_config.this]
}

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
  depends_on  = [aws_lambda_function_event_invoke_config.this]
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "policies" {
  description = "The policy documents of the function's role, as JSON, by name."
  value = {
    (aws_iam_role_policy.work.name)    = aws_iam_role_policy.work.policy
    (aws_iam_role_policy.runtime.name) = aws_iam_role_policy.runtime.policy
  }
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "has_dead_letter_queue" {
  description = "Whether it has a dead-letter queue, known before anything is made."
  value       = local.has_queue
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue: it keeps the events that did not reach the function, or that the function failed to handle. Null where no rule sends it events."
  value       = one(aws_sqs_queue.dead_letter[*].url)
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue; null without one."
  value       = one(aws_sqs_queue.dead_letter[*].arn)
}

output "dead_letter_queue_policy" {
  description = "The dead-letter queue's policy document, as JSON; null without one."
  value       = one(aws_sqs_queue.dead_letter[*].policy)
}

output "environment" {
  description = "The function's environment variables."
  value       = aws_lambda_function.this.environment[0].variables
}
