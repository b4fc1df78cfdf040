//! From relative names to full ones, by ROS 2's rules.

use crate::BusError;

/// One token of a name: letters, digits and _, no digit first.
fn check_token(name: &str, token: &str) -> Result<(), BusError> {
    let reason = match token.chars().next() {
        None => "an empty part",
        Some(first) if first.is_ascii_digit() => "a part begins with a digit",
        _ if !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            "a character that is not allowed"
        }
        _ => return Ok(()),
    };
    Err(BusError::InvalidName { name: name.to_owned(), reason })
}

/// Checks a node's name, which has no slashes.
pub(crate) fn check_node_name(name: &str) -> Result<(), BusError> {
    check_token(name, name)
}

/// A namespace in its normal form: "" for the root, else "/a/b".
pub(crate) fn normal_namespace(namespace: &str) -> Result<String, BusError> {
    let inner = namespace.strip_prefix('/').unwrap_or(namespace);
    if inner.is_empty() {
        return Ok(String::new());
    }
    inner.split('/').try_for_each(|token| check_token(namespace, token))?;
    Ok(format!("/{inner}"))
}

/// The full name: absolute names stay, `~/x` is under the node, all else under the namespace, which
/// is in its normal form.
pub(crate) fn full_name(namespace: &str, node: &str, name: &str) -> Result<String, BusError> {
    let full = if name.starts_with('/') {
        name.to_owned()
    } else if let Some(private) = name.strip_prefix("~/") {
        format!("{namespace}/{node}/{private}")
    } else {
        format!("{namespace}/{name}")
    };
    full.split('/').skip(1).try_for_each(|token| check_token(name, token))?;
    Ok(full)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_resolve_as_in_ros_2() {
        let ns = normal_namespace("/mobi").unwrap();
        assert_eq!(full_name(&ns, "skills", "world").unwrap(), "/mobi/world");
        assert_eq!(full_name(&ns, "skills", "/clock").unwrap(), "/clock");
        assert_eq!(full_name(&ns, "skills", "~/state").unwrap(), "/mobi/skills/state");
        let root = normal_namespace("/").unwrap();
        assert_eq!(full_name(&root, "skills", "a/b").unwrap(), "/a/b");
        assert_eq!(normal_namespace("mobi").unwrap(), "/mobi");
    }

    #[test]
    fn names_that_ros_2_refuses_are_refused() {
        for name in ["", "a//b", "a/", "1a", "a b", "a-b", "~", "/"] {
            assert!(full_name("/mobi", "n", name).is_err(), "{name:?}");
        }
        assert!(check_node_name("a/b").is_err());
        assert!(normal_namespace("//").is_err());
    }
}
