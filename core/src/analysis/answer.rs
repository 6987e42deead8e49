//! An answer's bytes to rows, or to the reason why there are none.
//!
//! Nothing of the body ever reaches a message: it is somebody else's text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::reasons::Reason;
use crate::observed::Unanswered;

/// No block has more events.
const MOST: f64 = 1e9;

/// One row of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its labels, `stat` among them.
    pub labels: BTreeMap<String, String>,
    /// Its value; none if it is no number between 0 and a thousand million.
    pub value: Option<f64>,
}

impl Row {
    /// Which of the question's rows it is.
    pub fn stat(&self) -> &str {
        self.labels.get("stat").map_or("", String::as_str)
    }
}

/// The rows of an answer. Reasons: `ProviderUnavailable`, `BadQuery`, `PartialData` (the block can be asked for again),
/// `AmbiguousSeries` (it would be answered the same).
pub(super) fn rows(outcome: &Result<(u16, Vec<u8>), Unanswered>) -> Result<Vec<Row>, Reason> {
    result(body(outcome)?, "vector")?
        .iter()
        .map(|item| {
            // A histogram has no `value`.
            let (_, value) = sample(item.get("value").ok_or(Reason::AmbiguousSeries)?)?;
            Ok(Row { labels: labels(item)?, value })
        })
        .collect()
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
) -> Result<BTreeMap<i64, Vec<Row>>, Reason> {
    let mut instants: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for item in result(body(outcome)?, "matrix")? {
        let labels = labels(&item)?;
        let samples = item.get("values").and_then(Value::as_array).ok_or(Reason::AmbiguousSeries)?;
        for sample in samples {
            let (at, value) = self::sample(sample)?;
            instants.entry(at).or_default().push(Row { labels: labels.clone(), value });
        }
    }
    Ok(instants)
}

/// The items of a result of this type.
fn result(body: &[u8], kind: &str) -> Result<Vec<Value>, Reason> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        // What ends too early was cut off; what is no JSON object does not come from a Prometheus.
        if error.is_eof() && !body.is_empty() { Reason::PartialData } else { Reason::ProviderUnavailable }
    })?;
    match answer.get("status").and_then(Value::as_str) {
        Some("success") => {}
        Some("error") => return Err(Reason::BadQuery),
        _ => return Err(Reason::ProviderUnavailable),
    }
    match answer.get("warnings") {
        None | Some(Value::Null) => {}
        Some(Value::Array(warnings)) if warnings.is_empty() => {}
        Some(_) => return Err(Reason::PartialData),
    }
    let data = answer.get_mut("data").ok_or(Reason::PartialData)?;
    if data.get("resultType").and_then(Value::as_str) != Some(kind) {
        return Err(Reason::AmbiguousSeries);
    }
    match data.get_mut("result").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Reason::PartialData),
    }
}

fn labels(item: &Value) -> Result<BTreeMap<String, String>, Reason> {
    let labels = item.get("metric").and_then(Value::as_object).ok_or(Reason::AmbiguousSeries)?;
    labels
        .iter()
        .map(|(name, value)| value.as_str().map(|value| (name.clone(), value.to_owned())))
        .collect::<Option<BTreeMap<_, _>>>()
        .ok_or(Reason::AmbiguousSeries)
}

/// When a sample is of, in milliseconds, and what it says: none if that is no count.
fn sample(pair: &Value) -> Result<(i64, Option<f64>), Reason> {
    let Some([at, value]) = pair.as_array().map(Vec::as_slice) else { return Err(Reason::AmbiguousSeries) };
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
    let at = (at.as_f64().unwrap_or(0.0) * 1000.0).round().clamp(-9e15, 9e15) as i64;
    let number = value.as_str().and_then(|text| text.parse::<f64>().ok());
    Ok((at, number.filter(|n| (0.0..=MOST).contains(n))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(body: &str) -> Result<Vec<Row>, Reason> {
        rows(&Ok((200, body.as_bytes().to_vec())))
    }

    const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"namespace":"ml","stat":"n"},"value":[1700000000.123,"40"]}]}}"#;

    fn with(value: &str) -> Result<Vec<Row>, Reason> {
        ok(&ONE.replace("\"40\"", value))
    }

    #[test]
    fn rows_have_their_labels_and_their_number() {
        let rows = ok(ONE).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].stat(), rows[0].value), ("n", Some(40.0)));
        assert_eq!(rows[0].labels.get("namespace").map(String::as_str), Some("ml"));
        let none = ok(r#"{"status":"success","data":{"resultType":"vector","result":[]},"infos":["x"]}"#);
        assert_eq!(none, Ok(vec![]));
    }

    #[test]
    fn what_is_no_count_is_no_number() {
        for value in ["\"NaN\"", "\"+Inf\"", "\"-Inf\"", "\"-1\"", "\"1000000001\"", "\"x\"", "40", "null"] {
            assert_eq!(with(value).unwrap()[0].value, None, "{value}");
        }
        assert_eq!(with("\"1e9\"").unwrap()[0].value, Some(1e9));
        assert_eq!(with("\"-0\"").unwrap()[0].value, Some(0.0));
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
        let instants = instants(&Ok((200, RANGE.as_bytes().to_vec()))).unwrap();
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
            assert_eq!(super::instants(&Ok((200, body.as_bytes().to_vec()))), Err(reason), "{body}");
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
                for row in instants(&Ok((200, body))).unwrap_or_default().values().flatten() {
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
