//! The mapping of one image on one thread and on several gives the same bits, also for components so narrow that the product of integers
//! cannot be used.

use fisherlens_fisher::{Assignment, DescriptorSet, Encoder, FisherVector, Rows, Sign, Vlad};
use fisherlens_lanes::on_all_threads;
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::ThreadPoolBuilder;

const N: usize = 7001;
const K: usize = 37;
const D: usize = 20;

fn mixture(deviation: f32) -> DiagonalGmm {
    let mut rng = Xoshiro256Plus::seed_from_u64(5);
    let means = Array2::from_shape_simple_fn((K, D), || rng.gen_range(-1.0_f32..1.0));
    let variances = Array2::from_shape_simple_fn((K, D), || (deviation * rng.gen_range(0.5_f32..2.0)).powi(2));
    DiagonalGmm::from_parts(Array1::from_elem(K, 1.0 / K as f32), means, variances).unwrap()
}

#[test]
fn sums_and_products_do_not_depend_on_the_threads_of_one_image() {
    for deviation in [1.0, 0.001] {
        let mixture = mixture(deviation);
        let mut values = mixture.generate(N, &mut Xoshiro256Plus::seed_from_u64(6));
        // Equal rows on both sides of the pieces that threads take.
        for n in 2040..2060 {
            values.row_mut(n).fill(0.25);
        }
        let positions = vec![[0.5, 0.5]; N];
        let set = || DescriptorSet { values: values.view(), positions: &positions };
        let fisher = FisherVector::params(mixture.clone()).check().unwrap();
        let vlad = Vlad::params(mixture).assignment(Assignment::Hard).check().unwrap();
        for encoder in [&fisher as &dyn Encoder, &vlad] {
            let rows: Vec<u32> = (0..N as u32).rev().step_by(3).collect();
            let compute = || {
                let mapping = encoder.map(set()).unwrap();
                let mut found = Vec::new();
                for sign in [Sign::Signed, Sign::Absolute] {
                    for rows in [Rows::All, Rows::Some(&rows)] {
                        // The sums are added to what is there.
                        let mut sums: Vec<f64> = (0..mapping.n_dimensions()).map(|d| 1.0 / (1 + d) as f64).collect();
                        mapping.accumulate(rows, sign, &mut sums);
                        let coefficients: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
                        found.push((sums, mapping.contract_rows(rows, &coefficients, sign)));
                    }
                }
                found
            };
            let expected = compute();
            for n_threads in [1, 2, 5] {
                let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
                assert!(pool.install(|| on_all_threads(compute)) == expected, "{n_threads} threads");
            }
        }
    }
}
