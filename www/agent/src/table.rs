//! Tables in plain text.

/// A Markdown pipe table whose columns also line up as plain text. The first row is its head.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = row.iter().zip(widths);
        let first = cells.next().map(|(cell, width)| format!("{cell:<width$}"));
        let rest = cells.map(|(cell, width)| format!("{cell:>width$}"));
        let cells: Vec<String> = first.into_iter().chain(rest).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if lines.len() == 1 {
            let mut rules = widths.iter().map(|width| "-".repeat(width + 1));
            let first = rules.next().map(|rule| format!("{rule}-"));
            let rest = rules.map(|rule| format!("{rule}:"));
            let rules: Vec<String> = first.into_iter().chain(rest).collect();
            lines.push(format!("|{}|", rules.join("|")));
        }
    }
    lines.join("\n")
}
