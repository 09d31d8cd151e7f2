# A stack as a stack file has it.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
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
    condition     = jsondecode(data.aws_lambda_invocation.render.input) == { action = "render", stack = jsondecode(jsonencode(var.stack)) }
    error_message = "provision is asked for another stack."
  }

  assert {
    condition     = aws_cloudformation_stack.this.name == "shop"
    error_message = "CloudFormation's stack has another name than Longshore's."
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

run "warnings_are_shown" {
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

  expect_failures = [check.stack_file]
}

run "services_come_back_by_name" {
  command = apply

  assert {
    condition     = output.outputs.services.worker.service_name == "shop-worker" && output.service_name == null
    error_message = "The services cannot be found in the outputs."
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
