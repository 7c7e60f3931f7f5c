//! bench: the crate measured, with label values known at start (measured), and learnt as they come (measured-dynamic).
//! It has no handles for series of a family and no snapshot.

use crate::harness::{resident, Bench};
use crate::sized;
use crate::workload::*;
use lasso::{Rodeo, RodeoReader, Spur, ThreadedRodeo};
use measured::metric::group::Encoding;
use measured::metric::histogram::Thresholds;
use measured::metric::name::MetricName;
use measured::metric::MetricFamilyEncoding;
use measured::text::BufferedTextEncoder;
use measured::{Counter, CounterVec, Gauge, Histogram, LabelGroup};
use std::hint::black_box;
use std::time::Instant;

const WHO: &str = "measured";
const WHO_DYNAMIC: &str = "measured-dynamic";

#[derive(Clone, Copy, PartialEq, Debug, LabelGroup)]
#[label(set = FixedSet)]
struct Fixed<'a> {
    #[label(fixed_with = RodeoReader)]
    method: &'a str,
    #[label(fixed_with = RodeoReader)]
    route: &'a str,
    #[label(fixed_with = RodeoReader)]
    code: &'a str,
}

#[derive(Clone, Copy, PartialEq, Debug, LabelGroup)]
#[label(set = DynamicSet)]
struct Dynamic<'a> {
    #[label(dynamic_with = ThreadedRodeo)]
    method: &'a str,
    #[label(dynamic_with = ThreadedRodeo)]
    route: &'a str,
    #[label(dynamic_with = ThreadedRodeo)]
    code: &'a str,
}

fn reader<S: AsRef<str>>(all: &[S]) -> RodeoReader<Spur> {
    Rodeo::from_iter(all.iter()).into_reader()
}

fn dynamic() -> CounterVec<DynamicSet> {
    CounterVec::with_label_set(DynamicSet {
        method: ThreadedRodeo::new(),
        route: ThreadedRodeo::new(),
        code: ThreadedRodeo::new(),
    })
}

fn export(bench: &Bench, count: usize) {
    let each = count / FAMILIES;
    let routes: Vec<String> = (0..each.div_ceil(20)).map(|k| route(k * 20)).collect();
    let vecs: Vec<CounterVec<FixedSet>> = (0..FAMILIES)
        .map(|_| {
            CounterVec::with_label_set(FixedSet {
                method: reader(&METHODS[..4]),
                route: reader(&routes),
                code: reader(&CODES[..5]),
            })
        })
        .collect();
    let names: Vec<(String, String)> = (0..FAMILIES).map(family).collect();
    let group = |i: usize| Fixed { method: METHODS[i % 4], route: &routes[i / 20], code: CODES[i / 4 % 5] };
    let ids: Vec<_> = vecs.iter().map(|vec| (0..each).map(|i| vec.with_labels(group(i))).collect::<Vec<_>>()).collect();
    for (vec, ids) in vecs.iter().zip(&ids) {
        for (i, &id) in ids.iter().enumerate() {
            vec.get_metric(id).inc_by(start(i));
        }
    }
    let mut encoder = BufferedTextEncoder::new();
    bench.measure_once(WHO, || {
        for (vec, ids) in vecs.iter().zip(&ids) {
            for (i, &id) in ids.iter().enumerate() {
                vec.get_metric(id).inc_by(growth(i));
            }
        }
        let began = Instant::now();
        for (vec, (name, help)) in vecs.iter().zip(&names) {
            let name = MetricName::try_from_str(name).unwrap();
            encoder.write_help(name, help).unwrap();
            vec.collect_family_into(name, &mut encoder).unwrap();
        }
        let bytes = encoder.finish();
        let took = began.elapsed();
        assert!(black_box(&bytes).len() > 50 * count);
        took.as_nanos() as f64
    });
}

pub fn run(bench: &Bench) {
    let row = bench.row.as_str();
    if let Some(count) = sized(row, "prometheus_text_") {
        export(bench, count);
    }
    match row {
        "counter_add" | "counter_add_static" => {
            let counter = Counter::new();
            bench.measure(WHO, |n| (0..n).for_each(|_| black_box(&counter).inc()));
        }
        "counter_add_labels" => {
            let all = lists();
            let fixed = CounterVec::with_label_set(FixedSet {
                method: reader(&METHODS),
                route: reader(&ROUTES),
                code: reader(&CODES),
            });
            bench.measure(WHO, |n| {
                let mut done = 0;
                while done < n {
                    for l in &all[..LISTS.min(n - done)] {
                        let l = black_box(l);
                        fixed.inc(Fixed { method: l[0], route: l[1], code: l[2] });
                    }
                    done += LISTS;
                }
            });
            let dynamic = dynamic();
            bench.measure(WHO_DYNAMIC, |n| {
                let mut done = 0;
                while done < n {
                    for l in &all[..LISTS.min(n - done)] {
                        let l = black_box(l);
                        dynamic.inc(Dynamic { method: l[0], route: l[1], code: l[2] });
                    }
                    done += LISTS;
                }
            });
        }
        "gauge_set" => {
            let gauge = Gauge::new();
            bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&gauge).set(i as i64)));
        }
        "histogram_explicit" => {
            let histogram = Histogram::with_metadata(Thresholds::with_buckets(BOUNDS));
            let seconds = seconds(1e6, 2e10);
            bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&histogram).observe(seconds[i % VALUES])));
        }
        "histogram_explicit_16_series" => {
            let all: Vec<Histogram<14>> =
                (0..TURNS).map(|_| Histogram::with_metadata(Thresholds::with_buckets(BOUNDS))).collect();
            let seconds = seconds(1e6, 2e10);
            bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&all[i % TURNS]).observe(seconds[i % VALUES])));
        }
        "bytes_per_series" => {
            let vec = dynamic();
            let before = resident();
            for i in 0..100_000 {
                vec.inc(Dynamic { method: METHODS[i % 4], route: &route(i), code: CODES[i / 4 % 5] });
            }
            bench.print(WHO_DYNAMIC, (resident() - before) / 1e5);
        }
        _ => (),
    }
}
