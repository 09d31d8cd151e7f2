//! Patterns of IAM policies: `*` stands for any text, `?` for any character.

/// Whether `pattern` matches every text that `other`, a pattern too, matches. It may say no where that is only
/// seen by looking at both of their wildcards together, as with `*?` and `?*`.
pub(super) fn covers(pattern: &str, other: &str) -> bool {
    let (pattern, other) = (pattern.as_bytes(), other.as_bytes());
    // Whether the pattern so far covers so much of the other.
    let mut row = vec![false; other.len() + 1];
    row[0] = true;
    for symbol in pattern {
        let mut next = vec![false; other.len() + 1];
        for at in 0..=other.len() {
            next[at] = match symbol {
                b'*' => row[at] || (at > 0 && next[at - 1]),
                b'?' => at > 0 && row[at - 1] && other[at - 1] != b'*',
                plain => at > 0 && row[at - 1] && other[at - 1] == *plain,
            };
        }
        row = next;
    }
    row[other.len()]
}

/// Whether there is a text that both patterns match.
pub(super) fn overlaps(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut row = vec![false; other.len() + 1];
    for (index, symbol) in std::iter::once(None)
        .chain(one.iter().map(Some))
        .enumerate()
    {
        let mut next = vec![false; other.len() + 1];
        for at in 0..=other.len() {
            let theirs = (at > 0).then(|| other[at - 1]);
            let star = symbol == Some(&b'*') && row[at] || theirs == Some(b'*') && next[at - 1];
            let step = match (symbol, theirs) {
                (None, None) => index == 0,
                (Some(b'*'), Some(_)) => next[at - 1] || row[at - 1],
                (Some(_), Some(b'*')) => row[at] || row[at - 1],
                (Some(ours), Some(theirs)) => {
                    row[at - 1] && (*ours == theirs || *ours == b'?' || theirs == b'?')
                }
                _ => false,
            };
            next[at] = star || step;
        }
        row = next;
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_matches_and_narrower_patterns() {
        for (pattern, other) in [
            ("*", ""),
            ("*", "s3:Get*"),
            ("s3:*", "s3:GetObject"),
            ("s3:Get*", "s3:GetObject*"),
            ("s3:*Object", "s3:GetObject"),
            ("s3:Get?bject", "s3:GetObject"),
            ("s3:GetObject", "s3:GetObject"),
            ("a*b*c", "axxbyyc"),
        ] {
            assert!(covers(pattern, other), "{pattern} {other}");
            assert!(overlaps(pattern, other), "{pattern} {other}");
            assert!(overlaps(other, pattern), "{pattern} {other}");
        }
        for (pattern, other) in [
            ("s3:GetObject", "s3:Get*"),
            ("s3:GetObject", "s3:GetObjec?"),
            ("s3:Get*", "s3:*"),
            ("s3:Get?bject", "s3:Get*bject"),
        ] {
            assert!(!covers(pattern, other), "{pattern} {other}");
            assert!(overlaps(pattern, other), "{pattern} {other}");
            assert!(overlaps(other, pattern), "{pattern} {other}");
        }
    }

    #[test]
    fn patterns_that_no_text_matches_both_do_not_overlap() {
        for (one, other) in [
            ("s3:Get*", "s3:Put*"),
            ("sqs:*", "sns:*"),
            ("s3:GetObject", "s3:GetObjectAcl"),
            ("s3:*Acl", "s3:GetObject"),
            ("", "a"),
            ("?", ""),
            ("*b", "*a"),
        ] {
            assert!(!overlaps(one, other), "{one} {other}");
            assert!(!overlaps(other, one), "{one} {other}");
            assert!(!covers(one, other), "{one} {other}");
        }
    }
}
