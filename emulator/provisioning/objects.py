"""Amazon S3: buckets, with what decides who may read them and how long what is in them stays."""

from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    exists,
    ignoring_missing,
    register,
    tag_list,
)

_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


@register
class Bucket(ResourceType):
    name = "AWS::S3::Bucket"
    service_name = "S3"
    named_by = "BucketName"

    def create(self, work, properties):
        s3 = work.client("s3")
        bucket = properties.get("BucketName") or work.name(63, lower=True)
        options = {}
        if work.region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": work.region}
        s3.create_bucket(Bucket=bucket, **options)
        work.made(bucket)
        self._put(s3, bucket, {}, properties)
        return bucket

    def _put(self, s3, bucket, old, new):
        if changed(old, new, "BucketEncryption") and new.get("BucketEncryption"):
            rules = [
                {
                    "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                    **chosen(rule, "BucketKeyEnabled"),
                }
                for rule in new["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            ]
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        if changed(old, new, "PublicAccessBlockConfiguration") and new.get("PublicAccessBlockConfiguration"):
            blocks = new["PublicAccessBlockConfiguration"]
            s3.put_public_access_block(
                Bucket=bucket,
                PublicAccessBlockConfiguration={name: _true(blocks.get(name, False)) for name in _BLOCKS},
            )
        if changed(old, new, "OwnershipControls") and new.get("OwnershipControls"):
            s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=new["OwnershipControls"])
        if changed(old, new, "VersioningConfiguration"):
            versioning = new.get("VersioningConfiguration") or {"Status": "Suspended"}
            if new.get("VersioningConfiguration") or old.get("VersioningConfiguration"):
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
        if changed(old, new, "LifecycleConfiguration"):
            if new.get("LifecycleConfiguration"):
                rules = [_rule(rule) for rule in new["LifecycleConfiguration"]["Rules"]]
                s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
            else:
                ignoring_missing(s3.delete_bucket_lifecycle, Bucket=bucket)
        if changed(old, new, "Tags"):
            if new.get("Tags"):
                s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_list(new["Tags"])})
            else:
                ignoring_missing(s3.delete_bucket_tagging, Bucket=bucket)

    def update(self, work, physical_id, old, new):
        self._put(work.client("s3"), physical_id, old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("s3").delete_bucket, Bucket=physical_id)

    def attributes(self, work, physical_id, properties):
        return {
            "Arn": f"arn:aws:s3:::{physical_id}",
            "DomainName": f"{physical_id}.s3.amazonaws.com",
            "RegionalDomainName": f"{physical_id}.s3.{work.region}.amazonaws.com",
        }

    def read(self, work, physical_id, properties):
        s3 = work.client("s3")
        if exists(s3.head_bucket, Bucket=physical_id) is None:
            return None
        given = {"BucketName": physical_id}
        tags = exists(s3.get_bucket_tagging, Bucket=physical_id)
        given["Tags"] = (tags or {}).get("TagSet", [])
        versioning = s3.get_bucket_versioning(Bucket=physical_id)
        given["VersioningConfiguration"] = chosen(versioning, "Status")
        blocks = exists(s3.get_public_access_block, Bucket=physical_id)
        given["PublicAccessBlockConfiguration"] = (blocks or {}).get("PublicAccessBlockConfiguration")
        controls = exists(s3.get_bucket_ownership_controls, Bucket=physical_id)
        given["OwnershipControls"] = chosen((controls or {}).get("OwnershipControls") or {}, "Rules")
        encryption = exists(s3.get_bucket_encryption, Bucket=physical_id)
        rules = ((encryption or {}).get("ServerSideEncryptionConfiguration") or {}).get("Rules", [])
        given["BucketEncryption"] = {
            "ServerSideEncryptionConfiguration": [
                {
                    "ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"],
                    **chosen(rule, "BucketKeyEnabled"),
                }
                for rule in rules
            ]
        }
        lifecycle = exists(s3.get_bucket_lifecycle_configuration, Bucket=physical_id)
        rules = [_rule_of_template(rule) for rule in (lifecycle or {}).get("Rules", [])]
        given["LifecycleConfiguration"] = {"Rules": rules} if rules else None
        return given


def _true(value):
    return str(value).lower() == "true"


def _rule(rule):
    """A rule of the template as S3 takes it: with a filter, which CloudFormation leaves out for all objects, and
    with what becomes of delete markers beside when objects expire."""
    request = {
        "ID" if name == "Id" else name: value for name, value in rule.items() if name != "ExpiredObjectDeleteMarker"
    }
    request.setdefault("Filter", {"Prefix": request.pop("Prefix", "")})
    if "ExpiredObjectDeleteMarker" in rule:
        request["Expiration"] = {"ExpiredObjectDeleteMarker": _true(rule["ExpiredObjectDeleteMarker"])}
    for name, value in request.items():
        if isinstance(value, dict):
            request[name] = {key: int(one) if str(one).isdigit() else one for key, one in value.items()}
    return request


def _rule_of_template(rule):
    """The way back from `_rule`."""
    given = {"Id" if name == "ID" else name: value for name, value in rule.items() if name not in ("Filter", "Expiration")}
    if "ExpiredObjectDeleteMarker" in rule.get("Expiration", {}):
        given["ExpiredObjectDeleteMarker"] = rule["Expiration"]["ExpiredObjectDeleteMarker"]
    return given
