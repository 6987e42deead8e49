//! Training: stochastic gradient descent over the examples in a seeded order.

use crate::{data::Example, model::Model, random::SplitMix};

/// What decides a model besides its examples.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Times that training goes over the examples.
    pub epochs: u32,
    /// Size of one step.
    pub step: f64,
    /// The table holds `1 << bits` weights.
    pub bits: u8,
    /// Of the order that examples are taken in.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { epochs: 5, step: 0.0005, bits: 16, seed: 1 }
    }
}

/// Trains a model. The same examples and recipe give the same model, bit for bit.
pub fn train(examples: &[Example], recipe: Recipe) -> Model {
    let mut model = Model::zero(recipe.bits, recipe.epochs);
    let mut order: Vec<&Example> = examples.iter().collect();
    let mut random = SplitMix::new(recipe.seed);
    for _ in 0..recipe.epochs {
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last + 1));
        }
        for example in &order {
            model.learn(&example.domain, example.phishing, recipe.step);
        }
    }
    model
}

/// Share of the examples, from 0 to 1, that the model judges rightly. 0 if there are none.
pub fn accuracy(model: &Model, examples: &[Example]) -> f64 {
    let right = examples.iter().filter(|e| (model.score(&e.domain) > 0.5) == e.phishing).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of examples stay far below 2^52")]
    let (right, all) = (right as f64, examples.len().max(1) as f64);
    right / all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phishing names are put together from words that the others never hold, beside noise in both.
    fn sample(count: usize, seed: u64) -> Vec<Example> {
        let mut random = SplitMix::new(seed);
        let bait = ["login", "wallet", "secure", "verify", "airdrop", "claim"];
        let plain = ["garden", "school", "museum", "bakery", "river", "cinema"];
        (0..count)
            .map(|at| {
                let phishing = at % 2 == 0;
                let words = if phishing { bait } else { plain };
                let noise: String = (0..6).map(|_| char::from(b"qwzxvkjy"[random.below(8)])).collect();
                let domain = format!("{}-{noise}-{}.example", words[random.below(6)], words[random.below(6)]);
                Example { domain, phishing }
            })
            .collect()
    }

    #[test]
    fn unseen_domains_are_judged_well_after_training_and_by_chance_before() {
        let (seen, unseen) = (sample(200, 1), sample(100, 2));
        let model = train(&seen, Recipe { step: 0.05, ..Recipe::default() });
        assert!(accuracy(&model, &unseen) > 0.95, "{}", accuracy(&model, &unseen));
        let untaught = train(&seen, Recipe { epochs: 0, ..Recipe::default() });
        assert!((accuracy(&untaught, &unseen) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_gives_the_same_model_and_another_gives_another() {
        let seen = sample(50, 1);
        let recipe = Recipe::default();
        assert_eq!(train(&seen, recipe).to_bytes(), train(&seen, recipe).to_bytes());
        assert_ne!(train(&seen, recipe).to_bytes(), train(&seen, Recipe { seed: 2, ..recipe }).to_bytes());
    }

    #[test]
    fn no_examples_is_no_accuracy() {
        assert!(accuracy(&Model::zero(8, 0), &[]).abs() < f64::EPSILON);
    }
}
