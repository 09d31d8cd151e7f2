# homebrew-bottles-sync with its repository, roles and security group, all made by one
# apply. There is no image yet: the service waits without tasks, and Longshore deploys
# the first image that is pushed. The roles belong into stack_role_arns of Longshore's
# own configuration.
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

data "aws_caller_identity" "current" {}

variable "region" {
  description = "The region."
  type        = string
}

provider "aws" {
  region = var.region
}

resource "aws_ecr_repository" "sync" {
  name = "homebrew-bottles-sync"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_security_group" "tasks" {
  name   = "homebrew-bottles-sync"
  vpc_id = var.vpc_id
}

resource "aws_iam_role" "execution" {
  name = "homebrew-bottles-sync-execution"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role" "task" {
  name = "homebrew-bottles-sync-task"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

module "ecs" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/replaces/homebrew-bottles-sync?ref=v<version>"
  source = "../.."

  project_name   = "homebrew-bottles-sync"
  environment    = "prod"
  aws_region     = var.region
  aws_account_id = data.aws_caller_identity.current.account_id

  vpc_id             = var.vpc_id
  private_subnet_ids = var.subnet_ids
  security_group_ids = [aws_security_group.tasks.id]

  task_execution_role_arn = aws_iam_role.execution.arn
  task_role_arn           = aws_iam_role.task.arn

  container_image = "${aws_ecr_repository.sync.repository_url}:v1.0.0"
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.ecs.service_name
}

output "waits_for_images" {
  description = "The services that wait for their first image, each with the image."
  value       = module.ecs.waits_for_images
}
