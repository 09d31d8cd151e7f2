"""Amazon S3: buckets, with what decides who may read them and how long what is in them stays."""

from provisioning.resource import ResourceType, changed, chosen, exists, ignoring_missing, register, tag_list

_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
# The encryption of a rule, as the template names it and as S3 does.
_DEFAULTS = ("ServerSideEncryptionByDefault", "ApplyServerSideEncryptionByDefault")


@register
class Bucket(ResourceType):
    name = "AWS::S3::Bucket"
    service, service_name = "s3", "S3"
    named_by = "BucketName"
    deletes, id_member = "delete_bucket", "Bucket"
    shown = {
        "Arn": "arn:aws:s3:::{id}",
        "DomainName": "{id}.s3.amazonaws.com",
        "RegionalDomainName": "{id}.s3.{region}.amazonaws.com",
    }

    def create(self, work, properties):
        s3 = work.client("s3")
        bucket = properties.get("BucketName") or work.name(63, lower=True)
        options = {}
        if work.region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": work.region}
        s3.create_bucket(Bucket=bucket, **options)
        work.made(bucket)
        self.put(work, s3, bucket, {}, properties)
        return bucket

    def put(self, work, s3, bucket, old, new):
        if changed(old, new, "BucketEncryption") and new.get("BucketEncryption"):
            rules = _encryption(new["BucketEncryption"]["ServerSideEncryptionConfiguration"], *_DEFAULTS)
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        if changed(old, new, "PublicAccessBlockConfiguration") and new.get("PublicAccessBlockConfiguration"):
            given = new["PublicAccessBlockConfiguration"]
            blocks = {name: _true(given.get(name, False)) for name in _BLOCKS}
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)
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
        self.put(work, work.client("s3"), physical_id, old, new)

    def read(self, work, physical_id, properties):
        s3 = work.client("s3")
        if exists(s3.head_bucket, Bucket=physical_id) is None:
            return None
        blocks = exists(s3.get_public_access_block, Bucket=physical_id) or {}
        controls = exists(s3.get_bucket_ownership_controls, Bucket=physical_id) or {}
        encryption = exists(s3.get_bucket_encryption, Bucket=physical_id) or {}
        encryption = (encryption.get("ServerSideEncryptionConfiguration") or {}).get("Rules", [])
        lifecycle = exists(s3.get_bucket_lifecycle_configuration, Bucket=physical_id) or {}
        rules = [_rule_of_template(rule) for rule in lifecycle.get("Rules", [])]
        return {
            "BucketName": physical_id,
            "VersioningConfiguration": chosen(s3.get_bucket_versioning(Bucket=physical_id), "Status"),
            "PublicAccessBlockConfiguration": blocks.get("PublicAccessBlockConfiguration"),
            "OwnershipControls": chosen(controls.get("OwnershipControls") or {}, "Rules"),
            "BucketEncryption": {"ServerSideEncryptionConfiguration": _encryption(encryption, *reversed(_DEFAULTS))},
            "LifecycleConfiguration": {"Rules": rules} if rules else None,
        }


def _encryption(rules, name, other):
    return [{other: rule[name], **chosen(rule, "BucketKeyEnabled")} for rule in rules]


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
    given = {"Id" if name == "ID" else name: one for name, one in rule.items() if name not in ("Filter", "Expiration")}
    if "ExpiredObjectDeleteMarker" in rule.get("Expiration", {}):
        given["ExpiredObjectDeleteMarker"] = rule["Expiration"]["ExpiredObjectDeleteMarker"]
    return given
