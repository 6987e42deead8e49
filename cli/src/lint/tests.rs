#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something fails")]
use super::*;

const GOOD: &str = "\
apiVersion: modelrelease.dev/v1alpha1
kind: ModelRelease
metadata: {name: fraud}
spec:
  stable: {version: v1, image: \"registry.example.com/fraud:1\"}
  canary: {version: v2, image: \"registry.example.com/fraud:2\"}
";

fn found(text: &str) -> Vec<(Severity, usize, String, String)> {
    let (findings, _) = check("release.yaml", text, None);
    findings.into_iter().map(|f| (f.severity, f.line, f.field, f.message)).collect()
}

#[test]
fn a_good_release_has_no_findings() {
    let (findings, releases) = check("release.yaml", GOOD, Some(100.0));
    assert_eq!((findings, releases), (Vec::new(), 1));
}

#[test]
fn a_slip_of_the_pen_is_an_error_at_its_line() {
    let text = GOOD.replace("  canary:", "  cannary:");
    let all = found(&text);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].0, all[0].1, all[0].2.as_str()), (Severity::Error, 6, "spec.cannary"));
    assert_eq!(all[0].3, "there is no such field; did you mean canary?");
}

#[test]
fn types_bounds_and_words_are_held_against_the_schema() {
    for (line, field, says) in [
        ("  suspend: \"yes\"", "spec.suspend", "it has to be true or false"),
        ("  rollout: {trafficPercent: 100}", "spec.rollout.trafficPercent", "it has to be at most 99"),
        (
            "  rollout: {trafficPercent: \"10\"}",
            "spec.rollout.trafficPercent",
            "it has to be a whole number, not quoted",
        ),
        ("  rollout: {promotion: Never}", "spec.rollout.promotion", "it has to be one of Automatic, Manual"),
        (
            "  analysis: {quality: {maxDrop: 0.02}}",
            "spec.analysis.quality.maxDrop",
            "it has to be text: quote it",
        ),
    ] {
        let all = found(&format!("{GOOD}{line}\n"));
        let (severity, at, place, message) =
            all.first().unwrap_or_else(|| panic!("{line}: nothing was found"));
        assert_eq!((*severity, *at, place.as_str()), (Severity::Error, 7, field), "{line}");
        assert_eq!(message, says, "{line}");
    }
}

#[test]
fn rules_of_the_definition_are_held_offline() {
    let text = GOOD.replace("version: v2", "version: v1");
    let all = found(&text);
    assert!(
        all.iter().any(|(severity, _, _, message)| {
            *severity == Severity::Error && message.contains("must differ from stable.version")
        }),
        "{all:?}"
    );
}

#[test]
fn what_only_the_operator_would_refuse_is_refused_here_too() {
    let all = found(&GOOD.replace(
        "image: \"registry.example.com/fraud:2\"",
        "image: \"x:2\", storageUri: \"s3://models/fraud\"",
    ));
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].0, Severity::Error);
    assert!(all[0].3.contains("spec.canary.storageUri: s3://"), "{}", all[0].3);
}

#[test]
fn what_would_surprise_is_a_warning() {
    let text = GOOD
        .replace("registry.example.com/fraud:1", "registry.example.com:5000/fraud")
        .replace("fraud:2\"", "fraud:latest\", storageUri: \"https://models.example.com/fraud.bin\"");
    let all = found(&text);
    let fields: Vec<&str> = all.iter().map(|(_, _, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["spec.stable.image", "spec.canary.storageUri", "spec.canary.image"], "{all:?}");
    assert!(all.iter().all(|(severity, ..)| *severity == Severity::Warning));
}

#[test]
fn too_few_answers_for_a_proof_are_told_if_their_pace_is_known() {
    let (slow, _) = check("release.yaml", GOOD, Some(0.1));
    assert_eq!(slow.len(), 1, "{slow:?}");
    assert!(slow[0].message.contains("labelled answers of the canary"), "{slow:?}");
}

#[test]
fn other_kinds_and_broken_files_are_told_apart() {
    let (findings, releases) = check("service.yaml", "apiVersion: v1\nkind: Service\n", None);
    assert_eq!((findings, releases), (Vec::new(), 0));
    let all = found("kind: ModelRelease\n---\n a: [\n");
    assert!(all.iter().any(|(_, _, _, message)| message.starts_with("this is no YAML")), "{all:?}");
}

#[test]
fn a_workflow_gets_its_own_form() {
    let finding = Finding {
        severity: Severity::Error,
        file: "a,b.yaml".into(),
        line: 3,
        release: "fraud".into(),
        field: "spec".into(),
        message: "100 % wrong".into(),
    };
    assert_eq!(
        github(&finding),
        "::error file=a%2Cb.yaml,line=3,title=ModelRelease fraud::spec: 100 %25 wrong"
    );
    assert_eq!(told(&finding, Style::default()), "a,b.yaml:3: error: fraud: spec: 100 % wrong");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (mut out, mut err, mut human) = (Vec::<u8>::new(), Vec::<u8>::new(), crate::ask::Human);
    let mut shell = Shell::new(&mut out, &mut err, &mut human);
    let failed = lint(&[PathBuf::from("/nowhere/at/all.yaml")], None, &mut shell).unwrap_err();
    assert_eq!(failed.exit_code(), crate::error::FAILED);
    assert!(failed.to_string().starts_with("could not read /nowhere/at/all.yaml: "), "{failed}");
}
