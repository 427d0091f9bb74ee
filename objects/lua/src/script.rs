//! Names of scripts, the order they are loaded in, and where an error came from. Pure.

/// Scripts that are loaded before all others, in this order; ours stand in for missing ones.
pub(crate) const FIRST: [&str; 2] = ["core.lua", "config.lua"];

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Where in the order of loading a script belongs.
pub(crate) fn rank(path: &str) -> (usize, &str) {
    let name = file_name(path);
    (
        FIRST.iter().position(|f| *f == name).unwrap_or(FIRST.len()),
        name,
    )
}

/// An error message taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Located<'a> {
    /// File name of the script, if the message says one.
    pub(crate) script: Option<&'a str>,
    /// Line in the script.
    pub(crate) line: u32,
    /// The rest of the text.
    pub(crate) message: &'a str,
}

/// Takes `path:line: message` apart.
pub(crate) fn locate(text: &str) -> Located<'_> {
    let nowhere = Located {
        script: None,
        line: 0,
        message: text,
    };
    for (colon, _) in text.match_indices(':') {
        let rest = &text[colon + 1..];
        let Some((digits, message)) = rest.split_once(": ") else {
            break;
        };
        if let Ok(line) = digits.parse() {
            return Located {
                script: Some(file_name(&text[..colon])),
                line,
                message,
            };
        }
    }
    nowhere
}

/// Longest text of an error for a client.
const TEXT_BYTES_MAX: usize = 400;

/// The text for a client: `message (script.lua:line)`, in one line.
pub(crate) fn client_text(error: &str) -> String {
    let Located {
        script,
        line,
        message,
    } = locate(error);
    let mut text: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_BYTES_MAX)
        .collect();
    if let Some(script) = script {
        text.push_str(&format!(" ({script}:{line})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_it_came_from() {
        assert_eq!(client_text("scripts/set.lua:12: boom"), "boom (set.lua:12)");
        assert_eq!(client_text("boom"), "boom");
        assert_eq!(client_text("a: b:c: d"), "a: b:c: d");
        assert_eq!(client_text("x.lua:3: a\r\nb: c"), "a  b: c (x.lua:3)");
        assert_eq!(
            client_text("[string \"a: b\"]:1: oops"),
            "oops ([string \"a: b\"]:1)"
        );
    }

    #[test]
    fn core_and_config_come_first() {
        let mut names = ["d/map.lua", "d/config.lua", "d/api.lua", "d/core.lua"];
        names.sort_by_key(|n| rank(n));
        assert_eq!(
            names,
            ["d/core.lua", "d/config.lua", "d/api.lua", "d/map.lua"]
        );
    }
}
