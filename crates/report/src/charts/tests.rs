//! Tests of all charts.

use crate::charts::bars::{Bar, first_changes, horizontal};
use crate::charts::canvas::{decimals, escape, round_step, standalone};
use crate::charts::colours::VARIABLES;
use crate::charts::lines::{Curve, perturbation, precision_recall};
use crate::charts::looks::{Kind, Look};

#[test]
fn files_have_the_colours_of_the_light_page() {
    let style = include_str!("../style.css");
    let light = style.split('}').next().unwrap();
    for (_, variable, value) in VARIABLES {
        assert!(light.contains(&format!("{variable}: {value};")), "{variable} is not {value} in style.css");
    }
    let file = standalone(&perturbation(&[curve()], 100, "most relevant first", "curves").unwrap());
    assert!(file.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\""), "{file}");
    assert!(!file.contains("var(") && file.contains(VARIABLES[12].2), "{file}");
}

fn curve() -> Curve {
    let kind = Kind { name: "epsilon=100", is_baseline: false, is_random: false };
    Curve {
        name: "epsilon=100".to_owned(),
        look: Look::all(&[kind])[0],
        values: vec![0.1, 0.3, 0.5],
        interval: vec![(0.0, 0.2), (0.2, 0.4), (0.4, 0.6)],
    }
}

#[test]
fn steps_are_round() {
    assert_eq!(round_step(1.0, 5), 0.2);
    assert_eq!(round_step(10_000.0, 5), 2000.0);
    assert_eq!(round_step(0.37, 5), 0.1);
    assert_eq!(decimals(0.2), 1);
    assert_eq!(decimals(0.05), 2);
    assert_eq!(decimals(2000.0), 0);
}

#[test]
fn charts_have_no_address_and_no_placeholder() {
    let bars = vec![
        Bar { mark: Some(0.5), interval: Some((0.3, 0.45)), ..Bar::new("<cat> & dog", 0.4) },
        Bar::new("none", f64::NAN),
    ];
    let charts = [
        horizontal(&bars, 1.0, "%", 100.0, None, "bars").unwrap(),
        precision_recall(&[0.0, 0.5, 1.0], &[1.0, 0.8, 0.5], "curve").unwrap(),
        perturbation(&[curve()], 100, "most relevant first", "curves").unwrap(),
        first_changes(&[0, 3, 1], 100, 3, "changes").unwrap(),
    ];
    for chart in charts {
        assert!(chart.starts_with("<svg class=\"chart\" role=\"img\" aria-label=\""), "{chart}");
        assert!(chart.trim_end().ends_with("</svg>"));
        for unwanted in ["http", "NaN", "<cat>", "\"#0"] {
            assert!(!chart.contains(unwanted), "{unwanted} in {chart}");
        }
    }
    assert_eq!(escape("a<\"b\">&"), "a&lt;&quot;b&quot;&gt;&amp;");
}

#[test]
fn charts_without_data_are_drawn() {
    assert!(horizontal(&[], 1.0, "%", 100.0, None, "").is_ok());
    assert!(precision_recall(&[], &[], "").is_ok());
    assert!(perturbation(&[], 100, "", "").is_ok());
    assert!(first_changes(&[], 100, 0, "").is_ok());
}
