//! How often each rule was held against something: a rule that was never checked holds for nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local!(static CHECKED: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) });

pub(super) fn one(rule: &'static str) {
    CHECKED.with_borrow_mut(|checked| *checked.entry(rule).or_insert(0) += 1);
}

/// Checks of each rule so far, on this thread.
pub fn checked() -> BTreeMap<&'static str, u64> {
    CHECKED.with_borrow(Clone::clone)
}
