//! The program against a server that gives, refuses, lies, breaks off and stalls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::json;
use std::sync::Arc;
use support::{Server, answer, run, run_until};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

const CONTENT: &[u8] = b"a model";
/// `printf 'a model' | sha256sum`
const DIGEST: &str = "sha256:97ff8a35544dcf40ad84047074439dd6aa3a0be469ea578a1b1c017d939ec61c";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn answers(path: &str, before: usize) -> Vec<u8> {
    let redirect = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), b"");
    match path.split('?').next().unwrap_or("") {
        "/denied.bin" => answer("403 Forbidden", "", b""),
        "/gone.bin" => answer("410 Gone", "", b""),
        "/teapot.bin" => answer("418 I'm a teapot", "", b""),
        "/broken.bin" => answer("500 Internal Server Error", "", b""),
        "/flaky.bin" if before < 2 => answer("503 Service Unavailable", "", b""),
        "/cut.bin" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec(),
        "/cut-once.bin" if before == 0 => b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\na mo".to_vec(),
        "/m/good.bin" | "/flaky.bin" | "/cut-once.bin" => answer("200 OK", "", CONTENT),
        "/chunks-cut.bin" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\na mo\r\n".to_vec(),
        "/garbage.bin" => b"SSH-2.0-hello\r\n\r\n".to_vec(),
        "/three" => redirect("/two"),
        "/two" => redirect("one"),
        "/one" => redirect("/m/good.bin"),
        "/four" => redirect("/three"),
        _ => answer("404 Not Found", "", b""),
    }
}

async fn fetch(path: &str, more: &[&str]) -> (support::Run, Server, tempfile::TempDir) {
    let (server, folder) = (Server::start(answers).await, tempfile::tempdir().unwrap());
    let run = run(folder.path(), &format!("http://{}{path}", server.address), more, &[]).await;
    (run, server, folder)
}

#[tokio::test]
async fn a_good_file_is_in_place_and_its_digest_and_size_are_told() {
    for more in [vec![], vec!["--digest", DIGEST]] {
        let (run, _, folder) = fetch("/m/good.bin", &more).await;
        assert_eq!((run.code, run.files), (0, vec!["good.bin".to_owned()]), "{}", run.printed);
        assert_eq!(std::fs::read(folder.path().join("good.bin")).unwrap(), CONTENT);
        assert_eq!(run.line["reason"], "Fetched");
        assert_eq!((&run.line["digest"], &run.line["sizeBytes"]), (&json!(DIGEST), &json!(CONTENT.len())));
        assert!(run.line["fetchSeconds"].is_u64(), "{}", run.line);
        assert_eq!(run.line["verified"], !more.is_empty(), "{}", run.line);
    }
}

#[tokio::test]
async fn another_content_than_the_digest_says_is_never_put_in_place() {
    let (run, server, _folder) = fetch("/m/good.bin", &["--digest", OTHER]).await;
    assert_eq!((run.code, &run.line["reason"]), (20, &json!("DigestMismatch")));
    assert_eq!(run.files, Vec::<String>::new());
    assert_eq!(run.line["digest"], DIGEST, "the digest found");
    let message = run.line["message"].as_str().unwrap();
    assert!(message.contains(OTHER) && message.contains(DIGEST) && message.contains("good.bin"), "{message}");
    assert_eq!(server.asked("/m/good.bin"), 1, "no second try can help");
}

#[tokio::test]
async fn refusals_are_told_apart_and_not_repeated() {
    for (path, code, reason) in [
        ("/absent.bin", 21, "ArtifactNotFound"),
        ("/gone.bin", 21, "ArtifactNotFound"),
        ("/denied.bin", 22, "ArtifactDenied"),
        ("/teapot.bin", 22, "ArtifactDenied"),
    ] {
        let (run, server, _folder) = fetch(path, &[]).await;
        assert_eq!((run.code, &run.line["reason"]), (code, &json!(reason)), "{path}");
        assert!(run.line["message"].as_str().unwrap().contains(path), "{}", run.line);
        assert_eq!((server.asked(path), run.files.len()), (1, 0), "{path}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_no_more() {
    for path in ["/broken.bin", "/cut.bin", "/chunks-cut.bin", "/garbage.bin"] {
        let (run, server, _folder) = fetch(path, &[]).await;
        assert_eq!((run.code, &run.line["reason"]), (24, &json!("FetchTimeout")), "{path} {}", run.line);
        assert_eq!((server.asked(path), run.files.len()), (3, 0), "{path}");
    }
    let (run, _, _folder) = fetch("/cut.bin", &[]).await;
    assert!(run.line["message"].as_str().unwrap().contains("after 9 of 100 bytes"), "{}", run.line);
}

#[tokio::test]
async fn a_server_that_comes_back_is_forgiven() {
    for (path, tries) in [("/flaky.bin", 3), ("/cut-once.bin", 2)] {
        let (run, server, folder) = fetch(path, &["--digest", DIGEST]).await;
        assert_eq!((run.code, server.asked(path)), (0, tries), "{path} {}", run.printed);
        assert_eq!(std::fs::read(folder.path().join(&path[1..])).unwrap(), CONTENT);
    }
}

#[tokio::test]
async fn nobody_listening_is_told_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), &format!("http://{address}/x.bin"), &[], &[]).await;
    assert_eq!(run.code, 24);
    assert!(run.line["message"].as_str().unwrap().contains("refused"), "{}", run.line);
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    // Accepts, and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/x.bin", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let stalled = run(folder.path(), &uri, &["--stall-seconds", "1"], &[]).await;
    assert_eq!(stalled.code, 24);
    assert!(
        stalled.line["message"].as_str().unwrap().contains("did not answer within 1 s"),
        "{}",
        stalled.line
    );
    let late = run(folder.path(), &uri, &["--timeout-seconds", "1"], &[]).await;
    assert_eq!(late.code, 24);
    assert!(late.line["message"].as_str().unwrap().contains("was not there within 1 s"), "{}", late.line);
}

#[tokio::test]
async fn told_to_stop_it_stops_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/x.bin", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let asked = async {
        let (mut asking, _) = listener.accept().await.unwrap();
        asking.read_u8().await.unwrap();
        // Held open: the program waits for an answer that does not come.
        std::mem::forget(asking);
    };
    let run = run_until(folder.path(), &uri, &["--stall-seconds", "3600"], &[], asked).await;
    assert_eq!((run.code, &run.line["reason"]), (143, &json!("Stopped")), "{}", run.printed);
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let (good, _, _folder) = fetch("/three", &["--digest", DIGEST]).await;
    assert_eq!((good.code, good.files), (0, vec!["three".to_owned()]), "{}", good.printed);
    let (bad, _, _folder) = fetch("/four", &[]).await;
    assert_eq!(bad.code, 21, "{}", bad.line);
}

#[tokio::test]
async fn what_is_there_is_kept_unless_its_digest_is_wrong() {
    let (first, server, folder) = fetch("/m/good.bin", &["--digest", DIGEST]).await;
    assert_eq!(first.code, 0);
    let uri = format!("http://{}/m/good.bin", server.address);
    for more in [vec![], vec!["--digest", DIGEST]] {
        let again = run(folder.path(), &uri, &more, &[]).await;
        assert_eq!((again.code, &again.line["reason"]), (0, &json!("AlreadyPresent")));
        assert_eq!((&again.line["digest"], &again.line["fetchSeconds"]), (&json!(DIGEST), &json!(0)));
    }
    assert_eq!(server.asked("/m/good.bin"), 1);

    std::fs::write(folder.path().join("good.bin"), "spoilt").unwrap();
    let mended = run(folder.path(), &uri, &["--digest", DIGEST], &[]).await;
    assert_eq!((mended.code, &mended.line["reason"]), (0, &json!("Fetched")));
    assert_eq!(std::fs::read(folder.path().join("good.bin")).unwrap(), CONTENT);
}

#[tokio::test]
async fn signatures_in_the_address_are_sent_and_never_told() {
    for path in ["/m/good.bin", "/absent.bin", "/cut.bin"] {
        let (run, server, _folder) = fetch(&format!("{path}?signature=geheim"), &[]).await;
        assert!(server.asked(&format!("{path}?signature=geheim")) > 0, "{path}");
        assert!(
            !run.printed.contains("geheim") && !run.line.to_string().contains("geheim"),
            "{}",
            run.printed
        );
    }
}

#[tokio::test]
async fn unusable_input_is_told_without_asking_anyone() {
    let folder = tempfile::tempdir().unwrap();
    for (uri, more, code) in [
        ("s3://bucket/model.bin", vec![], 25),
        ("model.bin", vec![], 2),
        ("http://me:geheim@host.example/x", vec![], 2),
        ("http://127.0.0.1:1/x", vec!["--digest", "sha256:abc"], 2),
    ] {
        let run = run(folder.path(), uri, &more, &[]).await;
        assert_eq!(run.code, code, "{uri} {}", run.line);
        assert!(!run.printed.contains("geheim"), "{}", run.printed);
    }
}

#[tokio::test]
async fn https_is_spoken_to_those_whose_certificate_is_trusted_only() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let server = Server::start_with(answers, Some(TlsAcceptor::from(Arc::new(config)))).await;
    let port = server.address.rsplit(':').next().unwrap();
    let (folder, trust) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bundle = trust.path().join("ca.crt");
    std::fs::write(&bundle, made.cert.pem()).unwrap();

    let uri = format!("https://localhost:{port}/m/good.bin");
    let distrusted = run(folder.path(), &uri, &[], &[]).await;
    assert_eq!((distrusted.code, distrusted.files.len()), (24, 0));
    assert!(distrusted.line["message"].as_str().unwrap().contains("certificate"), "{}", distrusted.line);

    let trusted =
        run(folder.path(), &uri, &["--digest", DIGEST], &[("SSL_CERT_FILE", bundle.to_str().unwrap())]).await;
    assert_eq!(trusted.code, 0, "{}", trusted.printed);
}
