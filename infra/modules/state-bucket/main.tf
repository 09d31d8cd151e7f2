# Everything Longshore knows lives in this bucket: what people want released,
# who follows which repository, and the record of each deployment.
resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_144: the state describes services of one region and is worth nothing in another
  # checkov:skip=CKV_AWS_18: access logs would need a second bucket; CloudTrail data events are the account's choice
  # checkov:skip=CKV_AWS_145: SSE-S3 encrypts every object; a key of our own would cost a dollar a month and a KMS call a request
  bucket        = var.name
  force_destroy = var.force_destroy
}

# A release file that was overwritten, and a record as it was, can be read
# again; `deploy` reads a release file by the version its event names.
resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No ACLs: whoever writes an object, the bucket's owner owns it.
resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  count = var.noncurrent_version_days == null ? 0 : 1

  bucket = aws_s3_bucket.this.id

  rule {
    id     = "expire-old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_version_days
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Nothing that ended so long ago is edited in Slack any more.
  rule {
    id     = "expire-messages"
    status = "Enabled"

    filter {
      prefix = "messages/"
    }

    expiration {
      days = 90
    }
  }

  # AWS refuses rules for noncurrent versions while versioning is not yet on.
  depends_on = [aws_s3_bucket_versioning.this]
}

# Without this S3 sends nothing to EventBridge and no release file is ever seen.
resource "aws_s3_bucket_notification" "this" {
  bucket      = aws_s3_bucket.this.id
  eventbridge = true
}

locals {
  policy_statements = concat(
    var.require_tls ? [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    }] : [],
    length(var.refused_arns) > 0 ? [{
      Sid       = "RefuseRoles"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = jsonencode({ ArnLike = { "aws:PrincipalArn" = var.refused_arns } })
    }] : [],
  )
}

resource "aws_s3_bucket_policy" "this" {
  count = var.require_tls || length(var.refused_arns) > 0 ? 1 : 0

  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.policy_statements : merge(statement, { Condition = jsondecode(statement.Condition) })]
  })

  # S3 answers a policy and a public access block set at once with a conflict.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
