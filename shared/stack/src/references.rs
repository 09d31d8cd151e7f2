//! CloudFormation's dynamic references, `{{resolve:<service>:<what>}}`.

/// Whether CloudFormation might put the value of a secret or a parameter in place of a part of this text.
///
/// It resolves references in every text of a template and in the values of its parameters (the AWS CloudFormation
/// User Guide, "Get values stored in other services using dynamic references"), with the rights of its own role,
/// which is the same for all stacks. What it does not document is taken for a reference, too: blanks, capital
/// letters, and a text that ends where the colon would be and may be continued by another one.
pub(crate) fn has_dynamic_reference(text: &str) -> bool {
    const WORD: &str = "resolve";
    text.match_indices('{').any(|(at, _)| {
        let Some(inside) = text[at..].strip_prefix("{{") else {
            return false;
        };
        let inside = inside.trim_start();
        let Some((word, rest)) = inside.split_at_checked(WORD.len()) else {
            return false;
        };
        let rest = rest.trim_start();
        word.eq_ignore_ascii_case(WORD) && (rest.is_empty() || rest.starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_known_wherever_they_begin_and_other_braces_are_left_alone() {
        for text in [
            "{{resolve:secretsmanager:billing/api/KEY}}",
            "before {{resolve:ssm:/a:1}} after",
            "{{{resolve:ssm:/a}}}",
            "${{resolve:ssm:/a}}",
            "{{ resolve : ssm:/a}}",
            "{{Resolve:ssm:/a}}",
            "{{\nresolve:ssm:/a}}",
            "{{resolve",
        ] {
            assert!(has_dynamic_reference(text), "{text}");
        }
        for text in [
            "",
            "{",
            "{{",
            "{{ name }}",
            "{{resolver:x}}",
            "{{resolved}}",
            "{resolve:ssm:/a}",
            "resolve:ssm:/a",
            "{{ré",
        ] {
            assert!(!has_dynamic_reference(text), "{text}");
        }
    }
}
