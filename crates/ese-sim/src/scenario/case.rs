//! Cases as text: parsed from a file, printed into one.

use std::fmt::Write as _;

/// What parts statements from what they print.
const RULE: &str = "----";

/// One case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Case {
    /// The line it begins on.
    pub(super) line: usize,
    /// Statements and comments, as they stand in the file.
    pub(super) lines: Vec<String>,
    /// What the statements print.
    pub(super) expected: Vec<String>,
}

impl Case {
    /// The statements, each with its line.
    pub(super) fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate().map(|(index, line)| (self.line + index, line.as_str()));
        numbered.filter(|(_, line)| !line.starts_with('#'))
    }

    /// Shows what a case printed beside what it should have.
    pub(super) fn difference(&self, file: &str, printed: &[String]) -> String {
        let mut text = format!("{file}:{}\n{}\n", self.line, self.lines.join("\n"));
        let same = self.expected.iter().zip(printed).take_while(|(want, got)| want == got).count();
        let _ = write!(text, "{RULE} expected\n{}\n{RULE} printed", self.expected.join("\n"));
        for (index, line) in printed.iter().enumerate() {
            let mark = if index == same { "   <-- here" } else { "" };
            let _ = write!(text, "\n{line}{mark}");
        }
        text
    }
}

/// Parses a file; an error begins with the line.
pub(super) fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_end())).peekable();
    loop {
        while lines.next_if(|(_, line)| line.is_empty()).is_some() {}
        let Some(&(line, _)) = lines.peek() else { return Ok(cases) };
        let mut case = Case { line, lines: Vec::new(), expected: Vec::new() };
        loop {
            match lines.next() {
                Some((_, text)) if text == RULE => break,
                Some((at, "")) => return Err(format!("{at}: the case has no {RULE}")),
                None => return Err(format!("{line}: the case has no {RULE}")),
                Some((_, text)) => case.lines.push(text.to_owned()),
            }
        }
        while let Some((_, text)) = lines.next_if(|(_, line)| !line.is_empty()) {
            case.expected.push(text.to_owned());
        }
        cases.push(case);
    }
}

/// Prints cases as a file.
pub(super) fn print(cases: &[Case]) -> String {
    let print = |case: &Case| {
        let lines = case.lines.iter().map(String::as_str).chain([RULE]);
        let lines: Vec<&str> = lines.chain(case.expected.iter().map(String::as_str)).collect();
        lines.join("\n") + "\n"
    };
    cases.iter().map(print).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# why\ns1 begin\ns1 get t a\n----\na: none\n\ns1 level\n----\nlevel 0\n";

    #[test]
    fn a_file_survives_parsing_and_printing() {
        let cases = parse(FILE).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].statements().collect::<Vec<_>>(), [(2, "s1 begin"), (3, "s1 get t a")]);
        assert_eq!(cases[0].expected, ["a: none"]);
        assert_eq!(cases[1].line, 7);
        assert_eq!(print(&cases), FILE);
    }

    #[test]
    fn a_case_without_a_rule_is_refused() {
        assert!(parse("s1 begin\n\ns2 begin\n----\n").unwrap_err().starts_with("2:"));
        assert!(parse("s1 begin").unwrap_err().starts_with("1:"));
    }

    #[test]
    fn a_difference_shows_its_place() {
        let case = &parse(FILE).unwrap()[0];
        assert!(case.difference("f", &["a: 1".to_owned()]).contains("a: 1   <-- here"));
    }
}
