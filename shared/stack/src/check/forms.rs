//! The forms of names, ids, ARNs and addresses.

/// Whether CloudFormation fills in a part of this, so that its form is not known yet.
pub(super) fn is_open(text: &str) -> bool {
    text.replace("$${", "").contains("${")
}

/// Letters, digits, hyphens and underscores, beginning with a letter or a digit.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// One part of a DNS name: letters, digits and hyphens between them, at most 63.
pub(super) fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().next_back().is_some_and(is_inner)
}

/// An id of EC2's, such as `subnet-0a1b2c3d`.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    is_open(text)
        || text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// An ARN of one of these services, with a resource that begins so.
pub(super) fn is_arn(text: &str, service: &str, resource: &str) -> bool {
    if text.starts_with("arn:${AWS::Partition}:") || !is_open(text) {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (scheme, partition, of) = (next(), next(), next());
        if partition.starts_with("${AWS") {
            // The colons of the pseudo parameter are colons of the ARN for this split.
            return text.contains(&format!(":{service}:"));
        }
        let (_, _, rest) = (next(), next(), next());
        return scheme == "arn"
            && partition.starts_with("aws")
            && of == service
            && rest.starts_with(resource);
    }
    true
}

/// An IPv4 range: `10.0.0.0/16`.
pub(super) fn is_ipv4_range(text: &str) -> bool {
    if is_open(text) {
        return true;
    }
    text.split_once('/').is_some_and(|(address, length)| {
        address.parse::<std::net::Ipv4Addr>().is_ok()
            && length.len() <= 2
            && length.parse::<u8>().is_ok_and(|length| length <= 32)
    })
}

/// An IPv6 range: `2001:db8::/32`.
pub(super) fn is_ipv6_range(text: &str) -> bool {
    if is_open(text) {
        return true;
    }
    text.split_once('/').is_some_and(|(address, length)| {
        address.parse::<std::net::Ipv6Addr>().is_ok()
            && length.len() <= 3
            && length.parse::<u8>().is_ok_and(|length| length <= 128)
    })
}

/// Words as a sentence lists them: `a, b or c`.
pub(super) fn listed<T: ToString>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(T::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_known_by_their_service_and_resource_whatever_the_partition() {
        let role = |text| is_arn(text, "iam", "role/");
        assert!(role("arn:aws:iam::111122223333:role/x"));
        assert!(role("arn:aws-cn:iam::111122223333:role/x"));
        assert!(role("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/x"));
        assert!(role("${AWS::AccountId}"));
        assert!(!role("arn:aws:iam::111122223333:user/x"));
        assert!(!role("arn:aws:s3:::role/x"));
        assert!(!role("arn:${AWS::Partition}:s3:::role/x"));
        assert!(!role("role/x"));
    }

    #[test]
    fn ranges_and_ids_are_known_by_their_forms() {
        assert!(is_ipv4_range("10.0.0.0/8") && is_ipv4_range("0.0.0.0/0"));
        assert!(!is_ipv4_range("10.0.0.0") && !is_ipv4_range("10.0.0.0/33"));
        assert!(!is_ipv4_range("::/0") && !is_ipv4_range("10.0.0/8"));
        assert!(is_ipv6_range("::/0") && is_ipv6_range("2001:db8::/32"));
        assert!(!is_ipv6_range("10.0.0.0/8") && !is_ipv6_range("2001:db8::/129"));
        assert!(
            is_id("vpc-0a1b2c3d", "vpc-") && !is_id("subnet-1", "vpc-") && !is_id("vpc-", "vpc-")
        );
        assert!(is_open("${AWS::Region}") && !is_open("$${AWS}"));
        assert_eq!(listed(&[1, 2, 3]), "1, 2 or 3");
    }
}
