# The block of stellar-insights' configuration with another source, and around it
# what it refers to.
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {}

variable "environment" {
  description = "The environment."
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

variable "target_group_arn" {
  description = "The target group behind the load balancer."
  type        = string
}

variable "repository_url" {
  description = "The URL of the ECR repository."
  type        = string
}

variable "vault_addr" {
  description = "Vault's URL."
  type        = string
}

variable "database_password" {
  description = "The password of the database."
  type        = string
  sensitive   = true
}

variable "auth_token" {
  description = "The password of Redis."
  type        = string
  sensitive   = true
}

module "networking" {
  source = "../existing"

  vpc_id                = var.vpc_id
  private_subnet_ids    = var.private_subnet_ids
  ecs_security_group_id = var.ecs_security_group_id
}

module "load_balancing" {
  source = "../existing"

  target_group_arn = var.target_group_arn
}

module "ecr" {
  source = "../existing"

  repository_url = var.repository_url
}

module "compute" {
  source = "../../../../infra/modules/replaces/stellar-insights"

  # Cluster configuration
  cluster_name    = "stellar-insights-${var.environment}"
  container_image = "${module.ecr.repository_url}:latest"

  # Capacity
  desired_count = 2
  min_size      = 1
  max_size      = 4
  instance_type = "t3.small" # t3.micro for dev

  # Networking
  subnets          = module.networking.private_subnet_ids
  security_groups  = [module.networking.ecs_security_group_id]
  target_group_arn = module.load_balancing.target_group_arn

  # Secrets and configuration
  vault_addr = var.vault_addr
  db_url     = "postgresql://user:${var.database_password}@database:5432/stellar_insights"
  redis_url  = "redis://:${var.auth_token}@redis:6379"

  environment = var.environment
  project     = "stellar-insights"
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.compute
}
