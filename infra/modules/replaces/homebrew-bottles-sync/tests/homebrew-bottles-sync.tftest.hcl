# The block as homebrew-bottles-sync has it, with nothing changed but the source.
mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-west-2", region = "us-west-2" }
  }
}

override_data {
  override_during = plan
  target          = module.stack.data.aws_lambda_invocation.render
  values = {
    result = <<-JSON
      {
        "stack": "homebrew-bottles-sync-prod",
        "template_url": "https://longshore-state.s3.us-west-2.amazonaws.com/templates/homebrew-bottles-sync-prod/0f.json",
        "parameter_sources": {},
        "capabilities": ["CAPABILITY_IAM"],
        "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
        "tags": {
          "longshore:stack": "homebrew-bottles-sync-prod"
        },
        "warnings": []
      }
    JSON
  }
}

override_data {
  override_during = plan
  target          = module.stack.data.aws_lambda_invocation.outputs
  values = {
    result = <<-JSON
      {
        "cluster_name": "homebrew-bottles-sync-prod",
        "cluster_arn": "arn:aws:ecs:us-west-2:111122223333:cluster/homebrew-bottles-sync-prod",
        "cluster_id": "arn:aws:ecs:us-west-2:111122223333:cluster/homebrew-bottles-sync-prod",
        "service_name": "homebrew-bottles-sync-prod-sync",
        "service_arn": "arn:aws:ecs:us-west-2:111122223333:service/homebrew-bottles-sync-prod/homebrew-bottles-sync-prod-sync",
        "service_id": "arn:aws:ecs:us-west-2:111122223333:service/homebrew-bottles-sync-prod/homebrew-bottles-sync-prod-sync",
        "task_definition_arn": "arn:aws:ecs:us-west-2:111122223333:task-definition/homebrew-bottles-sync-prod-sync:3",
        "task_definition_family": "homebrew-bottles-sync-prod-sync",
        "task_definition_revision": "3",
        "efs_file_system_id": "fs-0123456789abcdef0",
        "efs_file_system_arn": "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-0123456789abcdef0",
        "efs_access_point_id": "fsap-0123456789abcdef0",
        "efs_access_point_arn": "arn:aws:elasticfilesystem:us-west-2:111122223333:access-point/fsap-0123456789abcdef0",
        "log_group_name": "/ecs/homebrew-bottles-sync-prod/sync",
        "log_group_arn": "arn:aws:logs:us-west-2:111122223333:log-group:/ecs/homebrew-bottles-sync-prod/sync",
        "auto_scaling_target_arn": "arn:aws:application-autoscaling:us-west-2:111122223333:scalable-target/0123"
      }
    JSON
  }
}

variables {
  project_name   = "homebrew-bottles-sync"
  environment    = "prod"
  aws_region     = "us-west-2"
  aws_account_id = "111122223333"

  vpc_id             = "vpc-0123456789abcdef0"
  private_subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_group_ids = ["sg-0aaaaaaaaaaaaaaaa"]

  task_execution_role_arn = "arn:aws:iam::111122223333:role/homebrew-execution"
  task_role_arn           = "arn:aws:iam::111122223333:role/homebrew-task"

  container_image = "homebrew-bottles-sync:latest"
  container_port  = 8080

  task_cpu    = 2048
  task_memory = 8192

  enable_efs_storage         = true
  efs_throughput_mode        = "provisioned"
  efs_provisioned_throughput = 100

  enable_auto_scaling       = true
  min_capacity              = 0
  max_capacity              = 10
  target_cpu_utilization    = 70
  target_memory_utilization = 80

  environment_variables = {
    S3_BUCKET_NAME            = "homebrew-bottles"
    SLACK_WEBHOOK_SECRET_NAME = "homebrew/slack"
    AWS_REGION                = "us-west-2"
    LOG_LEVEL                 = "INFO"
    DOWNLOAD_CONCURRENCY      = "5"
    TEMP_STORAGE_PATH         = "/tmp/bottles"
  }

  log_retention_days = 30
  log_level          = "INFO"

  tags = {
    Environment = "prod"
    Project     = "homebrew-bottles-sync"
  }
}

run "provision_is_asked_to_render_exactly_this" {
  command = plan

  assert {
    condition = module.stack.request == jsonencode({
      action      = "render"
      environment = "prod"
      stack = {
        name         = "homebrew-bottles-sync"
        environments = { prod = {} }
        tags         = { Environment = "prod", Project = "homebrew-bottles-sync" }
        network = {
          vpc_id     = "vpc-0123456789abcdef0"
          subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
          flow_logs  = {}
        }
        logs = { retention_in_days = 30, encryption = "stack_key" }
        file_systems = {
          bottles = {
            performance_mode                = "generalPurpose"
            throughput_mode                 = "provisioned"
            provisioned_throughput_in_mibps = 100
            backup                          = true
            access_points = {
              sync = {
                posix_user     = { uid = 1000, gid = 1000 }
                root_directory = { path = "/bottles" }
              }
            }
          }
        }
        services = {
          sync = {
            image          = "homebrew-bottles-sync:latest"
            service_name   = "homebrew-bottles-sync"
            user           = "1000:1000"
            container_port = 8080
            cpu            = 2048
            memory         = 8192
            environment = {
              S3_BUCKET_NAME            = "homebrew-bottles"
              SLACK_WEBHOOK_SECRET_NAME = "homebrew/slack"
              AWS_REGION                = "us-west-2"
              DOWNLOAD_CONCURRENCY      = "5"
              TEMP_STORAGE_PATH         = "/tmp/bottles"
            }
            log_level                = "INFO"
            secrets                  = {}
            readonly_root_filesystem = true
            enable_execute_command   = false
            mount_points = [{
              container_path = "/tmp/bottles"
              file_system    = "bottles"
              access_point   = "sync"
            }]
            health_check = {
              command = [
                "CMD-SHELL",
                "wget -q -O /dev/null http://localhost:8080/health || curl -fsS -o /dev/null http://localhost:8080/health || exit 1",
              ]
            }
            security_group_ids                = ["sg-0aaaaaaaaaaaaaaaa"]
            execution_role_arn                = "arn:aws:iam::111122223333:role/homebrew-execution"
            task_role_arn                     = "arn:aws:iam::111122223333:role/homebrew-task"
            health_check_grace_period_seconds = 300
            desired_count                     = 0
            scaling = {
              min_capacity                 = 0
              max_capacity                 = 10
              target_cpu_utilization       = 70
              target_memory_utilization    = 80
              custom_metrics               = []
              scale_out_cooldown           = 300
              scale_in_cooldown            = 600
              scale_out_evaluation_periods = 2
              scale_in_evaluation_periods  = 5
            }
          }
        }
      }
    })
    error_message = "provision is asked for another stack."
  }
}

run "what_was_not_given_has_its_default" {
  command = plan

  variables {
    environment                = null
    container_port             = null
    task_cpu                   = null
    task_memory                = null
    enable_efs_storage         = null
    efs_throughput_mode        = null
    efs_provisioned_throughput = null
    enable_auto_scaling        = null
    min_capacity               = null
    max_capacity               = null
    target_cpu_utilization     = null
    target_memory_utilization  = null
    environment_variables      = null
    log_retention_days         = null
    log_level                  = null
    tags                       = null
  }

  assert {
    condition = (
      jsondecode(module.stack.request).environment == "prod"
      && jsondecode(module.stack.request).stack.tags == {}
      && jsondecode(module.stack.request).stack.logs.retention_in_days == 30
      && jsondecode(module.stack.request).stack.file_systems.bottles.throughput_mode == "bursting"
      && !can(jsondecode(module.stack.request).stack.file_systems.bottles.provisioned_throughput_in_mibps)
      && jsondecode(module.stack.request).stack.services.sync.cpu == 2048
      && jsondecode(module.stack.request).stack.services.sync.memory == 8192
      && jsondecode(module.stack.request).stack.services.sync.container_port == 8080
      && jsondecode(module.stack.request).stack.services.sync.log_level == "INFO"
      && jsondecode(module.stack.request).stack.services.sync.environment == { TEMP_STORAGE_PATH = "/tmp/bottles" }
      && jsondecode(module.stack.request).stack.services.sync.scaling == {
        min_capacity                 = 0
        max_capacity                 = 10
        target_cpu_utilization       = 70
        target_memory_utilization    = 80
        custom_metrics               = []
        scale_out_cooldown           = 300
        scale_in_cooldown            = 600
        scale_out_evaluation_periods = 2
        scale_in_evaluation_periods  = 5
      }
    )
    error_message = "A default is another one."
  }
}

run "without_a_file_system_there_is_scratch_space" {
  command = plan

  variables {
    enable_efs_storage = false
  }

  assert {
    condition = (
      jsondecode(module.stack.request).stack.file_systems == {}
      && jsondecode(module.stack.request).stack.services.sync.mount_points == [{ container_path = "/tmp/bottles" }]
    )
    error_message = "The container has no room, or a file system."
  }
}

run "a_shell_needs_a_root_file_system_that_can_be_written" {
  command = plan

  variables {
    enable_execute_command = true
    enable_auto_scaling    = false
    schedule_expression    = "cron(0 3 ? * SUN *)"
  }

  assert {
    condition = (
      jsondecode(module.stack.request).stack.services.sync.enable_execute_command
      && !jsondecode(module.stack.request).stack.services.sync.readonly_root_filesystem
      && !can(jsondecode(module.stack.request).stack.services.sync.scaling)
      && jsondecode(module.stack.request).stack.services.sync.schedules == { sync = { schedule_expression = "cron(0 3 ? * SUN *)" } }
    )
    error_message = "The switches have another effect."
  }
}

run "a_metric_of_one_s_own_starts_tasks_where_none_runs" {
  command = plan

  variables {
    custom_metrics = [{
      namespace    = "HomebrewBottlesSync"
      metric_name  = "PendingBottles"
      target_value = 10
    }]
  }

  assert {
    condition = jsondecode(module.stack.request).stack.services.sync.scaling.custom_metrics == [{
      namespace    = "HomebrewBottlesSync"
      metric_name  = "PendingBottles"
      dimensions   = {}
      target_value = 10
    }]
    error_message = "The service does not scale by the metric."
  }
}

run "secrets_are_referred_to_as_ecs_does" {
  command = plan

  variables {
    secrets = {
      TOKEN   = "arn:aws:secretsmanager:us-west-2:111122223333:secret:homebrew-AbCdEf:token::"
      WEBHOOK = "arn:aws:secretsmanager:us-west-2:111122223333:secret:slack-AbCdEf"
    }
  }

  assert {
    condition = jsondecode(module.stack.request).stack.services.sync.secrets == {
      TOKEN   = { value_from = "arn:aws:secretsmanager:us-west-2:111122223333:secret:homebrew-AbCdEf", json_key = "token" }
      WEBHOOK = { value_from = "arn:aws:secretsmanager:us-west-2:111122223333:secret:slack-AbCdEf" }
    }
    error_message = "The secrets are referred to otherwise."
  }
}

run "another_region_than_the_provider_s_is_refused" {
  command = plan

  variables {
    aws_region = "eu-west-1"
  }

  expect_failures = [var.aws_region]
}

run "another_account_than_the_provider_s_is_refused" {
  command = plan

  variables {
    aws_account_id = "444455556666"
  }

  expect_failures = [var.aws_account_id]
}

run "every_output_comes_back_under_its_name" {
  command = apply

  assert {
    condition = {
      cluster_name             = output.cluster_name
      cluster_arn              = output.cluster_arn
      cluster_id               = output.cluster_id
      service_name             = output.service_name
      service_arn              = output.service_arn
      service_id               = output.service_id
      task_definition_arn      = output.task_definition_arn
      task_definition_family   = output.task_definition_family
      task_definition_revision = output.task_definition_revision
      efs_file_system_id       = output.efs_file_system_id
      efs_file_system_arn      = output.efs_file_system_arn
      efs_access_point_id      = output.efs_access_point_id
      efs_access_point_arn     = output.efs_access_point_arn
      log_group_name           = output.log_group_name
      log_group_arn            = output.log_group_arn
      auto_scaling_target_arn  = output.auto_scaling_target_arn
      } == {
      cluster_name             = "homebrew-bottles-sync-prod"
      cluster_arn              = "arn:aws:ecs:us-west-2:111122223333:cluster/homebrew-bottles-sync-prod"
      cluster_id               = "arn:aws:ecs:us-west-2:111122223333:cluster/homebrew-bottles-sync-prod"
      service_name             = "homebrew-bottles-sync-prod-sync"
      service_arn              = "arn:aws:ecs:us-west-2:111122223333:service/homebrew-bottles-sync-prod/homebrew-bottles-sync-prod-sync"
      service_id               = "arn:aws:ecs:us-west-2:111122223333:service/homebrew-bottles-sync-prod/homebrew-bottles-sync-prod-sync"
      task_definition_arn      = "arn:aws:ecs:us-west-2:111122223333:task-definition/homebrew-bottles-sync-prod-sync:3"
      task_definition_family   = "homebrew-bottles-sync-prod-sync"
      task_definition_revision = "3"
      efs_file_system_id       = "fs-0123456789abcdef0"
      efs_file_system_arn      = "arn:aws:elasticfilesystem:us-west-2:111122223333:file-system/fs-0123456789abcdef0"
      efs_access_point_id      = "fsap-0123456789abcdef0"
      efs_access_point_arn     = "arn:aws:elasticfilesystem:us-west-2:111122223333:access-point/fsap-0123456789abcdef0"
      log_group_name           = "/ecs/homebrew-bottles-sync-prod/sync"
      log_group_arn            = "arn:aws:logs:us-west-2:111122223333:log-group:/ecs/homebrew-bottles-sync-prod/sync"
      auto_scaling_target_arn  = "arn:aws:application-autoscaling:us-west-2:111122223333:scalable-target/0123"
    }
    error_message = "An output is another one."
  }

  assert {
    condition     = output.security_group_id == "sg-0aaaaaaaaaaaaaaaa"
    error_message = "The security group is not the given one."
  }
}
