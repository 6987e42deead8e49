//! What may happen around a release, drawn at random.

use proptest::prelude::*;

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Happens {
    /// The user names this canary, or none.
    Canary(Option<u8>),
    /// The user names this stable version.
    Stable(u8),
    /// The user names another canary, and after so many looks the one before again.
    ThereAndBack(u8, u8),
    /// The canary's lines are moved to `stable`, as after a promotion.
    Moved,
    /// An annotation is set, or removed.
    Say(&'static str, Option<&'static str>),
    /// A retry with a token that was never there before.
    Retry,
    Suspend(bool),
    /// The release's time is over so many seconds from now; none: it has no end.
    Ttl(Option<u16>),
    /// One of a few things after another that random events seldom bring about, by its place among [`scene`].
    Scene(u8),
    /// An edit of policy, by its place among [`super::policy::EDITS`].
    Policy(u8),
    /// The release is deleted; its children are to be left, or not.
    Delete(bool),
    /// A version's pods are not ready, or are again.
    Sick(u8, bool),
    /// A version's pods look like this.
    Ails(u8, Ails),
    /// A version has no endpoints, or has them again.
    Cut(u8, bool),
    /// A version loses all its endpoints, and comes back, so often.
    Flaps(u8, u8),
    /// The nodes take so many pods of a version.
    Room(u8, u8),
    /// Prometheus answers, or does not.
    Prometheus(bool),
    /// What it says if it answers.
    Says(u8),
    Accuracy(u8, bool),
    Errors(u8, bool),
    /// Warm-ups are answered well, or not.
    Warms(bool),
    /// Requests a second.
    Rate(u16),
    /// The gateways' pods answer the operator, or do not.
    Gateways(bool),
    /// Their pods lead to the version on the way, or answer in its place.
    Leads(bool),
    /// The API server serves Istio's kinds, or does not.
    Istio(bool),
    /// Somebody edits a child.
    Tamper(u8),
    /// Somebody deletes a child.
    Remove(u8),
    /// A child is somebody else's object from now on, or no longer.
    Foreign(u8, bool),
    /// The operator dies before the commit, or after it and so many writes.
    Crash(bool, u8),
    /// The write after so many is refused.
    Refused(u8),
    /// The operator's caches stand still from now on; by what they hold one look is made, with its commit or without.
    Lag,
    Stale(bool, u8),
    /// An operator decides, commits or not, and is held up; later its writes arrive.
    HeldUp(bool),
    Arrives(u8),
    /// The clock is set back by so many seconds.
    Back(u16),
    /// So many looks, each when it is due, so many milliseconds late.
    Due(u8, u16),
    /// So many seconds with all looks that are due in them.
    Seconds(u16),
    /// So many seconds without any.
    Away(u16),
}

/// How pods may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ails {
    Well,
    Looping,
    OutOfMemory,
    NoImage,
    BadName,
    NoNode,
    WrongDigest,
}

const AILS: [Ails; 7] = [
    Ails::Well,
    Ails::Looping,
    Ails::OutOfMemory,
    Ails::NoImage,
    Ails::BadName,
    Ails::NoNode,
    Ails::WrongDigest,
];

/// Versions that there are: `v1` to `v4`.
fn version() -> impl Strategy<Value = u8> {
    prop_oneof![2 => Just(1_u8), 4 => Just(2_u8), 3 => Just(3_u8), 2 => Just(4_u8)]
}

fn ails() -> impl Strategy<Value = Ails> {
    prop_oneof![2 => Just(Ails::Well), 5 => proptest::sample::select(AILS.as_slice())]
}

/// What a user does.
pub fn asked() -> impl Strategy<Value = Happens> {
    let rollback = proptest::sample::select(vec![
        None,
        None,
        Some("true"),
        Some("True "),
        Some("v1"),
        Some("v2"),
        Some("v3"),
        Some("no!"),
        Some("false"),
    ]);
    let pause = proptest::sample::select(vec![None, None, Some("true"), Some("true"), Some("perhaps")]);
    let promote = proptest::sample::select(vec![
        None,
        Some("v2"),
        Some("v2"),
        Some("v3"),
        Some("v4"),
        Some("v9"),
        Some("true"),
        Some(""),
    ]);
    let retry = proptest::sample::select(vec![None, Some("again"), Some("again"), Some("")]);
    prop_oneof![
        10 => proptest::option::weighted(0.8, version()).prop_map(Happens::Canary),
        4 => version().prop_map(Happens::Stable),
        2 => (version(), 0_u8..12).prop_map(|(v, looks)| Happens::ThereAndBack(v, looks)),
        2 => Just(Happens::Moved),
        6 => rollback.prop_map(|value| Happens::Say("rollback", value)),
        3 => pause.prop_map(|value| Happens::Say("pause", value)),
        3 => promote.prop_map(|value| Happens::Say("promote", value)),
        1 => retry.prop_map(|value| Happens::Say("retry", value)),
        2 => Just(Happens::Retry),
        2 => any::<bool>().prop_map(Happens::Suspend),
        2 => proptest::option::of(1_u16..400).prop_map(Happens::Ttl),
        8 => any::<u8>().prop_map(Happens::Policy),
        2 => any::<u8>().prop_map(Happens::Scene),
    ]
}

/// A canary that nobody can judge for longer than it may take, one that is never warm, one whose pods come and go, one
/// that a human promotes.
pub fn scene(at: u8) -> Vec<Happens> {
    let judged = [Happens::Canary(Some(2)), Happens::Prometheus(false), Happens::Due(6, 0)];
    let overdue = |wish: usize| {
        let wish = super::policy::named(wish);
        [
            Happens::Policy(super::policy::named(super::policy::SOON)),
            Happens::Policy(wish),
            Happens::Seconds(80),
        ]
    };
    match at % 5 {
        0 => [judged, overdue(super::policy::ROLL_BACK)].concat(),
        1 => [judged, overdue(super::policy::HOLD)].concat(),
        2 => vec![Happens::Warms(false), Happens::Canary(Some(4)), Happens::Due(4, 0), Happens::Seconds(40)],
        3 => [judged.to_vec(), vec![Happens::Flaps(2, 6)]].concat(),
        _ => [judged.to_vec(), vec![Happens::Say("promote", Some("v2")), Happens::Due(3, 0)]].concat(),
    }
}

/// What becomes of pods, and what is measured of them.
pub fn befalls() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (version(), any::<bool>()).prop_map(|(v, on)| Happens::Sick(v, on)),
        4 => (version(), ails()).prop_map(|(v, ails)| Happens::Ails(v, ails)),
        3 => (version(), any::<bool>()).prop_map(|(v, on)| Happens::Cut(v, on)),
        1 => (version(), 1_u8..7).prop_map(|(v, times)| Happens::Flaps(v, times)),
        1 => (version(), 0_u8..3).prop_map(|(v, most)| Happens::Room(v, most)),
        3 => any::<bool>().prop_map(Happens::Prometheus),
        3 => any::<u8>().prop_map(Happens::Says),
        4 => (version(), any::<bool>()).prop_map(|(v, good)| Happens::Accuracy(v, good)),
        3 => (version(), any::<bool>()).prop_map(|(v, bad)| Happens::Errors(v, bad)),
        2 => any::<bool>().prop_map(Happens::Warms),
        1 => proptest::sample::select(vec![0_u16, 2, 200, 20_000]).prop_map(Happens::Rate),
        2 => any::<bool>().prop_map(Happens::Gateways),
        1 => any::<bool>().prop_map(Happens::Leads),
        1 => any::<bool>().prop_map(Happens::Istio),
    ]
}

/// What others do to children.
pub fn meddles() -> impl Strategy<Value = Happens> {
    prop_oneof![
        5 => any::<u8>().prop_map(Happens::Tamper),
        2 => any::<u8>().prop_map(Happens::Remove),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(at, theirs)| Happens::Foreign(at, theirs)),
    ]
}

/// What becomes of an operator.
pub fn fails() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (any::<bool>(), 0_u8..6).prop_map(|(commit, sent)| Happens::Crash(commit, sent)),
        2 => (0_u8..5).prop_map(Happens::Refused),
        2 => Just(Happens::Lag),
        3 => (any::<bool>(), 0_u8..6).prop_map(|(commit, sent)| Happens::Stale(commit, sent)),
        2 => any::<bool>().prop_map(Happens::HeldUp),
        2 => (0_u8..6).prop_map(Happens::Arrives),
        2 => (0_u16..2_000).prop_map(Happens::Back),
    ]
}

/// Time goes on: mostly to when something is due, which is where rows answer.
pub fn passes() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (1_u8..8, proptest::sample::select(vec![0_u16, 0, 0, 1, 700, 6_000])).prop_map(|(n, late)| Happens::Due(n, late)),
        3 => (0_u16..90).prop_map(Happens::Seconds),
        1 => (0_u16..4_000).prop_map(Happens::Away),
    ]
}

/// Anything.
pub fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        10 => asked(),
        7 => befalls(),
        2 => meddles(),
        4 => fails(),
        12 => passes(),
        // Late, for after it little more happens.
        1 => proptest::bool::weighted(0.3).prop_map(Happens::Delete),
    ]
}
