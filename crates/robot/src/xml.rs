//! Errors and numbers with their place in an XML file.

use std::path::Path;

use roxmltree::{Document, Node};

use crate::error::RobotError;

/// Parses XML, or says where it is not well-formed.
pub(crate) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>, RobotError> {
    Document::parse(text).map_err(|error| RobotError::Xml {
        path: path.to_owned(),
        line: error.pos().row,
        column: error.pos().col,
        problem: error.to_string(),
    })
}

/// An XML file that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a Path,
}

impl Reader<'_> {
    /// An error at a node, which is named by its tag and its `name`.
    pub(crate) fn error(
        &self,
        node: Node<'_, '_>,
        problem: impl Into<String>,
        allowed: impl Into<String>,
    ) -> RobotError {
        let tag = node.tag_name().name();
        let element = match node.attribute("name") {
            Some(name) => format!("{tag} `{name}`"),
            None => tag.to_owned(),
        };
        RobotError::Element {
            path: self.path.to_owned(),
            line: node.document().text_pos_at(node.range().start).row,
            element,
            problem: problem.into(),
            allowed: allowed.into(),
        }
    }

    /// The value of an attribute that must be there and not be empty.
    pub(crate) fn required<'n>(
        &self,
        node: Node<'n, '_>,
        attribute: &str,
    ) -> Result<&'n str, RobotError> {
        match node.attribute(attribute) {
            Some(value) if !value.trim().is_empty() => Ok(value),
            _ => Err(self.error(
                node,
                format!("attribute `{attribute}` is missing"),
                format!("{attribute}=\"…\""),
            )),
        }
    }

    /// Finite numbers from an attribute; none if it is not there.
    pub(crate) fn numbers<const N: usize>(
        &self,
        node: Node<'_, '_>,
        attribute: &str,
    ) -> Result<Option<[f64; N]>, RobotError> {
        let Some(text) = node.attribute(attribute) else { return Ok(None) };
        let mut values = [0.0; N];
        let mut count = 0;
        for word in text.split_whitespace() {
            match word.parse::<f64>() {
                Ok(value) if value.is_finite() && count < N => values[count] = value,
                _ => count = N,
            }
            count += 1;
        }
        if count == N {
            return Ok(Some(values));
        }
        let allowed =
            if N == 1 { "one finite number".to_owned() } else { format!("{N} finite numbers") };
        Err(self.error(node, format!("{attribute}=\"{text}\""), allowed))
    }

    /// One finite number from an attribute; none if it is not there.
    pub(crate) fn number(
        &self,
        node: Node<'_, '_>,
        attribute: &str,
    ) -> Result<Option<f64>, RobotError> {
        Ok(self.numbers::<1>(node, attribute)?.map(|[value]| value))
    }
}

/// Element children with a tag, in document order.
pub(crate) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    tag: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(tag))
}

/// First element child with a tag.
pub(crate) fn child<'a, 'i: 'a>(node: Node<'a, 'i>, tag: &'static str) -> Option<Node<'a, 'i>> {
    children(node, tag).next()
}
