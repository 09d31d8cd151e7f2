output "state_bucket_name" {
  description = "Name of the state bucket."
  value       = module.longshore.state_bucket_name
}

output "event_bus_name" {
  description = "Name of the bus for Longshore's own events."
  value       = module.longshore.event_bus_name
}

output "function_names" {
  description = "Names of the Lambda functions, by function."
  value       = module.longshore.function_names
}

output "function_arns" {
  description = "ARNs of the Lambda functions, by function."
  value       = module.longshore.function_arns
}

output "role_names" {
  description = "Names of the functions' roles, by function."
  value       = module.longshore.role_names
}

output "role_arns" {
  description = "ARNs of the functions' roles, by function."
  value       = module.longshore.role_arns
}

output "cloudformation_role_arn" {
  description = "ARN of the role with which CloudFormation changes stacks. Whoever applies stacks with Terraform must be allowed to pass it."
  value       = module.longshore.cloudformation_role_arn
}

output "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of the roles that stack files make."
  value       = module.longshore.permissions_boundary_arn
}

output "log_group_names" {
  description = "Names of the log groups, by function."
  value       = module.longshore.log_group_names
}

output "dead_letter_queue_urls" {
  description = "URLs of the dead-letter queues, by function."
  value       = module.longshore.dead_letter_queue_urls
}

output "queue_urls" {
  description = "URLs of all queues, by the names that the variable of the same name has for them."
  value = merge(module.longshore.dead_letter_queue_urls, {
    watch_schedules = module.longshore.schedule_dead_letter_queue_url
  })
}

output "slack_button_url" {
  description = "URL that takes presses of buttons. On the local cloud, the emulator answers for its host."
  value       = module.longshore.slack_button_url
}

output "slack_webhook_secret_name" {
  description = "Name of the secret that holds the URL of the Slack webhook, or the token of a Slack bot."
  value       = module.longshore.slack_webhook_secret_name
}
