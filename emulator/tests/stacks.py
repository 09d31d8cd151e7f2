"""What the tests of CloudFormation share: stacks made through change sets, as Longshore makes them."""

import json

from tests.running_cloud import allow, cloud, policy, unique, wait_until

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


def reference(name):
    return {"Ref": name}


def attribute(name, member):
    return {"Fn::GetAtt": [name, member]}


def trust(service):
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }


def template(resources, **sections):
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources, **sections}


def resource(type_name, **properties):
    return {"Type": type_name, "Properties": properties}


def log_group(name=None, days=30, **attributes):
    named = {"LogGroupName": name} if name else {}
    return {**resource("AWS::Logs::LogGroup", RetentionInDays=days, **named), **attributes}


class Stack:
    """One stack of a test's own."""

    def __init__(self, client=None, role=None, name=None):
        self.cloud = cloud()
        self.client = client or self.cloud.client("cloudformation")
        self.role = role
        self.name = name or unique("stack")
        self.id = None

    def change_set(self, body, kind="UPDATE", parameters=None, **options):
        name = unique("change")
        given = [
            {"ParameterKey": key, "UsePreviousValue": True}
            if value is None
            else {"ParameterKey": key, "ParameterValue": value}
            for key, value in (parameters or {}).items()
        ]
        if self.role:
            options["RoleARN"] = self.role
        if isinstance(body, dict):
            options["TemplateBody"] = json.dumps(body)
        options.setdefault("Capabilities", CAPABILITIES)
        answer = self.client.create_change_set(
            StackName=self.name, ChangeSetName=name, ChangeSetType=kind, Parameters=given, **options
        )
        self.id = answer["StackId"]
        return name

    def described(self, name, **options):
        return self.client.describe_change_set(StackName=self.name, ChangeSetName=name, **options)

    def begin(self, body, kind="UPDATE", parameters=None, execute=None, **options):
        name = self.change_set(body, kind, parameters, **options)
        self.client.execute_change_set(StackName=self.name, ChangeSetName=name, **(execute or {}))
        return name

    def apply(self, body, kind="UPDATE", parameters=None, **options):
        self.begin(body, kind, parameters, **options)
        return self.settled()

    def create(self, body, parameters=None, **options):
        return self.apply(body, "CREATE", parameters, **options)

    def made(self, body, parameters=None, **options):
        """This stack, once it has been created as it should."""
        status = self.create(body, parameters, **options)
        if status != "CREATE_COMPLETE":
            raise AssertionError(f"{self.name} is {status}: {self.reasons('CREATE_FAILED')}")
        return self

    def status(self):
        return self.client.describe_stacks(StackName=self.id)["Stacks"][0]["StackStatus"]

    def settled(self):
        def ended():
            status = self.status()
            return None if status.endswith("_IN_PROGRESS") else status

        return wait_until(f"{self.name} is settled", ended, 60)

    def delete(self, **options):
        before = self.status()
        self.client.delete_stack(StackName=self.id, **options)
        # The answer may come before the deletion has begun.
        wait_until(f"{self.name} is being deleted", lambda: self.status() != before)
        return self.settled()

    def events(self):
        return self.client.describe_stack_events(StackName=self.id)["StackEvents"]

    def reasons(self, status):
        return {
            event["LogicalResourceId"]: event.get("ResourceStatusReason", "")
            for event in self.events()
            if event["ResourceStatus"] == status
        }

    def physical_ids(self):
        found = self.client.describe_stack_resources(StackName=self.id)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def drifts(self):
        detection = self.client.detect_stack_drift(StackName=self.name)["StackDriftDetectionId"]
        wait_until("the drift is detected", lambda: self.detected(detection) != "DETECTION_IN_PROGRESS")
        found = self.client.describe_stack_resource_drifts(StackName=self.name)["StackResourceDrifts"]
        return {one["LogicalResourceId"]: one for one in found}

    def detected(self, detection):
        answer = self.client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        return answer["DetectionStatus"]


def service_role(statements):
    """A role for CloudFormation to act with."""
    return cloud().role(list(statements), principal="cloudformation.amazonaws.com")


def caller(statements):
    return cloud().limited_client("cloudformation", list(statements))


def whole(action):
    return allow(action, "*")


def document(*statements):
    return json.loads(policy(list(statements)))


def network():
    """A network with a subnet in each of two zones."""
    running = cloud()
    ec2 = running.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{index}.0/24", AvailabilityZone=running.region + zone)["Subnet"][
            "SubnetId"
        ]
        for index, zone in enumerate("ab")
    ]
    return vpc, subnets
