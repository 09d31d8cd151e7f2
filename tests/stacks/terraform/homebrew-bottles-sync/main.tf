# The block of homebrew-bottles-sync's configuration with another source,
# environment, region and image, and around it what it refers to.
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {}

variable "aws_region" {
  description = "The region."
  type        = string
}

variable "aws_account_id" {
  description = "The account."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "private_subnet_ids" {
  description = "Its private subnets."
  type        = list(string)
}

variable "ecs_security_group_id" {
  description = "The security group of tasks."
  type        = string
}

variable "ecs_task_execution_role_arn" {
  description = "The execution role."
  type        = string
}

variable "ecs_task_role_arn" {
  description = "The task role."
  type        = string
}

variable "task_cpu" {
  description = "CPU units of the task."
  type        = number
  default     = 2048 # 2 vCPUs
}

module "network" {
  source = "../existing"

  vpc_id                = var.vpc_id
  private_subnet_ids    = var.private_subnet_ids
  ecs_security_group_id = var.ecs_security_group_id
}

module "iam" {
  source = "../existing"

  ecs_task_execution_role_arn = var.ecs_task_execution_role_arn
  ecs_task_role_arn           = var.ecs_task_role_arn
}

module "s3" {
  source = "../existing"

  bucket_name = "homebrew-bottles"
}

module "notifications" {
  source = "../existing"

  slack_webhook_secret_name = "homebrew-bottles-sync/slack_webhook"
}

module "ecs" {
  source = "../../../../infra/modules/replaces/homebrew-bottles-sync"

  project_name   = "homebrew-bottles-sync"
  environment    = "staging"
  aws_region     = var.aws_region
  aws_account_id = var.aws_account_id

  # Network configuration
  vpc_id             = module.network.vpc_id
  private_subnet_ids = module.network.private_subnet_ids
  security_group_ids = [module.network.ecs_security_group_id]

  # IAM roles
  task_execution_role_arn = module.iam.ecs_task_execution_role_arn
  task_role_arn           = module.iam.ecs_task_role_arn

  # Container configuration
  container_image = "homebrew-bottles-sync-staging:latest"
  container_port  = 8080

  # Resource allocation
  task_cpu    = var.task_cpu
  task_memory = 8192 # 8 GB

  # Storage configuration
  enable_efs_storage         = true
  efs_throughput_mode        = "provisioned"
  efs_provisioned_throughput = 100 # MB/s

  # Auto scaling
  enable_auto_scaling       = true
  min_capacity              = 0
  max_capacity              = 10
  target_cpu_utilization    = 70
  target_memory_utilization = 80

  # Environment variables
  environment_variables = {
    S3_BUCKET_NAME            = module.s3.bucket_name
    SLACK_WEBHOOK_SECRET_NAME = module.notifications.slack_webhook_secret_name
    AWS_REGION                = var.aws_region
    LOG_LEVEL                 = "INFO"
    DOWNLOAD_CONCURRENCY      = "5"
    TEMP_STORAGE_PATH         = "/tmp/bottles"
  }

  # Logging configuration
  log_retention_days = 30
  log_level          = "INFO"

  tags = {
    Environment = "staging"
    Project     = "homebrew-bottles-sync"
  }
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}
