//! Markdown tables that are compared with the code: their rows are read here.

/// A row of a table: its line, and the words in backticks of its cells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) cells: Vec<Vec<String>>,
}

impl Row {
    /// What the row is about: the first word in backticks of its first cell.
    pub(crate) fn key(&self) -> Option<&str> {
        self.cells.first()?.first().map(String::as_str)
    }
}

/// The rows under the heading `heading`, up to the next one of its rank, that have a key.
pub(crate) fn rows(text: &str, heading: &str) -> Vec<Row> {
    let rank = heading.split(' ').next().unwrap_or_default();
    text.lines()
        .zip(1..)
        .skip_while(|(line, _)| *line != heading)
        .skip(1)
        .take_while(|(line, _)| line.split(' ').next() != Some(rank))
        .filter_map(|(line, number)| {
            let inside = line.strip_prefix('|')?.strip_suffix('|')?;
            Some(Row { line: number, cells: inside.split('|').map(code_words).collect() })
        })
        .filter(|row| row.key().is_some())
        .collect()
}

/// The words in backticks.
fn code_words(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_heading() {
        let text = "# A\n| `x` |\n## In use\n| what | by |\n|---|---|\n| `a` | `b`, `c` |\n### More\n| `d` | e |\n## Next\n| `f` |\n";
        let rows = rows(text, "## In use");
        assert_eq!(
            rows.iter().map(|row| (row.line, row.key().unwrap())).collect::<Vec<_>>(),
            [(6, "a"), (8, "d")]
        );
        assert_eq!(rows[0].cells[1], ["b", "c"]);
        assert_eq!(super::rows(text, "## Absent"), []);
    }
}
