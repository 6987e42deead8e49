//! What must hold of the account.

use super::*;

struct Clock(Instant, Tally);

impl Clock {
    fn new() -> Self {
        let began = Instant::now();
        Self(began, Tally::new(began))
    }

    fn answer(&mut self, version: Option<&str>, status: u16, came_ms: u64) {
        let [sent, came] = [came_ms.saturating_sub(7), came_ms].map(|ms| self.0 + Duration::from_millis(ms));
        let kind = match status {
            200 => Kind::Ok,
            429 => Kind::Limited,
            400..=499 => Kind::ClientError(status.to_string()),
            _ => Kind::ServerError(status.to_string()),
        };
        let (way, app, model) = (Way::KeepAlive, None, None);
        self.1.sent(way);
        self.1.answered(&Answered { way, kind, version, app, model, sent, came });
    }

    /// A good answer that tells which versions had a part in it: what the gateway chose, the app's, the model's.
    fn told(&mut self, way: Way, [version, app, model]: [Option<&str>; 3]) {
        let (sent, came) = (self.0, self.0);
        self.1.sent(way);
        self.1.answered(&Answered { way, kind: Kind::Ok, version, app, model, sent, came });
    }

    fn at(&mut self, ms: u64) -> Snapshot {
        self.1.ended = Some(self.0 + Duration::from_millis(ms));
        self.1.snapshot()
    }
}

#[test]
fn answers_are_told_apart_by_kind_and_version() {
    let mut clock = Clock::new();
    for (version, status) in
        [(Some("v1"), 200), (Some("v1"), 503), (Some("v1"), 429), (Some("v2"), 404), (None, 404), (None, 503)]
    {
        clock.answer(version, status, 10);
    }
    let got = clock.at(20);
    let kinds = |a: &Answers| [a.answered, a.ok, a.limited, a.client_errors, a.server_errors];
    assert_eq!(kinds(&got.answers), [6, 1, 1, 2, 2]);
    assert_eq!(kinds(&got.versions["v1"].answers), [3, 1, 1, 0, 1]);
    assert_eq!(kinds(&got.versions["v2"].answers), [1, 0, 0, 1, 0]);
    assert_eq!(got.last_trouble.as_deref(), Some("no version answered 503"));
}

#[test]
fn each_way_has_its_own_account() {
    let mut clock = Clock::new();
    for status in [200, 200, 429, 404, 503] {
        clock.answer(Some("v1"), status, 10);
    }
    clock.told(Way::Grpc, [None; 3]);
    for trouble in [Trouble::Connection("broken".into()), Trouble::Timeout("late".into())] {
        clock.1.sent(Way::Fresh);
        clock.1.trouble(Way::Fresh, trouble);
    }
    let got = clock.at(20);
    assert_eq!(got.ways[&Way::KeepAlive], Counts { sent: 5, ok: 2, limited: 1, failed: 2, lost: 0 });
    assert_eq!(got.ways[&Way::Fresh], Counts { sent: 2, lost: 2, ..Counts::default() });
    assert_eq!(got.ways[&Way::Grpc], Counts { sent: 1, ok: 1, ..Counts::default() });
    assert!(!got.ways.contains_key(&Way::Http2), "nobody asked so");
    let all = got.all();
    assert_eq!((all.sent, all.ok, all.wrong()), (got.sent, got.answers.ok, 4));
}

#[test]
fn versions_that_had_a_part_in_an_answer_must_be_one() {
    let mut clock = Clock::new();
    let (v1, v2) = (Some("v1"), Some("v2"));
    for told in [[v1, None, v1], [v2, v2, v2], [v1, None, None], [None, v1, v1]] {
        clock.told(Way::Http2, told);
    }
    let good = clock.at(20);
    assert_eq!(
        (good.pairs, good.mismatched, good.last_mismatch),
        (2, 0, None),
        "the last two told too little"
    );
    for (told, words) in [
        ([v1, None, v2], "over grpc the gateway chose v1, but a model of v2 answered"),
        ([v1, v1, v2], "chose v1, but an app of v1, and a model of v2 answered"),
        ([v1, v2, v1], "chose v1, but an app of v2, and a model of v1 answered"),
        ([v1, v2, v2], "chose v1, but an app of v2, and a model of v2 answered"),
    ] {
        let before = clock.at(20).mismatched;
        clock.told(Way::Grpc, told);
        let got = clock.at(20);
        assert_eq!(got.mismatched, before + 1);
        assert!(
            got.last_mismatch.as_ref().is_some_and(|what| what.ends_with(words)),
            "{:?}",
            got.last_mismatch
        );
    }
    assert_eq!(clock.at(20).pairs, 6);
}

#[test]
fn the_last_answer_of_a_version_stays_when_it_answers_no_more_and_a_limited_one_is_none() {
    let mut clock = Clock::new();
    clock.answer(Some("v2"), 200, 1000);
    clock.answer(Some("v2"), 200, 1500);
    clock.answer(Some("v2"), 429, 1700);
    clock.answer(Some("v1"), 200, 9000);
    let got = clock.at(9500);
    let v2 = &got.versions["v2"];
    assert_eq!((v2.first_ms, v2.last_ms, v2.last_sent_ms), (Some(1000), Some(1500), Some(1493)));
    assert_eq!(v2.last_unix_ms.unwrap() - got.started_unix_ms, 1500);
}

#[test]
fn an_answer_that_is_noted_late_does_not_turn_the_last_one_back() {
    let mut clock = Clock::new();
    clock.answer(Some("v1"), 200, 2000);
    clock.answer(Some("v1"), 200, 1990);
    assert_eq!(clock.at(3000).versions["v1"].last_ms, Some(2000));
}

#[test]
fn the_recent_share_follows_the_split_of_the_last_whole_seconds() {
    let mut clock = Clock::new();
    for second in 0..20 {
        let canary = if second < 10 { 5 } else { 1 };
        for n in 0..10 {
            let version = if n < canary { "v2" } else { "v1" };
            clock.answer(Some(version), 200, second * 1000 + n);
        }
    }
    assert_eq!(clock.at(19_900).share("v2"), Some(0.1), "14 to 18 s");
    let mut clock = Clock::new();
    clock.answer(Some("v1"), 200, 100);
    assert_eq!(clock.at(900).share("v1"), None, "no whole second yet");
    assert_eq!(clock.at(1000).share("v1"), Some(1.0));
    assert_eq!(clock.at(1000).share("v2"), Some(0.0));
}

#[test]
fn labels_are_told_apart_by_what_became_of_them() {
    let mut tally = Tally::new(Instant::now());
    for right in [true, true, false] {
        tally.labelled(Labelled::Counted { version: "v1".into(), right });
    }
    for status in [409, 429, 500, 400] {
        tally.labelled(Labelled::Refused(StatusCode::from_u16(status).unwrap()));
    }
    tally.labelled(Labelled::Failed("broken".into()));
    let got = tally.snapshot();
    assert_eq!(got.labels, Labels { sent: 8, counted: 3, misrouted: 1, limited: 1, failed: 3 });
    assert_eq!(got.versions["v1"].accuracy().map(|a| (a * 3.0).round()), Some(2.0));
    assert_eq!(Version::default().accuracy(), None);
}

#[test]
fn endless_new_names_take_no_endless_memory() {
    let mut clock = Clock::new();
    for n in 0..1000 {
        clock.answer(Some(&format!("v{n}")), 200, 10);
    }
    let got = clock.at(20);
    assert_eq!(got.versions.len(), MAX_VERSIONS + 1);
    assert_eq!(got.versions.values().map(|v| v.answers.ok).sum::<u64>(), 1000);
}
