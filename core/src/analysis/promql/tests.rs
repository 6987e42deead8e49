//! Rendered questions, and whose a row is.

use serde_json::json;

use super::question::{Question, What};
use super::*;
use crate::api::status::Grade;
use crate::release::Series;
use crate::settings::Settings;

fn release(name: &str, namespace: &str) -> Release {
    let object = serde_json::from_value(json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": name, "namespace": namespace, "uid": "u"},
        "spec": {"runtime": {"image": "a"}, "stable": {"version": "1"}},
    }))
    .unwrap();
    Release::parse(&object, &Settings::default())
}

fn asked(names: &Names<'_>, what: What, width: i64) -> String {
    let gateways = names.release.traffic.sets.iter().map(|set| set.namespace.clone()).collect();
    let namespace = names.release.namespace.clone();
    Question { what, width, blocks: 0, namespace, gateways }.promql(&[&names.about()])
}

fn counts(names: &Names<'_>, entrance: Entrance) -> Counts {
    Counts::of(entrance, names.preset())
}

fn error_rate(names: &Names<'_>, entrance: Entrance, width: i64) -> String {
    asked(names, What::Errors(counts(names, entrance)), width)
}

fn requests(names: &Names<'_>, entrance: Entrance, width: i64) -> String {
    asked(names, What::Requests(counts(names, entrance)), width)
}

fn latency(names: &Names<'_>, entrance: Entrance, bound: i64, width: i64) -> String {
    asked(names, What::Latency { counts: counts(names, entrance), bound }, width)
}

fn first_token(names: &Names<'_>, bound: i64, width: i64) -> String {
    asked(names, What::FirstToken { preset: names.preset(), bound }, width)
}

fn quality(names: &Names<'_>, grade: Option<Grade>, width: i64) -> String {
    let series = names.release.analysis.quality.series.clone();
    asked(names, What::Quality { series, grade, copied: false }, width)
}

fn quality_before(names: &Names<'_>, width: i64) -> String {
    asked(names, What::QualityBefore { series: names.release.analysis.quality.series.clone() }, width)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One counter's part of the question, as it is wanted, written out by hand.
const ENVOY_K: &str = concat!(
    r#"label_replace(sum by (cluster_name) (((envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class="5xx"}"#,
    r#" - (envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class="5xx"} offset 30s))"#,
    r#" or ((envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class="5xx"}"#,
    r#" unless (envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class="5xx"} offset 30s))"#,
    r#" and on (job, instance) (up offset 30s == 1)))"#,
    r#" unless on (job, instance) ((envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class!=""}"#,
    r#" < (envoy_cluster_upstream_rq{cluster_name=~"C",response_code_class!=""} offset 30s)))), "stat", "k", "", "")"#,
);

#[test]
fn envoys_requests_are_exact_differences_of_the_named_clusters() {
    let release = release("fraud", "ml");
    let (stable, canary) = (Hash::known("5f3c0a9b11"), Hash::known("9ab1c2d3e4"));
    let text = error_rate(&Names::new(&release, Some(&stable), &canary, &[]), Entrance::Envoy, 30_000);
    let cluster = "outbound[|](80|9000)[|][|](fraud-5f3c0a9b11|fraud-9ab1c2d3e4)[.]ml[.]svc[.].+";
    let mut parts = text.split("\nor ");
    assert_eq!(parts.next(), Some(ENVOY_K.replace("\"C\"", &format!("\"{cluster}\"")).as_str()));
    let all = ENVOY_K
        .replace("response_code_class=\"5xx\"", "response_code_class!=\"\"")
        .replace("\"k\"", "\"n\"")
        .replace("\"C\"", &format!("\"{cluster}\""));
    assert_eq!(parts.next(), Some(all.as_str()));
    assert_eq!(parts.next(), None);
}

/// The stats of a question, in their order.
fn stats(text: &str) -> Vec<&str> {
    text.split("\"stat\", \"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn quality_asks_for_both_families_until_one_is_chosen() {
    let release = release("fraud", "ml");
    let (stable, canary) = (Hash::known("5f3c0a9b11"), Hash::known("9ab1c2d3e4"));
    let names = Names::new(&release, Some(&stable), &canary, &[]);
    assert_eq!(stats(&quality(&names, None, 30_000)), ["k", "n", "ck", "cn", "gk", "gn", "ga", "a"]);
    assert_eq!(stats(&quality(&names, Some(Grade::Counts), 30_000)), ["k", "n", "a"]);
    let copied = |grade| asked(&names, What::Quality { series: Series::Best, grade, copied: true }, 30_000);
    assert_eq!(stats(&copied(None))[8..], ["pb", "pc", "ps", "pn"]);
    assert_eq!(stats(&copied(Some(Grade::Paired))), ["pb", "pc", "ps", "pn"]);
    assert_eq!(stats(&copied(Some(Grade::Counts))), ["k", "n", "a"]);
    assert_eq!(stats(&quality(&names, Some(Grade::Samples), 30_000)), ["gk", "gn"]);
    let pods =
        r#"{namespace="ml",modelrelease_dev_name="fraud",modelrelease_dev_version=~"5f3c0a9b11|9ab1c2d3e4"}"#;
    let counts = quality(&names, Some(Grade::Counts), 30_000);
    assert_eq!(
        counts.matches(pods).count(),
        counts.matches("_total").count(),
        "every selector is of these pods"
    );
    let gauge = quality(&names, Some(Grade::Samples), 60_000);
    assert!(gauge.contains(&format!("(time() - timestamp(model_accuracy{pods}) <= 240)")), "four intervals");
}

#[test]
fn istios_requests_have_one_reporter_and_no_refusals() {
    let release = release("fraud", "ml");
    let canary = Hash::known("9ab1c2d3e4");
    let names = Names::new(&release, None, &canary, &[]);
    let pods = error_rate(&names, Entrance::Istio, 30_000);
    assert_eq!(stats(&pods), ["k", "k1", "n", "k2", "n2"]);
    let gateway = error_rate(&names, Entrance::IstioGateway, 30_000);
    assert_eq!(stats(&gateway), ["k", "k1", "n"]);
    assert!(!gateway.contains("reporter=\"destination\""));
    assert!(!gateway.contains("source_workload_namespace"), "no gateway is named, so none is matched");
    for text in [pods.split("\nor ").take(3).collect::<String>(), gateway] {
        assert_eq!(
            text.matches("istio_requests_total{").count(),
            text.matches("response_flags!=\"RL\"").count()
        );
    }
}

#[test]
fn requests_in_time_are_those_of_one_bucket() {
    let release = release("fraud", "ml");
    let canary = Hash::known("9ab1c2d3e4");
    let names = Names::new(&release, None, &canary, &[]);
    for (entrance, histogram) in [
        (Entrance::Envoy, "envoy_cluster_upstream_rq_time_bucket"),
        (Entrance::Istio, "istio_request_duration_milliseconds_bucket"),
        (Entrance::IstioGateway, "istio_request_duration_milliseconds_bucket"),
    ] {
        let text = latency(&names, entrance, 250, 30_000);
        assert_eq!(stats(&text), ["w", "n"], "{entrance:?}");
        assert_eq!(text.matches(histogram).count(), text.matches(",le=").count(), "{text}");
        assert!(text.contains(r#"le=~"250([.]0+)?""#) && text.contains(r#"le="+Inf""#), "{text}");
    }
}

#[test]
fn the_past_is_the_same_question_of_each_block() {
    let mut release = release("fraud", "ml");
    let canary = Hash::known("9ab1c2d3e4");
    let of = |release: &Release| quality_before(&Names::new(release, None, &canary, &[]), 30_000);
    assert_eq!(stats(&of(&release)), ["k", "n", "ga", "a", "d"]);
    assert!(of_blocks("x", 30_000, 240).ends_with("(x)[7200s:30s]"));
    release.analysis.quality.series = Series::Gauge("auc".to_owned());
    assert_eq!(stats(&of(&release)), ["ga"]);
    assert!(of(&release).contains("auc{") && !of(&release).contains("model_accuracy"));
    release.analysis.quality.series = Series::Counters { right: "right".to_owned(), all: "all".to_owned() };
    let text = of(&release);
    assert!(stats(&text) == ["k", "n"] && text.contains("right{") && text.contains("all{"), "{text}");
}

/// The release with a version of this preset on trial.
fn served(preset: &str) -> Release {
    let object = serde_json::from_value(json!({
        "apiVersion": "modelrelease.dev/v1alpha1", "kind": "ModelRelease",
        "metadata": {"name": "fraud", "namespace": "ml", "uid": "u"},
        "spec": {"runtime": {"image": "a", "preset": preset}, "stable": {"version": "1"}},
    }))
    .unwrap();
    Release::parse(&object, &Settings::default())
}

#[test]
fn servers_are_asked_by_their_own_names() {
    let canary = Hash::known("9ab1c2d3e4");
    for (preset, failures, all, in_time, first) in [
        ("triton", "nv_inference_request_failure", vec!["k", "n", "n1"], None, Some("le=~\"500([.]0+)?\"")),
        ("vllm", "http_requests_total", vec!["k", "n"], Some("le=~\"0[.]50*\""), Some("le=~\"0[.]50*\"")),
        ("tfserving", ":tensorflow:serving:request_count", vec!["k", "n"], None, None),
        ("torchserve", "Requests5XX", vec!["k", "n", "n1", "n2"], None, None),
        (
            "mlserver",
            "model_infer_request_failure_total",
            vec!["k", "n", "n1"],
            Some("le=~\"0[.]50*\""),
            None,
        ),
        ("kserve", "", vec![], Some("le=~\"0[.]50*\""), None),
        ("bentoml", "bentoml_service_request_total", vec!["k", "n"], Some("le=~\"0[.]50*\""), None),
        ("custom", "", vec![], None, None),
    ] {
        let release = served(preset);
        let names = Names::new(&release, None, &canary, &[]);
        let text = error_rate(&names, Entrance::Server, 30_000);
        assert_eq!(stats(&text), all, "{preset}");
        assert!(text.contains(failures), "{preset}: {text}");
        assert_eq!(requests(&names, Entrance::Server, 30_000).is_empty(), all.is_empty(), "{preset}");
        for (text, bucket) in [
            (latency(&names, Entrance::Server, 500, 30_000), in_time),
            (first_token(&names, 500, 30_000), first),
        ] {
            assert_eq!(text.is_empty(), bucket.is_none(), "{preset}: {text}");
            assert!(bucket.is_none_or(|bucket| text.contains(bucket)), "{preset}: {text}");
        }
    }
}

#[test]
fn widths_are_whole_numbers() {
    assert_eq!(duration(30_000), "30s");
    assert_eq!(duration(5_500), "5500ms");
}

#[test]
fn names_cannot_leave_their_quotes_nor_match_more_than_themselves() {
    let release = release("a.b", "m\"l\\n");
    let canary = Hash::known("c|.*");
    let text = error_rate(&Names::new(&release, None, &canary, &[]), Entrance::Istio, 30_000);
    assert!(text.contains(r#"destination_workload_namespace="m\"l\\n","#));
    assert!(text.contains(r#"destination_workload=~"a[.]b-c[|][.][*]","#));
}

#[test]
fn a_row_is_a_versions_by_its_exact_names_only() {
    let release = release("fraud", "ml");
    let (stable, canary) = (Hash::known("5f3c0a9b11"), Hash::known("9ab1c2d3e4"));
    let names = Names::new(&release, Some(&stable), &canary, &[]);
    let pod = |namespace, name, version| {
        names.of_pod(&labels(&[
            ("namespace", namespace),
            ("modelrelease_dev_name", name),
            ("modelrelease_dev_version", version),
        ]))
    };
    assert_eq!(pod("ml", "fraud", "5f3c0a9b11"), Some(Whose::Stable));
    assert_eq!(pod("ml", "fraud", "9ab1c2d3e4"), Some(Whose::Canary));
    assert_eq!(pod("other", "fraud", "9ab1c2d3e4"), None);
    assert_eq!(pod("ml", "fraud2", "9ab1c2d3e4"), None);
    assert_eq!(pod("ml", "fraud", "9ab1c2d3e"), None);
    assert_eq!(names.of_pod(&labels(&[])), None);

    let cluster = |name: &str| names.of_entrance(&labels(&[("cluster_name", name)]));
    assert_eq!(cluster("outbound|80||fraud-9ab1c2d3e4.ml.svc.cluster.local"), Some((Whose::Canary, "80")));
    assert_eq!(cluster("outbound|9000||fraud-5f3c0a9b11.ml.svc.corp"), Some((Whose::Stable, "9000")));
    for foreign in [
        "outbound|8080||fraud-9ab1c2d3e4.ml.svc.cluster.local",
        "outbound|80||fraud-9ab1c2d3e4x.ml.svc.cluster.local",
        "outbound|80||fraud-9ab1c2d3e4.ml2.svc.cluster.local",
        "outbound|80||xfraud-9ab1c2d3e4.ml.svc.cluster.local",
        "inbound|80||",
        "",
    ] {
        assert_eq!(cluster(foreign), None, "{foreign}");
    }
    let workload = |namespace, name| {
        names.of_entrance(&labels(&[
            ("destination_workload_namespace", namespace),
            ("destination_workload", name),
        ]))
    };
    assert_eq!(workload("ml", "fraud-9ab1c2d3e4"), Some((Whose::Canary, "")));
    assert_eq!(workload("ml", "fraud"), None);
    assert_eq!(workload("x", "fraud-9ab1c2d3e4"), None);
}

#[test]
fn requests_of_both_versions_are_counted_where_they_are_split() {
    let release = release("fraud", "ml");
    let (stable, canary) = (Hash::known("5f3c0a9b11"), Hash::known("9ab1c2d3e4"));
    let names = Names::new(&release, Some(&stable), &canary, &[]);
    let envoy = requests(&names, Entrance::Envoy, 30_000);
    let all = error_rate(&names, Entrance::Envoy, 30_000);
    assert_eq!(Some(envoy.as_str()), all.split("\nor ").nth(1), "what errors are a share of");
    for entrance in [Entrance::Istio, Entrance::IstioGateway] {
        let text = requests(&names, entrance, 30_000);
        assert_eq!(stats(&text), ["n"], "{entrance:?}");
        let own = r#"istio_requests_total{reporter="source",destination_service_namespace="ml",destination_service_name=~"fraud-5f3c0a9b11|fraud-9ab1c2d3e4",response_flags!="RL"}"#;
        assert_eq!(text.matches("istio_requests_total{").count(), text.matches(own).count(), "{text}");
    }
}

#[test]
fn only_requests_that_come_by_the_releases_gateways_count_where_gateways_are_asked() {
    let mut release = release("fraud", "ml");
    let set =
        |namespace: &str| crate::settings::GatewaySet { namespace: namespace.into(), ..Default::default() };
    release.traffic.sets = vec![set("infra"), set("edge"), set("infra")];
    let canary = Hash::known("9ab1c2d3e4");
    let names = Names::new(&release, None, &canary, &[]);
    let from = r#"source_workload_namespace=~"edge|infra","#;
    assert!(requests(&names, Entrance::IstioGateway, 30_000).contains(from));
    assert!(error_rate(&names, Entrance::IstioGateway, 30_000).contains(from));
    assert!(!requests(&names, Entrance::Istio, 30_000).contains("source_workload_namespace"));
}

/// A question about each of so many releases, and what is each one's own.
fn fleet(number: usize) -> (Question, Vec<About>) {
    let question = Question {
        what: What::Errors(Counts::of(Entrance::Envoy, Preset::Custom)),
        width: 30_000,
        blocks: 0,
        namespace: "ml".into(),
        gateways: std::collections::BTreeSet::new(),
    };
    let about = |n: usize| About {
        release: format!("fraud{n}"),
        versions: vec![format!("a{n}"), format!("b{n}")],
        objects: vec![format!("fraud{n}-a{n}"), format!("fraud{n}-b{n}")],
    };
    (question, (0..number).map(about).collect())
}

#[test]
fn many_releases_are_asked_for_in_one_question_with_the_names_of_all() {
    let (question, about) = fleet(3);
    let text = question.promql(&about.iter().collect::<Vec<_>>());
    let names = "(fraud0-a0|fraud0-b0|fraud1-a1|fraud1-b1|fraud2-a2|fraud2-b2)[.]ml[.]svc";
    assert!(text.contains(names), "{text}");
    let quality =
        Question { what: What::Quality { series: Series::Best, grade: None, copied: false }, ..question };
    let text = quality.promql(&about.iter().collect::<Vec<_>>());
    let pods = r#"{namespace="ml",modelrelease_dev_name=~"fraud0|fraud1|fraud2",modelrelease_dev_version=~"a0|a1|a2|b0|b1|b2"}"#;
    assert_eq!(text.matches(pods).count(), text.matches("namespace=").count(), "{text}");
}

/// A row, of a pod or of an entrance.
fn row(labels: &serde_json::Value, value: &str) -> serde_json::Value {
    json!({"metric": labels, "value": [1_700_000_000.0, value]})
}

fn answered(rows: &[serde_json::Value]) -> Vec<u8> {
    json!({"status": "success", "data": {"resultType": "vector", "result": rows}}).to_string().into_bytes()
}

#[test]
fn a_joint_answer_gives_each_release_the_rows_that_it_alone_would_have_had() {
    let (question, about) = fleet(2);
    let about: Vec<&About> = about.iter().collect();
    let of_pod = |space: &str, name: &str, stat: &str| json!({"namespace": space, "modelrelease_dev_name": name, "stat": stat});
    let of_cluster = |name: &str| json!({"cluster_name": name, "stat": "n"});
    let mine = |n: usize| {
        vec![
            row(&of_pod("ml", &format!("fraud{n}"), "k"), "7"),
            row(&of_cluster(&format!("outbound|80||fraud{n}-a{n}.ml.svc.corp")), "1"),
            row(&of_cluster(&format!("outbound|9000||fraud{n}-b{n}.ml.svc.corp")), "2"),
            row(
                &json!({"destination_workload_namespace": "ml", "destination_workload": format!("fraud{n}-a{n}")}),
                "3",
            ),
            row(
                &json!({"destination_service_namespace": "ml", "destination_service_name": format!("fraud{n}-b{n}")}),
                "NaN",
            ),
        ]
    };
    let foreign = [
        of_pod("other", "fraud0", "k"),
        of_pod("ml", "fraud", "k"),
        of_cluster("outbound|80||fraud0-a0.ml2.svc.corp"),
        of_cluster("outbound|8080||fraud0-a0.ml.svc.corp"),
        json!({"destination_workload_namespace": "x", "destination_workload": "fraud0-a0"}),
    ];
    let foreign = foreign.iter().map(|labels| row(labels, "9"));
    let all: Vec<_> = mine(0).into_iter().chain(foreign).chain(mine(1)).collect();
    let read = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).unwrap();
    let parts = question.divided(&answered(&all), &about);
    assert_eq!(
        parts.iter().map(|part| read(part)).collect::<Vec<_>>(),
        [mine(0), mine(1)].map(|rows| read(&answered(&rows)))
    );
}

#[test]
fn what_is_no_good_answer_is_the_same_for_all_who_asked() {
    let (question, about) = fleet(2);
    let about: Vec<&About> = about.iter().collect();
    let good = answered(&[row(&json!({"cluster_name": "outbound|80||fraud0-a0.ml.svc.corp"}), "1")]);
    let warned = String::from_utf8(good.clone()).unwrap().replacen('{', r#"{"warnings":["half of it"],"#, 1);
    let unlabelled = answered(&[row(&json!({"stat": "k"}), "1")]);
    for body in [
        good[..40].to_vec(),
        warned.into_bytes(),
        unlabelled,
        b"<html>".to_vec(),
        br#"{"status":"error","error":"x"}"#.to_vec(),
        br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#.to_vec(),
    ] {
        assert_eq!(question.divided(&body, &about), [body.clone(), body.clone()]);
    }
}

#[test]
fn a_template_gets_the_names_of_the_versions_and_rows_of_a_gauge_their_stat() {
    let (question, about) = fleet(1);
    let template = |kind, query: &str| {
        let template = crate::settings::QueryTemplate { name: "t".into(), kind, query: query.into() };
        Question { what: What::Template(template), ..question.clone() }.promql(&[&about[0]])
    };
    let pods = r#"namespace="ml",modelrelease_dev_name="fraud0",modelrelease_dev_version=~"a0|b0""#;
    let counts =
        template(crate::settings::TemplateKind::Counts, "x{$selector} offset $window + y{n=$namespace}");
    assert_eq!(counts, format!("x{{{pods}}} offset 30s + y{{n=\"ml\"}}"));
    let gauge = template(crate::settings::TemplateKind::Gauge, "x{$selector}");
    assert!(gauge.contains(&format!("(x{{{pods}}})")) && stats(&gauge) == ["ga"], "{gauge}");
}
