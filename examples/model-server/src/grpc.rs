//! Predictions over gRPC, on the port of HTTP.

use crate::app::{App, MAX_BODY, Refused};
use crate::http::Answer;
use crate::messages::{PREDICT, PredictRequest, PredictResponse};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request};
use std::{error::Error, io};
use tokio::time::Instant;
use tonic::Status;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

/// Whether a request is a call by gRPC.
pub fn is_call(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|media_type| media_type.as_bytes().starts_with(b"application/grpc"))
}

/// Answers a call that arrived at that time.
pub(crate) async fn answer<B>(app: &App, request: Request<B>, arrived: Instant) -> Answer
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    if request.uri().path() != PREDICT {
        return refuse(Status::unimplemented(format!("nothing here; there is {PREDICT}")));
    }
    let predict = tower::service_fn(|call: tonic::Request<PredictRequest>| async move {
        let answer = app.judge(&call.get_ref().domain, arrived).await?;
        Ok::<_, Status>(tonic::Response::new(answer))
    });
    let codec = ProstCodec::<PredictResponse, PredictRequest>::default();
    let answer = Grpc::new(codec).max_decoding_message_size(MAX_BODY).unary(predict, request).await;
    answer.map(|body| body.map_err(io::Error::other).boxed_unsync())
}

/// An answer that says why there is none.
pub(crate) fn refuse(why: Status) -> Answer {
    why.into_http()
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let why = refused.to_string();
        match refused {
            Refused::Domain => Self::invalid_argument(why),
            Refused::NoModel => Self::unavailable(why),
            Refused::OnPurpose => Self::internal(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Faults;
    use crate::model::Model;
    use http_body_util::Full;
    use hyper::http::uri::PathAndQuery;
    use hyper::{StatusCode, body::Bytes};
    use std::{convert::Infallible, sync::Arc};
    use tonic::Code;

    fn app(faults: Faults) -> Arc<App> {
        let app = App::new("phishing", "v1", faults, 0);
        app.load(Model::zero(8, 0), "digest".into());
        Arc::new(app)
    }

    /// As a client made by tonic calls, without a network between.
    async fn call(
        app: &Arc<App>,
        method: &'static str,
        domain: &str,
    ) -> Result<tonic::Response<PredictResponse>, Status> {
        let app = Arc::clone(app);
        let server = tower::service_fn(move |request: Request<tonic::body::Body>| {
            let app = Arc::clone(&app);
            async move { Ok::<_, Infallible>(app.answer(request).await) }
        });
        let mut client = tonic::client::Grpc::new(server);
        client.ready().await.unwrap();
        let question = tonic::Request::new(PredictRequest { domain: domain.to_owned() });
        let codec = ProstCodec::<PredictRequest, PredictResponse>::default();
        client.unary(question, PathAndQuery::from_static(method), codec).await
    }

    async fn predictions(app: &App) -> String {
        let answer = app.answer_metrics(&Request::get("/metrics").body(()).unwrap());
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("model_predictions_total ")).unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_call_is_answered_and_counted_as_a_request_is_and_its_label_comes_over_http() {
        let app = app(Faults::default());
        let answer = call(&app, PREDICT, "Library.example.").await.unwrap();
        assert_eq!(answer.metadata().get("x-model-version").unwrap(), "v1");
        let answer = answer.into_inner();
        assert_eq!((answer.model.as_str(), answer.version.as_str()), ("phishing", "v1"));
        assert_eq!((answer.phishing, answer.score.to_string()), (false, "0.5".to_owned()));
        assert_eq!(predictions(&app).await, "1");

        let label = serde_json::json!({ "id": answer.id, "label": "legitimate" }).to_string();
        let label = Request::post("/feedback").body(Full::new(Bytes::from(label))).unwrap();
        assert_eq!(app.answer(label).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_goes_wrong_has_its_own_status_and_is_no_prediction() {
        let (good, failing) = (app(Faults::default()), app(Faults { fail_ratio: 1.0, ..Faults::default() }));
        let unready = Arc::new(App::new("phishing", "v1", Faults::default(), 0));
        let long = "a".repeat(254);
        for (app, method, domain, code) in [
            (&good, PREDICT, "", Code::InvalidArgument),
            (&good, PREDICT, long.as_str(), Code::InvalidArgument),
            (&good, "/modelrelease.example.Phishing/Other", "a.example", Code::Unimplemented),
            (&failing, PREDICT, "a.example", Code::Internal),
            (&unready, PREDICT, "a.example", Code::Unavailable),
        ] {
            let status = call(app, method, domain).await.unwrap_err();
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.message().len() > 10, "{status:?}");
            assert_eq!(status.metadata().get("x-model-version").unwrap(), "v1");
            assert_eq!(predictions(app).await, "0");
        }
    }

    #[tokio::test]
    async fn the_share_of_failures_holds_over_both_protocols_together() {
        let app = app(Faults { fail_ratio: 0.5, ..Faults::default() });
        let mut failed = 0;
        for _ in 0..10 {
            failed += u32::from(call(&app, PREDICT, "a.example").await.is_err());
            let body = Full::new(Bytes::from_static(br#"{"domain": "a.example"}"#));
            let answer = app.answer(Request::post("/predict").body(body).unwrap()).await;
            failed += u32::from(answer.status() == StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(failed, 10);
    }
}
