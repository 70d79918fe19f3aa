//! An encoder of your own: implement `Encoder` and `Mapping` with three short methods each; everything else is provided.
//!
//! Run: `cargo run --package fisherlens-fisher --example encoder_alone`
#![expect(clippy::print_stdout, reason = "an example prints what it computes")]

use fisherlens_fisher::{DescriptorSet, Encoder, FisherError, Layout, Mapping, Sign};
use ndarray::{ArrayView2, array};

/// First and third moments of descriptors with this number of features, without any mixture: m(l) = [l, l³].
struct Moments(usize);

impl Encoder for Moments {
    fn n_features(&self) -> usize {
        self.0
    }

    fn layout(&self) -> Layout {
        Layout { n_cells: 1, n_components: 1, part_widths: vec![self.0, self.0] }
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        descriptors.check(self.0)?;
        Ok(Box::new(MomentsOf(descriptors.values)))
    }
}

/// The mapping of the descriptors of one image.
struct MomentsOf<'a>(ArrayView2<'a, f32>);

impl Mapping for MomentsOf<'_> {
    fn n_descriptors(&self) -> usize {
        self.0.nrows()
    }

    fn n_dimensions(&self) -> usize {
        2 * self.0.ncols()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        for (d, &value) in self.0.row(l).iter().enumerate() {
            out[d] = value;
            out[self.0.ncols() + d] = value.powi(3);
        }
    }
}

fn main() -> Result<(), FisherError> {
    let values = array![[1.0_f32, -2.0], [0.5, 1.0], [2.0, 0.0]];
    let positions = [[0.1, 0.2], [0.5, 0.5], [0.8, 0.3]];
    let mapping = Moments(2).map(DescriptorSet { values: values.view(), positions: &positions })?;
    println!("vector, the mean of m(l): {:.3}", mapping.mean());

    // The score of a linear classifier is the mean of these products over the descriptors.
    let coefficients = [1.0, 0.5, -0.25, 2.0];
    let products = mapping.contract(&coefficients, Sign::Signed);
    println!("product of m(l) with the coefficients, per descriptor: {products:?}");
    Ok(())
}
