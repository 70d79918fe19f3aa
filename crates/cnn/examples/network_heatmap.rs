//! Heatmap of a network: relevance of the pixels for the class with the highest score, printed as a coarse grid.
//!
//! Run it with
//! `cargo run --package fisherlens-cnn --features cnn --example network_heatmap [GOOGLENET_WEIGHTS]`
//!
//! Without an argument the network is small and has random weights, so its heatmap has no meaning. With GoogLeNet's weights, a
//! `.safetensors` or `.caffemodel` file, the network is GoogLeNet.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use fisherlens_cnn::{
    Bookkeeping, Composite, Device, IMAGENET_MEAN, Mean, Network, Parameters, Targets, networks, read_caffemodel,
    read_safetensors,
};
use ndarray::{Array3, Axis, s};

/// Rows and columns of the printed grid.
const GRID: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (architecture, weights) = match std::env::args().nth(1) {
        Some(file) if file.ends_with("caffemodel") => (networks::googlenet(), read_caffemodel(&std::fs::read(file)?)?),
        Some(file) => (networks::googlenet(), read_safetensors(&std::fs::read(file)?)?),
        None => (networks::small(4), Parameters::drawn(&networks::small(4), 1)),
    };
    let [_, height, width] = architecture.input_shape();
    let network = Network::new(architecture, &weights, &Device::flex())?;

    // A made-up photograph, `(height, width, 3)` with red, green and blue: an orange disc on a blue background.
    let photograph = Array3::from_shape_fn((height, width, 3), |(y, x, channel)| {
        let (down, right) = (y as f32 / height as f32 - 0.4, x as f32 / width as f32 - 0.6);
        if down.hypot(right) < 0.25 { [240_u8, 140, 20][channel] } else { [60, 120, 220][channel] }
    });
    let mean = Mean::Channels(IMAGENET_MEAN);
    let input = mean.input(photograph.view())?.insert_axis(Axis(0));

    let trace = network.trace(input.view())?;
    let composite = Composite::parse("epsilon-plus-flat", &mean.pixel_range())?;
    let relevance = network.relevance(&trace, &composite, &Targets::Best, Bookkeeping::Off)?.pixels;
    let score = trace.scores().into_iter().fold(f32::NEG_INFINITY, f32::max);
    println!("highest score {score:.4}, sum of the relevance of all pixels {:.4}", relevance.sum());

    // The heatmap is the sum over the three channels, and a cell of the grid is the sum over its pixels.
    let heatmap = relevance.sum_axis(Axis(2)).slice_move(s![0, 0, .., ..]);
    let cells = heatmap.exact_chunks((height / GRID, width / GRID)).into_iter().map(|cell| cell.sum());
    let cells: Vec<f32> = cells.collect();
    let largest = cells.iter().fold(0.0_f32, |largest, cell| largest.max(cell.abs()));
    for (index, cell) in cells.iter().enumerate() {
        // Percent of the largest cell, by absolute value.
        let end = if (index + 1) % GRID == 0 { "\n" } else { "" };
        print!("{:5.0}{end}", 100.0 * cell / largest);
    }
    Ok(())
}
