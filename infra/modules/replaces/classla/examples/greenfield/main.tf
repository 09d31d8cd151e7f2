# classla with its repository, target group, secrets and their policy, all made by one
# apply. There is no image yet: the service waits without tasks, and Longshore starts
# them with the first image that is pushed.
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

resource "aws_ecr_repository" "backend" {
  name = "classla-backend"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_security_group" "load_balancer" {
  name   = "classla-load-balancer"
  vpc_id = var.vpc_id
}

resource "aws_lb_target_group" "backend" {
  name        = "classla-backend"
  port        = 3001
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = var.vpc_id

  health_check {
    path = "/health"
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = toset(["supabase_credentials", "workos_credentials", "app_secrets"])

  name = "classla/${each.key}"
}

# Whose values somebody writes by hand: a JSON object for each secret.
resource "aws_iam_policy" "secrets" {
  name = "classla-secrets"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = [for secret in aws_secretsmanager_secret.this : secret.arn]
    }]
  })
}

module "ecs" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/replaces/classla?ref=v<version>"
  source = "../.."

  environment               = "prod"
  vpc_id                    = var.vpc_id
  private_subnet_ids        = var.subnet_ids
  alb_security_group_id     = aws_security_group.load_balancer.id
  alb_target_group_arn      = aws_lb_target_group.backend.arn
  ecr_repository_url        = aws_ecr_repository.backend.repository_url
  secrets_arns              = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
  secrets_access_policy_arn = aws_iam_policy.secrets.arn
}

output "service_name" {
  description = "Name of the ECS service."
  value       = module.ecs.service_name
}

output "waits_for_images" {
  description = "The services that wait for their first image, each with the image."
  value       = module.ecs.waits_for_images
}
