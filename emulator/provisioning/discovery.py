"""AWS Cloud Map: private namespaces and services."""

from provisioning.calls import Refused
from provisioning.resource import ResourceType, changed, chosen, ignoring_missing, register


class _Discovery(ResourceType):
    service, service_name = "servicediscovery", "ServiceDiscovery"
    token = "CreatorRequestId"
    tagged_by = "ResourceARN"
    id_member = "Id"

    def done(self, work, operation):
        """Cloud Map does things behind an operation; gives what it made."""
        client = work.client("servicediscovery")

        def ended():
            found = client.get_operation(OperationId=operation)["Operation"]
            if found["Status"] == "FAIL":
                raise Refused(found.get("ErrorMessage", "the operation failed"), "InvalidRequest")
            return found if found["Status"] == "SUCCESS" else None

        return work.wait(f"operation {operation} did not end", ended).get("Targets", {})


@register
class PrivateDnsNamespace(_Discovery):
    name = "AWS::ServiceDiscovery::PrivateDnsNamespace"
    describes = ("get_namespace", "Id", "Namespace")
    reads = ("Name", "Description")
    tag_target = "arn:aws:servicediscovery:{region}:{account}:namespace/{id}"
    shown = {"Id": "{id}", "Arn": tag_target}

    def create(self, work, properties):
        request = self.with_tags(chosen(properties, "Name", "Vpc", "Description", "Properties"), properties)
        answer = work.client("servicediscovery").create_private_dns_namespace(CreatorRequestId=work.token, **request)
        return work.made(self.done(work, answer["OperationId"])["NAMESPACE"])

    def modify(self, work, client, identifier, old, new):
        if changed(old, new, "Description", "Properties"):
            changes = {"Description": new.get("Description", ""), **chosen(new, "Properties")}
            answer = client.update_private_dns_namespace(Id=identifier, UpdaterRequestId=work.token, Namespace=changes)
            self.done(work, answer["OperationId"])

    def delete(self, work, physical_id, properties):
        answer = ignoring_missing(work.client("servicediscovery").delete_namespace, Id=physical_id)
        if answer:
            self.done(work, answer["OperationId"])

    def attributes(self, work, physical_id, properties):
        found = self.described(work, physical_id) or {}
        zone = ((found.get("Properties") or {}).get("DnsProperties") or {}).get("HostedZoneId", "")
        return {**super().attributes(work, physical_id, properties), "HostedZoneId": zone}


@register
class Service(_Discovery):
    name = "AWS::ServiceDiscovery::Service"
    creates = ("create_service", "Service", "Id")
    reads = ("Name", "NamespaceId", "Description", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig")
    taken = (*reads, "Type")
    deletes = "delete_service"
    describes = ("get_service", "Id", "Service")
    tag_target = "arn:aws:servicediscovery:{region}:{account}:service/{id}"
    shown, gives = {"Id": "{id}", "Arn": tag_target}, {"Name": "Name"}

    def request(self, work, properties):
        return {"Name": work.name(64), **super().request(work, properties)}

    def modify(self, work, client, identifier, old, new):
        if changed(old, new, "Description", "DnsConfig", "HealthCheckConfig"):
            changes = {"Description": new.get("Description", ""), **chosen(new, "HealthCheckConfig")}
            if new.get("DnsConfig"):
                changes["DnsConfig"] = {"DnsRecords": new["DnsConfig"]["DnsRecords"]}
            answer = client.update_service(Id=identifier, Service=changes)
            self.done(work, answer["OperationId"])
