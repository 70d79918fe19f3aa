//! Addresses of servers: which ones are accepted, how they are shown, and where a redirection leads.

use std::borrow::Cow;

use ureq::http::Uri;

/// The address without a name and a password: `http://***@host/…`. Messages and files on the disk have this form.
pub(crate) fn masked(address: &str) -> Cow<'_, str> {
    let begin = address.find("://").map_or(0, |at| at + 3);
    let rest = &address[begin..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{}***{}", &address[..begin], &rest[at..])),
        None => Cow::Borrowed(address),
    }
}

/// [`masked`] for an address that may have any form: everything up to the last `@` is left out.
pub(crate) fn masked_anywhere(address: &str) -> String {
    let begin = address.find("://").map_or(0, |at| at + 3);
    let rest = &address[begin..];
    let shown = match rest.rfind('@') {
        Some(at) => format!("{}***{}", &address[..begin], &rest[at..]),
        None => address.to_owned(),
    };
    shown.escape_debug().to_string()
}

/// Refuses an address that no server can be asked with. `is_base` says that the name of the file is added to it.
///
/// # Errors
/// What is expected, as part of a sentence.
pub(crate) fn check(address: &str, is_base: bool) -> Result<(), &'static str> {
    let begins = |scheme: &str| address.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if !begins("http://") && !begins("https://") {
        return Err("expected one that begins with http:// or https://");
    }
    if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected letters, digits and signs of ASCII without spaces; write others in the form %20");
    }
    if is_base && address.contains(['?', '#']) {
        return Err("expected one without '?' and '#', because the name of the file is added at its end");
    }
    let uri: Option<Uri> = address.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    let is_right = authority.is_some_and(|authority| {
        let host = authority.host();
        let after_name = authority.as_str().rsplit('@').next().unwrap_or_default();
        let port = after_name.strip_prefix(host);
        let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        !host.is_empty() && port.is_some_and(|port| port.is_empty() || is_port(port))
    });
    if is_right {
        Ok(())
    } else {
        Err("expected the name of a server, and a port if it is needed, after http:// or https://")
    }
}

/// The address that `location` means in an answer from `current`; `None` if that is no address of http or https.
pub(crate) fn led_to(current: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (current.scheme_str()?, current.authority()?);
    let has_scheme = location.split(['/', '?']).next().is_some_and(|begin| begin.contains(':'));
    let whole = if has_scheme {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.is_empty() || location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", current.path())
    } else {
        let folder = current.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let (path, query) = location.find('?').map_or((location, ""), |at| location.split_at(at));
        format!("{scheme}://{authority}/{}{query}", without_dots(&format!("{folder}/{path}")))
    };
    let uri: Uri = whole.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    is_web.then_some(uri)
}

/// A path without `.` and `..`, and without the slash at its beginning.
fn without_dots(path: &str) -> String {
    let mut parts = Vec::new();
    let path = path.strip_prefix('/').unwrap_or(path);
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        parts.push("");
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_not_shown() {
        assert_eq!(masked("http://user:pass@word@host:80/a@b"), "http://***@host:80/a@b");
        assert_eq!(masked("https://host/a@b"), "https://host/a@b");
        assert_eq!(masked("http://user@host"), "http://***@host");
        assert_eq!(masked_anywhere("http://user:pa/ss@host/a\n"), "http://***@host/a\\n");
    }

    #[test]
    fn only_addresses_of_servers_are_accepted() {
        for good in
            ["http://a", "HTTP://a/b", "Https://a:443/b", "http://[::1]:80/a", "http://u:p@a/b", "http://1.2.3.4"]
        {
            assert_eq!(check(good, true), Ok(()), "{good}");
        }
        for (bad, words) in [
            ("", "begins with http://"),
            ("ftp://a", "begins with http://"),
            ("http://a b", "without spaces"),
            ("http://é", "without spaces"),
            ("http://a/\u{7f}", "without spaces"),
            ("http://a/?b", "without '?' and '#'"),
            ("http://a/#b", "without '?' and '#'"),
            ("http://", "the name of a server"),
            ("http:///", "the name of a server"),
            ("http://[::1", "the name of a server"),
            ("http://:80/", "the name of a server"),
            ("http://u@/", "the name of a server"),
            ("http://a:99999/", "the name of a server"),
        ] {
            let problem = check(bad, true).unwrap_err();
            assert!(problem.contains(words), "{bad}: {problem}");
        }
        assert_eq!(check("http://a/b?c", false), Ok(()));
    }

    #[test]
    fn redirections_lead_to_whole_addresses() {
        let current: Uri = "http://u@a:80/b/c?d".parse().unwrap();
        for (location, expected) in [
            ("https://x/y#z", Some("https://x/y")),
            ("//x/y", Some("http://x/y")),
            ("/x", Some("http://u@a:80/x")),
            ("?x", Some("http://u@a:80/b/c?x")),
            ("x/./y?z=../a", Some("http://u@a:80/b/x/y?z=../a")),
            ("../../x", Some("http://u@a:80/x")),
            ("..", Some("http://u@a:80/")),
            ("ftp://x/y", None),
            ("file:///x", None),
            ("http://", None),
        ] {
            assert_eq!(led_to(&current, location).map(|uri| uri.to_string()).as_deref(), expected, "{location}");
        }
    }
}
