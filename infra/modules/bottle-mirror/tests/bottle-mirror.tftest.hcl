mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_cloudfront_distribution" {
    defaults = {
      arn            = "arn:aws:cloudfront::111122223333:distribution/E1A2B3C4D5E6F7"
      id             = "E1A2B3C4D5E6F7"
      domain_name    = "d111111abcdef8.cloudfront.net"
      hosted_zone_id = "Z2FDTNDATAQYW2"
    }
  }

  mock_resource "aws_cloudfront_origin_access_control" {
    defaults = { id = "E0000000000000" }
  }

  mock_resource "aws_cloudfront_function" {
    defaults = { arn = "arn:aws:cloudfront::111122223333:function/homebrew-bottles-request" }
  }
}

override_resource {
  override_during = plan
  target          = aws_cloudfront_cache_policy.this["blobs"]
  values          = { id = "blobs" }
}

override_resource {
  override_during = plan
  target          = aws_cloudfront_cache_policy.this["bottles"]
  values          = { id = "bottles" }
}

override_resource {
  override_during = plan
  target          = aws_cloudfront_cache_policy.this["manifests"]
  values          = { id = "manifests" }
}

override_resource {
  override_during = plan
  target          = aws_cloudfront_cache_policy.this["index"]
  values          = { id = "index" }
}

variables {
  bucket_name   = "homebrew-bottles-111122223333"
  bucket_region = "eu-west-1"
}

run "the_bucket_is_read_by_this_distribution_over_tls_and_by_nobody_else" {
  command = plan

  assert {
    condition = jsondecode(output.bucket_policy).Statement == [
      {
        Sid       = "ServeThroughCloudFront"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333/*"]
        Condition = { StringEquals = { "aws:SourceArn" = "arn:aws:cloudfront::111122223333:distribution/E1A2B3C4D5E6F7" } }
      },
      {
        Sid       = "DistinguishMissingFromRefused"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:ListBucket"]
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333"]
        Condition = { StringEquals = { "aws:SourceArn" = "arn:aws:cloudfront::111122223333:distribution/E1A2B3C4D5E6F7" } }
      },
      {
        Sid       = "KeepWhatIsLongshores"
        Effect    = "Deny"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333/.longshore/*"]
      },
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333", "arn:aws:s3:::homebrew-bottles-111122223333/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "Somebody else reads the bucket, or reads more of it."
  }

  assert {
    condition     = aws_s3_bucket_policy.this.bucket == "homebrew-bottles-111122223333"
    error_message = "The policy is on another bucket."
  }
}

run "clients_use_https_and_a_distribution_that_signs_what_it_asks_for" {
  command = plan

  assert {
    condition = (
      aws_cloudfront_distribution.this[0].default_cache_behavior[0].viewer_protocol_policy == "https-only"
      && alltrue([
        for behavior in aws_cloudfront_distribution.this[0].ordered_cache_behavior : behavior.viewer_protocol_policy == "https-only"
      ])
    )
    error_message = "Plain HTTP is let in."
  }

  assert {
    condition = (
      aws_cloudfront_origin_access_control.this[0].signing_behavior == "always"
      && one(aws_cloudfront_distribution.this[0].origin).domain_name == "homebrew-bottles-111122223333.s3.eu-west-1.amazonaws.com"
      && one(aws_cloudfront_distribution.this[0].origin).origin_access_control_id == aws_cloudfront_origin_access_control.this[0].id
    )
    error_message = "The bucket is asked without a signature, or another one is asked."
  }

  assert {
    condition = alltrue([
      for behavior in concat(
        aws_cloudfront_distribution.this[0].default_cache_behavior,
        aws_cloudfront_distribution.this[0].ordered_cache_behavior,
      ) :
      toset(behavior.allowed_methods) == toset(["GET", "HEAD"])
      && one(behavior.function_association).event_type == "viewer-request"
    ])
    error_message = "A path is not looked at, or can be written."
  }
}

run "the_edge_keeps_no_index_and_everything_else_as_long_as_it_can_be_the_same" {
  command = plan

  assert {
    condition = (
      [for behavior in aws_cloudfront_distribution.this[0].ordered_cache_behavior : "${behavior.path_pattern} ${behavior.cache_policy_id}"] == [
        "/api/* index", "*/manifests/* manifests", "/v2/*/blobs/* blobs",
      ]
      && aws_cloudfront_distribution.this[0].default_cache_behavior[0].cache_policy_id == "bottles"
    )
    error_message = "A path is kept as something that it is not."
  }

  assert {
    condition = { for name, policy in aws_cloudfront_cache_policy.this : name => [policy.min_ttl, policy.default_ttl, policy.max_ttl] } == {
      index     = [0, 0, 0]
      manifests = [0, 60, 60]
      bottles   = [0, 86400, 86400]
      blobs     = [0, 2592000, 2592000]
    }
    error_message = "An index is kept, or something else too long."
  }

  assert {
    condition = alltrue([
      for policy in aws_cloudfront_cache_policy.this :
      policy.parameters_in_cache_key_and_forwarded_to_origin[0].query_strings_config[0].query_string_behavior == "none"
    ])
    error_message = "A query reaches the bucket, and with it a listing."
  }
}

run "brew_learns_where_everything_is" {
  command = plan

  assert {
    condition = output.environment == {
      HOMEBREW_API_DOMAIN      = "https://d111111abcdef8.cloudfront.net/api"
      HOMEBREW_BOTTLE_DOMAIN   = "https://d111111abcdef8.cloudfront.net"
      HOMEBREW_ARTIFACT_DOMAIN = "https://d111111abcdef8.cloudfront.net"
    }
    error_message = "brew is sent somewhere else."
  }
}

run "brew_gets_a_name_of_ones_own" {
  command = plan

  variables {
    aliases         = ["bottles.example.com"]
    certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d"
  }

  assert {
    condition = (
      output.environment.HOMEBREW_BOTTLE_DOMAIN == "https://bottles.example.com"
      && aws_cloudfront_distribution.this[0].viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021"
      && aws_cloudfront_distribution.this[0].aliases == toset(["bottles.example.com"])
    )
    error_message = "The name is not used, or old TLS is let in."
  }
}

run "a_name_of_ones_own_needs_a_certificate" {
  command = plan

  variables {
    aliases = ["bottles.example.com"]
  }

  expect_failures = [var.aliases]
}

run "a_certificate_of_another_region_is_refused" {
  command = plan

  variables {
    aliases         = ["bottles.example.com"]
    certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/0a1b2c3d"
  }

  expect_failures = [var.certificate_arn]
}

run "inside_a_vpc_nobody_needs_credentials_and_there_is_no_distribution" {
  command = plan

  variables {
    internet         = false
    vpc_endpoint_ids = ["vpce-0a1b2c3d"]
  }

  assert {
    condition = [for statement in jsondecode(output.bucket_policy).Statement : statement if statement.Sid != "RefusePlainHttp"] == [
      {
        Sid       = "ServeThroughEndpoints"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject"]
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333/*"]
        Condition = { StringEquals = { "aws:SourceVpce" = ["vpce-0a1b2c3d"] } }
      },
      {
        Sid       = "KeepWhatIsLongshoresFromTheVpc"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:GetObject"]
        Resource  = ["arn:aws:s3:::homebrew-bottles-111122223333/.longshore/*"]
        Condition = { StringEquals = { "aws:PrincipalType" = "Anonymous" } }
      },
    ]
    error_message = "Somebody outside of the VPC reads the bucket, or somebody inside too much of it."
  }

  assert {
    condition = length(aws_cloudfront_distribution.this) == 0 && output.environment == {
      HOMEBREW_API_DOMAIN      = "https://homebrew-bottles-111122223333.s3.eu-west-1.amazonaws.com/api"
      HOMEBREW_BOTTLE_DOMAIN   = "https://homebrew-bottles-111122223333.s3.eu-west-1.amazonaws.com"
      HOMEBREW_ARTIFACT_DOMAIN = "https://homebrew-bottles-111122223333.s3.eu-west-1.amazonaws.com"
    }
    error_message = "The mirror is served to the internet, or brew is sent there."
  }
}

run "a_mirror_for_nobody_is_refused" {
  command = plan

  variables {
    internet = false
  }

  expect_failures = [var.vpc_endpoint_ids]
}
