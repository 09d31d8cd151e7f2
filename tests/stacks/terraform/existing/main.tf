# What other modules of a configuration would have made: hands on what is there
# already, so that the blocks of the modules under test stay as people wrote them.
variable "vpc_id" {
  description = "The VPC."
  type        = string
  default     = null
}

variable "private_subnet_ids" {
  description = "Its private subnets."
  type        = list(string)
  default     = []
}

variable "ecs_security_group_id" {
  description = "The security group of tasks."
  type        = string
  default     = null
}

variable "alb_security_group_id" {
  description = "The security group of the load balancer."
  type        = string
  default     = null
}

variable "target_group_arn" {
  description = "The target group behind the load balancer."
  type        = string
  default     = null
}

variable "repository_url" {
  description = "The URL of the ECR repository."
  type        = string
  default     = null
}

variable "ecs_task_execution_role_arn" {
  description = "The execution role."
  type        = string
  default     = null
}

variable "ecs_task_role_arn" {
  description = "The task role."
  type        = string
  default     = null
}

variable "bucket_name" {
  description = "The bucket that tasks write to."
  type        = string
  default     = null
}

variable "slack_webhook_secret_name" {
  description = "The secret that holds the webhook of Slack."
  type        = string
  default     = null
}

output "vpc_id" {
  description = "The VPC."
  value       = var.vpc_id
}

output "private_subnet_ids" {
  description = "Its private subnets."
  value       = var.private_subnet_ids
}

output "ecs_security_group_id" {
  description = "The security group of tasks."
  value       = var.ecs_security_group_id
}

output "alb_security_group_id" {
  description = "The security group of the load balancer."
  value       = var.alb_security_group_id
}

output "target_group_arn" {
  description = "The target group behind the load balancer."
  value       = var.target_group_arn
}

output "repository_url" {
  description = "The URL of the ECR repository."
  value       = var.repository_url
}

output "ecs_task_execution_role_arn" {
  description = "The execution role."
  value       = var.ecs_task_execution_role_arn
}

output "ecs_task_role_arn" {
  description = "The task role."
  value       = var.ecs_task_role_arn
}

output "bucket_name" {
  description = "The bucket that tasks write to."
  value       = var.bucket_name
}

output "slack_webhook_secret_name" {
  description = "The secret that holds the webhook of Slack."
  value       = var.slack_webhook_secret_name
}
