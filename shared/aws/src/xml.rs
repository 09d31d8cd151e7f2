//! The XML that the older services answer with, as the JSON that serde reads.
//!
//! Shapes: "AWS query protocol" and "Amazon EC2 query protocol" of the Smithy specification.

use std::borrow::Cow;

use roxmltree::{Document, Node};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

/// The elements that a list is made of: CloudFormation's and EC2's.
const LIST_ELEMENTS: [&str; 2] = ["member", "item"];

/// What an answer holds: the element whose name ends in `Result`, or the whole where there is none, as with EC2. An
/// empty list looks as an empty text does: read lists and structures with [`or_blank`].
///
/// # Errors
/// A text, when it cannot be read or has another shape.
pub(crate) fn read<T: DeserializeOwned>(answer: &str) -> Result<T, String> {
    let answer = &without_forbidden(answer);
    let document = Document::parse(answer).map_err(|error| error.to_string())?;
    let root = document.root_element();
    let result = root
        .children()
        .find(|child| child.tag_name().name().ends_with("Result"));
    let value = match value(result.unwrap_or(root)) {
        // An answer without anything in it.
        Value::String(_) => Value::Object(Map::new()),
        value => value,
    };
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn value(node: Node<'_, '_>) -> Value {
    let children: Vec<Node<'_, '_>> = node.children().filter(Node::is_element).collect();
    if children.is_empty() {
        return Value::String(node.text().unwrap_or_default().to_owned());
    }
    let name = |child: &Node<'_, '_>| child.tag_name().name().to_owned();
    if children
        .iter()
        .all(|child| LIST_ELEMENTS.contains(&child.tag_name().name()))
    {
        return children.into_iter().map(value).collect();
    }
    Value::Object(
        children
            .into_iter()
            .map(|child| (name(&child), value(child)))
            .collect(),
    )
}

/// XML forbids most control characters, even as `&#x1b;`, and services that hand on what others wrote send them so.
fn without_forbidden(answer: &str) -> Cow<'_, str> {
    if !answer.contains("&#") {
        return Cow::Borrowed(answer);
    }
    let mut parts = answer.split("&#");
    let mut allowed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part.split_once(';').map(|(reference, _)| reference);
        let number = reference.and_then(|reference| match reference.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => reference.parse().ok(),
        });
        let is_forbidden = number.is_some_and(|number| {
            !matches!(number, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF)
        });
        match (is_forbidden, part.split_once(';')) {
            (true, Some((_, rest))) => {
                allowed.push(char::REPLACEMENT_CHARACTER);
                allowed.push_str(rest);
            }
            _ => {
                allowed.push_str("&#");
                allowed.push_str(part);
            }
        }
    }
    Cow::Owned(allowed)
}

/// The code and the message of an error.
pub(crate) fn error(body: &str) -> (Option<String>, String) {
    let body = &without_forbidden(body);
    let Ok(document) = Document::parse(body) else {
        return (None, body.to_string());
    };
    let text = |name: &str| {
        document
            .descendants()
            .find(|node| node.tag_name().name() == name)
            .and_then(|node| node.text())
            .map(str::to_owned)
    };
    (text("Code"), text("Message").unwrap_or_default())
}

/// A list or a structure; an empty element is its default.
pub(crate) fn or_blank<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(D::Error::custom)
}

/// A boolean: in XML it is a text.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("{text:?} is neither true nor false")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default, deserialize_with = "or_blank")]
        stacks: Vec<Stack>,
        next_token: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Stack {
        stack_name: String,
        #[serde(default, deserialize_with = "or_blank")]
        outputs: Vec<Value>,
        description: Option<String>,
        #[serde(default, deserialize_with = "boolean")]
        enable_termination_protection: bool,
    }

    /// From the AWS CloudFormation API Reference, "DescribeStacks", shortened.
    const ANSWER: &str = r#"<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
      <DescribeStacksResult><Stacks><member>
        <StackName>shop &amp; co&#x1b;[1m</StackName><Description></Description><Outputs>
        </Outputs><Tags/>
        <EnableTerminationProtection>true</EnableTerminationProtection>
      </member></Stacks></DescribeStacksResult>
      <ResponseMetadata><RequestId>b9b4b068-3a41-11e5-94eb-example</RequestId></ResponseMetadata>
    </DescribeStacksResponse>"#;

    #[test]
    fn lists_texts_and_booleans_are_read_empty_ones_and_forbidden_characters_too() {
        let answer: Answer = read(ANSWER).unwrap();
        let [stack] = answer.stacks.as_slice() else {
            panic!("{answer:?}");
        };
        assert_eq!(stack.stack_name, "shop & co\u{fffd}[1m");
        assert_eq!(stack.description.as_deref(), Some(""));
        assert!(stack.outputs.is_empty() && stack.enable_termination_protection);
        assert_eq!(answer.next_token, None);
    }

    #[test]
    fn an_answer_without_a_result_is_empty() {
        let answer: Answer = read("<R><ResponseMetadata/></R>").unwrap();
        assert!(answer.stacks.is_empty());
        let answer: Answer = read("<R><ExecuteChangeSetResult/></R>").unwrap();
        assert!(answer.stacks.is_empty());
        assert!(read::<Answer>("<R><Stacks>").is_err());
    }

    #[test]
    fn errors_keep_their_code_and_their_message() {
        let (code, message) = error(
            "<Response><Errors><Error><Code>UnauthorizedOperation</Code>\
             <Message>You are not authorized</Message></Error></Errors></Response>",
        );
        assert_eq!(code.as_deref(), Some("UnauthorizedOperation"));
        assert_eq!(message, "You are not authorized");
    }
}
