//! What commands print, in the docs: blocks that a mark names, and whose digest tells when a hand has changed one.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Begin of the mark before a block; its name and its digest follow.
const MARK: &str = "<!-- written by `make pictures`: ";
const FENCE: &str = "```";

/// A block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// The digest in its mark.
    digest: String,
    /// What stands in it.
    pub text: String,
}

impl Block {
    /// Whether it stands as it was written.
    pub fn untouched(&self) -> bool {
        digest(&self.text) == self.digest
    }
}

/// The page with new texts in the blocks of these names.
///
/// # Errors
/// If there is no text for a block, or no block for a text, or a block does not follow its mark.
pub fn rewritten(page: &str, texts: &BTreeMap<&str, String>) -> Result<String> {
    let mut new = String::new();
    let mut rest = texts.clone();
    parts(page, |part| {
        match part {
            Part::Line(line) => {
                // Writing to a String cannot fail.
                let _ = writeln!(new, "{line}");
            }
            Part::Block(block) => {
                let text = rest
                    .remove(block.name.as_str())
                    .ok_or_else(|| Error::other(format!("nothing is shown for the block {}", block.name)))?;
                let text = text.trim_end();
                let _ = writeln!(new, "{MARK}{} {} -->\n{FENCE}\n{text}\n{FENCE}", block.name, digest(text));
            }
        }
        Ok(())
    })?;
    match rest.keys().next() {
        Some(name) => Err(Error::other(format!("the page has no block {name} (`{MARK}{name} -->`)"))),
        None => Ok(new),
    }
}

/// The marked blocks of a page.
///
/// # Errors
/// If a block does not follow its mark.
pub fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    parts(page, |part| {
        if let Part::Block(block) = part {
            blocks.push(block);
        }
        Ok(())
    })?;
    Ok(blocks)
}

enum Part<'a> {
    Line(&'a str),
    Block(Block),
}

fn parts(page: &str, mut each: impl FnMut(Part<'_>) -> Result<()>) -> Result<()> {
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.strip_prefix(MARK) else {
            each(Part::Line(line))?;
            continue;
        };
        let broken = || Error::other(format!("no whole block follows the mark {line}"));
        let mark = mark.trim_end_matches("-->").trim();
        let (name, digest) = mark.split_once(' ').unwrap_or((mark, ""));
        if lines.next() != Some(FENCE) {
            return Err(broken());
        }
        let mut text = Vec::new();
        loop {
            match lines.next() {
                Some(FENCE) => break,
                Some(line) => text.push(line),
                None => return Err(broken()),
            }
        }
        each(Part::Block(Block { name: name.into(), digest: digest.into(), text: text.join("\n") }))?;
    }
    Ok(())
}

/// First 12 hex digits of a text's SHA-256.
fn digest(text: &str) -> String {
    let mut all = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(6) {
        // Writing to a String cannot fail.
        let _ = write!(all, "{byte:02x}");
    }
    all
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kubectl_modelrelease::args::Cli;

    use super::*;
    use crate::checkout;
    use crate::pictures::shots::SHOTS;

    fn page(text: &str) -> String {
        format!("# Page\n\n{MARK}get -->\n```\n{text}\n```\n\nend\n")
    }

    #[test]
    fn a_block_gets_its_text_and_a_hand_that_changes_it_is_seen() {
        let new = rewritten(&page("old"), &[("get", "$ new\nlines\n".to_owned())].into()).unwrap();
        assert!(new.starts_with("# Page\n\n") && new.ends_with("```\n\nend\n"), "{new}");
        assert!(new.contains("\n```\n$ new\nlines\n```\n"), "{new}");
        assert!(blocks(&new).unwrap()[0].untouched());
        assert!(!blocks(&new.replace("lines", "liens")).unwrap()[0].untouched());
    }

    #[test]
    fn a_block_without_text_and_a_text_without_block_are_told() {
        let text = || "x".to_owned();
        let error = rewritten(&page("old"), &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("block get"), "{error}");
        let error =
            rewritten(&page("old"), &[("get", text()), ("lost", text())].into()).unwrap_err().to_string();
        assert!(error.contains("no block lost"), "{error}");
        let error = blocks(&format!("{MARK}get -->\nno fence")).unwrap_err().to_string();
        assert!(error.contains("no whole block"), "{error}");
    }

    /// What the plugin's page shows is what the plugin printed, each command of it.
    #[test]
    fn no_answer_in_the_docs_is_written_by_hand() {
        let file = checkout::root().unwrap().join("docs/plugin.md");
        let page = std::fs::read_to_string(&file).unwrap();
        let blocks = blocks(&page).unwrap();
        for block in &blocks {
            assert!(
                block.untouched(),
                "{} of docs/plugin.md was changed by hand; `make pictures`",
                block.name
            );
        }
        let prompt = "$ kubectl modelrelease ";
        let inside = blocks.iter().filter(|block| block.text.starts_with(prompt)).count();
        assert_eq!(page.matches(prompt).count(), inside, "an answer stands outside of a marked block");
        let named: Vec<&str> = blocks.iter().map(|block| block.name.as_str()).collect();
        let inner = SHOTS.iter().filter(|shot| shot.in_page()).map(|shot| shot.name);
        assert_eq!(inner.collect::<std::collections::BTreeSet<_>>(), named.into_iter().collect());
    }

    #[test]
    fn every_command_that_is_shown_is_one() {
        for shot in &SHOTS {
            let line = shot.line.replace("$N", "3").replace("$PROMETHEUS_URL", "http://localhost:9090");
            let words = std::iter::once("kubectl-modelrelease").chain(line.split_whitespace());
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {error}", shot.name));
        }
    }

    /// The block and the picture of a command are of one moment.
    #[test]
    fn a_picture_shows_what_its_block_says() {
        let root = checkout::root().unwrap();
        let page = std::fs::read_to_string(root.join("docs/plugin.md")).unwrap();
        let blocks = blocks(&page).unwrap();
        let tags = regex::Regex::new("<style>(?s:.)*</style>|<[^>]+>").unwrap();
        for shot in SHOTS.iter().filter(|shot| shot.pictured) {
            let svg = std::fs::read_to_string(root.join(format!("docs/pictures/{}.svg", shot.name))).unwrap();
            let Some(block) = blocks.iter().find(|block| block.name == shot.name) else { continue };
            let text =
                tags.replace_all(&svg, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&text), words(&block.text), "{}", shot.name);
        }
    }
}
