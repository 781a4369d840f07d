//! The command that opens a URL on a platform, as words: nothing is started here, and no shell is
//! ever between the program and the browser.

use url::Url;

use crate::OpenError;

/// A family of desktops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Desktop {
    /// Linux and the BSDs: `xdg-open`.
    Freedesktop,
    /// macOS: `open`.
    MacOs,
    /// Windows: `rundll32`.
    Windows,
}

/// The program and its arguments that bring a browser to `url`, to be started without a shell.
///
/// `browser` is the value of `BROWSER`, if the program read one: the first of its colon-separated
/// commands is taken, split at white space, with `%s` standing for the URL (which else comes last).
///
/// # Errors
///
/// When the URL is neither `http` nor `https`: a desktop would start whatever is registered for
/// its scheme.
pub fn open_command(
    desktop: Desktop,
    browser: Option<&str>,
    url: &Url,
) -> Result<Vec<String>, OpenError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OpenError::new(format!(
            "a URL of the scheme `{}` is not opened",
            url.scheme()
        )));
    }
    let chosen = browser
        .into_iter()
        .flat_map(|commands| split_commands(desktop, commands))
        .map(|command| command.split_whitespace().map(str::to_owned).collect())
        .find(|words: &Vec<String>| !words.is_empty());
    let mut words = chosen.unwrap_or_else(|| {
        let words: &[&str] = match desktop {
            Desktop::Freedesktop => &["xdg-open"],
            Desktop::MacOs => &["open"],
            Desktop::Windows => &["rundll32", "url.dll,FileProtocolHandler"],
        };
        words.iter().map(ToString::to_string).collect()
    });
    let mut placed = false;
    for word in words.iter_mut().skip(1) {
        if word.contains("%s") {
            *word = word.replace("%s", url.as_str());
            placed = true;
        }
    }
    if !placed {
        words.push(url.as_str().to_owned());
    }
    Ok(words)
}

/// `BROWSER` is a list separated by colons; on Windows, where a colon follows a drive, it is one
/// command.
fn split_commands(desktop: Desktop, commands: &str) -> Vec<&str> {
    match desktop {
        Desktop::Windows => vec![commands],
        Desktop::Freedesktop | Desktop::MacOs => commands.split(':').collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(desktop: Desktop, browser: Option<&str>, url: &str, expected: &[&str]) {
        let url = Url::parse(url).unwrap();
        assert_eq!(open_command(desktop, browser, &url).unwrap(), expected);
    }

    #[test]
    fn the_url_is_one_argument_whatever_it_holds() {
        let url = "https://as.example/a?b=$(touch%20x)&c=;d|e`f`";
        check(Desktop::Freedesktop, None, url, &["xdg-open", url]);
        check(Desktop::MacOs, None, url, &["open", url]);
        check(
            Desktop::Windows,
            None,
            url,
            &["rundll32", "url.dll,FileProtocolHandler", url],
        );
        check(
            Desktop::Freedesktop,
            Some("firefox --new-window %s:w3m"),
            url,
            &["firefox", "--new-window", url],
        );
        check(Desktop::Freedesktop, Some("w3m"), url, &["w3m", url]);
        check(Desktop::Freedesktop, Some(" : "), url, &["xdg-open", url]);
    }

    #[test]
    fn only_web_addresses_are_opened() {
        for text in ["file:///etc/passwd", "javascript:alert(1)", "ms-msdt:/id"] {
            let url = Url::parse(text).unwrap();
            let error = open_command(Desktop::Windows, None, &url).unwrap_err();
            assert!(error.to_string().contains("is not opened"), "{error}");
        }
    }
}
