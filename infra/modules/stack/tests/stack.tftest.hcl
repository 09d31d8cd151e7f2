# A stack file, with what the other inputs add to it.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1", region = "eu-west-1" }
  }
}

override_data {
  override_during = plan
  target          = data.aws_lambda_invocation.render
  values = {
    result = <<-JSON
      {
        "stack": "shop",
        "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json",
        "parameter_sources": {},
        "capabilities": ["CAPABILITY_IAM"],
        "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
        "tags": {
          "longshore:stack": "shop"
        },
        "warnings": []
      }
    JSON
  }
}

override_data {
  override_during = plan
  target          = data.aws_lambda_invocation.outputs
  values = {
    result = <<-JSON
      {
        "cluster_name": "shop",
        "services": {
          "api": {
            "service_name": "shop-api"
          },
          "worker": {
            "service_name": "shop-worker"
          }
        }
      }
    JSON
  }
}

override_resource {
  target = aws_secretsmanager_secret.this["api/API_KEY"]
  values = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/api/API_KEY-AbCdEf" }
}

variables {
  stack = {
    name    = "shop"
    network = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa"] }
    services = {
      api    = { image = "shop/api:v1", container_port = 8080, secrets = { TOKEN = { value_from = "shop/token" } } }
      worker = { image = "shop/worker:v1" }
    }
  }
}

run "it_is_sent_as_it_is" {
  command = plan

  assert {
    condition     = data.aws_lambda_invocation.render.function_name == "longshore-provision"
    error_message = "Another function is asked."
  }

  assert {
    condition = (
      data.aws_lambda_invocation.render.input == jsonencode({ action = "render", stack = var.stack })
      && output.request == data.aws_lambda_invocation.render.input
    )
    error_message = "provision is asked for another stack."
  }

  assert {
    condition     = length(aws_secretsmanager_secret.this) == 0
    error_message = "A secret is made although nobody gave its value."
  }
}

run "cloudformation_is_given_what_provision_answers" {
  command = plan

  assert {
    condition     = aws_cloudformation_stack.this.name == "shop"
    error_message = "CloudFormation's stack has another name than Longshore's."
  }

  assert {
    condition = (
      aws_cloudformation_stack.this.template_url == "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json"
      && aws_cloudformation_stack.this.iam_role_arn == "arn:aws:iam::111122223333:role/longshore-cloudformation"
      && aws_cloudformation_stack.this.capabilities == toset(["CAPABILITY_IAM"])
      && aws_cloudformation_stack.this.tags == tomap({ "longshore:stack" = "shop" })
    )
    error_message = "CloudFormation is given something else."
  }

  assert {
    condition     = jsondecode(data.aws_lambda_invocation.outputs.input) == { action = "outputs", stack = "shop" }
    error_message = "Other outputs are asked for."
  }
}

run "images_replace_those_of_the_stack" {
  command = plan

  variables {
    images = {
      api    = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v2"
      worker = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/shop/worker:v2"
    }
  }

  assert {
    condition = (
      jsondecode(data.aws_lambda_invocation.render.input).stack.services.api == jsondecode(jsonencode(merge(var.stack.services.api, { image = "shop/api:v2" })))
      && jsondecode(data.aws_lambda_invocation.render.input).stack.services.worker == { image = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/shop/worker:v2" }
    )
    error_message = "An image is looked for in another registry, or something else is changed."
  }
}

run "an_image_of_china_s_ecr_is_known_by_its_name" {
  command = plan

  variables {
    images = { api = "111122223333.dkr.ecr.eu-west-1.amazonaws.com.cn/shop/api:v2" }
  }

  assert {
    condition     = jsondecode(data.aws_lambda_invocation.render.input).stack.services.api.image == "shop/api:v2"
    error_message = "The image is taken for one of another registry."
  }
}

run "a_health_check_path_is_asked_for_on_the_container_s_port" {
  command = plan

  variables {
    stack = {
      name = "shop"
      services = {
        api = { image = "shop/api:v1", container_port = 8080, health_check = { interval = 15 } }
      }
    }
    health_check_paths = { api = "/healthz" }
  }

  assert {
    condition = jsondecode(data.aws_lambda_invocation.render.input).stack.services.api.health_check == {
      command = [
        "CMD-SHELL",
        "wget -q -O /dev/null http://localhost:8080/healthz || curl -fsS -o /dev/null http://localhost:8080/healthz || exit 1",
      ]
      interval = 15
    }
    error_message = "The container is asked something else, or less often."
  }
}

run "a_health_check_path_without_a_port_is_refused" {
  command = plan

  variables {
    health_check_paths = { worker = "/healthz" }
  }

  expect_failures = [var.health_check_paths]
}

run "an_image_of_a_service_that_the_stack_does_not_have_is_refused" {
  command = plan

  variables {
    images = { apj = "shop/api:v2" }
  }

  expect_failures = [var.images]
}

run "a_secret_of_a_service_that_the_stack_does_not_have_is_refused" {
  command = plan

  variables {
    secret_values = { apj = { API_KEY = "a value that nobody should see" } }
  }

  expect_failures = [var.secret_values]
}

run "a_stack_without_services_is_sent_to_provision_which_says_what_is_missing" {
  command = plan

  variables {
    stack = { name = "shop" }
  }

  assert {
    condition     = data.aws_lambda_invocation.render.input == jsonencode({ action = "render", stack = { name = "shop" } })
    error_message = "provision is asked for another stack."
  }
}

run "an_environment_is_one_of_the_stack_s" {
  command = plan

  variables {
    environment             = "dev"
    provision_function_name = "harbour-provision"
  }

  assert {
    condition = (
      jsondecode(data.aws_lambda_invocation.render.input).environment == "dev"
      && aws_cloudformation_stack.this.name == "shop-dev"
      && data.aws_lambda_invocation.render.function_name == "harbour-provision"
    )
    error_message = "Another environment, or another installation, is asked."
  }
}

run "a_value_in_the_stack_itself_is_refused" {
  command = plan

  override_data {
    override_during = plan
    target          = data.aws_lambda_invocation.render
    values = {
      result = <<-JSON
        {
          "stack": "shop",
          "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json",
          "parameter_sources": {
            "SensitiveValueApiApiKey": "services.api.secrets.API_KEY.value"
          },
          "capabilities": ["CAPABILITY_IAM"],
          "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
          "tags": {
            "longshore:stack": "shop"
          },
          "warnings": []
        }
      JSON
    }
  }

  expect_failures = [data.aws_lambda_invocation.render]
}

run "warnings_are_an_output_and_fail_no_plan_and_no_test" {
  command = plan

  override_data {
    override_during = plan
    target          = data.aws_lambda_invocation.render
    values = {
      result = <<-JSON
        {
          "stack": "shop",
          "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json",
          "parameter_sources": {},
          "capabilities": ["CAPABILITY_IAM"],
          "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
          "tags": {
            "longshore:stack": "shop"
          },
          "warnings": [
            {
              "message": "the tag latest says nothing",
              "path": "services.api.image",
              "severity": "warning"
            }
          ]
        }
      JSON
    }
  }

  assert {
    condition     = output.warnings == [{ message = "the tag latest says nothing", path = "services.api.image", severity = "warning" }]
    error_message = "The warning is lost."
  }
}

run "nothing_waits_where_provision_says_nothing_of_it" {
  command = plan

  assert {
    condition     = output.waits_for_images == {}
    error_message = "A service waits although provision, perhaps an older one, does not say so."
  }
}

run "a_service_that_waits_for_its_first_image_is_an_output" {
  command = plan

  override_data {
    override_during = plan
    target          = data.aws_lambda_invocation.render
    values = {
      result = <<-JSON
        {
          "stack": "shop",
          "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json",
          "parameter_sources": {},
          "capabilities": ["CAPABILITY_IAM"],
          "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
          "tags": {
            "longshore:stack": "shop"
          },
          "waits_for_images": {
            "api": "shop/api:v1"
          },
          "warnings": []
        }
      JSON
    }
  }

  assert {
    condition     = output.waits_for_images == { api = "shop/api:v1" }
    error_message = "Nobody is told that the service waits, or for what."
  }
}

run "services_come_back_by_name" {
  command = apply

  assert {
    condition     = output.outputs.services.worker.service_name == "shop-worker" && output.service_name == null
    error_message = "The services cannot be found in the outputs."
  }

  assert {
    condition     = output.asg_name == null && output.efs_file_system_id == null && output.task_role_arn == null
    error_message = "An output of something that the stack does not have is not null."
  }
}

run "values_of_secrets_become_references" {
  command = apply

  variables {
    secret_values = { api = { API_KEY = "a value that nobody should see" } }
  }

  assert {
    condition = (
      jsondecode(data.aws_lambda_invocation.render.input).stack.services.api.secrets == {
        TOKEN   = { value_from = "shop/token" }
        API_KEY = { value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/api/API_KEY-AbCdEf" }
      }
      && jsondecode(data.aws_lambda_invocation.render.input).stack.services.worker == { image = "shop/worker:v1" }
      && aws_secretsmanager_secret.this["api/API_KEY"].name == "shop/api/API_KEY"
      && !strcontains(data.aws_lambda_invocation.render.input, "nobody should see")
    )
    error_message = "The value is in what provision is sent, or the container would not find it."
  }
}

run "values_of_secrets_are_sent_to_nobody_but_secrets_manager" {
  command = apply

  variables {
    secret_values = { api = { API_KEY = "a value that nobody should see" } }
  }

  assert {
    condition     = length(aws_cloudformation_stack.this.parameters) == 0
    error_message = "CloudFormation is sent parameters, which Terraform keeps in its state."
  }
}

run "another_value_is_written" {
  command = apply

  variables {
    secret_values = { api = { API_KEY = "another value", OTHER_KEY = "a value that nobody should see" } }
  }

  assert {
    condition = nonsensitive(
      aws_secretsmanager_secret_version.this["api/API_KEY"].secret_string_wo_version
      != aws_secretsmanager_secret_version.this["api/OTHER_KEY"].secret_string_wo_version
      && aws_secretsmanager_secret_version.this["api/API_KEY"].secret_string_wo_version
      == parseint(substr(sha256("another value"), 0, 6), 16)
    )
    error_message = "Terraform would not see that the value is another one."
  }
}
