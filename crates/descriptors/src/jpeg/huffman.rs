//! Huffman codes, and bits from the coded bytes of a scan.

use std::cell::OnceCell;

use memchr::memchr;

/// Bits by which codes are looked up. Longer codes are rare, and are searched.
const LOOKUP_BITS: usize = 10;

/// What the next [`LOOKUP_BITS`] bits of AC values say, as far as their codes lie within these bits.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// Number of bits of the codes and of their values; the value of the last one may lie behind the looked-up bits. 0 if the first code is
    /// longer.
    n_bits: u8,
    /// Number of coefficients.
    n_coefficients: u8,
    /// Whether the block ends.
    is_end: bool,
}

/// The codes of one table.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// For the next [`LOOKUP_BITS`] bits: length of the code and its symbol; length 0 for a longer code.
    lookup: Box<[(u8, u8)]>,
    /// For each length: the first code that is too large for this length, aligned to 16 bits; the number of codes before this length minus its
    /// first code.
    longer: [(u32, i32); 17],
    symbols: Vec<u8>,
    /// For the next bits of AC values; made when it is used first.
    steps: OnceCell<Box<[Step]>>,
}

impl Codes {
    /// Codes with `counts[i]` symbols of `i + 1` bits; `None` if there are more codes than bits allow.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS].into_boxed_slice();
        let mut longer = [(0, 0); 17];
        let (mut code, mut at) = (0_u32, 0_usize);
        for length in 1..=16_usize {
            let n = usize::from(counts[length - 1]);
            longer[length].1 = at as i32 - code as i32;
            for &symbol in &symbols[at..at + n] {
                if code >> length != 0 {
                    return None;
                }
                if length <= LOOKUP_BITS {
                    let first = (code as usize) << (LOOKUP_BITS - length);
                    lookup[first..first + (1 << (LOOKUP_BITS - length))].fill((length as u8, symbol));
                }
                code += 1;
            }
            at += n;
            longer[length].0 = code << (16 - length);
            code <<= 1;
        }
        Some(Self { lookup, longer, symbols: symbols.to_vec(), steps: OnceCell::new() })
    }

    /// The step of the next bits, for every value of them.
    fn steps(&self) -> &[Step] {
        self.steps.get_or_init(|| (0..1 << LOOKUP_BITS).map(|bits| self.step(bits)).collect())
    }

    fn step(&self, bits: usize) -> Step {
        let mut step = Step::default();
        while usize::from(step.n_bits) < LOOKUP_BITS {
            let rest = LOOKUP_BITS - usize::from(step.n_bits);
            let (length, symbol) = self.lookup[(bits << usize::from(step.n_bits)) % (1 << LOOKUP_BITS)];
            if length == 0 || usize::from(length) > rest {
                break;
            }
            let (run, size) = (symbol >> 4, symbol & 15);
            step.n_bits += length + size;
            if size == 0 && run != 15 {
                step.is_end = true;
                break;
            }
            step.n_coefficients += run + 1;
        }
        step
    }

    /// Length and symbol of the code at the start of `window`, whose first bit is the highest; `None` if no code is there.
    #[inline]
    pub(super) fn find(&self, window: u64) -> Option<(u32, u8)> {
        let (length, symbol) = self.lookup[(window >> (64 - LOOKUP_BITS)) as usize];
        if length > 0 {
            return Some((u32::from(length), symbol));
        }
        let next = (window >> 48) as u32;
        let length = (LOOKUP_BITS + 1..=16).find(|&length| next < self.longer[length].0)?;
        let index = (next >> (16 - length)) as i32 + self.longer[length].1;
        self.symbols.get(usize::try_from(index).ok()?).map(|&symbol| (length as u32, symbol))
    }
}

/// The bits between two restart markers, without stuffed bytes.
pub(super) struct Bits {
    /// The bytes, and zeros after them, so that a window can be read at each of them.
    bytes: Vec<u8>,
    /// Number of bits before those zeros.
    length: usize,
    position: usize,
}

/// Why bits cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// They ended too early, or no code is there.
    Ended,
    /// The scan uses a table of codes that the file does not have.
    NoCodes,
}

impl Bits {
    /// `stuffed`: the bytes up to a marker. Fill bytes `ff` before the marker are no data.
    pub(super) fn new(mut stuffed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(stuffed.len() + 8);
        while let Some(at) = memchr(0xff, stuffed) {
            let (before, mut after) = (&stuffed[..at], &stuffed[at + 1..]);
            while let [0xff, rest @ ..] = after {
                after = rest;
            }
            bytes.extend_from_slice(before);
            if after.is_empty() {
                stuffed = after;
            } else {
                bytes.push(0xff);
                stuffed = &after[1..];
            }
        }
        bytes.extend_from_slice(stuffed);
        let length = 8 * bytes.len();
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, length, position: 0 }
    }

    /// The next bits, at least 57 of them; the first one is the highest. Zeros follow the end.
    #[inline]
    fn window(&self) -> u64 {
        match self.bytes.get(self.position / 8..).and_then(|bytes| bytes.first_chunk()) {
            Some(chunk) => u64::from_be_bytes(*chunk) << (self.position % 8),
            None => 0,
        }
    }

    #[inline]
    pub(super) fn skip(&mut self, n: u32) -> Result<(), Stop> {
        self.position += n as usize;
        if self.position <= self.length { Ok(()) } else { Err(Stop::Ended) }
    }

    /// The next `n` bits as a number, at most 16.
    pub(super) fn number(&mut self, n: u32) -> Result<u32, Stop> {
        let number = if n == 0 { 0 } else { (self.window() >> (64 - n)) as u32 };
        self.skip(n)?;
        Ok(number)
    }

    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<u8, Stop> {
        let (length, symbol) = codes.find(self.window()).ok_or(Stop::Ended)?;
        self.skip(length)?;
        Ok(symbol)
    }

    /// Skips one whole block: the code and the bits of its DC value, then those of its AC values.
    #[inline]
    pub(super) fn skip_block(&mut self, dc: &Codes, ac: &Codes) -> Result<(), Stop> {
        let mut ahead = Ahead { window: self.window(), n_valid: WINDOW_BITS };
        let (length, size) = dc.find(ahead.window).ok_or(Stop::Ended)?;
        ahead.take(self, length as usize + usize::from(size));
        let steps = ac.steps();
        let mut coefficient = 1;
        while coefficient < 64 {
            let step = steps[(ahead.window >> (64 - LOOKUP_BITS)) as usize];
            let after = coefficient + usize::from(step.n_coefficients);
            // Behind coefficient 63 the next block begins, so several codes are taken at once only if all of them are in this block.
            if step.n_bits > 0 && after < 64 {
                ahead.take(self, usize::from(step.n_bits));
                coefficient = after;
                if step.is_end {
                    break;
                }
                continue;
            }
            let (length, symbol) = ac.find(ahead.window).ok_or(Stop::Ended)?;
            let (run, size) = (usize::from(symbol >> 4), usize::from(symbol & 15));
            ahead.take(self, length as usize + size);
            if size == 0 && run != 15 {
                break;
            }
            coefficient += run + 1;
        }
        if self.position <= self.length { Ok(()) } else { Err(Stop::Ended) }
    }
}

/// Bits of a window that are valid wherever it begins within a byte.
const WINDOW_BITS: usize = 57;
/// Bits of the longest code.
const LONGEST_CODE: usize = 16;

/// A window that moves along with the position, so that memory is read only after some codes.
struct Ahead {
    window: u64,
    n_valid: usize,
}

impl Ahead {
    #[inline]
    fn take(&mut self, bits: &mut Bits, n: usize) {
        bits.position += n;
        if n + LONGEST_CODE <= self.n_valid {
            self.window <<= n;
            self.n_valid -= n;
        } else {
            *self = Self { window: bits.window(), n_valid: WINDOW_BITS };
        }
    }
}
