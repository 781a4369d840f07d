//! The commands that open a URL on a platform, as words: nothing is started here, and no shell is
//! ever between the program and the browser.

use url::Url;

use crate::OpenError;

/// A family of desktops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Desktop {
    /// Linux and the BSDs: `xdg-open`, else `gio open`.
    Freedesktop,
    /// Linux in the Windows Subsystem for Linux: `wslview`, else as [`Freedesktop`](Self::Freedesktop).
    Wsl,
    /// macOS: `open`.
    MacOs,
    /// Windows: `rundll32`.
    Windows,
}

/// The commands that open `url` in a browser, best first: each is a program and its arguments, to be
/// started without a shell. The caller starts the first whose program exists.
///
/// `browser` is the value of `BROWSER`, if the program read one. Its colon-separated commands replace
/// those of the desktop. Each is split at white space, and `%s` stands for the URL (which is else the
/// last argument).
///
/// # Errors
///
/// When the URL is neither `http` nor `https`: a desktop would start whatever is registered for
/// its scheme.
pub fn open_commands(
    desktop: Desktop,
    browser: Option<&str>,
    url: &Url,
) -> Result<Vec<Vec<String>>, OpenError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OpenError::new(format!(
            "a URL of the scheme `{}` is not opened",
            url.scheme()
        )));
    }
    let chosen = browser
        .into_iter()
        .flat_map(|commands| split_commands(desktop, commands))
        .map(|command| command.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>();
    let commands = if chosen.is_empty() {
        desktop_commands(desktop)
    } else {
        chosen
    };
    Ok(commands
        .into_iter()
        .map(|words| with_url(&words, url))
        .collect())
}

fn desktop_commands(desktop: Desktop) -> Vec<Vec<&'static str>> {
    match desktop {
        Desktop::Freedesktop => vec![vec!["xdg-open"], vec!["gio", "open"]],
        Desktop::Wsl => vec![vec!["wslview"], vec!["xdg-open"], vec!["gio", "open"]],
        Desktop::MacOs => vec![vec!["open"]],
        Desktop::Windows => vec![vec!["rundll32", "url.dll,FileProtocolHandler"]],
    }
}

/// Puts the URL in place of `%s` in the arguments, else at the end.
fn with_url(words: &[&str], url: &Url) -> Vec<String> {
    let has_place = words.iter().skip(1).any(|word| word.contains("%s"));
    let place = |(at, word): (usize, &&str)| match at {
        0 => (*word).to_owned(),
        _ => word.replace("%s", url.as_str()),
    };
    let last = (!has_place).then(|| url.as_str().to_owned());
    words.iter().enumerate().map(place).chain(last).collect()
}

/// `BROWSER` is a list separated by colons; on Windows, where a colon follows a drive, it is one
/// command.
fn split_commands(desktop: Desktop, commands: &str) -> Vec<&str> {
    match desktop {
        Desktop::Windows => vec![commands],
        Desktop::Freedesktop | Desktop::Wsl | Desktop::MacOs => commands.split(':').collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(desktop: Desktop, browser: Option<&str>, url: &str, expected: &[&[&str]]) {
        let url = Url::parse(url).unwrap();
        assert_eq!(open_commands(desktop, browser, &url).unwrap(), expected);
    }

    /// What a shell, cmd.exe or PowerShell would take for its own.
    const HOSTILE: [&str; 4] = [
        "https://as.example/a?b=$(touch%20x)&c=;d|e`f`",
        "https://as.example/%PATH%?b=%s&c=%25s^&calc",
        "https://as.example/'a'?b=%22c%22&d=%27e%27",
        "https://as.example/a?b=--help&-e",
    ];

    #[test]
    fn url_is_one_argument_whatever_it_contains() {
        for url in HOSTILE {
            let url = Url::parse(url).unwrap();
            let url = url.as_str();
            check(
                Desktop::Freedesktop,
                None,
                url,
                &[&["xdg-open", url], &["gio", "open", url]],
            );
            check(
                Desktop::Wsl,
                None,
                url,
                &[&["wslview", url], &["xdg-open", url], &["gio", "open", url]],
            );
            check(Desktop::MacOs, None, url, &[&["open", url]]);
            check(
                Desktop::Windows,
                None,
                url,
                &[&["rundll32", "url.dll,FileProtocolHandler", url]],
            );
            check(
                Desktop::Wsl,
                Some("firefox --url=%s:w3m"),
                url,
                &[&["firefox", &format!("--url={url}")], &["w3m", url]],
            );
        }
    }

    #[test]
    fn empty_browser_variable_leaves_the_desktop_commands() {
        let url = "https://as.example/a";
        let expected: &[&[&str]] = &[&["xdg-open", url], &["gio", "open", url]];
        check(Desktop::Freedesktop, Some(" : "), url, expected);
    }

    #[test]
    fn url_of_another_scheme_is_refused() {
        for text in ["file:///etc/passwd", "javascript:alert(1)", "ms-msdt:/id"] {
            let url = Url::parse(text).unwrap();
            let error = open_commands(Desktop::Windows, None, &url).unwrap_err();
            assert!(error.to_string().contains("is not opened"), "{error}");
        }
    }
}
