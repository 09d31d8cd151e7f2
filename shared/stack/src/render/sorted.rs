//! JSON as templates have it: keys in order, and nothing that is null, since CloudFormation takes no nulls.
//!
//! It is written at once. A tree of values, from which the nulls are taken out before it is written, is most of the
//! work of a rendering.

use std::borrow::Cow;
use std::ops::Range;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

const NULL: &[u8] = b"null";

/// Nearly all that a template has of one resource is shorter than this, and made of fewer fields.
const USUAL_LENGTH: usize = 512;
const USUAL_FIELDS: usize = 24;

/// A text that is JSON in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sorted(Vec<u8>);

impl Sorted {
    /// A value in order.
    pub(super) fn of(value: &(impl Serialize + ?Sized)) -> Self {
        let mut draft = Draft {
            fields: Vec::with_capacity(USUAL_FIELDS),
            text: Vec::with_capacity(USUAL_LENGTH),
        };
        // Writing fails only for maps whose keys are not texts, which templates do not have.
        if value.serialize(Writer(&mut draft)).is_err() {
            return Self(NULL.to_vec());
        }
        Self(draft.text)
    }

    pub(super) fn is_null(&self) -> bool {
        self.0 == NULL
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The tree of values.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// An object that is written key by key, in their order.
pub(super) struct Object<'a> {
    text: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(text: &'a mut Vec<u8>) -> Self {
        text.push(b'{');
        Self {
            text,
            is_empty: true,
        }
    }

    /// A key; the value is for the caller to write.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.text.push(b',');
        }
        self.is_empty = false;
        scalar(self.text, key);
        self.text.push(b':');
        self.text
    }

    /// A field that is a text, a number or a boolean.
    pub(super) fn scalar(&mut self, key: &str, value: &(impl Serialize + ?Sized)) {
        scalar(self.key(key), value);
    }

    /// A field, unless its value is null.
    pub(super) fn field(&mut self, key: &str, value: &Sorted) {
        if !value.is_null() {
            self.key(key).extend_from_slice(value.as_bytes());
        }
    }

    pub(super) fn end(self) {
        self.text.push(b'}');
    }
}

/// Texts, numbers and booleans can always be written, and a vector always takes them.
fn scalar(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let _ = serde_json::to_writer(text, value);
}

/// What is being written.
struct Draft {
    text: Vec<u8>,
    /// The fields of all objects that are open: those of the innermost one come last.
    fields: Vec<Field>,
}

/// A field of an open object.
struct Field {
    key: Cow<'static, str>,
    /// Where it is in the text, with its key.
    place: Range<usize>,
}

/// Appends one value.
struct Writer<'a>(&'a mut Draft);

macro_rules! scalars {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            scalar(&mut self.0.text, &value);
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    scalars! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
        serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.text.extend_from_slice(NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut fields = Fields::begin(self.0, None);
        fields.add(Cow::Borrowed(variant), value)?;
        fields.finish();
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<List<'a>, Error> {
        Ok(List::begin(self.0, None))
    }

    fn serialize_tuple(self, _length: usize) -> Result<List<'a>, Error> {
        Ok(List::begin(self.0, None))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<List<'a>, Error> {
        Ok(List::begin(self.0, None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<List<'a>, Error> {
        Ok(List::begin(self.0, Some(variant)))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Fields<'a>, Error> {
        Ok(Fields::begin(self.0, None))
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Fields<'a>, Error> {
        Ok(Fields::begin(self.0, None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Fields<'a>, Error> {
        Ok(Fields::begin(self.0, Some(variant)))
    }
}

/// A list that is being written, in an object with one key if it is what a variant holds.
struct List<'a> {
    draft: &'a mut Draft,
    is_empty: bool,
    is_of_variant: bool,
}

impl<'a> List<'a> {
    fn begin(draft: &'a mut Draft, variant: Option<&'static str>) -> Self {
        open_variant(&mut draft.text, variant);
        draft.text.push(b'[');
        Self {
            draft,
            is_empty: true,
            is_of_variant: variant.is_some(),
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !self.is_empty {
            self.draft.text.push(b',');
        }
        self.is_empty = false;
        value.serialize(Writer(self.draft))
    }

    fn finish(self) {
        self.draft.text.push(b']');
        close_variant(&mut self.draft.text, self.is_of_variant);
    }
}

fn open_variant(text: &mut Vec<u8>, variant: Option<&'static str>) {
    if let Some(variant) = variant {
        text.push(b'{');
        scalar(text, variant);
        text.push(b':');
    }
}

fn close_variant(text: &mut Vec<u8>, is_open: bool) {
    if is_open {
        text.push(b'}');
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for List<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

lists!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// An object that is being written. Its fields are appended as they come, and put in order at its end if they came in
/// another one.
struct Fields<'a> {
    draft: &'a mut Draft,
    /// Where its first field is in the text.
    begin: usize,
    /// Which of the draft's fields is its first.
    first: usize,
    /// The key whose value comes next.
    key: Option<Cow<'static, str>>,
    is_of_variant: bool,
}

impl<'a> Fields<'a> {
    fn begin(draft: &'a mut Draft, variant: Option<&'static str>) -> Self {
        open_variant(&mut draft.text, variant);
        draft.text.push(b'{');
        Self {
            begin: draft.text.len(),
            first: draft.fields.len(),
            draft,
            key: None,
            is_of_variant: variant.is_some(),
        }
    }

    fn add<T: Serialize + ?Sized>(
        &mut self,
        key: Cow<'static, str>,
        value: &T,
    ) -> Result<(), Error> {
        let text = &mut self.draft.text;
        let before = text.len();
        if before > self.begin {
            text.push(b',');
        }
        let begin = text.len();
        match key {
            // The name of a field in Rust, which has nothing to escape.
            Cow::Borrowed(name) => {
                text.push(b'"');
                text.extend_from_slice(name.as_bytes());
                text.push(b'"');
            }
            Cow::Owned(ref key) => scalar(text, key),
        }
        text.push(b':');
        let begin_of_value = text.len();
        value.serialize(Writer(self.draft))?;
        let Draft { text, fields } = &mut *self.draft;
        if text.get(begin_of_value..) == Some(NULL) {
            text.truncate(before);
        } else {
            let place = begin..text.len();
            fields.push(Field { key, place });
        }
        Ok(())
    }

    fn finish(self) {
        let Draft { text, fields } = self.draft;
        let own = fields.get_mut(self.first..).unwrap_or_default();
        if !own.is_sorted_by(|one, next| one.key < next.key) {
            put_in_order(text, self.begin, own);
        }
        fields.truncate(self.first);
        text.push(b'}');
        close_variant(text, self.is_of_variant);
    }
}

/// Puts the fields of an object, which are what `text` has from `begin` on, into the order of their keys.
fn put_in_order(text: &mut Vec<u8>, begin: usize, fields: &mut [Field]) {
    // Of two values of one key the later one holds.
    fields.sort_unstable_by(|one, other| {
        let by_key = one.key.cmp(&other.key);
        by_key.then(other.place.start.cmp(&one.place.start))
    });
    let end = text.len();
    let mut last = None;
    for Field { key, place } in fields {
        if last == Some(&*key) {
            continue;
        }
        if last.is_some() {
            text.push(b',');
        }
        text.extend_from_within(place.clone());
        last = Some(key);
    }
    text.drain(begin..end);
}

impl SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        match serde_json::to_value(key)? {
            Value::String(key) => self.key = Some(Cow::Owned(key)),
            other => return Err(Error::custom(format!("the key {other} is not a text"))),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().unwrap_or_default();
        self.add(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add(Cow::Borrowed(key), value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeStructVariant for Fields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add(Cow::Borrowed(key), value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    fn written(value: &impl Serialize) -> String {
        String::from_utf8(Sorted::of(value).0).unwrap()
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Thing {
        zone: &'static str,
        absent: Option<u32>,
        ratio: f64,
        #[serde(flatten)]
        further: BTreeMap<&'static str, Option<Choice>>,
    }

    #[derive(Serialize)]
    enum Choice {
        Plain,
        One(Option<u32>),
        Two(u32, &'static str),
        Named { z: bool, a: Option<u32> },
    }

    #[test]
    fn keys_are_in_order_and_what_is_null_is_left_out() {
        let thing = Thing {
            zone: "a \"b\"\n",
            absent: None,
            ratio: 0.5,
            further: BTreeMap::from([
                ("Choice", Some(Choice::Named { z: true, a: None })),
                ("Empty", Some(Choice::One(None))),
                ("None", None),
                ("Plain", Some(Choice::Plain)),
                ("Two", Some(Choice::Two(1, "b"))),
            ]),
        };
        assert_eq!(
            written(&thing),
            r#"{"Choice":{"Named":{"z":true}},"Empty":{},"Plain":"Plain","Ratio":0.5,"Two":{"Two":[1,"b"]},"Zone":"a \"b\"\n"}"#
        );
    }

    #[test]
    fn a_tree_of_values_is_written_as_it_is_without_its_nulls() {
        let value = json!({
            "b": [null, {"z": null, "a": [1, -2, 1.5, 1e300]}, {}],
            "a": {"": "é\u{1f600}\u{7}", "x": null},
            "c": null,
        });
        assert_eq!(
            Sorted::of(&value).value(),
            json!({
                "b": [null, {"a": [1, -2, 1.5, 1e300]}, {}],
                "a": {"": "é\u{1f600}\u{7}"},
            })
        );
        assert!(Sorted::of(&Value::Null).is_null());
        assert_eq!(
            written(&json!({"a": [0.1, 100, "x"]})),
            json!({"a": [0.1, 100, "x"]}).to_string()
        );
    }

    #[test]
    fn of_two_values_of_a_key_the_later_one_holds() {
        struct Twice;

        impl Serialize for Twice {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("a", &1)?;
                map.serialize_entry("b", &2)?;
                map.serialize_entry("a", &3)?;
                map.end()
            }
        }

        assert_eq!(written(&Twice), r#"{"a":3,"b":2}"#);
        assert_eq!(
            Sorted::of(&Twice).value(),
            serde_json::to_value(Twice).unwrap()
        );
    }
}
