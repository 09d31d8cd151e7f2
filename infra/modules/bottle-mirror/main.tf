# Serves the bucket of a mirror, which stays private: to everybody through
# CloudFront, to a VPC through its gateway endpoint, or to both. What Longshore
# keeps for itself in the bucket is served to nobody.
data "aws_partition" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket_name}"
  own_arn    = "${local.bucket_arn}/.longshore/*"

  # Where clients find the mirror.
  host = (
    length(var.aliases) > 0 ? var.aliases[0] :
    var.internet ? aws_cloudfront_distribution.this[0].domain_name :
    "${var.bucket_name}.s3.${var.bucket_region}.amazonaws.com"
  )

  # The provider checks the form of an ARN even where a test mocks it, and what it then
  # makes up has another form.
  request_function_arn = (
    try(startswith(aws_cloudfront_function.request[0].arn, "arn:"), false)
    ? aws_cloudfront_function.request[0].arn
    : "arn:aws:cloudfront::123456789012:function/mocked"
  )

  distribution_arn = one(aws_cloudfront_distribution.this[*].arn)

  through_cloudfront = [for statement in [
    {
      Sid       = "ServeThroughCloudFront"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = ["s3:GetObject"]
      Resource  = ["${local.bucket_arn}/*"]
      Condition = { StringEquals = { "aws:SourceArn" = local.distribution_arn } }
    },
    {
      # Without it S3 answers 403 for what is missing, and brew would take a
      # bottle that is not there for one that it may not have. The distribution
      # passes no listing on: see request.js.
      Sid       = "DistinguishMissingFromRefused"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = ["s3:ListBucket"]
      Resource  = [local.bucket_arn]
      Condition = { StringEquals = { "aws:SourceArn" = local.distribution_arn } }
    },
    {
      Sid       = "KeepWhatIsLongshores"
      Effect    = "Deny"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = ["s3:GetObject"]
      Resource  = [local.own_arn]
    },
  ] : statement if var.internet]

  # Whoever has no credentials: those of tasks and functions come through the
  # endpoint as well, and have rights of their own.
  through_endpoints = [for statement in [
    {
      Sid       = "ServeThroughEndpoints"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["s3:GetObject"]
      Resource  = ["${local.bucket_arn}/*"]
      Condition = { StringEquals = { "aws:SourceVpce" = var.vpc_endpoint_ids } }
    },
    {
      Sid       = "KeepWhatIsLongshoresFromTheVpc"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:GetObject"]
      Resource  = [local.own_arn]
      Condition = { StringEquals = { "aws:PrincipalType" = "Anonymous" } }
    },
  ] : statement if length(var.vpc_endpoint_ids) > 0]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.through_cloudfront, local.through_endpoints, [
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ])
  })
}

resource "aws_s3_bucket_policy" "this" {
  bucket = var.bucket_name
  policy = local.policy
}

resource "aws_cloudfront_origin_access_control" "this" {
  count = var.internet ? 1 : 0

  name                              = var.name
  description                       = "Reads ${var.bucket_name}"
  origin_access_control_origin_type = "s3"
  # Also when a client sends an Authorization header, as brew does where it
  # takes a mirror for the registry.
  signing_behavior = "always"
  signing_protocol = "sigv4"
}

resource "aws_cloudfront_function" "request" {
  count = var.internet ? 1 : 0

  name    = "${var.name}-request"
  runtime = "cloudfront-js-2.0"
  comment = "Paths of ${var.bucket_name}"
  publish = true
  code    = file("${path.module}/request.js")
}

locals {
  # How long the edge keeps what is behind a path: seconds.
  kept = {
    # A blob's name is its digest.
    blobs = 2592000
    # Homebrew has published a bottle again under its name, with other content.
    # After a day CloudFront asks S3 whether it is still the same one.
    bottles = 86400
    # A manifest is written anew when a formula gets a bottle for one more
    # platform.
    manifests = 60
    # brew asks for an index if it was modified since its own last success. An
    # answer that the edge has kept over a publication is older than the new
    # index and newer than the old one: brew would miss the new one until the
    # one after it.
    index = 0
  }

  # Whatever is not listed here is a bottle.
  behaviors = [
    { path_pattern = "/api/*", kept = "index" },
    { path_pattern = "*/manifests/*", kept = "manifests" },
    { path_pattern = "/v2/*/blobs/*", kept = "blobs" },
  ]
}

# As they were called before. CloudFront deletes no policy that a distribution uses.
moved {
  from = aws_cloudfront_cache_policy.immutable[0]
  to   = aws_cloudfront_cache_policy.this["bottles"]
}

moved {
  from = aws_cloudfront_cache_policy.changing[0]
  to   = aws_cloudfront_cache_policy.this["manifests"]
}

resource "aws_cloudfront_cache_policy" "this" {
  for_each = var.internet ? local.kept : {}

  name        = "${var.name}-${each.key}"
  comment     = "Mirror of Homebrew's bottles: ${each.key}"
  min_ttl     = 0
  default_ttl = each.value
  max_ttl     = each.value

  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

resource "aws_cloudfront_distribution" "this" {
  count = var.internet ? 1 : 0

  # checkov:skip=CKV_AWS_68: what is served is public and signed by Homebrew; there is nothing behind it to attack
  # checkov:skip=CKV2_AWS_47: as above, there is no Java behind it
  # checkov:skip=CKV_AWS_86: access logs cost more than they say about public files; turn them on beside this module
  # checkov:skip=CKV_AWS_305: there is no page at the root; request.js answers 404
  # checkov:skip=CKV_AWS_310: there is one bucket
  # checkov:skip=CKV_AWS_374: bottles are for everybody
  # checkov:skip=CKV2_AWS_32: no browser is meant
  # checkov:skip=CKV_AWS_174: with a certificate TLS 1.2 is the least; CloudFront's own takes no choice
  comment         = "Mirror of Homebrew's bottles in ${var.bucket_name}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.aliases

  origin {
    origin_id                = "mirror"
    domain_name              = "${var.bucket_name}.s3.${var.bucket_region}.amazonaws.com"
    origin_access_control_id = aws_cloudfront_origin_access_control.this[0].id
  }

  default_cache_behavior {
    target_origin_id       = "mirror"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "https-only"
    cache_policy_id        = aws_cloudfront_cache_policy.this["bottles"].id

    function_association {
      event_type   = "viewer-request"
      function_arn = local.request_function_arn
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.behaviors

    content {
      path_pattern           = ordered_cache_behavior.value.path_pattern
      target_origin_id       = "mirror"
      allowed_methods        = ["GET", "HEAD"]
      cached_methods         = ["GET", "HEAD"]
      viewer_protocol_policy = "https-only"
      cache_policy_id        = aws_cloudfront_cache_policy.this[ordered_cache_behavior.value.kept].id

      function_association {
        event_type   = "viewer-request"
        function_arn = local.request_function_arn
      }
    }
  }

  # A missing file may come with the next sync.
  custom_error_response {
    error_code            = 404
    error_caching_min_ttl = 10
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.certificate_arn == null
    acm_certificate_arn            = var.certificate_arn
    ssl_support_method             = var.certificate_arn == null ? null : "sni-only"
    minimum_protocol_version       = var.certificate_arn == null ? null : "TLSv1.2_2021"
  }
}
