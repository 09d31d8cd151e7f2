# The block of classla's configuration with another source and environment, and
# around it what it refers to.
terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "private_subnet_ids" {
  description = "Its private subnets."
  type        = list(string)
}

variable "alb_security_group_id" {
  description = "The security group of the load balancer."
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

variable "container_cpu" {
  description = "CPU units of the container."
  type        = number
  default     = 512
}

module "networking" {
  source = "../existing"

  vpc_id             = var.vpc_id
  private_subnet_ids = var.private_subnet_ids
}

module "alb" {
  source = "../existing"

  alb_security_group_id = var.alb_security_group_id
  target_group_arn      = var.target_group_arn
}

module "ecr" {
  source = "../existing"

  repository_url = var.repository_url
}

module "secrets" {
  source = "../secrets"

  prefix = "classla-staging"
}

module "ecs" {
  source = "../../../../infra/modules/replaces/classla"

  environment               = "staging"
  vpc_id                    = module.networking.vpc_id
  private_subnet_ids        = module.networking.private_subnet_ids
  alb_security_group_id     = module.alb.alb_security_group_id
  alb_target_group_arn      = module.alb.target_group_arn
  ecr_repository_url        = module.ecr.repository_url
  secrets_arns              = module.secrets.all_secret_arns
  secrets_access_policy_arn = module.secrets.ecs_secrets_access_policy_arn
  container_cpu             = var.container_cpu
  container_memory          = 1024
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.ecs
}
