"""Logs, alarms, dashboards, rules, schedules, topics."""

import json

from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    document,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_list,
    tag_map,
    without,
)


def _taken(kind, member, name):
    return Refused(
        f"Resource of type '{kind.name}' with identifier '{{\"/properties/{member}\":\"{name}\"}}' already exists.",
        "AlreadyExists",
    )


@register
class LogGroup(ResourceType):
    name = "AWS::Logs::LogGroup"
    service_name = "CloudWatchLogs"
    named_by = "LogGroupName"

    def create(self, work, properties):
        logs = work.client("logs")
        name = properties.get("LogGroupName") or work.name(512)
        request = {}
        if properties.get("KmsKeyId"):
            request["kmsKeyId"] = properties["KmsKeyId"]
        if properties.get("LogGroupClass"):
            request["logGroupClass"] = properties["LogGroupClass"]
        if properties.get("Tags"):
            request["tags"] = tag_map(properties["Tags"])
        try:
            logs.create_log_group(logGroupName=name, **request)
        except logs.exceptions.ResourceAlreadyExistsException:
            raise _taken(self, "LogGroupName", name) from None
        work.made(name)
        if properties.get("RetentionInDays"):
            logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])
        return name

    def update(self, work, physical_id, old, new):
        logs = work.client("logs")
        if changed(old, new, "RetentionInDays"):
            if new.get("RetentionInDays"):
                logs.put_retention_policy(logGroupName=physical_id, retentionInDays=new["RetentionInDays"])
            else:
                logs.delete_retention_policy(logGroupName=physical_id)
        if changed(old, new, "KmsKeyId"):
            if new.get("KmsKeyId"):
                logs.associate_kms_key(logGroupName=physical_id, kmsKeyId=new["KmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=physical_id)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        arn = f"arn:aws:logs:{work.region}:{work.account}:log-group:{physical_id}"
        if added:
            logs.tag_resource(resourceArn=arn, tags=added)
        if removed:
            logs.untag_resource(resourceArn=arn, tagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("logs").delete_log_group, logGroupName=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"Arn": f"arn:aws:logs:{work.region}:{work.account}:log-group:{physical_id}:*"}

    def read(self, work, physical_id, properties):
        logs = work.client("logs")
        found = logs.describe_log_groups(logGroupNamePrefix=physical_id)["logGroups"]
        group = next((one for one in found if one["logGroupName"] == physical_id), None)
        if group is None:
            return None
        given = {"LogGroupName": physical_id}
        for member, name in (
            ("retentionInDays", "RetentionInDays"),
            ("kmsKeyId", "KmsKeyId"),
            ("logGroupClass", "LogGroupClass"),
        ):
            if member in group:
                given[name] = group[member]
        arn = f"arn:aws:logs:{work.region}:{work.account}:log-group:{physical_id}"
        given["Tags"] = tag_list(logs.list_tags_for_resource(resourceArn=arn)["tags"])
        return given


@register
class LogsResourcePolicy(ResourceType):
    name = "AWS::Logs::ResourcePolicy"
    service_name = "CloudWatchLogs"
    tags = None

    def _put(self, work, properties):
        work.client("logs").put_resource_policy(
            policyName=properties["PolicyName"], policyDocument=document(properties["PolicyDocument"])
        )

    def create(self, work, properties):
        self._put(work, properties)
        return work.made(properties["PolicyName"])

    def update(self, work, physical_id, old, new):
        self._put(work, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("logs").delete_resource_policy, policyName=physical_id)


def _retag(work, arn, old, new):
    added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
    if added:
        work.client("cloudwatch").tag_resource(ResourceARN=arn, Tags=tag_list(added))
    if removed:
        work.client("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=removed)


@register
class Alarm(ResourceType):
    name = "AWS::CloudWatch::Alarm"
    service_name = "CloudWatch"
    named_by = "AlarmName"
    takes_system_tags = False

    def _put(self, work, name, properties):
        work.client("cloudwatch").put_metric_alarm(AlarmName=name, **without(properties, "AlarmName"))

    def create(self, work, properties):
        name = properties.get("AlarmName") or work.name(255)
        if self._described(work, name):
            raise _taken(self, "AlarmName", name)
        self._put(work, name, properties)
        return work.made(name)

    def update(self, work, physical_id, old, new):
        # Tags are only taken at the creation; on an existing alarm PutMetricAlarm ignores them.
        if without(old, "Tags") != without(new, "Tags"):
            self._put(work, physical_id, without(new, "Tags"))
        _retag(work, self.attributes(work, physical_id, new)["Arn"], old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("cloudwatch").delete_alarms, AlarmNames=[physical_id])

    def attributes(self, work, physical_id, properties):
        return {"Arn": f"arn:aws:cloudwatch:{work.region}:{work.account}:alarm:{physical_id}"}

    def _described(self, work, name):
        found = work.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm"])
        return next(iter(found.get("MetricAlarms") or []), None)

    def read(self, work, physical_id, properties):
        return self._described(work, physical_id)


@register
class Dashboard(ResourceType):
    name = "AWS::CloudWatch::Dashboard"
    service_name = "CloudWatch"
    named_by = "DashboardName"
    takes_system_tags = False

    def create(self, work, properties):
        name = properties.get("DashboardName") or work.name(255)
        work.client("cloudwatch").put_dashboard(**{**properties, "DashboardName": name})
        return work.made(name)

    def update(self, work, physical_id, old, new):
        work.client("cloudwatch").put_dashboard(DashboardName=physical_id, DashboardBody=new["DashboardBody"])
        _retag(work, f"arn:aws:cloudwatch::{work.account}:dashboard/{physical_id}", old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("cloudwatch").delete_dashboards, DashboardNames=[physical_id])


@register
class Rule(ResourceType):
    name = "AWS::Events::Rule"
    service_name = "EventBridge"
    named_by = "Name"

    def needs_replacement(self, old, new):
        return super().needs_replacement(old, new) or changed(old, new, "EventBusName")

    def _put(self, work, name, old, new):
        client = work.client("events")
        bus = {"EventBusName": new["EventBusName"]} if new.get("EventBusName") else {}
        request = chosen(new, "Description", "RoleArn", "ScheduleExpression", "State")
        if new.get("EventPattern"):
            request["EventPattern"] = document(new["EventPattern"])
        if new.get("Tags") and not old:
            request["Tags"] = tag_list(new["Tags"])
        arn = client.put_rule(Name=name, **bus, **request)["RuleArn"]
        before = {one["Id"]: one for one in old.get("Targets") or []}
        after = {one["Id"]: one for one in new.get("Targets") or []}
        gone = [identifier for identifier in before if identifier not in after]
        if gone:
            client.remove_targets(Rule=name, **bus, Ids=gone)
        added = [one for identifier, one in after.items() if before.get(identifier) != one]
        if added:
            answer = client.put_targets(Rule=name, **bus, Targets=added)
            for failure in answer.get("FailedEntries") or []:
                raise Refused(failure.get("ErrorMessage", "a target was refused"), "InvalidRequest")
        return arn

    def create(self, work, properties):
        name = properties.get("Name") or work.name(64)
        bus = properties.get("EventBusName")
        options = {"EventBusName": bus} if bus else {}
        if exists(work.client("events").describe_rule, Name=name, **options):
            raise _taken(self, "Name", name)
        # Before its targets: a refused target must not leave the rule behind.
        work.made(self._reference(bus, name))
        self._put(work, name, {}, properties)
        return work.physical_id

    def _reference(self, bus, name):
        bus_name = str(bus or "default").rsplit("/", 1)[-1]
        return name if bus_name == "default" else f"{bus_name}|{name}"

    def update(self, work, physical_id, old, new):
        arn = self._put(work, physical_id.rsplit("|", 1)[-1], old, new)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            work.client("events").tag_resource(ResourceARN=arn, Tags=tag_list(added))
        if removed:
            work.client("events").untag_resource(ResourceARN=arn, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        client, name = work.client("events"), physical_id.rsplit("|", 1)[-1]
        bus = {"EventBusName": properties["EventBusName"]} if properties.get("EventBusName") else {}
        targets = exists(client.list_targets_by_rule, Rule=name, **bus) or {"Targets": []}
        if targets["Targets"]:
            client.remove_targets(Rule=name, **bus, Ids=[one["Id"] for one in targets["Targets"]])
        ignoring_missing(client.delete_rule, Name=name, **bus)

    def attributes(self, work, physical_id, properties):
        path = physical_id.replace("|", "/")
        return {"Arn": f"arn:aws:events:{work.region}:{work.account}:rule/{path}"}

    def read(self, work, physical_id, properties):
        client, name = work.client("events"), physical_id.rsplit("|", 1)[-1]
        bus = {"EventBusName": properties["EventBusName"]} if properties.get("EventBusName") else {}
        found = exists(client.describe_rule, Name=name, **bus)
        if found is None:
            return None
        given = chosen(found, "Name", "Description", "RoleArn", "ScheduleExpression", "State")
        if found.get("EventPattern"):
            given["EventPattern"] = json.loads(found["EventPattern"])
        given["Targets"] = client.list_targets_by_rule(Rule=name, **bus)["Targets"]
        return given


@register
class Schedule(ResourceType):
    name = "AWS::Scheduler::Schedule"
    service_name = "Scheduler"
    named_by = "Name"
    tags = None

    def _request(self, properties):
        request = without(properties, "Name")
        target = json.loads(json.dumps(request["Target"]))
        # The template writes ECS's members of a target with large letters, as the Scheduler's API does; only
        # those of the VPC configuration are written otherwise there.
        network = (target.get("EcsParameters") or {}).get("NetworkConfiguration")
        if network and "AwsvpcConfiguration" in network:
            network["awsvpcConfiguration"] = network.pop("AwsvpcConfiguration")
        for strategy in (target.get("EcsParameters") or {}).get("CapacityProviderStrategy", []):
            for name in list(strategy):
                strategy[name[:1].lower() + name[1:]] = strategy.pop(name)
        for member in ("PlacementConstraints", "PlacementStrategy"):
            for one in (target.get("EcsParameters") or {}).get(member, []):
                for name in list(one):
                    one[name[:1].lower() + name[1:]] = one.pop(name)
        return {**request, "Target": target}

    def create(self, work, properties):
        name = properties.get("Name") or work.name(64)
        work.client("scheduler").create_schedule(Name=name, **self._request(properties))
        return work.made(name)

    def update(self, work, physical_id, old, new):
        work.client("scheduler").update_schedule(Name=physical_id, **self._request(new))

    def delete(self, work, physical_id, properties):
        ignoring_missing(
            work.client("scheduler").delete_schedule, Name=physical_id, **chosen(properties, "GroupName")
        )

    def attributes(self, work, physical_id, properties):
        group = properties.get("GroupName", "default")
        return {"Arn": f"arn:aws:scheduler:{work.region}:{work.account}:schedule/{group}/{physical_id}"}


@register
class Topic(ResourceType):
    name = "AWS::SNS::Topic"
    service_name = "Sns"
    named_by = "TopicName"
    _ATTRIBUTES = (
        "ContentBasedDeduplication",
        "DisplayName",
        "FifoTopic",
        "KmsMasterKeyId",
        "SignatureVersion",
    )

    def _attributes_of(self, properties):
        found = chosen(properties, *self._ATTRIBUTES)
        if "TracingConfig" in properties:
            found["TracingConfig"] = properties["TracingConfig"]
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}

    def create(self, work, properties):
        sns = work.client("sns")
        options = {"Attributes": self._attributes_of(properties)} if self._attributes_of(properties) else {}
        if properties.get("Tags"):
            options["Tags"] = tag_list(properties["Tags"])
        name = properties.get("TopicName") or work.name(240)
        if properties.get("FifoTopic") and not name.endswith(".fifo"):
            name += ".fifo"
        if exists(sns.get_topic_attributes, TopicArn=f"arn:aws:sns:{work.region}:{work.account}:{name}"):
            raise _taken(self, "TopicName", name)
        arn = work.made(sns.create_topic(Name=name, **options)["TopicArn"])
        self._subscribe(sns, arn, {}, properties)
        return arn

    def _subscribe(self, sns, arn, old, new):
        before, after = old.get("Subscription") or [], new.get("Subscription") or []
        for one in after:
            if one not in before:
                sns.subscribe(TopicArn=arn, Protocol=one["Protocol"], Endpoint=one["Endpoint"])
        gone = [(one["Protocol"], one["Endpoint"]) for one in before if one not in after]
        for one in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] if gone else []:
            if (one["Protocol"], one["Endpoint"]) in gone:
                sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])

    def update(self, work, physical_id, old, new):
        sns = work.client("sns")
        before, after = self._attributes_of(old), self._attributes_of(new)
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name):
                sns.set_topic_attributes(
                    TopicArn=physical_id, AttributeName=name, AttributeValue=after.get(name, "")
                )
        self._subscribe(sns, physical_id, old, new)
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            sns.tag_resource(ResourceArn=physical_id, Tags=tag_list(added))
        if removed:
            sns.untag_resource(ResourceArn=physical_id, TagKeys=removed)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("sns").delete_topic, TopicArn=physical_id)

    def attributes(self, work, physical_id, properties):
        return {"TopicArn": physical_id, "TopicName": physical_id.rsplit(":", 1)[-1]}

    def read(self, work, physical_id, properties):
        found = exists(work.client("sns").get_topic_attributes, TopicArn=physical_id)
        return found and chosen(found["Attributes"], "DisplayName", "KmsMasterKeyId")


@register
class TopicPolicy(ResourceType):
    name = "AWS::SNS::TopicPolicy"
    service_name = "Sns"
    tags = None

    def _put(self, work, properties):
        for topic in properties["Topics"]:
            work.client("sns").set_topic_attributes(
                TopicArn=topic, AttributeName="Policy", AttributeValue=document(properties["PolicyDocument"])
            )

    def create(self, work, properties):
        self._put(work, properties)
        return work.made(work.name(64))

    def update(self, work, physical_id, old, new):
        self._put(work, new)

    def delete(self, work, physical_id, properties):
        """The topic's own policy comes back on AWS; here the topic goes with its stack."""

    def attributes(self, work, physical_id, properties):
        return {"Id": physical_id}
