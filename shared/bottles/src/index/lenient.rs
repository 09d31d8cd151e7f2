//! What is read of a field that may be of any kind.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text of the index, which is not copied unless it holds escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;

        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(AnyText)
    }
}

/// What takes of a value what it can use, and nothing of whatever else it may be: it is not worth an entry.
trait Lenient<'de>: Default {
    fn text(&mut self, _text: Text<'de>) {}

    fn list<S: SeqAccess<'de>>(&mut self, mut list: S) -> Result<(), S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn object<M: MapAccess<'de>>(&mut self, mut object: M) -> Result<(), M::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

struct AnyValue<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for AnyValue<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
        let mut value = T::default();
        value.object(map)?;
        Ok(value)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, sequence: S) -> Result<T, S::Error> {
        let mut value = T::default();
        value.list(sequence)?;
        Ok(value)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        let mut value = T::default();
        value.text(Text(Cow::Borrowed(text)));
        Ok(value)
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        let mut value = T::default();
        value.text(Text(Cow::Owned(text.to_owned())));
        Ok(value)
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }
}

/// Lets serde read what is lenient.
macro_rules! read_leniently {
    ($($name:ident),*) => {$(
        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(AnyValue(PhantomData))
            }
        }
    )*};
}

read_leniently!(Loose, FieldValue, Texts, MaybeText);

/// A field that is an object or a list.
#[derive(Default)]
pub(super) struct Loose<'a> {
    /// The keys of an object.
    pub(super) keys: Vec<Text<'a>>,
    /// The texts of a list; of the objects in an object, those of their `dependencies`.
    pub(super) texts: Vec<Text<'a>>,
}

impl<'a> Loose<'a> {
    fn add(&mut self, value: FieldValue<'a>) {
        match value {
            FieldValue::Nothing => {}
            FieldValue::Text(text) => self.texts.push(text),
            FieldValue::Dependencies(texts) => self.texts.extend(texts),
        }
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Loose<'a> {
    fn list<S: SeqAccess<'de>>(&mut self, mut list: S) -> Result<(), S::Error> {
        while let Some(value) = list.next_element()? {
            self.add(value);
        }
        Ok(())
    }

    fn object<M: MapAccess<'de>>(&mut self, mut object: M) -> Result<(), M::Error> {
        while let Some((key, value)) = object.next_entry()? {
            self.keys.push(key);
            self.add(value);
        }
        Ok(())
    }
}

/// A value of such a field.
#[derive(Default)]
enum FieldValue<'a> {
    #[default]
    Nothing,
    Text(Text<'a>),
    /// What an object names so.
    Dependencies(Vec<Text<'a>>),
}

impl<'de: 'a, 'a> Lenient<'de> for FieldValue<'a> {
    fn text(&mut self, text: Text<'de>) {
        *self = Self::Text(text);
    }

    fn object<M: MapAccess<'de>>(&mut self, mut object: M) -> Result<(), M::Error> {
        while let Some(key) = object.next_key::<Text<'de>>()? {
            if &*key == "dependencies" {
                let Texts(texts) = object.next_value()?;
                *self = Self::Dependencies(texts);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The texts of a list.
#[derive(Default)]
struct Texts<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Lenient<'de> for Texts<'a> {
    fn list<S: SeqAccess<'de>>(&mut self, mut list: S) -> Result<(), S::Error> {
        while let Some(MaybeText(text)) = list.next_element()? {
            self.0.extend(text);
        }
        Ok(())
    }
}

#[derive(Default)]
struct MaybeText<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Lenient<'de> for MaybeText<'a> {
    fn text(&mut self, text: Text<'de>) {
        self.0 = Some(text);
    }
}
