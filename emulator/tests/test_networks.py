"""Load balancers: the zones of their subnets. Namespaces of Cloud Map, by their names."""

from tests.running_cloud import CloudTest, error_code, unique
from tests.stacks import network


class LoadBalancers(CloudTest):
    def setUp(self):
        self.vpc, self.subnets = network()
        again = {"VpcId": self.vpc, "CidrBlock": "10.7.9.0/24", "AvailabilityZone": f"{self.cloud.region}a"}
        self.same_zone = self.cloud.client("ec2").create_subnet(**again)["Subnet"]["SubnetId"]

    def test_an_application_load_balancer_has_two_subnets_at_least_and_one_a_zone(self):
        elb = self.cloud.client("elbv2")
        created = elb.create_load_balancer(Name=unique("api"), Subnets=self.subnets)
        arn = created["LoadBalancers"][0]["LoadBalancerArn"]
        for subnets, code in (
            (self.subnets[:1], "ValidationError"),
            ([*self.subnets, self.same_zone], "InvalidConfigurationRequest"),
            ([*self.subnets, "subnet-missing"], "SubnetNotFound"),
        ):
            with self.subTest(code):
                refused = error_code(elb.create_load_balancer, Name=unique("api"), Subnets=subnets)
                self.assertEqual(refused[0], code)
                self.assertEqual(error_code(elb.set_subnets, LoadBalancerArn=arn, Subnets=subnets)[0], code)
        elb.set_subnets(LoadBalancerArn=arn, Subnets=[self.same_zone, self.subnets[1]])


class Namespaces(CloudTest):
    def test_a_namespace_is_found_by_its_id_its_arn_and_its_name(self):
        discovery = self.cloud.client("servicediscovery")
        names = [f"{unique('shop')}.local", f"{unique('other')}.local"]
        vpc, _ = network()
        for name in names:
            discovery.create_private_dns_namespace(Name=name, Vpc=vpc, CreatorRequestId=unique("request"))

        def named(name, **filters):
            asked = [{"Name": key, "Values": [value], "Condition": "EQ"} for key, value in {"NAME": name, **filters}.items()]
            return discovery.list_namespaces(Filters=asked)["Namespaces"]

        [found] = named(names[0])
        self.assertEqual(found["Name"], names[0])
        self.assertEqual(named(names[0], TYPE="HTTP"), [])
        self.assertEqual(named("nobody.local"), [])
        for reference in (found["Id"], found["Arn"]):
            self.assertEqual(discovery.get_namespace(Id=reference)["Namespace"]["Name"], names[0])
        self.assertEqual(error_code(discovery.get_namespace, Id="ns-0123456789abcdef")[0], "NamespaceNotFound")
