//! What an answer to a prediction means, over HTTP and over gRPC.

use crate::clients::Whole;
use crate::grpc;
use crate::way::Way;
use hyper::StatusCode;
use model_server::messages::PredictResponse;
use tonic::Code;

/// Envoy's mark of what a limit refused. Over gRPC that looks like a service that is unavailable, but for this.
const LIMITED: &str = "x-local-rate-limit";

/// How an answer came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Ok,
    /// Refused by a limit.
    Limited,
    /// 4xx but 429, in words.
    ClientError(String),
    /// 5xx, or a call that failed, in words.
    ServerError(String),
}

/// Reads an answer; gives its prediction, too, if it is a good one.
pub fn read(way: Way, whole: &Whole) -> (Kind, Option<PredictResponse>) {
    if way == Way::Grpc { call(whole) } else { request(whole) }
}

fn request(whole: &Whole) -> (Kind, Option<PredictResponse>) {
    let status = whole.head.status;
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => Kind::Limited,
        _ if status.is_client_error() => Kind::ClientError(status.to_string()),
        _ if status.is_server_error() => Kind::ServerError(status.to_string()),
        _ => Kind::Ok,
    };
    let prediction = (status == StatusCode::OK).then(|| serde_json::from_slice(&whole.body).ok());
    (kind, prediction.flatten())
}

fn call(whole: &Whole) -> (Kind, Option<PredictResponse>) {
    let headers = &whole.head.headers;
    let status = match whole.head.status {
        StatusCode::OK => grpc::status(headers, whole.trailers.as_ref()),
        StatusCode::TOO_MANY_REQUESTS => return (Kind::Limited, None),
        other => return (Kind::ServerError(format!("a call by gRPC with {other}")), None),
    };
    match status.code() {
        Code::Ok => match grpc::unframe(&whole.body) {
            Ok(prediction) => (Kind::Ok, Some(prediction)),
            Err(error) => (Kind::ServerError(error), None),
        },
        Code::ResourceExhausted => (Kind::Limited, None),
        _ if headers.contains_key(LIMITED) => (Kind::Limited, None),
        code => {
            let number = i32::from(code);
            (Kind::ServerError(format!("grpc-status {number} ({code}): {}", status.message())), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Bytes;
    use hyper::{HeaderMap, Response};

    fn whole(
        status: u16,
        headers: &[(&'static str, &str)],
        trailers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Whole {
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        let map = |pairs: &[(&'static str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>()
        };
        *answer.headers_mut() = map(headers);
        Whole { head: answer.into_parts().0, body, trailers: (!trailers.is_empty()).then(|| map(trailers)) }
    }

    fn prediction() -> PredictResponse {
        PredictResponse { id: "i".to_owned(), version: "v1".to_owned(), ..PredictResponse::default() }
    }

    #[test]
    fn over_http_the_status_decides() {
        let body = Bytes::from(serde_json::to_vec(&prediction()).unwrap());
        let read = |status| read(Way::Http2, &whole(status, &[], &[], body.clone()));
        assert_eq!(read(200), (Kind::Ok, Some(prediction())));
        assert_eq!(read(204), (Kind::Ok, None));
        assert_eq!(read(404), (Kind::ClientError("404 Not Found".to_owned()), None));
        assert_eq!(read(429), (Kind::Limited, None));
        assert_eq!(read(503), (Kind::ServerError("503 Service Unavailable".to_owned()), None));
    }

    #[test]
    fn a_call_is_good_only_with_status_0_wherever_that_stands_and_a_whole_message() {
        let body = grpc::frame(&prediction());
        let read = |status, headers: &[_], trailers: &[_], body: &Bytes| {
            read(Way::Grpc, &whole(status, headers, trailers, body.clone()))
        };
        assert_eq!(read(200, &[], &[("grpc-status", "0")], &body), (Kind::Ok, Some(prediction())));
        let none = Bytes::new();
        for (status, headers, trailers, body, words) in [
            (
                200,
                &[][..],
                &[("grpc-status", "13"), ("grpc-message", "on%20purpose")][..],
                &none,
                "13 (Internal error): on purpose",
            ),
            (200, &[("grpc-status", "14")], &[], &none, "14 ("),
            (200, &[], &[], &body, "no grpc-status"),
            (200, &[], &[("grpc-status", "0")], &none, "ends within"),
            (200, &[("grpc-status", "12")], &[], &none, "12 ("),
            (503, &[], &[("grpc-status", "0")], &body, "503"),
            (404, &[], &[], &none, "404"),
        ] {
            let (kind, prediction) = read(status, headers, trailers, body);
            let Kind::ServerError(what) = kind else { panic!("{kind:?} for {words}") };
            assert!(what.contains(words) && prediction.is_none(), "{what} for {words}");
        }
    }

    #[test]
    fn a_call_that_a_limit_refused_is_no_failure_though_it_looks_like_one() {
        for (status, headers) in [
            (429, &[][..]),
            (200, &[("grpc-status", "8")]),
            (200, &[("grpc-status", "14"), ("x-local-rate-limit", "gateway")]),
        ] {
            assert_eq!(read(Way::Grpc, &whole(status, headers, &[], Bytes::new())), (Kind::Limited, None));
        }
    }
}
