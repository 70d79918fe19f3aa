//! Keeps the result of a slow computation and loads it in the next run: the second call computes nothing.
//!
//! `cargo run --package fisherlens-artifact --example keep_and_load`
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::time::{Duration, Instant};

use fisherlens_artifact::{Address, ArtifactError, Header, Key, Store, array};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// What the result depends on.
#[derive(Serialize)]
struct Settings {
    n_rows: usize,
    factor: f32,
}

/// The result.
#[derive(Serialize, Deserialize)]
struct Products {
    #[serde(with = "array")]
    table: Array2<f32>,
}

/// Looks for the stored table; if it is not there, computes and stores it.
fn products(store: &Store, settings: &Settings) -> Result<Products, ArtifactError> {
    let key = Key::builder("products", 1).setting("settings", settings).finish();
    let address = Address::new("products", 1, key, None);
    if let Some(loaded) = store.load(&address)? {
        println!("loaded {} ({} bytes)", store.path(&address).display(), loaded.n_bytes);
        return Ok(loaded.value);
    }
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(300)); // stands for a long computation
    let table = Array2::from_shape_fn((settings.n_rows, 3), |(row, column)| settings.factor * (row * column) as f32);
    let value = Products { table };
    let n_bytes = store.save(&address, &Header::new(settings, start.elapsed().as_secs_f64())?, &value)?;
    println!("computed and kept {} ({n_bytes} bytes)", store.path(&address).display());
    Ok(value)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path().join("artifacts"))?;
    for factor in [0.5, 0.5, 2.0] {
        let start = Instant::now();
        let products = products(&store, &Settings { n_rows: 4, factor })?;
        println!("factor {factor}: sum {} after {:.3} s", products.table.sum(), start.elapsed().as_secs_f64());
    }
    Ok(())
}
