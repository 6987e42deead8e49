//! An answer's bytes to rows, or to the reason why there are none.
//!
//! Nothing of the body ever reaches a message: it is somebody else's text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::api::reasons::Reason;
use crate::observed::Unanswered;

/// No block has more events.
const MOST: f64 = 1e9;

/// One row of an instant vector. It stands in the answer's own bytes: a fleet has many thousands of them each block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row<'a> {
    /// Its labels.
    pub labels: Labels<'a>,
    /// Its value; none if it is no number between 0 and a thousand million.
    pub value: Option<f64>,
}

/// The labels that are asked for; one that a row does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Labels<'a> {
    #[serde(borrow)]
    pub stat: Cow<'a, str>,
    #[serde(borrow)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub modelrelease_dev_name: Cow<'a, str>,
    #[serde(borrow)]
    pub modelrelease_dev_version: Cow<'a, str>,
    #[serde(borrow)]
    pub cluster_name: Cow<'a, str>,
    #[serde(borrow)]
    pub destination_workload: Cow<'a, str>,
    #[serde(borrow)]
    pub destination_workload_namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub destination_service_name: Cow<'a, str>,
    #[serde(borrow)]
    pub destination_service_namespace: Cow<'a, str>,
}

impl Row<'_> {
    /// Which of the question's rows it is.
    pub fn stat(&self) -> &str {
        &self.labels.stat
    }
}

/// The rows of an answer. Reasons: `ProviderUnavailable`, `BadQuery`, `PartialData` (the block can be asked for again),
/// `AmbiguousSeries` (it would be answered the same).
pub(super) fn rows(outcome: &Result<(u16, Vec<u8>), Unanswered>) -> Result<Vec<Row<'_>>, Reason> {
    /// A histogram has no `value`.
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        metric: Labels<'a>,
        #[serde(borrow)]
        value: Sample<'a>,
    }
    let items: Vec<Item<'_>> = result(body(outcome)?, "vector")?;
    Ok(items.into_iter().map(|Item { metric, value }| Row { labels: metric, value: value.count() }).collect())
}

/// The body of an answer that is one.
fn body(outcome: &Result<(u16, Vec<u8>), Unanswered>) -> Result<&[u8], Reason> {
    match outcome {
        Ok((200, body)) => Ok(body),
        Ok((400 | 422, _)) => Err(Reason::BadQuery),
        Ok(_) | Err(Unanswered::Unreachable | Unanswered::TimedOut | Unanswered::Broken) => {
            Err(Reason::ProviderUnavailable)
        }
        Err(Unanswered::TooLarge) => Err(Reason::PartialData),
    }
}

/// Whether the same question may be answered otherwise later, so that its block is kept.
pub(super) fn passing(reason: Reason) -> bool {
    matches!(reason, Reason::ProviderUnavailable | Reason::BadQuery | Reason::PartialData)
}

/// The rows of each instant of an answer about a range, by milliseconds of Unix time. Reasons as of [`rows`].
pub(super) fn instants(
    outcome: &Result<(u16, Vec<u8>), Unanswered>,
) -> Result<BTreeMap<i64, Vec<Row<'_>>>, Reason> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        metric: Labels<'a>,
        #[serde(borrow)]
        values: Vec<Sample<'a>>,
    }
    let items: Vec<Item<'_>> = result(body(outcome)?, "matrix")?;
    let mut instants: BTreeMap<i64, Vec<Row<'_>>> = BTreeMap::new();
    for Item { metric, values } in &items {
        for sample in values {
            let row = Row { labels: metric.clone(), value: sample.count() };
            instants.entry(sample.at()).or_default().push(row);
        }
    }
    Ok(instants)
}

/// When something was so, in seconds of Unix time, and what was: a number in quotes.
#[derive(Deserialize)]
struct Sample<'a>(f64, #[serde(borrow)] &'a RawValue);

impl Sample<'_> {
    /// Its time in milliseconds.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
    fn at(&self) -> i64 {
        (self.0 * 1000.0).round().clamp(-9e15, 9e15) as i64
    }

    /// What it says; none if that is no count.
    fn count(&self) -> Option<f64> {
        let text = self.1.get().strip_prefix('"')?.strip_suffix('"')?;
        text.parse().ok().filter(|number| (0.0..=MOST).contains(number))
    }
}

/// An answer of Prometheus.
#[derive(Deserialize)]
struct Whole<'a, T> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    warnings: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<Data<'a, T>>,
}

#[derive(Deserialize)]
struct Data<'a, T> {
    #[serde(borrow, default, rename = "resultType")]
    kind: Cow<'a, str>,
    result: Option<T>,
}

/// The result of an answer, if it is one of this type. Reasons as of [`rows`].
pub(super) fn result<'a, T: Deserialize<'a>>(body: &'a [u8], kind: &str) -> Result<T, Reason> {
    match serde_json::from_slice::<Whole<'a, T>>(body) {
        Ok(whole) => whole.result(kind),
        // Rows of another shape, if it is an answer apart from them.
        Err(error) if error.is_data() => match serde_json::from_slice::<Whole<'a, IgnoredAny>>(body) {
            Ok(whole) => whole.result(kind).and(Err(Reason::AmbiguousSeries)),
            Err(error) => Err(unreadable(body, &error)),
        },
        Err(error) => Err(unreadable(body, &error)),
    }
}

/// What ends too early was cut off; what is no JSON object does not come from a Prometheus.
fn unreadable(body: &[u8], error: &serde_json::Error) -> Reason {
    if error.is_eof() && !body.is_empty() { Reason::PartialData } else { Reason::ProviderUnavailable }
}

impl<T> Whole<'_, T> {
    fn result(self, kind: &str) -> Result<T, Reason> {
        match &*self.status {
            "success" => {}
            "error" => return Err(Reason::BadQuery),
            _ => return Err(Reason::ProviderUnavailable),
        }
        if self.warnings.is_some_and(|warnings| warnings.get() != "[]") {
            return Err(Reason::PartialData);
        }
        let data = self.data.ok_or(Reason::PartialData)?;
        if data.kind != kind {
            return Err(Reason::AmbiguousSeries);
        }
        data.result.ok_or(Reason::PartialData)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Stat, namespace and value of each row.
    type Told = Vec<(String, String, Option<f64>)>;

    fn ok(body: &str) -> Result<Told, Reason> {
        let outcome = Ok((200, body.as_bytes().to_vec()));
        let rows = rows(&outcome)?;
        Ok(rows.iter().map(|r| (r.stat().into(), r.labels.namespace.to_string(), r.value)).collect())
    }

    const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"namespace":"ml","stat":"n"},"value":[1700000000.123,"40"]}]}}"#;

    fn with(value: &str) -> Option<f64> {
        ok(&ONE.replace("\"40\"", value)).unwrap()[0].2
    }

    #[test]
    fn rows_have_their_labels_and_their_number() {
        assert_eq!(ok(ONE), Ok(vec![("n".into(), "ml".into(), Some(40.0))]));
        assert_eq!(ok(&ONE.replace("ml", "m\\u006c")), ok(ONE), "however it is written");
        let none = ok(r#"{"status":"success","data":{"resultType":"vector","result":[]},"infos":["x"]}"#);
        assert_eq!(none, Ok(vec![]));
    }

    #[test]
    fn what_is_no_count_is_no_number() {
        for value in ["\"NaN\"", "\"+Inf\"", "\"-Inf\"", "\"-1\"", "\"1000000001\"", "\"x\"", "40", "null"] {
            assert_eq!(with(value), None, "{value}");
        }
        assert_eq!(with("\"1e9\""), Some(1e9));
        assert_eq!(with("\"-0\""), Some(0.0));
    }

    #[test]
    fn each_way_of_not_answering_has_its_reason() {
        for code in [301, 401, 403, 404, 429, 500, 502, 503, 504] {
            assert_eq!(rows(&Ok((code, ONE.into()))), Err(Reason::ProviderUnavailable), "{code}");
        }
        for code in [400, 422] {
            assert_eq!(rows(&Ok((code, vec![]))), Err(Reason::BadQuery), "{code}");
        }
        for (unanswered, reason) in [
            (Unanswered::Unreachable, Reason::ProviderUnavailable),
            (Unanswered::TimedOut, Reason::ProviderUnavailable),
            (Unanswered::Broken, Reason::ProviderUnavailable),
            (Unanswered::TooLarge, Reason::PartialData),
        ] {
            assert_eq!(rows(&Err(unanswered)), Err(reason));
        }
        for (body, reason) in [
            ("", Reason::ProviderUnavailable),
            ("<html>Sign in</html>", Reason::ProviderUnavailable),
            ("{}", Reason::ProviderUnavailable),
            ("[]", Reason::ProviderUnavailable),
            (&ONE[..60], Reason::PartialData),
            (r#"{"status":"success"}"#, Reason::PartialData),
            (r#"{"status":"error","errorType":"bad_data","error":"x"}"#, Reason::BadQuery),
            (
                r#"{"status":"success","warnings":["x"],"data":{"resultType":"vector","result":[]}}"#,
                Reason::PartialData,
            ),
            (
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
                Reason::AmbiguousSeries,
            ),
            (r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#, Reason::AmbiguousSeries),
            (
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#,
                Reason::AmbiguousSeries,
            ),
        ] {
            assert_eq!(ok(body), Err(reason), "{body}");
        }
    }

    const RANGE: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"namespace":"ml","stat":"n"},"values":[[1700000000,"40"],[1700000030.5,"NaN"]]},
        {"metric":{"namespace":"ml","stat":"k"},"values":[[1700000000,"4"]]}]}}"#;

    #[test]
    fn a_range_has_the_rows_of_each_instant() {
        let outcome = Ok((200, RANGE.as_bytes().to_vec()));
        let instants = instants(&outcome).unwrap();
        let told = instants
            .iter()
            .map(|(at, rows)| (*at, rows.iter().map(|row| (row.stat(), row.value)).collect::<Vec<_>>()))
            .collect::<Vec<_>>();
        assert_eq!(
            told,
            [
                (1_700_000_000_000, vec![("n", Some(40.0)), ("k", Some(4.0))]),
                (1_700_000_030_500, vec![("n", None)])
            ]
        );
        for (body, reason) in [
            (ONE, Reason::AmbiguousSeries),
            (&RANGE[..80], Reason::PartialData),
            (r#"{"status":"error","error":"subqueries are off"}"#, Reason::BadQuery),
        ] {
            assert_eq!(super::instants(&Ok((200, body.as_bytes().to_vec()))).err(), Some(reason), "{body}");
        }
    }

    proptest! {
        #[test]
        fn damaged_ranges_never_give_a_number_out_of_range(
            at in 0..RANGE.len(), byte in any::<u8>(), cut in 0..RANGE.len(),
        ) {
            let mut body = RANGE.as_bytes().to_vec();
            body[at] = byte;
            for body in [body.clone(), body[..cut].to_vec()] {
                for row in instants(&Ok((200, body.clone()))).unwrap_or_default().values().flatten() {
                    prop_assert!(row.value.is_none_or(|v| (0.0..=1e9).contains(&v)));
                }
            }
        }

        #[test]
        fn any_bytes_are_rows_or_a_reason(code in any::<u16>(), body in any::<Vec<u8>>()) {
            let _ = rows(&Ok((code, body)));
        }

        #[test]
        fn damaged_answers_never_give_a_number_out_of_range(
            at in 0..ONE.len(), byte in any::<u8>(), cut in 0..ONE.len(),
        ) {
            let mut body = ONE.as_bytes().to_vec();
            body[at] = byte;
            for body in [body.clone(), body[..cut].to_vec()] {
                for row in rows(&Ok((200, body))).unwrap_or_default() {
                    prop_assert!(row.value.is_none_or(|v| (0.0..=1e9).contains(&v)));
                }
            }
        }
    }
}
