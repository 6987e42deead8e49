//! A question and its answer, the same over HTTP, as JSON, and over gRPC, as `proto/phishing.proto` has them.

use serde::{Deserialize, Serialize};

/// Path of the gRPC method that answers a [`PredictRequest`] with a [`PredictResponse`].
pub const PREDICT: &str = "/modelrelease.example.Phishing/Predict";

/// What is asked.
#[derive(Clone, PartialEq, Eq, prost::Message, Deserialize)]
pub struct PredictRequest {
    /// As in `login-wallet.example`; 1 to 253 characters.
    #[prost(string, tag = "1")]
    pub domain: String,
}

/// What a domain was found to be.
#[derive(Clone, PartialEq, prost::Message, Deserialize, Serialize)]
#[serde(default)]
pub struct PredictResponse {
    /// To be sent back with the label.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Whether the score is above one half.
    #[prost(bool, tag = "2")]
    pub phishing: bool,
    /// From 0 to 1.
    #[prost(double, tag = "3")]
    pub score: f64,
    /// Name of the model.
    #[prost(string, tag = "4")]
    pub model: String,
    /// Name of the version whose process computed this.
    #[prost(string, tag = "5")]
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn the_messages_are_those_of_the_proto_file() {
        let proto = include_str!("../proto/phishing.proto");
        for line in [
            "package modelrelease.example;",
            "service Phishing {",
            "rpc Predict(PredictRequest) returns (PredictResponse);",
            "string domain = 1;",
            "string id = 1;",
            "bool phishing = 2;",
            "double score = 3;",
            "string model = 4;",
            "string version = 5;",
        ] {
            assert!(proto.contains(line), "{line}");
        }
        // Tag and kind of each field in turn, as the format of Protocol Buffers has them.
        let (model, version) = ("m".to_owned(), "v".to_owned());
        let answer = PredictResponse { id: "i".to_owned(), phishing: true, score: 0.5, model, version };
        let half = 0.5_f64.to_le_bytes();
        let bytes = [&[0x0a, 1, b'i', 0x10, 1, 0x19][..], &half, &[0x22, 1, b'm', 0x2a, 1, b'v']].concat();
        assert_eq!(answer.encode_to_vec(), bytes);
        assert_eq!(PredictRequest { domain: "d".to_owned() }.encode_to_vec(), [0x0a, 1, b'd']);
    }
}
