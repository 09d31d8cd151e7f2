# Each of these is null unless the stack has exactly one such thing.

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = module.stack.cluster_name
}

output "cluster_arn" {
  description = "ARN of the ECS cluster."
  value       = module.stack.cluster_arn
}

output "cluster_id" {
  description = "ID of the ECS cluster."
  value       = module.stack.cluster_id
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.stack.service_name
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = module.stack.service_arn
}

output "service_id" {
  description = "ID of the ECS service."
  value       = module.stack.service_id
}

output "task_definition_arn" {
  description = "ARN of the task definition that the stack was applied with."
  value       = module.stack.task_definition_arn
}

output "task_definition_family" {
  description = "Family of the task definition."
  value       = module.stack.task_definition_family
}

output "task_definition_revision" {
  description = "Revision of the task definition."
  value       = module.stack.task_definition_revision
}

output "asg_name" {
  description = "Name of the Auto Scaling group, on EC2."
  value       = module.stack.asg_name
}

output "security_group_id" {
  description = "ID of the tasks' security group."
  value       = try(coalesce(module.stack.security_group_id, try(var.security_groups[0], null)), null)
}

output "task_execution_role_arn" {
  description = "ARN of the execution role."
  value       = module.stack.task_execution_role_arn
}

output "task_role_arn" {
  description = "ARN of the task role."
  value       = module.stack.task_role_arn
}

output "efs_file_system_id" {
  description = "ID of the file system, if there is one."
  value       = module.stack.efs_file_system_id
}

output "efs_file_system_arn" {
  description = "ARN of the file system, if there is one."
  value       = module.stack.efs_file_system_arn
}

output "efs_access_point_id" {
  description = "ID of the access point, if there is one."
  value       = module.stack.efs_access_point_id
}

output "efs_access_point_arn" {
  description = "ARN of the access point, if there is one."
  value       = module.stack.efs_access_point_arn
}

output "log_group_name" {
  description = "Name of the log group."
  value       = module.stack.log_group_name
}

output "log_group_arn" {
  description = "ARN of the log group."
  value       = module.stack.log_group_arn
}

output "auto_scaling_target_arn" {
  description = "ARN of the scalable target, if the service scales."
  value       = module.stack.auto_scaling_target_arn
}

# These have a value for every stack.

output "stack_name" {
  description = "Name of the CloudFormation stack. Longshore uses it, too."
  value       = module.stack.stack_name
}

output "stack_id" {
  description = "ARN of the CloudFormation stack."
  value       = module.stack.stack_id
}

output "outputs" {
  description = "All of the stack's outputs: services, capacity and file systems by name."
  value       = module.stack.outputs
}

output "waits_for_images" {
  description = "The services that wait without tasks because their image is not there yet, each with the image. Longshore starts the tasks with the first image that is pushed; the next apply after that gives the service the rest of what the stack says."
  value       = module.stack.waits_for_images
}

output "warnings" {
  description = "Longshore's warnings about the stack, each with path and message."
  value       = module.stack.warnings
}
