//! A restart changes nothing, and what cannot be read is no evidence.

use super::*;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_goes_on_from_a_checkpoint_goes_on_bit_by_bit(
        history in prop::collection::vec(count(), 0..20), blocks in blocks(), bounds in quality_bounds(),
        limits in guardrail_bounds(), cut in any::<prop::sample::Index>(),
    ) {
        let fresh = (Quality::new(bounds).unwrap(), Guardrail::new(limits).unwrap());
        let (mut quality, mut guardrail) = fresh;
        for stable in history {
            quality.learn(stable).unwrap();
            guardrail.learn(stable).unwrap();
        }
        let (before, after) = blocks.split_at(cut.index(blocks.len()));
        for block in before {
            quality.look(*block).unwrap();
            guardrail.look(*block).unwrap();
        }
        let (kept, kept_too) = (bytes(&quality), bytes(&guardrail));
        prop_assert!(kept.len() <= checkpoint::MOST_BYTES && kept_too.len() <= checkpoint::MOST_BYTES);
        let restored = checkpoint::restore(fresh.0, &[1; 16], &kept);
        prop_assert_eq!((restored.mark, restored.discarded), (Some(MARK), None));
        let (mut again, mut again_too) =
            (restored.state, checkpoint::restore(fresh.1, &[1; 16], &kept_too).state);
        for block in after {
            prop_assert_eq!(quality.look(*block), again.look(*block));
            prop_assert_eq!(guardrail.look(*block), again_too.look(*block));
        }
        prop_assert_eq!(bytes(&quality), bytes(&again));
        prop_assert_eq!(bytes(&guardrail), bytes(&again_too));
    }

    #[test]
    fn a_record_that_was_changed_or_cut_begins_anew(
        at in any::<prop::sample::Index>(), change in 1_u8..=255, cut in any::<prop::sample::Index>(),
    ) {
        let mut check = known_at_ninety(drop_of(0.02));
        check.look(both(of(400.0, 450.0), of(45.0, 50.0))).unwrap();
        let fresh = Quality::new(drop_of(0.02)).unwrap();
        let record = bytes(&check);
        let mut changed = record.clone();
        changed[at.index(record.len())] ^= change;
        for broken in [changed.as_slice(), &record[..cut.index(record.len())]] {
            let restored = checkpoint::restore(fresh, &[1; 16], broken);
            prop_assert_eq!((restored.mark, restored.discarded), (None, Some(Discarded::Unreadable)));
            prop_assert_eq!(restored.state, fresh);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_no_evidence(record in prop::collection::vec(any::<u8>(), 0..900)) {
        prop_assert_eq!(checkpoint::restore(readings(), &[1; 16], &record).state, readings());
    }
}

#[test]
fn evidence_of_something_else_begins_anew_and_says_so() {
    let check = known_at_ninety(drop_of(0.02));
    let record = checkpoint::save(&check, MARK, &[1; 16]);
    let fresh = Quality::new(drop_of(0.02)).unwrap();
    let other = checkpoint::restore(fresh, &[2; 16], &record);
    assert_eq!((other.state, other.discarded), (fresh, Some(Discarded::OtherDigest)));
    let kind = checkpoint::restore(pairs(), &[1; 16], &record);
    assert_eq!((kind.state, kind.discarded), (pairs(), Some(Discarded::Unreadable)));
}
