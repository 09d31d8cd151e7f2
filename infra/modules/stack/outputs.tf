# Each of these is null unless the stack has exactly one such thing.

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = try(local.outputs.cluster_name, null)
}

output "cluster_arn" {
  description = "ARN of the ECS cluster."
  value       = try(local.outputs.cluster_arn, null)
}

output "cluster_id" {
  description = "ID of the ECS cluster."
  value       = try(local.outputs.cluster_id, null)
}

output "service_name" {
  description = "Name of the ECS service."
  value       = try(local.outputs.service_name, null)
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = try(local.outputs.service_arn, null)
}

output "service_id" {
  description = "ID of the ECS service."
  value       = try(local.outputs.service_id, null)
}

output "task_definition_arn" {
  description = "ARN of the task definition that the stack was applied with."
  value       = try(local.outputs.task_definition_arn, null)
}

output "task_definition_family" {
  description = "Family of the task definition."
  value       = try(local.outputs.task_definition_family, null)
}

output "task_definition_revision" {
  description = "Revision of the task definition."
  value       = try(local.outputs.task_definition_revision, null)
}

output "asg_name" {
  description = "Name of the Auto Scaling group, on EC2."
  value       = try(local.outputs.asg_name, null)
}

output "security_group_id" {
  description = "ID of the tasks' security group."
  value       = try(local.outputs.security_group_id, null)
}

output "task_execution_role_arn" {
  description = "ARN of the execution role."
  value       = try(local.outputs.task_execution_role_arn, null)
}

output "task_role_arn" {
  description = "ARN of the task role."
  value       = try(local.outputs.task_role_arn, null)
}

output "efs_file_system_id" {
  description = "ID of the file system, if there is one."
  value       = try(local.outputs.efs_file_system_id, null)
}

output "efs_file_system_arn" {
  description = "ARN of the file system, if there is one."
  value       = try(local.outputs.efs_file_system_arn, null)
}

output "efs_access_point_id" {
  description = "ID of the access point, if there is one."
  value       = try(local.outputs.efs_access_point_id, null)
}

output "efs_access_point_arn" {
  description = "ARN of the access point, if there is one."
  value       = try(local.outputs.efs_access_point_arn, null)
}

output "log_group_name" {
  description = "Name of the log group."
  value       = try(local.outputs.log_group_name, null)
}

output "log_group_arn" {
  description = "ARN of the log group."
  value       = try(local.outputs.log_group_arn, null)
}

output "auto_scaling_target_arn" {
  description = "ARN of the scalable target, if the service scales."
  value       = try(local.outputs.auto_scaling_target_arn, null)
}

# These have a value for every stack.

output "stack_name" {
  description = "Name of the CloudFormation stack. Longshore uses it, too."
  value       = aws_cloudformation_stack.this.name
}

output "stack_id" {
  description = "ARN of the CloudFormation stack."
  value       = aws_cloudformation_stack.this.id
}

output "outputs" {
  description = "All of the stack's outputs: services, capacity and file systems by name."
  value       = local.outputs
}

output "waits_for_images" {
  description = "The services that wait without tasks because their image is not there yet, each with the image. Longshore starts the tasks with the first image that is pushed; the next apply after that gives the service the rest of what the stack says."
  value       = local.rendered.waits_for_images
}

output "warnings" {
  description = "Longshore's warnings about the stack, each with path and message."
  value       = local.rendered.warnings
}

output "request" {
  description = "The request to provision: what to render, as JSON."
  value       = local.request
}
