#![allow(warnings)]
use fisherlens_fisher::*;
use fisherlens_lrp::*;
use fisherlens_mixture::DiagonalGmm;
use ndarray::*;
use rand::*;
use rand_xoshiro::Xoshiro256Plus;
use std::time::Instant;
fn read(n: &str) -> Vec<f32> {
    std::fs::read(format!("/tmp/scratch_lrp/{n}.bin"))
        .unwrap()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}
fn main() {
    let x = read("x");
    let n = x.len() / 80;
    let x = Array2::from_shape_vec((n, 80), x).unwrap();
    let gmm = DiagonalGmm::from_parts(
        Array1::from(read("priors")),
        Array2::from_shape_vec((256, 80), read("means")).unwrap(),
        Array2::from_shape_vec((256, 80), read("covs")).unwrap(),
    )
    .unwrap();
    let pos: Vec<[f32; 2]> = (0..n).map(|l| [(l % 100) as f32 / 100.0, (l / 100 % 100) as f32 / 100.0]).collect();
    let fv = || FisherVector::params(gmm.clone()).check().unwrap();
    let encs: Vec<(&str, Box<dyn Encoder>)> = vec![
        ("fv", Box::new(fv())),
        (
            "fv pyramid",
            Box::new(Pyramid::new(fv(), &[Grid { columns: 1, rows: 1 }, Grid { columns: 1, rows: 3 }]).unwrap()),
        ),
        ("vlad", Box::new(Vlad::params(gmm.clone()).check().unwrap())),
        (
            "bow soft",
            Box::new(BagOfWords::params(gmm.clone()).assignment(Assignment::Soft { floor: 1e-4 }).check().unwrap()),
        ),
    ];
    for (name, e) in encs {
        let t = Instant::now();
        let m = e.map(DescriptorSet { values: x.view(), positions: &pos }).unwrap();
        println!("{name} map {:?}", t.elapsed());
        let t = Instant::now();
        let sums = MappingSums::for_rules(m.as_ref(), &[Rule::Naive]);
        println!("signed sums + unreached {:?}", t.elapsed());
        let t = Instant::now();
        let sums = MappingSums::new(m.as_ref());
        println!("both sums {:?}", t.elapsed());
        let mut phi = m.mean().to_vec();
        Normalization::Improved.apply(&mut phi, &e.layout());
        let amp = sums
            .absolute()
            .unwrap()
            .iter()
            .zip(sums.signed())
            .filter(|(a, _)| **a > 0.0)
            .map(|(a, s)| a / s.abs())
            .fold(0.0, f64::max);
        println!("largest A/S {amp:.3e} unreached {}", sums.unreached().iter().filter(|u| **u).count());
        for seed in 0..4 {
            let mut rng = Xoshiro256Plus::seed_from_u64(seed);
            let w: Vec<f32> = phi.iter().map(|_| rng.gen_range(-0.25..0.25)).collect();
            let b = -0.9_f32;
            let r = dimension_relevance(&w, b, &phi);
            let f: f64 = r.iter().sum();
            for rule in [Rule::Naive, Rule::Epsilon(100.0), Rule::Absolute] {
                let t = Instant::now();
                let d = descriptor_relevance_with(m.as_ref(), &sums, &r, rule).unwrap();
                let el = t.elapsed();
                let gap = d.total() - (f - d.predicted_leak - d.undistributed);
                println!(
                    "{rule} f {f:.4} gap/|f| {:.2e} gap/max(f,b) {:.2e} leak {:.3} sum|R| {:.3} und {} {el:?}",
                    gap / f.abs(),
                    gap / f.abs().max(0.9),
                    d.predicted_leak,
                    d.values.iter().map(|v| v.abs() as f64).sum::<f64>(),
                    d.n_undistributed
                );
            }
        }
    }
}
