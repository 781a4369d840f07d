//! The spelling of host names, and which name is below which.

/// A host name in lower case, without the dot at its end.
pub fn canonical_host_name(name: &str) -> String {
    without_dot(name).to_ascii_lowercase()
}

/// Whether a host name is `parent` itself, or below it.
pub fn is_within_domain(name: &str, parent: &str) -> bool {
    let (name, parent) = (without_dot(name), without_dot(parent));
    let Some(start) = name.len().checked_sub(parent.len()) else {
        return false;
    };
    let (Some(before), Some(end)) = (name.get(..start), name.get(start..)) else {
        return false;
    };
    end.eq_ignore_ascii_case(parent) && (before.is_empty() || before.ends_with('.'))
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        assert_eq!(canonical_host_name("AS.Example."), "as.example");
        assert_eq!(canonical_host_name("as.example"), "as.example");
    }

    #[test]
    fn name_is_within_itself_and_the_names_above() {
        for (name, parent, expected) in [
            ("as.example", "as.example", true),
            ("a.b.Example.com.", "example.COM", true),
            ("localhost", "localhost.", true),
            ("notexample.com", "example.com", false),
            ("example.com", "a.example.com", false),
            ("\u{fc}a", "a", false),
            ("a\u{fc}", "bc", false),
        ] {
            assert_eq!(is_within_domain(name, parent), expected, "{name} {parent}");
        }
    }
}
