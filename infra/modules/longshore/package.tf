# One program for all functions; its handler setting says which one each is.
# Lambda reads it from the bucket: where the provider gives Lambda a file, it makes
# one function after the other and waits five seconds for each.
locals {
  package_path   = "${var.package_directory}/${var.architecture}/longshore.zip"
  package_exists = fileexists(local.package_path)

  package = {
    bucket = aws_s3_object.package.bucket
    key    = aws_s3_object.package.key
  }
}

resource "aws_s3_object" "package" {
  bucket = module.state_bucket.name
  key    = "packages/${local.package_exists ? filesha256(local.package_path) : "none"}.zip"
  source = local.package_path

  lifecycle {
    precondition {
      condition     = local.package_exists
      error_message = "The package ${local.package_path} does not exist: run `cargo xtask package --architecture ${var.architecture}`."
    }
  }
}
