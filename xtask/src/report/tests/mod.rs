//! The whole page, from made-up data.

mod made_up;

use std::collections::BTreeSet;

use super::data::{
    AveragePrecisionSummary, ClassExamples, ClassifierSummary, ConservationRow, ContextRow, DataSummary,
    PerturbationSummary, PrecisionRecallCurve, Provenance, ReportData,
};
use super::{html, write};
use made_up::{full, text};

/// Folder to leave the made-up report in, for a look at it in a browser.
const DEMONSTRATION: &str = "FISHERLENS_DEMONSTRATION_REPORT";

/// The values of every occurrence of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page with the base64 text of its pictures taken out, in which any three letters occur somewhere.
fn words(page: &str) -> String {
    let mut parts = page.split("base64,");
    let mut words = parts.next().unwrap().to_owned();
    for part in parts {
        words.push_str("base64,");
        words.push_str(&part[part.find('"').unwrap()..]);
    }
    words
}

#[test]
fn the_whole_page_stands_alone() {
    let page = words(&html::render(&full()).unwrap());
    if let Some(folder) = std::env::var_os(DEMONSTRATION) {
        write(&full(), folder.as_ref()).unwrap();
    }
    for unwanted in ["http:", "https:", "<script", "<link ", "@import", "url(", "NaN", "inf ", "{{", "{%"] {
        assert!(!page.contains(unwanted), "{unwanted} is in the page");
    }
    assert!(values(&page, "src").iter().all(|address| address.starts_with("data:image/png;base64,")));
    let identifiers = values(&page, "id");
    let unique: BTreeSet<_> = identifiers.iter().collect();
    assert_eq!(unique.len(), identifiers.len(), "{identifiers:?}");
    for link in values(&page, "href") {
        assert!(identifiers.contains(&link.strip_prefix('#').unwrap()), "{link} leads nowhere");
    }
    assert_eq!(page.matches("<section").count(), 13);
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"").count());
    assert_eq!(
        page.matches("<img ").count(),
        2 * 2 * 2 * 3,
        "two best and two worst of two classes, three pictures each"
    );
    for tag in ["table", "tr", "th", "td", "figure", "section", "svg", "div", "p", "main", "nav", "dl"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert_eq!(page.matches("<th>").count(), 0, "each head has a scope");
    assert_eq!(html::render(&full()).unwrap(), html::render(&full()).unwrap(), "the same data gives the same bytes");
}

#[test]
fn the_findings_are_said() {
    let page = html::render(&full()).unwrap();
    for expected in [
        "Of the rules, epsilon=100 has the largest A",
        "The supplement finds the same rule best, with the same ε.",
        "28,870",
        "59.99",
        "b0ba6e5c0f",
        "noted down from memory",
        "1 of 20 stopped at the last allowed pass",
        "6.5 GiB",
    ] {
        assert!(page.contains(expected), "{expected} is missing");
    }
    assert!(!page.contains("The images are not those of PASCAL VOC 2007"));
}

#[test]
fn other_images_come_with_a_warning() {
    let mut data = full();
    data.is_voc = false;
    data.average_precision.as_mut().unwrap().is_papers_test = false;
    for order in &mut data.perturbation.as_mut().unwrap().orders {
        order.a = 1.0;
        order.a_interval = (0.9, 1.1);
    }
    let page = html::render(&data).unwrap();
    for expected in [
        "The images are not those of PASCAL VOC 2007",
        "neither confirms nor contradicts",
        "so the lead may be chance",
        "other images than these",
        "does not stand clear of the random order",
    ] {
        assert!(page.contains(expected), "{expected} is missing");
    }
}

#[test]
fn an_unfinished_run_has_a_page_too() {
    let page = html::render(&ReportData { title: text("Empty"), ..ReportData::default() }).unwrap();
    assert_eq!(page.matches("<section").count(), 0);
    assert!(page.contains("<h1>Empty</h1>"));
    for section in ["equal-error", "settings", "stages", "examples"] {
        assert!(!values(&page, "id").contains(&section), "{section}");
    }
    // Sections whose lists are empty all through.
    let hollow = ReportData {
        data: Some(DataSummary::default()),
        provenance: Some(Provenance::default()),
        average_precision: Some(AveragePrecisionSummary::default()),
        classifier: Some(ClassifierSummary::default()),
        perturbation: Some(PerturbationSummary::default()),
        precision_recall: vec![PrecisionRecallCurve::default()],
        context: vec![ContextRow::default()],
        conservation: vec![ConservationRow::default()],
        examples: vec![ClassExamples::default()],
        ..ReportData::default()
    };
    let page = html::render(&hollow).unwrap();
    assert_eq!(page.matches("<section").count(), 8, "examples without a picture are left out");
    assert!(!page.contains("NaN"));
}

#[test]
fn numbers_that_are_none_become_dashes() {
    let mut data = full();
    let context = &mut data.context[3];
    (context.mean, context.median, context.ratio_of_sums) = (f64::NAN, f64::INFINITY, f64::NAN);
    data.average_precision.as_mut().unwrap().rows[0].eleven_point = None;
    data.equal_error[0].rate = f64::NAN;
    let order = &mut data.perturbation.as_mut().unwrap().orders[0];
    order.curve[5] = f64::NAN;
    order.curve_interval[5] = (f64::NAN, f64::NAN);
    let page = words(&html::render(&data).unwrap());
    assert!(!page.contains("NaN") && !page.contains(">inf<"));
}

#[test]
fn names_cannot_break_the_page() {
    let wicked = "<b>&\"cat'</b>";
    let mut data = full();
    data.title = text(wicked);
    data.experiment = text(wicked);
    data.average_precision.as_mut().unwrap().rows[0].class = text(wicked);
    data.precision_recall[0].class = text(wicked);
    data.context[0].class = text(wicked);
    data.examples[0].class = text(wicked);
    data.examples[0].best[0].id = text(wicked);
    data.perturbation.as_mut().unwrap().orders[0].name = text(wicked);
    data.extra_tables[0].columns[1] = text(wicked);
    data.settings[0].1 = text(wicked);
    let page = html::render(&data).unwrap();
    assert!(!page.contains("<b>") && !page.contains("cat'</b>"));
    assert!(page.contains("&lt;b&gt;"));
}

#[test]
fn faulty_tables_and_pictures_are_named() {
    let mut data = full();
    data.extra_tables[0].rows[1].pop();
    let message = format!("{:#}", html::render(&data).unwrap_err());
    assert!(message.contains("Positive relevance on the drawn masks") && message.contains("2 cells"), "{message}");
    let mut data = full();
    data.examples[1].worst[0].heatmap.rgb.pop();
    let message = format!("{:#}", html::render(&data).unwrap_err());
    assert!(message.contains("example 000356 of horse"), "{message}");
}

#[test]
fn the_file_is_written_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let first = write(&full(), &inner).unwrap();
    let second = write(&ReportData::default(), &inner).unwrap();
    assert_eq!(first, second);
    assert!(std::fs::read_to_string(&second).unwrap().len() < 20_000);
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);
}
