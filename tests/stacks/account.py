"""What the stack files take for granted in an account: a network, images, secrets, a target group, a certificate."""

import hashlib
import json
import threading
from pathlib import Path

from cloud import CLOUD

STACKS = Path(__file__).resolve().parents[2] / "stacks"

# Runs until it is stopped.
SERVES = ["/bin/sh", "-c", "echo ready; exec sleep 86400"]

# Runs until it is killed: it is asked in vain to stop, so that replacing it takes the whole of its stop timeout.
LINGERS = ["/bin/sh", "-c", "trap '' TERM; echo ready; while true; do sleep 1; done"]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIGURATION = "application/vnd.oci.image.config.v1+json"


def make_repository(name):
    ecr = CLOUD.client("ecr")
    try:
        ecr.create_repository(repositoryName=name)
    except ecr.exceptions.RepositoryAlreadyExistsException:
        pass


def push(repository, tag, command=None, entry_point=None):
    """Pushes an image, the command of whose process is in its manifest; answers its digest."""
    make_repository(repository)
    configuration = json.dumps({"architecture": "amd64", "os": "linux", "repository": repository, "tag": tag})
    annotations = {"dev.longshore.local.command": json.dumps(command or SERVES)}
    if entry_point:
        annotations["dev.longshore.local.entry-point"] = json.dumps(entry_point)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": _CONFIGURATION,
                "digest": f"sha256:{hashlib.sha256(configuration.encode()).hexdigest()}",
                "size": len(configuration),
            },
            "layers": [],
            "annotations": annotations,
        }
    )
    ecr = CLOUD.client("ecr")
    _upload(ecr, repository, configuration.encode())
    try:
        ecr.put_image(
            repositoryName=repository,
            imageManifest=manifest,
            imageManifestMediaType=_MANIFEST,
            imageTag=tag,
        )
    except ecr.exceptions.ImageAlreadyExistsException:
        # The tests of another environment have pushed the same image.
        pass
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


def _upload(ecr, repository, blob):
    """Uploads what a manifest names. The architecture of an image is in its configuration."""
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=repository,
        uploadId=upload,
        partFirstByte=0,
        partLastByte=len(blob) - 1,
        layerPartBlob=blob,
    )
    try:
        ecr.complete_layer_upload(
            repositoryName=repository,
            uploadId=upload,
            layerDigests=[f"sha256:{hashlib.sha256(blob).hexdigest()}"],
        )
    except ecr.exceptions.LayerAlreadyExistsException:
        # The tests of another environment have pushed the same image.
        pass


def canary(name):
    """The value of a secret, with the mark that the cloud is searched for in the end."""
    return f"longshore-canary-{name}"


def make_secret(name, value):
    """Makes a secret; answers its ARN."""
    answer = CLOUD.client("secretsmanager").create_secret(
        Name=name, SecretString=value if isinstance(value, str) else json.dumps(value)
    )
    return answer["ARN"]


class Network:
    """A VPC with two private and two public subnets in two zones, and a security group of a load balancer."""

    def __init__(self):
        ec2 = CLOUD.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [f"{CLOUD.region}a", f"{CLOUD.region}b"]
        subnets = [
            ec2.create_subnet(
                VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zones[number % 2]
            )["Subnet"]["SubnetId"]
            for number in range(4)
        ]
        self.private, self.public = subnets[:2], subnets[2:]
        self.load_balancer_group = ec2.create_security_group(
            GroupName="load-balancer", Description="A load balancer that exists", VpcId=self.vpc
        )["GroupId"]

    def target_group(self, name, port):
        """A target group behind a load balancer that exists."""
        balancing = CLOUD.client("elbv2")
        group = balancing.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=port,
            VpcId=self.vpc,
            TargetType="ip",
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=30,
        )["TargetGroups"][0]["TargetGroupArn"]
        balancer = balancing.create_load_balancer(
            Name=name, Subnets=self.private, SecurityGroups=[self.load_balancer_group]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        balancing.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return group

    def listener(self, name):
        """The listener of a load balancer that exists, which answers 404 until somebody adds rules to it."""
        balancing = CLOUD.client("elbv2")
        balancer = balancing.create_load_balancer(
            Name=name, Subnets=self.private, SecurityGroups=[self.load_balancer_group]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        return balancing.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )["Listeners"][0]["ListenerArn"]


_lock = threading.Lock()
_network = None


def network():
    """The network of all tests."""
    global _network
    with _lock:
        if _network is None:
            _network = Network()
        return _network


def stack_file(name, **replacements):
    """A stack file of `stacks/`, with its placeholders replaced by what there is."""
    text = (STACKS / f"{name}.yaml").read_text()
    net = network()
    for placeholder, value in {
        "vpc-0a1b2c3d4e5f60000": net.vpc,
        "subnet-0a1b2c3d4e5f60001": net.private[0],
        "subnet-0a1b2c3d4e5f60002": net.private[1],
        "subnet-0a1b2c3d4e5f60005": net.public[0],
        "subnet-0a1b2c3d4e5f60006": net.public[1],
        "sg-0a1b2c3d4e5f60003": net.load_balancer_group,
        **replacements,
    }.items():
        text = text.replace(placeholder, value)
    left = [line for line in text.splitlines() if "0a1b2c3d" in line]
    if left:
        raise AssertionError(f"placeholders are left in {name}.yaml: {left}")
    return text
