# A service with its repository and its secret, all made by one apply, before there
# is an image.
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

resource "aws_ecr_repository" "api" {
  name         = "greenfield/api"
  force_delete = true
}

resource "aws_secretsmanager_secret" "token" {
  name                    = "greenfield/token"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id                = aws_secretsmanager_secret.token.id
  secret_string_wo         = "value of TOKEN"
  secret_string_wo_version = 1
}

module "stack" {
  source = "../../../../infra/modules/stack"

  images = { api = "${aws_ecr_repository.api.repository_url}:v1.0.0" }

  stack = {
    name = "greenfield"
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.private_subnet_ids
    }
    services = {
      api = {
        cpu           = 256
        memory        = 512
        desired_count = 2
        image_policy  = { semver = "1" }
        secrets       = { TOKEN = { value_from = aws_secretsmanager_secret_version.token.arn } }
      }
    }
  }
}

output "ecs" {
  description = "All outputs of the module."
  value       = module.stack
}
