//! Placement, volumes, apps and autoscalers.

use super::*;

#[test]
fn placement_is_as_written_and_spread_counts_the_versions_own_pods() {
    let affinity = json!({
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "gpu", "operator": "Exists", "values": []}], "matchFields": []},
        ]}},
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"labelSelector": {"matchLabels": {}}, "topologyKey": "zone"}},
        ]},
    });
    let spread = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"});
    let pod = pod(&json!({
        "affinity": affinity, "topologySpreadConstraints": [spread], "serviceAccountName": "models", "fsGroup": 5,
    }));
    // What is empty is left out as the API server does; a selector stays, for an empty one selects all.
    assert_eq!(
        pod["affinity"],
        json!({
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
            ]}},
            "podAffinity": {},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"labelSelector": {}, "topologyKey": "zone"}},
            ]},
        })
    );
    let counted = &pod["topologySpreadConstraints"][0];
    assert_eq!((&counted["maxSkew"], &counted["whenUnsatisfiable"]), (&json!(1), &json!("ScheduleAnyway")));
    let labels = counted["labelSelector"]["matchLabels"].as_object().unwrap();
    assert_eq!(labels.len(), 3);
    assert_eq!(labels["modelrelease.dev/component"], "model");
    assert_eq!(pod["serviceAccountName"], "models");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["fsGroup"], 5);
}

#[test]
fn volumes_of_users_come_after_the_models_and_say_no_more_than_the_api_server_keeps() {
    let spec = json!({
        "runtime": {
            "image": "i",
            "volumes": [
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": 1024}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": false}},
                {"name": "ro", "persistentVolumeClaim": {"claimName": "data", "readOnly": true}},
                {"name": "settings", "configMap": {"name": "settings", "optional": false}},
                {"name": "keys", "secret": {"secretName": "keys"}},
            ],
            "volumeMounts": [
                {"name": "shm", "mountPath": "/dev/shm", "readOnly": false},
                {"name": "settings", "mountPath": "/etc/a", "subPath": "a", "readOnly": true},
            ],
        },
        "stable": {"version": "v1", "storageUri": "https://models.example/1"},
    });
    let pod = pod_of(&spec);
    assert_eq!(
        pod["volumes"],
        json!([
            {"name": "model", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1024"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "ro", "persistentVolumeClaim": {"claimName": "data", "readOnly": true}},
            {"name": "settings", "configMap": {"name": "settings", "optional": false}},
            {"name": "keys", "secret": {"secretName": "keys"}},
        ])
    );
    assert_eq!(
        pod["containers"][0]["volumeMounts"],
        json!([
            {"name": "model", "mountPath": "/mnt/models", "readOnly": true},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "settings", "mountPath": "/etc/a", "subPath": "a", "readOnly": true},
        ])
    );
}

#[test]
fn a_model_on_a_claim_is_mounted_read_only_and_nothing_is_fetched() {
    let on = |uri: &str| pod_of(&json!({"stable": {"version": "v1", "image": "i", "storageUri": uri}}));
    let pod = on("pvc://models/fraud/1/");
    assert_eq!(pod.get("initContainers"), None);
    let claim = json!({"claimName": "models", "readOnly": true});
    assert_eq!(pod["volumes"], json!([{"name": "model", "persistentVolumeClaim": claim}]));
    let mount = json!({"name": "model", "mountPath": "/mnt/models", "readOnly": true, "subPath": "fraud/1"});
    assert_eq!(pod["containers"][0]["volumeMounts"], json!([mount]));
    assert_eq!(on("pvc://models")["containers"][0]["volumeMounts"][0].get("subPath"), None);
    let path = pod["containers"][0]["env"].as_array().unwrap().iter().find(|v| v["name"] == "MODEL_PATH");
    assert_eq!(path.unwrap()["value"], "/mnt/models");
}

#[test]
fn an_app_has_its_own_objects_and_calls_the_model_of_its_own_version() {
    let release = sample::release(
        "phishing",
        &json!({
            "runtime": {"ports": {"http": 5000}, "modelName": "m", "app": {"ports": {"http": 5001}, "minReplicas": 2}},
            "stable": {
                "version": "v1", "image": "model:1", "storageUri": "https://models.example/1",
                "app": {"image": "app:1", "env": [{"name": "HOST", "value": "$(MODEL_URL)/predict"}]},
            },
        }),
    );
    let hash = &release.stable.hash;
    let rendered = render(&release, &release.stable, &sample::settings());
    let app = rendered.app.clone().unwrap();
    let name = format!("phishing-{hash}-app");
    for object in [&app.deployment, &app.service] {
        assert_eq!(object["metadata"]["name"], name);
        assert_eq!(object["metadata"]["labels"]["modelrelease.dev/component"], "app");
        assert_eq!(object["metadata"]["labels"]["modelrelease.dev/version"], hash.as_str());
    }
    assert_eq!(app.service["spec"]["selector"]["modelrelease.dev/component"], "app");
    assert_eq!(app.service["spec"]["ports"][0]["targetPort"], 5001);
    let pod = &app.deployment["spec"]["template"]["spec"];
    assert_eq!((pod.get("initContainers"), pod.get("volumes")), (None, None), "the model is not its own");
    let container = &pod["containers"][0];
    assert_eq!((&container["name"], &container["image"]), (&json!("app"), &json!("app:1")));
    let env: Vec<_> =
        container["env"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(env, ["MODEL_NAME", "MODEL_VERSION", "MODEL_URL", "HOST"]);
    assert_eq!(container["env"][2]["value"], format!("http://phishing-{hash}.ml.svc.cluster.local"));
    // Callers of the release's own Service enter by the app, too.
    let apex = apex(&release, hash, &rendered, 1);
    assert_eq!(apex["spec"]["selector"], app.service["spec"]["selector"]);
    assert_eq!(apex["spec"]["ports"], app.service["spec"]["ports"]);
    // The record keeps both.
    let kept = record(&release, hash, "v1", &rendered, 1);
    assert!(entrance_recorded(&kept).app);
    assert_eq!(recorded(&kept), Some(("v1", rendered)));
}

#[test]
fn an_autoscaler_never_goes_below_what_the_release_needs() {
    let (release, hash) = (sample::minimal(), sample::minimal().stable.hash);
    let scale = crate::capacity::Scale { least: 2, most: 5, target: 70 };
    let of = |floor| autoscaler(&release, (&hash, "v1"), Component::Model, scale, floor, 3);
    let body = of(2);
    assert_eq!(body["spec"]["scaleTargetRef"]["name"], format!("fraud-{hash}"));
    assert_eq!(body["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
    for (floor, least, most) in [(2, 2, 5), (4, 4, 5), (9, 9, 9)] {
        let spec = &of(floor)["spec"];
        assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(least), &json!(most)));
        // Whatever the floor, the user's own words can be read back.
        assert_eq!(scale_read(&of(floor)), Some(scale));
    }
}

#[test]
fn how_a_version_answers_by_http_is_told_only_where_its_readiness_is_asked_there() {
    let answers = |runtime: &Value| {
        let mut spec = json!({"runtime": {"image": "i"}, "stable": {"version": "v1"}});
        spec["runtime"].as_object_mut().unwrap().extend(runtime.as_object().unwrap().clone());
        let release = sample::release("fraud", &spec);
        ready(&release, &release.stable)
    };
    let path = |path: &str| Some(Ready::Answers(path.to_owned()));
    for (runtime, want) in [
        (json!({}), Some(Ready::Connects)),
        (json!({"preset": "triton"}), path("/v2/models/fraud/ready")),
        (json!({"preset": "mlserver", "modelName": "shop"}), path("/v2/models/shop/ready")),
        (json!({"readinessProbe": {"httpGet": {"path": "/ready?full=1"}}}), path("/ready?full=1")),
        (json!({"readinessProbe": {"httpGet": {}}}), path("/")),
        (json!({"readinessProbe": {"httpGet": {"path": "ready"}}}), Some(Ready::Connects)),
        (json!({"readinessProbe": {"httpGet": {"path": "/a b"}}}), Some(Ready::Connects)),
        (json!({"readinessProbe": {"httpGet": {"path": "/ready", "port": 9090}}}), None),
        (
            json!({"ports": {"http": 9090}, "readinessProbe": {"httpGet": {"path": "/ready", "port": 9090}}}),
            path("/ready"),
        ),
        (json!({"readinessProbe": {"tcpSocket": {}}}), Some(Ready::Connects)),
        (json!({"readinessProbe": {"tcpSocket": {"port": 9000}}}), None),
        (json!({"readinessProbe": {"grpc": {}}}), None),
        (json!({"readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}}}), None),
        (json!({"preset": "triton", "app": {"image": "a"}}), Some(Ready::Connects)),
        (json!({"app": {"image": "a", "readinessProbe": {"httpGet": {"path": "/shop"}}}}), path("/shop")),
    ] {
        assert_eq!(answers(&runtime), want, "{runtime}");
    }
}
