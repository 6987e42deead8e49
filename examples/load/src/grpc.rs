//! A call by gRPC as bytes: one message there, one back, and a status at the end.
//!
//! The answer is read whole, as those over HTTP are, so that a status, a refusal of the gateway and a connection that broke
//! are told apart.

use hyper::HeaderMap;
use hyper::body::Bytes;
use prost::Message;
use tonic::Status;

/// Bytes before a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// A message as the body of a request.
pub fn frame(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    Bytes::from([&[0][..], &length, &message].concat())
}

/// The message of an answer.
pub fn unframe<M: Message + Default>(body: &[u8]) -> Result<M, String> {
    let (head, message) = body.split_first_chunk::<HEAD>().ok_or("an answer by gRPC ends within its head")?;
    let [compressed, length @ ..] = *head;
    if compressed != 0 {
        return Err("an answer by gRPC is compressed, which nobody asked for".to_owned());
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err("an answer by gRPC has not the length that its head says".to_owned());
    }
    M::decode(message).map_err(|error| format!("an answer by gRPC is not the message expected: {error}"))
}

/// What became of a call: at the end of its answer, or in its head if there is nothing else.
pub fn status(head: &HeaderMap, trailers: Option<&HeaderMap>) -> Status {
    trailers
        .and_then(Status::from_header_map)
        .or_else(|| Status::from_header_map(head))
        .unwrap_or_else(|| Status::unknown("an answer by gRPC has no grpc-status"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_server::messages::PredictRequest;
    use tonic::Code;

    #[test]
    fn a_message_comes_back_as_it_was_and_damage_is_named() {
        let question = PredictRequest { domain: "a.example".to_owned() };
        let good = frame(&question);
        assert_eq!(good[..HEAD], [0, 0, 0, 0, 11]);
        assert_eq!(unframe::<PredictRequest>(&good), Ok(question));
        let compressed = [&[1], &good[1..]].concat();
        let garbled = [&[0, 0, 0, 0, 1][..], &[0xff]].concat();
        for (bad, why) in [
            (&good[..4], "ends within"),
            (&good[..8], "length"),
            (&compressed[..], "compressed"),
            (&garbled[..], "not the message"),
        ] {
            let error = unframe::<PredictRequest>(bad).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_status_is_in_the_trailers_or_in_the_head_or_unknown() {
        let with =
            |code: &str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
        let none = HeaderMap::new();
        for (head, trailers, code) in [
            (&none, Some(&with("0")), Code::Ok),
            (&none, Some(&with("13")), Code::Internal),
            (&with("14"), None, Code::Unavailable),
            (&with("14"), Some(&none), Code::Unavailable),
            (&none, Some(&none), Code::Unknown),
            (&none, None, Code::Unknown),
        ] {
            assert_eq!(status(head, trailers).code(), code, "{head:?} {trailers:?}");
        }
    }
}
