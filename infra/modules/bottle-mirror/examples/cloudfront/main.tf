# A mirror of Homebrew's bottles: the stack makes the bucket, CloudFront serves it.
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
  description = "Region of the mirror."
  type        = string
}

provider "aws" {
  region = var.region
}

module "mirror" {
  source = "../../../stack"

  stack = {
    name = "bottles"
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.subnet_ids
    }
    services = {}
    buckets  = { bottles = { bucket_name = local.bucket_name } }
    bottle_sync = {
      bucket              = "bottles"
      schedule_expression = "cron(0 3 * * ? *)"
      formulae            = ["jq", "ripgrep"]
    }
  }
}

locals {
  bucket_name = "homebrew-bottles-${data.aws_caller_identity.current.account_id}"
}

module "bottles" {
  # In a configuration of yours:
  # source = "github.com/<owner>/longshore//infra/modules/bottle-mirror?ref=v<version>"
  source = "../.."

  bucket_name   = local.bucket_name
  bucket_region = var.region

  depends_on = [module.mirror]
}

output "environment" {
  description = "What to export for brew."
  value       = module.bottles.environment
}
