//! Whether the scans of a JPEG file hold all blocks of the picture.
//!
//! Decoders fill the blocks that are missing with grey, or with bits of their own making, and most of them say nothing. The codes are read here
//! once more, without computing a pixel, and the blocks are counted. It takes about a fifth of the time of decoding.
//!
//! # References
//! `t81` (ITU-T T.81), Annexes F and G.

use memchr::memchr;

use crate::jpeg::huffman::{Bits, Codes, Ended};
use crate::jpeg::structure::{Process, Scan, ScanComponent, Structure};

/// Checks every scan; the error is a sentence about what is missing.
pub(super) fn check(structure: &Structure<'_>) -> Result<(), String> {
    let mut state = State::new(structure);
    for (number, scan) in structure.scans.iter().enumerate() {
        let (n_units, unit_of) = units(structure, scan);
        let found = walk(scan, n_units, |bits, unit| state.read(scan, &unit_of, bits, unit))
            .ok_or_else(|| format!("scan {} uses a table of Huffman codes that is not there", number + 1))?;
        if found < n_units {
            let share = 100.0 * (n_units - found) as f64 / n_units as f64;
            return Err(format!(
                "scan {} of {} ends too early: {share:.1} % of its blocks are missing",
                number + 1,
                structure.scans.len()
            ));
        }
    }
    match state.unfinished.iter().position(|&bit| bit != 0) {
        Some(component) => Err(format!("the last scans of component {} are missing", component + 1)),
        None => Ok(()),
    }
}

/// Number of units of a scan, and what a unit is.
fn units(structure: &Structure<'_>, scan: &Scan<'_>) -> (usize, Unit) {
    let largest = structure.largest_sampling();
    let size = [structure.width, structure.height];
    if let [only] = scan.components.as_slice() {
        // A scan of one component has only the blocks that hold pixels.
        let sampling = structure.components[only.index].sampling;
        let [columns, rows] = [0, 1].map(|axis| (size[axis] * sampling[axis]).div_ceil(largest[axis]).div_ceil(8));
        return (columns * rows, Unit { n_blocks: vec![1] });
    }
    let [columns, rows] = [0, 1].map(|axis| size[axis].div_ceil(8 * largest[axis]));
    let n_blocks = |component: &ScanComponent| structure.components[component.index].sampling.iter().product();
    (columns * rows, Unit { n_blocks: scan.components.iter().map(n_blocks).collect() })
}

/// The smallest unit of a scan.
struct Unit {
    /// Number of blocks of each component.
    n_blocks: Vec<usize>,
}

/// Reads units until `read` finds the end of the bits; returns their number. `None` if a table of codes is missing.
fn walk(
    scan: &Scan<'_>,
    n_units: usize,
    mut read: impl FnMut(&mut Bits, usize) -> Option<Result<(), Ended>>,
) -> Option<usize> {
    let interval = if scan.restart_interval == 0 { n_units } else { scan.restart_interval };
    let mut n_found = 0;
    let mut rest = scan.data;
    while n_found < n_units {
        let (segment, after) = split_at_restart(rest);
        let mut bits = Bits::new(segment);
        for unit in n_found..(n_found + interval).min(n_units) {
            if read(&mut bits, unit)?.is_err() {
                return Some(unit);
            }
        }
        n_found = (n_found + interval).min(n_units);
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    Some(n_found)
}

/// The bytes up to the first restart marker, and those after it.
fn split_at_restart(data: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut from = 0;
    while let Some(at) = memchr(0xff, &data[from..]) {
        let at = from + at;
        match data.get(at + 1) {
            Some(0xd0..=0xd7) => return (&data[..at], Some(&data[at + 2..])),
            Some(_) => from = at + 2,
            None => break,
        }
        from = from.min(data.len());
    }
    (data, None)
}

/// What earlier scans have said.
struct State {
    process: Process,
    /// For each component: for every block, which of its 64 coefficients are not 0. Only progressive files need it.
    nonzero: Vec<Vec<u64>>,
    /// For each component: the lowest bit of its DC values that was read; above 0 while bits are missing. Components start unread.
    unfinished: Vec<u8>,
    /// Number of blocks of the current band that are still without new coefficients.
    end_of_band: u32,
}

impl State {
    fn new(structure: &Structure<'_>) -> Self {
        let largest = structure.largest_sampling();
        let n_blocks = |sampling: [usize; 2]| {
            let side = |axis: usize, size: usize| (size * sampling[axis]).div_ceil(largest[axis]).div_ceil(8);
            side(0, structure.width) * side(1, structure.height)
        };
        let is_progressive = structure.process == Process::Progressive;
        let masks = |sampling| if is_progressive { vec![0; n_blocks(sampling)] } else { Vec::new() };
        Self {
            process: structure.process,
            nonzero: structure.components.iter().map(|component| masks(component.sampling)).collect(),
            unfinished: vec![u8::MAX; structure.components.len()],
            end_of_band: 0,
        }
    }

    /// Reads one unit; `None` if a table of codes is missing.
    fn read(&mut self, scan: &Scan<'_>, unit: &Unit, bits: &mut Bits, number: usize) -> Option<Result<(), Ended>> {
        if number == 0 || (scan.restart_interval > 0 && number.is_multiple_of(scan.restart_interval)) {
            self.end_of_band = 0;
        }
        for (component, &n_blocks) in scan.components.iter().zip(&unit.n_blocks) {
            let ScanComponent { index, dc, ac } = component;
            if self.process == Process::Sequential {
                let (dc, ac) = (dc.as_deref()?, ac.as_deref()?);
                self.unfinished[*index] = 0;
                if (0..n_blocks).any(|_| bits.skip_block(dc, ac).is_err()) {
                    return Some(Err(Ended));
                }
                continue;
            }
            let [before, now] = scan.bits;
            let read = match (scan.band[0], before) {
                (0, _) => {
                    self.unfinished[*index] = now;
                    (0..n_blocks).try_for_each(|_| dc_part(bits, dc.as_deref(), before > 0))
                }
                (_, 0) => self.ac_first(bits, ac.as_deref()?, scan.band, *index, number),
                _ => self.ac_refined(bits, ac.as_deref()?, scan.band, *index, number),
            };
            if read.is_err() {
                return Some(read);
            }
        }
        Some(Ok(()))
    }

    /// The first bits of the AC values of one block.
    fn ac_first(
        &mut self,
        bits: &mut Bits,
        codes: &Codes,
        [first, last]: [usize; 2],
        component: usize,
        block: usize,
    ) -> Result<(), Ended> {
        if self.end_of_band > 0 {
            self.end_of_band -= 1;
            return Ok(());
        }
        let mut coefficient = first;
        while coefficient <= last {
            let symbol = bits.symbol(codes)?;
            let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.end_of_band = (1 << run) - 1 + bits.number(run)?;
                break;
            }
            coefficient += run as usize;
            if size > 0 {
                bits.skip(size)?;
                self.mark(component, block, coefficient);
            }
            coefficient += 1;
        }
        Ok(())
    }

    /// One more bit of the AC values of one block.
    fn ac_refined(
        &mut self,
        bits: &mut Bits,
        codes: &Codes,
        [first, last]: [usize; 2],
        component: usize,
        block: usize,
    ) -> Result<(), Ended> {
        let known = self.nonzero[component].get(block).copied().unwrap_or(0);
        let is_known = |coefficient: usize| known >> coefficient & 1 == 1;
        let mut coefficient = first;
        if self.end_of_band == 0 {
            while coefficient <= last {
                let symbol = bits.symbol(codes)?;
                let (mut run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                if size == 0 && run < 15 {
                    self.end_of_band = (1 << run) + bits.number(run)?;
                    break;
                }
                bits.skip(u32::from(size > 0))?;
                // The run counts coefficients that are still 0; each of the others has one more bit.
                while coefficient <= last {
                    if is_known(coefficient) {
                        bits.skip(1)?;
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    coefficient += 1;
                }
                if size > 0 {
                    self.mark(component, block, coefficient);
                }
                coefficient += 1;
            }
        }
        if self.end_of_band > 0 {
            let n_known = (coefficient..=last).filter(|&coefficient| is_known(coefficient)).count();
            bits.skip(n_known as u32)?;
            self.end_of_band -= 1;
        }
        Ok(())
    }

    fn mark(&mut self, component: usize, block: usize, coefficient: usize) {
        if let Some(mask) = self.nonzero[component].get_mut(block).filter(|_| coefficient < 64) {
            *mask |= 1 << coefficient;
        }
    }
}

/// The first bits of a DC value, or one more bit of it.
fn dc_part(bits: &mut Bits, codes: Option<&Codes>, is_refined: bool) -> Result<(), Ended> {
    if is_refined {
        return bits.skip(1);
    }
    let size = bits.symbol(codes.ok_or(Ended)?)?;
    bits.skip(u32::from(size))
}
