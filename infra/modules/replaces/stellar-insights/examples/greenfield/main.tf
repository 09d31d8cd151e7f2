# Stellar Insights with its repository, security groups and target group, all made by
# one apply. There is no image yet: the service waits without tasks, and Longshore
# starts them with the first image that is pushed.
terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }
}

variable "vpc_id" {
  description = "ID of the VPC."
  type        = string
}

variable "subnet_ids" {
  description = "IDs of the private subnets for the tasks, all in the VPC."
  type        = list(string)
}

variable "vault_addr" {
  description = "URL of Vault."
  type        = string
}

variable "db_url" {
  description = "URL of the database. It is in no state."
  type        = string
  sensitive   = true
}

variable "redis_url" {
  description = "URL of Redis. It is in no state."
  type        = string
  sensitive   = true
}

resource "aws_ecr_repository" "backend" {
  name = "stellar-insights"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_security_group" "load_balancer" {
  name   = "stellar-insights-load-balancer"
  vpc_id = var.vpc_id
}

resource "aws_lb_target_group" "backend" {
  name        = "stellar-insights-backend"
  port        = 8080
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = var.vpc_id

  health_check {
    path = "/health"
  }
}

resource "aws_security_group" "backend" {
  name   = "stellar-insights-backend"
  vpc_id = var.vpc_id
}

module "compute" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/replaces/stellar-insights?ref=v<version>"
  source = "../.."

  environment      = "prod"
  cluster_name     = "stellar-insights-prod"
  container_image  = "${aws_ecr_repository.backend.repository_url}:latest"
  instance_type    = "t3.small"
  subnets          = var.subnet_ids
  security_groups  = [aws_security_group.backend.id]
  target_group_arn = aws_lb_target_group.backend.arn
  vault_addr       = var.vault_addr
  db_url           = var.db_url
  redis_url        = var.redis_url
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.compute.service_name
}

output "waits_for_images" {
  description = "The services that wait for their first image, each with the image."
  value       = module.compute.waits_for_images
}
