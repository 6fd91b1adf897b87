//! Relative links in Markdown lead to files of the project.

use super::Finding;
use pulldown_cmark::{Event, Parser, Tag};

/// Tells links of a Markdown file that lead nowhere; `exists` knows the project's paths.
pub(crate) fn check(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (event, place) in Parser::new(text).into_offset_iter() {
        let (Event::Start(Tag::Link { dest_url, .. }) | Event::Start(Tag::Image { dest_url, .. })) = event
        else {
            continue;
        };
        let target = dest_url.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains(':') {
            continue;
        }
        let line = text[..place.start].matches('\n').count() + 1;
        match resolve(path, target) {
            Some(target) if exists(&target) => {}
            _ => findings.push(Finding::new(path, line, "link", format!("`{dest_url}` leads nowhere"))),
        }
    }
    findings
}

/// The path that `target` means in the file `path`; none when it leaves the project.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files() {
        let exists = |path: &str| matches!(path, "README.md" | "docs/a.md" | "docs/semantics");
        let lines =
            |text| check("docs/b.md", text, &exists).iter().map(|finding| finding.line).collect::<Vec<_>>();
        let good = "[a](a.md) [b](../README.md#top) [c](#here) [d](https://example.org) [e](semantics/)\n";
        assert_eq!(lines(good), [0; 0]);
        assert_eq!(lines("a\n\n[a](c.md)\n"), [3]);
        assert_eq!(lines("[a](../../README.md)\n"), [1], "outside the project");
        assert_eq!(lines("[a][b]\n\n[b]: gone.md\n"), [1]);
        assert_eq!(lines("`[a](c.md)`\n"), [0; 0], "code is no link");
    }
}
