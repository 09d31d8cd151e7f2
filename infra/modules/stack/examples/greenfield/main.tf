# A service with its repository and its secret, all made by one apply. There is no
# image yet: the service waits without tasks, and Longshore starts them with the
# first image that is pushed.
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
  description = "IDs of the subnets for the tasks, all in the VPC."
  type        = list(string)
}

variable "token" {
  description = "What the service is to find in TOKEN. It is in no state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

resource "aws_ecr_repository" "api" {
  name                 = "shop/api"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_secretsmanager_secret" "token" {
  name = "shop/token"
}

resource "aws_secretsmanager_secret_version" "token" {
  secret_id                = aws_secretsmanager_secret.token.id
  secret_string_wo         = var.token
  secret_string_wo_version = 1
}

module "shop" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/stack?ref=v<version>"
  source = "../.."

  images = { api = "${aws_ecr_repository.api.repository_url}:v1.0.0" }

  stack = {
    name = "shop"
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.subnet_ids
    }
    services = {
      api = {
        container_port = 8080
        cpu            = 256
        memory         = 512
        desired_count  = 2
        image_policy   = { semver = "1.x" }
        # Of the version: a task cannot start before the secret has a value.
        secrets = { TOKEN = { value_from = aws_secretsmanager_secret_version.token.arn } }
      }
    }
  }
}

output "repository_url" {
  description = "Where to push images to."
  value       = aws_ecr_repository.api.repository_url
}

output "service_arn" {
  description = "ARN of the ECS service."
  value       = module.shop.outputs.services.api.service_arn
}

output "waits_for_images" {
  description = "The services that wait for their first image, each with the image."
  value       = module.shop.waits_for_images
}

output "warnings" {
  description = "What Longshore advises against in the stack."
  value       = module.shop.warnings
}
