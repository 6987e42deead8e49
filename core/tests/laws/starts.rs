//! Where sequences begin: in each phase in each of its forms, with short times, so that few events lead far.

use std::sync::LazyLock;

use model_release_core::api::spec::Provider;
use model_release_core::api::status::Phase;
use model_release_core::testing::World;
use proptest::prelude::*;
use serde_json::json;

use super::play::Play;

/// By the one provider, then by the other.
static STARTS: LazyLock<Vec<World>> = LazyLock::new(|| {
    let by = |provider| World::by(provider, World::everywhere);
    let all = [Provider::Istio, Provider::GatewayApi].into_iter().flat_map(by);
    all.map(|(_, world)| hurried(world)).collect()
});

/// The same world with shorter times.
pub fn hurried(mut world: World) -> World {
    world.edit(|spec| {
        let rollout = &mut spec["rollout"];
        if rollout["steps"].is_null() {
            rollout.as_object_mut().unwrap().remove("trafficPercent");
            rollout["steps"] = json!([
                {"trafficPercent": 10, "minDuration": "20s"},
                {"trafficPercent": 50, "minDuration": "20s"},
            ]);
        }
        rollout["progressDeadlineSeconds"] = json!(120);
        rollout["bake"] = json!("40s");
        spec["analysis"]["interval"] = json!("20s");
    });
    world.warms = Some(true);
    world
}

/// A world to begin with: by this number, in any phase, routed by either provider.
pub fn at(start: usize) -> Play {
    Play::of(STARTS[start % STARTS.len()].clone())
}

/// Any of them; more often the first one, which is that nothing was there before.
pub fn any() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0_usize), 8 => 0..40_usize]
}

/// `v1` serves and nothing else is there or asked for.
pub fn serving() -> Play {
    static SERVING: LazyLock<World> = LazyLock::new(|| {
        let world = hurried(World::new("v1", None));
        world.until("v1 serves", |w| w.phase() == Phase::Stable && w.settled()).during(1)
    });
    Play::of(SERVING.clone())
}
