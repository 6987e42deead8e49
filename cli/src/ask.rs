//! Asking a human, and taking no answer for no.

use std::io::{BufRead, IsTerminal, Write};

/// Whoever confirms.
pub trait Confirm {
    /// Whether a question was answered with yes; none if nobody is there to ask.
    fn confirm(&mut self, question: &str) -> Option<bool>;
}

/// A human at the terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Human;

impl Confirm for Human {
    fn confirm(&mut self, question: &str) -> Option<bool> {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let mut prompt = std::io::stderr();
        let mut line = String::new();
        write!(prompt, "{question} [y/N] ").and_then(|()| prompt.flush()).ok()?;
        input.lock().read_line(&mut line).ok()?;
        Some(is_yes(&line))
    }
}

/// Whether an answer is a yes.
fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        assert!(!is_yes("\n") && !is_yes("") && !is_yes("yeah") && !is_yes("n"));
    }
}
