mock_provider "aws" {
  override_during = plan

  mock_resource "aws_s3_bucket" {
    defaults = {
      arn = "arn:aws:s3:::longshore-state"
    }
  }
}

variables {
  name = "longshore-state"
}

run "every_object_is_encrypted_and_keeps_its_versions" {
  command = plan

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    ])
    error_message = "The bucket is not encrypted with SSE-S3."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "The bucket keeps no versions."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this[0].rule[0].noncurrent_version_expiration[0].noncurrent_days == 90
    error_message = "Old versions do not expire after 90 days."
  }

  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.this[0].rule[1].filter[0].prefix == "messages/" &&
      aws_s3_bucket_lifecycle_configuration.this[0].rule[1].expiration[0].days == 90
    )
    error_message = "What was posted in Slack long ago is kept for ever, or something else is not."
  }
}

run "eventbridge_is_notified_of_every_object" {
  command = plan

  assert {
    condition     = aws_s3_bucket_notification.this.eventbridge
    error_message = "The bucket sends nothing to EventBridge: no release file would ever be seen."
  }
}

run "nothing_is_public" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "The public access block has a hole."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "The bucket's owner does not own every object."
  }
}

run "plain_http_is_refused_and_nothing_else_is_said" {
  command = plan

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this[0].policy).Statement == [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::longshore-state", "arn:aws:s3:::longshore-state/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The bucket policy is not the refusal of plain HTTP, or is more than that."
  }
}

run "roles_are_refused_with_and_without_tls" {
  command = plan

  variables {
    refused_arns = ["arn:aws:iam::111122223333:role/longshore/*"]
    require_tls  = false
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this[0].policy).Statement == [{
      Sid       = "RefuseRoles"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::longshore-state", "arn:aws:s3:::longshore-state/*"]
      Condition = { ArnLike = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/longshore/*"] } }
    }]
    error_message = "The bucket does not refuse the roles that it is to refuse."
  }
}

run "what_is_in_the_bucket_is_kept_unless_said_otherwise" {
  command = plan

  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "Destroying the bucket would delete every record."
  }
}

run "a_null_number_of_days_keeps_every_version" {
  command = plan

  variables {
    noncurrent_version_days = null
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "There is a lifecycle although every version is to be kept."
  }
}

run "half_a_day_is_refused" {
  command = plan

  variables {
    noncurrent_version_days = 0.5
  }

  expect_failures = [var.noncurrent_version_days]
}

run "a_name_that_s3_refuses_is_refused" {
  command = plan

  variables {
    name = "Longshore_State"
  }

  expect_failures = [var.name]
}
