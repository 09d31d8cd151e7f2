locals {
  functions = merge(
    {
      provision = module.provision
      deploy    = module.deploy
      watch     = module.watch
      sync      = module.sync
      notify    = module.notify
    },
    { for press in module.press : "press" => press },
  )
  functions_with_queue = { for key, function in local.functions : key => function if function.has_dead_letter_queue }

  rules = {
    stack_written               = module.stack_written
    stack_imported              = module.stack_imported
    stack_settled_for_provision = module.stack_settled_for_provision
    image_pushed                = module.image_pushed
    image_cached                = module.image_cached
    release_written             = module.release_written
    stack_settled_for_deploy    = module.stack_settled_for_deploy
    deploy_task_stopped         = module.deploy_task_stopped
    rollout_continued           = module.rollout_continued
    deployment_changed          = module.deployment_changed
    task_stopped                = module.task_stopped
    scheduled_task_runs         = module.scheduled_task_runs
    stack_changed               = module.stack_changed
    shard_completed             = module.shard_completed
    sync_task_stopped           = module.sync_task_stopped
    notifications               = module.notifications
  }
}

output "state_bucket_name" {
  description = "Name of the state bucket."
  value       = module.state_bucket.name
}

output "event_bus_name" {
  description = "Name of the bus for Longshore's own events."
  value       = module.event_bus.name
}

output "function_names" {
  description = "Names of the Lambda functions, by function."
  value       = { for key, function in local.functions : key => function.name }
}

output "function_arns" {
  description = "ARNs of the Lambda functions, by function."
  value       = { for key, function in local.functions : key => function.arn }
}

output "role_names" {
  description = "Names of the functions' roles, by function."
  value       = { for key, function in local.functions : key => function.role_name }
}

output "role_arns" {
  description = "ARNs of the functions' roles, by function."
  value       = { for key, function in local.functions : key => function.role_arn }
}

output "policies" {
  description = "The policy documents of each function's role, as JSON, by function and policy name."
  value       = { for key, function in local.functions : key => function.policies }
}

output "log_group_names" {
  description = "Names of the log groups, by function."
  value       = { for key, function in local.functions : key => function.log_group_name }
}

output "dead_letter_queue_urls" {
  description = "URLs of the dead-letter queues, by function."
  value       = { for key, function in local.functions_with_queue : key => function.dead_letter_queue_url }
}

output "schedule_dead_letter_queue_url" {
  description = "URL of the queue of the scheduled runs that ECS refused."
  value       = aws_sqs_queue.schedule_dead_letters.url
}

output "dead_letter_queue_policies" {
  description = "The dead-letter queues' policy documents, as JSON, by function."
  value       = { for key, function in local.functions_with_queue : key => function.dead_letter_queue_policy }
}

output "environments" {
  description = "The functions' environment variables, by function."
  value       = { for key, function in local.functions : key => function.environment }
}

output "rules" {
  description = "Name, ARN, bus and pattern of each rule."
  value = {
    for key, rule in local.rules : key => {
      name           = rule.name
      arn            = rule.arn
      event_bus_name = rule.event_bus_name
      event_pattern  = rule.event_pattern
    }
  }
}

output "slack_webhook_secret_name" {
  description = "Name of the secret that holds the URL of the Slack webhook, or the token of a Slack bot."
  value       = var.slack_webhook_secret_name
}

output "slack_webhook_secret_policy" {
  description = "The policy document of that secret, as JSON; null where slack_webhook_secret_arn is not given."
  value       = one(aws_secretsmanager_secret_policy.slack_webhook[*].policy)
}

output "slack_signing_secret_policy" {
  description = "The policy document of the secret that Slack signs with, as JSON; null where slack_signing_secret_arn is not given."
  value       = one(aws_secretsmanager_secret_policy.slack_signing[*].policy)
}

output "slack_button_url" {
  description = "URL that the Slack app calls when somebody presses a button; null where slack_signing_secret_name is not given."
  value       = one(aws_lambda_function_url.press[*].function_url)
}

output "cloudformation_role_arn" {
  description = "ARN of the role with which CloudFormation changes stacks."
  value       = aws_iam_role.cloudformation.arn

  # Who uses the role finds it with all its rights.
  depends_on = [aws_iam_role_policy_attachment.cloudformation]
}

output "cloudformation_policies" {
  description = "The policy documents of that role, as JSON, by concern. provision has the one for reading, too."
  value       = { for key, policy in aws_iam_policy.cloudformation : key => policy.policy }
}

output "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of the roles that stack files make."
  value       = aws_iam_policy.permissions_boundary.arn
}

output "permissions_boundary_policy" {
  description = "The boundary's policy document, as JSON."
  value       = aws_iam_policy.permissions_boundary.policy
}

output "event_bus_policy" {
  description = "The bus's policy document, as JSON."
  value       = module.event_bus.policy
}

output "state_bucket_policy" {
  description = "The state bucket's policy document, as JSON."
  value       = module.state_bucket.policy
}
