use longshore_init::Parameters;

/// A VPC with two private and two public subnets.
pub fn parameters() -> Parameters {
    let subnets = |numbers: [u32; 2]| {
        let ids = numbers.map(|number| format!("subnet-0a1b2c3d4e5f6000{number}"));
        ids.to_vec()
    };
    Parameters {
        name: None,
        vpc_id: Some("vpc-0a1b2c3d4e5f60000".to_owned()),
        subnet_ids: subnets([1, 2]),
        public_subnet_ids: subnets([5, 6]),
    }
}
