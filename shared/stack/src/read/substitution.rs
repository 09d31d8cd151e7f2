//! `${…}` in texts.

/// CloudFormation fills these in; they stay as they are until then.
const PSEUDO_PARAMETERS: [&str; 4] = [
    "AWS::AccountId",
    "AWS::Partition",
    "AWS::Region",
    "AWS::URLSuffix",
];

/// What `${stack}` and `${environment}` stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub stack: &'a str,
    pub environment: Option<&'a str>,
}

/// What cannot be filled in: the expression, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub expression: String,
    pub message: String,
}

/// The text with what is known now filled in. `$${` and pseudo parameters stay.
pub(super) fn substitute(text: &str, names: Names<'_>) -> Result<String, Unknown> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, expression) = rest.split_at(start);
        result.push_str(before);
        if before.ends_with('$') {
            result.push_str("${");
            rest = &expression[2..];
            continue;
        }
        let Some(end) = expression.find('}') else {
            return Err(Unknown {
                expression: shortened(expression),
                message: "`${` without `}`; write `$${` where a text is to hold `${`".to_owned(),
            });
        };
        let name = &expression[2..end];
        match (name, names.environment) {
            ("stack", _) => result.push_str(names.stack),
            ("environment", Some(environment)) => result.push_str(environment),
            ("environment", None) => {
                return Err(Unknown {
                    expression: "${environment}".to_owned(),
                    message:
                        "this file has no `environments`, so `${environment}` stands for nothing"
                            .to_owned(),
                });
            }
            _ if PSEUDO_PARAMETERS.contains(&name) => result.push_str(&expression[..=end]),
            _ => {
                return Err(Unknown {
                    expression: shortened(&expression[..=end]),
                    message: format!(
                        "expected `${{environment}}`, `${{stack}}`, `${{{}}}`; write `$${{` where a text \
                         is to hold `${{`",
                        PSEUDO_PARAMETERS.join("}`, `${")
                    ),
                });
            }
        }
        rest = &expression[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

fn shortened(expression: &str) -> String {
    expression.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names {
        stack: "shop-prod",
        environment: Some("prod"),
    };

    #[test]
    fn names_are_filled_in_and_the_rest_is_left_for_cloudformation() {
        for (text, expected) in [
            ("plain $ {x} $x", "plain $ {x} $x"),
            ("${stack}/${environment}", "shop-prod/prod"),
            ("${AWS::Region}-${stack}", "${AWS::Region}-shop-prod"),
            ("$${HOME}:${stack}", "$${HOME}:shop-prod"),
            ("${stack", ""),
            ("${HOME}", ""),
            ("${AWS::StackName}", ""),
        ] {
            let result = substitute(text, NAMES).unwrap_or_default();
            assert_eq!(result, expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_message_says_how_to_write_a_plain_one() {
        let unknown = substitute("a ${HOME} b", NAMES).unwrap_err();
        assert_eq!(unknown.expression, "${HOME}");
        assert!(
            unknown.message.contains("write `$${`"),
            "{}",
            unknown.message
        );
    }

    #[test]
    fn the_environment_of_a_file_without_environments_is_refused() {
        let names = Names {
            stack: "shop",
            environment: None,
        };
        let unknown = substitute("${environment}", names).unwrap_err();
        assert!(unknown.message.contains("no `environments`"));
    }
}
