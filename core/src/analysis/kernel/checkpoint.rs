//! What a check keeps between two looks, as bytes: a restart changes nothing.
//!
//! A record is little-endian: format, kind of the check, digest of all that its evidence depends on (16 bytes), begin
//! and end of its last block (milliseconds of Unix time), the check's own numbers in an order that never changes
//! within a format, and a sum of all that. Numbers are kept bit by bit. In base64 it has at most 1 KiB.

/// Format of the records. Another order of the fields is another format.
const FORMAT: u8 = 2;
/// Most bytes of a record: 1 KiB of base64.
pub const MOST_BYTES: usize = 768;

/// A digest of all that a check's evidence depends on: another one, and the evidence is of something else.
pub type Digest = [u8; 16];

/// Where a check's evidence begins, and how far it got. Milliseconds of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// When it began.
    pub begin: i64,
    /// End of the last block that was used.
    pub last_block_end: i64,
}

/// Why a record is not continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discarded {
    /// Cut off, changed, or of another kind of check.
    #[error("the kept evidence is unreadable; it begins anew")]
    Unreadable,
    /// Another version of the operator wrote it.
    #[error("the kept evidence has another format; it begins anew")]
    OtherFormat,
    /// What it depends on was changed.
    #[error("what the kept evidence depends on was changed; it begins anew")]
    OtherDigest,
}

/// A check that goes on from a record, or begins anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restored<S> {
    /// The check.
    pub state: S,
    /// How far it got; none if it begins anew.
    pub mark: Option<Mark>,
    /// Why it begins anew.
    pub discarded: Option<Discarded>,
}

/// A check whose numbers can be kept. One function both reads and writes, so that no order can differ.
pub trait Kept {
    /// Tells checks apart.
    const KIND: u8;

    /// Shows every number that a look can change, always in the same order.
    fn keep(&mut self, fields: &mut dyn Fields);
}

/// Takes numbers down, or puts in what was taken down.
pub trait Fields {
    /// A finite number.
    fn number(&mut self, field: &mut f64);
    /// How many.
    fn count(&mut self, field: &mut u32);
    /// A time in milliseconds.
    fn time(&mut self, field: &mut i64);
    /// Yes or no.
    fn flag(&mut self, field: &mut bool);

    /// A finite number that may be missing.
    fn maybe(&mut self, field: &mut Option<f64>) {
        let mut there = field.is_some();
        self.flag(&mut there);
        let mut number = field.unwrap_or(0.0);
        self.number(&mut number);
        *field = there.then_some(number);
    }
}

/// The record of a check, at most [`MOST_BYTES`].
pub fn save<S: Kept + Clone>(state: &S, mark: Mark, digest: &Digest) -> Vec<u8> {
    let mut writer = Writer(Vec::with_capacity(MOST_BYTES));
    writer.0.extend([FORMAT, S::KIND]);
    writer.0.extend(digest);
    let Mark { mut begin, mut last_block_end } = mark;
    writer.time(&mut begin);
    writer.time(&mut last_block_end);
    state.clone().keep(&mut writer);
    let sum = sum(&writer.0);
    writer.0.extend(sum);
    writer.0
}

/// Continues a record. `fresh` is the same check without evidence: it begins anew where the record cannot be used.
pub fn restore<S: Kept + Clone>(fresh: S, digest: &Digest, record: &[u8]) -> Restored<S> {
    match read(&fresh, digest, record) {
        Ok((state, mark)) => Restored { state, mark: Some(mark), discarded: None },
        Err(why) => Restored { state: fresh, mark: None, discarded: Some(why) },
    }
}

fn read<S: Kept + Clone>(fresh: &S, digest: &Digest, record: &[u8]) -> Result<(S, Mark), Discarded> {
    let (told, kept_sum) = record.split_last_chunk::<8>().ok_or(Discarded::Unreadable)?;
    if sum(told) != *kept_sum {
        return Err(Discarded::Unreadable);
    }
    let ([format, kind], rest) = told.split_first_chunk().ok_or(Discarded::Unreadable)?;
    if *format != FORMAT {
        return Err(Discarded::OtherFormat);
    }
    let (kept_digest, rest) = rest.split_first_chunk::<16>().ok_or(Discarded::Unreadable)?;
    if *kind != S::KIND {
        return Err(Discarded::Unreadable);
    }
    if kept_digest != digest {
        return Err(Discarded::OtherDigest);
    }
    let mut reader = Reader { rest, broken: false };
    let mut mark = Mark::default();
    reader.time(&mut mark.begin);
    reader.time(&mut mark.last_block_end);
    let mut state = fresh.clone();
    state.keep(&mut reader);
    if reader.broken || !reader.rest.is_empty() { Err(Discarded::Unreadable) } else { Ok((state, mark)) }
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo): any single byte that is changed shows.
fn sum(bytes: &[u8]) -> [u8; 8] {
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    sum.to_le_bytes()
}

struct Writer(Vec<u8>);

impl Fields for Writer {
    fn number(&mut self, field: &mut f64) {
        self.0.extend(field.to_le_bytes());
    }

    fn count(&mut self, field: &mut u32) {
        self.0.extend(field.to_le_bytes());
    }

    fn time(&mut self, field: &mut i64) {
        self.0.extend(field.to_le_bytes());
    }

    fn flag(&mut self, field: &mut bool) {
        self.0.push(u8::from(*field));
    }
}

/// Once broken, it stays so.
struct Reader<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl Reader<'_> {
    /// The next bytes; zeros if there are none.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            self.broken = true;
            return [0; N];
        };
        self.rest = rest;
        *taken
    }
}

impl Fields for Reader<'_> {
    fn number(&mut self, field: &mut f64) {
        *field = f64::from_le_bytes(self.take());
        self.broken |= !field.is_finite();
    }

    fn count(&mut self, field: &mut u32) {
        *field = u32::from_le_bytes(self.take());
    }

    fn time(&mut self, field: &mut i64) {
        *field = i64::from_le_bytes(self.take());
    }

    fn flag(&mut self, field: &mut bool) {
        let [byte] = self.take();
        self.broken |= byte > 1;
        *field = byte == 1;
    }
}
