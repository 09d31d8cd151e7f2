//! Stacks that say what the whole one cannot: keys of the network, most of which exclude others.

use serde_json::{Value, json};

/// Documents that have all keys of the network between them.
pub fn documents() -> [Value; 3] {
    [behind_own_load_balancer(), beside_others(), by_ports()]
}

/// gRPC, logins and IPv6 behind an Application Load Balancer, and ECS Service Connect.
fn behind_own_load_balancer() -> Value {
    json!({
        "name": "quotes",
        "network": {
            "vpc_id": "vpc-0a1b2c3d4e5f60001",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
            "ip_address_type": "dualstack",
        },
        "load_balancer": {
            "scheme": "internet-facing",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60005", "subnet-0a1b2c3d4e5f60006"],
            "certificate_arns": ["arn:aws:acm:eu-west-2:123456789012:certificate/0a1b2c3d"],
            "ip_address_type": "dualstack",
            "dns": {"hosted_zone_id": "Z0123456789ABCDEFGHIJ", "names": ["quotes.example.com"]},
        },
        "service_discovery": {"namespace": "quotes.local"},
        "services": {
            "gateway": {
                "image": "quotes/gateway:v1",
                "container_port": 50051,
                "target_group": {
                    "protocol_version": "GRPC",
                    "path_patterns": ["/quotes.v1.Quotes/*"],
                    "http_headers": {"X-Client": ["mobile"]},
                    "http_request_methods": ["POST"],
                    "query_strings": ["version=2"],
                    "source_ips": ["10.0.0.0/8"],
                    "priority": 10,
                    "health_check": {"port": 50052},
                },
                "service_connect": {"client_only": true},
            },
            "portal": {
                "image": "quotes/portal:v1",
                "container_port": 8080,
                "additional_container_ports": [9090],
                "target_groups": [
                    {
                        "host_headers": ["portal.example.com"],
                        "priority": 40,
                    },
                    {
                        "container_name": "portal",
                        "container_port": 9090,
                        "host_headers": ["metrics.example.com"],
                        "priority": 50,
                    },
                ],
            },
            "prices": {
                "image": "quotes/prices:v1",
                "container_port": 50051,
                "service_connect": {
                    "namespace": "other.local",
                    "port_name": "calls",
                    "app_protocol": "grpc",
                    "discovery_name": "prices-of-quotes",
                    "client_alias": {"dns_name": "prices.internal", "port": 80},
                    "idle_timeout_seconds": 60,
                    "per_request_timeout_seconds": 5,
                },
                "security_group": {
                    "ingress": [{"service": "gateway", "from_port": 50051}],
                    "egress": [{"cidr_ipv6": "2001:db8:1234::/48", "from_port": 443}],
                },
            },
            "admin": {
                "image": "quotes/admin:v1",
                "container_port": 8080,
                "target_group": {
                    "host_headers": ["admin.example.com"],
                    "priority": 20,
                    "authenticate": {
                        "oidc": {
                            "issuer": "https://login.example.com",
                            "authorization_endpoint": "https://login.example.com/authorize",
                            "token_endpoint": "https://login.example.com/token",
                            "user_info_endpoint": "https://login.example.com/userinfo",
                            "client_id": "quotes-admin",
                            "client_secret": {"value_from": "quotes/admin/oidc", "json_key": "client_secret"},
                        },
                        "on_unauthenticated_request": "deny",
                        "scope": "openid email",
                        "session_timeout": 3600,
                    },
                },
            },
            "staff": {
                "image": "quotes/staff:v1",
                "container_port": 8080,
                "target_group": {
                    "host_headers": ["staff.example.com"],
                    "priority": 30,
                    "authenticate": {
                        "cognito": {
                            "user_pool_arn": "arn:aws:cognito-idp:eu-west-2:123456789012:userpool/eu-west-2_0a1b2c3d",
                            "user_pool_client_id": "0a1b2c3d",
                            "user_pool_domain": "quotes",
                        },
                        "on_unauthenticated_request": "allow",
                    },
                },
            },
        },
    })
}

/// In a cluster, behind a listener, on a file system and in a namespace that exist.
fn beside_others() -> Value {
    json!({
        "name": "shop",
        "network": {
            "vpc_id": "vpc-0a1b2c3d4e5f60001",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        },
        "cluster": {"existing": "web"},
        "file_systems": {
            "media": {"file_system_id": "fs-0a1b2c3d4e5f60001"},
        },
        "service_discovery": {"namespace": "web.local", "namespace_id": "ns-0a1b2c3d4e5f6000"},
        "services": {
            "web": {
                "image": "shop/web:v1",
                "container_port": 8080,
                "mount_points": [{"file_system": "media", "container_path": "/media"}],
                "target_group": {
                    "listener_arn":
                        "arn:aws:elasticloadbalancing:eu-west-2:123456789012:listener/app/web/0a1b2c3d/4e5f6071",
                    "load_balancer_security_group_ids": ["sg-0a1b2c3d4e5f60003"],
                    "host_headers": ["shop.example.com"],
                    "priority": 100,
                },
            },
        },
    })
}

/// Behind a Network Load Balancer.
fn by_ports() -> Value {
    json!({
        "name": "devices",
        "network": {
            "vpc_id": "vpc-0a1b2c3d4e5f60001",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        },
        "load_balancer": {
            "type": "network",
            "scheme": "internet-facing",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60005", "subnet-0a1b2c3d4e5f60006"],
            "certificate_arns": ["arn:aws:acm:eu-west-2:123456789012:certificate/0a1b2c3d"],
        },
        "services": {
            "broker": {
                "image": "devices/broker:v1",
                "container_port": 1883,
                "target_group": {
                    "listener_port": 8883,
                    "listener_protocol": "TLS",
                    "preserve_client_ip": true,
                },
            },
            "coap": {
                "image": "devices/coap:v1",
                "container_port": 5683,
                "additional_container_ports": [8080],
                "target_group": {
                    "listener_port": 5683,
                    "listener_protocol": "UDP",
                    "health_check": {"protocol": "HTTP", "port": 8080, "path": "/healthy"},
                },
            },
        },
    })
}
