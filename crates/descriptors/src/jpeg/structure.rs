//! The structure of a JPEG file: its frame, its scans, and the bytes of each scan. Nothing is decoded here.
//!
//! # References
//! `t81` (ITU-T T.81), Annex B.

use std::rc::Rc;

use memchr::memchr;

use crate::jpeg::colours::{ColourMarkers, Colours};
use crate::jpeg::huffman::Codes;

/// How the coefficients are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// Every scan has whole blocks (baseline and extended).
    Sequential,
    /// Every scan has a part of the coefficients, or some of their bits.
    Progressive,
}

/// One component (luma or chroma) of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    id: u8,
    /// Horizontal and vertical sampling factor, 1 to 4.
    pub(super) sampling: [usize; 2],
}

/// One component in a scan, with the codes that are valid there.
#[derive(Debug, Clone)]
pub(super) struct ScanComponent {
    /// Index of the component in the frame.
    pub(super) index: usize,
    pub(super) dc: Option<Rc<Codes>>,
    pub(super) ac: Option<Rc<Codes>>,
}

/// One scan.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient.
    pub(super) band: [usize; 2],
    /// Bit of the coefficients that the scan before had, and bit that this scan has; only in progressive files.
    pub(super) bits: [u8; 2],
    /// Number of units between two restart markers; 0 without them.
    pub(super) restart_interval: usize,
    /// The coded bytes, with stuffed bytes and restart markers.
    pub(super) data: &'a [u8],
}

/// The whole file.
#[derive(Debug, Clone)]
pub(super) struct Structure<'a> {
    pub(super) process: Process,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    pub(super) colour_markers: ColourMarkers,
    pub(super) scans: Vec<Scan<'a>>,
}

/// Why a structure cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes break the rules of the format, or end too early.
    Damaged(String),
    /// The file may be sound, but has a kind of coding that is not supported.
    Unsupported(&'static str),
}

/// Largest number of scans. A scan of some bytes can go over all blocks of a large picture, so a file of many scans could take hours; encoders
/// write about ten.
const MAX_N_SCANS: usize = 500;

impl Structure<'_> {
    /// Number of blocks of a component that hold pixels.
    pub(super) fn n_blocks(&self, component: usize) -> usize {
        let (sampling, largest) = (self.components[component].sampling, self.largest_sampling());
        let blocks = |axis: usize, size: usize| (size * sampling[axis]).div_ceil(largest[axis]).div_ceil(8);
        blocks(0, self.width) * blocks(1, self.height)
    }

    /// What the components stand for.
    pub(super) fn colours(&self) -> Colours {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        self.colour_markers.colours(&ids)
    }

    /// Largest sampling factors.
    pub(super) fn largest_sampling(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.components.iter().map(|component| component.sampling[axis]).max().unwrap_or(1))
    }
}

/// Reads the structure of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Structure<'_>, Fault> {
    let damaged = |text: &str| Fault::Damaged(text.to_owned());
    let mut frame: Option<Structure<'_>> = None;
    let mut codes: [[Option<Rc<Codes>>; 4]; 2] = Default::default();
    let mut colour_markers = ColourMarkers::default();
    let mut restart_interval = 0;
    let mut position = 2;
    loop {
        let Some(&[0xff, marker]) = bytes.get(position..position + 2).and_then(|pair| pair.first_chunk()) else {
            return Err(damaged(if position >= bytes.len() {
                "there is no end-of-image marker"
            } else {
                "a marker was expected after a segment"
            }));
        };
        match marker {
            // A fill byte before the marker.
            0xff => {
                position += 1;
                continue;
            }
            0xd9 => break,
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => {
                position += 2;
                continue;
            }
            _ => {}
        }
        let length = bytes.get(position + 2..position + 4).and_then(|bytes| bytes.first_chunk());
        let length = usize::from(u16::from_be_bytes(*length.ok_or_else(|| damaged("a segment is cut off"))?));
        let start = position + 4;
        position += 2 + length;
        if length < 2 || position > bytes.len() {
            return Err(damaged("a segment is cut off"));
        }
        let segment = &bytes[start..position];
        match marker {
            0xc0..=0xc2 if frame.is_some() => return Err(Fault::Unsupported("several frames")),
            0xc0..=0xc2 => frame = Some(read_frame(segment, marker == 0xc2)?),
            0xc3 | 0xc7 | 0xcb | 0xcf => return Err(Fault::Unsupported("lossless coding")),
            0xc5 | 0xc6 | 0xde => return Err(Fault::Unsupported("hierarchical coding")),
            0xc9 | 0xca | 0xcc | 0xcd | 0xce => return Err(Fault::Unsupported("arithmetic coding")),
            0xc4 => read_codes(segment, &mut codes)?,
            0xdc => return Err(Fault::Unsupported("a height that is given after the first scan")),
            0xdd => match segment {
                [high, low] => restart_interval = usize::from(u16::from_be_bytes([*high, *low])),
                _ => return Err(damaged("the segment of the restart interval has another length than 2 bytes")),
            },
            0xda => {
                let frame = frame.as_mut().ok_or_else(|| damaged("a scan comes before the frame header"))?;
                let data = &bytes[position..];
                let data = &data[..end_of_scan(data).ok_or_else(|| damaged("there is no end-of-image marker"))?];
                position += data.len();
                let scan = read_scan(segment, frame, &codes, restart_interval, data)?;
                frame.scans.push(scan);
                if frame.scans.len() > MAX_N_SCANS {
                    return Err(Fault::Unsupported("more than 500 scans"));
                }
            }
            0xe0 | 0xee => {
                let is_late = frame.as_ref().is_some_and(|frame| !frame.scans.is_empty());
                colour_markers.read(marker, segment, is_late)?;
            }
            _ => {}
        }
    }
    let frame = frame.filter(|frame| !frame.scans.is_empty()).ok_or_else(|| damaged("there is no scan"))?;
    Ok(Structure { colour_markers, ..frame })
}

fn read_frame<'a>(segment: &[u8], is_progressive: bool) -> Result<Structure<'a>, Fault> {
    let damaged = |text: &str| Fault::Damaged(text.to_owned());
    let &[precision, high, low, wide, narrow, n, ref rest @ ..] = segment else {
        return Err(damaged("the frame header is cut off"));
    };
    if precision != 8 {
        return Err(Fault::Unsupported(if precision == 12 {
            "12 bits per sample"
        } else {
            "another number of bits than 8"
        }));
    }
    let (height, width) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([wide, narrow]));
    if height == 0 {
        return Err(Fault::Unsupported("a height that is given after the first scan"));
    }
    if width == 0 || n == 0 || rest.len() != 3 * usize::from(n) {
        return Err(damaged("the frame header has no pixels, or another length than its number of components"));
    }
    // Both decoders know only these numbers; the format has no rule for the colours of others.
    match n {
        1 | 3 | 4 => {}
        2 => return Err(Fault::Unsupported("two components instead of one, three or four")),
        _ => return Err(Fault::Unsupported("more than four components")),
    }
    let component = |entry: &[u8; 3]| {
        let sampling = [usize::from(entry[1] >> 4), usize::from(entry[1] & 15)];
        let is_valid = sampling.iter().all(|factor| (1..=4).contains(factor));
        is_valid
            .then_some(Component { id: entry[0], sampling })
            .ok_or_else(|| damaged("a sampling factor is not 1 to 4"))
    };
    Ok(Structure {
        process: if is_progressive { Process::Progressive } else { Process::Sequential },
        width: usize::from(width),
        height: usize::from(height),
        components: rest.as_chunks::<3>().0.iter().map(component).collect::<Result<_, _>>()?,
        colour_markers: ColourMarkers::default(),
        scans: Vec::new(),
    })
}

/// Reads Huffman codes: `[class][slot]`, with class 0 for DC and 1 for AC.
fn read_codes(mut segment: &[u8], codes: &mut [[Option<Rc<Codes>>; 4]; 2]) -> Result<(), Fault> {
    while let [slot, rest @ ..] = segment {
        let damaged = || Fault::Damaged("a table of Huffman codes is broken".to_owned());
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let n: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(n).ok_or_else(damaged)?;
        let place = codes.get_mut(usize::from(slot >> 4)).and_then(|class| class.get_mut(usize::from(slot & 15)));
        *place.ok_or_else(damaged)? = Some(Rc::new(Codes::new(counts, symbols).ok_or_else(damaged)?));
        segment = rest;
    }
    Ok(())
}

fn read_scan<'a>(
    segment: &[u8],
    frame: &Structure<'_>,
    codes: &[[Option<Rc<Codes>>; 4]; 2],
    restart_interval: usize,
    data: &'a [u8],
) -> Result<Scan<'a>, Fault> {
    let damaged = |text: &str| Fault::Damaged(text.to_owned());
    let Some((&n, rest)) = segment.split_first() else { return Err(damaged("a scan header is cut off")) };
    let n = usize::from(n);
    let Some((entries, &[first, last, bits])) =
        rest.split_at_checked(2 * n).and_then(|(entries, rest)| rest.first_chunk::<3>().map(|rest| (entries, rest)))
    else {
        return Err(damaged("a scan header is cut off"));
    };
    let component = |entry: &[u8; 2]| {
        let index = frame.components.iter().position(|component| component.id == entry[0]);
        let code = |class: usize, slot: u8| codes[class].get(usize::from(slot)).cloned().flatten();
        Ok(ScanComponent {
            index: index.ok_or_else(|| damaged("a scan names a component that the frame does not have"))?,
            dc: code(0, entry[1] >> 4),
            ac: code(1, entry[1] & 15),
        })
    };
    let components: Vec<ScanComponent> = entries.as_chunks::<2>().0.iter().map(component).collect::<Result<_, _>>()?;
    if components.is_empty() || last > 63 || first > last {
        return Err(damaged("a scan header has no component, or no coefficient from 0 to 63"));
    }
    let band = [usize::from(first), usize::from(last)];
    Ok(Scan { components, band, bits: [bits >> 4, bits & 15], restart_interval, data })
}

/// Length of the coded bytes: up to the first marker that is neither a stuffed byte nor a restart. Any number of fill bytes `ff` may come
/// before a marker.
fn end_of_scan(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(0xff, &data[from..])?;
        match data.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => from = at + 2,
            0xff => from = at + 1,
            _ => return Some(at),
        }
    }
}
