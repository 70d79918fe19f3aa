//! Tests of the whole page, with made-up data.

mod browser;
mod made_up;

use std::collections::BTreeSet;

use crate::data::examples::ClassExamples;
use crate::data::{
    AveragePrecisionSummary, ClassifierSummary, ConservationRow, ContextRow, DataSummary, PerturbationSummary,
    PrecisionRecallCurve, Provenance, ReportData,
};
use crate::error::ReportError;
use crate::folder::write;
use crate::html;
use made_up::{full, text};

/// The page of this data.
fn rendered(data: &ReportData) -> Result<String, ReportError> {
    html::render(data).map(|(page, _)| page)
}

/// Environment variable with a folder in which the made-up report is left, to look at it in a browser.
const DEMONSTRATION: &str = "FISHERLENS_DEMONSTRATION_REPORT";

/// The values of every occurrence of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without the base64 text of its pictures, because that text may contain any short word.
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
fn the_page_needs_no_other_file() {
    let page = words(&rendered(&full()).unwrap());
    if let Some(folder) = std::env::var_os(DEMONSTRATION) {
        write(&full(), folder.as_ref()).unwrap();
    }
    for unwanted in ["http:", "https:", "<script ", "<link ", "@import", "url(h", "url(d", "NaN", "inf ", "{{", "{%"] {
        assert!(!page.contains(unwanted), "{unwanted} is in the page");
    }
    assert!(values(&page, "src").is_empty(), "pictures are given by href");
    let identifiers = values(&page, "id");
    let unique: BTreeSet<_> = identifiers.iter().collect();
    assert_eq!(unique.len(), identifiers.len(), "{identifiers:?}");
    for link in values(&page, "href").into_iter().filter(|link| !link.starts_with("data:image/png;base64,")) {
        assert!(identifiers.contains(&link.strip_prefix('#').unwrap()), "{link} has no target");
    }
    assert_eq!(page.matches("<section").count(), 17);
    let n_examples = 2 * 3 * 2;
    let n_strategies = 2 * (1 + 3 * 2);
    let n_mistakes = 3;
    assert_eq!(
        page.matches("<image ").count(),
        n_examples * (1 + 3) + n_strategies + n_mistakes * 2,
        "each example has a photograph and three heatmaps, each once; each cluster has a mean, photographs and heatmaps"
    );
    for tag in ["svg class=\"heatmap\"", "svg class=\"over\"", "svg class=\"chart\""] {
        let start = format!("<{tag}");
        let pictures = page.split(&start).skip(1).map(|rest| &rest[..rest.find('>').unwrap()]);
        assert!(pictures.clone().count() > 0, "{tag}");
        for picture in pictures {
            assert!(picture.contains(" role=\"img\"") && picture.contains(" aria-label=\""), "{picture}");
        }
    }
    for tag in [
        "table", "tr", "th", "td", "figure", "section", "svg", "div", "p", "main", "nav", "dl", "button", "select",
        "form", "template", "label", "script",
    ] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert_eq!(page.matches("<th>").count(), 0, "each heading cell has a scope");
    assert_eq!(rendered(&full()).unwrap(), rendered(&full()).unwrap(), "the same data gives the same bytes");
}

#[test]
fn the_page_contains_the_findings() {
    let page = rendered(&full()).unwrap();
    for expected in [
        "Of the rules, epsilon=100 has the largest A",
        "The supplement finds the same rule best, with the same ε.",
        "28,870",
        "59.99",
        "b0ba6e5c0f",
        "written down from memory",
        "1 of 20 stopped at the last allowed pass",
        "6.5 GiB",
        "Of the 7 values of ε tried, from 0.01 to 10000, ε = 100 is best here",
        "; ε = 100 is best in the paper too.",
        "and 2.3 % over all pairs of image and class together",
        "In 31 of the test images, the class with the highest score is not the class of the image. 3 of them are shown",
        "found: horse, score −5.100, probability 91 % · labels: cow, person",
        "labels: none of the classes",
        "3,100 of 4,952 test images",
        "A, least first",
        "95 % interval of ABPC",
    ] {
        assert!(page.contains(expected), "{expected} is missing");
    }
    assert!(!page.contains("The images are not those of PASCAL VOC 2007"));
}

#[test]
fn a_warning_is_shown_for_other_images() {
    let mut data = full();
    data.is_voc = false;
    data.average_precision.as_mut().unwrap().is_papers_test = false;
    for order in &mut data.perturbation.as_mut().unwrap().orders {
        order.a = 1.0;
        order.a_interval = (0.9, 1.1);
    }
    let page = rendered(&data).unwrap();
    for expected in [
        "The images are not those of PASCAL VOC 2007",
        "neither confirms nor contradicts",
        "difference on the same images and draws",
        "for other images than these",
        "overlaps with the interval of the random order",
    ] {
        assert!(page.contains(expected), "{expected} is missing");
    }
}

#[test]
fn an_unfinished_run_has_a_page_too() {
    let page = rendered(&ReportData { title: text("Empty"), ..ReportData::default() }).unwrap();
    assert_eq!(page.matches("<section").count(), 0);
    assert!(page.contains("<h1>Empty</h1>"));
    for section in ["equal-error", "settings", "stages", "examples"] {
        assert!(!values(&page, "id").contains(&section), "{section}");
    }
    // Sections that have only empty lists.
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
    let page = rendered(&hollow).unwrap();
    assert_eq!(page.matches("<section").count(), 8, "examples without a picture are left out");
    assert!(!page.contains("NaN"));
}

#[test]
fn values_that_are_not_finite_become_dashes() {
    let mut data = full();
    let context = &mut data.context[3];
    (context.mean, context.median, context.ratio_of_sums) = (f64::NAN, f64::INFINITY, f64::NAN);
    data.average_precision.as_mut().unwrap().rows[0].eleven_point = None;
    data.equal_error[0].rate = f64::NAN;
    let order = &mut data.perturbation.as_mut().unwrap().orders[0];
    order.curve[5] = f64::NAN;
    order.curve_interval[5] = (f64::NAN, f64::NAN);
    let page = words(&rendered(&data).unwrap());
    assert!(!page.contains("NaN") && !page.contains(">inf<"));
}

#[test]
fn special_characters_in_names_are_escaped() {
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
    let page = rendered(&data).unwrap();
    assert!(!page.contains("<b>") && !page.contains("cat'</b>"));
    assert!(page.contains("&lt;b&gt;"));
}

#[test]
fn errors_name_the_table_or_the_picture() {
    let mut data = full();
    data.extra_tables[0].rows[1].pop();
    let message = rendered(&data).unwrap_err().to_string();
    assert!(message.contains("Positive relevance on the drawn masks") && message.contains("2 cells"), "{message}");
    let mut data = full();
    data.examples[1].worst[0].heatmaps[2].picture.rgb.pop();
    let message = rendered(&data).unwrap_err().to_string();
    assert!(message.contains("example 000356 of horse"), "{message}");
}

#[test]
fn names_cannot_reorder_the_page_or_break_its_figures() {
    let hidden = "a\u{202e}b\u{2067}c\u{1b}d\u{8}";
    let mut data = full();
    (data.title, data.experiment, data.notes) = (text(hidden), text(hidden), vec![text(hidden)]);
    data.examples[0].class = text(hidden);
    data.examples[0].best[0].cluster = Some(text(hidden));
    data.precision_recall[0].class = text(hidden);
    data.average_precision.as_mut().unwrap().rows[0].class = text(hidden);
    data.perturbation.as_mut().unwrap().orders[0].name = text(hidden);
    data.strategies[0].class = text(hidden);
    data.extra_sections[0].heading = text(hidden);
    let (page, exports) = html::render(&data).unwrap();
    let shown = "a\\u{202e}b\\u{2067}c\\u{1b}d\\u{8}";
    assert!(page.contains(&format!("<title>{shown}</title>")));
    let mut files = exports.files();
    assert!(files.iter().any(|(name, svg)| name.starts_with("figures/") && svg.contains(shown)));
    files.push((text("report.html"), page));
    for (name, content) in files {
        let is_hidden = |c: char| c != '\n' && (c.is_control() || hidden.contains(c)) && !c.is_ascii_alphabetic();
        assert_eq!(content.find(is_hidden), None, "{name}");
    }
    // Otherwise the digests of the scripts in the policy would be wrong.
    for own in [include_str!("../style.css"), include_str!("../script.js"), include_str!("../template.html")] {
        assert_eq!(fisherlens_files::visible(own), own);
    }
}

#[test]
fn the_files_are_written_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let first = write(&full(), &inner).unwrap();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(inner.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let (figures, tables) = (names("figures"), names("tables"));
    for expected in
        ["average-precision-by-class.svg", "precision-and-recall-of-horse.svg", "orders-and-their-reverse.svg"]
    {
        assert!(figures.contains(expected), "{expected} is missing in {figures:?}");
    }
    for expected in ["a-by-class.csv", "a-by-class.tex", "pooling.csv", "clusters-of-horse.tex"] {
        assert!(tables.contains(expected), "{expected} is missing in {tables:?}");
    }
    let page = std::fs::read_to_string(&first).unwrap();
    assert_eq!(figures.len(), page.matches(" data-save=\"").count());
    assert_eq!(tables.len(), page.matches(" data-copy=\"").count());
    let text = std::fs::read_to_string(inner.join("tables/clusters-of-horse.csv")).unwrap();
    assert_eq!(text, "Cluster,Images,Relevance on the tag (%)\ncluster 1,40,48.9\ncluster 2,147,-1.2\n");
    let second = write(&ReportData::default(), &inner).unwrap();
    assert_eq!(first, second);
    assert!(std::fs::read_to_string(&second).unwrap().len() < 40_000);
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 2, "the page and the list of its files");
}

/// The page without the style sheet and the script, which contain some of the same words.
fn markup(page: &str) -> &str {
    let body = page.split_once("<body>").unwrap().1;
    body.split("<p id=\"announcer\"").next().unwrap()
}

#[test]
fn everything_can_be_read_without_a_script() {
    let page = words(&rendered(&full()).unwrap());
    let page = markup(&page);
    // Only pictures by other rules are hidden, and each example shows one heatmap alone and one over its photograph.
    let hidden = page.matches(" hidden").count();
    assert_eq!(hidden, page.matches(" hidden viewBox=").count());
    let (n_strategies, n_mistakes) = (6, 3);
    for class in ["heatmap", "over"] {
        let start = format!("<svg class=\"{class}\" ");
        let shown = page.split(&start).skip(1);
        let shown = shown.filter(|rest| !rest[..rest.find('>').unwrap()].contains(" hidden")).count();
        assert_eq!(shown, 2 * 3 * 2 + n_strategies + n_mistakes, "{class}");
    }
    // Controls that need a script are marked, so that they are not shown without one.
    for control in page.split("<button").skip(1) {
        assert!(control.starts_with(" type="), "without a type the button would submit the form: {}", &control[..40]);
    }
    for (id, class) in [("filters", "js-only"), ("theme", "js-only")] {
        let tag = page.split('<').find(|tag| tag.contains(&format!("id=\"{id}\""))).unwrap();
        assert!(tag.contains(class), "{tag}");
    }
    assert_eq!(page.matches("<div class=\"tools js-only\">").count(), page.matches("<div class=\"tools").count());
    for kind in ["Highest scores", "Lowest scores among positives", "Most context-driven"] {
        assert_eq!(page.matches(&format!("<p class=\"kind\">{kind}</p>")).count(), 2, "{kind}");
    }
    assert!(page.contains("outside &#x2f; inside 1.30"));
}

#[test]
fn every_control_has_a_label() {
    let page = words(&rendered(&full()).unwrap());
    for button in page.split("<button").skip(1) {
        let (tag, rest) = button.split_once('>').unwrap();
        let label = values(&format!("<button{tag}"), "aria-label").first().map(|label| (*label).to_owned());
        let label = label.unwrap_or_else(|| rest.split('<').next().unwrap().to_owned());
        assert!(label.len() > 7, "{tag}: {label:?}");
    }
    // Each control is inside of a label.
    let labels: String = page.split("<label>").skip(1).filter_map(|rest| rest.split("</label>").next()).collect();
    for control in ["<select ", "<input "] {
        assert_eq!(page.matches(control).count(), labels.matches(control).count(), "{control}");
    }
    assert_eq!(page.matches("<option value=\"horse\">horse (6)</option>").count(), 1);
    assert_eq!(page.matches("<option value=\"context\">Most context-driven (4)</option>").count(), 1);
    assert_eq!(page.matches("<option value=\"cluster 2\">cluster 2 (1)</option>").count(), 1);
}

#[test]
fn filters_without_a_choice_are_left_out() {
    let mut data = full();
    for class in &mut data.examples {
        for example in class.best.iter_mut().chain(&mut class.worst).chain(&mut class.context) {
            (example.is_true_positive, example.cluster) = (None, None);
            example.heatmaps.truncate(1);
        }
    }
    let page = words(&rendered(&data).unwrap());
    let filters = values(&page, "data-filter");
    assert_eq!(filters, ["class", "kind"]);
    assert!(!markup(&page).contains("name=\"rule\""), "there is nothing to choose between one rule");
}

#[test]
fn extra_sections_have_unique_names() {
    let mut data = full();
    let twin = data.extra_sections[0].clone();
    data.extra_sections.push(twin);
    data.extra_sections[0].heading = text("<i>");
    let page = rendered(&data).unwrap();
    let identifiers = values(&page, "id");
    assert!(identifiers.contains(&"section-other-pooling") && identifiers.contains(&"section-other-pooling-2"));
    assert!(page.contains(">&lt;i&gt;</h2>"));
    assert!(page.contains("Pooling by the maximum does worse"));
}

#[test]
fn the_best_epsilon_is_compared_with_the_papers() {
    let mut data = full();
    let set = |data: &mut ReportData, name: &str, a: f64, half: f64| {
        let order = data.perturbation.as_mut().unwrap().orders.iter_mut().find(|order| order.name == name).unwrap();
        (order.a, order.a_interval) = (a, (a - half, a + half));
    };
    set(&mut data, "epsilon=1000", 1.5, 0.01);
    let page = rendered(&data).unwrap();
    assert!(page.contains("ε = 1000 is best here: A = 1.5000 (95 % interval 1.4900 to 1.5100). For ε = 100"), "{page}");
    assert!(page.contains("this interval does not overlap with the other."));
    set(&mut data, "epsilon=1000", 1.5, 0.9);
    assert!(rendered(&data).unwrap().contains("this interval overlaps with the other."));
    set(&mut data, "epsilon=10000", 1.6, 0.01);
    assert!(
        rendered(&data).unwrap().contains("at the end of the range, so a value outside the range may be even better.")
    );
    data.perturbation.as_mut().unwrap().orders.retain(|order| order.name != "epsilon=100");
    assert!(rendered(&data).unwrap().contains("In the paper ε = 100 is best; it was not tried here."));
}
