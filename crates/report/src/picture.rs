//! Pictures that travel inside the page: averaged down to a thumbnail, put on a palette of 256 colours, written as PNG.
//!
//! At 220 pixels a palette takes 32 kB for a photograph of VOC 2007 where true colour takes 77, base64 included, and one hardly
//! sees the difference.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ndarray::{Array2, ArrayView2};

use super::data::RgbImage;

/// Longest side that a report accepts, in pixels.
const MAX_SIDE: usize = 300;
/// Entries of a PNG palette.
const N_COLOURS: usize = 256;
/// Bits a channel keeps while colours are counted.
const BITS: u32 = 6;

/// A picture as the address of an `img`, with the size it was averaged down to.
pub(super) struct Picture {
    pub(super) address: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The picture as a thumbnail whose longest side is at most `side`.
pub(super) fn embed(image: &RgbImage, side: usize) -> anyhow::Result<Picture> {
    ensure!(
        image.width > 0 && image.height > 0 && image.rgb.len() == 3 * image.width * image.height,
        "a picture of {} × {} pixels has {} bytes, expected {} (3 a pixel)",
        image.width,
        image.height,
        image.rgb.len(),
        3 * image.width * image.height
    );
    let small = thumbnail(image, side.clamp(1, MAX_SIDE));
    let bytes = encode(&small).context("writing a thumbnail as PNG")?;
    Ok(Picture {
        address: format!("data:image/png;base64,{}", STANDARD.encode(bytes)),
        width: small.width,
        height: small.height,
    })
}

impl RgbImage {
    /// Averaged down until its longest side is at most `side`; a smaller picture stays as it is.
    #[must_use]
    pub fn thumbnail(&self, side: usize) -> Self {
        thumbnail(self, side.max(1))
    }
}

/// Each new pixel is the mean of the pixels that it covers, parts of pixels counted by their area.
fn thumbnail(image: &RgbImage, side: usize) -> RgbImage {
    let longest = image.width.max(image.height);
    if longest <= side {
        return image.clone();
    }
    let [(width, columns), (height, rows)] =
        [image.width, image.height].map(|length| covers(length, scaled(length, longest, side)));
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in &rows {
        for column in &columns {
            let mut sums = [0.0; 3];
            let mut area = 0.0;
            for &(y, share_y) in row {
                for &(x, share_x) in column {
                    let share = share_x * share_y;
                    let pixel = 3 * (y * image.width + x);
                    for (sum, &value) in sums.iter_mut().zip(&image.rgb[pixel..pixel + 3]) {
                        *sum += share * f64::from(value);
                    }
                    area += share;
                }
            }
            rgb.extend(sums.map(|sum| (sum / area).round() as u8));
        }
    }
    RgbImage { width, height, rgb }
}

/// Relevance `(height, width)` averaged down in the same way, before it becomes colours: means of colours would turn grey where
/// relevance changes its sign.
pub fn shrink(relevance: ArrayView2<'_, f32>, side: usize) -> Array2<f32> {
    let (height, width) = relevance.dim();
    let longest = width.max(height);
    if longest <= side {
        return relevance.to_owned();
    }
    let [(width, columns), (height, rows)] =
        [width, height].map(|length| covers(length, scaled(length, longest, side.max(1))));
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (mut sum, mut area) = (0.0, 0.0);
        for &(old_y, share_y) in &rows[y] {
            for &(old_x, share_x) in &columns[x] {
                sum += share_x * share_y * f64::from(relevance[[old_y, old_x]]);
                area += share_x * share_y;
            }
        }
        (sum / area) as f32
    })
}

/// `length` times side / longest, rounded, at least 1.
fn scaled(length: usize, longest: usize, side: usize) -> usize {
    ((length * side + longest / 2) / longest).max(1)
}

/// The number of new pixels, and what each covers.
fn covers(n_old: usize, n_new: usize) -> (usize, Vec<Vec<(usize, f64)>>) {
    (n_new, (0..n_new).map(|index| cover(index, n_new, n_old)).collect())
}

/// The old pixels that new pixel `index` of `n_new` covers, each with the covered share.
fn cover(index: usize, n_new: usize, n_old: usize) -> Vec<(usize, f64)> {
    let ratio = n_old as f64 / n_new as f64;
    let (start, end) = (index as f64 * ratio, (index + 1) as f64 * ratio);
    (start.floor() as usize..(end.ceil() as usize).min(n_old))
        .map(|old| (old, (end.min((old + 1) as f64) - start.max(old as f64)).max(0.0)))
        .collect()
}

fn encode(image: &RgbImage) -> anyhow::Result<Vec<u8>> {
    let (palette, indices) = palette(&image.rgb);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    // Neighbouring indices say nothing about neighbouring colours, so a difference filter only does harm.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(bytes)
}

/// Pixels of one cell of the coarse colour cube.
#[derive(Clone, Copy, Default)]
struct Cell {
    place: usize,
    n_pixels: u64,
    sums: [u64; 3],
}

impl Cell {
    fn mean(&self, channel: usize) -> f64 {
        self.sums[channel] as f64 / self.n_pixels as f64
    }
}

/// Median cut: the colours are parted, again and again along the widest channel of the set with the most pixels times width,
/// into at most 256 sets, each shown as its mean colour.
fn palette(rgb: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let cell_of =
        |pixel: &[u8]| pixel.iter().fold(0_usize, |cell, &value| (cell << BITS) | (value >> (8 - BITS)) as usize);
    let mut cells = vec![Cell::default(); 1 << (3 * BITS)];
    for pixel in rgb.chunks_exact(3) {
        let index = cell_of(pixel);
        let cell = &mut cells[index];
        cell.place = index;
        cell.n_pixels += 1;
        for (sum, &value) in cell.sums.iter_mut().zip(pixel) {
            *sum += u64::from(value);
        }
    }
    cells.retain(|cell| cell.n_pixels > 0);
    let mut sets = vec![cells];
    while sets.len() < N_COLOURS {
        let widest = (0..sets.len())
            .map(|index| (index, spread(&sets[index])))
            .filter(|(_, (_, weight))| *weight > 0.0)
            .max_by(|(_, (_, one)), (_, (_, other))| one.total_cmp(other));
        let Some((index, (channel, _))) = widest else {
            break;
        };
        let upper = split(&mut sets[index], channel);
        sets.push(upper);
    }
    let mut colours = Vec::with_capacity(3 * sets.len());
    let mut index_of = vec![0_u8; 1 << (3 * BITS)];
    for (index, set) in sets.iter().enumerate() {
        let n_pixels = set.iter().map(|cell| cell.n_pixels).sum::<u64>().max(1);
        for channel in 0..3 {
            let sum: u64 = set.iter().map(|cell| cell.sums[channel]).sum();
            colours.push(((sum + n_pixels / 2) / n_pixels) as u8);
        }
        for cell in set {
            index_of[cell.place] = index as u8;
        }
    }
    let indices = rgb.chunks_exact(3).map(|pixel| index_of[cell_of(pixel)]).collect();
    (colours, indices)
}

/// The widest channel of a set, and its width times the square root of the pixels: pure counts would spend the palette on the
/// sky, pure widths on a few odd pixels.
fn spread(set: &[Cell]) -> (usize, f64) {
    if set.len() < 2 {
        return (0, 0.0);
    }
    let n_pixels: u64 = set.iter().map(|cell| cell.n_pixels).sum();
    let width = |channel: usize| {
        let (low, high) = set.iter().fold((f64::MAX, f64::MIN), |(low, high), cell| {
            (low.min(cell.mean(channel)), high.max(cell.mean(channel)))
        });
        high - low
    };
    let (channel, width) = (0..3)
        .map(|channel| (channel, width(channel)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .unwrap_or((0, 0.0));
    (channel, width * (n_pixels as f64).sqrt())
}

/// Sorts a set by one channel and takes off the half above the median pixel; both halves keep at least one cell.
fn split(set: &mut Vec<Cell>, channel: usize) -> Vec<Cell> {
    set.sort_by(|one, other| one.mean(channel).total_cmp(&other.mean(channel)).then(one.place.cmp(&other.place)));
    let half = set.iter().map(|cell| cell.n_pixels).sum::<u64>() / 2;
    let mut below = 0;
    let median = set.iter().position(|cell| {
        below += cell.n_pixels;
        below > half
    });
    let cut = median.unwrap_or(0).clamp(1, set.len() - 1);
    set.split_off(cut)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{N_COLOURS, cover, embed, encode, palette, shrink, thumbnail};
    use crate::data::RgbImage;

    fn decode(bytes: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        (info.width as usize, info.height as usize, rgb)
    }

    #[test]
    fn few_colours_stay_within_their_cell() {
        let rgb: Vec<u8> = (0..5 * 7).flat_map(|i| [(i * 7) as u8, 200 - i as u8, 9]).collect();
        let image = RgbImage { width: 7, height: 5, rgb: rgb.clone() };
        let (width, height, back) = decode(&encode(&image).unwrap());
        assert_eq!((width, height), (7, 5));
        let worst = rgb.iter().zip(&back).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // A cell of the colour cube is four values wide, and each has its own entry here.
        assert!(worst <= 3, "{worst}");
    }

    #[test]
    fn many_colours_stay_near() {
        let rgb: Vec<u8> = (0..128 * 128).flat_map(|i| [(2 * (i % 128)) as u8, (2 * (i / 128)) as u8, 77]).collect();
        let (colours, indices) = palette(&rgb);
        assert_eq!(colours.len(), 3 * N_COLOURS);
        let mean = rgb
            .chunks_exact(3)
            .zip(&indices)
            .map(|(pixel, &index)| {
                let colour = &colours[3 * index as usize..][..3];
                pixel.iter().zip(colour).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
            })
            .sum::<f64>()
            / indices.len() as f64;
        // A square of 256 × 256 colours cut into 256 squares of 16 × 16 leaves 4 a channel.
        assert!(mean < 12.0, "{mean}");
    }

    #[test]
    fn thumbnail_keeps_the_mean_and_the_shape() {
        let rgb: Vec<u8> = (0..500 * 375 * 3).map(|i| (i % 251) as u8).collect();
        let mean = |values: &[u8]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let image = RgbImage { width: 500, height: 375, rgb };
        let small = thumbnail(&image, 220);
        assert_eq!((small.width, small.height), (220, 165));
        assert!((mean(&small.rgb) - mean(&image.rgb)).abs() < 0.5);
        let shares: f64 = (0..220).flat_map(|x| cover(x, 220, 500)).map(|(_, share)| share).sum();
        assert!((shares - 500.0).abs() < 1e-9);
    }

    #[test]
    fn relevance_shrinks_to_means_of_its_pixels() {
        let relevance = Array2::from_shape_fn((4, 6), |(y, x)| (6 * y + x) as f32);
        let small = shrink(relevance.view(), 3);
        // Blocks of 2 × 2: 0, 1, 6, 7 and so on.
        assert_eq!(small, ndarray::array![[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]);
        assert_eq!(shrink(relevance.view(), 6), relevance);
        let narrow = shrink(Array2::from_elem((100, 1), -2.0_f32).view(), 10);
        assert_eq!(narrow.dim(), (10, 1));
        assert!(narrow.iter().all(|&value| value == -2.0));
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let wrong = RgbImage { width: 4, height: 4, rgb: vec![0; 4] };
        let message = embed(&wrong, 220).err().unwrap().to_string();
        assert!(message.contains("4 × 4") && message.contains("48"), "{message}");
        assert!(embed(&RgbImage::default(), 220).is_err());
    }
}
