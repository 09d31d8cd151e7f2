"""Logs, alarms, dashboards, rules, schedules."""

import json

from botocore.exceptions import ClientError

from provisioning import calls
from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType, changed, chosen, difference, document, exists, ignoring_missing, lower_first, register, tag_map,
    without,
)


@register
class LogGroup(ResourceType):
    name = "AWS::Logs::LogGroup"
    service, service_name = "logs", "CloudWatchLogs"
    named_by, longest_name = "LogGroupName", 512
    deletes, id_member = "delete_log_group", "logGroupName"
    shown = {"Arn": "arn:aws:logs:{region}:{account}:log-group:{id}:*"}
    tagged_by, tags_member, tag_keys_member = "resourceArn", "tags", "tagKeys"
    tag_target = "arn:aws:logs:{region}:{account}:log-group:{id}"
    _MEMBERS = {"RetentionInDays": "retentionInDays", "KmsKeyId": "kmsKeyId"}

    def tags_as(self, tags):
        return tag_map(tags)

    def create(self, work, properties):
        logs = work.client("logs")
        name = properties.get("LogGroupName") or work.name(512)
        request = {"kmsKeyId": properties["KmsKeyId"]} if properties.get("KmsKeyId") else {}
        try:
            logs.create_log_group(logGroupName=name, **self.with_tags(request, properties))
        except ClientError as error:
            if calls.code_of(error) == "ResourceAlreadyExistsException":
                self.refuse_taken(name)
            raise
        work.made(name)
        self.put(work, logs, name, {}, properties)
        return name

    def put(self, work, logs, name, old, new):
        if changed(old, new, "RetentionInDays"):
            if new.get("RetentionInDays"):
                logs.put_retention_policy(logGroupName=name, retentionInDays=new["RetentionInDays"])
            elif old.get("RetentionInDays"):
                logs.delete_retention_policy(logGroupName=name)

    def modify(self, work, logs, name, old, new):
        if changed(old, new, "KmsKeyId"):
            if new.get("KmsKeyId"):
                logs.associate_kms_key(logGroupName=name, kmsKeyId=new["KmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=name)

    def read(self, work, physical_id, properties):
        found = work.client("logs").describe_log_groups(logGroupNamePrefix=physical_id)["logGroups"]
        group = next((one for one in found if one["logGroupName"] == physical_id), None)
        if group is None:
            return None
        given = {name: group[member] for name, member in self._MEMBERS.items() if member in group}
        return {"LogGroupName": physical_id, **given}


@register
class LogsResourcePolicy(ResourceType):
    name = "AWS::Logs::ResourcePolicy"
    service, service_name = "logs", "CloudWatchLogs"
    tags = None
    deletes, id_member = "delete_resource_policy", "policyName"

    def create(self, work, properties):
        self.put(work, work.client("logs"), "", {}, properties)
        return work.made(properties["PolicyName"])

    def put(self, work, logs, name, old, new):
        logs.put_resource_policy(policyName=new["PolicyName"], policyDocument=document(new["PolicyDocument"]))


@register
class Alarm(ResourceType):
    name = "AWS::CloudWatch::Alarm"
    service, service_name = "cloudwatch", "CloudWatch"
    named_by, looks_first = "AlarmName", True
    takes_system_tags = False
    creates = ("put_metric_alarm",)
    deletes, id_member = "delete_alarms", "AlarmNames"
    tag_target = "arn:aws:cloudwatch:{region}:{account}:alarm:{id}"
    shown = {"Arn": tag_target}
    tagged_by = "ResourceARN"

    def modify(self, work, client, name, old, new):
        # Tags are only taken at the creation; on an existing alarm PutMetricAlarm ignores them.
        if without(old, "Tags") != without(new, "Tags"):
            client.put_metric_alarm(**{**without(new, "Tags"), "AlarmName": name})

    def read(self, work, physical_id, properties):
        found = work.client("cloudwatch").describe_alarms(AlarmNames=[physical_id], AlarmTypes=["MetricAlarm"])
        return next(iter(found.get("MetricAlarms") or []), None)


@register
class Dashboard(ResourceType):
    name = "AWS::CloudWatch::Dashboard"
    service, service_name = "cloudwatch", "CloudWatch"
    named_by = "DashboardName"
    takes_system_tags = False
    creates = ("put_dashboard",)
    deletes, id_member = "delete_dashboards", "DashboardNames"
    tag_target = "arn:aws:cloudwatch::{account}:dashboard/{id}"
    tagged_by = "ResourceARN"

    def modify(self, work, client, name, old, new):
        client.put_dashboard(DashboardName=name, DashboardBody=new["DashboardBody"])


@register
class Rule(ResourceType):
    """On the default bus."""

    name = "AWS::Events::Rule"
    service, service_name = "events", "EventBridge"
    named_by, longest_name = "Name", 64
    apart = ("Targets", "Tags")
    describes = ("describe_rule", "Name", None)
    tag_target = "arn:aws:events:{region}:{account}:rule/{id}"
    shown = {"Arn": tag_target}
    deletes, id_member, tagged_by = "delete_rule", "Name", "ResourceARN"

    def request(self, work, properties):
        request = super().request(work, properties)
        if request.get("EventPattern"):
            request["EventPattern"] = document(request["EventPattern"])
        return request

    def create(self, work, properties):
        client, name = work.client("events"), properties.get("Name") or work.name(64)
        if self.described(work, name):
            self.refuse_taken(name)
        # Before its targets: a refused target must not leave the rule behind.
        work.made(name)
        self.put(work, client, name, {}, properties)
        return name

    def put(self, work, client, name, old, new):
        tags = {"Tags": self.tags_as(new["Tags"])} if new.get("Tags") and not old else {}
        client.put_rule(**{**self.request(work, new), "Name": name}, **tags)
        added, gone = difference(old, new, "Targets")
        gone = {one["Id"] for one in gone} - {one["Id"] for one in new.get("Targets") or []}
        if gone:
            client.remove_targets(Rule=name, Ids=sorted(gone))
        if added:
            answer = client.put_targets(Rule=name, Targets=added)
            for failure in answer.get("FailedEntries") or []:
                raise Refused(failure.get("ErrorMessage", "a target was refused"), "InvalidRequest")

    def delete(self, work, physical_id, properties):
        client = work.client("events")
        targets = exists(client.list_targets_by_rule, Rule=physical_id) or {"Targets": []}
        if targets["Targets"]:
            client.remove_targets(Rule=physical_id, Ids=[one["Id"] for one in targets["Targets"]])
        super().delete(work, physical_id, properties)

    def as_written(self, work, physical_id, found, properties):
        pattern = {"EventPattern": json.loads(found["EventPattern"])} if found.get("EventPattern") else {}
        targets = work.client("events").list_targets_by_rule(Rule=physical_id)["Targets"]
        return {**found, **pattern, "Targets": targets}


@register
class Schedule(ResourceType):
    name = "AWS::Scheduler::Schedule"
    service, service_name = "scheduler", "Scheduler"
    named_by, longest_name = "Name", 64
    tags = None
    creates = ("create_schedule",)

    def request(self, work, properties):
        target = {**properties["Target"]}
        if "EcsParameters" in target:
            # The Scheduler's API writes these as the template does, but for their members.
            parameters = target["EcsParameters"] = {**target["EcsParameters"]}
            for member in ("CapacityProviderStrategy", "PlacementConstraints", "PlacementStrategy"):
                if member in parameters:
                    parameters[member] = lower_first(parameters[member])
            network = parameters.get("NetworkConfiguration") or {}
            if "AwsvpcConfiguration" in network:
                parameters["NetworkConfiguration"] = {"awsvpcConfiguration": network["AwsvpcConfiguration"]}
        return {**without(properties, "Name"), "Target": target}

    def modify(self, work, client, name, old, new):
        client.update_schedule(Name=name, **self.request(work, new))

    def delete(self, work, physical_id, properties):
        delete = work.client("scheduler").delete_schedule
        ignoring_missing(delete, Name=physical_id, **chosen(properties, "GroupName"))

    def attributes(self, work, physical_id, properties):
        group = properties.get("GroupName", "default")
        return {"Arn": f"arn:aws:scheduler:{work.region}:{work.account}:schedule/{group}/{physical_id}"}
