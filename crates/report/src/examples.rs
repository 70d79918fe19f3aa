//! The gallery: heatmaps as pictures with captions, and the filters for them.

use minijinja::{Value, context};

use crate::data::examples::{ClassExamples, Example, Mistake, RgbImage, RuleHeatmap};
use crate::data::strategies::{StrategyCluster, StrategyExample, StrategySummary};
use crate::data::{Limits, ReportData};
use crate::error::ReportError;
use crate::format::{count, counted, fixed, percent};
use crate::picture;

/// The kinds of examples: identifier and heading.
const KINDS: [(&str, &str); 3] =
    [("best", "Highest scores"), ("worst", "Lowest scores among positives"), ("context", "Most context-driven")];

/// First letter of the names of an example's pictures in the page; a number follows.
const PLACE: &str = "e";

/// The examples of one kind that are shown.
fn of_kind<'a>(class: &'a ClassExamples, kind: &str, limits: Limits) -> impl Iterator<Item = &'a Example> {
    let all = match kind {
        "best" => &class.best,
        "worst" => &class.worst,
        _ => &class.context,
    };
    all.iter().take(limits.n_examples)
}

/// The classes that have examples, with their pictures and captions, and the choices of the filters.
pub(crate) fn gallery(classes: &[ClassExamples], limits: Limits) -> Result<Value, ReportError> {
    let mut n = 0;
    let mut groups = Vec::new();
    for class in classes.iter().filter(|class| !class.is_empty()) {
        let mut kinds = Vec::new();
        for (kind, name) in KINDS {
            let mut examples = Vec::new();
            for example in of_kind(class, kind, limits) {
                examples.push(view(example, class, kind, limits.thumbnail, &format!("{PLACE}{n}"))?);
                n += 1;
            }
            if !examples.is_empty() {
                kinds.push(context! { name => name, examples => examples });
            }
        }
        groups.push(context! { name => class.class.as_str(), kinds => kinds });
    }
    Ok(context! { classes => groups, n => n, filters => filters(classes, limits), rules => rules(classes) })
}

/// The rules of all heatmaps, in the order in which they appear, and whether each is the rule that is shown first.
fn rules(classes: &[ClassExamples]) -> Vec<Value> {
    let mut rules: Vec<&str> = Vec::new();
    let examples = classes.iter().flat_map(|class| class.best.iter().chain(&class.worst).chain(&class.context));
    for heatmap in examples.flat_map(|example| &example.heatmaps) {
        if !rules.contains(&heatmap.rule.as_str()) {
            rules.push(&heatmap.rule);
        }
    }
    let first = classes.iter().find(|class| !class.is_empty()).map(|class| class.rule.as_str());
    let first = first.filter(|first| rules.contains(first)).or(rules.first().copied());
    rules.iter().map(|rule| context! { name => *rule, is_shown => Some(*rule) == first }).collect()
}

/// The filters: identifier, label, the words for no choice, and each choice with the number of its examples.
fn filters(classes: &[ClassExamples], limits: Limits) -> Vec<Value> {
    let all: Vec<(&ClassExamples, &str, &Example)> = classes
        .iter()
        .flat_map(|class| {
            KINDS.iter().flat_map(move |(kind, _)| of_kind(class, kind, limits).map(move |of| (class, *kind, of)))
        })
        .collect();
    let named = |filter: &str, choice: &str| match (filter, choice) {
        ("kind", kind) => KINDS.iter().find(|(id, _)| *id == kind).map_or(kind, |(_, name)| name).to_owned(),
        ("found", "yes") => "True positives".to_owned(),
        ("found", _) => "Below the threshold".to_owned(),
        (_, choice) => choice.to_owned(),
    };
    let filter = |id: &str, label: &str, everything: &str, choice_of: &dyn Fn(usize) -> Option<String>| {
        let mut choices: Vec<(String, usize)> = Vec::new();
        for choice in (0..all.len()).filter_map(choice_of) {
            match choices.iter_mut().find(|(known, _)| *known == choice) {
                Some((_, n)) => *n += 1,
                None => choices.push((choice, 1)),
            }
        }
        let choices: Vec<Value> = choices
            .into_iter()
            .map(|(choice, n)| context! { value => choice.as_str(), name => named(id, &choice), n => n })
            .collect();
        // A filter with a single choice is useless, unless some examples have no cluster.
        (choices.len() > 1 || (id == "cluster" && !choices.is_empty()))
            .then(|| context! { id => id, label => label, everything => everything, choices => choices })
    };
    [
        filter("class", "Class", "All classes", &|at| Some(all[at].0.class.clone())),
        filter("kind", "Chosen for", "All", &|at| Some(all[at].1.to_owned())),
        filter("found", "Prediction", "All", &|at| found(all[at].2).map(str::to_owned)),
        filter("cluster", "Cluster", "All, with or without a cluster", &|at| all[at].2.cluster.clone()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The filter's name for true positives and for other images; `None` if it is not known.
fn found(example: &Example) -> Option<&'static str> {
    example.is_true_positive.map(|found| if found { "yes" } else { "no" })
}

/// Score and probability of an example.
fn score(example: &Example) -> String {
    let score = format!("score {}", fixed(example.score, 3));
    match example.probability {
        Some(probability) => format!("{score}, probability {} %", percent(probability, 0)),
        None => score,
    }
}

/// What the mistakes are, and how many of them are shown.
pub(crate) fn mistakes_sentence(data: &ReportData) -> String {
    let n = data.n_mistakes.max(data.mistakes.len());
    let shown = match data.mistakes.len() {
        shown if shown == n => "All of them are shown".to_owned(),
        shown => format!("{shown} of them are shown"),
    };
    // With one class per image there is an accuracy.
    let found = if data.accuracy.is_some() {
        "the class with the highest score is not the class of the image"
    } else {
        "a class that the image does not have is above its threshold"
    };
    format!("In {} of the test images, {found}. {shown}, the surest first.", count(n))
}

/// The mistakes, with the heatmap of the class that was found.
pub(crate) fn mistakes(mistakes: &[Mistake], limits: Limits) -> Result<Vec<Value>, ReportError> {
    let view = |(at, mistake): (usize, &Mistake)| {
        let Mistake { class, labels, rule, example } = mistake;
        let heatmaps: Vec<RuleHeatmap> =
            example.heatmaps.iter().filter(|heatmap| heatmap.rule == *rule).cloned().collect();
        let names = (example.id.as_str(), class.as_str());
        let pictures = pictures(&example.photograph, &heatmaps, rule, names, limits.thumbnail, &format!("m{at}"))
            .map_err(ReportError::part(format!("mistake {} of {class}", example.id)))?;
        let labels = if labels.is_empty() { "none of the classes".to_owned() } else { labels.join(", ") };
        Ok(context! {
            pictures => pictures,
            caption => format!("{} · found: {class}, {} · labels: {labels}", example.id, score(example)),
            conservation => example.conservation.as_str(),
        })
    };
    mistakes.iter().enumerate().map(view).collect()
}

/// Pictures and caption of one example.
fn view(example: &Example, class: &ClassExamples, kind: &str, side: usize, place: &str) -> Result<Value, ReportError> {
    let (id, name) = (&example.id, &class.class);
    let label = match example.label {
        0 => "difficult",
        1.. => "positive",
        ..0 => "negative",
    };
    let mut words = vec![id.clone(), score(example), label.to_owned()];
    words.extend(
        example.is_true_positive.map(|found| if found { "true positive" } else { "below the threshold" }.to_owned()),
    );
    words.extend(example.context_ratio.map(|ratio| format!("outside / inside {}", fixed(ratio, 2))));
    words.extend(example.cluster.clone());
    let pictures = pictures(&example.photograph, &example.heatmaps, &class.rule, (id, name), side, place)
        .map_err(ReportError::part(format!("example {id} of {name}")))?;
    Ok(context! {
        class => name.as_str(),
        kind => kind,
        found => found(example),
        cluster => example.cluster.as_deref(),
        pictures => pictures,
        caption => words.join(" · "),
        conservation => example.conservation.as_str(),
    })
}

/// A photograph and its heatmaps. Each picture is in the page once; the template refers to it again where a heatmap is laid over the
/// photograph.
fn pictures(
    photograph: &RgbImage,
    heatmaps: &[RuleHeatmap],
    shown: &str,
    (id, class): (&str, &str),
    side: usize,
    place: &str,
) -> Result<Value, ReportError> {
    let photograph = picture::embed(photograph, side)?;
    let shown = heatmaps.iter().position(|heatmap| heatmap.rule == shown).unwrap_or(0);
    let heatmaps = heatmaps
        .iter()
        .enumerate()
        .map(|(at, heatmap)| {
            let picture = picture::embed(&heatmap.picture, side.div_ceil(2))?;
            let by = if heatmap.rule.is_empty() { String::new() } else { format!(" by rule {}", heatmap.rule) };
            Ok(context! {
                place => format!("{place}-{at}"),
                rule => heatmap.rule.as_str(),
                is_shown => at == shown,
                address => Value::from_safe_string(picture.address),
                alone => format!("Heatmap of {id}: relevance for {class}{by}"),
                over => format!("Relevance for {class}{by} laid over photograph {id}"),
            })
        })
        .collect::<Result<Vec<Value>, ReportError>>()?;
    Ok(context! {
        place => place,
        // Base64 needs no escaping in HTML. Automatic escaping would replace each stroke by six characters.
        address => Value::from_safe_string(photograph.address),
        width => photograph.width,
        height => photograph.height,
        alt => format!("Photograph {id}"),
        heatmaps => heatmaps,
    })
}

/// The clusters of one class: for each, the mean heatmap and some of its images.
pub(crate) fn clusters(summary: &StrategySummary, at: usize, limits: Limits) -> Result<Vec<Value>, ReportError> {
    let cluster = |(number, cluster): (usize, &StrategyCluster)| {
        let place = format!("s{at}-{number}");
        let mean = (cluster.mean_heatmap != RgbImage::default())
            .then(|| picture::embed(&cluster.mean_heatmap, limits.thumbnail))
            .transpose()
            .map_err(ReportError::part(format!("mean heatmap of {} of {}", cluster.name, summary.class)))?
            .map(|picture| {
                context! {
                    address => Value::from_safe_string(picture.address),
                    width => picture.width,
                    height => picture.height,
                    alt => format!("Mean heatmap of {} of {}", cluster.name, summary.class),
                }
            });
        let examples = cluster.examples.iter().enumerate().map(|(example_at, example): (usize, &StrategyExample)| {
            let heatmap = [RuleHeatmap { rule: summary.rule.clone(), picture: example.heatmap.clone() }];
            let names = (example.id.as_str(), summary.class.as_str());
            let place = format!("{place}-{example_at}");
            let pictures =
                pictures(&example.photograph, &heatmap, &summary.rule, names, limits.thumbnail, &place).map_err(
                    ReportError::part(format!("example {} of {} of {}", example.id, cluster.name, summary.class)),
                )?;
            let caption = if example.caption.is_empty() {
                example.id.clone()
            } else {
                format!("{} · {}", example.id, example.caption)
            };
            Ok(context! { pictures => pictures, caption => caption })
        });
        let examples = examples.collect::<Result<Vec<Value>, ReportError>>()?;
        Ok(context! {
            name => cluster.name.as_str(),
            n => counted(cluster.ids.len(), "image"),
            ids => cluster.ids.join(", "),
            note => cluster.note.as_str(),
            mean => mean,
            examples => examples,
        })
    };
    summary.clusters.iter().enumerate().map(cluster).collect()
}
