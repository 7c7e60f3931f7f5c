//! bench: the crate prometheus-client. It has no snapshot: it encodes from the live metrics.

use crate::harness::{resident, Bench};
use crate::sized;
use crate::workload::*;
use prometheus_client::encoding::{text::encode, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;
use std::hint::black_box;
use std::time::Instant;

const WHO: &str = "prometheus-client";

/// Borrowed for ever: what the crate is fastest with.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: &'static str,
    code: &'static str,
}

/// As values come that are not known beforehand.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Owned {
    method: String,
    route: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTenant {
    method: &'static str,
    code: &'static str,
    tenant: String,
}

fn owned(i: usize) -> Owned {
    Owned { method: METHODS[i % 4].into(), route: route(i), code: CODES[i / 4 % 5].into() }
}

fn many(bench: &Bench, count: usize) {
    let family = Family::<Vec<(String, String)>, Counter>::default();
    let order = shuffle(count.max(1000), 3);
    let mut all: Vec<Option<Counter>> = vec![None; order.len()];
    for (i, &at) in order.iter().enumerate() {
        let labels = vec![("id".to_string(), (i % count).to_string())];
        all[if count == 1 { i } else { at }] = Some(family.get_or_create_owned(&labels));
    }
    let all: Vec<Counter> = all.into_iter().flatten().collect();
    let work = |n: usize| {
        let mut done = 0;
        while done < n {
            for counter in &all[..all.len().min(n - done)] {
                black_box(counter).inc();
            }
            done += all.len();
        }
    };
    work(all.len()); // first uses are another row's
    bench.measure(WHO, work);
}

fn export(bench: &Bench, count: usize) {
    let mut registry = Registry::default();
    let each = count / FAMILIES;
    let mut all = Vec::new();
    for f in 0..FAMILIES {
        let (name, help) = family(f);
        let vec = Family::<Owned, Counter>::default();
        registry.register(name.trim_end_matches("_total"), help, vec.clone());
        for i in 0..each {
            let counter = vec.get_or_create_owned(&owned(i));
            counter.inc_by(start(i));
            all.push(counter);
        }
    }
    let mut buffer = String::new();
    bench.measure_once(WHO, || {
        for (i, counter) in all.iter().enumerate() {
            counter.inc_by(growth(i % each));
        }
        let began = Instant::now();
        buffer.clear();
        encode(&mut buffer, &registry).unwrap();
        let took = began.elapsed();
        assert!(black_box(&buffer).len() > 50 * count);
        took.as_nanos() as f64
    });
}

fn records(bench: &Bench, seconds: Vec<f64>, all: Vec<Histogram>) {
    if all.len() == 1 {
        bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&all[0]).observe(seconds[i % VALUES])));
    } else {
        bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&all[i % TURNS]).observe(seconds[i % VALUES])));
    }
}

/// Each tenant has a series of its own; its name is copied at each call, since the crate takes no other.
fn tenants_of(bench: &Bench, count: usize, skewed: bool) {
    let vec = Family::<ByTenant, Counter>::default();
    let of = |tenant: &str| ByTenant { method: "GET", code: "200", tenant: tenant.into() };
    for i in 0..count {
        vec.get_or_create(&of(&format!("tenant-{i:05}")));
    }
    let all = tenants(count, skewed);
    bench.measure(WHO, |n| {
        for i in 0..n {
            vec.get_or_create(&of(black_box(&all[i % all.len()]))).inc();
        }
    });
}

pub fn run(bench: &Bench) {
    let row = bench.row.as_str();
    if let Some(count) = sized(row, "record_series_") {
        many(bench, count);
    } else if let Some(count) = sized(row, "prometheus_text_") {
        export(bench, count);
    }
    match row {
        "counter_add" | "counter_add_static" => {
            let counter = Counter::<u64>::default();
            bench.measure(WHO, |n| {
                (0..n).for_each(|_| {
                    black_box(&counter).inc();
                })
            });
        }
        "counter_add_labels" => {
            let vec = Family::<Labels, Counter>::default();
            let all = lists();
            bench.measure(WHO, |n| {
                let mut done = 0;
                while done < n {
                    for l in &all[..LISTS.min(n - done)] {
                        let l = black_box(l);
                        vec.get_or_create(&Labels { method: l[0], route: l[1], code: l[2] }).inc();
                    }
                    done += LISTS;
                }
            });
        }
        "counter_add_tenant" => tenants_of(bench, 10, false),
        "counter_add_tenant_100k" => tenants_of(bench, 100_000, true),
        "gauge_set" => {
            let gauge = Gauge::<i64>::default();
            bench.measure(WHO, |n| {
                (0..n).for_each(|i| {
                    black_box(&gauge).set(i as i64);
                })
            });
        }
        "histogram_explicit" => records(bench, seconds(1e6, 2e10), vec![Histogram::new(BOUNDS)]),
        "histogram_explicit_16_series" => {
            records(bench, seconds(1e6, 2e10), (0..TURNS).map(|_| Histogram::new(BOUNDS)).collect())
        }
        "histogram_exponential" => {
            let native = NativeHistogramConfig::with_schema(3);
            records(bench, seconds(1e3, 6e10), vec![Histogram::new_native(native)])
        }
        "bytes_per_series" => {
            let vec = Family::<Owned, Counter>::default();
            let before = resident();
            for i in 0..100_000 {
                vec.get_or_create(&owned(i)).inc();
            }
            bench.print(WHO, (resident() - before) / 1e5);
        }
        _ => (),
    }
}
