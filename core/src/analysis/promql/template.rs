//! A question of the administrator's own, with the names of the versions put in.

use super::question::Scope;
use super::{POD_KEY, duration};
use crate::settings::{QueryTemplate, TemplateKind};

/// Matchers of the compared versions' series.
const SELECTOR: &str = "selector";
/// The release's namespace, with quotes.
const NAMESPACE: &str = "namespace";
/// The length of a block.
const WINDOW: &str = "window";

/// Asks it for these releases. Rows of a gauge get the stat `ga`; those of counts bear theirs.
pub(super) fn by_template(scope: &Scope<'_>, template: &QueryTemplate, width: i64) -> String {
    let put = |query: &str, name: &str, value: &str| query.replace(&format!("${name}"), value);
    let query = put(&template.query, SELECTOR, &scope.pod_matchers());
    let query = put(&query, NAMESPACE, &scope.namespace());
    let query = put(&query, WINDOW, &duration(width));
    match template.kind {
        TemplateKind::Counts => query,
        TemplateKind::Gauge => {
            format!("label_replace(avg by ({POD_KEY}) ({query}), \"stat\", \"ga\", \"\", \"\")")
        }
    }
}

/// What is wrong with the text of a template: where, what is there, and what should be.
///
/// Only what no Prometheus could read is told: strings and brackets without their ends, and placeholders that stand for
/// nothing or for something else here. Functions and operators are the server's own to know.
pub fn template_fault(query: &str) -> Option<String> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut text = query.chars().enumerate().peekable();
    while let Some((at, c)) = text.next() {
        match c {
            '#' => while text.next_if(|(_, c)| *c != '\n').is_some() {},
            '"' | '\'' | '`' => {
                let mut inside = String::new();
                if !string(text.by_ref().map(|(_, c)| c), c, &mut inside) {
                    return Some(format!(
                        "{} a string begins with {c}, which does not end by {c}",
                        place(query, at)
                    ));
                }
                let quoted = |name: &&&str| c == '"' && inside.contains(&format!("${name}"));
                if let Some(name) = [SELECTOR, NAMESPACE].iter().find(quoted) {
                    return Some(format!(
                        "{} ${name} stands in quotes, and brings its own; take those around it away",
                        place(query, at)
                    ));
                }
            }
            '$' => {
                let mut name = String::new();
                while let Some((_, c)) = text.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if ![SELECTOR, NAMESPACE, WINDOW].contains(&name.as_str()) {
                    return Some(format!(
                        "{} ${name} stands for nothing; expected $selector, $namespace or $window",
                        place(query, at)
                    ));
                }
            }
            '(' | '[' | '{' => open.push((at, c)),
            ')' | ']' | '}' => match open.pop() {
                Some((_, opening)) if closing(opening) == c => {}
                Some((from, opening)) => {
                    return Some(format!(
                        "{} there is {c}; expected {}, for {opening} is open {}",
                        place(query, at),
                        closing(opening),
                        place(query, from)
                    ));
                }
                None => return Some(format!("{} there is {c}, which nothing opens", place(query, at))),
            },
            _ => {}
        }
    }
    let (from, opening) = open.pop()?;
    Some(format!("it ends; expected {}, for {opening} is open {}", closing(opening), place(query, from)))
}

/// Reads a string after its first quote; whether it ends. Only raw ones, in backticks, go on over lines and know no escapes.
fn string(text: impl Iterator<Item = char>, quote: char, inside: &mut String) -> bool {
    let raw = quote == '`';
    let mut escaped = false;
    for c in text {
        match c {
            _ if escaped => escaped = false,
            c if c == quote => return true,
            '\n' if !raw => return false,
            '\\' if !raw => escaped = true,
            _ => {}
        }
        inside.push(c);
    }
    false
}

fn closing(opening: char) -> char {
    match opening {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// `at line 2, character 5`, of so many characters before it.
fn place(query: &str, before: usize) -> String {
    let (mut line, mut character) = (1_usize, 1_usize);
    for c in query.chars().take(before) {
        (line, character) = if c == '\n' { (line + 1, 1) } else { (line, character + 1) };
    }
    format!("at line {line}, character {character}")
}

#[cfg(test)]
mod tests {
    use super::template_fault;

    #[test]
    fn a_template_that_no_prometheus_could_read_is_told_with_the_place() {
        for (query, want) in [
            ("sum(x{$selector}", "it ends; expected ), for ( is open at line 1, character 4"),
            (
                "sum(x{$selector)",
                "at line 1, character 16 there is ); expected }, for { is open at line 1, character 6",
            ),
            ("x{$selector}\n  )", "at line 2, character 3 there is ), which nothing opens"),
            (
                "x{a=\"b, $selector}",
                "at line 1, character 5 a string begins with \", which does not end by \"",
            ),
            (
                "x{a='b\n', $selector}",
                "at line 1, character 5 a string begins with ', which does not end by '",
            ),
            (
                "x{$selectors}",
                "at line 1, character 3 $selectors stands for nothing; expected $selector, $namespace or $window",
            ),
            (
                "rate(x{$selector}[$interval])",
                "at line 1, character 19 $interval stands for nothing; expected $selector, $namespace or $window",
            ),
            (
                "x{ns=\"$namespace\"}",
                "at line 1, character 6 $namespace stands in quotes, and brings its own; take those around it away",
            ),
        ] {
            assert_eq!(template_fault(query).as_deref(), Some(want), "{query}");
        }
    }

    #[test]
    fn what_a_prometheus_can_read_is_no_fault() {
        for query in [
            "sum by (namespace) (increase(x{$selector}[$window])) # all of (them",
            "label_replace(x{n=$namespace}, \"stat\", \"$1${2}$name\", \"a\", \"(.*)$\")",
            "x{a=~\"\\\\)\\\"(\", $selector} + y{a='\"', b=`\\`, c=`\n(`, $selector}",
            "holt_winters(x{$selector}[1h:$window] offset $window, 0.5, 0.5)",
        ] {
            assert_eq!(template_fault(query), None, "{query}");
        }
    }
}
