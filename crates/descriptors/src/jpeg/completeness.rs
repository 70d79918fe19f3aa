//! Whether the scans of a JPEG file hold all blocks of the picture.
//!
//! Decoders fill the blocks that are missing with grey, or with bits of their own making, and most of them say nothing. The codes are read here
//! once more, without computing a pixel, and the blocks are counted. It takes about a fifth of the time of decoding.
//!
//! # References
//! `t81` (ITU-T T.81), Annexes F and G.

use memchr::memchr;

use crate::jpeg::huffman::{Bits, Codes, Stop};
use crate::jpeg::structure::{Process, Scan, ScanComponent, Structure};

/// Checks every scan; the error is a sentence about what is missing.
pub(super) fn check(structure: &Structure<'_>) -> Result<(), String> {
    let mut state = State::new(structure);
    for (number, scan) in structure.scans.iter().enumerate() {
        let units = Units::of(structure, scan);
        let n_units = units.number;
        let found = walk(scan, n_units, |bits, unit| state.read(scan, &units, bits, unit))
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

/// The smallest units of a scan.
struct Units {
    number: usize,
    /// Number of blocks of each component in one unit.
    n_blocks: Vec<usize>,
}

impl Units {
    fn of(structure: &Structure<'_>, scan: &Scan<'_>) -> Self {
        if let [only] = scan.components.as_slice() {
            // A scan of one component has only the blocks that hold pixels.
            return Self { number: structure.n_blocks(only.index), n_blocks: vec![1] };
        }
        let largest = structure.largest_sampling();
        let units = |axis: usize, size: usize| size.div_ceil(8 * largest[axis]);
        let n_blocks = |component: &ScanComponent| structure.components[component.index].sampling.iter().product();
        Self {
            number: units(0, structure.width) * units(1, structure.height),
            n_blocks: scan.components.iter().map(n_blocks).collect(),
        }
    }
}

/// Reads units until `read` finds the end of the bits; returns their number. `None` if a table of codes is missing.
fn walk(scan: &Scan<'_>, n_units: usize, mut read: impl FnMut(&mut Bits, usize) -> Result<(), Stop>) -> Option<usize> {
    let interval = if scan.restart_interval == 0 { n_units } else { scan.restart_interval };
    let mut n_found = 0;
    let mut rest = Some(scan.data);
    while let Some(data) = rest.filter(|_| n_found < n_units) {
        let (segment, after) = split_at_restart(data);
        let mut bits = Bits::new(segment);
        let end = (n_found + interval).min(n_units);
        for unit in n_found..end {
            match read(&mut bits, unit) {
                Ok(()) => {}
                Err(Stop::Ended) => return Some(unit),
                Err(Stop::NoCodes) => return None,
            }
        }
        n_found = end;
        rest = after;
    }
    Some(n_found)
}

/// The bytes up to the first restart marker, with the fill bytes before it, and those after it.
fn split_at_restart(data: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut from = 0;
    while let Some(at) = memchr(0xff, &data[from..]) {
        let at = from + at;
        match data.get(at + 1) {
            Some(0xd0..=0xd7) => return (&data[..at], Some(&data[at + 2..])),
            // A fill byte.
            Some(0xff) => from = at + 1,
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
        let is_progressive = structure.process == Process::Progressive;
        let masks = |index| if is_progressive { vec![0; structure.n_blocks(index)] } else { Vec::new() };
        Self {
            process: structure.process,
            nonzero: (0..structure.components.len()).map(masks).collect(),
            unfinished: vec![u8::MAX; structure.components.len()],
            end_of_band: 0,
        }
    }

    /// Reads one unit.
    fn read(&mut self, scan: &Scan<'_>, units: &Units, bits: &mut Bits, unit: usize) -> Result<(), Stop> {
        if unit == 0 || (scan.restart_interval > 0 && unit.is_multiple_of(scan.restart_interval)) {
            self.end_of_band = 0;
        }
        for (component, &n_blocks) in scan.components.iter().zip(&units.n_blocks) {
            let index = component.index;
            let dc = component.dc.as_deref().ok_or(Stop::NoCodes);
            let ac = component.ac.as_deref().ok_or(Stop::NoCodes);
            let [before, now] = scan.bits;
            match (self.process, scan.band[0], before) {
                (Process::Sequential, ..) => {
                    self.unfinished[index] = 0;
                    let (dc, ac) = (dc?, ac?);
                    (0..n_blocks).try_for_each(|_| bits.skip_block(dc, ac))?;
                }
                (_, 0, 0) => {
                    self.unfinished[index] = now;
                    let dc = dc?;
                    for _ in 0..n_blocks {
                        let size = bits.symbol(dc)?;
                        bits.skip(u32::from(size))?;
                    }
                }
                (_, 0, _) => {
                    self.unfinished[index] = now;
                    bits.skip(n_blocks as u32)?;
                }
                (_, _, 0) => self.ac_first(bits, ac?, scan.band, [index, unit])?,
                _ => self.ac_refined(bits, ac?, scan.band, [index, unit])?,
            }
        }
        Ok(())
    }

    /// The first bits of the AC values of one block. `place`: index of the component and of its block.
    fn ac_first(&mut self, bits: &mut Bits, codes: &Codes, band: [usize; 2], place: [usize; 2]) -> Result<(), Stop> {
        if self.end_of_band > 0 {
            self.end_of_band -= 1;
            return Ok(());
        }
        let [mut coefficient, last] = band;
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
                self.mark(place, coefficient);
            }
            coefficient += 1;
        }
        Ok(())
    }

    /// One more bit of the AC values of one block.
    fn ac_refined(&mut self, bits: &mut Bits, codes: &Codes, band: [usize; 2], place: [usize; 2]) -> Result<(), Stop> {
        let known = self.nonzero[place[0]].get(place[1]).copied().unwrap_or(0);
        let is_known = |coefficient: usize| known >> coefficient & 1 == 1;
        let [mut coefficient, last] = band;
        while self.end_of_band == 0 && coefficient <= last {
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
                self.mark(place, coefficient);
            }
            coefficient += 1;
        }
        if self.end_of_band > 0 {
            let n_known = (coefficient..=last).filter(|&coefficient| is_known(coefficient)).count();
            bits.skip(n_known as u32)?;
            self.end_of_band -= 1;
        }
        Ok(())
    }

    fn mark(&mut self, [component, block]: [usize; 2], coefficient: usize) {
        if let Some(mask) = self.nonzero[component].get_mut(block).filter(|_| coefficient < 64) {
            *mask |= 1 << coefficient;
        }
    }
}
