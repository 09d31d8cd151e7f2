"""Amazon SQS and Amazon SNS: queues, who may send to them, topics, and the queues that get what topics publish."""

import json

from provisioning.resource import ResourceType, changed, chosen, document, exists, register, tag_map


def _text(value):
    """A value as SQS and SNS take all of their attributes."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else str(value)


def _value(text):
    """The way back from `_text`."""
    if text in ("true", "false"):
        return text == "true"
    return json.loads(text) if text.startswith("{") else text


class _Messaging(ResourceType):
    """What it is made of are attributes, which are texts."""

    # Each with what it is again when it leaves the template.
    attributes_of = {}
    # What sets them later: the call takes all at once, or one.
    sets = None
    together = False

    def request(self, work, properties):
        given = {name: _text(value) for name, value in chosen(properties, *self.attributes_of).items()}
        return {**chosen(properties, *self.taken), **({"Attributes": given} if given else {})}

    def modify(self, work, client, identifier, old, new):
        names = [name for name in self.attributes_of if changed(old, new, name)]
        changes = {name: _text(new.get(name, self.attributes_of[name])) for name in names}
        about, call = {self.id_member: identifier}, getattr(client, self.sets)
        if self.together and changes:
            call(**about, Attributes=changes)
        for name, value in {} if self.together else changes.items():
            call(**about, AttributeName=name, AttributeValue=value)

    def as_written(self, work, physical_id, found, properties):
        given = {name: _value(text) for name, text in chosen(found, *self.attributes_of).items() if text}
        return {**chosen(properties, *self.taken), **given}


@register
class Queue(_Messaging):
    name = "AWS::SQS::Queue"
    service, service_name = "sqs", "Sqs"
    named_by, longest_name, looks_first = "QueueName", 80, True
    creates = ("create_queue", "QueueUrl")
    taken = ("QueueName",)
    attributes_of = {
        "ContentBasedDeduplication": False,
        "DeduplicationScope": "queue",
        "DelaySeconds": 0,
        "FifoQueue": True,
        "FifoThroughputLimit": "perQueue",
        "KmsDataKeyReusePeriodSeconds": 300,
        "KmsMasterKeyId": "",
        "MaximumMessageSize": 1048576,
        "MessageRetentionPeriod": 345600,
        "ReceiveMessageWaitTimeSeconds": 0,
        "RedriveAllowPolicy": "",
        "RedrivePolicy": "",
        "SqsManagedSseEnabled": True,
        "VisibilityTimeout": 30,
    }
    sets, together = "set_queue_attributes", True
    deletes, id_member = "delete_queue", "QueueUrl"
    tags_member = "tags"
    shown = {"QueueUrl": "{id}", "QueueName": "{name}", "Arn": "arn:aws:sqs:{region}:{account}:{name}"}

    def tags_as(self, tags):
        return tag_map(tags)

    def retag(self, work, client, identifier, added, removed):
        if added:
            client.tag_queue(QueueUrl=identifier, Tags=added)
        if removed:
            client.untag_queue(QueueUrl=identifier, TagKeys=removed)

    def described(self, work, identifier):
        sqs = work.client("sqs")
        if "/" not in identifier:
            named = exists(sqs.get_queue_url, QueueName=identifier)
            if named is None:
                return None
            identifier = named["QueueUrl"]
        return (exists(sqs.get_queue_attributes, QueueUrl=identifier, AttributeNames=["All"]) or {}).get("Attributes")

    @property
    def has_reader(self):
        return True

    def as_written(self, work, physical_id, found, properties):
        return {**super().as_written(work, physical_id, found, properties), "QueueName": physical_id.rsplit("/", 1)[-1]}


@register
class QueuePolicy(ResourceType):
    """One policy for several queues; it has no name, so CloudFormation makes one up."""

    name = "AWS::SQS::QueuePolicy"
    service, service_name = "sqs", "Sqs"
    tags = None
    shown = {"Id": "{id}"}

    def create(self, work, properties):
        self.put(work, work.client("sqs"), "", {}, properties)
        return work.made(work.name(128))

    def put(self, work, sqs, identifier, old, new):
        for queue in new.get("Queues") or []:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": document(new["PolicyDocument"])})
        for queue in set(old.get("Queues") or []) - set(new.get("Queues") or []):
            if exists(sqs.get_queue_attributes, QueueUrl=queue, AttributeNames=["QueueArn"]):
                sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})

    def delete(self, work, physical_id, properties):
        self.put(work, work.client("sqs"), physical_id, properties, {})

    def read(self, work, physical_id, properties):
        """The policy that all of the queues have; one that another has taken the place of is shown."""
        policies = [self._policy(work, queue) for queue in properties["Queues"]]
        if None in policies:
            return None
        other = next((one for one in policies if one != properties["PolicyDocument"]), properties["PolicyDocument"])
        return {"Queues": properties["Queues"], "PolicyDocument": other}

    def _policy(self, work, queue):
        options = {"QueueUrl": queue, "AttributeNames": ["Policy"]}
        found = exists(work.client("sqs").get_queue_attributes, **options) or {}
        text = (found.get("Attributes") or {}).get("Policy")
        return json.loads(text) if text else None


class _Notifications(_Messaging):
    service, service_name = "sns", "Sns"


@register
class Topic(_Notifications):
    name = "AWS::SNS::Topic"
    named_by, name_member, looks_first = "TopicName", "Name", True
    creates = ("create_topic", "TopicArn")
    taken = ()
    attributes_of = {
        "ContentBasedDeduplication": False,
        "DisplayName": "",
        "FifoThroughputScope": "Topic",
        "FifoTopic": True,
        "KmsMasterKeyId": "",
        "SignatureVersion": "1",
        "TracingConfig": "PassThrough",
    }
    sets = "set_topic_attributes"
    deletes, id_member = "delete_topic", "TopicArn"
    describes = ("get_topic_attributes", "TopicArn", "Attributes")
    shown = {"TopicArn": "{id}", "TopicName": "{resource}"}

    def described(self, work, identifier):
        prefix = f"arn:aws:sns:{work.region}:{work.account}:"
        return super().described(work, identifier if identifier.startswith("arn:") else prefix + identifier)

    def as_written(self, work, physical_id, found, properties):
        written = super().as_written(work, physical_id, found, properties)
        return {**written, "TopicName": physical_id.rsplit(":", 1)[-1]}


@register
class Subscription(_Notifications):
    name = "AWS::SNS::Subscription"
    tags = None
    creates = ("subscribe", "SubscriptionArn")
    taken = ("TopicArn", "Protocol", "Endpoint")
    attributes_of = {
        "DeliveryPolicy": "",
        # Without members it lets everything through.
        "FilterPolicy": {},
        "FilterPolicyScope": "MessageAttributes",
        "RawMessageDelivery": False,
        "RedrivePolicy": "",
        "SubscriptionRoleArn": "",
    }
    sets = "set_subscription_attributes"
    deletes, id_member = "unsubscribe", "SubscriptionArn"
    describes = ("get_subscription_attributes", "SubscriptionArn", "Attributes")
    shown = {"Arn": "{id}"}

    def request(self, work, properties):
        return {**super().request(work, properties), "ReturnSubscriptionArn": True}

    def as_written(self, work, physical_id, found, properties):
        return {**super().as_written(work, physical_id, found, properties), **chosen(found, *self.taken)}
