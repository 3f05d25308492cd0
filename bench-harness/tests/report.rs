//! What is stored can be read again, by us and by others, and the page holds
//! what it must.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use ringmq_bench::latency::histogram;
use ringmq_bench::report::{comparison, hlog, markdown, page, picture, table};
use ringmq_bench::result::{
    Broker, Environment, Interval, Named, ReadError, Run, StoredResult, distribution,
};

fn latencies(from: u64) -> Histogram<u64> {
    let mut histogram = histogram();
    for micros in from..from + 1000 {
        histogram.record(micros).expect("it is in range");
    }
    histogram
}

fn run(rate: u64) -> Run {
    let mut run = Run {
        began: 1_772_323_200.5,
        ..Run::default()
    };
    run.count("deliveries_per_second", "deliveries/s", rate);
    run.number(
        "broker_cpu_us_per_delivery",
        "broker CPU us/delivery",
        0.1 + 0.2,
        3,
    );
    run.number("nothing", "a share of nothing", f64::NAN, 1);
    run.distribution("latency", "latency", &latencies(100));
    run.distribution("skew", "fan-out skew", &latencies(10));
    run.intervals = (0..3)
        .map(|second: u32| Interval {
            start: f64::from(second),
            end: f64::from(second) + 1.0,
            published: 10,
            delivered: 1000,
            p50_us: 600,
            p99_us: 1090,
            max_us: 1099,
            broker_cpu_percent: Some(12.5),
            generator_cpu_percent: 7.25,
            histogram: distribution::encode(&latencies(100)),
        })
        .collect();
    run
}

fn result(name: &str, rates: &[u64]) -> StoredResult {
    let broker = Broker {
        name: name.to_owned(),
        version: None,
        address: "127.0.0.1:1883".to_owned(),
        mqtt: "5.0".to_owned(),
        transport: None,
    };
    let settings = [("qos".to_owned(), "1".to_owned())].into_iter();
    let runs = rates.iter().map(|rate| run(*rate)).collect();
    let settings = settings.collect::<Named<String>>();
    StoredResult::new(
        "fan-out",
        "a < b",
        broker,
        settings,
        Environment::default(),
        runs,
    )
}

#[test]
fn a_result_is_the_same_after_a_round_trip_through_json() {
    let mut before = result("one", &[10, 20, 30]);
    before.runs[1].invalidate("the generator was saturated".to_owned());
    let after = StoredResult::from_json(&before.to_json()).expect("it was just written");
    assert_eq!(after, before);
    assert_eq!(after.median("deliveries_per_second"), Some(20.0));
    assert_eq!(after.median("nothing"), None);
}

#[test]
fn another_format_is_refused_by_its_number() {
    let text = result("one", &[10])
        .to_json()
        .replace("\"format\": 1", "\"format\": 99");
    let error = StoredResult::from_json(&text).expect_err("it is of the future");
    assert!(matches!(error, ReadError::Format(99)), "{error}");
}

#[test]
fn an_invalid_repetition_makes_the_result_invalid_and_is_named() {
    let mut runs = vec![run(1), run(2)];
    runs[1].invalidate("saturated".to_owned());
    let one = result("one", &[1]);
    let result = StoredResult::new(
        "fan-out",
        "",
        one.broker,
        one.settings,
        one.environment,
        runs,
    );
    assert!(!result.valid);
    assert_eq!(result.invalid, ["run 2: saturated"]);
    assert!(table::table(&result).contains("INVALID  run 2: saturated"));
    assert!(result.to_json().contains("\"valid\": false"));
}

#[test]
fn the_interval_log_parses_back_to_every_histogram() {
    let result = result("one", &[10]);
    let text = hlog::log(&result, &result.runs[0]);
    let mut histograms = 0;
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        match entry.expect("every line is well formed") {
            LogEntry::BaseTime(at) | LogEntry::StartTime(at) => {
                assert_eq!(at.as_secs(), 1_772_323_200);
            }
            LogEntry::Interval(interval) => {
                assert_eq!(interval.duration().as_secs(), 1);
                let found = distribution::decode(interval.encoded_histogram());
                assert_eq!(found.expect("it can be read"), latencies(100));
                histograms += 1;
            }
        }
    }
    assert_eq!(histograms, 3);
    let damaged = Deserializer::new().deserialize::<u64, _>(&mut &b"no"[..]);
    assert!(damaged.is_err());
    assert!(distribution::decode("bm8=").is_err());
}

#[test]
fn the_comparison_gives_ratios_against_the_first() {
    let text = comparison::comparison(&[result("one", &[10]), result("two", &[25])]);
    let rate = text.lines().find(|line| line.starts_with("deliveries/s"));
    let words: Vec<&str> = rate.expect("it is compared").split_whitespace().collect();
    assert_eq!(words, ["deliveries/s", "10", "(1.00x)", "25", "(2.50x)"]);
}

/// The same with another quality of service.
fn result_at(name: &str, qos: u8, rates: &[u64]) -> StoredResult {
    let mut result = result(name, rates);
    result.settings.set("qos", qos.to_string());
    result
}

/// The text of each element of this class, in order.
fn texts_of<'p>(picture: &'p str, class: &str) -> Vec<&'p str> {
    let begin = format!("<text class=\"{class}\"");
    let elements = picture.split(begin.as_str()).skip(1);
    let texts = elements.map(|rest| {
        let (_, text) = rest.split_once('>').expect("tags are closed");
        text.split_once('<').expect("elements are closed").0
    });
    texts.collect()
}

#[test]
fn the_picture_has_a_panel_per_way_of_measuring_and_a_curve_per_broker() {
    let results = [
        result_at("one", 0, &[10]),
        result_at("<two>", 0, &[20]),
        result_at("floor-64", 0, &[30]),
        result_at("one", 1, &[10]),
        result_at("<two>", 1, &[20]),
    ];
    let picture = picture::picture(&results, "All & sundry").expect("histograms are whole");
    let picture = picture.expect("there are latencies");
    assert_eq!(texts_of(&picture, "title"), ["All &amp; sundry"]);
    assert_eq!(texts_of(&picture, "about"), ["fan-out, MQTT 5.0, TCP"]);
    assert_eq!(texts_of(&picture, "panel"), ["QoS 0", "QoS 1"]);
    let names = ["one", "&lt;two&gt;", "bare kernel, 64 per send"];
    assert_eq!(texts_of(&picture, "name"), names);
    assert_eq!(
        picture
            .matches("<polyline class=\"curve c0 first\"")
            .count(),
        2
    );
    assert_eq!(picture.matches("<polyline class=\"curve c1\"").count(), 2);
    assert_eq!(
        picture.matches("<polyline class=\"curve floor\"").count(),
        1
    );
}

#[test]
fn the_picture_stands_alone_in_both_colour_schemes() {
    let picture = picture::picture(&[result("one", &[10])], "one").expect("as above");
    let picture = picture.expect("there are latencies");
    let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
    assert!(picture.starts_with(&format!("<svg {namespace}")) && picture.ends_with("</svg>\n"));
    assert!(picture.contains("@media (prefers-color-scheme: dark)"));
    let rest = picture.replace(namespace, "");
    for forbidden in [
        "http:", "https:", "<script", "href", "url(", "@import", "NaN", "inf,",
    ] {
        assert!(!rest.contains(forbidden), "{forbidden}");
    }
    let mut empty = result("one", &[10]);
    empty.runs[0].distributions.remove("latency");
    assert!(
        picture::picture(&[empty], "one")
            .expect("as above")
            .is_none()
    );
}

#[test]
fn the_markdown_table_has_a_row_per_broker_and_marks_the_best() {
    let results = [
        result_at("one", 0, &[10]),
        result_at("two", 0, &[1200]),
        result_at("floor-1", 0, &[5000]),
        result_at("one", 1, &[10]),
    ];
    let metrics = ["deliveries_per_second".to_owned()];
    let table = markdown::table(&results, &metrics).expect("all have it");
    let expected = "| broker | QoS 0 | QoS 1 |\n\
                    | --- | ---: | ---: |\n\
                    | one | 10 | **10** |\n\
                    | two | **1,200** | - |\n\
                    | bare kernel, 1 message per send | 5,000 | - |\n";
    assert_eq!(table, expected);
    let two = [
        "deliveries_per_second".to_owned(),
        "latency_p50_us".to_owned(),
    ];
    let table = markdown::table(&results[..1], &two).expect("it has both");
    assert!(
        table.starts_with("| broker | deliveries/s | latency p50, us |\n"),
        "{table}"
    );
    let table = markdown::table(&results, &two).expect("all have both");
    assert!(table.starts_with("| broker | QoS 0: deliveries/s | QoS 0: latency p50, us | QoS 1: "));
    let wrong = markdown::table(&results, &["speed".to_owned()]).expect_err("there is none");
    assert!(
        wrong.starts_with("no result has the metric speed; there are broker_cpu_us"),
        "{wrong}"
    );
}

/// Headings, figures, tables and how many lines each picture has, in order.
fn outline(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("tags are closed");
        if ["h1", "h2", "h3"].contains(&tag) {
            found.push(format!("{tag} {text}"));
        } else if tag.starts_with("svg") && tag.contains("role=\"img\"") {
            found.push("picture".to_owned());
        } else if tag.starts_with("polyline") && !tag.ends_with('/') {
            found.push("line".to_owned());
        } else if let Some(class) = tag.strip_prefix("table class=") {
            found.push(format!("table {}", class.trim_matches('"')));
        } else if let Some(class) = tag.strip_prefix("li class=") {
            found.push(format!("verdict {}", class.trim_matches('"')));
        }
    }
    found
}

#[test]
fn the_page_of_one_result_has_this_structure() {
    let page = page::page(&[result("one", &[10, 20])]).expect("histograms are whole");
    let expected = [
        "h1 fan-out: one",
        "verdict right",
        "h3 Latency by percentile",
        "picture",
        "line",
        "h3 Fan-out skew by percentile",
        "picture",
        "line",
        "h3 Throughput over time",
        "picture",
        "line",
        "h3 Latency over time",
        "picture",
        "line",
        "line",
        "line",
        "h3 All numbers",
        "table metrics",
        "h3 Settings and environment",
        "table environment",
    ];
    assert_eq!(outline(&page), expected);
}

#[test]
fn the_page_of_several_results_compares_them() {
    let mut wrong = result("<two>", &[30]);
    wrong.failures.push("3 lost".to_owned());
    wrong.valid = false;
    wrong.invalid.push("saturated".to_owned());
    let page = page::page(&[result("one", &[10]), wrong]).expect("histograms are whole");
    let expected = [
        "h1 fan-out: one, &lt;two&gt;",
        "verdict right",
        "verdict wrong",
        "verdict invalid",
        "h3 Side by side",
        "table comparison",
        "h3 Latency by percentile",
        "picture",
        "line",
        "line",
        "h3 Throughput over time",
        "picture",
        "line",
        "line",
        "h3 Latency over time",
        "picture",
        "line",
        "line",
        "h3 Settings and environment",
        "table environment",
    ];
    assert_eq!(outline(&page), expected);
    assert!(page.contains("&lt;two&gt; (invalid)"));
}

#[test]
fn the_page_asks_nothing_of_the_network_and_closes_what_it_opens() {
    let page = page::page(&[result("one", &[10]), result("two", &[20])]).expect("as above");
    for forbidden in [
        "http:", "https:", "<script", "<link", "src=", "url(", "@import",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf,"));
    for tag in [
        "section", "figure", "table", "thead", "tbody", "tr", "td", "th", "ul", "svg",
    ] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}
