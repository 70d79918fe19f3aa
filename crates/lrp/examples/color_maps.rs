//! Draws the same relevance in all colour maps, one below the other, as a PPM picture.
//!
//! `cargo run --package fisherlens-lrp --example color_maps -- FILE.ppm`; without a file the picture goes to standard output.

use std::io::Write;

use fisherlens_lrp::{ColorMap, heatmap};
use ndarray::{Array2, Axis, concatenate};

const WIDTH: usize = 320;
const HEIGHT: usize = 60;

/// A scale from −1 to 1, and below it one positive and one negative spot.
fn relevance() -> Array2<f32> {
    let spot = |x: f32, y: f32, centre: f32| (-((x - centre).powi(2) + (y - 40.0).powi(2)) / 150.0).exp();
    Array2::from_shape_fn((HEIGHT, WIDTH), |(y, x)| {
        let (x, y) = (x as f32, y as f32);
        if y < 20.0 { 2.0 * x / (WIDTH - 1) as f32 - 1.0 } else { spot(x, y, 240.0) - 0.6 * spot(x, y, 80.0) }
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let relevance = relevance();
    let pictures = ColorMap::ALL.map(|map| heatmap(relevance.view(), map));
    let rows = concatenate(Axis(0), &pictures.each_ref().map(ndarray::Array3::view))?;

    // PPM: a header of text, then red, green and blue of every pixel, row after row.
    let mut ppm = format!("P6\n{} {}\n255\n", rows.dim().1, rows.dim().0).into_bytes();
    ppm.extend(rows.iter());
    match std::env::args().nth(1) {
        Some(path) => {
            std::fs::write(&path, ppm)?;
            let names = ColorMap::ALL.map(ColorMap::name).join(", ");
            writeln!(std::io::stdout(), "{path}, from top to bottom: {names}")?;
        }
        None => std::io::stdout().write_all(&ppm)?,
    }
    Ok(())
}
