//! Reading a map key by key, so that what nobody has read is known at the end.

use crate::notes::Notes;
use crate::source::{Content, Fault, Node, Place};

/// The keys of a map that nobody has read yet.
#[derive(Debug, Clone)]
pub struct Fields {
    /// Where the map is.
    pub place: Place,
    entries: Vec<(String, Node)>,
}

impl Fields {
    /// The keys of a map. Null is an empty one.
    ///
    /// # Errors
    /// When this is anything else.
    pub fn of(node: Node) -> Result<Self, Fault> {
        let entries = match node.content {
            Content::Map(entries) => entries,
            Content::Null => Vec::new(),
            _ => return Err(Fault::at(&node.place, "expected a map")),
        };
        Ok(Self {
            place: node.place,
            entries,
        })
    }

    /// A key's value, which is read with this; none where it is null.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        let (_, node) = self.entries.remove(index);
        Some(node).filter(|node| !matches!(node.content, Content::Null))
    }

    /// All that is left, in order.
    pub fn all(&mut self) -> Vec<(String, Node)> {
        std::mem::take(&mut self.entries)
    }

    /// Reads keys whose values do not matter here.
    pub fn skip(&mut self, keys: &[&str]) {
        self.entries
            .retain(|(name, _)| !keys.contains(&name.as_str()));
    }

    /// A text, number or boolean, as it is written.
    ///
    /// # Errors
    /// When it is a list or a map.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, Fault> {
        self.take(key).map(|node| text(&node)).transpose()
    }

    /// A number.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn number(&mut self, key: &str) -> Result<Option<f64>, Fault> {
        let Some(node) = self.take(key) else {
            return Ok(None);
        };
        let number = node.scalar().and_then(|text| text.parse().ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(Fault::at(&node.place, "expected a number")),
        }
    }

    /// A whole number that is not negative; fractions are rounded up.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn whole(&mut self, key: &str) -> Result<Option<u32>, Fault> {
        let Some(node) = self.take(key) else {
            return Ok(None);
        };
        match node.scalar().and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if (0.0..=f64::from(u32::MAX)).contains(&number) => {
                Ok(Some(number.ceil() as u32))
            }
            _ => Err(Fault::at(
                &node.place,
                "expected a number that is not negative",
            )),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, Fault> {
        let Some(node) = self.take(key) else {
            return Ok(None);
        };
        match node.scalar().as_deref() {
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            _ => Err(Fault::at(&node.place, "expected true or false")),
        }
    }

    /// A map.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn map(&mut self, key: &str) -> Result<Option<Self>, Fault> {
        self.take(key).map(Self::of).transpose()
    }

    /// The items of a list; none without it.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn list(&mut self, key: &str) -> Result<Vec<Node>, Fault> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Node {
                content: Content::List(items),
                ..
            }) => Ok(items),
            Some(node) => Err(Fault::at(&node.place, "expected a list")),
        }
    }

    /// The maps of a list; none without it.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn maps(&mut self, key: &str) -> Result<Vec<Self>, Fault> {
        self.list(key)?.into_iter().map(Self::of).collect()
    }

    /// A list of texts, or one text alone.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn texts(&mut self, key: &str) -> Result<Vec<String>, Fault> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Node {
                content: Content::List(items),
                ..
            }) => items.iter().map(text).collect(),
            Some(node) => Ok(vec![text(&node)?]),
        }
    }

    /// Notes what nobody has read and what says something, with what `advice` knows of the key.
    pub fn rest(self, notes: &mut Notes, advice: impl Fn(&str) -> Option<&'static str>) {
        for (key, node) in self.entries {
            if node.is_empty() {
                continue;
            }
            let words = advice(&key).unwrap_or("a stack file has no key for it");
            notes.add(&node.place, format!("not carried over: {words}"));
        }
    }
}

fn text(node: &Node) -> Result<String, Fault> {
    node.scalar()
        .ok_or_else(|| Fault::at(&node.place, "expected a text"))
}
