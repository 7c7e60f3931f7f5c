//! bench: the crate prometheus, and its unshared counters (prometheus-local: one thread, flushed by hand).

use crate::harness::{resident, Bench};
use crate::sized;
use crate::workload::*;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::hint::black_box;
use std::time::Instant;

const WHO: &str = "prometheus";
const LABELS: [&str; 3] = ["method", "route", "code"];

fn counters() -> IntCounterVec {
    IntCounterVec::new(Opts::new("bench_adds_total", "Adds."), &LABELS).unwrap()
}

fn many(bench: &Bench, count: usize) {
    let vec = IntCounterVec::new(Opts::new("bench_many_total", "Many series."), &["id"]).unwrap();
    let order = shuffle(count.max(1000), 3);
    let mut all: Vec<Option<IntCounter>> = vec![None; order.len()];
    for (i, &at) in order.iter().enumerate() {
        all[if count == 1 { i } else { at }] = Some(vec.with_label_values(&[&(i % count).to_string()]));
    }
    let all: Vec<IntCounter> = all.into_iter().flatten().collect();
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

fn records(bench: &Bench, turns: usize) {
    let opts = HistogramOpts::new("bench_seconds", "Seconds.").buckets(BOUNDS.to_vec());
    let vec = HistogramVec::new(opts, &["method"]).unwrap();
    let all: Vec<Histogram> = (0..turns).map(|i| vec.with_label_values(&[&format!("m{i}")])).collect();
    let seconds = seconds(1e6, 2e10);
    if turns == 1 {
        bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&all[0]).observe(seconds[i % VALUES])));
    } else {
        bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&all[i % TURNS]).observe(seconds[i % VALUES])));
    }
}

fn export(bench: &Bench, count: usize, snapshot: bool, text: bool) {
    let registry = Registry::new();
    let each = count / FAMILIES;
    let mut all = Vec::new();
    for f in 0..FAMILIES {
        let (name, help) = family(f);
        let vec = IntCounterVec::new(Opts::new(name, help), &LABELS).unwrap();
        registry.register(Box::new(vec.clone())).unwrap();
        for i in 0..each {
            let counter = vec.with_label_values(&[METHODS[i % 4], &route(i), CODES[i / 4 % 5]]);
            counter.inc_by(start(i));
            all.push(counter);
        }
    }
    let mut buffer = Vec::new();
    bench.measure_once(WHO, || {
        for (i, counter) in all.iter().enumerate() {
            counter.inc_by(growth(i % each));
        }
        let mut began = Instant::now();
        let gathered = black_box(registry.gather());
        let mut took = began.elapsed();
        assert!(gathered.len() == FAMILIES);
        if text {
            if !snapshot {
                began = Instant::now();
            }
            buffer.clear();
            TextEncoder::new().encode(&gathered, &mut buffer).unwrap();
            took = began.elapsed();
            assert!(black_box(&buffer).len() > 50 * count);
        }
        took.as_nanos() as f64
    });
}

/// Each tenant has a series of its own.
fn tenants_of(bench: &Bench, count: usize, skewed: bool) {
    let vec = IntCounterVec::new(Opts::new("bench_requests_total", "Requests."), &["method", "code", "tenant"]).unwrap();
    for i in 0..count {
        vec.with_label_values(&["GET", "200", &format!("tenant-{i:05}")]);
    }
    let all = tenants(count, skewed);
    bench.measure(WHO, |n| {
        for i in 0..n {
            vec.with_label_values(&["GET", "200", black_box(&all[i % all.len()])]).inc();
        }
    });
}

pub fn run(bench: &Bench) {
    let row = bench.row.as_str();
    if let Some(count) = sized(row, "record_series_") {
        many(bench, count);
    } else if let Some(count) = sized(row, "snapshot_") {
        export(bench, count, true, false);
    } else if let Some(count) = sized(row, "prometheus_text_") {
        export(bench, count, true, true);
    }
    match row {
        "prometheus_encode_10k" => export(bench, 10_000, false, true),
        "counter_add" | "counter_add_static" => {
            let counter = counters().with_label_values(&["GET", "/", "200"]);
            bench.measure(WHO, |n| (0..n).for_each(|_| black_box(&counter).inc()));
            let local = counter.local();
            bench.measure_alone("prometheus-local", |n| {
                (0..n).for_each(|_| black_box(&local).inc());
                local.flush();
            });
        }
        "counter_add_labels" => {
            let (vec, all) = (counters(), lists());
            bench.measure(WHO, |n| {
                let mut done = 0;
                while done < n {
                    for values in &all[..LISTS.min(n - done)] {
                        vec.with_label_values(black_box(values)).inc();
                    }
                    done += LISTS;
                }
            });
        }
        "counter_add_tenant" => tenants_of(bench, 10, false),
        "counter_add_tenant_100k" => tenants_of(bench, 100_000, true),
        "gauge_set" => {
            let gauge = IntGauge::new("bench_level", "Level.").unwrap();
            bench.measure(WHO, |n| (0..n).for_each(|i| black_box(&gauge).set(i as i64)));
        }
        "histogram_explicit" => records(bench, 1),
        "histogram_explicit_16_series" => records(bench, TURNS),
        "bytes_per_series" => {
            let vec = counters();
            let before = resident();
            for i in 0..100_000 {
                vec.with_label_values(&[METHODS[i % 4], &route(i), CODES[i / 4 % 5]]).inc();
            }
            bench.print(WHO, (resident() - before) / 1e5);
        }
        _ => (),
    }
}
